#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sink that never answers, with a spool and without: the other output gets every alert, and none of them late. What the stalled one does not take is in its spool, or
lost by name."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import fail, need_root # noqa: E402
import stall # noqa: E402

UIDS = 64400
BURST, PACED = 4000, 600
LATEST_MS = 1000 # a machine that is busy must not fail it; an evaluator that waits for the stalled one takes two seconds


def main():
    need_root()
    mute = stall.Mute()
    with tempfile.TemporaryDirectory(prefix="saker-stall-") as d:
        os.chmod(d, 0o755)
        for name, outputs in (("alone", []), ("spooled", [stall.mute_output("spooled", mute.port, True)]), ("memory", [stall.mute_output("memory", mute.port, False)])):
            ms, rows, s = stall.run(d, outputs, UIDS, BURST, PACED)
            losses = {k: v for k, v in rows["stdout"]["losses"].items() if v}
            if len(ms) != PACED or losses:
                fail(f"{name}: {len(ms)} of {PACED} alerts on stdout, losses {losses}\n" + "\n".join(s.log[-20:]))
            print(f"{name}: latency of the other output ms p50 {stall.percentile(ms, 50):.2f}, p99 {stall.percentile(ms, 99):.2f}, most {max(ms):.2f}")
            if max(ms) > LATEST_MS:
                fail(f"{name}: an alert was {max(ms):.0f} ms late")
            if name == "alone":
                continue
            row = rows[name]
            lost = sum(row["losses"].values())
            print(f"{name}: accepted {row['accepted']}, delivered {row['delivered']}, in the spool {row['in_spool']}, lost {({k: v for k, v in row['losses'].items() if v})}")
            if row["delivered"]:
                fail("a server that answers nothing took something")
            if name == "spooled" and (row["in_spool"] != BURST + PACED or lost):
                fail(f"spooled: {row['in_spool']} of {BURST + PACED} are in the spool")
            if name == "memory" and (not row["losses"]["ring_full"] or lost != row["losses"]["ring_full"]):
                fail(f"memory: lost {row['losses']}")
    if not mute.n_bytes:
        fail("nothing came to the mute server")


if __name__ == "__main__":
    main()
