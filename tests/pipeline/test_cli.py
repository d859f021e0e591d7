#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: versions, -M, -U, -v, the verbs' tolerance, status --watch on a terminal, the log in syslog, and a start inside a chroot."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, expect, left_behind  # noqa: E402

UIDS = 64800
ENDLESS = ["-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=100000000", "-o", "engine.synthetic.rate=2000"]
IS_ROOT = os.geteuid() == 0
HAS_BPF = IS_ROOT and os.path.exists("/sys/kernel/btf/vmlinux")


def run(*argv, timeout=30, **kw):
    return subprocess.run([SAKER, *argv], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **kw)


def check_versions():
    text = run("--version")
    expect(text.returncode == 0 and text.stderr == "", f"--version: {text}")
    for line in (r"^saker version: \d+\.\d+\.\d+$", r"^Engine:        0\.\d+\.\d+$", r"^Driver:$", r"^  API version:    \d+\.\d+\.\d+$", r"^  Schema version: \d+\.\d+\.\d+$"):
        expect(re.search(line, text.stdout, re.M), f"--version lacks {line}:\n{text.stdout}")
    r = run("--version", "-o", "json_output=true")
    v = json.loads(r.stdout)
    # what falcoctl and others read; the versions of things that are not in saker are left out (docs/compat.md)
    for key in ("saker_version", "engine_version", "engine_version_semver", "driver_api_version", "driver_schema_version"):
        expect(isinstance(v.get(key), str), f"--version as JSON: {key} in {v}")
    expect(v["engine_version"] == v["engine_version_semver"].split(".")[1] and isinstance(v["plugin_versions"], dict), f"engine version: {v}")
    for value in (v["saker_version"], v["engine_version_semver"], v["driver_api_version"], v["driver_schema_version"]):
        expect(value in text.stdout, f"text and JSON differ in {value}")
    print("versions: text and JSON")


def check_verbs(d):
    """A verb needs the control socket's path alone: what else is wrong with a configuration does not stop it."""
    def conf(name, text):
        with open(f"{d}/{name}", "w") as f:
            f.write(text)
        return f"{d}/{name}"
    broken = conf("keys.yaml", f"json_ouput: true\nevaluators: 5000\nrules_files: [{d}/none.yaml]\ncontrol:\n  socket: {d}/none.sock\n")
    cases = [
        (["-c", broken], 4, rf"^saker: not running: nobody answers at '{d}/none\.sock'\n$"),
        (["-c", conf("empty.yaml", ""), "-o", f"control.socket={d}/none.sock"], 4, r"^saker: not running"),
        (["-o", f"control.socket={d}/none.sock", "-o", 'outputs[]={"name":"x","kind":"nosuch"}'], 4, r"^saker: not running"),
        (["-o", "control.sockt=/x"], 1, r"(?s)control\.sockt.*error: unknown key.*did you mean 'socket'"),
        (["-c", conf("syntax.yaml", "a: [\n")], 1, r"syntax\.yaml:\d+:\d+: error:"),
        (["-c", conf("type.yaml", "control:\n  socket: [1]\n")], 1, r"type\.yaml:2:\d+: error:"),
        (["-c", f"{d}/missing.yaml"], 1, r"missing\.yaml"),
    ]
    for verb in ("status", "test-alert"):
        for args, status, want in cases:
            r = run(verb, *args)
            expect(r.returncode == status and re.search(want, r.stderr), f"{verb} {args}: {r.returncode}, {r.stderr}")
    print(f"{2 * len(cases)} cases of a verb with a broken configuration")


def check_unbuffered_verbose():
    """-v tells what is free to tell; an alert leaves with -U and without as soon as it is there."""
    for args in (["-U"], []):
        s = Saker(*ENDLESS, *args, uids=UIDS if IS_ROOT else None)
        expect(s.wait_alert(None, seconds=10), f"no alert reached the pipe with {args} while saker runs")
        expect(not any("is ready" in line for line in s.log), "debug lines without -v")
        expect(s.stop() == 0, "exit status")
    s = Saker(*ENDLESS, "-v", uids=UIDS if IS_ROOT else None)
    ready = [line for line in s.log if "is ready" in line]
    expect(len(ready) >= 4, f"-v: {s.log}")
    expect(s.stop() == 0, "exit status")
    print("-U and -v")


def check_watch():
    """On a terminal the page comes again every second, in colour unless NO_COLOR is set, and Ctrl-C ends it."""
    s = Saker(*ENDLESS, uids=UIDS if IS_ROOT else None)
    for env, colour in (({}, True), ({"NO_COLOR": "1"}, False)):
        e = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        e.update(env)
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(SAKER, [SAKER, "status", "--watch", "-o", f"control.socket={s.socket}"], e)
        got, end = b"", time.monotonic() + 10
        while got.count(b"saker 0.") < 3 and time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                got += os.read(fd, 65536)
        expect(got.count(b"saker 0.") >= 3 and got.count(b"\033[H\033[2J") >= 3, f"--watch did not come again: {got[:300]}")
        expect((b"\033[32m" in got) == colour, f"colour with {env}: {got[:300]}")
        os.write(fd, b"\x03")
        end, status = time.monotonic() + 5, None
        while status is None and time.monotonic() < end:
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    os.read(fd, 65536)
                except OSError:
                    pass
            done, st = os.waitpid(pid, os.WNOHANG)
            status = st if done else None
        expect(status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, f"Ctrl-C: wait status {status}")
        os.close(fd)
    expect(s.stop() == 0, "exit status")
    print("status --watch on a terminal")


def check_seconds():
    if not HAS_BPF:
        print("-M live: left out, needs root and BTF")
        return
    s = Saker("-M", "1.5", uids=UIDS)
    t0 = time.monotonic()
    status = s.proc.wait(20)
    took = time.monotonic() - t0
    s.stop()
    expect(status == 0 and 0.5 < took < 5, f"-M 1.5: status {status} after {took:.1f} s")
    expect(any("time is over" in line for line in s.log) and any("balanced" in line and "not balanced" not in line for line in s.log), "\n".join(s.log))
    print(f"-M 1.5 live: ended {took:.1f} s after the start was seen")


# /dev with nothing but what saker needs and a logger's socket; in a mount namespace of its own.
WITH_LOG = """set -e
touch "$0/null"; mount --bind /dev/null "$0/null"
mount -t tmpfs -o mode=755 none /dev
touch /dev/null; mount --bind "$0/null" /dev/null
ln -s "$0/log" /dev/log
exec "$@"
"""


def check_syslog(d):
    """log_syslog: own log lines reach /dev/log as syslog messages, with and without log_stderr; a logger that comes back gets them again."""
    if not IS_ROOT:
        print("log_syslog: left out, needs root to stand in for /dev/log")
        return
    path = f"{d}/log"

    def listen():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sock.settimeout(5)
        return sock

    for stderr in ("true", "false"):
        sock = listen()
        s = Saker(*ENDLESS, "-o", "log_syslog=true", "-o", f"log_stderr={stderr}", uids=UIDS, prefix=["unshare", "-m", "sh", "-c", WITH_LOG, d])
        want = rb"^<(\d+)>saker\[(\d+)\]: detecting with \d+ rules"
        line = sock.recv(4096)
        m = re.match(want, line)
        expect(m and int(m.group(1)) == (3 << 3 | 5) and int(m.group(2)) == s.proc.pid, f"syslog line: {line}")
        expect(any("detecting with" in x for x in s.log) == (stderr == "true"), f"log_stderr={stderr}: {s.log}")
        sock.close()
        os.unlink(path)
        sock = listen() # the logger was restarted
        victim = [x["pid"] for x in s.status()["stages"] if x["name"] == "evaluator-0"][0]
        os.kill(victim, signal.SIGKILL)
        got = b""
        while b"evaluator-0 was ended by signal 9" not in got:
            got = sock.recv(4096)
        expect(got.startswith(b"<27>saker["), f"an error's line: {got}")
        s.stop()
        sock.close()
        os.unlink(path)
    print("log_syslog, with and without log_stderr, over a logger's restart")


def copy_with_libraries(d):
    """saker and the libraries that it loads, as a tree to chroot into."""
    stage = os.path.dirname(os.path.dirname(SAKER))
    for sub in ("etc", "proc", "dev", "run"):
        os.makedirs(f"{d}/{sub}")
    shutil.copytree(stage, f"{d}/saker")
    programs = [f"{stage}/bin/saker"] + [f"{stage}/libexec/saker/{p}" for p in os.listdir(f"{stage}/libexec/saker")]
    for p in programs:
        for lib in re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", p], capture_output=True, text=True, check=True).stdout):
            if not os.path.exists(d + lib):
                os.makedirs(os.path.dirname(d + lib), exist_ok=True)
                shutil.copy(lib, d + lib)


def check_chroot(d):
    """Where the root is no mount point, the whole seal is applied as well."""
    if not IS_ROOT:
        print("chroot: left out, needs root")
        return
    root = f"{d}/root"
    copy_with_libraries(root)
    into = 'mount -t proc none "$0/proc" && touch "$0/dev/null" && mount --bind /dev/null "$0/dev/null" && exec chroot "$0" "$@"'
    s = Saker(*ENDLESS, uids=UIDS, program="/saker/bin/saker", socket="/run/s", wait=0, prefix=["unshare", "-m", "sh", "-c", into, root])
    s.socket = f"{root}/run/s"
    st = s.wait_detecting(20)
    for x in st["stages"]:
        expect(x["seal"] == "full", f"in a chroot: {x}")
        if x["name"] != "supervisor":
            expect(not [y for y in x["seal_lacks"] if y != "landlock"] and os.listdir(f"/proc/{x['pid']}/root") == [], f"in a chroot: {x}")
    with open("/proc/self/mountinfo") as f:
        expect(not any(root in line for line in f), "a mount of the chroot reached the host")
    expect(s.stop() == 0, "exit status in a chroot")
    print("a start in a chroot: full seal")


def main():
    with tempfile.TemporaryDirectory(prefix="saker-cli-") as d:
        check_versions()
        check_verbs(d)
        check_unbuffered_verbose()
        check_watch()
        check_seconds()
        check_syslog(d)
        check_chroot(d)
    expect(not IS_ROOT or not left_behind(UIDS), f"left behind: {left_behind(UIDS)}")


if __name__ == "__main__":
    main()
