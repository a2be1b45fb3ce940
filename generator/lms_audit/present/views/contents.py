"""What a stored item says as plain text, and a difference of two texts cut to what a reader needs.

In: keys, or runs of a word diff. Out: text, or fewer runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_audit.analyse.worddiff import Change
from lms_audit.model import Call, Key, Reasoning, Result, Text
from lms_audit.present.views.book import Book

AROUND = 140
"""Characters of an unchanged stretch that are shown before and after a change."""
DIFF_CHARS = 120_000
"""Longer texts are not compared."""


def plain(book: Book, key: Key | None) -> str:
    """What a stored item says, as text."""
    if key is None:
        return ""
    texts = list(book.library.system_texts(key))
    if texts:
        return "\n\n".join(texts)
    message = book.library.message(key)
    for part in message.parts:
        if isinstance(part, Text | Reasoning | Result):
            texts.append(part.text)
        elif isinstance(part, Call):
            texts.append(f"{part.name} {part.arguments}")
    return "\n\n".join(texts)


def shortened(changes: Iterable[Change], around: int = AROUND, most: int = 3_000) -> tuple[Change, ...]:
    """A difference with long equal runs cut to what surrounds a change."""
    found: list[Change] = []
    room = most
    for change in changes:
        text = change.text
        if change.op == "same" and len(text) > 2 * around:
            text = f"{text[:around] if found else '…'} […] {text[-around:]}"
        if room <= 0:
            found.append(Change("same", " […]"))
            break
        found.append(Change(change.op, text[:room]))
        room -= len(text)
    return tuple(found)
