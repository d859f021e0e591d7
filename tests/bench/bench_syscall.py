#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an uninteresting system call (getpid) costs with saker attached, over an empty tp_btf/sys_exit program attached alone. The two take turns; the
figure is the median of the differences. Target: 15 ns. Argument: rounds."""
import sys

import bench

LIMIT_NS = 15


def measure(*args):
    return bench.run_json(bench.SYSCALL, *args)


def one_round():
    before = measure("--empty")
    s = bench.start()
    with_saker = measure()
    s.stop()
    after = measure("--empty")
    return {"nothing": measure(), "empty": {k: min(before[k], after[k]) for k in ("getpid_ns", "open_close_ns")}, "saker": with_saker,
            "drift_ns": round(abs(before["getpid_ns"] - after["getpid_ns"]), 1)}


def main():
    bench.need_root()
    rounds = [one_round() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 7)]
    out = {"rounds": rounds}
    for what in ("nothing", "empty", "saker"):
        out[what] = {"ns_per_event": bench.median(r[what]["getpid_ns"] for r in rounds),
                     "open_close_ns": bench.median(r[what]["open_close_ns"] for r in rounds)}
        out[what]["events_per_s"] = round(1e9 / out[what]["ns_per_event"])
    out["over_empty_ns"] = round(bench.median(r["saker"]["getpid_ns"] - r["empty"]["getpid_ns"] for r in rounds), 1)
    out["of_empty"] = round(out["saker"]["ns_per_event"] / out["empty"]["ns_per_event"], 3)
    out["target_over_empty_ns"] = LIMIT_NS
    out["met"] = out["over_empty_ns"] <= LIMIT_NS
    bench.put(out)


if __name__ == "__main__":
    main()
