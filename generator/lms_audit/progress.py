"""How far the work is, and how long each part of it took. Drawing it is the command line's business."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Who is told."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins; ``total``: bytes or pieces it will go through, where that is known."""

    def advance(self, amount: int) -> None:
        """So many more of them are done."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, amount: int) -> None: ...


class Timed:
    """Hands everything on, and notes what each stage took."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._begun = self._started = time.perf_counter()
        self._name: str | None = None
        self.seconds: dict[str, float] = {}

    def stage(self, name: str, total: int | None = None) -> None:
        self._settle()
        self._name = name
        self._inner.stage(name, total)

    def advance(self, amount: int) -> None:
        self._inner.advance(amount)

    def finish(self) -> dict[str, float]:
        """Stage -> seconds, with the ``total`` of the whole run."""
        self._settle()
        self._name = None
        return {**self.seconds, "total": round(time.perf_counter() - self._begun, 4)}

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._name is not None:
            self.seconds[self._name] = round(self.seconds.get(self._name, 0) + now - self._started, 4)
        self._started = now
