"""Which request an engine task was for.

The engine's lines name slot and task but no request. Which of several started requests a task belongs to is settled as
late as possible, when a line needs to know, by what the task shows by then: the size of its prompt, what its slot had
cached, the order of launch, and the line that ends it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from lms_audit.correlate import assignment
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.sizes import HOPELESS, IMPOSSIBLE, Sizes
from lms_audit.model import Millis
from lms_audit.read import events as ev

if TYPE_CHECKING:
    from lms_audit.correlate.conversation import PromptTree
    from lms_audit.correlate.drafts import Draft

SLACK_MS = 250
"""How late an engine's line may reach the log."""
SURE = 4.0
"""By how much the best way to tell tasks apart must beat the next one to count as settled."""
OUT_OF_ORDER = 1.5
"""At most so unlikely is it that a task was launched out of its turn: requests that wait together may overtake."""
OUT_OF_TURN = 6.0
"""And where an engine takes one request at a time, in order of arrival."""
FEW_BLOCKS = 4
"""So many more engines without ids may be at work."""
KEPT = 256
"""Tasks remembered at most once they are over."""
MANY = 6
"""Tasks settled together at most."""
NOBODY = -20.0
"""How likely it is that a task was for nobody's request: for a chat in the application itself."""


class Tasks:
    """All tasks of the engines at work, and the last one of every slot."""

    def __init__(self, tree: PromptTree) -> None:
        self.nobodys: list[EngineTask] = []
        """Tasks no request explains."""
        self.undecided: list[EngineTask] = []
        self.ending: list[EngineTask] = []
        """Tasks whose work is done and whose request's last line is still to come, oldest first."""
        self._live: dict[tuple[int, int, int], list[EngineTask]] = {}
        self._last: dict[tuple[int, int | None], EngineTask] = {}
        """The last task launched on every slot."""
        self._slots: dict[tuple[int, str | None, int], EngineTask] = {}
        self._starts: list[tuple[Millis, Millis]] = [(0, 0)]
        """When each engine was started: after the first, before the second. Engine 0 tells no uptime."""
        self._guesses: list[tuple[Millis, int]] = []
        """The engines in the order in which they were started, as their first lines tell it."""
        self._tags: dict[int, str] = {}
        """Engine -> the model it runs, where that is known."""
        self._nameless = 0
        self.sizes = Sizes(tree)
        self.block: EngineTask | None = None
        """The prompt begun last by an engine without ids, which takes one at a time."""
        self.blocks: list[EngineTask] = []
        """Those not known to be done: models of several engines may be at work."""

    # -- which task a line is about

    def find(self, event: ev.Task | ev.Timing) -> EngineTask | None:
        """The task of a line, if its launch is known."""
        if event.slot is None or event.task is None:
            return None
        near = self._engines(event)
        known = self._with_ids(near, event.slot, event.task)
        fitting = [task for task in known if task.fits(event)]
        if not fitting and event.engine_start:
            # Engines that were started in the same second are hard to tell apart; the numbers then decide.
            others = [number for number in range(len(self._starts)) if number not in near]
            fitting = [task for task in self._with_ids(others, event.slot, event.task) if task.fits(event)]
        if not fitting:
            return known[0] if known else None
        if len(fitting) == 1 or isinstance(event, ev.Timing):
            return fitting[0]
        if event.step == "release" and event.tokens is not None:
            reached = event.tokens
            return max(fitting, key=lambda task: ((task.prompt_tokens or 0) <= reached, task.prompt_tokens or 0))
        return fitting[-1 if event.step in ("prompt", "cache") else 0]

    def _with_ids(self, engines: Iterable[int], slot: int, task: int) -> list[EngineTask]:
        return [known for engine in engines for known in self._live.get((engine, slot, task), ())]

    def by_id(self, event: ev.Task | ev.Failed, number: int) -> list[EngineTask]:
        """Tasks with an id, for lines that name no slot. Those not yet released come first."""
        engines = self._engines(event) if isinstance(event, ev.Task) and event.engine_start is not None else None
        found = [known for known in self._all() if known.task == number and (not engines or known.engine in engines)]
        return sorted(found, key=lambda known: known.released)

    def with_prompt(self, tokens: int) -> list[EngineTask]:
        """Tasks that read a prompt of so many tokens."""
        return [known for known in self._all() if known.prompt_tokens == tokens]

    def _all(self) -> Iterator[EngineTask]:
        for tasks in self._live.values():
            yield from tasks

    def open_block(self) -> EngineTask | None:
        """The only task whose timing has begun and is not whole: a block may be cut where its ids are not repeated."""
        begun = [task for task in self._all() if task.slot is not None and not task.released and not task.whole]
        timed = [task for task in begun if task.timed]
        return (timed or begun)[0] if len(timed or begun) == 1 else None

    def start(self, event: ev.Task | ev.Timing, candidates: Sequence[Draft]) -> EngineTask:
        """A new task, for one of the candidates."""
        engine = self._engines(event)[0]
        task = EngineTask(event.slot, event.task, engine)
        task.tag, task.guess = event.tag, self._tags.get(engine)
        key = (engine, event.slot if event.slot is not None else -1, event.task if event.task is not None else -1)
        task.before = self._last.get((engine, event.slot))
        self._last[engine, event.slot] = task
        if len(self._live) > KEPT:
            self._forget_oldest()
        still = []
        for known in self._live.get(key, []):
            if known.released or (known.owner is not None and known.owner.run.closed):
                self._drop(known)  # the ids have started again
            else:
                still.append(known)
        self._live[key] = [*still, task]
        if candidates:
            task.candidates = list(candidates)
            self.undecided.append(task)
        return task

    def _forget_oldest(self) -> None:
        for key in list(self._live)[: KEPT // 2]:
            if all(task.ended or task.released for task in self._live[key]):
                for task in self._live.pop(key):
                    self._drop(task)

    def start_block(self, candidates: Sequence[Draft]) -> EngineTask:
        """A task of an engine that tells no ids and takes one prompt at a time."""
        task = self.block = EngineTask(None, None)
        task.block = True
        self.blocks = [*self.blocks[-FEW_BLOCKS:], task]
        self._unnamed(task, candidates)
        return task

    def timed_block(self, event: ev.Timing) -> EngineTask | None:
        """The block a timing without ids is of: as many tokens were to be read as have been."""
        open_ = [block for block in self.blocks if not block.whole]
        if event.prompt_tokens is None:
            open_ = [block for block in open_ if block.prompt_ms is not None] or open_
        else:
            open_ = [block for block in open_ if block.prompt_ms is None]
            same = [block for block in open_ if block.evaluated == event.prompt_tokens]
            open_ = same or [block for block in open_ if block.evaluated is None] or open_
        return open_[0] if open_ else None

    def _unnamed(self, task: EngineTask, candidates: Sequence[Draft]) -> None:
        self._nameless += 1
        self._live[0, -1, -self._nameless] = [task]
        if candidates:
            task.candidates = list(candidates)
            self.undecided.append(task)

    def start_nameless(self, event: ev.PromptCount, candidates: Sequence[Draft]) -> EngineTask:
        """A task of an engine that tells no ids, only the size of each prompt it begins to read."""
        task = EngineTask(None, None)
        task.tag, task.launched_at = event.tag, event.at
        task.prompt_tokens, task.cache_tokens = event.total, event.cached
        self._unnamed(task, candidates)
        return task

    def forget(self) -> None:
        """A model was loaded: ids start again. Tasks still at work keep theirs."""
        for key, tasks in list(self._live.items()):
            still = [task for task in tasks if not task.released and (task.owner is not None or task.candidates)]
            for task in tasks:
                if task not in still:
                    self._drop(task)
            self._live[key] = still
            if not still:
                del self._live[key]
        self._last.clear()

    def close(self) -> None:
        """The end of the log: what is left over is settled."""
        for task in list(self.undecided):
            if task.nameless:
                task.unclear, task.candidates = True, []
            else:
                self.settle(task)
        for task in self._all():
            self._drop(task)
        self._live.clear()

    def _drop(self, task: EngineTask) -> None:
        told = task.launched_at is not None or task.timed
        if told and task.owner is None and not task.candidates and not task.unclear:
            self.nobodys.append(task)

    def _engines(self, event: ev.Task | ev.Timing) -> list[int]:
        """The engine processes a line may be from, the nearest first; each gets to be known better by its lines."""
        if event.engine_start is None:
            return [0]
        low, high = event.engine_start, event.engine_start + 1000
        begin = bisect_left(self._guesses, (low - 1000 - SLACK_MS, 0))
        near = []
        for guess, number in islice(self._guesses, begin, None):
            if guess > high + SLACK_MS:
                break
            first, last = self._starts[number]
            if low - SLACK_MS <= last and first <= high + SLACK_MS:
                near.append(number)
        if not near:
            insort(self._guesses, (low, len(self._starts)))
            near.append(len(self._starts))
            self._starts.append((low, high))
        elif len(near) == 1:
            first, last = self._starts[near[0]]
            if max(first, low) <= min(last, high):
                self._starts[near[0]] = max(first, low), min(last, high)
        if len(near) == 1:
            return near
        near.sort()
        return sorted(near, key=lambda number: abs(sum(self._starts[number]) - low - high))

    # -- whose task it is

    def give(self, task: EngineTask, draft: Draft | None) -> None:
        """Settles that a task is a draft's, or nobody's."""
        if task in self.undecided:
            self.undecided.remove(task)
        task.candidates = []
        if task.run is not None and task in task.run.tasks:
            task.run.tasks.remove(task)
        task.run = draft.run if draft is not None else None
        if draft is None:
            return
        draft.run.tasks.append(task)
        if task.slot is not None:
            self._slots[task.engine, draft.tag, task.slot] = task
        self.sizes.measure(task, draft)

    def learn(self, draft: Draft, usage: ev.Usage | None) -> None:
        """An answer's usage tells the size of a prompt where no engine task does."""
        if usage is not None and usage.input and draft.task is None:
            task = EngineTask(None, None)
            task.prompt_tokens, task.eval_tokens = usage.input, usage.output
            task.run = draft.run
            self.sizes.measure(task, draft)

    def fit_usage(self, usage: ev.Usage | None, draft: Draft) -> float:
        """How well the tokens an answer says its prompt had fit a draft."""
        if usage is None or not usage.input or draft.prompt is None or draft.old:
            return 0.0
        task = EngineTask(None, None)
        task.prompt_tokens = usage.input
        return max(self._fit(task, draft), -30.0)

    def know(self, task: EngineTask) -> None:
        """The request of a task is certain, and with it the model of its engine."""
        if task.engine and task.owner is not None and task.owner.tag is not None:
            self._tags[task.engine] = task.owner.tag

    def settle(
        self,
        task: EngineTask,
        bonus: Callable[[Draft], float] | None = None,
        within: Sequence[Draft] | None = None,
    ) -> list[Draft]:
        """Gives an undecided task to the likeliest draft; returns it, and behind it those that are nearly as likely.

        ``bonus``: what the line at hand says of each draft. ``within``: it stays undecided if likeliest another's.
        """
        others = (other for other in self.undecided if other is not task and not other.nameless)
        rivals = (other for other in others if any(draft in task.candidates for draft in self._possible(other)))
        together = sorted([task, *islice(rivals, MANY - 1)], key=self.undecided.index)
        drafts = sorted({draft.number: draft for one in together for draft in self._possible(one)}.items())
        order = {number: rank for rank, (number, _) in enumerate(drafts)}

        def score(rank: int, one: EngineTask, draft: Draft) -> float:
            off = abs(rank - order[draft.number])
            value = self.fit(one, draft) - (OUT_OF_TURN * off if one.block else min(off, OUT_OF_ORDER))
            return value + (bonus(draft) if one is task and bonus is not None else 0.0)

        table = [
            {draft.number: score(rank, one, draft) for draft in self._possible(one)}
            for rank, one in enumerate(together)
        ]
        own = table.pop(together.index(task))
        totals, unclaimed = assignment.totals(own, table, NOBODY)
        known = dict(drafts)
        ranked = sorted(totals, key=lambda number: (-totals[number], number))
        best = totals[ranked[0]] if ranked else IMPOSSIBLE
        # Who has started but one task so far, and ends, was no rival of a chat in the application itself.
        alone = len(task.candidates) == 1 and not any(
            task.candidates[0] in other.candidates for other in self.undecided if other is not task
        )
        nobody = best < (HOPELESS if alone else unclaimed)
        if within is not None and (nobody or known[ranked[0]] not in within):
            return []
        if nobody:
            self.give(task, None)
            return []
        self.give(task, known[ranked[0]])
        return [known[number] for number in ranked if number == ranked[0] or best - totals[number] < SURE]

    def _possible(self, task: EngineTask) -> list[Draft]:
        return [draft for draft in task.candidates if not draft.run.tasks or draft.run.tasks[-1].failed is not None]

    def fit(self, task: EngineTask, draft: Draft) -> float:
        """How well a task fits a draft; only differences mean anything."""
        if task.tag is not None and draft.tag is not None and task.tag != draft.tag:
            return IMPOSSIBLE
        if task.stream is not None and draft.stream is not None and task.stream is not draft.stream:
            return IMPOSSIBLE
        other_model = task.guess is not None and draft.tag is not None and task.guess != draft.tag
        return self._fit(task, draft) - (8.0 if other_model else 0.0)

    def _fit(self, task: EngineTask, draft: Draft) -> float:
        tokens = task.prompt_tokens
        if tokens is None or draft.prompt is None:
            return 0.0
        if draft.run.told_tokens and task.slot is not None:
            return 20.0 if draft.run.told_tokens == tokens else -30.0
        earlier = self.sizes.earlier(draft)
        return self.sizes.fit(task, draft, earlier) + self._fit_slot(task, draft, earlier)

    def _fit_slot(self, task: EngineTask, draft: Draft, earlier: EngineTask | None) -> float:
        """A conversation goes on in the slot that has most of it, if that slot is free, and finds no more there."""
        if earlier is None or earlier.slot is None or task.slot is None:
            return 0.0
        known = (earlier.prompt_tokens or 0) + (earlier.eval_tokens or 0)
        value = -12.0 if task.cache_tokens is not None and task.cache_tokens > 1.02 * known + 300 else 0.0
        last = self._slots.get((earlier.engine, draft.tag, earlier.slot))
        if last is not earlier:
            return value
        return value + (8.0 if (task.engine, task.slot) == (earlier.engine, earlier.slot) else -6.0)

    # -- ends

    def done(self, task: EngineTask) -> None:
        """The engine is done with a task; its request's last line comes next."""
        if not task.ended and task not in self.ending and (task.owner is not None or task.candidates):
            self.ending.append(task)

    def at_work_for(self, among: Sequence[Draft]) -> int:
        """Tasks not done yet that are for these drafts."""
        owned = [task for draft in among for task in draft.run.tasks]
        shared = []
        for task in self.undecided:
            open_ = [draft for draft in task.candidates if not (draft.run.closed and draft.run.tasks)]
            if open_ and not task.nameless and all(draft in among for draft in open_):
                shared.append(task)
        return sum(not (task.released or task.timed or task.failed) for task in (*owned, *shared))

    def orphan(self) -> EngineTask | None:
        """The only task that had no request to be for."""
        nobodys = [task for task in self._all() if task.owner is None and not task.candidates and not task.unclear]
        return nobodys[0] if len(nobodys) == 1 else None

    def end(self, tasks: Iterable[EngineTask]) -> None:
        """The last line of these tasks' request has come."""
        for task in tasks:
            task.ended = True
            if task in self.ending:
                self.ending.remove(task)
