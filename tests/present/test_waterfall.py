"""The waterfall draws logged times to scale, idle stretches short, overlaps as overlaps."""

from __future__ import annotations

from typing import Any

import pytest

from lms_audit.present.views.waterfall import Waterfall, waterfall
from tests.present.books import book
from tests.support import MINUTE, SECOND, World, assistant, user


def drawn(*requests: tuple[int, dict[str, Any]]) -> Waterfall:
    """Requests of one session: (milliseconds after the arrival of the one before, fields)."""
    world = World()
    messages = [user("go")]
    for after, fields in requests:
        world.send(messages, after=after, **fields)
        messages = [*messages, assistant(f"answer {len(messages)}"), user("on")]
    held = book(world)
    session = held.audit.sessions[0]
    assert len(session.request_ids) == len(requests)
    return waterfall(held, [held.requests[name] for name in session.request_ids], session.id)


def times(prompt: float | None, answer: float | None, **more: Any) -> dict[str, Any]:
    known = [value for value in (prompt, answer) if value is not None]
    return {"prompt_ms": prompt, "generation_ms": answer, "elapsed_ms": sum(known) if known else None, **more}


def test_stretches_are_drawn_in_proportion_to_their_time() -> None:
    picture = drawn((0, times(6_000.0, 2_000.0)), (8 * SECOND, times(1_000.0, 1_000.0)))
    first, second = picture.bars
    assert [segment.kind for segment in first.segments] == ["prompt", "answer"]
    assert first.segments[0].width == pytest.approx(first.segments[1].width * 3)
    assert first.total == pytest.approx(80)
    assert second.start == pytest.approx(80)
    assert picture.longest == "8.0\u202fs"
    assert picture.zoom == pytest.approx(1.25)


def test_a_long_pause_is_drawn_short_and_named() -> None:
    picture = drawn((0, times(1_000.0, 1_000.0)), (20 * MINUTE, times(1_000.0, 1_000.0)))
    assert picture.bars[1].gap == "19\u202fmin 58\u202fs"
    assert picture.bars[1].start < 60
    assert picture.shortened


def test_requests_that_overlap_begin_before_the_other_ends() -> None:
    picture = drawn((0, times(8_000.0, 2_000.0)), (2 * SECOND, times(1_000.0, 1_000.0)))
    assert picture.bars[1].start == pytest.approx(20)
    assert picture.bars[1].gap == ""


def test_only_logged_times_are_drawn() -> None:
    picture = drawn((0, times(None, None)), (5 * SECOND, times(None, 3_000.0)))
    assert len(picture.bars) == 1
    assert picture.missing == 1
    assert [segment.kind for segment in picture.bars[0].segments] == ["answer"]
    assert "prompt processing not logged" in picture.bars[0].title


def test_the_reused_part_of_a_prompt_is_marked_where_the_engine_says_so() -> None:
    fields = times(1_000.0, 500.0, input_tokens=1_000, cached_tokens=800)
    assert drawn((0, fields), (9 * SECOND, times(1.0, 1.0))).bars[0].segments[0].reused == 80
    fields["cached_tokens"] = None
    assert drawn((0, fields), (9 * SECOND, times(1.0, 1.0))).bars[0].segments[0].reused == 0


def test_elapsed_time_that_nothing_explains_is_drawn_as_such() -> None:
    picture = drawn(
        (0, {"prompt_ms": None, "generation_ms": None, "elapsed_ms": 9_000.0}), (9 * SECOND, times(1.0, 1.0))
    )
    assert [segment.kind for segment in picture.bars[0].segments] == ["rest"]
