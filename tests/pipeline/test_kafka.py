#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka outputs against a real Apache Kafka broker: every id arrives, in order per key, while the broker is killed twice and the emitter three times; mutual
TLS, SASL/SCRAM, SASL/PLAIN; headers and keys; what is too large is refused; a host that is not permitted is.
SAKER_KAFKA_ALERTS: how many alerts the long run has (default 60000; a million takes some minutes)."""
import collections
import json
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402
from servers import Certificates, Kafka, storm, wait_all # noqa: E402

ALERTS = int(os.environ.get("SAKER_KAFKA_ALERTS", "60000"))
CACHE = os.environ.get("SAKER_TEST_CACHE", os.path.join(tempfile.gettempdir(), f"saker-test-cache-{os.getuid()}"))


def output(name, rules=(), **kafka):
    return ["-o", "outputs[]=" + json.dumps({"name": name, "kind": "kafka", "format": "json", "rules": {"include": list(rules)}, "kafka": kafka})]


def every_way_in(d, certs, broker):
    """Plain, mutual TLS, SCRAM, PLAIN side by side; a wrong authority and a wrong password beside them."""
    n = 1000
    secret = os.path.join(d, "password")
    with open(secret, "w") as f:
        f.write(Kafka.PASSWORD + "\n")
    wrong = os.path.join(d, "wrong-password")
    with open(wrong, "w") as f:
        f.write("nobody-knows\n")
    client = {"ssl.certificate.location": certs.path("client.pem"), "ssl.key.location": certs.path("client.key")}
    ca = {"ssl.ca.location": certs.path("ca.pem")}
    sasl = {"security.protocol": "sasl_ssl", **ca, "sasl.username": Kafka.USER, "sasl.password": {"file": secret}}
    options = [
        *output("plain", brokers=[f"127.0.0.1:{broker.plain}"], topic="plain", key="%rule/%proc.name", properties={"compression.type": "zstd"}),
        *output("mtls", brokers=[f"localhost:{broker.ssl}"], topic="mtls", ports=[broker.ssl],
                properties={"security.protocol": "ssl", **ca, **client, "compression.type": "lz4"}),
        *output("scram", brokers=[f"127.0.0.1:{broker.sasl}"], topic="scram", properties={**sasl, "sasl.mechanism": "SCRAM-SHA-256"}),
        *output("sasl", brokers=[f"127.0.0.1:{broker.sasl}"], topic="sasl", properties={**sasl, "sasl.mechanism": "PLAIN"}),
        *output("forged", ["Rare"], brokers=[f"127.0.0.1:{broker.ssl}"], topic="forged",
                properties={"security.protocol": "ssl", "ssl.ca.location": certs.path("other.pem"), **client}),
        *output("barred", ["Rare"], brokers=[f"127.0.0.1:{broker.sasl}"], topic="barred",
                properties={**sasl, "sasl.mechanism": "PLAIN", "sasl.password": {"file": wrong}}),
        # the broker advertises a port that is not permitted
        *output("caged", ["Rare"], brokers=[f"localhost:{broker.plain}"], topic="caged", hosts=["localhost"], ports=[1]),
    ]
    s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={n}", *options, uids=64300, wait=0)
    rows = wait_all(s, ["plain", "mtls", "scram", "sasl"], n, 60)
    for name in ("plain", "mtls", "scram", "sasl"):
        print(f"{name}: latency ms {rows[name]['latency_ms']}")
    if rows["forged"]["delivered"] or rows["barred"]["delivered"]:
        fail("the wrong authority or password was taken")
    s.stop()
    want = [a["output"] for a in s.alerts]
    for topic in ("plain", "mtls", "scram", "sasl"):
        got = broker.read(topic, len(want))
        check_once(topic, want, got)
    for m in broker.read("plain", len(want)):
        a = json.loads(m["value"])
        want_headers = {"uuid": a["uuid"], "rule": a["rule"], "priority": "Warning", "format": "json", "host": a["hostname"]}
        key = a["rule"] + "/" + a["output"].rsplit(" ", 1)[1]
        if m["headers"] != want_headers or (m["key"] != key and a["output_fields"]["proc.name"] not in (None, "<NA>")):
            fail(f"headers {m['headers']}, key {m['key']}, wanted {want_headers}, {key}")
    log = "\n".join(s.log)
    for name, what in (("forged", "certificate"), ("barred", "uthentication"), ("caged", "not permit")):
        lines = [x for x in s.log if f"output '{name}'" in x]
        if not any(what in x for x in lines):
            fail(f"the log does not say what is wrong with '{name}':\n" + log)
        print(f"{name}: {[x for x in lines if what in x][0][:180]}")
    if sum("does not permit" in x for x in s.log) != 1:
        fail("the refused host is not said in one line:\n" + log)
    if Kafka.PASSWORD in log or "nobody-knows" in log:
        fail("a password is in the log")


def check_once(topic, want, got):
    texts = collections.Counter(json.loads(m["value"])["output"] for m in got)
    missing = [x for x in want if x not in texts]
    if missing or len(texts) != len(want):
        fail(f"{topic}: {len(texts)} different alerts of {len(want)}, {len(missing)} missing")
    last = {}
    for m in got:
        n = int(json.loads(m["value"])["output"].split("event ")[1].split()[0])
        at = (m["partition"], m["key"])
        last.setdefault(at, []).append(n)
    for at, nums in last.items():
        first = list(dict.fromkeys(nums))
        if first != sorted(first):
            fail(f"{topic}: order of {at} is not kept")
    return sum(texts.values()) - len(texts)


def long_run(d, broker):
    """The broker is killed and comes back twice, then the emitter is killed three times."""
    rate = max(ALERTS // 20, 1000)
    s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={ALERTS}", "-o", f"engine.synthetic.rate={rate}",
              *output("siem", brokers=[f"127.0.0.1:{broker.plain}"], topic="long", properties={"compression.type": "lz4"}), uids=64300, wait=20)

    def accepted():
        return next(o["accepted"] for o in s.status()["outputs"] if o["name"] == "siem")

    def until(share):
        end = time.monotonic() + 120
        while accepted() < ALERTS * share and time.monotonic() < end:
            time.sleep(0.05)
    for share in (0.15, 0.35):
        until(share)
        broker.kill()
        time.sleep(1)
        broker.start()
        broker.wait_up()
    for share in (0.5, 0.65, 0.8):
        until(share)
        pid = next(x["pid"] for x in s.status()["stages"] if x["name"] == "emitter-siem")
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    rows = wait_all(s, ["siem"], ALERTS, 180)
    s.stop()
    want = [a["output"] for a in s.alerts]
    losses = {k: v for k, v in rows["siem"]["losses"].items() if v}
    if losses:
        fail(f"losses: {losses}")
    repeats = check_once("long", want, broker.read("long", len(want), 120))
    print(f"long: {len(want)} alerts, broker killed twice, emitter three times: all there, {repeats} repeats ({100 * repeats / len(want):.3f} %), latency ms "
          f"{rows['siem']['latency_ms']}")
    # the emitter's window, three times over, is what may come twice
    if repeats > max(ALERTS // 100, 3 * 16384):
        fail("too many repeats")


def main():
    with tempfile.TemporaryDirectory(prefix="saker-kafka-") as d:
        os.chmod(d, 0o755)
        certs = Certificates(d)
        broker = Kafka(d, certs, CACHE)
        every_way_in(d, certs, broker)
        long_run(d, broker)


if __name__ == "__main__":
    main()
