"""Parts that may be exchanged between requests, and who has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.engine_task import EngineTask, worker
from lms_audit.correlate.parts import End, Hangup, PacketStream, told
from lms_audit.read import events as ev


class Parts(NamedTuple):
    """What may be exchanged between requests. An engine task that failed is none of it: its error is told already."""

    task: EngineTask | None
    """The engine task that did the work."""
    stream: PacketStream | None
    end: End | None
    hangup: Hangup | None

    @classmethod
    def of(cls, draft: Draft) -> Parts:
        """The parts a request has now."""
        run = draft.run
        return cls(worker([task for task in run.tasks if task.failed is None]), run.stream, run.end, run.hangup)

    def give(self, draft: Draft) -> None:
        """Makes them a request's."""
        run = draft.run
        failed = [task for task in run.tasks if task.failed is not None]
        run.tasks = failed if self.task is None else [*failed, self.task]
        run.stream, run.end, run.hangup = self.stream, self.end, self.hangup
        if self.task is not None:
            self.task.run = run
        if self.stream is not None:
            self.stream.run = run
        if self.hangup is not None:
            self.hangup.owner = draft

    @property
    def answer(self) -> ev.Answer | None:
        """What is in the log of the answer."""
        return told(self.end, self.stream)


class Nobody(Draft):
    """Who has what is no request's: the task of a chat in the application itself, a hang-up that nothing explains."""

    def __init__(self, tasks: tuple[EngineTask, ...] = (), hangup: Hangup | None = None) -> None:
        super().__init__(-1, 0, None)
        self.run.tasks, self.run.hangup = list(tasks), hangup


def give(handed: Iterable[tuple[Draft, Parts]]) -> None:
    """Gives several requests other parts."""
    for draft, parts in handed:
        parts.give(draft)
