"""The truth beside a synthetic log: for each request what really happened, whether the log says so or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: ``arguments`` is the JSON text the model wrote, which need not be valid."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model will say. ``ms`` of tool time and the like are the script's business."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.calls else "stop"


@dataclass
class Truth:
    """One HTTP call. Names are the export's contract where it has one; times are local milliseconds."""

    number: int
    received_ms: float
    method: str
    endpoint: str
    api: str
    client: str = "unknown"
    project: str | None = None
    session: str | None = None
    """Label of the scripted conversation; side requests have one of their own."""
    parent_session: str | None = None
    kind: str = "main"
    stream: bool | None = None
    message_count: int | None = None
    requested_model: str | None = None
    model: str | None = None
    status: str = "incomplete"
    finish_reason: str | None = None
    finished_ms: float | None = None
    left_ms: float | None = None
    """When its client left before the end."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_ms: float | None = None
    generation_ms: float | None = None
    answer: Answer = field(default_factory=Answer)
    chat_id: str | None = None
    errors: tuple[str, ...] = ()
    slot: int | None = None
    task: int | None = None
    truncated_by_log: bool = False
    """A string of its body is shortened in the log."""
    answer_logged: bool = False
    """The log holds the answer itself: a prediction, or packets."""
    usage_logged: bool = False
    """The log holds its ``usage``."""
    timing_logged: bool = False
    """The log holds the engine's timing lines of it."""


@dataclass(slots=True)
class Ledger:
    """All requests of a synthetic log, in order of arrival."""

    requests: list[Truth] = field(default_factory=list)

    def generating(self) -> Iterator[Truth]:
        """Those that ran a model, or would have."""
        return (request for request in self.requests if request.api != "other")

    def sessions(self) -> dict[str, list[Truth]]:
        """Label of a conversation -> its requests, in order of first arrival."""
        found: dict[str, list[Truth]] = {}
        for request in self.generating():
            if request.session is not None:
                found.setdefault(request.session, []).append(request)
        return found
