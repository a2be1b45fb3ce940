"""Which project a request is about: a directory its prompt names, else one its tool calls work in.

In: the places where a client writes its working directory, and the facts of a body. Out: a ``Project``, the path as
it was written, with a note of where it stands. Nothing is ever taken from what LM Studio may have cut off. Cost: one
search per place and new block of text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from lms_audit.correlate.client_facts import Block, ClientFacts
from lms_audit.correlate.client_match import at_path, quoted
from lms_audit.correlate.client_rules import Place
from lms_audit.correlate.tool_paths import LONGEST, Project, project_in_calls
from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Json, Role

_SEARCHED_CHARS = 200_000


class Found(Struct, frozen=True):
    """What a place holds."""

    value: str
    note: str


def project_of(named: Project | None, arguments: Iterable[Json]) -> Project | None:
    """The project the prompt names, else the one that tool calls work in.

    ``arguments`` are those of all tool calls of a session, parsed or as JSON text.
    """
    return named or project_in_calls(arguments)


def project_in_facts(own: tuple[Place, ...], common: tuple[Place, ...], facts: ClientFacts) -> Project | None:
    """The project a body names, at the places of its client or else at the common ones."""
    for places, strict in ((own, False), (common, True)):
        for place in places:
            found = place_in_facts(place, "path", facts, strict=strict)
            if found is not None:
                return Project(found.value, found.note)
    return None


def place_in_facts(place: Place, group: str, facts: ClientFacts, *, strict: bool = False) -> Found | None:
    """The value at a place, if the body has it whole.

    ``strict``: of user texts only those that open with a tag, which are a client's own, not a person's.
    """
    if place.param is not None:
        return _in_param(place, group, facts)
    for block in _blocks(place, facts):
        if strict and block.role is Role.USER and not block.text.startswith("<"):
            continue
        known = block.cache.get(place.finds or "")
        if known is None:
            known = block.cache[place.finds or ""] = (_in_block(place, group, block),)
        if known[0] is not None:
            found: Found = known[0]
            return found
    return None


def _blocks(place: Place, facts: ClientFacts) -> Iterator[Block]:
    if place.in_ in ("system", "any"):
        yield from facts.system
    if place.in_ in ("user", "any"):
        yield from facts.user
        yield from facts.ask


def _in_block(place: Place, group: str, block: Block) -> Found | None:
    pattern = _pattern(place.finds or "")
    if not block.cut:
        found = pattern.search(block.text[:_SEARCHED_CHARS])
        return _read(found, group, block.role) if found else None
    # What reaches an end of the cut may go on behind it.
    found = pattern.search(block.head)
    if found and found.end(group) < len(block.head):
        return _read(found, group, block.role)
    found = pattern.search(block.tail)
    if found and found.start(group) > 0:
        return _read(found, group, block.role)
    return None


def _in_param(place: Place, group: str, facts: ClientFacts) -> Found | None:
    value = at_path(facts.params.values, place.param or "")
    if not isinstance(value, str) or not value:
        return None
    if place.keys_of is not None:
        try:
            value = next(iter(at_path(json.loads(value), place.keys_of)))
        except (ValueError, TypeError, StopIteration, RecursionError):
            return None
    elif place.finds is not None:
        match = _pattern(place.finds).search(value)
        value = match[group] if match else None
    cleaned = _clean(value)
    return Found(cleaned, f"parameter {place.param}") if cleaned else None


def _read(match: re.Match[str], group: str, role: Role) -> Found | None:
    value = _clean(match[group])
    if value is None:
        return None
    what = {Role.USER: "user message", Role.DEVELOPER: "developer message"}.get(role, "system prompt")
    return Found(value, f"{what} says {quoted(match[0].strip(), 100)}")


def _clean(value: Json) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST or CUT_MARK in value:
        return None
    value = value.strip().strip("\"'`").rstrip()
    return value if value and value.isprintable() and value not in ("undefined", "null", "None") else None


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
