"""Numbers that know what they cover.

In: requests and the name of a metric. Out: ``Sample`` (its values, sorted) and ``Figure`` made of it. What is counted
in and what is left out, with its reason, always adds up to the requests given. A figure without values has the value
``None``, never 0. Results do not depend on the order of the requests: values are sorted and sums are exact
(``math.fsum``). Cost: one sort of the values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from math import floor, fsum, isfinite
from operator import attrgetter, not_

from msgspec import Struct

from lms_audit.analyse.definitions import DEFINITIONS
from lms_audit.analyse.report import Figure
from lms_audit.model import Api, Kind, Request, Source, Status

Number = float | int
Get = Callable[[Request], Number | None]

_ANSWER = frozenset(
    {"output_tokens", "reasoning_tokens", "generation_ms", "ttft_ms", "tokens_per_second", "tool_calls", "thinking_ms"}
)
"""Metrics an embedding cannot have."""

_ENDED = {Status.CANCELLED: "cancelled", Status.ERROR: "failed", Status.INCOMPLETE: "incomplete"}


def runs_model(request: Request) -> bool:
    """Whether a request ran a model, or tried to."""
    return request.api is not Api.OTHER


def why_missing(request: Request, metric: str) -> str:
    """Reason, in words for a reader, why a request has no value of a metric."""
    if not runs_model(request):
        return "runs no model"
    if request.kind is Kind.EMBEDDING and metric in _ANSWER:
        return "embedding, no answer"
    return _ENDED.get(request.status, "not logged")


def percentile(ordered: Sequence[float], share: float) -> float:
    """The ``share`` (0–1) percentile of sorted values by linear interpolation between the two nearest ranks."""
    place = (len(ordered) - 1) * share
    low = floor(place)
    if low + 1 >= len(ordered):
        return ordered[-1]
    return ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)


def exact_sum(values: Iterable[Number]) -> Number:
    """Sum that does not depend on the order; an ``int`` for whole numbers."""
    held = list(values)
    return sum(held) if all(isinstance(value, int) for value in held) else fsum(held)


def figure(
    metric: str,
    value: Number | str | None,
    n: int,
    excluded: dict[str, int] | None = None,
    sources: dict[str, int] | None = None,
) -> Figure:
    """A figure of a defined metric; raises ``KeyError`` for any other."""
    return Figure(value, DEFINITIONS[metric].unit, metric, n, excluded or {}, sources or {})


def count(metric: str, value: int) -> Figure:
    """A figure that counts things: what it covers is what it counts, and 0 is a fact."""
    return figure(metric, value, value)


class Sample(Struct, frozen=True):
    """The values of a metric over some requests."""

    metric: str
    values: tuple[Number, ...]
    """Sorted."""
    excluded: dict[str, int]
    sources: dict[str, int]

    def figure(self, value: Number | None, metric: str | None = None) -> Figure:
        """A figure with this sample's coverage."""
        return figure(metric or self.metric, value, len(self.values), self.excluded, self.sources)

    def total(self) -> Figure:
        return self.figure(exact_sum(self.values) if self.values else None)

    def mean(self) -> Figure:
        return self.figure(fsum(self.values) / len(self.values) if self.values else None)

    def at(self, share: float) -> Figure:
        return self.figure(percentile(self.values, share) if self.values else None)

    def median(self) -> Figure:
        return self.at(0.5)

    def largest(self) -> Figure:
        return self.figure(self.values[-1] if self.values else None)


def sample(requests: Iterable[Request], metric: str, get: Get | None = None, field: str | None = None) -> Sample:
    """Values of ``metric`` over ``requests``; ``field`` names the request's field whose provenance counts as source.

    ``get`` takes the value where it is not simply that field.
    """
    field = field or metric
    get = get or attrgetter(field)
    requests = tuple(requests)
    found = tuple(map(get, requests))
    known = [value is not None and isfinite(value) for value in found]
    excluded: Counter[str] = Counter()
    if not all(known):
        excluded.update(why_missing(request, field) for request in compress(requests, map(not_, known)))
    sources = _sources(compress(requests, known), field)
    values = sorted(compress(found, known))
    return Sample(metric, tuple(values), dict(sorted(excluded.items())), dict(sorted(sources.items())))


def _sources(requests: Iterable[Request], field: str) -> dict[str, int]:
    """Source -> requests whose ``field`` comes from there; the clock of a log with milliseconds is one of its own."""
    told = [(request.provenance.get(field), request.precise) for request in requests]
    counts: Counter[str] = Counter()
    for (source, precise), count in Counter(told).items():
        if source is not None:
            counts["clock_ms" if source is Source.CLOCK and precise else str(source)] += count
    return counts


def ratio(requests: Iterable[Request], metric: str, top: Get, bottom: Get, field: str, scale: float = 1.0) -> Figure:
    """Σ ``top`` ÷ Σ ``bottom`` × ``scale`` over the requests that have both; ``None`` where there are none."""
    pairs: list[tuple[Number, Number]] = []

    def both(request: Request) -> Number | None:
        above, below = top(request), bottom(request)
        if above is None or below is None:
            return None
        pairs.append((above, below))
        return above

    held = sample(requests, metric, both, field)
    below = fsum(pair[1] for pair in pairs)
    return held.figure(fsum(pair[0] for pair in pairs) / below * scale if below > 0 else None)


def calls_seen(request: Request) -> int | None:
    """Tool calls the log shows of a request; ``None`` where it shows neither a call nor the whole answer."""
    return len(request.tool_calls) if request.tool_calls or request.tool_calls_known else None


def prompt_rate(request: Request) -> float | None:
    """Prompt tokens read per second; ``None`` unless both are logged and a clock span means something (2 s)."""
    if request.evaluated_tokens is None or not request.prompt_ms or not request.evaluated_tokens:
        return None
    if request.provenance.get("prompt_ms") == "clock" and request.prompt_ms < 2000:
        return None
    return request.evaluated_tokens / request.prompt_ms * 1000


def weighted_rate(requests: Iterable[Request]) -> Figure:
    """Σ output tokens ÷ Σ response time, over requests that have a rate of their own."""
    return ratio(
        requests,
        "tokens_per_second_weighted",
        lambda request: request.output_tokens if request.tokens_per_second is not None else None,
        lambda request: request.generation_ms,
        "tokens_per_second",
        1000.0,
    )


def weighted_prompt_rate(requests: Iterable[Request]) -> Figure:
    """Σ evaluated tokens ÷ Σ prompt processing, over requests that have a rate of their own."""
    return ratio(
        requests,
        "prompt_tokens_per_second_weighted",
        lambda request: request.evaluated_tokens if prompt_rate(request) is not None else None,
        lambda request: request.prompt_ms,
        "prompt_ms",
        1000.0,
    )


def cached_share(requests: Iterable[Request]) -> Figure:
    """Σ cached ÷ Σ input tokens."""
    return ratio(requests, "cached_share", lambda r: r.cached_tokens, lambda r: r.input_tokens, "cached_tokens")


def draft_acceptance(requests: Iterable[Request]) -> Figure:
    """Σ accepted ÷ Σ generated tokens of the draft model."""
    return ratio(
        requests, "draft_acceptance", lambda r: r.draft_accepted, lambda r: r.draft_generated, "draft_generated"
    )
