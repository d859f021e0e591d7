#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alerts a second into a file, by the emitter's own code in one process: formatted, written, retired, with and without a spool between; plain writes of as many bytes in
turns with it. Arguments: [seconds of a turn] [folder]."""
import json
import os
import subprocess
import sys
import tempfile

seconds = sys.argv[1] if len(sys.argv) > 1 else "1"
base = sys.argv[2] if len(sys.argv) > 2 else None
with tempfile.TemporaryDirectory(prefix="saker-bench-", dir=base) as d:
    os.mkdir(os.path.join(d, "spool"))
    r = subprocess.run([os.environ["SAKER_BENCH_FILE"], d, seconds, os.path.join(d, "spool")], capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stdout + r.stderr)
    out = json.loads(r.stdout)
    out["met"] = out["json_per_s"] >= out["target_per_s"]
print(json.dumps(out))
