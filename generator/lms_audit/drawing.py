"""Progress on a terminal: bytes with an estimate while reading, a moving bar for the rest. Nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lms_audit.progress import Progress, Silent


@contextmanager
def shown(quiet: bool) -> Iterator[Progress]:
    """A progress bar on a terminal; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class OfBytes(ProgressColumn):
        """A column for stages that know how many bytes they go through; others show the time they take."""

        def __init__(self, column: ProgressColumn, instead: ProgressColumn | None = None) -> None:
            super().__init__()
            self._column, self._instead = column, instead

        def render(self, task: Task) -> Any:
            column = self._column if task.total is not None else self._instead
            return column(task) if column is not None else Text()

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        OfBytes(DownloadColumn(), TimeElapsedColumn()),
        OfBytes(TransferSpeedColumn()),
        OfBytes(TimeRemainingColumn()),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Drawn(bars)


class _Drawn:
    """Draws stages on rich's bars: bytes with an estimate while reading, a name and a moving bar for the rest."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None

    def stage(self, name: str, total: int | None = None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=total)

    def advance(self, amount: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, amount)
