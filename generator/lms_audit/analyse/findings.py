"""Findings: things worth a look, one plain sentence with a number each, worst first.

In: the audit and what analysis knows of it. Out: ``Finding`` per rule and occasion. A rule is an entry of ``RULES``:
its name and a function that yields its findings, worst first; the first few count, so that no rule drowns the others.
Cost: one pass per rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise

from lms_audit.analyse import findings_log, findings_tools
from lms_audit.analyse.cache_breaks import cost_order
from lms_audit.analyse.context import Context
from lms_audit.analyse.figures import figure
from lms_audit.analyse.intervals import in_flight
from lms_audit.analyse.report import CacheBreak, Finding, Severity
from lms_audit.analyse.sentences import cause, many, number, quoted, rate, share, span
from lms_audit.analyse.speed import decode_point, expected_rate
from lms_audit.model import Request, Status

MOST = 10
"""Findings a rule may add."""

SLOW_MS = 30_000
SLOW_PART = 0.2
"""Share of a slow request's time that a part must have to be named as its reason."""
NEAR_LIMIT = 0.9
SLOW_DECODE = 0.5
"""A rate under this share of the usual one is slow."""
FEW_TOKENS = 50

Rule = Callable[[Context], Iterable[Finding]]

_RANK = {Severity.HIGH: 0, Severity.MEDIUM: 1, Severity.LOW: 2, Severity.INFO: 3}


def graded(ms: float, medium: float, high: float) -> Severity:
    """Severity by time lost."""
    return Severity.HIGH if ms >= high else Severity.MEDIUM if ms >= medium else Severity.LOW


def about(
    rule: str, severity: Severity, sentence: str, metric: str, value: float, request: Request, cost_ms: float = 0.0
) -> Finding:
    """A finding about one request."""
    source = request.provenance.get(metric)
    held = figure(metric, value, 1, {}, {source.value: 1} if source else {})
    return Finding(rule, severity, sentence, held, request.id, request.session_id, cost_ms)


def took(request: Request) -> float | None:
    """How long a request took: by its lines, else by the work known."""
    if request.elapsed_ms is not None:
        return request.elapsed_ms
    flight = in_flight(request)
    return flight[1] - flight[0] if flight and flight[1] > flight[0] else None


# --- time ------------------------------------------------------------------------------------------------------------


def _read(request: Request, found: CacheBreak | None, *, opens: bool) -> str:
    """What the engine did in prompt processing, as the end of a sentence."""
    assert request.prompt_ms is not None
    tokens = request.evaluated_tokens if request.evaluated_tokens is not None else request.input_tokens
    amount = f"{number(tokens)} prompt tokens" if tokens is not None else "the prompt"
    if found is not None and found.lost_tokens != 0:
        return f"{span(request.prompt_ms)} of it re-read {amount} after {cause(found)}"
    new = " of a new session" if opens else ""
    none_cached = ", of which none were cached" if request.cached_tokens == 0 else ""
    return f"{span(request.prompt_ms)} of it read {amount}{new}{none_cached}"


def _wrote(request: Request) -> str:
    assert request.generation_ms is not None
    if request.output_tokens is None:
        return f"{span(request.generation_ms)} of it wrote the answer"
    speed = f" at {rate(request.tokens_per_second)}" if request.tokens_per_second is not None else ""
    thought = ""
    if request.reasoning_tokens and request.output_tokens:
        thought = f", {share(request.reasoning_tokens / request.output_tokens)} of them reasoning"
    return f"{span(request.generation_ms)} of it wrote {many(request.output_tokens, 'token')}{speed}{thought}"


def why_slow(request: Request, total: float, found: CacheBreak | None, *, opens: bool) -> str:
    """The part that took most of a request's time, in words."""
    parts = {"prompt": request.prompt_ms, "response": request.generation_ms, "queue": request.queue_ms}
    known = {name: ms for name, ms in parts.items() if ms is not None}
    name = max(known, key=lambda part: known[part], default="")
    if not name or known[name] < SLOW_PART * total:
        return "the log does not say on what"
    if name == "prompt":
        return _read(request, found, opens=opens)
    if name == "queue":
        return f"{span(known[name])} of it waited for other requests"
    return _wrote(request)


def slow_requests(context: Context) -> Iterator[Finding]:
    """Requests that took longest, and what took the time."""
    timed = [(ms, request) for request in context.asked if (ms := took(request)) is not None and ms >= SLOW_MS]
    timed.sort(key=lambda pair: (-pair[0], pair[1].id))
    opening = {session.request_ids[0] for session in context.audit.sessions if len(session.request_ids) > 1}
    for ms, request in timed:
        reason = why_slow(request, ms, context.breaks.get(request.id), opens=request.id in opening)
        sentence = f"{context.at(request)} took {span(ms)}: {reason}."
        yield about("slow request", graded(ms, 60_000, 120_000), sentence, "elapsed_ms", ms, request, ms)


def cache_break_causes(context: Context) -> Iterator[Finding]:
    """What each cause of cache breaks cost, all requests together."""
    by_cause: dict[str, list[CacheBreak]] = {}
    for found in context.breaks.values():
        by_cause.setdefault(cause(found), []).append(found)
    for why, held in by_cause.items():
        worst = cost_order(held)[0]
        tokens = [found.lost_tokens for found in held if found.lost_tokens is not None]
        times = [found.lost_ms for found in held if found.lost_ms is not None]
        if not sum(tokens) and tokens:
            continue
        lost = f"{many(sum(tokens), 'token')} again" if tokens else "part of the prompt again"
        cost = f" ({span(sum(times))})" if times else "" if tokens else " (how much is not logged)"
        example = f", for example {worst.detail}" if worst.detail else ""
        sentence = f"In {many(len(held), 'request')} the engine read {lost}{cost} after {why}{example}."
        hidden = {"not logged": len(held) - len(times)} if len(times) < len(held) else {}
        total = figure("lost_ms", sum(times) if times else None, len(times), hidden)
        severity = graded(sum(times), 10_000, 60_000)
        yield Finding("cache breaks", severity, sentence, total, worst.request_id, worst.session_id, sum(times))


def slow_decode(context: Context) -> Iterator[Finding]:
    """Answers written at less than half the speed that is usual at their context length."""
    laws = {law.model: law for law in context.speed if law.work == "decode"}
    found = []
    for request in context.asked:
        point = decode_point(request)
        law = laws.get(request.model or "")
        if point is None or law is None or (request.output_tokens or 0) < FEW_TOKENS:
            continue
        usual = expected_rate(law, point.depth)
        if usual is not None and point.rate < SLOW_DECODE * usual:
            tokens = request.output_tokens or 0
            found.append((tokens / point.rate * 1000 - tokens / usual * 1000, point.rate, usual, request))
    for lost, speed, usual, request in sorted(found, key=lambda one: (-one[0], one[3].id)):
        sentence = (
            f"{context.at(request)} wrote at {rate(speed)}, where {rate(usual)} are usual at its context length: "
            f"{span(lost)} more."
        )
        severity = graded(lost, 30_000, 120_000)
        yield about("slow decode", severity, sentence, "tokens_per_second", speed, request, lost)


# --- how requests ended ----------------------------------------------------------------------------------------------


def failed_requests(context: Context) -> Iterator[Finding]:
    """Failed requests, those with the same error together."""
    by_error: dict[str, list[Request]] = {}
    for request in context.asked:
        if request.status is Status.ERROR:
            text = quoted(request.errors[0]) if request.errors else ""
            # numbers in an error (token counts, ids) do not make it another one
            by_error.setdefault("".join("#" if char.isdigit() else char for char in text), []).append(request)
    for held in sorted(by_error.values(), key=lambda group: (-len(group), group[0].id)):
        first = held[0]
        said = f": {quoted(first.errors[0])}" if first.errors else ", the log does not say why"
        lost = sum(took(request) or 0.0 for request in held)
        if len(held) == 1:
            sentence = f"{context.at(first)} failed{said}."
        else:
            sentence = f"{many(len(held), 'request')} failed, the first at {context.clock(first)}{said}."
        total = figure("failed_requests", len(held), len(held))
        yield Finding("failed requests", Severity.HIGH, sentence, total, first.id, first.session_id, lost)


def cancelled_requests(context: Context) -> Iterator[Finding]:
    """Cancelled requests; several that ran equally long point to a time limit of the client."""
    held = [request for request in context.asked if request.status is Status.CANCELLED]
    if not held:
        return
    timed = sorted((ms, request.id, request) for request in held if (ms := took(request)) is not None)
    total = figure("cancelled_requests", len(held), len(held))
    lost = sum(ms for ms, _, _ in timed)
    limit = next((a[0] for a, b in pairwise(timed) if a[0] >= SLOW_MS and b[0] - a[0] <= 2000), None)
    worst = timed[-1][2] if timed else held[0]
    sentence = f"{many(len(held), 'request was', 'requests were')} cancelled by the client"
    if timed:
        sentence += f" after {span(lost)} of waiting in all"
    if limit is not None:
        sentence += f"; several after about {span(limit)}, as by a time limit of the client"
    yield Finding(
        "cancelled requests", graded(lost, 60_000, 300_000), f"{sentence}.", total, worst.id, worst.session_id, lost
    )


def context_limit(context: Context) -> Iterator[Finding]:
    """Requests that filled, or nearly filled, the context of the engine; the fullest of each session."""
    fullest: dict[str | None, tuple[float, Request]] = {}
    for request in context.asked:
        if request.context_length and request.input_tokens is not None:
            used = (request.input_tokens + (request.output_tokens or 0)) / request.context_length
            if used >= NEAR_LIMIT and used > fullest.get(request.session_id, (0.0,))[0]:
                fullest[request.session_id] = (used, request)
    for used, request in sorted(fullest.values(), key=lambda pair: (-pair[0], pair[1].id)):
        held = number(request.context_length or 0)
        sentence = f"{context.at(request)} filled {share(used)} of the {held} tokens of context the engine has."
        severity = Severity.HIGH if used >= 0.97 else Severity.MEDIUM
        yield about("context near its limit", severity, sentence, "context_share", used, request)


def cut_answers(context: Context) -> Iterator[Finding]:
    """Answers that ended because they were too long."""
    held = [r for r in context.asked if r.finish_reason in ("length", "max_tokens", "maxPredictedTokensReached")]
    if held:
        longest = max(held, key=lambda request: (request.output_tokens or 0, request.id))
        tokens = f", the longest after {many(longest.output_tokens, 'token')}" if longest.output_tokens else ""
        sentence = f"{many(len(held), 'answer was', 'answers were')} cut off by a length limit{tokens}."
        total = figure("requests", len(held), len(held))
        yield Finding("cut answers", Severity.MEDIUM, sentence, total, longest.id, longest.session_id)


RULES: tuple[tuple[str, Rule], ...] = (
    ("cache breaks", cache_break_causes),
    ("slow request", slow_requests),
    ("failed requests", failed_requests),
    ("cancelled requests", cancelled_requests),
    ("context near its limit", context_limit),
    ("cut answers", cut_answers),
    ("slow decode", slow_decode),
    *findings_tools.RULES,
    *findings_log.RULES,
)


def findings(context: Context) -> tuple[Finding, ...]:
    """All findings, worst first: by severity, then by time lost."""
    found = [one for _, rule in RULES for one in islice(rule(context), MOST)]
    found.sort(key=lambda one: (_RANK[one.severity], -one.cost_ms))
    return tuple(found)
