"""A request while its lines are being gathered."""

from __future__ import annotations

from lms_audit.model import Api, LineRange, Millis, Prompt, Status, TimelineEvent
from lms_audit.read.events import (
    Answer,
    Event,
    PromptCount,
    Summary,
    Timing,
)

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

FAMILY_API = {"chat": Api.CHAT, "messages": Api.MESSAGES, "responses": Api.RESPONSES, "completions": Api.COMPLETIONS}


def api_of(method: str | None, path: str) -> Api:
    """Protocol of a request line. A path that runs no model, or any other method, is ``OTHER``."""
    known = GENERATION.get(path.partition("?")[0].rstrip("/"))
    return known if known is not None and method in (None, "POST") else Api.OTHER


class Engine:
    """What the engine said of one task."""

    def __init__(self, slot: int | None, task: int | None) -> None:
        self.slot = slot
        self.task = task
        self.launched_at: Millis | None = None
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
        self.failed: str | None = None

    def add(self, timing: Timing) -> None:
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

    @property
    def timed(self) -> bool:
        """Its timing has been printed."""
        return self.eval_ms is not None or self.prompt_ms is not None


class Draft:
    """Everything bound to one request so far. ``number`` is its place in the order of arrival."""

    def __init__(self, number: int, at: Millis, api: Api | None) -> None:
        self.number = number
        self.first_at = at
        self.last_at = at
        self.api = api
        self.method: str | None = None
        self.path: str | None = None
        self.requested_model: str | None = None
        self.stream: bool | None = None
        self.prompt: Prompt | None = None
        self.truncated = False
        self.redacted = False
        self.precise = False

        self.received_at: Millis | None = None
        self.running_at: Millis | None = None
        self.run_count: int | None = None
        """Messages as the running line counts them."""
        self.running_family: str | None = None
        self.streaming_at: Millis | None = None
        self.first_token_at: Millis | None = None
        self.progress: tuple[Millis, Millis] | None = None
        """First and last progress line, where the last says 100 % and no other request was in flight."""
        self.begin_at: Millis | None = None
        self.finished_at: Millis | None = None
        self.answered_at: Millis | None = None
        """Time of the prediction."""
        self.disconnected_at: Millis | None = None
        self.failed_at: Millis | None = None

        self.tag: str | None = None
        self.answers: list[Answer] = []
        """Packets, file by file, or one prediction."""
        self.predicted = False
        self.has_packets = False
        self.accumulated: str | None = None
        self.calls_line: str | None = None
        self.engines: list[Engine] = []
        self.counts: list[PromptCount] = []
        self.summary: Summary | None = None
        self.thinking_ms: float | None = None
        self.embedded = False
        self.listed = False
        self.errors: list[str] = []
        self.closed = False
        """Nothing more is expected, save late lines."""
        self.evidence: list[str] = []
        self.rivals: set[int] = set()
        """Numbers of drafts whose lines may have been taken for this one's, or the other way round."""
        self.timeline: list[TimelineEvent] = []
        self.source: list[LineRange] = []

    # -- what it is waiting for

    @property
    def generates(self) -> bool:
        """Runs a model and answers with text."""
        return self.api not in (Api.OTHER, Api.EMBEDDINGS)

    @property
    def waiting(self) -> bool:
        """Received, and no execution line yet."""
        return self.generates and not self.closed and self.running_at is None and self.streaming_at is None

    @property
    def in_flight(self) -> bool:
        """Being worked on, as far as the log says."""
        return self.generates and not self.closed

    @property
    def engine(self) -> Engine | None:
        """The engine task that did the work: the last one with a timing, else the last."""
        timed = [engine for engine in self.engines if engine.timed]
        return timed[-1] if timed else self.engines[-1] if self.engines else None

    # -- gathering

    def note(self, event: Event, file: str, name: str, detail: str = "") -> None:
        """Adds an event to the timeline and to the evidence."""
        where = LineRange(file, event.line, event.end_line)
        self.timeline.append(TimelineEvent(event.at, name, detail, where))
        self.last_at = max(self.last_at, event.at)
        if self.source and self.source[-1].file == file and event.line <= self.source[-1].last_line + 1:
            last = self.source[-1]
            self.source[-1] = LineRange(file, last.first_line, max(last.last_line, event.end_line))
        else:
            self.source.append(where)

    def prove(self, evidence: str) -> None:
        """Remembers what bound a line to this request."""
        if evidence not in self.evidence:
            self.evidence.append(evidence)

    def status(self) -> Status:
        """How it ended. A disconnect after the end is normal; an error that a second engine task made good is none."""
        ended = self.finished_at is not None or self.answered_at is not None
        if self.summary is not None and self.summary.outcome == "cancelled":
            return Status.CANCELLED
        if self.failed_at is not None or (self.summary is not None and self.summary.outcome == "error"):
            return Status.ERROR
        if self.disconnected_at is not None:
            return Status.CANCELLED
        if self.errors and not ended:
            return Status.ERROR
        if ended or self.embedded or (self.summary is not None and self.summary.outcome == "done"):
            return Status.COMPLETED
        if self.api is Api.OTHER:
            return Status.COMPLETED
        return Status.INCOMPLETE
