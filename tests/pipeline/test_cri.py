#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pods of a real containerd, made through its CRI: alerts have the pod's and the container's facts, equal to what the runtime was
asked for; what ran before is known; the runtime dies and comes back: within 2 s all pods are told again, and within 2 s one is known that a saker has met without the runtime."""
import json
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cri  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, left_behind, need_root, wait_log  # noqa: E402
from runtimes import FirstAnswer  # noqa: E402

UIDS = 66200
FIELDS = ("container.id container.full_id container.name container.type container.image container.image.repository container.image.tag container.image.digest "
          "container.labels container.privileged container.mounts k8s.pod.name k8s.ns.name k8s.pod.uid k8s.pod.full_sandbox_id k8s.pod.labels k8s.pod.label[app] container.metadata")
RULES = f"""
- rule: Executed
  desc: every execution of these, in a container or not
  condition: evt.type in (execve, execveat) and proc.name in (cat, touch)
  output: "%proc.cmdline | {' '.join('%' + f for f in FIELDS.split())}"
  priority: WARNING
- rule: Told
  desc: a container is known now
  condition: evt.type = container
  output: "%container.full_id %k8s.pod.name"
  priority: NOTICE
"""


def check_alert(c, a, pod, labels, mounts=""):
    digest = c.call("ContainerStatus", {"container_id": pod["container"]})["status"]["image_ref"]
    want = {"container.id": pod["container"][:12], "container.full_id": pod["container"], "container.name": "app", "container.type": "containerd",
            "container.image": "docker.io/local/busybox:1", "container.image.repository": "docker.io/local/busybox", "container.image.tag": "1",
            "container.image.digest": digest, "container.privileged": False, "container.mounts": mounts, "k8s.pod.name": pod["name"],
            "k8s.ns.name": pod["namespace"], "k8s.pod.uid": pod["uid"], "k8s.pod.full_sandbox_id": pod["sandbox"], "k8s.pod.label[app]": labels["app"]}
    got = a["output_fields"]
    for k, v in want.items():
        expect(got[k] == v, f"{pod['name']}: {k} is {got[k]!r}, and the runtime was asked for {v!r}")
    for text in [f"{k}:{v}" for k, v in labels.items()]:
        expect(text in got["k8s.pod.labels"], f"{pod['name']}: k8s.pod.labels is {got['k8s.pod.labels']!r}")
    expect(got["container.labels"] == "", f"Kubernetes' own labels are not shown in the list: {got['container.labels']!r}")


def run_pod(c, name, namespace, **config):
    """A pod that acts all the time."""
    return c.run(["/bin/sh", "-c", f"while /bin/cat /etc/passwd /tmp/{name} >/dev/null 2>&1; sleep 0.1; do :; done"], name=name, namespace=namespace,
                 labels={"app": name, "tier": "web"}, config=config)


def wait_and_check(s, c, pod, seconds, mounts=""):
    at = len(s.alerts)
    a = s.wait_alert("Executed", lambda a: a["output_fields"]["k8s.pod.name"] == pod["name"] and a["output_fields"]["container.metadata"] == "complete", after=at, seconds=seconds)
    expect(a, f"pod {pod['name']} is not known\n" + "\n".join(s.log[-20:]))
    check_alert(c, a, pod, {"app": pod["name"], "tier": "web"}, mounts)


def met_without(c, pod, config, slow):
    """A saker that begins while the runtime is dead meets its pod as one that nobody knows; the runtime comes back."""
    c.kill()
    s = Saker("-c", config, uids=UIDS, wait=60)
    a = s.wait_alert("Executed", lambda a: a["output_fields"]["container.id"] == pod["container"][:12])
    expect(a and a["output_fields"]["k8s.pod.name"] is None, f"a pod that nobody can know: {a}")
    at = len(s.alerts)
    first = FirstAnswer(c.socket, FirstAnswer.HTTP2)
    c.start()
    a = s.wait_alert("Executed", lambda a: a["output_fields"]["k8s.pod.name"] == pod["name"] and a["output_fields"]["container.metadata"] == "complete", after=at, seconds=10 * slow)
    took = time.monotonic() - first.wait()
    expect(a, "a pod that was met without its runtime is not known\n" + "\n".join(s.log[-20:]))
    check_alert(c, a, pod, {"app": pod["name"], "tier": "web"})
    print(f"a pod that was met while containerd was dead: known {took:.2f} s after its socket answered")
    expect(took < 2 * slow, "it took too long to connect and to list")
    expect(s.stop() == 0, "status of the end")


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-cri-")
    slow = 10 if SANITIZED else 1
    try:
        with cri.Containerd() as c:
            with open(f"{work}/rules.yaml", "w") as f:
                f.write(RULES)
            engines = {"docker": {"enabled": False}, "podman": {"enabled": False}, "cri": {"enabled": True, "sockets": [c.socket]}}
            with open(f"{work}/saker.yaml", "w") as f:
                json.dump({"rules_files": [f"{work}/rules.yaml"],
                           "plugins": [{"name": "container", "library_path": "libcontainer.so", "init_config": {"engines": engines}}]}, f)
            before = [run_pod(c, "before", "kube-system"),
                      run_pod(c, "other", "default", mounts=[{"container_path": "/data", "host_path": work, "readonly": True}])]
            s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
            began = time.monotonic()
            wait_and_check(s, c, before[0], 10)
            print(f"the pod that ran before: known {time.monotonic() - began:.2f} s after the start")
            wait_and_check(s, c, before[1], 10, f"{work}:/data::false:private")

            at = len(s.alerts)
            shutil.copy("/etc/group", f"{work}/group")
            os.spawnlp(os.P_WAIT, "touch", "touch", f"{work}/group")
            a = s.wait_alert("Executed", lambda a: f"touch {work}/group" in a["output"], after=at)
            expect(a and a["output_fields"]["container.id"] == "host" and a["output_fields"]["k8s.pod.name"] is None, f"the same on the host: {a}")

            new = run_pod(c, "new", "shop")
            wait_and_check(s, c, new, 10 * slow)
            c.remove(new)
            after = run_pod(c, "after", "shop")
            # the runtime dies; its pods live on; a new one answers
            c.kill()
            wait_log(s, "went away", 1, 5 * slow)
            at = len(s.alerts)
            first = FirstAnswer(c.socket, FirstAnswer.HTTP2)
            c.start()
            up = first.wait()
            wait_log(s, "answers", 2, 10 * slow)
            answers = time.monotonic() - up
            for pod in [*before, after]:
                expect(s.wait_alert("Told", lambda a: a["output_fields"]["container.full_id"] == pod["container"], after=at, seconds=10 * slow), f"{pod['name']} is not told again")
            took = time.monotonic() - up
            print(f"containerd killed and started again: connected {answers:.2f} s, all pods told again {took:.2f} s after its socket answered")
            expect(took < 2 * slow, "it took too long to connect again and to list")
            wait_and_check(s, c, after, 10 * slow)
            c.remove(after)
            expect_balanced(s)
            expect(s.stop() == 0, "status of the end")
            met_without(c, before[0], f"{work}/saker.yaml", slow)
            left = left_behind(UIDS)
            expect(not left, f"left behind: {left}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("cri: all good")


if __name__ == "__main__":
    main()
