#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every message of rules/ that a rules file can cause has a row in tests/unit/rules/messages.txt or is wanted by a test beside it.

A message counts as wanted if 16 bytes of its text in the source (all of it, if shorter) stand there; what only frames another message is exempt."""
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PIECE, SHORTEST = 16, 12
REPORT = re.compile(r"\b(?:cx_error_in|cx_error|cx_warning|cx_report_at|cx_report|check_problem|bad_values)\(|\.message = ")
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*')
DIRECTIVE = re.compile(r"%[-.*0-9]*(?:z|ll?)?[sudxc]")
EXEMPT = {
    "out of memory": "no file causes it for certain",
    "the compiled rules are larger than %u MiB": "needs more text than a test should compile",
    "too many values": "needs more text than a test should compile",
    "unreadable text": "libyaml names a reason",
    "empty condition": "the YAML reader's checks of the key come before",
    "Exception '%s': %s": "a frame",
    "%s in append_output's extra fields": "a frame; the option is not of a rules file",
    "%s that '-p' or 'append_output' adds": "a frame; the option is not of a rules file",
    "invalid regex '%.300s': %s": "a frame",
    "%s (compared with '%s')": "a frame",
    "%s at byte %zu": "a frame",
}


def joined(literal):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"')


def messages(source):
    """The texts of two words or more, and of SHORTEST bytes or more, in calls that report."""
    for call in REPORT.finditer(source):
        end = source.find(";", call.end())
        for literal in LITERAL.finditer(source[call.end():end]):
            text = joined(literal.group(0))
            if len(text) >= SHORTEST and re.search(r"\S \S", text):
                yield text


def is_wanted(text, wanted):
    pieces = [p.replace("%%", "%") for p in DIRECTIVE.split(text)]
    return any(p[i:i + PIECE] in wanted for p in pieces if len(p) > 9 for i in range(max(1, len(p) - PIECE + 1)))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def self_test():
    source = 'cx_error(cx, "CODE", pos, "list \'%s\' is "\n\t"much too long", name);\nputs("not a message");\n'
    assert list(messages(source)) == ["list '%s' is much too long"], list(messages(source))
    assert is_wanted("list '%s' is much too long", "? 1 list 'a' is much too long | x")
    assert not is_wanted("list '%s' is much too short", "? 1 list 'a' is much too long | x")


def main():
    self_test()
    wanted = read(f"{TOP}/tests/unit/rules/messages.txt")
    for path in glob.glob(f"{TOP}/tests/unit/rules/*.c"):
        wanted += re.sub(r'"\s*\n\s*"', "", read(path)).replace('\\"', '"')
    seen, bad = set(), 0
    for path in sorted(glob.glob(f"{TOP}/rules/*.c")):
        for text in messages(read(path)):
            seen.add(text)
            if text not in EXEMPT and not is_wanted(text, wanted):
                print(f"{os.path.relpath(path, TOP)}: no row in tests/unit/rules/messages.txt for: {text}")
                bad += 1
    for text in EXEMPT.keys() - seen:
        print(f"tests/check/check_messages.py: exempt, but no message: {text}")
        bad += 1
    assert len(seen) > 100, f"only {len(seen)} messages found: does the search still fit the source?"
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
