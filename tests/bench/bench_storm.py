#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An alert storm: one process opens /etc/shadow as fast as it can, each time an alert, to a file with a spool. Alerts per second of CPU, summed over all stages; what was
lost, and the memory at the beginning and at the end. Argument: [seconds]."""
import json
import os
import subprocess
import sys
import tempfile
import time

import bench

TARGET = 150000
LOOP = r"""
import os, sys, time
end = time.monotonic() + float(sys.argv[1])
n = 0
while time.monotonic() < end:
    for _ in range(200):
        os.close(os.open("/etc/shadow", os.O_RDONLY))
    n += 200
print(n)
"""


def cpu(status):
    return sum(x["cpu_s"] for x in status["stages"] if x["name"] != "supervisor")


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
        time.sleep(1.1)
    return s.status()


def main():
    bench.need_root()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as d:
        os.chmod(d, 0o755)
        path = os.path.join(d, "alerts.jsonl")
        out = json.dumps({"name": "storm", "kind": "file", "format": "json", "file": {"path": path, "fsync": "second"},
                          "spool": {"enabled": True, "max_size": "1GiB"}})
        s = bench.start("-o", f"outputs[]={out}", "-o", "stdout_output.enabled=false", "-o", f"spool.directory={d}/spool")
        try:
            before = settled(s)
            n = int(subprocess.run([sys.executable, "-c", LOOP, str(seconds)], capture_output=True, text=True, check=True).stdout)
            mid = s.status()
            after = settled(s)
        finally:
            s.stop()
        size = os.path.getsize(path)
    row = next(o for o in after["outputs"] if o["name"] == "storm")
    spent = cpu(after) - cpu(before)
    per_stage = {x["name"]: round(x["cpu_s"] - next(y["cpu_s"] for y in before["stages"] if y["name"] == x["name"]), 3) for x in after["stages"]}
    per_cpu = row["delivered"] / spent if spent else 0
    bench.put({"opens": n, "seconds": seconds, "alerts": row["delivered"], "accepted": row["accepted"], "output_losses": row["losses"],
               "event_losses": after["ledger"]["losses"], "balanced": after["ledger"]["balanced"], "cpu_s": round(spent, 3), "cpu_s_by_stage": per_stage,
               "alerts_per_cpu_s": round(per_cpu), "bytes": size, "pss_before": sum(bench.pss(before).values()), "pss_in_storm": sum(bench.pss(mid).values()),
               "pss_after": sum(bench.pss(after).values()), "latency_ms": row["latency_ms"], "target": TARGET, "met": per_cpu >= TARGET})


if __name__ == "__main__":
    main()
