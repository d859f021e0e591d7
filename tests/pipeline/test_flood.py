#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A flood on every core, and beside it one process after the other that reads /etc/shadow, each under a name of its own: each has its alert; what was shed is in the
ledger by name, and the ledger balances."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ACTOR, OtherLoad, Saker, fail, need_root, official_rules # noqa: E402

READERS = 40
EVERY = 0.1
RULE = "Read sensitive file untrusted"
SEEN = 100000 # events that make a flood
BUSY = 0.2    # of the machine's time taken by others: then a miss is not saker's alone, and is tried again


def start_floods(work):
    """Unprivileged; on files of their own, opened for writing, which the rules want to see whatever the name is."""
    out = []
    own = os.path.join(work, "flood")
    os.mkdir(own)
    os.chmod(own, 0o777)
    for cpu in sorted(os.sched_getaffinity(0)):
        out.append(subprocess.Popen(["taskset", "-c", str(cpu), ACTOR, "flood", os.path.join(own, str(cpu))], stdin=subprocess.DEVNULL))
    return out


def read_shadow(work):
    """Starts the readers in their times; how late the last one was."""
    names = [f"r{i:03}" for i in range(READERS)]
    begin = time.monotonic()
    late = 0
    for i, name in enumerate(names):
        time.sleep(max(0.0, begin + i * EVERY - time.monotonic()))
        late = max(late, time.monotonic() - begin - i * EVERY)
        r = subprocess.run([os.path.join(work, name), "open", "/etc/shadow", "r"], stdin=subprocess.DEVNULL, timeout=30)
        if r.returncode != 0:
            fail(f"the reader {name} itself failed with {r.returncode}")
    return names, late


def wait_flood(s, seconds=60):
    """On a busy machine a flood takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ledger = s.status()["ledger"]
        if ledger["seen"] >= SEEN:
            return
        time.sleep(0.5)
    fail(f"that was no flood: {ledger['seen']} events")


def attempt(rules):
    """The readers without an alert, and a line about the run."""
    work = tempfile.mkdtemp(prefix="saker-flood-", dir="/tmp")
    os.chmod(work, 0o755)
    for i in range(READERS):
        shutil.copy(ACTOR, os.path.join(work, f"r{i:03}"))
    floods = []
    s = Saker("-r", rules, uids=65600, wait=60)
    try:
        floods = start_floods(work)
        time.sleep(1)
        names, late = read_shadow(work)
        wait_flood(s)
        if any(f.poll() is not None for f in floods):
            fail("a flooding process ended by itself")
        for f in floods:
            f.kill()
        end = time.monotonic() + 30
        missing = names
        while missing and time.monotonic() < end:
            told = {a["output_fields"].get("proc.name") for a in s.alerts if a["rule"] == RULE}
            missing = [n for n in names if n not in told]
            ledger = s.status()["ledger"]
            if ledger["in_flight"] == 0 and missing:
                end = min(end, time.monotonic() + 3) # nothing more is on its way
            time.sleep(0.2)
        ledger = s.status()["ledger"]
    finally:
        for f in floods:
            f.kill()
            f.wait()
        status = s.stop()
        shutil.rmtree(work, ignore_errors=True)
    if ledger["seen"] != ledger["judged"] + ledger["in_flight"] + sum(ledger["losses"].values()) or not ledger["balanced"]:
        fail(f"the ledger does not balance: {ledger}")
    if status != 0:
        fail(f"saker ended with {status}")
    return missing, (f"seen {ledger['seen']}, judged {ledger['judged']}, in flight {ledger['in_flight']}, lost {ledger['losses']}; "
                     f"readers at most {late:.2f} s late; {len(names)} readers beside {len(floods)} floods")


def main():
    need_root()
    rules = official_rules()
    for _ in range(3):
        load = OtherLoad()
        missing, line = attempt(rules)
        others = load.share()
        print(f"{line}; others took {others:.0%} of the machine")
        if not missing:
            print("all alerted")
            return
        print(f"no alert for {len(missing)} of {READERS} readers: {' '.join(missing)}")
        if others < BUSY:
            break
    fail("alerts are missing")


main()
