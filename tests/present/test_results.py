"""What a result holds is told from its text, and where the text does not tell, from what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.model import Json
from lms_audit.present.views.results import hits, hits_found, lines_read


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("     3→def f():\n     4→    pass\n", "lines 3–4"),
        ("<path>/a</path>\n<content>\n1: one\n2: two\n\n(End of file - total 2 lines)\n</content>", "lines 1–2"),
        ("00007| only\n", "line 7"),
        ("".join(f"{number:6}\ttext\n" for number in range(120, 1_400)), "lines 120–1,399"),
        ("def f():\n    pass\n", ""),
    ],
)
def test_the_lines_of_a_file_are_those_its_text_numbers(result: str, words: str) -> None:
    assert lines_read({"file_path": "/a"}, result) == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"offset": 40, "limit": 20}, "20 lines from 40"),
        ({"start_line": 5, "end_line": 9}, "lines 5–9"),
        ({"view_range": [10, 30]}, "lines 10–30"),
        ({"view_range": [10, -1]}, "from line 10"),
        ({"startLine": "7"}, "from line 7"),
        ({"offset": True}, ""),
        ("{malformed", ""),
    ],
)
def test_lines_that_are_not_numbered_are_those_that_were_asked_for(arguments: Json, words: str) -> None:
    assert lines_read(arguments, "text") == words
    assert lines_read(arguments, None) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.py:1:x\nb.py:20:y\nb.py:21-z\n", "3 hits in 2 files"),
        ("src/one.py\nsrc/two.py\n", "2 files"),
        ("/home/ada/my notes/a.txt\n", "1 file"),
        ("12:x\n", "1 hit"),
        ("File: a.py\nL3: x\n", "1 hit in 1 file"),
        ("No files found", ""),
        ("", ""),
    ],
)
def test_a_search_says_what_it_found(text: str, words: str) -> None:
    assert hits_found(text) == words


@given(st.text(alphabet="a/.: 1L-\n\\", max_size=400))
def test_no_word_of_a_result_is_lost_in_the_list(text: str) -> None:
    held = "".join(hit.path + hit.line + hit.text for hit in hits(text))
    if held:
        assert set(text.replace("\n", "").replace(" ", "")) - set(held) <= {":", "-", "L"}


def test_a_line_of_any_length_costs_its_length() -> None:
    # a pattern that tries every split of such a line would not come to an end
    assert hits("a/" * 200_000 + ":" * 100_000) == ()
