#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A person's first minutes, live: start with the shipped rules, an alert, status, test-alert, a second instance, Ctrl-C; and the death of the supervisor."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SAKER, Saker, bpf_left, bpf_objects, expect, left_behind, need_root # noqa: E402


UIDS = 64500


def check_status(s):
    st = s.status()
    expect(st["state"] == "detecting", f"state is {st['state']}")
    names = {x["name"]: x for x in st["stages"]}
    for name in ("supervisor", "collector", "tracker", "evaluator-0", "evaluator-1", "emitter-stdout", "metadata"):
        expect(name in names, f"stage {name} is missing in status: {sorted(names)}")
    uids = [x["uid"] for n, x in names.items() if n != "supervisor"]
    expect(len(set(uids)) == len(uids) and 0 not in uids, f"each stage has a uid of its own: {uids}")
    for n, x in names.items():
        if n == "supervisor":
            continue
        expect(x["state"] == "running" and x["seccomp"] and x["capabilities"] == "none" and x["seal"] == "full", f"seal of {n}: {x}")
        lines = open(f"/proc/{x['pid']}/status").read()
        expect("CapEff:\t0000000000000000" in lines and "NoNewPrivs:\t1" in lines and "Seccomp:\t2" in lines, f"/proc says otherwise of {n}")
        expect(f"Uid:\t{x['uid']}\t{x['uid']}" in lines, f"uid of {n}")
        expect(x["pss_bytes"] > 0, f"{n} reports no memory")
    ledger = st["ledger"]
    expect(ledger["balanced"] and ledger["seen"] == ledger["judged"] + ledger["in_flight"] + sum(ledger["losses"].values()), f"ledger: {ledger}")
    return st


def main():
    need_root()
    t0 = time.monotonic()
    s = Saker("-o", "evaluators=2", uids=UIDS, wait=60)
    print(f"detecting after {time.monotonic() - t0:.2f} s")
    before = len(s.alerts)
    subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=False)
    alert = s.wait_alert(None, lambda a: "/etc/shadow" in a["output"], seconds=5, after=before)
    expect(alert, "no alert for cat /etc/shadow\n" + "\n".join(s.log[-20:]))
    print("alert:", alert["output"][:200])
    check_status(s)
    text = s.command("status")
    expect(text.returncode == 0 and "collector" in text.stdout and "balanced" in text.stdout, f"status text: {text.stdout}{text.stderr}")
    r = s.command("test-alert")
    expect(r.returncode == 0 and "stdout" in r.stdout, f"test-alert: {r.returncode} {r.stdout}{r.stderr}")
    print("test-alert:", r.stdout.strip().splitlines()[-1])
    expect(s.wait_alert("saker test alert", seconds=5), "the test alert did not arrive on stdout")
    objects = bpf_objects(UIDS)
    kinds = {kind for kind, _ in objects}
    expect(not shutil.which("bpftool") or kinds == {"prog", "map", "link"}, f"BPF objects of a running saker: {objects}")
    second = subprocess.run([SAKER, "-o", f"control.socket={s.socket}", "-o", "uids.first=64600"], capture_output=True, text=True, timeout=30)
    expect(second.returncode == 1 and s.socket in second.stderr, f"a second saker: {second.returncode} {second.stderr}")
    plan = subprocess.run([SAKER, "--show-plan"], capture_output=True, text=True, timeout=30)
    expect(plan.returncode == 0 and "tracker" in plan.stdout, f"--show-plan: {plan.stderr}")
    status = s.stop(signal.SIGINT)
    expect(status == 0, f"Ctrl-C: exit status {status}\n" + "\n".join(s.log[-20:]))
    ledger = [x for x in s.log if "balanced" in x]
    expect(ledger and "not balanced" not in ledger[-1], "ledger at Ctrl-C: " + "\n".join(s.log[-20:]))
    expect(not os.path.exists(s.socket), "the control socket was left behind")
    expect(not left_behind(UIDS), f"processes were left behind: {left_behind(UIDS)}")
    expect(not bpf_left(objects), f"BPF objects were left behind: {bpf_left(objects)}")

    s = Saker("-o", "evaluators=2", uids=UIDS, wait=60)
    objects = bpf_objects(UIDS)
    os.kill(s.proc.pid, signal.SIGKILL)
    s.proc.wait(10)
    end = time.monotonic() + 5
    while left_behind(UIDS) and time.monotonic() < end:
        time.sleep(0.05)
    expect(not left_behind(UIDS), f"stages outlived the supervisor: {left_behind(UIDS)}")
    s.stop()
    expect(not bpf_left(objects), f"BPF objects outlived the supervisor: {bpf_left(objects)}")

    # a start that fails when the kernel programs are already there: the sink cannot be opened
    s = Saker("-o", "file_output.enabled=true", "-o", "file_output.filename=/proc/nowhere/x", uids=UIDS, wait=0)
    status = s.proc.wait(30)
    s.stop()
    expect(status == 1 and any("/proc/nowhere/x" in x for x in s.log), f"a start that fails late: {status} {s.log}")
    left = bpf_objects(UIDS)
    expect(not bpf_left(left), f"BPF objects of a failed start: {bpf_left(left)}")
    expect(not left_behind(UIDS), f"processes of a failed start: {left_behind(UIDS)}")
    print("all as promised")


if __name__ == "__main__":
    main()
