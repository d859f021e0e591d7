#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of a real dockerd: alerts have what its own inspect says; what ran before is known within a second; a runtime that comes late, dies or is restarted, and processes of ours that die."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SANITIZED, Saker, expect, expect_balanced, left_behind, need_root, wait_log  # noqa: E402
from runtimes import Docker  # noqa: E402

UIDS = 66000
RULES = """
- rule: Executed
  desc: every execution of these, in a container or not
  condition: evt.type in (execve, execveat) and proc.name in (cat, touch)
  output: "%proc.cmdline | %container.id %container.full_id %container.name %container.type %container.image %container.image.repository %container.image.tag %container.image.id %container.labels %container.privileged %container.mounts"
  priority: WARNING
- rule: Told
  desc: a container is known now
  condition: evt.type = container and container.name startswith first
  output: "%container.full_id %container.name %container.image %container.metadata %container.privileged %evt.type %evt.asynctype %evt.is_async"
  priority: NOTICE
- rule: Removed
  desc: a container is gone
  condition: evt.type = container_removed
  output: "%evt.type %evt.arg.data"
  priority: NOTICE
"""


def fields(a):
    return a["output_fields"]


def check_alert(d, a, ident):
    """What the alert says and what the runtime says."""
    real, f = d.inspect(ident), fields(a)
    labels = ",".join(sorted(f"{k}:{v}" for k, v in real["Config"]["Labels"].items()))
    repository, tag = real["Config"]["Image"].rsplit(":", 1)
    want = {"container.full_id": real["Id"], "container.id": real["Id"][:12], "container.name": real["Name"][1:], "container.type": "docker",
            "container.image": real["Config"]["Image"], "container.image.repository": repository, "container.image.tag": tag,
            "container.image.id": real["Image"].split(":")[1][:12], "container.privileged": real["HostConfig"]["Privileged"],
            "container.mounts": ",".join(":".join([m["Source"], m["Destination"], m["Mode"], "true" if m["RW"] else "false", m["Propagation"]])
                                         for m in real["Mounts"])}
    for k, v in want.items():
        expect(f[k] == v, f"{ident}: {k} is {f[k]!r}, and inspect says {v!r}")
    expect(",".join(sorted(f["container.labels"].split(", "))) == labels, f"{ident}: labels are {f['container.labels']!r}, and inspect says {labels!r}")


def stage(s, name):
    return next(x for x in s.status()["stages"] if x["name"] == name)


def run_and_check(s, d, name, *options):
    """A container whose first execution is the act: its alert."""
    at = len(s.alerts)
    d.run("run", "--name", name, "--network=none", *options, d.image, "cat", "/etc/passwd", f"/tmp/{name}", check=False)
    a = s.wait_alert("Executed", lambda a: f"/tmp/{name}" in a["output"], after=at)
    expect(a, f"no alert of {name}\n" + "\n".join(s.log[-20:]))
    check_alert(d, a, name)


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-docker-")
    d = Docker()
    slow = 10 if SANITIZED else 1
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        with open(f"{work}/saker.yaml", "w") as f:
            f.write(f"rules_files: [{work}/rules.yaml]\nplugins:\n  - name: container\n    library_path: libcontainer.so\n    init_config:\n"
                    f"      label_max_len: 40\n      engines: {{docker: {{enabled: true, sockets: ['{d.socket}']}}, podman: {{enabled: false}}}}\n")
        # one runs before, and acts all the time
        d.run("run", "-d", "--name", "before", "--network=none", "--label", "tier=web", "-v", f"{work}:/data:ro", d.image, "sh", "-c",
              "while /bin/cat /etc/group >/dev/null; do sleep 0.05; done")
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        detecting = time.time()
        a = s.wait_alert("Executed", lambda a: fields(a)["container.name"] == "before")
        expect(a, "the container that ran before is not known\n" + "\n".join(s.log[-20:]))
        check_alert(d, a, "before")
        late = fields(a)["evt.time"] / 1e9 - detecting if "evt.time" in fields(a) else 0
        print(f"the one that ran before: known {max(late, 0):.3f} s after the start")
        g = stage(s, "gate")
        expect(g["seal"] == "full" and g["seccomp"] and g["capabilities"] == "none", f"seal of the gate: {g}")

        run_and_check(s, d, "first", "--label", "a=b", "--label", "n=4", "-v", f"{work}:/x")
        # what is told of it is an event of its own, and so is its end
        real = d.inspect("first")
        a = s.wait_alert("Told", lambda a: fields(a)["container.metadata"] == "complete")
        want = {"container.full_id": real["Id"], "container.name": "first", "container.image": d.image, "container.privileged": False, "evt.type": "container",
                "evt.asynctype": "container", "evt.is_async": True}
        expect(a and all(fields(a)[k] == v for k, v in want.items()), f"the event of a container: {a and fields(a)}, not {want}")
        d.run("rm", "first")
        expect(s.wait_alert("Removed", lambda a: real["Id"] in fields(a)["evt.arg.data"]), "its removal is no event")

        at = len(s.alerts)
        subprocess.run(["cat", f"{work}/rules.yaml"], stdout=subprocess.DEVNULL, check=True)
        a = s.wait_alert("Executed", lambda a: f"cat {work}/rules.yaml" in a["output"], after=at)
        expect(a and fields(a)["container.id"] == "host" and fields(a)["container.name"] == "host", f"the same on the host: {a}")

        # the runtime dies and comes back
        d.kill()
        wait_log(s, "went away", 1, 5)
        began = time.monotonic()
        d.start()
        up = time.monotonic()
        wait_log(s, "answers", 2, 10 * slow)
        print(f"dockerd killed and started again: answers {time.monotonic() - up:.3f} s after it was up ({up - began:.2f} s)")
        expect(time.monotonic() - up < 2 * slow, "it took too long to connect again")
        run_and_check(s, d, "second")

        # our own die
        for name in ("gate", "metadata"):
            x = stage(s, name)
            os.kill(x["pid"], signal.SIGKILL)
            end = time.monotonic() + 10 * slow
            while time.monotonic() < end and not (stage(s, name)["restarts"] > x["restarts"] and stage(s, name)["state"] == "running"):
                time.sleep(0.05)
            expect(stage(s, name)["state"] == "running", f"{name} is not started again")
            time.sleep(0.5)
            run_and_check(s, d, f"after-{name}", "--label", f"killed={name}")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")

        # sockets that are not there are no error, and are used when they appear
        d.kill()
        os.unlink(d.socket)
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        expect(not any("docker" in x for x in s.log), "absence is no news:\n" + "\n".join(s.log))
        d.start()
        wait_log(s, "answers", 1, 10 * slow)
        run_and_check(s, d, "late")
        expect(s.stop() == 0, "status of the end")
        left = left_behind(UIDS)
        expect(not left, f"left behind: {left}")
    finally:
        d.end()
        shutil.rmtree(work, ignore_errors=True)
    print("docker: all good")


if __name__ == "__main__":
    main()
