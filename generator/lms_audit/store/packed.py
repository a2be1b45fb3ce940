"""A digest as the store keeps it: bytes, made and read in whatever process reads the log.

In: a ``FileDigest``. Out: ``Packed``, without the items, which the store keeps one by one. Cost: that of deflating.
"""

from __future__ import annotations

import zlib

import msgspec
from msgspec import Struct

from lms_audit.model import LineRange, Problem
from lms_audit.read.events import FileDigest

LEVEL = 1
"""Of zlib: a sixth of the time of its default for a seventh more bytes, on prompts of coding agents."""


class Packed(Struct, frozen=True):
    """A digest as the store keeps it, without its items."""

    digest: bytes = b""
    edges: bytes = b""
    """The text of head and tail, apart: it is long and seldom needed."""


def pack(digest: FileDigest) -> Packed:
    """A digest as the store keeps it; made in the process that read the file."""
    edges = tuple(edge.data if edge is not None else b"" for edge in (digest.head, digest.tail))
    bare = with_edges(msgspec.structs.replace(digest, items={}), b"", b"")
    return Packed(*(zlib.compress(msgspec.msgpack.encode(each), LEVEL) for each in (bare, edges)))


def with_edges(digest: FileDigest, head: bytes, tail: bytes) -> FileDigest:
    """The same digest with these texts of its first and last record."""
    return msgspec.structs.replace(
        digest,
        head=digest.head and msgspec.structs.replace(digest.head, data=head),
        tail=digest.tail and msgspec.structs.replace(digest.tail, data=tail),
    )


def unpack(packed: bytes) -> FileDigest:
    """A digest from its packed form, without the text of its edges. Raises ``zlib.error`` or ``MsgspecError``."""
    return msgspec.msgpack.decode(zlib.decompress(packed), type=FileDigest)


def renamed(digest: FileDigest, name: str) -> FileDigest:
    """The same digest under another name, in its evidence too."""
    if digest.name == name:
        return digest

    def moved(problem: Problem) -> Problem:
        where = LineRange(name, problem.where.first_line, problem.where.last_line)
        return Problem(problem.kind, problem.message, where)

    return msgspec.structs.replace(
        digest,
        name=name,
        problems=tuple(map(moved, digest.problems)),
        unknown_examples=tuple(map(moved, digest.unknown_examples)),
        tail_problems=tuple(map(moved, digest.tail_problems)),
        tail_unknown=None if digest.tail_unknown is None else moved(digest.tail_unknown),
    )
