"""Writing names into the names file without disturbing what a person wrote there.

In: the file and new names. Out: the file with them, in one step: whoever reads it sees the old one or the new one. The
lines of a person (comments, order, quotes) stay as they are; a new session stands before the first one whose id comes
after its own. Where a file is written in a way that cannot be edited line by line (``{a: b}``), it is written anew.

Cost: the file is read and written once per call.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import yaml

from lms_audit.correlate.names import Names, parse
from lms_audit.errors import MISUSE, AuditError


def check_writable(path: Path) -> None:
    """Whether names can be written there is better known before a model is asked for them."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise AuditError(f"{path} is not a file", MISUSE)
    if not target.parent.is_dir():
        raise AuditError(f"{path}: there is no folder {target.parent}", MISUSE)
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise AuditError(f"{path} cannot be written", MISUSE)


def write(path: Path, names: Mapping[str, str], *, replace: bool = False) -> None:
    """Add names of sessions; those there are stay unless they are to be replaced."""
    text = _text(path)
    held = parse(text, str(path))
    new = {name: names[name] for name in sorted(names) if replace or name not in held.sessions}
    wanted = Names({**held.sessions, **new}, held.projects)
    if wanted != held:
        _replace(path.resolve(), with_names(text, new, wanted))


def with_names(text: str, new: Mapping[str, str], wanted: Names) -> str:
    """The text of a names file with names of sessions set; ``wanted`` is what it must say then."""
    edited = _edited(text, new)
    with suppress(AuditError):
        if parse(edited, "") == wanted:
            return edited
    sections = {"sessions": wanted.sessions, "projects": wanted.projects}
    return "".join(f"{name}:\n{_lines(dict(sorted(held.items())))}" for name, held in sections.items() if held)


class _Change(NamedTuple):
    """A piece of the text, and what stands there instead."""

    start: int
    end: int
    text: str


def _edited(text: str, new: Mapping[str, str]) -> str:
    """Names set by changing their lines only. What comes out is to be looked at again: YAML has many faces."""
    if text and not text.endswith("\n"):
        text += "\n"
    root = yaml.compose(text, yaml.BaseLoader)
    sections = {key.value: (key, value) for key, value in root.value} if root is not None and root.value else {}
    if "sessions" not in sections:
        return f"{text}sessions:\n{_lines(new)}"
    heading, section = sections["sessions"]
    if not section.value:
        emptied = _Change(section.start_mark.index, section.end_mark.index, "")
        at = _after(text, section.end_mark.index)
        return _changed(text, [emptied, _Change(at, at, _lines(new, heading.start_mark.column + 2))])
    lines = [(key.value, key.start_mark, value) for key, value in section.value]
    values = {session: value for session, _, value in lines}
    changes = []
    for session, name in new.items():
        if session in values:
            start, end = values[session].start_mark.index, values[session].end_mark.index
            changes.append(_Change(start, end, _scalar(name) + "\n" * text[start:end].endswith("\n")))
            continue
        # after the line of the one before, so that a comment stays with the line below it
        place = next((index for index, (other, _, _) in enumerate(lines) if other > session), len(lines))
        first = lines[0][1]
        at = _after(text, lines[place - 1][2].end_mark.index) if place else first.index - first.column
        changes.append(_Change(at, at, _lines({session: name}, first.column)))
    return _changed(text, changes)


def _changed(text: str, changes: Iterable[_Change]) -> str:
    """The text with its changes; those at one place in the order given."""
    pieces = []
    done = 0
    for change in sorted(changes, key=lambda change: change.start):
        pieces += [text[done : change.start], change.text]
        done = change.end
    return "".join((*pieces, text[done:]))


def _after(text: str, at: int) -> int:
    """Where the line after a place begins; what is written over several lines may end there."""
    return at if text[at - 1] == "\n" else text.index("\n", at) + 1


def _lines(names: Mapping[str, str], column: int = 2) -> str:
    return "".join(indent(_yaml({what: name}), " " * column) for what, name in names.items())


def _scalar(text: str) -> str:
    """A text on one line, quoted where YAML would make something else of it."""
    return _yaml({"n": text})[3:-1]


def _yaml(value: Mapping[str, str]) -> str:
    written: str = yaml.safe_dump(dict(value), allow_unicode=True, width=10**9)
    return written


# --- the file --------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    """What is in the file; nothing where there is none yet."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise AuditError(f"{path} cannot be read: {error}", MISUSE) from None


def _replace(target: Path, text: str) -> None:
    draft = target.with_name(f".{target.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
