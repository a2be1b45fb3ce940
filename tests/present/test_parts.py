"""Long sessions are cut into parts that stay as they are when the session grows."""

from __future__ import annotations

from typing import Any

from lms_audit.present.views.parts import PAGE_BYTES, Part
from tests.present.books import book
from tests.support import World, assistant, user


def parts(turns: int) -> tuple[Part, ...]:
    world = World()
    messages: list[dict[str, Any]] = [user("begin")]
    for turn in range(turns):
        world.send(messages)
        messages = [*messages, assistant(f"answer {turn} " + "x" * 20_000), user(f"question {turn}")]
    held = book(world)
    assert len(held.audit.sessions) == 1
    return held.parts[held.audit.sessions[0].id]


def test_a_short_session_has_one_part() -> None:
    (part,) = parts(4)
    assert len(part.request_ids) == 4


def test_a_long_session_has_parts_of_about_the_same_weight() -> None:
    held = parts(120)
    assert len(held) == 3
    weights = [sum(20_000 + 5_000 for _ in part.request_ids) for part in held]
    assert all(weight <= PAGE_BYTES for weight in weights)
    assert sum(len(part.request_ids) for part in held) == 120


def test_parts_before_the_last_stay_when_a_session_grows() -> None:
    before, after = parts(100), parts(130)
    assert [part.request_ids for part in before[:-1]] == [part.request_ids for part in after[: len(before) - 1]]
