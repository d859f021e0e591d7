# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: starting saker as the figures want it, CPU time and memory of its processes read from outside, medians.

The machine has other work at times. So every figure that is a difference takes turns (off, on, off, on …) and gives the median, and each result
names the saker processes of others that ran meanwhile: their programs tax every system call too.
"""
import glob
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline"))
from harness import STABLE, TOP, Saker, need_root, skip # noqa: E402,F401

UIDS = int(os.environ.get("SAKER_BENCH_UIDS", "65400"))
SCALE = float(os.environ.get("SAKER_BENCH_SCALE", "1")) # of every duration; below 1 for a quick look
SYSCALL = os.environ.get("SAKER_BENCH_SYSCALL", "")
LOAD = os.environ.get("SAKER_BENCH_LOAD", "")
KERNEL = os.environ.get("SAKER_BENCH_KERNEL", "")
most_others = 0


def median(values):
    return statistics.median(values)


def percent(on, off):
    """Loss of `on` against `off`, per cent."""
    return round(100 * (1 - on / off), 1)


def start(*args, wait=60):
    look_around()
    rules = ["-r", STABLE] if os.path.exists(STABLE) else []
    return Saker(*rules, *args, uids=UIDS, wait=wait)


def run_json(*argv, argv0=None):
    r = subprocess.run(argv, executable=argv0, capture_output=True, text=True)
    if r.returncode == 77:
        skip(r.stdout + r.stderr)
    if r.returncode:
        sys.exit(f"{argv[0]}: status {r.returncode}\n{r.stderr}")
    return json.loads(r.stdout)


def others():
    """saker processes that are not ours."""
    n = 0
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and open(f"/proc/{pid}/comm").read().strip() == "saker" and int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]) != os.getpid():
                n += 1
        except OSError:
            pass
    return n


def look_around():
    global most_others
    most_others = max(most_others, others())


def cpu_ns(status):
    """{stage: nanoseconds of CPU so far}: the kernel's own figure, not the stages'."""
    return {s["name"]: sum(int(open(t).read().split()[0]) for t in glob.glob(f"/proc/{s['pid']}/task/*/schedstat")) for s in status["stages"] if s["pid"]}


def pss(status):
    """{stage: bytes}: rings count once over all that map them."""
    out = {}
    for s in status["stages"]:
        for line in open(f"/proc/{s['pid']}/smaps_rollup") if s["pid"] else ():
            if line.startswith("Pss:"):
                out[s["name"]] = int(line.split()[1]) * 1024
    return out


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = int(open("/proc/meminfo").read().split()[1]) // 1024
    return {"cpus": os.cpu_count(), "model": model, "memory_mib": memory, "kernel": os.uname().release, "load_average": os.getloadavg()[0]}


def put(result):
    look_around()
    result["other_saker"] = most_others # the most that ran at the looks that were taken
    print(json.dumps(result, indent=1))
