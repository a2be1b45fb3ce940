"""Names that people, or a model they asked, gave to sessions and projects.

In: the text of a names file, and an audit. Out: ``Names``; an audit in which sessions carry them as titles and projects
have them beside their paths; what the file names and the logs do not hold. A name changes what is shown, never what is
counted or how it is grouped.

The file is YAML, and everything in it is text, whatever YAML would make of it (``2048``, ``yes``, a date)::

    sessions:
      s3f9a0c1d2e4b: Mend the login form
    projects:
      /home/ada/kettle: Kettle shop    # a path as the logs have it, or its last part

Cost: one pass over the file, and one over the sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec
import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from lms_audit.correlate.sessions import side_title
from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Audit, Session

LONGEST = 200
"""Characters of a name. A longer one is no name but a mistake in the file."""

_LISTED = 3

# what has no place in one line of text: controls, halves of surrogate pairs, bidi controls, what cannot be seen at all.
# The joiners U+200C and U+200D stay: some scripts are not spelled without them.
_STRIPPED = re.compile(
    r"""
      [\x00-\x1f\x7f-\x9f\xad]                              # C0, C1, soft hyphen
    | [\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f]  # bidi marks and controls, zero width, separators
    | [\ufe00-\ufe0e\ufeff\ufff9-\ufffb]                    # variants of letters, byte order mark, annotations
    | [\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]              # halves of pairs, not characters
    | [\U000e0000-\U000e0fff]                               # tags: text that no reader sees
    """,
    re.VERBOSE,
)


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    """What a names file says."""

    sessions: dict[str, str] = field(default_factory=dict)
    """Session id -> name."""
    projects: dict[str, str] = field(default_factory=dict)
    """Path or last part of one -> name."""


NO_NAMES = Names()


def clean(text: str) -> str:
    """``text`` on one line, without what controls a terminal or the direction of writing, or cannot be seen."""
    return " ".join(_STRIPPED.sub("", " ".join(text.split())).split())


def parse(text: str, file: str) -> Names:
    """The names in a file's text; ``file`` is what it is called in messages."""
    root = _document(text, file)
    if root is None or _is_empty(root):
        return NO_NAMES
    if not isinstance(root, yaml.MappingNode):
        raise _mistake(file, root, "expected `sessions:` and `projects:`")
    said = {key: _section(key, member, file) for key, member in _members(root, file)}
    try:
        names = msgspec.convert(said, Names)
    except msgspec.ValidationError as error:
        raise AuditError(f"{file}: {error}; it can have `sessions` and `projects`", MISUSE) from None
    folded: dict[str, str] = {}
    for project in names.projects:
        if (other := folded.setdefault(_place(project), project)) != project:
            raise AuditError(f"{file}: {_quoted(other)} and {_quoted(project)} are the same project", MISUSE)
    return names


def apply(audit: Audit, names: Names) -> Audit:
    """The audit with its names. A side request without a name of its own is called after its session, as before."""
    if names == NO_NAMES:
        return audit
    by_id = {session.id: session for session in audit.sessions}
    places = {_place(project): name for project, name in names.projects.items()}
    found = {project: name for project in _projects(audit) if (name := _name_of(project, places)) is not None}
    return replace(
        audit,
        sessions=tuple(_named(session, by_id, names.sessions) for session in audit.sessions),
        project_names={**audit.project_names, **found},
    )


def strangers(audit: Audit, names: Names, file: str) -> tuple[str, ...]:
    """What the file names and the logs do not hold, as notes for the user."""
    held = {session.id for session in audit.sessions}
    places = {place for project in _projects(audit) for place in _places(project)}
    unknown = (
        ("session", [session for session in names.sessions if session not in held]),
        ("project", [project for project in names.projects if _place(project) not in places]),
    )
    return tuple(
        f"{file} names {len(what)} {kind}{'s' if len(what) > 1 else ''} that these logs do not hold: {_some(what)}"
        for kind, what in unknown
        if what
    )


# --- the file --------------------------------------------------------------------------------------------------------


def _document(text: str, file: str) -> yaml.Node | None:
    """The one document of the file; its nodes know their lines."""
    try:
        return yaml.compose(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        what = clean(error.problem or error.context or "damaged").removeprefix("but ")
        raise AuditError(f"{file}{where}: not YAML: {what}", MISUSE) from None
    except yaml.YAMLError as error:
        raise AuditError(f"{file}: not YAML: {clean(str(error))}", MISUSE) from None
    except RecursionError:
        raise AuditError(f"{file}: nested too deeply for a file of names", MISUSE) from None


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value


def _section(section: str, node: yaml.Node, file: str) -> dict[str, str]:
    """What is named under a heading -> its name, on one line."""
    if _is_empty(node):  # a heading with nothing under it yet
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise _mistake(file, node, f"expected names under {_quoted(section)}, one on each line as `what: name`")
    names = {}
    for what, value in _members(node, file):
        if not isinstance(value, yaml.ScalarNode):
            raise _mistake(file, value, f"the name of {_quoted(what)} is not text")
        name = clean(value.value)
        if not name or len(name) > LONGEST:
            wrong = f"longer than {LONGEST} characters" if name else "empty"
            raise _mistake(file, value, f"the name of {_quoted(what)} is {wrong}")
        names[what] = name
    return names


def _members(node: yaml.MappingNode, file: str) -> Iterator[tuple[str, yaml.Node]]:
    """The members of a mapping; one that is there twice would hide what it said first."""
    seen = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _mistake(file, key, "a name is given to something that is not text")
        if key.value in seen:
            raise _mistake(file, key, f"{_quoted(key.value)} is there twice")
        seen.add(key.value)
        yield key.value, value


def _mistake(file: str, node: yaml.Node, what: str) -> AuditError:
    return AuditError(f"{file}, line {node.start_mark.line + 1}: {what}", MISUSE)


def _quoted(text: str) -> str:
    text = clean(text)
    return f'"{text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"}"'


def _some(what: list[str]) -> str:
    more = len(what) - _LISTED
    return ", ".join(clean(one)[:LONGEST] for one in what[:_LISTED]) + (f" and {more} more" if more > 0 else "")


# --- the audit -------------------------------------------------------------------------------------------------------


def _named(session: Session, by_id: dict[str, Session], names: dict[str, str]) -> Session:
    name = names.get(session.id)
    if name is None:
        caller = by_id.get(session.parent_session_id or "")
        if caller is None or caller.id not in names or session.title != side_title(session.kind, caller.title):
            return session
        name = side_title(session.kind, names[caller.id]) or session.title
    return replace(session, title=name, words=session.title)


def _projects(audit: Audit) -> Iterable[str]:
    """All projects, each once, in order."""
    held = (*(request.project for request in audit.requests), *(session.project for session in audit.sessions))
    return dict.fromkeys(project for project in held if project is not None)


def _place(project: str) -> str:
    """A path in the one form in which paths are compared, as a person may type it."""
    return (project.replace("\\", "/").rstrip("/") or project).casefold()


def _places(project: str) -> tuple[str, str]:
    """The ways a project can be written: its path, and the last part of it."""
    place = _place(project)
    return place, place.rpartition("/")[2] or place


def _name_of(project: str, places: dict[str, str]) -> str | None:
    return next((places[place] for place in _places(project) if place in places), None)
