"""The digests of all files, in order -> one run of events and the account of every file.

Rotation may cut a record in two (the second half stands, without a prefix, at the start of the next file) or repeat a
whole record at the seam. Both are settled here, for files whose names follow one another. What cannot be joined stays
damaged where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.model import Class, FileHealth, LineRange, Problem, Tally
from lms_audit.read.digest import EXAMPLES, digest_chunks
from lms_audit.read.events import AnyEvent, Edge, FileDigest, RequestReceived, Timing

NAME = re.compile(r"(?:^|/)(?P<day>\d{4}-\d\d-\d\d)\.(?P<number>\d+)\.log$")

REMAINDER = re.compile(rb"\]\[|^\}|^ +[\"\]}]|^\s*\"|\d\d:\d\d\]", re.MULTILINE)
"""In text before a file's first record: the rest of a record, not just words."""

PREFIX_BEGUN = re.compile(rb"\[?\d{0,4}(?:\d-\d{0,2}|\d-\d\d-[\d :.]{0,15})?(?:\]\[?[A-Z]{0,5})?")
"""The beginning of a prefix: of ``[2026-03-02 09:00:00][DEBUG]``, in the forms it has."""

LOST = "text before the first record"
CUT_PREFIX = "cut line"


class Stretch(Struct, frozen=True):
    """Events whose bodies refer to one another by ordinal."""

    name: str
    events: tuple[AnyEvent, ...]
    skip_until: int = 0
    """Events up to this line repeat the end of the stretch before; their bodies are still needed."""
    precise: bool = False
    last_line: int | None = None
    """Last line of the file where the stretch is a record that goes on in other files."""
    further: tuple[tuple[str, int, int], ...] = ()
    """Those files: name, number of lines of the record in it, and the lines it has before them in all."""

    def ranges(self, first_line: int, last_line: int) -> tuple[LineRange, ...]:
        """Where lines of the stretch stand: in its file, and in those its record goes on in."""
        if self.last_line is None or last_line <= self.last_line:
            return (LineRange(self.name, first_line, last_line),)
        found = []
        if first_line <= self.last_line:
            found.append(LineRange(self.name, first_line, self.last_line))
        for name, lines, before in self.further:
            begin, end = max(first_line - before, 1), min(last_line - before, lines)
            if begin <= end:
                found.append(LineRange(name, begin, end))
        return tuple(found) or (LineRange(self.name, self.last_line, self.last_line),)


class Joined(Struct, frozen=True):
    """All files together."""

    stretches: tuple[Stretch, ...]
    seams: tuple[FileDigest, ...]
    """Digests of the records that lay across files; their items have to be stored too."""
    files: tuple[FileHealth, ...]


def follows(earlier: str, later: str) -> bool:
    """Whether ``later`` is the file LM Studio opens after ``earlier``: the next number, or number 1 of a later day."""
    a, b = NAME.search(earlier), NAME.search(later)
    if a is None or b is None or earlier.split("/")[:-2] != later.split("/")[:-2]:
        return False
    if a["day"] == b["day"]:
        return int(b["number"]) == int(a["number"]) + 1
    return a["day"] < b["day"] and b["number"] == "1"


def as_read(digest: FileDigest) -> FileDigest:
    """A digest that never left memory is whole."""
    return digest


def join(
    digests: Sequence[FileDigest],
    missing: frozenset[str] = frozenset(),
    whole: Callable[[FileDigest], FileDigest] = as_read,
) -> Joined:
    """Joins digests in log order. ``missing`` names the files that are no longer on disk.

    ``whole`` gives a digest the text of its edges, which one from the store lacks: few of them are ever needed.
    """
    stretches: list[Stretch] = []
    seams: list[FileDigest] = []
    files: list[FileHealth] = []
    joined_head: FileDigest | None = None  # the seam whose record goes on in the file at hand
    skip = 0
    for index, digest in enumerate(digests):
        following = list(_continuation(digests, index))
        begun = _begun(whole(digest)) if following and joined_head is None and digest.tail is None else None
        digest = begun or digest  # noqa: PLW2901  # the same file, understood better
        seam = None
        if digest.tail is not None and following:
            seam = _seam(begun or whole(digest), [whole(later) for later, _ in following])
            seams.append(seam)
        if digest.events or seam is None:
            events = digest.events if seam is not None else (*digest.events, *digest.tail_events)
            events = _continued(events, digest, joined_head or _earlier(digests, index))
            stretches.append(Stretch(digest.name, events, skip, digest.precise))
        if seam is not None:
            events = (*seam.events, *seam.tail_events)
            further = _further(digest, [(later.name, head) for later, head in following])
            stretches.append(Stretch(digest.name, events, 0, digest.precise, digest.lines, further))
        lost = digest.head is not None and joined_head is None
        files.append(_health(whole(digest) if lost else digest, joined_head, seam, digest.name not in missing))
        if digest.tail is not None:
            joined_head = seam
        skip = _repeated(digest, digests[index + 1]) if index + 1 < len(digests) else 0
    return Joined(tuple(stretches), tuple(seams), tuple(files))


def _continuation(digests: Sequence[FileDigest], index: int) -> Iterator[tuple[FileDigest, Edge]]:
    """The files after this one, with their heads, that its last record goes on in; one may be nothing but head."""
    tail = digests[index].tail
    if tail is not None and tail.closed:
        return
    for earlier, later in zip(digests[index:], digests[index + 1 :], strict=False):
        if later.head is None or not follows(earlier.name, later.name):
            return
        yield later, later.head
        if later.tail is not None:
            return


def _begun(digest: FileDigest) -> FileDigest | None:
    """A file that was cut within the prefix of its only record: what stands there is no remainder, but a beginning."""
    head = digest.head
    if head is None or not PREFIX_BEGUN.fullmatch(head.data):
        return None
    problems = tuple(problem for problem in digest.problems if problem.kind != LOST)
    return replace(digest, head=None, tail=head, problems=problems)


def _further(digest: FileDigest, following: list[tuple[str, Edge]]) -> tuple[tuple[str, int, int], ...]:
    found = []
    before, open_line = digest.lines, digest.tail is not None and digest.tail.open
    for name, head in following:
        before -= open_line  # the cut line goes on: its two halves have one number
        lines = head.breaks + head.open
        found.append((name, lines, before))
        before, open_line = before + lines, head.open
    return tuple(found)


def _seam(digest: FileDigest, following: Sequence[FileDigest]) -> FileDigest:
    """The digest of a record cut by rotation. Its lines are those of the file it starts in."""
    tail = digest.tail
    assert tail is not None
    chunks = [tail.data, *(later.head.data for later in following if later.head is not None)]
    return digest_chunks(chunks, digest.name, start=tail.start, line=tail.line, before=digest.before_tail)


def _earlier(digests: Sequence[FileDigest], index: int) -> FileDigest | None:
    """The file this one goes on from."""
    return digests[index - 1] if index and follows(digests[index - 1].name, digests[index].name) else None


def _continued(events: tuple[AnyEvent, ...], digest: FileDigest, earlier: FileDigest | None) -> tuple[AnyEvent, ...]:
    """Events of a file; a timing block that the record before has opened gets its slot and task.

    ``earlier`` ends with that record: the file before, or what the two have between them.
    """
    opened = earlier.after_tail.open if earlier is not None else None
    if opened is None or not events or events[0].line > digest.first_end:
        return events
    first = events[0]
    if not isinstance(first, Timing) or first.task is not None:
        return events
    return (replace(first, slot=opened[0], task=opened[1]), *events[1:])


def _repeated(digest: FileDigest, later: FileDigest) -> int:
    """Last line of the next file's first record where it is this file's last record once more."""
    if digest.tail is None or later.head is not None or not follows(digest.name, later.name):
        return 0
    polls = not digest.tail_events or any(isinstance(event, RequestReceived) for event in digest.tail_events)
    if polls and digest.tail.breaks < 2:  # one line, twice in a second
        return 0
    return later.first_end if digest.tail.mark == later.first_record else 0


def _health(digest: FileDigest, before: FileDigest | None, seam: FileDigest | None, on_disk: bool) -> FileHealth:
    classes, kinds = dict(digest.classes), dict(digest.kinds)
    problems = list(digest.problems)
    unknown = list(digest.unknown_examples)

    def count(fate: tuple[Class, str], size: int, records: int) -> None:
        tally = Tally(records, size)
        classes[fate[0]] = classes.get(fate[0], Tally()) + tally
        kinds[fate[1]] = kinds.get(fate[1], Tally()) + tally

    if digest.head is not None:
        if before is not None and before.tail_fate is not None:
            problems = [problem for problem in problems if problem.kind != LOST]
            count(before.tail_fate, digest.head.size, 0)
        else:
            fate = Class.DAMAGED if REMAINDER.search(digest.head.data) else Class.UNKNOWN
            count((fate, LOST), digest.head.size, 1)
    if digest.tail is not None:
        settled = seam if seam is not None else digest
        begun = digest.tail.begun if seam is None else 0
        count(settled.tail_fate or (Class.UNKNOWN, "unknown"), digest.tail.size - begun, 1)
        if begun:
            count((Class.DAMAGED, CUT_PREFIX), begun, 1)
            where = LineRange(digest.name, digest.lines, digest.lines)
            problems.append(Problem(CUT_PREFIX, "the file breaks off within the first line of a record", where))
        within = settled.tail_problems if seam is None else (*seam.problems, *seam.tail_problems)
        problems += [_within(problem, digest) for problem in within]
        if settled.tail_unknown is not None:
            unknown.append(_within(settled.tail_unknown, digest))
    return FileHealth(
        file=digest.name,
        size=digest.size,
        lines=digest.lines,
        first_at=digest.first_at,
        last_at=digest.last_at,
        classes=classes,
        kinds=kinds,
        unknown_examples=tuple(unknown[:EXAMPLES]),
        problems=tuple(problems),
        forms=digest.forms,
        on_disk=on_disk,
    )


def _within(problem: Problem, digest: FileDigest) -> Problem:
    where = problem.where
    return Problem(
        problem.kind, problem.message, LineRange(where.file, where.first_line, min(where.last_line, digest.lines))
    )
