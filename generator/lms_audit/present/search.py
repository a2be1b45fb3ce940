"""Documents -> the full-text index as scripts a page loads on demand, from ``file://`` too.

In: what can be found, each text once, in chapters. Out: file name -> bytes, below the site's root, three kinds of
scripts:

- ``fulltext/index.js``: what there is, where it leads, and which part holds what. Loaded when the search opens.
- ``fulltext/terms-000.js`` …: ranges of sorted terms, each with the numbers of the documents that have it.
- ``fulltext/text-000.js`` …: the texts, in order, for the words around a match and for checking phrases.

A part is ``lmsSearch.add(name, version, data)`` with deflated bytes in Base64, which is a third of the plain text. The
version is a digest of everything; a page refuses a part of another build. The bytes depend on the documents, and on
the zlib in use.

Cost: for 16 MB of text in 4,500 documents about 1 s and 40 MB, and 7 MB on disk; linear in text.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from operator import sub

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lms_audit.present.text import json_text
from lms_audit.present.words import distinct, terms

FOLDER = "fulltext"
TEXT_LIMIT = 256 * 1024
"""Characters of one document that are indexed; what is left out is counted and shown."""

KEPT_ELSEWHERE = 2000
"""Characters from which on a text with a source is read from there. Nine tenths of all text are in such texts; the
others, which most results are, come from small parts of the index's own."""

TERMS_PART = 64 * 1024
TEXT_PART = 128 * 1024
"""Bytes of a part before it is deflated, about."""

_LEVEL = 5


class DocumentKind(StrEnum):
    """What a result is; results are shown in this order."""

    SESSION = "session"
    PROMPT = "prompt"
    ANSWER = "answer"
    CALL = "call"
    RESULT = "result"
    ERROR = "error"
    PATH = "path"


_KINDS = {kind: str(number) for number, kind in enumerate(DocumentKind)}


class Source(Struct, frozen=True, array_like=True):
    """A text the site already holds: an item of a session's data file, and the way to the text in its JSON."""

    session: str
    part: int
    item: int
    """Place among the part's items."""
    way: str
    """JSON list of member names and indices, as ``views.ways`` gives it."""


class Document(Struct, frozen=True, kw_only=True, array_like=True):
    """One text that can be found, once."""

    kind: DocumentKind
    text: str
    """Without lone surrogates, which UTF-8 cannot say."""
    href: str
    """Page and anchor, from the site's root."""
    session: str
    """Title of the session to show with it; may be empty."""
    request: str = ""
    """Which request, to show: ``Request 12, 14:03``."""
    note: str = ""
    """What else to say: the tool's name, ``also in 3 other sessions`` …"""
    source: Source | None = None
    """Where the browser finds the text, if it is a long one; ``None``: the index keeps it itself."""


class Prepared(Struct, frozen=True, array_like=True):
    """A document as the index needs it."""

    document: Document
    """Without its text where the site already holds that."""
    size: int
    """Characters that are indexed."""
    whole: int
    """Characters of the text in all."""


class Run(Struct, frozen=True, array_like=True):
    """Which documents of a chapter have a term; their numbers count from 0."""

    count: int
    first: int
    last: int
    steps: bytes
    """From each to the next, as ``_varint``."""


class Chapter(Struct, frozen=True, array_like=True):
    """Some documents, read: the costly half of the work, which a build can keep for the next one."""

    documents: tuple[Prepared, ...]
    terms: dict[str, Run]


def read_chapter(documents: Iterable[Document]) -> Chapter:
    """Read documents. Those without any text are left out."""
    prepared: list[Prepared] = []
    postings: defaultdict[bytes, list[int]] = defaultdict(list)
    for document in documents:
        text = document.text[:TEXT_LIMIT]
        if not text.strip():
            continue
        for word in distinct(text):
            postings[word].append(len(prepared))
        kept = document.source is None or len(text) < KEPT_ELSEWHERE
        bare = replace(document, text=text if kept else "", source=None if kept else document.source)
        prepared.append(Prepared(bare, len(text), len(document.text)))
    numbers: defaultdict[str, list[list[int]]] = defaultdict(list)
    for word, found in postings.items():
        for term in terms(word):
            numbers[term].append(found)
    return Chapter(tuple(prepared), {term: _run(lists) for term, lists in numbers.items()})


def _run(lists: Sequence[list[int]]) -> Run:
    numbers = lists[0] if len(lists) == 1 else sorted(set().union(*lists))
    steps = b"".join(map(_varint, map(sub, numbers[1:], numbers)))
    return Run(len(numbers), numbers[0], numbers[-1], steps)


class _Column:
    """Values that repeat, kept once: a table and a list of places in it."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.places: list[int] = []

    def add(self, value: str) -> None:
        self.places.append(self.values.setdefault(value, len(self.values)))

    def data(self) -> dict[str, list[str] | list[int]]:
        return {"values": list(self.values), "places": self.places}


class _Held:
    """Texts that the site already holds, and where."""

    def __init__(self) -> None:
        self._documents: list[int] = []
        self._items: list[int] = []
        self._files = _Column()
        self._ways = _Column()

    def add(self, number: int, source: Source) -> None:
        self._documents.append(number)
        self._items.append(source.item)
        self._files.add(f"{source.session}/{source.part}")
        self._ways.add(source.way)

    def data(self) -> dict[str, object]:
        return {
            "documents": self._documents,
            "file": self._files.data(),
            "item": self._items,
            "way": self._ways.data(),
        }


class _Texts:
    """Fills the text parts, one at a time. ``firsts``: how many texts were kept before each part."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.firsts: list[int] = []
        self._kept = 0
        self._waiting: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        if not self._waiting:
            self.firsts.append(self._kept)
        self._kept += 1
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= TEXT_PART:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self.parts.append(_packed(msgspec.json.encode(self._waiting)))
            self._waiting, self._size = [], 0


def build_index(chapters: Iterable[Chapter]) -> dict[str, bytes]:
    """File name (from the site's root) -> content."""
    kinds: list[str] = []
    sizes: list[str] = []
    columns = {name: _Column() for name in ("page", "anchor", "session", "request", "note")}
    lists: dict[str, _List] = {}
    texts = _Texts()
    held = _Held()
    characters = 0
    cut: dict[int, int] = {}
    for chapter in chapters:
        _merge(chapter.terms, lists, len(kinds))
        for prepared in chapter.documents:
            number, document = len(kinds), prepared.document
            if prepared.whole > prepared.size:
                cut[number] = prepared.whole
            characters += prepared.whole
            if document.source is None:
                texts.add(document.text)
            else:
                held.add(number, document.source)
            kinds.append(_KINDS[document.kind])
            sizes.append(chr(ord("a") + prepared.size.bit_length()))
            page, _, anchor = document.href.partition("#")
            row = (page, anchor, document.session, document.request, document.note)
            for column, value in zip(columns.values(), row, strict=True):
                column.add(value)
    texts.flush()
    term_firsts, term_parts = _term_parts(lists)
    parts = _named("terms", term_parts) | _named("text", texts.parts)
    index = {
        "kinds": list(DocumentKind),
        "documents": len(kinds),
        "characters": characters,
        "limit": TEXT_LIMIT,
        "cut": cut,
        "held": held.data(),
        "kind": "".join(kinds),
        "size": "".join(sizes),
        **{name: column.data() for name, column in columns.items()},
        "terms": term_firsts,
        "texts": texts.firsts,
    }
    return _scripts(index, parts)


# --- terms ----------------------------------------------------------------------------------------------------------


class _List:
    """The documents of a term while chapters are added."""

    __slots__ = ("count", "last", "steps")

    def __init__(self) -> None:
        self.count = self.last = 0
        self.steps: list[bytes] = []


def _merge(runs: dict[str, Run], lists: dict[str, _List], base: int) -> None:
    """Add a chapter's terms; its documents are numbered from ``base`` on."""
    for term, run in runs.items():
        known = lists.get(term)
        if known is None:
            known = lists[term] = _List()
        known.steps += (_varint(base + run.first - known.last), run.steps)
        known.count += run.count
        known.last = base + run.last


def _term_parts(lists: dict[str, _List]) -> tuple[list[str], list[str]]:
    """First term of each part, and the parts: length of the term list, the list, then each term's documents.

    Those are told as their count, the first, and the steps from each to the next.
    """
    firsts: list[str] = []
    parts: list[str] = []
    names: list[str] = []
    encoded: list[bytes] = []
    size = 0

    def flush() -> None:
        head = "\n".join(names).encode()
        firsts.append(names[0])
        parts.append(_packed(len(head).to_bytes(4, "little") + head + b"".join(encoded)))

    for term in _in_order(lists):
        known = lists[term]
        names.append(term)
        encoded.append(_varint(known.count) + b"".join(known.steps))
        size += len(term) + 1 + len(encoded[-1])
        if size >= TERMS_PART:
            flush()
            names, encoded, size = [], [], 0
    if names:
        flush()
    return firsts, parts


def _in_order(terms: Iterable[str]) -> list[str]:
    """Terms in the order in which JavaScript compares strings."""
    found = list(terms)
    plain = sorted(term for term in found if term.isascii())
    return plain + sorted((term for term in found if not term.isascii()), key=lambda term: term.encode("utf-16-be"))


@cache
def _varint(value: int) -> bytes:
    """Seven bits per byte, low ones first; the high bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# --- scripts --------------------------------------------------------------------------------------------------------


def _scripts(index: dict[str, object], parts: dict[str, str]) -> dict[str, bytes]:
    content = json_text(index).encode()
    digest = blake2b(content, digest_size=8)
    for data in parts.values():
        digest.update(data.encode())
    version = digest.hexdigest()
    files = {f"{FOLDER}/index.js": b'"use strict";lmsSearch.open("%s",%s);\n' % (version.encode(), content)}
    for name, data in parts.items():
        files[f"{FOLDER}/{name}.js"] = f'"use strict";lmsSearch.add("{name}","{version}","{data}");\n'.encode()
    return files


def _named(kind: str, parts: Sequence[str]) -> dict[str, str]:
    return {f"{kind}-{number:03}": data for number, data in enumerate(parts)}


def _packed(data: bytes) -> str:
    return b64encode(zlib.compress(data, _LEVEL)).decode()
