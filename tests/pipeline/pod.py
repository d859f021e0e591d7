# SPDX-License-Identifier: Apache-2.0
"""The DaemonSet of packaging/kubernetes as a node starts it: its manifest, turned into what a kubelet asks of the runtime (cri.py)."""
import glob
import json
import os
import shutil
import tempfile
import time

import yaml

import cri
import harness

FOLDER = os.path.join(harness.TOP, "packaging/kubernetes")
# by number
CAPS = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK "
        "IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE "
        "AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()


def manifests():
    """(kind, name) -> document, of every manifest in the folder."""
    found = {}
    for path in sorted(glob.glob(f"{FOLDER}/*.yaml")):
        with open(path) as f:
            for doc in yaml.safe_load_all(f):
                found[doc["kind"], doc.get("metadata", {}).get("name", "")] = doc
    return found


def own_caps():
    """What this machine can hand on: a virtual machine may itself lack some."""
    with open("/proc/self/status") as f:
        bits = int(next(l for l in f if l.startswith("CapBnd")).split()[1], 16)
    return {name for i, name in enumerate(CAPS) if bits >> i & 1}


class Pod:
    """One pod of the DaemonSet. Folders of the test stand in for host paths that only a node has."""

    def __init__(self, containerd, image, texts=None, paths=None):
        """@texts: key of a ConfigMap -> what stands there instead. @paths: volume -> folder of the host instead of the manifest's."""
        self.containerd = containerd
        self.dir = tempfile.mkdtemp(prefix="saker-pod-")
        self.docs = manifests()
        self.image, self.texts, self.paths = image, texts or {}, paths or {}
        self.spec = self.docs["DaemonSet", "saker"]["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.pod = None

    def __enter__(self):
        spec = {"linux": {"security_context": {"namespace_options": self._namespaces()}}}
        self.pod = self.containerd.run(self.container["args"], name="saker-x7f2q", namespace="saker", image=self.image, container="saker", pod=spec,
                                       config=self._config())
        return self

    def __exit__(self, *exc):
        if self.pod in self.containerd.pods:
            self.containerd.remove(self.pod)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _namespaces(self):
        return {"network": cri.NODE, "pid": cri.NODE if self.spec["hostPID"] else 0} # the pod's own network would need CNI

    def _volume(self, name):
        """The host's folder behind a volume."""
        v = next(v for v in self.spec["volumes"] if v["name"] == name)
        folder = self.paths.get(name, f"{self.dir}/{name}")
        if v.get("hostPath", {}).get("type") == "Directory":
            return v["hostPath"]["path"]
        os.makedirs(folder, exist_ok=True)
        if "configMap" in v:
            for key, text in self.docs["ConfigMap", v["configMap"]["name"]]["data"].items():
                with open(f"{folder}/{key}", "w") as f:
                    f.write(self.texts.get(key, text))
        return folder

    def _mount(self, m):
        source = self._volume(m["name"])
        return {"container_path": m["mountPath"], "host_path": f"{source}/{m['subPath']}" if "subPath" in m else source, "readonly": bool(m.get("readOnly"))}

    def _config(self):
        security = self.container["securityContext"]
        assert security["seccompProfile"]["type"] == "Unconfined"
        return {
            "command": [], # the image's
            "args": self.container["args"],
            "envs": [{"key": e["name"], "value": e.get("value", "node-1")} for e in self.container["env"]] + [{"key": "TZ", "value": "UTC"}],
            "mounts": [self._mount(m) for m in self.container["volumeMounts"]],
            "linux": {"security_context": {
                "capabilities": {"add": [c for c in security["capabilities"]["add"] if c in own_caps()], "drop": security["capabilities"]["drop"]},
                "privileged": security["privileged"], "namespace_options": self._namespaces(),
                "run_as_user": {"value": security["runAsUser"]}, "run_as_group": {"value": security["runAsGroup"]},
                "readonly_rootfs": security["readOnlyRootFilesystem"], "no_new_privs": not security["allowPrivilegeEscalation"],
                "seccomp": {"profile_type": cri.UNCONFINED}}},
        }

    def log(self):
        """(alerts, other lines): what `kubectl logs` would show. A line of the file: time, stream, F or P, text."""
        alerts, lines = [], []
        with open(self.pod["log"]) as f:
            rows = [line.rstrip("\n").split(" ", 3) for line in f]
        for row in rows:
            if row[1] == "stdout" and row[3].startswith("{"): # what follows the last alert is the summary
                alerts.append(json.loads(row[3]))
            else:
                lines.append(row[3])
        return alerts, lines

    def wait_alert(self, rule, check=lambda a: True, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for a in self.log()[0]:
                if a["rule"] == rule and check(a):
                    return a
            time.sleep(0.1)
        raise AssertionError(f"no alert of '{rule}':\n" + "\n".join(self.log()[1]) + "\n".join(a["output"] for a in self.log()[0]))

    def exec(self, *args):
        """(exit code, standard output), as a probe runs it."""
        r = self.containerd.exec(self.pod, *args)
        return r.get("exit_code", 0), r.get("stdout", "")

    def wait_detecting(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.containerd.state(self.pod) == cri.RUNNING:
            text = self.exec("/usr/bin/saker", "status", "--json")[1]
            if text.startswith("{") and json.loads(text)["state"] == "detecting":
                return json.loads(text)
            time.sleep(0.1)
        raise AssertionError("saker did not come up in its pod:\n" + "\n".join(self.log()[1]))

    def stop(self):
        """SIGTERM, as the kubelet sends it; the log is kept until the end."""
        self.containerd.call("StopContainer", {"container_id": self.pod["container"], "timeout": self.spec["terminationGracePeriodSeconds"]})
