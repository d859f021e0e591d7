#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input gives one clear error with its place and a non-zero exit, and leaves nothing behind: no process, no socket."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, left_behind, fail # noqa: E402

UIDS = 64700
ONE_LINE = ("kernel without BTF", "no permission for BPF")
GOOD_RULE = """- rule: R
  desc: d
  condition: evt.type=openat and fd.name=/x
  output: o %fd.name
  priority: NOTICE
"""


def write(d, name, text):
    path = os.path.join(d, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def cases(d):
    rules = write(d, "good.yaml", GOOD_RULE)
    syn = ["-o", "engine.kind=synthetic", "-o", f"uids.first={UIDS}"]
    yield "missing rules file", [*syn, "-r", f"{d}/none.yaml"], r"none\.yaml.*No such file"
    yield "missing config file", ["-c", f"{d}/none.yaml"], r"none\.yaml.*No such file"
    yield "rules file is a directory without rules", [*syn, "-r", os.path.join(d, "emptydir")], r"emptydir"
    yield "YAML syntax error", [*syn, "-r", write(d, "syntax.yaml", "- rule: [a\n  x: }\n")], r"syntax\.yaml:\d+:\d+: error:"
    yield "condition syntax error", [*syn, "-r", write(d, "cond.yaml", GOOD_RULE.replace("fd.name=/x", "fd.name=="))], r"cond\.yaml:3:\d+: error:"
    yield ("unknown field", [*syn, "-r", write(d, "field.yaml", GOOD_RULE.replace("and fd.name", "and fd.nmae"))],
           r"(?s)field\.yaml:3:\d+: error:.*fd\.nmae.*did you mean 'fd\.name'")
    yield ("unknown field in output", [*syn, "-r", write(d, "out.yaml", GOOD_RULE.replace("%fd.name", "%fd.nmae"))], r"out\.yaml:4:\d+: error:")
    yield ("unknown field in -p, said once for all rules", [*syn, "-r", write(d, "two.yaml", GOOD_RULE + GOOD_RULE.replace("rule: R", "rule: S")), "-p", "%fd.nmae"],
           r"(?s)^(?!.*nmae.*nmae).*unknown.*fd\.nmae.*did you mean 'fd\.name'")
    yield "wrong priority", [*syn, "-r", write(d, "prio.yaml", GOOD_RULE.replace("NOTICE", "LOUD"))], r"prio\.yaml:5:\d+: error:.*[Pp]riority"
    yield "unknown config key", ["-c", write(d, "key.yaml", "engine:\n  kind: synthetic\njson_ouput: true\n")], r"(?s)key\.yaml:3:1: error:.*json_ouput.*json_output"
    yield "wrong type in config", ["-c", write(d, "type.yaml", "json_output: maybe\n")], r"type\.yaml:1:\d+: error:"
    yield "config that is no YAML", ["-c", write(d, "broken.yaml", "a: [\n")], r"broken\.yaml:\d+:\d+: error:"
    yield "unknown key in -o", [*syn, "-r", rules, "-o", "jsonoutput=true"], r"-o jsonoutput.*error:"
    yield "value out of range", [*syn, "-r", rules, "-o", "evaluators=1000"], r"evaluators"
    yield "unknown option", ["--josn"], r"--josn"
    yield "unknown verb", ["statsu"], r"statsu.*status"
    yield "removed Falco option", ["--modern-bpf"], r"--modern-bpf"
    yield "option without argument", ["-c"], r"-c"
    yield "HOST_ROOT that is no absolute path", [*syn, "-r", rules], r"HOST_ROOT is 'host': expected an absolute path"
    yield "output kind not there", [*syn, "-r", rules, "-o", 'outputs[]={"name":"a","kind":"nosuch"}'], r"nosuch"
    yield "status without a running saker", ["status", "-o", f"control.socket={d}/none.sock"], r"not running", 4
    if os.geteuid() == 0 and os.path.isdir("/sys/kernel/btf"):
        yield "kernel without BTF", ["-r", rules, "-o", f"uids.first={UIDS}"], r"^saker: error: .*/sys/kernel/btf/vmlinux.*CONFIG_DEBUG_INFO_BTF"
    if os.geteuid() == 0:
        yield ("no permission for BPF", None, r"CAP_BPF"), ["-r", rules], None


def run(argv, **kw):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **kw)


def main():
    bad = 0
    with tempfile.TemporaryDirectory(prefix="saker-bad-") as d:
        os.chmod(d, 0o755)
        os.mkdir(os.path.join(d, "emptydir"))
        shutil.copytree(os.path.dirname(os.path.dirname(SAKER)), f"{d}/stage") # the checkout may be where only root can read
        for c in cases(d):
            if isinstance(c[0], tuple): # as nobody
                (label, _, want), args, _ = c
                status = 1
                r = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", f"{d}/stage/bin/saker", "-o", f"control.socket={d}/u.sock", *args])
            else:
                label, args, want = c[:3]
                status = c[3] if len(c) > 3 else 1
                prefix = []
                if label == "kernel without BTF": # as it looks to a process
                    prefix = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"']
                if label.startswith("HOST_ROOT"):
                    prefix = ["env", "HOST_ROOT=host"]
                sock = [] if "status" in args else ["-o", f"control.socket={d}/c.sock"]
                r = run([*prefix, SAKER, *args, *(sock if args[0] not in ("statsu", "--josn", "--modern-bpf", "-c") or len(args) > 1 else [])])
            text = r.stderr
            ok = r.returncode == status and re.search(want, text) and "Sanitizer" not in text
            if label in ONE_LINE and len(text.strip().splitlines()) != 1:
                ok = False
            print(f"{'ok  ' if ok else 'BAD '} {label}: exit {r.returncode}: {text.strip().splitlines()[:1]}", flush=True)
            if not ok:
                print(f"     wanted exit {status} and /{want}/ in:\n{text}")
                bad += 1
            if os.path.exists(f"{d}/c.sock"):
                print("     the control socket was left behind")
                bad += 1
                os.unlink(f"{d}/c.sock")
        left = left_behind(UIDS)
        if left:
            print("     processes left behind:\n" + "\n".join(left))
            bad += 1
    if bad:
        fail(f"{bad} of the cases above")


if __name__ == "__main__":
    main()
