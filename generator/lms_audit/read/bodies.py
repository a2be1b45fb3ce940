"""Request bodies: nearly all the bytes of a log, since every one repeats the whole conversation.

LM Studio prints them with two blanks of indentation and never a raw line break inside a string, so the places where
members and list elements start and end are found by searching for line breaks and blanks. What a body shares with an
earlier one, up to the first byte that differs, is not looked at again; only fresh elements are hashed, streamed through
the parser and kept. A body that is cut or printed some other way is read by the parser alone, as far as it goes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from hashlib import blake2b
from typing import NamedTuple

from lms_audit.model import Json, Key
from lms_audit.read.events import Body, Work
from lms_audit.read.payload import MARK, MARK_TEXT, as_bool, as_text, compact, decode, item_key, salvage, stream_one

LISTS = ("messages", "input", "prompt")
"""Members that hold the conversation, by protocol."""
SYSTEMS = ("system", "instructions", "system_prompt")
TOOLS = ("tools", "functions")

SHORT = 120
"""UTF-16 units up to which LM Studio leaves a string whole."""

_MEMBER = re.compile(rb'\{?\r?\n  "((?:[^"\\\n]|\\.)*)": ?')
_NAME = re.compile(rb'\n  "((?:[^"\\\n]|\\.)*)": ?')
_BODY_END = re.compile(rb"\n\}(?=\r?\n|\r?\Z)")
_ELEMENT = re.compile(rb"[\[,]\r?\n    (?=\S)")
_CLOSED = re.compile(rb"\r?\n  \]")
_MEDIA = re.compile(rb'"type": "(?:input_)?(?:image|file|document|audio)')
_CLOSE = re.compile(rb"\r?\n\}")
_ENDED = re.compile(rb",?\r?\n(?:  \"|\})")
"""Behind the value of a member: the next one, or the end of the body."""


class Known(NamedTuple):
    """What reading the JSON text of an element or member has shown."""

    key: Key
    marked: bool
    """It holds the mark of a shortened string."""
    media: bool
    """It holds an image or a file."""
    long: bool
    """It holds a string longer than LM Studio leaves it, uncut."""


Seen = dict[bytes, Known]
"""Digest of a JSON text -> what is known of it."""


class _CutError(Exception):
    """The body ends, or leaves the printed form, in the middle of something."""


class _Layout:
    """Where the elements of an earlier body end, to recognise them in the next one."""

    __slots__ = (
        "data",
        "ends",
        "first_mark",
        "first_media",
        "keys",
        "list_at",
        "list_name",
        "ordinal",
        "start",
        "stop",
    )

    def __init__(self, data: bytes, start: int, stop: int, ordinal: int) -> None:
        self.data = data
        self.start = start
        """Where the body starts in ``data``; offsets count from there."""
        self.stop = stop
        """Where it stops in ``data``."""
        self.ordinal = ordinal
        self.list_name: str | None = None
        self.list_at = -1
        self.ends: list[int] = []
        self.keys: list[Key] = []
        self.first_mark: int | None = None
        """The first element that holds the mark of a shortened string."""
        self.first_media: int | None = None
        """The first element that holds an image or a file."""


class BodyReader:
    """Reads the request bodies of one file, in order, each message once.

    ``items`` collects the JSON of everything first met; ``work`` counts the bytes compared, hashed and parsed.
    ``seen`` may know texts from files read before: they are not parsed again, and their JSON in ``items`` is empty.
    Memory: the last few bodies (``KEEP``, at most ``KEEP_BYTES`` together) and the items.
    """

    KEEP = 8
    KEEP_BYTES = 64_000_000

    def __init__(self, items: dict[Key, bytes], work: Work, seen: Seen | None = None) -> None:
        self.items = items
        self.work = work
        self.long_strings = False
        """A string longer than LM Studio leaves whole was met uncut: the log has full bodies."""
        self.mended = False
        """The last body holds bytes that are not UTF-8."""
        self._broken = False
        """The last body holds a value that is no JSON."""
        self._seen: Seen = {} if seen is None else seen
        self._recent: list[_Layout] = []
        self._members_before: dict[str, tuple[bytes, Known]] = {}
        """The system member and the tools of the body read last."""
        self._bodies = 0

    def go_on(self, bodies: int) -> None:
        """Count on from so many bodies, which an earlier reading of the file has met."""
        self._bodies = bodies

    def read(self, data: bytes, start: int = 0) -> tuple[Body, int]:
        """The body at ``start`` in ``data`` and where it ends. ``data`` may go on behind it, or stop inside it."""
        self.mended = self._broken = False
        base, shared = self._nearest(data, start)
        if data.startswith(b"{}", start):
            end, closed = start + 2, True
        else:
            ended = _BODY_END.search(data, start + max(shared - 2, 0))
            end, closed = (ended.end(), True) if ended else (len(data), False)
        body, layout = self._read(data, start, end, closed, base, shared)
        if not self.mended and not self._broken:
            self._remember(layout)
        return body, end

    def _nearest(self, data: bytes, start: int) -> tuple[_Layout | None, int]:
        """The recent body that begins most like this one, and how many bytes they share."""
        best: _Layout | None = None
        most = 0
        for layout in self._recent:
            size = layout.stop - layout.start
            shared = min(common_prefix(layout.data, data, layout.start, start), size)
            self.work.compared += shared
            if shared > most:
                best, most = layout, shared
            if shared * 5 > size * 4:
                break
        return best, most

    def _remember(self, layout: _Layout) -> None:
        self._recent.insert(0, layout)
        kept = 0
        for index, recent in enumerate(self._recent):
            kept += len(recent.data)
            if index and (index >= self.KEEP or kept > self.KEEP_BYTES):
                del self._recent[index:]
                break

    def _read(
        self, data: bytes, start: int, end: int, closed: bool, base: _Layout | None, shared: int
    ) -> tuple[Body, _Layout]:
        layout = _Layout(data, start, end, self._bodies)
        self._bodies += 1
        parts = _Parts()
        complete = closed
        try:
            behind = self._members(data, layout, parts, base, shared)
            if closed and behind != end:
                raise ValueError("a value goes on behind the body")
            complete = closed and not self._broken
        except _CutError:
            self._salvage(data[start:end], layout, parts)
            complete = False
        except ValueError:
            # Not the printed form, or not JSON: start over with what a streaming parser makes of it.
            data = data[start:end]
            layout, parts = _Layout(data, 0, len(data), layout.ordinal), _Parts()
            value, complete = salvage(data)
            self.work.parsed += len(data)
            self.mended = not _is_utf8(data)
            self._from_value(value, layout, parts)
        kept, origin = parts.kept, base.ordinal if base is not None and parts.kept else None
        body = Body(
            model=as_text(parts.scalars.get("model")),
            stream=as_bool(parts.scalars.get("stream")),
            list_name=layout.list_name,
            base=origin,
            keep=kept,
            fresh=tuple(layout.keys[kept:]),
            system=parts.system,
            tools=parts.tools,
            params=self._item(parts.scalars) if parts.scalars else None,
            order=tuple(parts.order),
            complete=complete,
            truncated=parts.marked or layout.first_mark is not None,
            size=end - start,
            media=layout.first_media is not None,
        )
        return body, layout

    # -- the printed form

    def _members(self, data: bytes, layout: _Layout, parts: _Parts, base: _Layout | None, shared: int) -> int:
        """Reads all members; returns the offset behind the body."""
        at = layout.start
        if data.startswith(b"{}", at):
            return at + 2
        while True:
            member = _MEMBER.match(data, at)
            if member is None:
                close = _CLOSE.match(data, at)
                if close is not None:
                    return close.end()
                if at == layout.start:
                    raise ValueError("not the printed form")
                raise _CutError
            name = _json_string(member[1])
            at = member.end()
            parts.order.append(name)
            if name in LISTS and layout.list_name is None and data[at : at + 1] == b"[":
                layout.list_name, layout.list_at = name, at - layout.start
                at = self._elements(data, at, layout, parts, base, shared)
            else:
                at = self._member(name, data, at, layout, parts)
            if data[at : at + 1] == b",":
                at += 1

    def _member(self, name: str, data: bytes, at: int, layout: _Layout, parts: _Parts) -> int:
        is_list = name in LISTS and layout.list_name is None
        is_system = name in SYSTEMS and parts.system is None
        if is_list or is_system or (name in TOOLS and parts.tools is None):
            end, known = self._long_member(name, data, at, layout.stop)
            parts.marked = parts.marked or known.marked
            if is_list:
                layout.list_name = name
                layout.keys.append(known.key)
            elif is_system:
                parts.system = known.key
            else:
                parts.tools = known.key
        else:
            end = _value_end(data, at, layout.stop, b"\n  ")
            raw = data[at:end]
            self.work.parsed += len(raw)
            parts.marked = parts.marked or MARK in raw
            parts.scalars[name] = self._value(raw)
        return end

    def _long_member(self, name: str, data: bytes, at: int, stop: int) -> tuple[int, Known]:
        """Where a member's value ends, and what it is: mostly what the body before had, to the last byte."""
        before, known = self._members_before.get(name, (b"", None))
        end = at + len(before)
        if known is not None and end <= stop and data.startswith(before, at) and _ENDED.match(data, end):
            self.work.compared += len(before)
            self.items.setdefault(known.key, b"")
            return end, known
        end = _value_end(data, at, stop, b"\n  ")
        raw = data[at:end]
        known = self._known(raw)
        if not self.mended and not self._broken:
            self._members_before[name] = raw, known
        return end, known

    def _elements(self, data: bytes, at: int, layout: _Layout, parts: _Parts, base: _Layout | None, shared: int) -> int:
        """Reads a list of messages from its ``[``; returns the offset behind its ``]``."""
        start = layout.start
        if base is not None and base.list_at == at - start and base.list_name == layout.list_name:
            kept = bisect_right(base.ends, shared)
            while kept and not self._ends(data, start + base.ends[kept - 1]):
                kept -= 1  # it goes on, or the body is cut there
            if kept:
                parts.kept = kept
                layout.ends = base.ends[:kept]
                layout.keys = base.keys[:kept]
                at = start + layout.ends[-1]
                if base.first_mark is not None and base.first_mark < kept:
                    layout.first_mark = base.first_mark
                if base.first_media is not None and base.first_media < kept:
                    layout.first_media = base.first_media
        if not layout.ends:
            if data[at : at + 2] == b"[]":
                return at + 2
            if not _ELEMENT.match(data, at):
                raise _CutError if layout.stop - at < 8 else ValueError("not the printed form")
        while True:
            element = _ELEMENT.match(data, at)
            if element is None:
                closed = _CLOSED.match(data, at)
                if closed is None:
                    raise _CutError
                return closed.end()
            end = _value_end(data, element.end(), layout.stop, b"\n    ")
            known = self._known(data[element.end() : end])
            if layout.first_mark is None and known.marked:
                layout.first_mark = len(layout.keys)
            if layout.first_media is None and known.media:
                layout.first_media = len(layout.keys)
            layout.keys.append(known.key)
            layout.ends.append(end - start)
            at = end

    @staticmethod
    def _ends(data: bytes, at: int) -> bool:
        """Whether an element of the list ends at ``at``."""
        return _ELEMENT.match(data, at) is not None or _CLOSED.match(data, at) is not None

    # -- cut, or printed otherwise

    def _salvage(self, data: bytes, layout: _Layout, parts: _Parts) -> None:
        """Adds what can still be read of the element or member in which the body was cut."""
        in_list = layout.list_at >= 0 and parts.order and parts.order[-1] == layout.list_name
        if in_list:
            at = layout.ends[-1] if layout.ends else layout.list_at
            element = _ELEMENT.match(data, at)
            value = self._rest(data[element.end() :]) if element else None
            if isinstance(value, dict) and value.get("role") and len(value) > 1:
                layout.keys.append(self._item(value))
            return
        last = None
        for member in _NAME.finditer(data):
            last = member
        try:
            name = _json_string(last[1]) if last else ""
        except ValueError:  # what the damage left looks like a name and is none
            return
        value = self._rest(data[last.end() :]) if last else None
        if value is None or not parts.order or parts.order[-1] != name:
            return
        if name in SYSTEMS and parts.system is None:
            parts.system = self._item(value)
        elif name in TOOLS and parts.tools is None:
            parts.tools = self._item(value)
        elif not isinstance(value, str | int | float):  # a number may have been cut inside
            parts.scalars[name] = value
        if MARK in data:
            parts.marked = True

    def _rest(self, raw: bytes) -> Json:
        self.work.parsed += len(raw)
        return salvage(raw)[0]

    def _from_value(self, value: Json, layout: _Layout, parts: _Parts) -> None:
        if not isinstance(value, dict):
            return
        for name, member in value.items():
            parts.order.append(name)
            if name in LISTS and layout.list_name is None:
                layout.list_name = name
                elements = member if isinstance(member, list) else [member]
                layout.keys.extend(self._item(element) for element in elements)
            elif name in SYSTEMS and parts.system is None:
                parts.system = self._item(member)
            elif name in TOOLS and parts.tools is None:
                parts.tools = self._item(member)
            else:
                parts.scalars[name] = member
        parts.marked = MARK in layout.data

    # -- items

    def _known(self, raw: bytes) -> Known:
        """What a JSON text is; parsed only when these very bytes are new."""
        self.work.hashed += len(raw)
        mark = blake2b(raw, digest_size=16).digest()
        known = self._seen.get(mark)
        if known is None:
            known = self._met(raw)
            if not self.mended and not self._broken:
                self._seen[mark] = known
        else:
            self.items.setdefault(known.key, b"")
        self.long_strings = self.long_strings or known.long
        return known

    def _met(self, raw: bytes) -> Known:
        self.work.parsed += len(raw)
        value = self._value(raw)
        try:
            key = self._item(value)
        except RecursionError:
            key = self._item(salvage(raw)[0])
        media = b";base64," in raw or _MEDIA.search(raw) is not None
        return Known(key, MARK in raw, media, len(raw) > SHORT and _has_long(value))

    def _value(self, raw: bytes) -> Json:
        """The value of a JSON text; of a broken one, what can be read."""
        self.mended = self.mended or not _is_utf8(raw)
        try:
            return stream_one(raw)
        except ValueError:
            self._broken = True
            return salvage(raw)[0]

    def _item(self, value: Json) -> Key:
        key = item_key(value)
        if not self.items.get(key):
            self.items[key] = compact(value)
        return key


class _Parts:
    """What a body holds besides its list of messages."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.scalars: dict[str, Json] = {}
        self.system: Key | None = None
        self.tools: Key | None = None
        self.kept = 0
        self.marked = False


def common_prefix(a: bytes, b: bytes, a_start: int = 0, b_start: int = 0) -> int:
    """How many bytes two texts share from their starts on. Compared block by block at memory speed."""
    limit = min(len(a) - a_start, len(b) - b_start)
    block = 65536
    at = 0
    while at < limit and b.startswith(a[a_start + at : a_start + at + block], b_start + at):
        at += block
    if at >= limit:
        return limit
    low, high = at, min(at + block, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if b.startswith(a[a_start + low : a_start + middle], b_start + low):
            low = middle
        else:
            high = middle - 1
    return low


def _value_end(data: bytes, at: int, stop: int, indent: bytes) -> int:
    """Offset behind the value that starts at ``at`` and whose closing bracket, if any, stands behind ``indent``."""
    opening = data[at : at + 1]
    if opening in (b"{", b"["):
        closing = b"}" if opening == b"{" else b"]"
        if data[at + 1 : at + 2] == closing:
            return at + 2
        if at + 1 >= stop:
            raise _CutError
        if data[at + 1 : at + 2] not in (b"\n", b"\r"):
            raise ValueError("not the printed form")
        end = data.find(indent + closing, at, stop)
        if end < 0:
            raise _CutError
        return end + len(indent) + 1
    end = data.find(b"\n", at, stop)
    if end < 0:
        raise _CutError
    if data[end - 1 : end] == b"\r":
        end -= 1
    return end - 1 if data[end - 1 : end] == b"," else end


def _json_string(raw: bytes) -> str:
    return str(decode(b'"' + raw + b'"'))


def _has_long(value: Json) -> bool:
    """Whether a string in a value is longer than LM Studio leaves it, and not shortened."""
    below = [value]
    while below:
        value = below.pop()
        if isinstance(value, str):
            if len(value) > SHORT // 2 and MARK_TEXT not in value:
                units = len(value.encode("utf-16-le", "replace")) // 2
                if units > SHORT:
                    return True
        elif isinstance(value, dict):
            below.extend(value.values())
        elif isinstance(value, list):
            below.extend(value)
    return False


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
