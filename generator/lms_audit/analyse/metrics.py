"""The article's tables and the overview's tiles: what was logged, how many tokens, how long, how fast, which tools.

In: the audit. Out: tables of figures, each with what it covers. Cost: a few passes over the requests and one sort per
metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lms_audit.analyse import figures
from lms_audit.analyse.definitions import DEFINITIONS
from lms_audit.analyse.figures import Get, Sample, count, figure, prompt_rate, runs_model, sample
from lms_audit.analyse.intervals import union_figure
from lms_audit.analyse.report import CallFacts, Figure, Outcome, Row, Table
from lms_audit.model import Audit, Class, FileHealth, Millis, Request, Status

SPREAD = ("Requests", "Average", "Median", "P95", "P99", "Largest")

TOP_TOOLS = 50


def title(metric: str) -> str:
    """A metric's name as a row label."""
    return DEFINITIONS[metric].title


def spread(held: Sample, weighted: Figure | None = None) -> Row:
    """Average, median and high percentiles of one metric."""
    cells = [count("requests", len(held.values)), held.mean(), held.median(), held.at(0.95), held.at(0.99)]
    cells.append(held.largest())
    if weighted is not None:
        cells.append(weighted)
    return Row(title(held.metric), tuple(cells))


def any_tokens(request: Request) -> int | None:
    """Input and output tokens together, with what is logged of the two."""
    if request.input_tokens is None and request.output_tokens is None:
        return None
    return (request.input_tokens or 0) + (request.output_tokens or 0)


def work_ms(request: Request) -> float | None:
    """Prompt processing and response time together, with what is logged of the two."""
    if request.prompt_ms is None and request.generation_ms is None:
        return None
    return (request.prompt_ms or 0.0) + (request.generation_ms or 0.0)


# --- dataset ---------------------------------------------------------------------------------------------------------


def is_parsed(request: Request) -> bool:
    """Whether the reader understood all that the log holds of a request."""
    whole = request.redacted if request.prompt is None else request.prompt.complete
    return whole and request.status is not Status.INCOMPLETE and not request.candidates


def lost_records(audit: Audit) -> int:
    """Damaged records that lie in the lines of no request."""
    held: dict[str, list[tuple[int, int]]] = {}
    for request in audit.requests:
        for where in request.source:
            held.setdefault(where.file, []).append((where.first_line, where.last_line))
    lost = 0
    for file in audit.files:
        damaged = file.classes[Class.DAMAGED].records if Class.DAMAGED in file.classes else 0
        if not damaged:
            continue
        spans = held.get(file.file, [])
        saved = sum(
            any(first <= problem.where.last_line and problem.where.first_line <= last for first, last in spans)
            for problem in file.problems
        )
        lost += max(0, damaged - saved)
    return lost


def span_of(requests: Iterable[Request]) -> tuple[Millis, Millis] | None:
    """First arrival and last end of the requests that run a model."""
    times = [time for r in requests if runs_model(r) for time in (r.received_at, r.finished_at) if time is not None]
    return (min(times), max(times)) if times else None


def understood_share(files: Iterable[FileHealth]) -> Figure:
    """Bytes in recognised records as a share of all bytes read."""
    known = total = 0
    for file in files:
        for kind, tally in file.classes.items():
            total += tally.bytes
            known += tally.bytes if kind in (Class.UNDERSTOOD, Class.NOISE) else 0
    return figure("understood_share", known / total if total else None, total)


def _names(metric: str, requests: Sequence[Request], values: Iterable[str | None], unknown: str) -> Figure:
    """How many different names requests carry; those without are left out."""
    held = [value for value in values if value is not None]
    excluded = {unknown: len(requests) - len(held)} if len(held) < len(requests) else {}
    return figure(metric, len(set(held)) if held else None, len(held), excluded)


def dataset_figures(audit: Audit) -> dict[str, Figure]:
    """The dataset snapshot, metric id -> figure."""
    asked = [request for request in audit.requests if runs_model(request)]
    files = [file for file in audit.files if file.refused is None]
    parsed = sum(is_parsed(request) for request in asked)
    refused = len(audit.files) - len(files)
    span = span_of(asked)
    placed = sum(request.received_at is not None or request.finished_at is not None for request in asked)
    untimed = {"not logged": len(asked) - placed} if placed < len(asked) else {}
    return {
        "log_files": figure("log_files", len(files), len(files), {"refused": refused} if refused else {}),
        "log_bytes": figure("log_bytes", sum(file.size for file in files), len(files)),
        "log_lines": figure("log_lines", sum(file.lines for file in files), len(files)),
        "understood_share": understood_share(files),
        "requests": count("requests", len(asked)),
        "other_requests": count("other_requests", len(audit.requests) - len(asked)),
        "requests_parsed": count("requests_parsed", parsed),
        "requests_partial": count("requests_partial", len(asked) - parsed),
        "requests_lost": count("requests_lost", lost_records(audit)),
        "first_at": figure("first_at", span[0] if span else None, placed, untimed),
        "last_at": figure("last_at", span[1] if span else None, placed, untimed),
        "span": figure("span", float(span[1] - span[0]) if span else None, placed, untimed),
        "sessions": count("sessions", len(audit.sessions)),
        "models": _names("models", asked, (r.model for r in asked), "not logged"),
        "clients": _names("clients", asked, (None if r.client == "unknown" else r.client for r in asked), "unknown"),
        "projects": _names("projects", asked, (r.project for r in asked), "not in the prompt"),
        "failed_requests": count("failed_requests", sum(r.status is Status.ERROR for r in asked)),
        "cancelled_requests": count("cancelled_requests", sum(r.status is Status.CANCELLED for r in asked)),
        "incomplete_requests": count("incomplete_requests", sum(r.status is Status.INCOMPLETE for r in asked)),
    }


def snapshot(audit: Audit) -> Table:
    """What the run covers."""
    rows = tuple(Row(title(metric), (held,)) for metric, held in dataset_figures(audit).items())
    return Table("dataset", "Dataset snapshot", ("", "Value"), rows)


# --- tokens ----------------------------------------------------------------------------------------------------------

_TOKENS = ("input_tokens", "cached_tokens", "evaluated_tokens", "output_tokens", "reasoning_tokens")


def token_totals(requests: Sequence[Request]) -> Table:
    """Σ of every token count, and the share of the prompt that was cached."""
    totals = [sample(requests, metric).total() for metric in _TOKENS]
    totals.append(sample(requests, "total_tokens", any_tokens, "input_tokens").total())
    totals.append(figures.cached_share(requests))
    totals.append(figures.draft_acceptance(requests))
    rows = tuple(Row(title(total.metric), (total, count("requests", total.n))) for total in totals)
    note = "Each total covers the requests whose log has the value; the others are left out, never counted as 0."
    return Table("tokens", "Token usage", ("", "Total", "Requests"), rows, note)


def tokens_per_request(requests: Sequence[Request]) -> Table:
    """Input and output tokens of a request."""
    rows = tuple(spread(sample(requests, metric)) for metric in _TOKENS)
    return Table("tokens_per_request", "Tokens per request", ("", *SPREAD), rows)


# --- time and speed --------------------------------------------------------------------------------------------------

_TIMES = ("prompt_ms", "generation_ms", "ttft_ms", "queue_ms", "thinking_ms", "elapsed_ms")


def times_per_request(requests: Sequence[Request]) -> Table:
    """Prompt processing, response time and the other spans of a request."""
    rows = tuple(spread(sample(requests, metric)) for metric in _TIMES)
    return Table("times", "Time per request", ("", *SPREAD), rows)


def speed_per_request(requests: Sequence[Request]) -> Table:
    """Tokens per second, writing and reading, by request and over the whole time."""
    rows = (
        spread(sample(requests, "tokens_per_second"), figures.weighted_rate(requests)),
        spread(
            sample(requests, "prompt_tokens_per_second", prompt_rate, "prompt_ms"),
            figures.weighted_prompt_rate(requests),
        ),
    )
    note = "The last column is Σ tokens ÷ Σ time: long answers weigh more there than in the average of requests."
    return Table("speed", "Tokens per second", ("", *SPREAD, "Σ tokens ÷ Σ time"), rows, note)


def time_totals(requests: Sequence[Request]) -> Table:
    """Total prompt processing, response time and both: plainly added, and with overlaps counted once."""
    lines: tuple[tuple[str, Get | None, str, tuple[str, ...]], ...] = (
        ("prompt_ms", None, "prompt_ms_union", ("prompt_ms",)),
        ("generation_ms", None, "generation_ms_union", ("generation_ms",)),
        ("combined_ms", work_ms, "combined_ms_union", ("prompt_ms", "generation_ms")),
    )
    rows = []
    for metric, get, union, parts in lines:
        total = sample(requests, metric, get, parts[0]).total()
        cells = (total, union_figure(requests, union, parts), count("requests", total.n))
        rows.append(Row(title(metric), cells))
    note = "Where requests overlap, the plain sum counts the same second more than once; the union does not."
    head = ("", "Plain sum", "Union of intervals", "Requests")
    return Table("time_totals", "Total time", head, tuple(rows), note)


# --- tools -----------------------------------------------------------------------------------------------------------


def call_count(request: Request) -> int | None:
    """Calls of a request whose whole answer is known."""
    return len(request.tool_calls) if request.tool_calls_known else None


def tool_usage(requests: Sequence[Request], calls: Sequence[CallFacts]) -> Table:
    """How many requests use tools, and how much. Shares cover only requests whose answer is known."""
    held = sample(requests, "calls_per_request", call_count, "tool_calls")
    users = [value for value in held.values if value]
    known = len(held.values)
    share = held.figure(len(users) / known if known else None, "tool_requests_share")
    per_user = figure("calls_per_tool_request", sum(users) / len(users) if users else None, len(users))
    made = sample(requests, "tool_calls", figures.calls_seen).total()
    cells = [
        held.figure(len(users) if known else None, "tool_requests"),
        share,
        made,
        held.mean(),
        per_user,
        *outcome_figures(calls).values(),
    ]
    rows = tuple(Row(title(cell.metric), (cell, count("requests", cell.n))) for cell in cells[:5])
    rows += tuple(Row(title(cell.metric), (cell, count("tool_calls", cell.n))) for cell in cells[5:])
    return Table("tool_usage", "Tool calls", ("", "Value", "Of"), rows)


def outcome_figures(calls: Sequence[CallFacts]) -> dict[str, Figure]:
    """Failed, rejected, malformed and repeated calls; failures only of calls whose result the log shows."""
    shown = [call for call in calls if call.outcome is not Outcome.UNKNOWN]
    hidden = {"no result in the log": len(calls) - len(shown)} if len(shown) < len(calls) else {}
    failed = sum(call.outcome is Outcome.FAILED for call in shown)
    rejected = sum(call.outcome is Outcome.REJECTED for call in shown)

    def of_calls(metric: str, value: int) -> Figure:
        return figure(metric, value if calls else None, len(calls))

    return {
        "failed_calls": figure("failed_calls", failed if shown else None, len(shown), hidden),
        "failed_calls_share": figure("failed_calls_share", failed / len(shown) if shown else None, len(shown), hidden),
        "rejected_calls": figure("rejected_calls", rejected if shown else None, len(shown), hidden),
        "malformed_calls": of_calls("malformed_calls", sum(call.malformed for call in calls)),
        "repeated_calls": of_calls("repeated_calls", sum(call.nth > 1 for call in calls)),
    }


def top_tools(calls: Sequence[CallFacts]) -> Table:
    """Tools by number of calls, with what became of them."""
    by_name: dict[str, list[CallFacts]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    rows = []
    for name, made in sorted(by_name.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:TOP_TOOLS]:
        sizes = [call.result_bytes for call in made if call.result_bytes is not None]
        hidden = {"no result in the log": len(made) - len(sizes)} if len(sizes) < len(made) else {}
        cells = (
            count("tool_calls", len(made)),
            figure("sessions", len({call.session_id for call in made}), len(made)),
            *outcome_figures(made).values(),
            figure("result_bytes", sum(sizes) if sizes else None, len(sizes), hidden),
        )
        rows.append(Row(name, cells, f"tool:{name}"))
    head = ("Tool", "Calls", "Sessions", "Failed", "Failed share", "Rejected", "Malformed", "Repeated", "Result size")
    more = len(by_name) - len(rows)
    return Table("tools", "Top tools", head, tuple(rows), f"{more} more tools are not listed." if more else "")
