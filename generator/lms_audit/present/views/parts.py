"""Long sessions in parts, so that no page is heavier than about 1.5 MB.

In: a session's conversation. Out: runs of its requests. A part is closed by what stands before its end only, so parts
stay as they are when a session grows. Cost: one look at each message's parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from lms_audit.model import Call, Entry, Library, Request, Session, Text

PAGE_BYTES = 1_100_000
"""What the texts of a part may weigh; markup and the request details come on top."""
REQUEST_BYTES = 5_000
"""A request's row, details and timeline."""
SHOWN_TEXT = 24_000
"""Characters of a text that a person or a model wrote that stand on the page; the rest loads on demand."""
SHOWN_RESULT = 3_000
"""The same of a tool's result."""


class Part(Struct, frozen=True):
    """Requests of a session that share a page, and the messages first sent by them."""

    request_ids: tuple[str, ...]
    entries: tuple[Entry, ...]


def _weight(entry: Entry, library: Library) -> int:
    message = library.message(entry.key)
    weight = 600
    for part in message.parts:
        if isinstance(part, Text):
            weight += min(len(part.text), SHOWN_TEXT)
        elif isinstance(part, Call):
            weight += min(len(part.arguments), SHOWN_TEXT) + 400
        else:
            weight += SHOWN_RESULT
    return weight


def split(
    session: Session, entries: Sequence[Entry], requests: Mapping[str, Request], library: Library
) -> tuple[Part, ...]:
    """The parts of a session, in order; at least one."""
    held: dict[str, list[Entry]] = {}
    for entry in entries:
        held.setdefault(entry.request_id, []).append(entry)
    parts: list[Part] = []
    names: list[str] = []
    shown: list[Entry] = []
    weight = 0
    for name in session.request_ids:
        mine = held.get(name, [])
        adds = REQUEST_BYTES + sum(_weight(entry, library) for entry in mine)
        adds += len(requests[name].timeline) * 120
        if names and weight + adds > PAGE_BYTES:
            parts.append(Part(tuple(names), tuple(shown)))
            names, shown, weight = [], [], 0
        names.append(name)
        shown.extend(mine)
        weight += adds
    parts.append(Part(tuple(names), tuple(shown)))
    return tuple(parts)
