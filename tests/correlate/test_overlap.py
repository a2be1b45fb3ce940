"""Whatever overlaps in a log: a figure is right, or not there, or its request is marked.

Logs of a simulated LM Studio, with all engines, protocols and accidents, against the truth about them.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthetic.clients import ClaudeCode, Client, Codex, OpenCode, Script
from synthetic.engine import Dialect
from tests import simulated
from tests.simulated import (
    START_MS,
    PlainClaudeCode,
    PlainCodex,
    PlainOpenCode,
    Play,
    Scene,
    StreamingScript,
    V0Script,
    V0StreamingScript,
)

CLIENTS: tuple[type[Client], ...] = (
    OpenCode,
    Script,
    ClaudeCode,
    Codex,
    PlainOpenCode,
    PlainClaudeCode,
    PlainCodex,
    StreamingScript,
    V0Script,
    V0StreamingScript,
)
HOUR_MS = 3_600_000
SCENES = {
    "all protocols": Scene(),
    "given up": Scene(cancel_every=3, late=True),
    "asked for again": Scene(cancel_every=4, retries=True),
    "connections closed": Scene(hang_ups=True),
    "closed and given up": Scene(hang_ups=True, cancel_every=4, late=True),
    "template fails": Scene(fail_every=4, retries=True),
    "refused at first": Scene(stumble_every=4),
    "context exceeded": Scene(context=6000),
    "packets": Scene(tokens=True),
    "packets and given up": Scene(tokens=True, cancel_every=3, late=True),
    "reasoning, cut bodies": Scene(tokens=True, think=True, full=False),
    "cut bodies and given up": Scene(full=False, cancel_every=3),
    "two models": Scene(models=2, cancel_every=5),
    "three models and packets": Scene(models=3, tokens=True, cancel_every=5),
    "chats in the application": Scene(in_app=5),
    "titles and embeddings": Scene(titles=True, embeddings=5),
    "rotation": Scene(rotate_bytes=20_000, tokens=True),
    "midnight": Scene(start_ms=START_MS + 14.5 * HOUR_MS - 20_000, rotate_bytes=60_000),
    "engine lines that come late": Scene(lag_ms=30),
    "in haste": Scene(pause_ms=50, cancel_every=5),
    "a zone of quarters": Scene(offset_h=5.75),
}


def judged(root: Path, scene: Scene) -> tuple[list[Any], int]:
    """Requests that are said to be other than they were, without a mark; and how many are marked."""
    play = Play(root, scene)
    found, _ = simulated.read(root)
    told = [(one, truth) for one, truth in simulated.pairs(found, play.ledger) if truth.api != "other"]
    wrong = [
        (truth.number, differences, one.evidence)
        for one, truth in told
        if not one.candidates and (differences := simulated.differences(one, truth))
    ]
    return wrong, sum(bool(one.candidates) for one, _ in told)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dialect", ["subprocess", "llamav4", "inprocess", "mlx"])
@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_said_of_a_request_that_is_another_s(tmp_path: Path, name: str, dialect: Dialect, seed: int) -> None:
    rng = random.Random(f"{name} {dialect} {seed}")
    lanes = rng.randrange(2, 5)
    clients = tuple(rng.choices(CLIENTS, k=lanes))
    scene = replace(SCENES[name], seed=seed, lanes=lanes, dialect=dialect, clients=clients)
    wrong, marked = judged(tmp_path, scene)
    assert wrong == []
    if dialect in ("subprocess", "llamav4"):
        assert marked <= 8  # such engines tell of every task
