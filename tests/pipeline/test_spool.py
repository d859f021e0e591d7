#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outputs with a spool: the same alerts as without; a sink that is not there costs nothing, its alerts are delivered by a later run, in order; the emitter is killed on
the way; repeats are held back and summed up; the folder is the emitter's own. The figures of status add up each time."""
import json
import os
import random
import signal
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402

UIDS = 64700
EVENTS = 30000


def output(name, kind, block, **more):
    return json.dumps({"name": name, "kind": kind, "format": "json", kind: block, "include_uuid": True, **more})


def synthetic(d, *outputs, events=EVENTS, rate=0, **kw):
    args = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={events}", "-o", "evaluators=2"]
    if rate:
        args += ["-o", f"engine.synthetic.rate={rate}"]
    for o in outputs:
        args += ["-o", f"outputs[]={o}"]
    return Saker(*args, uids=UIDS, wait=0, spool=os.path.join(d, "spool"), **kw)


def end(s):
    s.proc.wait(120)
    status = s.stop()
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-30:]))


def stop_when_judged(s):
    """A sink that takes nothing is not waited for when a stop is asked for."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        st = s.status()
        if st and st["ledger"]["judged"] >= EVENTS and all(o["accepted"] == st["outputs"][0]["accepted"] for o in st["outputs"]):
            break
        time.sleep(0.1)
    begin = time.monotonic()
    if s.stop() != 0 or time.monotonic() - begin > 4.5:
        fail(f"a stop with a sink that is not there: {time.monotonic() - begin:.1f} s\n" + "\n".join(s.log[-20:]))


def lines_of(path):
    return open(path).read().splitlines()


def without_uuid(lines):
    out = []
    for line in lines:
        a = json.loads(line)
        a.pop("uuid", None)
        out.append(a)
    return out


def same_as_without(d):
    path = os.path.join(d, "a.jsonl")
    s = synthetic(d, output("spooled", "file", {"path": path, "fsync": "batch"}, spool={"enabled": True, "max_size": "16MiB"}))
    end(s)
    got = without_uuid(lines_of(path))
    if got != s.alerts:
        fail(f"spooled {len(got)} alerts, stdout {len(s.alerts)}")
    folder = os.path.join(s.spool, "spooled")
    st = os.stat(folder)
    if os.getuid() == 0 and (not UIDS <= st.st_uid < UIDS + 100 or st.st_mode & 0o077):
        fail(f"the folder's owner is {st.st_uid}, its mode {st.st_mode:o}")
    print(f"spooled file: {len(got)} alerts, the same as on stdout; left in the folder: {sorted(os.listdir(folder))}")


class Socket:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.got = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            data = self.sock.recv(65536)
            if data == b"quit":
                return
            self.got.append(data.decode(errors="replace").split("]: ", 1)[1])


def sink_comes_later(d):
    log = os.path.join(d, "log")
    o = output("later", "syslog", {"targets": [f"local:{log}"]}, spool={"enabled": True, "max_size": "64MiB"})
    first = synthetic(d, o)
    stop_when_judged(first)
    if not any("stay in the spool" in line for line in first.log):
        fail("nothing was said of what stays in the spool:\n" + "\n".join(first.log[-10:]))
    sink = Socket(log)
    second = synthetic(d, o, events=EVENTS)
    end(second)
    quit_sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    quit_sock.sendto(b"quit", log)
    sink.thread.join(20)
    got = without_uuid(sink.got)
    if got != first.alerts + second.alerts:
        fail(f"the socket got {len(got)} alerts, the runs had {len(first.alerts)} and {len(second.alerts)}")
    print(f"a sink that came with the second run: {len(first.alerts)} alerts waited for it, then {len(second.alerts)} more, in order")


def kills(d):
    path = os.path.join(d, "k.jsonl")
    o = output("killed", "file", {"path": path, "fsync": "never"}, spool={"enabled": True, "max_size": "64MiB"})
    rng = random.Random(3)
    s = synthetic(d, o, events=60000, rate=15000)
    n = 0
    until = time.monotonic() + 20
    row = None
    while s.proc.poll() is None and time.monotonic() < until and n < 6:
        st = s.status()
        x = next((x for x in st["stages"] if x["name"] == "emitter-killed"), None) if st else None
        for r in st["outputs"] if st else []:
            if r["name"] == "killed" and r["accepted"] != r["delivered"] + r["in_spool"] + sum(r["losses"].values()):
                fail(f"does not add up: {r}")
            row = r if r["name"] == "killed" else row
        if x and x["state"] == "running" and x["pid"]:
            os.kill(x["pid"], signal.SIGKILL)
            n += 1
        time.sleep(0.1 + rng.random() * 0.4)
    end(s)
    ids = [a["uuid"] for a in map(json.loads, (line for line in lines_of(path) if line.startswith("{") and line.endswith("}")))]
    if len(set(ids)) != len(s.alerts):
        fail(f"{len(set(ids))} different alerts in the file, {len(s.alerts)} on stdout after {n} kills")
    if not n:
        fail("no kill")
    print(f"{n} kills of the emitter: {len(s.alerts)} alerts, none missing, {len(ids) - len(set(ids))} twice; last seen: {row}")


def limited(d):
    path = os.path.join(d, "l.jsonl")
    o = output("few", "file", {"path": path}, limit={"dedup_window": "10s", "rate": 20}, spool={"enabled": True, "max_size": "16MiB"})
    s = synthetic(d, o)
    end(s)
    got = [json.loads(line) for line in lines_of(path)]
    summaries = [a for a in got if "saker.suppressed" in a["output_fields"]]
    held = sum(a["output_fields"]["saker.suppressed"] for a in summaries)
    if len(got) - len(summaries) + held != len(s.alerts) or not summaries:
        fail(f"{len(got)} alerts in the file, of them {len(summaries)} summaries of {held}; stdout has {len(s.alerts)}")
    print(f"limits: of {len(s.alerts)} alerts {held} were held back, {len(summaries)} summaries")


def main():
    # the end comes behind the last delivery, or with it
    for f in (same_as_without, sink_comes_later, kills, *[limited] * 5):
        d = tempfile.mkdtemp(prefix="saker-spool-")
        os.chmod(d, 0o755)
        f(d)
        shutil.rmtree(d)


main()
