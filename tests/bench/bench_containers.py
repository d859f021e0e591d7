#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers in time: 200 docker run, 50 podman run, 50 CRI pods and 50 ctr run on a busy host; what the alert of the first execution says of each. SAKER_BENCH_SCALE: that many of them; arguments: of these alone."""
import json
import shutil
import sys
import tempfile

from bench import SCALE, UIDS, need_root
import firsts # of tests/pipeline, where bench.py put the path

COUNTS = {"docker": 200, "podman": 50, "cri": 50, "containerd": 50}
TARGET = 0.99


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-bench-containers-")
    try:
        r = firsts.measure(work, {k: max(1, round(n * SCALE)) for k, n in COUNTS.items() if k in (sys.argv[1:] or COUNTS)}, UIDS)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    status = r.pop("status")
    r.pop("log")
    json.dump({"engines": r, "wait_ms": status["containers"]["wait_ms"], "lookup_ms": status["containers"]["lookup_ms"], "balanced": status["ledger"]["balanced"],
               "losses": status["ledger"]["losses"], "target": TARGET,
               "met": {k: not x["wrong"] and not x["missing"] and x["in_time_share"] >= TARGET for k, x in r.items()}}, sys.stdout)


if __name__ == "__main__":
    main()
