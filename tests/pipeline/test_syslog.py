#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Syslog over UDP, TCP and TLS to rsyslog: every message parsed by it into the right structured data; RFC 3164; failover; a wrong authority refused; a
server that goes away in the middle."""
import json
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402
from servers import Certificates, Rsyslog, check_order, free_port, storm, wait_all # noqa: E402

EVENTS = 2000


def output(name, targets, rules=(), **syslog):
    return ["-o", "outputs[]=" + json.dumps({"name": name, "kind": "syslog", "format": "json", "rules": {"include": list(rules)},
                                             "syslog": {"targets": targets, **syslog}})]


def check_message(m, a):
    """What rsyslog understood against the alert on stdout."""
    want = {"rule": a["rule"], "priority": a["priority"], "tags": ",".join(a["tags"]), "uuid": m["uuid"], "app": "sentry", "host": a["hostname"], "pri": "84"}
    got = {k: m[k] for k in want}
    if got != want:
        fail(f"rsyslog understood {got}, wanted {want}\n{m}")
    inner = json.loads(m["msg"])
    if inner["uuid"] != m["uuid"] or inner["output"] != a["output"]:
        fail(f"message {m['msg'][:200]}")
    if not m["time"].startswith(a["time"][:19]):
        fail(f"time {m['time']} is not {a['time']}")


def run(d, certs, server, options, names, events=EVENTS, meanwhile=None):
    s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={events}", *options, uids=64300, wait=0)
    if meanwhile:
        meanwhile(s)
    wait_all(s, names, events, 60)
    s.stop()
    return s


def texts(messages):
    return [json.loads(m["msg"])["output"] for m in messages]


def all_kinds(d, certs, server):
    tls = {"ca_cert": certs.path("ca.pem"), "client_cert": certs.path("client.pem"), "client_key": certs.path("client.key")}
    common = {"app_name": "sentry", "facility": "authpriv"}
    s = run(d, certs, server, [
        *output("udp", [f"udp://127.0.0.1:{server.udp}"], **common),
        *output("tcp", [f"tcp://127.0.0.1:{server.tcp}"], **common),
        *output("tls", [f"tls://localhost:{server.tls}"], **common, **tls),
        *output("wrong", [f"tls://127.0.0.1:{server.tls}"], ["Rare"], **common, ca_cert=certs.path("other.pem"), client_cert=certs.path("client.pem"),
                client_key=certs.path("client.key")),
    ], ["udp", "tcp", "tls"])
    want = [a["output"] for a in s.alerts]
    for name in ("udp", "tcp", "tls"):
        got = server.wait(name, len(want))
        by_text = {a["output"]: a for a in s.alerts}
        for m in got:
            check_message(m, by_text[json.loads(m["msg"])["output"]])
        if name == "udp" and len(got) < len(want):  # a datagram may be lost by the receiver; it must not be by us
            print(f"udp: {len(want) - len(got)} datagrams were not received")
            if len(got) < len(want) * 9 // 10:
                fail(f"udp: only {len(got)} of {len(want)}")
            continue
        print(f"{name}: {len(want)} messages parsed, {check_order(name, want, texts(got))} repeats")
    log = "\n".join(s.log)
    if not re.search(r"output 'wrong' \(syslog\).*the peer's certificate is refused: .*", log):
        fail("the wrong authority is not said in the log:\n" + log)
    print("a wrong authority is refused:", re.search(r"the peer's certificate is refused: .*", log).group(0))


def old_form_and_failover(d, certs, server):
    before = len(server.messages("tcp"))
    s = run(d, certs, server, output("old", [f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{server.tcp}"], rfc=3164, framing="newline", hostname="gate"),
            ["old"], 500)
    end = time.monotonic() + 20
    while time.monotonic() < end and len(server.messages("tcp")) - before < len(s.alerts):
        time.sleep(0.1)
    got = server.messages("tcp")[before:]
    for m in got:
        if m["host"] != "gate" or m["app"] != "saker" or m["pri"] != "12" or m["uuid"]:
            fail(f"RFC 3164 was read as {m}")
    print(f"RFC 3164 by lines, second target: {len(got)} messages, {check_order('old', [a['output'] for a in s.alerts], texts(got))} repeats")


def goes_away(d, certs, server):
    """rsyslog is killed in the middle and comes back: what it had not acknowledged comes again."""
    before = len(server.messages("tls"))

    def meanwhile(s):
        time.sleep(1)
        server.kill()
        time.sleep(1)
        server.start()
    tls = {"ca_cert": certs.path("ca.pem"), "client_cert": certs.path("client.pem"), "client_key": certs.path("client.key")}
    s = run(d, certs, server, ["-o", "engine.synthetic.rate=1000", *output("back", [f"tls://localhost:{server.tls}"], **tls)], ["back"], 3000, meanwhile)
    end = time.monotonic() + 20
    want = [a["output"] for a in s.alerts]
    while time.monotonic() < end and len(set(texts(server.messages("tls")[before:]))) < len(want):
        time.sleep(0.2)
    got = texts(server.messages("tls")[before:])
    missing = set(want) - set(got)
    # what rsyslog itself had read and not yet written when it was killed is gone with it
    print(f"killed and back: {len(set(got))} of {len(want)} arrived, {len(got) - len(set(got))} repeats, {len(missing)} lost inside rsyslog")
    if len(missing) > 200 or list(dict.fromkeys(got)) != [x for x in want if x not in missing]:
        fail(f"{len(missing)} missing, or out of order")


def main():
    with tempfile.TemporaryDirectory(prefix="saker-syslog-") as d:
        os.chmod(d, 0o755)
        certs = Certificates(d)
        server = Rsyslog(d, certs)
        all_kinds(d, certs, server)
        old_form_and_failover(d, certs, server)
        goes_away(d, certs, server)


if __name__ == "__main__":
    main()
