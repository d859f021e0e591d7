#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live and recorded agree: a live run writes a capture file around an alert while it alerts; replaying the file gives the same lines. The recorder is sealed like
every stage, or the run would not start. Needs root."""
import gzip
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from container import Container # noqa: E402
from harness import ACTOR, SAKER, SANITIZED, Saker, fail, need_root # noqa: E402

RULE = """- rule: shadow
  desc: x
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and proc.name in (cat, head)
  output: "%evt.time %proc.name %proc.pname %proc.cmdline %user.name %proc.cwd %proc.exepath %fd.name"
  priority: NOTICE
  capture: true
  capture_duration: 1000
"""
SCRIPT = "cat /etc/shadow; cat /etc/../etc/shadow; head -1 /etc/shadow"


API = "api.saker.test"
FACTS_RULES = f"""- rule: in container
  desc: x
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and container.id != host and container.privileged = true
  output: "%container.id %container.name %container.image.repository:%container.image.tag %container.mounts %container.label.app %k8s.ns.name %k8s.pod.name %proc.name"
  priority: NOTICE
- rule: through a link
  desc: x
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and proc.name in (viasymlink, viauring)
  output: "%proc.name %fd.name"
  priority: NOTICE
- rule: named peer
  desc: x
  condition: evt.type = connect and fd.sip.name in ({API}, other.test)
  output: "%fd.sip.name %fd.name"
  priority: NOTICE
- rule: last
  desc: x
  condition: evt.type in (open, openat, openat2) and fd.name = /nonexistent/saker-last
  output: x
  priority: NOTICE
"""


def comparable(alerts):
    """Without the event's number, which is that of its place in the stream."""
    return [(a["rule"], a["time"], a["output"], {k: v for k, v in a["output_fields"].items() if k != "evt.num"}) for a in alerts]


def replay_json(work, path, rules):
    r = subprocess.run([SAKER, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={path}", "-r", rules, "-o", "json_output=true", "-o",
                        f"control.socket={work}/s.sock", "-o", "uids.first=64600"], capture_output=True, text=True, timeout=60, env=dict(os.environ, TZ="UTC"))
    if r.returncode != 0:
        fail(f"the replay of '{path}' failed: {r.stderr[-2000:]}")
    return [json.loads(line) for line in r.stdout.split("Events detected:")[0].splitlines() if line]


def around_alerts():
    """A file around each alert."""
    with tempfile.TemporaryDirectory() as work:
        rules = f"{work}/rules.yaml"
        with open(rules, "w") as f:
            f.write(RULE)
        s = Saker("-r", rules, "-o", "capture.enabled=true", "-o", f"capture.path_prefix={work}/around", uids=64600)
        subprocess.run(["sh", "-c", SCRIPT], cwd="/usr", stdout=subprocess.DEVNULL, check=True)
        s.wait_alert("shadow", lambda a: "head" in a["output"])
        time.sleep(0.2)
        if s.stop() != 0:
            fail("the live run failed\n" + "\n".join(s.log[-20:]))
        live = [a for a in s.alerts if a["rule"] == "shadow"]
        files = [f for f in os.listdir(work) if f.startswith("around_")]
        if len(live) != 3 or len(files) != 1:
            fail(f"{len(live)} alerts, {len(files)} files\n" + "\n".join(s.log[-20:]))
        again = replay_json(work, f"{work}/{files[0]}", rules)
        if comparable(again) != comparable(live):
            fail(f"live:\n{live}\nrecorded:\n{again}")
    print(f"{len(live)} alerts, live and recorded the same")


def actions(act, ctr):
    """What the rules look for: in a container, through a symlink and io_uring, to an address with a name."""
    os.symlink("/etc/shadow", f"{act}/innocent")
    for name in ("viasymlink", "viauring", "client"):
        shutil.copy(ACTOR, f"{act}/{name}")
    ctr.run("/bin/cat", "/etc/shadow")
    subprocess.run([f"{act}/viasymlink", "open", f"{act}/innocent", "r"], check=True)
    subprocess.run([f"{act}/viauring", "uring-open", "/etc/shadow"], check=True)
    subprocess.run([f"{act}/client", "connect", "127.77.0.9", "6443"], check=True)
    subprocess.run(["cat", "/nonexistent/saker-last"], stderr=subprocess.DEVNULL, check=False)


def facts_too(how):
    """Containers' facts, addresses of names and the paths that the kernel walked are in the file, too. @how: around the alerts, or as a whole by `saker record`."""
    with tempfile.TemporaryDirectory() as work, Container({}) as ctr:
        os.chmod(work, 0o755)
        files = {"rules.yaml": FACTS_RULES, "hosts": f"127.0.0.1 localhost\n127.77.0.9 {API}\n", "containers.json": json.dumps({ctr.id: {
            "name": "web", "repository": "docker.io/library/nginx", "tag": "1.25", "privileged": True, "mounts": [{"source": "/a \"b\"", "dest": "/c", "rw": True}],
            "labels": {"app": "frönt end", "io.kubernetes.pod.namespace": "prod", "io.kubernetes.pod.name": "web-1"}}})}
        for name, text in files.items():
            with open(f"{work}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        verb = f"record -w {work}/around_.scap" if how == "whole" else ""
        prefix = ("unshare", "-m", "sh", "-c", f'mount --bind {work}/hosts /etc/hosts && saker=$1 && shift && exec "$saker" {verb} "$@"', "x")
        options = ["-o", f"metadata.file={work}/containers.json"]
        if how == "around":
            options += ["-r", f"{work}/rules.yaml", "-o", "capture.enabled=true", "-o", "capture.mode=all_rules", "-o", f"capture.path_prefix={work}/around", "-o", "capture.default_duration=60000"]
        s = Saker(*options, uids=64600, prefix=prefix)
        actions(work, ctr)
        if how == "around":
            s.wait_alert("last")
        time.sleep(0.3)
        if s.stop() != 0:
            fail("the live run failed\n" + "\n".join(s.log[-20:]))
        again = replay_json(work, f"{work}/{[f for f in os.listdir(work) if f.startswith('around_')][0]}", f"{work}/rules.yaml")
        rules = [a["rule"] for a in again]
        # without rules nobody asks for names: `saker record` has none in its file
        if rules != ["in container", "through a link", "through a link", *(["named peer"] if how == "around" else []), "last"]:
            fail(f"{how}: recorded: {json.dumps(again, indent=1)}\n" + "\n".join(s.log[-20:]))
        if how == "around" and comparable(again) != comparable(s.alerts):
            fail(f"live: {json.dumps(s.alerts, indent=1)}\nrecorded: {json.dumps(again, indent=1)}")
        fields = {a["rule"]: a["output_fields"] for a in reversed(again)}
        want = {"container.name": "web", "container.mounts": '/a "b":/c::true:', "container.label.app": "frönt end", "k8s.pod.name": "web-1"}
        if any(fields["in container"][k] != v for k, v in want.items()):
            fail(f"{how}: {fields['in container']}")
        if (how == "around" and fields["named peer"]["fd.sip.name"] != API) or fields["through a link"].get("fd.realpath") != "/etc/shadow":
            fail(f"{how}: {fields}")
    print(f"{how}: containers' facts, names and walked paths, live and recorded the same")


EVENT_BLOCK, DROP_E = 0x216, 148
ANY_OPEN = """- rule: any
  desc: x
  condition: evt.type in (open, openat, openat2) and proc.name = nobody-has-this-name
  output: x
  priority: NOTICE
"""


def drops(path):
    """The drop events of a capture file: how many each stands for."""
    with gzip.open(path) as f:
        data = f.read()
    out, at = [], 0
    while at < len(data):
        block, size = struct.unpack_from("<II", data, at)
        if block == EVENT_BLOCK:
            _, _, length, code, n = struct.unpack_from("<QQIHI", data, at + 10)
            if code == DROP_E and n == 1:
                out.append(struct.unpack_from("<I", data, at + 10 + length - 4)[0])
        at += size
    return out


def recorder_too_slow():
    """The recorder stands still while much happens: what its ring had no room for is counted, named, told in the file, and part of the sum; alerts go on meanwhile."""
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(ANY_OPEN + RULE.replace("capture_duration: 1000", "capture_duration: 600000"))
        s = Saker("-r", f"{work}/rules.yaml", "-o", "capture.enabled=true", "-o", f"capture.path_prefix={work}/around", "-o", "memory.rings=16MiB",
                  uids=64600)
        subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)
        s.wait_alert("shadow")
        # what was lost before the file began is not told in it
        end = time.monotonic() + 10
        while not (before_file := s.status()["recording"])["written"]:
            if time.monotonic() > end:
                fail(f"no file is begun: {before_file}")
            time.sleep(0.02)
        pid = next(x["pid"] for x in s.status()["stages"] if x["name"] == "recorder")
        os.mkdir(f"{work}/flood")
        os.chown(f"{work}/flood", 65534, 65534) # who floods
        end = time.monotonic() + 60
        lost = 0
        while not lost and time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            flood = subprocess.Popen([ACTOR, "flood", f"{work}/flood/a"], stdin=subprocess.DEVNULL)
            time.sleep(0.8) # shorter than the watchdog's patience
            os.kill(pid, signal.SIGCONT)
            flood.kill()
            flood.wait()
            before = len(s.alerts)
            subprocess.run(["head", "-1", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)
            if not s.wait_alert("shadow", after=before):
                fail("no alert after the flood")
            time.sleep(0.5)
            recording = s.status()["recording"]
            lost = recording["losses"].get("record_full", 0)
        if not lost:
            fail(f"the recorder's ring did not fill: {recording}")
        if "record_full" not in s.command("status").stdout:
            fail("status does not name the loss")
        if s.stop() != 0:
            fail("the run failed\n" + "\n".join(s.log[-20:]))
        log = "\n".join(s.log[-20:])
        taken, full = map(int, re.search(r"recording: events taken (\d+), written \d+, record_full (\d+)", log).groups())
        seen = int(re.search(r"ledger: seen (\d+)", log).group(1))
        others = sum(int(n) for n in re.findall(r" \+ \S+ (\d+)", re.search(r"ledger: .*", log).group(0)))
        if "balanced" not in log or taken + full != seen - others or f"{full} events were lost (record_full)" not in log:
            fail(f"the sum is wrong: {taken} + {full}, {seen} - {others}\n{log}")
        # the file says it where it happened
        told = drops(f"{work}/{[f for f in os.listdir(work) if f.startswith('around_')][0]}")
        early = before_file["losses"].get("record_full", 0)
        if not full - early <= sum(told) <= full + others: # what the kernel's buffers lost too
            fail(f"the file tells of {told} lost events, not {full} less at most {early}")
    print(f"the recorder stood still: {taken} events taken, {full} named as record_full, of {seen} seen")


def main():
    need_root()
    around_alerts()
    facts_too("around")
    facts_too("whole")
    if SANITIZED: # too slow to fill the ring before the watchdog ends the recorder
        print("a recorder that is too slow: tried in the plain build")
    else:
        recorder_too_slow()


if __name__ == "__main__":
    main()
