"""Time that overlaps is counted once.

In: requests. Out: the length of the union of their work, as a figure, and of any spans. Cost: one sort.

LM Studio's lines have whole seconds, the engine's timings fractions of a millisecond. Placing exact spans by coarse
ends would make neighbours overlap that never did, so the clock only decides *which* requests were in flight together;
a request that was alone counts with its exact time, and the union of spans is formed only among those that were not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lms_audit.analyse.figures import exact_sum, figure, why_missing
from lms_audit.analyse.report import Figure
from lms_audit.model import Request

Span = tuple[float, float]


def union_ms(spans: Iterable[Span]) -> float:
    """Length of the union of spans ``(start, end)``; those that end before they start count nothing."""
    total = 0.0
    reached: float | None = None
    for start, end in sorted(spans):
        if reached is None or start >= reached:
            total += max(0.0, end - start)
            reached = max(start, end)
        elif end > reached:
            total += end - reached
            reached = end
    return total


def in_flight(request: Request) -> Span | None:
    """From arrival to end; a missing side is filled in with the work that is known. ``None`` without any time."""
    work = (request.prompt_ms or 0.0) + (request.generation_ms or 0.0)
    if request.received_at is not None and request.finished_at is not None:
        return float(request.received_at), float(max(request.finished_at, request.received_at))
    if request.finished_at is not None:
        return request.finished_at - work, float(request.finished_at)
    if request.received_at is not None:
        return float(request.received_at), request.received_at + (request.queue_ms or 0.0) + work
    return None


def work_spans(request: Request) -> dict[str, Span]:
    """Where prompt processing and response stand in time: the response ends with the request, the prompt before it."""
    flight = in_flight(request)
    if flight is None:
        return {}
    spans: dict[str, Span] = {}
    end = flight[1]
    for part in ("generation_ms", "prompt_ms"):
        length = getattr(request, part)
        if length is not None:
            spans[part] = (end - length, end)
            end -= length
    return spans


def together(requests: Iterable[Request]) -> list[list[Request]]:
    """Groups of requests that were in flight together, by their clock; those without any time are in none."""
    placed = [(flight, request) for request in requests if (flight := in_flight(request))]
    placed.sort(key=lambda pair: (pair[0], pair[1].id))
    groups: list[list[Request]] = []
    reached = 0.0
    for (start, end), request in placed:
        if groups and start < reached:
            groups[-1].append(request)
        else:
            groups.append([request])
            reached = end
        reached = max(reached, end)
    return groups


def union_figure(requests: Iterable[Request], metric: str, parts: tuple[str, ...]) -> Figure:
    """Time in which at least one request did one of ``parts`` (``prompt_ms``, ``generation_ms``)."""
    counted: list[Request] = []
    excluded: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for request in requests:
        if all(getattr(request, part) is None for part in parts):
            excluded[why_missing(request, parts[0])] += 1
        elif in_flight(request) is None:
            excluded["no time in the log"] += 1
        else:
            counted.append(request)
            sources.update(request.provenance[part].value for part in parts if part in request.provenance)
    lengths: list[float] = []
    for group in together(counted):
        if len(group) == 1:
            lengths.extend(value for part in parts if (value := getattr(group[0], part)) is not None)
        else:
            lengths.append(union_ms(span for one in group for part, span in work_spans(one).items() if part in parts))
    value = exact_sum(lengths) if counted else None
    return figure(metric, value, len(counted), dict(sorted(excluded.items())), dict(sorted(sources.items())))
