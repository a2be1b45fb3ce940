"""A session's requests drawn to scale: waiting, prompt processing, answer; idle stretches between them shortened.

In: the requests of a session and of what hangs under it. Out: rows of shares of the drawn time, which the style sheet
turns into three pictures: time line, durations, durations on a logarithmic scale. Only logged times are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from lms_audit.model import Request
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import clock, count, duration, ms, share, ticking, ticks

MOST_ROWS = 1_000
MANY_ROWS = 40
CLOCK_MS = 1_500
"""What the log's clock, which ticks in seconds, cannot tell from nothing."""
IDLE_SHARE = 0.04
"""A gap is drawn at most this share of the busy time wide."""


class Segment(Struct, frozen=True):
    """A stretch of a row."""

    kind: str
    """``queue``, ``prompt``, ``answer``, ``rest``."""
    width: float
    """Per cent of the drawn time."""
    reused: float = 0.0
    """Of prompt processing: per cent of the prompt that came from the cache."""


class Bar(Struct, frozen=True):
    """A request's row."""

    label: str
    path: str
    time: str
    took: str
    gap: str
    """The pause before it in words, where it is worth a word."""
    gap_kind: str
    start: float
    total: float
    log: float
    """Per cent of the longest row, logarithmic."""
    segments: tuple[Segment, ...]
    title: str
    beside: str
    """The request it runs beside, where it began before that ended."""
    side: str
    """Kind of a side request; empty for the session's own."""
    status: str


class Waterfall(Struct, frozen=True):
    """All rows and how much wider the durations picture is drawn."""

    bars: tuple[Bar, ...]
    zoom: float
    longest: str
    drawn: str
    shortened: str
    """Idle time that is not drawn in full length."""
    many: bool
    """So many that their durations tell more than a time line would."""
    missing: int
    """Requests without times."""
    overlaps: bool
    cut: int = 0
    """Requests beyond the first ``MOST_ROWS``."""


def _spans(request: Request) -> tuple[tuple[str, float], ...]:
    """Logged stretches of a request in order of time, ms; what elapsed besides them is ``rest``."""
    queue, prompt, answer = request.queue_ms or 0.0, request.prompt_ms or 0.0, request.generation_ms or 0.0
    known = queue + prompt + answer
    rest = max(0.0, (request.elapsed_ms or known) - known)
    if rest < CLOCK_MS and known:
        rest = 0.0
    found = (("queue", queue), ("prompt", prompt), ("answer", answer), ("rest", rest))
    return tuple((kind, value) for kind, value in found if value > 0)


def _title(request: Request) -> str:
    parts = [
        f"prompt processing {duration(request, 'prompt_ms')}",
        f"response time {duration(request, 'generation_ms')}",
    ]
    if request.input_tokens is not None:
        parts.append(f"{count(request.input_tokens)} tokens in")
    if request.cached_tokens is not None and request.input_tokens:
        parts.append(f"{share(request.cached_tokens / request.input_tokens)} of them cached")
    if request.output_tokens is not None:
        parts.append(f"{count(request.output_tokens)} out")
    return " · ".join(parts)


def _took(request: Request, total: float) -> str:
    """How long a row is; the clock's part of it says how exact that is."""
    spans = ("queue_ms", "prompt_ms", "generation_ms")
    parts = [name for name in spans if getattr(request, name)]
    if total == request.elapsed_ms:
        parts.append("elapsed_ms")
    return ticks(total) if any(ticking(request, name) for name in parts) else ms(total)


def _reused(request: Request) -> float:
    if request.cached_tokens is None or not request.input_tokens:
        return 0.0
    return round(min(1.0, request.cached_tokens / request.input_tokens) * 100, 1)


def waterfall(book: Book, requests: Sequence[Request], own: str) -> Waterfall:
    """Rows for requests in order of arrival; ``own`` is the session they are shown on."""
    timed = [(request, _spans(request)) for request in requests if request.received_at is not None]
    timed = [(request, spans) for request, spans in timed if spans]
    timed.sort(key=lambda pair: (pair[0].received_at or 0, pair[0].id))
    shown = timed[:MOST_ROWS]
    totals = [sum(value for _, value in spans) for _, spans in shown]
    busy, longest = sum(totals), max(totals, default=0.0) or 1.0
    cap = max(500.0, busy * IDLE_SHARE)
    at = reach = hidden = 0.0
    starts: list[float] = []
    pauses: list[float] = []
    beside: list[str] = []
    latest = ""  # the request that ends last so far
    for (request, _), total in zip(shown, totals, strict=True):
        begin = float(request.received_at or 0)
        if not starts:
            reach = begin
        pause = begin - reach
        drawn = min(max(pause, 0.0), cap)
        hidden += max(pause, 0.0) - drawn
        # ``at`` is where ``reach`` is drawn; an overlapping request begins before it
        starts.append(at + (drawn if pause > 0 else pause))
        pauses.append(max(pause, 0.0))
        beside.append(latest if pause < -CLOCK_MS else "")
        end = begin + total
        if end > reach or not latest:
            latest = _name(book, request, own)
        if pause > 0:
            at, reach = at + drawn + total, end
        elif end > reach:
            at, reach = at + (end - reach), end
    width = at or 1.0
    bars = [
        _bar(book, request, spans, own, start / width * 100, total, pause, (width, longest), other)
        for (request, spans), start, total, pause, other in zip(shown, starts, totals, pauses, beside, strict=True)
    ]
    return Waterfall(
        bars=tuple(bars),
        zoom=round(width / longest, 4),
        longest=ms(longest),
        drawn=ms(width),
        shortened=ms(hidden) if hidden >= 1000 else "",
        many=len(bars) > MANY_ROWS,
        missing=len(requests) - len(timed),
        overlaps=any(beside),
        cut=len(timed) - len(shown),
    )


def _name(book: Book, request: Request, own: str) -> str:
    return f"#{book.number[request.id]}" if request.session_id == own else str(request.kind)


def _bar(
    book: Book,
    request: Request,
    spans: tuple[tuple[str, float], ...],
    own: str,
    start: float,
    total: float,
    pause: float,
    scale: tuple[float, float],
    beside: str,
) -> Bar:
    width, longest = scale
    gap = book.report.gaps.get(request.id)
    side = "" if request.session_id == own else str(request.kind)
    return Bar(
        label=_name(book, request, own),
        path=book.request_path(request.id) or "",
        time=clock(request.received_at),
        took=_took(request, total),
        gap=ms(pause) if pause >= 3000 else "",
        gap_kind=str(gap.kind) if gap is not None else "",
        start=round(max(0.0, start), 3),
        total=round(total / width * 100, 3),
        log=round(math.log10(1 + total / 100) / math.log10(1 + longest / 100) * 100, 2),
        segments=tuple(
            Segment(kind, round(value / width * 100, 3), _reused(request) if kind == "prompt" else 0.0)
            for kind, value in spans
        ),
        title=_title(request),
        beside=beside,
        side=side,
        status=str(request.status),
    )
