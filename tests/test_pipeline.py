"""From logs to a site: made when something changed, left alone when nothing did."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from lms_audit import cli, outdir, pipeline
from lms_audit.config import Config, Filters
from lms_audit.errors import AuditError
from lms_audit.model import Status
from lms_audit.pipeline import BuildResult, build, check, export
from lms_audit.share.export import Format
from tests.chatlog import START, ask, turns

NAME = "2026-11/2026-11-03.1.log"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The reports pages were made of; the pages themselves are a stand-in."""
    reports: list[Any] = []

    class SiteMaker(nullcontext[Any]):
        def __init__(self, work: Path, maker: str) -> None:
            super().__init__(self)
            self.work = work

        def make(self, report: Any, library: Any, site: Path, **_: Any) -> None:
            reports.append(report)
            for request in report.audit.requests:
                for key in library.path(request.prompt.node) if request.prompt is not None else ():
                    assert library.message(key).key == key
            (self.work / "page.md").write_text("page")
            (site / "index.html").write_text(f"{len(report.audit.requests)} requests")

    monkeypatch.setattr("lms_audit.present.site.SiteMaker", SiteMaker)
    monkeypatch.setattr(pipeline, "_program", lambda: "fixed")
    return reports


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    write(tmp_path / "logs", NAME, turns(3))
    return tmp_path / "logs"


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def run(logs: Path, tmp_path: Path, **more: Any) -> BuildResult:
    options = {"store": tmp_path / "store", "out": tmp_path / "site", **more}
    return build(Config(logs=(logs,), **options))


def test_nothing_changed_so_nothing_is_made(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    first = run(logs, tmp_path)
    assert first.audit is not None
    assert (tmp_path / "site/index.html").read_text() == "3 requests"
    assert {"read", "correlate", "analyse", "total"} <= set(first.seconds)
    second = run(logs, tmp_path)
    assert second.audit is None
    assert set(second.seconds) == {"read", "total"}
    assert len(made) == 1


def grow(logs: Path, _: Path) -> None:
    with (logs / NAME).open("ab") as file:
        file.write(turns(4, first=3))


def add(logs: Path, _: Path) -> None:
    write(logs, "2026-11/2026-11-04.1.log", turns(1, start=90_000))


def delete(logs: Path, _: Path) -> None:
    (logs / NAME).unlink()


def refuse(logs: Path, _: Path) -> None:
    write(logs, "main.log", b"[2026-11-03 10:00:00.123] [info]  Window opened\n")


def lose_a_page(_: Path, tmp_path: Path) -> None:
    (tmp_path / "site/index.html").unlink()


@pytest.mark.parametrize("change", [grow, add, delete, refuse, lose_a_page])
def test_any_change_makes_a_new_site(
    logs: Path, tmp_path: Path, made: list[Any], change: Callable[[Path, Path], None]
) -> None:
    run(logs, tmp_path)
    change(logs, tmp_path)
    assert run(logs, tmp_path).audit is not None
    assert run(logs, tmp_path).audit is None
    assert len(made) == 2


def test_filters_rules_and_the_program_itself_are_part_of_what_a_site_depends_on(
    logs: Path, tmp_path: Path, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(logs, tmp_path)
    filtered = Filters(client="codex")
    assert run(logs, tmp_path, filters=filtered).audit is not None
    assert run(logs, tmp_path, filters=filtered).audit is None
    rules = tmp_path / "clients.yml"
    rules.write_text("clients: {}\n")
    assert run(logs, tmp_path, filters=filtered, clients=rules).audit is not None
    rules.write_text("clients: {}  # changed\n")
    assert run(logs, tmp_path, filters=filtered, clients=rules).audit is not None
    monkeypatch.setattr(pipeline, "_program", lambda: "newer")
    assert run(logs, tmp_path, filters=filtered, clients=rules).audit is not None
    assert [len(report.audit.requests) for report in made] == [3, 0, 0, 0, 0]


def test_a_site_and_an_export_do_not_depend_on_how_the_logs_came(tmp_path: Path, made: list[Any]) -> None:
    grown, whole = tmp_path / "grown/logs", tmp_path / "whole/logs"
    for count in (1, 2, 4):
        write(grown, NAME, turns(count))
        run(grown, tmp_path / "grown")
    write(whole, NAME, turns(4))
    run(whole, tmp_path / "whole")
    assert made[2] == made[3]
    assert outdir.marker(tmp_path / "grown/site") == outdir.marker(tmp_path / "whole/site")


@pytest.mark.parametrize("kept", [True, False])
def test_a_request_cut_by_rotation_is_one_request(tmp_path: Path, made: list[Any], kept: bool) -> None:
    data = turns(2) + ask(50, [{"role": "user", "content": "a long question " * 50}], answer="a long answer")
    answer, body = data.rindex(b"a long answer"), data.rindex(b"a long question")
    store = tmp_path / "store" if kept else None
    for at in (answer + 3, body + 5):
        logs = tmp_path / f"logs-{at}"
        write(logs, "2026-11/2026-11-03.1.log", data[:at])
        if kept:
            run(logs, tmp_path, store=store)
        write(logs, "2026-11/2026-11-03.2.log", data[at:])
        audit = run(logs, tmp_path, store=store).audit
        assert audit is not None
        last = audit.requests[-1]
        assert (len(audit.requests), last.status, last.response_text) == (3, Status.COMPLETED, "a long answer")
        assert last.message_count == 1
        assert all(file.classes.keys() <= {"understood"} for file in audit.files)


@pytest.mark.parametrize("cut", [1, 11, 21, 25])
def test_a_log_cut_within_its_very_first_prefix_is_whole(tmp_path: Path, cut: int) -> None:
    text = b"[2026-11-03 09:00:00][INFO][pot] Streaming response...\n[2026-11-03 09:00:01][INFO][pot] Hm\n"
    for number, part in enumerate((text[:cut], text[cut:]), 1):
        path = tmp_path / "logs" / f"2026-11/2026-11-03.{number}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
    files = check(Config(logs=(tmp_path / "logs",), out=tmp_path / "out"))
    assert [problem for file in files for problem in file.problems] == []
    assert sum(tally.records for file in files for tally in file.classes.values()) == 2


def test_an_empty_log_gives_a_site_that_says_so(
    tmp_path: Path, made: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path, "empty.log", b"")
    assert cli.run(["build", str(log), "-o", str(tmp_path / "site")]) == 0
    assert "no request yet" in capsys.readouterr().out
    assert (tmp_path / "site/index.html").read_text() == "0 requests"


def test_refused_files_are_part_of_the_account(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    refuse(logs, tmp_path)
    result = run(logs, tmp_path)
    assert result.audit is not None
    refused = [file for file in result.audit.files if file.refused is not None]
    assert [(file.file, file.size > 0) for file in refused] == [("main.log", True)]
    assert check(Config(logs=(logs,))) == result.audit.files


def test_what_pages_show_knows_no_folder_of_this_machine(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    run(logs, tmp_path)
    assert made[0].audit.log_roots == ("logs",)
    assert str(tmp_path) not in (tmp_path / "site" / outdir.MARKER).read_text()


def test_without_a_store_nothing_is_left_beside_the_site(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    assert cli.run(["build", str(logs), "-o", str(tmp_path / "site"), "--no-store", "-q"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "site"}


def test_timings_are_written_where_asked(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    file = tmp_path / "timings.json"
    assert cli.run(["build", str(logs), "-o", str(tmp_path / "site"), "-q", "--timings", str(file)]) == 0
    seconds = json.loads(file.read_text())
    assert list(seconds)[-1] == "total"
    assert seconds["total"] >= sum(value for name, value in seconds.items() if name != "total") * 0.99


def test_another_output_of_ours_is_not_replaced_by_a_site(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    export(Config(logs=(logs,), out=tmp_path / "site"), Format.JSONL)
    with pytest.raises(AuditError, match="export") as caught:
        run(logs, tmp_path)
    assert caught.value.exit_code == 2
    assert made == []


def test_since_and_until_of_the_command_line_reach_the_site(logs: Path, tmp_path: Path, made: list[Any]) -> None:
    second = f"{START:%Y-%m-%dT%H:%M}:05"
    assert cli.run(["build", str(logs), "-o", str(tmp_path / "site"), "-q", "--since", second]) == 0
    assert len(made[0].audit.requests) == 2


def test_a_real_site_is_the_same_bytes_twice_and_stays_when_nothing_changed(logs: Path, tmp_path: Path) -> None:
    assert cli.run(["build", str(logs), "-o", str(tmp_path / "one/site"), "-q"]) == 0
    assert cli.run(["build", str(logs), "-o", str(tmp_path / "two/site"), "-q", "--no-store"]) == 0
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name / "site").rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert one == two
    assert Path("site/index.html") in one
    assert not any(str(tmp_path).encode() in data for data in one.values())
