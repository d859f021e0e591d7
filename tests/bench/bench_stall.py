#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of one output (system call to the line on standard output) alone, and while a second one's server takes everything and answers nothing: with a spool, and with
memory alone. The three take turns; the figure is the median of each one's p99. Argument: rounds."""
import os
import sys
import tempfile

import bench
import stall

TARGET_PERCENT = 20


def main():
    bench.need_root()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else max(1, int(5 * bench.SCALE))
    p50, p99 = {}, {}
    mute = stall.Mute()
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as d:
        os.chmod(d, 0o755)
        for _ in range(rounds):
            for name, outputs in (("alone", []), ("spooled", [stall.mute_output("spooled", mute.port, True)]), ("memory", [stall.mute_output("memory", mute.port, False)])):
                ms, _, s = stall.run(d, outputs, bench.UIDS, paced=1500)
                if not ms:
                    sys.exit(f"{name}: no alert came\n" + "\n".join(s.log[-20:]))
                p50.setdefault(name, []).append(round(stall.percentile(ms, 50), 2))
                p99.setdefault(name, []).append(round(stall.percentile(ms, 99), 2))
    alone = bench.median(p99["alone"])
    more = {n: round(100 * (bench.median(p99[n]) / alone - 1), 1) for n in ("spooled", "memory")}
    bench.put({"p50_ms": p50, "p99_ms": p99, "p99_ms_median": {n: bench.median(v) for n, v in p99.items()}, "more_percent": more, "target_percent": TARGET_PERCENT,
               "met": max(more.values()) < TARGET_PERCENT})


if __name__ == "__main__":
    main()
