"""What the search has read, kept from one build to the next in the working folder.

In: what sessions tell, and the digest of each session's pages. Out: where each chapter of the index comes from; of
sessions that have not changed that is the last build's note, and no message is looked at.

Cost: of a session that has changed, that of telling its documents; of any other, a checksum of one file.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from lms_audit.present.search import Chapter, Document, read_chapter

if TYPE_CHECKING:
    from lms_audit.present.views.documents import Telling

_LEVEL = 1
_DIGEST = 16


class ChapterSource(Struct, frozen=True, array_like=True):
    """A chapter of the index, or what it is to be made of."""

    note: str
    """The file it stands in, or will; empty: it is kept nowhere."""
    known: bytes
    """What decides whether a note still holds."""
    documents: tuple[Document, ...] | None
    """``None``: the note holds."""

    def chapter(self) -> Chapter:
        """The chapter; read and noted where it was not."""
        path = Path(self.note)
        if self.documents is None:
            return msgspec.msgpack.decode(zlib.decompress(path.read_bytes()[_DIGEST:]), type=Chapter)
        read = read_chapter(self.documents)
        if self.note:
            _save(path, self.known, read)
        return read


class Remembered:
    """The folder of notes. ``maker`` is a digest of the program and its settings; without one nothing is kept."""

    def __init__(self, folder: Path, maker: str) -> None:
        self._folder = folder
        self._maker = maker
        self._used: set[str] = set()

    def source(self, telling: Telling, pages: str | None) -> ChapterSource:
        """Where the documents told come from. ``pages`` is the digest of their session's pages (see ``reuse``)."""
        if not self._maker or telling.session is None or pages is None:
            return ChapterSource("", b"", tuple(telling.documents()))
        path = self._folder / f"{telling.session}.bin"
        self._used.add(path.name)
        known = f"{self._maker} {pages} ".encode() + telling.told_first
        return ChapterSource(str(path), known, None if _fits(path, known) else tuple(telling.documents()))

    def sweep(self) -> None:
        """Forget sessions nobody asked for."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in self._used:
                    path.unlink()


def _fits(path: Path, known: bytes) -> bool:
    """Whether a note is there, whole, and says what would be told now."""
    try:
        note = path.read_bytes()
    except OSError:
        return False
    return note[:_DIGEST] == _digest(known, note[_DIGEST:])


def _save(path: Path, known: bytes, read: Chapter) -> None:
    content = zlib.compress(msgspec.msgpack.encode(read), _LEVEL)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(_digest(known, content) + content)
    draft.replace(path)


def _digest(known: bytes, content: bytes) -> bytes:
    return blake2b(blake2b(known, digest_size=_DIGEST).digest() + content, digest_size=_DIGEST).digest()
