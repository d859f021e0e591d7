# SPDX-License-Identifier: Apache-2.0
"""What outlives a process in the protocol model: rings, pages with restart slots, the kernel, the sinks, and the ledger that is read from them.

Stages (stages.py) are generators: what they keep in local variables dies with them, what stands here does not. A position counts records. Everything that is called
`god` is known to the model alone; no stage reads it.
"""
from collections import Counter, namedtuple

N_PROCS = 6
N_CPUS = 2
N_RULES = 3
N_OUTPUTS = 2
BATCH = 4  # records that a stage takes before it publishes
FIRST_VALUE = 5  # the state of a process that nothing has changed
POISON_RULE = N_RULES  # the alert that says an event was skipped

STATE, EVENT, SNAP, END = "state", "event", "snap", "end"

# time: when the kernel made it, unique. seq, ord: protocol line "two numbers". v: what a state record does, or in event rings the state itself.
Rec = namedtuple("Rec", "kind seq ord time p v cls poison doubtful")
Alert = namedtuple("Alert", "ord rule seq value doubtful")
# Of one event ring, beside its head: all events up to `settled` were sent to it or counted as lost for it; next_ord: no order from there on was published in it; ended:
# END stands in it.
Figures = namedtuple("Figures", "settled sent shed cut next_ord last ended", defaults=(0, 0, 0, 0, 1, 0, False))
NO_FIGURES = Figures()
END_REC = Rec(END, 0, 0, 0, 0, 0, 0, False, False)
END_ALERT = Alert(0, 0, 0, None, False)  # in an alert ring: nothing follows


def key_of(alert):
    """What line 7 compares."""
    return alert.ord, alert.rule


def step(value, change):
    """State follows from the state before, so that a change that is missed, doubled or overtaken shows for ever."""
    return (2 * value + change) % 9


def judge(value):
    """The rules that match. None: nothing is known of the process."""
    return [rule for rule in range(N_RULES) if value is not None and value >> rule & 1]


def wants(output, rule):
    return rule >= 2 or rule == output


def needs_evaluator(rec):
    """Is a rule indexed for it?"""
    return rec.kind == EVENT and rec.v != 0


class Slots:
    """Two entries {position, figures}: the one whose position equals the published position is the truth; of two the further one, as figures only grow. A writer never
    touches that one."""

    def __init__(self):
        self.entry = [(None, None), (None, None)]

    def get(self, pos):
        (at0, figures0), (at1, figures1) = self.entry
        if at0 == pos:
            return max(figures0, figures1) if at1 == pos else figures0
        return figures1 if at1 == pos else None

    def write(self, published, pos, figures, n_slots=2):
        i = 1 if n_slots == 2 and self.entry[0] == (published, self.get(published)) else 0
        self.entry[i] = (None, None)  # not valid while half written
        yield
        self.entry[i] = (pos, figures)
        yield


class Ring:
    """rec[:head] is published; rec[tail:head] is uncommitted. counts(rec): is it an event, for the ledger?"""

    def __init__(self, capacity, counts):
        self.capacity, self.counts = capacity, counts
        self.rec, self.sums = [], [0]
        self.head = self.tail = 0
        self.slots = Slots()

    def room(self, n_pending=0):
        return self.capacity - (self.head - self.tail) - n_pending

    def publish(self, records):
        for rec in records:
            self.rec.append(rec)
            self.sums.append(self.sums[-1] + self.counts(rec))
        self.head = len(self.rec)

    def n_events(self, begin, end):
        return self.sums[end] - self.sums[begin]


class Kernel:
    """Per-CPU rings. Live: filled while the run goes on, and what finds no room is counted; otherwise a source that holds everything from the start."""

    def __init__(self, script, live, capacity):
        self.script, self.live, self.capacity = script, live, capacity
        self.ring = [[] for _ in range(N_CPUS)]
        self.taken = [0] * N_CPUS  # the consumer's positions: everything below may be overwritten
        self.value = [FIRST_VALUE] * N_PROCS
        self.time = self.seen = self.lost = 0
        self.god_truth = {}  # time of an event -> the state it happened in
        self.god_history = [[(0, FIRST_VALUE)] for _ in range(N_PROCS)]  # (time, value) of each process
        self.god_kept = []  # times of all that was not lost
        while not live and self.produce():
            pass

    def is_done(self):
        return self.time == len(self.script)

    def produce(self):
        """The next event of the host. False: none, or it stands still (a change of state is not shed here)."""
        if self.is_done():
            return False
        kind, p, v, cls, poison = self.script[self.time]
        cpu = p % N_CPUS
        is_full = self.live and len(self.ring[cpu]) - self.taken[cpu] >= self.capacity
        if is_full and kind == STATE:
            return False
        self.time += 1
        self.seen += 1
        if is_full:
            self.lost += 1
            return True
        if kind == STATE:
            self.value[p] = step(self.value[p], v)
            self.god_history[p].append((self.time, self.value[p]))
        self.god_truth[self.time] = self.value[p]
        self.god_kept.append(self.time)
        self.ring[cpu].append(Rec(kind, 0, 0, self.time, p, v, cls, poison, False))
        return True


class TrackerPage:
    def __init__(self, n):
        self.upto = 1
        self.last = [0] * n
        self.epoch = 0
        self.ended = False  # END stands in every event ring
        self.slots = Slots()  # by the raw ring's tail: (judged here,)


class EvaluatorPage:
    def __init__(self):
        self.at = 0
        self.ended = False  # END stands in every alert ring, or did
        self.judging = 0  # the order at hand; 0: none. What `at` cannot say: s, or everything below s?
        self.slots = Slots()  # by the event ring's tail: (judged, skipped)
        self.plain = (0, 0)  # the same without slots, for the model that must fail


class World:
    def __init__(self, script, n, live, rings, rnd, wrong=(), tight=False):
        raw, event, alert, kernel = rings
        self.n, self.live, self.rnd, self.wrong, self.tight = n, live, rnd, frozenset(wrong), tight
        self.kernel = Kernel(script, live, kernel)
        self.raw = Ring(raw, lambda rec: rec.kind != END)
        self.event = [Ring(event, lambda rec: rec.kind == EVENT) for _ in range(n)]
        self.alert = [[Ring(alert, lambda rec: False) for _ in range(N_OUTPUTS)] for _ in range(n)]
        self.tracker = TrackerPage(n)
        self.evaluator = [EvaluatorPage() for _ in range(n)]
        self.sink = [[] for _ in range(N_OUTPUTS)]  # an Alert, or None: a torn line
        self.wanted = set()  # dead evaluators that need a snapshot segment
        self.snapshot = {}  # evaluator -> (state, is it incomplete?, order from which it is whole; 0: not known)
        self.god_judged = {}  # seq -> [(value, doubtful)]
        self.god_skipped = set()
        self.god_met = Counter()  # what the run came across, so that a variant cannot pass by never meeting it
        self.god_stays = False  # an evaluator was incomplete at its end, though all that it lacked had been told
        self.god_waited_enough = False  # a merge went past a silent evaluator (line 9)

    def judged_here(self):
        return (self.tracker.slots.get(self.raw.tail) or (0,))[0]

    def sent_to(self, i):
        return self.event[i].slots.get(self.event[i].head) or NO_FIGURES

    def unbalanced(self):
        """seen = judged + in flight + losses, each counted where it stands. None, or what is wrong."""
        source = self.raw.slots.get(self.raw.head) or (1, [0] * N_CPUS)
        unread = sum(len(ring) - pos for ring, pos in zip(self.kernel.ring, source[1]))
        in_raw = self.raw.rec[self.raw.tail:self.raw.head]
        figures = [self.sent_to(i) for i in range(self.n)]
        n_ahead = 0
        for rec in in_raw:
            if rec.seq <= figures[rec.p % self.n].settled and needs_evaluator(rec):
                n_ahead += 1  # has gone on already, its commit is outstanding
        total = self.kernel.lost + unread + self.raw.n_events(self.raw.tail, self.raw.head) - n_ahead + self.judged_here()
        for ring, page, f in zip(self.event, self.evaluator, figures):
            judged, skipped = page.plain if "counter-beside-commit" in self.wrong else page.slots.get(ring.tail) or (0, 0)
            judged += skipped
            in_event = ring.n_events(ring.tail, ring.head)
            if f.sent != judged + in_event:
                return f"ledger: sent {f.sent}, arrived {judged + in_event}"
            total += f.shed + f.cut + in_event + judged
        if total != self.kernel.seen:
            return f"ledger: seen {self.kernel.seen}, accounted for {total}"
        return None
