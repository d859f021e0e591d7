#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Death of the stages under load. Live: each is killed ten times at random moments while processes open a file that a rule names, each under a name of its own: every
one has its alert, repeats carry the same id, a replacement works within a second, the ledger adds up, nobody is left behind; and a stage that is stopped is replaced.
Synthetic: after kills of evaluators the output is the same bytes as without, after kills of the emitter the same lines once repeats and torn lines are taken out.
With test hooks built in: the event that ends evaluators is skipped, counted and alerted."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ACTOR, HOOKS, SANITIZED, STABLE, Saker, fail, left_behind # noqa: E402

UIDS = 65000
ROUNDS = 10
RESTART_S = 4.0 if SANITIZED else 1.0
EVENTS = 20000 if SANITIZED else 60000
SECONDS = 8 if SANITIZED else 4 # of a synthetic run with kills
SECRET = f"saker-kills-secret-{os.getpid()}" # another run may be at work on this host
MARK = f"mk{os.getpid()}_"
OUTPUT = json.dumps({"name": "out", "kind": "stdout", "format": "json", "include_uuid": True})
STAGES = ("collector", "tracker", "evaluator-0", "evaluator-1", "emitter-out")
rng = random.Random(4)


def saker(*args, **kw):
    return Saker("-o", "stdout_output.enabled=false", "-o", f"outputs[]={OUTPUT}", "-o", "evaluators=2", *args, uids=UIDS, **kw)


def stage(s, name):
    st = s.status()
    return next((x for x in st["stages"] if x["name"] == name), None) if st else None


def kill(s, name, sig=signal.SIGKILL):
    """The pid that got the signal; None if it is just being replaced, or the run is over."""
    x = stage(s, name)
    if not x or x["state"] != "running" or not x["pid"]:
        return None
    try:
        os.kill(x["pid"], sig)
    except ProcessLookupError:
        return None
    return x["pid"]


def wait_replaced(s, name, pid, seconds):
    """How long it took until another process worked in its place."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        x = stage(s, name)
        if x and x["pid"] not in (0, None, pid) and x["state"] == "running":
            return time.monotonic() - start
        time.sleep(0.01)
    fail(f"{name} (pid {pid}) was not replaced in {seconds} s\n" + "\n".join(s.log[-30:]))
    return None


# --- live ---

class Marks:
    """Opens of a file that a rule names, each by a process with a name of its own; beside them opens that no rule wants, for load."""

    def __init__(self, work):
        self.work = work
        self.actor = self.copy("actor")
        self.target = os.path.join(work, SECRET)
        with open(self.target, "w", encoding="ascii") as f:
            f.write("x")
        self.names, self.stage = {}, "none"
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.mark), threading.Thread(target=self.load)]

    def copy(self, name):
        path = os.path.join(self.work, name)
        shutil.copy(ACTOR, path)
        os.chmod(path, 0o755)
        return path

    def mark(self):
        n = 0
        while not self.done.is_set():
            name = f"{MARK}{n}"
            path = os.path.join(self.work, name)
            os.link(self.actor, path)
            self.names[name] = self.stage
            subprocess.run([path, "open", self.target, "r"], stdin=subprocess.DEVNULL, check=True)
            os.unlink(path)
            n += 1
            time.sleep(0.02)

    def load(self):
        while not self.done.is_set():
            for _ in range(20):
                with open(self.target, "rb") as f:
                    f.read(1)
            time.sleep(0.01)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for t in self.threads:
            t.join()


def rules_file(work):
    path = os.path.join(work, "rules.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""
- rule: Mark
  desc: a process with a name of its own opened the file
  condition: evt.type in (open, openat, openat2) and fd.name endswith /{SECRET} and proc.name startswith {MARK}
  output: "%proc.name opened %fd.name parent=%proc.pname grandparent=%proc.aname[2] num=%evt.num"
  priority: WARNING
""")
    return path


def live_kills(s, marks):
    took = {}
    for _ in range(ROUNDS):
        for name in ("collector", "tracker", rng.choice(("evaluator-0", "evaluator-1")), "emitter-out"):
            marks.stage = name.split("-")[0]
            time.sleep(rng.uniform(0.12, 0.3))
            pid = kill(s, name)
            if pid is None:
                fail(f"{name} does not run\n" + "\n".join(s.log[-30:]))
            took.setdefault(name, []).append(wait_replaced(s, name, pid, 20))
    for name, t in sorted(took.items()):
        print(f"{name}: killed {len(t)} times, replaced after {min(t) * 1000:.0f} to {max(t) * 1000:.0f} ms")
        if max(t) > RESTART_S:
            fail(f"{name} took {max(t):.2f} s to be replaced\n" + "\n".join(s.log[-30:]))


def live_stops(s, marks):
    if SANITIZED:
        print("stopped stages: not with sanitizers, whose watchdog waits half a minute")
        return
    for name in ("collector", "tracker", "evaluator-0", "emitter-out"):
        marks.stage = "stopped " + name.split("-")[0]
        pid = kill(s, name, signal.SIGSTOP)
        if pid is None:
            fail(f"{name} does not run\n" + "\n".join(s.log[-30:]))
        t = wait_replaced(s, name, pid, 20)
        print(f"{name}: stopped, replaced after {t:.1f} s")
        if t > 6:
            fail(f"{name} hung for {t:.1f} s\n" + "\n".join(s.log[-30:]))


def check_marks(s, marks):
    ids, parents = {}, {"python3": 0}
    for a in s.alerts:
        f = a["output_fields"]
        ids.setdefault(f["proc.name"], set()).add((a["uuid"], f["evt.num"]))
        parents[f["proc.pname"]] = parents.get(f["proc.pname"], 0) + 1
    by_stage = {}
    for name, st in marks.names.items():
        by_stage.setdefault(st, []).append(name)
    print("marks:", ", ".join(f"{st} {len(n)}" for st, n in by_stage.items()), f"; {len(s.alerts)} alerts; parents {parents}")
    # a stage that stands still for seconds may cost events, by name; a dead one may not
    missing = {n: st for n, st in marks.names.items() if n not in ids and not st.startswith("stopped")}
    hung = [n for n, st in marks.names.items() if n not in ids and st.startswith("stopped")]
    several = {n: i for n, i in ids.items() if len(i) > 1}
    losses = [line for line in s.log if "balanced" in line]
    if several:
        fail(f"repeats of one event with different ids: {several}")
    for st in ("collector", "tracker", "evaluator", "emitter"):
        if len(by_stage.get(st, [])) < 20:
            fail(f"only {len(by_stage.get(st, []))} marks around kills of {st}")
    if missing:
        fail(f"no alert for {missing}; {losses}\n" + "\n".join(s.log[-60:]))
    if hung and "tracker.event_full" not in losses[-1] and "kernel.buffer_full" not in losses[-1]:
        fail(f"no alert for {hung}, and no loss has a name; {losses}")


def live():
    if os.geteuid() != 0 or not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("live part: needs root and BTF, left out")
        return
    work = tempfile.mkdtemp(prefix="saker-kills-", dir="/tmp")
    os.chmod(work, 0o755)
    try:
        s = saker("-r", rules_file(work), wait=60)
        with Marks(work) as marks:
            time.sleep(0.3)
            live_kills(s, marks)
            live_stops(s, marks)
            marks.stage = "after"
            time.sleep(0.3)
        time.sleep(1)
        status = s.stop()
        if status != 0:
            fail(f"exit status {status}\n" + "\n".join(s.log[-40:]))
        check_marks(s, marks)
        if left_behind(UIDS):
            fail(f"processes were left behind: {left_behind(UIDS)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def processes(actor, target):
    """Many short-lived processes that open the file under a name that no rule wants: news for every evaluator."""
    script = f'while :; do "{actor}" open "{target}" r; done'
    return [subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL) for _ in range(2)]


def cut_off():
    """An evaluator that stands still with its ring full: nobody waits for it, and its replacement knows again what it must."""
    if os.geteuid() != 0 or SANITIZED or not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("cut-off: needs root and BTF, and no sanitizers, left out")
        return
    work = tempfile.mkdtemp(prefix="saker-kills-", dir="/tmp")
    os.chmod(work, 0o755)
    load = []
    try:
        s = saker("-r", rules_file(work), "-o", "memory.rings=8MiB", wait=60)
        with Marks(work) as marks:
            load = processes(marks.actor, marks.target)
            pid = kill(s, "evaluator-0", signal.SIGSTOP)
            marks.stage = "stopped evaluator"
            wait_replaced(s, "evaluator-0", pid, 20)
            end = time.monotonic() + 10
            while not any("takes events again" in line for line in s.log) and time.monotonic() < end:
                time.sleep(0.05)
            for p in load:
                p.kill()
                p.wait()
            time.sleep(0.5)
            marks.stage = "after"
            time.sleep(1)
        time.sleep(0.5)
        status = s.stop()
        log = "\n".join(s.log[-40:])
        if status != 0 or not any("cut off until it does" in line for line in s.log) or not any("takes events again" in line for line in s.log):
            fail(f"status {status}; not cut off, or not back\n{log}")
        if not any("tracker.cut_off" in line for line in s.log):
            fail(f"what was cut off has no name\n{log}")
        after = [n for n, st in marks.names.items() if st == "after"]
        told = {a["output_fields"]["proc.name"]: a["output_fields"]["proc.pname"] for a in s.alerts}
        if len(after) < 10 or any(told.get(n) != "python3" for n in after):
            fail(f"after it was back: {[(n, told.get(n)) for n in after]}\n{log}")
        held = sum(1 for n, st in marks.names.items() if st == "stopped evaluator" and n in told)
        print(f"evaluator-0 stopped with its ring full: cut off and back; {held} marks meanwhile, {len(after)} after it, all with their parents")
    finally:
        for p in load:
            p.kill()
            p.wait()
        shutil.rmtree(work, ignore_errors=True)


# --- synthetic ---

def synthetic(*args, rate=0, env=None, during=None):
    args = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "engine.synthetic.seed=11", "-o", f"engine.synthetic.rate={rate}",
            "-o", 'append_output[]={"extra_fields": ["evt.num"]}', *args]
    if os.path.exists(STABLE):
        args += ["-r", STABLE]
    s = saker(*args, wait=0, env=env)
    try:
        if during:
            during(s)
        s.proc.wait(120)
    finally:
        status = s.stop()
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-40:]))
    return s


def killer(*names):
    """Kills these in turn, again and again until the run is over; each lives for half a second at least, or the supervisor would grow slower in replacing it."""
    def during(s):
        n = turn = 0
        while s.proc.poll() is None and n < 25:
            time.sleep(rng.uniform(0.65, 0.8) / len(names))
            n += kill(s, names[turn % len(names)]) is not None
            turn += 1
        during.n = n
    return during


def same_or_fail(want, got, what):
    for i, (a, b) in enumerate(zip(want, got)):
        if a != b:
            fail(f"{what}: line {i + 1} differs\nwithout kills: {a}\nwith:          {b}")
    if len(want) != len(got):
        fail(f"{what}: {len(got)} lines instead of {len(want)}")


def without_repeats(lines):
    seen, out = set(), []
    for line in lines:
        try:
            uuid = json.loads(line)["uuid"]
        except (ValueError, KeyError):
            continue # a torn line, or the end of one
        if uuid not in seen:
            seen.add(uuid)
            out.append(line)
    return out


def kill_evaluators(base):
    kills = killer("evaluator-0", "evaluator-1")
    s = synthetic(rate=EVENTS // SECONDS, during=kills)
    same_or_fail(base.lines, s.lines, f"{kills.n} kills of evaluators")
    print(f"{kills.n} kills of evaluators: the same {len(s.lines)} lines")
    if kills.n < 5:
        fail(f"the run was over after {kills.n} kills")


def kill_emitter(base):
    kills = killer("emitter-out")

    def during(s):
        stop = threading.Event()

        def stutter(): # so that the alert rings fill up and are full when somebody dies
            while not stop.wait(rng.uniform(0.1, 0.3)):
                s.reading.clear()
                stop.wait(rng.uniform(0.1, 0.5))
                s.reading.set()
        t = threading.Thread(target=stutter)
        t.start()
        kills(s)
        stop.set()
        t.join()
        s.reading.set()
    s = synthetic("-o", "memory.rings=4MiB", rate=EVENTS // SECONDS, during=during)
    got = without_repeats(s.lines)
    same_or_fail(base.lines, got, f"{kills.n} kills of the emitter")
    print(f"{kills.n} kills of the emitter, smallest rings: {len(s.lines)} lines, without repeats the same {len(got)}")
    if kills.n < 3:
        fail(f"the run was over after {kills.n} kills")


def kill_upstream(base):
    """A collector goes on with the same numbers; what a tracker knew of a made-up host is gone, but no event is."""
    kills = killer("collector")
    s = synthetic(rate=EVENTS // SECONDS, during=kills)
    same_or_fail(base.lines, s.lines, f"{kills.n} kills of the collector")
    print(f"{kills.n} kills of the collector: the same {len(s.lines)} lines")
    kills = killer("tracker", "evaluator-0", "collector", "emitter-out")
    s = synthetic(rate=EVENTS // SECONDS, during=kills)
    got = without_repeats(s.lines)
    numbers = [victim_number(json.loads(line)) for line in got]
    if any(line != f"ledger: seen {EVENTS} = judged {EVENTS} + in flight 0: balanced" for line in (x.partition(": ")[2] for x in s.log) if "balanced" in line):
        fail(f"{kills.n} kills of all stages: an event is missing\n" + "\n".join(s.log[-20:]))
    print(f"{kills.n} kills of all stages: every event judged, {len(got)} alerts for {len(set(numbers))} events")


def poison(base):
    if not HOOKS:
        print("poison: this build has no test hooks")
        return
    victim = json.loads(base.lines[len(base.lines) // 2])
    num = victim_number(victim)
    s = synthetic(env={"SAKER_TEST_POISON": str(num)})
    skipped = [a for a in s.alerts if a["rule"] == "saker internal: event skipped"]
    if len(skipped) != 1 or skipped[0]["source"] != "internal" or skipped[0]["output_fields"]["evt.num"] != num:
        fail(f"poison: {skipped}\n" + "\n".join(s.log[-40:]))
    if not any("evaluator.poison 1:" in line or "evaluator.poison 1 " in line for line in s.log):
        fail("poison: not counted\n" + "\n".join(s.log[-20:]))
    got = [line for line, a in zip(s.lines, s.alerts) if a is not skipped[0]]
    same_or_fail([line for line in base.lines if victim_number(json.loads(line)) != num], got, "poison")
    print(f"poison: event {num} beside {len(base.lines)} alerts was skipped, counted and alerted; all else is the same")


def victim_number(alert):
    return alert["output_fields"]["evt.num"]


def main():
    base = synthetic()
    if len(base.lines) < 20:
        fail(f"only {len(base.lines)} alerts of {EVENTS} synthetic events")
    kill_evaluators(base)
    kill_emitter(base)
    kill_upstream(base)
    poison(base)
    live()
    cut_off()


if __name__ == "__main__":
    main()
