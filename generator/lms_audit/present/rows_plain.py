"""A list as a plain table, for readers without scripts and for print.

In: ``Rows``. Out: ``Plain``: heads and cells of text for ``partials/list.html.j2``. Numbers are written as the
interactive list writes them (``assets/lists-data.js``). Cost: one pass over the rows shown.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from lms_audit.present.rows import Column, Rows, Shape
from lms_audit.present.views import format as words

PLAIN_REQUESTS = 200
"""Requests in the table for readers without scripts."""


class Head(Struct, frozen=True):
    """A column of the plain table."""

    title: str
    unit: str
    numeric: bool


class Cell(Struct, frozen=True):
    """A cell of the plain table."""

    text: str
    known: bool
    numeric: bool
    link: str = ""
    """From the root of the site; empty: none."""


class Plain(Struct, frozen=True):
    """What the template needs of a list: its table without scripts, and what its script is called."""

    name: str
    heads: tuple[Head, ...]
    lines: tuple[tuple[Cell, ...], ...]
    shown: int
    total: int
    noun: str
    quiet: str
    """What is left out of the table, in words; empty: nothing."""


UNITS = {Shape.SECONDS: "s", Shape.SPAN: "h:m:s"}
_NUMERIC = frozenset({Shape.SECONDS, Shape.SPAN, Shape.COUNT, Shape.RATE, Shape.SHARE})


def span(value: float) -> str:
    """``0:42``, ``12:07``, ``2:05:13``: spans of a column stand under one another by their colons."""
    if value < 1000:
        return "<0:01"
    seconds = round(value / 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def seconds(value: float, *, clock: bool = False) -> str:
    """Seconds with as many digits as are worth reading; those of the log's clock say how exact they are."""
    held = value / 1000
    if clock:
        return "< 1" if held < 1 else f"{held:,.0f}±1"
    return f"{held:,.2f}" if held < 9.995 else f"{held:,.1f}"


def _shown(column: Column, row: int) -> str | None:
    value = column.values[row]
    if value is None:
        return None
    if isinstance(value, tuple):
        called = Counter(value)
        return ", ".join(f"{name} × {times}" if times > 1 else name for name, times in called.items()) or "none"
    if isinstance(value, str):
        return column.labels.get(value, value)
    match column.shape:
        case Shape.TIME:
            return words.stamp(int(value))
        case Shape.SECONDS:
            return seconds(value, clock=bool(column.clock) and column.clock[row])
        case Shape.SPAN:
            return span(value)
        case Shape.RATE:
            return words.rate(value)
        case Shape.SHARE:
            return words.share(value)
        case _:
            return words.count(value)


def plain(rows: Rows, most: int | None = None) -> Plain:
    """The first ``most`` rows as text in the order of the log, without the quiet ones."""
    shown_columns = [column for column in rows.columns if column.title]
    links = next(column.values for column in rows.columns if column.shape is Shape.LINK)
    places = list(range(rows.count))
    left_out = 0
    if rows.quiet is not None:
        name, value, _ = rows.quiet
        quiet = next(column.values for column in rows.columns if column.name == name)
        places = [row for row in places if quiet[row] != value]
        left_out = rows.count - len(places)
    lines = []
    for row in places[:most]:
        cells: list[Cell] = []
        for column in shown_columns:
            shown = _shown(column, row)
            link = links[row] if not cells else None
            numeric = column.shape in _NUMERIC
            cells.append(Cell(shown or column.missing, shown is not None, numeric, str(link or "")))
        lines.append(tuple(cells))
    heads = tuple(Head(column.title, UNITS.get(column.shape, ""), column.shape in _NUMERIC) for column in shown_columns)
    note = f"{left_out:,} {rows.noun[left_out != 1]} {rows.quiet[2]}" if rows.quiet and left_out else ""
    return Plain(rows.name, heads, tuple(lines), len(lines), len(places), rows.noun[len(places) != 1], note)
