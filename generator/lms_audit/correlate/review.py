"""Looks back at what was bound to requests that overlap, once the whole log is known.

In: requests with their parts (engine tasks, packets, end, hang-up), as they were bound line by line. Out: the same,
with parts exchanged where the log as a whole speaks for it, and marks on requests that could as well have each other's.

Every pair of requests that were at work at the same time is asked what it would cost, in improbability, to exchange
some of their parts. An exchange that costs less than nothing is made. One that costs little, and would change what is
said of the requests, leaves a mark on both. Cost: linear in the number of pairs that overlap; none without overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from lms_audit.correlate.costs import IMPOSSIBLE, Costs, Parts
from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.parts import Hangup, Place

SURE = 4.0
"""By how much the best explanation must beat another one to count as settled."""
GAIN = 0.5
"""What is gained by less is no reason to change anything."""
SWEEPS = 4

TASKS, STREAM, END, HANGUP = range(4)
SUBSETS: tuple[tuple[int, ...], ...] = tuple(
    subset for size in (1, 2, 3, 4) for subset in combinations((TASKS, STREAM, END, HANGUP), size)
)


class Review:
    """One look at all requests of a log."""

    def __init__(self, drafts: Sequence[Draft], hangups: Sequence[Hangup], costs: Costs) -> None:
        self.costs = costs
        self.pairs = list(_pairs([draft for draft in drafts if draft.generates], hangups))

    def settle(self) -> None:
        """Exchanges parts until nothing is gained by it, then marks what remains in doubt."""
        waiting = self.pairs
        for _ in range(SWEEPS):
            moved = {draft for one, other in waiting if self._exchange(one, other) for draft in (one, other)}
            if not moved:
                break
            waiting = [pair for pair in self.pairs if pair[0] in moved or pair[1] in moved]
        for one, other in self.pairs:
            if self._doubtful(one, other):
                one.rivals.add(other.number)
                other.rivals.add(one.number)

    def _exchange(self, one: Draft, other: Draft) -> bool:
        """Makes the best exchange between two requests, if there is one that gains something."""
        best, subset = min(self._prices(one, other), default=(0.0, ()))
        if best > -GAIN:
            return False
        mine, theirs = _swapped(Parts.of(one), Parts.of(other), subset)
        mine.give(one)
        theirs.give(other)
        for draft in (one, other):
            draft.prove("the log as a whole")
        return True

    def _doubtful(self, one: Draft, other: Draft) -> bool:
        return any(
            price < SURE and self.costs.tell_apart(one, other, *_swapped(Parts.of(one), Parts.of(other), subset))
            for price, subset in self._prices(one, other)
        )

    def _prices(self, one: Draft, other: Draft) -> Iterator[tuple[float, tuple[int, ...]]]:
        """What each exchange would cost; impossible ones are left out."""
        mine, theirs = Parts.of(one), Parts.of(other)
        now = self.costs.both(one, mine, other, theirs)
        for subset in SUBSETS:
            if any(not mine[part] and not theirs[part] for part in subset):
                continue
            new, old = _swapped(mine, theirs, subset)
            price = self.costs.both(one, new, other, old)
            if price < IMPOSSIBLE or price < now:
                yield price - now, subset


def _swapped(one: Parts, other: Parts, subset: tuple[int, ...]) -> tuple[Parts, Parts]:
    a = Parts(
        (other if TASKS in subset else one).tasks,
        (other if STREAM in subset else one).stream,
        (other if END in subset else one).end,
        (other if HANGUP in subset else one).hangup,
    )
    b = Parts(
        (one if TASKS in subset else other).tasks,
        (one if STREAM in subset else other).stream,
        (one if END in subset else other).end,
        (one if HANGUP in subset else other).hangup,
    )
    return a, b


def _pairs(drafts: Sequence[Draft], hangups: Sequence[Hangup]) -> Iterator[tuple[Draft, Draft]]:
    """Requests that were at work at the same time, as far as their lines show, or when a client closed a connection."""
    closed: dict[Draft, Place] = {}
    for hangup in hangups:
        for draft in hangup.ended:
            closed[draft] = hangup.place
    open_: list[tuple[Place, Draft]] = []
    for draft in drafts:
        places = [note.place for note in draft.all_notes()]
        if not places:
            continue
        start, end = min(places), max(places)
        open_ = [(last, other) for last, other in open_ if last > start]
        for _, other in open_:
            yield other, draft
        open_.append((max(end, closed.get(draft, end)), draft))
