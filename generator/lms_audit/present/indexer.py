"""Makes the index of the search in a process of its own, while pages are rendered in this one.

In: sources of chapters in order, as they are known. Out: the files of the index, the same bytes as
``search.build_index`` gives anywhere.

Cost: that of reading and joining chapters, on another core, and a tenth of a second to get ready.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread

import msgspec

from lms_audit.present.helper import Helper
from lms_audit.present.remembered import ChapterSource
from lms_audit.present.search import build_index

_LENGTH = 4
"""Bytes in front of each source that tell its length."""


class Indexer(Helper):
    """A process that waits for chapters. ``add`` each of them, then ``index``."""

    def __init__(self) -> None:
        super().__init__(["-m", __name__])

    def add(self, source: ChapterSource) -> None:
        """One more chapter."""
        job = msgspec.msgpack.encode(source)
        self.send(len(job).to_bytes(_LENGTH, "little") + job)

    def index(self) -> dict[str, bytes]:
        """Wait for the index: file name (from the site's root) -> content."""
        self.start()
        return msgspec.msgpack.decode(self.finish("the search index could not be made"), type=dict[str, bytes])


def _received() -> Iterator[ChapterSource]:
    """The sources as they come. They are taken at once, lest whoever sends them waits."""
    waiting: SimpleQueue[bytes] = SimpleQueue()

    def take() -> None:
        while length := sys.stdin.buffer.read(_LENGTH):
            waiting.put(sys.stdin.buffer.read(int.from_bytes(length, "little")))
        waiting.put(b"")

    Thread(target=take, daemon=True).start()
    while job := waiting.get():
        yield msgspec.msgpack.decode(job, type=ChapterSource)


def main() -> None:
    """The process."""
    index = build_index(source.chapter() for source in _received())
    sys.stdout.buffer.write(msgspec.msgpack.encode(index))


if __name__ == "__main__":
    main()
