# SPDX-License-Identifier: Apache-2.0
"""Container runtimes for the tests: private ones, on sockets and in folders of their own, without networks; nothing of the host's is touched."""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import skip


def need(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        skip("not installed: " + ", ".join(missing))


def wait_for(what, check, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not in {seconds} s")


class FirstAnswer:
    """When a server answers on that socket for the first time from now on: `at`, by the monotonic clock; None: not yet. It is asked every few milliseconds."""

    HTTP = b"GET /_ping HTTP/1.0\r\n\r\n"
    HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" # and no settings

    def __init__(self, path, words, seconds=60):
        self.path, self.words, self.at = path, words, None
        self.thread = threading.Thread(target=self._look, args=(time.monotonic() + seconds,), daemon=True)
        self.thread.start()

    def _look(self, end):
        while self.at is None and time.monotonic() < end:
            try:
                with socket.socket(socket.AF_UNIX) as c:
                    c.settimeout(1)
                    c.connect(self.path)
                    c.sendall(self.words)
                    if c.recv(1):
                        self.at = time.monotonic()
                        return
            except OSError:
                pass
            time.sleep(0.005)

    def wait(self):
        self.thread.join()
        assert self.at is not None, f"nobody answers on {self.path}"
        return self.at


def make_root(path):
    """A busybox root."""
    for sub in ("bin", "etc", "tmp", "root"):
        os.makedirs(os.path.join(path, sub))
    shutil.copy(shutil.which("busybox"), f"{path}/bin/busybox")
    for applet in ("sh", "cat", "cp", "ls", "sleep", "true", "id", "echo", "touch"):
        os.symlink("busybox", f"{path}/bin/{applet}")
    with open(f"{path}/etc/passwd", "w") as f:
        f.write("root:x:0:0:root:/root:/bin/sh\nworker:x:4711:4711:worker:/home/worker:/bin/sh\n")
    with open(f"{path}/etc/group", "w") as f:
        f.write("root:x:0:\nworkers:x:4711:\n")
    with open(f"{path}/etc/shadow", "w") as f:
        f.write("root:*:1::::::\n")


class Docker:
    """dockerd with a containerd of its own."""

    def __init__(self, image="local/bb:1"):
        need("dockerd", "containerd", "docker", "runc", "busybox")
        self.dir = tempfile.mkdtemp(prefix="saker-docker-")
        self.socket = f"{self.dir}/docker.sock"
        self.image = image
        self.procs = {}
        atexit.register(self.end)
        self._spawn("containerd", "containerd", "--root", f"{self.dir}/cr", "--state", f"{self.dir}/cs", "--address", f"{self.dir}/c.sock",
                    "--log-level", "error")
        wait_for("containerd", lambda: os.path.exists(f"{self.dir}/c.sock"))
        self.start()
        root = f"{self.dir}/rootfs"
        os.makedirs(root)
        make_root(root)
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run([*self.argv(), "import", "-", image], stdin=tar.stdout, check=True, capture_output=True, env=self.env())
        tar.wait()

    def _spawn(self, name, *argv):
        log = open(f"{self.dir}/{name}.log", "ab")
        self.procs[name] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def start(self):
        self._spawn("dockerd", "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "--data-root", f"{self.dir}/data",
                    "--exec-root", f"{self.dir}/exec", "-p", f"{self.dir}/dockerd.pid", "-H", f"unix://{self.socket}", "--containerd", f"{self.dir}/c.sock",
                    "--log-level", "error")
        wait_for("dockerd", lambda: subprocess.run([*self.argv(), "version"], capture_output=True, env=self.env()).returncode == 0)

    def kill(self):
        """As if it had crashed."""
        self.procs["dockerd"].kill()
        self.procs["dockerd"].wait()
        if os.path.exists(f"{self.dir}/dockerd.pid"):
            os.unlink(f"{self.dir}/dockerd.pid")

    def argv(self):
        return ["docker", "-H", f"unix://{self.socket}"]

    def env(self):
        return {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}

    def run(self, *args, check=True, timeout=120):
        r = subprocess.run([*self.argv(), *args], capture_output=True, text=True, timeout=timeout, env=self.env(), stdin=subprocess.DEVNULL)
        if check and r.returncode != 0:
            raise AssertionError(f"docker {' '.join(args)}: {r.stderr}")
        return r.stdout.strip()

    def inspect(self, ident):
        return json.loads(self.run("inspect", ident))[0]

    def end(self):
        if "dockerd" in self.procs and self.procs["dockerd"].poll() is None:
            ids = subprocess.run([*self.argv(), "ps", "-aq"], capture_output=True, text=True, env=self.env(), timeout=60).stdout.split()
            if ids:
                subprocess.run([*self.argv(), "rm", "-f", *ids], capture_output=True, env=self.env(), timeout=300)
        for name in ("dockerd", "containerd"):
            p = self.procs.pop(name, None)
            if p and p.poll() is None:
                p.send_signal(signal.SIGTERM)
                try:
                    p.wait(20)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        for line in reversed(open("/proc/mounts").read().splitlines()):
            at = line.split()[1]
            if at.startswith(self.dir + "/"):
                subprocess.run(["umount", "-l", at], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Podman:
    """Podman and its API service, with storage of their own."""

    def __init__(self, image="localhost/bb:1"):
        need("podman", "runc", "busybox", "conmon")
        self.dir = tempfile.mkdtemp(prefix="saker-podman-")
        self.socket = f"{self.dir}/podman.sock"
        self.image = image
        self.service = None
        atexit.register(self.end)
        root = f"{self.dir}/rootfs"
        os.makedirs(root)
        make_root(root)
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run([*self.argv(), "import", "-", image], stdin=tar.stdout, check=True, capture_output=True)
        tar.wait()
        self.start()

    def argv(self):
        return ["podman", "--root", f"{self.dir}/root", "--runroot", f"{self.dir}/run", "--tmpdir", f"{self.dir}/tmp", "--runtime", shutil.which("runc"), "--cgroup-manager=cgroupfs",
                "--storage-driver=vfs", "--events-backend=file"]

    def start(self):
        log = open(f"{self.dir}/service.log", "ab")
        self.service = subprocess.Popen([*self.argv(), "system", "service", "--time=0", f"unix://{self.socket}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        log.close()
        FirstAnswer(self.socket, FirstAnswer.HTTP).wait() # the file is there since the last one

    def kill(self):
        """The service alone, as if it had crashed: containers live on, and more can be made without it."""
        self.service.kill()
        self.service.wait()

    def run(self, *args, check=True, timeout=120):
        r = subprocess.run([*self.argv(), *args], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if check and r.returncode != 0:
            raise AssertionError(f"podman {' '.join(args)}: {r.stderr}")
        return r.stdout.strip()

    def run_container(self, name, *options, command=(), check=True):
        # no CAP_SYS_RESOURCE here: limits may not be raised
        return self.run("run", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1000:1000", "--network=none", "--name", name, *options, self.image, *command, check=check)

    def inspect(self, ident):
        return json.loads(self.run("inspect", ident))[0]

    def end(self):
        if self.service:
            subprocess.run([*self.argv(), "rm", "-f", "-a", "-t", "0"], capture_output=True, timeout=300)
            self.service.kill()
            self.service.wait()
            self.service = None
        for line in reversed(open("/proc/mounts").read().splitlines()):
            at = line.split()[1]
            if at.startswith(self.dir + "/"):
                subprocess.run(["umount", "-l", at], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
