"""Archives: complete, the same bytes every time, and any change to one is found."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lms_audit import cli, outdir
from lms_audit.config import Config
from lms_audit.errors import AuditError
from lms_audit.pipeline import pack
from lms_audit.share.pack import MANIFEST, Archive, archive_name, verify
from tests.chatlog import ask, turns

PLACES = ("/home/dev/boat", "/home/dev/kite")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs/2026-11"
    folder.mkdir(parents=True)
    for day, place in enumerate(PLACES, 3):
        opening = {"role": "system", "content": f"You are opencode.\n<env>\n  Working directory: {place}\n</env>"}
        first = [opening, {"role": "user", "content": f"Mend what is in {place}"}]
        second = [*first, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Once more"}]
        data = ask(86_400 * day, first) + ask(86_400 * day + 30, second)
        (folder / f"2026-11-0{day}.1.log").write_bytes(data)
    (folder / "2026-11-09.1.log").write_bytes(turns(2, start=900_000))
    return tmp_path / "logs"


def packed(logs: Path, out: Path, *, zipped: bool = False) -> tuple[Archive, ...]:
    return pack(Config(logs=(logs,), out=out), zipped=zipped)[0]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_project_gets_an_archive_of_its_own_and_so_do_requests_of_none(logs: Path, tmp_path: Path) -> None:
    archives = packed(logs, tmp_path / "out")
    assert len({archive.path for archive in archives}) == len(archives)
    assert archives[-1].project is None
    assert sum(len(lines(archive.path / "requests.jsonl")) for archive in archives) == 6
    for archive in archives:
        manifest = json.loads((archive.path / MANIFEST).read_text())
        assert manifest["project"] == archive.project
        assert manifest["requests"] == len(lines(archive.path / "requests.jsonl"))
        assert {row["project"] for row in lines(archive.path / "requests.jsonl")} == {archive.project}
        health = json.loads((archive.path / "health.json").read_text())
        assert [file["file"] for file in health["files"]] == manifest["logs"]
    assert [verdict.problems for verdict in verify(tmp_path / "out")] == [()] * len(archives)


def test_what_each_request_sent_can_be_rebuilt_from_an_archive(logs: Path, tmp_path: Path) -> None:
    bodies: dict[str, list[Any]] = {}
    for archive in packed(logs, tmp_path / "out"):
        items = {item["key"]: item["value"] for item in lines(archive.path / "items.jsonl")}
        for line in lines(archive.path / "prompts.jsonl"):
            start = bodies[line["like"]][: line["shared"]] if line["like"] else []
            bodies[line["request_id"]] = [*start, *(items[key] for key in line["messages"])]
            assert items[line["params"]] == {"model": "qwen"}
        keys = [item["key"] for item in lines(archive.path / "items.jsonl")]
        assert len(keys) == len(set(keys))
    assert sorted(len(messages) for messages in bodies.values()) == [2, 2, 2, 4, 4, 4]
    longest = next(messages for messages in bodies.values() if "Once more" in str(messages))
    assert [message["role"] for message in longest] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("zipped", [False, True])
def test_two_archives_of_the_same_logs_are_the_same_bytes(logs: Path, tmp_path: Path, zipped: bool) -> None:
    for name in ("one", "two"):
        packed(logs, tmp_path / name, zipped=zipped)
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert one == two


def change(folder: Path) -> None:
    path = folder / "requests.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"qwen"', b'"qwem"', 1))


def lengthen(folder: Path) -> None:
    with (folder / "items.jsonl").open("a") as file:
        file.write("{}\n")


def drop(folder: Path) -> None:
    (folder / "sessions.jsonl").unlink()


def add(folder: Path) -> None:
    (folder / "extra.txt").write_text("more")


def spoil(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (change, "requests.jsonl: content was changed"),
        (lengthen, "items.jsonl: "),
        (drop, "sessions.jsonl: missing"),
        (add, "extra.txt: not part of the archive"),
        (spoil, MANIFEST),
    ],
)
def test_any_change_to_a_folder_is_found(logs: Path, tmp_path: Path, harm: Callable[[Path], None], words: str) -> None:
    archive = packed(logs, tmp_path / "out")[0]
    harm(archive.path)
    (verdict,) = verify(archive.path)
    assert len(verdict.problems) == 1
    assert words in verdict.problems[0]
    assert cli.run(["verify", str(tmp_path / "out"), "-q"]) == 1


def test_any_byte_of_a_zip_may_be_changed_and_it_is_found_or_means_nothing(logs: Path, tmp_path: Path) -> None:
    archive = packed(logs, tmp_path / "out", zipped=True)[0]
    data = archive.path.read_bytes()
    (clean,) = verify(archive.path)
    assert clean.problems == ()
    assert clean.digest == archive.digest
    with zipfile.ZipFile(archive.path) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    for at in range(0, len(data), max(1, len(data) // 150)):
        archive.path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        (verdict,) = verify(archive.path)
        if not verdict.problems and verdict.digest == archive.digest:
            with zipfile.ZipFile(archive.path) as opened:
                assert {name: opened.read(name) for name in opened.namelist()} == content
    archive.path.write_bytes(data[: len(data) // 2])
    assert verify(archive.path)[0].problems


def test_a_missing_archive_is_missed(logs: Path, tmp_path: Path) -> None:
    archive = packed(logs, tmp_path / "out", zipped=True)[0]
    archive.path.unlink()
    assert [v.problems for v in verify(tmp_path / "out") if v.problems] == [("the whole archive is missing",)]


def test_packing_again_replaces_what_was_packed_and_nothing_else(logs: Path, tmp_path: Path) -> None:
    packed(logs, tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    packed(logs, tmp_path / "out")
    assert (tmp_path / "out/notes.txt").read_text() == "mine"
    assert outdir.ours(tmp_path / "out") >= {f"{archive_name(None)}/{MANIFEST}"}
    assert all(verdict.problems == () for verdict in verify(tmp_path / "out"))


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AuditError, match="no archive") as caught:
        verify(tmp_path)
    assert caught.value.exit_code == 2
    (tmp_path / "x.zip").write_text("no zip")
    assert "cannot be read" in verify(tmp_path / "x.zip")[0].problems[0]
    assert cli.run(["verify", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_names_of_archives_come_from_digests_not_from_log_text() -> None:
    assert archive_name("../../etc") != archive_name("../../usr")
    assert archive_name("../../etc").replace("-", "").isalnum()
