#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs: one for all alerts and one for each; their rights; one that dies, one that fails, one that never reads; Falco's key; the operator's signal; the end."""
import json
import os
import signal
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, fail, left_behind # noqa: E402

UIDS = 65000


def synthetic(command, keep_alive, events=30000, rate=0, args=(), place=None, **kw):
    o = {"name": "p", "kind": "program", "format": "json", "include_uuid": False, "spool": {"enabled": False},
         "program": {"command": command, "keep_alive": keep_alive}, **kw}
    argv = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={events}", "-o", "evaluators=2", "-o", f"outputs[]={json.dumps(o)}", *args]
    if rate:
        argv += ["-o", f"engine.synthetic.rate={rate}"]
    return Saker(*argv, uids=UIDS, wait=0, **(place or {}))


def end(s, seconds=120):
    s.proc.wait(seconds)
    status = s.stop()
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-30:]))
    if os.getuid() == 0 and left_behind(UIDS):
        fail(f"left behind: {left_behind(UIDS)}")


def lines_of(path):
    return open(path).read().splitlines() if os.path.exists(path) else []


def until(what, seconds=20):
    end_at = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end_at:
            return False
        time.sleep(0.02)
    return True


def row_of(s, name="p"):
    st = s.status()
    return next((x for x in st["outputs"] if x["name"] == name), None) if st else None


def stage_of(s, name="program-p"):
    st = s.status()
    return next((x for x in st["stages"] if x["name"] == name), None) if st else None


def one_for_all(d):
    out, about, fds = (os.path.join(d, n) for n in ("out", "about", "fds"))
    s = synthetic(f"cat /proc/self/status > {about}; ls -l /proc/self/fd > {fds}; env > {d}/env; cat > {out}; echo end >> {d}/end", True, rate=10000)
    if not until(lambda: lines_of(out)):
        fail("nothing came:\n" + "\n".join(s.log))
    x = stage_of(s)
    end(s)
    if lines_of(out) != s.lines:
        fail(f"{len(lines_of(out))} lines, {len(s.lines)} on stdout")
    if lines_of(f"{d}/end") != ["end"]:
        fail("the program did not come to its end by itself, once")
    status = dict(line.split(":\t", 1) for line in lines_of(about) if ":\t" in line)
    if os.getuid() == 0:
        uid = status["Uid"].split()
        if len(set(uid)) != 1 or int(uid[0]) != x["uid"] or not UIDS <= x["uid"] < UIDS + 100 or status["Groups"].strip():
            fail(f"uids {uid}, groups {status['Groups']}, status says {x['uid']}")
        if x["seal"] != "full" or x["state"] != "running" or not x["seccomp"]:
            fail(f"status: {x}")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            if int(status[caps], 16):
                fail(f"{caps} is {status[caps]}")
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        fail(f"no_new_privs {status['NoNewPrivs']}, seccomp {status['Seccomp']}")
    held = [line.split("/proc/self/fd")[-1].split(" -> ")[-1] for line in lines_of(fds) if "->" in line]
    if len(held) > 4: # 0, 1, 2 and the folder that ls looks at
        fail(f"it holds {held}")
    env = {line.split("=")[0] for line in lines_of(f"{d}/env")}
    if not env <= {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "PWD", "OLDPWD", "SHLVL", "_"}:
        fail(f"its environment has {env}")
    print(f"one for all: {len(s.lines)} alerts in order; own uid, no capabilities, three descriptors")


TRY = r"""
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    r = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "works" if r >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(f):
    try:
        f()
        return "works"
    except OSError as e:
        return errno.errorcode[e.errno]
NEWUSER = 0x10000000
def connect(path):
    socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(path)
print(json.dumps({
    "own pid": call(39), "ptrace": call(101, 16, int(sys.argv[1])), "mount": call(165, 0, 0, 0, 0, 0), "unshare a user namespace": call(272, NEWUSER),
    "clone into one": call(56, NEWUSER | 17, 0, 0, 0, 0), "clone3": call(435, 0, 0), "bpf": call(321, 0, 0, 0), "perf_event_open": call(298, 0, 0, 0, 0, 0),
    "io_uring_setup": call(425, 1, 0), "keyctl": call(250, 0, 0), "open_by_handle_at": call(304, 0, 0, 0), "setns": call(308, 0, 0), "syslog": call(103, 10, 0, 0),
    "open_tree": call(428, -100, b"/", 0), "setuid 0": call(105, 0), "end saker": attempt(lambda: os.kill(int(sys.argv[1]), 9)),
    "its shadow file": attempt(lambda: open("/etc/shadow")), "the spool": attempt(lambda: os.listdir(sys.argv[2])),
    "the control socket": attempt(lambda: connect(sys.argv[3])), "make a device": attempt(lambda: os.mknod(sys.argv[4] + "/dev", 0o20600, os.makedev(1, 3))),
    "move a file between folders": attempt(lambda: (open(sys.argv[4] + "/m", "w").close(), os.rename(sys.argv[4] + "/m", sys.argv[4] + "/sub/m")))}))
"""
RIGHTS = {"own pid": "works", "clone3": "ENOSYS", "its shadow file": "EACCES", "the spool": "EACCES", "the control socket": "EACCES", "make a device": "EACCES",
          "move a file between folders": "works"} # the rest: EPERM


def rights(d):
    """What a program tries that its alerts have turned against us."""
    python = "/usr/bin/python3"
    if os.getuid() != 0 or not os.path.exists(python):
        return
    with open(f"{d}/try.py", "w") as f:
        f.write(TRY)
    os.mkdir(f"{d}/sub")
    os.chmod(f"{d}/sub", 0o777)
    spool = os.path.join(d, "spool")
    # the shell's parent is the supervisor
    s = synthetic(f"{python} {d}/try.py $PPID {spool}/p {d}/control.sock {d} > {d}/tried 2> {d}/trouble; cat > /dev/null", True, rate=10000,
                  spool={"enabled": True, "max_size": "4MiB"}, place={"spool": spool, "socket": f"{d}/control.sock"})
    end(s)
    tried = lines_of(f"{d}/tried")
    if not tried:
        fail(f"it did not run: {lines_of(d + '/trouble')}")
    got = json.loads(tried[0])
    bad = {k: v for k, v in got.items() if v != RIGHTS.get(k, "EPERM")}
    if bad:
        fail(f"from inside a program: {bad}")
    print(f"rights: {len(got)} attempts came out as they should")


def one_for_each(d):
    s = synthetic(f"cat >> {d}/out; echo $$ >> {d}/pids", False, events=10000, rate=5000)
    end(s)
    pids = lines_of(f"{d}/pids")
    if lines_of(f"{d}/out") != s.lines or len(pids) != len(s.lines) or len(set(pids)) != len(pids):
        fail(f"{len(lines_of(f'{d}/out'))} lines of {len(pids)} programs, {len(s.lines)} on stdout")
    print(f"one for each: {len(pids)} programs, in order")


def does_not_read(d):
    """Done is done, if it says so."""
    s = synthetic(f"echo x >> {d}/ran", False, events=10000, rate=5000)
    end(s)
    ran = len(lines_of(f"{d}/ran"))
    if ran != len(s.lines) or "p" not in "".join(s.log):
        fail(f"it ran {ran} times for {len(s.lines)} alerts")
    print(f"one that does not read: {ran} times, once an alert")


def dies(d):
    # the shell's read takes byte by byte: what it has not read stays in the pipe
    s = synthetic(f"for i in 1 2 3 4 5 6 7; do read -r x && printf '%s\\n' \"$x\" >> {d}/out; done", True, events=20000)
    end(s)
    got, restarts = lines_of(f"{d}/out"), len(s.lines) // 7
    if set(got) != set(s.lines) or len(got) > len(s.lines) + restarts + 1:
        fail(f"{len(got)} lines ({len(set(got))} different), {len(s.lines)} on stdout")
    print(f"one that ends after every seventh alert: none of {len(s.lines)} missing, {len(got) - len(s.lines)} twice")


def is_killed(d):
    s = synthetic(f"while read -r x; do printf '%s\\n' \"$x\" >> {d}/out; done", True, events=40000, rate=10000)
    n, pids = 0, set()
    while s.proc.poll() is None and n < 4:
        x = stage_of(s)
        if x and x["pid"] > 0 and x["pid"] not in pids and lines_of(f"{d}/out"):
            pids.add(x["pid"])
            os.kill(x["pid"], signal.SIGKILL)
            n += 1
        time.sleep(0.3)
    end(s)
    got = [line for line in lines_of(f"{d}/out") if line in set(s.lines)]
    # one that was read when it was killed may be gone with it
    if n < 3 or len(set(got)) < len(s.lines) - n:
        fail(f"{n} kills: {len(set(got))} different alerts of {len(s.lines)}")
    if not any("was ended by signal 9" in line for line in s.log):
        fail("the log does not say so:\n" + "\n".join(s.log))
    print(f"{n} kills of the program: {len(set(got))} of {len(s.lines)} alerts")


def never_reads(d):
    path = f"{d}/file"
    other = {"name": "other", "kind": "file", "format": "json", "include_uuid": False, "spool": {"enabled": False}, "file": {"path": path}}
    # a source that waits instead of losing would wait for it: so it has a spool, with a bound
    s = synthetic("exec sleep 1000", True, events=1000000000, rate=400000, spool={"enabled": True, "max_size": "4MiB", "when_full": "drop_oldest"},
                  args=["-o", f"outputs[]={json.dumps(other)}"])
    if not until(lambda: sum((row_of(s) or {}).get("losses", {}).values()) > 0, 60):
        fail(f"no loss by name: {row_of(s)}")
    before = row_of(s, "other")["delivered"]
    if not until(lambda: row_of(s, "other")["delivered"] > before + 500):
        fail("the other output stands still")
    other_row = row_of(s, "other")
    if other_row["losses"]:
        fail(f"the other output has losses: {other_row}")
    row = row_of(s)
    at = time.monotonic()
    s.stop()
    took = time.monotonic() - at
    if took > 8 or (os.getuid() == 0 and left_behind(UIDS)):
        fail(f"stopped after {took:.1f} s, left behind: {left_behind(UIDS)}")
    print(f"one that never reads: {row['losses']}, the other output has {other_row['delivered']} and no loss; stopped after {took:.1f} s")


def fails(d):
    s = synthetic("exit 3", False, events=3000, rate=1000)
    refused = 0
    while s.proc.poll() is None:
        refused = max(refused, (row_of(s) or {}).get("losses", {}).get("sink_failed", 0))
        time.sleep(0.1)
    end(s)
    if not refused or not any("ended with status 3" in line for line in s.log) or not any("refused an alert for good" in line for line in s.log):
        fail(f"{refused} refused:\n" + "\n".join(s.log))
    print(f"one that fails: {refused} of {len(s.lines)} seen refused by name, and it was said")


def falco_key(d):
    s = Saker("-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=20000", "-o", "program_output.enabled=true", "-o", "program_output.keep_alive=true",
              "-o", f"program_output.program=cat > {d}/out", uids=UIDS, wait=0)
    end(s)
    if lines_of(f"{d}/out") != s.lines or not s.lines:
        fail(f"{len(lines_of(f'{d}/out'))} lines, {len(s.lines)} on stdout")
    # what it prints is on our standard output, as Falco's is
    s = Saker("-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=20000", "-o", "stdout_output.enabled=false", "-o", "program_output.enabled=true",
              "-o", "program_output.keep_alive=true", "-o", "program_output.program=sed s/^/said:/", uids=UIDS, wait=0)
    s.proc.wait(60)
    s.stop()
    if not s.lines or not all(line.startswith("said:{") for line in s.lines):
        fail(f"printed: {s.lines[:3]}")
    print(f"program_output: {len(s.lines)} alerts")


def by_signal(d):
    s = synthetic(f"cat >> {d}/out; echo end >> {d}/end", True, events=30000, rate=6000)
    if not until(lambda: lines_of(f"{d}/out")):
        fail("nothing came")
    pid = stage_of(s)["pid"]
    s.proc.send_signal(signal.SIGUSR1)
    if not until(lambda: stage_of(s)["pid"] not in (0, pid) and lines_of(f"{d}/end")):
        fail(f"SIGUSR1: {stage_of(s)}, was {pid}")
    end(s)
    if lines_of(f"{d}/out") != s.lines:
        fail(f"{len(lines_of(f'{d}/out'))} lines, {len(s.lines)} on stdout")
    print("SIGUSR1: a new program, all lines")


def emitter_is_killed(d):
    s = synthetic(f"cat >> {d}/out", True, events=40000, rate=10000, include_uuid=True)
    n = 0
    while s.proc.poll() is None and n < 3:
        x = stage_of(s, "emitter-p")
        if x and x["state"] == "running" and lines_of(f"{d}/out"):
            os.kill(x["pid"], signal.SIGKILL)
            n += 1
        time.sleep(0.6)
    end(s)
    ids = [json.loads(x)["uuid"] for x in lines_of(f"{d}/out") if x.startswith("{") and x.endswith("}")]
    if len(set(ids)) != len(s.lines) or not n:
        fail(f"{n} kills: {len(set(ids))} alerts of {len(s.lines)}")
    print(f"{n} kills of the emitter: none of {len(s.lines)} missing, {len(ids) - len(set(ids))} twice")


def refused(d):
    for o, want in (({"name": "p", "kind": "program"}, "'program.command' is missing"),
                    ({"name": "p", "kind": "program", "program": {"command": "cat", "keep_alve": True}}, "keep_alive"),
                    ({"name": "p", "kind": "program", "file": {"path": "/x"}, "program": {"command": "cat"}}, "does not belong")):
        r = subprocess.run([SAKER, "--dry-run", "-o", f"outputs[]={json.dumps(o)}"], capture_output=True, text=True, timeout=60)
        if r.returncode != 1 or want not in r.stderr:
            fail(f"{o}: status {r.returncode}, {r.stderr}")
    r = subprocess.run([SAKER, "--dry-run", "-o", "program_output.enabled=true"], capture_output=True, text=True, timeout=60)
    if r.returncode != 1 or "'program_output.program' is missing" not in r.stderr:
        fail(f"no program: status {r.returncode}, {r.stderr}")
    print("what cannot be is refused in one line")


def main():
    names = sys.argv[1:]
    for f in (one_for_all, rights, one_for_each, does_not_read, dies, is_killed, never_reads, fails, falco_key, by_signal, emitter_is_killed, refused):
        if names and f.__name__ not in names:
            continue
        d = tempfile.mkdtemp(prefix="saker-program-")
        os.chmod(d, 0o777)
        f(d)
        shutil.rmtree(d)


main()
