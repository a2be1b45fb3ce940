"""The cache-break report: causes with what they cost, and each break with its first difference word by word.

In: the book. Out: view data, the most expensive first. Cost: a word diff for each of the first ``DIFF_BREAKS``.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lms_audit.analyse.cache_breaks import cost_order
from lms_audit.analyse.report import CacheBreak
from lms_audit.analyse.worddiff import Change, word_diff
from lms_audit.model import Key
from lms_audit.present.views.book import Book
from lms_audit.present.views.contents import DIFF_CHARS, plain, shortened
from lms_audit.present.views.format import NOT_LOGGED, count, ms, share, size, stamp

MOST_BREAKS = 200
DIFF_BREAKS = 80
"""Breaks shown with their difference; the rest are rows."""


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


def _tools_text(book: Book, key: Key | None) -> str:
    return "" if key is None else "\n".join(f"{tool.name} ({size(tool.size)})" for tool in book.library.tools(key))


def _difference(book: Book, found: CacheBreak) -> tuple[Change, ...]:
    if found.where == "tools":
        before, after = _tools_text(book, found.before), _tools_text(book, found.after)
    else:
        before, after = plain(book, found.before), plain(book, found.after)
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
