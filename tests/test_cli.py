"""The command line: what it prints, its exit codes, and that no mistake of a user ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import Struct

from lms_audit import cli, pipeline
from lms_audit.store import Store
from tests.chatlog import ask, turns


class Outcome(Struct, frozen=True):
    """What a run left behind."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        assert self.err.count("\n") == 1
        assert self.err.startswith("lms-audit: ")
        return self.err.strip()


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Outcome:
        code = cli.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs/2026-11/2026-11-03.1.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(turns(3) + turns(2, topic="kite", start=100_000, model="gemma"))
    return tmp_path / "logs"


def requests(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]


def test_export_writes_the_files_and_names_them(run: Run, logs: Path, tmp_path: Path) -> None:
    done = run("export", logs, "-o", tmp_path / "out", "--format", "jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == [
        str(tmp_path / "out" / name) for name in ("requests.jsonl", "sessions.jsonl", "tool_calls.jsonl", "health.json")
    ]
    first = requests(tmp_path / "out")[0]
    assert (first["received_at"], first["input_tokens"], first["model"]) == ("2026-11-03T10:00:00", 20, "qwen")
    source = first["source"]
    assert isinstance(source, list)
    assert source[0]["file"] == "2026-11/2026-11-03.1.log"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 5),
        (["--since", "2026-11-04"], 2),
        (["--until", "2026-11-03"], 3),
        (["--since", "2026-11-03T10:00:10", "--until", "2026-11-03T10:00:20"], 1),
        (["--model", "gemma"], 2),
        (["--model", "g*"], 2),
        (["--client", "codex"], 0),
        (["--project", "nowhere"], 0),
    ],
)
def test_filters_select_requests(run: Run, logs: Path, tmp_path: Path, options: Sequence[str], count: int) -> None:
    assert run("export", logs, "-o", tmp_path / "out", *options).code == 0
    assert len(requests(tmp_path / "out")) == count


def test_quiet_says_nothing_when_all_is_well(run: Run, logs: Path, tmp_path: Path) -> None:
    assert run("export", logs, "-o", tmp_path / "out", "-q") == Outcome(0, "", "")
    assert run("check", logs, "--quiet") == Outcome(0, "", "")


def test_check_tells_what_was_understood_and_fails_on_damage(run: Run, logs: Path) -> None:
    fine = run("check", logs)
    assert fine.code == 0
    assert "2026-11/2026-11-03.1.log" in fine.out
    assert "understood 15 records" in fine.out
    cut = ask(200_000, [{"role": "user", "content": "cut short"}])[:150] + b"\n"
    (logs / "2026-11/2026-11-09.1.log").write_bytes(cut + turns(1, start=300_000))
    bad = run("check", logs)
    assert bad.code == 1
    assert "2026-11/2026-11-09.1.log:1-" in bad.out
    assert "damaged 1 record" in bad.out


def test_text_of_a_log_does_not_reach_the_terminal_as_control_codes(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "odd\x1b[31m.log"
    log.write_bytes(b"[2026-11-03 10:00:00][INFO] \x1b]0;owned\x07 something nobody knows \x9b31m\n" * 2)
    for done in (run("check", log), run("export", tmp_path / "no\x1b[31mwhere", "-o", tmp_path / "out")):
        assert "\x1b" not in done.out + done.err
        assert "\x07" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "nowhere", "-o", "out"], "no such file or folder: nowhere"),
        (["export", "logs"], "-o DIR"),
        (["export", "logs", "-o", "out", "--format", "xml"], "xml"),
        (["export", "logs", "-o", "out", "--since", "soon"], "not a date"),
        (["export", "logs", "-o", "logs/2026-11/2026-11-03.1.log"], "is a file, not a folder"),
        (["build", "logs", "-o", "mine"], "was not written by this program"),
        (["build", "logs", "-o", "mine/notes.txt"], "is a file, not a folder"),
        (["build", "logs", "-o", "mine/notes.txt/site"], "mine/notes.txt is a file, not a folder"),
        (["export", "logs", "-o", "mine/notes.txt/a/b"], "mine/notes.txt is a file, not a folder"),
        (["check", ""], "no such file or folder: ''"),
        (["build", "logs", "--store", "logs/2026-11/2026-11-03.1.log"], "is a log, not a store"),
        (["build", "logs", "--clients", "none.yml"], "no such file"),
        (["build", "logs", "--config", "none.yml"], "cannot be read"),
        (["build", "main.log"], "Electron main.log"),
        (["dig"], "No such command"),
        (["build", "--wrong"], "--wrong"),
        (["check", "logs", "--out", "x"], "--out"),
    ],
)
def test_misuse_is_one_clear_line_and_exit_code_2(
    run: Run, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    (tmp_path / "main.log").write_text("[2026-11-03 10:00:00.123] [info]  Window opened\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.line
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_logs_found_says_where_was_looked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = run("check")
    if done.code == 0:
        pytest.skip("this machine has a log at a fixed place")
    assert done.code == 1
    assert str(tmp_path / ".lmstudio/server-logs") in done.line


def test_files_that_are_no_logs_are_named_and_the_rest_is_read(run: Run, logs: Path, tmp_path: Path) -> None:
    (logs / "main.log").write_text("[2026-11-03 10:00:00.123] [info]  Window opened\n")
    done = run("export", logs, "-o", tmp_path / "out")
    assert done.code == 0
    assert "main.log: not a server log" in done.line
    assert len(requests(tmp_path / "out")) == 5


def test_a_store_in_use_is_a_failure(run: Run, logs: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store"):
        done = run("export", logs, "-o", tmp_path / "out", "--store", tmp_path / "store")
    assert done.code == 1
    assert "in use by another run" in done.line


def test_a_damaged_store_is_replaced_with_one_line(run: Run, logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run("export", logs, "-o", tmp_path / "a", "--store", store)
    store.write_bytes(store.read_bytes()[:5000])
    done = run("export", logs, "-o", tmp_path / "b", "--store", store)
    assert done.code == 0
    assert "set-aside" in done.line
    assert requests(tmp_path / "a") == requests(tmp_path / "b")
    assert run("export", logs, "-o", tmp_path / "b", "--store", store).err == ""


def test_damage_that_shows_only_on_the_way_is_mended_too(
    run: Run, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    run("export", logs, "-o", tmp_path / "a", "--store", store)
    with Store.open(store) as opened:
        opened._db.execute("UPDATE item SET data = x'0102'")
    done = run("export", logs, "-o", tmp_path / "b", "--store", store)
    assert done.code == 0
    assert "set-aside" in done.line
    assert requests(tmp_path / "a") == requests(tmp_path / "b")


def test_a_bug_is_one_line_for_users_and_a_traceback_on_demand(
    run: Run, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(pipeline, "_ingested", fail)
    monkeypatch.delenv("LMS_AUDIT_DEBUG", raising=False)
    done = run("export", logs, "-o", tmp_path / "out")
    assert done.code == 1
    assert "a bug in lms-audit: ZeroDivisionError: oh" in done.line
    monkeypatch.setenv("LMS_AUDIT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("export", logs, "-o", tmp_path / "out")


def test_a_full_disk_is_one_line(run: Run, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(pipeline, "_ingested", fail)
    done = run("export", logs, "-o", tmp_path / "out")
    assert done.code == 1
    assert "the disk is full" in done.line


def test_help_and_version_are_at_hand(run: Run) -> None:
    assert run("--version").code == 0
    for command in ("build", "serve", "export", "check", "name", "pack", "verify"):
        done = run(command, "--help")
        assert done.code == 0
        assert "Usage:" in done.out
    assert "Commands:" in run().out


def test_the_module_runs_as_the_command_does_and_a_closed_pipe_is_no_error(logs: Path) -> None:
    command = [sys.executable, "-m", "lms_audit", "check", str(logs)]
    source = Path(cli.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "understood" in done.stdout
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writer)
    assert done.stderr == ""


def test_on_a_terminal_stages_and_bytes_are_drawn_and_wiped(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli.run(["export", str(logs), "-o", str(tmp_path / "out")]) == 0
    drawn = capsys.readouterr().err
    assert "read" in drawn
    assert "correlate" in drawn
    assert "\x1b[2K" in drawn
