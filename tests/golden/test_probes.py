# SPDX-License-Identifier: Apache-2.0
"""Generated rules over a recorded capture, every operator over most fields: each matches the same events as with the reference.
Usage: test_probes.py CAPTURE [-v]"""
import gzip
import re
import sys

from replay import Replay, golden

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
    bad = 0
    for name in sorted(want):
        more, less = sorted(got[name] - want[name]), sorted(want[name] - got[name])
        if more or less:
            bad += 1
            if bad <= 40 or verbose:
                print(f"{name}: {len(more)} more {more[:8]}, {len(less)} less {less[:8]}")
    print(f"{capture}: {len(want) - bad} of {len(want)} rules agree")
    return bad


sys.exit(1 if main() else 0)
