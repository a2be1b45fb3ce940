"""The digests of all files, in order -> one run of events and the account of every file.

Rotation may cut a record in two (the second half stands, without a prefix, at the start of the next file) or repeat a
whole record at the seam. Both are settled here, for files whose names follow one another. What cannot be joined stays
damaged where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from lms_audit.model import Class, FileHealth, LineRange, Problem, Tally
from lms_audit.read.digest import EXAMPLES, digest_chunks, record_mark
from lms_audit.read.events import AnyEvent, Edge, FileDigest

NAME = re.compile(r"(?:^|/)(?P<day>\d{4}-\d\d-\d\d)\.(?P<number>\d+)\.log$")


class Stretch(Struct, frozen=True):
    """Events whose bodies refer to one another by ordinal."""

    name: str
    events: tuple[AnyEvent, ...]
    skip_until: int = 0
    """Events up to this line repeat the end of the stretch before; their bodies are still needed."""
    precise: bool = False


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


def join(digests: Sequence[FileDigest], missing: frozenset[str] = frozenset()) -> Joined:
    """Joins digests in log order. ``missing`` names the files that are no longer on disk."""
    stretches: list[Stretch] = []
    seams: list[FileDigest] = []
    files: list[FileHealth] = []
    joined_head: FileDigest | None = None  # the seam whose record goes on in the file at hand
    skip = 0
    for index, digest in enumerate(digests):
        following = list(_continuation(digests, index))
        seam = None
        if digest.tail is not None and following:
            seam = _seam(digest, digest.tail, following)
            seams.append(seam)
        if digest.events or seam is None:
            events = digest.events if seam is not None else (*digest.events, *digest.tail_events)
            stretches.append(Stretch(digest.name, events, skip, digest.precise))
        if seam is not None:
            stretches.append(Stretch(digest.name, seam.tail_events, 0, digest.precise))
        files.append(_health(digest, joined_head, seam, digest.name not in missing))
        if digest.tail is not None:
            joined_head = seam
        skip = _repeated(digest, digests[index + 1]) if index + 1 < len(digests) else 0
    return Joined(tuple(stretches), tuple(seams), tuple(files))


def _continuation(digests: Sequence[FileDigest], index: int) -> Iterator[Edge]:
    """The heads, in the files after this one, that its last record goes on in: more than one when a file is all record."""
    for earlier, later in zip(digests[index:], digests[index + 1 :], strict=False):
        if later.head is None or not follows(earlier.name, later.name):
            return
        yield later.head
        if later.tail is not None:
            return


def _seam(digest: FileDigest, tail: Edge, heads: list[Edge]) -> FileDigest:
    """The digest of a record cut by rotation. Its lines are those of the file it starts in."""
    chunks = [tail.data, *(head.data for head in heads)]
    return digest_chunks(chunks, digest.name, start=tail.start, line=tail.line)


def _repeated(digest: FileDigest, later: FileDigest) -> int:
    """Last line of the next file's first record where it is this file's last record once more."""
    if digest.tail is None or later.head is not None or not follows(digest.name, later.name):
        return 0
    if digest.tail.data.count(b"\n") < 2:  # one line, twice in a second, is polling
        return 0
    return later.first_end if record_mark(digest.tail.data) == later.first_record else 0


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
            problems = [problem for problem in problems if problem.kind != "text before the first record"]
            count(before.tail_fate, len(digest.head.data), 0)
        else:
            count((Class.DAMAGED, "text before the first record"), len(digest.head.data), 1)
    if digest.tail is not None:
        settled = seam if seam is not None else digest
        count(settled.tail_fate or (Class.UNKNOWN, "unknown"), len(digest.tail.data), 1)
        problems += [_within(problem, digest) for problem in settled.tail_problems]
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
