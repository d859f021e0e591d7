#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A saker-metadata that was taken over asks the gate for anything, thousands of times; what reaches the runtimes is the gate's templates with ids in their places, and nothing else. Detection goes on."""
import json
import os
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_cri_server import FakeCri  # noqa: E402
from fake_runtime import FakeRuntime  # noqa: E402
from harness import HOOKS, Saker, expect, need_root, skip  # noqa: E402

UIDS = 68800
RULES = """
- rule: Executed
  desc: every execution of true
  condition: evt.type in (execve, execveat) and proc.name = true
  output: "%proc.cmdline"
  priority: WARNING
"""
HEX = "[0-9a-f]{12,64}"
NAME = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
HTTP = re.compile(rf"GET (/events\?filters=%7B[%0-9A-Za-z]+|/containers/json\?all=true&filters=%7B[%0-9A-Za-z]+|/containers/{HEX}/json|/images/[0-9a-f]{{64}}/json) HTTP/1\.1")
BRIEF = re.compile(rf"GET /containers/json\?all=true&filters=%7B%22id%22%3A%5B%22{HEX}%22%5D%7D HTTP/1\.1")
CRI, CONTAINERD = "/runtime.v1.RuntimeService/", "/containerd.services."


def field(body, number):
    """The text of a message that is one field; and what is behind it."""
    expect(body[:1] == bytes([number << 3 | 2]), f"a message begins with {body[:4]}")
    n, at = body[1], 2
    if n > 127:
        n, at = n & 127 | body[2] << 7, 3
    return body[at:at + n].decode("latin-1"), body[at + n:]


def check_cri(method, headers, body):
    expect(not headers, f"{method} with headers {headers}")
    if method in ("Version", "ListContainers", "ListPodSandbox", "GetContainerEvents"):
        expect(body == b"", f"{method} says {body}")
        return
    expect(method in ("ContainerStatus", "PodSandboxStatus"), f"called {method}")
    ident, rest = field(body, 1)
    expect(re.fullmatch(HEX, ident) and rest == b"\x10\x01", f"{method} says {body}")


def check_containerd(method, headers, body):
    if method in ("version.v1.Version/Version", "namespaces.v1.Namespaces/List"):
        expect(not headers and body == b"", f"{method} says {headers} {body}")
    elif method == "events.v1.Events/Subscribe":
        while body:
            text, body = field(body, 1)
            expect(re.fullmatch('topic=="/(containers/create|containers/delete|tasks/start)",namespace!="k8s.io",namespace!="moby"', text), f"a filter of reports: {text}")
    else:
        expect(len(headers) == 1 and re.fullmatch(f"containerd-namespace={NAME}", headers[0]), f"{method} with headers {headers}")
        if method == "containers.v1.Containers/List":
            expect(body == b"", f"{method} says {body}")
            return
        text, rest = field(body, 1)
        form = {"containers.v1.Containers/Get": NAME, "images.v1.Images/Get": "[A-Za-z0-9._/:@+-]+"}.get(method)
        expect(form and re.fullmatch(form, text) and rest == b"", f"{method} says {body}")


class Runtime(FakeRuntime):
    def answer(self, c, path):
        self.send(c, b"[]" if "filters" in path else b"{}")
        return True


def main():
    need_root()
    if not HOOKS:
        skip("this build has no test hooks (meson option test_hooks)")
    work = tempfile.mkdtemp(prefix="saker-test-asks-")
    docker, calls = Runtime(f"{work}/docker.sock"), FakeCri(f"{work}/cri.sock", "calls")
    try:
        os.symlink(f"{work}/cri.sock", f"{work}/containerd.sock")
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        engines = {"docker": {"sockets": [f"{work}/docker.sock"]}, "podman": {"enabled": False}, "cri": {"sockets": [f"{work}/cri.sock"]},
                   "containerd": {"sockets": [f"{work}/containerd.sock"]}}
        with open(f"{work}/saker.yaml", "w") as f:
            json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        os.environ["SAKER_TEST_ASKS"] = "1"
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        time.sleep(5)
        at = len(s.alerts)
        os.spawnlp(os.P_WAIT, "true", "true", "still")
        expect(s.wait_alert("Executed", lambda a: "true still" in a["output"], after=at), "detection does not go on")
        status = s.status()
        gate = next(x for x in status["stages"] if x["name"] == "gate")
        expect(gate["restarts"] == 0 and gate["state"] == "running", f"the gate: {gate}")
        expect(any("may not be asked for" in x for x in s.log), "nothing was refused\n" + "\n".join(s.log[-5:]))
        expect(status["ledger"]["balanced"], f"ledger: {status['ledger']}")
        expect(s.stop() == 0, "status of the end")
    finally:
        os.environ.pop("SAKER_TEST_ASKS", None)
        calls.close()
        docker.close()
        shutil.rmtree(work, ignore_errors=True)
    for line in docker.asked:
        expect(HTTP.fullmatch(line) or BRIEF.fullmatch(line), f"Docker was asked: {line!r}")
    n = {}
    for line in [x for x in calls.asked if x.startswith("call ")]:
        method, headers, body = json.loads(line[5:])
        expect(method.startswith((CRI, CONTAINERD)), f"called {method}")
        n[method] = n.get(method, 0) + 1
        (check_cri if method.startswith(CRI) else check_containerd)(method.removeprefix(CRI).removeprefix(CONTAINERD), headers, bytes.fromhex(body))
    expect(len(docker.asked) > 100 and len(n) >= 9, f"few requests: {len(docker.asked)}, {n}")
    print(f"asked of Docker: {len(docker.asked)}; of CRI and containerd: {sum(n.values())} in {len(n)} calls; all of them templates")


if __name__ == "__main__":
    main()
