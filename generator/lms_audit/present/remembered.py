"""What the search has read, kept from one build to the next in the working folder.

In: what sessions tell, and the digest of each session's pages. Out: the documents as the index needs them; of
sessions that have not changed they are those of the last build, and no message is looked at.

Cost: of a session that has changed, that of telling and reading its documents; of any other, one small file.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from lms_audit.present.search import Chapter, read_chapter
from lms_audit.present.views.documents import Telling

_LEVEL = 1


class _Note(Struct, frozen=True, array_like=True):
    """One session's file."""

    digest: bytes
    chapter: Chapter


class Remembered:
    """The folder of notes. ``maker`` is a digest of the program and its settings; without one nothing is kept."""

    def __init__(self, folder: Path, maker: str) -> None:
        self._folder = folder
        self._maker = maker
        self._used: set[str] = set()

    def chapter(self, telling: Telling, pages: str | None) -> Chapter:
        """The documents told, read. ``pages`` is the digest of their session's pages (see ``reuse``)."""
        if not self._maker or telling.session is None or pages is None:
            return read_chapter(telling.documents())
        path = self._folder / f"{telling.session}.bin"
        self._used.add(path.name)
        known = f"{self._maker} {pages} ".encode() + telling.told_first
        digest = blake2b(known, digest_size=16).digest()
        note = _load(path)
        if note is None or note.digest != digest:
            note = _Note(digest, read_chapter(telling.documents()))
            self._save(path, note)
        return note.chapter

    def sweep(self) -> None:
        """Forget sessions nobody asked for."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in self._used:
                    path.unlink()

    def _save(self, path: Path, note: _Note) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(zlib.compress(msgspec.msgpack.encode(note), _LEVEL))
        draft.replace(path)


def _load(path: Path) -> _Note | None:
    """A note; ``None`` where there is none or it is damaged."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(path.read_bytes()), type=_Note)
    except (OSError, zlib.error, msgspec.MsgspecError):
        return None
