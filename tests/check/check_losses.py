#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses have names, and each name is meant: every row of shm/loss.def has a place in the source that counts it and a test that looks for it. A row that waits for its
writer stands in WAITING; when it is counted it must be taken out there. Bad samples below must be refused (--self-test)."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = "shm/include/shm/loss.def"
WAITING = {} # ID: what it waits for


def rows(text):
    """(ID, name) of each."""
    return re.findall(r'^LOSS(?:_OUTPUT)?\((\w+), "([^"]+)"', text, re.M)


def names_it(ident, name, path, text):
    """Does a test's text name the row: by its constant, or by its name as it is printed?"""
    if re.search(rf"\bLOSS_{ident}\b", text):
        return True
    if not path.endswith(".py"):
        return False
    # one word alone may mean anything
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])" if re.search(r"[._]", name) else rf"[\"']{name}[\"']", text) is not None


def check(table, sources, tests, waiting):
    """Complaints. @sources, @tests: {path: text}."""
    known = set()
    for ident, name in rows(table):
        known.add(ident)
        is_counted = any(re.search(rf"\bLOSS_{ident}\b", t) for t in sources.values())
        if ident in waiting:
            if is_counted:
                yield f"{name}: is counted by now, and so needs a test: take it out of WAITING"
            continue
        if not is_counted:
            yield f"{name}: nothing in the source counts it"
        if not any(names_it(ident, name, p, t) for p, t in tests.items()):
            yield f"{name}: no test looks for it"
    for ident in waiting:
        if ident not in known:
            yield f"{ident}: waits, and is no row of {TABLE}"


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", *patterns], cwd=TOP, capture_output=True, text=True, check=False).stdout.split()
    if not out: # a tree without git
        for root, dirs, files in os.walk(TOP):
            dirs[:] = [d for d in dirs if not d.startswith((".", "build"))]
            out += [os.path.relpath(os.path.join(root, f), TOP) for f in files if f.endswith(tuple(p.lstrip("*") for p in patterns))]
    return {p: open(os.path.join(TOP, p), encoding="utf-8").read() for p in out if os.path.exists(os.path.join(TOP, p))}


def self_test():
    table = 'LOSS(A_B, "a.b", "x")\nLOSS_OUTPUT(OUT_C, "c", "x")\n'
    source, test = {"x.c": "LOSS_A_B LOSS_OUT_C"}, {"t.py": "a.b", "t.c": "LOSS_OUT_C"}
    samples = [
        (source, test, {}, []),
        ({"x.c": "LOSS_A_B"}, test, {}, ["c: nothing"]),
        (source, {"t.py": "a.b.c and a c"}, {}, ["a.b: no test", "c: no test"]),
        (source, {"t.py": 'a.b {"c": 1}'}, {}, []),
        ({"x.c": "LOSS_A_BC LOSS_OUT_C"}, test, {}, ["a.b: nothing"]),
        ({"x.c": "LOSS_OUT_C"}, {"t.c": "LOSS_OUT_C"}, {"A_B": ""}, []),
        (source, test, {"A_B": ""}, ["a.b: is counted"]),
        (source, test, {"Z": ""}, ["Z: waits"]),
    ]
    for sources, tests, waiting, want in samples:
        got = list(check(table, sources, tests, waiting))
        if len(got) != len(want) or any(not g.startswith(w) for g, w in zip(got, want)):
            sys.exit(f"self-test: {sources}, {tests}, {waiting}: {got}, wanted {want}")


def main():
    self_test()
    if "--self-test" in sys.argv:
        return
    files = tracked("*.c", "*.h", "*.py")
    sources = {p: t for p, t in files.items() if not p.startswith("tests/") and p.endswith((".c", ".h"))}
    tests = {p: t for p, t in files.items() if p.startswith("tests/") and not p.startswith("tests/check/")}
    with open(os.path.join(TOP, TABLE), encoding="utf-8") as f:
        bad = list(check(f.read(), sources, tests, WAITING))
    for line in bad:
        print(f"{TABLE}: {line}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
