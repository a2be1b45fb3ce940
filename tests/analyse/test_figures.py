from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lms_audit.analyse.figures import (
    Sample,
    cached_share,
    exact_sum,
    figure,
    percentile,
    prompt_rate,
    sample,
    weighted_prompt_rate,
    weighted_rate,
)
from lms_audit.model import Api, Kind, Request, Source, Status
from tests.analyse.worlds import Log


def asked(**fields: Any) -> Request:
    log = Log()
    log.ask(None, **fields)
    return log.requests[0]


def test_percentiles_interpolate_between_ranks() -> None:
    values = [10.0, 20.0, 30.0, 40.0]
    assert percentile(values, 0.5) == 25.0
    assert percentile(values, 0.95) == pytest.approx(38.5)
    assert percentile(values, 0.99) == pytest.approx(39.7)
    assert percentile(values, 0.0) == 10.0
    assert percentile(values, 1.0) == 40.0
    assert percentile([7.0], 0.99) == 7.0


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=60))
def test_percentiles_agree_with_the_standard_library(values: list[float]) -> None:
    ordered = sorted(values)
    cuts = statistics.quantiles(ordered, n=100, method="inclusive")
    assert percentile(ordered, 0.5) == pytest.approx(cuts[49], rel=1e-9, abs=1e-3)
    assert percentile(ordered, 0.95) == pytest.approx(cuts[94], rel=1e-9, abs=1e-3)
    assert percentile(ordered, 0.99) == pytest.approx(cuts[98], rel=1e-9, abs=1e-3)


def test_a_sample_counts_what_it_covers_and_what_it_leaves_out() -> None:
    held = sample(
        [
            asked(output_tokens=10, provenance={"output_tokens": Source.USAGE}),
            asked(output_tokens=30, provenance={"output_tokens": Source.ENGINE}),
            asked(),
            asked(status=Status.CANCELLED),
            asked(status=Status.ERROR),
            asked(status=Status.INCOMPLETE),
            asked(api=Api.EMBEDDINGS, kind=Kind.EMBEDDING),
            asked(api=Api.OTHER),
        ],
        "output_tokens",
    )
    assert held.values == (10, 30)
    assert held.excluded == {
        "cancelled": 1,
        "embedding, no answer": 1,
        "failed": 1,
        "incomplete": 1,
        "not logged": 1,
        "runs no model": 1,
    }
    assert held.sources == {"engine": 1, "usage": 1}
    assert (held.total().value, held.mean().value, held.median().value) == (40, 20.0, 20.0)
    assert held.total().n == 2


def test_a_cancelled_request_with_a_value_counts() -> None:
    assert sample([asked(output_tokens=7, status=Status.CANCELLED)], "output_tokens").total().value == 7


def test_without_values_every_statistic_is_unknown_not_zero() -> None:
    held = sample([asked()], "prompt_ms")
    for made in (held.total(), held.mean(), held.median(), held.at(0.95), held.largest()):
        assert made.value is None
        assert made.n == 0
        assert made.excluded == {"not logged": 1}


def test_a_measured_zero_is_a_value() -> None:
    held = sample([asked(cached_tokens=0)], "cached_tokens")
    assert held.total().value == 0
    assert held.total().n == 1


def test_a_value_that_is_no_number_is_left_out() -> None:
    assert sample([asked(prompt_ms=float("nan")), asked(prompt_ms=float("inf"))], "prompt_ms").values == ()


def test_an_undefined_metric_cannot_be_shown() -> None:
    with pytest.raises(KeyError):
        figure("bogomips", 1, 1)


def test_the_weighted_rate_lets_long_answers_weigh_more() -> None:
    short = asked(output_tokens=10, generation_ms=1000.0, tokens_per_second=10.0)
    long = asked(output_tokens=900, generation_ms=9000.0, tokens_per_second=100.0)
    assert sample([short, long], "tokens_per_second").mean().value == 55.0
    assert weighted_rate([short, long]).value == pytest.approx(91.0)


def test_the_weighted_rate_leaves_out_requests_without_a_rate_of_their_own() -> None:
    told = asked(output_tokens=100, generation_ms=2000.0, tokens_per_second=50.0)
    too_short_by_the_clock = asked(output_tokens=100, generation_ms=1000.0)
    held = weighted_rate([told, too_short_by_the_clock])
    assert (held.value, held.n, held.excluded) == (50.0, 1, {"not logged": 1})


def test_reading_speed_counts_only_tokens_really_read() -> None:
    request = asked(input_tokens=10_000, evaluated_tokens=500, prompt_ms=1000.0)
    assert prompt_rate(request) == 500.0
    assert prompt_rate(asked(input_tokens=10_000, prompt_ms=1000.0)) is None
    clocked = replace(request, provenance={"prompt_ms": Source.CLOCK})
    assert prompt_rate(clocked) is None
    assert prompt_rate(replace(clocked, prompt_ms=4000.0)) == 125.0
    slow = asked(evaluated_tokens=100, prompt_ms=2000.0)
    assert weighted_prompt_rate([request, slow]).value == 200.0


def test_the_cached_share_covers_requests_with_both_counts() -> None:
    held = cached_share([asked(cached_tokens=300, input_tokens=1000), asked(input_tokens=5000), asked()])
    assert (held.value, held.n, held.excluded) == (0.3, 1, {"not logged": 2})
    assert cached_share([asked(cached_tokens=0, input_tokens=0)]).value is None


@given(st.permutations([0.1, 0.2, 0.3, 1e16, -1e16, 7.0]))
def test_sums_do_not_depend_on_the_order(values: list[float]) -> None:
    assert exact_sum(values) == pytest.approx(7.6, rel=1e-15)


def test_sums_of_whole_numbers_stay_whole() -> None:
    assert exact_sum([2**60, 1]) == 2**60 + 1
    assert isinstance(Sample("input_tokens", (1, 2), {}, {}).total().value, int)
