"""The two long lists: sessions by day, and all requests of the run; with the same rows as data for filters.

In: the book. Out: rows as text for the page, and columns of plain values for the scripts (``assets/data/…``), each
string once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from lms_audit.analyse.figures import runs_model
from lms_audit.model import Json, Kind, Session
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import NOT_LOGGED, Shown, clock, count, day, day_key, ms, shown
from lms_audit.present.views.requests import Line, line
from lms_audit.present.views.session import project_name

PLAIN_ROWS = 400
"""Requests in the plain table; the whole list needs scripts."""
LIST_FIGURES = ("input_tokens", "output_tokens", "tokens_per_second_mean", "cached_share", "prompt_ms", "session_elapsed_ms")


class SessionLine(Struct, frozen=True):
    """A session as a row."""

    id: str
    path: str
    title: str
    icon: str
    client_name: str
    project: str
    project_full: str
    model: str
    time: str
    requests: int
    figures: tuple[Shown, ...]
    problems: str
    side: str
    """Kind, for what hangs under another session."""
    tools: int


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
    total: int


class RequestList(Struct, frozen=True):
    """The first requests of the run as a plain table."""

    lines: tuple[tuple[Line, str, str], ...]
    """(row, session title, icon of the client)."""
    total: int


def session_line(book: Book, session: Session) -> SessionLine:
    """A session as a row."""
    held = book.report.sessions.get(session.id)
    figures = held.figures if held is not None else {}
    requests = [book.requests[name] for name in session.request_ids]
    ends: dict[str, int] = {}
    for request in requests:
        if request.status != "completed":
            ends[str(request.status)] = ends.get(str(request.status), 0) + 1
    return SessionLine(
        id=session.id,
        path=book.session_path(session.id),
        title=session.title,
        icon=book.icon(session.client),
        client_name=book.client_name(session.client),
        project=project_name(session.project),
        project_full=session.project or "",
        model=session.model or NOT_LOGGED,
        time=clock(session.started_at)[:5],
        requests=len(requests),
        figures=tuple(shown(figures[name], name="·") for name in LIST_FIGURES if name in figures),
        problems=", ".join(f"{number} {status}" for status, number in sorted(ends.items())),
        side=str(session.kind) if session.parent_session_id is not None or session.kind is not Kind.MAIN else "",
        tools=sum(len(request.tool_calls) for request in requests),
    )


def _family(book: Book, session: Session) -> Iterable[Session]:
    yield session
    for child in book.children.get(session.id, ()):
        yield from _family(book, child)


def session_list(book: Book) -> SessionList:
    """Sessions by the day they began, those that hang under another right after it."""
    days: dict[str, list[Session]] = {}
    for session in book.audit.sessions:
        if session.parent_session_id in book.sessions:
            continue
        key = "" if session.started_at is None else day_key(session.started_at)
        days.setdefault(key, []).extend(_family(book, session))
    found = []
    for key in sorted(days, reverse=True):
        sessions = days[key]
        began = next((session.started_at for session in sessions if session.started_at is not None), None)
        lines = tuple(session_line(book, session) for session in sessions)
        requests = sum(held.requests for held in lines)
        title = "Time not logged" if began is None else day(began)
        note = f"{count(len(lines))} session{'s' if len(lines) != 1 else ''}, {count(requests)} requests"
        found.append(Day(key or "unknown", title, lines, note))
    head = ("Input", "Output", "tok/s", "Cached", "Prompt processing", "Elapsed")
    return SessionList(tuple(found), head, len(book.audit.sessions))


def request_list(book: Book) -> RequestList:
    """The plain table of requests that ran a model."""
    asked = [request for request in book.audit.requests if runs_model(request)]
    lines = tuple(
        (
            line(book, request, with_day=True),
            book.sessions[request.session_id].title if request.session_id in book.sessions else "",
            book.icon(request.client),
        )
        for request in asked[:PLAIN_ROWS]
    )
    return RequestList(lines, len(asked))


# --- data for scripts ------------------------------------------------------------------------------------------------


class _Words:
    """Strings by number."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.held.setdefault(text, len(self.held))


def _round(value: float | None) -> float | int | None:
    if value is None:
        return None
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def rows_data(book: Book) -> Json:
    """All requests of the run as columns; strings by number. About 90 bytes a request."""
    words = _Words()
    asked = [request for request in book.audit.requests if runs_model(request)]
    sessions = {session.id: index for index, session in enumerate(book.audit.sessions)}
    rows = [
        [
            request.id,
            sessions.get(request.session_id or "", -1),
            book.number.get(request.id, 0),
            book.part_of.get(request.id, 1),
            request.received_at,
            words(book.client_name(request.client)),
            words(request.model or NOT_LOGGED),
            words(project_name(request.project) or "not in the prompt"),
            words(str(request.status)),
            words(str(request.kind)),
            [words(name) for name in sorted({call.name for call in request.tool_calls})],
            len(request.tool_calls),
            _round(request.elapsed_ms),
            _round(request.prompt_ms),
            _round(request.generation_ms),
            request.input_tokens,
            request.output_tokens,
            request.cached_tokens,
            _round(request.tokens_per_second),
        ]
        for request in asked
    ]
    return {"words": list(words.held), "rows": rows}


def index_data(book: Book) -> Json:
    """All sessions for the sidebar, the lists and the search: id, title, start, client, project, parts, parent."""
    sessions: Sequence[Session] = book.audit.sessions
    place = {session.id: index for index, session in enumerate(sessions)}
    return [
            [
                session.id,
                session.title,
                session.started_at,
                book.client_name(session.client),
                book.icon(session.client),
                project_name(session.project),
                session.model or "",
                len(session.request_ids),
                len(book.parts[session.id]),
                place.get(session.parent_session_id or "", -1),
                str(session.kind),
            ]
            for session in sessions
        ]
