"""Requests as rows and in detail.

In: requests and what analysis says of them. Out: cells as text, each value with where it comes from, and the log lines
that say so. The seven columns people know from the log explorer come first: id, time, tool calls, elapsed, prompt
processing, input, output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from lms_audit.analyse.report import CacheBreak
from lms_audit.model import Request
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import (
    NOT_LOGGED,
    SOURCES,
    THIN,
    clock,
    count,
    field,
    ms,
    share,
    size,
    stamp,
)

SHORT_ID = 8


class Cell(Struct, frozen=True):
    """A value of a row; ``sort`` is what a script sorts by."""

    text: str
    sort: float | None = None


class Line(Struct, frozen=True):
    """A request as a row."""

    id: str
    short: str
    number: int
    path: str
    time: str
    at: int | None
    tools: str
    calls: int
    failed: int
    elapsed: Cell
    prompt: Cell
    input: Cell
    output: Cell
    response: Cell
    rate: Cell
    cached: Cell
    status: str
    kind: str


class Value(Struct, frozen=True):
    """A named value of a request with its source."""

    name: str
    text: str
    source: str = ""
    """Short mark: ``engine``, ``clock``, ``history`` …"""
    known: bool = True
    metric: str = ""


class Common(Struct, frozen=True):
    """What holds for all requests of a page, said once."""

    facts: tuple[Value, ...]
    file: str
    """The log file most of their lines are in; lines in it are given by their number."""
    sources: tuple[tuple[str, str], ...]
    """Marks in use with what they mean."""


class Share(Struct, frozen=True):
    """A stretch of a stacked bar."""

    kind: str
    label: str
    percent: float
    text: str


class Detail(Struct, frozen=True):
    """All the log says about a request."""

    line: Line
    values: tuple[Value, ...]
    facts: tuple[Value, ...]
    timeline: str
    """A line per event, in columns."""
    composition: tuple[Share, ...]
    cache: tuple[str, str] | None
    """What the prompt shares with its predecessor in words, and a link to the cache break."""
    calls: tuple[tuple[str, str, str], ...]
    """(name, argument, path)."""
    errors: tuple[str, ...]
    evidence: str
    """Files with the lines in them."""
    has_payload: bool
    part: int


_VALUES = (
    ("input_tokens", "count"),
    ("cached_tokens", "count"),
    ("evaluated_tokens", "count"),
    ("output_tokens", "count"),
    ("reasoning_tokens", "count"),
    ("prompt_ms", "ms"),
    ("generation_ms", "ms"),
    ("ttft_ms", "ms"),
    ("elapsed_ms", "ms"),
    ("queue_ms", "ms"),
    ("thinking_ms", "ms"),
    ("tokens_per_second", "rate"),
)
_NAMES = {
    "input_tokens": "Input tokens",
    "cached_tokens": "of them cached",
    "evaluated_tokens": "of them read",
    "output_tokens": "Output tokens",
    "reasoning_tokens": "of them reasoning",
    "prompt_ms": "Prompt processing",
    "generation_ms": "Response time",
    "ttft_ms": "Time to first token",
    "elapsed_ms": "Elapsed",
    "queue_ms": "Waited in the queue",
    "thinking_ms": "Thinking",
    "tokens_per_second": "Tokens per second",
}
_OPTIONAL = {"evaluated_tokens", "reasoning_tokens", "queue_ms", "thinking_ms", "ttft_ms"}
"""Left out of the list where the log does not say; the others are shown as not logged."""
_MARKS = {"clock": "clock", "usage": "usage", "engine": "engine", "stats": "stats", "history": "history"}


def cell(request: Request, name: str, writer: str) -> Cell:
    """A value as text, and as it sorts."""
    return Cell(field(request, name, writer), getattr(request, name))


def line(book: Book, request: Request, *, with_day: bool = False) -> Line:
    """A request as a row."""
    names = Counter(call.title for call in request.tool_calls)
    tools = ", ".join(f"{name} × {times}" if times > 1 else name for name, times in names.items())
    time = stamp(request.received_at) if with_day else clock(request.received_at)
    bad = sum(str(call.outcome) in ("failed", "rejected") for call in book.calls(request))
    return Line(
        id=request.id,
        short=request.id[:SHORT_ID],
        number=book.number.get(request.id, 0),
        path=book.request_path(request.id) or "",
        time=time,
        at=request.received_at,
        tools=tools or ("none" if request.tool_calls_known else NOT_LOGGED),
        calls=len(request.tool_calls),
        failed=bad,
        elapsed=cell(request, "elapsed_ms", "ms"),
        prompt=cell(request, "prompt_ms", "ms"),
        input=cell(request, "input_tokens", "count"),
        output=cell(request, "output_tokens", "count"),
        response=cell(request, "generation_ms", "ms"),
        rate=cell(request, "tokens_per_second", "rate"),
        cached=Cell(
            NOT_LOGGED
            if request.cached_tokens is None or not request.input_tokens
            else share(request.cached_tokens / request.input_tokens)
        ),
        status=str(request.status),
        kind=str(request.kind),
    )


def _measured(request: Request) -> tuple[Value, ...]:
    found = []
    for name, writer in _VALUES:
        value = getattr(request, name)
        if value is None:
            if name not in _OPTIONAL:
                found.append(Value(_NAMES[name], NOT_LOGGED, known=False, metric=name))
            continue
        source = str(request.provenance.get(name, ""))
        if name == "elapsed_ms" and request.precise and source == "clock":
            source = ""
        found.append(Value(_NAMES[name], field(request, name, writer), _MARKS.get(source, source), metric=name))
    return tuple(found)


def _facts(book: Book, request: Request) -> tuple[Value, ...]:
    pairs = [
        ("Id", request.id),
        ("Received", stamp(request.received_at)),
        ("Finished", stamp(request.finished_at)),
        ("Call", " ".join(filter(None, (request.method, request.endpoint))) or NOT_LOGGED),
        ("API", str(request.api)),
        ("Streamed", {True: "yes", False: "no", None: NOT_LOGGED}[request.stream]),
        ("Model asked for", request.requested_model or NOT_LOGGED),
        ("Model that answered", request.model or NOT_LOGGED),
        ("Client", f"{book.client_name(request.client)} ({share(request.client_confidence)} sure)"),
        ("Kind", str(request.kind) + (f": {request.kind_reason}" if request.kind_reason else "")),
        ("Status", str(request.status)),
        ("Finish reason", request.finish_reason or NOT_LOGGED),
        ("Messages", NOT_LOGGED if request.message_count is None else count(request.message_count)),
    ]
    if request.prompt is not None:
        complete = "" if request.prompt.complete else ", cut in the log"
        pairs.append(("Body", size(request.prompt.size) + complete if request.prompt.size else NOT_LOGGED))
    if request.response_source is not None:
        pairs.append(("Answer from", SOURCES.get(str(request.response_source), str(request.response_source))))
    if request.draft_generated:
        pairs.append(
            ("Draft tokens accepted", f"{count(request.draft_accepted or 0)} of {count(request.draft_generated)}")
        )
    if request.engine_client:
        pairs.append(("Body made by", book.client_name(request.engine_client)))
    if request.evidence:
        pairs.append(("Lines bound by", ", ".join(request.evidence)))
    if request.candidates:
        pairs.append(("Could also be", ", ".join(name[:SHORT_ID] for name in request.candidates)))
    if request.truncated_by_log:
        pairs.append(("Strings", "shortened by LM Studio’s log"))
    if request.redacted:
        pairs.append(("Payload", "redacted by LM Studio’s settings"))
    return tuple(Value(name, text, known=text != NOT_LOGGED) for name, text in pairs)


def composition_of(book: Book, request: Request, most: int = 8) -> tuple[Share, ...]:
    """What the prompt is made of, in the order of the prompt; small tools together."""
    held = book.report.composition.get(request.id)
    if held is None or not (total := sum(held.bytes.values())):
        return ()
    kinds = {name: value for name, value in held.bytes.items() if value}
    results = sorted((name for name in kinds if name.startswith("tool: ")), key=lambda name: (-kinds[name], name))
    small = results[max(0, most - (len(kinds) - len(results))) :]
    shares = [
        Share(kind_class(name), name, round(value / total * 100, 1), size(value))
        for name, value in kinds.items()
        if name not in small
    ]
    if small:
        rest = sum(kinds[name] for name in small)
        shares.append(Share("tool", "other tool results", round(rest / total * 100, 1), size(rest)))
    return tuple(shares)


def kind_class(name: str) -> str:
    """Style class of a kind of content."""
    return "tool" if name.startswith("tool: ") else name.replace(" ", "-")


def cache_words(found: CacheBreak) -> str:
    """A cache break in one line."""
    parts = [found.cause]
    if found.detail:
        parts.append(found.detail)
    if found.lost_tokens is not None:
        parts.append(f"{count(found.lost_tokens)} tokens read again")
    if found.lost_ms is not None:
        parts.append(f"about {ms(found.lost_ms)}")
    return " · ".join(parts)


def common(book: Book, requests: Sequence[Request]) -> Common:
    """What all of a page's requests have in common. Ids and times never are."""
    held = [set(_facts(book, request)) for request in requests]
    same = set.intersection(*held) if len(held) > 1 else set()
    files = Counter(where.file for request in requests for where in request.source)
    used = {str(source) for request in requests for source in request.provenance.values()}
    return Common(
        facts=tuple(fact for fact in _facts(book, requests[0]) if fact in same),
        file=files.most_common(1)[0][0] if files else "",
        sources=tuple((_MARKS.get(name, name), text) for name, text in SOURCES.items() if name in used),
    )


def _later(value: float, request: Request) -> str:
    """Time since arrival; the log's clock mostly ticks in seconds."""
    if request.precise:
        return f"+{ms(value)}"
    return f"+{value // 1000:,.0f} s" if value >= 1000 else "+<1 s"


def _timeline(request: Request, usual: str) -> str:
    """Time, time since arrival, event, what it says, line; as text, because a table of it would weigh three times."""
    began = request.received_at
    rows = []
    for event in request.timeline:
        after = "" if began is None else _later(max(0, event.at - began), request).replace(THIN, " ")
        line = str(event.where.first_line)
        where = line if event.where.file == usual else f"{event.where.file}:{line}"
        rows.append((clock(event.at), after, event.name, where, " ".join(event.detail.split())))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[3]:>{widths[3]}}  {row[2]:{widths[2]}}  {row[4]}".rstrip()
        for row in rows
    )


def _evidence(request: Request) -> str:
    """``2025-11/2025-11-11.1.log:12–40, 44; …``."""
    held: dict[str, list[str]] = {}
    for where in request.source:
        last = f"–{where.last_line}" if where.last_line != where.first_line else ""
        held.setdefault(where.file, []).append(f"{where.first_line}{last}")
    return "; ".join(f"{file}:{', '.join(ranges)}" for file, ranges in held.items())


def detail(book: Book, request: Request, shared: Common) -> Detail:
    """All the log says about a request, but for what its page says of all."""
    found = book.breaks.get(request.id)
    calls = tuple(
        (call.title, facts.argument, book.call_path(request.id, facts.index) or "")
        for call, facts in zip(request.tool_calls, book.calls(request), strict=False)
    )
    return Detail(
        line=line(book, request),
        values=_measured(request),
        facts=tuple(fact for fact in _facts(book, request) if fact not in shared.facts),
        timeline=_timeline(request, shared.file),
        composition=composition_of(book, request),
        cache=None if found is None else (cache_words(found), f"cache/index.html#b-{request.id}"),
        calls=calls,
        errors=request.errors,
        evidence=_evidence(request),
        has_payload=request.prompt is not None,
        part=book.part_of.get(request.id, 1),
    )
