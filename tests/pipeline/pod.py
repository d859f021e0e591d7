# SPDX-License-Identifier: Apache-2.0
"""The DaemonSet of packaging/kubernetes as a runtime starts it: its manifest, turned into what a kubelet would ask of runc."""
import glob
import json
import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile

import yaml

import harness

# by number
CAPS = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK "
        "IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE "
        "AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()
FOLDER = os.path.join(harness.TOP, "packaging/kubernetes")


def manifests():
    """(kind, name) -> document, of every manifest in the folder."""
    found = {}
    for path in sorted(glob.glob(f"{FOLDER}/*.yaml")):
        with open(path) as f:
            for doc in yaml.safe_load_all(f):
                found[doc["kind"], doc.get("metadata", {}).get("name", "")] = doc
    return found


def unpack(archive, folder):
    """The root of an image with one layer, and its configuration."""
    with tarfile.open(archive) as t:
        def blob(digest):
            return t.extractfile("blobs/" + digest.replace(":", "/"))
        index = json.load(t.extractfile("index.json"))
        manifest = json.load(blob(index["manifests"][0]["digest"]))
        config = json.load(blob(manifest["config"]["digest"]))
        os.makedirs(folder, exist_ok=True)
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=blob(layer["digest"]), mode="r|gz") as layer_tar:
                layer_tar.extractall(folder)
    return config


def own_caps():
    """What this machine can hand on: a virtual machine may itself lack some."""
    with open("/proc/self/status") as f:
        bits = int(next(l for l in f if l.startswith("CapBnd")).split()[1], 16)
    return {"CAP_" + name for i, name in enumerate(CAPS) if bits >> i & 1}


class Pod:
    """One pod of the DaemonSet. Folders of the host stand in for host paths that only a node has."""

    def __init__(self, archive, texts=None):
        """@texts: key of a ConfigMap -> what stands there instead."""
        self.id = secrets.token_hex(32)
        self.dir = tempfile.mkdtemp(prefix="saker-pod-")
        self.docs = manifests()
        self.texts = texts or {}
        self.image = unpack(archive, f"{self.dir}/rootfs")
        self.spec = self.docs["DaemonSet", "saker"]["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        subprocess.run(["runc", "--root", f"{self.dir}/state", "delete", "-f", self.id], capture_output=True, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _volume(self, name):
        """The host's folder behind a volume."""
        v = next(v for v in self.spec["volumes"] if v["name"] == name)
        folder = f"{self.dir}/volumes/{name}"
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
        if "subPath" in m:
            source = f"{source}/{m['subPath']}"
        return {"destination": m["mountPath"], "type": "bind", "source": source,
                "options": ["bind", "nosuid", "nodev"] + (["ro"] if m.get("readOnly") else ["rw"])}

    def config(self):
        security = self.container["securityContext"]
        assert not security["privileged"] and security["capabilities"]["drop"] == ["ALL"]
        caps = [c for c in ("CAP_" + c for c in security["capabilities"]["add"]) if c in own_caps()]
        env = [f"{e['name']}={e.get('value', 'node-1')}" for e in self.container["env"]]
        namespaces = ["mount", "ipc", "uts", "network"] + ([] if self.spec["hostPID"] else ["pid"])
        # /proc, /dev and /sys as containerd mounts them for a pod
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}]
        return {
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": security["runAsUser"], "gid": security["runAsGroup"]}, "cwd": "/",
                        "args": self.image["config"]["Entrypoint"] + self.container["args"],
                        "env": env + ["TZ=UTC"], "noNewPrivileges": not security["allowPrivilegeEscalation"],
                        "capabilities": {k: caps for k in ("bounding", "effective", "permitted")}},
            "root": {"path": "rootfs", "readonly": security["readOnlyRootFilesystem"]},
            "hostname": "saker-x7f2q",
            "mounts": mounts + [self._mount(m) for m in self.container["volumeMounts"]],
            "linux": {"cgroupsPath": f"/kubepods/burstable/pod{secrets.token_hex(16)}/{self.id}", "namespaces": [{"type": t} for t in namespaces]},
        }

    def argv(self):
        """What runs the pod's container in the foreground."""
        with open(f"{self.dir}/config.json", "w") as f:
            json.dump(self.config(), f)
        return ["runc", "--root", f"{self.dir}/state", "run", "--bundle", self.dir, self.id]

    def exec(self, *args, timeout=20):
        """As the kubelet does for a probe."""
        return subprocess.run(["runc", "--root", f"{self.dir}/state", "exec", self.id, *args], capture_output=True, text=True, timeout=timeout)
