"""How improbable it is that a request had these parts: an engine task, packets, an end, a hang-up.

Costs are sums of small penalties; only differences mean anything. Sure of something is what costs 4 less than all else.
An engine's lines may reach the log a moment late, so that what is out of order within a second costs less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from lms_audit.correlate.answers import misdated, shape
from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.holdings import Nobody, Parts, give
from lms_audit.correlate.parts import End, PacketStream
from lms_audit.correlate.sizes import FEW, Sizes
from lms_audit.correlate.turns import Turn, order, turn
from lms_audit.correlate.weights import (
    CLOSING_MS,
    GUESS,
    IMPOSSIBLE,
    IN_APP,
    LATE,
    MISSING,
    SECOND,
    SPAN,
    SURE,
    UNLIKE,
    WRONG,
)
from lms_audit.model import Api, Millis
from lms_audit.read import events as ev


class Costs:
    """Costs in one log."""

    def __init__(self, drafts: Iterable[Draft], sizes: Sizes, *, closing: bool) -> None:
        self.sizes = sizes
        self.closing = closing
        """Clients of this log close their connections once they have their answer."""
        drafts = list(drafts)
        self.next: dict[Draft, Draft] = {}
        """Who goes on where a request's prompt ends, and so had its answer."""
        self.before: dict[Draft, Draft] = {}
        self._conversations(drafts)
        self.engines = {draft.tag for draft in drafts if any(task.slot is not None for task in draft.run.tasks)}
        """Models whose engine tells of every task."""
        self.blocks = any(task.block for draft in drafts for task in draft.run.tasks)
        self.streams = {draft.api for draft in drafts if draft.run.stream is not None}
        """Protocols whose packets are in the log."""
        self.late = LATE if _often_late(drafts) else MISSING
        """An engine's line comes a moment too late."""
        self._costs: dict[Draft, dict[Parts, float]] = {}
        self._turns: dict[Draft, Turn | None] = {}
        self._followers: dict[Draft, list[Draft]] = {}
        """Who goes on where each ends, be it the only one or not: what it has matters to them."""
        self._readers: dict[EngineTask, list[Draft]] = {}
        """And who goes on where an engine task has read the beginning."""
        for draft in drafts:
            if (before := self.before.get(draft)) is not None:
                self._followers.setdefault(before, []).append(draft)
            elif (earlier := sizes.earlier(draft)) is not None:
                self._readers.setdefault(earlier, []).append(draft)
        self.heirs = {id(task.before): task for draft in drafts for task in draft.run.tasks if task.before is not None}

    def _conversations(self, drafts: Iterable[Draft]) -> None:
        ended: dict[int, list[Draft]] = {}
        for draft in drafts:
            if not draft.generates or draft.prompt is None or not draft.prompt.count:
                continue
            earlier = self.sizes.predecessors(draft, ended)
            if len(earlier) == 1 or (earlier and not _together(earlier[-2], earlier[-1])):
                self.next.setdefault(earlier[-1], draft)
                self.before[draft] = earlier[-1]
            ended.setdefault(draft.prompt.node, []).append(draft)
            if draft.api is Api.MESSAGES and draft.prompt.count > 1:
                ended.setdefault(-self.sizes.tree.parent(draft.prompt.node), []).append(draft)

    # -- sums

    def learn_closing(self, drafts: Iterable[Draft]) -> bool:
        """Learns whether clients close their connections once they have their answer; whether that is news."""
        news = not self.closing and any(draft.run.hung_up for draft in drafts)
        if news:
            self.closing = True
            self._costs.clear()
        return news

    def change(self, draft: Draft, now: Parts, then: Parts) -> float:
        """What it costs to give a request other parts than it has now."""
        return self._known(draft, then) - self._known(draft, now)

    def hardly_its(self, draft: Draft) -> bool:
        """Whether a request's engine task is rather nobody's."""
        task = Parts.of(draft).task
        return task is not None and self._task(draft, task) > IN_APP + MISSING

    def price(self, handed: Sequence[tuple[Draft, Parts]], near: Mapping[Draft, Sequence[Draft]]) -> float:
        """What it costs to give several requests other parts, all told.

        They may be out of order then, among themselves and with those ``near`` them; and requests that go on where
        they end may fit better or worse.
        """
        now = [(draft, Parts.of(draft)) for draft, _ in handed]
        turns = [(turn(draft, mine), turn(draft, then)) for (draft, mine), (_, then) in zip(now, handed, strict=True)]
        total = 0.0
        for (mine, then), (theirs, thens) in combinations(turns, 2):
            total += order(then, thens) - order(mine, theirs)
        taking_part = {draft for draft, _ in handed}
        for (draft, _), (mine, then) in zip(handed, turns, strict=True):
            if mine == then:
                continue
            for other in near[draft]:
                if other not in taking_part and (theirs := self._turn(other)) is not None:
                    total += order(then, theirs, far=True) - order(mine, theirs, far=True)
        touched = (
            self._touched(now) if any(a.task is not b.task for (_, a), (_, b) in zip(now, handed, strict=True)) else {}
        )
        for draft, parts in handed:
            if draft not in touched:
                total += self.change(draft, Parts.of(draft), parts)
        if touched:
            total -= sum(self._known(draft, Parts.of(draft)) for draft in touched)
            give(handed)
            total += sum(self.cost(draft, Parts.of(draft)) for draft in touched)
            give(now)
        return total

    def _touched(self, given: Iterable[tuple[Draft, Parts]]) -> dict[Draft, None]:
        """Requests that fit better or worse if the engine tasks of some are others."""
        found: dict[Draft, None] = {}
        for draft, parts in given:
            found.update(dict.fromkeys(self._followers.get(draft, ())))
            if parts.task is not None:
                found.update(dict.fromkeys(self._readers.get(parts.task, ())))
        return found

    def _known(self, draft: Draft, parts: Parts) -> float:
        costs = self._costs.get(draft)
        if costs is None:
            costs = self._costs[draft] = {}
        cost = costs.get(parts)
        if cost is None:
            cost = costs[parts] = self.cost(draft, parts)
        return cost

    def _turn(self, draft: Draft) -> Turn | None:
        """When it is a request's turn, as it is now."""
        if draft not in self._turns:
            self._turns[draft] = turn(draft, Parts.of(draft))
        return self._turns[draft]

    def give(self, handed: Sequence[tuple[Draft, Parts]]) -> dict[Draft, None]:
        """Gives several requests other parts. Out: those whose costs it has changed, they among them."""
        give(handed)
        for draft, _ in handed:
            self._turns.pop(draft, None)
        changed = dict.fromkeys(draft for draft, _ in handed) | self._touched(handed)
        for draft in changed:
            self._costs.pop(draft, None)
        return changed

    def cost(self, draft: Draft, parts: Parts) -> float:
        """One request with these parts."""
        if isinstance(draft, Nobody):
            if parts.stream is not None or parts.end is not None:
                return IMPOSSIBLE
            return (IN_APP if parts.task is not None else 0.0) + (MISSING if parts.hangup is not None else 0.0)
        task = parts.task
        total = self._hangup(draft, parts, task) + self._went_on(draft, parts)
        if task is not None:
            total += self._task(draft, task)
        else:
            total += self._no_task(draft, parts)
        if parts.stream is not None:
            total += self._stream(draft, parts.stream) + _stream_within(parts.stream, task, parts.end)
        elif parts.end is not None and not parts.end.whole and draft.api in self.streams:
            total += MISSING
        if parts.end is not None:
            total += self._end(draft, parts.end, task)
        elif parts.hangup is None and draft.run.failed_at is None:
            total += MISSING
        answer = parts.answer
        if answer is not None and answer.usage is not None:
            total += self._usage(draft, task, answer.usage)
        return total

    # -- engine tasks

    def _task(self, draft: Draft, task: EngineTask) -> float:
        if task.start < draft.start:
            return IMPOSSIBLE
        if _differ(task.tag, draft.model_tag) or _differ(task.stream, draft.stream):
            return IMPOSSIBLE
        total = MISSING if _differ(task.guess, draft.model_tag) else 0.0
        earlier = self._earlier(draft)
        return (
            total
            + late(task, draft)
            - self.sizes.fit(task, draft, earlier)
            + _slot(task, earlier, self.heirs.get(id(earlier)))
        )

    def _earlier(self, draft: Draft) -> EngineTask | None:
        before = self.before.get(draft)
        if before is not None and (task := before.task) is not None and task.prompt_tokens is not None:
            return task
        return self.sizes.earlier(draft)

    def _no_task(self, draft: Draft, parts: Parts) -> float:
        if parts.end is None or draft.run.failed_at is not None:
            return 0.0
        if draft.tag not in self.engines and not self.blocks:
            return 0.0
        return GUESS if _left(parts) else MISSING  # who has left may not have had his turn

    # -- packets

    def _stream(self, draft: Draft, stream: PacketStream) -> float:
        if stream.start < draft.start or draft.stream is False or _differ(stream.tag, draft.model_tag):
            return IMPOSSIBLE
        total = 0.0
        if (stream.answer.object or "").startswith("chat.completion"):
            total = MISSING if draft.api is Api.MESSAGES else 3.0 if draft.api is Api.RESPONSES else 0.0
        after = self.next.get(draft)
        if after is not None and stream.end > after.place:
            total += UNLIKE
        return total

    # -- ends

    def _end(self, draft: Draft, end: End, task: EngineTask | None) -> float:
        if end.place < draft.start or _differ(end.whole, None if draft.stream is None else not draft.stream):
            return IMPOSSIBLE
        if _differ(end.tag, draft.model_tag):
            return IMPOSSIBLE
        messages = draft.api is Api.MESSAGES
        if not end.whole and draft.api is not None and (end.family == "messages") is not messages:
            return IMPOSSIBLE
        total = shape(draft, end.answer) if end.answer is not None else 0.0
        if draft.untold and not end.whole:
            total += MISSING
        if draft.path is not None and not draft.started and not draft.old:
            total += WRONG
        if end.answer is not None:
            total += misdated(draft, end.answer) + min(SURE * end.astray(draft.first_at), WRONG)
        after = self.next.get(draft)
        if after is not None and end.place > after.place:
            total += WRONG if end.at - after.first_at >= SECOND else 6.0
        if task is None:
            return total
        if task.start > end.place:
            total += WRONG
        elif not task.nameless:
            total += self._between(task, end)
        return total

    def _between(self, task: EngineTask, end: End) -> float:
        """A request ends as soon as its engine task is done."""
        if task.done is None or task.done_at is None:
            return 0.0
        if task.done > end.place:
            return self.late if _soon(task, end) else WRONG
        return _gap(end.at - task.done_at)

    def _usage(self, draft: Draft, task: EngineTask | None, usage: ev.Usage) -> float:
        if not usage.input:  # that is what a cancelled one says
            return WRONG if usage.output == 0 and task is not None and task.slot is not None and task.whole else 0.0
        if task is None or task.prompt_tokens is None:
            return -self.sizes.fit_usage(usage, draft)
        total = WRONG if task.prompt_tokens != usage.input else 0.0
        if task.eval_tokens is not None and usage.output is not None and abs(task.eval_tokens - usage.output) > 1:
            total += WRONG
        return total

    # -- hang-ups

    def _hangup(self, draft: Draft, parts: Parts, task: EngineTask | None) -> float:
        hangup, end = parts.hangup, parts.end
        slot = task if task is not None and task.slot is not None else None
        if hangup is None:
            return UNLIKE if self._cut_off(parts, slot) else 0.0
        if hangup.place < draft.place:
            return IMPOSSIBLE
        if hangup.after(end):
            assert end is not None
            late = hangup.at - end.at > CLOSING_MS
            return (WRONG if late else 0.0 if self.closing else 3.0) + (UNLIKE if self._cut_off(parts, slot) else 0.0)
        after = self.next.get(draft)
        if after is not None and after.place < hangup.place:
            return WRONG
        if slot is not None and slot.done is not None:
            if slot.eval_ms is not None:
                return 3.0 if slot.done < hangup.place else UNLIKE
            gap = ((slot.done_at or hangup.at) - max(hangup.at, slot.launched_at or 0)) / SECOND
            return UNLIKE if gap < -1 else min(max(gap - 1, 0) * 0.5, 4.0)
        if task is not None and task.nameless and (task.launched_at or 0) - hangup.at > SECOND:
            return UNLIKE  # no prompt is read for someone who has left
        if task is not None and task.block and task.read_at is not None and task.done_at is not None:
            # Its timing tells nothing; but the engine stops at once, or as soon as the prompt is read.
            longer = task.done_at - max(hangup.at, task.read_at) - SECOND
            return UNLIKE if longer < -2 * SECOND else min(max(longer, 0) / SECOND * 4, UNLIKE)
        stream = parts.stream
        if stream is not None and stream.answer.finish_reason is not None:
            return 3.0 if stream.end < hangup.place else UNLIKE
        if stream is not None and stream.last_at - hangup.at > SECOND:
            return MISSING
        if end is None:
            return 4.0 if draft.stream else 0.0
        answer = end.answer
        if answer is not None and answer.usage is not None and not answer.usage.input and not answer.usage.output:
            return 0.0
        return min(max(end.at - hangup.at - SECOND, 0) / SECOND, 6.0)

    def _went_on(self, draft: Draft, parts: Parts) -> float:
        """Who goes on after an answer repeats it before what is new; after none there is only what is new."""
        after = self.next.get(draft)
        if after is None or after.prompt is None or draft.prompt is None or draft.run.failed_at is not None:
            return 0.0
        answered = after.prompt.count - draft.prompt.count > 1
        return GUESS if answered is _left(parts) else 0.0

    def _cut_off(self, parts: Parts, slot: EngineTask | None) -> bool:
        """Whether something shows that the answer was not written to its end."""
        if slot is not None and slot.cut:
            return True
        if parts.stream is not None and parts.end is not None and parts.stream.answer.finish_reason is None:
            return True
        answer = parts.end.answer if parts.end is not None else None
        if answer is not None and answer.stats is not None and answer.stats.stop_reason == "userStopped":
            return True
        usage = answer.usage if answer is not None else None
        return usage is not None and usage.input == 0 and usage.output == 0

    # -- what can be seen

    def seen(self, handed: Sequence[tuple[Draft, Parts]]) -> bool:
        """Whether requests with these parts would be said to be other than they are now."""
        requests = [(draft, parts) for draft, parts in handed if not isinstance(draft, Nobody)]
        now = [(draft, Parts.of(draft)) for draft, _ in handed]
        if any(_other(Parts.of(draft), parts) for draft, parts in requests):
            return True
        before = [(draft.status(), draft.run.ended_at) for draft, _ in requests]
        give(handed)
        after = [(draft.status(), draft.run.ended_at) for draft, _ in requests]
        give(now)
        return any(
            a[0] is not b[0] or abs((a[1] or 0) - (b[1] or 0)) >= SECOND for a, b in zip(before, after, strict=True)
        )


def late(task: EngineTask, draft: Draft) -> float:
    """A task is launched soon after its request has started, unless all slots are taken."""
    if task.slot is None or task.launched_at is None or draft.running_at is None:
        return 0.0
    return min(max(task.launched_at - draft.running_at - CLOSING_MS, 0) / SECOND, MISSING)


def _other(now: Parts, then: Parts) -> bool:
    if now.task is not then.task or now.stream is not then.stream:
        return True
    return now.end is not then.end and (now.end is None or then.end is None or now.end.whole)


def _slot(task: EngineTask, earlier: EngineTask | None, heir: EngineTask | None) -> float:
    """A conversation goes on in the slot that has most of it, if that slot is free, and finds no more there."""
    if earlier is None or earlier.slot is None or task.slot is None or earlier.engine != task.engine:
        return 0.0
    known = (earlier.prompt_tokens or 0) + (earlier.eval_tokens or 0)
    total = UNLIKE if task.cache_tokens is not None and task.cache_tokens > 1.02 * known + 300 else 0.0
    if task.before is earlier:
        # With less in it than it has read, the slot was rather taken for a beginning two conversations share.
        read, found = earlier.prompt_tokens or 0, task.cache_tokens
        if found is None or found >= read - FEW:
            return total - MISSING
        return total + (GUESS if found < 0.9 * read else 0.0)
    taken = heir is not None and heir.start < task.start
    return total if taken else total + 6.0


def _stream_within(stream: PacketStream, task: EngineTask | None, end: End | None) -> float:
    total = 0.0
    if end is not None:
        total += WRONG if stream.end > end.place else 0.0
        total += _gap(end.at - stream.last_at) if stream.answer.finish_reason is not None else 0.0
    if task is None:
        return total
    if stream.start < task.start:
        total += UNLIKE
    if task.timing is not None and task.eval_ms is not None:
        total += WRONG if stream.end > task.timing else 0.0
        total += min(_gap(abs(stream.last_at - stream.at - round(task.eval_ms))), SPAN)
    if task.prompt_ms is not None and task.launched_at is not None:
        total += min(_gap(abs(stream.at - task.launched_at - round(task.prompt_ms))), SPAN)
    return total


def _soon(task: EngineTask, end: End) -> bool:
    """A task is done at the time of an end, give or take a second, which is as well as the log tells."""
    return task.done_at is not None and task.done_at - end.at <= SECOND


def _often_late(drafts: Iterable[Draft]) -> bool:
    """Whether the lines of this log's engines often come after the end they have brought about."""
    ended = [(draft.task, draft.run.end) for draft in drafts if draft.task is not None and draft.run.end is not None]
    late = [_soon(task, end) for task, end in ended if task.done is not None and task.done > end.place]
    return sum(late) > len(ended) / 4


def _gap(ms: Millis) -> float:
    """What follows at once may stand in the next second."""
    return min(max(ms - 1500, 0) / SECOND * 1.5, 9.0)


def _left(parts: Parts) -> bool:
    """Its client has left before the end."""
    return parts.hangup is not None and not parts.hangup.after(parts.end)


def _together(one: Draft, other: Draft) -> bool:
    """Whether the second came before the first had ended."""
    return one.run.end is None or other.place < one.run.end.place


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other
