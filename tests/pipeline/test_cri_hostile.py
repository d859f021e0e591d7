#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A runtime of Kubernetes whose answers about containers are no HTTP/2, half of it, too much of it or none: each costs its own lookup. Alerts come in time and say that facts are missing, memory stays
bounded, and when it is well again its containers are known."""
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from container import Container  # noqa: E402
from fake_cri_server import FakeCri  # noqa: E402
from fake_runtime import UnixServer  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, expect_memory, need_root, pss  # noqa: E402
from runtimes import need  # noqa: E402

UIDS = 69000
RULES = """
- rule: Executed
  desc: every execution of cat in a container
  condition: evt.type in (execve, execveat) and proc.name = cat and container.id != host
  output: "%proc.cmdline | %container.full_id %container.name %container.metadata"
  priority: WARNING
"""
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
HEADERS_200 = b"\0\0\x01\x01\x04\0\0\0\x01\x88"
ASKS_FOR_ONE = re.compile(rb"\x0a\x40[0-9a-f]{64}\x10\x01")


class Between(UnixServer):
    """A socket before another one. What asks for one container or pod is answered as `mode` says, everything else by the runtime behind it."""

    def __init__(self, path, behind):
        self.behind, self.mode = behind, "good"
        super().__init__(path)

    def _serve(self, c):
        try:
            said = b""
            c.settimeout(0.2)
            try:
                while not ASKS_FOR_ONE.search(said):
                    part = c.recv(65536)
                    if not part:
                        return
                    said += part
            except TimeoutError:
                pass
            c.settimeout(None)
            if self.mode == "good" or not ASKS_FOR_ONE.search(said):
                self._forward(c, said, None)
            else:
                getattr(self, self.mode.replace("-", "_"))(c, said)
        except OSError:
            pass
        finally:
            c.close()

    def _forward(self, c, said, limit):
        up = socket.socket(socket.AF_UNIX)
        up.connect(self.behind)
        up.sendall(said)

        def rest():
            try:
                while part := c.recv(65536):
                    up.sendall(part)
                up.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threading.Thread(target=rest, daemon=True).start()
        sent = 0
        while part := up.recv(65536):
            part = part if limit is None else part[:limit - sent]
            c.sendall(part)
            sent += len(part)
            if sent == limit:
                break
        up.close()

    def silent(self, c, said):
        time.sleep(60)

    def settings_and_silence(self, c, said):
        c.sendall(SETTINGS)
        time.sleep(60)

    def half_closed(self, c, said):
        c.sendall(SETTINGS + HEADERS_200)
        c.shutdown(socket.SHUT_WR)
        time.sleep(60)

    def garbage(self, c, said):
        c.sendall(os.urandom(4096))

    def garbage_frames(self, c, said):
        c.sendall(SETTINGS + b"".join(b"\0\x01\0" + bytes([i]) + os.urandom(5) + os.urandom(256) for i in range(256)))

    def cut(self, c, said):
        self._forward(c, said, 90)

    def huge(self, c, said):
        c.sendall(SETTINGS + HEADERS_200)
        frame = b"\0\x40\0\0\0\0\0\0\x01" + b"\0" * 16384
        for _ in range(100 * 64):
            c.sendall(frame)

    def pings(self, c, said):
        c.sendall(SETTINGS)
        for _ in range(100000):
            c.sendall(b"\0\0\x08\x06\0\0\0\0\0" + b"\0" * 8)


MODES = [x.replace("_", "-") for x in ("silent", "settings_and_silence", "half_closed", "garbage", "garbage_frames", "cut", "huge", "pings")]


def act(s, cri, tag):
    """A container's first execution: its alert and how long it took."""
    with Container({}) as c:
        cri.tell("add", c.id, "n" + c.id[:6])
        at, began = len(s.alerts), time.monotonic()
        c.run("/bin/cat", f"/etc/{tag}")
        a = s.wait_alert("Executed", lambda a: f"/etc/{tag}" in a["output"], after=at)
        expect(a, f"{tag}: no alert\n" + "\n".join(s.log[-20:]))
        return a["output_fields"], time.monotonic() - began


def main():
    need_root()
    need("runc", "busybox")
    slow = 10 if SANITIZED else 1
    work = tempfile.mkdtemp(prefix="saker-test-cri-hostile-")
    cri = FakeCri(f"{work}/behind.sock")
    between = Between(f"{work}/cri.sock", f"{work}/behind.sock")
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        engines = {"docker": {"enabled": False}, "podman": {"enabled": False}, "containerd": {"enabled": False}, "cri": {"sockets": [f"{work}/cri.sock"]}}
        with open(f"{work}/saker.yaml", "w") as f:
            # calls go through a socket between, which takes its time
            json.dump({"rules_files": [f"{work}/rules.yaml"], "metadata": {"wait": "1s"}, "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        cri.wait("GetContainerEvents")
        f, _ = act(s, cri, "well")
        expect(f["container.metadata"] == "complete" and f["container.name"] == "n" + f["container.full_id"][:6], f"a good answer: {f}")
        before = pss(s)
        for mode in MODES:
            between.mode = mode
            f, took = act(s, cri, mode)
            expect(f["container.metadata"] == "partial" and f["container.name"] is None, f"{mode}: {f}")
            expect(took < 6 * slow, f"{mode}: the alert took {took:.1f} s")
            print(f"{mode}: partial, alert after {took:.2f} s")
        time.sleep(6)
        expect_memory(s, before)
        expect(all(x["restarts"] == 0 for x in s.status()["stages"]), f"a stage was started again: {[(x['name'], x['restarts']) for x in s.status()['stages']]}")
        between.mode = "good"
        f, _ = act(s, cri, "well-again")
        expect(f["container.metadata"] == "complete", f"when it is well again: {f}")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
    finally:
        between.close()
        cri.close()
        shutil.rmtree(work, ignore_errors=True)
    print("hostile runtimes of Kubernetes: all good")


if __name__ == "__main__":
    main()
