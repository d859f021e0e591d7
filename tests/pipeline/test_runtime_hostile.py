#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A container runtime that lies, stalls or sends nonsense: it costs its own lookups alone. Detection goes on, alerts come in time and say that facts are missing, memory stays bounded, and when the runtime
is well again its containers are known. Also: a user's socket is connected to with that user's uid."""
import json
import os
import shutil
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from container import Container  # noqa: E402
from fake_runtime import FakeRuntime  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, expect_memory, need_root, pss  # noqa: E402
from runtimes import need  # noqa: E402

UIDS = 66600
MIB = 1 << 20
RULES = """
- rule: Executed
  desc: every execution of cat in a container
  condition: evt.type in (execve, execveat) and proc.name = cat and container.id != host
  output: "%proc.cmdline | %container.full_id %container.name %container.metadata"
  priority: WARNING
"""


class HostileRuntime(FakeRuntime):
    """What saker asks, answered as `mode` says: of the containers' facts; reports and lists are good."""

    def __init__(self, path):
        self.mode, self.ids = "good", []
        super().__init__(path)

    def answer(self, c, path):
        if path.startswith("/containers/json"):
            self.send(c, json.dumps([{"Id": i} for i in self.ids]).encode())
            return True
        return self._facts(c, path)

    def _facts(self, c, path):
        ident = path.split("/")[2] if path.startswith("/containers/") else None
        good = json.dumps({"Id": ident, "Name": f"/n{(ident or '')[:6]}", "Config": {"Image": "x/y:1", "Labels": {}}, "HostConfig": {}}).encode()
        mode = self.mode
        if mode == "silent":
            time.sleep(60)
        elif mode == "late":
            time.sleep(5)
            self.send(c, good)
        elif mode == "huge":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MIB))
            for _ in range(100):
                c.sendall(b" " * MIB)
        elif mode == "deep":
            self.send(c, b"[" * 900000)
        elif mode == "wide":
            self.send(c, b"[" + b"[]," * 300000 + b"[]]")
        elif mode == "utf8":
            self.send(c, good.replace(b"/n", b"\xff\xfe/n"))
        elif mode == "wrong-id":
            self.send(c, good.replace(ident.encode(), b"f" * 64))
        elif mode == "garbage":
            c.sendall(os.urandom(4096))
            return False
        elif mode == "cut":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + good)
            c.shutdown(socket.SHUT_RDWR)
            return False
        elif mode == "error":
            self.send(c, b"no", "500 no")
        elif mode == "unknown":
            self.send(c, b"{}", "404 not here")
        else:
            self.send(c, good)
        return True


def act(s, runtime, tag, reports):
    """A container whose first execution is told of or not: its alert and how long it took."""
    with Container({}) as c:
        runtime.ids.append(c.id)
        if reports:
            runtime.report("create", c.id)
        at, began = len(s.alerts), time.monotonic()
        c.run("/bin/cat", f"/etc/{tag}")
        a = s.wait_alert("Executed", lambda a: f"/etc/{tag}" in a["output"], after=at)
        expect(a, f"{tag}: no alert\n" + "\n".join(s.log[-20:]))
        runtime.ids.remove(c.id)
        return a["output_fields"], time.monotonic() - began


def main():
    need_root()
    need("runc", "busybox")
    slow = 10 if SANITIZED else 1
    work = tempfile.mkdtemp(prefix="saker-test-hostile-")
    users = "/run/user/61234/podman"
    made = not os.path.exists("/run/user/61234")
    runtime = HostileRuntime(f"{work}/r.sock")
    try:
        os.makedirs(users)
        users_runtime = HostileRuntime(f"{users}/podman.sock")
        users_runtime.mode = "unknown"
        os.chmod(f"{users}/podman.sock", 0o666)
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        with open(f"{work}/saker.yaml", "w") as f:
            f.write(f"rules_files: [{work}/rules.yaml]\nplugins:\n  - name: container\n    init_config:\n"
                    f"      engines: {{docker: {{sockets: ['{work}/r.sock']}}, podman: {{enabled: true}}}}\n")
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        end = time.monotonic() + 10
        while time.monotonic() < end and not (runtime.streams and users_runtime.streams):
            time.sleep(0.05)
        expect(runtime.streams and users_runtime.streams, "the runtimes are not asked\n" + "\n".join(s.log))
        expect(set(users_runtime.peers) == {61234}, f"the user's socket was connected to by uids {set(users_runtime.peers)}")
        f, _ = act(s, runtime, "well", False)
        expect(f["container.metadata"] == "complete" and f["container.name"] == "n" + f["container.full_id"][:6], f"a good answer: {f}")
        before = pss(s)
        for mode in ("silent", "late", "huge", "deep", "wide", "utf8", "wrong-id", "garbage", "cut", "error"):
            runtime.mode = mode
            for reports in (True, False):
                f, took = act(s, runtime, f"{mode}-{reports}", reports)
                expect(f["container.metadata"] == "partial" and f["container.name"] is None, f"{mode}: {f}")
                expect(took < 5 * slow, f"{mode}: the alert took {took:.1f} s")
            print(f"{mode}: partial, alert after {took:.2f} s")
        time.sleep(6)
        expect_memory(s, before)
        expect(any("cannot be understood" in x for x in s.log), "the log does not say what cannot be understood")
        expect(all(x["restarts"] == 0 for x in s.status()["stages"]), f"a stage was started again: {[(x['name'], x['restarts']) for x in s.status()['stages']]}")
        runtime.mode = "good"
        f, _ = act(s, runtime, "well-again", True)
        expect(f["container.metadata"] == "complete", f"when it is well again: {f}")
        templates = ("GET /events?filters=%7B", "GET /events?stream=false&filters=%7B%22container%22%3A%5B%22", "GET /containers/json?all=true&filters=%7B", "GET /containers/", "GET /images/")
        odd = [x for x in runtime.asked + users_runtime.asked if not x.startswith(templates)]
        expect(not odd, f"asked for: {odd}")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
        users_runtime.close()
    finally:
        runtime.close()
        shutil.rmtree(work, ignore_errors=True)
        if made:
            shutil.rmtree("/run/user/61234", ignore_errors=True)
    print("hostile runtimes: all good")


if __name__ == "__main__":
    main()
