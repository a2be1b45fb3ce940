"""Pages about one dimension of the run: tools and files, models, clients, projects, cost.

In: the book. Out: tables of figures analysis has made, charts, and lists of links.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.analyse.report import Outcome
from lms_audit.present.plots import Chart, chart
from lms_audit.present.views.book import Book, slug
from lms_audit.present.views.format import count
from lms_audit.present.views.lists import SessionLine, session_line
from lms_audit.present.views.overview import (
    TableView,
    distributions,
    speed_rows,
    table_view,
    tools_chart,
)

MOST_FILES = 300
MOST_FAILURES = 60
MOST_SESSIONS = 40


class FileLine(Struct, frozen=True):
    """A path the tools touched."""

    path: str
    reads: int
    edits: int
    sessions: tuple[tuple[str, str], ...]
    """(title, path of the page)."""


class Failure(Struct, frozen=True):
    """A call that failed, was rejected or repeated."""

    name: str
    argument: str
    what: str
    path: str


class ToolsPage(Struct, frozen=True):
    """Tools and the files they touched."""

    charts: tuple[Chart, ...]
    tables: tuple[TableView, ...]
    failures: tuple[Failure, ...]
    more_failures: str
    files: tuple[FileLine, ...]
    more_files: str


class Member(Struct, frozen=True):
    """A model, client or project with its sessions."""

    anchor: str
    name: str
    icon: str
    sessions: tuple[SessionLine, ...]
    more: str


class HubPage(Struct, frozen=True):
    """Models, clients, projects or cost."""

    charts: tuple[Chart, ...]
    tables: tuple[TableView, ...]
    members: tuple[Member, ...]
    note: str


def tools_page(book: Book) -> ToolsPage:
    """Tools: how often, how well, on which files."""
    report = book.report
    bad = [
        call
        for calls in report.calls.values()
        for call in calls
        if call.outcome in (Outcome.FAILED, Outcome.REJECTED) or call.malformed
    ]
    failures = tuple(
        Failure(
            call.name,
            call.argument,
            call.reason or ("malformed arguments" if call.malformed else str(call.outcome)),
            book.call_path(call.request_id, call.index) or "",
        )
        for call in bad[:MOST_FAILURES]
    )
    read, edited = _touched(book)
    files = tuple(
        FileLine(
            touched.path,
            touched.reads,
            touched.edits,
            tuple(
                (book.sessions[name].title, cards.get((name, touched.path)) or book.session_path(name))
                for cards in (edited, read)
                for name in touched.sessions
                if name in book.sessions and ((name, touched.path) in edited) is (cards is edited)
            ),
        )
        for touched in report.files_touched[:MOST_FILES]
    )
    return ToolsPage(
        charts=tools_chart(book),
        tables=_tables(book, ("tool_usage", "tools", "tool_schemas"), "tool"),
        failures=failures,
        more_failures=f"{count(len(bad) - MOST_FAILURES)} more are not listed." if len(bad) > MOST_FAILURES else "",
        files=files,
        more_files=f"{count(len(report.files_touched) - MOST_FILES)} more are not listed."
        if len(report.files_touched) > MOST_FILES
        else "",
    )


Cards = dict[tuple[str, str], str]
"""(session, path) -> the card of a call."""


def _touched(book: Book) -> tuple[Cards, Cards]:
    """The calls that first read and first edited each path in each session."""
    reads: Cards = {}
    edits: Cards = {}
    for calls in book.report.calls.values():
        for call in calls:
            card = book.call_path(call.request_id, call.index)
            if call.session_id is None or card is None:
                continue
            for held, paths in ((reads, call.reads), (edits, call.edits)):
                for path in paths:
                    held.setdefault((call.session_id, path), card)
    return reads, edits


def _tables(book: Book, names: Iterable[str], what: str) -> tuple[TableView, ...]:
    """The tables there are. A thing has one anchor on the page: its row in the first table that has it."""
    found, anchors = [], {""}
    for name in names:
        if name not in book.report.tables:
            continue
        view = table_view(book, book.report.tables[name], what)
        rows = tuple(replace(row, anchor="") if row.anchor in anchors else row for row in view.rows)
        anchors |= {row.anchor for row in rows}
        found.append(replace(view, rows=rows))
    return tuple(found)


def _members(book: Book, what: str) -> tuple[Member, ...]:
    held: dict[str, list[SessionLine]] = {}
    for session in book.audit.sessions:
        name = getattr(session, what)
        if name is not None:
            held.setdefault(name, []).append(session_line(book, session))
    found = []
    for name in sorted(held, key=lambda name: (-len(held[name]), name)):
        lines = held[name]
        title = {"client": book.client_name, "project": book.project_title}.get(what, str)(name)
        icon = book.icon(name) if what == "client" else ""
        more = f"{count(len(lines) - MOST_SESSIONS)} more in the session list" if len(lines) > MOST_SESSIONS else ""
        found.append(Member(f"sessions-of-{slug(name)}", title, icon, tuple(lines[:MOST_SESSIONS]), more))
    return tuple(found)


def hub_page(book: Book, what: str) -> HubPage:
    """``model``, ``client`` or ``project``: its table, charts, and the sessions of each."""
    report = book.report
    charts: list[Chart] = []
    if what == "model":
        for work in ("decode", "prefill"):
            rows = speed_rows(book, (law for law in report.speed if law.work == work))
            if len(rows) > 2:
                charts.append(chart(f"speed_{work}", rows))
        charts += distributions(book.audit.requests)[-1:]
    tables = _tables(book, (f"{what}s", "kinds" if what == "client" else "", f"cost_{what}s"), what)
    return HubPage(tuple(charts), tables, _members(book, what), "")


def cost_page(book: Book) -> HubPage:
    """What the run would have cost elsewhere."""
    names = ("cost", "cost_projects", "cost_clients", "cost_models", "tokens")
    tables = tuple(table_view(book, book.report.tables[name]) for name in names if name in book.report.tables)
    return HubPage((), tables, (), "")
