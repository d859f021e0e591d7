#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outputs at the speed of their sinks: alerts wait in a spool while the server is away, then it comes, and how fast they are delivered is the figure; for Kafka against a
bare librdkafka loop with the same settings, for HTTP to nginx. And the way of one alert, live: system call to Kafka's acknowledgement. Argument: kafka | http | latency."""
import json
import os
import subprocess
import sys
import tempfile
import time

import bench
from servers import Certificates, Kafka, Process, free_port, need, storm, wait_port # noqa: E402

N = int(600000 * bench.SCALE)
CACHE = os.environ.get("SAKER_TEST_CACHE", os.path.join(tempfile.gettempdir(), f"saker-test-cache-{os.getuid()}"))
BROKER_MAX_BYTES = 1048588  # the default
PROPERTIES = {"compression.type": "lz4", "linger.ms": "5"}


def spooled(d, output, *args):
    """A saker whose source has ended long ago from the output's view: everything is in its spool."""
    o = {"name": "sink", "format": "json", "spool": {"enabled": True, "max_size": "4GiB"}, **output}
    s = bench.Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={N}", "-o", "stdout_output.enabled=false", "-o",
                    f"outputs[]={json.dumps(o)}", *args, uids=bench.UIDS, wait=0, spool=os.path.join(d, "spool"))
    return s


def row(s):
    st = s.status()
    if not st:
        sys.exit("saker has ended:\n" + "\n".join(s.log[-20:]))
    return next(o for o in st["outputs"] if o["name"] == "sink"), bench.cpu_ns(st)["emitter-sink"] / 1e9


def fill(d, output):
    """A run that leaves all in the spool."""
    s = spooled(d, output)
    s.proc.wait(180)
    if s.stop() != 0:
        sys.exit("fill the spool:\n" + "\n".join(s.log[-20:]))


def drain(d, output):
    """A run that makes nothing itself and delivers what waits: alerts a second between 10 % and 90 % of it, and a CPU second of the emitter."""
    o = {"name": "sink", "format": "json", "spool": {"enabled": True, "max_size": "4GiB"}, **output}
    s = bench.Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=100000000", "-o", "engine.synthetic.rate=10", "-o",
                    "stdout_output.enabled=false", "-o", f"outputs[]={json.dumps(o)}", uids=bench.UIDS, wait=0, spool=os.path.join(d, "spool"))
    first = last = None
    base = None
    end = time.monotonic() + 120
    while time.monotonic() < end:
        st = s.status()
        if st and any(o["name"] == "sink" for o in st["outputs"]):
            r, cpu = row(s)
            if base is None:
                base = r["delivered"]
            done, at = r["delivered"] - base, time.monotonic()
            if first is None and done >= N * 0.1:
                first = (done, at, cpu)
            last = (done, at, cpu)
            if first and (done >= N * 0.9 or r["in_spool"] == 0):
                break
        time.sleep(0.02)
    s.stop()
    if not first or last[0] <= first[0]:
        sys.exit(f"nothing was measured: {first} {last}\n" + "\n".join(s.log[-20:]))
    n = last[0] - first[0]
    return {"per_s": round(n / (last[1] - first[1])), "per_cpu_s": round(n / max(last[2] - first[2], 0.01)), "alerts": n}


def lines_for(d):
    """The same alerts as lines, for the bare loop."""
    path = os.path.join(d, "lines")
    s = bench.Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=20000", "-o", "stdout_output.enabled=false", "-o",
                    "outputs[]=" + json.dumps({"name": "l", "kind": "file", "format": "json", "file": {"path": path}, "spool": {"enabled": False}}), uids=bench.UIDS, wait=0)
    s.proc.wait(120)
    s.stop()
    return path


def kafka(d):
    broker = Kafka(d, Certificates(d), CACHE, max_bytes=BROKER_MAX_BYTES)
    out = {"kind": "kafka", "kafka": {"brokers": [f"127.0.0.1:{broker.plain}"], "topic": "bench", "key": "%proc.name", "properties": PROPERTIES}}
    lines = lines_for(d)
    bare = [os.environ["SAKER_BENCH_KAFKA"], f"127.0.0.1:{broker.plain}", "bare", lines, str(N), *(f"{k}={v}" for k, v in PROPERTIES.items())]
    bench.run_json(*bare)  # the broker's own warming up
    ours, theirs = [], []
    for _ in range(3):
        broker.kill()
        fill(d, out)
        broker.start()
        broker.wait_up()
        theirs.append(bench.run_json(*bare))
        ours.append(drain(d, out))
    ratio = bench.median([x["per_s"] for x in ours]) / bench.median([x["per_s"] for x in theirs])
    bench.put({"emitter": ours, "bare": theirs, "ratio_of_medians": round(ratio, 3), "properties": PROPERTIES, "target_ratio": 0.6, "met": ratio >= 0.6})


def nginx(d):
    port = free_port()
    conf = os.path.join(d, "nginx.conf")
    with open(conf, "w") as f:
        f.write(f"""daemon off; master_process off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log warn;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_buffer_size 8m; client_max_body_size 64m; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f;
uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
server {{ listen 127.0.0.1:{port}; location /in {{ proxy_pass http://127.0.0.1:{port}/sink; }} location /sink {{ return 200 "ok"; }} }} }}
""")
    p = Process([need("nginx"), "-p", d, "-c", conf, "-e", os.path.join(d, "error.log")], os.path.join(d, "nginx.log"))
    return p, port


def http(d):
    server, port = nginx(d)
    out = {"kind": "http", "http": {"url": f"http://127.0.0.1:{port}/in", "batch": "ndjson", "batch_max": 2000, "linger": "20ms", "compression": "none"}}
    ours = []
    for _ in range(3):
        server.kill()
        fill(d, out)
        server.start()
        if not wait_port(port, 20, server.proc):
            sys.exit("nginx does not start:\n" + server.log())
        ours.append(drain(d, out))
    rate = bench.median([x["per_s"] for x in ours])
    bench.put({"emitter": ours, "per_s": rate, "target": 100000, "met": rate >= 100000})


def latency(d):
    bench.need_root()
    broker = Kafka(d, Certificates(d), CACHE, max_bytes=BROKER_MAX_BYTES)
    out = {"name": "sink", "kind": "kafka", "format": "json", "kafka": {"brokers": [f"127.0.0.1:{broker.plain}"], "topic": "latency", "properties": {"linger.ms": "0"}}}
    s = bench.start("-o", f"outputs[]={json.dumps(out)}", "-o", "stdout_output.enabled=false", "-o", f"spool.directory={d}/spool")
    n = int(1000 * bench.SCALE)
    try:
        for _ in range(3):  # connections, topic, caches; few, for they are in the percentiles as well
            subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL)
        time.sleep(3)
        before = row(s)[0]["delivered"]
        for _ in range(n):
            os.close(os.open("/etc/shadow", os.O_RDONLY))
            time.sleep(0.005)
        end = time.monotonic() + 20
        while row(s)[0]["delivered"] < before + n and time.monotonic() < end:
            time.sleep(0.1)
        r = row(s)[0]
    finally:
        s.stop()
    bench.put({"alerts": r["delivered"] - before, "opens": n, "latency_ms": r["latency_ms"], "losses": r["losses"]})


def main():
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as d:
        os.chmod(d, 0o755)
        {"kafka": kafka, "http": http, "latency": latency}[sys.argv[1]](d)


if __name__ == "__main__":
    main()
