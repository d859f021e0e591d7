#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The synthetic source through the whole pipeline: 1, 2 and 4 evaluators give the same bytes, the ledger adds up, the run ends by itself.
Runs as any user; as root each stage has its own uid."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SANITIZED, STABLE, Saker, fail # noqa: E402

EVENTS = 20000 if SANITIZED else 100000


def run(evaluators, uids):
    args = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "engine.synthetic.seed=7", "-o", f"evaluators={evaluators}"]
    if os.path.exists(STABLE):
        args += ["-r", STABLE]
    s = Saker(*args, uids=uids, wait=0)
    try:
        s.proc.wait(120)
    finally:
        status = s.stop()
    if status != 0:
        fail(f"{evaluators} evaluators: exit status {status}\n" + "\n".join(s.log[-40:]))
    ledger = [line for line in s.log if "balanced" in line]
    if not ledger or "not balanced" in ledger[0]:
        fail(f"{evaluators} evaluators: the ledger does not add up\n" + "\n".join(s.log[-40:]))
    return s


def main():
    runs = {n: run(n, 64100 + 100 * i) for i, n in enumerate((1, 2, 4))}
    first = runs[1].lines
    if len(first) < 50:
        fail(f"only {len(first)} alerts of {EVENTS} synthetic events")
    for n, s in runs.items():
        if s.lines != first:
            for i, (a, b) in enumerate(zip(first, s.lines)):
                if a != b:
                    print(f"line {i + 1}:\n1: {a}\n{n}: {b}")
                    break
            fail(f"{n} evaluators gave other bytes than one ({len(s.lines)} lines against {len(first)})")
    rules = {a["rule"] for a in runs[1].alerts}
    print(f"{len(first)} alerts of {len(rules)} rules from {EVENTS} events: the same bytes with 1, 2 and 4 evaluators")


if __name__ == "__main__":
    main()
