#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live and recorded agree: a live run writes a capture file around an alert while it alerts; replaying the file gives the same lines. The recorder is sealed like
every stage, or the run would not start. Needs root."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, fail, need_root # noqa: E402

RULE = """- rule: shadow
  desc: x
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and proc.name in (cat, head)
  output: "%evt.time %proc.name %proc.pname %proc.cmdline %user.name %proc.cwd %proc.exepath %fd.name"
  priority: NOTICE
  capture: true
  capture_duration: 1000
"""
SCRIPT = "cat /etc/shadow; cat /etc/../etc/shadow; head -1 /etc/shadow"


def main():
    need_root()
    with tempfile.TemporaryDirectory() as work:
        rules = f"{work}/rules.yaml"
        with open(rules, "w") as f:
            f.write(RULE)
        s = Saker("-r", rules, "-o", "capture.enabled=true", "-o", f"capture.path_prefix={work}/around", uids=64600)
        subprocess.run(["sh", "-c", SCRIPT], cwd="/usr", stdout=subprocess.DEVNULL, check=True)
        s.wait_alert("shadow", lambda a: "head" in a["output"])
        time.sleep(0.2)
        if s.stop() != 0:
            fail("the live run failed\n" + "\n".join(s.log[-20:]))
        live = [a["output"] for a in s.alerts if a["rule"] == "shadow"]
        files = [f for f in os.listdir(work) if f.startswith("around_")]
        if len(live) != 3 or len(files) != 1:
            fail(f"{len(live)} alerts, {len(files)} files\n" + "\n".join(s.log[-20:]))
        r = subprocess.run([SAKER, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={work}/{files[0]}", "-r", rules, "-o",
                            f"control.socket={work}/s.sock", "-o", "uids.first=64600"], capture_output=True, text=True, timeout=60)
        again = [line for line in r.stdout.split("Events detected:")[0].splitlines() if line]
        if r.returncode != 0 or again != live:
            fail("live:\n" + "\n".join(live) + "\nrecorded:\n" + "\n".join(again) + r.stderr[-2000:])
    print(f"{len(live)} alerts, live and recorded the same")


if __name__ == "__main__":
    main()
