"""The lines of the exports as types. Member names and their order are a contract; ``null`` means the log does not say.

In: an audit. Out: ``RequestRow``, ``SessionRow``, ``ToolCallRow`` one by one, and one ``Health``. The package's JSON
Schemas are made of these types (``share.schemas``). Cost: one pass over the requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from lms_audit.model import (
    Api,
    Audit,
    FileHealth,
    Json,
    Kind,
    LineRange,
    Millis,
    Problem,
    Request,
    ResponseSource,
    Session,
    Source,
    Status,
    Tally,
)

Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?$",
        description="Local time of the machine that wrote the log, ISO 8601; milliseconds only where the log has them.",
    ),
]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CallCell(_Row, frozen=True):
    """A tool call the model made."""

    id: str | None
    name: Annotated[str | None, Meta(description="Null where the log breaks off before it.")]
    arguments: Annotated[Json, Meta(description="The parsed object, or the raw string where it is not valid JSON.")]


class LineCell(_Row, frozen=True):
    """Lines of a log, 1-based, inclusive."""

    file: Annotated[str, Meta(description="Relative to the log root, with /.")]
    first_line: Annotated[int, Meta(ge=1)]
    last_line: Annotated[int, Meta(ge=1)]


class RequestRow(_Row, frozen=True):
    """One HTTP request. Requests that run no model have the api ``other``."""

    id: str
    session_id: str | None
    received_at: Time | None
    finished_at: Time | None
    method: str | None
    endpoint: Annotated[str | None, Meta(description="null where the log has no request line")]
    api: Annotated[Api | None, Meta(description="null where the log shows no request line and no other sign")]
    stream: bool | None
    message_count: Count | None
    requested_model: str | None
    model: Annotated[str | None, Meta(description="The model the log says has answered; null where it names none.")]
    client: str
    client_confidence: Share
    project: str | None
    kind: Kind
    status: Status
    finish_reason: str | None
    input_tokens: Count | None
    output_tokens: Count | None
    reasoning_tokens: Count | None
    cached_tokens: Count | None
    prompt_ms: float | None
    generation_ms: float | None
    ttft_ms: float | None
    elapsed_ms: float | None
    tokens_per_second: float | None
    provenance: Annotated[dict[str, Source], Meta(description="Member -> where its value comes from.")]
    tool_calls: tuple[CallCell, ...]
    response_text: str | None
    response_source: ResponseSource | None
    chat_id: str | None
    errors: tuple[str, ...]
    truncated_by_log: bool
    redacted: bool
    source: tuple[LineCell, ...]


class SessionRow(_Row, frozen=True):
    """One conversation and its totals. A total is null where no request holds the value, see ``counted``."""

    id: str
    parent_session_id: str | None
    title: str
    project: str | None
    client: str
    model: str | None
    started_at: Time | None
    ended_at: Time | None
    request_ids: tuple[str, ...]
    kind: Kind
    requests: Count
    tool_calls: Count
    failed_requests: Annotated[Count, Meta(description="Status error.")]
    cancelled_requests: Count
    input_tokens: Count | None
    output_tokens: Count | None
    reasoning_tokens: Count | None
    cached_tokens: Count | None
    prompt_ms: float | None
    generation_ms: float | None
    elapsed_ms: Annotated[float | None, Meta(description="From the first request's start to the last one's end.")]
    tokens_per_second: Annotated[
        float | None, Meta(description="Output tokens over response time, of the requests that have both.")
    ]
    counted: Annotated[dict[str, int], Meta(description="Total -> requests that hold the value.")]


class ToolCallRow(_Row, frozen=True):
    """One tool call, with its result where a later request shows it."""

    request_id: str
    session_id: str | None
    position: Annotated[int, Meta(ge=0, description="Place among the request's calls, from 0.")]
    id: str | None
    name: Annotated[str | None, Meta(description="Null where the log breaks off before it.")]
    arguments: Annotated[Json, Meta(description="The parsed object, or the raw string where it is not valid JSON.")]
    malformed: bool
    result: str | None
    result_is_error: bool
    result_request_id: Annotated[str | None, Meta(description="The first request whose prompt holds the result.")]


class TallyCell(_Row, frozen=True):
    """Records and their bytes."""

    records: Count
    bytes: Count


class ProblemCell(_Row, frozen=True):
    """Something that could not be read as it should."""

    kind: str
    message: str
    file: str
    first_line: int
    last_line: int


class FileRow(_Row, frozen=True):
    """The account of one log: every byte is in exactly one class."""

    file: str
    size_bytes: Count
    lines: Count
    first_at: Time | None
    last_at: Time | None
    forms: tuple[str, ...]
    on_disk: bool
    refused: str | None
    classes: dict[str, TallyCell]
    kinds: dict[str, TallyCell]
    problems: tuple[ProblemCell, ...]
    unknown_examples: tuple[ProblemCell, ...]


class SettingsCell(_Row, frozen=True):
    """LM Studio's logging settings as the logs show them; null: nothing tells."""

    verbose: bool | None
    full_bodies: bool | None
    incoming_tokens: bool | None
    redacted: bool | None


class Health(_Row, frozen=True):
    """What was and was not understood."""

    files: tuple[FileRow, ...]
    classes: dict[str, TallyCell]
    settings: SettingsCell
    unbound_engine_tasks: Annotated[Count, Meta(description="Engine tasks that no request line explains.")]
    mismatches: tuple[ProblemCell, ...]


# --- audit -> rows --------------------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the log has no zone, and neither have exports


def iso(at: Millis | None, *, precise: bool = False) -> str | None:
    """Local milliseconds as ISO 8601."""
    if at is None:
        return None
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds" if precise else "seconds")


def request_rows(audit: Audit) -> Iterator[RequestRow]:
    """One row per request, in order of arrival."""
    for request in audit.requests:
        yield RequestRow(
            id=request.id,
            session_id=request.session_id,
            received_at=iso(request.received_at, precise=request.precise),
            finished_at=iso(request.finished_at, precise=request.precise),
            method=request.method,
            endpoint=request.endpoint,
            api=request.api,
            stream=request.stream,
            message_count=request.message_count,
            requested_model=request.requested_model,
            model=request.model,
            client=request.client,
            client_confidence=request.client_confidence,
            project=request.project,
            kind=request.kind,
            status=request.status,
            finish_reason=request.finish_reason,
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            reasoning_tokens=request.reasoning_tokens,
            cached_tokens=request.cached_tokens,
            prompt_ms=request.prompt_ms,
            generation_ms=request.generation_ms,
            ttft_ms=request.ttft_ms,
            elapsed_ms=request.elapsed_ms,
            tokens_per_second=request.tokens_per_second,
            provenance={name: request.provenance[name] for name in sorted(request.provenance)},
            tool_calls=tuple(
                CallCell(id=call.id, name=call.name or None, arguments=call.arguments) for call in request.tool_calls
            ),
            response_text=request.response_text,
            response_source=request.response_source,
            chat_id=request.chat_id,
            errors=request.errors,
            truncated_by_log=request.truncated_by_log,
            redacted=request.redacted,
            source=tuple(map(_lines, request.source)),
        )


def session_rows(audit: Audit) -> Iterator[SessionRow]:
    """One row per session, in order of their first request."""
    requests = {request.id: request for request in audit.requests}
    for session in audit.sessions:
        yield _session(session, [requests[name] for name in session.request_ids])


_SUMMED = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "prompt_ms", "generation_ms")


def _session(session: Session, requests: list[Request]) -> SessionRow:
    held = {name: [value for r in requests if (value := getattr(r, name)) is not None] for name in _SUMMED}
    totals = {name: sum(values) if values else None for name, values in held.items()}
    rated = [r for r in requests if r.output_tokens is not None and r.generation_ms]
    seconds = sum(r.generation_ms or 0 for r in rated) / 1000
    span = None
    if session.started_at is not None and session.ended_at is not None:
        span = float(session.ended_at - session.started_at)
    precise = any(r.precise for r in requests)
    return SessionRow(
        id=session.id,
        parent_session_id=session.parent_session_id,
        title=session.title,
        project=session.project,
        client=session.client,
        model=session.model,
        started_at=iso(session.started_at, precise=precise),
        ended_at=iso(session.ended_at, precise=precise),
        request_ids=session.request_ids,
        kind=session.kind,
        requests=len(requests),
        tool_calls=sum(len(r.tool_calls) for r in requests),
        failed_requests=sum(r.status is Status.ERROR for r in requests),
        cancelled_requests=sum(r.status is Status.CANCELLED for r in requests),
        elapsed_ms=span,
        tokens_per_second=sum(r.output_tokens or 0 for r in rated) / seconds if rated else None,
        counted={**{name: len(values) for name, values in held.items()}, "tokens_per_second": len(rated)},
        **totals,
    )


def tool_call_rows(audit: Audit) -> Iterator[ToolCallRow]:
    """One row per tool call, in order of their requests."""
    for request in audit.requests:
        for position, call in enumerate(request.tool_calls):
            yield ToolCallRow(
                request_id=request.id,
                session_id=request.session_id,
                position=position,
                id=call.id,
                name=call.name or None,
                arguments=call.arguments,
                malformed=call.malformed,
                result=call.result,
                result_is_error=call.result_is_error,
                result_request_id=call.result_request_id,
            )


def health(audit: Audit) -> Health:
    """The account of all files."""
    total: dict[str, Tally] = {}
    for file in audit.files:
        for name, tally in file.classes.items():
            total[name.value] = total.get(name.value, Tally()) + tally
    settings = audit.settings
    return Health(
        files=tuple(map(_file, audit.files)),
        classes=_tallies(total.items()),
        settings=SettingsCell(
            verbose=settings.verbose,
            full_bodies=settings.full_bodies,
            incoming_tokens=settings.incoming_tokens,
            redacted=settings.redacted,
        ),
        unbound_engine_tasks=audit.unbound_engine_tasks,
        mismatches=tuple(map(_problem, audit.mismatches)),
    )


def _file(file: FileHealth) -> FileRow:
    precise = bool({"0.2", "stream"} & set(file.forms))
    return FileRow(
        file=file.file,
        size_bytes=file.size,
        lines=file.lines,
        first_at=iso(file.first_at, precise=precise),
        last_at=iso(file.last_at, precise=precise),
        forms=file.forms,
        on_disk=file.on_disk,
        refused=file.refused,
        classes=_tallies((name.value, tally) for name, tally in file.classes.items()),
        kinds=_tallies(file.kinds.items()),
        problems=tuple(map(_problem, file.problems)),
        unknown_examples=tuple(map(_problem, file.unknown_examples)),
    )


def _tallies(tallies: Iterable[tuple[str, Tally]]) -> dict[str, TallyCell]:
    return {name: TallyCell(records=tally.records, bytes=tally.bytes) for name, tally in sorted(tallies)}


def _lines(where: LineRange) -> LineCell:
    return LineCell(file=where.file, first_line=where.first_line, last_line=where.last_line)


def _problem(problem: Problem) -> ProblemCell:
    where = problem.where
    return ProblemCell(
        kind=problem.kind,
        message=problem.message,
        file=where.file,
        first_line=where.first_line,
        last_line=where.last_line,
    )
