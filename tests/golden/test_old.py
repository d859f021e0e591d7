#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures that programs of long ago wrote, through the whole pipeline: each is replayed to its end under the official rules, every event judged, by a user without
rights."""
import glob
import os
import re
import subprocess
import tempfile
import sys

from replay import RULES, SAKER, SHARED, drop_root, skip

FILES = ("falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml", "falco-deprecated_rules.yaml")


def main():
    captures = sorted(glob.glob(os.path.join(SHARED, "data/captures/*.scap")))
    rules = [os.path.join(RULES, f) for f in FILES]
    if not captures or not all(map(os.path.exists, rules)):
        skip("the old captures or the official rules are not beside the checkout")
    with tempfile.TemporaryDirectory(prefix="saker-old-") as work:
        os.chmod(work, 0o777)
        for path in captures:
            r = subprocess.run([SAKER, *(x for f in rules for x in ("-r", f)), "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={path}", "-o",
                                "rule_matching=all", "-o", f"control.socket={work}/s.sock"], capture_output=True, text=True, timeout=120, preexec_fn=drop_root)
            seen = re.search(r"ledger: seen (\d+) = judged \1 \+ in flight 0: balanced", r.stderr)
            detected = re.search(r"^Events detected: (\d+)$", r.stdout, re.M)
            if r.returncode != 0 or not seen or not detected or int(seen.group(1)) < 200:
                sys.exit(f"{path}: status {r.returncode}\n{r.stdout[-500:]}\n{r.stderr[-2000:]}")
            print(f"{os.path.basename(path)}: {seen.group(1)} events, {detected.group(1)} alerts")


if __name__ == "__main__":
    main()
