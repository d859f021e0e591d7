#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tools of the command line: validation, descriptions, lists, schemas, rule tests. None needs root."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import SAKER, SHARED, TOP, fail

RULES = os.path.join(SHARED, "data/rules")
OFFICIAL = {"falco_rules.yaml": 25, "falco-incubating_rules.yaml": 31, "falco-sandbox_rules.yaml": 37, "falco-deprecated_rules.yaml": 4}
SHIPPED = os.path.join(os.path.dirname(os.path.dirname(SAKER)), "share/saker/rules/saker_rules.yaml")
DIR = tempfile.mkdtemp(prefix="saker-tools-")
os.chmod(DIR, 0o755)
GOOD = """- list: names
  items: [cat, tac]
- macro: reads
  condition: evt.type in (open, openat) and evt.is_open_read=true
- rule: Good
  desc: d
  condition: reads and proc.name in (names)
  output: "f=%fd.name"
  priority: NOTICE
  tags: [a]
"""
BAD = "- rule: Bad\n  desc: d\n  condition: evt.type=open and proc.nmae=x\n  output: o\n  priority: INFO\n"


def write(name, text):
    path = os.path.join(DIR, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def run(*args, **more):
    return subprocess.run([SAKER, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)


def expect(what, ok, r=None):
    if not ok:
        fail(what + (f"\nexit {r.returncode}\n{r.stdout[-2000:]}\n{r.stderr[-2000:]}" if r else ""))


def keys_sorted(text):
    """Are the keys of every object in order?"""
    ok = [True]

    def look(pairs):
        names = [k for k, _ in pairs]
        ok[0] = ok[0] and names == sorted(names)
        return dict(pairs)
    return json.loads(text, object_pairs_hook=look), ok[0]


def validation():
    good, bad = write("good.yaml", GOOD), write("bad.yaml", BAD)
    r = run("-V", good)
    expect("-V of a valid file", r.returncode == 0 and f"{good}: Ok" in r.stdout, r)
    r = run("-V", good, bad)
    expect("-V of an invalid file", r.returncode == 1 and f"{good}: Ok" in r.stdout and f"{bad}: Invalid" in r.stdout, r)
    expect("-V: place and suggestion on stderr", f"{bad}:3:32: error:" in r.stderr and "did you mean 'proc.name'?" in r.stderr, r)
    r = run("-V", bad, "-V", good, "-o", "json_output=true")
    res, ok = keys_sorted(r.stdout)
    expect("-V as JSON: exit and order of keys", r.returncode == 1 and ok and r.stdout.count("\n") == 1, r)
    first, second = res["falco_load_results"]
    expect("-V as JSON: one result a file, in order", first["name"] == bad and second["name"] == good and second["successful"] is True, r)
    expect("-V as JSON: the error", first["successful"] is False and first["errors"][0]["code"] == "LOAD_ERR_COMPILE_CONDITION"
           and first["errors"][0]["context"]["locations"][0]["item_type"] == "rules content", r)
    r = run("-V", good, "-L", "-o", "json_output=true")
    expect("-V -L as JSON", r.returncode == 0 and json.loads(r.stdout)["falco_describe_results"]["rules"][0]["info"]["name"] == "Good", r)
    r = run("-V", os.path.join(DIR, "none.yaml"))
    expect("--validate", run("--validate", good).stdout == run("-V", good).stdout)
    expect("-V of no file", r.returncode == 1 and "No such file" in r.stderr, r)
    r = run("-V", good, "-r", good)
    expect("-V with -r is refused", r.returncode == 1 and "does not go with" in r.stderr, r)


def descriptions():
    good = write("good.yaml", GOOD)
    files = {os.path.join(RULES, n): c for n, c in OFFICIAL.items()} if os.path.exists(RULES) else {SHIPPED: 30}
    for path, count in files.items():
        r = run("-L", "-r", path, "-o", "json_output=true")
        res, ok = keys_sorted(r.stdout)
        expect(f"-L of {path}", r.returncode == 0 and ok and len(res["rules"]) == count, r)
        text = open(path).read()
        for kind in ("macro", "list"):
            wanted = set(re.findall(rf"^(?:- |  ){kind}: (\S+)", text, re.M))
            expect(f"-L of {path}: every {kind}", {x["info"]["name"] for x in res[kind + "s"]} == wanted, r)
    r = run("-L", "-r", good)
    expect("-L as text", r.returncode == 0 and "Good" in r.stdout, r)
    r = run("-l", "Good", "-r", good, "-o", "json_output=true")
    rule = json.loads(r.stdout)["rules"][0]
    expect("-l: what a rule is made of", rule["info"]["priority"] == "Notice" and rule["details"]["macros"] == ["reads"]
           and rule["details"]["lists"] == ["names"] and "openat" in rule["details"]["events"], r)
    r = run("-l", "Goood", "-r", good)
    expect("-l of no rule", r.returncode == 1 and "did you mean 'Good'?" in r.stderr, r)


def explanations():
    good = write("good.yaml", GOOD)
    r = run("explain", "Good", "-r", good)
    expect("explain", r.returncode == 0 and "openat" in r.stdout and "proc.name in (cat, tac)" in r.stdout and "cost" in r.stdout, r)
    r = run("explain", "Good", "-r", good, "--json")
    res, ok = keys_sorted(r.stdout)
    expect("explain as JSON", r.returncode == 0 and ok and res["events"] == ["open", "openat"] and res["fields"] == ["evt.is_open_read", "evt.type", "proc.name"], r)
    r = run("explain", "Goood", "-r", good)
    expect("explain of no rule", r.returncode == 1 and "did you mean 'Good'?" in r.stderr, r)
    whole, tree = run("dump", "-r", good), run("dump", "--ast", "Good", "-r", good)
    expect("dump", whole.returncode == 0 and tree.returncode == 0 and "proc.name" in tree.stdout and len(whole.stdout) > len(tree.stdout) > 0, tree)
    expect("dump is stable", whole.stdout == run("dump", "-r", good).stdout)


def table():
    """Names of the field table, without hidden and deprecated ones."""
    text = open(os.path.join(TOP, "rules/include/rules/fields.def")).read()
    rows = re.findall(r'^FIELD\(\w+, "([^"]+)", \w+, \w+, \w+, [^,]+, ([^,]+),', text, re.M)
    return {n for n, flags in rows if "FF_HIDDEN" not in flags and "FF_DEPRECATED" not in flags}


def lists():
    names = run("--list", "-N").stdout.split()
    expect("--list -N is the table", set(names) == table() and len(names) == len(set(names)) > 200)
    r = run("--list", "syscall")
    expect("--list as text", r.returncode == 0 and "Field Class:                  evt" in r.stdout and "\nproc.name  " in r.stdout, r)
    res = json.loads(run("--list", "--format", "json").stdout)
    expect("--list -N as JSON", json.loads(run("--list", "-N", "--format", "json").stdout) == {"fieldnames": names})
    expect("--list as JSON", {f["name"] for c in res["fieldclasses"] for f in c["fields"]} == set(names))
    r = run("--list", "--markdown")
    doc = open(os.path.join(TOP, "docs/fields.md")).read()
    expect("docs/fields.md is not current: make it again by `saker --list --format markdown`", doc.split("\n\n", 2)[2] == r.stdout, r)
    r = run("--list=k8s_audit")
    expect("--list of an unknown source", r.returncode == 1 and "no event source" in r.stderr, r)
    r = run("--list-events")
    expect("--list-events", r.returncode == 0 and "\n< openat(FD **fd**, FD **dirfd**" in r.stdout and "\n< uname(" in r.stdout, r)
    res = json.loads(run("--list-events", "--format", "json").stdout)
    flags = next(e for e in res["Syscall events"] if e["name"] == "openat" and e["dir"] == "<")["params"][3]
    expect("--list-events as JSON: directions by parity", [e["dir"] for e in res["Metaevents"] if e["name"] == "drop"] == [">", "<"])
    expect("--list-events as JSON", flags["name"] == "flags" and "O_CREAT" in flags["flags"])
    expect("--list-events as Markdown", "Yes | `<` | `openat` | " in run("--list-events", "--format", "markdown").stdout)


def schemas():
    config = json.loads(run("--config-schema").stdout)
    props = config["properties"]
    expect("--config-schema", props["priority"] and "modern_ebpf" in props["engine"]["properties"]["kind"]["enum"]
           and props["outputs"]["items"]["properties"]["kafka"]["properties"]["topic"] and config["additionalProperties"] is False)
    rules = json.loads(run("--rule-schema").stdout)
    expect("--rule-schema", rules["type"] == "array" and "exceptions" in json.dumps(rules))
    try:
        import jsonschema
        import yaml
    except ImportError:
        return
    jsonschema.validate(yaml.safe_load(GOOD), rules)
    jsonschema.validate({"json_output": True, "engine": {"kind": "synthetic"}}, config)


def others():
    good = write("good.yaml", GOOD)
    config = write("saker.yaml", f"rules_files: [{good}]\npriority: info\n")
    r = run("--support", "-c", config)
    res = json.loads(r.stdout)
    expect("--support", res["system_info"]["sysname"] == "Linux" and "priority: info" in res["config"] and "--support" in res["cmdline"]
           and res["rules_files"] == [{"name": good, "variants": [{"content": GOOD}]}], r)
    expect("--page-size", "Your system page size is: " in run("--page-size").stdout)
    expect("--list-plugins", "0 Plugins Loaded" in run("--list-plugins").stdout)
    r = run("-i")
    expect("-i: nothing is ignored", r.returncode == 0 and r.stdout == "Ignored syscall(s):\n\n" and "saker ignores none" in r.stderr, r)
    for more in (["-U"], ["-v"], ["-pc"], ["-pk"], ["--print", "x"], ["--enable-source", "syscall"], ["-M", "5"], ["--pidfile", os.path.join(DIR, "none")],
                 ["--unbuffered"], ["--verbose"], ["--config", config], ["--option", "json_output=true"], ["--rules", good]):
        r = run("--dry-run", "-r", good, *more)
        expect(f"--dry-run {more}", r.returncode == 0 and "enabled: " in r.stderr, r)
    r = run("--dry-run", "-c", config)
    expect("--dry-run", r.returncode == 0 and "rules: 1, enabled: 1" in r.stderr, r)
    r = run("--dry-run", "-r", write("bad.yaml", BAD))
    expect("--dry-run of a bad rule", r.returncode == 1 and "proc.nmae" in r.stderr, r)
    r = run("--list", "-L")
    expect("two tools are refused", r.returncode == 1 and "do not go together" in r.stderr, r)
    # a tool that reads nothing does not stumble over a broken configuration
    expect("--list beside a broken configuration", run("--list", "-N", "-c", write("broken.yaml", "{")).returncode == 0)


def versions():
    r = run("--version")
    expect("--version", r.returncode == 0 and re.search(r"^saker version: \d+\.\d+\.\d+$", r.stdout, re.M) and "\nEngine:        0.63.0\nDriver:\n  API version:    " in r.stdout
           and r.stderr == "", r)
    r = run("--version", "-o", "json_output=true")
    res = json.loads(r.stdout)
    expect("--version as JSON", res["engine_version"] == "63" and res["engine_version_semver"] == "0.63.0" and res["driver_schema_version"] == "4.5.1"
           and res["plugin_versions"] == {} and res["saker_version"], r)
    for flag in ("-h", "--help"):
        r = run(flag)
        expect(flag, r.returncode == 0 and all(f in r.stdout for f in ("-V, --validate", "--dry-run", "explain RULE", "--support")) and r.stderr == "", r)
    for verb in ("status", "test-alert", "output", "explain", "test", "record", "dump", "spool"):
        r = run(verb, "--help")
        expect(f"{verb} --help", r.returncode == 0 and "Example: saker " + verb in r.stdout and r.stderr == "", r)


def every_flag_is_tried():
    """Each flag of `saker --help` stands in a test of the command line."""
    flags = set(re.findall(r"(?:^  | )(-{1,2}[A-Za-z][\w-]*)", run("--help").stdout.split("Options:")[1].split("Signals:")[0], re.M))
    here = os.path.dirname(os.path.abspath(__file__))
    texts = "".join(open(os.path.join(here, f), encoding="utf-8").read() for f in os.listdir(here) if f.endswith(".py"))
    missing = sorted(f for f in flags if not re.search(rf'["\' ]{re.escape(f)}["\'=, ]', texts))
    expect(f"flags without a test: {missing}", len(flags) > 30 and not missing)


def wrong_use():
    """One line each, status 1; what Falco had and saker has not says what to use instead."""
    for args, want in (
            (["-A"], "use -o base_syscalls.all=true"), (["-e", "x.scap"], "use -o engine.kind=replay -o engine.replay.capture_file=FILE"),
            (["-S", "10"], "use -o falco_libs.snaplen=N"), (["--modern-bpf"], "use -o engine.kind=modern_ebpf"), (["-T", "x"], '"disable":{"tag":"NAME"}'),
            (["--cri", "x"], "'--cri' has no meaning here"), (["--plugin-info", "x"], "'--plugin-info' has no meaning here"), (["-N"], "'-N' goes with '--list'"),
            (["--format", "json"], "goes with '--list' or '--list-events'"), (["--list", "--format", "xml"], "not 'xml'"),
            (["--list", "--markdown", "-N"], "does not go with"), (["-M", "abc"], "a number of seconds above 0"), (["-M", "0"], "a number of seconds above 0"),
            (["--enable-source", "k8s_audit"], "k8s_audit"), (["--disable-source", "syscall"], "would leave no event source"),
            (["--enable-source", "syscall", "--disable-source", "syscall"], "does not go with"), (["-V"], "needs a value"), (["--suport"], "did you mean '--support'?"),
            (["frobnicate"], "unknown command"), (["explain"], "needs RULE"), (["test"], "needs FILE"), (["record"], "needs -w FILE"), (["--page-size", "x"], "unexpected word")):
        r = run(*args)
        expect(f"{args}", r.returncode == 1 and r.stdout == "" and r.stderr.count("\n") == 1 and want in r.stderr, r)


def rule_tests():
    doc = re.findall(r"```yaml\n(.*?)```", open(os.path.join(TOP, "docs/rule-tests.md")).read(), re.S)
    write("web_rules.yaml", doc[0])
    tests = write("web_rules_test.yaml", doc[1])
    r = run("test", tests)
    expect("the example of docs/rule-tests.md", r.returncode == 0 and r.stdout == f"{tests}: 4 passed, 0 failed\n", r)
    shipped = os.path.join(TOP, "rules/default/saker_rules_test.yaml")
    r = run("test", shipped)
    expect("tests of the shipped rules", r.returncode == 0 and ", 0 failed" in r.stdout, r)
    wrong = write("wrong_test.yaml", doc[1].replace("expect: none", "expect: Server reads passwords"))
    r = run("test", "--json", wrong, tests)
    res, ok = keys_sorted(r.stdout)
    failed = [t for t in res["files"][0]["tests"] if not t["passed"]]
    expect("a test that fails", r.returncode == 1 and ok and res["failed"] == 1 and res["passed"] == 7 and len(failed) == 1
           and failed[0]["got"] == [] and failed[0]["expected"] == ["Server reads passwords"], r)
    # each of these makes the test of the example's password file fail, for the reason said
    for event, want in (("fd.directory: /var", "the event cannot be so: fd.directory is '/etc'"), ("proc.name: bash", "no alert of")):
        r = run("test", write("x_test.yaml", "rules: [web_rules.yaml]\ntests:\n  - name: x\n    event: {evt.type: openat, fd.name: /etc/shadow, "
                              f"evt.is_open_read: true, proc.name: nginx, {event}}}\n".replace("proc.name: nginx, proc.name", "proc.name")
                              + "    expect: Server reads passwords\n"))
        expect(f"a test with {event}", r.returncode == 1 and want in r.stdout, r)
    r = run("test", write("form_test.yaml", "tests:\n  - name: x\n    event: {evt.type: opennat, proc.nmae: y}\n    expect: none\n"))
    expect("errors of a test file", r.returncode == 1 and "form_test.yaml:3:23: error: unknown event type 'opennat'" in r.stderr, r)
    # shadowed by an earlier rule: said, and gone when all rules are asked
    write("two.yaml", GOOD + GOOD[GOOD.index("- rule"):].replace("Good", "Second"))
    two = write("two_test.yaml", "rules: [two.yaml]\ntests:\n  - name: x\n    event: {evt.type: openat, fd.name: /a, evt.is_open_read: true, proc.name: cat}\n"
                "    expect: [Good, Second]\n")
    r = run("test", two)
    expect("an earlier rule takes the alert", r.returncode == 1 and "an earlier rule gives the alert" in r.stdout, r)
    expect("all rules", run("test", two, "-o", "rule_matching=all").returncode == 0)


def unprivileged():
    """The tools do not need root."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    stage = os.path.join(DIR, "stage") # the checkout may be where only root can read
    shutil.copytree(os.path.dirname(os.path.dirname(SAKER)), stage)
    for args in (["--list", "-N"], ["-V", write("good.yaml", GOOD)], ["test", os.path.join(DIR, "web_rules_test.yaml")]):
        r = subprocess.run([*drop, os.path.join(stage, "bin/saker"), *args], capture_output=True, text=True, timeout=60)
        expect(f"{args} without root", r.returncode == 0, r)


def pidfile():
    """-P, with a source that needs no root."""
    path = os.path.join(DIR, "pid")
    sock = os.path.join(DIR, "control.sock")
    p = subprocess.Popen([SAKER, "-r", write("good.yaml", GOOD), "-o", "engine.kind=synthetic", "-o", "engine.synthetic.rate=100", "-P", path, "-o",
                          f"control.socket={sock}", "-o", "uids.first=66200"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.path.exists(path) and p.poll() is None:
        time.sleep(0.05)
    time.sleep(0.2)
    there = os.path.exists(path) and open(path).read() == f"{p.pid}\n"
    p.terminate()
    _, err = p.communicate(timeout=20)
    expect(f"-P writes the process id: {err}", there)
    expect("-P: the file is removed at the end", not os.path.exists(path))


def print_option():
    """-p: appended to every rule's output."""
    rules = write("close.yaml", "- rule: C\n  desc: d\n  condition: evt.type=close\n  output: closed\n  priority: INFO\n")
    r = run("-r", rules, "-o", "engine.kind=synthetic", "-o", "engine.synthetic.events=300", "-o", f"control.socket={DIR}/p.sock", "-o", "uids.first=66200",
            "-p", "PID=%proc.pid")
    expect("-p", r.returncode == 0 and re.search(r"closed PID=\d+\n", r.stdout), r)


if __name__ == "__main__":
    try:
        for part in (validation, descriptions, explanations, lists, schemas, others, versions, wrong_use, every_flag_is_tried, rule_tests, unprivileged, pidfile, print_option):
            part()
            print(f"{part.__name__}: fine")
    finally:
        shutil.rmtree(DIR, ignore_errors=True)
    sys.exit(0)
