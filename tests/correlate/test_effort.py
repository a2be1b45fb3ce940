"""Twice as long a log takes twice the work, however much overlaps in it: counted in looks, not in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lms_audit.correlate import assignment
from lms_audit.correlate.costs import Costs
from lms_audit.correlate.review import Review
from lms_audit.correlate.tasks import Tasks
from synthetic.clients import ClaudeCode, OpenCode
from synthetic.engine import Dialect
from tests import simulated
from tests.simulated import PlainCodex, Play, Scene, StreamingScript

COUNTED = ((Costs, "cost"), (Costs, "price"), (Review, "_rounds"), (Tasks, "fit"))
TURNS = 24
LINEAR = 2.6
"""Twice as much work, and what more there is to do at the ends."""


def work(root: Path, turns: int, dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often binding has asked each of its questions."""
    counts: dict[str, int] = {}
    scene = Scene(
        lanes=4,
        turns=turns,
        dialect=dialect,
        clients=(OpenCode, ClaudeCode, PlainCodex, StreamingScript),
        hang_ups=True,
        cancel_every=5,
        late=True,
    )
    root.mkdir()
    Play(root, scene)
    with monkeypatch.context() as patch:
        for owner, name in COUNTED:
            patch.setattr(owner, name, counted(getattr(owner, name), name, counts))
        simulated.read(root)
    return counts


def counted(function: Any, name: str, counts: dict[str, int]) -> Any:
    counts[name] = 0

    def counting(*arguments: Any, **named: Any) -> Any:
        counts[name] += 1
        return function(*arguments, **named)

    return counting


@pytest.mark.parametrize("dialect", ["subprocess", "llamav4", "inprocess", "mlx"])
def test_the_work_grows_with_the_log(tmp_path: Path, dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    less = work(tmp_path / "less", TURNS, dialect, monkeypatch)
    more = work(tmp_path / "more", 2 * TURNS, dialect, monkeypatch)
    assert less["cost"]
    assert less["_rounds"]
    for name, count in less.items():
        assert more[name] <= LINEAR * max(count, 200), name


def test_tasks_are_given_out_as_is_likeliest_all_told() -> None:
    # Number 1 is likeliest for both; the other one loses more without it.
    totals, nobodys = assignment.totals({1: 5.0, 2: 4.0}, [{1: 5.0, 2: 1.0}], -20.0)
    assert totals == {1: 6.0, 2: 9.0}
    assert nobodys == -15.0


def test_many_tasks_for_many_requests_are_given_out_at_once() -> None:
    scores = [{number: -abs(number - 7.0 * row) for number in range(60)} for row in range(5)]
    totals, nobodys = assignment.totals({0: 0.0, 1: -1.0}, scores, -20.0)
    assert totals == {0: -1.0, 1: -1.0}
    assert nobodys == -20.0
