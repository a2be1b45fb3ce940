"""A session's data file: each message and system member once as it was sent, and how requests are made of them.

In: the session's requests in order. Out: one JavaScript file per part of the session (tool sets, which sessions share,
have files of their own), loaded when a reader asks for a whole text, a raw message, the payload of a request, or
searches the site. A payload is never written per request: a request is its predecessor's messages up to a count and the
numbers of the new ones, so the file is linear in what is new.

Format, after base64 and gzip: ``{"first": n, "items": [raw JSON …], "requests": {id: [predecessor, shared, [items],
system, tool set, [[member, raw JSON] …], order, list name]}}``; item numbers count through all parts. Cost: one pass
over the new messages; zlib at level 4, about 60 MB/s.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence

import msgspec

from lms_audit.model import Json, Key, Library, Prompt, Request
from lms_audit.present.views.blocks import Place
from lms_audit.present.views.ways import way_to

LEVEL = 4


def _common(a: list[Key], b: list[Key]) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def packed(data: bytes) -> str:
    """Bytes for a script: gzip in base64."""
    return base64.b64encode(gzip.compress(data, LEVEL, mtime=0)).decode()


def places(session_id: str, shown: Mapping[int, Sequence[str]]) -> str:
    """The file that says which part of a session's page tells of a request, or has the anchor of a message."""
    text = json.dumps([" ".join(shown[number]) for number in sorted(shown)], separators=(",", ":"))
    return f'lmsAudit.places("{session_id}",{text});\n'


class SessionData:
    """Collects what the parts of a session's page refer to."""

    def __init__(self, session_id: str, library: Library) -> None:
        self.session_id = session_id
        self._library = library
        self._numbers: dict[Key, int] = {}
        self._count = 0
        self._first = 0
        self.held: dict[Key, tuple[int, int]] = {}
        """Stored item -> the part that has it, and its place among the part's items; filled as parts are closed."""
        self._items: list[str] = []
        self._requests: dict[str, Json] = {}
        self._previous: tuple[str, list[Key]] | None = None
        self._params: dict[Key, Json] = {}

    def _append(self, raw: str) -> int:
        self._items.append(raw)
        self._count += 1
        return self._count - 1

    def item(self, key: Key) -> int:
        """Number of a stored item."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._append(self._library.raw(key).decode("utf-8", "replace"))
        return number

    def text(self, text: str) -> int:
        """Number of a text that stands in no message: an answer that no later request repeats."""
        return self._append(json.dumps(text, ensure_ascii=False))

    def place(self, key: Key, text: str) -> Place:
        """Where a text of a stored message is found."""
        way = way_to(self._library.raw(key), text)
        if way is None:
            return Place(self.text(text), "[]")
        return Place(self.item(key), json.dumps(way, separators=(",", ":")))

    def request(self, request: Request) -> None:
        """How a request's payload is put together again."""
        prompt = request.prompt
        if prompt is None:
            return
        path = self._library.path(prompt.node)
        before, shared = "", 0
        if self._previous is not None:
            before, known = self._previous
            shared = _common(known, path)
        numbers = [self.item(key) for key in path[shared:]]
        self._previous = (request.id, path)
        self._requests[request.id] = [
            before if shared else "",
            shared,
            numbers,
            None if prompt.system is None else self.item(prompt.system),
            None if prompt.tools is None else prompt.tools[:12],
            self._members(prompt),
            list(prompt.order),
            prompt.list_name,
        ]

    def _members(self, prompt: Prompt) -> Json:
        """The other members of the body, each as its own JSON text, so that numbers stay as they were written."""
        if prompt.params is None:
            return []
        held = self._params.get(prompt.params)
        if held is None:
            members = msgspec.json.decode(self._library.raw(prompt.params), type=dict[str, msgspec.Raw])
            held = [[name, bytes(raw).decode("utf-8", "replace")] for name, raw in members.items()]
            self._params[prompt.params] = held
        return held

    def close(self, part: int) -> str:
        """The data file of what was mentioned since the last part was closed."""
        for key, number in self._numbers.items():
            self.held.setdefault(key, (part, number - self._first))
        content = {"first": self._first, "items": self._items, "requests": self._requests}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        self._first, self._items, self._requests = self._count, [], {}
        return f'lmsAudit.data("{self.session_id}",{part},"{packed(text.encode("utf-8", "replace"))}");\n'
