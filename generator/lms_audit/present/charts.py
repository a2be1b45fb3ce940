"""How charts are drawn: one Vega-Lite specification per kind, once for the whole site.

In: nothing. Out: ``script()`` for ``FILE``. Only this module imports altair, and only when it is asked.
Rows are named data, so a specification costs 2 ms however many charts there are; types are explicit because nothing is
inferred from named data. Times are local milliseconds drawn as UTC: the log has no zone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from lms_audit.model import Json
from lms_audit.present.helper import Helper
from lms_audit.present.text import json_text

FILE = "assets/data/charts.js"

PROMPT, ANSWER, TOKENS, INPUT, SPEED = "#d9822b", "#1f8a8c", "#7a6cc8", "#5b82c4", "#1f8a8c"
BAD, QUIET = "#cf4b3f", "#9aa3ad"


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
    return _stacked(base, _time(), ("prompt", PROMPT), ("answer", ANSWER), "minutes", tips).properties(height=256)


def _speed(unit: str) -> Callable[[], Any]:
    def make() -> Any:
        alt = _alt()
        legend = alt.Legend(orient="top", columns=3, labelLimit=260, symbolOpacity=1)
        colour = alt.Color("model:N", title=None, legend=legend)
        x = alt.X("depth:Q", title="tokens of context", axis=alt.Axis(format="~s", tickCount=6))
        base = alt.Chart(_named())
        points = base.transform_filter("datum.median == null").mark_circle(size=22)
        points = points.encode(
            x=x,
            y=alt.Y("rate:Q", title=unit),
            color=colour,
            opacity=alt.condition("datum.out", alt.value(0.06), alt.value(0.5)),  # out of the period a reader chose
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
            "from:Q",
            title=unit,
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(format=form, tickCount=6, grid=False),
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
        # one under the other: P95 and P99 often stand close, and close to the right end
        names = [
            marks.transform_filter(f"datum.mark == '{mark}'")
            .mark_text(align=align, baseline="top", dx=dx, color=PROMPT, fontSize=10)
            .encode(x="from:Q", y=alt.value(12 * row), text="mark:N")
            for row, (mark, align, dx) in enumerate((("median", "left", 3), ("P95", "right", -3), ("P99", "right", -3)))
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
            x=alt.X("n:Q", title="calls", axis=alt.Axis(tickMinStep=1, tickCount=8, format="~s")),
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


DRAWINGS: dict[str, Callable[[], Any]] = {
    "session_speed": _session_speed,
    "session_times": _session_times,
    "session_context": _session_context,
    "over_time": _over_time,
    "times_over_time": _times_over_time,
    "speed_decode": _speed("tok/s, writing"),
    "speed_prefill": _speed("tok/s, reading"),
    "dist_input_tokens": _distribution("tokens"),
    "dist_output_tokens": _distribution("tokens"),
    "dist_prompt_ms": _distribution("seconds"),
    "dist_generation_ms": _distribution("seconds"),
    "dist_tokens_per_second": _distribution("tok/s"),
    "heat": _heat,
    "tools": _tools,
    "content": _content,
}
"""Kind of chart -> what draws it."""


def specs() -> dict[str, Json]:
    """All specifications, by kind of chart."""
    found = {}
    for kind, draw in DRAWINGS.items():
        spec = draw().to_dict(validate=False)
        spec.pop("$schema", None)
        spec.pop("config", None)
        found[kind] = spec
    return found


def script() -> str:
    """The same as ``FILE``."""
    return f"lmsAudit.specs({json_text(specs())});\n"


class Drawer(Helper):
    """A process that draws while this one works: altair takes most of a second, and half of it to load."""

    def __init__(self) -> None:
        super().__init__(["-m", __name__])
        self.start()

    def script(self) -> str:
        """Wait for the file's content."""
        return self.finish("the charts could not be drawn").decode()


if __name__ == "__main__":
    sys.stdout.write(script())
