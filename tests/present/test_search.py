"""The full-text index finds every word of every document, is deterministic, and stays small."""

from __future__ import annotations

import json
import os
import re
import zlib
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lms_audit.present import search
from lms_audit.present.search import Document, DocumentKind, Source, build_index, read_chapter
from lms_audit.present.words import distinct, terms


class Reader:
    """Reads an index as a page would, without a page."""

    def __init__(self, files: dict[str, bytes]) -> None:
        opened = re.fullmatch(r'"use strict";lmsSearch\.open\("(\w+)",(.*)\);\n', files["fulltext/index.js"].decode())
        assert opened is not None
        self.version = opened[1]
        self.index: dict[str, Any] = json.loads(opened[2])
        self.parts: dict[str, bytes] = {}
        for path, content in files.items():
            added = re.fullmatch(r'"use strict";lmsSearch\.add\("([a-z]+-\d+)","(\w+)","(.*)"\);\n', content.decode())
            if path != "fulltext/index.js":
                assert added is not None, path
                assert path == f"fulltext/{added[1]}.js"
                assert added[2] == self.version
                self.parts[added[1]] = zlib.decompress(b64decode(added[3]))
        self.texts = [
            text for name, data in sorted(self.parts.items()) if name.startswith("text") for text in json.loads(data)
        ]
        self.postings: dict[str, list[int]] = {}
        for name, data in sorted(self.parts.items()):
            if name.startswith("terms"):
                self._read(data)

    def _read(self, data: bytes) -> None:
        head = 4 + int.from_bytes(data[:4], "little")
        numbers = iter(_varints(data[head:]))
        for term in data[4:head].decode().split("\n"):
            total, held = 0, []
            for _ in range(next(numbers)):
                total += next(numbers)
                held.append(total)
            assert term not in self.postings
            self.postings[term] = held
        assert next(numbers, None) is None

    def column(self, name: str, document: int) -> str:
        column = self.index[name]
        value = column["values"][column["places"][document]]
        assert isinstance(value, str)
        return value


def _varints(data: bytes) -> list[int]:
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value, shift = 0, 0
    return values


def document(text: str, kind: DocumentKind = DocumentKind.PROMPT, **more: Any) -> Document:
    return Document(kind=kind, text=text, **{"href": "sessions/a/index.html#m-1", "session": "A title", **more})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab_XY/. \n東é"), max_size=80)


@given(st.lists(TEXTS, max_size=12))
def test_every_word_of_every_document_finds_it_and_nothing_else_does(texts: list[str]) -> None:
    read = Reader(build_index([read_chapter(map(document, texts))]))
    kept = [text for text in texts if text.strip()]
    assert read.texts == kept
    expected: dict[str, list[int]] = {}
    for number, text in enumerate(kept):
        for term in {term for word in distinct(text) for term in terms(word)}:
            expected.setdefault(term, []).append(number)
    assert read.postings == expected


@given(st.lists(TEXTS, max_size=6))
def test_the_same_documents_give_the_same_bytes(texts: list[str]) -> None:
    assert build_index([read_chapter(map(document, texts))]) == build_index([read_chapter(map(document, texts))])


@given(st.lists(st.lists(TEXTS, max_size=5), max_size=5))
def test_documents_read_in_several_chapters_are_found_as_if_read_in_one(chapters: list[list[str]]) -> None:
    apart = build_index(read_chapter(map(document, texts)) for texts in chapters)
    assert apart == build_index([read_chapter(document(text) for texts in chapters for text in texts)])


def test_terms_are_sorted_as_javascript_compares_them_across_parts() -> None:
    words = [f"w{number:x}" for number in range(20_000)] + ["\U00020000\U00020001", "\uffa0ａ", "豈更", "é", "я"]
    read = Reader(build_index([read_chapter([document(" ".join(words))])]))
    order = [term.encode("utf-16-be") for term in read.postings]
    assert order == sorted(order)
    assert len(read.index["terms"]) > 1
    assert all(len(data) < 2 * search.TERMS_PART for name, data in read.parts.items() if name.startswith("terms"))


def test_a_document_keeps_its_kind_place_and_words_about_it() -> None:
    documents = [
        document("hello", DocumentKind.SESSION, href="sessions/a/index.html"),
        document("hello there", DocumentKind.RESULT, href="sessions/b/index.html#c-1", session="B", note="bash"),
    ]
    read = Reader(build_index([read_chapter(documents)]))
    assert [read.index["kinds"][int(kind)] for kind in read.index["kind"]] == ["session", "result"]
    shown = [[read.column(name, number) for name in ("page", "anchor", "session", "note")] for number in (0, 1)]
    assert shown == [["sessions/a/index.html", "", "A title", ""], ["sessions/b/index.html", "c-1", "B", "bash"]]
    assert read.index["documents"] == 2


def test_a_long_text_that_the_site_holds_is_not_kept_twice() -> None:
    long = "a long text " * search.KEPT_ELSEWHERE
    source = Source("s1", 2, 7, '["content"]')
    documents = [
        document("first"),
        Document(kind=DocumentKind.RESULT, text=long, href="x", session="", source=source),
        Document(kind=DocumentKind.RESULT, text="short text", href="x", session="", source=source),
        document(long),
    ]
    read = Reader(build_index([read_chapter(documents)]))
    assert read.texts == ["first", "short text", long]
    assert read.postings["text"] == [1, 2, 3]
    assert read.index["held"]["documents"] == [1]
    assert read.index["held"]["file"]["values"] == ["s1/2"]
    assert read.index["held"]["item"] == [7]
    assert read.index["held"]["way"]["values"] == ['["content"]']


def test_what_is_left_out_of_a_very_long_text_is_said() -> None:
    long = "word " * search.TEXT_LIMIT
    read = Reader(build_index([read_chapter([document("short"), document(long + "needle")])]))
    assert read.index["cut"] == {"1": len(long) + len("needle")}
    assert "needle" not in read.postings
    assert read.index["characters"] == len("short") + len(long) + len("needle")
    assert len(read.texts[1]) == read.index["limit"] == search.TEXT_LIMIT


def test_hostile_text_stays_inside_its_script() -> None:
    hostile = '</script><script>alert(1)</script>"); alert(2); ("\u2028\u2029\x00'
    read = Reader(build_index([read_chapter([document(hostile + " found", session=hostile, request=hostile)])]))
    assert read.texts == [hostile + " found"]
    assert read.column("session", 0) == hostile
    assert "found" in read.postings


def test_an_audit_without_text_has_an_index_that_says_so() -> None:
    files = build_index([read_chapter([document(" \n ")])])
    assert set(files) == {"fulltext/index.js"}
    assert Reader(files).index["documents"] == 0


def test_the_index_of_source_code_is_less_than_half_of_its_text() -> None:
    sources = sorted(Path(os.__file__).parent.glob("*.py"))[:120]
    texts = [
        "\n".join(f"{number:5}→{line}" for number, line in enumerate(path.read_text("utf-8").splitlines()[:800], 1))
        for path in sources
    ]
    files = build_index([read_chapter(map(document, texts))])
    assert sum(map(len, files.values())) < 0.5 * sum(len(text.encode()) for text in texts)
    assert max(map(len, files.values())) < 256 * 1024
    firsts = Reader(files).index["texts"]
    assert all(one < other for one, other in pairwise(firsts))
