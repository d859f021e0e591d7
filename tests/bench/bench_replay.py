#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replay of the largest golden capture with the official stable rules: events per second of CPU, all of saker's processes together, from an uncompressed
copy; beside it the same from the gzip file, and what inflating alone costs. Target: 4 million. Argument: runs of each."""
import gzip
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import zlib

import bench

TARGET = 4e6
CAPTURE = os.path.join(os.path.dirname(os.path.dirname(bench.STABLE)), "golden", "mixed1.scap.gz")


def replay(path, socket):
    """Events, seconds of CPU, seconds by the clock."""
    argv = [os.environ["SAKER_BIN"], "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={path}", "-r", bench.STABLE, "-o", f"control.socket={socket}"]
    before, t = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    r = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    took, after = time.monotonic() - t, resource.getrusage(resource.RUSAGE_CHILDREN)
    m = re.search(r"ledger: seen (\d+) = judged \1 \+ in flight 0: balanced", r.stderr)
    if r.returncode or not m:
        sys.exit(f"replay: status {r.returncode}\n{r.stderr}")
    return int(m.group(1)), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def inflate_s(path):
    """CPU of zlib alone, into nothing."""
    with open(path, "rb") as f:
        packed = f.read()
    t = time.process_time()
    d = zlib.decompressobj(47)
    while packed:
        d.decompress(packed, 1 << 17)
        packed = d.unconsumed_tail
    return time.process_time() - t


def measure(path, tmp, n):
    runs = [replay(path, os.path.join(tmp, "s.sock")) for _ in range(n)]
    events = runs[0][0]
    cpu = [r[1] for r in runs]
    return {"events": events, "cpu_s": [round(c, 4) for c in cpu], "wall_s": [round(r[2], 4) for r in runs],
            "events_per_cpu_s": round(events / min(cpu)), "events_per_cpu_s_median": round(events / bench.median(cpu)),
            "ns_per_event": round(min(cpu) * 1e9 / events, 1)}


def main():
    if not os.path.exists(CAPTURE) or not os.path.exists(bench.STABLE):
        bench.skip("no golden captures beside the checkout")
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as tmp:
        plain = os.path.join(tmp, "mixed1.scap")
        with gzip.open(CAPTURE) as f, open(plain, "wb") as to:
            to.write(f.read())
        replay(plain, os.path.join(tmp, "s.sock")) # the file is in the cache from here
        out = {"plain": measure(plain, tmp, n), "gzip": measure(CAPTURE, tmp, n), "inflate_cpu_s": round(min(inflate_s(CAPTURE) for _ in range(3)), 4)}
    out |= {"target_events_per_cpu_s": TARGET, "met": out["plain"]["events_per_cpu_s"] >= TARGET}
    bench.put(out)


if __name__ == "__main__":
    main()
