#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""First figures of the live pipeline, as JSON: cost of an uninteresting system call over an empty program, CPU per captured event by stage, start to first
alert, memory of all processes. Needs root."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline"))
from harness import STABLE, Saker, need_root # noqa: E402

BENCH = os.environ["SAKER_BENCH_SYSCALL"]


def syscall(*args):
    r = subprocess.run([BENCH, *args], capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stderr)
    return json.loads(r.stdout)


def rules():
    return ["-r", STABLE] if os.path.exists(STABLE) else []


def first_alert():
    t = time.monotonic()
    s = Saker(*rules(), "-o", "evaluators=2", uids=63000, wait=0)
    while not s.alerts and time.monotonic() - t < 30:
        subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL)
        time.sleep(0.005)
    took = (s.first_alert or t) - t
    s.wait_detecting(10)
    s.stop()
    return took


def cpu(status):
    return {x["name"]: x["cpu_s"] for x in status["stages"]}


def load(seconds):
    """Opens of a path that the rules want, on both cores."""
    code = "import os,time\ne=time.time()+%f\nwhile time.time()<e:\n for _ in range(500):\n  os.close(os.open('/etc/hostname',0))\n" % seconds
    for p in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count())]:
        p.wait()


def main():
    need_root()
    out = {"nothing_attached": syscall(), "empty_program": syscall("--empty")}
    out["start_to_first_alert_s"] = round(min(first_alert() for _ in range(3)), 3)
    s = Saker(*rules(), "-o", "evaluators=2", uids=63000, wait=60)
    out["saker"] = syscall()
    out["uninteresting_syscall_over_empty_ns"] = round(out["saker"]["getpid_ns"] - out["empty_program"]["getpid_ns"], 1)
    a = s.status()
    load(3)
    time.sleep(1.5)
    b = s.status()
    events = b["ledger"]["seen"] - a["ledger"]["seen"]
    out["load"] = {"events": events, "events_per_s": round(events / 3), "losses": b["ledger"]["losses"],
                   "cpu_ns_per_event": {n: round((cpu(b)[n] - cpu(a).get(n, 0)) * 1e9 / events) for n in cpu(b)}}
    out["pss_bytes"] = {x["name"]: x["pss_bytes"] for x in b["stages"]}
    out["pss_bytes_total"] = sum(out["pss_bytes"].values())
    s.stop()
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
