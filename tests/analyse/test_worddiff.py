from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.analyse import worddiff
from lms_audit.analyse.worddiff import Change, first_change, only_moments_changed, word_diff

TEXTS = st.text("ab \n.,1", max_size=60)


@given(TEXTS, TEXTS)
def test_a_diff_gives_back_both_texts(before: str, after: str) -> None:
    changes = word_diff(before, after)
    assert "".join(change.text for change in changes if change.op != "added") == before
    assert "".join(change.text for change in changes if change.op != "removed") == after
    assert all(change.text for change in changes)
    assert before != after or all(change.op == "same" for change in changes)


def test_only_the_words_that_differ_are_changed() -> None:
    assert word_diff("Today is Tue Nov 11, fine.\nEnd", "Today is Wed Nov 12, fine.\nEnd") == (
        Change("same", "Today is "),
        Change("removed", "Tue "),
        Change("added", "Wed "),
        Change("same", "Nov "),
        Change("removed", "11"),
        Change("added", "12"),
        Change("same", ", fine.\nEnd"),
    )


def test_a_middle_too_large_to_align_is_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worddiff, "CAP", 3)
    assert word_diff("a 1 2 3 4 z", "a 5 2 3 6 z") == (
        Change("same", "a "),
        Change("removed", "1 2 3 4 "),
        Change("added", "5 2 3 6 "),
        Change("same", "z"),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Today's date: Tue Nov 11 2025", "Today's date: Wed Nov 12 2025"),
        ("Current time: 2026-02-02T10:11:12Z", "Current time: 2026-02-02T10:11:59Z"),
        ("It is Monday, February 2, 2026, 9:05 PM UTC", "It is Tuesday, February 3, 2026, 10:06 AM UTC"),
        ("on 02/02/2026", "on 2/3/2026"),
        ("am 2. 2. 2026", "am 13. 2. 2026"),
        ("3rd of work: 11 November 2025", "3rd of work: 12 November 2025"),
        ("stamp 1770000000", "stamp 1770000360"),
        ("last commit 3 hours ago", "last commit 2 days ago"),
        ("ends 2026-02-02 10:11:12 +02:00.", "ends 2026-02-02 10:12:12 +02:00."),
    ],
)
def test_dates_and_times_are_told_from_other_changes(before: str, after: str) -> None:
    assert only_moments_changed(before, after)
    assert not only_moments_changed(before, f"{after} and more")
    assert not only_moments_changed(before, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [("version 1.2.34", "version 1.2.35"), ("11 files", "12 files"), ("port 1234", "port 1235"), ("May I", "June I")],
)
def test_other_numbers_are_no_dates(before: str, after: str) -> None:
    assert not only_moments_changed(before, after)


def test_the_first_change_is_quoted_with_the_words_before_it() -> None:
    head = "You are an agent.\nRules\n"
    assert first_change(f"{head}date: Tue Nov 11 2025\n", f"{head}date: Tue Nov 12 2025\n") == (
        "“Tue Nov 11” became “Tue Nov 12”"
    )
    assert first_change("a b", "a b c") == "“a b” became “a b c”"
    assert first_change("", "new") == "“new” came"
    assert first_change("old", "") == "“old” went"
    assert first_change("same", "same") == ""
