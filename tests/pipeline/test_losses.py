#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An event that is larger than a record with what belongs to it: a poll of many descriptors with long paths, in a capture that a hostile recorder may have written. It
is lost under its name and the ledger adds up; the same with shorter paths is judged. As any user."""
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, fail # noqa: E402

RULE = """- rule: polled
  desc: x
  condition: evt.type = poll and fdlist.names contains losses
  output: "%fdlist.nums"
  priority: NOTICE
"""
BLOCK, OPEN, POLL = 0x216, 3, 81


def event(ts, tid, code, *params):
    body = struct.pack("<H", 0)
    head = 26 + 2 * len(params)
    body += struct.pack("<QQIHI", ts, tid, head + sum(map(len, params)), code, len(params))
    body += b"".join(struct.pack("<H", len(p)) for p in params) + b"".join(params)
    body += bytes(-len(body) % 4)
    return struct.pack("<II", BLOCK, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def last_event(data):
    """Time and thread of a plain capture's last event."""
    at, out = 0, None
    while at < len(data):
        block, size = struct.unpack_from("<II", data, at)
        if block == BLOCK:
            out = struct.unpack_from("<QQ", data, at + 10)
        at += size
    return out


def polls(ts, tid, n, length):
    """Opens n files whose paths are that long, and polls them."""
    out = b""
    fds = list(range(1000, 1000 + n))
    for fd in fds:
        path = f"/losses/{fd}/".encode().ljust(length, b"x") + b"\0"
        out += event(ts, tid, OPEN, struct.pack("<q", fd), path, struct.pack("<I", 1), struct.pack("<I", 0), struct.pack("<I", 0), struct.pack("<Q", 0))
    entries = b"".join(struct.pack("<qh", fd, 1) for fd in fds)
    return out + event(ts, tid, POLL, struct.pack("<q", n), struct.pack("<H", n) + entries, struct.pack("<q", 0))


def main():
    with tempfile.TemporaryDirectory(prefix="saker-losses-") as work:
        os.chmod(work, 0o755)
        rules, capture = os.path.join(work, "rules.yaml"), os.path.join(work, "large.scap")
        with open(rules, "w", encoding="utf-8") as f:
            f.write(RULE)
        control = ["-o", f"control.socket={work}/s.sock", "-o", "uids.first=66600"]
        subprocess.run([SAKER, "record", "-w", capture, "-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=500", *control], check=True,
                       capture_output=True, timeout=60)
        with open(capture, "rb") as f:
            data = f.read()
        ts, tid = last_event(data)
        with open(capture, "ab") as f:
            f.write(polls(ts + 1000, tid, 8, 100) + polls(ts + 2000, tid, 64, 1020) + polls(ts + 3000, tid, 9, 100))
        r = subprocess.run([SAKER, "-r", rules, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={capture}", *control], capture_output=True,
                           text=True, timeout=60)
        if r.returncode != 0:
            fail(f"status {r.returncode}\n{r.stderr[-2000:]}")
        got = re.findall(r"Notice (1000\S*)", r.stdout)
        if [len(x.split(",")) for x in got] != [8, 9]:
            fail(f"judged: {r.stdout[-2000:]}")
        if not re.search(r"ledger: seen (\d+) = judged \d+ \+ in flight 0 \+ tracker.too_big 1: balanced", r.stderr):
            fail(f"the loss has no name, or the ledger does not add up\n{r.stderr[-2000:]}")
    print("an event larger than a record: tracker.too_big 1, balanced; those beside it are judged")


if __name__ == "__main__":
    main()
