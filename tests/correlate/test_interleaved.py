"""Requests whose records interleave get the values they have alone, or fewer, or are marked as not told apart."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import logtext
from tests.logtext import Facts, Records, cancelled, facts, streamed, whole

Make = Callable[[random.Random], list[Records]]
ASIDE = ("provenance", "evidence", "candidates", "generation_ms")
"""Without its engine's time, the time of an answer is that of its lines."""


def two_streams(rng: random.Random) -> list[Records]:
    return [
        together(streamed(rng.randint(0, 4), 1, topic="tea", task=1, chat="chatcmpl-a")),
        together(streamed(rng.randint(0, 4), 2, topic="milk", task=2, chat="chatcmpl-b")),
    ]


def two_streams_without_packets(rng: random.Random) -> list[Records]:
    return [
        streamed(rng.randint(0, 4), turns, topic=topic, task=turns, packets=False, chat="")
        for turns, topic in ((1, "tea"), (2, "milk"))
    ]


def two_predictions(rng: random.Random) -> list[Records]:
    first, second = rng.sample(range(5), 2)
    return [whole(first, 1, topic="tea", chat="chatcmpl-a"), whole(second, 2, topic="milk", chat="chatcmpl-b")]


def one_is_cancelled(rng: random.Random) -> list[Records]:
    return [
        cancelled(rng.randint(0, 4), 1, topic="tea", chat=""),
        together(streamed(rng.randint(0, 4), 2, topic="milk", task=2, chat="chatcmpl-b")),
    ]


def second_of(part: bytes) -> int:
    return int(part[15:17]) * 60 + int(part[18:20])


def together(log: Records) -> Records:
    """The last packet, the timing and the finish line stand in one second, and nobody's line between them."""
    last = max(at for at, part in enumerate(log) if b"Generated packet" in part)
    end = log[-1][:21]
    return [*log[:last], b"".join(end + part[21:] for part in log[last:])]


def mixed(rng: random.Random, logs: list[Records]) -> bytes:
    """The records of all logs in order of time; within a second, in any order."""
    waiting = [list(log) for log in logs]
    found: Records = []
    while any(waiting):
        now = min(second_of(log[0]) for log in waiting if log)
        found.append(rng.choice([log for log in waiting if log and second_of(log[0]) == now]).pop(0))
    return b"".join(found)


def by_prompt(found: list[Facts]) -> list[Facts]:
    return sorted(found, key=lambda one: str(one["prompt"]))


@pytest.mark.parametrize("make", [two_streams, two_streams_without_packets, two_predictions, one_is_cancelled])
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1 << 32))
def test_interleaved_requests_get_nothing_of_one_another(make: Make, seed: int) -> None:
    rng = random.Random(seed)
    logs = make(rng)
    alone = by_prompt(
        [one for log in logs for one in facts(logtext.read(b"".join(log)), without=("timeline", "source", "id"))]
    )
    found = by_prompt(facts(logtext.read(mixed(rng, logs)), without=("timeline", "source", "id")))
    assert len(found) == len(alone)
    marked = any(one["candidates"] for one in found)
    for before, after in zip(alone, found, strict=True):
        for name, value in after.items():
            if name in ASIDE or value in (None, False, "incomplete", (), []):
                continue
            own = name in ("prompt", "received_at", "message_count", "requested_model", "stream", "endpoint")
            assert (marked and not own) or value == before[name], name


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1 << 32))
def test_predictions_that_name_their_second_are_told_apart_whole(seed: int) -> None:
    rng = random.Random(seed)
    logs = two_predictions(rng)
    alone = by_prompt([one for log in logs for one in facts(logtext.read(b"".join(log)))])
    found = by_prompt(facts(logtext.read(mixed(rng, logs))))
    for one in (*alone, *found):
        one.pop("evidence")
    assert found == alone
