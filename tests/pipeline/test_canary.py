#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Detection that went blind without anybody ending: capture is switched off in the kernel's map behind saker's back. The canary stays away, which is reported within
five seconds, the collector is replaced, and detection works again."""
import ctypes
import mmap
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, SANITIZED, fail, need_root # noqa: E402

SYS_BPF = 321
MAP_GET_NEXT_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 12, 14, 15
ENABLED_AT = 1024 # struct kshm_interest: after the bytes by event type
libc = ctypes.CDLL(None, use_errno=True)


def bpf(cmd, attr):
    return libc.syscall(SYS_BPF, cmd, attr, len(attr))


def maps_named(name):
    """Descriptors of all maps of that name (the kernel keeps 15 bytes of it)."""
    at, out = 0, []
    while True:
        attr = ctypes.create_string_buffer(struct.pack("=III", at, 0, 0), 12)
        if bpf(MAP_GET_NEXT_ID, attr) < 0:
            return out
        at = struct.unpack("=III", attr.raw)[1]
        attr = ctypes.create_string_buffer(struct.pack("=III", at, 0, 0), 12)
        fd = bpf(MAP_GET_FD_BY_ID, attr)
        if fd < 0:
            continue
        info = ctypes.create_string_buffer(88)
        attr = ctypes.create_string_buffer(struct.pack("=IIQ", fd, len(info), ctypes.addressof(info)), 16)
        if bpf(OBJ_GET_INFO_BY_FD, attr) == 0 and info.raw[24:40].split(b"\0")[0] == name.encode()[:15]:
            out.append((fd, struct.unpack_from("=I", info.raw, 12)[0]))
        else:
            os.close(fd)


def switch_off(pid):
    """In the map whose list of saker's own processes begins with that supervisor."""
    for fd, size in maps_named("saker_interest"):
        with mmap.mmap(fd, -(-size // 4096) * 4096) as m:
            if struct.unpack_from("=I", m, ENABLED_AT + 8 + 64 * 4)[0] == pid:
                struct.pack_into("=I", m, ENABLED_AT, 0)
                return True
    return False


def sees_shadow(s, seconds):
    before = len(s.alerts)
    subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=False)
    return s.wait_alert(None, lambda a: "/etc/shadow" in a["output"], seconds=seconds, after=before)


def collector(s):
    return next(x for x in s.status()["stages"] if x["name"] == "collector")


def main():
    need_root()
    s = Saker(uids=65600, wait=60)
    time.sleep(4)
    if collector(s)["restarts"] != 0 or not sees_shadow(s, 5):
        fail("a healthy run does not stay as it is\n" + "\n".join(s.log[-20:]))
    if not switch_off(s.proc.pid):
        fail("the map was not found")
    t = time.monotonic()
    limit = 25 if SANITIZED else 5
    while time.monotonic() - t < limit and not any("canary" in line for line in s.log):
        time.sleep(0.05)
    noticed = time.monotonic() - t
    if not any("canary" in line for line in s.log):
        fail(f"nothing was noticed in {limit} s\n" + "\n".join(s.log[-20:]))
    while time.monotonic() - t < 2 * limit and (collector(s)["restarts"] == 0 or collector(s)["state"] != "running"):
        time.sleep(0.1)
    if not sees_shadow(s, 5):
        fail("detection did not come back\n" + "\n".join(s.log[-20:]))
    status = s.stop()
    print("\n".join(s.log[-10:]))
    if status != 0 or not any("balanced" in line and "not balanced" not in line for line in s.log):
        fail(f"the end: status {status}")
    print(f"blindness noticed after {noticed:.1f} s, detecting again")


main()
