"""Pieces of text as a card or a message shows them: how much at once, how much folded, how much on demand.

In: a text. Out: ``Block``. Long results show their first and last lines; the middle folds, or, where it is long, loads
from the session's data file, where the whole text stands once (``Place``). What failed never folds.
"""

from __future__ import annotations

import re

from msgspec import Struct

from lms_audit.present.views.format import count, size
from lms_audit.present.views.parts import SHOWN_RESULT, SHOWN_TEXT
from lms_audit.present.views.results import hits

HEAD_LINES, TAIL_LINES = 12, 4
HEAD_CHARS, TAIL_CHARS = 1_300, 500
SHORT = 2_400
"""Characters of a result up to which it is shown whole when it has few lines."""
SHORT_LINES = 22
FAILED_CHARS = 12_000
CODE_CHARS = 6_000
SAID_LINES, SAID_CHARS = 30, 4_000
"""Of what a person wrote, what shows before the fold; twice the lines are shown whole."""


class Place(Struct, frozen=True):
    """Where the whole text stands: number of the item in the session's data, and the way to the string in it."""

    item: int
    way: str
    """Member names and indices as JSON; ``"!"`` means that the string there is JSON to be parsed."""


class Run(Struct, frozen=True):
    """Text in one style: class names of the style sheet, or none."""

    style: str
    text: str


class Block(Struct, frozen=True):
    """A text of a card."""

    kind: str
    """``text``, ``code``, ``command``, ``terminal``, ``diff``, ``patch``, ``added``, ``hits``, ``json``."""
    runs: tuple[Run, ...]
    label: str = ""
    folded: tuple[Run, ...] = ()
    """The middle, in a fold."""
    tail: tuple[Run, ...] = ()
    more: str = ""
    """What is folded or not on the page, in words: ``340 more lines``."""
    place: Place | None = None
    """Where the whole text is, when it is not on the page."""


def _cut(text: str, chars: int) -> int:
    """A place at or before ``chars`` where a line ends, if one is near."""
    if len(text) <= chars:
        return len(text)
    at = text.rfind("\n", chars // 2, chars)
    return at + 1 if at >= 0 else chars


def _head(text: str, lines: int, chars: int) -> int:
    at = 0
    for _ in range(lines):
        found = text.find("\n", at)
        if found < 0:
            at = len(text)
            break
        at = found + 1
    return min(at, _cut(text, chars))


def _tail(text: str, start: int) -> int:
    """Where the last lines begin, at or behind ``start``."""
    at = len(text) - text.endswith("\n")
    for _ in range(TAIL_LINES):
        found = text.rfind("\n", start, at)
        if found < 0:
            return max(start, len(text) - TAIL_CHARS)
        at = found
    return max(at + 1, len(text) - TAIL_CHARS)


def hidden(text: str) -> str:
    """How much a text is, in words."""
    lines = text.count("\n")
    return f"{count(lines)} more lines" if lines > 1 else f"{size(len(text))} more"


def clipped(text: str, kind: str, place: Place | None, label: str = "", *, failed: bool = False) -> Block:
    """A result: short ones whole, long ones by their beginning and end."""
    limit = FAILED_CHARS if failed else SHORT
    lines = text.count("\n")
    if len(text) <= limit and (failed or lines <= SHORT_LINES):
        return Block(kind, styled(text, kind), label)
    if failed:
        start = _cut(text, FAILED_CHARS // 2)
        end = max(start, len(text) - FAILED_CHARS // 2)
    else:
        start = _head(text, HEAD_LINES, HEAD_CHARS)
        end = _tail(text, start)
    middle = text[start:end]
    if not middle:
        return Block(kind, styled(text, kind), label)
    folded = styled(middle, kind) if len(middle) <= SHOWN_RESULT else ()
    return Block(
        kind,
        styled(text[:start], kind),
        label,
        folded=folded,
        tail=styled(text[end:], kind),
        more=hidden(middle),
        place=None if folded else place,
    )


def whole(text: str, kind: str, place: Place | None, label: str = "", limit: int = CODE_CHARS) -> Block:
    """A text shown up to a limit."""
    if len(text) <= limit:
        return Block(kind, styled(text, kind), label)
    at = _cut(text, limit)
    return Block(kind, styled(text[:at], kind), label, more=hidden(text[at:]), place=place)


class Said(Struct, frozen=True):
    """What a person or a model wrote, as far as it is on the page."""

    text: str
    folded: str = ""
    fold: str = ""
    """How much is folded, in words."""
    more: str = ""
    """What is not on the page, in words."""
    place: Place | None = None


def said(text: str, place: Place | None) -> Said:
    """The beginning of a text, the rest in a fold; what is over the limit is at its place."""
    if len(text) <= SHOWN_TEXT and text.count("\n") <= SAID_LINES * 2:
        return Said(text)
    on_page = text[: _cut(text, SHOWN_TEXT)]
    start = _head(on_page, SAID_LINES, SAID_CHARS)
    rest = on_page[start:]
    more = hidden(text[len(on_page) :]) if len(on_page) < len(text) else ""
    return Said(text[:start], rest, hidden(rest) if rest else "", more, place if more else None)


def styled(text: str, kind: str) -> tuple[Run, ...]:
    """Text in runs: terminal colours, lines of a patch, hits of a search; one plain run otherwise."""
    if kind == "terminal" and "\x1b" in text:
        return ansi(text)
    if kind == "patch":
        return patch(text)
    if kind == "hits" and (found := listed(text)):
        return found
    return (Run("d-add" if kind == "added" else "", text),) if text else ()


# --- terminal colours ------------------------------------------------------------------------------------------------

_SEQUENCE = re.compile(
    r"""\x1b(?:
      \[(?P<codes>[0-9;]{0,40})m                     # ESC [ 1;31 m: colour and weight
    | \[[0-?]{0,40}[ -/]{0,4}[@-~]                   # ESC [ 2 K: cursor, erasing; dropped
    | \][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)          # ESC ] 8;;http://… BEL: links, titles; dropped
    | [@-Z\\^_=>78]                                 # two characters; dropped
    )""",
    re.VERBOSE,
)
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
MOST_RUNS = 400
"""Beyond so many changes of colour a text is shown plain: each costs an element."""


def _style(codes: str, colour: str, bold: bool) -> tuple[str, bool]:
    numbers = [int(code or 0) for code in codes.split(";")] if codes else [0]
    index = 0
    while index < len(numbers):
        code = numbers[index]
        if code == 0:
            colour, bold = "", False
        elif code == 1:
            bold = True
        elif code == 22:
            bold = False
        elif 30 <= code <= 37 or 90 <= code <= 97:
            colour = f"t-{_COLOURS[code % 10]}"
        elif code == 39:
            colour = ""
        elif code in (38, 48):  # a palette colour or a full one: its numbers are skipped, the default stays
            index += 2 if numbers[index + 1 : index + 2] == [5] else 4
        index += 1
    return colour, bold


def ansi(text: str) -> tuple[Run, ...]:
    """Runs of a terminal's text; of the escape sequences only colours and bold are kept."""
    runs: list[Run] = []
    colour, bold, at = "", False, 0
    for found in _SEQUENCE.finditer(text):
        if found.start() > at:
            runs.append(Run(f"{colour} t-bold".strip() if bold else colour, text[at : found.start()]))
        at = found.end()
        if (codes := found["codes"]) is not None:
            colour, bold = _style(codes, colour, bold)
    if at < len(text):
        runs.append(Run(f"{colour} t-bold".strip() if bold else colour, text[at:]))
    if len(runs) > MOST_RUNS:
        return (Run("", "".join(run.text for run in runs)),)
    return tuple(runs)


# --- hits of a search ------------------------------------------------------------------------------------------------


def listed(text: str) -> tuple[Run, ...]:
    """A search's result, each file once and its places under it; empty for what is no list, or too long a one."""
    runs: list[Run] = []
    found = hits(text)
    for hit in found:
        if hit.kind == "hit":
            runs.append(Run("h-at", hit.line))
        if hit.kind == "file":
            runs.append(Run("h-file", f"{hit.text}\n"))
        elif runs and not runs[-1].style:
            runs[-1] = Run("", f"{runs[-1].text}{hit.text}\n")
        else:
            runs.append(Run("", f"{hit.text}\n"))
    return tuple(runs) if len(runs) <= MOST_RUNS else ()


# --- patches and differences -----------------------------------------------------------------------------------------


def patch(text: str) -> tuple[Run, ...]:
    """A patch in runs of equal lines: added, removed, headings, context."""
    runs: list[Run] = []
    held: list[str] = []
    style = ""
    for line in text.splitlines(keepends=True):
        now = _line_style(line)
        if now != style and held:
            runs.append(Run(style, "".join(held)))
            held = []
        style = now
        held.append(line)
    if held:
        runs.append(Run(style, "".join(held)))
    return tuple(runs)


def _line_style(line: str) -> str:
    if line.startswith(("+++", "---", "***", "diff ", "index ")):
        return "d-file"
    if line.startswith("@@"):
        return "d-hunk"
    return {"+": "d-add", "-": "d-del"}.get(line[:1], "")
