#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`saker output test`: one marked alert through one output and no other, acknowledged or not; with a spool, behind a filter and a limit; names that are none."""
import json
import os
import shutil
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402
from servers import FaultServer # noqa: E402

UIDS = 65100


def main():
    d = tempfile.mkdtemp(prefix="saker-otest-")
    os.chmod(d, 0o777)
    path = os.path.join(d, "archive.jsonl")
    web = FaultServer()
    outputs = [
        {"name": "archive", "kind": "file", "format": "json", "file": {"path": path, "fsync": "batch"}, "spool": {"enabled": True, "max_size": "8MiB"},
         "priority": "emergency", "rules": {"include": ["none"]}, "limit": {"dedup_window": "1h", "rate": 1}},
        {"name": "hook", "kind": "http", "format": "json", "http": {"url": f"http://127.0.0.1:{web.port}/in", "batch": "ndjson", "linger": "10ms"},
         "rules": {"include": ["none"]}},
        {"name": "pager", "kind": "program", "format": "json", "program": {"command": f"cat >> {d}/paged", "keep_alive": True}, "rules": {"include": ["none"]}},
        {"name": "gone", "kind": "syslog", "format": "text", "syslog": {"targets": [f"local:{d}/log"]}, "rules": {"include": ["none"]}},
    ]
    args = []
    for o in outputs:
        args += ["-o", f"outputs[]={json.dumps(o)}"]
    s = Saker("-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=100000000", "-o", "engine.synthetic.rate=50", *args, uids=UIDS, wait=30)

    def run(*words, status=0):
        r = s.command("output", "test", *words, timeout=40)
        if r.returncode != status:
            fail(f"output test {words}: status {r.returncode}\n{r.stdout}{r.stderr}" + "\n".join(s.log[-10:]))
        return r

    figures = {}
    for name in ("archive", "hook", "pager"):
        x = json.loads(run(name, "--json").stdout)
        if list(x) != ["name", "kind", "acknowledged", "latency_ms", "last_error"] or not x["acknowledged"] or not 0 < x["latency_ms"] < 10000:
            fail(f"{name}: {x}")
        figures[name] = x["latency_ms"]
        text = run(name).stdout
        if not text.startswith(f"{name}: acknowledged after ") or not text.endswith(" ms\n"):
            fail(f"{name}: {text!r}")
    for name, got in (("archive", open(path).read().splitlines()), ("hook", [json.dumps(a) for a in web.lines()]), ("pager", open(f"{d}/paged").read().splitlines())):
        alerts = [json.loads(x) for x in got]
        if len(alerts) != 2 or len({a["uuid"] for a in alerts}) != 2:
            fail(f"{name} got {got}")
        for a in alerts:
            if a["rule"] != "saker output test" or a["output_fields"].get("saker.test") != 1 or f"'{name}'" not in a["output"] or a["source"] != "internal":
                fail(f"{name}: {a}")
    if any(a.get("rule") == "saker output test" for a in s.alerts):
        fail("the test of an output came out of another one")
    # nobody is there: said so, with why; it arrives when he is
    r = run("gone", status=1)
    if "has not acknowledged it within 10 s" not in r.stderr or "last error" not in r.stderr:
        fail(f"gone: {r.stderr}")
    x = json.loads(run("gone", "--json", status=1).stdout)
    if x["acknowledged"] or x["latency_ms"] is not None or not x["last_error"]:
        fail(f"gone: {x}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(f"{d}/log")
    os.chmod(f"{d}/log", 0o666)
    sock.settimeout(20)
    got = [sock.recv(65536).decode() for _ in range(2)]
    threading.Thread(target=lambda: [sock.recv(65536) for _ in range(9)], daemon=True).start()
    if not all("Test alert of output 'gone'" in x for x in got):
        fail(f"gone, later: {got}")
    # names
    if "no output is named 'archiv'; did you mean 'archive'?" not in run("archiv", status=1).stderr:
        fail("no suggestion")
    if "there are: stdout, archive, hook, pager, gone" not in run("nowhere-near", status=1).stderr:
        fail(run("nowhere-near", status=1).stderr)
    for words, want in ((["output"], "needs test NAME"), (["output", "tset", "hook"], "the action is test"), (["output", "test", "a", "b"], "unexpected word 'b'")):
        r = s.command(*words)
        if r.returncode != 1 or want not in r.stderr:
            fail(f"{words}: status {r.returncode}, {r.stderr}")
    if "saker output test siem" not in s.command("output", "--help").stdout:
        fail("its help has no example")
    # the figures add up
    for o in s.status()["outputs"]:
        if o["accepted"] != o["delivered"] + o["in_spool"] + sum(o["losses"].values()):
            fail(f"does not add up: {o}")
    if s.stop() != 0:
        fail("the end")
    r = s.command("output", "test", "archive")
    if r.returncode != 4 or "not running" not in r.stderr:
        fail(f"not running: {r.returncode} {r.stderr}")
    web.close()
    shutil.rmtree(d)
    print(f"acknowledged, ms: {figures}")


main()
