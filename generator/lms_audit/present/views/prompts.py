"""The prompt ledger and the cache-break report.

In: the book. Out: every distinct thing that was sent with what its re-sending cost, the most expensive first; and the
requests whose prompt broke the cache, with the first difference word by word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from msgspec import Struct

from lms_audit.analyse.cache_breaks import cost_order
from lms_audit.analyse.report import CacheBreak
from lms_audit.analyse.worddiff import Change, word_diff
from lms_audit.model import Call, Key, Reasoning, Result, Text
from lms_audit.present.charts import Chart
from lms_audit.present.views.book import Book, slug, tool_set_path
from lms_audit.present.views.data import packed
from lms_audit.present.views.format import NOT_LOGGED, count, ms, share, size, stamp
from lms_audit.present.views.overview import content_chart

MOST_LINES = 400
MOST_BREAKS = 200
DIFF_BREAKS = 80
"""Breaks shown with their difference; the rest are rows."""
DIFF_CHARS = 120_000
AROUND = 140


class LedgerRow(Struct, frozen=True):
    """A distinct message, system member or tool set."""

    anchor: str
    kind: str
    role: str
    preview: str
    size: str
    bytes: int
    times: int
    sessions: int
    resent: str
    resent_bytes: int
    tokens: str
    first_path: str


class PromptsPage(Struct, frozen=True):
    """The ledger."""

    rows: tuple[LedgerRow, ...]
    more: str
    charts: tuple[Chart, ...]
    distinct: str
    sent: str
    repeated: str


class BreakView(Struct, frozen=True):
    """A request that broke the cache."""

    anchor: str
    request: str
    request_path: str
    session: str
    session_path: str
    against: str
    against_path: str
    time: str
    cause: str
    detail: str
    where: str
    shared: str
    inferred: str
    measured: str
    lost_tokens: str
    lost_ms: str
    disagrees: bool
    changes: tuple[Change, ...]


class Cause(Struct, frozen=True):
    """A cause with what it cost."""

    name: str
    breaks: int
    lost_tokens: str
    lost_ms: str
    percent: float


class CachePage(Struct, frozen=True):
    """The cache-break report."""

    causes: tuple[Cause, ...]
    breaks: tuple[BreakView, ...]
    more: str
    total: int
    lost: str
    lost_tokens: str


def prompts_page(book: Book) -> PromptsPage:
    """The ledger, most re-sent bytes first."""
    lines = book.report.ledger
    rows = tuple(
        LedgerRow(
            anchor=f"k-{held.key[:16]}",
            kind=held.kind,
            role=held.role,
            preview=held.preview,
            size=size(held.size),
            bytes=held.size,
            times=held.times_sent,
            sessions=held.sessions,
            resent=size(held.size * (held.times_sent - 1)),
            resent_bytes=held.size * (held.times_sent - 1),
            tokens=NOT_LOGGED if held.estimated_tokens is None else f"≈ {count(held.estimated_tokens)}",
            first_path=book.request_path(held.first_request_id) or "",
        )
        for held in lines[:MOST_LINES]
    )
    distinct = sum(held.size for held in lines)
    sent = sum(held.size * held.times_sent for held in lines)
    return PromptsPage(
        rows=rows,
        more=f"{count(len(lines) - MOST_LINES)} more, each re-sent less, are not listed."
        if len(lines) > MOST_LINES
        else "",
        charts=content_chart(book),
        distinct=size(distinct),
        sent=size(sent),
        repeated=share((sent - distinct) / sent) if sent else NOT_LOGGED,
    )


def _plain(book: Book, key: Key | None) -> str:
    """What a stored item says, as text."""
    if key is None:
        return ""
    texts = list(book.library.system_texts(key))
    if texts:
        return "\n\n".join(texts)
    message = book.library.message(key)
    for part in message.parts:
        if isinstance(part, Text | Reasoning | Result):
            texts.append(part.text)
        elif isinstance(part, Call):
            texts.append(f"{part.name} {part.arguments}")
    return "\n\n".join(texts)


def _tools_text(book: Book, key: Key | None) -> str:
    return "" if key is None else "\n".join(f"{tool.name} ({size(tool.size)})" for tool in book.library.tools(key))


def shortened(changes: Iterable[Change], around: int = AROUND, most: int = 3_000) -> tuple[Change, ...]:
    """A difference with long equal runs cut to what surrounds a change."""
    found: list[Change] = []
    room = most
    for change in changes:
        text = change.text
        if change.op == "same" and len(text) > 2 * around:
            text = f"{text[:around] if found else '…'} […] {text[-around:]}"
        if room <= 0:
            found.append(Change("same", " […]"))
            break
        found.append(Change(change.op, text[:room]))
        room -= len(text)
    return tuple(found)


def _difference(book: Book, found: CacheBreak) -> tuple[Change, ...]:
    if found.where == "tools":
        before, after = _tools_text(book, found.before), _tools_text(book, found.after)
    else:
        before, after = _plain(book, found.before), _plain(book, found.after)
    if before == after or len(before) + len(after) > DIFF_CHARS:
        return ()
    return shortened(word_diff(before, after))


def _view(book: Book, found: CacheBreak, *, with_difference: bool) -> BreakView:
    request = book.requests[found.request_id]
    session = book.sessions.get(found.session_id)
    return BreakView(
        anchor=f"b-{found.request_id}",
        request=f"#{book.number.get(found.request_id, 0)}",
        request_path=book.request_path(found.request_id) or "",
        session=session.title if session is not None else "",
        session_path=book.session_path(found.session_id) if session is not None else "",
        against=f"#{book.number.get(found.against_id, 0)}",
        against_path=book.request_path(found.against_id) or "",
        time=stamp(request.received_at),
        cause=found.cause,
        detail=found.detail,
        where=found.where,
        shared=share(found.shared_share),
        inferred=NOT_LOGGED if found.inferred_cached_tokens is None else count(found.inferred_cached_tokens),
        measured=NOT_LOGGED if found.measured_cached_tokens is None else count(found.measured_cached_tokens),
        lost_tokens=NOT_LOGGED if found.lost_tokens is None else count(found.lost_tokens),
        lost_ms=NOT_LOGGED if found.lost_ms is None else ms(found.lost_ms),
        disagrees=found.disagrees,
        changes=_difference(book, found) if with_difference else (),
    )


def _lost_tokens(breaks: Iterable[CacheBreak]) -> str:
    known = [found.lost_tokens for found in breaks if found.lost_tokens is not None]
    return count(sum(known)) if known else NOT_LOGGED


def cache_page(book: Book) -> CachePage:
    """Causes with what they cost, then the breaks, the most expensive first."""
    breaks = cost_order(book.report.cache_breaks)
    held: dict[str, list[CacheBreak]] = {}
    for found in breaks:
        held.setdefault(found.cause, []).append(found)
    costs = {cause: sum(found.lost_ms or 0.0 for found in mine) for cause, mine in held.items()}
    total = sum(costs.values())
    causes = tuple(
        Cause(
            cause,
            len(held[cause]),
            _lost_tokens(held[cause]),
            ms(costs[cause]) if any(found.lost_ms is not None for found in held[cause]) else NOT_LOGGED,
            round(costs[cause] / total * 100, 1) if total else 0.0,
        )
        for cause in sorted(held, key=lambda cause: (-costs[cause], -len(held[cause]), cause))
    )
    return CachePage(
        causes=causes,
        breaks=tuple(
            _view(book, found, with_difference=index < DIFF_BREAKS) for index, found in enumerate(breaks[:MOST_BREAKS])
        ),
        more=f"{count(len(breaks) - MOST_BREAKS)} cheaper breaks are not listed." if len(breaks) > MOST_BREAKS else "",
        total=len(breaks),
        lost=ms(total) if total else NOT_LOGGED,
        lost_tokens=_lost_tokens(breaks),
    )


# --- tool sets -------------------------------------------------------------------------------------------------------


class ToolView(Struct, frozen=True):
    """A tool with its description and schema."""

    anchor: str
    name: str
    description: str
    schema: str
    size: str
    weight: float


class ToolSetPage(Struct, frozen=True):
    """A tool set and who was offered it."""

    path: str
    title: str
    lead: str
    requests: str
    sessions: tuple[tuple[str, str], ...]
    more: str
    tools: tuple[ToolView, ...]
    data_path: str
    data: str


MOST_USERS = 12


def tool_set_pages(book: Book) -> Iterator[ToolSetPage]:
    """A page for each distinct tool set, with its JSON as a data file that sessions share."""
    users: dict[Key, dict[str, int]] = {}
    for request in book.audit.requests:
        if request.prompt is not None and request.prompt.tools is not None and request.session_id in book.sessions:
            held = users.setdefault(request.prompt.tools, {})
            held[request.session_id] = held.get(request.session_id, 0) + 1
    for key, sessions in users.items():
        tools = book.library.tools(key)
        heaviest = max((tool.size for tool in tools), default=1) or 1
        names = list(sessions)
        requests = sum(sessions.values())
        yield ToolSetPage(
            path=tool_set_path(key),
            title=f"Tool set of {len(tools)} tools",
            lead=", ".join(tool.name for tool in tools),
            requests=f"{count(requests)} request{'s' if requests != 1 else ''}",
            sessions=tuple((book.sessions[name].title, book.session_path(name)) for name in names[:MOST_USERS]),
            more=f"and {len(names) - MOST_USERS} more sessions" if len(names) > MOST_USERS else "",
            tools=tuple(
                ToolView(
                    slug(tool.name),
                    tool.name,
                    tool.description,
                    json.dumps(tool.schema, ensure_ascii=False, indent=2) if tool.schema is not None else "",
                    size(tool.size),
                    round(tool.size / heaviest * 100, 1),
                )
                for tool in sorted(tools, key=lambda tool: (-tool.size, tool.name))
            ),
            data_path=f"assets/data/tools-{key[:12]}.js",
            data=f'lmsAudit.tools("{key[:12]}","{packed(book.library.raw(key))}");\n',
        )
