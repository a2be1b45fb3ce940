"""The two long lists: sessions by day, and all requests of the run; with the same rows as data for filters.

In: the book. Out: rows as text for the page, and columns of plain values for the scripts (``assets/data/…``), each
string once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from lms_audit.model import Json, Kind, Session
from lms_audit.present import rows
from lms_audit.present.rows import Rows
from lms_audit.present.rows_plain import PLAIN_REQUESTS, Plain, plain
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import Shown, clock, count, day, day_key, shown

ASIDE = (Kind.TITLE, Kind.SUMMARY)
"""Conversations that are a link in the row of the session they serve."""
LIST_FIGURES = (
    "input_tokens",
    "output_tokens",
    "tokens_per_second_mean",
    "cached_share",
    "prompt_ms",
    "session_elapsed_ms",
)


class Side(Struct, frozen=True):
    """A short conversation that serves another one: a title, a summary."""

    kind: str
    path: str
    title: str


class SessionLine(Struct, frozen=True):
    """A session as a row."""

    path: str
    title: str
    icon: str
    client: str
    about: str
    """Client, project, model."""
    date: str
    time: str
    requests: int
    figures: tuple[Shown, ...]
    problems: str
    kind: str
    """For what hangs under another session; empty for the others."""
    sides: tuple[Side, ...]


class Day(Struct, frozen=True):
    """Sessions that began on one day, newest last."""

    key: str
    title: str
    lines: tuple[SessionLine, ...]
    note: str


class SessionList(Struct, frozen=True):
    """All sessions."""

    days: tuple[Day, ...]
    head: tuple[str, ...]
    listing: Plain
    """For the interactive list, and all sessions for readers without scripts."""
    more: str


def session_line(book: Book, session: Session) -> SessionLine:
    """A session as a row, with links to the titles and summaries made for it."""
    held = book.report.sessions.get(session.id)
    figures = held.figures if held is not None else {}
    ends = Counter(str(book.requests[name].status) for name in session.request_ids)
    about = (book.client_name(session.client), book.project_name(session.project), session.model or "")
    return SessionLine(
        path=book.session_path(session.id),
        title=session.title,
        icon=book.icon(session.client),
        client=book.client_name(session.client),
        about=" · ".join(filter(None, about)),
        date="" if session.started_at is None else day_key(session.started_at),
        time=clock(session.started_at)[:5],
        requests=len(session.request_ids),
        figures=tuple(shown(figures[name], name="·") for name in LIST_FIGURES if name in figures),
        problems=", ".join(f"{ends[status]} {status}" for status in sorted(ends) if status != "completed"),
        kind=str(session.kind) if session.parent_session_id is not None or session.kind is not Kind.MAIN else "",
        sides=tuple(
            Side(str(child.kind), book.session_path(child.id), child.title)
            for child in book.children.get(session.id, ())
            if child.kind in ASIDE
        ),
    )


def _family(book: Book, session: Session) -> Iterable[Session]:
    """A session and what hangs under it, without what its row links to."""
    yield session
    for child in book.children.get(session.id, ()):
        if child.kind not in ASIDE:
            yield from _family(book, child)


def session_list(book: Book) -> SessionList:
    """Sessions by the day they began, those that hang under another right after it."""
    days: dict[str, list[Session]] = {}
    for session in book.audit.sessions:
        if session.parent_session_id in book.sessions:
            continue
        key = "" if session.started_at is None else day_key(session.started_at)
        days.setdefault(key, []).extend(_family(book, session))
    found: list[Day] = []
    for key in book.listed_days:
        sessions = days[key]
        began = next((session.started_at for session in sessions if session.started_at is not None), None)
        lines = tuple(session_line(book, session) for session in sessions)
        held = [inner for session in sessions for inner in (session, *book.children.get(session.id, ()))]
        requests = sum(len(one.request_ids) for one in {one.id: one for one in held}.values())
        title = "Time not logged" if began is None else day(began)
        note = f"{count(len(lines))} session{'s' if len(lines) != 1 else ''}, {count(requests)} requests"
        found.append(Day(key or "unknown", title, lines, note))
    head = ("Input", "Output", "tok/s", "Cached", "Prompt", "Elapsed")
    left = len(days) - len(found)
    more = f"{count(left)} older days are in the list to filter and sort." if left else ""
    return SessionList(tuple(found), head, plain(session_rows(book)), more)


def request_list(book: Book) -> Plain:
    """The plain table of requests that ran a model."""
    return plain(request_rows(book), PLAIN_REQUESTS)


# --- data for scripts ------------------------------------------------------------------------------------------------


def request_rows(book: Book) -> Rows:
    """All requests of the run as rows of the interactive list."""
    return rows.request_rows(book.report, book.request_path, book.client_name)


def session_rows(book: Book) -> Rows:
    """All sessions as rows of the interactive list."""
    return rows.session_rows(book.report, book.session_path, book.client_name)


def index_data(book: Book) -> Json:
    """The sidebar's sessions: id, title, start; those that hang under another are left out."""
    return [
        [session.id, session.title, session.started_at]
        for session in book.audit.sessions
        if session.parent_session_id not in book.sessions
    ]
