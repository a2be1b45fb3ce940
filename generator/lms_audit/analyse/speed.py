"""The speed law of each model: how reading and writing slow down as the context grows.

In: the requests. Out: ``SpeedLaw`` per model and kind of work: points, medians in bins that double, and a straight line
through milliseconds per token (attention makes each token cost a little more with every token before it). Cost: one
sort per model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

from lms_audit.analyse.figures import percentile, prompt_rate, runs_model
from lms_audit.analyse.report import SpeedBin, SpeedLaw, SpeedPoint
from lms_audit.model import Request

POINTS = 500
FEWEST = 8
"""Points a line needs."""
FIRST_BIN = 1024
FEWEST_READ = 256
"""Fewer tokens read at once do not fill a batch: their rate says nothing about the context."""
FEWEST_WRITTEN = 16
"""Shorter answers measure the clock, not the model."""


def prefill_point(request: Request) -> SpeedPoint | None:
    """Rate of reading at the middle of what was read."""
    rate = prompt_rate(request)
    evaluated = request.evaluated_tokens
    if rate is None or evaluated is None or evaluated < FEWEST_READ:
        return None
    cached = request.cached_tokens
    if cached is None:
        if request.input_tokens is None:
            return None
        cached = max(0, request.input_tokens - evaluated)
    return SpeedPoint(request.id, cached + evaluated // 2, rate)


def decode_point(request: Request) -> SpeedPoint | None:
    """Rate of writing at the middle of what was written."""
    rate, output = request.tokens_per_second, request.output_tokens
    if not rate or request.input_tokens is None or output is None or output < FEWEST_WRITTEN:
        return None
    return SpeedPoint(request.id, request.input_tokens + output // 2, rate)


def bins(points: Sequence[SpeedPoint]) -> tuple[SpeedBin, ...]:
    """Medians over depths 0–1k, 1k–2k, 2k–4k …; empty ranges are left out."""
    held: dict[int, list[float]] = {}
    for point in points:
        held.setdefault((point.depth // FIRST_BIN).bit_length(), []).append(point.rate)
    return tuple(
        SpeedBin(
            from_depth=FIRST_BIN << (power - 1) if power else 0,
            to_depth=FIRST_BIN << power,
            n=len(rates),
            median=percentile(sorted(rates), 0.5),
        )
        for power, rates in sorted(held.items())
    )


def line(points: Sequence[SpeedPoint]) -> tuple[float, float] | None:
    """Least squares of milliseconds per token over depth: ms at depth 0, ms per token of depth."""
    if len(points) < FEWEST:
        return None
    depths = [float(point.depth) for point in points]
    costs = [1000.0 / point.rate for point in points]
    mean_depth, mean_cost = fsum(depths) / len(depths), fsum(costs) / len(costs)
    spread = fsum((depth - mean_depth) ** 2 for depth in depths)
    if spread < len(points) * FIRST_BIN**2 / 4:
        return None
    pairs = zip(depths, costs, strict=True)
    slope = fsum((depth - mean_depth) * (cost - mean_cost) for depth, cost in pairs) / spread
    return mean_cost - slope * mean_depth, slope


def thin(points: Sequence[SpeedPoint], most: int = POINTS) -> tuple[SpeedPoint, ...]:
    """At most ``most`` points, evenly spread over the sorted depths, the first and the last among them."""
    if len(points) <= most:
        return tuple(points)
    step = (len(points) - 1) / (most - 1)
    return tuple(points[round(index * step)] for index in range(most))


def law(model: str, work: str, points: Iterable[SpeedPoint | None]) -> SpeedLaw | None:
    """The law of some points; ``None`` without any."""
    held = sorted((point for point in points if point is not None), key=lambda p: (p.depth, p.rate, p.request_id))
    if not held:
        return None
    fitted = line(held)
    return SpeedLaw(
        model=model,
        work=work,
        n=len(held),
        points=thin(held),
        bins=bins(held),
        ms_per_token=fitted[0] if fitted else None,
        ms_per_token_per_1000=fitted[1] * 1000 if fitted else None,
    )


def speed_laws(requests: Iterable[Request]) -> tuple[SpeedLaw, ...]:
    """Prefill and decode laws of every model that has points."""
    by_model: dict[str, list[Request]] = {}
    for request in requests:
        if runs_model(request) and request.model is not None:
            by_model.setdefault(request.model, []).append(request)
    laws = (
        law(model, work, map(point, held))
        for model, held in sorted(by_model.items())
        for work, point in (("prefill", prefill_point), ("decode", decode_point))
    )
    return tuple(one for one in laws if one is not None)


def expected_rate(found: SpeedLaw, depth: int) -> float | None:
    """Median rate of the law's requests at a depth; ``None`` where fewer than ``FEWEST`` were measured there."""
    for held in found.bins:
        if held.from_depth <= depth < held.to_depth:
            return held.median if held.n >= FEWEST else None
    return None
