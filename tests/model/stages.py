# SPDX-License-Identifier: Apache-2.0
"""The stages of the protocol model, as generators: at each `yield` another stage may run, or this one may be killed for good.

The order of the stores between the yields is the protocol. `wrong` names the deliberate mistakes by which the model is tested.
"""
from world import END, END_ALERT, END_REC, N_CPUS, N_OUTPUTS, N_PROCS, POISON_RULE, SNAP, STATE, Alert, Rec, judge, key_of, needs_evaluator, step, wants

BATCH = 4
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


class Tracker:
    """Gives orders, keeps the table, its shadow and the journal, sends state to all rings and events to one."""

    def __init__(self, w):
        self.w, self.page = w, w.tracker
        self.table, self.read_at = [0] * N_PROCS, [0] * N_PROCS
        self.pending = [[] for _ in range(w.n)]
        self.cut = [False] * w.n
        self.journal = []
        self.abandoned = set()  # rings whose commit lies before what the shadow is of
        self.pos = w.raw.tail
        self.here = w.judged_here()
        self.done_seq = 0

    def run(self):
        yield from self.begin()
        while not self.page.ended:
            self.look_after_evaluators()
            yield
            if self.w.live:
                self.rejoin()
            for _ in range(BATCH):
                if self.pos == self.w.raw.head:
                    break
                rec = self.w.raw.rec[self.pos]
                if rec.kind == END:
                    yield from self.end()
                    break
                yield from self.apply(rec)
                self.pos += 1
                self.done_seq = rec.seq
            yield from self.publish()
            yield from self.commit()
        # evaluators that die now still need their state
        while "ends-at-once" not in self.w.wrong and any(ring.tail != ring.head for ring in self.w.event):
            self.look_after_evaluators()
            yield

    def begin(self):
        """A new epoch. What was published and not committed stays where it is: its orders are not given again, its events are not sent or counted again."""
        w, page = self.w, self.page
        page.epoch += 1
        if page.epoch > 1:
            for p in range(N_PROCS):  # iterators: not one moment, but each record says when it was read
                self.table[p], self.read_at[p] = w.kernel.value[p], w.kernel.time
                yield
        self.figures = [w.sent_to(i) for i in range(w.n)]
        self.written = list(self.figures)
        self.settled = [0 if "resend" in w.wrong else f.settled for f in self.figures]
        self.last = [f.last for f in self.figures]
        self.ord = page.upto if "ord-from-upto" in w.wrong else max(f.next_ord for f in self.figures)
        self.shadow, self.shadow_ord = list(self.table), self.ord
        if page.epoch == 1 or "unmarked-epoch" in w.wrong:
            self.shadow_ord = 0
        if not page.ended:
            yield from self.put_all(Rec(SNAP, 0, self.ord, 0, 0, tuple(self.table), 0, False, False))
            yield from self.publish()

    def end(self):
        """END has to be in every ring before it is said so. Where a predecessor wrote it nobody may be left to read on."""
        for i in range(self.w.n):
            if self.figures[i].ended:
                continue
            while self.cut[i] or not self.has_room(i):
                yield from self.publish()
                yield from self.commit()
                self.look_after_evaluators()
                self.rejoin()
                yield
            self.put(i, END_REC._replace(ord=self.ord))
            self.ord += 1
            self.figures[i] = self.figures[i]._replace(ended="writes-behind-end" not in self.w.wrong)
        yield from self.publish()
        self.page.ended = True
        self.pos += 1
        yield

    def put(self, i, rec):
        self.pending[i].append(rec)
        self.last[i] = rec.ord

    def has_room(self, i):
        return self.w.event[i].room(len(self.pending[i])) > 0

    def put_all(self, rec):
        """State goes to every ring, under one order. Live, a ring without room is cut off; otherwise it is waited for."""
        for i in range(self.w.n):
            if self.figures[i].ended:
                continue
            if not self.cut[i] and not self.has_room(i):
                if self.w.live and "no-cut-off" not in self.w.wrong:
                    self.cut[i] = True
                    self.w.god_met["cut-offs"] += 1
                else:
                    yield from self.wait_for(i)
            if not self.cut[i]:
                self.put(i, rec)
        self.ord += 1

    def wait_for(self, i):
        yield from self.publish()
        yield from self.commit()
        while not self.has_room(i):
            if "blocked-is-deaf" not in self.w.wrong:
                self.look_after_evaluators()
            yield

    def rejoin(self):
        """A ring that was cut off gets a snapshot when its evaluator has taken what was left (line 9)."""
        for i in range(self.w.n):
            if self.cut[i] and self.w.event[i].room(len(self.pending[i])) == self.w.event[i].capacity:
                if "rejoin-without-snapshot" not in self.w.wrong:
                    self.put(i, Rec(SNAP, 0, self.ord, 0, 0, tuple(self.table), 0, False, False))
                    self.ord += 1
                self.cut[i] = False

    def apply(self, rec):
        """One raw record, and its place in the ledger."""
        p = rec.p
        is_older = rec.time <= self.read_at[p]
        if rec.kind == STATE and (not is_older or "older-overwrites" in self.w.wrong):
            self.table[p] = step(self.table[p], rec.v)
            self.remember(self.ord, p, self.table[p])
            yield from self.put_all(rec._replace(ord=self.ord, v=self.table[p]))
        if not needs_evaluator(rec):
            self.here += 1
            return
        i = p % self.w.n
        if rec.seq <= self.settled[i]:
            self.w.god_met["not sent again"] += 1
        elif self.cut[i]:
            self.count(i, "cut")
        elif self.w.live and self.is_full_for(i, rec.cls):
            self.count(i, "shed")
        else:
            if not self.has_room(i):
                yield from self.wait_for(i)
            self.put(i, rec._replace(ord=self.ord, doubtful=is_older and "unmarked-older" not in self.w.wrong))
            self.ord += 1
            self.count(i, "sent")

    def is_full_for(self, i, cls):
        """The low class is shed first: what room is left is for the other, and for state."""
        ring = self.w.event[i]
        return ring.room(len(self.pending[i])) < (1 + ring.capacity // 2 if cls else 1)

    def count(self, i, name):
        self.figures[i] = self.figures[i]._replace(**{name: getattr(self.figures[i], name) + 1})

    def publish(self):
        """Each ring with its figures, then last[], then upto (lines 1 and 2)."""
        if "upto-before-records" in self.w.wrong:
            self.page.upto = self.ord
            yield
        for i, ring in enumerate(self.w.event):
            # the order at hand may be in other rings only, so far
            settled = self.done_seq if "settled-anew" in self.w.wrong else max(self.settled[i], self.done_seq)
            figures = self.figures[i]._replace(settled=settled, next_ord=self.ord + 1, last=self.last[i])
            is_moved = figures[1:4] != self.written[i][1:4] and "losses-without-slot" not in self.w.wrong
            if self.pending[i] or is_moved:
                yield from ring.slots.write(ring.head, ring.head + len(self.pending[i]), figures)
                self.written[i] = figures
            if self.pending[i]:
                ring.publish(self.pending[i])
                self.pending[i] = []
                yield
        for i, last in enumerate(self.last):
            self.page.last[i] = last
        yield
        self.page.upto = self.ord
        yield

    def commit(self):
        raw = self.w.raw
        if self.pos != raw.tail:
            yield from self.page.slots.write(raw.tail, self.pos, (self.here,))
            raw.tail = self.pos
            yield

    def commit_ord(self, i):
        """All state up to this order is that of ring i's commit."""
        ring = self.w.event[i]
        if ring.tail < ring.head:
            return ring.rec[ring.tail].ord - 1
        if self.pending[i]:
            return self.pending[i][0].ord - 1
        return ring.rec[-1].ord if ring.rec else 0

    def remember(self, at, p, value):
        """The journal holds as much as a ring. Only a ring that is cut off can be further behind: the state at its commit is let go of, it begins anew anyway."""
        while len(self.journal) > self.w.event[0].capacity:
            self.fold()
            if len(self.journal) > self.w.event[0].capacity:
                i = min((i for i in range(self.w.n) if i not in self.abandoned), key=self.commit_ord)
                assert self.cut[i]
                self.abandoned.add(i)
                self.w.god_met["abandoned"] += 1
        self.journal.append((at, p, value))

    def fold(self):
        """The shadow is the state at the lowest commit."""
        lowest = min((self.commit_ord(i) for i in range(self.w.n) if i not in self.abandoned), default=self.ord)
        while self.journal and self.journal[0][0] <= lowest:
            self.shadow_ord, p, value = self.journal.pop(0)
            self.shadow[p] = value

    def look_after_evaluators(self):
        """Lines 5 and 6. Where the state at a commit is not known any more, an evaluator is better told nothing than something newer."""
        for i in sorted(self.w.wanted):
            upto = self.commit_ord(i)
            is_incomplete = upto < self.shadow_ord
            state = [None] * N_PROCS if is_incomplete and "newer-for-older" not in self.w.wrong else list(self.shadow)
            for at, p, value in self.journal:
                if at <= upto and not is_incomplete and "no-journal" not in self.w.wrong:
                    state[p] = value
            if "snapshot-of-now" in self.w.wrong:
                state = list(self.table)
            self.w.snapshot[i] = state, is_incomplete and "newer-for-older" not in self.w.wrong
            self.w.wanted.discard(i)
        self.abandoned = {i for i in self.abandoned if self.commit_ord(i) < self.shadow_ord}
        self.fold()


class Evaluator:
    def __init__(self, w, i, snapshot, skip):
        self.w, self.i, self.page, self.ring = w, i, w.evaluator[i], w.event[i]
        self.replica, self.is_incomplete = snapshot
        self.skip = skip
        self.rd = self.ring.tail
        figures = self.page.plain if "counter-beside-commit" in w.wrong else self.page.slots.get(self.rd)
        self.judged, self.skipped = figures or (0, 0)

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
        if rec.kind == END:
            # first the commit: an emitter that has seen END takes no repeats any more
            if "end-before-commit" not in self.w.wrong:
                yield from self.commit()
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
            bound.append(upto if at > last[i] else at)
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
