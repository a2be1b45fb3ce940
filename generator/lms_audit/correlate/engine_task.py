"""What an engine said of one task, and a line of the log kept for a request's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lms_audit.model import LineRange, Millis
from lms_audit.read import events as ev

if TYPE_CHECKING:
    from lms_audit.correlate.drafts import Draft, Run


class Note(NamedTuple):
    """A line of a request: for its timeline and its evidence."""

    place: tuple[int, int]
    """Stretch and line."""
    at: Millis
    name: str
    detail: str
    ranges: tuple[LineRange, ...]


DONE = {"engine release": 1, "engine cancel": 1, "engine timing": 2, "engine assigned": 3}
"""Lines that show a task to be done, and how surely."""


class EngineTask:
    """What the engine said of one task."""

    def __init__(self, slot: int | None, task: int | None, engine: int = 0) -> None:
        self.slot = slot
        self.task = task
        self.engine = engine
        self.block = False
        """It has no ids, and its engine, of 0.3, works on one at a time."""
        self.counted: set[str] = set()
        """Which sizes of its prompt a block has told."""
        self.stream: bool | None = None
        """Its answer is streamed, where a line tells."""
        """Number of the engine process, as far as they can be told apart."""
        self.tag: str | None = None
        """The model it was for, where its lines say so."""
        self.guess: str | None = None
        """The model its engine is thought to run."""
        self.launched_at: Millis | None = None
        self.read_at: Millis | None = None
        """When its prompt had been read, which a block tells."""
        self.prompt_tokens: int | None = None
        self.cache_tokens: int | None = None
        self.context: int | None = None
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
        self.run: Run | None = None
        """The run it is part of."""
        self.candidates: list[Draft] = []
        """Requests it may belong to, while that is not settled."""
        self.doubtful = False
        """Its request is only the likeliest: it is no evidence for those that follow."""
        self.before: EngineTask | None = None
        """The task that had its slot before."""
        self.unclear = False
        """It is one of several requests', and nothing tells whose."""
        self.notes: list[Note] = []
        self.last: Note | None = None
        """The line that shows it to be done: of equally sure ones the first, but the last of a timing in parts."""
        self.timing: tuple[int, int] | None = None
        """Stretch and line of its timing."""

    @property
    def bearers(self) -> Sequence[Draft]:
        """Requests its lines may be of."""
        return self.candidates if self.run is None else (self.run.draft,)

    def bear(self, note: Note) -> None:
        """Keeps a line of it."""
        self.notes.append(note)
        sure, timing = DONE.get(note.name, 0), note.name == "engine timing"
        told = DONE[self.last.name] if self.last is not None else 0
        if sure > told or (timing and sure == told):
            self.last = note
        if timing and self.timing is None:
            self.timing = note.place

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

    def told_otherwise(self, timing: ev.Timing) -> bool:
        """Whether another timing has been printed for it: numbers begin anew with each load of a model."""
        mine, theirs = (self.prompt_ms, self.eval_ms), (timing.prompt_ms, timing.eval_ms)
        return self.whole and None not in theirs and mine != theirs

    def count(self, event: ev.PromptCount) -> None:
        """Takes over what a block, or an engine without ids, tells of its prompt."""
        for mine, theirs in (
            ("prompt_tokens", event.total),
            ("cache_tokens", event.cached),
            ("evaluated", event.evaluated),
            ("context", event.context),
        ):
            if theirs is not None:
                setattr(self, mine, theirs)
                self.counted.add(mine)

    def counts(self, event: ev.PromptCount) -> bool:
        """Whether it has told already what a line tells: the line is the next one's."""
        if self.prompt_tokens is not None and event.total not in (None, self.prompt_tokens):
            return True  # two of the lines tell the whole size
        told = (("cache_tokens", event.cached), ("evaluated", event.evaluated), ("context", event.context))
        return any(value is not None and name in self.counted for name, value in told)

    def step(self, event: ev.Task) -> None:
        """Takes over what a step says."""
        if event.step == "launch":
            self.launched_at = event.at
        elif event.step == "prompt":
            self.prompt_tokens, self.context = event.tokens, event.context
        elif event.step == "cache":
            # The line comes again with every batch; only the first one tells what was cached.
            self.cache_tokens = event.tokens if self.cache_tokens is None else self.cache_tokens
        elif event.step in ("release", "assigned"):
            self.released = True

    def fits(self, event: ev.Task | ev.Timing) -> bool:
        """Whether a line with its ids can be about it, by the numbers; two engines may use the same ids."""
        if isinstance(event, ev.Timing):
            if event.prompt_tokens is None or self.prompt_tokens is None or self.cache_tokens is None:
                return not self.whole
            return not self.whole and self.prompt_tokens - self.cache_tokens == event.prompt_tokens
        if event.step == "prompt":
            return self.prompt_tokens is None
        if event.step == "cache":
            return self.prompt_tokens is not None and self.cache_tokens is None
        if event.step == "release" and self.prompt_tokens is not None and self.eval_tokens is not None:
            return event.tokens in (None, self.prompt_tokens + self.eval_tokens - 1)
        return not self.released

    # -- where its lines stand

    @property
    def start(self) -> tuple[int, int]:
        """Stretch and line of the first of them."""
        return self.notes[0].place

    @property
    def done(self) -> tuple[int, int] | None:
        """Stretch and line of the line that shows it to be done."""
        return self.last.place if self.last is not None else None

    @property
    def done_at(self) -> Millis | None:
        """Time of that line."""
        return self.last.at if self.last is not None else None

    @property
    def cut(self) -> bool:
        """It was given up: released, or cancelled, without a timing."""
        return self.eval_ms is None and self.failed is None and (self.released or self.last is not None)

    @property
    def nameless(self) -> bool:
        """Of an engine that tells only the size of a prompt."""
        return self.slot is None and not self.block

    @property
    def owner(self) -> Draft | None:
        """The request it was for."""
        return self.run.draft if self.run is not None else None

    @property
    def timed(self) -> bool:
        """Its timing has been printed."""
        return self.eval_ms is not None or self.prompt_ms is not None

    @property
    def whole(self) -> bool:
        """Its timing has been printed in full."""
        return self.eval_ms is not None and self.prompt_ms is not None


def worker(tasks: Sequence[EngineTask]) -> EngineTask | None:
    """The one of a request's tasks that did the work: the last one with a timing, else the last."""
    for task in reversed(tasks):
        if task.timed:
            return task
    return tasks[-1] if tasks else None
