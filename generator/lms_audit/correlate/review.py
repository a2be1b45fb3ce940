"""Looks back at what was bound to requests that overlap, once the whole log is known.

In: requests with their parts (engine tasks, packets, end, hang-up), as they were bound line by line. Out: the same,
with parts exchanged where the log as a whole speaks for it, and marks on requests that could as well have each other's.

Requests that were at work at the same time are asked, two, three or four at a time, what it would cost, in
improbability, to hand some of their parts round. What costs less than nothing is done. What costs little, and would
change what is said of them, leaves a mark on all of them. Engine tasks and hang-ups that are nobody's take part. Cost:
linear in the number of pairs that overlap; nothing without overlap.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import combinations

from lms_audit.correlate.costs import CLOSING_MS, Costs, Nobody, Parts
from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.parts import Hangup, Place

SURE = 4.0
"""By how much the best explanation must beat another one to count as settled."""
GAIN = 0.5
"""What is gained by less is no reason to change anything."""
LONGEST = 4
"""So many requests hand parts round at most."""
FURTHEST = 7
"""And so many hang-ups."""
SLACK = 2.0
"""What a round may cost on the way, beyond what it may cost in the end. (Whoever begins it, it comes out the same, and
one of them can begin it without ever spending more than it costs in the end; but for what ``Costs.order`` adds.)"""
ROUNDS = 20
"""For each request, on average, rounds are made at most."""

SUBSETS: tuple[tuple[int, ...], ...] = tuple(
    subset for size in (1, 2, 3, 4) for subset in combinations(range(len(Parts._fields)), size)
)

HANGUPS = (3,)

Round = tuple[float, tuple[Draft, ...], tuple[int, ...]]
"""What it costs, who takes part (each gives to the next, the last to the first), and which parts are handed on."""


class Review:
    """One look at all requests of a log."""

    def __init__(
        self, drafts: Sequence[Draft], tasks: Sequence[EngineTask], hangups: Sequence[Hangup], costs: Costs
    ) -> None:
        self.costs = costs
        self.near: dict[Draft, list[Draft]] = {}
        """Who was at work at the same time."""
        drafts = [draft for draft in drafts if draft.generates]
        self.open: dict[Draft, list[Round]] = {}
        """Rounds that begin with a request and would cost little."""
        self._parts: dict[Draft, Parts] = {}
        nobodies = [Nobody(tasks=(task,)) for task in tasks]
        nobodies += [Nobody(hangup=hangup) for hangup in hangups if hangup.owner is None]
        pairs = list(_pairs([*drafts, *nobodies], hangups))
        pairs += [(draft, Nobody()) for draft in drafts if costs.hardly_its(draft)]
        for one, other in pairs:
            self.near.setdefault(one, []).append(other)
            self.near.setdefault(other, []).append(one)

    def settle(self) -> bool:
        """Hands parts round until nothing is gained by it; whether any were."""
        waiting = dict.fromkeys(self.near)
        moved = False
        for _ in range(ROUNDS * len(self.near)):
            if not waiting:
                break
            draft = next(iter(waiting))
            self.open[draft] = list(self._rounds(draft))
            best = min(self.open[draft], key=lambda one: one[0], default=None)
            if best is None or best[0] > -GAIN:
                del waiting[draft]
                continue
            _, circle, subset = best
            for one, parts in self._handed(circle, subset):
                parts.give(one)
                one.prove("the log as a whole")
                waiting.update(dict.fromkeys((one, *self.near[one])))
            self._parts.clear()
            self.costs.forget()
            moved = True
        return moved

    def mark(self) -> None:
        """Marks what remains in doubt."""
        for rounds in self.open.values():
            for price, circle, subset in rounds:
                if price < SURE and self.costs.seen(self._handed(circle, subset)):
                    _mark(circle)

    def _of(self, draft: Draft) -> Parts:
        if draft not in self._parts:
            self._parts[draft] = Parts.of(draft)
        return self._parts[draft]

    def _rounds(self, start: Draft) -> Iterator[Round]:
        """Rounds that begin with a request, and are not too dear."""
        costs = self.costs
        for subset in SUBSETS:
            longest = FURTHEST if subset == HANGUPS else LONGEST
            circles: list[tuple[float, tuple[Draft, ...]]] = [(0.0, (start,))]
            while circles:
                spent, circle = circles.pop()
                given = self._of(circle[-1])
                empty = not any(given[part] for part in subset)
                for taker in self.near[circle[-1]]:
                    closes = taker is start and len(circle) > 1
                    if taker in circle and not closes:
                        continue
                    own = self._of(taker)
                    if empty and not any(own[part] for part in subset):
                        continue
                    price = spent + costs.change(taker, own, _with(own, given, subset))
                    if price > SURE + SLACK:
                        continue
                    if closes:
                        price += costs.order(self._handed(circle, subset))
                        if price < SURE:
                            yield price, circle, subset
                    elif len(circle) < longest:
                        circles.append((price, (*circle, taker)))

    def _handed(self, circle: tuple[Draft, ...], subset: tuple[int, ...]) -> list[tuple[Draft, Parts]]:
        """Everyone's parts after a round."""
        givers = (circle[-1], *circle[:-1])
        return [(one, _with(self._of(one), self._of(giver), subset)) for one, giver in zip(circle, givers, strict=True)]


def _with(own: Parts, given: Parts, subset: tuple[int, ...]) -> Parts:
    """A request's parts, some of them replaced by those it is given."""
    return Parts(
        given.tasks if 0 in subset else own.tasks,
        given.stream if 1 in subset else own.stream,
        given.end if 2 in subset else own.end,
        given.hangup if 3 in subset else own.hangup,
    )


def _mark(circle: tuple[Draft, ...]) -> None:
    requests = [draft for draft in circle if not isinstance(draft, Nobody)]
    for draft in requests:
        draft.rivals.update(other.number for other in requests if other is not draft)
        draft.rivalled |= len(requests) < len(circle)


def _pairs(drafts: Sequence[Draft], hangups: Sequence[Hangup]) -> Iterator[tuple[Draft, Draft]]:
    """Requests that were at work at the same time, as far as their lines show, or when a client closed a connection."""
    closings = sorted((hangup.place, hangup.at) for hangup in hangups)
    spans: list[tuple[Place, int, Place, Draft]] = []
    for draft in drafts:
        lines = [(note.place, note.at) for note in draft.all_notes()]
        if lines:
            end, at = max(lines)
            for place, closed_at in closings[bisect(closings, (end, at)) :]:
                if closed_at - at > CLOSING_MS:
                    break
                end = place
            spans.append((min(lines)[0], len(spans), end, draft))
    open_: list[tuple[Place, Draft]] = []
    for start, _, end, draft in sorted(spans):
        open_ = [(last, other) for last, other in open_ if last >= start]
        for _, other in open_:
            if not (isinstance(other, Nobody) and isinstance(draft, Nobody)):
                yield other, draft
        open_.append((end, draft))
