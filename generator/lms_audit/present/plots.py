"""Charts as pages hold them: title, question, rows as data, and the same rows as a table.

In: rows of plain values made by the views, at most about 500. Out: ``Chart`` for a template. How a kind of chart is
drawn is in ``charts``, once for the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lms_audit.model import Json
from lms_audit.present.text import one_line

Row = Mapping[str, Any]

KINDS = {
    "system": "#5f6b7a",
    "developer": "#7d8794",
    "tools": "#8a6d3b",
    "user": "#5b82c4",
    "assistant": "#1f8a8c",
    "reasoning": "#9a83c9",
    "tool calls": "#4fae8f",
    "media": "#b7a33a",
    "other": "#9aa3ad",
    "other tools": "#c9a27a",
}
TOOL_COLOURS = ("#d9822b", "#c4574e", "#e0a93b", "#a65f8e", "#b5651d", "#d07a8f", "#8f7a2e", "#cc8f5f")
MODELS = ("#1f8a8c", "#d9822b", "#7a6cc8", "#c4574e", "#5b82c4", "#8a9a3b", "#a65f8e", "#6b7a8a")


class Chart(Struct, frozen=True):
    """A chart on a page."""

    kind: str
    title: str
    question: str
    """What it answers, one line."""
    data: Json
    """``{"cols": [...], "rows": [[...]]}``: names once. With ``"long": [name, value]`` each column
    from the second on is a category, and its cells are values."""
    head: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    """The same rows for readers without scripts; empty where ``rows_are`` names a table of the page."""
    rows_are: str
    height: int
    colours: dict[str, str]
    """Kind -> colour, where the rows bring their own categories."""


class Plan(Struct, frozen=True):
    """What a page says about a kind of chart."""

    title: str
    question: str
    head: tuple[tuple[str, str], ...]
    """(member of a row, heading) of the table."""
    height: int
    """Pixels it takes; kept free before it is drawn, so that nothing moves."""


_BINS = (("from", "From"), ("to", "To"), ("n", "Requests"), ("mark", "Percentile"))
_DEPTH = (("model", "Model"), ("depth", "Context, tokens"), ("rate", "tok/s"), ("median", "Median tok/s"))

PLANS: dict[str, Plan] = {
    "session_speed": Plan(
        "Speed and tokens over time",
        "Does it get slower as the context grows? Drag over the strip at the bottom to zoom.",
        (),
        366,
    ),
    "session_times": Plan(
        "Prompt processing against response time",
        "Which requests waited for the prompt to be read, and which for the answer?",
        (),
        257,
    ),
    "session_context": Plan(
        "What fills the context",
        "Which kind of content makes the prompt grow? Sizes in kB.",
        (),
        259,
    ),
    "over_time": Plan(
        "Requests and tokens over time",
        "When was the server busy?",
        (("label", "From"), ("requests", "Requests"), ("input", "Input tokens"), ("output", "Output tokens")),
        313,
    ),
    "times_over_time": Plan(
        "Prompt processing against response time",
        "Is the time spent reading prompts or writing answers?",
        (("label", "From"), ("prompt", "Prompt processing, min"), ("answer", "Response time, min")),
        313,
    ),
    "speed_decode": Plan(
        "Writing speed against context depth",
        "How much slower do answers get as the context fills?",
        _DEPTH,
        314,
    ),
    "speed_prefill": Plan(
        "Reading speed against context depth",
        "How fast are prompts read, and how does that change with depth?",
        _DEPTH,
        314,
    ),
    "dist_input_tokens": Plan("Input tokens per request", "How long are prompts?", _BINS, 194),
    "dist_output_tokens": Plan("Output tokens per request", "How long are answers?", _BINS, 194),
    "dist_prompt_ms": Plan("Prompt processing per request", "How long until the answer begins?", _BINS, 194),
    "dist_generation_ms": Plan("Response time per request", "How long does writing the answer take?", _BINS, 194),
    "dist_tokens_per_second": Plan("Tokens per second", "How fast are answers written?", _BINS, 194),
    "heat": Plan(
        "Requests by weekday and hour",
        "When do people and agents work?",
        (("day", "Day"), ("hour", "Hour"), ("n", "Requests")),
        163,
    ),
    "tools": Plan(
        "Tools",
        "Which tools are used most, and which fail?",
        (("tool", "Tool"), ("outcome", "Outcome"), ("n", "Calls")),
        320,
    ),
    "content": Plan(
        "What prompts are made of",
        "Which content is sent again and again?",
        (("kind", "Kind"), ("mb", "MB sent"), ("share", "Share")),
        300,
    ),
}


def _columns(rows: Sequence[Row]) -> Json:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {"cols": names, "rows": [[row.get(name) for name in names] for row in rows]}


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def colours_of(names: Iterable[str], palette: Sequence[str] = TOOL_COLOURS) -> dict[str, str]:
    """A colour for each kind of content or each model; known kinds keep theirs on every page."""
    found: dict[str, str] = {}
    free = 0
    for name in names:
        if name in found:
            continue
        if name in KINDS:
            found[name] = KINDS[name]
        else:
            found[name] = palette[free % len(palette)]
            free += 1
    return found


def wide_chart(kind: str, key: str, rows: Sequence[Row], name: str, value: str) -> Chart:
    """A chart of a table whose columns, all but ``key``, are categories ``name`` with numbers ``value``."""
    plan = PLANS[kind]
    categories = list(dict.fromkeys(column for row in rows for column in row if column != key))
    cells = [[row[key], *(row.get(column, 0) for column in categories)] for row in rows]
    return Chart(
        kind=kind,
        title=plan.title,
        question=plan.question,
        data={"cols": [key, *categories], "rows": cells, "long": [name, value]},
        head=("Request", *categories),
        table=tuple(tuple(_text(cell) for cell in row) for row in cells),
        rows_are="",
        height=plan.height,
        colours=colours_of(categories),
    )


def chart(kind: str, rows: Sequence[Row], *, rows_are: str = "", title: str = "") -> Chart:
    """A chart of rows. Rows with a ``kind`` or ``model`` bring their own categories, which get colours here."""
    plan = PLANS[kind]
    # a drawing shows text as it is: names of tools and models are log text
    rows = [{name: one_line(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]
    colours: dict[str, str] = {}
    if rows and "kind" in rows[0]:
        colours = colours_of(str(row["kind"]) for row in rows)
    elif rows and "model" in rows[0]:
        colours = colours_of((str(row["model"]) for row in rows), MODELS)
    height = plan.height
    if kind in ("tools", "content"):
        # a band for each bar, the axis, and the legend of outcomes
        height = 20 * len({row.get("tool", row.get("kind")) for row in rows}) + (72 if kind == "tools" else 43)
    table = () if rows_are else tuple(tuple(_text(row.get(name)) for name, _ in plan.head) for row in rows)
    return Chart(
        kind=kind,
        title=title or plan.title,
        question=plan.question,
        data=_columns(rows),
        head=tuple(heading for _, heading in plan.head),
        table=table,
        rows_are=rows_are,
        height=height,
        colours=colours,
    )
