"""Records into files: LM Studio's FILE form, its folders and its rotation.

In: levels, messages, local milliseconds, in order of time. Out: ``YYYY-MM/YYYY-MM-DD.N.log`` under a folder. A day's files
count from 1; the next one is begun when the current one has reached its size, at midnight, or where a test asks for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from pathlib import Path

ROTATE_BYTES = 10 * 1024 * 1024


class LogFiles:
    """Writes the log of one LM Studio. Use as a context manager, or call ``close``."""

    def __init__(self, root: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.root = root
        self.rotate_bytes = rotate_bytes
        self.files: list[Path] = []
        self.bytes = 0
        self._file: BinaryIO | None = None
        self._size = 0
        self._day = ""
        self._number = 0
        self._second = -1
        self._stamp = b""
        self._rotate_next = False
        self._split_next = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def record(self, at_ms: float, level: bytes, message: bytes) -> None:
        """One record: prefix, message, line break. ``message`` may hold line breaks; those lines have no prefix."""
        second = int(at_ms // 1000)
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, UTC)
            self._stamp = moment.strftime("[%Y-%m-%d %H:%M:%S]").encode()
            self._open_for(moment.strftime("%Y-%m-%d"))
        elif self._rotate_next or self._size >= self.rotate_bytes:
            self._open_for(self._day)
        gap = b"" if message.startswith(b"[") or not message else b" "
        self._write(b"%b[%b]%b%b\n" % (self._stamp, level, gap, message))

    def rotate(self) -> None:
        """The next record begins a new file."""
        self._rotate_next = True

    def split(self) -> None:
        """The next record is cut in two at half its length by a new file."""
        self._split_next = True

    def _open_for(self, day: str) -> None:
        if day == self._day and not self._rotate_next and self._size < self.rotate_bytes:
            return
        self.close()
        self._number = self._number + 1 if day == self._day else 1
        self._day, self._size, self._rotate_next = day, 0, False
        folder = self.root / day[:7]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{day}.{self._number}.log"
        self.files.append(path)
        self._file = path.open("wb")

    def _write(self, data: bytes) -> None:
        if self._split_next:
            self._split_next = False
            half = len(data) // 2
            self._put(data[:half])
            self._rotate_next = True
            self._open_for(self._day)
            self._put(data[half:])
        else:
            self._put(data)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._size += len(data)
        self.bytes += len(data)
