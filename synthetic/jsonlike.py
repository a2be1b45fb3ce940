"""JSON as LM Studio prints it, and its way of shortening strings.

Bodies are what ``JSON.stringify(value, null, 2)`` gives: two blanks, no raw line break inside a string. A conversation is
re-sent with every request, so each of its messages is printed once and kept (``Item``); a body is then a join of bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any

MARK = "... <Truncated in logs> ..."
KEEP = 50
LONGEST = 120

_LONE = re.compile("[\ud800-\udfff]")


def stringify(value: Any, indent: int = 0) -> bytes:
    """JSON text with two blanks per level; lines after the first are moved right by ``indent`` blanks."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if indent:
        text = text.replace("\n", "\n" + " " * indent)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def shorten(text: str) -> str:
    """A string as the log has it by default: more than 120 UTF-16 units become the first 50, a mark, the last 50."""
    if text.isascii():
        return text if len(text) <= LONGEST else text[:KEEP] + MARK + text[-KEEP:]
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * LONGEST:
        return text
    head, tail = units[: 2 * KEEP], units[-2 * KEEP :]
    return head.decode("utf-16-le", "surrogatepass") + MARK + tail.decode("utf-16-le", "surrogatepass")


def shorten_all(value: Any) -> Any:
    """The same value with every string in it shortened; names of members stay."""
    match value:
        case str():
            return shorten(value)
        case list():
            return [shorten_all(element) for element in value]
        case dict():
            return {name: shorten_all(member) for name, member in value.items()}
    return value


class Item:
    """A value of a body that is sent again and again: a message, a tool set, a system member.

    ``text`` is what the model's template makes of it, near enough for counting tokens and comparing prompts: its JSON
    without the cache markers that Claude Code moves along. ``origin`` is the answer that came back as this item, if one did.
    """

    __slots__ = ("_cut", "_full", "indent", "origin", "text", "tokens", "value")

    def __init__(self, value: Any, indent: int = 4, origin: object = None) -> None:
        self.value = value
        self.origin = origin
        self.indent = indent
        self.text = json.dumps(_unmarked(value), ensure_ascii=False, separators=(",", ":"))
        self.tokens = tokens_of(self.text)
        self._full: bytes | None = None
        self._cut: bytes | None = None

    def full(self) -> bytes:
        if self._full is None:
            self._full = stringify(self.value, self.indent)
        return self._full

    def cut(self) -> bytes:
        if self._cut is None:
            self._cut = stringify(shorten_all(self.value), self.indent)
        return self._cut


Body = list[tuple[str, Any]]
"""Members in the client's order; a value is plain JSON, an ``Item`` or a list of ``Item``."""


def print_body(body: Body, *, full: bool) -> bytes:
    """A whole body as the log has it, from ``{`` to the ``}`` in column 0."""
    members = []
    for name, value in body:
        match value:
            case Item():
                printed = value.full() if full else value.cut()
            case [Item(), *_]:
                items = b",\n    ".join([item.full() if full else item.cut() for item in value])
                printed = b"[\n    " + items + b"\n  ]"
            case _:
                printed = stringify(value if full else shorten_all(value), 2)
        members.append(b'  "' + name.encode() + b'": ' + printed)
    return b"{\n" + b",\n".join(members) + b"\n}"


def tokens_of(text: str) -> int:
    """A believable token count: about 3.6 characters each, and the template's frame."""
    return 4 + int(len(text) / 3.6)


def _unmarked(value: Any) -> Any:
    match value:
        case dict():
            return {name: _unmarked(member) for name, member in value.items() if name != "cache_control"}
        case list():
            return [_unmarked(element) for element in value]
    return value
