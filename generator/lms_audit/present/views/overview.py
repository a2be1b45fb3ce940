"""The first page: tiles, findings, the charts that answer questions, the article's tables.

In: the book. Out: view data. Rows of charts are binned here, at most about 500 per chart.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from lms_audit.analyse.figures import percentile, runs_model
from lms_audit.analyse.report import Finding, Outcome, SpeedLaw, Table
from lms_audit.model import Request
from lms_audit.present.plots import Chart, chart
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import Shown, clock, count, day, period, share, shown
from lms_audit.present.views.tiles import Band, bands, story

HOUR = 3_600_000
BINS_AIM = 90
STEPS = (HOUR // 12, HOUR // 4, HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR)
DISTRIBUTIONS = ("input_tokens", "output_tokens", "prompt_ms", "generation_ms", "tokens_per_second")
MOST_FINDINGS = 8
NARROW = 3


class FindingView(Struct, frozen=True):
    """A finding with its links."""

    severity: str
    sentence: str
    value: Shown
    path: str
    session: str
    session_path: str
    rule: str


class TableRow(Struct, frozen=True):
    """A row of a table of figures."""

    label: str
    path: str
    icon: str
    cells: tuple[Shown, ...]
    anchor: str = ""


class TableView(Struct, frozen=True):
    """A table of figures."""

    id: str
    title: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]
    note: str


class Overview(Struct, frozen=True):
    """The first page."""

    span: str
    story: str
    bands: tuple[Band, ...]
    findings: tuple[FindingView, ...]
    more_findings: tuple[FindingView, ...]
    charts: tuple[Chart, ...]
    brushed: tuple[int, int] | None
    """First and last millisecond of the charts over time; ``None`` without them."""
    requests: str
    distributions: tuple[Chart, ...]
    narrow: tuple[TableView, ...]
    """Tables of so few columns that two stand side by side."""
    wide: tuple[TableView, ...]
    empty: bool


ARTICLE = ("dataset", "tokens", "tokens_per_request", "times", "speed", "time_totals", "tool_usage", "cost")
"""Tables of the first page; the others stand on the pages they are about."""


def finding_views(book: Book, findings: Iterable[Finding]) -> tuple[FindingView, ...]:
    """Findings with their links, in the order given."""
    found = []
    for finding in findings:
        request = book.requests.get(finding.request_id or "")
        session = book.sessions.get(finding.session_id or (request.session_id if request else None) or "")
        found.append(
            FindingView(
                str(finding.severity),
                finding.sentence,
                shown(finding.figure),
                book.finding_path(finding) or "",
                session.title if session is not None else "",
                book.session_path(session.id) if session is not None else "",
                finding.rule,
            )
        )
    return tuple(found)


def table_view(book: Book, table: Table, anchor: str = "") -> TableView:
    """A table of figures with links; ``anchor`` begins the ids of its rows."""
    rows = []
    for row in table.rows:
        label, icon, target = row.label, "", row.link or ""
        kind, _, name = target.partition(":")
        if kind == "client":
            label, icon = book.client_name(name), book.icon(name)
        elif kind == "project":
            label = book.project_title(name)
        path = book.link(row.link) or ""
        own = path.rpartition("#")[2] if anchor and kind == anchor else ""
        cells = tuple(shown(cell, name="·") for cell in row.cells)
        rows.append(TableRow(label, book.requests_path(kind, name) if own else path, icon, cells, own))
    return TableView(table.id, table.title, table.head, tuple(rows), table.note)


def step_of(first: int, last: int) -> int:
    """Length of a bin that gives about ``BINS_AIM`` of them."""
    return next((step for step in STEPS if (last - first) / step <= BINS_AIM), STEPS[-1])


def _over_time(requests: Sequence[Request]) -> tuple[Chart, ...]:
    timed = [request for request in requests if request.received_at is not None]
    if len(timed) < 2:
        return ()
    times = [request.received_at or 0 for request in timed]
    step = step_of(min(times), max(times))
    held: dict[int, list[Request]] = {}
    for request in timed:
        held.setdefault((request.received_at or 0) // step, []).append(request)
    rows = []
    for index, group in sorted(held.items()):
        at = index * step
        rows.append(
            {
                "at": at,
                "until": at + step,
                "label": day(at) if step >= 24 * HOUR else f"{day(at)} {clock(at)[:5]}",
                "requests": len(group),
                "input": sum(request.input_tokens or 0 for request in group),
                "output": sum(request.output_tokens or 0 for request in group),
                "prompt": round(sum(request.prompt_ms or 0.0 for request in group) / 60_000, 3),
                "answer": round(sum(request.generation_ms or 0.0 for request in group) / 60_000, 3),
            }
        )
    return chart("over_time", rows), chart("times_over_time", rows)


def speed_rows(book: Book, laws: Iterable[SpeedLaw], most: int = 400) -> list[dict[str, object]]:
    """Points, with the time of their request, and medians of how speed depends on depth.

    Where there are many models each has fewer points.
    """
    held = list(laws)
    rows: list[dict[str, object]] = []
    for law in held:
        room = max(40, most // max(1, len(held)))
        step = max(1.0, len(law.points) / room)
        chosen = [law.points[int(index * step)] for index in range(min(room, len(law.points)))]
        rows += [
            {
                "model": law.model,
                "depth": point.depth,
                "rate": round(point.rate, 2),
                "median": None,
                "at": book.requests[point.request_id].received_at,
            }
            for point in chosen
        ]
        rows += [
            {
                "model": law.model,
                "depth": (held_bin.from_depth + held_bin.to_depth) // 2,
                "rate": None,
                "median": round(held_bin.median, 2),
                "at": None,
            }
            for held_bin in law.bins
            if held_bin.n >= 3
        ]
    return rows


def _speed(book: Book) -> tuple[Chart, ...]:
    found = []
    for work in ("decode", "prefill"):
        rows = speed_rows(book, (law for law in book.report.speed if law.work == work))
        if len(rows) > 2:
            found.append(chart(f"speed_{work}", rows))
    return tuple(found)


def distribution_rows(values: Sequence[float], scale: float = 1.0) -> list[dict[str, object]]:
    """Logarithmic bins and percentile marks; values of 0 are left out of the picture."""
    ordered = sorted(value / scale for value in values if value > 0)
    if len(ordered) < 5 or ordered[-1] <= ordered[0]:
        return []
    low, high = math.log10(ordered[0]), math.log10(ordered[-1] * 1.0001)
    bins = min(40, max(8, round(math.sqrt(len(ordered)) * 1.5)))
    # counted between the edges as the page has them, so that a script finds the same numbers
    edges = [float(f"{10 ** (low + (high - low) * index / bins):.4g}") for index in range(bins + 1)]
    counts = Counter(bisect_right(edges, value, 1, bins) - 1 for value in ordered)
    rows: list[dict[str, object]] = [
        {"from": edges[index], "to": edges[index + 1], "n": counts[index], "mark": None} for index in range(bins)
    ]
    for name, at in (("median", 0.5), ("P95", 0.95), ("P99", 0.99)):
        rows.append({"from": float(f"{percentile(ordered, at):.4g}"), "to": None, "n": None, "mark": name})
    return rows


def distributions(requests: Sequence[Request]) -> tuple[Chart, ...]:
    """How the values of requests are spread."""
    found = []
    for metric in DISTRIBUTIONS:
        values = [value for request in requests if (value := getattr(request, metric)) is not None]
        rows = distribution_rows(values, 1000.0 if metric.endswith("_ms") else 1.0)
        if rows:
            found.append(chart(f"dist_{metric}", rows, title=""))
    return tuple(found)


def heat(book: Book) -> tuple[Chart, ...]:
    """Requests by weekday and hour."""
    table = book.report.tables.get("hours")
    if table is None:
        return ()
    rows = [
        {"day": row.label, "hour": table.head[index], "n": cell.value}
        for row in table.rows
        for index, cell in enumerate(row.cells, 1)
    ]
    return (chart("heat", rows),) if any(row["n"] for row in rows) else ()


def tools_chart(book: Book, most: int = 15) -> tuple[Chart, ...]:
    """Calls per tool and outcome."""
    counts: dict[str, dict[str, int]] = {}
    for calls in book.report.calls.values():
        for call in calls:
            outcome = "result not logged" if call.outcome is Outcome.UNKNOWN else str(call.outcome)
            held = counts.setdefault(call.name, {})
            held[outcome] = held.get(outcome, 0) + 1
    names = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))[:most]
    order = ("ok", "failed", "rejected", "result not logged")
    rows = [
        {"tool": name, "outcome": outcome, "n": counts[name][outcome], "rank": rank}
        for name in names
        for rank, outcome in enumerate(order)
        if outcome in counts[name]
    ]
    return (chart("tools", rows),) if rows else ()


def content_chart(book: Book, most: int = 14) -> tuple[Chart, ...]:
    """Bytes of all prompts by kind of content."""
    sums: dict[str, int] = {}
    for held in book.report.composition.values():
        for name, value in held.bytes.items():
            sums[name] = sums.get(name, 0) + value
    total = sum(sums.values())
    if not total:
        return ()
    names = sorted((name for name in sums if sums[name]), key=lambda name: (-sums[name], name))[:most]
    rows = [{"kind": name, "mb": round(sums[name] / 1e6, 3), "share": share(sums[name] / total)} for name in names]
    return (chart("content", rows),)


def overview(book: Book) -> Overview:
    """Everything the first page shows."""
    report = book.report
    asked = [request for request in book.audit.requests if runs_model(request)]
    findings = finding_views(book, report.findings)
    over = _over_time(asked)
    tables = [table_view(book, report.tables[name]) for name in ARTICLE if name in report.tables]
    times = [request.received_at for request in asked if request.received_at is not None]
    return Overview(
        span=period(*report.span) if report.span else "",
        story=story(report.tiles),
        bands=bands(report.tiles),
        findings=findings[:MOST_FINDINGS],
        more_findings=findings[MOST_FINDINGS:],
        charts=(*over, *_speed(book), *content_chart(book), *tools_chart(book)),
        brushed=(min(times), max(times)) if over else None,
        requests=count(len(asked)),
        distributions=(*distributions(asked), *heat(book)),
        narrow=tuple(table for table in tables if len(table.head) <= NARROW),
        wide=tuple(table for table in tables if len(table.head) > NARROW),
        empty=not asked,
    )
