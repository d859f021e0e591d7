# SPDX-License-Identifier: Apache-2.0
"""The image of scripts/image and the DaemonSet of packaging/kubernetes: made twice the bytes are the same; in a real
pod (containerd's CRI) with that manifest's capabilities, mounts and namespaces, and nothing more, saker detects what happens on the host."""
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile

import cri
import harness
import pod

SHIPPED = "Password or privilege file read"
MARKED = "/usr/share/common-licenses/GPL-2"
NAME = "docker.io/local/saker:test"
MINE = f"""
- rule: Marked file
  desc: read by a user that the host alone knows
  condition: evt.type in (open, openat) and fd.name = {MARKED} and user.name = daemon
  output: read (user=%user.name)
  priority: NOTICE
- rule: In a pod
  desc: what a pod of the node does
  condition: evt.type in (open, openat) and fd.name = /tmp/pod-marker and container.id != host
  output: read (pod=%k8s.pod.name ns=%k8s.ns.name image=%container.image.repository)
  priority: NOTICE
"""


def build(folder, name):
    out = f"{folder}/{name}.tar"
    stage = os.path.dirname(os.path.dirname(harness.SAKER))
    r = subprocess.run([sys.executable, f"{harness.TOP}/packaging/oci_image.py", stage, out, "--name", NAME, "--epoch", "1700000000"],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stderr
    return out


def test_archive(archive, again):
    with open(archive, "rb") as a, open(again, "rb") as b:
        assert a.read() == b.read(), "the same tree gave two images"
    with tarfile.open(archive) as t:
        names = t.getnames()
        for n in names:
            if n.startswith("blobs/"):
                assert hashlib.sha256(t.extractfile(n).read()).hexdigest() == os.path.basename(n), n
        docker = json.load(t.extractfile("manifest.json"))[0]
        assert docker["RepoTags"] == [NAME] and docker["Config"] in names and docker["Layers"][0] in names
    print("image: same bytes twice, every blob by its digest, OCI and docker names in one")


def test_name_refused(folder):
    r = subprocess.run([sys.executable, f"{harness.TOP}/packaging/oci_image.py", folder, f"{folder}/x.tar", "--name", "saker"], capture_output=True, text=True,
                       check=False)
    assert r.returncode == 1 and "has no tag" in r.stderr and not os.path.exists(f"{folder}/x.tar"), r.stderr
    r = subprocess.run([sys.executable, f"{harness.TOP}/packaging/oci_image.py", folder, f"{folder}/x.tar"], capture_output=True, text=True, check=False)
    assert r.returncode == 1 and "build first" in r.stderr, r.stderr
    print("image: a name without a tag and an empty tree are refused")


def test_manifests():
    docs = pod.manifests()
    spec = docs["DaemonSet", "saker"]["spec"]["template"]["spec"]
    security = spec["containers"][0]["securityContext"]
    assert security["privileged"] is False and "SYS_ADMIN" not in security["capabilities"]["add"]
    assert spec["automountServiceAccountToken"] is False and docs["ServiceAccount", "saker"]["automountServiceAccountToken"] is False
    assert not [k for k, _ in docs if k in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")], "it asks the API server nothing"
    volumes = {v["name"] for v in spec["volumes"]}
    assert {m["name"] for m in spec["containers"][0]["volumeMounts"]} == volumes
    for key in ("saker-config", "saker-rules"):
        assert ("ConfigMap", key) in docs, key
    for resource in docs["Kustomization", ""]["resources"]:
        assert os.path.exists(f"{pod.FOLDER}/{resource}"), resource
    print("manifests: not privileged, no role, no token, every mount has its volume")


def test_pod(archive):
    with cri.Containerd() as containerd:
        containerd.load(archive)
        # the node's runtime, where the manifest mounts it
        with pod.Pod(containerd, NAME, {"local_rules.yaml": MINE}, {"containerd": containerd.dir}) as p:
            status = p.wait_detecting()
            with open("/etc/shadow", encoding="utf-8"):
                pass
            a = p.wait_alert(SHIPPED, lambda a: a["output_fields"].get("fd.name") == "/etc/shadow" and a["output_fields"]["container.id"] == "host")
            assert a["hostname"] == "node-1" and a["output_fields"]["user.name"] == "root", a
            # the image's own table of users knows root alone
            subprocess.run(["setpriv", "--reuid=daemon", "--clear-groups", "cat", MARKED], stdout=subprocess.DEVNULL, check=True)
            p.wait_alert("Marked file")
            web = containerd.run(["/bin/sh", "-c", "sleep 0.3; echo > /tmp/pod-marker; sleep 100"], name="web", namespace="shop")
            a = p.wait_alert("In a pod", lambda a: a["output_fields"]["k8s.pod.name"] == "web")
            assert a["output_fields"]["k8s.ns.name"] == "shop" and a["output_fields"]["container.image.repository"] == "docker.io/local/busybox", a
            containerd.remove(web)
            seals = {row["name"]: row["seal"] for row in status["stages"]}
            assert set(seals.values()) == {"container"}, seals
            uids = [row["uid"] for row in status["stages"] if row["name"] != "supervisor"]
            assert 0 not in uids and len(set(uids)) == len(uids), uids
            assert p.exec("/usr/bin/saker", "status")[0] == 0, "the readiness probe"
            p.stop()
            lines = p.log()[1]
            assert any("balanced" in line for line in lines) and not any("not balanced" in line for line in lines), lines
    print(f"pod: in a pod of the DaemonSet it detects what the host does ({len(seals)} processes, a uid each); stopped by the runtime, its ledger balances")


def main():
    with tempfile.TemporaryDirectory(prefix="saker-image-") as d:
        archive = build(d, "a")
        test_archive(archive, build(d, "b"))
        test_name_refused(f"{d}")
        test_manifests()
        harness.need_root()
        test_pod(archive)


main()
