#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The spool on a folder of its own: alerts of about 600 bytes appended and committed, read back, and the memory of a process with a large backlog; the disk's own figure
(write and fdatasync of the same bytes) in turns with it. Arguments: [seconds of a turn] [backlog in MiB] [folder]."""
import json
import os
import subprocess
import sys
import tempfile

seconds = sys.argv[1] if len(sys.argv) > 1 else "1"
backlog = sys.argv[2] if len(sys.argv) > 2 else "1024"
base = sys.argv[3] if len(sys.argv) > 3 else None
with tempfile.TemporaryDirectory(prefix="saker-bench-", dir=base) as d:
    r = subprocess.run([os.environ["SAKER_BENCH_SPOOL"], d, seconds, backlog], capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stdout + r.stderr)
    out = json.loads(r.stdout)
out["target_peak_mib"] = 64
    out["met"] = {"append": out["append_per_s"] >= out["target_per_s"], "peak": out["peak_mib"] < out["target_peak_mib"]}
print(json.dumps(out))
