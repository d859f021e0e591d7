#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""After a loss that state suffers from: alerts that rest on what was known before say so, the state of the host is read again, and then they are certain again. The collector
stands still until the kernel has no room for forks and execs; a process that was started meanwhile is known in full after the reading."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, SANITIZED, fail, need_root # noqa: E402

UIDS = 65200
STOPPED_S = 10 if SANITIZED else 1.7 # the watchdog waits longer


def collector(s):
    return next(x for x in s.status()["stages"] if x["name"] == "collector")


def lost(s):
    return s.status()["ledger"]["losses"].get("kernel.buffer_full.high", 0)


def flood(stop):
    """Processes: all that the class of state is made of."""
    while not stop.is_set():
        subprocess.run(["/bin/true"], check=False)


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-doubt-", dir="/tmp")
    os.chmod(work, 0o755)
    secret = os.path.join(work, f"saker-doubt-{os.getpid()}")
    late = os.path.join(work, "latecomer")
    shutil.copy("/bin/sh", late)
    with open(secret, "w", encoding="ascii") as f:
        f.write("x")
    rules = os.path.join(work, "rules.yaml")
    with open(rules, "w", encoding="ascii") as f:
        f.write(f"""
- rule: Mark
  desc: somebody opened the file
  condition: evt.type in (open, openat, openat2) and fd.name = {secret}
  output: "%proc.name %proc.exepath %evt.num"
  priority: WARNING
- rule: Everybody
  desc: so that forks and execs are captured in full
  condition: evt.type = execve and proc.name = nobody_has_this_name
  output: "%proc.cmdline"
  priority: DEBUG
""")
    stop, flooding = threading.Event(), threading.Event()
    threads, child = [], None
    s = Saker("-r", rules, "-o", "evaluators=1", "-o", "memory.rings=4MiB", "-o", "json_include_doubtful_property=true", uids=UIDS, wait=60)
    try:
        def mark():
            while not stop.wait(0.005):
                with open(secret, "rb") as f:
                    f.read(1)
        threads.append(threading.Thread(target=mark))
        threads[0].start()
        if not s.wait_alert("Mark", seconds=20):
            fail("no alert\n" + "\n".join(s.log[-20:]))
        early = [a for a in s.alerts if a.get("doubtful")]
        if early:
            fail(f"doubtful before anything was lost: {early[0]}")
        pid = collector(s)["pid"]
        threads += [threading.Thread(target=flood, args=(flooding,)) for _ in range(4)]
        for t in threads[1:]:
            t.start()
        for _ in range(6): # as much as fits before the watchdog would end it, again if that was too little
            os.kill(pid, signal.SIGSTOP)
            end = time.monotonic() + STOPPED_S
            try:
                while time.monotonic() < end and not lost(s):
                    time.sleep(0.05)
                if lost(s):
                    child = subprocess.Popen([late, "-c", f"while :; do : < {secret}; sleep 0.05; done"], stdin=subprocess.DEVNULL)
                    time.sleep(0.2) # its fork and exec are lost as well
            finally:
                os.kill(pid, signal.SIGCONT)
            if child:
                break
            time.sleep(1)
        flooding.set()
        if not child:
            fail(f"nothing was lost in {STOPPED_S} s: {s.status()['ledger']}")
        if not s.wait_alert("Mark", lambda a: a.get("doubtful"), seconds=20):
            fail("no alert is marked after the loss\n" + "\n".join(s.log[-20:]))
        known = s.wait_alert("Mark", lambda a: a["output_fields"]["proc.exepath"] == late and not a.get("doubtful"), seconds=60)
        if not known:
            fail("the process that was started meanwhile did not become known: "
                 f"{[a for a in s.alerts if a['output_fields']['proc.name'] == 'latecomer'][-3:]}\n" + "\n".join(s.log[-20:]))
        n = len(s.alerts)
        certain = s.wait_alert("Mark", lambda a: a["output_fields"]["proc.name"] != "latecomer" and not a.get("doubtful"), seconds=20, after=n)
        if not certain:
            fail("alerts stay doubtful\n" + "\n".join(s.log[-20:]))
        if collector(s)["pid"] != pid:
            fail("the collector was replaced: that is another test\n" + "\n".join(s.log[-20:]))
        ledger = s.status()["ledger"]
    finally:
        stop.set()
        flooding.set()
        for t in threads:
            t.join()
        if child:
            child.kill()
            child.wait()
        status = s.stop()
        shutil.rmtree(work, ignore_errors=True)
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-20:]))
    marked = sum(1 for a in s.alerts if a.get("doubtful"))
    print(f"lost {ledger['losses']}: {marked} of {len(s.alerts)} alerts marked, then certain again, the newcomer known as {known['output_fields']['proc.exepath']}")


main()
