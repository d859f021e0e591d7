# SPDX-License-Identifier: Apache-2.0
"""Generated rules over a recorded capture, every operator over most fields: each matches the same events as with the reference.
Usage: test_probes.py CAPTURE [-v]"""
import gzip
import re
import sys

from replay import Replay, golden

# Rules that do not agree, by the reason (docs/compat.md). Kept exact: one that is not here and differs fails the test, and so does one that is here and agrees.
EXPLAINED = {
    "opened relative to an open directory": {
        "files": "p0179 p0267 p0400 p0526 p0539",
        "rules1": "p0267 p0295 p0400 p0502 p0526 p0539",
        "shell1": "p0146 p0314 p0567",
    },
}
MATCH = re.compile(rb'"evt\.num":(\d+).*?"rule":"(p\d+)"')


def ranges(text):
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main():
    capture, verbose = sys.argv[1], "-v" in sys.argv
    want = {}
    with gzip.open(golden(f"{capture}.probe.tsv.gz"), "rt") as f:
        for line in f:
            name, _, events = line.rstrip("\n").split("\t")
            want[name] = set(ranges(events))
    got = {name: set() for name in want}
    r = Replay(capture, golden("probe.yaml"), "-o", "rule_matching=all", "-o", "priority=debug", "-o", "json_output=true",
               "-o", "json_include_output_property=false", "-o", "json_include_tags_property=false", "-o", "append_output=[]")
    for line in r.proc.stdout:
        m = MATCH.search(line)
        if m:
            got[m[2].decode()].add(int(m[1]))
    r.end()
    expected = {name for reason in EXPLAINED.values() for name in reason.get(capture, "").split()}
    bad, wrong = 0, 0
    for name in sorted(want):
        more, less = sorted(got[name] - want[name]), sorted(want[name] - got[name])
        wrong += bool(more or less) != (name in expected)
        if name in expected and not (more or less):
            print(f"{name}: agrees, though it is listed as one that does not")
        if more or less:
            bad += 1
            if name not in expected or verbose:
                print(f"{name}: {len(more)} more {more[:8]}, {len(less)} less {less[:8]}")
    print(f"{capture}: {len(want) - bad} of {len(want)} rules agree, {len(expected)} differences are explained")
    return wrong


sys.exit(1 if main() else 0)
