#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An OCI image of a staged saker, made without a container engine: saker's programs and rules, the shared libraries
they load, the certificates of public authorities, nothing else: no shell, no package manager, no other program.

    oci_image.py STAGE OUT.tar [--name NAME:TAG] [--epoch SECONDS]

OUT.tar is an OCI layout and a `docker save` archive in one (one layer, one config), so containerd (`ctr images
import`), Podman and Docker (`load`) take it. The same input gives the same bytes."""
import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LOADER = "/lib64/ld-linux-x86-64.so.2"


def die(why):
    sys.exit(f"oci_image: {why}")


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def libraries(programs):
    """Where the loader finds each library that one of the programs needs -> the file. A library may need others: ldd follows."""
    found = {}
    for p in programs:
        r = subprocess.run(["ldd", p], capture_output=True, text=True)
        if r.returncode != 0:
            die(f"ldd {p}: {r.stderr.strip() or r.stdout.strip()}")
        for line in r.stdout.splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            if "not found" in line:
                die(f"{p} needs {name}, which is not installed")
            if arrow:
                found[rest.split(" (")[0]] = os.path.realpath(rest.split(" (")[0])
    return found


class Root:
    """The tree of the image: path in it -> what is there. Folders are made as needed."""

    def __init__(self, epoch):
        self.epoch, self.entries = epoch, {}

    def folder(self, path, mode=0o755):
        parent = os.path.dirname(path)
        if parent not in ("", "/") and parent not in self.entries:
            self.folder(parent)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self.entries[path] = (info, None)

    def link(self, path, target):
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self.entries[path] = (info, None)

    def file(self, path, data, mode=0o644):
        if os.path.dirname(path) not in self.entries:
            self.folder(os.path.dirname(path))
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode = len(data), mode
        self.entries[path] = (info, data)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
            for path in sorted(self.entries):
                info, data = self.entries[path]
                info.mtime, info.uid, info.gid, info.uname, info.gname = self.epoch, 0, 0, "root", "root"
                t.addfile(info, io.BytesIO(data) if data is not None else None)
        return out.getvalue()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def stripped(path):
    """The program without what only a debugger reads."""
    with tempfile.NamedTemporaryFile() as out:
        r = subprocess.run(["objcopy", "--strip-unneeded", path, out.name], capture_output=True, text=True)
        if r.returncode != 0:
            die(f"objcopy {path}: {r.stderr.strip()}")
        return read(out.name)


def fill(root, stage):
    programs = []

    for lib in ("lib", "lib64", "bin", "sbin"): # as on a merged Debian: the loader's name is fixed at /lib64
        root.folder("/usr/" + lib)
        root.link("/" + lib, "usr/" + lib)
    for top, folders, files in os.walk(stage):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(top, name)
            place = "/usr/" + os.path.relpath(path, stage)
            if is_elf(path):
                programs.append(path)
                root.file(place, stripped(path), 0o755)
            else:
                root.file(place, read(path))
    if not programs:
        die(f"no program in {stage}: build first (scripts/build)")
    for place, real in sorted(libraries(programs).items()):
        # /lib is a link in the image: a member below it would replace the link
        root.file(place if place.startswith("/usr/") else "/usr" + place, read(real), 0o755)
    root.file("/usr" + LOADER, read(LOADER), 0o755)
    if os.path.exists(CERTIFICATES):
        root.file(CERTIFICATES, read(CERTIFICATES))
    root.file("/etc/passwd", b"root:x:0:0:root:/:/usr/sbin/nologin\n")
    root.file("/etc/group", b"root:x:0:\n")
    for path in ("/proc", "/sys", "/dev", "/run/saker", "/host", "/etc/saker/rules.d", "/etc/saker/config.d"):
        root.folder(path)
    root.folder("/var/lib/saker/spool", 0o700)
    root.folder("/tmp", 0o1777)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def archive(root, name, created, command=("/usr/bin/saker",)):
    """The members of OUT.tar: path -> bytes. @command: the image's entry point."""
    layer = root.tar()
    packed = gzip.compress(layer, mtime=0)
    config = as_json({
        "architecture": "amd64", "os": "linux", "created": created,
        "config": {"Entrypoint": list(command), "WorkingDir": "/",
                   "Labels": {"org.opencontainers.image.title": "saker", "org.opencontainers.image.licenses": "Apache-2.0 AND (GPL-2.0 OR BSD-2-Clause)"}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer)]},
        "history": [{"created": created, "created_by": "scripts/image"}]})
    manifest = as_json({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + digest(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + digest(packed), "size": len(packed)}]})
    index = as_json({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + digest(manifest), "size": len(manifest),
                       "platform": {"architecture": "amd64", "os": "linux"},
                       "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}}]})
    blob = "blobs/sha256/"
    return {
        "oci-layout": as_json({"imageLayoutVersion": "1.0.0"}),
        "index.json": index,
        "manifest.json": as_json([{"Config": blob + digest(config), "RepoTags": [name], "Layers": [blob + digest(packed)]}]),
        blob + digest(config): config,
        blob + digest(manifest): manifest,
        blob + digest(packed): packed,
    }


def write(out, members, epoch):
    """Whole or not at all."""
    part = out + ".part"
    with tarfile.open(part, mode="w", format=tarfile.PAX_FORMAT) as t:
        for path, data in members.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o644, epoch
            t.addfile(info, io.BytesIO(data))
    os.replace(part, out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage")
    p.add_argument("out")
    p.add_argument("--name", default="docker.io/library/saker:latest", help="default: %(default)s")
    p.add_argument("--epoch", type=int, default=int(os.environ.get("SOURCE_DATE_EPOCH", "0")), help="time of every file, seconds since 1970")
    a = p.parse_args()
    if ":" not in a.name.rpartition("/")[2]:
        die(f"'{a.name}' has no tag: expected NAME:TAG, as in saker:1")
    root = Root(a.epoch)
    fill(root, a.stage.rstrip("/"))
    created = subprocess.run(["date", "-u", "-d", f"@{a.epoch}", "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, text=True, check=True).stdout.strip()
    write(a.out, archive(root, a.name, created), a.epoch)
    print(f"{a.out}: {a.name}, {os.path.getsize(a.out) / 1048576:.1f} MiB")


if __name__ == "__main__":
    main()
