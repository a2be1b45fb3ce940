"""Numbers as people read them, and how exact they say they are."""

from __future__ import annotations

import pytest

from lms_audit.analyse.report import Figure, Unit
from lms_audit.model import Request, Source
from lms_audit.present.views import format as words
from tests.support import World


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "< 1 s"), (999, "< 1 s"), (1000, "1 ±1 s"), (37_000, "37 ±1 s"), (192_000, "3 min 12 s")]
)
def test_a_difference_of_whole_seconds_says_how_exact_it_is(value: float, shown: str) -> None:
    assert words.ticks(value).replace(words.THIN, " ") == shown


def held(value: float, source: Source, *, precise: bool = False) -> Request:
    world = World()
    name = world.send(None, elapsed_ms=value, provenance={"elapsed_ms": source}, precise=precise)
    return world.request(name)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (held(0.0, Source.CLOCK), "< 1 s"),
        (held(4_000.0, Source.CLOCK), "4 ±1 s"),
        (held(640.0, Source.CLOCK, precise=True), "640 ms"),
        (held(0.4, Source.ENGINE), "0.4 ms"),
    ],
)
def test_only_a_clock_that_ticks_in_seconds_makes_a_time_rough(asked: Request, shown: str) -> None:
    assert words.duration(asked, "elapsed_ms").replace(words.THIN, " ") == shown


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure(0.0, Unit.MS, "queue_ms", 3, sources={"clock": 3}), "< 1 s"),
        (Figure(0.0, Unit.MS, "queue_ms", 3, sources={"clock_ms": 3}), "0 ms"),
        (Figure(12.0, Unit.MS, "prompt_ms", 3, sources={"engine": 2, "clock": 1}), "12 ms"),
        (Figure(0.0, Unit.MS, "idle_ms", 3), "< 1 s"),
        (Figure(41_000.0, Unit.MS, "idle_ms", 3), "41 ±1 s"),
    ],
)
def test_a_figure_of_such_times_alone_is_as_rough(figure: Figure, shown: str) -> None:
    assert words.shown(figure).text.replace(words.THIN, " ") == shown
