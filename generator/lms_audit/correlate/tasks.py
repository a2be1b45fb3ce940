"""Engine tasks: what llama.cpp says of one task, and which request it was for.

The engine's lines name slot and task but no request. Which of several started requests a task belongs to is settled as
late as possible, when a line needs to know, by what the task shows by then: the size of its prompt, what its slot had
cached, the order of launch, and the line that ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log
from typing import TYPE_CHECKING, NamedTuple

from lms_audit.model import LineRange, Millis
from lms_audit.read import events as ev

if TYPE_CHECKING:
    from lms_audit.correlate.conversation import PromptTree
    from lms_audit.correlate.drafts import Draft

SAME_ENGINE_MS = 4000
"""An engine's start, as its lines' uptime and the log's whole seconds give it, varies by less."""
SURE = 4.0
"""By how much the best way to tell tasks apart must beat the next one to count as settled."""
ANCESTORS = 60
"""How many messages back an earlier prompt of the same conversation is looked for."""
BYTES_PER_TOKEN = 4.2
MANY = 6
"""Tasks settled together at most."""


class Note(NamedTuple):
    """A line of a request: for its timeline and its evidence."""

    place: tuple[int, int]
    """Stretch and line."""
    at: Millis
    name: str
    detail: str
    ranges: tuple[LineRange, ...]


class EngineTask:
    """What the engine said of one task."""

    def __init__(self, slot: int | None, task: int | None, engine: int = 0) -> None:
        self.slot = slot
        self.task = task
        self.engine = engine
        """Number of the engine process, as far as they can be told apart."""
        self.tag: str | None = None
        self.launched_at: Millis | None = None
        self.prompt_tokens: int | None = None
        self.cache_tokens: int | None = None
        self.limit: int | None = None
        self.evaluated: int | None = None
        self.prompt_ms: float | None = None
        self.eval_ms: float | None = None
        self.eval_tokens: int | None = None
        self.tokens_per_second: float | None = None
        self.draft_accepted: int | None = None
        self.draft_generated: int | None = None
        self.released = False
        self.ended = False
        """The line that ends its request has come."""
        self.failed: str | None = None
        self.owner: Draft | None = None
        self.candidates: list[Draft] = []
        """Requests it may belong to, while that is not settled."""
        self.notes: list[Note] = []

    def add(self, timing: ev.Timing) -> None:
        """Takes over what a timing block says; a block may come in two parts."""
        for mine, theirs in (
            ("evaluated", timing.prompt_tokens),
            ("prompt_ms", timing.prompt_ms),
            ("eval_ms", timing.eval_ms),
            ("eval_tokens", timing.eval_tokens),
            ("tokens_per_second", timing.tokens_per_second),
            ("draft_accepted", timing.draft_accepted),
            ("draft_generated", timing.draft_generated),
        ):
            if theirs is not None:
                setattr(self, mine, theirs)

    def step(self, event: ev.Task) -> None:
        """Takes over what a step says."""
        if event.step == "launch":
            self.launched_at = event.at
        elif event.step == "prompt":
            self.prompt_tokens, self.limit = event.tokens, event.limit
        elif event.step == "cache":
            # The line comes again with every batch; only the first one tells what was cached.
            self.cache_tokens = event.tokens if self.cache_tokens is None else self.cache_tokens
        elif event.step in ("release", "assigned"):
            self.released = True

    @property
    def timed(self) -> bool:
        """Its timing has been printed."""
        return self.eval_ms is not None or self.prompt_ms is not None

    @property
    def whole(self) -> bool:
        """Its timing has been printed in full."""
        return self.eval_ms is not None and self.prompt_ms is not None


class Tasks:
    """All tasks of the engines at work, and the last one of every slot."""

    def __init__(self, tree: PromptTree) -> None:
        self.tree = tree
        self.unbound = 0
        """Tasks no request explains."""
        self.undecided: list[EngineTask] = []
        self.ending: list[EngineTask] = []
        """Tasks whose work is done and whose request's last line is still to come, oldest first."""
        self._live: dict[tuple[int, int, int], EngineTask] = {}
        self._slots: dict[tuple[int, int], EngineTask] = {}
        self._starts: list[Millis | None] = [None]
        self._measured: dict[int, EngineTask] = {}
        """Node of a prompt -> the task that read it."""
        self._bytes = self._tokens = 0

    # -- which task a line is about

    def find(self, event: ev.Task | ev.Timing) -> EngineTask | None:
        """The task of a line, if its launch is known."""
        if event.slot is None or event.task is None:
            return None
        return self._live.get((self._engine(event), event.slot, event.task))

    def by_id(self, task: int) -> list[EngineTask]:
        """Tasks with an id, for lines that name no slot. Those not yet released come first."""
        found = [known for known in self._live.values() if known.task == task]
        return sorted(found, key=lambda known: known.released)

    def start(self, event: ev.Task | ev.Timing, candidates: Sequence[Draft]) -> EngineTask:
        """A new task, for one of the candidates."""
        engine = self._engine(event)
        task = EngineTask(event.slot, event.task, engine)
        task.tag = event.tag
        key = (engine, event.slot if event.slot is not None else -1, event.task if event.task is not None else -1)
        self._drop(self._live.get(key))
        self._live[key] = task
        if candidates:
            task.candidates = list(candidates)
            self.undecided.append(task)
        return task

    def forget(self) -> None:
        """A model was loaded: ids start again. Tasks still at work keep theirs."""
        for key, task in list(self._live.items()):
            if task.released or (task.owner is None and not task.candidates):
                self._drop(self._live.pop(key))
        self._slots.clear()

    def close(self) -> None:
        """The end of the log: what is left over is settled."""
        for task in list(self.undecided):
            self.settle(task)
        for task in self._live.values():
            self._drop(task)
        self._live.clear()

    def _drop(self, task: EngineTask | None) -> None:
        if task is not None and task.owner is None and not task.candidates:
            self.unbound += task.launched_at is not None or task.timed

    def _engine(self, event: ev.Task | ev.Timing) -> int:
        if event.engine_start is None:
            return 0
        near = [
            (abs(event.engine_start - start), number)
            for number, start in enumerate(self._starts)
            if start is not None and abs(event.engine_start - start) <= SAME_ENGINE_MS
        ]
        if near:
            return min(near)[1]
        self._starts.append(event.engine_start)
        return len(self._starts) - 1

    # -- whose task it is

    def give(self, task: EngineTask, draft: Draft | None) -> None:
        """Settles that a task is a draft's, or nobody's."""
        if task in self.undecided:
            self.undecided.remove(task)
        task.candidates = []
        old = task.owner
        if old is not None and task in old.run.tasks:
            old.run.tasks.remove(task)
        task.owner = draft
        if draft is None:
            return
        draft.run.tasks.append(task)
        if task.slot is not None:
            self._slots[task.engine, task.slot] = task
        prompt = draft.prompt
        if prompt is not None and task.prompt_tokens is not None:
            self._measured[prompt.node] = task
            if not draft.truncated and prompt.size:
                self._bytes += prompt.size
                self._tokens += task.prompt_tokens

    def settle(self, task: EngineTask, bonus: Callable[[Draft], float] | None = None) -> list[Draft]:
        """Gives an undecided task to the likeliest draft; returns it, followed by those that are nearly as likely.

        ``bonus``: what the line at hand says of each draft.
        """
        together = [task, *(other for other in self.undecided if other is not task and other.engine == task.engine)]
        together = sorted(together[:MANY], key=self.undecided.index)
        drafts = sorted({draft.number: draft for one in together for draft in self._possible(one)}.items())
        order = {number: rank for rank, (number, _) in enumerate(drafts)}

        def score(rank: int, one: EngineTask, draft: Draft) -> float:
            value = self.fit(one, draft) - abs(rank - order[draft.number])
            return value + (bonus(draft) if one is task and bonus is not None else 0.0)

        table = [
            {draft.number: score(rank, one, draft) for draft in self._possible(one)}
            for rank, one in enumerate(together)
        ]
        at = together.index(task)
        totals = {number: _best(table, {at: number}) for number in table[at]}
        ranked = sorted(totals, key=lambda number: (-totals[number], number))
        known = dict(drafts)
        if not ranked or totals[ranked[0]] < -500:
            self.give(task, None)
            return []
        best = totals[ranked[0]]
        self.give(task, known[ranked[0]])
        return [known[number] for number in ranked if number == ranked[0] or best - totals[number] < SURE]

    def _possible(self, task: EngineTask) -> list[Draft]:
        return [draft for draft in task.candidates if not draft.run.tasks or draft.run.tasks[-1].failed is not None]

    def fit(self, task: EngineTask, draft: Draft) -> float:
        """How well a task fits a draft; only differences mean anything."""
        tokens = task.prompt_tokens
        if task.tag is not None and draft.tag is not None and task.tag != draft.tag:
            return -1000.0
        if tokens is None or draft.prompt is None:
            return 0.0
        if tokens < draft.prompt.count:  # every message takes a token at least
            return -1000.0
        earlier = self._earlier(draft)
        return self._fit_size(tokens, draft, earlier) + self._fit_slot(task, draft, earlier)

    def _fit_size(self, tokens: int, draft: Draft, earlier: EngineTask | None) -> float:
        prompt = draft.prompt
        assert prompt is not None
        per_token = self._bytes / self._tokens if self._tokens else BYTES_PER_TOKEN
        if earlier is not None and earlier.prompt_tokens:
            if tokens < 0.9 * earlier.prompt_tokens:
                return -20.0
            expected = earlier.prompt_tokens + (earlier.eval_tokens or 0)
            if not draft.truncated and earlier.owner is not None and earlier.owner.prompt is not None:
                grown = max(prompt.size - earlier.owner.prompt.size, 0)
                expected = earlier.prompt_tokens + round(grown / per_token)
            return max(-20.0, -30 * abs(log(tokens / expected)))
        if not prompt.size:
            return 0.0
        off = abs(log(tokens * per_token / prompt.size))
        return max(-10.0, -(1.5 if draft.truncated else 8) * off)

    def _fit_slot(self, task: EngineTask, draft: Draft, earlier: EngineTask | None) -> float:
        """A conversation goes on in the slot that has most of it, if that slot is free."""
        if earlier is None or earlier.slot is None or task.slot is None:
            return 0.0
        last = self._slots.get((earlier.engine, earlier.slot))
        if last is not earlier:
            return 0.0
        return 8.0 if (task.engine, task.slot) == (earlier.engine, earlier.slot) else -6.0

    def _earlier(self, draft: Draft) -> EngineTask | None:
        """The task that read the longest known beginning of a draft's prompt."""
        if draft.prompt is None:
            return None
        node = draft.prompt.node
        for _ in range(ANCESTORS):
            node = self.tree.parent(node)
            if not node:
                return None
            if node in self._measured:
                return self._measured[node]
        return None

    # -- ends

    def done(self, task: EngineTask) -> None:
        """The engine is done with a task; its request's last line comes next."""
        if not task.ended and task not in self.ending and (task.owner is not None or task.candidates):
            self.ending.append(task)

    def end(self, tasks: Iterable[EngineTask]) -> None:
        """The last line of these tasks' request has come."""
        for task in tasks:
            task.ended = True
            if task in self.ending:
                self.ending.remove(task)


def _best(table: Sequence[dict[int, float]], fixed: dict[int, int]) -> float:
    """The best sum of scores where every task goes to another draft, or to nobody."""

    def go(at: int, taken: frozenset[int]) -> float:
        if at == len(table):
            return 0.0
        if at in fixed:
            number = fixed[at]
            return -1e9 if number in taken else table[at][number] + go(at + 1, taken | {number})
        best = -40.0 + go(at + 1, taken)
        for number, value in table[at].items():
            if number not in taken and number not in fixed.values():
                best = max(best, value + go(at + 1, taken | {number}))
        return best

    return go(0, frozenset())
