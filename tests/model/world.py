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
POISON_RULE = N_RULES  # the alert that says an event was skipped

STATE, EVENT, SNAP = "state", "event", "snap"

# time: when the kernel made it, unique. seq, ord: protocol line "two numbers". v: what a state record does, or in event rings the state itself.
Rec = namedtuple("Rec", "kind seq ord time p v cls poison doubtful")
Alert = namedtuple("Alert", "ord rule seq value doubtful")


def key_of(alert):
    """What line 7 compares."""
    return alert.ord, alert.rule


def step(value, change):
    """State follows from the state before, so that a change that is missed, doubled or overtaken shows for ever."""
    return (2 * value + change) % 9


def judge(value):
    return [rule for rule in range(N_RULES) if value >> rule & 1]


def wants(output, rule):
    return rule >= 2 or rule == output


class Slots:
    """Two entries {position, figures}: the one whose position equals the published position is the truth. A writer never touches that one."""

    def __init__(self):
        self.entry = [(None, None), (None, None)]

    def get(self, pos):
        for at, figures in self.entry:
            if at == pos:
                return figures
        return None

    def write(self, published, pos, figures, n_slots=2):
        i = 1 if self.entry[0][0] == published and n_slots == 2 else 0
        self.entry[i] = (None, None)  # not valid while half written
        yield
        self.entry[i] = (pos, figures)
        yield


class Ring:
    """rec[:head] is published; rec[tail:head] is uncommitted. counts(rec): is it an event, for the ledger?"""

    def __init__(self, capacity, counts=lambda rec: True):
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
        self.value = [0] * N_PROCS
        self.time = self.seen = self.lost = 0
        self.god_truth = {}  # time of an event -> the state it happened in
        self.god_history = [[(0, 0)] for _ in range(N_PROCS)]  # (time, value) of each process
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
        self.next_ord = 1  # no order at or above it was ever published
        self.epoch = 0
        self.slots = Slots()  # by the raw ring's tail: counts, and the heads of the event rings that belong to them


class EvaluatorPage:
    def __init__(self):
        self.at = 0
        self.judging = 0  # the order at hand; 0: none. What `at` cannot say: s, or everything below s?
        self.slots = Slots()  # by the event ring's tail: (judged, skipped)
        self.plain = (0, 0)  # the same without slots, for the model that must fail


class World:
    def __init__(self, script, n, live, rings, rnd, wrong=()):
        raw, event, alert, kernel = rings
        self.n, self.live, self.rnd, self.wrong = n, live, rnd, frozenset(wrong)
        self.kernel = Kernel(script, live, kernel)
        self.raw = Ring(raw)
        self.event = [Ring(event, lambda rec: rec.kind == EVENT) for _ in range(n)]
        self.alert = [[Ring(alert) for _ in range(N_OUTPUTS)] for _ in range(n)]
        self.tracker = TrackerPage(n)
        self.evaluator = [EvaluatorPage() for _ in range(n)]
        self.sink = [[] for _ in range(N_OUTPUTS)]  # an Alert, or None: a torn line
        self.wanted = set()  # dead evaluators that need a snapshot segment
        self.snapshot = {}  # evaluator -> (state, order up to which it is newer than the events)
        self.god_judged = {}  # seq -> [(value, doubtful)]
        self.god_skipped = set()
        self.god_met = Counter()  # what the run came across, so that a variant cannot pass by never meeting it
        self.god_waited_enough = False  # a merge went past a silent evaluator (line 9)

    def counts(self):
        """The tracker's committed figures."""
        return self.tracker.slots.get(self.raw.tail) or (dict.fromkeys(("here", "sent", "shed", "cut"), 0), [0] * self.n)

    def unbalanced(self):
        """seen = judged + in flight + losses, each counted where it stands. None, or what is wrong."""
        source = self.raw.slots.get(self.raw.head) or (1, [0] * N_CPUS)
        unread = sum(len(ring) - pos for ring, pos in zip(self.kernel.ring, source[1]))
        done, heads = self.counts()
        in_raw = self.raw.n_events(self.raw.tail, self.raw.head)
        in_event = judged = sent_early = 0
        for ring, page, head in zip(self.event, self.evaluator, heads):
            in_event += ring.n_events(ring.tail, ring.head)
            sent_early += ring.n_events(head, ring.head)  # stand in the raw ring as well: their commit is outstanding
            judged += sum(page.plain if "counter-beside-commit" in self.wrong else page.slots.get(ring.tail) or (0, 0))
        total = self.kernel.lost + unread + in_raw + in_event - sent_early + done["here"] + done["shed"] + done["cut"] + judged
        if total != self.kernel.seen:
            return f"ledger: seen {self.kernel.seen}, accounted for {total}"
        if done["sent"] != judged + in_event - sent_early:
            return f"ledger: sent {done['sent']}, arrived {judged + in_event - sent_early}"
        return None

    def is_drained(self):
        source = self.raw.slots.get(self.raw.head)
        return (self.kernel.is_done() and source is not None and all(len(ring) == pos for ring, pos in zip(self.kernel.ring, source[1]))
                and self.raw.tail == self.raw.head and all(ring.tail == ring.head for ring in self.event)
                and all(ring.tail == ring.head for rings in self.alert for ring in rings))
