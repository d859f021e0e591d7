# SPDX-License-Identifier: Apache-2.0
"""The tracker of the protocol model, a generator like the other stages (stages.py).

The order of the stores between the yields is the protocol. `wrong` names the deliberate mistakes by which the model is tested.
"""
from world import BATCH, END, END_REC, FIRST_VALUE, N_PROCS, SNAP, STATE, Rec, needs_evaluator, step


class Tracker:
    """Gives orders, keeps the table, its shadow and the journal, sends state to all rings and events to one."""

    def __init__(self, w):
        self.w, self.page = w, w.tracker
        self.table, self.read_at = [FIRST_VALUE] * N_PROCS, [0] * N_PROCS
        self.pending = [[] for _ in range(w.n)]
        self.cut = [False] * w.n
        self.journal = []
        self.holes, self.dirty, self.whole_from = set(), set(), 0  # processes that the shadow misses; to be told again; since then nothing is missing
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
            self.mend()
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
        if page.epoch > 1 and not page.ended:
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
                    self.w.god_met["waited with an order at hand"] += i > 0
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
            self.dirty.discard(p)
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
            if p in self.dirty:
                yield from self.tell_again(rec)
            if self.cut[i]:
                self.count(i, "cut")
                return
            if not self.has_room(i):
                yield from self.wait_for(i)
            self.put(i, rec._replace(ord=self.ord, doubtful=is_older and "unmarked-older" not in self.w.wrong))
            self.ord += 1
            self.count(i, "sent")

    def tell_again(self, rec):
        """Before the first event that needs it."""
        self.dirty.discard(rec.p)
        self.w.god_met["told again"] += 1
        self.remember(self.ord, rec.p, self.table[rec.p])
        yield from self.put_all(rec._replace(kind=STATE, ord=self.ord, v=self.table[rec.p], poison=False))

    def mend(self):
        """What found no room in the shadow is told again; who is past this order misses nothing."""
        if not self.holes:
            return
        if "not-told-again" not in self.w.wrong:
            self.dirty |= self.holes
        self.holes = set()
        self.whole_from = self.ord

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
            next_ord = self.ord if "order-at-hand" in self.w.wrong else self.ord + 1
            figures = self.figures[i]._replace(settled=settled, next_ord=next_ord, last=self.last[i])
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
        if self.w.tight and self.w.rnd.random() < 0.1:
            self.w.god_met["refused"] += 1
            self.holes.add(p)
            value = None
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
            has_hole = (self.holes or upto + 1 < self.whole_from) and "unmarked-holes" not in self.w.wrong
            whole_from = 0 if is_incomplete or self.holes else self.whole_from
            self.w.snapshot[i] = state, bool(has_hole) or is_incomplete and "newer-for-older" not in self.w.wrong, whole_from
            self.w.wanted.discard(i)
        self.abandoned = {i for i in self.abandoned if self.commit_ord(i) < self.shadow_ord}
        self.fold()
