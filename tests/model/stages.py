# SPDX-License-Identifier: Apache-2.0
"""The stages of the protocol model but the tracker (tracker.py), as generators: at each `yield` another stage may run, or this one may be killed for good.

The order of the stores between the yields is the protocol. `wrong` names the deliberate mistakes by which the model is tested.
"""
from world import BATCH, END, END_ALERT, END_REC, N_CPUS, N_OUTPUTS, POISON_RULE, SNAP, STATE, Alert, judge, key_of, wants

PATIENCE = 40  # looks of an emitter without progress before it goes past a silent evaluator (line 9)


class Died(Exception):
    """The record at hand killed its stage."""


def host(w):
    """Live only: the host that is watched."""
    while not w.kernel.is_done():
        w.kernel.produce()
        yield


class Collector:
    """Numbers events. The raw ring's slot, written before each publish, says what number and which kernel positions belong to the published head."""

    def __init__(self, w):
        self.w = w
        self.seq, pos = w.raw.slots.get(w.raw.head) or (1, [0] * N_CPUS)
        self.pos = list(w.kernel.taken if "kernel-positions" in w.wrong else pos)

    def run(self):
        w, raw = self.w, self.w.raw
        while True:
            batch = self.fill()
            yield
            is_end = not batch and w.kernel.is_done() and self.is_empty() and raw.room() > 0
            if is_end:
                batch = [END_REC]
            if not batch:
                continue
            if "slot-after-publish" in w.wrong:
                raw.publish(batch)
                yield
            head = raw.head + (0 if "slot-after-publish" in w.wrong else len(batch))
            yield from raw.slots.write(raw.head, head, (self.seq, tuple(self.pos)), 1 if "one-slot" in w.wrong else 2)
            if "slot-after-publish" not in w.wrong:
                raw.publish(batch)
                yield
            w.kernel.taken = list(self.pos)
            yield
            if is_end:
                return

    def is_empty(self):
        return all(len(ring) == at for ring, at in zip(self.w.kernel.ring, self.pos))

    def fill(self):
        """The oldest heads of the per-CPU rings, as far as there is room."""
        batch = []
        while len(batch) < BATCH and self.w.raw.room(len(batch)) > 0:
            heads = [(ring[at].time, cpu) for cpu, (ring, at) in enumerate(zip(self.w.kernel.ring, self.pos)) if at < len(ring)]
            if not heads:
                break
            cpu = min(heads)[1]
            batch.append(self.w.kernel.ring[cpu][self.pos[cpu]]._replace(seq=self.seq))
            self.pos[cpu] += 1
            self.seq += 1
        return batch


class Evaluator:
    def __init__(self, w, i, snapshot, skip):
        self.w, self.i, self.page, self.ring = w, i, w.evaluator[i], w.event[i]
        self.replica, self.is_incomplete, self.whole_from = snapshot
        self.skip = skip
        self.rd = self.ring.tail
        figures = self.page.plain if "counter-beside-commit" in w.wrong else self.page.slots.get(self.rd)
        self.judged, self.skipped = figures or (0, 0)
        self.page.judging = 0  # whoever dies before the first record died of something else

    def set_at(self, at):
        self.page.at = max(self.page.at, at)

    def run(self):
        at_commit = "progress-at-commit" in self.w.wrong
        lag = self.w.rnd.randrange(1, 7)
        while True:
            if self.rd == self.ring.head:
                yield from self.commit()
                if self.page.ended and "end-only-from-ring" not in self.w.wrong:
                    return  # a predecessor died between its commit and its exit
                yield
                continue
            if self.page.ended and "ended-looks-no-more" in self.w.wrong:
                return
            rec = self.ring.rec[self.rd]
            if not at_commit:
                self.set_at(rec.ord)
                yield
            yield from self.take(rec)
            self.rd += 1
            if not at_commit:
                self.set_at(rec.ord + 1)
                yield
            if rec.kind == END:
                yield from self.end()
                return
            if self.rd - self.ring.tail >= lag:
                yield from self.commit()
                self.set_at(rec.ord + 1)

    def end(self):
        """Said before the commit: a ring that is committed whole needs no successor that reads it."""
        self.page.ended = True
        yield
        yield from self.commit()

    def take(self, rec):
        if 0 < self.whole_from <= rec.ord and "stays-incomplete" not in self.w.wrong:
            self.w.god_met["marked until whole"] += self.is_incomplete
            self.is_incomplete = False
        if rec.kind == END:
            # first the commit: an emitter that has seen END takes no repeats any more
            if "end-before-commit" not in self.w.wrong:
                yield from self.commit()
            self.w.god_stays |= self.is_incomplete and 0 < self.whole_from <= rec.ord
            for output in range(N_OUTPUTS):
                records = self.w.alert[self.i][output].rec
                if not records or records[-1] is not END_ALERT:  # real rings have room for some of them
                    yield from self.put_one(output, END_ALERT)
        elif rec.kind == SNAP:
            self.replica, self.is_incomplete = list(rec.v), False
        elif rec.kind == STATE:
            self.replica[rec.p] = rec.v
        elif rec.ord == self.skip:
            self.w.god_skipped.add(rec.seq)
            self.w.god_met["skipped"] += 1
            self.skipped += 1
            yield from self.put([Alert(rec.ord, POISON_RULE, rec.seq, None, False)])
        else:
            yield from self.judge(rec)
            self.judged += 1

    def judge(self, rec):
        self.page.judging = rec.ord
        yield
        if rec.poison:
            raise Died
        value, doubtful = self.replica[rec.p], rec.doubtful or self.is_incomplete
        self.w.god_met["marked"] += doubtful
        self.w.god_met["judged again"] += rec.seq in self.w.god_judged
        self.w.god_judged.setdefault(rec.seq, []).append((value, doubtful))
        self.page.judging = 0  # waiting for room is not judging
        if "at-before-alerts" in self.w.wrong:
            self.set_at(rec.ord + 1)
            yield
        yield from self.put([Alert(rec.ord, rule, rec.seq, value, doubtful) for rule in judge(value)])

    def put(self, alerts):
        for alert in alerts:
            for output in range(N_OUTPUTS):
                if wants(output, alert.rule):
                    yield from self.put_one(output, alert)

    def put_one(self, output, alert):
        ring = self.w.alert[self.i][output]
        while ring.room() <= 0:
            yield
        ring.publish([alert])
        yield

    def commit(self):
        if self.rd == self.ring.tail:
            return
        figures = (self.judged, self.skipped)
        if "counter-beside-commit" in self.w.wrong:
            self.ring.tail = self.rd
            yield
            self.page.plain = figures
        else:
            yield from self.page.slots.write(self.ring.tail, self.rd, figures)
            self.ring.tail = self.rd
        yield


class Emitter:
    def __init__(self, w, output):
        self.w, self.output = w, output
        self.ring = [rings[output] for rings in w.alert]
        self.rd = [ring.tail for ring in self.ring]
        self.ended = [False] * w.n
        self.last = [(-1, -1)] * w.n  # without a spool it is not known after a restart
        self.low, self.n_held = None, 0  # the bound that holds the merge up, and for how many looks

    def run(self):
        while True:
            heads = [ring.head for ring in self.ring] if "heads-first" in self.w.wrong else None
            yield
            bound = yield from self.look()
            taken = []
            while len(taken) < BATCH and (alert := self.next(bound, heads)):
                taken.append(alert)
                yield
            if "commit-before-sink" in self.w.wrong:
                self.commit()
                yield
            for alert in taken:
                self.w.sink[self.output].append(None)
                yield
                self.w.sink[self.output][-1] = alert
                yield
            self.commit()
            if not taken and all(self.ended):
                return

    def commit(self):
        for ring, rd in zip(self.ring, self.rd):
            ring.tail = rd

    def look(self):
        """Line 4: upto, last[i], at[i], and only then the heads."""
        upto = self.w.tracker.upto
        yield
        last = list(self.w.tracker.last)
        yield
        bound = []
        for i in range(self.w.n):
            at = self.w.evaluator[i].at
            is_unused = last[i] == 0 and "waits-for-unused" not in self.w.wrong
            bound.append(upto if at > last[i] or is_unused else at)
            yield
        return bound

    def next(self, bound, heads):
        best, low = None, None
        for i, ring in enumerate(self.ring):
            head = heads[i] if heads else ring.head
            alert = self.peek(i, head)
            if alert:
                if best is None or key_of(alert) < key_of(best[0]):
                    best = alert, i
            elif not self.ended[i]:
                low = bound[i] if low is None else min(low, bound[i])
        if best is None:
            return None
        if low is not None and best[0].ord >= low and "no-bounds" not in self.w.wrong:
            self.n_held = self.n_held + 1 if low == self.low else 0
            self.low = low
            if not self.w.live or self.n_held < PATIENCE or "no-patience" in self.w.wrong:
                return None
            self.w.god_waited_enough = True
        alert, i = best
        self.rd[i] += 1
        self.last[i] = key_of(alert)
        return alert

    def peek(self, i, head):
        """The head of a ring, or None. END may have been taken by a predecessor: then the evaluator's page says so."""
        has_ended = self.w.evaluator[i].ended and "end-only-from-ring" not in self.w.wrong
        while self.rd[i] < head:
            alert = self.ring[i].rec[self.rd[i]]
            if alert is END_ALERT:
                self.ended[i] = True
            elif key_of(alert) > self.last[i] or "keep-repeats" in self.w.wrong:
                return alert
            self.rd[i] += 1
        if has_ended and head == self.ring[i].head:
            self.ended[i] = True
        return None
