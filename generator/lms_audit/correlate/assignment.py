"""Tasks and those they may be for -> the likeliest way to give every task to another one."""

from __future__ import annotations

from collections.abc import Sequence

Scores = dict[int, float]
"""How likely it is that a task was for each of those it may be for; only differences mean anything."""


def totals(own: Scores, others: Sequence[Scores], nobody: float) -> tuple[Scores, float]:
    """The best sum of scores of a task and others, for each whom the task may be for, and if it was for nobody.

    ``nobody`` is the score of a task that was for none of them. Cost: linear in the number of scores, times two to
    the power of the number of ``others``, of which there should be few.
    """
    rest, taken = _best(others, nobody, None)
    found = {}
    for number, score in own.items():
        without = _best(others, nobody, number)[0] if number in taken else rest
        found[number] = round(score + without, 9)
    return found, round(nobody + rest, 9)


def _best(table: Sequence[Scores], nobody: float, without: int | None) -> tuple[float, tuple[int, ...]]:
    """The best sum where every task goes to another one, or to nobody; and who has one then."""
    wanted: dict[int, list[tuple[int, float]]] = {}
    for row, scores in enumerate(table):
        for number in sorted(scores, key=lambda one: -scores[one])[: len(table) + 1]:  # the rest cannot be needed
            if number != without and scores[number] > nobody:
                wanted.setdefault(number, []).append((1 << row, scores[number] - nobody))
    sums: dict[int, tuple[float, tuple[int, ...]]] = {0: (nobody * len(table), ())}
    """Which tasks have been given to someone -> the best sum, and to whom."""
    for number, rows in wanted.items():
        for given, (total, taken) in list(sums.items()):
            for row, gain in rows:
                if not given & row and total + gain > sums.get(given | row, (-float("inf"),))[0]:
                    sums[given | row] = total + gain, (*taken, number)
    return max(sums.values(), key=lambda one: one[0])
