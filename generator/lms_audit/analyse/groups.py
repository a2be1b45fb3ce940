"""The same figures per model, client, project, kind, day and hour.

In: the requests. Out: tables with one row per group, the largest group first (days in order). Cost: one pass per table
and one sort per cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lms_audit.analyse import figures
from lms_audit.analyse.figures import count, runs_model, sample
from lms_audit.analyse.report import Figure, Row, Table
from lms_audit.model import Millis, Request, Status

UNNAMED = {"model": "not logged", "client": "unknown", "project": "not in the prompt"}

HEAD = (
    "Requests",
    "Sessions",
    "Input tokens",
    "Output tokens",
    "Cached share",
    "Median tok/s",
    "Σ tok ÷ Σ s",
    "Prompt processing",
    "Response time",
    "Tool calls",
    "Failed",
    "Cancelled",
)

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def moment(at: Millis) -> datetime:
    """A log time as a datetime; the zone is a stand-in, the log has none."""
    return datetime.fromtimestamp(at / 1000, UTC)


def day_of(request: Request) -> str | None:
    """Local day of arrival, ``2025-11-20``."""
    return None if request.received_at is None else moment(request.received_at).date().isoformat()


def figures_of(requests: Sequence[Request]) -> tuple[Figure, ...]:
    """The cells of a group, under ``HEAD``."""
    sessions = {request.session_id for request in requests if request.session_id is not None}
    return (
        count("requests", len(requests)),
        count("sessions", len(sessions)),
        sample(requests, "input_tokens").total(),
        sample(requests, "output_tokens").total(),
        figures.cached_share(requests),
        sample(requests, "tokens_per_second").median(),
        figures.weighted_rate(requests),
        sample(requests, "prompt_ms").total(),
        sample(requests, "generation_ms").total(),
        sample(requests, "tool_calls", figures.calls_seen).total(),
        count("failed_requests", sum(request.status is Status.ERROR for request in requests)),
        count("cancelled_requests", sum(request.status is Status.CANCELLED for request in requests)),
    )


def grouped(requests: Sequence[Request], key: Callable[[Request], str | None]) -> dict[str | None, list[Request]]:
    """Requests that run a model by group."""
    groups: dict[str | None, list[Request]] = {}
    for request in requests:
        if runs_model(request):
            groups.setdefault(key(request), []).append(request)
    return groups


def by_name(requests: Sequence[Request], what: str) -> Table:
    """A row per model, client or project, the one with most requests first and the unnamed last."""

    def name(request: Request) -> str | None:
        value: str | None = getattr(request, what)
        return None if value == "unknown" else value

    groups = grouped(requests, name)
    order = sorted(groups.items(), key=lambda pair: (pair[0] is None, -len(pair[1]), pair[0] or ""))
    rows = tuple(
        Row(UNNAMED[what], figures_of(group)) if name is None else Row(name, figures_of(group), f"{what}:{name}")
        for name, group in order
    )
    return Table(f"{what}s", f"By {what}", (what.capitalize(), *HEAD), rows)


def by_kind(requests: Sequence[Request]) -> Table:
    """A row per kind of request: the work itself, titles, summaries, sub-agents."""
    groups = grouped(requests, lambda request: request.kind.value)
    order = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0] or ""))
    return Table("kinds", "By kind of request", ("Kind", *HEAD), tuple(Row(str(n), figures_of(g)) for n, g in order))


def by_day(requests: Sequence[Request]) -> Table:
    """A row per local day, in order."""
    groups = grouped(requests, day_of)
    order = sorted(groups.items(), key=lambda pair: pair[0] or "~")
    rows = tuple(Row(day or "no time in the log", figures_of(group)) for day, group in order)
    return Table("days", "By day", ("Day", *HEAD), rows)


def by_hour(requests: Sequence[Request]) -> Table:
    """Requests per weekday and hour of the day, for the heat map."""
    seen: Counter[tuple[int, int]] = Counter()
    for request in requests:
        if runs_model(request) and request.received_at is not None:
            at = moment(request.received_at)
            seen[at.weekday(), at.hour] += 1
    rows = tuple(
        Row(name, tuple(count("requests", seen[day, hour]) for hour in range(24))) for day, name in enumerate(WEEKDAYS)
    )
    return Table("hours", "Requests by weekday and hour", ("Weekday", *(f"{hour:02}" for hour in range(24))), rows)
