#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official stable rules that name containers, in real containers of Docker and of Podman: they fire with the container's facts, and not for the same act on the host."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ACTOR, Saker, expect, expect_balanced, need_root, official_rules  # noqa: E402
from runtimes import Docker, Podman  # noqa: E402

UIDS = 66800

# rule, the program's name, its arguments, options of the run
ACTS = [
    ("Netcat Remote Code Execution in Container", "nc", ["-e", "x"], []),
    ("Packet socket created in container", "sniffer", ["packet"], ["--cap-add", "NET_RAW"]),
    ("Redirect STDOUT/STDIN to Network Connection in Container", "backdoor", ["dup-socket"], []),
    ("Terminal shell in container", "sh", ["-c", "true"], ["-t"]),
]


def run_in(runtime, name, program, args, options):
    if program != "sh":
        options = [*options, "-v", f"{ACTOR}:/bin/{program}:ro"]
    if isinstance(runtime, Podman):
        runtime.run_container(name, *options, command=(program, *args), check=False)
        return runtime.inspect(name)
    runtime.run("run", "--name", name, "--network=none", *options, runtime.image, program, *args, check=False)
    return runtime.inspect(name)


def check(s, kind, runtime, n, act):
    rule, program, args, options = act
    name, at = f"{kind}-{n}", len(s.alerts)
    real = run_in(runtime, name, program, args, options)
    a = s.wait_alert(rule, lambda a: a["output_fields"].get("container.id") == real["Id"][:12], after=at)
    expect(a, f"{kind}: no alert of '{rule}'\n" + "\n".join(x["output"][:300] for x in s.alerts[at:]))
    f = a["output_fields"]
    repository, tag = runtime.image.rsplit(":", 1)
    want = {"container.name": name, "container.image.repository": repository, "container.image.tag": tag}
    bad = {k: (f[k], v) for k, v in want.items() if f[k] != v}
    expect(not bad, f"{kind}: '{rule}' says {bad}")
    print(f"ok   {kind}: {rule}")


def main():
    need_root()
    rules = official_rules()
    work = tempfile.mkdtemp(prefix="saker-test-ctr-rules-")
    docker, podman = Docker(), Podman()
    try:
        with open(f"{work}/saker.yaml", "w") as f:
            f.write(f"rules_files: [{rules}]\nrule_matching: all\nappend_output: [{{suggested_output: true}}]\nplugins:\n  - name: container\n    init_config:\n"
                    f"      engines: {{docker: {{sockets: ['{docker.socket}']}}, podman: {{sockets: ['{podman.socket}']}}}}\n")
        s = Saker("-c", f"{work}/saker.yaml", uids=UIDS, wait=60)
        for kind, runtime in (("docker", docker), ("podman", podman)):
            for n, act in enumerate(ACTS):
                check(s, kind, runtime, n, act)
        at = len(s.alerts)
        for _, program, args, _ in ACTS[:3]:
            shutil.copy(ACTOR, f"{work}/{program}")
            subprocess.run([f"{work}/{program}", *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False)
        subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)
        expect(s.wait_alert("Read sensitive file untrusted", lambda a: a["output_fields"]["container.id"] == "host", after=at), "no alert of the host's own rule")
        names = {r for r, *_ in ACTS}
        odd = [a["rule"] for a in s.alerts[at:] if a["rule"] in names and a["output_fields"].get("container.id") == "host"]
        expect(not odd, f"rules of containers fired on the host: {odd}")
        expect_balanced(s)
        expect(s.stop() == 0, "status of the end")
    finally:
        docker.end()
        podman.end()
        shutil.rmtree(work, ignore_errors=True)
    print("rules in containers: all good")


if __name__ == "__main__":
    main()
