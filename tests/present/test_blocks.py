"""Texts of cards: what shows at once, what folds, what keeps its colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.present.views.blocks import (
    FAILED_CHARS,
    Block,
    Place,
    Run,
    Said,
    ansi,
    clipped,
    patch,
    said,
    styled,
    whole,
)
from lms_audit.present.views.parts import SHOWN_TEXT

PLACE = Place(3, '["content"]')


def text_of(runs: tuple[Run, ...]) -> str:
    return "".join(run.text for run in runs)


def shown(block: Block) -> str:
    return text_of(block.runs) + text_of(block.folded) + text_of(block.tail)


def numbered(lines: int) -> str:
    return "".join(f"line {number}\n" for number in range(lines))


def test_a_short_result_is_shown_whole() -> None:
    block = clipped(numbered(15), "code", PLACE)
    assert shown(block) == numbered(15)
    assert (block.folded, block.tail, block.more, block.place) == ((), (), "", None)


def test_a_longer_result_shows_both_ends_and_folds_the_middle() -> None:
    block = clipped(numbered(60), "code", PLACE)
    assert text_of(block.runs) == numbered(12)
    assert text_of(block.tail) == "line 56\nline 57\nline 58\nline 59\n"
    assert shown(block) == numbered(60)
    assert block.more == "44 more lines"
    assert block.place is None


def test_the_middle_of_a_long_result_is_not_on_the_page_but_has_a_place() -> None:
    block = clipped(numbered(3_000), "code", PLACE)
    assert block.folded == ()
    assert block.place == PLACE
    assert block.more == "2,984 more lines"
    assert len(shown(block)) < 2_000


def test_what_failed_never_folds() -> None:
    block = clipped(numbered(600), "terminal", PLACE, failed=True)
    assert shown(block) == numbered(600)
    assert block.more == ""
    block = clipped(numbered(9_000), "terminal", PLACE, failed=True)
    assert FAILED_CHARS - 200 < len(shown(block)) <= FAILED_CHARS
    assert text_of(block.runs).startswith("line 0\n")
    assert text_of(block.tail).endswith("line 8999\n")
    assert block.place == PLACE


@given(st.text(max_size=9_000), st.booleans())
def test_what_is_shown_and_what_is_hidden_is_the_text(text: str, failed: bool) -> None:
    block = clipped(text, "text", PLACE, failed=failed)
    if block.place is None:
        assert shown(block) == text
    else:
        assert text.startswith(text_of(block.runs))
        assert text.endswith(text_of(block.tail))


def test_words_of_a_person_are_shown_up_to_a_limit() -> None:
    assert said("short", PLACE) == Said("short")
    shown = said("word " * SHOWN_TEXT, PLACE)
    assert 0 < len(shown.text) + len(shown.folded) <= SHOWN_TEXT
    assert shown.more
    assert shown.place == PLACE


def test_many_lines_of_a_person_fold_behind_the_first() -> None:
    assert said(numbered(50), PLACE) == Said(numbered(50))
    shown = said(numbered(90), PLACE)
    assert shown.text == numbered(30)
    assert shown.text + shown.folded == numbered(90)
    assert (shown.fold, shown.more, shown.place) == ("60 more lines", "", None)


def test_hits_of_a_search_stand_under_their_files() -> None:
    runs = styled("Found 3 matches\nsrc/a.py:12:one\nsrc/a.py:14:two\nsrc/b.py:1:three\n", "hits")
    assert [(run.style, run.text) for run in runs] == [
        ("", "Found 3 matches\n"),
        ("h-file", "src/a.py\n"),
        ("h-at", "12"),
        ("", "one\n"),
        ("h-at", "14"),
        ("", "two\n"),
        ("h-file", "src/b.py\n"),
        ("h-at", "1"),
        ("", "three\n"),
    ]


def test_a_result_that_is_no_list_stays_as_it_is() -> None:
    text = "Nothing matches that pattern.\nTry another one: it may help.\n"
    assert styled(text, "hits") == (Run("", text),)


def test_terminal_colours_become_styles_and_other_sequences_go() -> None:
    text = "\x1b[1;31mFAILED\x1b[0m a\x1b[2K b \x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[38;5;200mc\x1b[39m"
    text += "\x1b[92mok\x1b[m"
    runs = ansi(text)
    assert runs[0] == Run("t-red t-bold", "FAILED")
    assert Run("t-green", "ok") in runs
    assert text_of(runs).startswith("FAILED a b link c")
    assert "http" not in text_of(runs)


def test_a_text_that_changes_its_colour_all_the_time_is_plain() -> None:
    text = "".join(f"\x1b[3{number % 8}mx" for number in range(2_000))
    assert ansi(text) == (Run("", "x" * 2_000),)


def test_lines_of_a_patch_are_told_apart() -> None:
    runs = patch("--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\n+new\n+newer\n")
    assert [(run.style, run.text) for run in runs] == [
        ("d-file", "--- a\n+++ b\n"),
        ("d-hunk", "@@ -1 +1 @@\n"),
        ("", " same\n"),
        ("d-del", "-old\n"),
        ("d-add", "+new\n+newer\n"),
    ]


@pytest.mark.parametrize("length", [10, 6_000, 6_001, 50_000])
def test_a_long_argument_is_cut_at_a_line(length: int) -> None:
    block = whole(numbered(length // 8), "code", PLACE)
    assert numbered(length // 8).startswith(shown(block))
    assert bool(block.more) == (len(numbered(length // 8)) > 6_000)
