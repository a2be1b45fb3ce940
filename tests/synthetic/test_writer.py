from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.jsonlike import Item, print_body, shorten, stringify
from synthetic.writer import LogFiles

NOON = 1_794_225_600_000.0  # 2026-11-09 12:00
DAY = 86_400_000


def written(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(root.rglob("*.log"))}


def test_a_message_in_brackets_touches_the_level_and_others_do_not(tmp_path: Path) -> None:
    with LogFiles(tmp_path) as log:
        log.record(NOON, b"INFO", b"[model] Streaming response...")
        log.record(NOON + 999, b"DEBUG", b"one\ntwo")
        log.record(NOON + 1000, b"INFO", b"")
    assert written(tmp_path) == {
        "2026-11-09.1.log": b"[2026-11-09 12:00:00][INFO][model] Streaming response...\n"
        b"[2026-11-09 12:00:00][DEBUG] one\ntwo\n[2026-11-09 12:00:01][INFO]\n"
    }


def test_a_new_file_begins_when_one_is_full_and_numbers_begin_anew_at_midnight(tmp_path: Path) -> None:
    with LogFiles(tmp_path, rotate_bytes=60) as log:
        for number in range(4):
            log.record(NOON + number, b"INFO", b"x" * 10)
        log.record(NOON + DAY, b"INFO", b"next day")
    assert {name: data.count(b"\n") for name, data in written(tmp_path).items()} == {
        "2026-11-09.1.log": 2,
        "2026-11-09.2.log": 2,
        "2026-11-10.1.log": 1,
    }


def test_a_record_may_be_cut_in_two_by_a_new_file(tmp_path: Path) -> None:
    with LogFiles(tmp_path) as log:
        log.record(NOON, b"INFO", b"before")
        log.split()
        log.record(NOON, b"INFO", b"0123456789" * 4)
    first, second = written(tmp_path).values()
    assert (first + second).endswith(b"[INFO] " + b"0123456789" * 4 + b"\n")
    assert not first.endswith(b"\n")


@pytest.mark.parametrize(("length", "shortened"), [(120, False), (121, True), (5000, True)])
def test_strings_over_120_units_keep_50_at_each_end(length: int, shortened: bool) -> None:
    text = "".join(chr(97 + n % 26) for n in range(length))
    assert shorten(text) == (text[:50] + "... <Truncated in logs> ..." + text[-50:] if shortened else text)


def test_units_are_utf_16_so_that_an_emoji_counts_twice_and_may_be_cut() -> None:
    assert shorten("😀" * 60) == "😀" * 60
    cut = shorten("a" + "😀" * 60)
    assert cut.startswith("a" + "😀" * 24 + "\ud83d...")
    assert b'\\ud83d... <Truncated in logs> ..."'[:10] in stringify(cut)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_printed_json_reads_back_as_it_was(value: object) -> None:
    assert json.loads(stringify(value, 4)) == value


def test_a_body_is_printed_as_one_value_would_be() -> None:
    messages = [{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": []}]
    tools: dict[str, object] = {"name": "read"}
    body = [("model", "m"), ("messages", [Item(each, 4) for each in messages]), ("tools", Item([tools], 2)), ("n", {})]
    assert print_body(body, full=True) == stringify({"model": "m", "messages": messages, "tools": [tools], "n": {}})
