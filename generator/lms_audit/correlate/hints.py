"""What a request body says about the conversation it belongs to, beside its messages.

In: the other members of a body (``Prompt.params``, JSON bytes). Out: ``Hints``. One small decode for each distinct set
of members.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from lms_audit.model import Json
from lms_audit.read.payload import decode

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

_RANDOM = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w.:-]{20,}")
"""Long, of letters and digits: made for one session. A short or plain value may be the name of a program."""

_IN_USER_ID = re.compile(r"session(?:_id)?[\"':_\s]{1,6}(?P<id>[0-9a-f-]{36})", re.IGNORECASE)
"""``user_…_account__session_<uuid>`` and ``{"device_id":…,"session_id":"<uuid>"}``; both end with the id, so that it
survives a cut: ``… <Truncated in logs> ...ion_id":"<uuid>"}``."""


class Hints(Struct, frozen=True):
    """Ids found in a body; ``None`` where it has none."""

    session: str | None = None
    """The client's own id of the session, the same for all its requests (sub-agents may share it)."""
    previous_response: str | None = None
    """The stored answer this request continues; its body holds only what is new."""


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _id_like(value: Json) -> str | None:
    text = _text(value)
    if text is None:
        return None
    if found := _UUID.search(text):
        return found[0].lower()
    return text if _RANDOM.fullmatch(text) else None


def _in_user_id(value: Json) -> str | None:
    text = _text(value)
    if text is None:
        return None
    found = _IN_USER_ID.search(text)
    if found is None:
        # the cut went through the name: what is left of a JSON user id ends with the session's
        found = re.search(r'd":"(?P<id>[0-9a-f-]{36})"\}$', text)
    return found["id"].lower() if found else None


_PLACES: tuple[tuple[tuple[str, ...], Callable[[Json], str | None]], ...] = (
    (("prompt_cache_key",), _id_like),
    (("metadata", "user_id"), _in_user_id),
    (("metadata", "session_id"), _id_like),
    (("client_metadata", "session_id"), _id_like),
    (("session_id",), _id_like),
    (("conversation_id",), _id_like),
)
"""Members that name a session, best first, and how to read each."""


def hints(params: bytes) -> Hints:
    """Ids in the members of a body other than messages, tools and system. Never raises: bad JSON says nothing."""
    try:
        body = decode(params)
    except ValueError:
        return Hints()
    if not isinstance(body, dict):
        return Hints()
    session = None
    for path, read in _PLACES:
        value: Json = body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        session = read(value)
        if session is not None:
            break
    return Hints(session, _text(body.get("previous_response_id")))
