#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the reason of every skipped test of a meson testlog.json: the last line that the test wrote."""
import json
import sys

for line in open(sys.argv[1]):
    test = json.loads(line)
    if test["result"] == "SKIP":
        text = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
        print(f"skipped: {test['name']}: {text[-1] if text else 'no reason given'}")
