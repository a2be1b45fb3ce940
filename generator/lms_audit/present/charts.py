"""Chart specifications: the only module that knows Altair.

In: rows of plain values. Out: a ``Chart``: a Vega-Lite specification with the rows in it, and the same rows as a table
for readers without scripts. Each kind of chart is specified and validated once; a chart of a kind costs a shallow copy.

Colours are names (``accent``, ``soft`` …) that the page's script replaces by the theme's, so that one specification
serves light and dark. ``href`` in a row makes its mark a link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
from msgspec import Struct

Row = Mapping[str, Any]

MOST_ROWS = 500
"""Rows a chart is given at most; what has more is aggregated before it comes here."""

HEIGHT = 220


class Column(Struct, frozen=True):
    """A column of the table below a chart. ``unit`` is a ``analyse.report.Unit`` value."""

    name: str
    label: str
    unit: str


class Chart(Struct, frozen=True):
    """One chart. ``spec`` is a Vega-Lite specification with its data; ``note`` says what is not in it."""

    id: str
    question: str
    """What it answers; its heading."""
    label: str
    """For screen readers: what is drawn."""
    spec: dict[str, Any]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""


class _Kind(Struct, frozen=True):
    question: str
    label: str
    columns: tuple[Column, ...]
    draw: Callable[[], Any]


def chart(kind: str, rows: Sequence[Row], *, id: str | None = None, note: str = "") -> Chart | None:  # noqa: A002
    """A chart of one of ``KINDS``; ``None`` without rows. Rows hold the kind's columns; unknown values are ``None``."""
    if not rows:
        return None
    known = KINDS[kind]
    shown = tuple(rows[:MOST_ROWS])
    if len(rows) > len(shown):
        note = f"{note} The first {len(shown)} of {len(rows)} are drawn.".strip()
    spec = {**_spec(kind), "datasets": {"rows": [dict(row) for row in shown]}}
    return Chart(id or kind, known.question, known.label, spec, known.columns, shown, note)


@cache
def _spec(kind: str) -> dict[str, Any]:
    spec: dict[str, Any] = KINDS[kind].draw().to_dict()
    spec.pop("config", None)
    return spec


# --- pieces ----------------------------------------------------------------------------------------------------------


CLOCK_AXIS = alt.Axis(
    labelOverlap=True,
    grid=False,
    format={
        "year": "%Y",
        "month": "%b %Y",
        "date": "%b %d",
        "day": "%b %d",
        "hours": "%H:%M",
        "minutes": "%H:%M",
        "seconds": "%H:%M:%S",
        "milliseconds": "%H:%M:%S",
    },
)


def _data() -> Any:
    return alt.Chart(alt.NamedData(name="rows"))


def _time(name: str, title: str | None = None) -> Any:
    # Local milliseconds are a wall clock read as UTC.
    return alt.X(f"{name}:T", title=title, scale=alt.Scale(type="utc"), axis=CLOCK_AXIS)


def _number(channel: Any, name: str, title: str, **more: Any) -> Any:
    return channel(f"{name}:Q", title=title, axis=alt.Axis(format="~s", tickCount=5), **more)


def _tips(*pairs: tuple[str, str]) -> list[Any]:
    """Tooltip lines; a suffix of the name tells how a value is written: ``T`` time, ``N`` text, else a number."""
    tips = []
    for name, title in pairs:
        field, _, kind = name.partition(":")
        if kind == "T":
            tips.append(alt.Tooltip(f"{field}:T", title=title, format="%Y-%m-%d %H:%M:%S"))
        elif kind == "N":
            tips.append(alt.Tooltip(f"{field}:N", title=title))
        else:
            tips.append(alt.Tooltip(f"{field}:Q", title=title, format=",.1~f"))
    return tips


def _wide(drawn: Any, height: int = HEIGHT) -> Any:
    return drawn.properties(width="container", height=height)


# --- kinds -----------------------------------------------------------------------------------------------------------


def _session_speed() -> Any:
    """tok/s and the prompt's tokens over time, with a strip below in which a span is chosen."""
    brush = alt.selection_interval(encodings=["x"], name="span")
    shown = _data().transform_filter(brush)
    tips = _tips(("at:T", "received"), ("rate", "tok/s"), ("total", "tokens, input + output"), ("request:N", "request"))
    total = shown.mark_area(
        color="soft", opacity=0.5, line={"color": "muted", "strokeWidth": 1}, interpolate="step-after"
    )
    rate = shown.mark_circle(color="accent", size=42, opacity=0.9, cursor="pointer")
    upper = alt.layer(
        total.encode(x=_time("at"), y=_number(alt.Y, "total", "total tokens"), tooltip=tips),
        rate.encode(
            x=_time("at"), y=_number(alt.Y, "rate", "tok/s", scale=alt.Scale(zero=True)), tooltip=tips, href="href:N"
        ),
    ).resolve_scale(y="independent")
    lower = (
        _data()
        .mark_bar(color="muted", width=2)
        .encode(x=_time("at", "drag over the strip to zoom"), y=alt.Y("total:Q", title=None, axis=None))
        .add_params(brush)
    )
    return alt.vconcat(_wide(upper), _wide(lower, 44), spacing=8)


def _prompt_against_answer() -> Any:
    tips = _tips(
        ("at:T", "received"),
        ("prompt_s", "prompt processing, s"),
        ("answer_s", "response, s"),
        ("input", "input tokens"),
    )
    drawn = _data().mark_bar(cursor="pointer")
    return _wide(
        drawn.transform_fold(["prompt_s", "answer_s"], as_=["part", "seconds"]).encode(
            x=alt.X("n:O", title="request in order", axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=_number(alt.Y, "seconds", "seconds"),
            order=alt.Order("part:N", sort="descending"),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=["prompt_s", "answer_s"], range=["prompt", "answer"]),
                legend=alt.Legend(
                    orient="top", labelExpr="datum.label == 'prompt_s' ? 'prompt processing' : 'response'"
                ),
            ),
            tooltip=tips,
            href="href:N",
        )
    )


def _stacked(x: Any, name: str, title: str, domain: Sequence[str] | None = None) -> Any:
    scale = alt.Scale(domain=list(domain), range=[f"kind-{n}" for n in range(len(domain))]) if domain else alt.Scale()
    return _wide(
        _data()
        .mark_bar()
        .encode(
            x=x,
            y=_number(alt.Y, name, title, stack=True),
            color=alt.Color("kind:N", title=None, scale=scale, sort=None, legend=alt.Legend(orient="top", columns=6)),
            order=alt.Order("order:Q"),
            tooltip=_tips(("kind:N", "part"), (name, title), ("n", "request")),
        )
    )


CONTEXT_KINDS = ("system", "tools", "user", "assistant", "reasoning", "tool results", "other")


def _context_growth() -> Any:
    axis = alt.X("n:O", title="request in order", axis=alt.Axis(labelOverlap=True, labelAngle=0))
    return _stacked(axis, "bytes", "bytes of the prompt", CONTEXT_KINDS)


def _requests_over_time() -> Any:
    tips = _tips(
        ("at:T", "hour from"), ("requests", "requests"), ("input", "input tokens"), ("output", "output tokens")
    )
    bars = _data().mark_bar(color="accent", opacity=0.85, width=6)
    line = _data().mark_line(color="answer", point={"size": 14, "color": "answer"}, strokeWidth=1.5)
    return _wide(
        alt.layer(
            bars.encode(x=_time("at"), y=_number(alt.Y, "requests", "requests"), tooltip=tips),
            line.encode(x=_time("at"), y=_number(alt.Y, "input", "input tokens"), tooltip=tips),
        ).resolve_scale(y="independent")
    )


def _prompt_against_answer_by_day() -> Any:
    tips = _tips(
        ("day:N", "day"), ("prompt_s", "prompt processing, s"), ("answer_s", "response, s"), ("requests", "requests")
    )
    return _wide(
        _data()
        .transform_fold(["prompt_s", "answer_s"], as_=["part", "seconds"])
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            xOffset="part:N",
            y=_number(alt.Y, "seconds", "seconds, summed"),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=["prompt_s", "answer_s"], range=["prompt", "answer"]),
                legend=alt.Legend(
                    orient="top", labelExpr="datum.label == 'prompt_s' ? 'prompt processing' : 'response'"
                ),
            ),
            tooltip=tips,
        )
    )


def _speed_by_depth() -> Any:
    brush = alt.selection_interval(name="span", encodings=["x"])
    tips = _tips(("depth", "context depth, tokens"), ("rate", "tok/s"), ("model:N", "model"), ("request:N", "request"))
    return _wide(
        _data()
        .mark_circle(size=26, opacity=0.55, cursor="pointer")
        .encode(
            x=alt.X("depth:Q", title="context depth, tokens", axis=alt.Axis(format="~s", grid=False)),
            y=_number(alt.Y, "rate", "tok/s"),
            color=alt.condition(
                brush,
                alt.Color("model:N", title=None, legend=alt.Legend(orient="top", columns=2)),
                alt.value("soft"),
            ),
            tooltip=tips,
            href="href:N",
        )
        .add_params(brush)
    )


def _distribution() -> Any:
    """Bars of a histogram on a logarithmic scale, with rules at the percentiles (rows with ``mark``)."""
    bars = (
        _data()
        .transform_filter("datum.mark == null")
        .mark_bar(color="accent", opacity=0.8)
        .encode(
            x=alt.X(
                "low:Q",
                title=None,
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~s", grid=False, labelOverlap=True),
            ),
            x2="high:Q",
            y=_number(alt.Y, "count", "requests"),
            y2=alt.datum(0),
            tooltip=_tips(("low", "from"), ("high", "to"), ("count", "requests")),
        )
    )
    marks = _data().transform_filter("datum.mark != null")
    rules = marks.mark_rule(color="strong", strokeDash=[3, 3]).encode(
        x="low:Q", tooltip=_tips(("mark:N", "percentile"), ("low", "value"))
    )
    names = marks.mark_text(color="strong", align="left", dx=3, fontSize=10, baseline="top").encode(
        x="low:Q", y=alt.value(0), text="mark:N"
    )
    return _wide(alt.layer(bars, rules, names), 150)


def _heat() -> Any:
    return _wide(
        _data()
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("hour:O", title="hour of the day", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("weekday:O", title=None, sort=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
            color=alt.Color(
                "requests:Q",
                title="requests",
                scale=alt.Scale(range=["ramp-0", "ramp-1"]),
                legend=alt.Legend(orient="right"),
            ),
            tooltip=_tips(("weekday:N", "day"), ("hour", "hour"), ("requests", "requests"), ("input", "input tokens")),
        ),
        190,
    )


def _tools() -> Any:
    tips = _tips(("tool:N", "tool"), ("calls", "calls"), ("failed", "failed"))
    every = (
        _data()
        .mark_bar(color="accent", opacity=0.85)
        .encode(
            y=alt.Y("tool:N", title=None, sort=None), x=_number(alt.X, "calls", "calls"), tooltip=tips, href="href:N"
        )
    )
    failed = _data().mark_bar(color="bad").encode(y=alt.Y("tool:N", sort=None), x="failed:Q", tooltip=tips)
    return alt.layer(every, failed).properties(width="container", height=alt.Step(20))


def _columns(*columns: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(*column) for column in columns)


KINDS: dict[str, _Kind] = {
    "session-speed": _Kind(
        "How fast did it answer as the conversation grew?",
        "Tokens per second and total tokens of each request over time",
        _columns(("at", "Received", "time"), ("rate", "tok/s", "tok/s"), ("total", "Total tokens", "tokens")),
        _session_speed,
    ),
    "prompt-against-answer": _Kind(
        "Was the time spent reading the prompt or writing the answer?",
        "Prompt processing and response time of each request, stacked",
        _columns(
            ("n", "Request", "count"),
            ("at", "Received", "time"),
            ("prompt_s", "Prompt processing, s", "seconds"),
            ("answer_s", "Response, s", "seconds"),
            ("input", "Input", "tokens"),
        ),
        _prompt_against_answer,
    ),
    "context-growth": _Kind(
        "What filled the context?",
        "Bytes of each prompt by kind of content, stacked",
        _columns(("n", "Request", "count"), ("kind", "Part", "text"), ("bytes", "Bytes", "bytes")),
        _context_growth,
    ),
    "requests-over-time": _Kind(
        "When was it used?",
        "Requests and input tokens over time",
        _columns(
            ("at", "From", "time"),
            ("requests", "Requests", "count"),
            ("input", "Input tokens", "tokens"),
            ("output", "Output tokens", "tokens"),
        ),
        _requests_over_time,
    ),
    "prompt-against-answer-by-day": _Kind(
        "Reading or writing: where did each day's time go?",
        "Prompt processing and response time summed by day",
        _columns(
            ("day", "Day", "text"),
            ("requests", "Requests", "count"),
            ("prompt_s", "Prompt processing, s", "seconds"),
            ("answer_s", "Response, s", "seconds"),
        ),
        _prompt_against_answer_by_day,
    ),
    "speed-by-depth": _Kind(
        "How much slower does it get as the context fills?",
        "Tokens per second of each request against the depth of its context",
        _columns(("model", "Model", "text"), ("depth", "Context depth", "tokens"), ("rate", "tok/s", "tok/s")),
        _speed_by_depth,
    ),
    "distribution": _Kind(
        "How are the values spread?",
        "Histogram with percentiles",
        _columns(
            ("low", "From", "number"),
            ("high", "To", "number"),
            ("count", "Requests", "count"),
            ("mark", "Mark", "text"),
        ),
        _distribution,
    ),
    "heat": _Kind(
        "At which hours was it used?",
        "Requests by weekday and hour",
        _columns(
            ("weekday", "Day", "text"),
            ("hour", "Hour", "count"),
            ("requests", "Requests", "count"),
            ("input", "Input tokens", "tokens"),
        ),
        _heat,
    ),
    "tools": _Kind(
        "Which tools did it use?",
        "Calls by tool, failed ones marked",
        _columns(("tool", "Tool", "text"), ("calls", "Calls", "count"), ("failed", "Failed", "count")),
        _tools,
    ),
}
"""All kinds of charts by id."""
