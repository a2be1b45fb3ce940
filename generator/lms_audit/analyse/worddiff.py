"""What changed between two texts, by words, at a bounded cost.

In: two texts. Out: runs of words that stayed, went or came; whether only dates and times changed. Cost: linear, except
for the middle part that is neither common beginning nor common end: difflib is quadratic there, so at most ``CAP``
words of it are aligned and a larger one counts as one change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from msgspec import Struct

from lms_audit.correlate.words import one_line

CAP = 800
"""Words on either side that are still aligned; beyond it the middle is one change."""
SHOWN = 60
LEAD = 2
"""Words before a change that make it readable: ``date: Nov 11`` rather than ``11``."""

_WORD = re.compile(r"\s+|\w+\s*|[^\w\s]\s*")
_QUOTED = re.compile(r"\S+[^\S\n]*|\s+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_MOMENT = re.compile(
    rf"""
      \b\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?)?(?:\ ?Z\b|\ ?[+-]\d{{2}}:?\d{{2}}\b)?
    | \b\d{{1,2}}/\d{{1,2}}/\d{{2,4}}\b | \b\d{{1,2}}\.\ ?\d{{1,2}}\.\ ?\d{{4}}\b | \b\d{{4}}/\d{{1,2}}/\d{{1,2}}\b
    | \b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\b,?
    | \b{_MONTH}\.?\ \d{{1,2}}(?:st|nd|rd|th)?(?:,?\ \d{{4}})?\b
    | \b\d{{1,2}}(?:st|nd|rd|th)?\.?\ {_MONTH}\.?(?:,?\ \d{{4}})?\b
    | \b\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?(?:\ ?[AaPp]\.?[Mm]\b\.?)?
    | \b(?:UTC|GMT)(?:[+-]\d{{1,2}}(?::?\d{{2}})?)?
    | \b(?:\d+|an?)\ (?:second|minute|hour|day|week)s?\ ago\b
    | \b1[4-9]\d{{8}}(?:\d{{3}})?\b                       # seconds or milliseconds since 1970
    """,
    re.VERBOSE,
)


class Change(Struct, frozen=True):
    """A run of text. ``op``: ``same``, ``removed``, ``added``."""

    op: str
    text: str


def common_start(a: Sequence[object], b: Sequence[object]) -> int:
    """How many units two sequences have in common from their start; halves the rest, so it costs a few comparisons."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    """Runs of the units given, common beginning and end taken off first."""
    start = common_start(before, after)
    end = common_start(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    yield Change("same", "".join(before[:start]))
    if len(old) > CAP or len(new) > CAP:
        yield Change("removed", "".join(old))
        yield Change("added", "".join(new))
    else:
        # difflib leaves very frequent words out of the search by default; without that, one word repeated costs seconds
        for op, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
            if op == "equal":
                yield Change("same", "".join(old[i:j]))
            else:
                yield Change("removed", "".join(old[i:j]))
                yield Change("added", "".join(new[k:m]))
    yield Change("same", "".join(before[len(before) - end :]))


def word_diff(before: str, after: str) -> tuple[Change, ...]:
    """Runs of words that stayed, went and came, in order; empty runs are left out.

    Joining all that is not ``added`` gives ``before``, all that is not ``removed`` gives ``after``.
    """
    by_line = list(_changes(_LINE.findall(before), _LINE.findall(after)))
    found: list[Change] = []
    for index, change in enumerate(by_line):
        following = by_line[index + 1] if index + 1 < len(by_line) else None
        if change.op == "removed" and following is not None and following.op == "added":
            found.extend(_changes(_WORD.findall(change.text), _WORD.findall(following.text)))
        elif change.op != "added":
            found.append(change)
    return tuple(_merged(found))


def _merged(changes: Sequence[Change]) -> Iterator[Change]:
    held: Change | None = None
    for change in changes:
        if not change.text:
            continue
        if held is not None and held.op == change.op:
            held = Change(held.op, held.text + change.text)
        else:
            if held is not None:
                yield held
            held = change
    if held is not None:
        yield held


def without_moments(text: str) -> str:
    """A text with every date and time of day replaced by one mark."""
    return _MOMENT.sub("⏲", text)


def only_moments_changed(before: str, after: str) -> bool:
    """Whether two different texts are the same but for dates and times."""
    return before != after and without_moments(before) == without_moments(after)


def first_change(before: str, after: str) -> str:
    """The first difference in plain words: ``“Nov 11” became “Nov 12”``; empty for equal texts."""
    start = 0
    for old, new in zip(_LINE.finditer(before), _LINE.finditer(after), strict=False):
        if old[0] != new[0]:
            break
        start = old.end()
    # a line can be megabytes; what is quoted is its first change
    old_words, new_words = (_QUOTED.findall(text[start : start + 20_000]) for text in (before, after))
    common = common_start(old_words, new_words)
    behind = common_start(old_words[common:][::-1], new_words[common:][::-1])
    lead = common
    while lead and common - lead < LEAD and "\n" not in old_words[lead - 1]:
        lead -= 1
    gone = one_line("".join(old_words[lead : len(old_words) - behind]), SHOWN)
    came = one_line("".join(new_words[lead : len(new_words) - behind]), SHOWN)
    if gone and came:
        return f"“{gone}” became “{came}”" if gone != came else ""
    return f"“{gone}” went" if gone else f"“{came}” came" if came else ""
