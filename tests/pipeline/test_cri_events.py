#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A runtime of Kubernetes that reports containers itself: one is looked at by the report alone, before it has a cgroup; its removal is an event; reports that end are asked for again, and what came in
between is found by the list; a report that is too long, or none at all, costs itself."""
import json
import os
import secrets
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_cri_server import FakeCri  # noqa: E402
from harness import SANITIZED, Saker, expect, expect_balanced, need_root  # noqa: E402

UIDS = 68600
CREATED, STARTED, STOPPED, DELETED = range(4)
RULES = """
- rule: Told
  desc: a container is known
  condition: evt.type = container
  output: "%container.full_id %container.name %container.type %container.image.repository %container.image.tag"
  priority: NOTICE
- rule: Removed
  desc: a container is gone
  condition: evt.type = container_removed
  output: "%evt.arg.data"
  priority: NOTICE
"""


def told(s, ident, name):
    a = s.wait_alert("Told", lambda a: a["output_fields"]["container.full_id"] == ident)
    want = {"container.name": name, "container.type": "cri-o", "container.image.repository": "quay.io/local/tool", "container.image.tag": "3"}
    expect(a and all(a["output_fields"][k] == v for k, v in want.items()), f"{name}: {a and a['output_fields']}\n" + "\n".join(s.log[-20:]))


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-cri-events-")
    cri = FakeCri(f"{work}/cri.sock")
    ids = [secrets.token_hex(32) for _ in range(6)]
    try:
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        engines = {"docker": {"enabled": False}, "podman": {"enabled": False}, "containerd": {"enabled": False}, "cri": {"sockets": [f"{work}/cri.sock"]}}
        with open(f"{work}/saker.yaml", "w") as f:
            json.dump({"rules_files": [f"{work}/rules.yaml"], "plugins": [{"name": "container", "init_config": {"engines": engines}}]}, f)
        cri.tell("add", ids[0], "listed")
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        cri.wait(f"ContainerStatus {ids[0]}") # known before detection begins, mostly: then it is no event
        cri.wait("GetContainerEvents")

        # by its report alone; that it started is another hook's
        cri.tell("add", ids[1], "reported")
        cri.tell("event", ids[1], STARTED)
        cri.tell("event", ids[1], CREATED)
        told(s, ids[1], "reported")
        expect(cri.asked.count(f"ContainerStatus {ids[1]}") == 1, f"asked more than once: {cri.asked}")
        cri.tell("event", ids[1], STOPPED)
        cri.tell("event", ids[1], DELETED)
        expect(s.wait_alert("Removed", lambda a: ids[1] in a["output_fields"]["evt.arg.data"]), "its removal is no event")

        # the reports end, and one comes in between
        lists = cri.asked.count("ListContainers")
        cri.tell("end")
        cri.tell("add", ids[2], "missed")
        ended = time.monotonic()
        told(s, ids[2], "missed")
        took = time.monotonic() - ended
        print(f"one that came while reports had ended: known after {took:.2f} s")
        expect(took < 2 * (10 if SANITIZED else 1), "it took too long")
        expect(cri.asked.count("ListContainers") > lists, "it was not listed")
        cri.wait("GetContainerEvents", 2)
        cri.tell("add", ids[3], "again")
        cri.tell("event", ids[3], CREATED)
        told(s, ids[3], "again")

        # one of 200,000 bytes; the next one is understood
        lists = cri.asked.count("ListContainers")
        cri.tell("raw", (b"\x22\xba\x9a\x0c" + b"x" * 199994).hex())
        cri.tell("add", ids[4], "behind")
        cri.tell("event", ids[4], CREATED)
        told(s, ids[4], "behind")
        cri.wait("ListContainers", lists + 1)
        # no message at all
        cri.tell("raw", "ff" * 40)
        cri.tell("add", ids[5], "last")
        cri.tell("event", ids[5], CREATED)
        told(s, ids[5], "last")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
    finally:
        cri.close()
        shutil.rmtree(work, ignore_errors=True)
    print("reports of a runtime of Kubernetes: all good")


if __name__ == "__main__":
    main()
