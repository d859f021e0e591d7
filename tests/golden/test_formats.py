# SPDX-License-Identifier: Apache-2.0
"""Other settings of the output over one capture: byte for byte what the reference prints, its summary at the end included. Of the fields
that only a container runtime knows, the reference's runs had none."""
import os
import sys

from replay import MASKED_TEXT, RULES, Replay, golden, skip

JSON = ("-o", "json_output=true")
ALL = ("-o", "rule_matching=all")
SUGGESTED = ("-o", 'append_output[]={"suggested_output": true}')
# name of the file -> settings
FORMATS = {
    "text.txt": SUGGESTED,
    "iso-warning.txt": (*SUGGESTED, "-o", "time_format_iso_8601=true", "-o", "priority=warning"),
    "append.txt": (*SUGGESTED, *ALL, "-o", 'append_output[]={"match":{"tags":["filesystem"]},"extra_output":"EXTRA %proc.pid %user.uid",'
                   '"extra_fields":["proc.aname[2]",{"mykey":"%evt.num-%proc.name"}]}'),
    "json-message.jsonl": (*SUGGESTED, *JSON, "-o", "json_include_tags_property=false", "-o", "json_include_output_property=false",
                           "-o", "json_include_message_property=true"),
    "json-append.jsonl": (*SUGGESTED, *JSON, "-o", 'append_output[]={"match":{"rule":"Read sensitive file untrusted"},"extra_output":"EXTRA %proc.pid",'
                          '"extra_fields":["proc.ppid",{"mykey":"%evt.num-%proc.name"}]}', "-o", 'static_fields={"env":"prod"}'),
    "enable-tag.txt": (*SUGGESTED, "-o", 'rules[]={"disable":{"rule":"*"}}', "-o", 'rules[]={"enable":{"tag":"mitre_credential_access"}}'),
}


def masked(line):
    """Fields of containers besides the id, as text and as JSON."""
    line = MASKED_TEXT.sub("(container)", line)
    for key in ("container.image.repository", "container.image.tag", "container.name", "k8s.ns.name", "k8s.pod.name"):
        for value in ('"host"', '""'):
            line = line.replace(f'"{key}":{value}', f'"{key}":null')
    return line


def main():
    rules = os.path.join(RULES, "falco_rules.yaml")
    if not os.path.exists(rules):
        skip(f"the official rule file is not there: {rules}")
    bad = 0
    for name, args in FORMATS.items():
        out, _ = Replay("rules1", rules, *args).output()
        got = [masked(line) for line in out.decode(errors="surrogateescape").splitlines()]
        with open(golden(f"formats/rules1.{name}"), encoding="utf-8", errors="surrogateescape") as f:
            want = [masked(line) for line in f.read().splitlines()]
        print(f"{name}: {len(want)} lines, {'equal' if got == want else 'different'}")
        if got == want:
            continue
        bad += 1
        for line in [x for x in got if x not in want][:5]:
            print(f"    ours:          {line[:700]}")
        for line in [x for x in want if x not in got][:5]:
            print(f"    the reference: {line[:700]}")
    return bad


sys.exit(1 if main() else 0)
