#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Capture files through the whole pipeline, as any user: a replay gives the same bytes each time and with any number of evaluators; what `saker record` writes
gives the same alerts again, whole and filtered; a file around an alert begins with its event; a file that is cut ends the run with one line and status 1.
The captures are written here, from the synthetic source."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, SANITIZED, STABLE, fail, skip # noqa: E402

EVENTS = 5000 if SANITIZED else 50000
ENV = dict(os.environ, TZ="UTC", FALCO_HOSTNAME="vm")
RULE = """- rule: a
  desc: x
  condition: evt.type = openat and fd.name = /etc/shadow
  output: "%evt.num %evt.time %fd.name %proc.name"
  priority: NOTICE
  capture: true
  capture_duration: 5
"""
LONG = RULE.replace("capture_duration: 5", "capture_duration: 100000000")


def saker(work, *args, want=0):
    """Standard output without the summary, standard error."""
    r = subprocess.run([SAKER, *args, "-o", f"control.socket={work}/s.sock", "-o", "uids.first=64700"], capture_output=True, text=True, timeout=200, env=ENV)
    if r.returncode != want:
        fail(f"{args}: status {r.returncode}, not {want}\n{r.stderr[-3000:]}")
    if want == 0 and "not balanced" in r.stderr:
        fail(f"{args}: the ledger does not add up\n{r.stderr[-3000:]}")
    return r.stdout, r.stderr


def replay(work, path, *args, want=0):
    return saker(work, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={path}", *args, want=want)


def lines(out):
    return out.split("Events detected:")[0].splitlines()


def facts(out):
    """Alerts without the event's number, which is that of its place in the file."""
    return [re.sub(r'"evt.num":\d+,?|(?<=Notice )\d+ ', "", line) for line in lines(out)]


def main():
    if not os.path.exists(STABLE):
        skip("no official rules beside the checkout")
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        rules = f"{work}/rules.yaml"
        with open(rules, "w") as f:
            f.write(RULE)
        source = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}"]
        stable = ["-r", STABLE, "-o", "rule_matching=all", "-o", "json_output=true"]
        capture = f"{work}/all.scap.gz"
        saker(work, "record", "-w", capture, *source)
        direct = lines(saker(work, *source, *stable)[0])
        first, _ = replay(work, capture, *stable)
        if len(lines(first)) < 20 or len(direct) != len(lines(first)):
            fail(f"{len(direct)} alerts while it happened, {len(lines(first))} from the recording")
        if f"Events detected: {len(direct)}\n" not in first:
            fail("the summary does not count the alerts\n" + first[-600:])
        for n in (1, 2, 4):
            if replay(work, capture, *stable, "-o", f"evaluators={n}")[0] != first:
                fail(f"{n} evaluators gave other bytes")
        again = f"{work}/again.scap"
        saker(work, "record", "-w", again, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={capture}")
        if replay(work, again, *stable)[0] != first:
            fail("the recording of a replay gives other alerts")

        some = f"{work}/some.scap"
        saker(work, "record", "-w", some, "--filter", "evt.type = openat and fd.name = /etc/shadow", *source)
        want = facts(replay(work, capture, "-r", rules)[0])
        if not want or facts(replay(work, some, "-r", rules)[0]) != want:
            fail("the filtered recording gives other alerts")
        if os.path.getsize(some) >= os.path.getsize(again):
            fail("the filter leaves nothing out")

        saker(work, *source, "-r", rules, "-o", "capture.enabled=true", "-o", f"capture.path_prefix={work}/around", "-o", "evaluators=2")
        files = sorted(f for f in os.listdir(work) if f.startswith("around_"))
        got = []
        for name in files:
            out = lines(replay(work, f"{work}/{name}", "-r", rules)[0])
            if not out or " Notice 1 " not in out[0]:
                fail(f"{name} does not begin with the event of its alert: {out[:1]}")
            got += out
        if not files or facts("\n".join(got)) != want:
            fail(f"{len(files)} files around alerts hold {len(got)} of {len(want)}")

        # the limit of a file: it ends there, and an alert says so
        longer = f"{work}/long.yaml"
        with open(longer, "w") as f:
            f.write(LONG)
        many = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={20 * EVENTS}"]
        out, err = saker(work, *many, "-r", longer, "-o", "capture.enabled=true", "-o", f"capture.path_prefix={work}/full", "-o", "capture.default_duration=100000000",
                         "-o", "capture.mode=all_rules", "-o", "capture.max_file_size_mb=1", "-o", "json_output=true")
        said = [json.loads(line) for line in lines(out) if "internal" in line]
        name = "Falco internal: capture size limit reached"
        if len(said) != 1 or (said[0]["rule"], said[0]["priority"], said[0]["source"], said[0]["output"]) != (
                name, "Informational", "internal", f"{name}. Configured limit: 1 MB.") or "tags" in said[0]:
            fail(f"no alert says that the file is full: {said}\n{err[-1000:]}")
        sizes = [os.path.getsize(f"{work}/{f}") for f in os.listdir(work) if f.startswith("full_")]
        if len(sizes) != 1 or not 1 << 20 <= sizes[0] < (1 << 20) + (1 << 18):
            fail(f"the file is not of its limit's size: {sizes}")

        cut = f"{work}/cut.scap"
        with open(again, "rb") as f, open(cut, "wb") as to:
            to.write(f.read()[:os.path.getsize(again) // 2 + 1])
        out, err = replay(work, cut, *stable, want=1)
        if "the capture file cannot be read on at byte " not in err or not lines(out) or lines(out) != lines(first)[:len(lines(out))]:
            fail("a file that is cut is not read up to there\n" + err[-1000:])
        _, err = replay(work, rules, *stable, want=1)
        if "not a capture file" not in err:
            fail("a text was taken for a capture\n" + err[-1000:])
        _, err = replay(work, f"{work}/none", *stable, want=1)
        if f"open the capture file '{work}/none'" not in err:
            fail("a missing file is not named\n" + err[-1000:])
    print(f"{len(direct)} alerts of {EVENTS} events, replayed and recorded; {len(files)} files around {len(want)} alerts")


if __name__ == "__main__":
    main()
