from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.generate import PROFILES, generate


def contents(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*.log")))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_writes_as_many_requests_as_it_says(tmp_path: Path, name: str) -> None:
    _, ledger = generate(PROFILES[name], tmp_path, scale=0.02)
    requests = list(ledger.generating())
    assert len(requests) == pytest.approx(PROFILES[name].requests * 0.02, abs=6)
    assert {request.status for request in requests} == {"completed"}


def test_the_same_profile_scale_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(PROFILES["overlap"], tmp_path / name, scale=0.02)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    generate(PROFILES["overlap"], tmp_path / "three", scale=0.02, seed=2)
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


def test_a_larger_scale_means_more_sessions_of_the_same_shape(tmp_path: Path) -> None:
    small, _ = generate(PROFILES["article"], tmp_path / "small", scale=0.1)
    large, _ = generate(PROFILES["article"], tmp_path / "large", scale=0.2)
    assert 1.3 < large.bytes / small.bytes < 3


def test_default_settings_shrink_the_log_to_what_strings_cut_at_120_leave(tmp_path: Path) -> None:
    full, _ = generate(PROFILES["article"], tmp_path / "full", scale=0.02)
    cut, _ = generate(PROFILES["default"], tmp_path / "cut", scale=0.02)
    assert cut.bytes < full.bytes / 5
    assert b"... <Truncated in logs> ..." in contents(tmp_path / "cut")


def test_logged_tokens_are_a_record_each(tmp_path: Path) -> None:
    _, ledger = generate(PROFILES["tokens"], tmp_path, scale=0.01)
    assert contents(tmp_path).count(b"Generated packet: {") > 10 * len(list(ledger.generating()))
