"""A small discrete-event simulation: processes are generators that yield what they wait for.

A process yields milliseconds to sleep, or a ``Future`` whose value it wants. Events of the same instant run in the order
in which they were scheduled, so that a run depends on nothing but its input.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Process = Generator[Any, Any, T]
"""Yields ``float`` (sleep) or ``Future``; its return value is the process's result."""


class Future(Generic[T]):
    """A value that will be there at some simulated time."""

    def __init__(self) -> None:
        self.done = False
        self._value: T | None = None
        self._waiting: list[Callable[[T], None]] = []

    def set(self, value: T) -> None:
        assert not self.done, "a future has one value"
        self.done = True
        self._value = value
        for callback in self._waiting:
            callback(value)
        self._waiting.clear()

    def then(self, callback: Callable[[T], None]) -> None:
        if self.done:
            callback(self.value)
        else:
            self._waiting.append(callback)

    @property
    def value(self) -> T:
        assert self.done, "the value is not there yet"
        return self._value  # type: ignore[return-value]  # done, so set


class Clock:
    """Simulated local time in milliseconds since 1970, and everything that happens in it."""

    def __init__(self, start_ms: float) -> None:
        self.now = start_ms
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Schedules an action; a time in the past means now."""
        heapq.heappush(self._queue, (max(when, self.now), self._count, action))
        self._count += 1

    def spawn(self, process: Process[T], at: float | None = None) -> Future[T]:
        """Starts a process, now or at a given time; the future has its result."""
        future: Future[T] = Future()
        self.at(self.now if at is None else at, lambda: self._step(process, future, None))
        return future

    def run(self) -> None:
        """Until nothing is left to happen."""
        while self._queue:
            self.now, _, action = heapq.heappop(self._queue)
            action()

    def _step(self, process: Process[T], future: Future[T], sent: Any) -> None:
        try:
            wanted = process.send(sent)
        except StopIteration as stop:
            future.set(stop.value)
            return
        if isinstance(wanted, Future):
            wanted.then(lambda value: self.at(self.now, lambda: self._step(process, future, value)))
        else:
            self.at(self.now + wanted, lambda: self._step(process, future, None))
