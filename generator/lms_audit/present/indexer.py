"""Joins the chapters of the search in a process of its own, while pages are rendered in this one.

In: sources of chapters, most of which the last build left on disk. Out: the files of the index, the same bytes as
``search.build_index`` gives anywhere.

Cost: that of ``build_index``, on another core, and a tenth of a second to get ready that nobody waits for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lms_audit.errors import AuditError
from lms_audit.present.helper import Helper
from lms_audit.present.remembered import Source, chapter
from lms_audit.present.search import build_index

WORTH_A_PROCESS = 256 << 10
"""Bytes of notes from which on joining them takes longer than a page or two."""


class Indexer(Helper):
    """A process that is getting ready. ``start`` and then ``index`` are one job."""

    def __init__(self) -> None:
        package = Path(__file__).parents[2]  # the same program, wherever it was imported from
        paths = filter(None, (str(package), os.environ.get("PYTHONPATH")))
        super().__init__(["-m", __name__], {"PYTHONPATH": os.pathsep.join(paths)})

    def join(self, sources: Sequence[Source]) -> None:
        """Join these chapters; returns at once."""
        self.start(msgspec.msgpack.encode(sources))

    def joined(self) -> dict[str, bytes]:
        """Wait for the index: file name (from the site's root) -> content."""
        done = self.finish()
        if done.failed:
            raise AuditError(f"the search index could not be made: {done.last_words()}")
        return msgspec.msgpack.decode(done.answer, type=dict[str, bytes])


def main() -> None:
    """The process."""
    job = sys.stdin.buffer.read()
    if job:
        sources = msgspec.msgpack.decode(job, type=list[Source])
        sys.stdout.buffer.write(msgspec.msgpack.encode(build_index(map(chapter, sources))))


if __name__ == "__main__":
    main()
