"""Folds runs of like lines into one event: packets of one chat id, progress, cumulative token lines, call build-up.

A folded event stands where the first line of its run stands and grows as lines come in. ``start`` closes all runs, so
that the first and last record of a file stay events of their own (they may be repeated, or go on, in a neighbour).
Runs that are open where a file ends are opened again when it has grown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from msgspec.structs import replace

from lms_audit.read.events import Accumulated, Answer, AnswerCall, AnyEvent, CallBuilding, Packets, Progress

E = TypeVar("E", Progress, Accumulated, CallBuilding)

PAUSE_MS = 3_600_000
"""Lines so far apart are not of one request: a log of another day was put behind the first."""


class _Run(Generic[E]):
    """A run of lines: the event that stands for it, and its first event, which marks its place."""

    def __init__(self, event: E) -> None:
        self.first: E = event
        self.event: E = event

    def settled(self) -> E:
        return self.event

    def reaches(self, event: E) -> bool:
        """Whether a line is near enough to go on with the run."""
        return abs(event.at - self.event.last_at) <= PAUSE_MS


class _PacketRun:
    """A run of packets; texts are joined once, at the end."""

    def __init__(self, event: Packets) -> None:
        self.first = event
        self.last = event
        self.first_token_at = event.first_token_at
        self.answers = [event.answer]
        self.count = event.count

    def add(self, event: Packets) -> None:
        self.last = event
        self.answers.append(event.answer)
        self.count += event.count
        if self.first_token_at is None:
            self.first_token_at = event.first_token_at

    def settled(self) -> Packets:
        return replace(
            self.first,
            answer=join_answers(self.answers),
            count=self.count,
            last_at=self.last.last_at,
            end_line=self.last.end_line,
            first_token_at=self.first_token_at,
        )


class Fold:
    """Open runs. ``progress`` and the like return an event that starts a run, ``None`` for one folded into a run."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run[Progress] | _Run[Accumulated] | _Run[CallBuilding] | _PacketRun] = {}
        self.start()

    def start(self) -> None:
        """Closes all runs."""
        self._progress: dict[str | None, _Run[Progress]] = {}
        self._accumulated: dict[str | None, _Run[Accumulated]] = {}
        self._building: dict[str | None, _Run[CallBuilding]] = {}
        self._packets: dict[str, _PacketRun] = {}

    def open(self, events: Sequence[AnyEvent]) -> tuple[int, ...]:
        """Places, among the events, of those that stand for a run that is open."""
        kinds = (self._progress, self._accumulated, self._building, self._packets)
        opened = {id(run.first) for runs in kinds for run in runs.values()}
        return tuple(place for place, event in enumerate(events) if id(event) in opened)

    def reopen(self, events: Iterable[AnyEvent]) -> None:
        """Open the runs again that these events stand for."""
        for event in events:
            match event:
                case Progress():
                    self._progress[event.tag] = self._runs[id(event)] = _Run(event)
                case Accumulated():
                    self._accumulated[event.tag] = self._runs[id(event)] = _Run(event)
                case CallBuilding():
                    self._building[event.tag] = self._runs[id(event)] = _Run(event)
                case Packets():
                    self._packets[event.answer.chat_id or ""] = self._runs[id(event)] = _PacketRun(event)

    def end(self, tag: str | None) -> None:
        """A request of this tag starts or ends: its line runs start anew."""
        self._progress.pop(tag, None)
        self._accumulated.pop(tag, None)
        self._building.pop(tag, None)

    def progress(self, event: Progress) -> Progress | None:
        """A prompt progress line; a percentage that falls starts a new run."""
        run = self._progress.get(event.tag)
        if run is None or event.first < run.event.last or not run.reaches(event):
            self._progress[event.tag] = self._runs[id(event)] = _Run(event)
            return event
        run.event = replace(
            run.event, last=event.last, last_at=event.at, end_line=event.end_line, count=run.event.count + 1
        )
        return None

    def accumulated(self, event: Accumulated) -> Accumulated | None:
        """A cumulative line; a count that falls starts a new run."""
        run = self._accumulated.get(event.tag)
        if run is None or event.tokens < run.event.tokens or not run.reaches(event):
            self._accumulated[event.tag] = self._runs[id(event)] = _Run(event)
            return event
        run.event = replace(run.event, tokens=event.tokens, text=event.text, last_at=event.at, end_line=event.end_line)
        return None

    def building(self, event: CallBuilding) -> CallBuilding | None:
        """A build-up line; a second tool name starts a new run."""
        run = self._building.get(event.tag)
        if run is None or (event.name is not None and run.event.name is not None) or not run.reaches(event):
            self._building[event.tag] = self._runs[id(event)] = _Run(event)
            return event
        run.event = replace(run.event, name=run.event.name or event.name, last_at=event.at, end_line=event.end_line)
        return None

    def packet(self, event: Packets) -> Packets | None:
        """A packet; those without a chat id stay alone."""
        chat = event.answer.chat_id
        if chat is None:
            return event
        run = self._packets.get(chat)
        if run is None:
            self._packets[chat] = self._runs[id(event)] = _PacketRun(event)
            return event
        run.add(event)
        return None

    def settle(self, events: Iterable[AnyEvent]) -> tuple[AnyEvent, ...]:
        """The events, the first of each run replaced by the whole run."""
        return tuple(run.settled() if (run := self._runs.get(id(event))) is not None else event for event in events)


def join_answers(answers: Iterable[Answer]) -> Answer:
    """One answer from the pieces of a stream, in order: texts joined, call deltas merged, the last word on the rest."""
    answers = tuple(answers)
    if len(answers) == 1 and not any(call.index is not None for call in answers[0].calls):
        return answers[0]
    texts = [piece.text for piece in answers if piece.text is not None]
    reasonings = [piece.reasoning for piece in answers if piece.reasoning is not None]
    backwards = answers[::-1]
    return Answer(
        chat_id=answers[0].chat_id,
        object=answers[0].object,
        created=answers[0].created,
        model=next((piece.model for piece in backwards if piece.model), None),
        text="".join(texts) if texts else None,
        reasoning="".join(reasonings) if reasonings else None,
        calls=_join_calls(call for piece in answers for call in piece.calls),
        finish_reason=next((piece.finish_reason for piece in backwards if piece.finish_reason), None),
        usage=next((piece.usage for piece in backwards if piece.usage), None),
        stats=next((piece.stats for piece in backwards if piece.stats), None),
        complete=all(piece.complete for piece in answers),
    )


class _Call:
    def __init__(self, delta: AnswerCall) -> None:
        self.id = delta.id
        self.index = delta.index
        self.name = delta.name
        self.arguments = [delta.arguments]


def _join_calls(deltas: Iterable[AnswerCall]) -> tuple[AnswerCall, ...]:
    """Merges deltas by id, then by index; one that carries neither belongs to the call before it.

    An index alone is not identity: some servers number every call 0, and tell them apart by new ids.
    """
    calls: list[_Call] = []
    for delta in deltas:
        call = _owner(calls, delta)
        if call is None:
            calls.append(_Call(delta))
            continue
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        call.arguments.append(delta.arguments)
    return tuple(AnswerCall(call.id, call.name, "".join(call.arguments), call.index) for call in calls)


def _owner(calls: list[_Call], delta: AnswerCall) -> _Call | None:
    if delta.id:
        same = [call for call in calls if call.id == delta.id]
        if same:
            return same[-1]
        unnamed = [call for call in calls if call.id is None and call.index == delta.index]
        return unnamed[-1] if unnamed else None
    if delta.index is not None:
        same = [call for call in calls if call.index == delta.index]
        return same[-1] if same else None
    if delta.name and calls and calls[-1].name:
        return None
    return calls[-1] if calls else None
