#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ECS, OCSF and CEF beside Falco's JSON, of one run: every line fits its schema and says the same as the JSON line of the same alert id."""
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Saker, fail # noqa: E402

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is missing (scripts/setup installs it)")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
EVENTS = 20000
RULES = """
- rule: open
  desc: d
  condition: evt.type in (open, openat) and fd.name startswith /etc
  output: opened (user=%user.name uid=%user.uid file=%fd.name dir=%fd.directory base=%fd.filename args=%proc.cmdline exe=%proc.exepath id=%container.id)
  priority: WARNING
  tags: [filesystem, mitre_credential_access, T1555, T1003.008]
- rule: connect
  desc: d
  condition: evt.type = connect
  output: connected (%fd.name %fd.sip %fd.sport %fd.cip %fd.cport %fd.l4proto pid=%proc.pid ppid=%proc.ppid tid=%thread.tid parent=%proc.pname sid=%proc.sid)
  priority: CRITICAL
  tags: [network]
- rule: exec
  desc: d
  condition: evt.type in (execve, execveat)
  output: executed (%proc.name %proc.pcmdline %proc.cwd %proc.aname[2] %evt.type %group.gid %group.name)
  priority: DEBUG
"""
CEF_PAIR = re.compile(r"(?:^| )([A-Za-z0-9]+)=((?:\\.|[^\\=])*?)(?= [A-Za-z0-9]+=|$)")


def run(d):
    rules = os.path.join(d, "rules.yaml")
    with open(rules, "w") as f:
        f.write(RULES)
    outputs = [x for kind in ("json", "ecs", "ocsf", "cef") for x in ("-o", "outputs[]=" + json.dumps(
        {"name": kind, "kind": "file", "format": kind, "file": {"path": os.path.join(d, kind)}, "spool": {"enabled": False}}))]
    s = Saker("-o", "engine.kind=synthetic", "-o", f"engine.synthetic.events={EVENTS}", "-r", rules, *outputs, uids=65700, wait=0)
    s.proc.wait(120)
    if s.stop() != 0:
        fail("saker ended with an error\n" + "\n".join(s.log[-30:]))
    return {kind: open(os.path.join(d, kind)).read().splitlines() for kind in ("json", "ecs", "ocsf", "cef")}


def unescape(s):
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m.group(1), m.group(1)), s)


def parse_cef(line):
    parts = re.split(r"(?<!\\)\|", line, maxsplit=7)
    if len(parts) != 8 or parts[0] != "CEF:0":
        fail(f"no CEF header: {line}")
    return [unescape(p) for p in parts[:7]], {k: unescape(v) for k, v in CEF_PAIR.findall(parts[7])}


def same(what, got, want):
    if got != want:
        fail(f"{what}: {got!r}, the JSON line has {want!r}")


def check_ecs(e, j):
    f = j["output_fields"]
    same("event.id", e["event"]["id"], j["uuid"])
    same("rule", e["rule"]["name"], j["rule"])
    same("tags", e["tags"], j["tags"])
    same("fields", e["saker"]["output_fields"], f)
    if j["rule"] == "open":
        same("path", e["file"]["path"], f["fd.name"])
        same("technique", e["threat"]["technique"]["id"], ["T1003.008", "T1555"])
    if j["rule"] == "connect" and f.get("fd.sip"):
        same("ip", e["destination"]["ip"], f["fd.sip"])
        same("port", e["destination"]["port"], f["fd.sport"])


def check_ocsf(o, j):
    same("uid", o["finding_info"]["uid"], j["uuid"])
    same("title", o["finding_info"]["title"], j["rule"])
    same("severity", o["severity"], {"Warning": "Medium", "Critical": "Critical", "Debug": "Informational"}[j["priority"]])
    same("data", o["evidences"][0]["data"], j["output_fields"])


def check_cef(line, j):
    head, ext = parse_cef(line)
    same("name", head[5], j["rule"])
    same("externalId", ext["externalId"], j["uuid"])
    same("severity", head[6], {"Warning": "5", "Critical": "8", "Debug": "1"}[j["priority"]])
    if j["rule"] == "open":
        same("filePath", ext["filePath"], j["output_fields"]["fd.name"])
    if ext["msg"] not in j["output"]:
        fail(f"msg {ext['msg']!r} is not in {j['output']!r}")


def main():
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        lines = run(d)
    schemas = {k: jsonschema.Draft7Validator(json.load(open(os.path.join(HERE, "schemas", f"{k}.json"))), format_checker=jsonschema.FormatChecker())
               for k in ("ecs", "ocsf")}
    counts = {k: len(v) for k, v in lines.items()}
    if len(set(counts.values())) != 1 or counts["json"] < 100:
        fail(f"lines: {counts}")
    seen = set()
    for text, ecs, ocsf, cef in zip(*(lines[k] for k in ("json", "ecs", "ocsf", "cef"))):
        j, e, o = json.loads(text), json.loads(ecs), json.loads(ocsf)
        seen.add(j["rule"])
        for k, doc in (("ecs", e), ("ocsf", o)):
            for error in schemas[k].iter_errors(doc):
                fail(f"{k}: {'/'.join(map(str, error.absolute_path))}: {error.message}\n{doc}")
        check_ecs(e, j)
        check_ocsf(o, j)
        check_cef(cef, j)
    if seen != {"open", "connect", "exec"}:
        fail(f"only {seen} gave alerts")
    broken = {**e, "event": {**e["event"], "kind": "nonsense"}}
    if not list(schemas["ecs"].iter_errors(broken)):
        fail("the schema takes anything")
    print(f"{counts['json']} alerts in four formats: schemas fit, ids and fields agree")


main()
