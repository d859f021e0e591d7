#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile rule files are refused with one clear message, in bounded time and memory, by the tool (-V) and by a start alike."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, SANITIZED, fail, left_behind, skip # noqa: E402

UIDS = 64800
CPU_MAX_S = 1.0
RSS_MAX_KIB = 300 << 10
PLACE = r"(?:h\.yaml(?::\d+:\d+)?: error:|saker: error: rules file '[^']*h\.yaml')"
RULE = "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: "


def alias_bomb():
    out = [RULE, "proc.name=a\n  exceptions:\n  - name: e\n    fields: [proc.name]\n    values:\n    - &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
    for i in range(1, 40):
        out.append(f"    - &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]\n")
    return "".join(out)


def macro_bomb():
    return "- macro: m0\n  condition: proc.name=a\n" + "".join(
        f"- macro: m{i}\n  condition: m{i - 1} or m{i - 1} or m{i - 1}\n" for i in range(1, 40)) + RULE + "m39\n"


def many_lists(n):
    return "".join(f"- list: l{i}\n  items: [a{i}]\n" for i in range(n)) + RULE + "proc.name in (" + ", ".join(f"l{i}" for i in range(n)) + ")\n"


# name, text, what the message holds
CASES = [
    ("100 MiB of YAML", lambda: "- list: a\n  items: [b]\n" * ((100 << 20) // 23), r"larger than 16 MiB"),
    ("sequences 100,000 deep", lambda: "[" * 100000, r"nested more than 64 levels deep"),
    ("maps 100,000 deep", lambda: "{a: " * 100000, r"nested more than 64 levels deep"),
    ("parentheses 100,000 deep", lambda: RULE + "(" * 100000 + "\n", r"nested too deeply"),
    ("alias bomb", alias_bomb, r"lists must have equal length"),
    ("cyclic macros", lambda: "- macro: a\n  condition: proc.name=x\n- macro: b\n  condition: a\n- macro: a\n  condition: b and proc.name=x\n" + RULE + "a\n",
     r"reference loop in macro"),
    ("macro bomb", macro_bomb, r"too large with its macros expanded"),
    ("cyclic lists that grow", lambda: "".join(f"- list: l{i}\n  items: [l{(i + 1) % 40}, l{(i + 1) % 40}, l{(i + 1) % 40}, l{(i + 1) % 40}]\n" for i in range(40))
     + RULE + "proc.name in (l0)\n", r"too large with its lists"),
    ("condition above 1 MiB", lambda: RULE + "proc.name=a" + " or proc.name=a" * 80000 + "\n", r"text larger than 1024 KiB"),
    ("20,000 lists in one condition", lambda: many_lists(20000), r"condition of rule 'R' is too large with its lists .*\(too many lists\)"),
    ("invalid UTF-8", lambda: b"- list: a\xff\n  items: [a]\n", r"UTF-8"),
    ("NUL", lambda: b"- list: a\0b\n  items: [a]\n", r"control characters"),
    ("escaped NUL", lambda: '- list: a\n  items: ["x\\0y"]\n', r"text or number"),
]


def make_file(path, make):
    """In a process of its own: a child's peak RSS counts from the size of the process that started it, so this one has to stay small."""
    pid = os.fork()
    if pid == 0:
        text = make()
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        fail(f"cannot write {path}")


def run(argv):
    """Exit status and all that was said; CPU seconds of all processes together and the peak RSS (KiB) of the largest."""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        _, status, ru = os.wait4(p.pid, 0) # with the children that it waited for in turn: CPU as the sum, RSS as the largest
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return p.returncode, out.read().decode(errors="replace"), ru.ru_utime + ru.ru_stime, ru.ru_maxrss


def main():
    if SANITIZED:
        skip("time and memory are those of the build without sanitizers")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="saker-hostile-") as d:
        os.chmod(d, 0o755)
        path = f"{d}/h.yaml"
        for name, make, want in CASES:
            make_file(path, make)
            for how, argv in (("-V", [SAKER, "-V", path]),
                              ("start", [SAKER, "-r", path, "-o", "engine.kind=synthetic", "-o", f"uids.first={UIDS}", "-o", f"control.socket={d}/c.sock"])):
                status, said, cpu, rss = run(argv)
                message = re.search(rf"{PLACE}[^\n]*{want}", said)
                n_errors = len(re.findall(PLACE, said))
                wrong = [why for why, is_wrong in (("no such message", not message), ("more than one message", n_errors != 1), ("exit status", status != 1),
                                                   ("CPU time", cpu > CPU_MAX_S), ("memory", rss > RSS_MAX_KIB), ("length", len(said) > 8000)) if is_wrong]
                print(f"{'BAD ' if wrong else 'ok  '} {name}, {how}: exit {status}, {cpu:.2f} s CPU, {rss >> 10} MiB: {message and message.group(0)[:150]}", flush=True)
                if wrong:
                    print(f"     wrong: {', '.join(wrong)}; wanted /{want}/ in:\n{said[:2000]}")
                    bad += 1
            if os.path.exists(f"{d}/c.sock"):
                print("     the control socket was left behind")
                bad += 1
        left = left_behind(UIDS)
        if left:
            print("     processes left behind:\n" + "\n".join(left))
            bad += 1
    if bad:
        fail(f"{bad} of the cases above")


if __name__ == "__main__":
    main()
