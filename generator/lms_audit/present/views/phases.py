"""What a conversation is made of on the page: turns, runs of calls, lines of requests, and the phases that hold them.

In: cards and items in order. Out: the same with the words that stand for them while they are folded.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from lms_audit.correlate.words import one_line
from lms_audit.present.views.blocks import Said
from lms_audit.present.views.cards import Card
from lms_audit.present.views.format import count

LONG_RUN = 6
"""Calls that are shown one by one; a longer run folds."""
_PREVIEW, _ONE = 220, 60
_BY_PATH = frozenset({"file", "edit"})
"""Kinds of cards that are about a path."""


class Turn(Struct, frozen=True):
    """Something said."""

    kind: str
    """``user``, ``context``, ``assistant``, ``reasoning``, ``system``, ``result``, ``media``, ``unsaid``."""
    anchor: str
    label: str
    said: Said
    markdown: bool = False
    note: str = ""
    item: int | None = None
    preview: str = ""
    replaced: bool = False


class Calls(Struct, frozen=True):
    """Calls made one after the other, without a word between them."""

    cards: tuple[Card, ...]
    summary: str
    """``read × 4, edit``."""
    preview: str
    """``read clock.py, cli.py · edit test_clock.py``."""
    failed: int
    long: bool
    """Too many to be shown one by one unasked."""
    kind: str = "calls"


class Step(Struct, frozen=True):
    """A request, where it stands in the conversation."""

    anchor: str
    number: int
    path: str
    time: str
    took: str
    bar: tuple[float, float]
    """Prompt processing and response time as shares of the session's slowest request."""
    note: str = ""
    errors: tuple[str, ...] = ()
    kind: str = "step"


class Phase(Struct, frozen=True):
    """A prompt of a person and all that followed from it."""

    anchor: str
    title: str
    items: tuple[Turn | Calls | Step, ...]
    about: str
    """``6 requests, 18 calls, 2 failed``."""

    @property
    def told(self) -> bool:
        """Whether anything of it is more than the line of a request."""
        return any(isinstance(item, Calls) or (isinstance(item, Turn) and item.kind != "unsaid") for item in self.items)


def _said(card: Card) -> str:
    """A card's argument in few words: of a path the last part."""
    text = card.argument
    return posixpath.basename(text.rstrip("/")) if card.kind in _BY_PATH and "/" in text else one_line(text, _ONE)


def calls_of(cards: Sequence[Card]) -> Calls:
    """A run of calls with what stands for it when it is folded."""
    names = Counter(made.name for made in cards)
    summary = ", ".join(f"{name} × {times}" if times > 1 else name for name, times in names.most_common())
    told = []
    for name, same in groupby(cards, key=lambda made: made.name):
        what = ", ".join(dict.fromkeys(filter(None, map(_said, same))))
        told.append(f"{name} {what}".strip())
    failed = sum(made.status in ("failed", "rejected") for made in cards)
    return Calls(tuple(cards), summary, one_line(" · ".join(told), _PREVIEW), failed, len(cards) > LONG_RUN)


def _many(number: int, one: str) -> str:
    return f"{count(number)} {one}{'' if number == 1 else 's'}"


def phase_of(anchor: str, title: str, items: Sequence[Turn | Calls | Step]) -> Phase:
    """A phase and what came of it. A request in the middle of a run of calls has no line, but an anchor at its card."""
    cards = [card for item in items if isinstance(item, Calls) for card in item.cards]
    requests = sum(isinstance(item, Step) for item in items) + sum(bool(card.step) for card in cards)
    failed = sum(card.status in ("failed", "rejected") for card in cards)
    told = [_many(requests, "request")] if requests else []
    told += [_many(len(cards), "call")] if cards else []
    told += [f"{failed} failed"] if failed else []
    return Phase(anchor, title, tuple(items), ", ".join(told))
