# SPDX-License-Identifier: Apache-2.0
"""Starting saker as a user does, and watching what it says. Used by the tests beside it."""
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAKER = os.environ.get("SAKER_BIN", os.path.join(TOP, "build/stage/bin/saker"))
ACTOR = os.environ.get("SAKER_ACTOR", "")
ACTOR32 = os.environ.get("SAKER_ACTOR32", "")
SHARED = os.environ.get("SAKER_SHARED", os.path.join(os.path.dirname(TOP), "shared"))
STABLE = os.path.join(SHARED, "data/rules/falco_rules.yaml")
SANITIZED = "asan" in SAKER
HOOKS = os.environ.get("SAKER_TEST_HOOKS") == "1"


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def need_root():
    if os.geteuid() != 0:
        skip("needs root for live BPF capture")
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        skip("the kernel has no BTF (/sys/kernel/btf/vmlinux)")


def official_rules():
    """The official stable rules; without them the shipped rules would not prove what the test is for."""
    if not os.path.exists(STABLE):
        skip(f"the official rule file is not there: {STABLE}")
    return STABLE


class Saker:
    """One running saker: its alerts (parsed JSON lines of stdout) and its log."""

    def __init__(self, *args, env=None, uids=None, wait=30, json_output=True, prefix=(), program=SAKER, socket=None, spool=None):
        self.dir = tempfile.mkdtemp(prefix="saker-test-")
        self.spool = spool or os.path.join(self.dir, "spool")
        self.socket = socket or os.path.join(self.dir, "control.sock")
        argv = [program, "-o", f"control.socket={self.socket}", "-o", "stdout_output.enabled=true", "-o", "syslog_output.enabled=false"]
        argv += ["-o", f"spool.directory={self.spool}"]
        if json_output:
            argv += ["-o", "json_output=true"]
        if uids:
            argv += ["-o", f"uids.first={uids}"]
        argv += list(args)
        argv = [*prefix, *argv]
        self.argv = argv
        self.alerts, self.lines, self.times, self.log = [], [], [], [] # times: ns since the epoch, of lines
        self.cond = threading.Condition()
        self.reading = threading.Event() # cleared: nobody reads the alerts
        self.reading.set()
        e = dict(os.environ, TZ="UTC", NO_COLOR="1")
        e.update(env or {})
        self.started = time.monotonic()
        self.first_alert = None
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=e)
        atexit.register(self.end) # also of a test that fails
        self.threads = [threading.Thread(target=self._read, args=(self.proc.stdout, True), daemon=True),
                        threading.Thread(target=self._read, args=(self.proc.stderr, False), daemon=True)]
        for t in self.threads:
            t.start()
        if wait:
            self.wait_detecting(wait)

    def _read(self, stream, is_alerts):
        for raw in stream:
            line = raw.decode(errors="replace").rstrip("\n")
            if is_alerts:
                self.reading.wait()
            with self.cond:
                if is_alerts:
                    if self.first_alert is None:
                        self.first_alert = time.monotonic()
                    self.times.append(time.time_ns())
                    self.lines.append(line)
                    try:
                        self.alerts.append(json.loads(line))
                    except ValueError:
                        pass
                else:
                    self.log.append(line)
                self.cond.notify_all()

    def wait_detecting(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise AssertionError(f"saker ended with {self.proc.returncode} at start:\n" + "\n".join(self.log))
            s = self.status()
            if s and s["state"] == "detecting":
                return s
            time.sleep(0.05)
        raise AssertionError(f"saker did not come up in {seconds} s:\n" + "\n".join(self.log))

    def command(self, *args, timeout=20):
        return subprocess.run([SAKER, *args, "-o", f"control.socket={self.socket}"], capture_output=True, text=True, timeout=timeout)

    def status(self):
        r = self.command("status", "--json")
        try:
            return json.loads(r.stdout)
        except ValueError:
            return None

    def wait_alert(self, rule, check=lambda a: True, seconds=10, after=0):
        """The first alert of that rule (None: of any), from index `after` on, that satisfies check; None in time."""
        end = time.monotonic() + seconds
        with self.cond:
            while True:
                for a in self.alerts[after:]:
                    if rule in (None, a["rule"]) and check(a):
                        return a
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.cond.wait(left)

    def stop(self, sig=signal.SIGTERM, seconds=20):
        """Stop in order; the exit status."""
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise AssertionError(f"saker did not stop in {seconds} s:\n" + "\n".join(self.log[-50:]))
        finally:
            for t in self.threads:
                t.join(5)
            shutil.rmtree(self.dir, ignore_errors=True)
        self.check_log()
        return self.proc.returncode

    def end(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def check_log(self):
        """What no run may say, whatever else happened in it."""
        for line in self.log:
            for bad in ("not balanced", "Sanitizer", "runtime error", "Assertion"):
                if bad in line:
                    raise AssertionError(f"the log says '{bad}':\n" + "\n".join(self.log[-80:]))


class OtherLoad:
    """How much of the machine's time processes took that are not ours, from here to share(): our own children must have been waited for by then."""

    def __init__(self):
        self.at, self.begin = time.monotonic(), self._busy_others()

    @staticmethod
    def _busy_others():
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, _, _, irq, softirq, steal = (int(x) for x in f.readline().split()[1:9])
        t = os.times()
        ours = t.user + t.system + t.children_user + t.children_system
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - ours

    def share(self):
        return (self._busy_others() - self.begin) / ((time.monotonic() - self.at) * os.cpu_count())


def left_behind(uids):
    """Processes that still run under a uid of that block."""
    out = subprocess.run(["ps", "-eo", "uid,pid,comm"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in out.splitlines()[1:]]
    return [" ".join(r) for r in rows if r[0].isdigit() and uids <= int(r[0]) < uids + 100]


def _bpftool(kind):
    r = subprocess.run(["bpftool", "-j", kind, "list"], capture_output=True, text=True)
    return json.loads(r.stdout) if r.returncode == 0 and r.stdout.strip() else []


def bpf_objects(uids):
    """What the kernel holds of a running saker with that block of uids: {(kind, id)} of its programs, their maps and their links."""
    progs = [p for p in _bpftool("prog") if uids <= p.get("uid", -1) < uids + 100]
    ids = {p["id"] for p in progs}
    return ({("prog", i) for i in ids} | {("map", m) for p in progs for m in p.get("map_ids", [])} |
            {("link", k["id"]) for k in _bpftool("link") if k.get("prog_id") in ids})


def bpf_left(objects, seconds=5):
    """Which of these are still there; the kernel frees them a moment after the last descriptor."""
    end = time.monotonic() + seconds
    while True:
        left = {(kind, x["id"]) for kind in ("prog", "map", "link") for x in _bpftool(kind)} & objects
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def fail(what):
    print(f"FAIL: {what}")
    sys.exit(1)


def expect(condition, what):
    if not condition:
        fail(what)


def expect_balanced(s, seconds=10):
    """The ledger of a running saker: its figures move while they are read, so more than one look may be needed."""
    end = time.monotonic() + seconds
    while True:
        ledger = s.status()["ledger"]
        if ledger["balanced"]:
            return
        expect(time.monotonic() < end, f"ledger: {ledger}")
        time.sleep(0.1)


def pss(s):
    return {x["name"]: x["pss_bytes"] for x in s.status()["stages"]}


def expect_memory(s, before, names=("gate", "metadata", "tracker")):
    """Those have not grown since @before, which pss() gave, by more than what one answer may take."""
    after, mib = pss(s), 1 << 20
    print("pss before, after: " + ", ".join(f"{n} {before[n] / mib:.1f} {after[n] / mib:.1f} MiB" for n in names))
    for name in names:
        # the sanitizer keeps 256 MiB of freed blocks
        expect(after[name] < before[name] + (320 if SANITIZED else 24) * mib, f"{name} grew from {before[name]} to {after[name]} bytes")


def wait_log(s, text, count, seconds):
    """Until that text stands in so many lines of saker's log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if sum(text in x for x in s.log) >= count:
            return
        time.sleep(0.02)
    fail(f"the log does not say '{text}' {count} times in {seconds} s:\n" + "\n".join(s.log[-20:]))
