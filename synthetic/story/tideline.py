"""``tideline``: an invented Python package that prints tide tables, with the bugs its sessions are about."""

from __future__ import annotations

import json
import math

ROOT = "/Users/mika/code/tideline"

RULES = """# tideline

Tide tables for small harbours, from harmonic constants.

- Python 3.12, no dependency but `tzdata`. Run things with `uv run`.
- Heights are metres above chart datum, floats. Times inside the package are UTC; only `clock.py` knows local time.
- Tests: `uv run pytest -q`. Keep them free of the network and of today's date.
- A function that searches says what it does at the edges of its range."""

HARMONICS = '''"""Height of the tide from harmonic constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Constituent:
    """One cosine of the tide: amplitude in metres, speed in degrees per hour, phase in degrees."""

    name: str
    amplitude: float
    speed: float
    phase: float

    def height(self, hours: float) -> float:
        return self.amplitude * math.cos(math.radians(self.speed * hours - self.phase))


@dataclass(frozen=True, slots=True)
class Station:
    """A harbour: where it is, which clock it keeps, and its constituents."""

    key: str
    name: str
    zone: str
    datum: float
    constituents: tuple[Constituent, ...]

    def height(self, moment: datetime) -> float:
        """Metres above chart datum at a moment in UTC."""
        hours = (moment - EPOCH).total_seconds() / 3600
        return self.datum + sum(each.height(hours) for each in self.constituents)
'''

TABLES = '''"""High and low waters of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from tideline.clock import day_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tideline.harmonics import Station

STEP = timedelta(minutes=6)


class Turn(StrEnum):
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Extreme:
    """A turning point of the tide; ``at`` is UTC."""

    turn: Turn
    at: datetime
    height: float


def extremes(station: Station, begin: datetime, end: datetime) -> Iterator[Extreme]:
    """Turning points between two moments, found by sampling every six minutes."""
    moment = begin
    before = here = station.height(moment)
    rising: bool | None = None
    while moment < end:
        moment += STEP
        here = station.height(moment)
        if rising is True and here < before:
            yield Extreme(Turn.HIGH, moment - STEP, before)
        elif rising is False and here > before:
            yield Extreme(Turn.LOW, moment - STEP, before)
        rising = here > before
        before = here


def day_table(station: Station, day: date) -> list[Extreme]:
    """The high and low waters of a local day, in order."""
    begin, end = day_bounds(day, station.zone)
    return list(extremes(station, begin, end - STEP))


def spring_or_neap(table: list[Extreme]) -> str:
    """A word for the day: by its range against the mean range of the month."""
    heights = [extreme.height for extreme in table]
    if not heights:
        return "none"
    spread = max(heights) - min(heights)
    return "springs" if spread > 3.6 else "neaps" if spread < 2.2 else "mean"
'''

CLOCK = '''"""The only place that knows local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Begin and end of a local day, in UTC; the end is the begin of the next day."""
    begin = datetime.combine(day, time.min, ZoneInfo(zone))
    return begin.astimezone(UTC), begin.astimezone(UTC) + timedelta(hours=24)


def local(moment: datetime, zone: str) -> str:
    """``HH:MM`` on the harbour's clock."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%H:%M")
'''

CLI = '''"""``tideline STATION DAY``: prints the table of a day."""

from __future__ import annotations

import argparse
import sys
from datetime import date

from tideline.clock import local
from tideline.stations import UnknownStationError, load
from tideline.tables import day_table, spring_or_neap


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tideline")
    parser.add_argument("station")
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(argv)
    try:
        station = load(options.station)
    except UnknownStationError as error:
        print(f"tideline: {error}", file=sys.stderr)
        return 2
    table = day_table(station, options.day)
    if options.format == "json":
        print_json(station, table)
    else:
        print_text(station, options.day, table)
    return 0


def print_text(station, day, table):
    print(f"{station.name}  {day:%a %d %b %Y}  ({spring_or_neap(table)})")
    for extreme in table:
        print(f"  {local(extreme.at, station.zone)}  {extreme.turn:<4}  {extreme.height:5.2f} m")


def print_json(station, table):
    import json

    rows = [
        {"time": local(extreme.at, station.zone), "turn": extreme.turn, "height": round(extreme.height, 2)}
        for extreme in table
    ]
    print(json.dumps({"station": station.key, "extremes": rows}, indent=2))
'''

STATIONS = '''"""Stations are JSON files beside this module."""

from __future__ import annotations

import json
from pathlib import Path

from tideline.harmonics import Constituent, Station

FOLDER = Path(__file__).parent / "data"


class UnknownStationError(LookupError):
    """There is no such station; the message names the ones there are."""


def load(key: str) -> Station:
    path = FOLDER / f"{key}.json"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.json")))
        raise UnknownStationError(f"no station {key!r}; there are: {known}")
    raw = json.loads(path.read_text(encoding="utf-8"))
    constituents = tuple(Constituent(**each) for each in raw["constituents"])
    return Station(raw["key"], raw["name"], raw["zone"], raw["datum"], constituents)
'''

TEST_TABLES = """from datetime import date

import pytest

from tideline.stations import load
from tideline.tables import Turn, day_table


@pytest.fixture
def wick():
    return load("wick")


def test_a_day_has_three_or_four_turns(wick):
    for day in range(1, 29):
        assert 3 <= len(day_table(wick, date(2026, 10, day))) <= 4


def test_high_and_low_water_alternate(wick):
    turns = [extreme.turn for extreme in day_table(wick, date(2026, 10, 7))]
    assert all(a is not b for a, b in zip(turns, turns[1:]))


def test_a_high_water_is_above_the_low_waters_beside_it(wick):
    table = day_table(wick, date(2026, 10, 7))
    highs = [extreme.height for extreme in table if extreme.turn is Turn.HIGH]
    lows = [extreme.height for extreme in table if extreme.turn is Turn.LOW]
    assert min(highs) > max(lows)
"""

TEST_CLOCK = """from datetime import UTC, date, datetime

from tideline.clock import day_bounds, local


def test_a_winter_day_in_london_is_a_utc_day():
    begin, end = day_bounds(date(2026, 1, 15), "Europe/London")
    assert begin == datetime(2026, 1, 15, tzinfo=UTC)
    assert end == datetime(2026, 1, 16, tzinfo=UTC)


def test_a_summer_day_begins_the_evening_before():
    begin, _ = day_bounds(date(2026, 7, 1), "Europe/London")
    assert begin == datetime(2026, 6, 30, 23, tzinfo=UTC)


def test_local_time_is_the_harbours():
    assert local(datetime(2026, 7, 1, 11, 30, tzinfo=UTC), "Europe/London") == "12:30"
"""

# name, speed in degrees per hour
_SPEEDS = (
    ("M2", 28.9841042), ("S2", 30.0), ("N2", 28.4397295), ("K2", 30.0821373), ("K1", 15.0410686), ("O1", 13.9430356),
    ("P1", 14.9589314), ("Q1", 13.3986609), ("M4", 57.9682084), ("MS4", 58.9841042), ("MN4", 57.4238337), ("M6", 86.9523127),
    ("MU2", 27.9682084), ("NU2", 28.5125831), ("L2", 29.5284789), ("T2", 29.9589333), ("2N2", 27.8953548), ("LAM2", 29.4556253),
    ("J1", 15.5854433), ("OO1", 16.1391017), ("RHO1", 13.4715145), ("M1", 14.4966939), ("SA", 0.0410686), ("SSA", 0.0821373),
    ("MF", 1.0980331), ("MM", 0.5443747), ("2SM2", 31.0158958), ("M3", 43.4761563), ("SK3", 45.0410686), ("M8", 115.9364166),
)  # fmt: skip


def station_json() -> str:
    """Constants of an invented harbour: amplitudes fall off, phases are spread."""
    constituents = [
        {
            "name": name,
            "amplitude": round(1.02 * math.exp(-0.24 * number) + 0.004, 4),
            "speed": speed,
            "phase": round((322.0 + 47.3 * number) % 360, 2),
        }
        for number, (name, speed) in enumerate(_SPEEDS)
    ]
    station = {"key": "wick", "name": "Wick", "zone": "Europe/London", "datum": 2.04, "constituents": constituents}
    return json.dumps(station, indent=2) + "\n"


def files() -> dict[str, str]:
    """The project before the first session."""
    return {
        "AGENTS.md": RULES + "\n",
        "src/tideline/harmonics.py": HARMONICS,
        "src/tideline/tables.py": TABLES,
        "src/tideline/clock.py": CLOCK,
        "src/tideline/cli.py": CLI,
        "src/tideline/stations.py": STATIONS,
        "src/tideline/data/wick.json": station_json(),
        "tests/test_tables.py": TEST_TABLES,
        "tests/test_clock.py": TEST_CLOCK,
        "docs/almanac-2026-10.txt": almanac(127, 31),
    }


def turns(first_minutes: int, days: int) -> dict[int, list[tuple[int, str, float]]]:
    """Day of the month -> minutes, turn and height of each high and low water; a tide gets later day by day."""
    found: dict[int, list[tuple[int, str, float]]] = {}
    minutes, count = first_minutes, 0
    for day in range(1, days + 1):
        found[day] = []
        swing = math.sin(day / 4.7)
        while minutes < 1440:
            high = count % 2 == 0
            found[day].append(
                (minutes, "high" if high else "low", 3.05 + 0.42 * swing if high else 1.02 - 0.37 * swing)
            )
            minutes += 373 + day % 5
            count += 1
        minutes -= 1440
    return found


def month_table(first_minutes: int, year: int, month: int, days: int, missing: tuple[int, ...] = ()) -> str:
    """What a loop over a month prints; ``missing`` are days that lack their last turn."""
    text = []
    for day, rows in turns(first_minutes, days).items():
        text.append(f"Wick  {year}-{month:02d}-{day:02d}")
        for minutes, turn, height in rows[:-1] if day in missing else rows:
            text.append(f"  {minutes // 60:02d}:{minutes % 60:02d}  {turn:<4}  {height:5.2f} m")
    return "\n".join(text)


def almanac(first_minutes: int, days: int) -> str:
    """The printed almanac of October, typed off by somebody patient."""
    text = [
        "WICK HARBOUR OFFICE                                TIDES OF OCTOBER 2026",
        "Heights in metres above chart datum. Times are clock times: BST until",
        "Sunday 25th, 02:00, GMT from then on. Moon: full 26th, new 10th.",
        "",
        "day    time  height   time  height   time  height   time  height",
    ]
    names = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
    for day, rows in turns(first_minutes, days).items():
        cells = "   ".join(
            f"{minutes // 60:02d}{minutes % 60:02d}  {height:5.2f}{turn[0].upper()}" for minutes, turn, height in rows
        )
        text.append(f"{day:02d} {names[(day - 1) % 7]}  {cells}")
    return "\n".join(text) + "\n"
