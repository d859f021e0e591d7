#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP outputs against servers that misbehave and against nginx (TLS, HTTP/2, client certificates): nothing lost, nothing out of order within an output,
other outputs unaffected; framings, compression, signature, secrets."""
import hashlib
import hmac
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402
from servers import Certificates, FaultServer, Nginx, check_order, storm, wait_all # noqa: E402

EVENTS = 1500
SECRET, TOKEN = "hush-hush", "Bearer only-for-you"


def main():
    with tempfile.TemporaryDirectory(prefix="saker-http-") as d:
        os.chmod(d, 0o755)
        certs = Certificates(d)
        for name, text in (("hmac", SECRET), ("token", TOKEN)):
            with open(os.path.join(d, name), "w") as f:
                f.write(text + "\n")
        servers = {
            "single": FaultServer({1: 503, 3: "reset", 5: (429, {"Retry-After": "1"}), 7: 500}),
            "array": FaultServer({0: 503, 1: 502}),
            "signed": FaultServer({1: "silence"}),
            "hec": FaultServer({2: "reset"}),
            "slow": FaultServer({0: "slow", 1: "slow"}),
            "picky": FaultServer(reject=lambda body: b"event 77 of" in body),
            "unix": FaultServer({1: 500}, unix=os.path.join(d, "http.sock")),
            "dead": FaultServer({n: 503 for n in range(100000)}),
        }
        nginx = Nginx(d, certs)
        url = {k: f"http://127.0.0.1:{s.port}/in" for k, s in servers.items()}
        blocks = {
            "single": {"batch": "none"},
            "array": {"batch": "array", "batch_max": 100, "compression": "gzip"},
            "signed": {"batch": "ndjson", "compression": "zstd", "timeout": "700ms", "batch_max": 300,
                       "headers": {"Authorization": {"file": os.path.join(d, "token")}, "X-Where": "here"},
                       "signature": {"header": "X-Sig", "secret": {"file": os.path.join(d, "hmac")}}},
            "hec": {"batch": "splunk_hec", "batch_max": 50},
            "slow": {"batch": "ndjson", "timeout": "20s"},
            "picky": {"batch": "ndjson", "batch_max": 200},
            "unix": {"batch": "ndjson", "unix_socket": os.path.join(d, "http.sock"), "url": "http://localhost/in"},
            "dead": {"batch": "ndjson"},
            "nginx": {"batch": "ndjson", "batch_max": 100, "url": f"https://127.0.0.1:{nginx.port}/in", "ca_cert": certs.path("ca.pem"),
                      "client_cert": certs.path("client.pem"), "client_key": certs.path("client.key")},
            "forged": {"batch": "ndjson", "url": f"https://127.0.0.1:{nginx.port}/in", "ca_cert": certs.path("other.pem"),
                       "client_cert": certs.path("client.pem"), "client_key": certs.path("client.key")},
        }
        options = []
        for name, block in blocks.items():
            o = {"name": name, "kind": "http", "format": "json", "http": {"url": url.get(name), **block}}
            if name in ("dead", "forged"):
                o["rules"] = {"include": ["Rare"]}
            options += ["-o", "outputs[]=" + json.dumps(o)]
        s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "json_output=true", *options, uids=64300,
                  wait=0)
        want, rows = run(s, servers, nginx)
        check(want, rows, servers, nginx, s)


def run(s, servers, nginx):
    """Until everything that can arrive has; then a stop. The lines of stdout."""
    rows = wait_all(s, [*(n for n in servers if n != "dead"), "nginx"], EVENTS, 90)
    for n, o in rows.items():
        print(f"{n}: accepted {o['accepted']}, delivered {o['delivered']}, latency ms {o['latency_ms']}, losses {o['losses']}")
    told = json.dumps(s.status())
    if SECRET in told or TOKEN in told or "only-for-you" in told:
        fail("a secret is in status")
    if rows["picky"]["losses"] != {"sink_failed": 1}:
        fail(f"what was refused with 400 is not a loss by name: {rows['picky']['losses']}")
    s.stop()
    return list(s.lines), rows


def check(want_lines, rows, servers, nginx, s):
    nums = [json.loads(x)["output"].split("event ")[1] for x in want_lines]
    if len(nums) < EVENTS // 2:
        fail(f"{len(nums)} alerts on stdout, {EVENTS} events")

    def texts(server):
        return [(a["event"] if "event" in a else a)["output"].split("event ")[1] for a in server.lines()]
    for name, server in servers.items():
        if name in ("dead",):
            if server.lines():
                fail("the dead server took something")
            continue
        want = [n for n in nums if not n.startswith("77 of")] if name == "picky" else nums
        repeats = check_order(name, want, texts(server))
        print(f"{name}: {len(want)} alerts, {repeats} repeats, {len(server.requests)} requests")
    server = servers["signed"]
    for headers, body in server.taken:
        low = {k.lower(): v for k, v in headers.items()}
        if low["x-sig"] != "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest():
            fail("the signature is wrong")
        if low["authorization"] != TOKEN or low["x-where"] != "here" or low["content-encoding"] != "zstd":
            fail(f"headers: {headers}")
    if not any(what == 400 for _, what in servers["picky"].answers):
        fail("the picky server refused nothing")
    # what it refused for good is lost under its name, alone
    if rows["picky"]["losses"] != {"sink_failed": 1} or rows["picky"]["accepted"] != rows["picky"]["delivered"] + 1:
        fail(f"the refused alert is not named: {rows['picky']}")
    if any(o["losses"] for n, o in rows.items() if n != "picky"):
        fail(f"other outputs lost something: {rows}")
    waits = [t for t, what in servers["single"].answers if isinstance(what, tuple)]
    after = [t for t, _ in servers["single"].answers if t > waits[0]]
    if after[0] - waits[0] < 0.95:
        fail(f"Retry-After was not waited for: {after[0] - waits[0]:.2f} s")
    hec = servers["hec"].lines()[0]
    if set(hec) != {"time", "source", "sourcetype", "host", "event"} or not isinstance(hec["time"], float):
        fail(f"HEC frame: {hec}")
    with open(nginx.bodies, errors="replace") as f:
        lines = f.read().splitlines()
    heads = [x for x in lines if x.startswith("HTTP/")]
    if not heads or any(x != "HTTP/2.0 CN=client" for x in heads):
        fail(f"nginx saw {heads[:3]}")
    check_order("nginx", nums, [json.loads(x)["output"].split("event ")[1] for x in lines if x.startswith("{")])
    log = "\n".join(s.log)
    if "output 'forged' (http)" not in log or "certificate" not in log:
        fail("the wrong authority is not said in the log:\n" + log)
    if SECRET in log or "only-for-you" in log:
        fail("a secret is in the log")
    print(f"nginx: {len(nums)} alerts over HTTP/2 with a client certificate in {len(heads)} requests; a wrong authority is refused")


if __name__ == "__main__":
    main()
