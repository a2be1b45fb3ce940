"""Which files are logs, in which order, and what is said about those that are not."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from lms_audit import outdir
from lms_audit.errors import AuditError
from lms_audit.read.discover import LogFile, arrange, discover, fingerprint, log_root, natural, own_places, sniff

LINE = b"[2026-11-03 10:00:00][INFO] Server started.\n"


def write(path: Path, data: bytes = LINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(*logs: Path) -> list[str]:
    return [file.name for file in arrange(discover(logs).files) if file.refused is None]


def reasons(*logs: Path) -> dict[str, str]:
    return {file.name: file.refused for file in arrange(discover(logs).files) if file.refused is not None}


def test_the_tenth_file_of_a_day_stands_after_the_ninth_and_months_are_in_order(tmp_path: Path) -> None:
    wanted = [
        "2025-12/2025-12-31.1.log",
        "2026-01/2026-01-02.2.log",
        "2026-01/2026-01-02.9.log",
        "2026-01/2026-01-02.10.log",
        "2026-01/2026-01-10.1.log",
        "2026-11/2026-11-03.1.log",
    ]
    for name in random.Random(4).sample(wanted, len(wanted)):
        write(tmp_path / name)
    assert names(tmp_path) == wanted


def test_the_order_of_the_arguments_changes_nothing(tmp_path: Path) -> None:
    files = [write(tmp_path / f"2026-11/2026-11-03.{number}.log") for number in (1, 2, 11)]
    expected = names(*files)
    assert expected == [f"2026-11/2026-11-03.{number}.log" for number in (1, 2, 11)]
    assert names(*reversed(files)) == expected
    assert names(files[2], tmp_path, files[0]) == expected


def test_a_month_folder_is_part_of_the_name_wherever_one_points(tmp_path: Path) -> None:
    file = write(tmp_path / "server-logs/2026-11/2026-11-03.1.log")
    assert names(file) == names(file.parent) == names(tmp_path / "server-logs") == ["2026-11/2026-11-03.1.log"]
    assert log_root(file.parent) == file.parent.parent


def test_two_machines_keep_their_logs_apart_and_each_in_order(tmp_path: Path) -> None:
    for machine in ("left", "right"):
        for day in ("2026-11-03", "2026-11-04"):
            write(tmp_path / machine / "server-logs" / "2026-11" / f"{day}.1.log")
    expected = [
        f"{machine}/server-logs/2026-11/{day}.1.log"
        for machine in ("left", "right")
        for day in ("2026-11-03", "2026-11-04")
    ]
    assert names(tmp_path) == expected
    assert names(tmp_path / "right/server-logs", tmp_path / "left/server-logs") == expected
    streams = [file.stream for file in arrange(discover([tmp_path]).files)]
    assert streams == ["left/server-logs"] * 2 + ["right/server-logs"] * 2


def test_other_names_are_read_in_natural_order(tmp_path: Path) -> None:
    for name in ("run.10.log", "run.9.log", "a.txt", "b.jsonl"):
        write(tmp_path / name)
    assert names(tmp_path) == ["a.txt", "b.jsonl", "run.9.log", "run.10.log"]
    assert natural("x9") < natural("x10") < natural("y1")


def test_a_named_file_may_be_called_anything(tmp_path: Path) -> None:
    assert names(write(tmp_path / "pasted")) == ["pasted"]


def test_a_file_reached_twice_is_read_once_and_a_loop_of_links_ends(tmp_path: Path) -> None:
    file = write(tmp_path / "logs/a.log")
    (tmp_path / "logs/loop").symlink_to(tmp_path / "logs")
    (tmp_path / "logs/again.log").symlink_to(file)
    assert names(tmp_path / "logs", file, tmp_path / "logs/loop") == ["a.log"]


def test_a_link_that_leads_nowhere_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.log")
    (tmp_path / "b.log").symlink_to(tmp_path / "gone")
    (tmp_path / "c.log").symlink_to(tmp_path / "c.log")
    assert names(tmp_path) == ["a.log"]
    assert set(reasons(tmp_path)) <= {"b.log", "c.log"}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"[2026-11-03 10:00:00.123] [info]  Window opened\n", "Electron main.log"),
        (b'{\n  "a": 1\n}\n', "JSON file"),
        (b'[{"a": 1}]', "JSON file"),
        (gzip.compress(LINE, mtime=0), "gzip"),
        (b"PK\x03\x04 and so on", "zip"),
        (b"SQLite format 3\0" + bytes(84), "SQLite"),
        (b"\x7fELF" + bytes(range(256)) * 4, "binary"),
        (b"<!doctype html><p>hello", "HTML"),
        (b"Dear diary,\ntoday nothing was logged.\n", "text file"),
        (b"timestamp: 1/2/2026\ntype: llm.prediction.input\n", "--json"),
        (b"Mar 02 09:00:00 host llmster[811]: " + LINE, "journald"),
        (b"Mar  2 09:00:00 host llmster[811]: " + LINE, "[0-9:]{8}"),
        (b"> " + LINE, "sed -E 's/^(> ?)+//'"),
        (b"2026-03-02T09:00:00.1Z " + LINE, "sed -E 's/^.{23}//'"),
        (json.dumps({"log": LINE.decode(), "stream": "stdout", "time": "2026-03-02T09:00:00Z"}).encode(), "Docker"),
        (b'{"log":"' + LINE.strip() + b'\\n","stream":"stdout","time":"2026-03-02T09:00:00Z"}\n', "jq -rj .log"),
        (b"    " + LINE, "in front of every line"),
        (b'{"response_text": "' + LINE.strip() + b'"}\n', "JSON file"),
    ],
)
def test_what_is_no_server_log_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    path = write(tmp_path / "main.log", data)
    with pytest.raises(AuditError, match="not a server log") as caught:
        discover([path])
    assert what in str(caught.value)
    assert caught.value.exit_code == 2
    write(tmp_path / "good.log")
    assert names(tmp_path) == ["good.log"]
    assert what in reasons(tmp_path)["main.log"]


@pytest.mark.parametrize(
    "data",
    [
        LINE,
        b"[2023-11-04 22:49:50.004] [INFO] [LM STUDIO SERVER] Server logs are ENABLED.\r\n",
        b"2024-11-15 18:45:22  [INFO] Server started.\n",
        b"2026-07-15 09:12:25 [DEBUG]\n text\n",
        b'{"timestamp":1790000000000,"data":{"type":"server.log"}}\n',
        b"Streaming logs from LM Studio\n\n" + LINE,
        b"\xef\xbb\xbf" + LINE,
        bytes(512) + LINE,
        b'   "content": "the end of a body"\n}\n' + LINE,
        LINE.decode().encode("utf-16"),
        b"",
        b"\0\0\0\r\n",
    ],
)
def test_every_form_of_a_server_log_is_taken(data: bytes) -> None:
    assert sniff(data) is None


def test_a_body_longer_than_the_first_look_does_not_hide_the_lines_behind_it(tmp_path: Path) -> None:
    long = b'      "content": "x"\n  > ' + LINE.strip() + b"\n" + b'      "content": "x"\n' * 10_000
    assert names(write(tmp_path / "cut.log", long + LINE)) == ["cut.log"]
    with pytest.raises(AuditError, match="in front of every line"):
        discover([write(tmp_path / "none.log", long)])
    assert names(write(tmp_path / "2026-11/2026-11-03.2.log", long)) == ["2026-11/2026-11-03.2.log"]


def test_no_logs_anywhere_says_where_was_looked(tmp_path: Path) -> None:
    if any(place.exists() for place in own_places(tmp_path)):
        pytest.skip("this machine has a log at a fixed place")
    with pytest.raises(AuditError) as caught:
        discover(home=tmp_path)
    assert str(tmp_path / ".lmstudio" / "server-logs") in str(caught.value)
    assert "bionic" in str(caught.value)
    assert caught.value.exit_code == 1


def test_all_homes_of_lm_studio_are_read(tmp_path: Path) -> None:
    write(tmp_path / ".lmstudio/server-logs/2026-11/2026-11-03.1.log")
    write(tmp_path / ".lmstudio/apps/bionic/server-logs/2026-11/2026-11-03.1.log")
    write(tmp_path / ".cache/lm-studio/server-logs/2024-11/2024-11-03.1.log")
    write(tmp_path / "disk/server-logs/2026-11/2026-11-05.1.log")
    (tmp_path / ".lmstudio-home-pointer").write_text(str(tmp_path / "disk"))
    found = arrange(discover(home=tmp_path).files)
    inside = [file for file in found if file.path.is_relative_to(tmp_path)]
    assert len(inside) == len({file.name for file in inside}) == 4
    assert inside[0].name.endswith("2024-11/2024-11-03.1.log")


def test_a_missing_path_is_misuse_and_an_empty_folder_a_failure(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no such file or folder") as missing:
        discover([tmp_path / "nowhere"])
    assert missing.value.exit_code == 2
    with pytest.raises(AuditError, match="no LM Studio server logs") as empty:
        discover([tmp_path])
    assert empty.value.exit_code == 1


def test_a_path_that_was_read_before_may_be_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone.log"
    found = discover([gone], remembered=lambda path: path == gone.resolve())
    assert found.files == ()
    assert found.scope == (gone.resolve(),)


def test_a_file_that_cannot_be_opened_is_refused_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.log")
    locked = write(tmp_path / "b.log").resolve()
    real = Path.open

    def deny(path: Path, *args: object, **kwargs: object) -> object:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", deny)
    assert names(tmp_path) == ["a.log"]
    assert reasons(tmp_path) == {"b.log": "cannot be read: Permission denied"}


def test_known_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.log")

    def forbid(path: Path, *_: object, **__: object) -> object:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(Path, "open", forbid)
    files = discover([tmp_path], unchanged=lambda _file: True).files
    assert [file.refused for file in files] == [None]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.log"
    os.mkfifo(pipe)
    with pytest.raises(AuditError, match="not a regular file"):
        discover([pipe])


def test_sites_and_exports_of_ours_are_no_logs(tmp_path: Path) -> None:
    write(tmp_path / "a.log")
    with outdir.replacing(tmp_path / "site", "site") as site:
        write(site / "raw/1.txt")
    write(tmp_path / "site/mine.log")
    assert names(tmp_path) == ["a.log", "site/mine.log"]


def test_a_fingerprint_tells_growth_from_rewriting(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", LINE * 4000)
    mark = fingerprint(path, len(LINE) * 4000)
    path.write_bytes(LINE * 4000 + b"more")
    assert fingerprint(path, len(LINE) * 4000) == mark
    path.write_bytes(b"X" + LINE * 5000)
    assert fingerprint(path, len(LINE) * 4000) != mark


def test_arranging_does_not_depend_on_the_order_given(tmp_path: Path) -> None:
    files = [
        LogFile(path=tmp_path / root / name, root=tmp_path / root, inside=name)
        for root in ("one", "two")
        for name in ("2026-11/2026-11-03.1.log", "2026-11/2026-11-03.2.log", "x.log")
    ]
    expected = arrange(files)
    assert [file.name for file in expected][:2] == ["one/2026-11/2026-11-03.1.log", "one/2026-11/2026-11-03.2.log"]
    for seed in range(5):
        assert arrange(random.Random(seed).sample(files, len(files))) == expected
    assert arrange([replace(expected[0], name="")])[0].name == "2026-11/2026-11-03.1.log"
