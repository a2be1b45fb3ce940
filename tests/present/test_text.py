"""Any text becomes markup, YAML or JavaScript that shows it and cannot act."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from lms_audit.present import text
from tests.hostile import TEXTS

HARMLESS = frozenset(
    "p em strong code pre ul ol li blockquote s hr br span table thead tbody tr th td".split()  # noqa: SIM905
)
anything = st.text(st.characters(codec=None), max_size=200) | st.sampled_from(list(TEXTS.values()))


class Reader(HTMLParser):
    """The text of a document, and the elements it has."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def written(value: str) -> str:
    """What is on a disk: raises for what UTF-8 cannot hold."""
    return value.encode("utf-8").decode("utf-8")


@given(anything)
def test_a_value_is_one_line_of_source_with_nothing_but_text(value: str) -> None:
    made = written(text.escape(value))
    assert Reader(f"<p>{made}</p>").elements == ["p"]
    assert html.unescape(made) == text.visible(value)
    assert len(made.splitlines()) <= 1
    assert not {'"', "'"} & set(made)


@given(anything)
def test_a_pre_says_exactly_the_text(value: str) -> None:
    read = Reader(written(text.pre(value, "code")))
    assert read.elements == ["pre"]
    assert read.text == "\n" + text.visible(value)


@given(anything)
def test_a_title_is_one_short_line_that_the_theme_may_print(value: str) -> None:
    made = written(text.title(value))
    assert not set('<>"\n') & set(made)
    assert len(html.unescape(made)) <= text.TITLE_LENGTH
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", made)


@given(anything)
def test_a_heading_in_markdown_has_no_syntax(value: str) -> None:
    made = written(text.inline(value))
    assert not re.search(r"[`*_\[\]<>#!|~{}\\$]", made.replace("&#", ""))
    assert html.unescape(made) == text.one_line(value)


@given(anything, anything)
def test_a_page_gives_back_its_blocks_and_cannot_be_left(value: str, other: str) -> None:
    body = f"<div>{text.escape(value)}\n{text.pre(other)}</div>"
    page = written(text.page({"title": text.title(value)}, "# x\n", {"body": body}))
    found = re.match(r"-{3}\n(.*?\n)(?:\.{3}|-{3})[ \t]*\n", page, re.DOTALL)  # as MkDocs finds it
    assert found is not None
    assert page[found.end() :] == "\n# x\n"
    meta = yaml.safe_load(found[1])
    assert meta == {"title": text.title(value), "body": body}


@given(st.recursive(st.none() | st.booleans() | st.integers() | anything, lambda inner: st.lists(inner, max_size=3)))
def test_json_for_a_script_is_ascii_and_holds_no_markup(value: object) -> None:
    made = text.json_text(value)
    assert made.isascii()
    assert not re.search(r"[<>&']", made)
    assert json.loads(made) == value


@given(anything)
def test_rendered_markdown_has_only_harmless_elements(value: str) -> None:
    made = written(text.markdown(value))
    assert set(Reader(made).elements) <= HARMLESS
    assert not re.search(r"<[a-z]+[^>]*\s(?:on\w+|href|src|id)=", made)


def test_markdown_of_an_answer_is_rendered_and_its_links_go_nowhere() -> None:
    made = text.markdown(
        "# Plan\n\nSee [the docs](https://x.example/a?b=1) and `x`:\n\n```py\nprint('<b>')\n```\n<b>raw</b>\n"
    )
    assert '<p class="hd h1">Plan</p>' in made
    assert '<span class="lnk" title="https://x.example/a?b=1">the docs</span>' in made
    assert '<pre data-lang="py">\nprint(&#x27;&lt;b&gt;&#x27;)\n</pre>' in made
    assert "&lt;b&gt;raw&lt;/b&gt;" in made


def test_a_long_answer_is_shown_as_it_is() -> None:
    made = text.markdown("# not rendered\n" * 10_000)
    assert made.startswith("<pre>\n# not rendered")


def test_controls_and_bidi_marks_are_made_visible() -> None:
    assert text.visible("a\x00\x1b\x7f\x9b\u202eb\ud83d\ufffe") == "a␀␛␡‹U+009B›‹U+202E›b\ufffd\ufffd"
    assert text.visible("tab\tline\nreturn\r") == "tab\tline\nreturn\r"
    assert text.one_line(" a\u202e\n b\x07 ") == "a b␇"


@pytest.mark.parametrize("value", [None, True, ["x"], {"a": 1}, object()])
def test_a_template_prints_only_text_and_numbers(value: object) -> None:
    with pytest.raises(TypeError, match="a template printed"):
        text.finalize(value)


def test_what_is_markup_already_is_not_escaped_twice() -> None:
    assert text.finalize(Markup("<b>")) == "<b>"
    assert text.finalize("<b>") == "&lt;b&gt;"
    assert text.finalize(12) == "12"
