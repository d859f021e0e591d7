#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""saker on other kernels: Debian's 5.10 and 6.1 boot in QEMU (by emulation, no KVM) with an initial ramdisk that holds saker, its libraries and busybox;
it starts with the shipped rules, /etc/shadow is read, and the alert and the seal's report have to come out.
Usage: test_vm.py KERNEL_FOLDER. Kernels are looked for there (boot/vmlinuz-5.10*, …) and fetched with apt-get where they are missing."""
import glob
import gzip
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pipeline"))
from harness import SAKER, fail, skip  # noqa: E402

KERNELS = {"5.10": ("bullseye", 0), "6.1": ("bookworm", 2)} # Debian release, Landlock's ABI there
SECONDS = 80

INIT = """#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /run
mount -t tmpfs none /tmp
ifconfig lo 127.0.0.1
echo; echo "VM kernel $(uname -r)"
/saker/bin/saker -o json_output=true -o memory.rings=8MiB -o control.socket=/run/s >/tmp/alerts 2>/tmp/log &
pid=$!
i=0
while [ $i -lt 120 ] && kill -0 $pid 2>/dev/null && ! /saker/bin/saker status -o control.socket=/run/s >/dev/null 2>&1; do i=$((i + 1)); sleep 0.5; done
cat /etc/shadow >/dev/null
i=0
while [ $i -lt 20 ] && ! grep -q /etc/shadow /tmp/alerts; do i=$((i + 1)); sleep 0.5; done
echo "VM status $(/saker/bin/saker status --json -o control.socket=/run/s)"
kill -TERM $pid
wait $pid
echo "VM exit $?"
sed 's/^/VM alert /' /tmp/alerts
sed 's/^/VM log /' /tmp/log
echo VM end
poweroff -f
"""


def find_kernel(folder, version):
    """vmlinuz of that version; fetched if it is not there. None and why."""
    here = sorted(glob.glob(f"{folder}/**/vmlinuz-{version}.*", recursive=True))
    if here:
        return here[-1], None
    release = KERNELS[version][0]
    apt = f"{folder}/apt-{release}"
    for sub in ("lists/partial", "cache/archives/partial"):
        os.makedirs(f"{apt}/{sub}", exist_ok=True)
    with open(f"{apt}/sources.list", "w") as f:
        f.write(f"deb http://deb.debian.org/debian {release} main\ndeb http://security.debian.org/debian-security {release}-security main\n")
    options = ["-o", f"Dir::Etc::sourcelist={apt}/sources.list", "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={apt}/lists",
               "-o", f"Dir::Cache={apt}/cache", "-o", "APT::Get::List-Cleanup=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::Retries=0",
               "-o", "APT::Sandbox::User=root"]
    try:
        subprocess.run(["apt-get", *options, "-qq", "update"], capture_output=True, timeout=60, check=True)
        text = subprocess.run(["apt-cache", *options, "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, timeout=30, check=True).stdout
        name = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", text).group(1)
        subprocess.run(["apt-get", *options, "-qq", "download", name], capture_output=True, timeout=120, check=True, cwd=folder)
        deb = sorted(glob.glob(f"{folder}/{name}_*.deb"))[-1]
        subprocess.run(["dpkg-deb", "-x", deb, f"{folder}/{version}"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError, AttributeError, IndexError) as e:
        return None, f"Debian's {version} kernel cannot be fetched: {e}"
    return sorted(glob.glob(f"{folder}/{version}/boot/vmlinuz-*"))[-1], None


# --- the initial ramdisk ---

class Cpio:
    """The newc format, in memory."""

    def __init__(self):
        self.out, self.dirs, self.ino = io.BytesIO(), set(), 1

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        fields = [self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0]
        self.ino += 1
        self.out.write(b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0")
        self.out.write(b"\0" * (-self.out.tell() % 4) + data)
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def folder(self, name):
        parts = name.strip("/").split("/")
        for i in range(1, len(parts) + 1):
            d = "/".join(parts[:i])
            if d and d not in self.dirs:
                self.dirs.add(d)
                self._entry(d, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self._entry(name.strip("/"), stat.S_IFREG | mode, data)

    def device(self, name, major, minor):
        self._entry(name.strip("/"), stat.S_IFCHR | 0o600, rdev=(major, minor))

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def done(self):
        self._entry("TRAILER!!!", 0)
        return gzip.compress(self.out.getvalue(), 1)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def ramdisk():
    c = Cpio()
    stage = os.path.dirname(os.path.dirname(SAKER))
    busybox = read(shutil.which("busybox"))
    for d in ("proc", "sys", "dev", "run", "tmp", "etc", "bin"):
        c.folder(d)
    c.device("dev/console", 5, 1)
    c.file("init", INIT.encode(), 0o755)
    c.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    c.file("etc/group", b"root:x:0:\n")
    c.file("etc/shadow", b"root:*:1::::::\n", 0o600)
    # copies, not links: the executable's own path is in the alert
    c.file("bin/busybox", busybox, 0o755)
    for name in ("sh", "mount", "cat", "grep", "sed", "sleep", "uname", "kill", "poweroff", "ifconfig"):
        c.link(f"bin/{name}", "busybox")
    libs = set()
    for root, _, files in os.walk(stage):
        for name in files:
            path = os.path.join(root, name)
            c.file("saker/" + os.path.relpath(path, stage), read(path), 0o755 if os.access(path, os.X_OK) else 0o644)
            if os.access(path, os.X_OK):
                libs.update(re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout))
    for lib in sorted(libs):
        c.file(lib, read(lib), 0o755)
    return c.done()


# --- a run ---

def boot(kernel, initrd):
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot", "-net", "none", "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1 lsm=landlock,lockdown,yama,bpf"]
    try:
        r = subprocess.run(argv, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        return r.stdout.decode(errors="replace").replace("\r", "")
    except subprocess.TimeoutExpired as e:
        return (e.stdout or b"").decode(errors="replace").replace("\r", "") + f"\n(no end within {SECONDS} s)\n"


def judge(version, text):
    """What is wrong with what came out; empty: nothing."""
    bad = []
    get = {k: [x[len(k) + 4:] for x in text.splitlines() if x.startswith(f"VM {k} ")] for k in ("kernel", "status", "exit", "alert", "log")}
    if not get["kernel"] or not get["kernel"][0].startswith(version) or "VM end" not in text:
        return ["it did not come to its end"]
    if not any("/etc/shadow" in a for a in get["alert"]):
        bad.append("no alert for cat /etc/shadow")
    if get["exit"] != ["0"]:
        bad.append(f"exit status {get['exit']}")
    try:
        stages = json.loads(get["status"][0])["stages"]
    except (ValueError, IndexError):
        return bad + ["no status"]
    for x in stages:
        if x["name"] == "supervisor":
            continue
        lacks = [] if KERNELS[version][1] else ["landlock"]
        if x["seal"] != "full" or x["landlock"] != KERNELS[version][1] or x["seal_lacks"] != lacks or not x["seccomp"] or x["restarts"]:
            bad.append(f"{x['name']}: {x}")
    if len(stages) < 6:
        bad.append(f"stages: {[x['name'] for x in stages]}")
    if not any("balanced" in x and "not balanced" not in x for x in get["log"]):
        bad.append("the ledger at the end")
    return bad


def main():
    folder = os.path.abspath(sys.argv[1])
    for tool in ("qemu-system-x86_64", "busybox"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    os.makedirs(folder, exist_ok=True)
    bad, left_out = 0, []
    with tempfile.NamedTemporaryFile(suffix=".gz") as f:
        f.write(ramdisk())
        f.flush()
        for version in KERNELS:
            kernel, why = find_kernel(folder, version)
            if not kernel:
                left_out.append(why)
                continue
            t0 = time.monotonic()
            text = boot(kernel, f.name)
            wrong = judge(version, text)
            print(f"{os.path.basename(kernel)}: {'BAD' if wrong else 'ok'} after {time.monotonic() - t0:.0f} s", flush=True)
            if wrong:
                bad += 1
                print("  " + "\n  ".join(wrong) + "\n" + text)
    if bad:
        fail(f"{bad} kernels")
    if left_out:
        skip("; ".join(left_out))


if __name__ == "__main__":
    main()
