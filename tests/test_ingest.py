"""Only what is new is read, and what is there in the end does not depend on how it came."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from lms_audit import ingest as ingest_module
from lms_audit.config import Config
from lms_audit.ingest import Ingested, ingest, read_file
from lms_audit.pipeline import check, export
from lms_audit.progress import Silent
from lms_audit.read import bodies
from lms_audit.read.digest import digest
from lms_audit.share.export import Format
from lms_audit.store import Store, unpack
from tests.chatlog import ask, turns


class Told:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.done = 0

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))

    def advance(self, amount: int) -> None:
        self.done += amount


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for day in (3, 4, 5):
        write(folder, f"2026-11/2026-11-0{day}.1.log", turns(3, topic=f"boat {day}", start=86_400 * (day - 3)))
    return folder


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def run(logs: Path, store: Path | None, **options: Any) -> Ingested:
    with Store.open(store) as opened:
        return ingest([logs], opened, Silent(), **options)


def rows(logs: Path, store: Path | None, out: Path, **options: Any) -> dict[str, bytes]:
    files, _ = export(Config(logs=(logs,), out=out, store=store, **options), Format.JSONL)
    return {path.name: path.read_bytes() for path in files}


def test_unchanged_files_are_not_opened(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    assert run(logs, store).read == 3
    opened: list[Path] = []
    real = Path.open

    def watch(path: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", watch)
    again = run(logs, store)
    assert (again.read, again.bytes, again.notes) == (0, 0, ())
    assert [path for path in opened if path.is_relative_to(logs)] == []


def test_a_file_that_grew_is_read_from_its_last_record_on(logs: Path, tmp_path: Path) -> None:
    store, path = tmp_path / "store", logs / "2026-11/2026-11-05.1.log"
    for upto in (4, 5, 9):
        before = path.stat().st_size
        run(logs, store)
        with path.open("ab") as file:
            file.write(turns(upto, topic="boat 5", start=2 * 86_400, first=upto - 1))
        told = Told()
        with Store.open(store) as opened:
            done = ingest([logs], opened, told)
            known = opened.known(path.resolve())
        assert (done.read, done.resumed) == (1, 1)
        assert told.stages == [("read", path.stat().st_size - before)]
        assert known is not None
        assert known.file.size == path.stat().st_size
    assert rows(logs, store, tmp_path / "a") == rows(logs, None, tmp_path / "b")


def test_a_log_followed_byte_by_byte_gives_what_one_reading_gives(tmp_path: Path) -> None:
    data = turns(3) + ask(100, [{"role": "user", "content": "more"}])
    folder, store = tmp_path / "logs", tmp_path / "store"
    cuts = sorted(random.Random(7).sample(range(1, len(data)), 25))
    for end in (*cuts, len(data)):
        write(folder, "2026-11/2026-11-03.1.log", data[:end])
        run(folder, store)
    assert rows(folder, store, tmp_path / "a") == rows(folder, None, tmp_path / "b")


@pytest.mark.parametrize("how", ["rewritten", "truncated", "same size", "older time"])
def test_a_file_that_was_changed_is_read_again(logs: Path, tmp_path: Path, how: str) -> None:
    store, path = tmp_path / "store", logs / "2026-11/2026-11-04.1.log"
    run(logs, store)
    status = path.stat()
    data = path.read_bytes()
    new = {
        "rewritten": turns(5, topic="a wholly different ship", start=86_400),
        "truncated": data[: len(data) // 2],
        "same size": data.replace(b"boat 4", b"ship 4"),
        "older time": data,
    }[how]
    path.write_bytes(new)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + (-7 if how == "older time" else 7)))
    again = run(logs, store)
    assert (again.read, again.resumed) == (1, 0)
    assert rows(logs, store, tmp_path / "a") == rows(logs, None, tmp_path / "b")


def test_deleted_logs_stay_and_are_said_to_be_gone(logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    before = rows(logs, store, tmp_path / "a")
    (logs / "2026-11/2026-11-04.1.log").unlink()
    after = rows(logs, store, tmp_path / "b")
    assert after["requests.jsonl"] == before["requests.jsonl"]
    gone = [file.file for file in check(Config(logs=(logs,), store=store)) if not file.on_disk]
    assert gone == ["2026-11/2026-11-04.1.log"]


def test_even_a_whole_folder_may_be_deleted(logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    before = rows(logs, store, tmp_path / "a")
    for path in logs.glob("*/*"):
        path.unlink()
    (logs / "2026-11").rmdir()
    logs.rmdir()
    assert rows(logs, store, tmp_path / "b")["requests.jsonl"] == before["requests.jsonl"]


def test_logs_that_were_not_asked_for_are_not_taken_for_deleted(logs: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "store", tmp_path / "other"
    run(logs, store)
    write(other, "2026-11/2026-11-09.1.log", turns(1, topic="kite"))
    assert [file.name for file in run(other, store).files] == ["2026-11/2026-11-09.1.log"]
    assert rows(other, store, tmp_path / "a") == rows(other, None, tmp_path / "b")


def test_logs_moved_to_another_folder_are_not_read_again(logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(logs, store)
    logs.rename(tmp_path / "archive")
    moved = run(tmp_path / "archive", store)
    assert moved.read == 0
    assert [file.on_disk for file in moved.files] == [True] * 3
    assert rows(tmp_path / "archive", store, tmp_path / "a") == rows(tmp_path / "archive", None, tmp_path / "b")


def test_a_newer_reader_reads_again_and_keeps_what_is_gone(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    run(logs, store)
    (logs / "2026-11/2026-11-04.1.log").unlink()
    for module in ("lms_audit.store.store", "lms_audit.ingest"):
        monkeypatch.setattr(f"{module}.READER_VERSION", 10_000)
    again = run(logs, store)
    assert again.read == 2
    assert again.notes == ("2 logs read again by a newer reader; 1 no longer on disk is kept as read",)
    assert len(again.files) == 3
    assert run(logs, store).read == 0


def test_a_file_that_cannot_be_read_is_left_out_and_the_rest_is_read(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = digest

    def fail(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "2026-11-04.1.log":
            raise OSError(5, "Input/output error")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(ingest_module, "digest", fail)
    done = run(logs, tmp_path / "store")
    assert [file.refused for file in done.files] == [None, "cannot be read: Input/output error", None]


def test_several_processes_find_what_one_finds(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rows(logs, tmp_path / "one", tmp_path / "a")
    monkeypatch.setattr(ingest_module, "WORTH_A_POOL", 0)
    assert rows(logs, tmp_path / "two", tmp_path / "b", workers=2) == one


def test_any_executor_will_do_and_the_order_of_its_answers_does_not_matter(logs: Path) -> None:
    with Store.open(None) as store:
        told = Told()
        done = ingest([logs], store, told, executor=ThreadPoolExecutor, workers=8)
        assert told.done == done.bytes == sum(path.stat().st_size for path in logs.glob("*/*"))
        assert all(store.unchanged(file) for file in done.files)


def test_a_worker_that_dies_does_not_stop_the_run(logs: Path) -> None:
    class Dying(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            future = super().submit(*args, **kwargs)
            if len(died) < 1:
                died.append(future)
            else:
                future = super().submit(_die)
            return future

    died: list[Any] = []
    with Store.open(None) as store:
        done = ingest([logs], store, Silent(), executor=Dying, workers=2)
        assert done.read == 3
        assert all(store.unchanged(file) for file in done.files)


def _die() -> None:
    raise BrokenProcessPool("a worker was killed")


def test_a_log_that_grows_while_it_is_read_is_read_on_next_time(tmp_path: Path) -> None:
    path = write(tmp_path, "logs/2026-11/2026-11-03.1.log", turns(2))
    more = turns(4, first=2)

    class Growing(Silent):
        def advance(self, amount: int) -> None:
            if path.stat().st_size < len(turns(2)) + len(more):
                with path.open("ab") as file:
                    file.write(more)

    with Store.open(tmp_path / "store") as store:
        ingest([tmp_path / "logs"], store, Growing())
    rows(tmp_path / "logs", tmp_path / "store", tmp_path / "a")
    assert rows(tmp_path / "logs", tmp_path / "store", tmp_path / "a") == rows(tmp_path / "logs", None, tmp_path / "b")


def test_a_reading_tells_what_it_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.log", turns(2))
    reading = read_file(ingest_module.Job(path=str(path), name="given"))
    assert (reading.size, reading.error, reading.resumed) == (path.stat().st_size, None, False)
    assert unpack(reading.digest.digest).name == "given"
    assert unpack(reading.digest.digest).items == {}
    assert len(reading.items) >= 3


def test_what_earlier_files_have_shown_is_neither_parsed_nor_handed_over_again(tmp_path: Path) -> None:
    first = write(tmp_path, "2026-11-03.1.log", turns(4))
    second = write(tmp_path, "2026-11-03.2.log", turns(6, first=4))
    seen: bodies.Seen = {}
    digest(first, "first", seen=seen)
    alone, after = digest(second, "second"), digest(second, "second", seen=seen)
    assert after.items.keys() == alone.items.keys()
    assert after.work.parsed < alone.work.parsed
    assert {key: data for key, data in after.items.items() if data}.items() < alone.items.items()
    assert after.events == alone.events


def test_an_item_that_went_down_with_another_reading_is_read_again(logs: Path, tmp_path: Path) -> None:
    write(logs, "2026-11/2026-11-06.1.log", turns(3, topic="boat 3"))
    lost = logs / "2026-11/2026-11-03.1.log"
    real = ingest_module.read_file

    def forgetful(job: ingest_module.Job, *args: Any, **kwargs: Any) -> ingest_module.Reading:
        reading = real(job, *args, **kwargs)
        return ingest_module.Reading(error="gone meanwhile") if Path(job.path) == lost else reading

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_module, "read_file", forgetful)
        with Store.open(tmp_path / "store") as store:
            ingest([logs], store, Silent())
    lost.unlink()
    assert rows(logs, tmp_path / "store", tmp_path / "a") == rows(logs, None, tmp_path / "b")


@pytest.mark.parametrize("shift", [-86_400, 86_400])
def test_a_clock_that_was_set_leaves_nothing_out(logs: Path, tmp_path: Path, shift: int) -> None:
    """Times of files are compared for being the same, never for being later."""
    store = tmp_path / "store"
    run(logs, store)
    path = logs / "2026-11/2026-11-04.1.log"
    path.write_bytes(path.read_bytes() + turns(4, first=3, topic="boat 4", start=86_400))
    other = logs / "2026-11/2026-11-05.1.log"
    other.write_bytes(other.read_bytes().replace(b"boat", b"ship"))
    for changed in (path, other):
        moved = changed.stat().st_mtime + shift
        os.utime(changed, (moved, moved))
    again = run(logs, store)
    assert (again.read, again.resumed) == (2, 1)
    assert rows(logs, store, tmp_path / "a") == rows(logs, None, tmp_path / "b")


def test_an_utf16_copy_gives_the_same_requests(tmp_path: Path) -> None:
    text = turns(2).decode()
    write(tmp_path, "eight/a.log", text.encode())
    write(tmp_path, "sixteen/a.log", text.encode("utf-16"))
    store = tmp_path / "store"
    one = rows(tmp_path / "eight", store, tmp_path / "a")
    assert rows(tmp_path / "sixteen", store, tmp_path / "b")["requests.jsonl"] == one["requests.jsonl"]
    assert run(tmp_path / "sixteen", store).read == 0
    with (tmp_path / "sixteen/a.log").open("ab") as file:
        file.write(turns(3, first=2).decode().encode("utf-16-le"))
    assert run(tmp_path / "sixteen", store).resumed == 0
    write(tmp_path, "eight/a.log", text.encode() + turns(3, first=2))
    assert (
        rows(tmp_path / "sixteen", store, tmp_path / "b")["requests.jsonl"]
        == rows(tmp_path / "eight", store, tmp_path / "a")["requests.jsonl"]
    )
