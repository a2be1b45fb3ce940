"""Where in a stored message a text stands, so that the page need not carry it twice.

In: a message's JSON and a text found in it. Out: the way to the string, as member names and indices. Cost: one walk
over the message's values, only for texts too long for the page.
"""

from __future__ import annotations

from collections.abc import Iterator

from lms_audit.model import Json
from lms_audit.read.payload import decode

PARSE = "!"
Way = tuple[str | int, ...]


def _strings(value: Json, way: Way = ()) -> Iterator[tuple[Way, str]]:
    if isinstance(value, str):
        yield way, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, (*way, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*way, index))


def way_to(raw: bytes, text: str) -> Way | None:
    """The way to a string equal to ``text``: in the message itself, or inside a string that is JSON."""
    value = decode(raw)
    inside: list[tuple[Way, str]] = []
    for way, held in _strings(value):
        if held == text:
            return way
        if len(held) > len(text) and held.lstrip()[:1] in ("{", "["):
            inside.append((way, held))
    for way, held in inside:
        try:
            parsed = decode(held.encode("utf-8", "replace"))
        except ValueError:
            continue
        for deeper, found in _strings(parsed):
            if found == text:
                return (*way, PARSE, *deeper)
    return None
