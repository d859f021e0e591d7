#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka outputs against a real Apache Kafka broker: every id arrives, in order per key, while the broker is killed twice and the emitter three times; mutual
TLS, SASL/SCRAM, SASL/PLAIN; headers and keys; what is too large is refused; a host that is not permitted is.
SAKER_KAFKA_ALERTS: how many events the long run has (default 1070000 events, which are a little more than a million alerts, in about a minute)."""
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, SANITIZED, Saker, fail # noqa: E402
from servers import Certificates, Kafka, storm, wait_all # noqa: E402

SLOWER = 4 if SANITIZED else 1
EVENTS = int(os.environ.get("SAKER_KAFKA_ALERTS", str(1070000 // SLOWER)))
RATE = 20000 // SLOWER
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
    told = json.dumps(s.status())
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
    if Kafka.PASSWORD in told or "nobody-knows" in told or os.path.join(d, "password") in told:
        fail("a password is in status")
    if Kafka.PASSWORD in log or "nobody-knows" in log:
        fail("a password is in the log")


LONG = """
- rule: Long
  desc: larger than what may be sent
  condition: evt.num >= 100 and evt.num < 110
  output: event %evt.num of %proc.name {}
  priority: WARNING
"""


def too_large(d, broker):
    """What is larger than Kafka takes is refused, alone, counted, and kept as a dead letter; the rest arrives."""
    rules = os.path.join(d, "long.yaml")
    with open(rules, "w") as f:
        f.write(LONG.format("x" * 20000) + open(storm(d)).read())
    spool = os.path.join(d, "spool-large")
    s = Saker("-r", rules, "-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=1000", "-o", "engine.synthetic.rate=150", *output("large", brokers=[f"127.0.0.1:{broker.plain}"], topic="large",
              properties={"message.max.bytes": "10000"}), uids=64300, wait=0, spool=spool)
    s.proc.wait(60)
    s.stop()
    long = [a for a in s.alerts if a["rule"] == "Long"]
    rest = [a["output"] for a in s.alerts if a["rule"] != "Long"]
    check_once("large", rest, broker.read("large", len(rest)))
    r = subprocess.run([SAKER, "spool", "export", os.path.join(spool, "large")], capture_output=True, text=True)
    dead = [a for a in map(json.loads, r.stdout.splitlines()) if a["refused"]]
    if not long or len(dead) != len(long) or any(not a["output"].endswith(x["message"]) for a, x in zip(long, dead)):
        fail(f"{len(dead)} dead letters, {len(long)} alerts were too large: {r.stdout[:300]}{r.stderr}")
    if not any("refused an alert for good" in line for line in s.log):
        fail("the log says nothing of it:\n" + "\n".join(s.log))
    print(f"too large: {len(long)} refused and kept as dead letters, {len(rest)} others arrived")


def injected(d):
    """librdkafka's mock cluster: errors of all kinds in the middle, fatal ones too. One request in flight: the mock keeps no sequence numbers, so it takes the batch behind one that failed,
    which a broker refuses, and the library concludes from its acknowledgement that the one before is written as well."""
    errors = ["OKx3", "NOT_ENOUGH_REPLICASx2", "OKx2", "REQUEST_TIMED_OUTx2", "OKx2", "NOT_ENOUGH_REPLICAS_AFTER_APPENDx2", "OKx2", "_TRANSPORTx2", "OKx2",
              "NOT_LEADER_FOR_PARTITIONx2", "OKx2", "OUT_OF_ORDER_SEQUENCE_NUMBER", "OKx3", "LEADER_NOT_AVAILABLEx2", "OKx3", "UNKNOWN_PRODUCER_ID"]
    mock = subprocess.Popen([os.environ["SAKER_KAFKA_MOCK"], "errors", *errors], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    brokers = mock.stdout.readline().strip().split(",")
    n = 20000
    s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={n}", "-o", "engine.synthetic.rate=5000",
              *output("errors", brokers=brokers, topic="errors", key="%proc.name", properties={"retry.backoff.ms": "50", "batch.num.messages": "300", "linger.ms": "5", "max.in.flight": "1"}),
              uids=64300, wait=0)
    rows = wait_all(s, ["errors"], n, 120)
    s.stop()
    reader = subprocess.run([os.environ["SAKER_KAFKA_READ"], ",".join(brokers), "errors", str(len(s.alerts)), "60"], capture_output=True, text=True)
    mock.stdin.close()
    mock.wait(10)
    repeats = check_once("errors", [a["output"] for a in s.alerts], [json.loads(x) for x in reader.stdout.splitlines()])
    if any(rows["errors"]["losses"].values()):
        fail(f"losses: {rows['errors']['losses']}")
    print(f"injected errors: all {len(s.alerts)} alerts, in order per key, {repeats} repeats")


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


def brief_of(path):
    """Numbers of the events whose alerts stand in that file, one line of text each."""
    with open(path) as f:
        return [int(line.split("event ", 1)[1].split(" ", 1)[0]) for line in f]


def check_brief(want, got):
    """Every number of `want` is among the messages, none else is, and each key's are in order. How many came again, and how many keys there are."""
    seen, last, n = bytearray(max(want) + 1), {}, 0
    for partition, key, number in got:
        n += 1
        if not seen[number]:
            if last.get((partition, key), -1) > number:
                fail(f"event {number} of '{key}' came after {last[partition, key]}")
            last[partition, key] = number
        seen[number] = 1
    missing = [x for x in want if not seen[x]]
    if missing or sum(seen) != len(want):
        fail(f"{sum(seen)} different alerts of {len(want)}, {len(missing)} missing: {missing[:5]} …")
    if len({k for _, k in last}) != len(last):
        fail("a key is in two partitions")
    return n - len(want), len(last)


def long_run(d, broker):
    """The broker is killed and comes back twice, then the emitter is killed three times."""
    plain = os.path.join(d, "plain.txt")
    begin = time.monotonic()
    s = Saker("-r", storm(d), "-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", f"engine.synthetic.rate={RATE}",
              "-o", "stdout_output.enabled=false", "-o", "file_output.enabled=true", "-o", f"file_output.filename={plain}",
              *output("siem", brokers=[f"127.0.0.1:{broker.plain}"], topic="long", key="%proc.name",
                      properties={"compression.type": "lz4", "reconnect.backoff.max.ms": "1000"}), uids=64300, wait=20,
              json_output=False)

    def until(share):
        """Until that part was delivered: what waits in the spool while the broker is away does not count."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            st = s.status()
            if not st:
                fail("saker has ended:\n" + "\n".join(s.log[-30:]))
            if next(o["delivered"] for o in st["outputs"] if o["name"] == "siem") >= EVENTS * share * 0.93:
                return st
            time.sleep(0.02)
        fail(f"{share:.0%} of the alerts were not delivered in time")
        return None
    for share in (0.15, 0.35):
        until(share)
        broker.kill()
        time.sleep(1)
        broker.start()
        broker.wait_up()
    for share in (0.5, 0.65, 0.8):
        pid = next(x["pid"] for x in until(share)["stages"] if x["name"] == "emitter-siem")
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    rows = wait_all(s, ["siem"], EVENTS, 240, like="file")
    s.stop()
    took = time.monotonic() - begin
    want = brief_of(plain)
    losses = {k: v for k, v in rows["siem"]["losses"].items() if v}
    if losses:
        fail(f"losses: {losses}")
    repeats, keys = check_brief(want, broker.read_brief("long", len(want), 120))
    print(f"long: {len(want)} alerts in {took:.0f} s, broker killed twice, emitter three times: all there, in order in each of {keys} keys, {repeats} repeats "
          f"({100 * repeats / len(want):.3f} %), latency ms {rows['siem']['latency_ms']}")
    # less than 1 % of a million; of fewer, what the emitter has in flight, three times over
    if repeats >= max(len(want) / 100, 3 * 3000 + 1):
        fail("too many repeats")


def main():
    with tempfile.TemporaryDirectory(prefix="saker-kafka-") as d:
        os.chmod(d, 0o755)
        certs = Certificates(d)
        broker = Kafka(d, certs, CACHE)
        every_way_in(d, certs, broker)
        too_large(d, broker)
        injected(d)
        long_run(d, broker)


if __name__ == "__main__":
    main()
