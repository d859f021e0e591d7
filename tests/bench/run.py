#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks one after the other, writes their results to one JSON file and prints a table. Arguments: build directory, output file, [names]."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["ring", "syscall", "start", "captured", "rejected", "memory", "apps", "rules", "state", "snapshot", "replay", "spool", "file", "storm", "kafka", "http", "latency", "stall", "backlog", "containers", "container_cost"]


def argv(build, name):
    if name in ("ring", "state"):
        return [f"{build}/tests/bench/bench-{name}"]
    if name in ("captured", "rejected"):
        return [sys.executable, f"{HERE}/bench_load.py", name]
    if name in ("kafka", "http", "latency"):
        return [sys.executable, f"{HERE}/bench_sinks.py", name]
    return [sys.executable, f"{HERE}/bench_{name}.py"]


def run(build, name):
    env = dict(os.environ, SAKER_BIN=f"{build}/stage/bin/saker", SAKER_BENCH_SYSCALL=f"{build}/tests/bench/bench-syscall",
               SAKER_BENCH_LOAD=f"{build}/tests/bench/bench-load", SAKER_BENCH_KERNEL=f"{build}/tests/bench/bench-kernel",
               SAKER_BENCH_RULES=f"{build}/tests/bench/bench-rules", SAKER_BENCH_PROCS=f"{build}/tests/bench/bench-procs",
               SAKER_BENCH_SPOOL=f"{build}/tests/bench/bench-spool", SAKER_BENCH_FILE=f"{build}/tests/bench/bench-file",
               SAKER_BENCH_KAFKA=f"{build}/tests/bench/bench-kafka")
    t = time.monotonic()
    r = subprocess.run(argv(build, name), capture_output=True, text=True, env=env)
    if r.returncode:
        return {"failed": r.returncode, "text": (r.stdout + r.stderr)[-2000:]}
    return json.loads(r.stdout) | {"took_s": round(time.monotonic() - t, 1)}


def mib(n):
    return f"{n / (1 << 20):.1f} MiB"


def rows_ring(r):
    for size, target in (("64", 60e6), ("256", 25e6), ("1024", None)):
        x = r[size]
        got = x["ring"]["events_per_s"]
        yield (f"ring, {size} B records", f"{got / 1e6:.0f} M/s (median {x['ring']['events_per_s_median'] / 1e6:.0f})",
               f"bare ring {x['bare_ring']['events_per_s'] / 1e6:.0f}, memcpy {x['memcpy']['events_per_s'] / 1e6:.0f} M/s",
               f"{target / 1e6:.0f} M/s" if target else "", None if not target else got >= target)


def rows_syscall(r):
    yield ("uninteresting system call", f"{r['over_empty_ns']:+.1f} ns", f"empty program {r['empty']['ns_per_event']:.0f} ns, none {r['nothing']['ns_per_event']:.0f} ns",
           f"{r['target_over_empty_ns']} ns", r["met"])


def rows_start(r):
    yield "exec to first alert", f"{r['first_alert_s']:.2f} s (median {r['first_alert_s_median']:.2f})", "", f"{r['target_s']} s", r["met"]


def rows_load(r, name):
    t, m = r["targets"], r["met"]
    yield f"{name}: loss of throughput", f"{r['loss_percent']} % (by the clock {r['loss_percent_wall']})", f"off {bench_off(r) / 1e3:.0f} k/s", f"{t['loss_percent']} %", m["loss_percent"]
    k = r["kernel_alone"]
    yield (f"{name}: kernel programs alone", f"+{k[name + '_ns'] - k['nothing_ns']:.0f} ns a loop", f"nothing {k['nothing_ns']:.0f}, empty +{k['empty_ns'] - k['nothing_ns']:.0f}, "
           f"floor +{k['floor_ns'] - k['nothing_ns']:.0f} ns; floor on all cores {r['floor_loss_percent']} %", "", None)
    yield f"{name}: events lost", f"{r['lost']} of {r['captured']}", ", ".join(r["losses"]), "0", m["lost"]
    if "cpu_ns_per_event" in t:
        c = r["cpu_ns_per_event"]
        yield (f"{name}: CPU per event", f"{c['total']:.0f} ns", ", ".join(f"{k} {v:.0f}" for k, v in c.items() if k != "total" and v >= 1),
               f"{t['cpu_ns_per_event']} ns", m["cpu_ns_per_event"])
    yield f"{name}: memory after it", mib(r["pss_total"]), "", mib(t["pss_total"]), m["pss_total"]


def bench_off(r):
    return sum(o["loops_per_s"] for o in r["off"]) / len(r["off"])


def rows_memory(r):
    yield "memory after ten loads", mib(r["highest"]), f"at start {mib(r['at_start'])}", mib(r["targets"]["highest"]), r["met"]["highest"]
    yield "its growth, last five", f"{r['growth_of_last_five'] / 1024:.0f} KiB", "", f"{r['targets']['growth_of_last_five'] / 1024:.0f} KiB", r["met"]["growth_of_last_five"]


def rows_apps(r):
    for name in ("redis", "nginx", "make"):
        if name in r:
            yield f"{name}", f"{r[name]['change_percent']:+.1f} % (of CPU {r[name]['change_percent_cpu']:+.1f})", f"with saker {r[name]['events_per_s']:.5g} {r[name]['unit']}", "", None
    for name in r["left_out"]:
        yield name, "not installed", "", "", None


def rows_rules(r):
    t, m, c, g = r["targets"], r["met"], r["compile"], r["generated"]
    yield "rules: official files to an image", f"{c['median_ms']:.1f} ms", f"{c['rules']} rules, {c['predicates']} predicates", f"{t['compile_ms']} ms", m["compile_ms"]
    yield "rules: 10,000 rules, 1,000 lists", f"{g['seconds']:.2f} s", f"{g['peak_mib']:.0f} MiB", f"{t['generated_s']} s, {t['generated_mib']} MiB", m["generated_s"] and m["generated_mib"]
    if "judge" in r:
        j = r["judge"]
        yield (f"rules: an openat, {j['rules']} rules", f"{j['ns_median']:.0f} ns (90 %: {j['ns_90']:.0f})",
               f"{j['rules_of_event']} rules of the event, {j['rules_left_median']:.0f} gone through, {j['predicates_evaluated_median']:.0f} predicates computed", f"{t['openat_ns']} ns", m["openat_ns"])
        yield "rules: an event of no rule", f"{j['unindexed_ns']:.1f} ns", "", f"{t['unindexed_ns']} ns", m["unindexed_ns"]


def rows_state(r):
    yield (f"state: {r['threads']} threads, {r['descriptors']} descriptors", f"{r['rss_mib']:.0f} MiB", f"the facts alone {r['facts_mib']:.0f} MiB", f"{r['targets']['rss_mib']:.0f} MiB",
           r["met"]["rss_mib"])
    yield (f"state: growth after {r['lives']:,} fork, exec, exit", f"{r['rss_after_mib'] - r['rss_before_mib']:.1f} MiB",
           f"{r['life_ns']:.0f} ns each, copying its records {r['copy_ns']:.0f}", f"{r['targets']['growth_mib']} MiB", r["met"]["growth_mib"])


def rows_snapshot(r):
    yield (f"start: {r['processes']} processes, {r['descriptors']} descriptors more", f"{r['snapshot_s'] * 1000:.0f} ms", f"a walk over /proc {r['proc_walk_s'] * 1000:.0f} ms",
           f"{r['target_s'] * 1000:.0f} ms", r["met"])


def rows_replay(r):
    p, g = r["plain"], r["gzip"]
    yield ("replay: events per CPU second", f"{p['events_per_cpu_s'] / 1e6:.2f} M (median {p['events_per_cpu_s_median'] / 1e6:.2f})",
           f"from gzip {g['events_per_cpu_s'] / 1e6:.2f} M; inflating alone {r['inflate_cpu_s'] * 1e9 / p['events']:.0f} ns per event",
           f"{r['target_events_per_cpu_s'] / 1e6:.0f} M", r["met"])


def rows_spool(r):
    yield (f"spool: alerts of {r['record_bytes']} B, appended and committed", f"{r['append_per_s'] / 1e3:.0f} k/s (median {r['append_per_s_median'] / 1e3:.0f})",
           f"plain write and fdatasync {r['plain_per_s'] / 1e3:.0f} k/s (median {r['plain_per_s_median'] / 1e3:.0f}): {r['ratio_of_medians']:.2f} of it; read back "
           f"{r['read_per_s'] / 1e3:.0f} k/s", f"{r['target_per_s'] / 1e3:.0f} k/s", r["met"]["append"])
    yield (f"spool: memory with {r['backlog_bytes'] / (1 << 30):.1f} GiB waiting", f"{r['peak_mib']:.1f} MiB", f"{r['backlog_alerts'] / 1e6:.1f} M alerts", f"{r['target_peak_mib']} MiB",
           r["met"]["peak"])


def rows_file(r):
    yield (f"file: alerts as lines of {r['line_bytes']} B", f"{r['json_per_s'] / 1e3:.0f} k/s (median {r['json_per_s_median'] / 1e3:.0f})",
           f"text {r['text_per_s'] / 1e3:.0f} k/s; through a spool {r['spooled_per_s'] / 1e3:.0f} k/s; plain writes {r['plain_per_s'] / 1e3:.0f} k/s",
           f"{r['target_per_s'] / 1e3:.0f} k/s", r["met"])


def rows_storm(r):
    m = r["met"]
    yield ("storm: alerts per CPU second, all stages", f"{r['alerts_per_cpu_s'] / 1e3:.0f} k", ", ".join(f"{k} {v:.2f} s" for k, v in r["cpu_s_by_stage"].items() if v >= 0.01) +
           f"; {r['alerts'] / 1e3:.0f} k alerts in {r['seconds']:.0f} s", f"{r['target'] / 1e3:.0f} k", m["alerts"])
    yield "storm: events of others lost", f"{r['others_lost']} of {r['others']}", f"losses {r['losses'] or 'none'}", "0", m["others"]
    yield "storm: memory, growth in it", mib(r["pss_growth"]), f"before {mib(r['pss_before'])}, most {mib(r['pss_most'])}", "flat", m["memory"]


def rows_kafka(r):
    yield ("Kafka: from the spool", ", ".join(f"{x['per_s'] / 1e3:.0f}" for x in r["emitter"]) + " k/s",
           "bare librdkafka " + ", ".join(f"{x['per_s'] / 1e3:.0f}" for x in r["bare"]) + f" k/s; ratio {r['ratio_of_medians']}", f"{r['target_ratio']}", r["met"])


def rows_http(r):
    yield "HTTP: batches to nginx", ", ".join(f"{x['per_s'] / 1e3:.0f}" for x in r["emitter"]) + " k/s", "", f"{r['target'] / 1e3:.0f} k/s", r["met"]


def rows_latency(r):
    yield "system call to Kafka's acknowledgement", f"p50 {r['latency_ms']['p50']:.2f} ms, p99 {r['latency_ms']['p99']:.2f} ms", f"{r['alerts']} alerts", "", None


def rows_stall(r):
    m = r["p99_ms_median"]
    yield ("a stalled output: p99 of another", ", ".join(f"{n} {v:+.0f} %" for n, v in r["more_percent"].items()), ", ".join(f"{n} {v:.2f} ms" for n, v in m.items()),
           f"{r['target_percent']} %", r["met"])


def rows_backlog(r):
    yield (f"backlog of {r['backlog_bytes'] / (1 << 30):.1f} GiB: the emitter's memory", f"{r['most_mib']} MiB at most",
           f"{r['backlog_alerts'] / 1e6:.1f} M alerts, opened in {r['opened_s']:.2f} s", f"{r['target_mib']} MiB", r["met"])


def rows_containers(r):
    for name, x in r["engines"].items():
        yield (f"first execution in {x['n']} containers of {name}: has what rules name it by", f"{100 * x['in_time_share']:.1f} %",
               f"all facts {100 * x['complete_share']:.1f} %, wrong {len(x['wrong'])}; {x['n'] / x['seconds']:.1f}/s, load {x['load'][1]}; held {x['held']} of them, {x['held_events']} events",
               f"{100 * r['target']:.0f} %", r["met"][name])
    yield "looking a container up", f"p50 {r['lookup_ms']['p50']:.0f} ms, p99 {r['lookup_ms']['p99']:.0f} ms", f"held for p50 {r['wait_ms']['p50']:.0f}, p99 {r['wait_ms']['p99']:.0f} ms", "", None


def rows_container_cost(r):
    names = {"inside": "an event in a container, against one on the host", "asked": "an event in a container, against no engine"}
    for k in names.keys() & r.keys():
        x = r[k]["percent"]
        yield (names[k], f"{x['median']:+.1f} % ({x['from']:+.1f} to {x['to']:+.1f})", f"{r[k]['with_ns']:.0f} and {r[k]['without_ns']:.0f} ns, {x['n']} differences; one thing against itself "
               f"{r[k]['noise']['from']:+.1f} to {r[k]['noise']['to']:+.1f} %", f"{r[k]['target']} %", r[k]["met"])


def rows(name, r):
    if "failed" in r:
        yield name, f"status {r['failed']}", (r["text"].strip().splitlines() or [""])[-1][:80], "", False
    elif name in ("captured", "rejected"):
        yield from rows_load(r, name)
    else:
        yield from globals()[f"rows_{name}"](r)


def main():
    build, path, names = sys.argv[1], sys.argv[2], sys.argv[3:] or NAMES
    if set(names) - set(NAMES):
        sys.exit(f"benchmarks: {' '.join(NAMES)}")
    sys.path.insert(0, HERE)
    from bench import machine # noqa: E402
    results = {}
    if os.path.exists(path):
        with open(path) as f:
            results = json.load(f)
    results["machine"] = machine()
    table = [("what", "figure", "beside it", "target", "")]
    failed = False
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        results[name] = run(build, name)
        failed |= "failed" in results[name]
        for a, b, c, d, met in rows(name, results[name]):
            table.append((a, b, c, d, "" if met is None else "met" if met else "MISSED"))
    with open(path, "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    widths = [max(len(row[i]) for row in table) for i in range(5)]
    for row in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
    print(f"written to {path}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
