#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random-schedule model of the protocol between the stages: numbers, progress, merge, recovery, poison, cut-off and the ledger (ARCHITECTURE.md).

protocol_model.py [--runs N] [--only NAME] [--seed S]

Each run makes up a host (changes of state and events in two per-CPU rings), wires a collector, a tracker, 1-4 evaluators and two emitters with small rings, lets a
seeded random scheduler choose whose next step it is, and kills stages at random steps; what a killed stage held privately is gone. After every step but an emitter's the
ledger is read from what outlives the stages. At the end the outputs are compared with a sequential judgement.

- Source that waits (replay, synthetic), kills of collector, evaluators, emitters: byte-identical once repeats of the same id and torn lines are removed; without
  kills of emitters byte-identical as it is.
- Live, kills of every stage: no event stands twice in the event rings or is counted twice; every event that was sent is judged, with the state of its own time unless
  it is marked doubtful, and has its alerts at every output that wants them; in order unless the merge had to go past a silent evaluator.
- A source that waits, kills of every stage: numbers and orders alone, as what the tracker knew is gone.
- One evaluator stopped for long, live: everything else is drained and delivered meanwhile.
- No deadlock anywhere, and every run ends: each stage by itself, after END.

The model is tested too: each variant with a deliberate mistake must fail. Exit 0: all variants hold and all mistakes were found. One thing is left out: two kills from
outside that hit the same few instructions in which the same record is judged are not told from poison.
"""
import argparse
import random
import sys
from collections import Counter, namedtuple

sys.dont_write_bytecode = True
from stages import Collector, Died, Emitter, Evaluator, host  # noqa: E402
from tracker import Tracker  # noqa: E402
from world import END, EVENT, FIRST_VALUE, N_OUTPUTS, N_PROCS, POISON_RULE, STATE, World, judge, wants  # noqa: E402

MAX_STEPS = 120_000
CHECKED_EVERY = 64  # steps: is everything done?

# rings: capacities of raw, event, alert and kernel rings, in records. meets: what the runs together must have come across.
# tight: the tracker's shadow has no room for some records.
Variant = namedtuple("Variant", "name live kills rings meets poison hang wrong tight", defaults=((), False, False, (), False))

SMALL, MIDDLE = (6, 3, 1, 12), (8, 12, 4, 12)
ALL = ("collector", "tracker", "evaluator", "emitter")

AGAIN = ("kills", "judged again")
LOSSES = ("kernel losses", "shed", "cut-offs")
HOLDS = [
    Variant("waits, no kills", False, (), MIDDLE),
    Variant("waits, evaluators killed", False, ("evaluator",), MIDDLE, AGAIN),
    Variant("waits, evaluators killed, smallest rings", False, ("evaluator",), SMALL, AGAIN),
    Variant("waits, collector killed", False, ("collector",), MIDDLE, ("kills",)),
    Variant("waits, emitters killed", False, ("emitter",), MIDDLE, ("kills", "repeats", "torn lines")),
    Variant("waits, all but tracker killed", False, ("collector", "evaluator", "emitter"), MIDDLE, AGAIN),
    Variant("waits, all but tracker killed, smallest rings", False, ("collector", "evaluator", "emitter"), SMALL, AGAIN),
    Variant("waits, poison, evaluators and emitters killed", False, ("evaluator", "emitter"), MIDDLE, ("skipped",), poison=True),
    Variant("waits, all killed, orders", False, ALL, SMALL, ("kills", "waited with an order at hand")),
    Variant("live, no kills", True, (), MIDDLE),
    Variant("live, evaluators killed", True, ("evaluator",), MIDDLE, AGAIN),
    Variant("live, tracker killed", True, ("tracker",), MIDDLE, ("not sent again", "marked")),
    Variant("live, all killed", True, ALL, MIDDLE, AGAIN + ("marked", "not sent again")),
    Variant("live, all killed, smallest rings", True, ALL, SMALL, LOSSES),
    Variant("live, all killed, shadow without room", True, ALL, MIDDLE, AGAIN + ("refused", "told again", "marked until whole"), tight=True),
    Variant("live, all killed, poison", True, ALL, MIDDLE, ("skipped",), poison=True),
    Variant("live, an evaluator stopped, others killed", True, ("evaluator",), SMALL, ("kills", "abandoned", "went past"), hang=True),
    Variant("live, an evaluator stopped", True, (), MIDDLE, ("went past", "cut-offs"), hang=True),
]
MISTAKES = [
    Variant("merge without bounds", False, (), MIDDLE, wrong=("no-bounds",)),
    Variant("emitter reads heads before bounds", False, (), MIDDLE, wrong=("heads-first",)),
    Variant("an evaluator without a record is waited for", False, (), SMALL, wrong=("waits-for-unused",)),
    Variant("upto before the records", False, (), MIDDLE, wrong=("upto-before-records",)),
    Variant("progress only at commit", False, (), SMALL, wrong=("progress-at-commit",)),
    Variant("at advanced before the alerts are out", False, (), MIDDLE, wrong=("at-before-alerts",)),
    Variant("snapshot of now, not of the commit", False, ("evaluator",), MIDDLE, wrong=("snapshot-of-now",)),
    Variant("shadow without journal", False, ("evaluator",), MIDDLE, wrong=("no-journal",)),
    Variant("END is looked for in the ring only", False, ("evaluator", "emitter"), SMALL, wrong=("end-only-from-ring",)),
    Variant("END passed on before the commit", False, ("evaluator",), SMALL, wrong=("end-before-commit",)),
    Variant("tracker ends before the evaluators have", False, ("evaluator",), MIDDLE, wrong=("ends-at-once",)),
    Variant("successor of an ended evaluator looks no more", False, ("evaluator",), MIDDLE, wrong=("ended-looks-no-more",)),
    Variant("emitters keep repeats", False, ("evaluator",), MIDDLE, wrong=("keep-repeats",)),
    Variant("tracker that waits for room serves no evaluator", False, ("evaluator",), SMALL, wrong=("blocked-is-deaf",)),
    Variant("alert ring committed before the sink has it", False, ("emitter",), MIDDLE, wrong=("commit-before-sink",)),
    Variant("poison named by at[i]", False, ("evaluator",), MIDDLE, wrong=("poison-by-at",)),
    Variant("restart slot written after the publish", False, ("collector",), MIDDLE, wrong=("slot-after-publish",)),
    Variant("one restart slot", False, ("collector",), MIDDLE, wrong=("one-slot",)),
    Variant("collector goes on at the kernel's positions", False, ("collector",), MIDDLE, wrong=("kernel-positions",)),
    Variant("counter stored beside the commit", False, ("evaluator",), MIDDLE, wrong=("counter-beside-commit",)),
    Variant("tracker's orders go on from upto", True, ("tracker",), MIDDLE, wrong=("ord-from-upto",)),
    Variant("the order at hand is given again", False, ("tracker",), SMALL, wrong=("order-at-hand",)),
    Variant("older records overwrite the snapshot", True, ("tracker",), MIDDLE, wrong=("older-overwrites",)),
    Variant("events older than the snapshot not marked", True, ("tracker",), MIDDLE, wrong=("unmarked-older",)),
    Variant("evaluator behind a new epoch not marked", True, ALL, MIDDLE, wrong=("unmarked-epoch",)),
    Variant("evaluator gets newer state than its events", True, ALL, MIDDLE, wrong=("newer-for-older",)),
    Variant("uncommitted events sent again", True, ("tracker",), MIDDLE, wrong=("resend",)),
    Variant("a new epoch forgets what was settled", True, ("tracker",), MIDDLE, wrong=("settled-anew",)),
    Variant("losses of a ring not beside its head", True, ("tracker",), SMALL, wrong=("losses-without-slot",)),
    Variant("tracker writes behind a predecessor's END", True, ("tracker",), MIDDLE, wrong=("writes-behind-end",)),
    Variant("ring rejoins without snapshot", True, ("evaluator",), SMALL, wrong=("rejoin-without-snapshot",)),
    Variant("holes of the shadow not marked", True, ("evaluator",), MIDDLE, wrong=("unmarked-holes",), tight=True),
    Variant("what found no room is not told again", True, ("evaluator",), MIDDLE, wrong=("not-told-again",), tight=True),
    Variant("a snapshot with a hole stays incomplete", True, ("evaluator",), MIDDLE, wrong=("stays-incomplete",), tight=True),
    Variant("no cut-off", True, (), MIDDLE, hang=True, wrong=("no-cut-off",)),
    Variant("merge without patience", True, (), MIDDLE, hang=True, wrong=("no-patience",)),
]
# What an observer sees between two stores is no proof of these: only what stays wrong is.
LEDGER_AT_END = {"counter-beside-commit", "slot-after-publish", "one-slot", "losses-without-slot"}


class Failed(Exception):
    pass


def expect(ok, why):
    if not ok:
        raise Failed(why)


def make_script(rnd, variant):
    """(kind, process, change of state or "is a rule indexed for it", class, poison) of each event."""
    # sometimes one busy process comes first, so that only one evaluator has anything
    script = [(EVENT, 0, 1, 0, False)] * rnd.choice((0, 0, 0, 20))
    for _ in range(rnd.randrange(40, 120)):
        p = rnd.randrange(N_PROCS)
        if rnd.random() < 0.3:
            script.append((STATE, p, rnd.randrange(9), 0, False))
        else:
            is_indexed = rnd.random() < 0.85
            is_poison = variant.poison and is_indexed and rnd.random() < 0.03
            script.append((EVENT, p, int(is_indexed), int(rnd.random() < 0.4), is_poison))
    return script


class Stage:
    """A process as the supervisor sees it. start(): a new incarnation's generator, or None if it has to wait for something."""

    def __init__(self, kind, index, start):
        self.kind, self.index, self.start = kind, index, start
        self.steps = None  # dead
        self.is_done = False  # ended by itself
        self.ready_at = 0
        self.skip = self.named = 0


class Run:
    def __init__(self, variant, seed):
        self.variant, self.rnd = variant, random.Random(seed)
        rnd = self.rnd
        n = rnd.randrange(2, 5) if variant.hang or variant.wrong else rnd.randrange(1, 5)
        self.w = World(make_script(rnd, variant), n, variant.live, variant.rings, rnd, variant.wrong, variant.tight)
        for i in range(n):
            self.w.snapshot[i] = ([FIRST_VALUE] * N_PROCS, False, 0)
        self.stages = [Stage("collector", 0, lambda s: Collector(self.w).run()), Stage("tracker", 0, lambda s: Tracker(self.w).run())]
        self.stages += [Stage("evaluator", i, self.start_evaluator) for i in range(n)]
        self.stages += [Stage("emitter", o, lambda s: Emitter(self.w, s.index).run()) for o in range(N_OUTPUTS)]
        if variant.live:
            self.stages.append(Stage("host", 0, lambda s: host(self.w)))
        # who is fast and who is slow differs from run to run
        self.weights = [rnd.choice((1, 2, 4, 8)) for _ in self.stages]
        self.kill_rate = rnd.choice((0.002, 0.01, 0.04))
        self.n_steps = self.n_kills = 0
        self.stopped = None  # the stage that gets no turn

    def start_evaluator(self, stage):
        snapshot = self.w.snapshot.pop(stage.index, None)
        ring = self.w.event[stage.index]
        if snapshot is None and self.w.evaluator[stage.index].ended and ring.tail == ring.head:
            snapshot = ([FIRST_VALUE] * N_PROCS, False, 0)  # it has nothing to judge, and the tracker may be gone
        if snapshot is None:
            self.w.wanted.add(stage.index)
            return None
        return Evaluator(self.w, stage.index, snapshot, stage.skip).run()

    def died(self, stage):
        """The supervisor's part (lines 6 and 8)."""
        stage.steps = None
        stage.ready_at = self.n_steps + self.rnd.randrange(1, 200)
        if stage.kind == "evaluator":
            page = self.w.evaluator[stage.index]
            name = page.at if "poison-by-at" in self.w.wrong else page.judging
            if name and name == stage.named:
                stage.skip = name
            stage.named = name or stage.named
            self.w.snapshot.pop(stage.index, None)
            self.w.wanted.discard(stage.index)

    def turn(self, stage):
        if stage is self.stopped or stage.is_done:
            self.n_steps += 1
            return
        if stage.steps is None:
            self.n_steps += 1
            if self.n_steps >= stage.ready_at:
                stage.steps = stage.start(stage)
            return
        for _ in range(self.rnd.choice((1, 1, 2, 4, 16))):
            self.n_steps += 1
            try:
                next(stage.steps)
            except StopIteration:
                stage.steps, stage.is_done = None, True
            except Died:
                self.died(stage)
            if stage.kind != "emitter" and not self.w.wrong & LEDGER_AT_END:
                why = self.w.unbalanced()
                expect(not why, why)
            if stage.steps is None:
                return

    def may_kill(self, stage):
        if stage.steps is None or stage.kind not in self.variant.kills:
            return False
        if stage.kind != "evaluator" or "poison-by-at" in self.w.wrong:
            return True
        judging = self.w.evaluator[stage.index].judging
        return not judging or judging != stage.named  # see the head: what is left out

    def kill_someone(self):
        stage = self.rnd.choice(self.stages)
        if self.may_kill(stage):
            stage.steps = None
            self.n_kills += 1
            self.died(stage)

    def run_until(self, is_done, max_steps):
        end = self.n_steps + max_steps
        check_at = self.n_steps
        while self.n_steps < end:
            self.turn(self.rnd.choices(self.stages, self.weights)[0])
            if self.variant.kills and self.rnd.random() < self.kill_rate and self.n_kills < 30:
                self.kill_someone()
            if self.n_steps >= check_at:
                check_at = self.n_steps + CHECKED_EVERY
                if is_done():
                    return True
        return False

    def hang(self):
        """Evaluator 0 stands still; the rest of the pipeline must not."""
        self.run_until(lambda: False, self.rnd.randrange(50, 1000))
        self.stopped = next(s for s in self.stages if s.kind == "evaluator")
        w = self.w
        done = self.run_until(lambda: w.kernel.is_done() and w.raw.n_events(0, w.raw.tail) == len(w.kernel.god_kept)
                              and all(ring.tail == ring.head for ring in w.event[1:])
                              and all(ring.tail == ring.head for rings in w.alert[1:] for ring in rings), MAX_STEPS // 2)
        self.stopped = None
        expect(done, "others wait for a stopped evaluator")

    def execute(self):
        if self.variant.hang:
            self.hang()
        expect(self.run_until(lambda: all(s.is_done for s in self.stages), MAX_STEPS), "stuck")
        why = self.w.unbalanced()
        expect(not why, why)
        expect(not self.w.god_stays, "still incomplete at the end")
        check_numbers(self.w)
        emitters_died = "emitter" in self.variant.kills
        outputs = [check_repeats(sink, emitters_died) for sink in self.w.sink]
        self.note(outputs)
        if self.variant.live:
            check_live(self.w, outputs, self.variant.kills)
        elif "tracker" not in self.variant.kills:  # what it knew of a source that is not there is gone
            check_waiting(self.w, outputs)

    def note(self, outputs):
        """What this run came across."""
        n_shed = sum(self.w.sent_to(i).shed for i in range(self.w.n))
        n_torn = sum(sink.count(None) for sink in self.w.sink)
        self.w.god_met.update({"kills": self.n_kills, "kernel losses": self.w.kernel.lost, "shed": n_shed, "torn lines": n_torn,
                               "went past": self.w.god_waited_enough,
                               "repeats": sum(map(len, self.w.sink)) - n_torn - sum(map(len, outputs))})


def check_numbers(w):
    """Every event that the kernel kept has one number, in the kernel's order, and stands in an event ring at most once."""
    events = [rec for rec in w.raw.rec if rec.kind != END]
    expect([rec.seq for rec in events] == list(range(1, len(events) + 1)), "event numbers: doubled or missing")
    expect([rec.time for rec in events] == w.kernel.god_kept, "events: doubled, missing or out of order")
    sent = Counter(rec.seq for ring in w.event for rec in ring.rec if rec.kind == EVENT)
    expect(all(n == 1 for n in sent.values()), "event sent twice")
    for ring in w.event:
        orders = [rec.ord for rec in ring.rec]
        expect(all(a < b for a, b in zip(orders, orders[1:])), "orders in a ring do not grow")


def check_repeats(sink, emitters_died):
    """An output without its torn lines and without what was there before (same id)."""
    seen, out = set(), []
    for alert in sink:
        if alert is None:
            expect(emitters_died, "torn line")
            continue
        if (alert.seq, alert.rule) in seen:
            expect(emitters_died, "repeat")
            continue
        seen.add((alert.seq, alert.rule))
        out.append(alert)
    return out


def check_waiting(w, outputs):
    """Byte-identical to the judgement of one process that never dies."""
    for output, alerts in enumerate(outputs):
        expected = []
        for rec in w.raw.rec:
            if rec.kind != EVENT or not rec.v:
                continue
            value = w.kernel.god_truth[rec.time]
            rules = [(POISON_RULE, None)] if rec.poison else [(rule, value) for rule in judge(value)]
            expected += [(rec.seq, rule, v, False) for rule, v in rules if wants(output, rule)]
        got = [(a.seq, a.rule, a.value, a.doubtful) for a in alerts]
        expect(sorted(got, key=str) == sorted(expected, key=str), "alerts: wrong, missing or too many")
        expect(got == expected, "alerts: order")


def check_live(w, outputs, kills):
    sent = {rec.seq: rec for ring in w.event for rec in ring.rec if rec.kind == EVENT}
    by_seq = [{} for _ in outputs]
    for output, alerts in enumerate(outputs):
        for alert in alerts:
            by_seq[output].setdefault(alert.seq, {})[alert.rule] = alert
    is_exact = True
    for seq, rec in sent.items():
        if seq in w.god_skipped:
            expect(rec.poison and not w.god_judged.get(seq), "an innocent event was skipped")
            judged = [{POISON_RULE}]
        else:
            judgements = w.god_judged.get(seq)
            expect(judgements, "event lost")
            is_exact &= check_state(w, rec, judgements, kills)
            judged = [set(judge(value)) for value, _ in judgements]
        for output, found in enumerate(by_seq):
            got = set(found.pop(seq, {}))
            must = {rule for rule in set.intersection(*judged) if wants(output, rule)}
            may = {rule for rule in set.union(*judged) if wants(output, rule)}
            expect(must <= got <= may, "alerts: missing or too many")
    expect(not any(by_seq), "alert for an event that was counted as lost")
    if is_exact and not w.god_waited_enough:
        for alerts in outputs:
            expect(all((a.ord, a.rule) < (b.ord, b.rule) for a, b in zip(alerts, alerts[1:])), "alerts: order")


def check_state(w, rec, judgements, kills):
    """Judged with the state of its time; if marked, with one that the process had later, or none. True: nothing was marked."""
    later = {value for time, value in w.kernel.god_history[rec.p] if time > rec.time}
    truth = w.kernel.god_truth[rec.time]
    for value, doubtful in judgements:
        expect(value == truth or doubtful and (value is None or value in later), "judged with wrong state")
        expect(not doubtful or kills, "marked without need")
    return not any(doubtful for _, doubtful in judgements)


def run_variant(variant, runs, seed, stop_at_first=False):
    """Runs done, the failures by reason, and what was met on the way."""
    why, met, done = Counter(), Counter(), 0
    while done < runs and not (stop_at_first and why):
        run = Run(variant, seed * 1_000_003 + done)
        done += 1
        try:
            run.execute()
        except Failed as e:
            text = str(e)
            why["ledger" if text.startswith("ledger") else text] += 1
        met += run.w.god_met
    return done, why, met


def line(name, done, why, met):
    found = ", ".join(f"{what} {n}" for what, n in why.most_common())
    seen = ", ".join(f"{what} {n}" for what, n in sorted(met.items()) if n)
    print(f"{name:<56} runs {done:>5}  failures {sum(why.values())}" + (f" ({found})" if found else "") + (f"  [{seen}]" if seen else ""), flush=True)


def main():
    p = argparse.ArgumentParser(description="random-schedule model of the protocol between the stages")
    p.add_argument("--runs", type=int, default=20, help="runs of each variant")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="", help="variants whose name contains this")
    args = p.parse_args()
    bad = 0
    for variant in HOLDS:
        if args.only in variant.name:
            done, why, met = run_variant(variant, args.runs, args.seed)
            line(variant.name, done, why, met)
            missed = [what for what in variant.meets if not met[what]] if args.runs >= 20 else []
            if missed:
                print(f"  proves nothing: no run met {', '.join(missed)}")
            bad += bool(why or missed)
    for variant in MISTAKES:
        if args.only in variant.name:
            done, why, _ = run_variant(variant, max(args.runs, 400), args.seed, stop_at_first=True)
            line("mistake: " + variant.name, done, why, {})
            bad += not why
    print("model: all variants hold, all mistakes were found" if not bad else f"model: {bad} variants are not as they should be")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
