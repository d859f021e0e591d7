#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of a whole emitter with a large backlog in its spool: while it grows (the server is not there), after a new start over it, and while it is delivered.
Argument: GiB."""
import json
import os
import sys
import tempfile
import time

import bench
from bench_sinks import nginx
from servers import storm, wait_port

TARGET_MIB = 64
ALERT_BYTES_MIN = 200 # in the spool, far less than it is: the events must not be at an end before the backlog is there


def status_of(s):
    st = s.status()
    if not st:
        sys.exit("saker has ended:\n" + "\n".join(s.log[-20:]))
    pid = next(x["pid"] for x in st["stages"] if x["name"] == "emitter-sink")
    return next(o for o in st["outputs"] if o["name"] == "sink"), pid


def memory(pid):
    """Most resident memory so far and now, without what is mapped of the rings (shared with others); rings included."""
    out = {}
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.split(":")[0] in ("VmHWM", "RssAnon", "RssFile", "RssShmem"):
                out[line.split(":")[0]] = round(int(line.split()[1]) / 1024, 1)
    return out


def start(d, port, events, rate):
    o = {"name": "sink", "kind": "http", "format": "json", "spool": {"enabled": True, "max_size": "64GiB"},
         "http": {"url": f"http://127.0.0.1:{port}/in", "batch": "ndjson", "batch_max": 2000, "linger": "20ms", "compression": "none"}}
    args = ["-o", f"engine.synthetic.events={events}"] + (["-o", f"engine.synthetic.rate={rate}"] if rate else [])
    return bench.Saker("-r", storm(d), "-o", "engine.kind=synthetic", *args, "-o", "stdout_output.enabled=false", "-o", f"outputs[]={json.dumps(o)}", uids=bench.UIDS, wait=0,
                       spool=os.path.join(d, "spool"))


def wait(s, done, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if s.status() and done(*status_of(s)):
            return
        time.sleep(0.2)
    sys.exit("it takes too long:\n" + "\n".join(s.log[-20:]))


def main():
    want = int(float(sys.argv[1] if len(sys.argv) > 1 else 10 * bench.SCALE) * (1 << 30))
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as d:
        os.chmod(d, 0o755)
        server, port = nginx(d)
        server.kill()
        began = time.monotonic()
        s = start(d, port, want // ALERT_BYTES_MIN, None)
        wait(s, lambda row, pid: row["spool_bytes"] >= want, 300)
        row, pid = status_of(s)
        growing = memory(pid)
        filled_s = time.monotonic() - began
        s.stop()
        began = time.monotonic()
        s = start(d, port, 100000000, 10)
        wait(s, lambda row, pid: row["in_spool"] > 0, 60)
        opened_s = time.monotonic() - began
        opened, pid = status_of(s)
        again = memory(pid)
        server.start()
        if not wait_port(port, 20, server.proc):
            sys.exit("nginx does not start:\n" + server.log())
        base = opened["delivered"]
        wait(s, lambda row, pid: row["delivered"] >= base + min(2000000, opened["in_spool"] // 2), 120)
        delivering = memory(status_of(s)[1])
        s.stop()
    most = max(x["VmHWM"] for x in (growing, again, delivering))
    bench.put({"backlog_bytes": row["spool_bytes"], "backlog_alerts": opened["in_spool"], "filled_s": round(filled_s, 1), "opened_s": round(opened_s, 2), "growing_mib": growing,
               "opened_mib": again, "delivering_mib": delivering, "most_mib": most, "target_mib": TARGET_MIB, "met": most < TARGET_MIB})


if __name__ == "__main__":
    main()
