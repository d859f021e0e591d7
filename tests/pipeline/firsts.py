# SPDX-License-Identifier: Apache-2.0
"""The first execution of many containers, of a real Docker, Podman, containerd's CRI and containerd itself at once on a busy host: what its alert says, against what the runtime was asked for and says itself."""
import json
import os
import subprocess
import time

import cri
from harness import Saker
from runtimes import Docker, Podman

FIELDS = ("container.full_id container.name container.type container.image container.image.repository container.image.tag container.image.id container.image.digest container.labels "
          "container.privileged container.mounts container.metadata k8s.pod.name k8s.ns.name k8s.pod.uid k8s.pod.full_sandbox_id")
RULES = f"""
- rule: First
  desc: what a container begins with
  condition: evt.type in (execve, execveat) and proc.name = touch and container.id != host
  output: "%proc.cmdline | {' '.join('%' + f for f in FIELDS.split())}"
  priority: WARNING
"""
NAMED = ("container.name", "container.image", "container.image.tag", "k8s.pod.name", "k8s.ns.name")


def short(image_id):
    return image_id.rsplit(":", 1)[-1][:12]


class OfDocker:
    name = "docker"

    def __init__(self):
        self.runtime = Docker()

    def run(self, i):
        d = self.runtime
        d.run("run", "--name", f"c{i}", "--label", f"number={i}", "--network=none", "-v", "/usr/share:/data:ro", d.image, "touch", f"/tmp/docker{i}")

    def want(self, i):
        real = self.runtime.inspect(f"c{i}")
        image = real["Config"]["Image"]
        return {"container.full_id": real["Id"], "container.name": real["Name"].lstrip("/"), "container.image": image,
                "container.image.repository": image.rsplit(":", 1)[0], "container.image.tag": image.rsplit(":", 1)[1],
                "container.image.id": short(real["Image"]), "container.labels": f"number:{i}", "container.privileged": real["HostConfig"]["Privileged"],
                "container.mounts": ",".join(":".join([m["Source"], m["Destination"], m["Mode"], "true" if m["RW"] else "false", m["Propagation"]])
                                             for m in real["Mounts"]), "k8s.pod.name": None, "k8s.ns.name": None}

    def end(self):
        self.runtime.end()


class OfPodman:
    name = "podman"

    def __init__(self):
        self.runtime = Podman()

    def run(self, i):
        self.runtime.run_container(f"c{i}", "--label", f"number={i}", command=("touch", f"/tmp/podman{i}"))

    def want(self, i):
        real = self.runtime.inspect(f"c{i}")
        image = real["ImageName"]
        return {"container.full_id": real["Id"], "container.name": real["Name"], "container.image": image,
                "container.image.repository": image.rsplit(":", 1)[0], "container.image.tag": image.rsplit(":", 1)[1], "container.image.id": short(real["Image"]),
                "container.image.digest": real["ImageDigest"], "container.labels": ", ".join(f"{k}:{v}" for k, v in sorted(real["Config"]["Labels"].items())),
                "container.privileged": real["HostConfig"]["Privileged"], "k8s.pod.name": None, "k8s.ns.name": None}

    def end(self):
        self.runtime.end()


class OfCri:
    name = "cri"

    def __init__(self):
        self.runtime = cri.Containerd()
        self.runtime.__enter__()
        self.pods = {}

    def run(self, i):
        self.pods[i] = self.runtime.run(["/bin/touch", f"/tmp/cri{i}"], name=f"pod-{i}", namespace=f"ns-{i % 5}", labels={"app": f"a{i}"})

    def want(self, i):
        pod = self.pods[i]
        status = self.runtime.call("ContainerStatus", {"container_id": pod["container"]})["status"]
        return {"container.full_id": pod["container"], "container.name": "app", "container.image": "docker.io/local/busybox:1",
                "container.image.repository": "docker.io/local/busybox", "container.image.tag": "1", "container.image.digest": status["image_ref"],
                "container.privileged": False, "k8s.pod.name": pod["name"], "k8s.ns.name": pod["namespace"], "k8s.pod.uid": pod["uid"],
                "k8s.pod.full_sandbox_id": pod["sandbox"]}

    def end(self):
        self.runtime.__exit__()


class OfContainerd:
    name = "containerd"
    image = "docker.io/local/tool:3"

    def __init__(self):
        self.runtime = cri.Containerd()
        self.runtime.__enter__()
        self.runtime.add_busybox(self.image, "default")

    def run(self, i):
        r = self.runtime.ctr("run", "-d", "--snapshotter", "native", "--label", f"number={i}", self.image, f"c{i}", "/bin/touch", f"/tmp/containerd{i}", namespace="default")
        assert r.returncode == 0, r.stderr

    def want(self, i):
        info = json.loads(self.runtime.ctr("containers", "info", f"c{i}", namespace="default").stdout)
        digest = next(x.split()[2] for x in self.runtime.ctr("images", "ls", namespace="default").stdout.splitlines() if x.startswith(self.image))
        return {"container.full_id": f"c{i}", "container.name": f"c{i}", "container.type": "containerd", "container.image": info["Image"],
                "container.image.repository": info["Image"].rsplit(":", 1)[0], "container.image.tag": info["Image"].rsplit(":", 1)[1], "container.image.digest": digest,
                "container.labels": ", ".join(f"{k}:{v}" for k, v in sorted(info["Labels"].items())), "container.privileged": False, "k8s.pod.name": None, "k8s.ns.name": None}

    def end(self):
        self.runtime.__exit__()


def judge(got, want):
    """complete, named (all that rules name containers by, but not all), partial, or what is wrong."""
    partial = got["container.metadata"] == "partial"
    bad = {k: (got[k], v) for k, v in want.items() if got[k] != v and not (partial and got[k] is None)}
    if bad:
        return f"wrong: {bad}"
    return "complete" if not partial else "named" if all(got[k] is not None for k in NAMED if want[k] is not None) else "partial"


def measure(work, counts, uids, options=""):
    """@counts: {"docker": n, ...}. What came out, as a dictionary; saker's status of the end in "status"."""
    engines = {"docker": {"enabled": False}, "podman": {"enabled": False}, "cri": {"enabled": False}, "containerd": {"enabled": False}}
    made, busy, saker = [], [], None
    try:
        for of in (OfDocker, OfPodman, OfCri, OfContainerd):
            if counts.get(of.name):
                made.append(of())
                engines[of.name] = {"enabled": True, "sockets": [made[-1].runtime.socket]}
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        with open(f"{work}/saker.yaml", "w") as f:
            json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        saker = Saker("-c", f"{work}/saker.yaml", uids=uids, wait=60)
        for of in made: # all answer before the first container
            end = time.monotonic() + 20
            while time.monotonic() < end and not any("answers" in line and of.runtime.socket in line for line in saker.log):
                time.sleep(0.05)
        busy = [subprocess.Popen(["sh", "-c", "while :; do cat /etc/hostname >/dev/null; done"]) for _ in range(2)]
        result = {}
        for of in made:
            n = counts[of.name]
            before, load = saker.status()["containers"], os.getloadavg()[0]
            began = time.monotonic()
            for i in range(n):
                of.run(i)
            took = time.monotonic() - began
            saker.wait_alert("First", lambda a, of=of, n=n: f"/tmp/{of.name}{n - 1} " in a["output"], seconds=30)
            after = saker.status()["containers"]
            result[of.name] = {"n": n, "seconds": round(took, 1), "load": [round(load, 1), round(os.getloadavg()[0], 1)],
                               "held": after["held"] - before["held"], "held_events": after["held_events"] - before["held_events"]}
        for p in busy:
            p.kill()
            p.wait()
        for of in made:
            verdicts, wrong, missing, late = {}, [], [], []
            for i in range(counts[of.name]):
                a = next((a for a in saker.alerts if f"/tmp/{of.name}{i} " in a["output"]), None)
                if not a:
                    missing.append(i)
                    continue
                v = judge(a["output_fields"], of.want(i))
                if v.startswith("wrong"):
                    wrong.append(f"{of.name}{i} {v}")
                    v = "wrong"
                if v in ("named", "partial"):
                    late.append({"i": i, "no": [k for k in FIELDS.split() if a["output_fields"][k] is None and of.want(i).get(k) is not None]})
                verdicts[v] = verdicts.get(v, 0) + 1
            result[of.name] |= {"verdicts": verdicts, "wrong": wrong, "missing": missing, "late": late,
                                "complete_share": round(verdicts.get("complete", 0) / counts[of.name], 4),
                                "in_time_share": round((verdicts.get("complete", 0) + verdicts.get("named", 0)) / counts[of.name], 4)}
        result["status"] = saker.status()
        result["log"] = saker.log[-20:]
        assert saker.stop() == 0, "status of the end"
        return result
    finally:
        for p in busy:
            p.kill()
        if saker:
            saker.end()
        for of in made:
            of.end()
