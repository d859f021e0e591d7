#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The seal of the running stages, read back from outside and compared with the plan; then docs/seal.md, which is made from what was seen.
Usage: test_seal_live.py [--bless] TEST_SEAL PROBE... (--bless writes docs/seal.md anew)."""
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pipeline"))
from harness import SAKER, TOP, Saker, fail, left_behind, need_root  # noqa: E402

UIDS = 65800
NOBODY = 65534
LOADER_CAPS = 1 << 38 | 1 << 39 # CAP_PERFMON, CAP_BPF
DOC = os.path.join(TOP, "docs/seal.md")
SPACES = ["mnt", "ipc", "uts", "cgroup", "net"]
bad = []


def check(ok, what):
    if not ok:
        print("BAD  " + what)
        bad.append(what)


def read(pid, name):
    with open(f"/proc/{pid}/{name}") as f:
        return f.read()


# --- descriptors ---

MODES = {0: "ro", 1: "wo", 2: "rw"}


def held(pid):
    """What the process holds: a count of (what it is, how it was opened)."""
    out = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{fd}")
        flags = int(re.search(r"^flags:\s*(\d+)", read(pid, f"fdinfo/{fd}"), re.M).group(1), 8)
        link = re.sub(r"^/memfd:saker:(.*) \(deleted\)$", r"\1", link)
        link = re.sub(r"^(socket|pipe):\[\d+\]$", r"\1", link)
        link = re.sub(r"^/proc/\d+/", "/proc/self/", link)
        out[link, MODES[flags & 3]] += 1
    return out


def expected(name, lines, n_cpus, n_evaluators):
    """The same from the rows of --show-plan. A row that is not known here is a failure: what it means has to be written down."""
    out = collections.Counter({("/dev/null", "rw"): 2, ("pipe", "wo"): 2, ("socket", "rw"): 1, ("anon_inode:[eventfd]", "rw"): 1,
                               ("anon_inode:[eventpoll]", "rw"): 1, ("/proc/self/smaps_rollup", "ro"): 1})
    rows = {
        "settings": [("settings", "ro")],
        "own statistics": [(f"stats.{name}", "rw")],
        "policy image": [("image", "ro")],
        "own progress": [(f"progress.{name}", "rw")],
        "progress of each evaluator, read-only": [(f"progress.evaluator-{i}", "ro") for i in range(n_evaluators)],
        "progress of the tracker, read-only": [("progress.tracker", "ro")],
        "its block of configuration": [(f"output.{name.split('-', 1)[-1]}", "ro")],
        "what it writes to": [("pipe", "wo")],
        "passwd, group, containers' facts": [("/etc/passwd", "ro"), ("/etc/group", "ro")],
        "its spool folder, if it has one": [], # Falco's stdout has none
        "passwd, group": [("/etc/passwd", "ro"), ("/etc/group", "ro")],
        "copies of containers' passwd and group, as it asks for them": [],
        "route socket": [("socket", "rw")],
        # no runtime is there; libcurl's own pair of sockets, with which it could be woken
        "connections to container runtimes, as it asks for them": [("socket", "rw")] * 2,
        # its own copy of each, and an epoll of its own to wait for them
        "one BPF ring buffer a CPU": [("anon_inode:bpf-map", "rw")] * (2 * n_cpus) + [("anon_inode:[eventpoll]", "rw")],
        "wake flags": [("anon_inode:bpf-map", "rw")],
        "task and task_file iterators, one-shot": [("anon_inode:bpf_iter", "ro")] * 2,
        "resolv.conf, hosts, nsswitch.conf": [(f"/etc/{f}", "ro") for f in ("resolv.conf", "hosts", "nsswitch.conf") if os.path.exists(f"/etc/{f}")],
        "policy image: names that addresses are compared with": [("image", "ro")],
        "arguments by pid, on kernels whose iterators cannot read them": [],
    }
    for line in lines:
        kind, what = line.split(None, 1)
        ring = what.split()[0]
        if kind == "in":
            out.update([(ring, "ro"), (ring, "rw")])
        elif kind == "out":
            out.update([(ring, "rw"), (ring, "ro"), ("anon_inode:[eventfd]", "rw")])
        elif kind == "fd" and what in rows:
            out.update(rows[what])
        elif kind == "fd":
            # handed to a successor alone
            check(what.startswith("a predecessor's replacement"), f"{name}: the plan's row '{what}' is not known to this test")
    return out


def plan(*args):
    """--show-plan: {process: its lines}, number of BPF rings."""
    text = subprocess.run([SAKER, "--show-plan", *args], capture_output=True, text=True, timeout=30, check=True).stdout
    procs, name = {}, None
    for line in text.splitlines():
        if line.startswith("    ") and name:
            procs[name].append(line.strip())
        elif not line.startswith(" "):
            name = line.split()[0]
            procs[name] = []
    return procs, int(re.search(r"kernel: (\d+) BPF", text).group(1))


# --- the rest of /proc ---

def check_ids(name, x, status):
    uid = x["uid"]
    check(f"\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status and UIDS <= uid < UIDS + 100, f"{name}: uids")
    check(f"\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status, f"{name}: gids")
    check("\nGroups:\t \n" in status, f"{name}: supplementary groups")
    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(f"\n{caps}:\t0000000000000000\n" in status, f"{name}: {caps} is not empty")
    check("\nNoNewPrivs:\t1\n" in status and "\nSeccomp:\t2\n" in status, f"{name}: no_new_privs or seccomp")


def check_limits(name, x):
    def limit(what):
        return re.search(rf"^{what} +(\S+) +(\S+)", read(x["pid"], "limits"), re.M).groups()
    check(limit("Max core file size") == ("0", "0"), f"{name}: core files")
    check(limit("Max processes") == ("0", "0"), f"{name}: number of processes")
    check(limit("Max open files") == ("4096", "4096"), f"{name}: number of descriptors")
    if not name.startswith("emitter"):
        check(limit("Max file size") == ("0", "0"), f"{name}: size of files")


def check_world(name, x, is_full):
    pid = x["pid"]
    for what in ("fd", "status", "maps"):
        check(os.stat(f"/proc/{pid}/{what}").st_uid == 0, f"{name}: /proc/PID/{what} is its own: it is dumpable")
    for space in SPACES if is_full else []:
        if (name, space) == ("dialer", "net"):
            continue # the host's: that is what it is for
        check(os.readlink(f"/proc/{pid}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}"), f"{name}: {space} namespace is the host's")
    if is_full:
        check(os.listdir(f"/proc/{pid}/root") == [], f"{name}: its root folder is not empty")
    check(not re.search(r"^\S+ \S*wx", read(pid, "maps"), re.M), f"{name}: memory that is writable and executable")


# The supervisor is the trusted base: not sealed, but it holds no right that neither it nor a child needs (supervisor/caps.c).
SUPERVISOR_CAPS = sum(1 << n for n in (0, 1, 2, 5, 6, 7, 8, 18, 19, 21, 23, 24, 38, 39))


def check_supervisor(pid, socket_path):
    status = read(pid, "status")
    for line in status.splitlines():
        if line.startswith("Cap"):
            name, value = line.split(":")
            allowed = 0 if name in ("CapInh", "CapAmb") else SUPERVISOR_CAPS
            check(int(value, 16) & ~allowed == 0, f"supervisor: {name} has {int(value, 16) & ~allowed:x} besides what it needs")
    inodes = set()
    for family in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
        for line in read(pid, f"net/{family}").splitlines()[1:]:
            inodes.add(line.split()[8 if family == "packet" else 9])
    held_sockets = set()
    for n in os.listdir(f"/proc/{pid}/fd"):
        try:
            what = os.readlink(f"/proc/{pid}/fd/{n}")
        except FileNotFoundError:
            continue # closed since then
        if what.startswith("socket:"):
            held_sockets.add(what[8:-1])
    check(held_sockets and not held_sockets & inodes, f"supervisor: it holds sockets of the network: {held_sockets & inodes}")
    check(os.stat(socket_path).st_mode & 0o777 == 0o600, f"supervisor: its control socket has mode {os.stat(socket_path).st_mode & 0o777:o}")


OPENER_CAPS = 1 << 2 | 1 << 19 # DAC_READ_SEARCH, SYS_PTRACE


def check_opener(s):
    """The helper that copies a container's passwd and group waits while the process's root is the host's: long enough to be looked at."""
    root = next((r for r in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if os.path.exists(f"{r}/cgroup.procs")), None)
    if not root:
        print("no cgroup file system: the opener was not looked at")
        return
    had = os.path.isdir(f"{root}/docker")
    group = f"{root}/docker/{os.urandom(32).hex()}"
    os.makedirs(group)
    child = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs; exec sleep 3"])
    seen = None
    try:
        end = time.monotonic() + 3
        while not seen and time.monotonic() < end:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/status") as f:
                        status = f.read()
                    if "\nPPid:\t%d\n" % s.proc.pid in status and status.startswith("Name:\tsaker-opener\n") and "\nNoNewPrivs:\t1\n" in status:
                        seen = status, [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
                except OSError:
                    continue # it has ended
    finally:
        child.kill()
        child.wait()
        time.sleep(0.1)
        os.rmdir(group)
        if not had:
            os.rmdir(f"{root}/docker")
    check(seen, "the opener was not seen")
    if seen:
        for caps, want in (("CapInh", 0), ("CapPrm", OPENER_CAPS), ("CapEff", OPENER_CAPS), ("CapAmb", 0)):
            check(f"\n{caps}:\t{want:016x}\n" in seen[0], f"opener: {caps}")
        sockets = [x for x in seen[1] if x.startswith("socket:")]
        check(len(sockets) == 1 and len(seen[1]) <= 3, f"opener: it holds {seen[1]}")
        print("the opener of containers' files: two capabilities, one line")


def look_live():
    """The full start mode with live capture."""
    rules = tempfile.NamedTemporaryFile("w", prefix="saker-seal-", suffix=".yaml") # with a name, so that there is a dialer
    rules.write("- rule: named\n  desc: x\n  condition: evt.type = connect and fd.sip.name = localhost\n  output: x\n  priority: INFO\n")
    rules.flush()
    options = ["-o", "evaluators=2", "-r", rules.name]
    s = Saker(*options, uids=UIDS, wait=60)
    try:
        procs, n_cpus = plan(*options)
        stages = {x["name"]: x for x in s.status()["stages"]}
        uids = [x["uid"] for n, x in stages.items() if n != "supervisor"]
        check(len(set(uids)) == len(uids), f"two stages share a uid: {uids}")
        check_supervisor(stages["supervisor"]["pid"], s.socket)
        for name, x in stages.items():
            if name == "supervisor":
                continue
            check(x["seal"] == "full" and x["seal_lacks"] == ([] if x["landlock"] else ["landlock"]), f"{name}: status says {x['seal']}, lacks {x['seal_lacks']}")
            check_ids(name, x, read(x["pid"], "status"))
            check_limits(name, x)
            check_world(name, x, True)
            has, want = held(x["pid"]), expected(name, procs[name], n_cpus, 2)
            check(has == want, f"{name}: descriptors beyond its row of the plan: {dict(has - want)}; missing: {dict(want - has)}")
        check_opener(s)
        print(f"{len(uids)} running stages looked at")
        return [n for n in stages if n != "supervisor"]
    finally:
        check(s.stop() == 0, "the end of the run")


def look_reduced(mode, s, uid_of):
    """Another start mode: what is required there is there, and status says what is not."""
    try:
        stages = s.status()["stages"]
        lacks = {"container": ["namespaces", "empty root"], "user": ["uid", "namespaces", "empty root"]}[mode]
        for x in stages:
            name = f"{mode}, {x['name']}"
            check(x["seal"] == mode, f"{name}: status says start mode {x['seal']}")
            if x["name"] == "supervisor":
                continue
            check(sorted(y for y in x["seal_lacks"] if y != "landlock") == sorted(lacks), f"{name}: lacks {x['seal_lacks']}")
            uid_of(name, x, read(x["pid"], "status"))
            check_limits(x["name"], x)
            check_world(name, x, False)
        text = s.command("status").stdout
        check(all(y in text for y in lacks), "status as text does not say what is lacking")
    finally:
        check(s.stop() == 0, f"the end of the run in mode {mode}")
    print(f"start mode {mode}: {len(stages) - 1} running stages looked at")


def check_nobody(name, x, status):
    check(f"\nUid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n" in status, f"{name}: uids")
    for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        check(f"\n{caps}:\t0000000000000000\n" in status, f"{name}: {caps} is not empty")
    check("\nNoNewPrivs:\t1\n" in status and "\nSeccomp:\t2\n" in status, f"{name}: no_new_privs or seccomp")


def look_container():
    """Live, without CAP_SYS_ADMIN."""
    prefix = ["capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"']
    look_reduced("container", Saker(uids=UIDS, wait=60, prefix=prefix), check_ids)


def look_user():
    """The synthetic source, without any right. The program may be where only root can read: a copy."""
    with tempfile.TemporaryDirectory(prefix="saker-seal-") as d:
        os.chmod(d, 0o755)
        os.mkdir(f"{d}/run")
        os.chown(f"{d}/run", NOBODY, NOBODY)
        shutil.copytree(os.path.dirname(os.path.dirname(SAKER)), f"{d}/stage")
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
        look_reduced("user", Saker("-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=1000000", "-o", "engine.synthetic.rate=1000",
                                   prefix=prefix, program=f"{d}/stage/bin/saker", socket=f"{d}/run/control.sock", wait=30), check_nobody)


# --- the programs that end by themselves ---

def children(pid):
    try:
        return [int(x) for x in read(pid, f"task/{pid}/children").split()]
    except OSError:
        return []


def check_short(pid):
    """One that is stopped for the moment. What it is called, None if it is not sealed yet."""
    status = read(pid, "status")
    name = re.match(r"Name:\t(.*)", status).group(1)
    if name not in ("saker-policy", "saker-loader") or "\nSeccomp:\t2\n" not in status:
        return None
    uid = int(re.search(r"^Uid:\t(\d+)", status, re.M).group(1))
    is_loader = name == "saker-loader"
    check(uid == 60999 or UIDS <= uid < UIDS + 100, f"{name}: uid {uid}")
    for ids in ("Uid", "Gid"):
        check(f"\n{ids}:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status, f"{name}: {ids}")
    check("\nGroups:\t \n" in status and "\nNoNewPrivs:\t1\n" in status, f"{name}: groups or no_new_privs")
    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        want = LOADER_CAPS if is_loader and caps not in ("CapInh", "CapAmb") else 0
        check(f"\n{caps}:\t{want:016x}\n" in status, f"{name}: {caps}")
    check_world(name, {"pid": pid}, not is_loader)
    for (what, how), n in held(pid).items():
        # no files by name, but rules and configuration, and the type information
        ok = what == "/dev/null" or not what.startswith("/") or (how == "ro" and what.startswith("/sys/kernel/btf/") == is_loader)
        check(ok, f"{name} holds {n} of {what}, {how}")
    return name


def look_stopped(pid):
    try:
        os.kill(pid, signal.SIGSTOP)
        try:
            return check_short(pid)
        finally:
            os.kill(pid, signal.SIGCONT)
    except (OSError, AttributeError): # it was gone, or not yet itself
        return None


def look_short():
    """They live for a moment: stopped as soon as they are seen, looked at, and let go on."""
    seen = collections.Counter()
    for _ in range(5):
        s = Saker(uids=UIDS, wait=0)
        done, end = set(), time.monotonic() + 20
        while time.monotonic() < end and s.proc.poll() is None and not any("detecting" in x for x in s.log):
            for pid in set(children(s.proc.pid)) - done:
                name = look_stopped(pid)
                if name:
                    done.add(pid)
                    seen[name] += 1
        check(s.stop() == 0, "the end of a run whose short-lived programs were looked at")
        if seen["saker-policy"] and seen["saker-loader"]:
            break
    check(seen["saker-policy"] and seen["saker-loader"], f"policy and loader were not caught: {seen}")
    print("short-lived programs looked at:", ", ".join(f"{k} {v}" for k, v in seen.items()))


# --- docs/seal.md ---

def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows])


def document(lines, stages):
    rows = collections.defaultdict(list)
    for line in lines:
        kind, *fields = line.rstrip("\n").split("\t")
        rows[kind].append(fields)
    programs = ["collector", "tracker", "evaluator", "emitter", "emitter-spool", "emitter-spool-thread", "emitter-file", "emitter-program", "emitter-syslog", "emitter-http", "emitter-kafka",
                "metadata", "gate", "dialer", "recorder", "policy", "tools", "loader"]
    differs = collections.OrderedDict()
    for mode, attempt, program, here, full in rows["differs"]:
        differs.setdefault((mode, attempt, here, full), []).append(program)
    outside = [
        ["user and group", "one of its own, all four the same; no supplementary groups"],
        ["capabilities", "none: inheritable, permitted, effective, bounding, ambient"],
        ["`NoNewPrivs`, `Seccomp`", "1, 2"],
        ["owner of `/proc/PID/*`", "root: not dumpable"],
        ["namespaces", "of its own: " + ", ".join(SPACES) + " (net: the dialer's is the host's)"],
        ["root folder", "empty"],
        ["limits", "no core file, no process, 4,096 descriptors, no byte in a file (but for emitters)"],
        ["memory", "nothing that is writable and executable"],
        ["descriptors", "the rows of `saker --show-plan`, each opened as it says there, and no other"],
    ]
    names = ", ".join(sorted({re.sub(r"-.*", "", n) for n in stages}))
    return f"""# The seal, as tried

What each program gives up before it reads its first hostile byte, and what became of attempts to get it back. **This page is made by `tests/seal`** (`scripts/test seal` compares it with what happens now; `tests/seal/test_seal_live.py --bless` writes it).

## Steps, by start mode and kernel

The table in `supervisor/plan.c`. A required step that fails ends the stage. What is not required is done where it can be; `saker status` says which steps a stage works without (`seal_lacks`) and which Landlock is in force.

{table(["step", "programs", "full (as root)", "container (root without CAP_SYS_ADMIN)", "user", "why"], rows["step"])}

Kernels: Debian's 5.10 has no Landlock, 6.1 has ABI 2 (files), 6.18 has ABI 7 (files, TCP, devices, abstract sockets, signals). All other steps are in every kernel from 5.10 on.

## From inside

Each program's own `main.c` with its own table, sealed by the same code, then made to try (`tests/seal/probe.c`). In start mode full. An errno: refused with it. *killed*: the process ends. *no effect*: the call is there, but reaches nobody. *given*: its row of the plan gives it that. *–*: it holds no such thing.

{table(["attempt"] + programs, [[r[0] + (f" (Landlock ABI {r[1]})" if r[1] != "0" else "")] + r[2:] for r in rows["attempt"]])}

In the other start modes the same came out, but for:

{table(["start mode", "attempt", "programs", "there", "in mode full"], [[m, a, ", ".join(p), h, f] for (m, a, h, f), p in differs.items()])}

(*emitter-spool* is the emitter with a spool folder, its files by io_uring; *emitter-spool-thread* the same where io_uring is refused; *emitter-file* writes a file that the supervisor opens, *emitter-program* a program's pipe. The root folder is the host's there. It tells that a name exists, its size and owner; nothing is opened by that.)

## Landlock alone

The same ruleset without anything else, in a child.

{table(["attempt", "from ABI", "refused with"], rows["landlock"])}

## From outside

Read from `/proc` while they work, live capture, start mode full ({names}):

{table(["what", "found"], outside)}

The probes of all these programs are looked at in the same way in all three start modes. The loader keeps CAP_BPF and CAP_PERFMON, the host's root and namespaces, and threads; it lives for less than a second at
start, and reads nothing hostile. Policy and loader are stopped and looked at while they live, too. In start mode container the namespaces and the root are the host's; in start mode user the uid is that of who started saker, and the bounding set stays, which no_new_privs makes
meaningless.
"""


def main():
    args = sys.argv[1:]
    bless = "--bless" in args
    args = [a for a in args if a != "--bless"]
    need_root()
    with tempfile.NamedTemporaryFile("r") as f:
        r = subprocess.run([args[0], "--table", f.name, *args[1:]], capture_output=True, text=True, timeout=120)
        if r.returncode == 77:
            print(r.stdout)
            sys.exit(77)
        check(r.returncode == 0, "from inside:\n" + r.stdout + r.stderr)
        lines = f.readlines()
    stages = look_live()
    look_short()
    look_container()
    look_user()
    check(not left_behind(UIDS), f"left behind: {left_behind(UIDS)}")
    if bad:
        fail(f"{len(bad)} of the checks above")
    text = document(lines, stages)
    if bless:
        with open(DOC, "w") as f:
            f.write(text)
    was = open(DOC).read() if os.path.exists(DOC) else ""
    if text != was:
        subprocess.run(["diff", "-u", DOC, "-"], input=text, text=True, check=False)
        fail("docs/seal.md is not what came out now; look at the difference, then --bless")
    print("docs/seal.md is as it came out")


if __name__ == "__main__":
    main()
