#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers that their cgroups alone tell of: each engine's, in a hierarchy of v1, in v2's and in all of them; and without the engine, which makes them the host. Real cgroups and processes, no runtime."""
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, expect, expect_balanced, need_root, skip  # noqa: E402

UIDS = 68200
ROOT = "/sys/fs/cgroup"
DASH = "\\x2d" # as systemd writes it
RULES = """
- rule: Executed
  desc: what was run in a cgroup of the test
  condition: evt.type in (execve, execveat) and proc.name = cat and proc.cmdline contains saker-engines
  output: "%proc.cmdline | %container.id %container.full_id %container.name %container.type %container.image %container.metadata %container.privileged"
  priority: WARNING
"""
HOST = {"container.id": "host", "container.full_id": "host", "container.name": "host", "container.type": "host", "container.image": "", "container.metadata": "host", "container.privileged": False}


def shapes():
    """{how a host's cgroups can be: the hierarchies in which a container has its own}. In each of them the paths in the others are the host's."""
    if os.path.exists(f"{ROOT}/cgroup.procs"):
        return {"v2": [ROOT]}
    v1 = [f"{ROOT}/{c}" for c in ("memory", "cpu", "blkio") if os.path.exists(f"{ROOT}/{c}/cgroup.procs")]
    v2 = [r for r in (f"{ROOT}/unified",) if os.path.exists(f"{r}/cgroup.procs")]
    found = {"v1": v1[:1], "v1 but for memory": v1[1:2], "v2 of a hybrid host": v2, "all": v1 + v2}
    return {k: v for k, v in found.items() if v}


def named(name, kind):
    return {"container.id": name, "container.full_id": name, "container.name": "", "container.type": kind, "container.image": "", "container.metadata": "complete", "container.privileged": False}


def asked(name):
    """Of a runtime that is not there: its id alone."""
    return {"container.id": name[:12], "container.full_id": None, "container.name": None, "container.type": None, "container.image": None, "container.metadata": "partial", "container.privileged": None}


def layouts():
    """(the engine, its cgroup, what alerts say)."""
    n, h = f"saker{secrets.token_hex(6)}", secrets.token_hex(32)
    yield "lxc", f"lxc/{n}l", named(f"{n}l", "lxc")
    yield "lxc", f"lxc.payload.{n}p/init.scope", named(f"{n}p", "lxc")
    yield "lxc", f"libvirt/lxc/{n}v", named(f"{n}v", "lxc")
    yield "libvirt_lxc", f"machine/{n}.libvirt-lxc", named(n, "libvirt-lxc")
    yield "libvirt_lxc", f"machine.slice/machine-lxc{DASH}7{DASH}{n}.scope", named(f"7{DASH}{n}", "libvirt-lxc")
    yield "bpm", f"bpm-{n}", named(n, "bpm")
    yield "bpm", f"system.slice/runc-bpm-{n}r.scope", named(f"{n}r", "bpm")
    yield "systemd_nspawn", f"machine.slice/systemd-nspawn@{n}s.service/payload", named(f"{n}s", "systemd-nspawn")
    yield "systemd_nspawn", f"machine.slice/machine-{n}m.scope", named(f"{n}m", "systemd-nspawn")
    yield "containerd", f"default/{n}", asked(n)
    yield "podman", f"libpod_parent/libpod-{h}", asked(h)
    yield "cri", f"kubepods/besteffort/pod{n}/crio-{h[::-1]}", asked(h[::-1])
    yield "docker", f"saker-engines/{h[1:]}0", asked(f"{h[1:]}0")
    yield "", f"machine.slice/machine-{n}w.scope/supervisor", HOST
    yield "", f"machine.slice/machine-qemu{DASH}1{DASH}{n}.scope", HOST
    yield "", f"system.slice/{n}.service", HOST


class Cgroups:
    def __init__(self):
        self.made = []

    def make(self, path):
        parts = path.split("/")
        for i in range(len(ROOT.split("/")), len(parts) + 1):
            p = "/".join(parts[:i])
            if not os.path.isdir(p):
                os.mkdir(p)
                self.made.append(p)

    def close(self):
        for p in sorted(self.made, key=len, reverse=True):
            for _ in range(200): # its last process is still leaving
                try:
                    os.rmdir(p)
                    break
                except OSError:
                    time.sleep(0.01)
        self.made = []


def run(work, off, of_engine):
    """All layouts in all shapes while those engines are off. @of_engine: (engine, cgroup, what is said with all engines) -> what is to be said."""
    engines = {e: {"enabled": True, "sockets": [f"{work}/nobody.sock"]} for e in ("docker", "podman", "cri")}
    engines |= {e: {"enabled": False} for e in off}
    with open(f"{work}/saker.yaml", "w") as f:
        json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
    cgroups, wanted = Cgroups(), {}
    s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
    try:
        for shape, roots in shapes().items():
            for engine, path, says in layouts():
                key = f"/etc/saker-engines/{secrets.token_hex(8)}"
                wanted[key] = (shape, path, of_engine(engine, path, says))
                for r in roots:
                    cgroups.make(f"{r}/{path}")
                moves = "".join(f"echo 0 >'{r}/{path}/cgroup.procs' || exit 9; " for r in roots)
                done = subprocess.run(["sh", "-c", f"{moves} exec cat {key}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                expect(done.returncode == 1, f"{shape}: the cgroup {path} takes no process")
        for key, (shape, path, says) in wanted.items():
            a = s.wait_alert("Executed", lambda a: key in a["output"])
            expect(a, f"{shape}, off {off}: no alert of {path}\n" + "\n".join(s.log[-20:]))
            bad = {k: (a["output_fields"][k], v) for k, v in says.items() if a["output_fields"][k] != v}
            expect(not bad, f"{shape}, off {off}: {path}: (is, should be) {bad}")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
    finally:
        cgroups.close()
    print(f"off {off}: {len(wanted)} cgroups, {', '.join(shapes())}")


def main():
    need_root()
    if not shapes():
        skip("no cgroup file system")
    work = tempfile.mkdtemp(prefix="saker-test-engines-")
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        run(work, [], lambda engine, path, says: says)
        everything = ["docker", "podman", "cri", "containerd", "lxc", "libvirt_lxc", "bpm", "systemd_nspawn"]
        run(work, everything, lambda engine, path, says: HOST)

        # without docker its containers look as CRI's do; without lxc libvirt's as libvirt's
        def some(engine, path, says):
            if path.startswith("libvirt/lxc/"):
                return says | {"container.type": "libvirt-lxc"}
            return HOST if engine in ("podman", "lxc", "bpm") else says
        run(work, ["docker", "podman", "lxc", "bpm"], some)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("engines: all good")


if __name__ == "__main__":
    main()
