#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The snapshot at start: how much later comes the first alert when there are 2,000 more processes with 20,000 descriptors? Events wait until the
state is there, so what the snapshot takes is the difference. Starts take turns (without, with, without …); the figure is the difference of the medians.
Beside it: what reading the same from /proc takes (one pass over stat, status, cmdline, environ, cgroup and the links of fd). Arguments: processes,
descriptors of each, starts of each kind."""
import os
import subprocess
import sys
import time

import bench

LIMIT_S = 0.3
PROCS = os.environ.get("SAKER_BENCH_PROCS", "")


def first_alert():
    reader = subprocess.Popen([sys.executable, "-c", "import time\nwhile 1:\n open('/etc/shadow').close()\n time.sleep(.002)"])
    try:
        args = ["-r", bench.STABLE] if os.path.exists(bench.STABLE) else []
        s = bench.Saker("-v", *args, uids=bench.UIDS, wait=0)
        with s.cond:
            s.cond.wait_for(lambda: s.first_alert is not None or s.proc.poll() is not None, 60)
        if s.first_alert is None:
            sys.exit("no alert came:\n" + "\n".join(s.log))
        took = s.first_alert - s.started
        threads = next((st.get("threads", 0) for st in s.status()["stages"] if st["name"] == "tracker"), 0)
    finally:
        reader.kill()
        reader.wait()
    s.stop()
    return took, threads


def walk_proc():
    """Seconds for one pass over /proc, and the descriptors found."""
    n, t = 0, time.monotonic()
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        for name in ("stat", "status", "cmdline", "environ", "cgroup"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    f.read()
            except OSError:
                pass
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in fds:
            try:
                os.readlink(f"/proc/{pid}/fd/{fd}")
                n += 1
            except OSError:
                pass
    return time.monotonic() - t, n


def main():
    bench.need_root()
    n = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else 2000
    fds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    starts = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    without, with_, walks, found, threads = [], [], [], 0, 0
    for _ in range(starts):
        without.append(first_alert()[0])
        procs = subprocess.Popen([PROCS, str(n), str(fds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if procs.stdout.readline() != "ready\n":
                bench.skip(f"cannot make {n} processes")
            took, threads = first_alert()
            with_.append(took)
            took, found = walk_proc()
            walks.append(took)
        finally:
            procs.stdin.close()
            procs.wait()
        time.sleep(0.3) # until the children are gone
    more = bench.median(with_) - bench.median(without)
    bench.put({"processes": n, "descriptors": n * fds, "without_s": [round(x, 4) for x in without], "with_s": [round(x, 4) for x in with_],
               "snapshot_s": round(more, 4), "proc_walk_s": round(bench.median(walks), 4), "proc_walk_descriptors": found, "threads_known": threads,
               "ratio_to_proc_walk": round(more / bench.median(walks), 3), "target_s": LIMIT_S, "met": more < LIMIT_S})


if __name__ == "__main__":
    main()
