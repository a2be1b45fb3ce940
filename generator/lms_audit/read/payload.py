"""JSON inside a record: bytes to values and back.

Complete small objects are decoded by msgspec. What is cut, too deep or odd is streamed through ijson, which gives what
can still be read. This is the only module that knows ijson.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b
from io import BytesIO
from math import isfinite
from typing import Any

import ijson
import msgspec

from lms_audit.model import Json, Key

MARK = b"<Truncated in logs>"
"""LM Studio's mark in a string of which it kept 50 UTF-16 units at each end: ``... <Truncated in logs> ...``."""
MARK_TEXT = MARK.decode()

BUFFER = 65536


def _buffer(raw: bytes) -> int:
    """Bytes given to the parser at a time: it looks at an unfinished string anew with each, so few for a long text."""
    return max(BUFFER, len(raw) // 16)


SMALL = 2048
"""Bytes up to which a complete value is decoded at once; for more, streaming costs less than it saves memory."""
MAX_DEPTH = 500
"""What is nested deeper is replaced by ``TOO_DEEP``: no encoder follows it, and no client means it."""
TOO_DEEP = "(nested too deep)"

# LM Studio shortens strings at UTF-16 units, so that half of a surrogate pair may stand alone: \\ud83d or \\ude00.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?P<pair>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})|(?P<other>.))",
    re.DOTALL,
)
DIGITS = 400
_DIGITS = re.compile(rb"[0-9]{4000,}")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")

_encoder = msgspec.json.Encoder(decimal_format="number")
_sorter = msgspec.json.Encoder(decimal_format="number", order="sorted")


# --- values -> bytes, bytes -> values -------------------------------------------------------------------------------


def compact(value: Json) -> bytes:
    """JSON text without blanks, members in the order given."""
    return _encode(_encoder, value)


def item_key(value: Json) -> Key:
    """Content hash of a value: equal JSON values have equal keys whatever their spacing and member order."""
    return blake2b(b"1" + _encode(_sorter, value), digest_size=16).hexdigest()


def _encode(encoder: msgspec.json.Encoder, value: Json) -> bytes:
    try:
        return encoder.encode(value)
    except (OverflowError, UnicodeEncodeError):
        # numbers beyond 64 bits, lone surrogates
        text = json.dumps(value, ensure_ascii=False, default=float, sort_keys=encoder is _sorter, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def decode(raw: bytes) -> Json:
    """Value of a complete JSON text. Raises ``ValueError`` where it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _whole(raw)


def stream_one(raw: bytes) -> Json:
    """The one value of a JSON text, streamed unless it is small. Raises ``ValueError`` where it is not exactly one."""
    if len(raw) <= SMALL:
        return decode(raw)
    if b"\\ud" not in raw and b"\\uD" not in raw:
        value, complete = _stream(raw, use_float=True)
        if complete:
            return value
    return _whole(raw)  # a number out of range, broken characters, or no JSON at all


def _whole(raw: bytes) -> Json:
    value, complete = salvage(raw)
    if not complete:
        raise ValueError("not a complete JSON value")
    return value


def salvage(raw: bytes) -> tuple[Json, bool]:
    """What a JSON text holds as far as it goes, and whether it was whole. ``None`` where nothing could be read.

    Broken characters and halves of surrogate pairs become U+FFFD; what is nested too deep becomes ``TOO_DEEP``.
    """
    raw = _mended(raw)
    value, complete = _stream(raw)
    if not complete and _CONTROL.search(raw):
        value, complete = _stream(_CONTROL.sub(b" ", raw))
    return value, complete


def _stream(raw: bytes, *, use_float: bool = False) -> tuple[Json, bool]:
    """A value as far as it goes, and whether it was whole.

    ``ijson.items`` would be quicker, but needs memory that grows with the square of the depth.
    """
    builder = _Builder()
    try:
        for event, value in ijson.basic_parse(BytesIO(raw), buf_size=_buffer(raw), use_float=use_float):
            builder.event(event, value)
    except (ijson.JSONError, UnicodeDecodeError, ArithmeticError) as error:
        if "trailing garbage" not in str(error):
            return builder.value, False
    return builder.value, builder.whole


def _mended(raw: bytes) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raw = raw.decode("utf-8", "replace").encode()
    # Python makes no number of so many digits, and ijson's parser does not survive it.
    raw = _DIGITS.sub(lambda match: match[0][:DIGITS], raw)
    if b"\\ud" in raw or b"\\uD" in raw:
        raw = _ESCAPE.sub(lambda match: match[0] if match["other"] or match["pair"] else b"\\ufffd", raw)
    return raw


class _Builder:
    """Builds a value from ijson events without recursion; holds the partial value at any time."""

    def __init__(self) -> None:
        self.value: Json = None
        self.whole = False
        self._stack: list[Any] = []
        self._names: list[str] = []
        self._below = 0
        """Containers open that are nested too deep."""

    def event(self, event: str, value: Any) -> None:
        starts, ends = event in ("start_map", "start_array"), event in ("end_map", "end_array")
        if self._below:
            self._below += 1 if starts else -1 if ends else 0
        elif event == "map_key":
            self._names[-1] = value
        elif ends:
            self._stack.pop()
            self._names.pop()
            self.whole = not self._stack
        elif starts and len(self._stack) >= MAX_DEPTH:
            self._below = 1
            self._put(TOO_DEEP)
        elif starts:
            new: Any = {} if event == "start_map" else []
            self._put(new)
            self._stack.append(new)
            self._names.append("")
        else:
            self._put(_float(value) if isinstance(value, Decimal) else value)
            self.whole = not self._stack

    def _put(self, new: Json) -> None:
        if not self._stack:
            self.value = new
        elif isinstance(self._stack[-1], dict):
            self._stack[-1][self._names[-1]] = new
        else:
            self._stack[-1].append(new)


def _float(value: Decimal) -> float | Decimal:
    number = float(value)
    return number if isfinite(number) else value


# --- small conversions ----------------------------------------------------------------------------------------------


def as_arguments(value: Json) -> str:
    """JSON text of a call's arguments: as given, or encoded where the protocol sends an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value).decode()


def first(values: Mapping[str, Any], *names: str) -> Any:
    """The first member of these names that is there and not null."""
    return next((values[name] for name in names if values.get(name) is not None), None)


def as_text(value: Any) -> str | None:
    """A string, or ``None``."""
    return value if isinstance(value, str) else None


def as_bool(value: Any) -> bool | None:
    """A boolean, or ``None``."""
    return value if isinstance(value, bool) else None


def as_count(value: Any) -> int | None:
    """A whole number a token count or time could be, or ``None``."""
    number = as_float(value)
    return int(number) if number is not None and number < 2**53 else None


def as_float(value: Any) -> float | None:
    """A finite amount, or ``None``: nothing that is counted or measured is negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) and number >= 0 else None


def as_ms(seconds: Any) -> float | None:
    """Seconds as milliseconds."""
    value = as_float(seconds)
    return None if value is None else round(value * 1000, 3)
