# SPDX-License-Identifier: Apache-2.0
"""Containers for the tests: runc, a busybox root on overlayfs, a cgroup `/docker/<64 hex>` as docker makes them; the host's network and no daemon."""
import json
import os
import pty
import secrets
import shutil
import subprocess
import tempfile
import time


class Container:
    """A throw-away container; run() gives the exit status. Everything it made is removed at the end of the with block."""

    CAPS = ["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_NET_RAW", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID", "CAP_SYS_PTRACE"]

    def __init__(self, files):
        """@files: {path inside: path outside}, executables put into the lower layer."""
        self.id = secrets.token_hex(32)
        self.dir = tempfile.mkdtemp(prefix="saker-ctr-")
        self.files = files
        self.mounted = False

    def __enter__(self):
        d = self.dir
        for sub in ("lower/bin", "lower/etc", "lower/tmp", "lower/proc", "lower/dev", "upper", "work", "rootfs"):
            os.makedirs(os.path.join(d, sub))
        busybox = shutil.which("busybox") or "/bin/busybox"
        shutil.copy(busybox, f"{d}/lower/bin/busybox")
        for applet in ("sh", "cat", "cp", "ls", "sleep", "true", "id"):
            os.symlink("busybox", f"{d}/lower/bin/{applet}")
        with open(f"{d}/lower/etc/passwd", "w") as f:
            f.write("root:x:0:0:root:/root:/bin/sh\n")
        with open(f"{d}/lower/etc/shadow", "w") as f:
            f.write("root:*:1::::::\n")
        for inside, outside in self.files.items():
            dst = f"{d}/lower{inside}"
            os.makedirs(os.path.dirname(dst), exist_ok=True)
            shutil.copy(outside, dst)
            os.chmod(dst, 0o755)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={d}/lower,upperdir={d}/upper,workdir={d}/work", f"{d}/rootfs"],
                       check=True)
        self.mounted = True
        return self

    def __exit__(self, *exc):
        if self.mounted:
            subprocess.run(["umount", f"{self.dir}/rootfs"], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _config(self, args, terminal):
        caps = {k: self.CAPS for k in ("bounding", "effective", "permitted")}
        return {
            "ociVersion": "1.0.2",
            "process": {"terminal": terminal, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
                        "env": ["PATH=/bin:/usr/bin"], "capabilities": caps},
            "root": {"path": "rootfs"},
            "hostname": "ctr",
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts"}],
            "linux": {"cgroupsPath": f"/docker/{self.id}", "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts")]},
        }

    def run(self, *args, terminal=False, timeout=30):
        with open(f"{self.dir}/config.json", "w") as f:
            json.dump(self._config(list(args), terminal), f)
        argv = ["runc", "--root", f"{self.dir}/state", "run", "--bundle", self.dir, f"saker-{self.id[:12]}"]
        if not terminal:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        pid, fd = pty.fork()
        if pid == 0:
            os.execvp(argv[0], argv)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if not os.read(fd, 4096):
                    break
            except OSError: # the terminal's other end is gone
                break
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        return status
