"""One log file -> its digest. A pure function of the bytes: runs in worker processes, order of files does not matter.

``resume`` continues the digest of a file that has grown. How the digests of neighbouring files are joined is told in
``read.join``.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, TypeVar

from msgspec.structs import replace

from lms_audit.model import Class, Key, LogSettings, Problem, Tally
from lms_audit.read.bodies import Seen
from lms_audit.read.events import AnyEvent, Before, Edge, FileDigest, RequestReceived, Work
from lms_audit.read.framing import BOM, Record, begun, records
from lms_audit.read.lmstudio import Reader

NOTHING = Before()
CHUNK = 1 << 20
EXAMPLES = 20
"""Unknown lines and problems kept per file; all of them are counted."""


def digest(
    path: Path, name: str, *, progress: Callable[[int], None] | None = None, seen: Seen | None = None
) -> FileDigest:
    """Reads a log file.

    ``name`` is what evidence calls the file; ``progress`` is told the bytes of each chunk. ``seen`` is what earlier
    files have shown, and is added to; items of theirs come with an empty text. Raises ``OSError``.
    """
    with path.open("rb") as file:
        return digest_chunks(_chunks(file, progress), name, seen=seen)


def _chunks(file: BinaryIO, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        if progress is not None:
            progress(len(chunk))
        yield chunk


def digest_chunks(
    chunks: Iterable[bytes],
    name: str,
    *,
    start: int = 0,
    line: int = 1,
    before: Before = NOTHING,
    seen: Seen | None = None,
) -> FileDigest:
    """``digest`` on any stream of bytes, which starts at byte ``start``, in line ``line``, of its file.

    ``before`` is what reading up to there remembers.
    """
    return _Reading(name, seen).read(chunks, start, line, before)


class _Text:
    """The chunks of a file as UTF-8: UTF-16, as a Windows shell writes when output is redirected, is recoded."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.size = 0
        """Bytes of the file so far."""
        self.encoding: str | None = None
        """``None``: nothing is recoded."""

    def __iter__(self) -> Iterator[bytes]:
        chunks = self._counted()
        first = next(chunks, b"")
        while len(first) < 2 and (more := next(chunks, None)) is not None:
            first += more
        self.encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(first[:2])
        if self.encoding is None:
            yield first
            yield from chunks
            return
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        yield decoder.decode(first[2:]).encode("utf-8", "replace")
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", True).encode("utf-8", "replace")

    def _counted(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk

    def bytes_of(self, text: bytes) -> int:
        """Bytes that a part of the text takes in the file."""
        return len(text) if self.encoding is None else len(text.decode("utf-8", "replace").encode(self.encoding))


class _Reading:
    """Gathers a digest; always one record behind, so that the last one can be kept apart."""

    def __init__(self, name: str, seen: Seen | None) -> None:
        self.work = Work()
        self.items: dict[Key, bytes] = {}
        self.reader = Reader(name, self.items, self.work, seen)
        self.events: list[AnyEvent] = []
        self.classes: dict[Class, Tally] = {}
        self.kinds: dict[str, Tally] = {}
        self.unknown: list[Problem] = []
        self.forms: set[str] = set()
        self.head: Edge | None = None
        self.first_record = b""
        self.first_end = 0
        self.times: list[int] = []
        self.precise = False
        self.held: Record | None = None
        self.text = _Text(())
        self.counted = 0
        """Bytes of the records behind us, as the file has them."""
        self.continues = False
        """The first record read is not the first of its file."""

    def go_on(self, earlier: FileDigest) -> None:
        """Take over the events in front of the record an earlier reading ended with."""
        self.events = list(earlier.events)
        self.reader.fold.reopen(self.events[place] for place in earlier.open_runs)
        bodies = sum(isinstance(event, RequestReceived) and event.body is not None for event in self.events)
        self.reader.bodies.go_on(bodies)

    def read(self, chunks: Iterable[bytes], start: int, line: int, before: Before) -> FileDigest:
        self.reader.restore(before)
        self.continues = before != NOTHING
        self.text = _Text(chunks)
        for record in records(self.text, start=start, line=line):
            if self.held is not None:
                self._settle(self.held)
            self.held = record
        return self._finish(start, line)

    def _settle(self, record: Record) -> None:
        """Reads a record that is surely whole."""
        events = self.reader.read(record)
        size = self.text.bytes_of(record.raw)
        if not self.counted and self.text.encoding is not None:
            size += len(codecs.BOM_UTF16)
        self.counted += size
        if self._is_head(record, size):
            return
        tally = Tally(1, size)
        self.classes[self.reader.fate] = self.classes.get(self.reader.fate, Tally()) + tally
        self.kinds[self.reader.kind] = self.kinds.get(self.reader.kind, Tally()) + tally
        if self.reader.unknown is not None and len(self.unknown) < EXAMPLES:
            self.unknown.append(self.reader.unknown)
        self.events += events
        self._note(record)

    def _is_head(self, record: Record, size: int) -> bool:
        """Text before the first record, which the file before may explain."""
        if record.form is not None or not record.raw.strip(b"\0\r\n " + BOM) or self.reader.kind == "padding":
            return False
        self.head = _edge(record, size)
        return True

    def _note(self, record: Record) -> None:
        if record.form is None:
            return
        self.forms.add(record.form.value)
        self.precise = self.precise or record.precise
        if record.at is not None:
            self.times = [min([*self.times[:1], self.reader.last_at]), max([*self.times[1:], self.reader.last_at])]
            if not self.first_record:
                # A neighbour may end with this very record: its events must not run into those that follow.
                self.first_record = record_mark(record.raw)
                self.first_end = record.end_line
                if not self.continues:
                    self.reader.fold.start()

    def _finish(self, start: int, line: int) -> FileDigest:
        reader, held = self.reader, self.held
        tail: Edge | None = None
        tail_events: list[AnyEvent] = []
        tail_fate = None
        whole = len(reader.problems)
        before_tail = reader.state()
        open_runs = reader.fold.open(self.events)
        if held is not None:
            reader.fold.start()
            cut = begun(held.raw) if held.form is not None else 0
            tail_events = reader.read(Record(held.raw[:-cut], held.start, held.line) if cut else held)
            size = self.text.size - self.counted
            if not self._is_head(held, size):
                unfinished = self.text.bytes_of(held.raw[len(held.raw) - cut :])
                tail = _edge(held, size, begun=unfinished, closed=_is_closed(held, tail_events))
                tail_fate = (reader.fate, reader.kind)
                self._note(held)
        elif self.text.size:  # a byte order mark, and nothing else
            mark = Tally(1, self.text.size)
            self.classes[Class.NOISE] = self.kinds["padding"] = mark
        return FileDigest(
            name=reader.name,
            size=start + self.text.size,
            lines=held.end_line if held is not None else line - 1,
            events=reader.fold.settle(self.events),
            tail_events=reader.fold.settle(tail_events),
            items=self.items,
            head=self.head,
            tail=tail,
            tail_fate=tail_fate,
            tail_problems=tuple(reader.problems[whole:]),
            before_tail=before_tail,
            after_tail=reader.state(),
            open_runs=open_runs,
            tail_unknown=reader.unknown if tail else None,
            first_record=self.first_record,
            first_end=self.first_end,
            recoded=self.text.encoding is not None,
            precise=self.precise,
            first_at=self.times[0] if self.times else None,
            last_at=self.times[-1] if self.times else None,
            classes=self.classes,
            kinds=self.kinds,
            unknown_examples=tuple(self.unknown),
            problems=tuple(reader.problems[:whole]),
            forms=tuple(sorted(self.forms)),
            settings=reader.settings(),
            work=self.work,
        )


def _is_closed(record: Record, events: Sequence[AnyEvent]) -> bool:
    """Whether a record surely does not go on in the next file: a request whose body ends with the file."""
    asked = any(isinstance(event, RequestReceived) and event.body and event.body.complete for event in events)
    return asked and record.raw.endswith((b"}\n", b"}\r\n"))


def _edge(record: Record, size: int, *, begun: int = 0, closed: bool = False) -> Edge:
    return Edge(
        start=record.start,
        line=record.line,
        size=size,
        breaks=record.breaks,
        open=not record.raw.endswith(b"\n"),
        closed=closed,
        mark=record_mark(record.raw),
        begun=begun,
        data=b"" if closed else record.raw,
    )


def record_mark(data: bytes) -> bytes:
    """What two copies of one record have in common."""
    return blake2b(data.strip(), digest_size=16).digest()


def resume(
    previous: FileDigest,
    path: Path,
    *,
    progress: Callable[[int], None] | None = None,
    seen: Seen | None = None,
) -> FileDigest:
    """The digest of a file that has grown since ``previous``; only its last record and what came after it are read.

    ``items`` and ``work`` are those of the new part. Raises ``OSError``.
    """
    if previous.tail is None:
        return digest(path, previous.name, progress=progress, seen=seen)
    with path.open("rb") as file:
        file.seek(previous.tail.start)
        reading = _Reading(previous.name, seen)
        reading.go_on(previous)
        new = reading.read(_chunks(file, progress), previous.tail.start, previous.tail.line, previous.before_tail)
    grown = not 0 < previous.first_end < previous.tail.line  # the first record was the last one too
    return replace(
        new,
        head=previous.head,
        first_record=new.first_record if grown else previous.first_record,
        first_end=new.first_end if grown else previous.first_end,
        precise=previous.precise or new.precise,
        first_at=_extreme(min, previous.first_at, new.first_at),
        last_at=_extreme(max, previous.last_at, new.last_at),
        classes=_sum(previous.classes, new.classes),
        kinds=_sum(previous.kinds, new.kinds),
        unknown_examples=(*previous.unknown_examples, *new.unknown_examples)[:EXAMPLES],
        problems=(*previous.problems, *new.problems),
        forms=tuple(sorted({*previous.forms, *new.forms})),
        settings=join_settings((previous.settings, new.settings)),
    )


K = TypeVar("K", bound=str)


def _sum(a: dict[K, Tally], b: dict[K, Tally]) -> dict[K, Tally]:
    return {name: a.get(name, Tally()) + b.get(name, Tally()) for name in sorted({*a, *b})}


def _extreme(choose: Callable[[int, int], int], a: int | None, b: int | None) -> int | None:
    return a if b is None else b if a is None else choose(a, b)


def join_settings(several: Iterable[LogSettings]) -> LogSettings:
    """What several stretches of log show together; where they differ, the better setting was on at least once."""
    several = tuple(several)

    def seen(name: str) -> bool | None:
        values = [getattr(settings, name) for settings in several if getattr(settings, name) is not None]
        return any(values) if values else None

    return LogSettings(
        verbose=seen("verbose"),
        full_bodies=seen("full_bodies"),
        incoming_tokens=seen("incoming_tokens"),
        redacted=seen("redacted"),
    )
