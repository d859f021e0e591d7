#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In time: the alert of the very first execution in a container has its facts, on a busy host. SAKER_CONTAINERS: how many are run (default 20); the figures are printed."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, expect, expect_balanced, need_root  # noqa: E402
from runtimes import Docker  # noqa: E402

UIDS = 66200
RULES = """
- rule: First
  desc: what a container begins with
  condition: evt.type in (execve, execveat) and proc.name = touch and container.id != host
  output: "%proc.cmdline | %container.full_id %container.name %container.image %container.image.repository %container.image.tag %container.labels %container.metadata"
  priority: WARNING
"""


def judge(f, real, labels):
    """complete, named (by the report of its creation), partial or what is wrong."""
    image = real["Config"]["Image"]
    want = {"container.name": real["Name"].lstrip("/"), "container.image": image, "container.image.repository": image.rsplit(":", 1)[0],
            "container.image.tag": image.rsplit(":", 1)[1], "container.labels": labels}
    partial = f["container.metadata"] == "partial"
    bad = {k: (f[k], v) for k, v in want.items() if f[k] != v and not (partial and f[k] is None)}
    if bad:
        return f"wrong: {bad}"
    return "complete" if not partial else "named" if all(f[k] is not None for k in want) else "partial"


def run(d, work, n, hooks):
    """@n containers, their verdicts. Without the runtime's reports (hooks) the first process in a container's cgroup is all that tells of it."""
    with open(f"{work}/saker.yaml", "w") as f:
        f.write(f"rules_files: [{work}/rules.yaml]\nplugins:\n  - name: container\n    init_config:\n      hooks: [{hooks}]\n"
                f"      engines: {{docker: {{enabled: true, sockets: ['{d.socket}']}}, podman: {{enabled: false}}}}\n")
    busy = []
    s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
    try:
        busy = [subprocess.Popen(["sh", "-c", "while :; do cat /etc/hostname >/dev/null; done"]) for _ in range(2)]
        began = time.monotonic()
        for i in range(n):
            d.run("run", "--name", f"{hooks}{i}", "--label", f"number={i}", "--network=none", d.image, "touch", f"/tmp/f{i}")
        took = time.monotonic() - began
        s.wait_alert("First", lambda a: f"touch /tmp/f{n - 1} " in a["output"])
    finally:
        for p in busy:
            p.kill()
            p.wait()
    verdicts = {}
    for i in range(n):
        a = next((a for a in s.alerts if f"touch /tmp/f{i} " in a["output"]), None)
        expect(a, f"no alert of container {i}\n" + "\n".join(s.log[-20:]))
        v = judge(a["output_fields"], d.inspect(f"{hooks}{i}"), f"number:{i}")
        verdicts[v] = verdicts.get(v, 0) + 1
    st = s.status()
    c = st["containers"]
    print(f"{n} docker run in {took:.1f} s on a busy host, hooks {hooks}: {verdicts}; held {c['held']} containers, {c['held_events']} events, "
          f"for p50 {c['wait_ms']['p50']:.2f} ms, p99 {c['wait_ms']['p99']:.2f} ms")
    wrong = [v for v in verdicts if v not in ("complete", "named", "partial")]
    expect(not wrong, f"facts that are not so: {wrong}")
    expect_balanced(s)
    expect(not st["ledger"]["losses"].get("tracker.held"), f"ledger: {st['ledger']}")
    expect(s.stop() == 0, "status of the end")
    return c, verdicts.get("complete", 0) + verdicts.get("named", 0)


def kill_trackers(d, work):
    """The tracker dies while it holds a container's records back: they are a named loss, and the ledger adds up."""
    lost = 0
    s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
    for i in range(5):
        p = subprocess.Popen([*d.argv(), "run", "--name", f"killed{i}", "--network=none", d.image, "sleep", "0.2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=d.env())
        end, held = time.monotonic() + 10, s.status()["containers"]["held"]
        while time.monotonic() < end and s.status()["containers"]["held"] == held:
            pass
        tracker = next(x for x in s.status()["stages"] if x["name"] == "tracker")
        os.kill(tracker["pid"], signal.SIGKILL)
        p.wait()
        end = time.monotonic() + 20
        while time.monotonic() < end and next(x for x in s.status()["stages"] if x["name"] == "tracker")["restarts"] == tracker["restarts"]:
            time.sleep(0.05)
        time.sleep(0.5)
    end = time.monotonic() + 20
    while time.monotonic() < end and not s.status()["ledger"]["balanced"]:
        time.sleep(0.2)
    ledger = s.status()["ledger"]
    lost = ledger["losses"].get("tracker.held", 0)
    print(f"5 kills of the tracker while containers started: {lost} events lost with it, by name")
    expect(ledger["balanced"], f"ledger: {ledger}")
    expect(lost > 0, "the tracker never died with something held back")
    expect(s.stop() == 0, "status of the end")


def main():
    need_root()
    n = int(os.environ.get("SAKER_CONTAINERS", "20"))
    work = tempfile.mkdtemp(prefix="saker-test-containers-")
    d = Docker()
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        _, complete = run(d, work, n, "create")
        expect(complete >= 0.99 * n, f"in time for {complete} of {n} alone")
        # Docker answers nothing about a container that it is just starting: its events wait as long as they may, and are marked
        c, _ = run(d, work, n, "remove")
        kill_trackers(d, work)
        expect(c["held"] >= n, f"held back were {c['held']} of {n} containers that nobody had reported")
    finally:
        d.end()
        shutil.rmtree(work, ignore_errors=True)
    print("containers: all good")


if __name__ == "__main__":
    main()
