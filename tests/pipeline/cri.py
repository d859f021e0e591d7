# SPDX-License-Identifier: Apache-2.0
"""A private containerd with its CRI plugin, and pods in it as a kubelet makes them: host's network, so no CNI is needed."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid

import harness

sys.path.insert(0, os.path.join(harness.TOP, "packaging"))
import oci_image # noqa: E402

NODE = 2 # enum NamespaceMode
UNCONFINED = 1 # enum ProfileType
RUNNING, EXITED = 1, 2 # enum ContainerState
PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
APPLETS = ("sh", "cat", "cp", "ls", "sleep", "true", "id", "sync", "touch")
CONFIG = """version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
  address = "{0}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{0}/cni"
    conf_dir = "{0}/cni.d"
"""


def write_image(out, name, files, links=(), command=None):
    """An image: @files path inside -> path outside."""
    root = oci_image.Root(0)
    for inside, outside in files.items():
        root.file(inside, oci_image.read(outside), 0o755)
    for path, target in links:
        root.link(path, target)
    root.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nweb:x:1234:1234::/:/bin/sh\n")
    root.file("/etc/shadow", b"root:*:1::::::\n", 0o640)
    root.folder("/tmp", 0o1777)
    oci_image.write(out, oci_image.archive(root, name, "2023-11-14T22:13:20Z", command or ["/bin/sh"]), 0)


class Containerd:
    """The daemon, with images `docker.io/local/pause:1` and `docker.io/local/busybox:1`; all its pods end with it."""

    def __init__(self, folder=None):
        for program in ("containerd", "ctr", "runc"):
            if not shutil.which(program):
                harness.skip(f"{program} is not installed")
        self.own_folder = folder is None
        self.dir = folder or tempfile.mkdtemp(prefix="saker-cri-")
        self.socket = f"{self.dir}/containerd.sock"
        self.proc = self.client = None
        self.pods = []

    def __enter__(self):
        os.makedirs(self.dir, exist_ok=True)
        with open(f"{self.dir}/config.toml", "w") as f:
            f.write(CONFIG.format(self.dir))
        self.start()
        subprocess.run(["gcc", "-static", "-O2", "-x", "c", "-o", f"{self.dir}/pause", "-"], input=PAUSE.encode(), check=True)
        self.add_image("docker.io/local/pause:1", {"/pause": f"{self.dir}/pause"}, command=["/pause"])
        self.add_busybox("docker.io/local/busybox:1")
        return self

    def start(self):
        """Also after kill(): the same pods, the same socket."""
        with open(f"{self.dir}/log", "ab") as log:
            self.proc = subprocess.Popen(["containerd", "-c", f"{self.dir}/config.toml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while self.ctr("version").returncode != 0:
            assert time.monotonic() < end and self.proc.poll() is None, f"containerd did not come up, see {self.dir}/log"
            time.sleep(0.1)
        self.client = subprocess.Popen(["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "cri_client.py"), self.socket],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def kill(self, sig=signal.SIGKILL):
        self.proc.send_signal(sig)
        self.proc.wait()
        self.client.kill()
        self.client.wait()

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            for pod in list(self.pods):
                self.remove(pod)
            for namespace in self.ctr("namespaces", "ls", "-q").stdout.split():
                for name in self.ctr("containers", "ls", "-q", namespace=namespace).stdout.split():
                    self.remove_own(name, namespace)
            self.kill(signal.SIGTERM)
        for mounts in reversed(self._mounts()):
            subprocess.run(["umount", "-l", mounts], check=False)
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _mounts(self):
        with open("/proc/self/mounts") as f:
            return [line.split()[1] for line in f if line.split()[1].startswith(self.dir + "/")]

    def ctr(self, *args, namespace="k8s.io"):
        return subprocess.run(["ctr", "-a", self.socket, "-n", namespace, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def load(self, archive, namespace="k8s.io"):
        r = self.ctr("images", "import", "--snapshotter", "native", archive, namespace=namespace)
        assert r.returncode == 0, r.stderr

    def add_image(self, name, files, links=(), command=None, namespace="k8s.io"):
        write_image(f"{self.dir}/image.tar", name, files, links, command)
        self.load(f"{self.dir}/image.tar", namespace)
        os.unlink(f"{self.dir}/image.tar")

    def add_busybox(self, name, namespace="k8s.io"):
        busybox = shutil.which("busybox") or "/bin/busybox"
        self.add_image(name, {"/bin/busybox": busybox}, [("/bin/" + a, "busybox") for a in APPLETS], namespace=namespace)

    def remove_own(self, name, namespace="default"):
        """One that ctr made. What runc keeps of it is outside the daemon's folders, for all daemons."""
        self.ctr("tasks", "kill", "-s", "KILL", name, namespace=namespace)
        end = time.monotonic() + 10
        while self.ctr("containers", "rm", name, namespace=namespace).returncode and time.monotonic() < end:
            self.ctr("tasks", "rm", "-f", name, namespace=namespace)
            time.sleep(0.05)

    def call(self, method, request):
        self.client.stdin.write(json.dumps([method, request]) + "\n")
        self.client.stdin.flush()
        answer = json.loads(self.client.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def run(self, command, name="pod-1", namespace="default", labels=None, image="docker.io/local/busybox:1", container="app", pod=None, config=None):
        """A pod with one started container: {"uid", "sandbox", "container", ...}. @pod, @config: what else its PodConfig and ContainerConfig have."""
        uid = str(uuid.uuid4())
        node = {"namespace_options": {"network": NODE}}
        pod = dict(pod or {})
        linux = {"cgroup_parent": f"/kubepods/besteffort/pod{uid}", "security_context": node, **pod.pop("linux", {})}
        names = {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": uid}
        pod_config = {"metadata": {"name": name, "uid": uid, "namespace": namespace}, "log_directory": f"{self.dir}/logs/{uid}",
                      "labels": {**names, **(labels or {})}, "linux": linux, **pod}
        os.makedirs(pod_config["log_directory"], exist_ok=True)
        sandbox = self.call("RunPodSandbox", {"config": pod_config})["pod_sandbox_id"]
        made = {"name": name, "namespace": namespace, "uid": uid, "sandbox": sandbox, "log": f"{pod_config['log_directory']}/{container}.log"}
        self.pods.append(made)
        container_config = {"metadata": {"name": container}, "image": {"image": image}, "labels": {**names, "io.kubernetes.container.name": container},
                            "log_path": f"{container}.log", "linux": {"security_context": node}, **({"command": command} if command else {}), **(config or {})}
        made["container"] = self.call("CreateContainer", {"pod_sandbox_id": sandbox, "config": container_config, "sandbox_config": pod_config})["container_id"]
        self.call("StartContainer", {"container_id": made["container"]})
        return made

    def state(self, pod):
        return self.call("ContainerStatus", {"container_id": pod["container"]})["status"].get("state", 0)

    def wait_exit(self, pod, seconds=20):
        end = time.monotonic() + seconds
        while self.state(pod) != EXITED:
            assert time.monotonic() < end, f"pod {pod['name']} still runs"
            time.sleep(0.02)

    def exec(self, pod, *command, timeout=20):
        return self.call("ExecSync", {"container_id": pod["container"], "cmd": list(command), "timeout": timeout})

    def remove(self, pod):
        if "container" in pod:
            self.call("StopContainer", {"container_id": pod["container"], "timeout": 10})
            self.call("RemoveContainer", {"container_id": pod["container"]})
        self.call("StopPodSandbox", {"pod_sandbox_id": pod["sandbox"]})
        self.call("RemovePodSandbox", {"pod_sandbox_id": pod["sandbox"]})
        self.pods.remove(pod)
