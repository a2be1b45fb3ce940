"""What is kept between runs, and what happens to it when something goes wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from lms_audit.errors import AuditError
from lms_audit.model import LineRange, Problem, Role, Text
from lms_audit.read.discover import LogFile, fingerprint
from lms_audit.read.events import Edge, FileDigest, ServerChange
from lms_audit.read.payload import compact, item_key
from lms_audit.store import Store, StoreDamagedError, pack
from lms_audit.store import store as store_module

LONG = {"role": "user", "content": "the same words again " * 200}
SHORT = {"role": "user", "content": "hi"}
PLACE = Path("/logs/2026-11/2026-11-03.1.log")


def log_file(path: Path = PLACE, size: int = 100, mtime_ns: int = 5) -> LogFile:
    return LogFile(path=path, root=PLACE.parent.parent, inside=path.name, name=path.name, size=size, mtime_ns=mtime_ns)


def add(store: Store, file: LogFile, *values: object, name: str = "a.log", resumed: bool = False) -> None:
    problem = Problem("cut body", "ends early", LineRange(name, 3, 4))
    events = (ServerChange(at=1, line=2, end_line=2, started=True),)
    digest = FileDigest(name=name, size=file.size, lines=9, problems=(problem,), events=events)
    items = {item_key(value): compact(value) for value in values}
    store.add(file, b"mark", pack(digest), items, resumed=resumed)


def size_of(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        count: int = connection.execute("SELECT count(*) FROM item").fetchone()[0]
    connection.close()
    return count


def test_items_come_back_as_they_were_and_in_one_shape(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file(), LONG, SHORT)
    with Store.open(tmp_path / "store") as store:
        assert store.raw(item_key(LONG)) == compact(LONG)
        message = store.message(item_key(SHORT))
        assert (message.role, message.parts) == (Role.USER, (Text("hi"),))
        assert store.message(item_key(SHORT)) is message
        with pytest.raises(KeyError):
            store.raw("0" * 32)


def test_the_text_at_the_edges_of_a_file_is_kept_apart(tmp_path: Path) -> None:
    tail = Edge(start=40, line=5, size=60, breaks=3, open=True, mark=b"mark", data=b"[2026-11-03 09:00:00][DEBUG] Rec")
    digest = FileDigest(name="a.log", size=100, lines=8, tail=tail)
    with Store.open(tmp_path / "store") as store:
        store.add(log_file(), b"mark", pack(digest), {})
    with Store.open(tmp_path / "store") as store:
        kept = store.digest(log_file())
        assert kept.tail == replace(tail, data=b"")
        assert store.whole(log_file(), kept).tail == tail
        assert store.whole(log_file(), kept).head is None


def test_each_message_is_kept_once_and_packed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Store.open(path) as store:
        for number in range(5):
            add(store, log_file(PLACE.with_name(f"{number}.log")), LONG, SHORT)
    assert size_of(path) == 2
    connection = sqlite3.connect(path)
    sizes = [row[0] for row in connection.execute("SELECT length(data) FROM item ORDER BY length(data)")]
    connection.close()
    assert sizes[0] <= len(compact(SHORT)) + 11
    assert sizes[1] < len(compact(LONG)) / 5


def test_a_store_made_for_nothing_is_removed(tmp_path: Path) -> None:
    Store.open(tmp_path / "store").close()
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_one_file_when_it_is_closed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file(), LONG)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_file_is_unchanged_only_with_the_same_size_and_time() -> None:
    with Store.open(None) as store:
        assert not store.unchanged(log_file())
        add(store, log_file())
        assert store.unchanged(log_file())
        assert not store.unchanged(log_file(size=101))
        assert not store.unchanged(log_file(mtime_ns=4))


def test_a_newer_reader_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file())
    monkeypatch.setattr(store_module, "READER_VERSION", 10_000)
    with Store.open(tmp_path / "store") as store:
        assert not store.unchanged(log_file())
        assert store.digest(log_file()).size == 100


def test_a_digest_takes_the_name_its_file_has_now() -> None:
    with Store.open(None) as store:
        add(store, log_file(), name="old/a.log")
        digest = store.digest(LogFile(path=PLACE, root=PLACE.parent, inside="a.log", name="new/a.log"))
    assert digest.name == "new/a.log"
    assert digest.problems[0].where == LineRange("new/a.log", 3, 4)
    assert digest.events == (ServerChange(at=1, line=2, end_line=2, started=True),)


def test_files_below_a_folder_are_remembered() -> None:
    with Store.open(None) as store:
        add(store, log_file())
        assert store.remembers(PLACE)
        assert store.remembers(PLACE.parent)
        assert not store.remembers(Path("/log"))
        assert [file.path for file in store.below([Path("/logs")])] == [PLACE]
        assert store.below([Path("/other")]) == ()


def test_items_only_an_earlier_reading_had_are_swept(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file(), LONG, SHORT)
        add(store, log_file(PLACE.with_name("b.log")), {"role": "user", "content": "of b"})
        add(store, log_file(size=120), SHORT, resumed=True)
        assert store.sweep() == 0
        add(store, log_file(size=90), SHORT)
        assert store.sweep() == 1
        assert store.raw(item_key(SHORT)) == compact(SHORT)
        with pytest.raises(KeyError):
            store.raw(item_key(LONG))
    assert size_of(tmp_path / "store") == 2


def test_a_moved_log_is_known_by_its_content(tmp_path: Path) -> None:
    old, new = tmp_path / "old/a.log", tmp_path / "new/a.log"
    new.parent.mkdir()
    new.write_bytes(b"x" * 100)
    with Store.open(None) as store:
        file = log_file(old)
        mark = fingerprint(new, 100)
        store.add(file, mark, pack(FileDigest(name="a.log", size=100, lines=1)), {})
        assert store.twin(log_file(new)) == file
        store.move(file, log_file(new))
        assert store.known(old) is None
        assert store.unchanged(log_file(new))
        new.write_bytes(b"y" * 100)
        assert store.twin(log_file(new, size=99)) is None


def damage_head(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_schema(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()


@pytest.mark.parametrize("harm", [damage_head, damage_middle, cut, other_schema])
@pytest.mark.parametrize("named", [False, True])
def test_a_store_that_cannot_be_used_is_set_aside_and_filled_anew(tmp_path: Path, harm: object, named: bool) -> None:
    path = tmp_path / "store"
    with Store.open(path) as store:
        for number in range(50):
            add(store, log_file(PLACE.with_name(f"{number}.log")), LONG, {"role": "user", "content": f"{number}" * 300})
    assert callable(harm)
    harm(path)
    with Store.open(path, named=named) as store:
        assert len(store.notes) == 1
        assert "store.set-aside" in store.notes[0]
        assert not store.remembers(PLACE.parent)
        add(store, log_file(), LONG)
    assert (tmp_path / "store.set-aside").exists()
    with Store.open(path) as store:
        assert store.notes == []
        assert store.unchanged(log_file())


def test_damage_found_late_is_told_apart_from_other_failures(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file(), LONG)
        store._db.execute("UPDATE item SET data = x'00'")
        with pytest.raises(StoreDamagedError):
            store.raw(item_key(LONG))
        store._db.execute("UPDATE file SET digest = x'00'")
        with pytest.raises(StoreDamagedError):
            store.digest(log_file())


def test_a_store_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store"), pytest.raises(AuditError, match="in use by another run") as caught:
        Store.open(tmp_path / "store")
    assert caught.value.exit_code == 1
    Store.open(tmp_path / "store").close()


@pytest.mark.parametrize("kind", ["database", "log", "folder"])
def test_a_file_named_by_mistake_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious"
    if kind == "database":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA application_id = 77")
        connection.execute("CREATE TABLE thesis (words)")
        connection.commit()
        connection.close()
    elif kind == "log":
        path.write_bytes(b"[2026-11-03 10:00:00][INFO] Server started.\n")
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(AuditError) as caught:
        Store.open(path, named=True)
    assert caught.value.exit_code == 2
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_full_disk_is_a_failure_and_keeps_what_was_there(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        add(store, log_file(), SHORT)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(AuditError, match="full") as caught:
            add(store, log_file(PLACE.with_name("b.log")), *({"content": f"{n}" * 9000} for n in range(3000)))
        assert caught.value.exit_code == 1
    with Store.open(tmp_path / "store") as store:
        assert store.notes == []
        assert store.known(PLACE) is not None
        assert store.known(PLACE.with_name("b.log")) is None
