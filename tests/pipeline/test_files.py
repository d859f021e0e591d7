#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files: rotated by size and by age, compressed, a bound on those kept; renamed or removed under saker's hands; the operator's signal; a full disk; a killed
emitter; a named pipe. What is in the files, put together, is what is on stdout."""
import glob
import gzip
import json
import os
import signal
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, fail # noqa: E402

UIDS = 64900


def synthetic(block, *more, events=30000, rate=0, args=(), name="f", **kw):
    o = {"name": name, "kind": "file", "format": "json", "include_uuid": False, "spool": {"enabled": False}, "file": block}
    argv = ["-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={events}", "-o", "evaluators=2", "-o", f"outputs[]={json.dumps({**o, **kw})}", *args]
    if rate:
        argv += ["-o", f"engine.synthetic.rate={rate}"]
    return Saker(*argv, *more, uids=UIDS, wait=0)


def end(s):
    s.proc.wait(120)
    status = s.stop()
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-30:]))


def old_of(path):
    """Rotated files, oldest first, without those that are being compressed."""
    return sorted(p for p in glob.glob(path + ".*") if not p.endswith(".part"))


def text_of(path):
    if path.endswith(".gz"):
        with gzip.open(path, "rt") as f:
            return f.read()
    with open(path) as f:
        return f.read()


def lines_of(*paths):
    return "".join(text_of(p) for p in paths).splitlines()


def until(what, seconds=20):
    end_at = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end_at:
            return False
        time.sleep(0.02)
    return True


def by_size(d):
    path = os.path.join(d, "size.jsonl")
    s = synthetic({"path": path, "rotate": {"size": "8KiB", "keep": 1000}}, rate=30000)
    end(s)
    old = old_of(path)
    sizes = [os.path.getsize(p) for p in old + [path]]
    if len(old) < 3 or max(sizes) > 8192 or min(sizes[:-1]) < 4096:
        fail(f"rotated at 8 KiB: {sizes}")
    if lines_of(*old, path) != s.lines:
        fail(f"{len(lines_of(*old, path))} lines in {len(old) + 1} files, {len(s.lines)} on stdout")
    for p in old + [path]:
        if os.stat(p).st_mode & 0o777 != 0o600:
            fail(f"the mode of {p} is {os.stat(p).st_mode & 0o777:o}")
    print(f"by size: {len(s.lines)} alerts in {len(old) + 1} files of at most {max(sizes)} bytes, in order")


def compressed_and_bounded(d):
    path = os.path.join(d, "keep.jsonl")
    for name in ("keep.jsonl.old", "keep.jsonl.20200101T000000.000", "keep.jsonl.20200101T000000.000Z.bak", "other.jsonl.20200101T000000.000Z"):
        open(os.path.join(d, name), "w").close() # looks alike, and is not ours to remove
    s = synthetic({"path": path, "fsync": "batch", "rotate": {"size": "8KiB", "keep": 3, "compress": "gzip"}}, rate=10000, events=40000)
    seen = 0
    while s.proc.poll() is None:
        seen = max(seen, len([p for p in glob.glob(path + ".2*Z*") if not p.endswith(("000Z.bak", ".part"))]))
        time.sleep(0.02)
    end(s)
    for name in ("keep.jsonl.old", "keep.jsonl.20200101T000000.000", "keep.jsonl.20200101T000000.000Z.bak", "other.jsonl.20200101T000000.000Z"):
        if not os.path.exists(os.path.join(d, name)):
            fail(f"{name} was removed")
        os.remove(os.path.join(d, name))
    old = old_of(path)
    # compressing trails behind: a file is there in both forms for a moment
    if not 1 <= len({p.removesuffix(".gz") for p in old}) <= 3 or seen > 6:
        fail(f"3 are kept, but there are {old}; up to {seen} on the way")
    zipped = [p for p in old if p.endswith(".gz")]
    if not zipped:
        fail(f"none of {old} is compressed")
    got = lines_of(*old, path)
    if s.lines[-len(got):] != got:
        fail(f"the {len(got)} lines that were kept are not the last ones of stdout")
    print(f"compressed: {len(zipped)} of {len(old)} kept, {len(got)} of {len(s.lines)} lines, the last ones")
    # what was left uncompressed is compressed by the next run
    s = synthetic({"path": path, "rotate": {"size": "1GiB", "keep": 3, "compress": "gzip"}}, events=10000, rate=3000)
    if not until(lambda: old_of(path) and all(p.endswith(".gz") for p in old_of(path))):
        fail(f"the next run left {old_of(path)}")
    end(s)


def by_age(d):
    path = os.path.join(d, "age.jsonl")
    s = synthetic({"path": path, "fsync": "never", "rotate": {"age": "1s", "keep": 50}}, events=30000, rate=7500)
    end(s)
    old = old_of(path)
    if not 2 <= len(old) <= 6 or lines_of(*old, path) != s.lines:
        fail(f"4 s by the second: {len(old)} files, {len(lines_of(*old, path))} lines of {len(s.lines)}")
    print(f"by age: {len(old) + 1} files, {len(s.lines)} lines")


def moved_and_removed(d):
    path, aside = os.path.join(d, "moved.jsonl"), os.path.join(d, "moved.1")
    s = synthetic({"path": path}, rate=5000, events=30000)
    if not until(lambda: os.path.exists(path) and os.path.getsize(path) > 0):
        fail("no file")
    os.rename(path, aside)
    if not until(lambda: os.path.exists(path) and os.path.getsize(path) > 0):
        fail("renamed: no new file came\n" + "\n".join(s.log))
    # hold the removed one, so that what is in it can be seen
    with open(path) as gone:
        os.remove(path)
        if not until(lambda: os.path.exists(path) and os.path.getsize(path) > 0):
            fail("removed: no new file came\n" + "\n".join(s.log))
        end(s)
        got = lines_of(aside) + gone.read().splitlines() + lines_of(path)
    if got != s.lines:
        fail(f"{len(got)} lines in three files, {len(s.lines)} on stdout")
    if sum("it was renamed or removed" in line for line in s.log) != 2:
        fail("the log says nothing of it:\n" + "\n".join(s.log))
    print(f"renamed, then removed, without a signal: {len(got)} lines, none lost")


def by_signal(d):
    """What stands behind a symbolic link changes: nothing tells of it but the operator."""
    link, one, two = (os.path.join(d, n) for n in ("link.jsonl", "one.jsonl", "two.jsonl"))
    os.symlink(one, link)
    s = synthetic({"path": link}, rate=5000, events=30000)
    if not until(lambda: os.path.exists(one) and os.path.getsize(one) > 0):
        fail("no file")
    os.symlink(two, link + ".new")
    os.rename(link + ".new", link)
    s.proc.send_signal(signal.SIGUSR1)
    if not until(lambda: os.path.exists(two) and os.path.getsize(two) > 0):
        fail("SIGUSR1: nothing came to the other file\n" + "\n".join(s.log))
    end(s)
    if lines_of(one, two) != s.lines:
        fail(f"{len(lines_of(one, two))} lines, {len(s.lines)} on stdout")
    if not any("file of output 'f' reopened" in line for line in s.log):
        fail("the log says nothing of it:\n" + "\n".join(s.log))
    print("SIGUSR1: all lines in the two files")


def full_disk(d):
    if os.getuid() != 0:
        return
    small = os.path.join(d, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", small], capture_output=True).returncode:
        print("full disk: no mount here")
        return
    try:
        path = os.path.join(small, "a.jsonl")
        s = synthetic({"path": path, "fsync": "batch", "rotate": {"size": "1MiB"}}, rate=4000, events=24000)
        if not until(lambda: any("No space left" in line for line in s.log)):
            fail("nothing was said of the full disk:\n" + "\n".join(s.log))
        n = len(s.lines)
        if not until(lambda: len(s.lines) > n + 10):
            fail("stdout stands still while the file waits")
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        end(s)
        if lines_of(path) != s.lines:
            fail(f"{len(lines_of(path))} lines in the file, {len(s.lines)} on stdout")
        print(f"full disk: waited for, then all {len(s.lines)} lines whole")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def killed(d):
    path = os.path.join(d, "killed.jsonl")
    s = synthetic({"path": path, "rotate": {"size": "8KiB", "keep": 1000}}, rate=10000, events=60000, include_uuid=True)
    n = 0
    while s.proc.poll() is None and n < 5:
        x = next((x for x in (s.status() or {"stages": []})["stages"] if x["name"] == "emitter-f" and x["state"] == "running"), None)
        if x and x["pid"]:
            os.kill(x["pid"], signal.SIGKILL)
            n += 1
        time.sleep(0.4)
    end(s)
    whole = [json.loads(x) for x in lines_of(*old_of(path), path) if x.startswith("{") and x.endswith("}")]
    ids = [a["uuid"] for a in whole]
    if n < 3 or len(set(ids)) != len(s.lines):
        fail(f"{n} kills: {len(set(ids))} different alerts in the files, {len(s.lines)} on stdout")
    print(f"{n} kills of the emitter between rotations: none of {len(s.lines)} missing, {len(ids) - len(set(ids))} twice")


def named_pipe(d):
    path, got = os.path.join(d, "fifo"), []
    os.mkfifo(path)

    def read():
        with open(path) as f:
            got.extend(f.read().splitlines())
    t = threading.Thread(target=read, daemon=True)
    t.start()
    s = synthetic({"path": path})
    end(s)
    t.join(20)
    if got != s.lines:
        fail(f"named pipe: {len(got)} lines, {len(s.lines)} on stdout")
    print("a named pipe has them too")


def refused(d):
    """What cannot be: said at once, with the name."""
    target = os.path.join(d, "target")
    open(target, "w").close()
    os.symlink(target, os.path.join(d, "l.jsonl"))
    for block, want in (({"path": os.path.join(d, "l.jsonl"), "rotate": {"size": "64KiB"}}, "Too many levels of symbolic links"),
                        ({"path": os.path.join(d, "no/such/folder")}, "No such file or directory")):
        s = synthetic(block)
        if s.proc.wait(30) != 1:
            fail(f"{block}: status {s.proc.returncode}")
        s.stop()
        if not any(want in line and block["path"] in line for line in s.log):
            fail(f"{block}: " + "\n".join(s.log))
    for block, want in (({"path": "/x", "rotate": {"keep": 3}}, "'file.rotate' needs 'size' or 'age'"),
                        ({"path": "/x", "rotate": {"size": "1KiB"}}, "a file is rotated at 4 KiB or more"),
                        ({"path": "/x", "rotate": {"age": "10ms"}}, "a file is rotated after 1 s or more"),
                        ({"path": "/x", "rotate": {"size": "1MiB", "compress": "gzi"}}, "gzip"),
                        ({"path": "/x", "rotate": {"size": "1MiB", "kep": 3}}, "keep")):
        o = {"name": "f", "kind": "file", "file": block}
        r = subprocess.run([SAKER, "--dry-run", "-o", f"outputs[]={json.dumps(o)}"], capture_output=True, text=True, timeout=60)
        if r.returncode != 1 or want not in r.stderr:
            fail(f"{block}: status {r.returncode}, {r.stderr}")
    print("what cannot be is refused in one line")


def main():
    names = sys.argv[1:]
    for f in (by_size, compressed_and_bounded, by_age, moved_and_removed, by_signal, full_disk, killed, named_pipe, refused):
        if names and f.__name__ not in names:
            continue
        d = tempfile.mkdtemp(prefix="saker-files-")
        os.chmod(d, 0o755)
        f(d)
        shutil.rmtree(d)


main()
