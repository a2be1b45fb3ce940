"""Cache breaks: requests that made the engine read again what it had just read, why, and what it cost.

In: requests in order of arrival, sessions, model loads and the prompts. Out: ``CacheBreak`` per such request, in order.
What is inferred (from prompts) and what is measured (by the engine) stand side by side; where they disagree by more
than a tenth of the prompt, the break says so. Cost: prompts are compared with their predecessor's from where they part.

What the predecessor had read: the previous request of the session; where its prompt shares nothing behind the first
difference (a fork), the request whose prompt this one extends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from lms_audit.analyse.figures import count, exact_sum, figure
from lms_audit.analyse.groups import moment
from lms_audit.analyse.items import Prompts
from lms_audit.analyse.prompt_diff import Difference, cause_of, compare
from lms_audit.analyse.report import CacheBreak, Figure, Row, Table
from lms_audit.model import Api, Audit, Kind, Request

DISAGREE = 0.1
"""Share of the prompt by which measured and inferred cache may differ."""
SLACK_TOKENS = 256
"""Tokens an engine reads again without a cause: the last batch, a checkpoint a little before the end."""
LEAST_BYTES = 400
"""Bytes read again that make a difference worth listing, about a hundred tokens."""

_NO_PROMPT = (Api.OTHER, Api.EMBEDDINGS)


class _Tokens(Struct, frozen=True):
    """What two prompts' difference means in tokens of the newer one."""

    shared_share: float
    inferred: int | None
    lost: int | None
    """By the engine's measure where there is one."""


class _Neighbours:
    """Who ran on the same model in between, and when models were loaded."""

    def __init__(self, audit: Audit) -> None:
        self.order = {request.id: index for index, request in enumerate(audit.requests)}
        self._by_model: dict[str, list[tuple[int, Request]]] = {}
        for index, request in enumerate(audit.requests):
            if request.model is not None and request.api is not Api.OTHER:
                self._by_model.setdefault(request.model, []).append((index, request))
        self._loads = audit.model_loads
        parents = {session.id: session.parent_session_id for session in audit.sessions}
        self._compactions = [
            (index, {request.session_id, parents.get(request.session_id or "")})
            for index, request in enumerate(audit.requests)
            if request.kind in (Kind.COMPACTION, Kind.SUMMARY)
        ]

    def between(self, before: Request, after: Request) -> Request | None:
        """The last request of another session on the same model between two requests."""
        if after.model is None:
            return None
        held = self._by_model.get(after.model, [])
        index = bisect_left(held, self.order[after.id], key=lambda pair: pair[0])
        while index and held[index - 1][0] > self.order[before.id]:
            index -= 1
            if held[index][1].session_id != after.session_id:
                return held[index][1]
        return None

    def reloaded(self, before: Request, after: Request) -> bool:
        """Whether the model was loaded or unloaded between two requests."""
        if before.received_at is None or after.received_at is None:
            return False
        start = bisect_left(self._loads, before.received_at, key=lambda load: load.at)
        for load in self._loads[start:]:
            if load.at > after.received_at:
                break
            if load.model is None or after.model is None or load.model == after.model:
                return True
        return False

    def compacted(self, before: Request, after: Request) -> bool:
        """Whether the session was summarised between two requests, the older one included."""
        start = bisect_left(self._compactions, self.order[before.id], key=lambda pair: pair[0])
        for index, sessions in self._compactions[start:]:
            if index >= self.order[after.id]:
                break
            if after.session_id in sessions:
                return True
        return False


def _in_tokens(prompts: Prompts, before: Request, after: Request, difference: Difference | None) -> _Tokens:
    total = prompts.prompt_bytes(after) or 0
    if difference is None:
        shared = min(prompts.prompt_bytes(before) or 0, total)
        share = shared / total if total else 1.0
    else:
        share = difference.shared_bytes / total if total else 0.0
    if after.input_tokens is None:
        return _Tokens(share, None, None)
    inferred: int | None
    reusable: int | None
    if difference is None:
        # the predecessor's own count is better than any ratio of bytes, and right on shortened logs too
        known = before.input_tokens
        by_bytes = None if after.truncated_by_log else round(after.input_tokens * share)
        inferred = reusable = min(known, after.input_tokens) if known is not None else by_bytes
    elif after.truncated_by_log or before.truncated_by_log:
        # bytes of shortened strings say nothing about tokens
        inferred = reusable = None
    else:
        inferred = round(after.input_tokens * share)
        reusable = inferred + (round(after.input_tokens * difference.reread_bytes / total) if total else 0)
    measured = after.cached_tokens
    if reusable is None or inferred is None:
        lost = None
    elif measured is not None:
        lost = max(0, reusable - measured)
    else:
        lost = reusable - inferred if difference is not None else None
    return _Tokens(share, inferred, lost)


def lost_time(request: Request, lost: int | None, inferred: int | None) -> float | None:
    """Prompt processing spent on tokens read again."""
    if lost is None or request.prompt_ms is None:
        return None
    evaluated = request.evaluated_tokens
    if evaluated is None and request.input_tokens is not None:
        cached = request.cached_tokens if request.cached_tokens is not None else inferred
        evaluated = request.input_tokens - cached if cached is not None else None
    return request.prompt_ms * min(1.0, lost / evaluated) if evaluated else None


def _engine_cause(neighbours: _Neighbours, before: Request, after: Request) -> tuple[str, str]:
    """Why a cache was gone although the prompt goes on from its predecessor."""
    if neighbours.reloaded(before, after):
        return "model reload", "the model was loaded in between"
    if before.model is not None and after.model is not None and before.model != after.model:
        return "model changed", f"{before.model} answered before, {after.model} now"
    other = neighbours.between(before, after)
    if other is not None:
        when = f" at {moment(other.received_at):%H:%M:%S}" if other.received_at is not None else ""
        return "another request took the slot", f"a request of another session{when} ran in between"
    if after.truncated_by_log:
        return "unknown", "strings are shortened in the log, a change may be hidden in them"
    return "unknown", ""


def _break(prompts: Prompts, neighbours: _Neighbours, before: Request, after: Request) -> CacheBreak | None:
    """The break between two requests, if there is one worth listing."""
    assert before.prompt is not None
    assert after.prompt is not None
    difference = compare(prompts, before.prompt, after.prompt)
    tokens = _in_tokens(prompts, before, after, difference)
    measured, total = after.cached_tokens, after.input_tokens
    disagrees = (
        measured is not None
        and tokens.inferred is not None
        and total is not None
        and abs(measured - tokens.inferred) > DISAGREE * total
    )
    if difference is None:
        slack = max(SLACK_TOKENS, DISAGREE * (total or 0))
        if measured is None or tokens.inferred is None or tokens.inferred - measured <= slack:
            return None
        cause, detail = _engine_cause(neighbours, before, after)
    else:
        shrunk = (prompts.prompt_bytes(after) or 0) < 0.7 * (prompts.prompt_bytes(before) or 0)
        cause, detail = cause_of(prompts, difference, compacted=shrunk and neighbours.compacted(before, after))
        if difference.reread_bytes < LEAST_BYTES and cause != "compaction":
            return None
    return CacheBreak(
        request_id=after.id,
        session_id=after.session_id or "",
        against_id=before.id,
        cause=cause,
        position=difference.position if difference else None,
        before=difference.before if difference else None,
        after=difference.after if difference else None,
        shared_share=tokens.shared_share,
        inferred_cached_tokens=tokens.inferred,
        measured_cached_tokens=measured,
        lost_tokens=tokens.lost,
        lost_ms=lost_time(after, tokens.lost, tokens.inferred),
        disagrees=disagrees,
        detail=detail,
        where=difference.where if difference else "",
        reread_bytes=difference.reread_bytes if difference else 0,
    )


def _predecessors(audit: Audit) -> Iterator[tuple[Request, list[Request]]]:
    """Every request with a prompt and whom to compare it with: the session's previous one, then its parent."""
    by_id = {request.id: request for request in audit.requests}
    last: dict[str, Request] = {}
    for request in audit.requests:
        if request.prompt is None or request.session_id is None or request.api in _NO_PROMPT:
            continue
        previous = last.get(request.session_id)
        parent = by_id.get(request.parent_id or "")
        found = [one for one in (previous, parent) if one is not None and one.prompt is not None]
        if found:
            yield request, found[:1] if len(found) == 2 and found[0] is found[1] else found
        last[request.session_id] = request


def cache_breaks(audit: Audit, prompts: Prompts) -> tuple[CacheBreak, ...]:
    """All breaks, in order of arrival."""
    neighbours = _Neighbours(audit)
    breaks = []
    for request, predecessors in _predecessors(audit):
        for before in predecessors:
            found = _break(prompts, neighbours, before, request)
            if found is not None:
                breaks.append(found)
                break
    return tuple(breaks)


def cost_order(breaks: Iterable[CacheBreak]) -> list[CacheBreak]:
    """Breaks, those that cost most time first, then most tokens."""
    return sorted(breaks, key=lambda one: (-(one.lost_ms or 0.0), -(one.lost_tokens or 0), -one.reread_bytes))


def _known(metric: str, held: Sequence[CacheBreak], values: Sequence[float | None]) -> Figure:
    """Σ of what is known of some breaks."""
    known = [value for value in values if value is not None]
    hidden = {"not logged": len(held) - len(known)} if len(known) < len(held) else {}
    return figure(metric, exact_sum(known) if known else None, len(known), hidden)


def causes(breaks: Sequence[CacheBreak]) -> Table:
    """What each cause cost, the costliest first."""
    by_cause: dict[str, list[CacheBreak]] = {}
    for one in breaks:
        by_cause.setdefault(one.cause, []).append(one)
    rows = []
    for cause, held in by_cause.items():
        cells = (
            count("cache_breaks", len(held)),
            _known("lost_tokens", held, [one.lost_tokens for one in held]),
            _known("lost_ms", held, [one.lost_ms for one in held]),
            _known("cached_tokens", held, [one.measured_cached_tokens for one in held]),
            _known("inferred_cached_tokens", held, [one.inferred_cached_tokens for one in held]),
            count("disagreements", sum(one.disagrees for one in held)),
        )
        lost = sum(one.lost_ms or 0.0 for one in held)
        rows.append(((-lost, -len(held), cause), Row(cause.capitalize(), cells)))
    rows.sort(key=lambda pair: pair[0])
    head = ("Cause", "Requests", "Tokens read again", "Time lost", "Cached, measured", "Cached, inferred", "Disagree")
    return Table("cache_causes", "Cache breaks by cause", head, tuple(row for _, row in rows))
