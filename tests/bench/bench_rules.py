#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rule language: official files to an image, ten thousand rules, and the openat events of the recordings judged by all official rules at once, with the
number of predicates that were computed. The events' fields come from the reference's dumps of the recordings; shipped rules and no events where they are missing."""
import gzip
import json
import os
import subprocess
import sys
import tempfile

import bench

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SHARED = os.environ.get("SAKER_SHARED") or os.path.join(TOP, "..", "shared")
RULES = os.path.join(SHARED, "data/rules")
OFFICIAL = [os.path.join(RULES, n) for n in ("falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml", "falco-deprecated_rules.yaml")]
PROGRAM = os.environ.get("SAKER_BENCH_RULES", "")
TARGETS = {"compile_ms": 60, "generated_s": 3, "generated_mib": 400, "openat_ns": 400, "unindexed_ns": 10}
# what makes an event in a rule test (docs/rule-tests.md)
FIELDS = """evt.type evt.rawres evt.arg.name evt.arg.flags evt.arg.mode evt.cpu proc.name proc.exe proc.exepath proc.cmdline proc.env proc.cwd proc.pid proc.vpid proc.tty
 proc.pname proc.pexe proc.pexepath proc.pcmdline proc.ppid proc.aname[2] proc.aname[3] proc.aname[4] proc.aname[5] proc.aname[6] proc.aname[7] proc.aexe[2] proc.sname
 user.name user.uid user.loginuid group.name group.gid container.id fd.name fd.nameraw fd.num fd.typechar""".split()


def events(path):
    """Writes the openat events of the recordings as a file of rule tests."""
    tests = []
    for name in ("rules1", "shell1", "files", "ct1"):
        dump = os.path.join(SHARED, f"data/golden/{name}.fields.jsonl.gz")
        if not os.path.exists(dump):
            continue
        with gzip.open(dump, "rt") as f:
            for line in f:
                d = json.loads(line)
                if d.get("evt.type") != "openat":
                    continue
                event = {k: d[k] for k in FIELDS if d.get(k) not in (None, "")}
                tests.append({"name": str(len(tests)), "event": event, "expect": "none"})
    with open(path, "w") as f:
        json.dump({"tests": tests}, f)
    return len(tests)


def run(*args):
    r = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"bench-rules {args[0]}: status {r.returncode}\n{r.stderr[-2000:]}")
    return json.loads(r.stdout)


def main():
    official = os.path.exists(OFFICIAL[0])
    files = OFFICIAL if official else [os.path.join(TOP, "rules/default/saker_rules.yaml")]
    result = {"official": official, "targets": TARGETS, "compile": run("compile", *files), "generated": run("generated")}
    c, g = result["compile"], result["generated"]
    met = {"compile_ms": c["median_ms"] < TARGETS["compile_ms"], "generated_s": g["seconds"] < TARGETS["generated_s"],
           "generated_mib": g["peak_mib"] < TARGETS["generated_mib"]}
    if official:
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "events_test.yaml")
            if events(path):
                j = result["judge"] = run("judge", path, *OFFICIAL[:3])
                met["openat_ns"] = j["ns_median"] < TARGETS["openat_ns"]
                met["unindexed_ns"] = j["unindexed_ns"] < TARGETS["unindexed_ns"]
    result["met"] = met
    bench.put(result)


if __name__ == "__main__":
    main()
