"""The overview card of each session and the tiles of the whole run.

In: sessions with their requests and gaps. Out: figures in reading order. Cost: one pass over a session's requests per
figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lms_audit.analyse import figures
from lms_audit.analyse.figures import count, exact_sum, figure, sample
from lms_audit.analyse.intervals import union_ms
from lms_audit.analyse.report import Figure, Gap, GapKind, SessionFigures
from lms_audit.model import Request, Session


def _most_frequent(metric: str, values: Sequence[str | None], unknown: str) -> Figure:
    """Different values, the most frequent first, as one text."""
    counted = Counter(value for value in values if value is not None)
    n = counted.total()
    names = sorted(counted, key=lambda name: (-counted[name], name))
    return figure(metric, ", ".join(names) or None, n, {unknown: len(values) - n} if n < len(values) else {})


def idle_figure(metric: str, held: Sequence[Gap | None], kind: GapKind | None = None) -> Figure:
    """Σ of gaps, of one kind or of all; ``held`` is without the session's first request, which has no gap."""
    known = [gap for gap in held if gap is not None]
    value = exact_sum(gap.ms for gap in known if kind in (None, gap.kind)) if known else None
    return figure(metric, value, len(known), {"no time in the log": len(held) - len(known)} if known != held else {})


def agent_work(requests: Sequence[Request]) -> Figure:
    """Time in which at least one of the requests was in flight."""
    spans = [
        (float(r.received_at), float(r.finished_at))
        for r in requests
        if r.received_at is not None and r.finished_at is not None
    ]
    hidden = {"no time in the log": len(requests) - len(spans)} if len(spans) < len(requests) else {}
    return figure("agent_work_ms", union_ms(spans) if spans else None, len(spans), hidden)


def elapsed(requests: Sequence[Request]) -> Figure:
    """First arrival to last end; a request without an end reaches as far as its arrival."""
    starts = [request.received_at for request in requests if request.received_at is not None]
    ends = [request.finished_at for request in requests if request.finished_at is not None]
    if not starts or not ends:
        return figure("session_elapsed_ms", None, 0, {"no time in the log": len(requests)})
    placed = sum(request.received_at is not None or request.finished_at is not None for request in requests)
    hidden = {"no time in the log": len(requests) - placed} if placed < len(requests) else {}
    return figure("session_elapsed_ms", float(max(*starts, *ends) - min(starts)), placed, hidden)


def session_figures(
    session: Session, requests: Sequence[Request], gaps: Mapping[str, Gap | None], side_requests: int
) -> SessionFigures:
    """The overview card of a session: the ancestor's figures and a few more."""
    after_first = [gaps.get(request.id) for request in requests[1:]]
    known_clients = [None if request.client == "unknown" else request.client for request in requests]
    cells = (
        _most_frequent("client", known_clients, "unknown"),
        _most_frequent("model", [request.model for request in requests], "not logged"),
        _most_frequent("project", [request.project for request in requests], "not in the prompt"),
        count("requests", len(requests)),
        count("side_requests", side_requests),
        sample(requests, "input_tokens").total(),
        sample(requests, "output_tokens").total(),
        sample(requests, "cached_tokens").total(),
        figures.cached_share(requests),
        replace(sample(requests, "tokens_per_second").mean(), metric="tokens_per_second_mean"),
        figures.weighted_rate(requests),
        replace(sample(requests, "prompt_ms").mean(), metric="prompt_ms_mean"),
        sample(requests, "prompt_ms").total(),
        sample(requests, "generation_ms").total(),
        sample(requests, "tool_calls", figures.calls_seen).total(),
        agent_work(requests),
        idle_figure("idle_ms", after_first),
        idle_figure("tool_gap_ms", after_first, GapKind.TOOLS),
        idle_figure("person_gap_ms", after_first, GapKind.PERSON),
        elapsed(requests),
    )
    return SessionFigures(session.id, {cell.metric: cell for cell in cells})
