"""Words of texts and the terms they are found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.present.words import LONGEST, distinct, terms


def found_by(text: str) -> set[str]:
    """All terms of a text."""
    return {term for word in distinct(text) for term in terms(word)}


def test_one_name_in_three_styles_is_one_term() -> None:
    for name in ("parse_header", "parseHeader", "ParseHeader", "PARSE_HEADER", "__parse_header__"):
        assert {"parseheader", "parse", "header"} <= found_by(name), name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("XMLHttpRequest", {"xmlhttprequest", "xml", "http", "request"}),
        ("sha256Sum", {"sha256sum", "sha256", "sum"}),
        ("src/app/main.py", {"src", "app", "main", "py"}),
        ("C:\\Users\\mia\\file.txt", {"users", "mia", "file", "txt"}),
        ("exit code: 127", {"exit", "code", "127"}),
        ("don't", {"don", "t"}),
    ],
)
def test_identifiers_and_paths_are_found_whole_and_by_parts(text: str, parts: set[str]) -> None:
    assert parts <= found_by(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "cafe"),
        ("cafe\u0301", "CAFÉ"),
        ("Łódź", "lodz"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
        ("ёлка", "ЕЛКА"),
        ("\ufb01le", "file"),
        ("\uff21\uff22\uff23", "abc"),
        ("½", "1 2"),
        ("\uac00\ub098", "\u1100\u1161\u1102\u1161"),
    ],
)
def test_accents_case_and_compatibility_forms_are_folded(one: str, other: str) -> None:
    assert found_by(one) == found_by(other)


def test_scripts_without_spaces_are_found_by_pairs_and_by_any_character() -> None:
    terms_of = found_by("東京タワー、大阪")
    assert {"東京", "京タ", "タワ", "ワー", "ー", "大阪", "阪"} == terms_of
    for character in "東京タワー大阪":
        assert any(term.startswith(character) for term in terms_of), character
    assert "ー大" not in terms_of


def test_signs_pictures_and_lone_surrogates_are_no_words() -> None:
    assert found_by("→ ── ✓ 🙂 … „“ \ud83d \ue000 ___ +-*/") == set()


def test_a_very_long_word_is_found_by_its_beginning_and_not_divided() -> None:
    blob = "aB3_" * 5000
    assert found_by(blob) == {blob.replace("_", "").lower()[:LONGEST]}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_terms_are_folded_already_and_never_long(text: str) -> None:
    for term in found_by(text):
        assert 0 < len(term) <= LONGEST
        assert term.split() == [term]


@given(st.lists(st.text("abcXYZ019_éß東京", min_size=1, max_size=12), max_size=8), st.sampled_from(" /.-:\n→、"))
def test_a_text_is_found_by_the_terms_of_its_words(words: list[str], separator: str) -> None:
    assert found_by(separator.join(words)) == set().union(*map(found_by, words))
