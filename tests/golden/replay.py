# SPDX-License-Identifier: Apache-2.0
"""Replaying the recorded captures, and comparing what saker says with what the reference said. Used by the tests beside it."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAKER = os.environ.get("SAKER_BIN", os.path.join(TOP, "build/stage/bin/saker"))
SHARED = os.environ.get("SAKER_SHARED", os.path.join(os.path.dirname(TOP), "shared"))
GOLDEN = os.path.join(SHARED, "data/golden")
RULES = os.path.join(SHARED, "data/rules")
UNPRIVILEGED = 65534
# one minute of recorded work is read in seconds; sanitizers and busy machines are slow
TIMEOUT = 280


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def golden(name):
    """The path of a recorded file; without the recordings there is nothing to compare with."""
    path = os.path.join(GOLDEN, name)
    if not os.path.exists(path):
        skip(f"the recordings are not there: {path}")
    return path


def drop_root():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UNPRIVILEGED)
        os.setuid(UNPRIVILEGED)


class Replay:
    """One replay, by a user without rights: a process to read from, then its log and status."""

    def __init__(self, capture, rules, *args):
        self.dir = tempfile.mkdtemp(prefix="saker-golden-")
        os.chmod(self.dir, 0o777)
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        argv = [SAKER, "-o", f"control.socket={self.dir}/control.sock", "-o", f"spool.directory={self.dir}",
                "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={golden(capture + '.scap.gz')}",
                "-o", "stdout_output.enabled=true", "-o", "syslog_output.enabled=false", "-o", "compat.exact=true", "-r", rules, *args]
        env = dict(os.environ, TZ="UTC", FALCO_HOSTNAME="vm", NO_COLOR="1")
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=env, preexec_fn=drop_root)

    def end(self):
        """Waits; the test ends here if the replay failed."""
        try:
            status = self.proc.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            status = "killed after a long time"
        self.log.seek(0)
        text = self.log.read().decode(errors="replace")
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if status != 0:
            sys.exit(f"replay ended with {status}:\n{text[-3000:]}")
        return text

    def output(self):
        """All of it, and the log."""
        out = self.proc.stdout.read()
        return out, self.end()


def alerts(capture, rules, *args):
    """The alerts of a replay, every rule that matches, as objects."""
    out, _ = Replay(capture, rules, "-o", "rule_matching=all", "-o", "priority=debug", "-o", "json_output=true", *args).output()
    return [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]


# The reference's runs knew nothing of containers but their ids; a host's record says "host" and empty texts.
MASKED_TEXT = re.compile(r"container_name=\S* container_image_repository=\S* container_image_tag=\S* k8s_pod_name=\S* k8s_ns_name=\S*")


def is_masked(field):
    return field.startswith(("container.", "k8s.")) and field not in ("container.id", "container.start_ts", "container.duration")


def masked(alert):
    alert = dict(alert)
    for key in ("output", "message"):
        if key in alert:
            alert[key] = MASKED_TEXT.sub("(container)", alert[key])
    alert["output_fields"] = {k: v for k, v in alert.get("output_fields", {}).items() if not is_masked(k)}
    return alert


def show(alert):
    return f"{alert.get('time')} {alert.get('rule')}: {alert.get('output', '')[:400]}"


def compare(what, got, want):
    """Prints what differs; how many."""
    by_key = {}
    for a in want:
        by_key.setdefault((a["time"], a["rule"]), []).append(a)
    n = 0
    for a in got:
        same = by_key.get((a["time"], a["rule"]), [])
        if not same:
            print(f"{what}: extra: {show(a)}")
            n += 1
        elif a in same:
            same.remove(a)
        else:
            other = same.pop(0)
            n += 1
            print(f"{what}: differs: {show(a)}")
            for key in sorted(set(a) | set(other)):
                if key == "output_fields":
                    for f in sorted(set(a[key]) | set(other[key])):
                        if a[key].get(f, "absent") != other[key].get(f, "absent"):
                            print(f"    {f}: {a[key].get(f, 'absent')!r}, the reference {other[key].get(f, 'absent')!r}")
                elif a.get(key) != other.get(key):
                    print(f"    {key}: {a.get(key)!r}\n    {' ' * len(key)}  {other.get(key)!r}")
    for left in by_key.values():
        for a in left:
            print(f"{what}: missing: {show(a)}")
            n += 1
    if not n and [(a["time"], a["rule"]) for a in got] != [(a["time"], a["rule"]) for a in want]:
        print(f"{what}: the same alerts in another order")
        n = 1
    return n
