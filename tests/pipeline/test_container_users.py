#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users and groups by the names of the container's own files: of a Docker container whose image has a user of its own, of one that ran before saker, in a recording
and its replay; the host's users keep theirs. Containers whose passwd is a link to the host's, a pipe, a folder, or 100 MiB of nonsense cost their own names only."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, expect, need_root  # noqa: E402
from runtimes import Docker  # noqa: E402

UIDS = 67600
UID, GID = 65534, 4242 # nobody on the host
RULES = """
- rule: Seen
  desc: executions by that user
  condition: evt.type in (execve, execveat) and proc.name = id and proc.args = -u
  output: "%container.name %user.uid %user.name %user.homedir %user.shell %group.gid %group.name"
  priority: WARNING
"""
LOOP = ("sh", "-c", "while :; do /bin/id -u >/dev/null; sleep 0.1; done")
OWN = {"user.uid": UID, "user.name": "own", "user.homedir": "/own", "user.shell": "/bin/own-shell", "group.gid": GID, "group.name": "owners"}
PASSWD = f"root:x:0:0:root:/root:/bin/sh\nbroken line\nown:x:{UID}:{GID}:An owner:/own:/bin/own-shell\n"
GROUP = f"root:x:0:\nowners:x:{GID}:own\n"
HOSTILE = {
    "link": "rm /etc/passwd; ln -s ../../../../../../proc/1/root/etc/passwd /etc/passwd",
    "pipe": "rm /etc/passwd; mkfifo /etc/passwd",
    "folder": "rm /etc/passwd; mkdir /etc/passwd",
    "nothing": "rm /etc/passwd",
    "huge": "head -c 104857600 /dev/zero | tr '\\0' 'x' > /etc/passwd",
    "many": f"i=100000; while [ $i -lt 103000 ]; do echo u$i:x:$i:$i::/:/bin/sh; i=$((i+1)); done > /etc/passwd; echo own:x:{UID}:{GID}::/own:/bin/own-shell >> /etc/passwd",
}


def fields(a):
    return {k: a["output_fields"][k] for k in OWN}


def of(name, want=None):
    return lambda a: a["output_fields"]["container.name"] == name and (want is None or fields(a) == want)


def prepare(docker):
    """An image with users of its own: made in a container, committed."""
    script = f"printf '{PASSWD}' > /etc/passwd; printf '{GROUP}' > /etc/group".replace("\n", "\\n")
    docker.run("run", "--name", "maker", docker.image, "sh", "-c", script)
    docker.run("commit", "maker", "local/users:1")
    docker.run("rm", "-f", "maker")


def replayed(work, live):
    """What the recording around the first alert tells from then on is the same."""
    files = sorted(f for f in os.listdir(work) if f.endswith(".scap"))
    expect(files, "nothing was recorded")
    r = subprocess.run([SAKER, "-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={work}/{files[0]}", "-r", f"{work}/rules.yaml", "-o", "json_output=true", "-o",
                        'append_output[]={"extra_fields": ["container.name"]}', "-o", f"control.socket={work}/s.sock", "-o", f"uids.first={UIDS}"],
                       capture_output=True, text=True, timeout=60)
    expect(r.returncode == 0, r.stderr[-2000:])
    again = {a["time"]: fields(a) for a in (json.loads(x) for x in r.stdout.splitlines() if x.startswith("{"))}
    same = sum(again.get(a["time"]) == fields(a) for a in live.alerts if of("after", OWN)(a))
    expect(same and same >= len([a for a in live.alerts if of("after", OWN)(a)]) - 1, f"replayed: {same} the same of {len(again)}")
    print(f"replayed: {same} alerts of the container that came later have its users' names")


def main():
    need_root()
    work = tempfile.mkdtemp(prefix="saker-test-users-")
    os.chmod(work, 0o755)
    docker = Docker()
    try:
        prepare(docker)
        with open(f"{work}/rules.yaml", "w") as f:
            f.write(RULES)
        with open(f"{work}/saker.yaml", "w") as f:
            f.write(f"rules_files: [{work}/rules.yaml]\nplugins:\n  - name: container\n    init_config:\n"
                    f"      engines: {{docker: {{enabled: true, sockets: ['{docker.socket}']}}, podman: {{enabled: false}}, cri: {{enabled: false}}}}\n"
                    f"capture: {{enabled: true, mode: all_rules, path_prefix: {work}/around, default_duration: 120000}}\n")
        docker.run("run", "-d", "--name", "before", "-u", f"{UID}:{GID}", "local/users:1", *LOOP)
        s = Saker("-c", f"{work}/saker.yaml", "-o", 'append_output[]={"extra_fields": ["container.name"]}', uids=UIDS, wait=60)
        expect(s.wait_alert("Seen", of("before", OWN), seconds=20), "the container that ran before: " + str([a["output"] for a in s.alerts[-3:]]) + "\n" + "\n".join(s.log[-20:]))
        docker.run("run", "-d", "--name", "after", "-u", f"{UID}:{GID}", "local/users:1", *LOOP)
        began = time.monotonic()
        expect(s.wait_alert("Seen", of("after", OWN), seconds=20), "the container that came later: " + str([a["output"] for a in s.alerts[-3:]]) + "\n" + "\n".join(s.log[-20:]))
        print(f"the container that came later: its user's name {time.monotonic() - began:.2f} s after it was started")
        wrong = [a["output"] for a in s.alerts if fields(a) != OWN and fields(a)["user.name"] not in ("own", "<NA>")]
        expect(not wrong, f"names of others: {wrong}")
        subprocess.run(["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "id", "-u"], stdout=subprocess.DEVNULL, check=True)
        a = s.wait_alert("Seen", of("host"), seconds=20) or s.wait_alert("Seen", of(None), seconds=2)
        expect(a and fields(a)["user.name"] == "nobody", f"the host's own user: {a}")
        for name, script in HOSTILE.items():
            docker.run("run", "-d", "--name", name, "local/users:1", "sh", "-c", f"{script}; " + LOOP[2])
        for name in HOSTILE:
            a = s.wait_alert("Seen", of(name), seconds=30)
            expect(a, f"{name}: no alert\n" + "\n".join(s.log[-20:]))
            expect(fields(a)["user.name"] == "root", f"{name}: {a['output']}") # uid 0, whoever it is called
        docker.run("run", "-d", "--name", "well", "-u", f"{UID}:{GID}", "local/users:1", *LOOP)
        expect(s.wait_alert("Seen", of("well", OWN), seconds=20), "after hostile ones: " + str([a["output"] for a in s.alerts[-3:]]))
        st = s.status()
        expect(all(x["restarts"] == 0 for x in st["stages"]), f"a stage was started again: {[(x['name'], x['restarts']) for x in st['stages']]}")
        expect(s.stop() == 0, "the end: " + "\n".join(s.log[-5:]))
        print("hostile containers cost their own names alone")
        replayed(work, s)
    finally:
        docker.end()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
