#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An alert storm: a process opens /etc/shadow as fast as it can, each time an alert, to a file with a spool. Alerts per second of CPU, summed over all of saker's processes;
whether every alert of another process, which opens it now and then, is in the file; the memory while it lasts. Argument: [seconds]."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import bench

TARGET = 150000
GROWTH_MAX = 2 << 20 # bytes, from the second on: what "flat" means
QUIET = "saker-quiet"
LOOP = """
import os, sys, time
n = 0
print("begun", flush=True)
while sys.stdin.closed is False and not os.path.exists(sys.argv[1]):
    os.close(os.open("/etc/shadow", os.O_RDONLY))
    n += 1
    time.sleep(0.02)
print(n)
"""


def settled(s, seconds=60):
    """When nothing moves any more."""
    last = None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        st = s.status()
        now = [(o["accepted"], o["delivered"], o["in_spool"]) for o in st["outputs"]]
        if now == last and all(o["in_spool"] == 0 for o in st["outputs"]):
            return st
        last = now
        time.sleep(0.5)
    return s.status()


class Sampler(threading.Thread):
    """Sum of the PSS of all processes, about twice a second."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.values, self.must_end = s, [], False
        self.begin = time.monotonic()
        self.start()

    def run(self):
        while not self.must_end:
            st = self.s.status()
            if st:
                self.values.append((time.monotonic() - self.begin, sum(bench.pss(st).values())))
            time.sleep(0.4)

    def end(self):
        self.must_end = True
        self.join()
        return self.values


def storm(d, seconds):
    """While the quiet process goes on: the opens of both."""
    stop = os.path.join(d, "stop")
    program = os.path.join(d, QUIET)
    os.symlink(os.path.realpath(sys.executable), program)
    with subprocess.Popen([program, "-c", LOOP, stop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as quiet:
        quiet.stdout.readline()
        load = bench.run_json(bench.LOAD, str(seconds), "/etc/shadow", "1")
        open(stop, "w").close()
        n = int(quiet.stdout.readline())
    return load["loops"], n


def count_lines(path):
    """Alerts in the file, and those of the quiet process."""
    n = quiet = 0
    with open(path, "rb") as f:
        for line in f:
            n += 1
            quiet += QUIET.encode() in line
    return n, quiet


def main():
    bench.need_root()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10 * bench.SCALE
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as d:
        os.chmod(d, 0o755)
        path = os.path.join(d, "alerts.jsonl")
        out = json.dumps({"name": "storm", "kind": "file", "format": "json", "file": {"path": path, "fsync": "second"},
                          "spool": {"enabled": True, "max_size": "1GiB"}})
        s = bench.start("-o", f"outputs[]={out}", "-o", "stdout_output.enabled=false", "-o", f"spool.directory={d}/spool")
        try:
            before = settled(s)
            cpu = bench.cpu_ns(before)
            sampler = Sampler(s)
            opens, others = storm(d, seconds)
            memory = sampler.end()
            after = settled(s)
            spent = {k: (v - cpu.get(k, 0)) / 1e9 for k, v in bench.cpu_ns(after).items()}
        finally:
            s.stop()
        lines, quiet = count_lines(path)
        size = os.path.getsize(path)
    row = next(o for o in after["outputs"] if o["name"] == "storm")
    total = sum(spent.values())
    per_cpu = row["delivered"] / total if total else 0
    warm = [v for t, v in memory if t >= 2] or [v for _, v in memory]
    growth = warm[-1] - warm[0]
    bench.put({"opens": opens, "seconds": seconds, "alerts": row["delivered"], "lines": lines, "bytes": size, "cpu_s": round(total, 3),
               "cpu_s_by_stage": {k: round(v, 3) for k, v in spent.items()}, "alerts_per_cpu_s": round(per_cpu), "target": TARGET,
               "others": others, "others_lost": others - quiet,
               "losses": {k: v for k, v in {**after["ledger"]["losses"], **row["losses"]}.items() if v}, "balanced": after["ledger"]["balanced"],
               "pss_before": memory[0][1], "pss_most": max(v for _, v in memory), "pss_growth": growth,
               "latency_ms": row["latency_ms"], "met": {"alerts": per_cpu >= TARGET, "others": others == quiet, "memory": growth < GROWTH_MAX}})


if __name__ == "__main__":
    main()
