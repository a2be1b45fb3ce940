"""Bytes become records whatever is in them and however they arrive, and no byte is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lms_audit.read.framing import BOM, Form, Record, records

FILE = b"[2026-03-04 05:06:07][INFO] "
PREFIXES = (
    FILE,
    b"[2026-03-04 05:06:07][DEBUG][a/b:2] ",
    b"[2023-11-04 22:50:06.101] [WARN] ",
    b"2024-11-15 18:45:22  [INFO] ",
    b"2026-07-15 09:13:47 [ERROR]\n ",
    b'{"timestamp":1772600767000,"data":{"type":"server.log"}}',
    b"\x1b[32m[2026-03-04 05:06:07]\x1b[0m[INFO] ",
)
PIECES = st.one_of(
    st.sampled_from(PREFIXES),
    st.sampled_from((b"\n", b"\r\n", b"\0\0", BOM, b"\x1b[1;31m", b"}", b"z" * 350, b"[2026-03-04 05:0", b"\xff")),
    st.binary(max_size=12),
)
LOGS = st.lists(PIECES, max_size=30).map(b"".join)


def whole(data: bytes) -> list[Record]:
    return list(records([data]))


def shape(record: Record) -> tuple[object, ...]:
    return (record.raw, record.start, record.line, record.form, record.at, record.level, record.text_at, record.precise)


def said(record: Record) -> bytes:
    return record.data[record.text_at :]


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# --- properties


@settings(deadline=None, max_examples=150)
@given(data=LOGS, cuts=st.lists(st.integers(0, 2000), max_size=12))
@example(data=b"x\n" * 400 + FILE + b"y\n" + FILE, cuts=[800, 801, 802, 805])
def test_any_split_into_chunks_gives_the_same_records(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    chunks = [data[begin:end] for begin, end in pairwise(edges)]
    assert [shape(record) for record in records(chunks)] == [shape(record) for record in whole(data)]


@settings(deadline=None, max_examples=40)
@given(data=LOGS)
def test_single_bytes_and_empty_chunks_give_the_same_records(data: bytes) -> None:
    chunks = [chunk for index in range(len(data)) for chunk in (b"", data[index : index + 1])]
    assert [shape(record) for record in records(chunks)] == [shape(record) for record in whole(data)]


@settings(deadline=None, max_examples=150)
@given(data=st.one_of(LOGS, st.binary(max_size=400)))
def test_the_spans_of_all_records_give_the_file_back(data: bytes) -> None:
    found = whole(data)
    assert b"".join(record.raw for record in found) == data
    at = 0
    for record in found:
        assert record.start == at
        assert record.raw == data[record.start : record.end]
        at = record.end
    assert at == len(data)


@settings(deadline=None, max_examples=100)
@given(data=LOGS)
def test_line_numbers_count_line_breaks(data: bytes) -> None:
    for record in whole(data):
        assert record.line == data.count(b"\n", 0, record.start) + 1
        last = record.end - 1 if record.raw.endswith(b"\n") else record.end
        assert record.end_line == data.count(b"\n", 0, last) + 1


@settings(deadline=None, max_examples=60)
@given(data=LOGS, start=st.integers(0, 1 << 40), line=st.integers(1, 1 << 30))
def test_a_stream_that_starts_inside_a_file_has_the_files_offsets(data: bytes, start: int, line: int) -> None:
    moved = [(record.start - start, record.line - line + 1) for record in records([data], start=start, line=line)]
    assert moved == [(record.start, record.line) for record in whole(data)]


@settings(deadline=None, max_examples=60)
@given(prefixes=st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=8), bodies=st.lists(st.integers(0, 3)))
def test_each_prefixed_line_starts_a_record(prefixes: list[bytes], bodies: list[int]) -> None:
    extra = [*bodies, *[0] * len(prefixes)]
    parts = [prefix + b"text\n" + b'  "more": "lines",\n' * extra[index] for index, prefix in enumerate(prefixes)]
    assert [record.raw for record in whole(b"".join(parts))] == parts


# --- the forms


@pytest.mark.parametrize(
    ("data", "form", "level", "at", "text"),
    [
        (b"[2026-03-04 05:06:07][INFO] Hello", Form.FILE, "INFO", "2026-03-04T05:06:07", b"Hello"),
        (b"[2026-03-04 05:06:07][DEBUG][INFO] Hello", Form.FILE, "DEBUG", "2026-03-04T05:06:07", b"[INFO] Hello"),
        (b"[2026-03-04 05:06:07][INFO]", Form.FILE, "INFO", "2026-03-04T05:06:07", b""),
        (b"[2026-03-04 05:06:07][INFO]  two", Form.FILE, "INFO", "2026-03-04T05:06:07", b" two"),
        (b"[2023-11-04 22:50:06.101] [WARN] Hi", Form.V02, "WARN", "2023-11-04T22:50:06.101", b"Hi"),
        (b"2024-11-15 18:45:22  [INFO] Hi", Form.UI, "INFO", "2024-11-15T18:45:22", b"Hi"),
        (b"2024-11-15 18:45:22 [DEBUG] Hi", Form.UI, "DEBUG", "2024-11-15T18:45:22", b"Hi"),
        (b"2025-05-02 09:13:47 [ERROR]\nHi", Form.UI, "ERROR", "2025-05-02T09:13:47", b"Hi"),
        (b"2026-07-15 09:13:47  [INFO]\n Hi", Form.UI, "INFO", "2026-07-15T09:13:47", b"Hi"),
        (b"2026-07-15 09:13:47  [INFO] \n Hi", Form.UI, "INFO", "2026-07-15T09:13:47", b"Hi"),
        (b"2026-07-15 09:13:47  [INFO] \r\n Hi", Form.UI, "INFO", "2026-07-15T09:13:47", b"Hi"),
        (b"2026-07-15 09:13:47  [INFO]\n  Hi", Form.UI, "INFO", "2026-07-15T09:13:47", b" Hi"),
        (BOM + b"[2026-03-04 05:06:07][INFO] Hi", Form.FILE, "INFO", "2026-03-04T05:06:07", b"Hi"),
        (b"[2024-02-29 23:59:59][INFO] Hi", Form.FILE, "INFO", "2024-02-29T23:59:59", b"Hi"),
        (
            b"\x1b[2m[2026-03-04 05:06:07]\x1b[0m\x1b[32m[INFO]\x1b[0m Hi",
            Form.FILE,
            "INFO",
            "2026-03-04T05:06:07",
            b"Hi",
        ),
        (b"\x1b[90m2026-07-15 09:13:47\x1b[39m  [INFO] Hi", Form.UI, "INFO", "2026-07-15T09:13:47", b"Hi"),
    ],
)
def test_each_form_of_prefix_is_read(data: bytes, form: Form, level: str, at: str, text: bytes) -> None:
    for behind in (b"", b"\n", b"\n  more\n"):
        (record,) = whole(data + behind)
        assert (record.form, record.level, record.at) == (form, level, local(at))
        assert record.precise is (form is Form.V02)
        assert said(record).removesuffix(behind) == text


def test_a_line_of_a_json_stream_carries_the_epoch_in_milliseconds() -> None:
    line = b'{"timestamp":1772600767123,"data":{"type":"server.log","content":"[2026-03-04 05:06:07][INFO] Hi\\n"}}\n'
    first, second = whole(line + line.replace(b":1772600767123,", b": 1772600767124, "))
    assert (first.form, first.at, first.precise, first.text_at) == (Form.STREAM, 1_772_600_767_123, True, 0)
    assert second.at == 1_772_600_767_124


@pytest.mark.parametrize("data", [b"[2026-02-30 05:06:07][INFO] Hi", b"2025-02-29 05:06:07 [INFO] Hi"])
def test_a_date_that_does_not_exist_is_still_a_record(data: bytes) -> None:
    (record,) = whole(data)
    assert record.form is not None
    assert record.at is None
    assert said(record) == b"Hi"


@pytest.mark.parametrize(
    "data",
    [
        b"[2026-13-04 05:06:07][INFO] month 13",
        b"[2026-03-32 05:06:07][INFO] day 32",
        b"[2026-03-04 24:06:07][INFO] hour 24",
        b"[2026-03-04 05:06:07.123] [error] another program, in small letters",
        b"[2026-03-04 05:06:07][TRACE] no such level",
        b"2026-03-04 05:06:07 INFO no brackets",
        b" [2026-03-04 05:06:07][INFO] not in column 0",
        b"[2026-03-04T05:06:07][INFO] ISO",
        b'{"timestamp":17,"data":{}}',
        b'  {"timestamp":1772600767123,"data":{}}',
    ],
)
def test_what_only_looks_like_a_prefix_starts_no_record(data: bytes) -> None:
    (alone,) = whole(data)
    assert alone.form is None
    assert len(whole(FILE + b"first\n" + data)) == 1


# --- hazards


def test_text_before_the_first_prefix_comes_first_and_has_no_form() -> None:
    rest, record = whole(b'  "content": "the end of a body"\n}\n' + FILE + b"Hi\n")
    assert (rest.form, rest.at, rest.level, rest.line, rest.end_line) == (None, None, "", 1, 2)
    assert (record.form, record.line) == (Form.FILE, 3)


def test_padding_with_nul_bytes_hides_no_record() -> None:
    padding = b"\0" * 5000
    found = whole(padding + FILE + b"one\n" + padding + FILE + b"two\n")
    assert [said(record).rstrip(b"\0\n") for record in found if record.form] == [b"one", b"two"]
    assert sum(len(record.raw) for record in found) == 10_000 + 2 * len(FILE) + 8


def test_nul_bytes_and_a_bom_before_the_first_prefix_belong_to_a_record() -> None:
    for padding in (BOM, b"\0\0\0", BOM + b"\0\0"):
        found = whole(padding + FILE + b"one\n")
        assert b"".join(record.raw for record in found) == padding + FILE + b"one\n"
        assert [said(record) for record in found if record.form] == [b"one\n"]


def test_windows_line_ends_start_records_too() -> None:
    found = whole(FILE + b"one\r\n  more\r\n" + FILE + b"two\r\n")
    assert [said(record) for record in found] == [b"one\r\n  more\r\n", b"two\r\n"]
    assert [(record.line, record.end_line) for record in found] == [(1, 2), (3, 3)]


def test_a_prefix_inside_a_json_string_starts_no_record() -> None:
    body = FILE + b'Received request: POST to /x with body {\n  "a": "\\n[2026-03-04 05:06:07][INFO] no"\n}\n'
    assert len(whole(body)) == 1


def test_colours_inside_a_record_leave_the_text_and_stay_in_the_span() -> None:
    data = FILE + b"\x1b[31mred\x1b[0m and plain\n"
    (record,) = whole(data)
    assert said(record) == b"red and plain\n"
    assert record.raw == data


def test_a_record_of_many_megabytes_is_one_record() -> None:
    line = b"x" * (8 << 20)
    chunks = [FILE, *[line[at : at + 65536] for at in range(0, len(line), 65536)], b"\n", FILE, b"next\n"]
    long, following = records(chunks)
    assert len(long.raw) == len(FILE) + len(line) + 1
    assert said(following) == b"next\n"


def test_an_empty_stream_has_no_records() -> None:
    assert list(records([])) == []
    assert list(records([b"", b""])) == []
