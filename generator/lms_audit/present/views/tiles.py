"""What the first page says before anything else: the run in a sentence or two, and its numbers as tiles.

In: the tiles analysis has made, in reading order. Out: two bands of tiles, each number with what stands behind it and a
link to the list it is of; and the story, for readers who have never seen LM Studio.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from lms_audit.analyse.report import Figure
from lms_audit.present.views.format import NOT_LOGGED, Shown, count, ms, share, shown

HEALTH = "health/index.html"
BANDS = (
    (
        "What the logs hold",
        (
            ("requests", "requests/index.html", ("requests_parsed", "requests_partial", "requests_lost")),
            ("log_bytes", f"{HEALTH}#files", ("log_files",)),
            ("span", "sessions/index.html", ()),
            ("sessions", "sessions/index.html", ()),
            ("models", "models/index.html", ()),
            ("clients", "clients/index.html", ()),
            ("projects", "projects/index.html", ()),
        ),
    ),
    (
        "What the models did",
        (
            ("input_tokens", "prompts/index.html", ("cached_share",)),
            ("output_tokens", "models/index.html", ()),
            ("tokens_per_second", "models/index.html", ()),
            ("prompt_ms_union", "requests/index.html#sort=-prompt_ms", ()),
            ("generation_ms_union", "requests/index.html#sort=-generation_ms", ()),
            ("combined_ms_union", "requests/index.html#sort=-elapsed_ms", ()),
            ("tool_requests", "tools/index.html", ("tool_requests_share", "tool_calls")),
        ),
    ),
)
"""Band -> (figure, the list it is of, figures in small print under it)."""

LABELS = {
    "tokens_per_second": "Median speed",
    "prompt_ms_union": "Reading prompts",
    "generation_ms_union": "Writing answers",
    "combined_ms_union": "At work in all",
    "tool_requests": "Used a tool",
}
"""Short names; the popover has the whole one."""
NOTES = {
    "requests_parsed": "parsed",
    "requests_partial": "partial",
    "requests_lost": "lost",
    "log_files": "files",
    "cached_share": "of them cached",
    "tool_requests_share": "of requests",
    "tool_calls": "calls",
}


class Note(Struct, frozen=True):
    """A number in small print and the word after it."""

    figure: Shown
    word: str


class Tile(Struct, frozen=True):
    """A number of the first page."""

    figure: Shown
    label: str
    path: str
    notes: tuple[Note, ...]


class Band(Struct, frozen=True):
    """Tiles under one heading."""

    title: str
    tiles: tuple[Tile, ...]


def bands(tiles: Mapping[str, Figure]) -> tuple[Band, ...]:
    """The tiles there are, in their bands."""
    found = []
    for title, held in BANDS:
        made = []
        for name, path, notes in held:
            if name not in tiles:
                continue
            figure = shown(tiles[name], short=True)
            small = tuple(
                Note(shown(tiles[note], name="·", short=True), NOTES[note]) for note in notes if note in tiles
            )
            made.append(Tile(figure, LABELS.get(name, figure.label), path, small))
        found.append(Band(title, tuple(made)))
    return tuple(found)


def _number(tiles: Mapping[str, Figure], name: str) -> float:
    value = tiles[name].value if name in tiles else None
    return value if isinstance(value, int | float) else 0


def _many(n: float, one: str) -> str:
    return f"{count(n)} {one}{'' if n == 1 else 's'}"


def story(tiles: Mapping[str, Figure]) -> str:
    """The run in words, of what the log does say."""
    who = _many(_number(tiles, "clients"), "program") if _number(tiles, "clients") else "Programs the log does not name"
    where = f" about {_many(_number(tiles, 'projects'), 'project')}" if _number(tiles, "projects") else ""
    by = f", answered by {_many(_number(tiles, 'models'), 'model')}" if _number(tiles, "models") else ""
    requests, sessions = _number(tiles, "requests"), _number(tiles, "sessions")
    asked = (
        f"LM Studio runs language models on a machine of one’s own. In this time {who} sent it "
        f"{_many(requests, 'request')} in {_many(sessions, 'conversation')}{where}{by}."
    )
    reading, writing = _number(tiles, "prompt_ms_union"), _number(tiles, "generation_ms_union")
    cached = tiles.get("cached_share")
    work = ""
    if reading and writing:
        work = f" The models spent {ms(reading)} reading prompts and {ms(writing)} writing answers."
    elif requests:
        work = f" How long the models read and wrote is {NOT_LOGGED}."
    if cached is not None and isinstance(cached.value, float | int):
        work += f" Of all prompt tokens {share(cached.value)} were still in the cache and cost no time."
    return asked + work
