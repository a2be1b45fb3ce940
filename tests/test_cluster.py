"""The same logs read by a Dask cluster of two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_audit import cli
from tests.chatlog import turns

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("ignore")
"""Warnings of Dask's are its own affair."""


@pytest.fixture
def address() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_reads_what_this_machine_reads(address: str, tmp_path: Path) -> None:
    for day in range(3, 8):
        path = tmp_path / f"logs/2026-11/2026-11-0{day}.1.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(turns(4, topic=f"boat {day}", start=86_400 * (day - 3)))
    logs, out = str(tmp_path / "logs"), tmp_path / "out"
    assert cli.run(["export", logs, "-o", str(out / "here"), "-q"]) == 0
    assert cli.run(["export", logs, "-o", str(out / "there"), "-q", "--scheduler", address, "--workers", "2"]) == 0
    here, there = ({path.name: path.read_bytes() for path in (out / name).iterdir()} for name in ("here", "there"))
    assert here == there
    with distributed.Client(address, set_as_default=False) as client:
        done = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
        assert done > 0
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2


def test_a_scheduler_that_does_not_answer_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_bytes(turns(1))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refuse)
    code = cli.run(["export", str(tmp_path / "a.log"), "-o", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:1"])
    assert code == 1
    said = capsys.readouterr().err
    assert said.startswith("lms-audit: no Dask scheduler answers at tcp://127.0.0.1:1")
    assert said.count("\n") == 1
