"""Values at hand, up to a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from lms_audit.model import Key

T = TypeVar("T")


class Cache(Generic[T]):
    """The values used last, up to a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._used = 0
        self._values: OrderedDict[Key, tuple[T, int]] = OrderedDict()

    def get(self, key: Key) -> T | None:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: T, cost: int) -> None:
        self._values[key] = (value, cost)
        self._used += cost
        while self._used > self._budget and len(self._values) > 1:
            _, (_, freed) = self._values.popitem(last=False)
            self._used -= freed
