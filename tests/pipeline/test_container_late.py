#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users of a container whose first processes are gone before anybody can look: the names come by a later process of it. And while no helper can work, as those that were killed do not end (frozen, as
one would be that waits for a file system): that is said and counted, and containers get their users' names when they have ended at last."""
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_runtime import FakeRuntime  # noqa: E402
from harness import Saker, expect, expect_balanced, need_root, skip, wait_log  # noqa: E402
from runtimes import make_root, need  # noqa: E402

UIDS = 67800
OWNER = 4711 # "worker" in the root, nobody on the host
ROOTS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") # v1 and hybrid; v2
OWN = {"user.uid": OWNER, "user.name": "worker", "user.homedir": "/home/worker", "group.gid": OWNER, "group.name": "workers"}
FREEZER = "/sys/fs/cgroup/freezer"
PLACES = 8 # SUP_OPENERS_ALL
RULES = """
- rule: Seen
  desc: executions in containers
  condition: evt.type in (execve, execveat) and proc.name in (id, "true") and container.id != host
  output: "%container.id %proc.name %user.uid %user.name %user.homedir %group.gid %group.name"
  priority: WARNING
"""


class Runtime(FakeRuntime):
    """Knows every container that it is asked for, by no more than its id."""

    def answer(self, c, path):
        if path.startswith("/containers/json"):
            self.send(c, b"[]")
        else:
            ident = path.split("/")[2]
            self.send(c, json.dumps({"Id": ident, "Name": "/n" + ident[:10], "Config": {"Image": "a:1", "Labels": {}}, "HostConfig": {}}).encode())
        return True


class Containers:
    """Cgroups as Docker names them, processes in them in a root with users of its own."""

    def __init__(self, root):
        cgroups = next((r for r in ROOTS if os.path.exists(f"{r}/cgroup.procs")), None)
        if not cgroups:
            skip("no cgroup file system")
        self.root, self.parent = root, f"{cgroups}/docker"
        self.had_parent = os.path.isdir(self.parent)
        self.made, self.procs = [], []
        os.makedirs(self.parent, exist_ok=True)

    def make(self):
        ident = secrets.token_hex(32)
        os.mkdir(f"{self.parent}/{ident}")
        self.made.append(ident)
        return ident

    def run(self, ident, *command, user=OWNER):
        """A process of it. It joins as itself, so that nothing but the command is executed there."""
        def join():
            with open(f"{self.parent}/{ident}/cgroup.procs", "w") as f:
                f.write("0")
            os.chroot(self.root)
            os.chdir("/")
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        p = subprocess.Popen(command, preexec_fn=join, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.procs.append(p)
        return p

    def run_in_host_root(self, ident):
        """A process that keeps a helper waiting for a moment: its root is the host's."""
        def join():
            with open(f"{self.parent}/{ident}/cgroup.procs", "w") as f:
                f.write("0")
        p = subprocess.Popen(["sleep", "1000"], preexec_fn=join)
        self.procs.append(p)

    def end(self):
        for p in self.procs:
            p.kill()
            p.wait()
        time.sleep(0.2)
        for ident in self.made:
            subprocess.run(["rmdir", f"{self.parent}/{ident}"], stderr=subprocess.DEVNULL, check=False)
        if not self.had_parent:
            subprocess.run(["rmdir", self.parent], stderr=subprocess.DEVNULL, check=False)


def of(ident, is_named=False):
    """An alert of that container; is_named: with its user's and, which comes a moment later, its group's name."""
    def check(a):
        f = a["output_fields"]
        return f["container.id"] == ident[:12] and (not is_named or all(f[k] == v for k, v in OWN.items()))
    return check


def wait_named(s, ident, what, seconds=15):
    expect(s.wait_alert("Seen", of(ident, True), seconds=seconds),
           f"{what}: no alert with the user's name; " + str([a["output"] for a in s.alerts if of(ident)(a)][-3:]) + "\n" + "\n".join(s.log[-20:]))
    wrong = [a["output"] for a in s.alerts if of(ident)(a) and a["output_fields"]["user.name"] not in (None, "<NA>", "worker")]
    expect(not wrong, f"{what}: names of others: {wrong}")


def first_gone(s, c, apart):
    ident = c.make()
    for _ in range(3):
        expect(c.run(ident, "/bin/true").wait() == 0, "the first process failed")
    expect(s.wait_alert("Seen", of(ident)), "no alert of the first process\n" + "\n".join(s.log[-20:]))
    time.sleep(apart)
    began = time.monotonic()
    c.run(ident, "/bin/sh", "-c", "while :; do /bin/id -u; /bin/sleep 0.1; done")
    wait_named(s, ident, f"a later process, {apart} s after the first ones")
    unnamed = sum(of(ident)(a) and not of(ident, True)(a) for a in s.alerts)
    print(f"first processes gone at once, a later one {apart} s after them: names {time.monotonic() - began:.2f} s after it began; {unnamed} alerts before it had none")


def openers(s):
    """Helpers that are there now."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                text = f.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(") ", 1)
        if name == "saker-opener" and int(rest.split()[1]) == s.proc.pid:
            found.append(pid)
    return found


class Freezer:
    """Who enters it cannot be killed until it is opened: a cgroup of the first version, frozen."""

    def __init__(self):
        self.dir = f"{FREEZER}/saker-test-late"
        os.makedirs(self.dir, exist_ok=True)
        self._set("FROZEN")

    def _set(self, state):
        with open(f"{self.dir}/freezer.state", "w") as f:
            f.write(state)

    def put(self, pid):
        try:
            with open(f"{self.dir}/cgroup.procs", "w") as f:
                f.write(pid)
            return True
        except OSError:
            return False # it has ended

    def end(self):
        if os.path.isdir(self.dir):
            self._set("THAWED")
            time.sleep(0.2)
            subprocess.run(["rmdir", self.dir], stderr=subprocess.DEVNULL, check=False)


def helpers_do_not_end(s, c, freezer):
    frozen, stop = set(), threading.Event()

    def freeze():
        while not stop.is_set():
            for pid in openers(s):
                if pid not in frozen and freezer.put(pid):
                    frozen.add(pid)
            time.sleep(0.002)
    t = threading.Thread(target=freeze, daemon=True)
    t.start()
    try:
        end = time.monotonic() + 60
        while s.status()["containers"]["users_stuck"] < PLACES: # one that was caught may have been about to end
            expect(time.monotonic() < end, f"{len(frozen)} helpers caught, {s.status()['containers']}\n" + "\n".join(s.log[-20:]))
            c.run_in_host_root(c.make())
            time.sleep(0.5)
        wait_log(s, "does not end although it was killed", 1, 10)
        late = c.make()
        c.run(late, "/bin/sh", "-c", "while :; do /bin/id -u; /bin/sleep 0.1; done")
        expect(s.wait_alert("Seen", of(late)), "no alert of a container while no helper can work")
        time.sleep(1)
        row = s.status()["containers"]
        expect(row["users_refused"] > 0 and row["users_killed"] >= PLACES, f"what is counted: {row}")
        expect(not s.wait_alert("Seen", of(late, True), seconds=1), "a name without a helper")
        expect(all(x["restarts"] == 0 for x in s.status()["stages"]), "a stage was started again")
    finally:
        stop.set()
        t.join()
        freezer.end()
    began = time.monotonic()
    wait_named(s, late, "after the helpers had ended", 30)
    print(f"{PLACES} helpers that did not end: said {sum('does not end' in x for x in s.log)} times, {row['users_refused']} asked in vain; names {time.monotonic() - began:.2f} s after they ended")
    row = s.status()["containers"]
    expect(row["users_stuck"] == 0, f"places that were not given back: {row}")


def main():
    need_root()
    need("busybox")
    work = tempfile.mkdtemp(prefix="saker-test-late-")
    os.chmod(work, 0o755)
    os.mkdir(f"{work}/root")
    make_root(f"{work}/root")
    runtime = Runtime(f"{work}/runtime.sock")
    c = Containers(f"{work}/root")
    freezer = None
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        engines = {"docker": {"enabled": True, "sockets": [f"{work}/runtime.sock"]}, "podman": {"enabled": False}, "cri": {"enabled": False}}
        with open(f"{work}/saker.yaml", "w") as f:
            json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        for apart in (0, 0.5, 3):
            first_gone(s, c, apart)
        if os.path.exists(f"{FREEZER}/cgroup.procs"):
            freezer = Freezer()
            helpers_do_not_end(s, c, freezer)
        else:
            print("no freezer of the first version: helpers that do not end were not tried")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end: " + "\n".join(s.log[-5:]))
    finally:
        if freezer:
            freezer.end()
        c.end()
        runtime.close()
        shutil.rmtree(work, ignore_errors=True)
    print("late users: all good")


if __name__ == "__main__":
    main()
