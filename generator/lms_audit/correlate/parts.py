"""What the log shows of a request's course, in parts that belong together: packets, an end, a hang-up.

A part is made of lines that cannot be of two requests. To which request it belongs is another question, and the answer
may change while more of the log is read. (The fourth part, ``EngineTask``, has a module of its own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lms_audit.correlate.engine_task import Note
from lms_audit.model import Millis
from lms_audit.read import events as ev
from lms_audit.read.fold import join_answers
from lms_audit.read.join import Stretch

if TYPE_CHECKING:
    from lms_audit.correlate.drafts import Draft, Run

SECOND = 1000

Place = tuple[int, int]
"""Stretch and line."""


class PacketStream:
    """The packets of one chat id."""

    def __init__(self) -> None:
        self.events: list[tuple[ev.Packets, int, Stretch]] = []
        """File by file, each with its stretch and that one's number."""
        self.run: Run | None = None
        self.among: list[Draft] = []
        """Requests it may belong to."""
        self.notes: list[Note] = []
        self._answer: ev.Answer | None = None

    @property
    def bearers(self) -> Sequence[Draft]:
        """The request its lines are of."""
        return () if self.run is None else (self.run.draft,)

    def bear(self, note: Note) -> None:
        """Keeps a line of it."""
        self.notes.append(note)

    @property
    def start(self) -> Place:
        """Stretch and line of the first packet."""
        event, number, _ = self.events[0]
        return number, event.line

    @property
    def end(self) -> Place:
        """Stretch and line of the last packet."""
        event, number, _ = self.events[-1]
        return number, event.end_line

    @property
    def at(self) -> Millis:
        """Time of the first packet."""
        return self.events[0][0].at

    @property
    def last_at(self) -> Millis:
        """Time of the last packet."""
        return self.events[-1][0].last_at

    @property
    def first_token_at(self) -> Millis | None:
        """Time of the first packet with something in it."""
        return next((event.first_token_at for event, _, _ in self.events if event.first_token_at is not None), None)

    @property
    def tag(self) -> str | None:
        """Model tag of its lines."""
        return self.events[0][0].tag

    @property
    def answer(self) -> ev.Answer:
        """What its packets say together."""
        if self._answer is None:
            self._answer = join_answers([event.answer for event, _, _ in self.events])
        return self._answer


class _Moment:
    """A part whose lines all stand at one place, and need not keep its request alive."""

    bearers: Sequence[Draft] = ()

    def __init__(self, at: Millis, place: Place) -> None:
        self.at = at
        self.place = self.start = place
        self.notes: list[Note] = []

    def bear(self, note: Note) -> None:
        """Keeps a line of it."""
        self.notes.append(note)


class End(_Moment):
    """The line that ends a request: that its stream is finished, or its whole answer."""

    def __init__(self, event: ev.Event, place: Place, answer: ev.Answer | None = None, *, whole: bool = False) -> None:
        super().__init__(event.at, place)
        self.whole = whole
        """It is the whole answer, a prediction."""
        self.answer = answer
        self.tag: str | None = getattr(event, "tag", None)
        self.family: str | None = getattr(event, "family", None)
        self.calls_line: str | None = None
        """The line of tool calls before a prediction."""
        self.redacted = False
        self.precise = isinstance(event, ev.StreamOutput)
        """It is written at once, and so is the line at the start: the time between is the one its statistics tell."""

    def astray(self, start: Millis) -> float:
        """By how many seconds its own statistics miss the time since a start; 0 where they do not say."""
        stats = self.answer.stats if self.answer is not None and self.precise else None
        if stats is None or stats.generation_ms is None:
            return 0.0
        span = self.at - start
        # llama.cpp counts the time to the first token in, MLX does not
        return min(abs(span - stats.generation_ms - first) for first in (0.0, stats.ttft_ms or 0.0)) / SECOND


class Hangup(_Moment):
    """A client has closed its connection; the line names nobody."""

    def __init__(self, event: ev.Disconnected | ev.Task, place: Place, drafts: list[Draft], *, weak: bool) -> None:
        super().__init__(event.at, place)
        self.event = event
        self.drafts = drafts
        """Requests in flight that it may have cut off."""
        self.weak = weak
        """A request had just ended, and its client may have closed the connection, as clients do."""
        self.owner: Draft | None = None
        """Whose client it was, where that is known or the likeliest."""

    def after(self, end: End | None) -> bool:
        """It came after the end of its request, and cut nothing off."""
        return end is not None and end.place < self.place


def told(end: End | None, stream: PacketStream | None) -> ev.Answer | None:
    """What is in the log of an answer: what its end says, else what its packets say."""
    if end is not None and end.answer is not None:
        return end.answer
    return stream.answer if stream is not None else None
