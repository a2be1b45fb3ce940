"""What a tool's result holds, told from its text: which lines of a file, which places a search found.

In: arguments and results of calls. Out: a few words for the header of a card, and text in runs. A result that does not
look like a list stays as it is. Cost: bounded for ranges, one pass over the text for lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from lms_audit.model import Json
from lms_audit.present.views.format import count

_EDGE_LINES = 12
_MOST_SOUGHT = 200_000
"""Characters of a search's result in which hits are counted."""

# "   12→text", "12: text", "00012| text", "12<tab>text"
_NUMBERED = re.compile(r"^\s{0,8}(\d{1,7})(?::|→|\||\t)", re.MULTILINE)
_FIRST = ("offset", "start_line", "startLine", "start_line_one_indexed", "line_start", "start", "from_line")
_LAST = ("end_line", "endLine", "end_line_one_indexed_inclusive", "line_end", "end", "to_line")
_LENGTH = ("limit", "num_lines", "count", "max_lines")


def _number(arguments: dict[str, Json], names: Iterable[str]) -> int | None:
    for name in names:
        value = arguments.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) < 8:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _range(first: int, last: int) -> str:
    return f"lines {count(first)}–{count(last)}" if last > first else f"line {count(first)}"


def lines_read(arguments: Json, result: str | None) -> str:
    """``lines 40–80``: as the result numbers them, else as the call asked for them; empty where neither tells."""
    if result is not None:
        lines = result.split("\n", _EDGE_LINES)
        head = _NUMBERED.search("\n".join(lines[:_EDGE_LINES]))
        tail = _NUMBERED.findall("\n".join(result[-4_000:].split("\n")[-_EDGE_LINES:]))
        if head is not None and tail and int(tail[-1]) >= int(head[1]):
            return _range(int(head[1]), int(tail[-1]))
    if not isinstance(arguments, dict):
        return ""
    view = arguments.get("view_range")
    if isinstance(view, list) and len(view) == 2 and all(isinstance(one, int) for one in view):
        return _range(view[0], view[1]) if view[1] >= view[0] else f"from line {count(view[0])}"
    first, last, length = (_number(arguments, names) for names in (_FIRST, _LAST, _LENGTH))
    if last is not None and last >= (first or 1):
        return _range(first or 1, last)
    if length is not None and length > 0:
        return f"{count(length)} lines from {count(first or 1)}"
    return "" if first is None else f"from line {count(first)}"


# --- hits of a search ------------------------------------------------------------------------------------------------

_HIT = re.compile(
    r"""
      (?P<path>(?:[A-Za-z]:)?[^\s:][^:\n]{0,299}):(?P<line>\d{1,7})[:-](?P<text>.*)   # src/a.py:12:text
    | \s*(?:Line\s|L)?(?P<at>\d{1,7})[:|-](?P<rest>.*)                                # "  Line 12: text", "12:text"
    | File:\s(?P<named>[^\n]{1,300}?):?                                               # "File: a.py" above its hits
    | (?P<file>(?:[A-Za-z]:[\\/])?[\w@.~/\\-][^:*?"<>|\n]{0,299}):                   # "/src/a.py:"
    | (?:[A-Za-z]:[\\/]|/)[^\s:*?"<>|][^:*?"<>|\n]{0,299}                            # a path by itself
    | [\w@.~-]+[/\\][^\s:*?"<>|]{1,300}
    | [\w@-][\w@.-]{0,99}\.\w{1,8}                                                    # a name with an extension
    """,
    re.VERBOSE,
)


class Hit(Struct, frozen=True):
    """A line of a search's result."""

    kind: str
    """``file``, ``hit``, or empty for any other line."""
    path: str
    line: str
    text: str


def _hits(text: str) -> Iterator[Hit]:
    path = ""
    for line in text.splitlines():
        found = _HIT.fullmatch(line.rstrip())
        if found is None:
            yield Hit("", "", "", line)
        elif found["line"] is not None:
            if found["path"] != path:
                path = found["path"]
                yield Hit("file", path, "", path)
            yield Hit("hit", path, found["line"], found["text"])
        elif found["at"] is not None:
            yield Hit("hit", path, found["at"], found["rest"])
        else:
            path = (found["named"] or found["file"] or found[0]).strip()
            yield Hit("file", path, "", path)


def hits(text: str) -> tuple[Hit, ...]:
    """A search's result as a list; empty where most of it is something else."""
    found = tuple(_hits(text))
    told = sum(bool(hit.kind) for hit in found)
    return found if told and told * 2 >= sum(bool(hit.text.strip()) for hit in found) else ()


def hits_found(text: str) -> str:
    """``22 hits in 5 files``, ``14 files``; empty for what is no list, and for one too long to count."""
    if len(text) > _MOST_SOUGHT:
        return ""
    found = hits(text)
    files = len({hit.path for hit in found if hit.kind == "file"})
    places = sum(hit.kind == "hit" for hit in found)
    paths = f"{count(files)} file{'s' if files != 1 else ''}"
    if not places:
        return paths if files else ""
    return f"{count(places)} hit{'s' if places != 1 else ''}" + (f" in {paths}" if files else "")
