from __future__ import annotations

from itertools import pairwise

import pytest

from lms_audit.analyse.report import SpeedBin, SpeedPoint
from lms_audit.analyse.speed import POINTS, bins, decode_point, expected_rate, line, prefill_point, speed_laws, thin
from lms_audit.model import Source
from tests.analyse.worlds import Log


def point(depth: int, rate: float = 10.0) -> SpeedPoint:
    return SpeedPoint("r0", depth, rate)


def test_a_point_stands_at_the_middle_of_the_work_it_measures() -> None:
    log = Log()
    log.ask(
        None,
        input_tokens=3000,
        cached_tokens=2000,
        evaluated_tokens=1000,
        prompt_ms=500.0,
        output_tokens=200,
        tokens_per_second=40.0,
    )
    assert prefill_point(log.requests[0]) == SpeedPoint("r0", 2500, 2000.0)
    assert decode_point(log.requests[0]) == SpeedPoint("r0", 3100, 40.0)


def test_without_the_counts_there_is_no_point() -> None:
    log = Log()
    log.ask(None, input_tokens=3000, prompt_ms=500.0, tokens_per_second=40.0)
    log.ask(None, evaluated_tokens=1000, prompt_ms=500.0, output_tokens=200, tokens_per_second=40.0)
    log.ask(None, input_tokens=3000, evaluated_tokens=255, prompt_ms=500.0, output_tokens=3, tokens_per_second=40.0)
    log.ask(None, input_tokens=9, evaluated_tokens=500, prompt_ms=500.0, provenance={"prompt_ms": Source.CLOCK})
    assert [prefill_point(request) for request in log.requests] == [None] * 4
    assert [decode_point(request) for request in log.requests] == [None] * 4


def test_bins_double_and_hold_medians() -> None:
    held = bins([point(0, 50.0), point(1023, 40.0), point(1024, 30.0), point(2048, 20.0), point(4095, 10.0)])
    assert held == (
        SpeedBin(0, 1024, 2, 45.0),
        SpeedBin(1024, 2048, 1, 30.0),
        SpeedBin(2048, 4096, 2, 15.0),
    )


def test_the_law_is_a_line_through_milliseconds_per_token() -> None:
    # 20 ms per token at depth 0 and one more for every 2,000 tokens
    points = [point(depth, 1000 / (20 + depth / 2000)) for depth in range(0, 20_000, 1000)]
    fitted = line(points)
    assert fitted is not None
    assert fitted[0] == pytest.approx(20.0)
    assert fitted[1] == pytest.approx(1 / 2000)


def test_too_few_points_or_too_little_spread_make_no_law() -> None:
    assert line([point(depth) for depth in range(0, 7000, 1000)]) is None
    assert line([point(depth) for depth in range(100)]) is None


def test_points_are_thinned_evenly_and_keep_both_ends() -> None:
    points = [point(depth) for depth in range(1200)]
    kept = thin(points)
    assert len(kept) == POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    gaps = [b.depth - a.depth for a, b in pairwise(kept)]
    assert set(gaps) == {2, 3}
    assert thin(points[:10]) == tuple(points[:10])


def test_each_model_has_a_law_of_reading_and_one_of_writing() -> None:
    log = Log()
    for model in ("small", "large"):
        for depth in range(9):
            log.ask(
                None,
                model=model,
                input_tokens=100 + depth,
                evaluated_tokens=400,
                prompt_ms=100.0,
                output_tokens=50,
                tokens_per_second=20.0 + depth,
            )
    log.ask(None, model=None, input_tokens=1, output_tokens=50, tokens_per_second=1.0)
    laws = speed_laws(log.requests)
    assert [(law.model, law.work, law.n) for law in laws] == [
        ("large", "prefill", 9),
        ("large", "decode", 9),
        ("small", "prefill", 9),
        ("small", "decode", 9),
    ]
    assert laws[1].ms_per_token is None
    assert expected_rate(laws[1], 500) == 24.0
    assert expected_rate(laws[1], 5000) is None
    assert speed_laws([]) == ()
