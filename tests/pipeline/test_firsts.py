#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Docker, Podman, containerd's CRI and containerd itself at once, on a busy host: the alert of each container's first execution has what its runtime says of it. tests/bench/bench_containers.py is the same with more of them."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import firsts  # noqa: E402
from harness import SANITIZED, fail, need_root  # noqa: E402

UIDS = 67200
COUNTS = {"docker": 6, "podman": 6, "cri": 10, "containerd": 10}


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-firsts-")
    try:
        r = firsts.measure(work, COUNTS, UIDS)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    status, log = r.pop("status"), r.pop("log")
    for name, x in r.items():
        print(f"{name}: {x}")
        if x["wrong"] or x["missing"]:
            fail(f"{name}: wrong {x['wrong']}, no alert of {x['missing']}\n" + "\n".join(log))
        if not SANITIZED and sum(x["verdicts"].get(v, 0) for v in ("complete", "named")) < x["n"] - 1:
            fail(f"{name}: in time for {x['in_time_share']} alone: {x['late']}")
    if not status["ledger"]["balanced"]:
        fail(f"ledger: {status['ledger']}")
    print("firsts: all good")


if __name__ == "__main__":
    main()
