"""A process that gets ready while this one works, does one job when told, and answers.

Closing its input without a word ends it, so that it never outlives the run that started it, whatever becomes of that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lms_audit.errors import AuditError


class Helper:
    """A Python process. ``start`` and then ``finish`` are one job; leaving the context ends it."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str] | None = None) -> None:
        package = Path(__file__).parents[2]  # the same program, wherever it was imported from
        paths = filter(None, (str(package), os.environ.get("PYTHONPATH")))
        self._process = subprocess.Popen(
            [sys.executable, "-P", *arguments],  # never modules of the folder one happens to stand in
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def send(self, job: bytes) -> None:
        """Hand over a piece of the job; returns as soon as the process has taken it."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died already: ``finish`` tells why
            self._process.stdin.write(job)
            self._process.stdin.flush()

    def start(self, job: bytes = b"") -> None:
        """Hand over the last piece: there is no more to come."""
        self.send(job)
        given, self._process.stdin = self._process.stdin, None
        assert given is not None
        with suppress(OSError):
            given.close()

    def finish(self, failure: str) -> bytes:
        """Wait for the end; returns what it answered. Raises ``AuditError`` with ``failure`` and its last words."""
        answer, said = self._process.communicate()
        if self._process.returncode:
            lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
            raise AuditError(f"{failure}: {' / '.join(lines[-3:]) or 'no message'}")
        return answer
