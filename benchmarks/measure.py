"""Runs a command and says how long it took and how much memory its whole process tree had at most.

Memory is proportional set size (what several processes share is counted once), read from ``/proc`` every few
milliseconds; elsewhere than on Linux it is not known.
"""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EVERY_S = 0.01
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command."""

    seconds: float
    peak_bytes: int | None
    code: int
    output: str


def run(command: Sequence[str], env: Mapping[str, str] | None = None, *, watched: bool = True) -> Run:
    """Runs a command to its end; its output is kept, not shown.

    ``watched``: its memory is measured, which slows it down by a tenth or two.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watch = _Watch(process.pid) if watched else None
    if watch is not None:
        watch.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    if watch is not None:
        watch.stop()
    return Run(seconds, watch.peak_bytes if watch is not None else None, process.returncode, output)


class _Watch(threading.Thread):
    """Samples the tree. Proportional sizes are slow to read: they are when resident sizes come near a new peak."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self._resident = 0
        self.peak_bytes: int | None = None

    def run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            tree = list(_tree(self._pid))
            resident = sum(_resident(pid) for pid in tree)
            if resident > 0.95 * self._resident:
                self._resident = max(resident, self._resident)
                proportional = sum(_proportional(pid) for pid in tree)
                if proportional:
                    self.peak_bytes = max(self.peak_bytes or 0, proportional)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from _tree(int(child))


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
