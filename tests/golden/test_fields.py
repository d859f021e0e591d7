# SPDX-License-Identifier: Apache-2.0
"""Every field of every event of a recorded capture, against the reference's dump of them. Prints for each field N of M values that are
equal. Usage: test_fields.py CAPTURE [-v]"""
import gzip
import json
import os
import sys

from replay import TOP, Replay, golden, is_masked, skip

LIMIT = 99.5 # percent
# Values that depend on the moment or the place of the replay, not on the capture.
LEFT_OUT = {"evt.hostname"}
# Where the reference's answers came from a stand-in that knew neither the host's record nor pods: its labels of a pod are the container's.
STAND_IN = {"k8s.pod.label[app]", "k8s.pod.labels"}
# Where these have no value with us, the reference shows the value of another field or of nothing (docs/compat.md): counted apart.
DEFECTS = {"proc.ppid.duration", "proc.exe_ino.ctime_duration_proc_start", "proc.exe_ino.ctime_duration_pidns_start"}
# Lists whose order means nothing: the reference's is that of its hash table.
SETS = {"fd.types"}


def reference(capture):
    with gzip.open(golden(f"{capture}.fields.jsonl.gz"), "rt", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def ours(capture, rules, args):
    r = Replay(capture, rules, "-o", "rule_matching=all", "-o", "priority=debug", "-o", "json_output=true",
               "-o", "json_include_output_property=false", "-o", 'append_output[]={"suggested_output": true}', *args)
    for line in r.proc.stdout:
        if line.startswith(b"{"):
            yield json.loads(line)["output_fields"]
    r.end()


def main():
    capture, verbose = sys.argv[1], "-v" in sys.argv
    is_containers = capture == "ct1"
    rules = golden("fields-containers.yaml" if is_containers else "fields.yaml")
    args = ("-o", f"metadata.file={golden('containers.json')}") if is_containers else ()
    want = {e["evt.num"]: e for e in reference(capture)}
    last = max(want)
    equal, total, shown, missing, extra, n_defects = {}, {}, {}, set(want), [], 0
    for e in ours(capture, rules, args):
        w = want.get(e["evt.num"])
        if w is None:
            if e["evt.num"] < last:
                extra.append(e["evt.num"])
            continue
        missing.discard(e["evt.num"])
        for field, value in w.items():
            if field in LEFT_OUT or (is_masked(field) and (not is_containers or w["container.id"] == "host" or field in STAND_IN)):
                continue
            got = e.get(field)
            if field in DEFECTS and got is None and value is not None:
                n_defects += 1
                continue
            total[field] = total.get(field, 0) + 1
            if field in SETS and isinstance(got, list) and isinstance(value, list):
                got, value = sorted(got), sorted(value)
            if got == value and type(got) is type(value):
                equal[field] = equal.get(field, 0) + 1
            elif len(shown.setdefault(field, [])) < (20 if verbose else 3):
                shown[field].append((e["evt.num"], e["evt.type"], e.get(field), value))
    for field in sorted(total):
        n, m = equal.get(field, 0), total[field]
        print(f"{field}: {n} of {m}")
        for num, name, a, b in shown.get(field, []):
            print(f"    event {num} {name}: {str(a)[:200]!r}, the reference {str(b)[:200]!r}")
    n, m = sum(equal.values()), sum(total.values())
    share = 100.0 * n / m if m else 0.0
    print(f"{capture}: {len(want)} events, {len(missing)} missing {sorted(missing)[:10]}, {len(extra)} extra {extra[:10]}; {n} of {m} values equal, {share:.3f} %, "
          f"beside {n_defects} that are wrong in the reference")
    return share < LIMIT or missing or extra


sys.exit(1 if main() else 0)
