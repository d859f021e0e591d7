#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What real programs lose: redis-benchmark, nginx under wrk, a make of a small C tree, each without and with saker in turns; servers on 127.0.0.1
only. The change is told by the clock and by the CPU time of load, server and saker together, in which other work on the machine does not count.
A program that is not installed is left out by name. Arguments: [rounds] [seconds of each load]."""
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import bench

REDIS_PORT, HTTP_PORT = 26379, 28080
C_FILES = 24
NGINX_CONF = """daemon off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
 server {{ listen 127.0.0.1:{port}; location / {{ root {d}/www; }} }} }}
"""


def wait_port(port, proc):
    end = time.monotonic() + 10
    while time.monotonic() < end and proc.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers at 127.0.0.1:{port}")


def children_s():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def measured(app, s=None):
    """(amount per second by the clock, seconds of CPU per unit of work, captured events per unit) of one turn of that load."""
    servers = [app.proc.pid] if app.proc else []
    for pid in list(servers):
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            servers += map(int, f.read().split())

    def cpu(status):
        cpu.seen = status.get("ledger", {}).get("seen", 0)
        return children_s() + sum(int(open(f"/proc/{p}/schedstat").read().split()[0]) for p in servers) / 1e9 + sum(bench.cpu_ns(status).values()) / 1e9

    def status():
        return s.status() if s else {"stages": []}

    before = cpu(status())
    seen = cpu.seen
    amount, rate = app.once()
    return rate, (cpu(status()) - before) / amount, (cpu.seen - seen) / amount


class Redis:
    name, unit, needs = "redis", "requests/s", ("redis-server", "redis-benchmark")

    def __init__(self, d, seconds):
        self.requests = int(60000 * seconds)
        self.proc = subprocess.Popen(["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", d],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(REDIS_PORT, self.proc)

    def once(self):
        r = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(REDIS_PORT), "-t", "get", "-n", str(self.requests), "-c", "50", "--csv"],
                           capture_output=True, text=True, check=True)
        return self.requests, float(r.stdout.splitlines()[-1].split(",")[1].strip('"'))

    def close(self):
        self.proc.terminate()
        self.proc.wait()


class Nginx:
    name, unit, needs = "nginx", "requests/s", ("nginx", "wrk")

    def __init__(self, d, seconds):
        self.seconds = max(1, round(seconds))
        os.mkdir(f"{d}/www")
        with open(f"{d}/www/page.html", "w") as f:
            f.write("x" * 1024)
        with open(f"{d}/nginx.conf", "w") as f:
            f.write(NGINX_CONF.format(d=d, port=HTTP_PORT))
        self.proc = subprocess.Popen(["nginx", "-p", d, "-e", f"{d}/error.log", "-c", f"{d}/nginx.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(HTTP_PORT, self.proc)

    def once(self):
        r = subprocess.run(["wrk", "-t1", "-c32", f"-d{self.seconds}s", f"http://127.0.0.1:{HTTP_PORT}/page.html"], capture_output=True, text=True, check=True)
        if "Non-2xx" in r.stdout:
            sys.exit("nginx answers with errors:\n" + r.stdout)
        rate = next(float(line.split()[1]) for line in r.stdout.splitlines() if line.startswith("Requests/sec"))
        return next(int(line.split()[0]) for line in r.stdout.splitlines() if " requests in " in line), rate

    def close(self):
        self.proc.terminate()
        self.proc.wait()


class Make:
    name, unit, needs, proc = "make", "builds/s", ("make", "cc"), None

    def __init__(self, d, seconds):
        self.d = f"{d}/tree"
        self.times = max(1, round(seconds))
        os.mkdir(self.d)
        names = [f"f{i}" for i in range(C_FILES)]
        for i, n in enumerate(names):
            with open(f"{self.d}/{n}.c", "w") as f:
                f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" + "".join(
                    f"int {n}_{k}(const char *s) {{ char b[64]; snprintf(b, sizeof(b), \"%s{k}\", s); return atoi(b) + (int)strlen(s); }}\n" for k in range(20)))
        with open(f"{self.d}/main.c", "w") as f:
            f.write("".join(f"int {n}_0(const char *s);\n" for n in names) + "int main(void) { return " + " + ".join(f'{n}_0("1")' for n in names) + " == 0; }\n")
        with open(f"{self.d}/Makefile", "w") as f:
            f.write("prog: main.o " + " ".join(n + ".o" for n in names) + "\n\tcc -o $@ $^\n%.o: %.c\n\tcc -O1 -c -o $@ $<\nclean:\n\trm -f *.o prog\n")

    def once(self):
        """Builds a second, each from nothing: `times` of them."""
        took = 0.0
        for _ in range(self.times):
            subprocess.run(["make", "-s", "-C", self.d, "clean"], check=True)
            t = time.monotonic()
            subprocess.run(["make", "-s", "-j", str(os.cpu_count()), "-C", self.d], check=True, stdout=subprocess.DEVNULL)
            took += time.monotonic() - t
        return self.times, self.times / took

    def close(self):
        pass


def main():
    bench.need_root()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else 3
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2 * bench.SCALE
    folder = tempfile.mkdtemp(prefix="saker-bench-")
    os.chmod(folder, 0o755) # nginx's worker runs as nobody
    kinds = [k for k in (Redis, Nginx, Make) if all(shutil.which(n) for n in k.needs)]
    out = {"left_out": [k.name for k in (Redis, Nginx, Make) if k not in kinds], "lost": 0}
    apps = []
    try:
        for k in kinds:
            os.mkdir(f"{folder}/{k.name}")
            apps.append(k(f"{folder}/{k.name}", seconds))
        got = {a.name: {"off": [], "on": []} for a in apps}
        for a in apps:
            a.once() # warm
        for _ in range(rounds):
            for a in apps:
                got[a.name]["off"].append(measured(a))
            s = bench.start()
            for a in apps:
                got[a.name]["on"].append(measured(a, s))
            out["lost"] += sum(s.status()["ledger"]["losses"].values())
            s.stop()
        for a in apps:
            got[a.name]["off"].append(measured(a))
    finally:
        for a in apps:
            a.close()
        shutil.rmtree(folder)
    for a in apps:
        on, off = ([bench.median(x[i] for x in got[a.name][k]) for i in (0, 1, 2)] for k in ("on", "off"))
        out[a.name] = {"unit": a.unit, "events_per_s": round(on[0], 2), "off_events_per_s": round(off[0], 2), "ns_per_event": round(on[1] * 1e9), "off_ns_per_event": round(off[1] * 1e9),
                       "of_off": round(on[0] / off[0], 3), "change_percent": round(100 * (on[0] / off[0] - 1), 1), "change_percent_cpu": round(100 * (off[1] / on[1] - 1), 1),
                       "captured_per_event": round(on[2], 2), "turns": got[a.name]}
    bench.put(out)


if __name__ == "__main__":
    main()
