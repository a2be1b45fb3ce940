"""Looks back at what was bound to requests that overlap, once the whole log is known.

In: requests with their parts (engine tasks, packets, end, hang-up), as they were bound line by line. Out: the same,
with parts exchanged where the log as a whole speaks for it, and marks on requests that could as well have each other's.

Requests that were at work at the same time are asked, two or more at a time, what it would cost, in improbability, to
hand some of their parts round. What costs less than nothing is done. What costs little, and would change what is said
of them, leaves a mark on all of them. Engine tasks and hang-ups that are nobody's take part. Cost:
linear in the number of requests that overlap others: each is compared with those nearest to it, so and so many times at
most; nothing without overlap. Where that is not enough, the marks tell what is left undecided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import combinations, count

from lms_audit.correlate.costs import Costs
from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.holdings import Nobody, Parts
from lms_audit.correlate.parts import End, Hangup, PacketStream, Place
from lms_audit.correlate.weights import CLOSING_MS, SURE
from lms_audit.model import Millis

GAIN = 0.5
"""What is gained by less is no reason to change anything."""
NEAREST = 40
"""With so many that come after a request has begun, and with so many about its end, it is compared at most."""
WIDEST = 24
"""So many requests are asked at most whether they take part in a round."""
LONGER_MS = 30_000
"""So much longer than it seems a request may have been at work."""
SLACK = 2.0
"""What a round may cost on the way, beyond what it may cost in the end. (Whoever begins it, it comes out the same, and
one of them can begin it without ever spending more than it costs in the end; but for what ``Costs.price`` adds.)"""
LOOKS = 12
"""So often, on average, rounds are looked for at most that begin with a request."""

SUBSETS: tuple[tuple[int, ...], ...] = tuple(
    subset for size in (1, 2, 3, 4) for subset in combinations(range(len(Parts._fields)), size)
)

Round = tuple[float, tuple[Draft, ...], tuple[int, ...]]
"""What it costs, who takes part (each gives to the next, the last to the first), and which parts are handed on."""


class Review:
    """One look at all requests of a log."""

    def __init__(
        self, drafts: Sequence[Draft], nobodies: Sequence[Nobody], hangups: Sequence[Hangup], costs: Costs
    ) -> None:
        self.costs = costs
        self.near: dict[Draft, list[Draft]] = {}
        """Who was at work at the same time."""
        drafts = [draft for draft in drafts if draft.generates]
        self.open: dict[Draft, list[Round]] = {}
        """Rounds that begin with a request and would cost little."""
        self._parts: dict[Draft, Parts] = {}
        self._takers: dict[Draft, dict[tuple[int, ...], list[tuple[Draft, float]]]] = {}
        """Who may be given what someone has, and what it costs; until one of the two has something else."""
        pairs = list(_pairs([*drafts, *nobodies], hangups, costs.next))
        new = [(draft, Nobody()) for draft in drafts if costs.hardly_its(draft)]
        pairs += new
        self.nobodies = [*nobodies, *(nobody for _, nobody in new)]
        for one, other in pairs:
            self.near.setdefault(one, []).append(other)
            self.near.setdefault(other, []).append(one)
        there = [any(self._of(draft)[part] for draft in self.near) for part in range(len(Parts._fields))]
        self.subsets = [subset for subset in SUBSETS if all(there[part] for part in subset)]

    def settle(self) -> bool:
        """Hands parts round, what gains most first, until nothing is gained by it; whether any were.

        To look for rounds takes the time: for whom something has changed, it is done again only when it is his turn to
        gain, and for all of them when nothing else is left.
        """
        waiting = dict.fromkeys(self.near)
        gains: list[tuple[float, int, Draft, Round]] = []
        number = count()
        moved = looks = 0
        while looks < LOOKS * len(self.near) and (gains or waiting):
            if not gains or gains[0][2] in waiting:
                for draft in [gains[0][2]] if gains else list(waiting):
                    del waiting[draft]
                    looks += 1
                    self.open[draft] = list(self._rounds(draft))
                    best = min(self.open[draft], key=lambda one: one[0], default=None)
                    if best is not None and best[0] <= -GAIN:
                        heappush(gains, (best[0], next(number), draft, best))
                continue
            price, _, draft, best = heappop(gains)
            if not any(one is best for one in self.open[draft]):
                continue  # what was found before he was looked at again
            handed = self._handed(*best[1:])
            if self.costs.price(handed, self.near) > price:
                waiting[draft] = None  # something has changed farther off
                continue
            for one in self.costs.give(handed):
                if one in self.near:
                    for other in (one, *self.near[one]):
                        waiting[other] = None
                        self._takers.pop(other, None)
            for one in best[1]:
                one.prove("the log as a whole")
                del self._parts[one]
            moved += 1
        return moved > 0

    def mark(self) -> None:
        """Marks what remains in doubt."""
        for rounds in self.open.values():
            for _, circle, subset in rounds:
                handed = self._handed(circle, subset)  # by now, perhaps, at another price
                if self.costs.price(handed, self.near) < SURE and self.costs.seen(handed):
                    _mark(circle, subset)

    def _of(self, draft: Draft) -> Parts:
        if draft not in self._parts:
            self._parts[draft] = Parts.of(draft)
        return self._parts[draft]

    def _rounds(self, start: Draft) -> Iterator[Round]:
        """Rounds that begin with a request, and are not too dear: for each that may come last, the cheapest."""
        for subset in self.subsets:
            circles: dict[Draft, tuple[float, tuple[Draft, ...]]] = {start: (0.0, (start,))}
            number = count()
            waiting: list[tuple[float, Place, int, Draft]] = [(0.0, start.place, next(number), start)]
            passed: set[Draft] = set()
            while waiting and len(passed) < WIDEST:
                *_, giver = heappop(waiting)
                if giver in passed:
                    continue
                passed.add(giver)
                spent, circle = circles[giver]
                for taker, change in self._changes(giver, start, subset):
                    price = spent + change
                    if price > SURE + SLACK:
                        break
                    if taker is start:
                        price = self.costs.price(self._handed(circle, subset), self.near)
                        if price < SURE:
                            yield price, circle, subset
                    elif taker not in passed and (taker not in circles or price < circles[taker][0]):
                        circles[taker] = price, (*circle, taker)
                        heappush(waiting, (price, taker.place, next(number), taker))

    def _changes(self, giver: Draft, start: Draft, subset: tuple[int, ...]) -> Sequence[tuple[Draft, float]]:
        """Who may be given someone's parts, and what it costs, the least first. Nothing may be given to anybody."""
        known = self._takers.setdefault(giver, {})
        if subset not in known:
            known[subset] = sorted(self._taking(giver, self.near[giver], subset), key=lambda one: one[1])
        nothing = not any(self._of(giver)[part] for part in subset)
        if nothing and giver is not start and start not in self.near[giver]:  # wherever he is
            return sorted((*known[subset], *self._taking(giver, (start,), subset)), key=lambda one: one[1])
        return known[subset]

    def _taking(self, giver: Draft, takers: Iterable[Draft], subset: tuple[int, ...]) -> Iterator[tuple[Draft, float]]:
        given = self._of(giver)
        earliest = min((part.start for part in _those(given, subset)), default=None)
        for taker in takers:
            own = self._of(taker)
            if not all(given[part] or own[part] for part in subset):
                continue  # that is another round's
            if earliest is None or earliest >= taker.place:
                yield taker, self.costs.change(taker, own, _with(own, given, subset))

    def _handed(self, circle: tuple[Draft, ...], subset: tuple[int, ...]) -> list[tuple[Draft, Parts]]:
        """Everyone's parts after a round."""
        givers = (circle[-1], *circle[:-1])
        return [(one, _with(self._of(one), self._of(giver), subset)) for one, giver in zip(circle, givers, strict=True)]


def _those(parts: Parts, subset: tuple[int, ...]) -> Iterator[EngineTask | PacketStream | End | Hangup]:
    """Some of someone's parts, one by one."""
    return (part for number in subset if (part := parts[number]) is not None)


def _with(own: Parts, given: Parts, subset: tuple[int, ...]) -> Parts:
    """A request's parts, some of them replaced by those it is given."""
    return Parts(
        given.task if 0 in subset else own.task,
        given.stream if 1 in subset else own.stream,
        given.end if 2 in subset else own.end,
        given.hangup if 3 in subset else own.hangup,
    )


def _mark(circle: tuple[Draft, ...], subset: tuple[int, ...]) -> None:
    requests = [draft for draft in circle if not isinstance(draft, Nobody)]
    for draft in requests:
        draft.rivals.update(other.number for other in requests if other is not draft)
        draft.rivalled |= len(requests) < len(circle) and 0 in subset


def _pairs(
    drafts: Sequence[Draft], hangups: Sequence[Hangup], after: Mapping[Draft, Draft]
) -> Iterator[tuple[Draft, Draft]]:
    """Requests that may have been at work at the same time, or when a client closed a connection."""
    closings = sorted((hangup.at, hangup.place) for hangup in hangups)
    spans: list[tuple[Place, Millis, int, Place, Millis, Draft]] = []
    for draft in drafts:
        lines = [(note.place, note.at) for note in draft.all_notes()]
        if lines:
            end, until = max(lines)
            last = bisect_right(closings, until + CLOSING_MS, key=lambda closing: closing[0])
            if last and closings[last - 1][0] >= until:
                end = max(end, closings[last - 1][1])
            # The end it has may be an earlier one than its own, which has come before it was continued.
            follower = after.get(draft)
            if follower is not None and follower.first_at <= until + LONGER_MS:
                end = max(end, follower.place)
            elif follower is not None or (draft.run.end is None and not isinstance(draft, Nobody)):
                until += LONGER_MS
            spans.append((*min(lines), len(spans), end, until, draft))
    spans.sort()
    starts = [span[0] for span in spans]
    open_: list[tuple[Place, Millis, int, int, Draft]] = []
    for number, (start, at, _, end, until, draft) in enumerate(spans):
        open_ = [one for one in open_ if one[0] >= start or one[1] > at]
        for reach, _, first, last, other in open_:
            if number - first > NEAREST and abs(number - last) > NEAREST:
                continue
            over = after.get(other) is draft and reach <= start  # and no closed connection behind it
            if not over and not (isinstance(other, Nobody) and isinstance(draft, Nobody)):
                yield other, draft
        open_.append((end, until, number, bisect_right(starts, end), draft))
