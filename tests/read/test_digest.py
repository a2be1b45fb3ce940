"""A file read in steps equals the file read at once, every byte is accounted for, and damage stays where it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lms_audit.model import Class, Tally
from lms_audit.read.digest import digest, digest_chunks, resume
from lms_audit.read.events import FileDigest, RequestReceived
from lms_audit.read.join import join
from tests import logtext
from tests.logtext import NAME, Records, debug, facts, prediction, received, record, streamed, talk, timing, whole

PER_EXAMPLE = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def in_steps(path: Path, data: bytes, *growth: int) -> tuple[FileDigest, dict[str, bytes]]:
    """The digest of a file that was read at each of these sizes, and all the items found on the way."""
    items: dict[str, bytes] = {}
    last: FileDigest | None = None
    for size in (*growth, len(data)):
        path.write_bytes(data[:size])
        last = digest(path, NAME.format(1)) if last is None else resume(last, path)
        items |= last.items
    assert last is not None
    return last, items


def account(read: FileDigest) -> dict[str, Any]:
    """What Health says of a file."""
    (health,) = join([read]).files
    return {
        "size": health.size,
        "lines": health.lines,
        "first": health.first_at,
        "last": health.last_at,
        "classes": dict(sorted(health.classes.items())),
        "kinds": dict(sorted(health.kinds.items())),
        "unknown": health.unknown_examples,
        "problems": health.problems,
        "forms": health.forms,
    }


def bare(read: FileDigest) -> list[object]:
    """Events without bodies, which may refer to others or not."""
    return [replace(event, body=None) if isinstance(event, RequestReceived) else event for event in read.events]


def assert_same(stepped: FileDigest, items: dict[str, bytes], once: FileDigest) -> None:
    assert account(stepped) == account(once)
    assert bare(stepped) == bare(once)
    assert stepped.settings == once.settings
    assert facts(join([stepped])) == facts(join([once]))
    assert (stepped.head, stepped.tail, stepped.first_record) == (once.head, once.tail, once.first_record)
    assert set(once.items) <= set(items)


# --- reading on


@PER_EXAMPLE
@given(log=logtext.logs(), at=st.lists(st.floats(0, 1), min_size=1, max_size=2))
def test_a_file_read_in_steps_equals_the_file_read_at_once(log: Records, at: list[float], tmp_path: Path) -> None:
    data = b"".join(log)
    growth = sorted(int(part * len(data)) for part in at)
    assert_same(*in_steps(tmp_path / "log", data, *growth), digest_chunks([data], NAME.format(1)))


def growing() -> bytes:
    """Every kind of thing that outlives a record."""
    parts: Records = []
    parts += whole(0, 1, chat="chatcmpl-a")
    parts += streamed(10, 2, task=3, chat="chatcmpl-b")[:-3]
    parts += timing(15, 3, 3, split=True)
    parts += [record(16, "Accumulated 2 tokens  The tea"), record(17, "Accumulated 4 tokens  The tea is hot")]
    parts += [record(17, "Finished streaming response")]
    parts += [record(20, "A line nobody knows", None)]
    return b"".join(parts)


def test_reading_on_at_any_byte_equals_reading_at_once(tmp_path: Path) -> None:
    data = growing()
    once = digest_chunks([data], NAME.format(1))
    starts = {at for at in range(len(data)) if data.startswith(b"[2026", at)}
    near = {at + step for at in starts for step in (-1, 0, 1, 15, 21, 22, 27, 40)}
    for size in sorted(at for at in near | set(range(0, len(data), 37)) if 0 <= at <= len(data)):
        stepped, items = in_steps(tmp_path / "log", data, size)
        assert_same(stepped, items, once)


def test_a_timing_block_in_two_records_keeps_its_task_when_read_on_between_them(tmp_path: Path) -> None:
    head, rows = timing(5, 3, 7, split=True)
    start = b"".join(streamed(0, 1, task=7, packets=False, chat="")[:6])
    end = record(6, "Finished streaming response")
    stepped, items = in_steps(tmp_path / "log", start + head + rows + end, len(start + head + rows))
    once = digest_chunks([start + head + rows + end], NAME.format(1))
    assert facts(join([once]))[0]["prompt_ms"] == 300.0
    assert_same(stepped, items, once)


def test_what_a_plugin_quotes_stays_quoted_when_read_on_behind_it(tmp_path: Path) -> None:
    plugin = record(0, "[Plugin(maker/spoon)] stderr: it said", None, level="ERROR")
    quote = b"2026-03-04 09:00:00 [ERROR]\n The model has crashed without additional information.\n"
    data = plugin + quote + record(3, "Server started.", None)
    once = digest_chunks([data], NAME.format(1))
    stepped, items = in_steps(tmp_path / "log", data, len(plugin + quote))
    assert facts(join([once])) == []
    assert_same(stepped, items, once)


def test_a_log_stream_keeps_its_clock_when_read_on(tmp_path: Path) -> None:
    server = {"type": "server.log", "level": "info", "content": record(0, "Server started.", None).decode()}
    engine = {
        "type": "runtime.log",
        "level": "info",
        "engineName": "llama.cpp",
        "message": "slot launch_slot_: id 1 | task 2 | processing task, is_child = 0",
    }
    lines = [
        json.dumps({"timestamp": (logtext.EPOCH - 7200 + second) * 1000, "data": part}).encode() + b"\n"
        for second, part in ((0, server), (1, engine), (2, engine))
    ]
    once = digest_chunks([b"".join(lines)], NAME.format(1))
    stepped, _ = in_steps(tmp_path / "log", b"".join(lines), len(lines[0] + lines[1]))
    assert [event.at for event in (*stepped.events, *stepped.tail_events)] == [
        event.at for event in (*once.events, *once.tail_events)
    ]


def test_reading_on_reads_only_the_last_record_and_what_is_new(tmp_path: Path) -> None:
    data = b"".join(part for turn in range(1, 12) for part in whole(20 * turn, turn, chat=f"chatcmpl-{turn}"))
    seen: list[int] = []
    path = tmp_path / "log"
    path.write_bytes(data)
    first = digest(path, NAME.format(1))
    path.write_bytes(data + record(900, "Server stopped."))
    resume(first, path, progress=seen.append)
    assert first.tail is not None
    assert sum(seen) == path.stat().st_size - first.tail.start < len(data) / 5


# --- accounting


@settings(deadline=None, max_examples=60)
@given(log=logtext.logs(), junk=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=20)), max_size=3))
def test_every_byte_is_in_exactly_one_class(log: Records, junk: list[tuple[float, bytes]]) -> None:
    data = b"".join(log)
    for place, what in junk:
        at = int(place * len(data))
        data = data[:at] + what + data[at:]
    (health,) = logtext.read(data).files
    assert health.size == len(data)
    assert sum(tally.bytes for tally in health.classes.values()) == health.size
    assert sum(tally.bytes for tally in health.kinds.values()) == health.size
    records = sum(tally.records for tally in health.classes.values())
    assert records == sum(tally.records for tally in health.kinds.values())


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_and_accounted_for(data: bytes) -> None:
    for text in (data, record(0, "Hello") + data, record(0, "")[:-1] + data):
        (health,) = logtext.read(text).files
        assert sum(tally.bytes for tally in health.classes.values()) == health.size
        facts(logtext.read(text))


def test_an_empty_file_has_no_records() -> None:
    (health,) = logtext.read(b"").files
    assert (health.size, health.lines, health.classes) == (0, 0, {})


def test_each_record_falls_into_the_class_of_its_kind() -> None:
    parts = {
        Class.UNDERSTOOD: received(0, {"messages": []}),
        Class.NOISE: record(1, "[Plugin(maker/spoon)] stdout: stirring", None),
        Class.UNKNOWN: record(2, "A line nobody knows", None),
        Class.DAMAGED: received(3, {"messages": talk(1)})[:-20] + b"\n",
    }
    (health,) = logtext.read(b"".join(parts.values())).files
    assert {name: tally.bytes for name, tally in health.classes.items()} == {
        name: len(part) for name, part in parts.items()
    }
    assert [example.where.first_line for example in health.unknown_examples] == [
        parts[Class.UNDERSTOOD].count(b"\n") + 2
    ]


# --- damage


def exchanges(count: int = 4) -> Records:
    """Requests one after the other, each one element."""
    return [
        b"".join(whole(20 * number, 1, topic=f"tea {number}", chat=f"chatcmpl-{number}")) for number in range(count)
    ]


def by_topic(data: bytes) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in facts(logtext.read(data)):
        if one["chat_id"] is not None:
            found[one["chat_id"]] = one
    return found


LIKE_ALONE = (
    "status",
    "response_text",
    "input_tokens",
    "output_tokens",
    "elapsed_ms",
    "message_count",
    "finish_reason",
)


@settings(deadline=None, max_examples=60)
@given(at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_damage_loses_at_most_the_request_it_hits(at: float, byte: int, cut: bool) -> None:
    parts = exchanges()
    data = b"".join(parts)
    place = int(at * len(data))
    hit = next(number for number in range(len(parts)) if place < sum(len(part) for part in parts[: number + 1]))
    damaged = data[:place] + (b"" if cut else bytes([byte])) + data[place + 1 :]
    sound, found = by_topic(data), by_topic(damaged)
    # A record that loses its prefix becomes part of the one before it, which may be the end of the request before.
    for number in range(len(parts)):
        name = f"chatcmpl-{number}"
        if number != hit:
            assert name in found, (place, hit)
            for field in LIKE_ALONE:
                assert found[name][field] == sound[name][field], (field, place, hit)


@settings(deadline=None, max_examples=60)
@given(at=st.floats(0, 1))
def test_a_log_cut_anywhere_keeps_the_requests_before_the_cut(at: float) -> None:
    parts = exchanges()
    data = b"".join(parts)
    place = int(at * len(data))
    found = by_topic(data[:place])
    sound = by_topic(data)
    end = 0
    for number, part in enumerate(parts):
        end += len(part)
        if end <= place:
            assert found[f"chatcmpl-{number}"] == sound[f"chatcmpl-{number}"]


@settings(deadline=None, max_examples=60)
@given(at=st.floats(0, 1))
def test_a_log_that_starts_anywhere_keeps_the_requests_behind_the_start(at: float) -> None:
    parts = exchanges()
    data = b"".join(parts)
    place = int(at * len(data))
    found = by_topic(data[place:])
    begin = 0
    for number, part in enumerate(parts):
        if begin >= place:
            name = f"chatcmpl-{number}"
            assert {field: found[name][field] for field in LIKE_ALONE} == {
                field: by_topic(data)[name][field] for field in LIKE_ALONE
            }
        begin += len(part)


def test_a_body_without_an_end_swallows_nothing() -> None:
    cut = received(0, {"model": "tea", "messages": talk(3)})[:-120]
    data = cut + b"\n" + b"".join(whole(10, 1, chat="chatcmpl-x"))
    joined = logtext.read(data)
    first, second = facts(joined)
    assert first["status"] == "incomplete"
    assert first["requested_model"] == "tea"
    assert second["response_text"] == "tea: answer 0"
    assert [problem.kind for problem in joined.files[0].problems] == ["cut body"]


# --- encodings


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_a_log_in_utf_16_is_read(encoding: str, mark: bytes) -> None:
    text = b"".join(whole(0, 2, chat="chatcmpl-a")).decode()
    for ends in ("\n", "\r\n"):
        data = mark + text.replace("\n", ends).encode(encoding)
        chunks = [data[at : at + 7] for at in range(0, len(data), 7)]
        (one,) = facts(join([digest_chunks(chunks, NAME.format(1))]))
        assert one["response_text"] == "tea: answer 1"
        assert one["prompt"]["count"] == 4
        assert one["status"] == "completed"
        (health,) = join([digest_chunks(chunks, NAME.format(1))]).files
        assert sum(tally.bytes for tally in health.classes.values()) == health.size == len(data)
        assert health.classes == {Class.UNDERSTOOD: Tally(health.classes[Class.UNDERSTOOD].records, len(data))}


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\0" * 64])
def test_line_ends_a_mark_and_padding_change_no_value(ends: bytes, before: bytes) -> None:
    log = streamed(0, 2, task=3, chat="chatcmpl-a") + whole(20, 1, topic="milk", chat="chatcmpl-b")
    data = b"".join(log)
    plain = facts(logtext.read(data))
    other = facts(logtext.read(before + data.replace(b"\n", ends)))
    for one in (*plain, *other):
        one["prompt"].pop("size")
    assert other == plain


def test_colours_change_no_value() -> None:
    log = whole(0, 1, chat="chatcmpl-a")
    coloured = [part.replace(b"][", b"]\x1b[32m[", 1).replace(b"] ", b"]\x1b[0m ", 1) for part in log]
    assert facts(logtext.read(b"".join(coloured))) == facts(logtext.read(b"".join(log)))


def test_a_byte_that_is_not_utf_8_is_reported_with_its_lines() -> None:
    log = whole(0, 1, chat="chatcmpl-a")
    data = log[0] + b"".join(log[1:]).replace(b"tea: answer 0", b"tea: \xff answer 0")
    joined = logtext.read(data)
    (one,) = facts(joined)
    assert one["response_text"] == "tea: \ufffd answer 0"
    (problem,) = joined.files[0].problems
    assert problem.kind == "invalid utf-8"
    assert problem.where.first_line == log[0].count(b"\n") + 3


# --- size

LARGE = """
import resource
import sys
from pathlib import Path

resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from lms_audit.read.digest import digest

read = digest(Path(sys.argv[1]), "2026-03/2026-03-04.1.log")
print(read.size, read.lines, len(read.events), read.tail is not None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize(
    "before",
    [
        record(0, "Received request to embed: ", None)[:-1],
        debug(0, 'Received request: POST to /v1/chat/completions with body {\n  "messages": [\n    "')[:-1],
    ],
    ids=["text", "body"],
)
def test_a_line_of_a_hundred_megabytes_fits_into_a_gigabyte(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    block = b"0123456789abcdef" * 65536
    with path.open("wb") as file:
        file.write(before)
        for _ in range(100):
            file.write(block)
        file.write(b'"\n  ]\n}\n' + b"".join(whole(9, 1, chat="chatcmpl-a")))
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    path.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    size, _, events, tail = done.stdout.split()
    assert int(size) > 100 << 20
    assert (int(events), tail) == (4, "True")


def test_predictions_of_odd_shapes_are_reported_and_not_raised() -> None:
    texts = ("", "{", "[]", "null", '{"choices": 5}', '{"choices": [{"message": []}]}', '{"usage": []}', "}" * 50)
    for text in texts:
        data = record(0, f"Generated prediction: {text}") + prediction(5, "chatcmpl-z", "tea", started=4)
        found = facts(logtext.read(data))
        assert found[-1]["response_text"] == "tea", text
