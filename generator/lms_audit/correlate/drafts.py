"""A request while its lines are being gathered.

A ``Draft`` is what surely belongs to one HTTP call: its request line, its running line. A ``Run`` is what the server
then did, as far as later lines can be told apart: engine tasks, packets, the end. When better evidence shows that two
drafts were given each other's runs, the runs change places as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_audit.correlate.engine_task import EngineTask, Note, worker
from lms_audit.correlate.parts import End, Hangup, PacketStream, Place, told
from lms_audit.model import Api, LineRange, Millis, Prompt, Status, TimelineEvent
from lms_audit.read.events import Answer, Summary

GENERATION = {
    "/v1/chat/completions": Api.CHAT,
    "/v1/completions": Api.COMPLETIONS,
    "/v1/responses": Api.RESPONSES,
    "/v1/embeddings": Api.EMBEDDINGS,
    "/v1/messages": Api.MESSAGES,
    "/api/v0/chat/completions": Api.LMSTUDIO_V0,
    "/api/v0/completions": Api.LMSTUDIO_V0,
    "/api/v0/embeddings": Api.LMSTUDIO_V0,
    "/api/v1/chat": Api.LMSTUDIO_V1,
}
"""Paths whose POST runs a model."""

FAMILIES: dict[str, frozenset[Api]] = {
    "chat": frozenset((Api.CHAT, Api.RESPONSES, Api.LMSTUDIO_V0, Api.LMSTUDIO_V1)),
    "messages": frozenset((Api.MESSAGES,)),
    "responses": frozenset((Api.RESPONSES,)),
    "completions": frozenset((Api.COMPLETIONS, Api.LMSTUDIO_V0)),
}
"""Family of a running line -> protocols it may belong to."""

STOPPED = {"userStopped": Status.CANCELLED, "failed": Status.ERROR, "modelUnloaded": Status.ERROR}
"""Reasons to stop that are no good end."""

OUTLIVED_MS = 30_000
"""So long after its conversation has gone on an engine may still be at work for a request."""
FAMILY_API = {"chat": Api.CHAT, "messages": Api.MESSAGES, "responses": Api.RESPONSES, "completions": Api.COMPLETIONS}


def api_of(method: str | None, path: str) -> Api:
    """Protocol of a request line. A path that runs no model, or any other method, is ``OTHER``."""
    known = GENERATION.get(path.partition("?")[0].rstrip("/"))
    return known if known is not None and method in (None, "POST") else Api.OTHER


def api_of_answer(answer: Answer) -> Api | None:
    """The protocol an answer is written in. Only LM Studio's own have times among their ``stats``."""
    kind, stats = answer.object, answer.stats
    timed = stats is not None and stats.ttft_ms is not None
    if kind is None:
        return Api.LMSTUDIO_V1 if timed and answer.usage is None and answer.created is None else None
    if timed and kind in ("chat.completion", "text_completion"):
        return Api.LMSTUDIO_V0
    if kind.startswith("chat.completion"):
        return Api.CHAT
    return {"text_completion": Api.COMPLETIONS, "response": Api.RESPONSES, "message": Api.MESSAGES}.get(kind)


class Run:
    """What the server did for a request: parts that may turn out to be another's, and lines that only it can have."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        """The request it is thought to be for."""
        self.tasks: list[EngineTask] = []
        self.stream: PacketStream | None = None
        self.end: End | None = None
        self.hangup: Hangup | None = None

        self.model_tag: str | None = None
        """Of lines that are of no part."""
        self.token_at: Millis | None = None
        """Time of a line that stands at the first token."""
        self.progress: tuple[Millis, Millis, float, int] | None = None
        """First and last progress line, the last percentage, and how many lines there were."""
        self.progress_shared = False
        """Progress lines came while another request of the model was at work: they measure nothing."""
        self.presumed = False
        """That it was its client who left is only concluded from all others having ended well."""
        self.failed_at: Millis | None = None
        self.accumulated: str | None = None
        self.calls_line: str | None = None
        """A line of tool calls that no prediction has followed."""
        self.summary: Summary | None = None
        self.thinking_ms: float | None = None
        self.redacted = False
        self.errors: list[str] = []
        self.closed = False
        """Nothing more is expected, save late lines."""
        self.notes: list[Note] = []
        self.bearers = (draft,)

    def bear(self, note: Note) -> None:
        """Keeps a line that is of no part."""
        self.notes.append(note)

    @property
    def tag(self) -> str | None:
        """Model tag of its lines."""
        if self.end is not None and self.end.tag is not None:
            return self.end.tag
        stream = self.stream.tag if self.stream is not None else None
        return stream if stream is not None else self.model_tag

    @property
    def predicted(self) -> bool:
        """It has its whole answer."""
        return self.end is not None and self.end.whole

    @property
    def has_packets(self) -> bool:
        """Packets of its answer are in the log."""
        return self.stream is not None

    @property
    def answer(self) -> Answer | None:
        """What is in the log of its answer."""
        return told(self.end, self.stream)

    @property
    def first_token_at(self) -> Millis | None:
        """When the answer began."""
        if self.token_at is not None or self.stream is None:
            return self.token_at
        return self.stream.first_token_at

    @property
    def finished_at(self) -> Millis | None:
        """Time of the finish line."""
        return self.end.at if self.end is not None and not self.end.whole else None

    @property
    def answered_at(self) -> Millis | None:
        """Time of the prediction."""
        return self.end.at if self.end is not None and self.end.whole else None

    @property
    def hung_up(self) -> bool:
        """Its client has closed the connection after the end, as clients do."""
        return self.hangup is not None and self.hangup.after(self.end)

    @property
    def disconnected_at(self) -> Millis | None:
        """When its client left before the end."""
        return self.hangup.at if self.hangup is not None and not self.hung_up else None

    @property
    def task(self) -> EngineTask | None:
        """The engine task that did the work."""
        return worker(self.tasks)

    @property
    def told_tokens(self) -> int | None:
        """Tokens of the prompt, as the answer's usage tells."""
        answer = self.answer
        return answer.usage.input if answer is not None and answer.usage is not None else None

    @property
    def stop_reason(self) -> str | None:
        """Why the model stopped, in the words of LM Studio's own statistics."""
        stats = self.answer.stats if self.answer is not None else None
        return stats.stop_reason if stats is not None else None

    @property
    def ended_at(self) -> Millis | None:
        """When it ended: a disconnect ends it, whatever comes late; then the first line that says so."""
        ends = (self.disconnected_at, self.failed_at, self.finished_at, self.answered_at)
        return next((at for at in ends if at is not None), None)


class Draft:
    """Everything bound to one request so far. ``number`` is its place in the order of arrival."""

    def __init__(self, number: int, at: Millis, api: Api | None) -> None:
        self.number = number
        self.first_at = at
        self.api = api
        self.method: str | None = None
        self.path: str | None = None
        self.requested_model: str | None = None
        self.stream: bool | None = None
        self.prompt: Prompt | None = None
        self.truncated = False
        self.media = False
        """Its body holds images or files."""
        self.redacted = False
        self.precise = False
        self.old = False
        """Written by 0.2, whose ``usage`` is wrong."""

        self.received_at: Millis | None = None
        self.place: Place = (0, 0)
        """Stretch and line of its first line."""
        self.started_place: Place | None = None
        """And of its running line."""
        self.running_at: Millis | None = None
        self.run_count: int | None = None
        """Messages as the running line counts them."""
        self.running_family: str | None = None
        self.streaming_at: Millis | None = None
        self.model_tag: str | None = None
        """Model tag of its own running line."""
        self.waited = False
        """It has no request line, and may have come before its first line: it waited for its model, or was refused."""
        self.embedded = False
        self.listed = False
        self.doubtful = False
        """Some of its lines may be another's: they are no evidence for what follows."""
        self.superseded_by: Draft | None = None
        """The first request that continues its conversation, so that it must have ended by then."""
        self.run = Run(self)

        self.evidence: list[str] = []
        self.rivals: set[int] = set()
        """Numbers of drafts whose lines may have been taken for this one's, or the other way round."""
        self.rivalled = False
        """Its engine task may have been for a chat in the application itself."""
        self.notes: list[Note] = []
        self.last_at = at
        self.bearers = (self,)

    def bear(self, note: Note) -> None:
        """Keeps a line that is its own, whatever else may turn out to be another's."""
        self.notes.append(note)

    # -- what it is waiting for

    @property
    def tag(self) -> str | None:
        """Model tag of its lines."""
        return self.model_tag if self.model_tag is not None else self.run.tag

    @property
    def apis(self) -> frozenset[Api]:
        """Protocols it may be of: without a request line a running line tells no more than the family."""
        if self.path is None and self.running_family is not None:
            return FAMILIES[self.running_family]
        return frozenset() if self.api is None else frozenset((self.api,))

    @property
    def told_api(self) -> Api | None:
        """Its protocol, which its answer may tell better than its running line."""
        answer = self.run.answer
        told = api_of_answer(answer) if answer is not None and self.run.predicted and len(self.apis) > 1 else None
        return told if told is not None else self.api

    @property
    def embeds(self) -> bool:
        """Asks for embeddings, which are no text."""
        return self.api is Api.EMBEDDINGS or (self.api is Api.LMSTUDIO_V0 and "/embeddings" in (self.path or ""))

    @property
    def generates(self) -> bool:
        """Runs a model and answers with text."""
        return self.api is not Api.OTHER and not self.embeds

    @property
    def waiting(self) -> bool:
        """Received, and no execution line yet."""
        return self.generates and not self.run.closed and not self.started

    @property
    def started(self) -> bool:
        """An execution line has come, or what only one at work can write."""
        written = self.run.has_packets or self.run.accumulated is not None
        return written or self.running_at is not None or self.streaming_at is not None

    @property
    def untold(self) -> bool:
        """Started, and no line says that its answer is streamed, nor that it is not."""
        return self.stream is None and self.running_at is not None and self.streaming_at is None

    @property
    def start(self) -> Place:
        """Stretch and line of its running line, or else of its first."""
        return self.started_place or self.place

    @property
    def superseded(self) -> bool:
        """Its conversation has gone on."""
        return self.superseded_by is not None

    def outlived(self, now: Millis) -> bool:
        """Whether its conversation has gone on for a while, and whoever went on is past work: no line of it comes."""
        after = self.superseded_by
        if after is None or now - after.first_at <= OUTLIVED_MS:
            return False
        return after.run.closed or after.superseded

    @property
    def in_flight(self) -> bool:
        """Being worked on, as far as the log says."""
        return self.generates and not self.run.closed

    @property
    def task(self) -> EngineTask | None:
        """The engine task that did the work."""
        return self.run.task

    # -- gathering

    def prove(self, evidence: str) -> None:
        """Remembers what bound a line to this request."""
        if evidence not in self.evidence:
            self.evidence.append(evidence)

    def status(self) -> Status:
        """How it ended. A disconnect after the end is normal; an error that a second engine task made good is none."""
        run = self.run
        if run.summary is not None and run.summary.outcome == "cancelled":
            return Status.CANCELLED
        if run.failed_at is not None or (run.summary is not None and run.summary.outcome == "error"):
            return Status.ERROR
        if run.disconnected_at is not None:
            return Status.CANCELLED
        if run.stop_reason in STOPPED:
            return STOPPED[run.stop_reason]
        ended = run.finished_at is not None or run.answered_at is not None
        if run.errors and not ended:
            return Status.ERROR
        done = run.summary is not None and run.summary.outcome == "done"
        if ended or done or self.embedded or self.api is Api.OTHER:
            return Status.COMPLETED
        return Status.INCOMPLETE

    # -- what it leaves

    def all_notes(self) -> list[Note]:
        """Every line bound to it, in log order."""
        run = self.run
        parts = (run, run.stream, run.end, run.hangup, *run.tasks)
        notes = [*self.notes, *(note for part in parts if part is not None for note in part.notes)]
        return sorted(notes, key=lambda note: note.place)

    def timeline(self) -> tuple[TimelineEvent, ...]:
        """Its events in order of time."""
        events = (TimelineEvent(note.at, note.name, note.detail, note.ranges[0]) for note in self.all_notes())
        return tuple(sorted(events, key=lambda event: event.at))

    def source(self) -> tuple[LineRange, ...]:
        """The lines it was read from, neighbours joined."""
        return _joined(where for note in self.all_notes() for where in note.ranges)


def _joined(ranges: Iterable[LineRange]) -> tuple[LineRange, ...]:
    found: list[LineRange] = []
    for where in ranges:
        last = found[-1] if found else None
        if last is not None and last.file == where.file and last.first_line <= where.first_line <= last.last_line + 1:
            found[-1] = LineRange(last.file, last.first_line, max(last.last_line, where.last_line))
        else:
            found.append(where)
    return tuple(found)
