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
from harness import ACTOR, HOOKS, SANITIZED, STABLE, Saker, bpf_left, bpf_objects, fail, left_behind # noqa: E402

UIDS = 65000
ROUNDS = 10
RESTART_S = 4.0 if SANITIZED else 1.0 # on a machine that has time: see limit()
MARKS_A_KILL = 2
WATCHDOG = 3 if SANITIZED else 1 # with sanitizers the watchdog waits for long, unless told otherwise
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


def kill_running(s, name, sig=signal.SIGKILL):
    """The same, as soon as it runs."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pid = kill(s, name, sig)
        if pid is not None:
            return pid
        time.sleep(0.02)
    return fail(f"{name} does not run\n" + "\n".join(s.log[-30:]))


def limit(seconds, asked):
    """A machine that is busy with other things starts every process late: how late, the slowest question about the state says. It is a process as well, and takes
    10 ms on a free one."""
    return max(seconds, 15 * asked)


def wait_replaced(s, name, pid, seconds):
    """How long it took until another process worked in its place, and how long the slowest question for that took."""
    start = time.monotonic()
    slowest = 0
    while time.monotonic() - start < limit(seconds, slowest):
        asked = time.monotonic()
        x = stage(s, name)
        slowest = max(slowest, time.monotonic() - asked)
        if x and x["pid"] not in (0, None, pid) and x["state"] == "running":
            return time.monotonic() - start, slowest
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
        self.names, self.stage, self.from_n = {}, "none", 0
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

    def begin(self, stage):
        """What is marked from here on belongs to this."""
        self.stage = stage
        self.from_n = len(self.names)

    def wait(self, n, seconds=30):
        """Until there are n more marks: on a busy machine each takes its time."""
        end = time.monotonic() + seconds
        while len(self.names) < self.from_n + n and time.monotonic() < end:
            time.sleep(0.01)

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


def check_ledger(s, name):
    """It adds up while events flow, too."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        ledger = s.status()["ledger"]
        if ledger["balanced"] and ledger["seen"] == ledger["judged"] + ledger["in_flight"] + sum(ledger["losses"].values()):
            return
        time.sleep(0.05)
    fail(f"the ledger does not add up after {name} was killed: {ledger}")


def descriptors(s):
    """What the supervisor holds open, but for clients of its control socket."""
    return len(os.listdir(f"/proc/{s.proc.pid}/fd"))


def live_kills(s, marks):
    took = {}
    for _ in range(ROUNDS):
        for name in ("collector", "tracker", rng.choice(("evaluator-0", "evaluator-1")), "emitter-out"):
            marks.begin(name.split("-")[0])
            time.sleep(rng.uniform(0.12, 0.3))
            pid = kill_running(s, name)
            took.setdefault(name, []).append(wait_replaced(s, name, pid, 20))
            check_ledger(s, name)
            marks.wait(MARKS_A_KILL)
    for name, tries in sorted(took.items()):
        t = [x for x, _ in tries]
        print(f"{name}: killed {len(t)} times, replaced after {min(t) * 1000:.0f} to {max(t) * 1000:.0f} ms")
        for x, asked in tries:
            if x > limit(RESTART_S, asked):
                fail(f"{name} took {x:.2f} s to be replaced (a question: {asked:.2f} s)\n" + "\n".join(s.log[-30:]))


def live_stops(s, marks):
    if SANITIZED and not HOOKS:
        print("stopped stages: this build has sanitizers, whose watchdog waits half a minute, and no test hooks to tell it otherwise")
        return
    for name in ("collector", "tracker", "evaluator-0", "emitter-out"):
        marks.begin("stopped " + name.split("-")[0])
        pid = kill_running(s, name, signal.SIGSTOP)
        t, asked = wait_replaced(s, name, pid, 40)
        print(f"{name}: stopped, replaced after {t:.1f} s")
        if t > limit(3 * WATCHDOG + 3, asked):
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


def settle(s, marks):
    """All alerts are out, or nothing more comes."""
    end = time.monotonic() + 20
    while time.monotonic() < end and not set(marks.names) <= {a["output_fields"]["proc.name"] for a in s.alerts}:
        n = len(s.alerts)
        time.sleep(1)
        if len(s.alerts) == n and s.status()["ledger"]["in_flight"] == 0:
            return


def live():
    if os.geteuid() != 0 or not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("live part: needs root and BTF, left out")
        return
    work = tempfile.mkdtemp(prefix="saker-kills-", dir="/tmp")
    os.chmod(work, 0o755)
    try:
        s = saker("-r", rules_file(work), wait=60, env={"SAKER_TEST_WATCHDOG": str(WATCHDOG)})
        with Marks(work) as marks:
            time.sleep(0.3)
            held, objects = descriptors(s), bpf_objects(UIDS)
            live_kills(s, marks)
            live_stops(s, marks)
            time.sleep(0.3)
            if descriptors(s) > held:
                fail(f"the supervisor holds {descriptors(s)} descriptors after the kills, {held} before them")
            if bpf_objects(UIDS) != objects:
                fail(f"other BPF objects after the kills: {bpf_objects(UIDS) ^ objects}")
            marks.begin("after")
            marks.wait(5)
        settle(s, marks)
        status = s.stop()
        if status != 0:
            fail(f"exit status {status}\n" + "\n".join(s.log[-40:]))
        check_marks(s, marks)
        if left_behind(UIDS):
            fail(f"processes were left behind: {left_behind(UIDS)}")
        if bpf_left(objects):
            fail(f"left in the kernel: {bpf_left(objects)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def processes(actor, target):
    """Many short-lived processes that open the file under a name that no rule wants: news for every evaluator."""
    script = f'while :; do "{actor}" open "{target}" r; done'
    return [subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL) for _ in range(2)]


def cut_off():
    """An evaluator that stands still with its ring full: nobody waits for it, and its replacement knows again what it must."""
    if os.geteuid() != 0 or (SANITIZED and not HOOKS) or not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("cut-off: needs root and BTF, and with sanitizers test hooks, left out")
        return
    work = tempfile.mkdtemp(prefix="saker-kills-", dir="/tmp")
    os.chmod(work, 0o755)
    load = []
    try:
        s = saker("-r", rules_file(work), "-o", "memory.rings=8MiB", wait=60, env={"SAKER_TEST_WATCHDOG": str(WATCHDOG)})
        with Marks(work) as marks:
            load = processes(marks.actor, marks.target)
            pid = kill_running(s, "evaluator-0", signal.SIGSTOP)
            marks.begin("stopped evaluator")
            wait_replaced(s, "evaluator-0", pid, 40)
            end = time.monotonic() + 30
            while not any("takes events again" in line for line in s.log) and time.monotonic() < end:
                time.sleep(0.05)
            for p in load:
                p.kill()
                p.wait()
            time.sleep(0.5)
            marks.begin("after")
            marks.wait(15)
        settle(s, marks)
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

def chatty_rules(work):
    """A rule that matches so often that a reader who stutters fills every alert ring."""
    path = os.path.join(work, "chatty.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write("""
- rule: Opened
  desc: any open, and much to say about it
  condition: evt.type in (open, openat, openat2)
  output: "%evt.num %proc.name %proc.cmdline %proc.pname %proc.exepath %proc.cwd %fd.name %user.name %evt.args"
  priority: WARNING
""")
    return path


def synthetic(*args, rate=0, env=None, during=None, rules=STABLE):
    args = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "engine.synthetic.seed=11", "-o", f"engine.synthetic.rate={rate}",
            "-o", 'append_output[]={"extra_fields": ["evt.num"]}', *args]
    if os.path.exists(rules):
        args += ["-r", rules]
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


def with_kills(n, names, *args, during=None, **kw):
    """A run with at least n kills: on a busy machine they take their time, so the run gets more of it."""
    for seconds in (SECONDS, 3 * SECONDS, 9 * SECONDS):
        kills = killer(*names)
        s = synthetic(*args, rate=EVENTS // seconds, during=(lambda s, k=kills: during(s, k)) if during else kills, **kw)
        if kills.n >= n:
            return s, kills
    return fail(f"the run was over after {kills.n} kills, in {seconds} s")


def kill_evaluators(base):
    s, kills = with_kills(5, ("evaluator-0", "evaluator-1"))
    same_or_fail(base.lines, s.lines, f"{kills.n} kills of evaluators")
    print(f"{kills.n} kills of evaluators: the same {len(s.lines)} lines")


def stuttering(s, kills):
    """A reader that stops again and again, so that the alert rings are full when somebody dies."""
    stop = threading.Event()

    def stutter():
        while not stop.wait(rng.uniform(0.05, 0.2)):
            s.reading.clear()
            stop.wait(rng.uniform(0.1, 0.5))
            s.reading.set()
    t = threading.Thread(target=stutter)
    t.start()
    kills(s)
    stop.set()
    t.join()
    s.reading.set()


def small_rings(work):
    """Every ring of the smallest size (with test hooks; otherwise alert rings are twice that), and more alerts than they hold."""
    kw = {"rules": chatty_rules(work), "env": {"SAKER_TEST_SMALL_RINGS": "1"}}
    args = ("-o", "memory.rings=4MiB")
    base = synthetic(*args, **kw)
    size = sum(len(line) for line in base.lines)
    if size < 4 << 20:
        fail(f"only {size} bytes of alerts: no ring is ever full")
    s, kills = with_kills(5, ("evaluator-0", "evaluator-1"), *args, during=stuttering, **kw)
    same_or_fail(base.lines, s.lines, f"{kills.n} kills of evaluators, smallest rings")
    print(f"{kills.n} kills of evaluators, smallest rings: the same {len(s.lines)} lines, {size >> 10} KiB")
    s, kills = with_kills(3, ("emitter-out",), *args, during=stuttering, **kw)
    same_or_fail(base.lines, without_repeats(s.lines), f"{kills.n} kills of the emitter, smallest rings")
    print(f"{kills.n} kills of the emitter, smallest rings: {len(s.lines)} lines, without repeats the same {len(base.lines)}")


def kill_emitter(base):
    s, kills = with_kills(3, ("emitter-out",), during=stuttering)
    got = without_repeats(s.lines)
    same_or_fail(base.lines, got, f"{kills.n} kills of the emitter")
    print(f"{kills.n} kills of the emitter: {len(s.lines)} lines, without repeats the same {len(got)}")


def kill_upstream(base):
    """A collector goes on with the same numbers; what a tracker knew of a made-up host is gone, but no event is."""
    s, kills = with_kills(3, ("collector",))
    same_or_fail(base.lines, s.lines, f"{kills.n} kills of the collector")
    print(f"{kills.n} kills of the collector: the same {len(s.lines)} lines")
    s, kills = with_kills(4, ("tracker", "evaluator-0", "collector", "emitter-out"))
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
    work = tempfile.mkdtemp(prefix="saker-kills-", dir="/tmp")
    try:
        small_rings(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    poison(base)
    live()
    cut_off()


if __name__ == "__main__":
    main()
