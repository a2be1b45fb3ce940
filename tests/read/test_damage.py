"""Damaged and hostile input: nothing raises, what is whole is read, and what is not is counted where it stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lms_audit.model import Class, Status
from lms_audit.read import messages
from lms_audit.read.digest import digest_chunks
from tests import golden_logs
from tests.golden_logs import Read

NAME = "2026-03/2026-03-02.1.log"
LOGS = [data for path in golden_logs.cases() for data in golden_logs.load(path).files.values()]
RUN = b"""\
[AT:00][INFO][last] Running chat completion on conversation with 7 messages.
[AT:00][INFO][last] Streaming response...
[AT:03][INFO][last] Finished streaming response
"""
END = RUN.replace(b"AT", b"2026-12-31 10:00")
"""A request that has nothing to do with any before it."""
OWN = RUN.replace(b"AT", b"2026-03-02 09:00").replace(b"last", b"pot").replace(b"7 messages", b"1 messages")


def read(data: bytes) -> Read:
    return golden_logs.read({NAME: data})


def body(content: str = '"Boil."', more: str = "") -> bytes:
    """A request line with one message."""
    return (
        "[2026-03-02 09:00:00][DEBUG] Received request: POST to /v1/chat/completions with body {\n"
        '  "model": "pot",\n  "messages": [\n    {\n      "role": "user",\n'
        f'      "content": {content}\n    }}\n  ],\n{more}  "stream": true\n}}\n'
    ).encode("utf-8", "surrogatepass")


def last_is_whole(result: Read) -> None:
    last = result.requests[-1]
    assert (last.model, last.status, last.message_count) == ("last", Status.COMPLETED, 7)
    assert last.received_at is not None
    assert last.finished_at == last.received_at + 3000


# --- any bytes --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"[2026-03-02 09:00:00][DEBUG] Received request: POST to /\xff with body {\n")
@example(b"[2026-03-02 09:00:00][INFO][\xff\xfe] Generated prediction: {\n}")
def test_any_bytes_read_without_an_exception(data: bytes) -> None:
    result = read(b"[2026-03-02 09:00:00][INFO] " + data)
    for file in result.joined.files:
        assert sum(tally.bytes for tally in file.classes.values()) == file.size
    read(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LOGS), st.data())
def test_a_log_cut_at_any_byte_loses_only_what_is_cut(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data)))
    whole, cut = digest_chunks([data], NAME), digest_chunks([data[:at]], NAME)
    ahead = [event for event in whole.events if event.end_line <= data.count(b"\n", 0, at)]
    complete = [event for event in (*cut.events, *cut.tail_events) if event.line < (cut.tail.line if cut.tail else 0)]
    assert len(complete) >= len([event for event in ahead if event.line < (cut.tail.line if cut.tail else 0)]) - 1
    read(data[:at])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LOGS), st.data())
def test_a_changed_byte_hurts_no_record_behind_the_next(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    last_is_whole(read(changed + b"\n" + END))


# --- text that went through other hands -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "change"),
    [
        ("Windows line ends", lambda data: data.replace(b"\n", b"\r\n")),
        ("a byte order mark", lambda data: b"\xef\xbb\xbf" + data),
        ("UTF-16 as PowerShell writes it", lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le")),
        ("big-endian UTF-16", lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be")),
        ("NUL bytes between records", lambda data: data.replace(b"\n[2026", b"\n" + b"\0" * 512 + b"[2026")),
        ("NUL bytes at the end", lambda data: data + b"\0" * 4096),
        ("colours", lambda data: data.replace(b"[2026-", b"\x1b[2m\x1b[34m[2026-").replace(b"][", b"]\x1b[0m[")),
        ("colours in the text", lambda data: data.replace(b"Streaming", b"\x1b[1;32mStreaming\x1b[39m")),
        ("blank lines between records", lambda data: data.replace(b"\n[2026", b"\n\n\n[2026")),
    ],
)  # fmt: skip
def test_a_copy_reads_like_the_original(about: str, change: object) -> None:
    assert callable(change)
    original = body() + OWN + END
    copied = change(original)
    first, last = read(copied).requests
    assert (first.requested_model, first.model, first.status, first.message_count) == (
        "pot",
        "pot",
        Status.COMPLETED,
        1,
    )
    assert first.stream is True
    assert last.model == "last"
    assert all(file.classes.get(Class.DAMAGED) is None for file in read(copied).joined.files), about


def test_utf16_is_told_by_its_mark_however_it_comes() -> None:
    data = b"\xff\xfe" + (body() + END).decode().encode("utf-16-le")
    assert digest_chunks([data], NAME) == digest_chunks([data[at : at + 1] for at in range(len(data))], NAME)


# --- bodies nobody should send ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "content"),
    [
        ("half a surrogate pair at a cut", r'"a \ud83d... <Truncated in logs> ...\ude00 z"'),
        ("two halves in the wrong order", r'"\udc00\ud83d"'),
        ("a whole pair", r'"\ud83d\ude00"'),
        ("an escaped backslash before the same letters", r'"\\ud83d"'),
        ("a number beyond 64 bits", "123456789012345678901234567890"),
        ("a number beyond a double", "1e999"),
        ("a number of 5,000 digits", "9" * 5000),
        ("a string of 5,000 digits", '"' + "9" * 5000 + '"'),
        ("a long value with a number of 5,000 digits", '["' + "x" * 3000 + '", ' + "9" * 5000 + "]"),
        ("minus zero", "-0.0"),
        ("a control character", '"a\\u0000b"'),
        ("line separators", '"\\u2028\\u2029"'),
        ("an empty string", '""'),
        ("null", "null"),
        ("duplicated members", '{\n        "a": 1,\n        "a": 2\n      }'),
        ("an empty list", "[]"),
        ("a list in one line", '[{"type": "text", "text": "one line"}]'),
        ("deep nesting", "[" * 10_000 + "]" * 10_000),
        ("nesting without end", "[" * 200_000 + "]" * 200_000),
        ("deep nesting of objects", '{"a":' * 10_000 + "1" + "}" * 10_000),
    ],
)
def test_odd_values_are_values(about: str, content: str) -> None:
    result = read(body(content) + END)
    first = result.requests[0]
    assert first.prompt is not None
    assert (first.requested_model, first.stream, first.prompt.count) == ("pot", True, 1), about
    assert first.prompt.complete
    last_is_whole(result)
    for key, raw in digest_chunks([body(content)], NAME).items.items():
        assert messages.message(key, raw).size == len(raw)
        json.loads(raw)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80\x80"], ids=repr)
def test_invalid_utf8_in_a_body_is_damage_and_no_loss(bad: bytes) -> None:
    data = body('"Boil XX."').replace(b"XX", bad)
    result = read(data + body() + END)
    first, second, _ = result.requests
    assert (first.requested_model, first.message_count, first.stream) == ("pot", 1, True)
    assert second.message_count == 1
    assert [problem.kind for file in result.joined.files for problem in file.problems] == ["invalid utf-8"]
    assert result.joined.files[0].classes[Class.DAMAGED].records == 1


def test_a_broken_message_does_not_take_the_others_with_it() -> None:
    data = body(more='  "temperature": 0.5,\n').replace(b'"Boil."', b'"Boi" l."')
    first, _ = read(data + END).requests
    assert first.prompt is not None
    assert (first.requested_model, first.stream, first.prompt.count) == ("pot", True, 1)
    assert not first.prompt.complete


def test_a_body_in_one_line_is_read_too() -> None:
    line = b"[2026-03-02 09:00:00][DEBUG] Received request: POST to /v1/chat/completions with body "
    line += b'{"model":"pot","messages":[{"role":"user","content":"Boil."}],"stream":true}\n'
    result = read(line + END)
    first = result.requests[0]
    assert (first.requested_model, first.stream, first.message_count) == ("pot", True, 1)
    assert first.prompt is not None
    assert first.prompt.complete
    assert Class.DAMAGED not in result.joined.files[0].classes


def test_a_body_whose_end_is_missing_does_not_swallow_the_log() -> None:
    data = body().removesuffix(b"}\n") + END
    result = read(data)
    assert len(result.requests) == 2
    last_is_whole(result)


# --- sizes ------------------------------------------------------------------------------------------------------------

BIG = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from lms_audit.read.digest import digest_chunks
def chunks(head, unit, count, tail):
    yield head
    for _ in range(count):
        yield unit
    yield tail
kind = sys.argv[2]
million = b"x" * 1_000_000
tail = b"\\n[2026-03-02 10:00:00][INFO] Server started.\\n"
made = {
    "unknown": (b"[2026-03-02 09:00:00][INFO] ", million, 100, tail),
    "engine": (b"[2026-03-02 09:00:00][DEBUG] slot ", million, 100, tail),
    "unprefixed": (b"", million, 100, tail),
    "brackets": (b"[2026-03-02 09:00:00][INFO][", b"[" * 1_000_000, 100, tail),
    "nul": (b"[2026-03-02 09:00:00][INFO] x", b"\\0" * 1_000_000, 30, tail),
    "content": (
        b'[2026-03-02 09:00:00][DEBUG] Received request: POST to /v1/chat/completions with body {\\n  "messages": [\\n'
        b'    {\\n      "role": "user",\\n      "content": "',
        million, 30, b'"\\n    }\\n  ]\\n}' + tail,
    ),
    "lines": (b"[2026-03-02 09:00:00][DEBUG] slot x\\n", b"unprefixed words\\n" * 60_000, 20, tail),
}[kind]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
result = digest_chunks(chunks(*made), "big.log")
took = time.monotonic() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(result.size, result.lines, round(took, 2), round(grown), result.head is not None)
"""


@pytest.mark.parametrize("kind", ["unknown", "engine", "unprefixed", "brackets", "nul", "content", "lines"])
def test_a_hundred_megabytes_in_one_record_fit_into_memory(kind: str) -> None:
    generator = Path(__file__).resolve().parents[2] / "generator"
    done = subprocess.run(
        [sys.executable, "-c", BIG, str(generator), kind], capture_output=True, text=True, check=True, timeout=120
    )
    size, _, seconds, megabytes, _ = done.stdout.split()
    assert int(size) > 20_000_000
    assert float(megabytes) < 900, "memory"
    assert float(seconds) < 30, "time"


def test_a_string_of_two_megabytes_is_one_message() -> None:
    result = read(body('"' + "kettle " * 300_000 + '"') + END)
    assert result.requests[0].message_count == 1
    assert result.settings.full_bodies is True
    last_is_whole(result)
