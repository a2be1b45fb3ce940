"""Byte stream -> records.

A record is a prefixed line and everything up to the next prefixed line. Prefixes are found on bytes, so the spans of
all records, in order, give the file back, whatever is in it. How the stream is cut into chunks makes no difference.

Cost: one regular-expression scan at memory speed and one copy of each byte; memory is the longest record and a chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from functools import lru_cache

from lms_audit.model import Millis


class Form(StrEnum):
    """How a prefixed line is written."""

    V02 = "0.2"
    FILE = "file"
    UI = "ui"
    STREAM = "stream"
    """A line of ``lms log stream --json``: one record, one JSON object."""


DATE = rb"(?P<{0}date>2\d{{3}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))"
TIME = rb"(?P<{0}time>(?:[01]\d|2[0-3]):[0-5]\d:[0-6]\d)"
LEVEL = rb"\[(?P<{0}level>DEBUG|INFO|WARN|ERROR)\]"


ANSI = rb"(?:\x1b\[[0-9;]{0,12}m){0,4}"
"""Colours, as a terminal gets them."""
COLOUR = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")


def _named(pattern: bytes, prefix: bytes) -> bytes:
    return pattern.replace(b"{0}", prefix).replace(b"{{", b"{").replace(b"}}", b"}")


PREFIX = re.compile(
    # [2026-02-08 17:59:26][INFO][qwen/qwen3-coder-next] Streaming response...
    # [2023-11-04 22:50:06.101] [INFO] Processing queued request...
    rb"\[" + _named(DATE, b"f") + rb"\x20" + _named(TIME, b"f") + rb"(?:\.(?P<ms>\d{3}))?\]"
    + ANSI + rb"\x20?" + ANSI + _named(LEVEL, b"f")
    # 2024-11-15 18:45:22  [INFO] Server started.
    # 2026-07-15 09:13:47 [DEBUG]              (the text stands on the next line)
    + rb"|" + _named(DATE, b"u") + rb"\x20" + _named(TIME, b"u") + ANSI + rb"\x20{1,2}" + ANSI + _named(LEVEL, b"u")
    # {"timestamp":1790000000000,"data":{"type":"server.log","content":"[2026-…
    + rb'|\{\s?"timestamp":\s?(?P<epoch>\d{10,14}),\s?"data":\s?\{'
)  # fmt: skip

_BARE = PREFIX.pattern.replace(b"?P<", b"?:<")
_BARE = re.sub(rb"\(\?:<\w+>", b"(?:", _BARE)
BOM = b"\xef\xbb\xbf"
START = re.compile(rb"\n(?=(?:" + BOM + rb")?(?:" + _BARE + rb"))")
"""A line break in front of a prefix, and maybe the byte order mark of a file that was copied behind another one. The
one-byte literal start lets the scan run at memchr speed."""
START_DIRTY = re.compile(rb"[\n\0](?=(?:" + BOM + rb")?" + ANSI + rb"(?:" + _BARE + rb"))")
"""The same where a crash left NUL padding or a terminal colours in front of a prefix."""

REACH = 320
"""No prefix, colours included, is longer: a line break nearer to the end of the buffer waits for more bytes."""

_BEGUN = re.compile(
    # [2026-03-02 09:00:00][DEB      2026-03-02 09:0      {"timestamp":17900
    rb"(?:\[2\d{0,3}|2\d{3}(?=-))(?:-\d{0,2}(?:-\d{0,2}(?:\x20[\d:.]{0,12})?)?)?(?:\]?\x20{0,2}\[?[A-Z]{0,5})"
    rb'|\{\s?"t[a-z]{0,8}(?:"(?::\s?\d{0,14}(?:,\s?"?[a-z]{0,4}"?:?\s?)?)?)?'
)
"""A prefix that is not whole."""

_PADDING = re.compile(rb"(?:" + BOM + rb")?\0*")
_UI_TEXT = re.compile(rb"[\x20\t]*+\r?\n[\x20\t]?|\x20")


class Record:
    """A prefixed line and its continuation lines, as bytes."""

    __slots__ = ("at", "breaks", "data", "form", "level", "line", "precise", "raw", "start", "text_at")

    def __init__(self, raw: bytes, start: int, line: int) -> None:
        self.raw = raw
        """As it stands in the file."""
        self.data = COLOUR.sub(b"", raw) if b"\x1b" in raw else raw
        """Without colours. JSON never holds a raw escape character, so bodies stay as they are."""
        self.start = start
        """Offset of the first byte in the file."""
        self.line = line
        """1-based number of the first line."""
        self.breaks = raw.count(b"\n")
        """Line breaks in the record."""
        self.form: Form | None = None
        """``None``: text before the first prefixed line."""
        self.at: Millis | None = None
        """Local milliseconds; for the stream form, epoch milliseconds. ``None``: no prefix, or no such date."""
        self.precise = False
        self.level = ""
        self.text_at = 0
        """Offset in ``data`` where the message starts."""
        self._read_prefix()

    @property
    def end(self) -> int:
        """Offset behind the last byte in the file."""
        return self.start + len(self.raw)

    @property
    def end_line(self) -> int:
        """1-based number of the last line."""
        return self.line + self.breaks - (1 if self.breaks and self.raw.endswith(b"\n") else 0)

    def _read_prefix(self) -> None:
        data = self.data
        match = PREFIX.match(data)
        if match is None:
            # A BOM or NUL padding may stand in front; both are part of the record.
            clean = _PADDING.match(data)
            at = clean.end() if clean else 0
            match = PREFIX.match(data, at) if at else None
            if match is None:
                return
        day, clock, level = match["fdate"], match["ftime"], match["flevel"]
        if day is not None:
            self.form = Form.V02 if match["ms"] is not None else Form.FILE
            self.precise = match["ms"] is not None
        elif match["udate"] is not None:
            day, clock, level = match["udate"], match["utime"], match["ulevel"]
            self.form = Form.UI
        else:
            self.form = Form.STREAM
            self.at, self.precise, self.text_at = int(match["epoch"]), True, match.start()
            return
        self.level = level.decode()
        self.at = _millis(day, clock, int(match["ms"] or 0))
        self.text_at = self._skip_to_text(match.end())

    def _skip_to_text(self, at: int) -> int:
        """The message follows the level, after a blank or not, or (UI form) on the next line, indented or not."""
        if self.form is Form.UI:
            rest = _UI_TEXT.match(self.data, at)
            return rest.end() if rest else at
        return at + 1 if self.data[at : at + 1] == b" " else at


def begun(data: bytes) -> int:
    """How many bytes at the end of a file are the beginning of a prefix that was never written to its end."""
    last = data.rfind(b"\n") + 1
    return len(data) - last if last and _BEGUN.fullmatch(data[last:].rstrip(b"\0")) else 0


@lru_cache(maxsize=512)
def _day_millis(day: bytes) -> int | None:
    try:
        return (date(int(day[:4]), int(day[5:7]), int(day[8:])).toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000
    except ValueError:  # 30 February
        return None


def _millis(day: bytes, clock: bytes, ms: int) -> Millis | None:
    base = _day_millis(bytes(day))
    if base is None:
        return None
    return base + ((int(clock[:2]) * 60 + int(clock[3:5])) * 60 + int(clock[6:])) * 1000 + ms


def records(chunks: Iterable[bytes], *, start: int = 0, line: int = 1) -> Iterator[Record]:
    """All records of a byte stream, in order; text before the first prefix comes first, with ``form`` ``None``.

    ``start`` and ``line`` say where in the file the stream begins.
    """
    buffer = bytearray()
    scanned = 0  # line breaks before this offset are known not to start a record
    for chunk in chunks:
        buffer += chunk
        starts = list(_starts(buffer, scanned, len(buffer) - REACH))
        scanned = max(scanned, len(buffer) - REACH)
        if starts:
            for record in _cut(buffer, starts, start, line):
                yield record
                line = record.line + record.breaks
            del buffer[: starts[-1]]
            start += starts[-1]
            scanned -= starts[-1]
    for record in _cut(buffer, [*_starts(buffer, scanned, len(buffer)), len(buffer)], start, line):
        if record.raw:
            yield record


def _starts(buffer: bytearray, scanned: int, until: int) -> Iterator[int]:
    """Offsets behind the line breaks in ``[scanned, until)`` that a prefix follows."""
    dirty = any(buffer.find(mark, scanned) >= 0 for mark in (b"\0", b"\x1b"))
    for match in (START_DIRTY if dirty else START).finditer(buffer, max(scanned, 0)):
        if match.start() >= until:
            return
        yield match.end()


def _cut(buffer: bytearray, ends: list[int], start: int, line: int) -> Iterator[Record]:
    begin = 0
    for end in ends:
        with memoryview(buffer) as view:
            data = bytes(view[begin:end])
        record = Record(data, start + begin, line)
        yield record
        line += record.breaks
        begin = end
