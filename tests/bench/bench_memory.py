#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of all of saker's processes (PSS, rings included) after each of ten repeats of the captured load: how much, and does it grow? The first
repeats touch what is there but was never used, so flatness is judged on the last five. Arguments: [repeats] [seconds of each]."""
import os
import shutil
import sys
import tempfile

import bench
from bench_load import MAX_PSS, PATHS, TRUSTED, loops, settled

MAX_GROWTH = 256 << 10 # over the last five repeats: noise of page accounting


def main():
    bench.need_root()
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.5 * bench.SCALE
    folder = tempfile.mkdtemp(prefix="saker-bench-")
    program = os.path.join(folder, TRUSTED)
    shutil.copy(bench.LOAD, program)
    s = bench.start()
    try:
        start = bench.pss(s.status())
        after = []
        for _ in range(repeats):
            loops(program, seconds, PATHS["captured"])
            after.append(bench.pss(settled(s)))
        ledger = s.status()["ledger"]
    finally:
        s.stop()
        shutil.rmtree(folder)
    totals = [sum(p.values()) for p in after]
    last = totals[-5:]
    bench.put({"at_start": sum(start.values()), "after_each": totals, "last_by_stage": after[-1], "highest": max(totals), "growth_of_last_five": last[-1] - last[0],
               "events": ledger["seen"], "lost": sum(ledger["losses"].values()), "targets": {"highest": MAX_PSS, "growth_of_last_five": MAX_GROWTH},
               "met": {"highest": max(totals) < MAX_PSS, "growth_of_last_five": last[-1] - last[0] <= MAX_GROWTH}})


if __name__ == "__main__":
    main()
