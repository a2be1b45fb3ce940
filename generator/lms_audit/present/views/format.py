"""Numbers as people read them. ``None`` is always "not logged".

In: a value and its unit, or a ``Figure``. Out: strings, and ``Shown``: a figure with what it covers, for a popover.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from lms_audit.analyse.definitions import DEFINITIONS
from lms_audit.analyse.report import Figure, Unit
from lms_audit.model import Millis, Request, Source

NOT_LOGGED = "not logged"
THIN = "\u202f"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

SOURCES = {
    "usage": "usage of the answer",
    "engine": "engine timing lines",
    "stats": "stats of the answer",
    "clock": "clock of the log, ±1 s",
    "clock_ms": "clock of the log, to the millisecond",
    "history": "recovered from the next request's history",
    "packets": "streamed packets",
    "prediction": "logged prediction",
}


class Shown(Struct, frozen=True):
    """A figure as text, with what stands behind it."""

    text: str
    label: str
    metric: str
    known: bool
    covers: str
    """One line: what it is made of, what was left out, where the values come from."""
    sort: float | str | None = None


def count(value: float) -> str:
    """``12,345``; fractions with one digit."""
    if not float(value).is_integer():
        return f"{value:,.1f}" if abs(value) >= 1 else f"{value:,.2f}"
    return f"{int(value):,}"


def compact(value: float) -> str:
    """``1.24 M``, for tiles."""
    for limit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if name == "k" else limit)
            return f"{scaled:.3g}{THIN}{name}" if scaled < 1000 else f"{scaled:,.0f}{THIN}{name}"
    return count(value)


def ms(value: float) -> str:
    """``640 ms``, ``12.4 s``, ``3 min 12 s``, ``2 h 05 min``, ``3 d 4 h``."""
    if value < 0:
        return f"−{ms(-value)}"
    if value < 1000:
        return f"{value:.0f}{THIN}ms" if value >= 1 or value == 0 else f"{value:.1f}{THIN}ms"
    seconds = value / 1000
    if seconds < 9.95:
        return f"{seconds:.1f}{THIN}s"
    if seconds < 99.95:
        return f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02}{THIN}s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}{THIN}h {minutes % 60:02}{THIN}min"
    hours = round(seconds / 3600)
    return f"{hours // 24}{THIN}d {hours % 24}{THIN}h"


def ticks(value: float) -> str:
    """A difference of two lines of a log whose clock ticks in seconds: ``< 1 s``, ``37 ±1 s``, ``3 min 12 s``."""
    if abs(value) < 1000:
        return f"<{THIN}1{THIN}s"
    return f"{value / 1000:,.0f} ±1{THIN}s" if abs(value) < 99_500 else ms(value)


def ticking(request: Request, name: str) -> bool:
    """A request's value is a difference of whole seconds."""
    return request.provenance.get(name) is Source.CLOCK and not request.precise


def duration(request: Request, name: str) -> str:
    """A request's own time in words that say how exact it is."""
    value = getattr(request, name)
    if value is None:
        return NOT_LOGGED
    return ticks(value) if ticking(request, name) else ms(value)


def size(value: float) -> str:
    """Bytes in decimal units: ``733 MB``."""
    for limit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{THIN}{name}" if scaled < 100 else f"{scaled:,.0f}{THIN}{name}"
    return f"{value:,.0f}{THIN}B"


def share(value: float) -> str:
    """``83 %``, with a digit where it matters: ``2.5 %``, and the ``97.5 %`` that go with it."""
    percent = value * 100
    if 0 < percent < 10 or 90 < percent < 100:
        return f"{percent:.1f}{THIN}%"
    return f"{percent:.0f}{THIN}%"


def rate(value: float) -> str:
    """Tokens per second."""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def usd(value: float) -> str:
    """Dollars; small sums with more digits."""
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def moment(at: Millis) -> datetime:
    """A log time; the zone is a stand-in, the log has none."""
    return datetime.fromtimestamp(at / 1000, UTC)


def clock(at: Millis | None) -> str:
    """``14:03:22``."""
    return NOT_LOGGED if at is None else f"{moment(at):%H:%M:%S}"


def day(at: Millis) -> str:
    """``Tue 11 Nov 2025``."""
    when = moment(at)
    return f"{WEEKDAYS[when.weekday()]} {when.day} {MONTHS[when.month - 1]} {when.year}"


def day_key(at: Millis) -> str:
    """``2025-11-11``."""
    return f"{moment(at):%Y-%m-%d}"


def stamp(at: Millis | None) -> str:
    """``2025-11-11 14:03:22``."""
    return NOT_LOGGED if at is None else f"{moment(at):%Y-%m-%d %H:%M:%S}"


def period(first: Millis | None, last: Millis | None) -> str:
    """A span of time in as few words as needed."""
    if first is None:
        return NOT_LOGGED
    if last is None or last == first:
        return f"{day(first)}, {clock(first)[:5]}"
    if day_key(first) == day_key(last):
        return f"{day(first)}, {clock(first)[:5]}–{clock(last)[:5]}"
    return f"{day(first)} – {day(last)}"


_WRITERS = {
    Unit.COUNT: count,
    Unit.TOKENS: count,
    Unit.MS: ms,
    Unit.RATE: rate,
    Unit.BYTES: size,
    Unit.SHARE: share,
    Unit.USD: usd,
}


def project_name(project: str | None, names: Mapping[str, str]) -> str:
    """The name a person gave a project, or the last part of its path."""
    if not project:
        return ""
    return names.get(project) or project.replace("\\", "/").rstrip("/").rpartition("/")[2] or project


def _ticking(held: Figure) -> bool:
    """A figure is made of nothing but differences of whole seconds."""
    value = held.value
    if held.unit is not Unit.MS or value is None or isinstance(value, str):
        return False
    if held.sources:
        return set(held.sources) == {str(Source.CLOCK)}
    definition = DEFINITIONS.get(held.metric)
    only = definition is not None and all(source.startswith("clock") for source in definition.sources[:1])
    return only and value % 1000 == 0


def value_text(value: float | str | None, unit: Unit, *, short: bool = False) -> str:
    """A value in its unit."""
    if value is None:
        return NOT_LOGGED
    if isinstance(value, str):
        return value
    if unit is Unit.TIME:
        return stamp(int(value))
    if unit is Unit.TEXT:
        return str(value)
    if short and unit in (Unit.TOKENS, Unit.COUNT):
        return compact(value)
    return _WRITERS[unit](value)


def label(metric: str) -> str:
    """The name of a metric."""
    held = DEFINITIONS.get(metric)
    return held.title if held is not None else metric.replace("_", " ").capitalize()


def covers(held: Figure) -> str:
    """What a figure is made of, in one line."""
    parts = []
    if held.n:
        parts.append(f"n = {held.n:,}")
    parts += [f"left out: {number:,} {reason}" for reason, number in held.excluded.items()]
    parts += [f"{number:,} from {SOURCES.get(source, source)}" for source, number in held.sources.items()]
    return " · ".join(parts)


def shown(held: Figure, *, name: str = "", short: bool = False) -> Shown:
    """A figure for a page."""
    text = value_text(held.value, held.unit, short=short)
    if _ticking(held) and isinstance(held.value, float | int):
        text = ticks(held.value)
    if held.value is not None and held.unit is Unit.RATE and not name:
        text = f"{text}{THIN}tok/s"
    return Shown(text, name or label(held.metric), held.metric, held.value is not None, covers(held), sort=held.value)


def field(request: Request, name: str, writer: str) -> str:
    """A request's own value as text."""
    value = getattr(request, name)
    if value is None:
        return NOT_LOGGED
    return duration(request, name) if writer == "ms" else {"count": count, "rate": rate}[writer](value)
