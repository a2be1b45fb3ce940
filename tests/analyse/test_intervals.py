from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.analyse.figures import sample
from lms_audit.analyse.intervals import together, union_figure, union_ms
from tests.analyse.worlds import Log
from tests.support import SECOND

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: (float(p[0]), float(p[0] + p[1]))))


def test_overlap_is_counted_once() -> None:
    assert union_ms([(0, 10), (5, 15), (20, 30)]) == 25.0
    assert union_ms([(0, 100), (10, 20)]) == 100.0
    assert union_ms([(0, 10), (10, 20)]) == 20.0
    assert union_ms([]) == 0.0


@given(SPANS)
def test_the_union_is_what_a_ruler_measures(spans: list[tuple[float, float]]) -> None:
    covered = {second for start, end in spans for second in range(int(start), int(end))}
    assert union_ms(spans) == len(covered)
    assert union_ms(reversed(spans)) == len(covered)


def test_requests_one_after_another_count_with_their_exact_times() -> None:
    log = Log()
    # by whole seconds the second begins when the first ends; its exact spans would reach back into the first
    log.ask(None, after=0, takes=1 * SECOND, prompt_ms=400.5, generation_ms=900.25)
    log.ask(None, after=1 * SECOND, takes=1 * SECOND, prompt_ms=800.5, generation_ms=900.0)
    union = union_figure(log.requests, "combined_ms_union", ("prompt_ms", "generation_ms"))
    assert union.value == pytest.approx(3001.25)
    assert union.n == 2


def test_overlapping_requests_share_their_time() -> None:
    log = Log()
    log.ask(None, after=0, takes=10 * SECOND, prompt_ms=4000.0, generation_ms=6000.0)
    log.ask(None, after=5 * SECOND, takes=10 * SECOND, prompt_ms=2000.0, generation_ms=8000.0)
    # answers: 4–10 s and 7–15 s
    assert sample(log.requests, "generation_ms").total().value == 14_000.0
    assert union_figure(log.requests, "generation_ms_union", ("generation_ms",)).value == 11_000.0
    # prompts: 0–4 s and 5–7 s
    assert union_figure(log.requests, "prompt_ms_union", ("prompt_ms",)).value == 6_000.0
    # all of it: 0–15 s but for nothing between 4 and 5, where the first writes
    assert union_figure(log.requests, "combined_ms_union", ("prompt_ms", "generation_ms")).value == 15_000.0


def test_what_cannot_be_placed_in_time_is_left_out_of_the_union_only() -> None:
    log = Log()
    log.ask(None, prompt_ms=1000.0)
    log.ask(None, prompt_ms=2000.0, received_at=None, takes=None)
    log.ask(None)
    union = union_figure(log.requests, "prompt_ms_union", ("prompt_ms",))
    assert (union.value, union.n) == (1000.0, 1)
    assert union.excluded == {"no time in the log": 1, "not logged": 1}
    assert sample(log.requests, "prompt_ms").total().value == 3000.0


def test_a_request_with_one_time_is_placed_by_its_work() -> None:
    log = Log()
    log.ask(None, after=0, takes=10 * SECOND, generation_ms=10_000.0)
    log.ask(None, after=5 * SECOND, takes=None, prompt_ms=1000.0, generation_ms=9000.0)
    assert len(together(log.requests)) == 1
    assert union_figure(log.requests, "generation_ms_union", ("generation_ms",)).value == 15_000.0


def test_nothing_logged_is_unknown_not_zero() -> None:
    log = Log()
    log.ask(None)
    union = union_figure(log.requests, "prompt_ms_union", ("prompt_ms",))
    assert union.value is None
    assert union.n == 0
