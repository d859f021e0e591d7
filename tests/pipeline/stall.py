# SPDX-License-Identifier: Apache-2.0
"""Latency of one output while others never answer: what the test of it and the benchmark share."""
import json
import os
import socket
import threading
import time

from harness import Saker

RULES = """
- rule: Probe
  desc: opens of one file
  condition: evt.type in (open, openat, openat2) and fd.name = {path}
  output: probe %evt.num
  priority: WARNING
  tags: [maturity_test]
"""


class Mute:
    """Takes connections and what is sent, and answers nothing."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.n_bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(conn,), daemon=True).start()

    def _read(self, conn):
        while True:
            try:
                data = conn.recv(65536)
            except OSError:
                return
            if not data:
                return
            self.n_bytes += len(data)

    def close(self):
        self.sock.close()


def mute_output(name, port, spooled):
    return json.dumps({"name": name, "kind": "http", "format": "json", "spool": {"enabled": spooled}, "http": {"url": f"http://127.0.0.1:{port}/in", "batch": "ndjson",
                       "timeout": "20s"}})


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def open_paced(path, n, gap):
    for _ in range(n):
        os.close(os.open(path, os.O_RDONLY))
        if gap:
            time.sleep(gap)


def run(d, outputs, uids, burst=4000, paced=600, gap=0.004):
    """A burst that fills what a stalled output has, then opens at a pace: their latencies on stdout in ms, and the outputs' rows at the end."""
    path, rules = os.path.join(d, "probe"), os.path.join(d, "probe.yaml")
    open(path, "w").close()
    with open(rules, "w") as f:
        f.write(RULES.format(path=path))
    args = []
    for o in outputs:
        args += ["-o", f"outputs[]={o}"]
    s = Saker("-r", rules, "-o", "evaluators=2", *args, uids=uids, wait=60)
    try:
        open_paced(path, burst, 0)
        wait_stdout(s, burst)
        time.sleep(0.3)
        begin = len(s.lines)
        open_paced(path, paced, gap)
        wait_stdout(s, burst + paced)
        rows = {o["name"]: o for o in s.status()["outputs"]}
    finally:
        s.stop()
    out = []
    for line, at in list(zip(s.lines, s.times))[begin:]:
        if not line.startswith("{"):
            continue # the summary at the end
        a = json.loads(line)
        if a["rule"] == "Probe":
            out.append((at - a["output_fields"]["evt.time"]) / 1e6)
    return out, rows, s


def wait_stdout(s, n, seconds=20):
    end = time.monotonic() + seconds
    while len(s.lines) < n and time.monotonic() < end:
        time.sleep(0.02)
