"""What the search has read, kept from one build to the next in the working folder.

In: what sessions tell, and the digest of each session's pages. Out: where the documents stand as the index needs them;
of sessions that have not changed they are those of the last build, and no message is looked at.

Cost: of a session that has changed, that of telling and reading its documents; of any other, a checksum of one file.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lms_audit.present.search import Chapter, read_chapter

if TYPE_CHECKING:
    from lms_audit.present.views.documents import Telling

_LEVEL = 1
_DIGEST = 16

Source = str | Chapter
"""The file that has a chapter, or one that is kept nowhere."""


class Remembered:
    """The folder of notes. ``maker`` is a digest of the program and its settings; without one nothing is kept."""

    def __init__(self, folder: Path, maker: str) -> None:
        self._folder = folder
        self._maker = maker
        self._used: set[str] = set()

    def source(self, telling: Telling, pages: str | None) -> Source:
        """The documents told, read. ``pages`` is the digest of their session's pages (see ``reuse``)."""
        if not self._maker or telling.session is None or pages is None:
            return read_chapter(telling.documents())
        path = self._folder / f"{telling.session}.bin"
        self._used.add(path.name)
        known = f"{self._maker} {pages} ".encode() + telling.told_first
        if not _fits(path, known):
            _save(path, known, read_chapter(telling.documents()))
        return str(path)

    def size(self) -> int:
        """Bytes of the notes there are; 0 where nothing is kept."""
        if not self._maker or not self._folder.is_dir():
            return 0
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def sweep(self) -> None:
        """Forget sessions nobody asked for."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in self._used:
                    path.unlink()


def chapter(source: Source) -> Chapter:
    """What a source holds."""
    if isinstance(source, Chapter):
        return source
    return msgspec.msgpack.decode(zlib.decompress(Path(source).read_bytes()[_DIGEST:]), type=Chapter)


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
