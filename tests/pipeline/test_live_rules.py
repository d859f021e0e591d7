#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live detection: the official stable rules, unmodified, on the real kernel. A real action for each rule; its alert must arrive with the right facts.

All 25 of them. What a runtime would tell of the container (that it is privileged, its name and image) comes from a file, metadata.file; the API server's name is in the
/etc/hosts of the mount namespace that saker is started in.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from container import Container # noqa: E402
from harness import ACTOR, ACTOR32, Saker, fail, need_root, official_rules # noqa: E402

API_SERVER = "kubernetes.default.svc.cluster.local"
API_ADDRESS = "127.77.0.1"
PUBLIC = "203.0.113.7" # documentation range; only ever on a loopback device of the test's own network namespace


class Actions:
    """Runs actors under the names that rules look for."""

    def __init__(self, work):
        self.work = work

    def path(self, name, source=ACTOR):
        dst = os.path.join(self.work, name)
        if not os.path.exists(dst):
            shutil.copy(source, dst)
            os.chmod(dst, 0o755)
        return dst

    def run(self, name, *args, source=ACTOR, **kw):
        r = subprocess.run([self.path(name, source), *args], stdin=subprocess.DEVNULL, timeout=30, **kw)
        if r.returncode != 0:
            fail(f"the action {name} {args} itself failed with {r.returncode}")

    def netns(self, *args, argv0):
        """In a network namespace of its own, with PUBLIC on its loopback device."""
        script = f'ip link set lo up && ip addr add {PUBLIC}/32 dev lo && exec -a {argv0} "$@"'
        r = subprocess.run(["unshare", "-n", "bash", "-c", script, "x", self.path("actor"), *args], stdin=subprocess.DEVNULL, timeout=30)
        if r.returncode != 0:
            fail(f"the action in a network namespace failed with {r.returncode}")


def fields(alert, **want):
    """Do the alert's output fields hold these? Keys with __ for dots."""
    f = alert["output_fields"]
    return all(f.get(k.replace("__", ".")) == v for k, v in want.items())


def host_cases(act):
    w = act.work
    log = os.path.join(w, "auth.log")
    shm = "/dev/shm/saker-test-actor"
    shutil.copy(ACTOR, shm)
    os.chmod(shm, 0o755)
    traversal = f"{w}/../../etc/shadow" if w.count("/") == 2 else f"{w}/.." + "/.." * (w.count("/") - 1) + "/etc/shadow"
    yield ("Directory traversal monitored file read", lambda: act.run("weird", "open", traversal, "r"),
           lambda a: fields(a, fd__name="/etc/shadow", fd__nameraw=traversal, proc__name="weird"))
    yield ("Read sensitive file untrusted", lambda: act.run("reader", "open", "/etc/shadow", "r"),
           lambda a: fields(a, fd__name="/etc/shadow", proc__name="reader", proc__exepath=f"{w}/reader", proc__pname="python3", user__name="root",
                            user__uid=0, proc__cmdline="reader open /etc/shadow r", evt__type="openat"))
    yield ("Read sensitive file trusted after startup", lambda: act.run("nginx", "sleep-open", "6", "/etc/shadow", "r"),
           lambda a: fields(a, fd__name="/etc/shadow", proc__name="nginx"))
    yield ("Run shell untrusted", lambda: act.run("nginx", "spawn", "/bin/sh", "-c", "true"),
           lambda a: fields(a, proc__pname="nginx", proc__name="sh", proc__pexepath=f"{w}/nginx"))
    yield ("System user interactive", lambda: act.run("sshd", "spawn-daemon", act.path("id")),
           lambda a: fields(a, user__name="daemon", proc__name="id", proc__pname="sshd"))
    yield ("Search Private Keys or Passwords", lambda: subprocess.run(["find", "/nonexistent", "-name", "id_rsa"], stderr=subprocess.DEVNULL),
           lambda a: fields(a, proc__name="find", proc__cmdline="find /nonexistent -name id_rsa"))
    yield ("Find AWS Credentials", lambda: subprocess.run(["find", "/nonexistent", "-path", "/x/.aws/credentials"], stderr=subprocess.DEVNULL),
           lambda a: fields(a, proc__name="find"))
    yield ("Clear Log Activities", lambda: act.run("cleaner", "open", log, "t"),
           lambda a: fields(a, fd__name=log, proc__name="cleaner"))
    yield ("Remove Bulk Data from Disk", lambda: act.run("shred", "nothing"),
           lambda a: fields(a, proc__name="shred", proc__exepath=f"{w}/shred"))
    yield ("Create Symlink Over Sensitive Files", lambda: act.run("linker", "symlink", "/etc/shadow", f"{w}/sl"),
           lambda a: fields(a, evt__arg__target="/etc/shadow", evt__arg__linkpath=f"{w}/sl"))
    yield ("Create Hardlink Over Sensitive Files", lambda: act.run("linker", "link", "/etc/shadow", f"{w}/hl"),
           lambda a: fields(a, evt__arg__oldpath="/etc/shadow", evt__arg__newpath=f"{w}/hl"))
    yield ("PTRACE attached to process", lambda: act.run("tracer", "ptrace-attach"), lambda a: fields(a, proc__name="tracer"))
    yield ("PTRACE anti-debug attempt", lambda: act.run("antidebug", "ptrace-me"), lambda a: fields(a, proc__name="antidebug"))
    yield ("Execution from /dev/shm", lambda: subprocess.run([shm, "nothing"], check=True),
           lambda a: fields(a, proc__exe=shm) or fields(a, proc__exepath=shm))
    yield ("Fileless execution via memfd_create", lambda: act.run("loader", "memfd-exec"),
           lambda a: "EXE_FROM_MEMFD" in str(a["output_fields"].get("evt.arg.flags")))
    yield ("Disallowed SSH Connection Non Standard Port", lambda: act.netns("connect", PUBLIC, "443", argv0="ssh"),
           lambda a: str(a["output_fields"].get("fd.name", "")).endswith(f"->{PUBLIC}:443"))


def container_cases(act, ctr):
    short = ctr.id[:12]
    run = ctr.run
    in_ctr = lambda a, **kw: fields(a, container__id=short, **kw)
    yield ("Terminal shell in container", lambda: run("/bin/sh", "-c", "true", terminal=True),
           lambda a: in_ctr(a, proc__name="sh") and a["output_fields"]["proc.tty"] != 0)
    yield ("Netcat Remote Code Execution in Container", lambda: run("/bin/nc", "-e", "x"), lambda a: in_ctr(a, proc__name="nc"))
    yield ("Packet socket created in container", lambda: run("/bin/sniffer", "packet"), lambda a: in_ctr(a, proc__name="sniffer"))
    yield ("Redirect STDOUT/STDIN to Network Connection in Container", lambda: run("/bin/backdoor", "dup-socket"),
           lambda a: in_ctr(a, proc__name="backdoor", fd__sip="127.0.0.1"))
    yield ("Linux Kernel Module Injection Detected", lambda: run("/bin/insmod2", "init-module"), lambda a: in_ctr(a, proc__name="insmod2"))
    yield ("Detect release_agent File Container Escapes", lambda: run("/bin/escape", "open", "/tmp/release_agent", "w"),
           lambda a: in_ctr(a, fd__name="/tmp/release_agent"))
    yield ("Debugfs Launched in Privileged Container", lambda: run("/bin/debugfs", "nothing"),
           lambda a: in_ctr(a, proc__name="debugfs", container__name="web", container__image__repository="docker.io/library/nginx",
                            container__image__tag="1.25", k8s__ns__name="prod"))
    yield ("Contact K8S API Server From Container", lambda: run("/bin/intruder", "connect", API_ADDRESS, "6443"),
           lambda a: in_ctr(a, proc__name="intruder", evt__type="connect", fd__rport=6443, fd__l4proto="tcp"))
    yield ("Drop and execute new binary in container", lambda: run("/bin/sh", "-c", "cp /bin/sniffer /tmp/dropped && /tmp/dropped"),
           lambda a: in_ctr(a, proc__name="dropped", proc__exepath="/tmp/dropped"))


def evasions(act):
    """The same open by other roads must alert as well."""
    w = act.work
    link = f"{w}/innocent"
    os.symlink("/etc/shadow", link)
    yield ("through a symlink", lambda: act.run("viasymlink", "open", link, "r"),
           lambda a: fields(a, proc__name="viasymlink") and a["output_fields"].get("fd.realpath") == "/etc/shadow")
    yield ("through io_uring", lambda: act.run("viauring", "uring-open", "/etc/shadow"),
           lambda a: fields(a, proc__name="viauring", fd__name="/etc/shadow"))
    yield ("by open(2) of a 32-bit program", lambda: act.run("via32", "open-old", "/etc/shadow", source=ACTOR32),
           lambda a: fields(a, proc__name="via32", fd__name="/etc/shadow", evt__type="open"))
    yield ("by openat(2) of a 32-bit program", lambda: act.run("via32b", "open", "/etc/shadow", "r", source=ACTOR32),
           lambda a: fields(a, proc__name="via32b", fd__name="/etc/shadow", evt__type="openat"))


def case(saker, rule, action, check, label=None):
    before = len(saker.alerts)
    action()
    alert = saker.wait_alert(rule, check, after=before)
    print(f"{'ok  ' if alert else 'MISS'} {label or rule}", flush=True)
    if not alert:
        for a in saker.alerts[before:]:
            print(f"     instead: {a['rule']}: {a['output'][:400]}")
    return alert is not None


def main():
    need_root()
    rules = official_rules()
    work = tempfile.mkdtemp(prefix="saker-act-", dir="/tmp")
    os.chmod(work, 0o755)
    act = Actions(work)
    container = Container({f"/bin/{n}": ACTOR for n in ("nc", "sniffer", "backdoor", "insmod2", "escape", "debugfs", "intruder")})
    facts = {"name": "web", "repository": "docker.io/library/nginx", "tag": "1.25", "privileged": True,
             "labels": {"io.kubernetes.pod.namespace": "prod"}}
    with open(os.path.join(work, "containers.json"), "w", encoding="utf-8") as f:
        json.dump({container.id: facts}, f)
    with open(os.path.join(work, "hosts"), "w", encoding="utf-8") as f:
        f.write(f"127.0.0.1 localhost\n{API_ADDRESS} {API_SERVER}\n")
    own_hosts = ("unshare", "-m", "sh", "-c", f'mount --bind {work}/hosts /etc/hosts && exec "$@"', "x")
    saker = Saker("-r", rules, "-o", f"metadata.file={work}/containers.json", "-o", "rule_matching=all", "-o", 'append_output[]={"suggested_output": true}', uids=64000, wait=60, prefix=own_hosts)
    missed, seen = [], 0
    try:
        for rule, action, check in host_cases(act):
            seen += 1
            if not case(saker, rule, action, check):
                missed.append(rule)
        with container as ctr:
            for rule, action, check in container_cases(act, ctr):
                seen += 1
                if not case(saker, rule, action, check):
                    missed.append(rule)
        for label, action, check in evasions(act):
            if not case(saker, "Read sensitive file untrusted", action, check, label):
                missed.append(label)
    finally:
        status = saker.stop()
        shutil.rmtree(work, ignore_errors=True)
        if os.path.exists("/dev/shm/saker-test-actor"):
            os.unlink("/dev/shm/saker-test-actor")
    print("\n".join(saker.log[-40:]))
    if status != 0:
        fail(f"saker ended with {status}")
    if not any("balanced" in line for line in saker.log):
        fail("no ledger at the end")
    if missed:
        fail(f"no alert for: {', '.join(missed)}")
    if seen != 25:
        fail(f"{seen} rules were tried, not all 25")
    print(f"{seen} of the 25 official stable rules, and four other roads to the same open: all alerted")


if __name__ == "__main__":
    main()
