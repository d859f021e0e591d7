#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many containers: 2,000 that come and go leave tables and memory as they were, and no alert has another one's facts; what 500 that live cost. Real cgroups and processes; the runtime is a server that
answers as Docker does, for two thousand real ones would take a quarter of an hour. SAKER_CONTAINERS: how many (default 600)."""
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_runtime import FakeRuntime  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, need_root, pss, skip  # noqa: E402

UIDS = 67400
ROOTS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") # v1 and hybrid; v2
PARENT = "docker"
RULES = """
- rule: Executed
  desc: what a container begins with
  condition: evt.type in (execve, execveat) and proc.name = cat and proc.cmdline contains saker-churn and container.id != host
  output: "%proc.cmdline | %container.full_id %container.name %container.image.tag %container.metadata"
  priority: WARNING
"""


class Runtime(FakeRuntime):
    """Every container's name and tag follow from its id."""

    def __init__(self, path):
        self.live = set()
        super().__init__(path)

    def answer(self, c, path):
        if path.startswith("/containers/json"):
            wanted = json.loads(urllib.parse.parse_qs(path.split("?")[1])["filters"][0]).get("id")
            body = [{"Id": i, "Names": ["/" + name_of(i)], "Image": f"churn:{i[:8]}", "Labels": {}} for i in self.live.copy() if not wanted or i == wanted[0]]
            self.send(c, json.dumps(body).encode())
            return True
        i = path.split("/")[2]
        if i in self.live and path.startswith("/containers/"):
            self.send(c, json.dumps({"Id": i, "Name": "/" + name_of(i), "Config": {"Image": f"churn:{i[:8]}", "Labels": {"k": "v" * 50}}, "HostConfig": {}}).encode())
        else:
            self.send(c, b"{}", "404 no")
        return True

    def tell(self, action, ident):
        self.report(action, ident, name=name_of(ident), image=f"churn:{ident[:8]}")


def name_of(ident):
    return "n" + ident[:10]


class Churn:
    def __init__(self, runtime):
        root = next((r for r in ROOTS if os.path.exists(f"{r}/cgroup.procs")), None)
        if not root:
            skip("no cgroup file system")
        self.parent = f"{root}/{PARENT}"
        self.had_parent = os.path.isdir(self.parent)
        os.makedirs(self.parent, exist_ok=True)
        self.runtime, self.waiting = runtime, {}

    def begin(self, *command):
        ident = secrets.token_hex(32)
        self.runtime.live.add(ident)
        self.runtime.tell("create", ident)
        os.mkdir(f"{self.parent}/{ident}")
        # the shell goes into the cgroup, then becomes what the container is for
        p = subprocess.Popen(["sh", "-c", f'echo 0 >"{self.parent}/{ident}/cgroup.procs"; exec "$@"', "sh", *(a.replace("ID", ident) for a in command)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.waiting[ident] = p
        return ident

    def end(self, ident):
        p = self.waiting.pop(ident)
        p.wait()
        for _ in range(1000): # the last process is still leaving
            try:
                os.rmdir(f"{self.parent}/{ident}")
                break
            except OSError:
                time.sleep(0.005)
        self.runtime.live.discard(ident)
        self.runtime.tell("destroy", ident)

    def close(self):
        for p in self.waiting.values():
            p.send_signal(signal.SIGKILL)
        for ident in list(self.waiting):
            self.end(ident)
        if not self.had_parent:
            try:
                os.rmdir(self.parent)
            except OSError:
                pass


def grown(before, after):
    return {k: (after[k] - before[k]) // 1024 for k in before if k in after}


def main():
    need_root()
    n = int(os.environ.get("SAKER_CONTAINERS", "600"))
    n_alive = 500 if n >= 2000 else 100
    work = tempfile.mkdtemp(prefix="saker-test-churn-")
    runtime = Runtime(f"{work}/runtime.sock")
    churn = Churn(runtime)
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        engines = {"docker": {"enabled": True, "sockets": [f"{work}/runtime.sock"]}, "podman": {"enabled": False}, "cri": {"enabled": False}}
        with open(f"{work}/saker.yaml", "w") as f:
            json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        made = []

        def some(count):
            for _ in range(count):
                ident = churn.begin("cat", "/etc/saker-churn/ID")
                made.append(ident)
                churn.end(ident)

        # places are used again after ten seconds: four rounds, of which the first two may take new ones
        for i in range(4):
            if i == 2:
                before = pss(s)
            began = time.monotonic()
            some(n // 4)
            took = time.monotonic() - began
            s.wait_alert("Executed", lambda a: made[-1] in a["output"])
            time.sleep(11)
        growth = grown(before, pss(s))
        verdicts = {}
        by_id = {a["output_fields"]["proc.cmdline"].split("/")[-1]: a["output_fields"] for a in s.alerts}
        for ident in made:
            f = by_id.get(ident)
            expect(f, f"no alert of {ident}\n" + "\n".join(s.log[-20:]))
            told = {"container.full_id": ident, "container.name": name_of(ident), "container.image.tag": ident[:8]}
            bad = {k: (f[k], v) for k, v in told.items() if f[k] not in (v, None)}
            expect(not bad, f"another container's facts: {bad}")
            # they live for milliseconds: mostly the report's own words are all that there is
            v = "complete" if f["container.metadata"] == "complete" else "named" if all(f[k] is not None for k in told) else "partial"
            verdicts[v] = verdicts.get(v, 0) + 1
        print(f"{n} containers came and went, {n // 4 / took:.0f} a second: {verdicts}; memory grown in the second half of them, KiB: {growth}")
        expect(SANITIZED or all(v < 2048 for v in growth.values()), f"memory grows with containers that are gone: {growth}")
        expect(verdicts.get("complete", 0) + verdicts.get("named", 0) >= 0.95 * n, f"facts in time: {verdicts}")

        before = pss(s)
        alive = [churn.begin("sleep", "1000") for _ in range(n_alive)]
        end = time.monotonic() + 10
        while time.monotonic() < end and s.status()["containers"]["lookup_ms"]["p50"] == 0:
            time.sleep(0.1)
        time.sleep(2)
        print(f"{len(alive)} containers alive: memory grown, KiB: {grown(before, pss(s))}")
        expect_balanced(s)
        churn.close()
        expect(s.stop() == 0, "status of the end")
    finally:
        churn.close()
        runtime.server.close()
        shutil.rmtree(work, ignore_errors=True)
    print("container churn: all good")


if __name__ == "__main__":
    main()
