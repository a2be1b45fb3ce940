"""Requests and sessions as rows: one description of the columns for the interactive list, its CSV and the plain table.

In: the report, the two questions only a site can answer (where a page is, what a client is called). Out: ``Rows``,
which ``script`` writes as a JavaScript file of columns and ``rows_plain`` as cells of text. ``None`` is "not logged"
everywhere: ``null`` in the file, sorted last, left out of percentiles.

Cost: one pass over the requests; about 110 bytes a request in the file, because names are numbers into a list, times
are differences and a column without any value is a single ``null``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from math import isfinite

from msgspec import Struct, field
from msgspec.structs import replace

from lms_audit.analyse.figures import runs_model
from lms_audit.analyse.report import Outcome, Report
from lms_audit.model import Api, Json, Request, Session
from lms_audit.present import text
from lms_audit.present.views import format as words

VERSION = 1
"""Of the data file; ``assets/lists-data.js`` reads exactly this one."""

NO_PROJECT = "not in the prompt"

Link = Callable[[str], str | None]
"""Id of a request or session -> its page, from the root of the site."""
Named = Callable[[str], str]
"""Id of a client -> its name."""
Value = float | int | str | None


class Shape(StrEnum):
    """How the values of a column are held and shown."""

    ID = "id"
    LINK = "link"
    TIME = "time"
    TITLE = "title"
    NAME = "name"
    NAMES = "names"
    SECONDS = "seconds"
    """Milliseconds, shown in seconds."""
    SPAN = "span"
    """Milliseconds, shown as hours, minutes and seconds."""
    COUNT = "count"
    RATE = "rate"
    SHARE = "share"


class Column(Struct, frozen=True, kw_only=True):
    """One column. ``values`` has one entry per row."""

    name: str
    """As in the exports; the head of the CSV and the name in the address."""
    shape: Shape
    values: tuple[Value | tuple[str, ...], ...]
    title: str = ""
    """Head of the column; a column without one is in the CSV only."""
    missing: str = words.NOT_LOGGED
    """What ``None`` is called."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Value -> what is shown instead."""
    facet: bool = False
    """Offered as a filter with counts."""
    spread: bool = False
    """Its median and percentiles are shown under the list."""
    clock: tuple[bool, ...] = ()
    """Rows whose value is a difference of whole seconds."""
    whole: int | None = None
    """Place of a column of tokens; with ``per``, one of milliseconds, their sums make the rate of a whole selection."""
    per: int | None = None


class Rows(Struct, frozen=True):
    """All rows of a list."""

    name: str
    """``requests`` or ``sessions``."""
    noun: tuple[str, str]
    """One of them, many of them."""
    columns: tuple[Column, ...]
    count: int
    sort: str
    """Column the list is sorted by at first; ``-`` before it: largest or latest first."""
    quiet: tuple[str, str, str] | None = None
    """(column, value, words): rows with this value are left out until asked for, and how that is called."""


# --- columns ---------------------------------------------------------------------------------------------------------


def _known(values: Iterable[float | None]) -> tuple[float | int | None, ...]:
    return tuple(None if value is None or not isfinite(value) else _short(value) for value in values)


def _short(value: float) -> float | int:
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def _measure(
    rows: Sequence[Request], name: str, title: str, shape: Shape, get: Callable[[Request], float | None] | None = None
) -> Column:
    """A measured value of requests, with the mark of those that are differences of whole seconds."""
    values = _known((getattr(row, name) if get is None else get(row)) for row in rows)
    clock = tuple(value is not None and words.ticking(row, name) for row, value in zip(rows, values, strict=True))
    return Column(
        name=name,
        shape=shape,
        values=values,
        title=title,
        spread=bool(title),
        clock=clock if any(clock) else (),
    )


def _names(
    name: str, title: str, values: Iterable[str | None], *, facet: bool = False, missing: str = words.NOT_LOGGED
) -> Column:
    held = tuple(text.visible(value) if value else None for value in values)
    return Column(name=name, shape=Shape.NAME, values=held, title=title, facet=facet, missing=missing)


def _labelled(column: Column, label: Callable[[str], str]) -> Column:
    """The column with other words for its values."""
    labels = {value: shown for value in column.values if isinstance(value, str) and (shown := label(value)) != value}
    return replace(column, labels=labels)


def _project(project_of: Iterable[str | None], report: Report) -> Column:
    """Projects by path, shown by name."""
    given = {text.visible(project): text.one_line(name) for project, name in report.audit.project_names.items()}
    column = _names("project", "Project", project_of, facet=True, missing=NO_PROJECT)
    return _labelled(column, lambda project: words.project_name(project, given))


def _cached_share(request: Request) -> float | None:
    if request.cached_tokens is None or not request.input_tokens:
        return None
    return request.cached_tokens / request.input_tokens


def _tools(request: Request) -> tuple[str, ...] | None:
    names = tuple(text.visible(call.title) for call in request.tool_calls)
    return names if names or request.tool_calls_known else None


def _outcomes(report: Report, rows: Sequence[Request], outcome: Outcome) -> Column:
    """Names of the tools whose calls ended like that."""
    values = tuple(
        tuple(text.visible(call.name) for call in report.calls.get(row.id, ()) if call.outcome is outcome)
        for row in rows
    )
    return Column(name=f"tools_{outcome}", shape=Shape.NAMES, values=values)


def _rated(columns: Sequence[Column], rate: str, tokens: str, time: str) -> tuple[Column, ...]:
    """The columns, with the rate column told which sums make the rate of a whole selection."""
    place = {column.name: index for index, column in enumerate(columns)}
    return tuple(
        replace(column, whole=place[tokens], per=place[time]) if column.name == rate else column for column in columns
    )


def request_rows(report: Report, link: Link, client_name: Named) -> Rows:
    """Every request of the run in order of arrival, those that run no model among them, but out of sight at first."""
    asked = report.audit.requests
    titles = {session.id: session.title for session in report.audit.sessions}
    columns: tuple[Column, ...] = (
        Column(name="id", shape=Shape.ID, values=tuple(r.id for r in asked)),
        Column(name="link", shape=Shape.LINK, values=tuple(link(r.id) for r in asked)),
        Column(name="received_at", shape=Shape.TIME, values=tuple(r.received_at for r in asked), title="Time"),
        _labelled(
            _names("session_id", "Session", (r.session_id for r in asked)),
            lambda name: text.one_line(titles.get(name, name)),
        ),
        Column(name="tools", shape=Shape.NAMES, values=tuple(_tools(r) for r in asked), title="Tool calls", facet=True),
        _measure(asked, "elapsed_ms", "Elapsed", Shape.SECONDS),
        _measure(asked, "prompt_ms", "Prompt", Shape.SECONDS),
        _measure(asked, "generation_ms", "Response", Shape.SECONDS),
        _measure(asked, "tokens_per_second", "tok/s", Shape.RATE),
        _measure(asked, "input_tokens", "Input", Shape.COUNT),
        _measure(asked, "cached_share", "Cached", Shape.SHARE, _cached_share),
        _measure(asked, "output_tokens", "Output", Shape.COUNT),
        _names("status", "Status", (str(r.status) for r in asked), facet=True),
        _labelled(
            _names("client", "Client", (_client(r) for r in asked), facet=True, missing="unknown"),
            lambda name: text.one_line(client_name(name)),
        ),
        _names("model", "Model", (r.model for r in asked), facet=True),
        _names(
            "kind", "Kind", (str(r.kind) if runs_model(r) else None for r in asked), facet=True, missing="no model run"
        ),
        _project((r.project for r in asked), report),
        _names("api", "API", (None if r.api is None else str(r.api) for r in asked)),
        _names("endpoint", "", (r.endpoint for r in asked)),
        _names("requested_model", "", (r.requested_model for r in asked)),
        _names("finish_reason", "", (r.finish_reason for r in asked)),
        *(_outcomes(report, asked, outcome) for outcome in (Outcome.FAILED, Outcome.REJECTED, Outcome.UNKNOWN)),
        _measure(asked, "cached_tokens", "", Shape.COUNT),
        _measure(asked, "reasoning_tokens", "", Shape.COUNT),
        _measure(asked, "ttft_ms", "", Shape.SECONDS),
    )
    columns = _rated(columns, "tokens_per_second", "output_tokens", "generation_ms")
    quiet = ("api", str(Api.OTHER), "that run no model") if any(not runs_model(r) for r in asked) else None
    return Rows("requests", ("request", "requests"), columns, len(asked), "-received_at", quiet)


def _client(row: Request | Session) -> str | None:
    return None if row.client == "unknown" else row.client


_SESSION_FIGURES = (
    ("requests", "Requests", Shape.COUNT),
    ("tool_calls", "Tool calls", Shape.COUNT),
    ("session_elapsed_ms", "Elapsed", Shape.SPAN),
    ("prompt_ms", "Prompt", Shape.SPAN),
    ("generation_ms", "Response", Shape.SPAN),
    ("tokens_per_second_weighted", "tok/s", Shape.RATE),
    ("input_tokens", "Input", Shape.COUNT),
    ("cached_share", "Cached", Shape.SHARE),
    ("output_tokens", "Output", Shape.COUNT),
)


def _figure(report: Report, session: Session, metric: str) -> float | None:
    held = report.sessions.get(session.id)
    figure = None if held is None else held.figures.get(metric)
    value = None if figure is None else figure.value
    return None if isinstance(value, str) else value


def session_rows(report: Report, link: Link, client_name: Named) -> Rows:
    """Every session in order of its first request, side sessions among them."""
    held = report.audit.sessions
    requests = {request.id: request for request in report.audit.requests}
    of = [[requests[name] for name in session.request_ids if name in requests] for session in held]
    findings = Counter(finding.session_id for finding in report.findings)
    columns: tuple[Column, ...] = (
        Column(name="id", shape=Shape.ID, values=tuple(s.id for s in held)),
        Column(name="link", shape=Shape.LINK, values=tuple(link(s.id) for s in held)),
        Column(name="title", shape=Shape.TITLE, values=tuple(text.one_line(s.title) for s in held), title="Session"),
        Column(name="started_at", shape=Shape.TIME, values=tuple(s.started_at for s in held), title="Started"),
        *(
            Column(
                name=name,
                shape=shape,
                values=_known(_figure(report, session, name) for session in held),
                title=title,
                spread=True,
            )
            for name, title, shape in _SESSION_FIGURES
        ),
        Column(name="findings", shape=Shape.COUNT, values=tuple(findings[s.id] for s in held), title="Findings"),
        Column(
            name="status",
            shape=Shape.NAMES,
            values=tuple(_each(str(r.status) for r in all_) for all_ in of),
            title="Status",
            facet=True,
        ),
        _labelled(
            _names("client", "Client", (_client(s) for s in held), facet=True, missing="unknown"),
            lambda name: text.one_line(client_name(name)),
        ),
        _names("model", "Model", (s.model for s in held), facet=True),
        _names("kind", "Kind", (str(s.kind) for s in held), facet=True),
        _project((s.project for s in held), report),
        Column(
            name="tools", shape=Shape.NAMES, values=tuple(_used(all_) for all_ in of), title="Tools used", facet=True
        ),
        _names("parent_session_id", "", (s.parent_session_id for s in held)),
    )
    columns = _rated(columns, "tokens_per_second_weighted", "output_tokens", "generation_ms")
    return Rows("sessions", ("session", "sessions"), columns, len(held), "-started_at")


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _used(requests: Sequence[Request]) -> tuple[str, ...] | None:
    """Tools a session called, the most called first; ``None`` where no answer of it is known whole."""
    called = Counter(text.visible(call.title) for request in requests for call in request.tool_calls)
    if not called and not any(request.tool_calls_known for request in requests):
        return None
    return tuple(sorted(called, key=lambda name: (-called[name], name)))


# --- the data file ---------------------------------------------------------------------------------------------------


class _Numbers:
    """Numbers things in the order they come."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def __call__(self, thing: str) -> int:
        return self.held.setdefault(thing, len(self.held))


def _encoded(column: Column, ids: Sequence[Json]) -> Json:
    """A column as JSON: what the browser needs to know of it, and its values in the shortest form."""
    found: dict[str, Json] = {"name": column.name, "shape": str(column.shape)}
    if column.title:
        found["title"] = column.title
    for flag in ("facet", "spread"):
        if getattr(column, flag):
            found[flag] = 1
    if column.missing != words.NOT_LOGGED:
        found["missing"] = column.missing
    if column.clock:
        found["clock"] = "".join("1" if mark else "0" for mark in column.clock)
    if column.whole is not None:
        found["of"] = [column.whole, column.per]
    if all(value is None for value in column.values):
        found["values"] = None
        return found
    if column.shape is Shape.TIME:
        found["values"] = _differences(column.values)
    elif column.shape is Shape.LINK:
        number = _Numbers()
        # a page's address holds the row's own id, mostly behind the "#": one entry serves all rows of the page
        shapes = [
            None if path is None else number(str(path).replace(str(name), "*"))
            for path, name in zip(column.values, ids, strict=True)
        ]
        found |= {"names": list(number.held), "values": shapes}
    elif column.shape is Shape.NAME:
        number = _Numbers()
        found["values"] = [None if value is None else number(str(value)) for value in column.values]
        found["names"] = list(number.held)
    elif column.shape is Shape.NAMES:
        found |= _sets(column.values)
    else:
        found["values"] = list(column.values)
    if column.labels:
        found["labels"] = [column.labels.get(name, name) for name in found["names"]]
    return found


def _differences(values: Sequence[Json]) -> list[int | None]:
    """Each known value as its difference to the known value before it, the first to 0."""
    before, found = 0, []
    for value in values:
        found.append(None if value is None else value - before)
        before = before if value is None else value
    return found


def _sets(values: Sequence[Json]) -> dict[str, Json]:
    """Lists of names: each combination once as [name, times, name, times …]."""
    number = _Numbers()
    combination: dict[tuple[int, ...], int] = {}
    places: list[int | None] = []
    for value in values:
        if value is None:
            places.append(None)
            continue
        called: Counter[str] = Counter(value)
        flat = tuple(part for name, times in called.items() for part in (number(name), times))
        places.append(combination.setdefault(flat, len(combination)))
    return {"names": list(number.held), "sets": [list(flat) for flat in combination], "values": places}


def data(rows: Rows) -> Json:
    """The content of the data file."""
    ids = next(column.values for column in rows.columns if column.shape is Shape.ID)
    return {
        "version": VERSION,
        "noun": list(rows.noun),
        "count": rows.count,
        "sort": rows.sort,
        "quiet": None if rows.quiet is None else list(rows.quiet),
        "columns": [_encoded(column, ids) for column in rows.columns],
    }


def script(rows: Rows) -> bytes:
    """The JavaScript file the page loads: ``data/<name>.js``. Pure ASCII, safe inside a ``<script>`` too."""
    return f'lmsAudit.rows("{rows.name}",{text.json_text(data(rows))});\n'.encode("ascii")
