#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same alerts on stdout, in a file and at a local syslog socket; Falco's text and JSON forms; a syslog that goes away and comes back."""
import json
import os
import re
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402

EVENTS = 20000
TEXT = re.compile(r"^\d\d:\d\d:\d\d\.\d{9}: (Emergency|Alert|Critical|Error|Warning|Notice|Informational|Debug) \S")


class SyslogSocket:
    """Stands for /dev/log."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.got = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            data = self.sock.recv(65536)
            if data == b"quit":
                return
            self.got.append(data.decode(errors="replace"))


def run(json_output, d):
    path = os.path.join(d, f"alerts.{json_output}")
    log = os.path.join(d, f"log.{json_output}")
    syslog = SyslogSocket(log)
    outputs = json.dumps({"name": "sys", "kind": "syslog", "format": "json" if json_output else "text", "include_uuid": False,
                          "syslog": {"targets": [f"local:{log}"]}})
    s = Saker("-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-o", "file_output.enabled=true", "-o",
              f"file_output.filename={path}", "-o", f"outputs[]={outputs}", uids=64400, wait=0, json_output=json_output)
    s.proc.wait(120)
    status = s.stop()
    if status != 0:
        fail(f"exit status {status}\n" + "\n".join(s.log[-30:]))
    lines = open(path).read().splitlines()
    quit_sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    quit_sock.sendto(b"quit", log)
    syslog.thread.join(10)
    if len(s.lines) < 10:
        fail(f"only {len(s.lines)} alerts")
    if lines != s.lines:
        fail(f"the file has {len(lines)} alerts, stdout {len(s.lines)}")
    bodies = [re.sub(r"^<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d saker\[\d+\]: ", "", g) for g in syslog.got]
    if bodies != s.lines:
        for a, b in zip(s.lines, bodies):
            if a != b:
                print(f"stdout: {a}\nsyslog: {b}")
                break
        fail(f"syslog got {len(bodies)} alerts, stdout {len(s.lines)}")
    for g, line in zip(syslog.got, s.lines):
        priority = json.loads(line)["priority"] if json_output else line.split()[1]
        number = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"].index(priority)
        if not g.startswith(f"<{8 + number}>"): # facility user
            fail(f"severity of {g[:60]!r} is not that of {priority}")
    return s


KEYS = ["hostname", "output", "output_fields", "priority", "rule", "source", "tags", "time"]


def switches():
    """Falco's switches of the JSON form and of what is appended, each alone."""
    rows = [
        (["json_include_output_property=false"], [k for k in KEYS if k != "output"], None),
        (["json_include_message_property=true"], sorted([*KEYS, "message"]), None),
        (["json_include_output_fields_property=false"], [k for k in KEYS if k != "output_fields"], None),
        (["json_include_tags_property=false"], [k for k in KEYS if k != "tags"], None),
        (["time_format_iso_8601=true"], KEYS, lambda a: re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+0000: ", a["output"])),
        (['append_output[]={"extra_output": "by %proc.name", "extra_fields": ["evt.num", {"mine": "n=%evt.num"}]}'], KEYS,
         lambda a: " by " in a["output"] and a["output_fields"]["mine"] == f"n={a['output_fields']['evt.num']}"),
    ]
    for options, keys, check in rows:
        args = [x for o in options for x in ("-o", o)]
        s = Saker("-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=3000", *args, uids=64400, wait=0)
        s.proc.wait(60)
        if s.stop() != 0 or not s.alerts:
            fail(f"{options}: {len(s.alerts)} alerts\n" + "\n".join(s.log[-10:]))
        for a in s.alerts:
            if sorted(a) != sorted(keys) or (check and not check(a)):
                fail(f"{options}: {a}")
    print(f"{len(rows)} switches of the JSON form")


def main():
    switches()
    with tempfile.TemporaryDirectory(prefix="saker-out-") as d:
        os.chmod(d, 0o755)
        j = run(True, d)
        for line, a in zip(j.lines, j.alerts):
            if list(a) != KEYS:
                fail(f"keys {list(a)}, wanted {KEYS}")
            if list(a["output_fields"]) != sorted(a["output_fields"]):
                fail(f"output_fields are not sorted: {line}")
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", a["time"]) or not TEXT.match(a["output"]):
                fail(f"time or output of {line}")
            if "evt.time" not in a["output_fields"] or not isinstance(a["output_fields"]["evt.time"], int):
                fail(f"evt.time of {line}")
        t = run(False, d)
        if len(t.lines) != len(j.lines):
            fail(f"{len(t.lines)} text alerts, {len(j.lines)} JSON ones")
        for line in t.lines:
            if not TEXT.match(line):
                fail(f"text form: {line}")
        print(f"{len(j.lines)} alerts, the same on stdout, in the file and at syslog, in both forms")


if __name__ == "__main__":
    main()
