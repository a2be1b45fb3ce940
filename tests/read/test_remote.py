"""Logs behind URLs are read as those on disk are: only what is new, and none twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_audit import cli
from lms_audit.config import Config
from lms_audit.pipeline import check, export
from lms_audit.read.remote import RemoteFile, is_url, local
from lms_audit.share.export import Format
from tests.chatlog import turns

fsspec = pytest.importorskip("fsspec")

NAME = "2026-11/2026-11-03.1.log"


@pytest.fixture
def bucket() -> Iterator[str]:
    yield "memory://bucket/server-logs"
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def put(bucket: str, name: str, data: bytes) -> None:
    with fsspec.open(f"{bucket}/{name}", "wb") as file:
        file.write(data)


def rows(log: str | Path, out: Path, store: Path | None = None) -> tuple[dict[str, bytes], int, int]:
    files, ingested = export(Config(logs=(log,), out=out, store=store), Format.JSONL)
    return {path.name: path.read_bytes() for path in files}, ingested.read, ingested.resumed


def test_logs_behind_a_url_give_what_they_give_on_disk(bucket: str, tmp_path: Path) -> None:
    put(bucket, NAME, turns(3))
    put(bucket, "notes.md", b"# no log")
    path = tmp_path / "logs" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(turns(3))
    here = rows(tmp_path / "logs", tmp_path / "a")[0]
    assert rows(bucket, tmp_path / "b")[0] == here
    assert rows(f"{bucket}/{NAME}", tmp_path / "c")[0] == here
    assert rows((tmp_path / "logs").as_uri(), tmp_path / "d")[0] == here


def test_only_what_is_new_is_read(bucket: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    put(bucket, NAME, turns(3))
    assert rows(bucket, tmp_path / "a", store)[1:] == (1, 0)
    assert rows(bucket, tmp_path / "a", store)[1:] == (0, 0)
    put(bucket, NAME, turns(5))
    grown = rows(bucket, tmp_path / "a", store)
    assert grown[1:] == (1, 1)
    assert grown[0] == rows(bucket, tmp_path / "b")[0]
    put(bucket, NAME, turns(2, topic="kite"))
    assert rows(bucket, tmp_path / "a", store)[1:] == (1, 0)


def test_deleted_logs_stay(bucket: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    put(bucket, NAME, turns(3))
    before = rows(bucket, tmp_path / "a", store)[0]
    fsspec.filesystem("memory").rm(bucket, recursive=True)
    assert rows(bucket, tmp_path / "a", store)[0]["requests.jsonl"] == before["requests.jsonl"]
    assert [file.on_disk for file in check(Config(logs=(bucket,), store=store))] == [False]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("memory://nothing/here", "no such file or folder: memory://nothing/here"),
        ("nosuch://bucket/logs", "nosuch"),
    ],
)
def test_a_url_that_leads_nowhere_is_one_clear_line(
    url: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export", url, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_whatever_a_file_system_raises_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    class OddError(Exception):
        pass

    def fail(*_: object, **__: object) -> None:
        raise OddError("the bucket is\non fire")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "_open", fail)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", fail)
    for call in (RemoteFile("memory://a/b").open, RemoteFile("memory://a/b").stat):
        with pytest.raises(OSError, match="the bucket is on fire"):
            call()


def test_a_drive_letter_is_no_scheme() -> None:
    assert not is_url("C:\\logs")
    assert not is_url("C://logs")
    assert not is_url("logs/a.log")
    assert is_url("s3://bucket/logs")
    assert local("file:///var/my%20logs") == Path("/var/my logs")
    assert local("s3://bucket") is None
