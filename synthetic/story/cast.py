"""Who takes part: the models, the two projects, and how a moment of the story is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from synthetic.clients import Project
from synthetic.engine import Model, Speed
from synthetic.story import boxoffice, tideline
from synthetic.story.folder import Folder

if TYPE_CHECKING:
    from synthetic.server import LmStudio

QWEN = Model(
    "qwen/qwen3.6-27b", Speed(174.6, 17.4, read_half_at=140_000, write_half_at=60_000), context=49_152, load_ms=9400
)
GPT_OSS = Model("openai/gpt-oss-20b", Speed(940, 61), context=65_536, load_ms=4100)
MINISTRAL = Model("mistralai/ministral-3-14b", Speed(310, 28), dialect="mlx", context=4096, load_ms=3300)
MODELS = (QWEN, GPT_OSS, MINISTRAL)


@dataclass(slots=True)
class Stage:
    """What every session needs: the server, and the two projects as they stand."""

    server: LmStudio
    tides: Folder
    seats: Folder


def stage(server: LmStudio) -> Stage:
    """Everything as it was before the first session."""
    return Stage(server, Folder(tideline.ROOT, tideline.files()), Folder(boxoffice.ROOT, boxoffice.files()))


TIDELINE = Project(
    tideline.ROOT,
    branch="fix/midnight",
    commits=("b71d02e Read stations from JSON", "4ac9f10 Print heights with two digits", "0e55a9b First table"),
    rules=tideline.RULES,
)
BOXOFFICE = Project(
    boxoffice.ROOT,
    branch="holds",
    commits=("9f31c7a Sweep holds every ten seconds", "2d80b6e Show wheelchair places", "c1f4e07 Sell seats"),
    rules=boxoffice.RULES,
)


def at(day: int, clock: str) -> float:
    """``at(10, "09:12:04")``: local milliseconds of a moment in November 2026."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return datetime(2026, 11, day, hours, minutes, seconds, tzinfo=UTC).timestamp() * 1000


GREEN, RED, DIM, BOLD, RESET = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
