#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stage that writes garbage into its ring, or an impossible position: the neighbour refuses and reports, both ends are replaced with a fresh ring, detection goes on, and
what stood in the old ring is in the ledger as ring.fault, or a loss of that output. For every ring and both of its ends; once live. Needs test hooks built in."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ACTOR, HOOKS, SANITIZED, Saker, fail, skip # noqa: E402

EVENTS = 20000
SECONDS = 3
UIDS = 65100
OUTPUT = json.dumps({"name": "out", "kind": "stdout", "format": "json", "include_uuid": True})
COMMON = ("-o", "stdout_output.enabled=false", "-o", f"outputs[]={OUTPUT}", "-o", "evaluators=2", "-o", "memory.rings=8MiB",
          "-o", 'append_output[]={"extra_fields": ["evt.num"]}')
# who misbehaves, after how many events or alerts; the ring, its ends, what of it counts
CASES = [
    ("collector:out:0:6000", "raw", ("collector", "tracker"), "event"),
    ("tracker:in:0:6000", "raw", ("collector", "tracker"), "event"),
    ("tracker:out:0:6000", "event.0", ("tracker", "evaluator-0"), "event"),
    ("evaluator-1:in:0:500", "event.1", ("tracker", "evaluator-1"), "event"),
    ("evaluator-0:out:0:500", "alert.0.out", ("evaluator-0", "emitter-out"), "alert"),
    ("emitter-out:in:1:5", "alert.1.out", ("evaluator-1", "emitter-out"), "alert"),
]


def restarts(s):
    """How often each stage was started again, by the log."""
    n = {}
    for line in s.log:
        m = re.search(r"([a-z]+(?:-[a-z0-9]+)?) is started again in", line)
        if m:
            n[m.group(1)] = n.get(m.group(1), 0) + 1
    return n


def ledger(s):
    line = next(x for x in reversed(s.log) if "ledger: seen" in x)
    seen, judged, in_flight = (int(re.search(rf"{what} (\d+)", line).group(1)) for what in ("seen", "judged", "in flight"))
    losses = {name: int(n) for name, n in re.findall(r"\+ ([a-z_.]+) (\d+)", line)}
    if "not balanced" in line or seen != judged + in_flight + sum(losses.values()):
        fail(f"the ledger does not balance: {line}")
    return seen, judged, in_flight, losses


def check_replaced(s, name, ring, ends):
    log = "\n".join(s.log[-60:])
    if not any(f"the ring '{ring}' is at fault" in line for line in s.log):
        fail(f"{name}: no fault of '{ring}' was reported\n{log}")
    if not any(f"the ring '{ring}' is a fresh one" in line for line in s.log):
        fail(f"{name}: '{ring}' was not replaced\n{log}")
    n = restarts(s)
    if any(n.get(end, 0) < 1 for end in ends):
        fail(f"{name}: {ends} should both be replaced, were: {n}\n{log}")
    others = {k: v for k, v in n.items() if k not in ends}
    if others:
        fail(f"{name}: replaced beside {ends}: {others}\n{log}")


def synthetic(case):
    who, ring, ends, what = case
    s = Saker("-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "engine.synthetic.seed=11", "-o", f"engine.synthetic.rate={EVENTS // SECONDS}",
              *COMMON, uids=UIDS, wait=0, env={"SAKER_TEST_GARBAGE": who})
    try:
        s.proc.wait(120)
    finally:
        status = s.stop()
    if status != 0:
        fail(f"{who}: exit status {status}\n" + "\n".join(s.log[-60:]))
    check_replaced(s, who, ring, ends)
    seen, judged, in_flight, losses = ledger(s)
    if in_flight or set(losses) - {"ring.fault"} or (what == "alert" and losses):
        fail(f"{who}: in flight {in_flight}, lost {losses}")
    if seen != EVENTS:
        fail(f"{who}: {seen} events instead of {EVENTS}\n" + "\n".join(s.log[-60:]))
    numbers = {}
    for a in s.alerts:
        numbers.setdefault(a["uuid"], set()).add(a["output_fields"]["evt.num"])
    if any(len(n) > 1 for n in numbers.values()):
        fail(f"{who}: one id for several events")
    last = max(n for ns in numbers.values() for n in ns)
    if last < EVENTS * 0.9:
        fail(f"{who}: the last alert is of event {last} of {EVENTS}\n" + "\n".join(s.log[-60:]))
    print(f"{who}: '{ring}' replaced, {judged} of {seen} judged, lost {losses}, {len(numbers)} alerts, the last of event {last}")
    return losses.get("ring.fault", 0), numbers


def live():
    """Garbage in the raw ring while processes open a file that a rule names: alerts before and after, numbers that go on, and a balanced ledger."""
    if os.geteuid() != 0 or not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("live part: needs root and BTF, left out")
        return
    work = tempfile.mkdtemp(prefix="saker-ring-fault-", dir="/tmp")
    os.chmod(work, 0o755)
    secret = os.path.join(work, f"saker-fault-{os.getpid()}")
    with open(secret, "w", encoding="ascii") as f:
        f.write("x")
    rules = os.path.join(work, "rules.yaml")
    with open(rules, "w", encoding="ascii") as f:
        f.write(f"""
- rule: Mark
  desc: somebody opened the file
  condition: evt.type in (open, openat, openat2) and fd.name = {secret}
  output: "%proc.name %proc.pname %evt.num"
  priority: WARNING
""")
    try:
        s = Saker("-r", rules, *COMMON, uids=UIDS, wait=60, env={"SAKER_TEST_GARBAGE": "collector:out:0:2000"})
        end = time.monotonic() + (60 if SANITIZED else 20)
        opens = before = 0
        while time.monotonic() < end and not any("'raw' is a fresh one" in line for line in s.log):
            subprocess.run([ACTOR, "open", secret, "r"], stdin=subprocess.DEVNULL, check=True)
            opens += 1
            before = before or len(s.alerts)
        after = None
        while time.monotonic() < end and not after: # until both work again
            n = len(s.alerts)
            subprocess.run([ACTOR, "open", secret, "r"], stdin=subprocess.DEVNULL, check=True)
            opens += 1
            after = s.wait_alert("Mark", seconds=1, after=n)
        if not after or not before or not any("'raw' is a fresh one" in line for line in s.log):
            fail("live: no alert after the fault\n" + "\n".join(s.log[-40:]))
        status = s.stop()
        if status != 0:
            fail(f"live: exit status {status}\n" + "\n".join(s.log[-40:]))
        check_replaced(s, "live", "raw", ("collector", "tracker"))
        seen, judged, _, losses = ledger(s)
        ids = {}
        for a in s.alerts:
            ids.setdefault(a["output_fields"]["evt.num"], set()).add(a["uuid"])
        if any(len(x) > 1 for x in ids.values()) or set(losses) - {"ring.fault"}:
            fail(f"live: ids {ids}, losses {losses}")
        if len(ids) + losses.get("ring.fault", 0) < opens:
            fail(f"live: {opens} opens, {len(ids)} alerts, lost {losses}\n" + "\n".join(s.log[-40:]))
        print(f"live: {opens} opens, {len(s.alerts)} alerts, seen {seen}, judged {judged}, lost {losses}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    if not HOOKS:
        skip("this build has no test hooks (meson option test_hooks)")
    lost = 0
    for case in CASES:
        lost += synthetic(case)[0]
    if lost == 0:
        fail("no event ever stood in a ring that was replaced: the loss is not proved")
    live()


main()
