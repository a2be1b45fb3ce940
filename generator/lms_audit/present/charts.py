"""Charts: a Vega-Lite specification per kind of chart, once per site, and rows per chart.

In: rows of plain values made by the views. Out: ``Chart`` for a template (rows as JSON, the same rows as a table), and
``specs()``, all specifications for ``assets/data/charts.js``. Only this module imports altair. Rows are named data, so
a specification costs 2 ms once per process however many charts there are; types are explicit because nothing is
inferred from named data. Times are local milliseconds drawn as UTC: the log has no zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lms_audit.model import Json
from lms_audit.present.text import one_line

Row = Mapping[str, Any]

PROMPT, ANSWER, TOKENS, INPUT, SPEED = "#d9822b", "#1f8a8c", "#7a6cc8", "#5b82c4", "#1f8a8c"
BAD, QUIET = "#cf4b3f", "#9aa3ad"
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
    """How a kind of chart is made."""

    title: str
    question: str
    head: tuple[tuple[str, str], ...]
    """(member of a row, heading) of the table."""
    height: int
    """Pixels to keep free before it is drawn."""
    make: Callable[[], Any]


def _alt() -> Any:
    import altair as alt

    return alt


def _named() -> Any:
    return _alt().NamedData(name="rows")


_CLOCK = {
    "year": "%Y",
    "month": "%b %Y",
    "week": "%d %b",
    "date": "%d %b",
    "day": "%d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%H:%M:%S",
}


def _time(**more: Any) -> Any:
    alt = _alt()
    axis = alt.Axis(tickCount=6, grid=False, format=_CLOCK, labelOverlap=True)
    return alt.X("at:T", title=None, scale=alt.Scale(type="utc", **more), axis=axis)


_WHEN = "utcFormat(datum.at, '%a %d %b %H:%M:%S')"


def _session_speed() -> Any:
    alt = _alt()
    brush = alt.selection_interval(encodings=["x"], name="brush")
    base = alt.Chart(_named()).transform_calculate(when=_WHEN)
    zoomed = _time(domain=brush)
    tips = [
        alt.Tooltip("n:Q", title="Request"),
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("rate:Q", title="tok/s", format=".1f"),
        alt.Tooltip("input:Q", title="Input tokens", format=","),
        alt.Tooltip("output:Q", title="Output tokens", format=","),
        alt.Tooltip("prompt:Q", title="Prompt processing, s", format=".1f"),
    ]
    speed = base.mark_line(point=alt.OverlayMarkDef(size=34, filled=True), color=SPEED, strokeWidth=1.5, clip=True)
    speed = speed.encode(x=zoomed, y=alt.Y("rate:Q", title="tok/s"), tooltip=tips).properties(height=130)
    tokens = base.mark_line(
        point=alt.OverlayMarkDef(size=28, filled=True),
        color=TOKENS,
        strokeWidth=1.5,
        interpolate="step-after",
        clip=True,
    )
    tokens = tokens.encode(
        x=zoomed, y=alt.Y("tokens:Q", title="total tokens", axis=alt.Axis(format="~s")), tooltip=tips
    )
    strip = base.mark_area(color=QUIET, opacity=0.5, interpolate="step-after").encode(
        x=_time(), y=alt.Y("tokens:Q", title=None, axis=None)
    )
    return alt.vconcat(speed, tokens.properties(height=110), strip.properties(height=34).add_params(brush), spacing=14)


def _session_times() -> Any:
    alt = _alt()
    base = alt.Chart(_named()).transform_fold(["prompt", "answer"], as_=["what", "seconds"])
    base = base.transform_calculate(name="datum.what == 'prompt' ? 'prompt processing' : 'response time'")
    return (
        base.mark_bar()
        .encode(
            x=alt.X("n:O", title="request", axis=alt.Axis(labelOverlap=True, labelAngle=0, ticks=False)),
            y=alt.Y("seconds:Q", title="seconds", stack="zero"),
            color=alt.Color(
                "name:N",
                title=None,
                scale=alt.Scale(domain=["prompt processing", "response time"], range=[PROMPT, ANSWER]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("what:N", sort="descending"),
            tooltip=[
                alt.Tooltip("n:Q", title="Request"),
                alt.Tooltip("prompt:Q", title="Prompt processing, s", format=".1f"),
                alt.Tooltip("answer:Q", title="Response time, s", format=".1f"),
                alt.Tooltip("input:Q", title="Input tokens", format=","),
                alt.Tooltip("output:Q", title="Output tokens", format=","),
            ],
        )
        .properties(height=190)
    )


def _session_context() -> Any:
    alt = _alt()
    return (
        alt.Chart(_named())
        .mark_area(interpolate="step-after", opacity=0.88)
        .encode(
            x=alt.X(
                "n:Q",
                title="request",
                axis=alt.Axis(tickMinStep=1, format="d", grid=False),
                scale=alt.Scale(nice=False),
            ),
            y=alt.Y("kb:Q", title="kB of prompt", stack="zero"),
            color=alt.Color("kind:N", title=None, legend=alt.Legend(orient="right", symbolType="square")),
            tooltip=[
                alt.Tooltip("n:Q", title="Request"),
                alt.Tooltip("kind:N", title="Kind"),
                alt.Tooltip("kb:Q", title="kB", format=",.1f"),
            ],
        )
        .properties(height=210)
    )


def _over_time() -> Any:
    alt = _alt()
    x = _time()
    base = alt.Chart(_named())
    tips = [
        alt.Tooltip("label:N", title="From"),
        alt.Tooltip("requests:Q", title="Requests"),
        alt.Tooltip("input:Q", title="Input tokens", format=","),
        alt.Tooltip("output:Q", title="Output tokens", format=","),
    ]
    count = alt.Y("requests:Q", title="requests", axis=alt.Axis(tickMinStep=1, format="~s"))
    requests = base.mark_bar(color=INPUT).encode(x=x, x2="until:T", y=count, y2=alt.datum(0), tooltip=tips)
    tokens = _stacked(base, x, ("input", TOKENS), ("output", ANSWER), "tokens", tips)
    return alt.vconcat(requests.properties(height=90), tokens.properties(height=130), spacing=10)


def _stacked(base: Any, x: Any, lower: tuple[str, str], upper: tuple[str, str], title: str, tips: list[Any]) -> Any:
    """Two members of a row, one upon the other, from ``at`` to ``until``. (Bars with two ends are not stacked.)"""
    alt = _alt()
    names = {"prompt": "prompt processing", "answer": "response time"}
    low, high = (names.get(member, member) for member, _ in (lower, upper))
    scale = alt.Scale(domain=[low, high], range=[lower[1], upper[1]])
    colour = alt.Color("part:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
    axis = alt.Axis(format="~s")
    base = base.transform_calculate(_top=f"datum.{lower[0]} + datum.{upper[0]}")
    bottom = (
        base.transform_calculate(part=f"'{low}'")
        .mark_bar()
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y(f"{lower[0]}:Q", title=title, axis=axis),
            y2=alt.datum(0),
            color=colour,
            tooltip=tips,
        )
    )
    top = (
        base.transform_calculate(part=f"'{high}'")
        .mark_bar()
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y("_top:Q", title=title, axis=axis),
            y2=f"{lower[0]}:Q",
            color=colour,
            tooltip=tips,
        )
    )
    return alt.layer(bottom, top)


def _times_over_time() -> Any:
    alt = _alt()
    tips = [
        alt.Tooltip("label:N", title="From"),
        alt.Tooltip("prompt:Q", title="Prompt processing, min", format=",.1f"),
        alt.Tooltip("answer:Q", title="Response time, min", format=",.1f"),
    ]
    base = alt.Chart(_named())
    return _stacked(base, _time(), ("prompt", PROMPT), ("answer", ANSWER), "minutes", tips).properties(height=200)


def _speed(unit: str) -> Callable[[], Any]:
    def make() -> Any:
        alt = _alt()
        colour = alt.Color("model:N", title=None, legend=alt.Legend(orient="top", columns=3, labelLimit=260))
        x = alt.X("depth:Q", title="tokens of context", axis=alt.Axis(format="~s", tickCount=6))
        base = alt.Chart(_named())
        points = base.transform_filter("datum.median == null").mark_circle(size=22, opacity=0.4)
        points = points.encode(
            x=x,
            y=alt.Y("rate:Q", title=unit),
            color=colour,
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("depth:Q", title="Context", format=","),
                alt.Tooltip("rate:Q", title="tok/s", format=",.1f"),
            ],
        )
        medians = base.transform_filter("datum.median != null").mark_line(strokeWidth=2.5, point=True)
        return alt.layer(points, medians.encode(x=x, y="median:Q", color=colour)).properties(height=240)

    return make


def _distribution(unit: str) -> Callable[[], Any]:
    form = "~s" if unit == "tokens" else ",~g"

    def make() -> Any:
        alt = _alt()
        base = alt.Chart(_named())
        x = alt.X(
            "from:Q", title=unit, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format=form, tickCount=6)
        )
        bars = base.transform_filter("datum.mark == null").mark_bar(color=INPUT, opacity=0.75)
        bars = bars.encode(
            x=x,
            x2="to:Q",
            y=alt.Y("n:Q", title="requests", axis=alt.Axis(tickMinStep=1)),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("from:Q", title="From", format=",.3~f"),
                alt.Tooltip("to:Q", title="To", format=",.3~f"),
                alt.Tooltip("n:Q", title="Requests"),
            ],
        )
        marks = base.transform_filter("datum.mark != null")
        rules = marks.mark_rule(color=PROMPT, strokeDash=[4, 3]).encode(
            x="from:Q",
            tooltip=[alt.Tooltip("mark:N", title="Percentile"), alt.Tooltip("from:Q", format=",.4~f", title="Value")],
        )
        # one under the other: P95 and P99 often stand close
        names = [
            marks.transform_filter(f"datum.mark == '{mark}'")
            .mark_text(align="left", baseline="top", dx=3, color=PROMPT, fontSize=10)
            .encode(x="from:Q", y=alt.value(12 * row), text="mark:N")
            for row, mark in enumerate(("median", "P95", "P99"))
        ]
        return alt.layer(bars, rules, *names).properties(height=150)

    return make


def _heat() -> Any:
    alt = _alt()
    return (
        alt.Chart(_named())
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False, domain=False)),
            y=alt.Y(
                "day:O",
                title=None,
                sort=["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
                axis=alt.Axis(ticks=False, domain=False),
            ),
            color=alt.Color(
                "n:Q",
                title=None,
                scale=alt.Scale(range=["#1f8a8c18", "#1f8a8c"]),
                legend=alt.Legend(orient="right", gradientLength=120),
            ),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("hour:N", title="Hour"),
                alt.Tooltip("n:Q", title="Requests"),
            ],
        )
        .properties(height=100, usermeta={"rows": "day"})
    )


def _tools() -> Any:
    alt = _alt()
    return (
        alt.Chart(_named())
        .mark_bar()
        .encode(
            y=alt.Y("tool:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, ticks=False, domain=False)),
            x=alt.X("n:Q", title="calls", axis=alt.Axis(tickMinStep=1, format="~s")),
            color=alt.Color(
                "outcome:N",
                title=None,
                scale=alt.Scale(
                    domain=["ok", "failed", "rejected", "result not logged"], range=[ANSWER, BAD, PROMPT, QUIET]
                ),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("tool:N", title="Tool"),
                alt.Tooltip("outcome:N", title="Outcome"),
                alt.Tooltip("n:Q", title="Calls"),
            ],
        )
        .properties(height=100, usermeta={"rows": "tool"})
    )


def _content() -> Any:
    alt = _alt()
    return (
        alt.Chart(_named())
        .mark_bar()
        .encode(
            y=alt.Y("kind:N", title=None, sort=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
            x=alt.X("mb:Q", title="MB sent, every re-sending counted"),
            color=alt.Color("kind:N", legend=None),
            tooltip=[
                alt.Tooltip("kind:N", title="Kind"),
                alt.Tooltip("mb:Q", title="MB sent", format=",.2f"),
                alt.Tooltip("share:N", title="Share"),
            ],
        )
        .properties(height=100, usermeta={"rows": "kind"})
    )


_BINS = (("from", "From"), ("to", "To"), ("n", "Requests"), ("mark", "Percentile"))
_DEPTH = (("model", "Model"), ("depth", "Context, tokens"), ("rate", "tok/s"), ("median", "Median tok/s"))

PLANS: dict[str, Plan] = {
    "session_speed": Plan(
        "Speed and tokens over time",
        "Does it get slower as the context grows? Drag over the strip at the bottom to zoom.",
        (),
        366,
        _session_speed,
    ),
    "session_times": Plan(
        "Prompt processing against response time",
        "Which requests waited for the prompt to be read, and which for the answer?",
        (),
        257,
        _session_times,
    ),
    "session_context": Plan(
        "What fills the context",
        "Which kind of content makes the prompt grow? Sizes in kB.",
        (),
        259,
        _session_context,
    ),
    "over_time": Plan(
        "Requests and tokens over time",
        "When was the server busy?",
        (("label", "From"), ("requests", "Requests"), ("input", "Input tokens"), ("output", "Output tokens")),
        313,
        _over_time,
    ),
    "times_over_time": Plan(
        "Prompt processing against response time",
        "Is the time spent reading prompts or writing answers?",
        (("label", "From"), ("prompt", "Prompt processing, min"), ("answer", "Response time, min")),
        257,
        _times_over_time,
    ),
    "speed_decode": Plan(
        "Writing speed against context depth",
        "How much slower do answers get as the context fills?",
        _DEPTH,
        314,
        _speed("tok/s, writing"),
    ),
    "speed_prefill": Plan(
        "Reading speed against context depth",
        "How fast are prompts read, and how does that change with depth?",
        _DEPTH,
        314,
        _speed("tok/s, reading"),
    ),
    "dist_input_tokens": Plan("Input tokens per request", "How long are prompts?", _BINS, 194, _distribution("tokens")),
    "dist_output_tokens": Plan(
        "Output tokens per request", "How long are answers?", _BINS, 194, _distribution("tokens")
    ),
    "dist_prompt_ms": Plan(
        "Prompt processing per request", "How long until the answer begins?", _BINS, 194, _distribution("seconds")
    ),
    "dist_generation_ms": Plan(
        "Response time per request", "How long does writing the answer take?", _BINS, 194, _distribution("seconds")
    ),
    "dist_tokens_per_second": Plan(
        "Tokens per second", "How fast are answers written?", _BINS, 194, _distribution("tok/s")
    ),
    "heat": Plan(
        "Requests by weekday and hour",
        "When do people and agents work?",
        (("day", "Day"), ("hour", "Hour"), ("n", "Requests")),
        163,
        _heat,
    ),
    "tools": Plan(
        "Tools",
        "Which tools are used most, and which fail?",
        (("tool", "Tool"), ("outcome", "Outcome"), ("n", "Calls")),
        320,
        _tools,
    ),
    "content": Plan(
        "What prompts are made of",
        "Which content is sent again and again?",
        (("kind", "Kind"), ("mb", "MB sent"), ("share", "Share")),
        300,
        _content,
    ),
}


def specs() -> dict[str, Json]:
    """All specifications, by kind of chart."""
    found = {}
    for kind, plan in PLANS.items():
        spec = plan.make().to_dict(validate=False)
        spec.pop("$schema", None)
        spec.pop("config", None)
        found[kind] = spec
    return found


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
