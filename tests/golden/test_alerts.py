# SPDX-License-Identifier: Apache-2.0
"""The official rule files over a recorded capture: the same alerts as the reference's, none missing, none more.
Usage: test_alerts.py CAPTURE"""
import json
import os
import re
import sys

from replay import RULES, alerts, compare, golden, masked, skip

FILES = {"stable": "falco_rules.yaml", "incubating": "falco-incubating_rules.yaml", "sandbox": "falco-sandbox_rules.yaml"}


# What answered for the runtime gave no value for what a container does not have, where the language has the empty text, and no start.
EMPTY_TEXT = re.compile(r"\bmounts=(?= |$)")
START_TEXT = re.compile(r"\bcontainer_start_ts=\S*")


def answered(alert):
    fields = alert["output_fields"]
    fields = {k: None if k.startswith("container.") and v == "" else v for k, v in fields.items() if k not in ("container.start_ts", "container.duration")}
    output = START_TEXT.sub("(start)", EMPTY_TEXT.sub("mounts=<NA>", alert["output"]))
    return dict(alert, output_fields=fields, output=output)


def main():
    capture = sys.argv[1]
    n = n_alerts = 0
    for name, file in FILES.items():
        rules = os.path.join(RULES, file)
        if not os.path.exists(rules):
            skip(f"the official rule file is not there: {rules}")
        want = [json.loads(line) for line in open(golden(f"{capture}.{name}.jsonl"), encoding="utf-8")]
        if capture == "ct1":
            got = [answered(a) for a in alerts(capture, rules, "-o", f"metadata.file={golden('containers.json')}", "-o", "append_output=[]")]
            want = [answered(a) for a in want]
        else:
            got = [masked(a) for a in alerts(capture, rules, "-o", 'append_output[]={"suggested_output": true}')]
            want = [masked(a) for a in want]
        n += compare(f"{capture} {name}", got, want)
        n_alerts += len(want)
    print(f"{capture}: {n_alerts} alerts of the reference, {n} differences")
    return n > 0


sys.exit(main())
