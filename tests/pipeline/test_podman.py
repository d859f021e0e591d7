#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of a real podman, through its API service: alerts of the first execution have what its own inspect says, or, where it is
locked by the start itself for too long, at least the name, image and labels that the report of its creation has. The service is killed and started again: a container
made while it was away is known within 2 s."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SANITIZED, Saker, expect, expect_balanced, need_root, wait_log  # noqa: E402
from runtimes import FirstAnswer, Podman  # noqa: E402

UIDS = 66400
RULES = """
- rule: Executed
  desc: every execution of these in a container
  condition: evt.type in (execve, execveat) and proc.name in (touch, ls) and container.id != host
  output: "%proc.cmdline | %container.id %container.full_id %container.name %container.type %container.image %container.image.repository %container.image.tag %container.image.digest %container.image.id %container.labels %container.privileged %container.metadata"
  priority: WARNING
"""


def judge(p, f, name):
    real = p.inspect(name)
    image = real["ImageName"]
    want = {"container.full_id": real["Id"], "container.name": real["Name"], "container.type": "podman", "container.image": image,
            "container.image.repository": image.rsplit(":", 1)[0], "container.image.tag": image.rsplit(":", 1)[1], "container.image.id": real["Image"][:12],
            "container.image.digest": real["ImageDigest"], "container.labels": ", ".join(f"{k}:{v}" for k, v in sorted(real["Config"]["Labels"].items())),
            "container.privileged": real["HostConfig"]["Privileged"]}
    partial = f["container.metadata"] == "partial"
    bad = {k: (f[k], v) for k, v in want.items() if f[k] != v and not (partial and f[k] is None)}
    if bad:
        return f"wrong: {bad}"
    named = all(f[k] is not None for k in ("container.name", "container.image", "container.image.tag", "container.labels"))
    return "complete" if not partial else "named" if named else "partial"


def restarted(s, p):
    """The service dies; a container is made without it; a new service knows that one."""
    slow = 10 if SANITIZED else 1
    p.kill()
    wait_log(s, "went away", 1, 5 * slow)
    p.run_container("away", "-d", "--label", "tier=away", command=("sh", "-c", "while /bin/ls /tmp >/dev/null; do sleep 0.02; done"))
    ident = p.inspect("away")["Id"]
    a = s.wait_alert("Executed", lambda a: a["output_fields"]["container.id"] == ident[:12])
    expect(a and a["output_fields"]["container.name"] is None, f"a container that nobody can know: {a}")
    first = FirstAnswer(p.socket, FirstAnswer.HTTP)
    p.start()
    a = s.wait_alert("Executed", lambda a: a["output_fields"]["container.name"] == "away", seconds=10 * slow)
    took = time.monotonic() - first.wait()
    expect(a, "a container that was made without the service is not known\n" + "\n".join(s.log[-20:]))
    print(f"podman's service killed and started again: a container made meanwhile is known {took:.2f} s after the socket answered")
    expect(judge(p, a["output_fields"], "away") == "complete", judge(p, a["output_fields"], "away"))
    expect(took < 2 * slow, "it took too long to connect again and to list")
    wait_log(s, "answers", 2, 1)


def main():
    need_root()
    n = int(os.environ.get("SAKER_CONTAINERS", "10"))
    work = tempfile.mkdtemp(prefix="saker-test-podman-")
    p = Podman()
    busy = []
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        with open(f"{work}/saker.yaml", "w") as f:
            f.write(f"rules_files: [{work}/rules.yaml]\nplugins:\n  - name: container\n    init_config:\n"
                    f"      engines: {{docker: {{enabled: false}}, podman: {{enabled: true, sockets: ['{p.socket}']}}}}\n")
        p.run_container("before", "-d", "--label", "tier=web", command=("sh", "-c", "while /bin/ls / >/dev/null; do sleep 0.05; done"))
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        began = time.monotonic()
        a = s.wait_alert("Executed", lambda a: a["output_fields"]["container.name"] == "before")
        expect(a, "the container that ran before is not known\n" + "\n".join(s.log[-20:]))
        print(f"the one that ran before: known {time.monotonic() - began:.2f} s after the start")
        expect(judge(p, a["output_fields"], "before") == "complete", judge(p, a["output_fields"], "before"))
        busy = [subprocess.Popen(["sh", "-c", "while :; do cat /etc/hostname >/dev/null; done"]) for _ in range(2)]
        began = time.monotonic()
        for i in range(n):
            p.run_container(f"c{i}", "--label", f"number={i}", command=("touch", f"/tmp/f{i}"))
        took = time.monotonic() - began
        s.wait_alert("Executed", lambda a: f"touch /tmp/f{n - 1} " in a["output"])
        for b in busy:
            b.kill()
            b.wait()
        verdicts = {}
        for i in range(n):
            a = next((a for a in s.alerts if f"touch /tmp/f{i} " in a["output"]), None)
            expect(a, f"no alert of container {i}\n" + "\n".join(s.log[-20:]))
            v = judge(p, a["output_fields"], f"c{i}")
            verdicts[v] = verdicts.get(v, 0) + 1
        st = s.status()
        c = st["containers"]
        print(f"{n} podman run in {took:.1f} s on a busy host: {verdicts}; held {c['held']} containers, {c['held_events']} events, for p50 {c['wait_ms']['p50']:.2f} ms, "
              f"p99 {c['wait_ms']['p99']:.2f} ms")
        wrong = [v for v in verdicts if v not in ("complete", "named", "partial")]
        expect(not wrong, f"facts that are not so: {wrong}")
        in_time = verdicts.get("complete", 0) + verdicts.get("named", 0)
        expect(SANITIZED or in_time >= 0.9 * n, f"in time for {in_time} of {n} alone")
        restarted(s, p)
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
    finally:
        for b in busy:
            b.kill()
        p.end()
        shutil.rmtree(work, ignore_errors=True)
    print("podman: all good")


if __name__ == "__main__":
    main()
