# SPDX-License-Identifier: Apache-2.0
"""Servers that the tests of outputs deliver to, all on 127.0.0.1: an HTTP server that misbehaves on request, nginx, rsyslog, Apache Kafka; and the
certificates that they need."""
import atexit
import gzip
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness import fail, skip

KAFKA_VERSION = "3.9.1"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, seconds=30, proc=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if proc and proc.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def need(program):
    path = shutil.which(program) or next((p for p in (f"/usr/sbin/{program}", f"/sbin/{program}") if os.path.exists(p)), None)
    if not path:
        skip(f"{program} is not installed")
    return path


class Certificates:
    """An authority, a server's certificate for 127.0.0.1 and localhost, a client's; and another authority that nobody knows."""

    def __init__(self, d):
        self.dir = d
        for ca in ("ca", "other"):
            self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN=saker test {ca}",
                      "-keyout", self.path(f"{ca}.key"), "-out", self.path(f"{ca}.pem"))
        self._sign("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self._sign("client", "extendedKeyUsage=clientAuth")
        self._sign("wrong", "subjectAltName=DNS:elsewhere.example")
        for name in os.listdir(d):
            os.chmod(self.path(name), 0o644)

    def path(self, name):
        return os.path.join(self.dir, name)

    @staticmethod
    def _run(*args):
        r = subprocess.run(["openssl", *args], capture_output=True, text=True)
        if r.returncode:
            fail(f"openssl {args}: {r.stderr}")

    def _sign(self, name, extension):
        with open(self.path(f"{name}.ext"), "w") as f:
            f.write(extension + "\n")
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", self.path(f"{name}.key"),
                  "-out", self.path(f"{name}.csr"))
        self._run("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", "2",
                  "-extfile", self.path(f"{name}.ext"), "-out", self.path(f"{name}.pem"))


def unzstd(body):
    return subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout


class FaultServer:
    """Takes what is posted. `plan` says what becomes of a request by its number: a status, or a word; what is not in it is taken with 200."""

    def __init__(self, plan=None, tls=None, unix=None, delay=0, reject=None):
        self.plan = dict(plan or {})
        self.requests = []  # (headers, body) of all
        self.taken = []     # of those that were answered with 200
        self.answers = []   # (time, what was answered)
        self.lock = threading.Lock()
        self.delay = delay
        self.reject = reject
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                outer.handle(self)

            def address_string(self):
                return "client"

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            if unix:
                address_family = socket.AF_UNIX

            def server_bind(self):
                if unix:
                    self.socket.bind(unix)
                    os.chmod(unix, 0o666)
                    self.server_name, self.server_port = "localhost", 0
                else:
                    super().server_bind()

        self.server = Server(unix if unix else ("127.0.0.1", 0), Handler)
        self.port = None if unix else self.server.server_address[1]
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def handle(self, h):
        with self.lock:
            n = len(self.requests)
            self.requests.append(None)
        what = self.plan.get(n, 200)
        body = b""
        if what == "slow":  # reads a little at a time
            left = int(h.headers["Content-Length"])
            while left:
                part = h.rfile.read(min(left, 512))
                if not part:
                    return
                body += part
                left -= len(part)
                time.sleep(0.001)
            what = 200
        elif what != "reset":
            body = h.rfile.read(int(h.headers["Content-Length"]))
        if what == 200 and self.reject and self.reject(self.plain(dict(h.headers), body)):
            what = 400
        with self.lock:
            self.requests[n] = (dict(h.headers), body)
            self.answers.append((time.monotonic(), what))
        if what == "reset":  # in the middle of the body
            h.rfile.read(10)
            h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            h.connection.close()
            h.close_connection = True
            return
        if what == "silence":
            h.close_connection = True
            time.sleep(30)
            return
        status, extra = what if isinstance(what, tuple) else (what, {})
        time.sleep(self.delay)
        if status == 200:
            with self.lock:
                self.taken.append((dict(h.headers), body))
        text = b"as you wish" if status == 200 else b"not now"
        h.send_response(status)
        for k, v in extra.items():
            h.send_header(k, v)
        h.send_header("Content-Length", str(len(text)))
        h.end_headers()
        h.wfile.write(text)

    @staticmethod
    def plain(headers, body):
        coding = {k.lower(): v for k, v in headers.items()}.get("content-encoding")
        return gzip.decompress(body) if coding == "gzip" else unzstd(body) if coding == "zstd" else body

    def lines(self):
        """Alerts of all requests that were taken, in order."""
        out = []
        with self.lock:
            taken = list(self.taken)
        for headers, body in taken:
            text = self.plain(headers, body).decode()
            kind = {k.lower(): v for k, v in headers.items()}.get("content-type", "")
            if text.startswith("["):
                out += json.loads(text)
            elif "ndjson" in kind:
                out += [json.loads(x) for x in text.splitlines()]
            else:
                at, decoder = 0, json.JSONDecoder()
                while at < len(text):
                    value, at = decoder.raw_decode(text, at)
                    out.append(value)
        return out

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Process:
    """A server of its own process; ends with the test."""

    def __init__(self, argv, log, env=None):
        self.argv, self.logfile, self.env = argv, log, env
        self.proc = None
        self.start()
        atexit.register(self.kill)

    def start(self):
        with open(self.logfile, "ab") as f:
            self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=self.env)

    def kill(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()


STORM = """
- rule: Rare
  desc: few, for outputs that deliver none
  condition: evt.num < 20
  output: event %evt.num of %proc.name
  priority: WARNING
  tags: [storm, maturity_test]
- rule: Storm
  desc: every event
  condition: evt.num >= 0
  output: event %evt.num of %proc.name
  priority: WARNING
  tags: [storm, maturity_test]
"""


def storm(d):
    """A rules file by which every event is one alert; the first 19 are of the rule Rare."""
    path = os.path.join(d, "storm.yaml")
    with open(path, "w") as f:
        f.write(STORM)
    return path


def wait_all(s, names, events, seconds, like="stdout"):
    """Until every event is judged and these outputs have as many alerts as that one, and none in a spool; the outputs' rows."""
    end = time.monotonic() + seconds
    rows = {}
    while time.monotonic() < end:
        st = s.status()
        if st:
            rows = {o["name"]: o for o in st["outputs"]}
            n = rows.get(like, {"accepted": 0})["accepted"]
            if st["ledger"]["judged"] >= events and n and all(rows[x]["accepted"] == n and not rows[x]["in_spool"] for x in names):
                return rows
        if s.proc.poll() == 0 and not any("drained in time" in x for x in s.log):
            return rows # the source's end: everything was delivered
        if s.proc.poll() is not None:
            fail("saker ended:\n" + "\n".join(s.log[-40:]))
        time.sleep(0.1)
    fail("not everything arrived: " + json.dumps({k: (o["accepted"], o["last_error"]) for k, o in rows.items()}) + "\n" + "\n".join(s.log[-40:]))
    return rows


def check_order(what, want, got):
    """Every id of `want` is in `got`, for the first time in the same order; the number of repeats."""
    first = list(dict.fromkeys(got))
    if first != want:
        missing = [x for x in want if x not in set(first)]
        fail(f"{what}: {len(first)} different alerts of {len(want)}, {len(missing)} missing, order {'kept' if sorted(first) == sorted(want) else 'not kept'}")
    return len(got) - len(first)


class Rsyslog(Process):
    """rsyslog with UDP, TCP and TLS (x509, client certificates wanted); what it understood is a JSON object a message."""

    def __init__(self, d, certs):
        self.udp, self.tcp, self.tls = free_port(socket.SOCK_DGRAM), free_port(), free_port()
        self.out = os.path.join(d, "messages")
        conf = os.path.join(d, "rsyslog.conf")
        with open(conf, "w") as f:
            f.write(f"""
global(workDirectory="{d}" maxMessageSize="256k" DefaultNetstreamDriverCAFile="{certs.path('ca.pem')}"
       DefaultNetstreamDriverCertFile="{certs.path('server.pem')}" DefaultNetstreamDriverKeyFile="{certs.path('server.key')}")
module(load="imudp")
module(load="imptcp")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
module(load="mmpstrucdata")
template(name="seen" type="list" option.jsonf="on") {{
    property(outname="input" name="inputname" format="jsonf")
    property(outname="pri" name="pri" format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
    property(outname="sd" name="structured-data" format="jsonf")
    property(outname="rule" name="$!rfc5424-sd!saker@32473!rule" format="jsonf")
    property(outname="priority" name="$!rfc5424-sd!saker@32473!priority" format="jsonf")
    property(outname="tags" name="$!rfc5424-sd!saker@32473!tags" format="jsonf")
    property(outname="uuid" name="$!rfc5424-sd!saker@32473!uuid" format="jsonf")
    property(outname="msg" name="msg" format="jsonf")
}}
input(type="imudp" address="127.0.0.1" port="{self.udp}" name="udp" rcvbufSize="8m")
input(type="imptcp" address="127.0.0.1" port="{self.tcp}" name="tcp")
input(type="imtcp" address="127.0.0.1" port="{self.tls}" name="tls")
action(type="mmpstrucdata")
action(type="omfile" file="{self.out}" template="seen" asyncWriting="off" flushOnTXEnd="on")
""")
        super().__init__([need("rsyslogd"), "-n", "-f", conf, "-i", os.path.join(d, "rsyslog.pid")], os.path.join(d, "rsyslog.log"))
        if not wait_port(self.tcp, 20, self.proc) or not wait_port(self.tls, 20, self.proc):
            if "lmnsd_ossl" in self.log():
                skip("rsyslog-openssl is not installed")
            fail("rsyslog does not start:\n" + self.log())

    def messages(self, name=None):
        if not os.path.exists(self.out):
            return []
        with open(self.out, errors="replace") as f:
            got = [json.loads(x) for x in f if x.endswith("\n")]
        return [m for m in got if name in (None, m["input"])]

    def wait(self, name, n, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len({m["uuid"] + m["msg"] for m in self.messages(name)}) < n:
            time.sleep(0.1)
        return self.messages(name)


class Nginx(Process):
    """TLS with HTTP/2 and client certificates; bodies go into a log as they came."""

    def __init__(self, d, certs):
        self.port, inner = free_port(), free_port()
        self.bodies = os.path.join(d, "bodies.log")
        conf = os.path.join(d, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""
daemon off;
master_process off;
worker_processes 1;
pid {d}/nginx.pid;
error_log {d}/nginx-error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    log_format body escape=none '$server_protocol $ssl_client_s_dn\n$request_body';
    client_body_buffer_size 8m; client_max_body_size 64m;
    client_body_temp_path {d}/body; proxy_temp_path {d}/proxy; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
    server {{ listen 127.0.0.1:{inner}; access_log off; return 200 "ok"; }}
    server {{
        listen 127.0.0.1:{self.port} ssl http2;
        ssl_certificate {certs.path('server.pem')}; ssl_certificate_key {certs.path('server.key')};
        ssl_client_certificate {certs.path('ca.pem')}; ssl_verify_client on;
        location /in {{ access_log {self.bodies} body; proxy_pass http://127.0.0.1:{inner}/; }}
    }}
}}
""")
        super().__init__([need("nginx"), "-p", d, "-c", conf, "-e", os.path.join(d, "nginx-error.log")], os.path.join(d, "nginx.log"))
        if not wait_port(self.port, 20, self.proc):
            fail("nginx does not start:\n" + self.log())


class Kafka(Process):
    """One Apache Kafka broker (KRaft), fetched by Maven once: plain, mutual TLS, SASL/SCRAM and SASL/PLAIN over TLS."""

    USER, PASSWORD = "saker", "let-me-in"

    def __init__(self, d, certs, cache, max_bytes=200000):
        need("java")
        self.libs = self._fetch(cache)
        self.plain, self.ssl, self.sasl, controller = (free_port() for _ in range(4))
        conf = os.path.join(d, "server.properties")
        for who in ("server", "ca"):
            with open(os.path.join(d, f"{who}.store.pem"), "w") as f:
                if who == "server":
                    f.write(open(certs.path("server.key")).read() + open(certs.path("server.pem")).read())
                f.write(open(certs.path("ca.pem")).read())
        jaas = "org.apache.kafka.common.security"
        with open(conf, "w") as f:
            f.write(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{self.plain},SSL://127.0.0.1:{self.ssl},SASL_SSL://127.0.0.1:{self.sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.plain},SSL://127.0.0.1:{self.ssl},SASL_SSL://127.0.0.1:{self.sasl}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={d}/logs
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
message.max.bytes={max_bytes}
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
ssl.keystore.type=PEM
ssl.keystore.location={d}/server.store.pem
ssl.truststore.type=PEM
ssl.truststore.location={d}/ca.store.pem
ssl.client.auth=required
listener.name.sasl_ssl.ssl.client.auth=none
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_ssl.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required user_{self.USER}="{self.PASSWORD}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
""")
        env = dict(os.environ, LC_ALL="C")
        java = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.libs}/*"]
        r = subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", conf, "--add-scram",
                            f"SCRAM-SHA-256=[name={self.USER},password={self.PASSWORD}]"], capture_output=True, text=True, env=env)
        if r.returncode:
            fail(f"format Kafka's storage: {r.stdout}{r.stderr}")
        super().__init__([*java, "kafka.Kafka", conf], os.path.join(d, "kafka.log"), env)
        self.wait_up()

    def wait_up(self):
        if not wait_port(self.plain, 60, self.proc):
            fail("Kafka does not start:\n" + self.log()[-3000:])

    @staticmethod
    def _fetch(cache):
        libs = os.path.join(cache, f"kafka-{KAFKA_VERSION}")
        if os.path.exists(os.path.join(libs, "done")):
            return libs
        mvn = need("mvn")
        os.makedirs(libs, exist_ok=True)
        pom = os.path.join(libs, "pom.xml")
        with open(pom, "w") as f:
            f.write(f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId>
<version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>""")
        r = subprocess.run([mvn, "-B", "-q", "-f", pom, f"-Dmaven.repo.local={cache}/m2", "dependency:copy-dependencies", f"-DoutputDirectory={libs}"], capture_output=True, text=True)
        if r.returncode:
            skip(f"Maven cannot fetch Kafka: {r.stdout[-500:]}")
        open(os.path.join(libs, "done"), "w").close()
        return libs

    def read(self, topic, n, seconds=60):
        """Messages of a topic, until there are n different ones or time is over: dicts of partition, key, headers, value."""
        reader = os.environ.get("SAKER_KAFKA_READ")
        r = subprocess.run([reader, f"127.0.0.1:{self.plain}", topic, str(n), str(seconds)], capture_output=True, timeout=seconds + 60)
        if r.returncode:
            fail(f"read from Kafka: {r.stderr.decode(errors='replace')}")
        return [json.loads(x) for x in r.stdout.decode().splitlines()]

    def read_brief(self, topic, n, seconds):
        """The same of many: (partition, key, number behind "event ") of each message, in the topic's order within a partition."""
        reader = os.environ.get("SAKER_KAFKA_READ")
        with subprocess.Popen([reader, f"127.0.0.1:{self.plain}", topic, str(n), str(seconds), "brief"], stdout=subprocess.PIPE, text=True) as p:
            for line in p.stdout:
                partition, key, number = line.rstrip("\n").split("\t")
                yield int(partition), key, int(number)
        if p.returncode:
            fail("read from Kafka")
