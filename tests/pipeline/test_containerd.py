#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of containerd outside Kubernetes, made as `ctr` and `nerdctl` make them, in two namespaces: alerts have what containerd says of them, the first execution's too; what ran before is known;
containers of Kubernetes and of Docker in the same containerd are not its own; it dies and comes back."""
import json
import os
import secrets
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cri  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, left_behind, need_root, wait_log  # noqa: E402

UIDS = 68400
IMAGE = "docker.io/local/tool:3"
FIELDS = ("container.id container.full_id container.name container.type container.image container.image.repository container.image.tag container.image.digest "
          "container.label[team] container.privileged container.host_network container.mounts container.metadata user.name")
RULES = f"""
- rule: Executed
  desc: executions of cat in a container
  condition: evt.type in (execve, execveat) and proc.name = cat and container.id != host
  output: "%proc.cmdline | {' '.join('%' + f for f in FIELDS.split())}"
  priority: WARNING
"""


def run(c, name, tag, *options, namespace="default", loop=False):
    """The first thing it does is `cat /etc/TAG`."""
    act = f"/bin/cat /etc/{tag}"
    script = f"while {act}; sleep 0.1; do :; done" if loop else act
    r = c.ctr("run", "-d", "--snapshotter", "native", "--label", "team=blue", *options, IMAGE, name, "/bin/sh", "-c", script, namespace=namespace)
    expect(r.returncode == 0, f"ctr run {name}: {r.stderr}")


def alert(s, tag, at=0, seconds=10, **want):
    a = s.wait_alert("Executed", lambda a: f"/etc/{tag}" in a["output"] and all(a["output_fields"][k] == v for k, v in want.items()), after=at, seconds=seconds)
    expect(a, f"{tag}: no alert with {want}\n" + "\n".join(x["output"] for x in s.alerts[-5:]) + "\n" + "\n".join(s.log[-20:]))
    return a["output_fields"]


def check(c, f, name, namespace="default", **more):
    digest = next(x.split()[2] for x in c.ctr("images", "ls", namespace=namespace).stdout.splitlines() if x.startswith(IMAGE))
    info = json.loads(c.ctr("containers", "info", name, namespace=namespace).stdout)
    want = {"container.id": name[:12] if len(name) == 64 else name, "container.full_id": name, "container.name": name, "container.type": "containerd", "container.image": info["Image"],
            "container.image.repository": "docker.io/local/tool", "container.image.tag": "3", "container.image.digest": digest, "container.label[team]": info["Labels"]["team"],
            "container.privileged": False, "container.host_network": False, "container.metadata": "complete", **more}
    for k, v in want.items():
        expect(f[k] == v, f"{name}: {k} is {f[k]!r}, not {v!r}")
    for m in info["Spec"]["mounts"]:
        expect(f"{m['source']}:{m['destination']}:" in f["container.mounts"], f"{name}: no mount {m['destination']} in {f['container.mounts']}")


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-containerd-")
    slow = 10 if SANITIZED else 1
    hex_name = secrets.token_hex(32)
    try:
        with cri.Containerd() as c:
            for namespace in ("default", "second"):
                c.add_busybox(IMAGE, namespace)
            with open(f"{work}/rules.yaml", "w") as f:
                f.write(RULES)
            engines = {"docker": {"enabled": False}, "podman": {"enabled": False}, "cri": {"sockets": [c.socket]}, "containerd": {"sockets": [c.socket]}}
            with open(f"{work}/saker.yaml", "w") as f:
                json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines, "hooks": ["create", "start"]}}]}, f)
            run(c, "before", "before", loop=True)
            s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
            began = time.monotonic()
            f = alert(s, "before", **{"container.metadata": "complete"})
            print(f"what ran before: known {time.monotonic() - began:.2f} s after the start")
            check(c, f, "before", **{"user.name": "root"})
            # the first execution of new ones
            full = 0
            for i in range(10):
                run(c, f"new-{i}", f"new-{i}-")
                f = alert(s, f"new-{i}-", seconds=10 * slow)
                full += f["container.metadata"] == "complete"
                if f["container.metadata"] == "complete":
                    check(c, f, f"new-{i}")
                else:
                    expect(f["container.name"] is None, f"partial, and has a name: {f}")
                c.remove_own(f"new-{i}")
            print(f"first executions with all facts: {full} of 10")
            expect(full >= (1 if SANITIZED else 9), f"first executions with all facts: {full} of 10")
            # made with all powers; in the host's network; with a folder of the host's
            run(c, "wild", "wild", "--privileged", "--net-host", "--mount", f"type=bind,src={work},dst=/data,options=rbind:ro", loop=True)
            f = alert(s, "wild", **{"container.metadata": "complete"}, seconds=10 * slow)
            check(c, f, "wild", **{"container.privileged": True, "container.host_network": True})
            expect(f"{work}:/data::false:" in f["container.mounts"], f"the host's folder: {f['container.mounts']}")
            c.remove_own("wild")
            # another namespace, that is not there when saker starts to look; an id as Docker's
            run(c, hex_name, "second", namespace="second", loop=True)
            f = alert(s, "second", **{"container.metadata": "complete"}, seconds=10 * slow)
            check(c, f, hex_name, namespace="second")
            # a pod in the same containerd is CRI's
            pod = c.run(["/bin/sh", "-c", "while /bin/cat /etc/pod >/dev/null 2>&1; sleep 0.1; do :; done"], name="pod", namespace="shop")
            f = alert(s, "pod", **{"container.metadata": "complete"}, seconds=10 * slow)
            expect(f["container.name"] == "app" and f["container.full_id"] == pod["container"], f"a pod's container: {f}")
            c.kill()
            wait_log(s, f"containerd at '{c.socket}' went away", 1, 5 * slow)
            c.start()
            up = time.monotonic()
            wait_log(s, f"containerd at '{c.socket}' answers", 2, 10 * slow)
            print(f"killed and started again: answers {time.monotonic() - up:.2f} s after it was up")
            at = len(s.alerts)
            run(c, "after", "after", loop=True)
            check(c, alert(s, "after", at, 10 * slow, **{"container.metadata": "complete"}), "after")
            for name, namespace in (("before", "default"), ("after", "default"), (hex_name, "second")):
                c.remove_own(name, namespace)
            c.remove(pod)
            expect_balanced(s)
            expect(s.stop() == 0, "status of the end")
            left = left_behind(UIDS)
            expect(not left, f"left behind: {left}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("containerd: all good")


if __name__ == "__main__":
    main()
