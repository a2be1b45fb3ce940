"""The directory that the tool calls of a session work in.

In: arguments of tool calls. Out: a ``Project``. LM Studio keeps short strings whole, so absolute paths in arguments are
there even where the prompt's own note of the directory was cut away. Cost: linear in the number of arguments.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Json

LONGEST = 1000
"""Characters; more is no path a person works in."""
_DEEPEST = 6
"""Levels of arguments looked into."""
_MOST = 0.6
"""Share of the paths that must lie in a directory for it to be the project."""

_PATH_NAME = re.compile(r"path|file|dir|cwd|folder|root|workspace|location", re.IGNORECASE)
"""Names of arguments that hold paths; a pattern or a text may begin with a slash too."""
_FOLDER_NAME = re.compile(r"dir|cwd|folder|root|workspace", re.IGNORECASE)
_FILE_NAME = re.compile(r"file|notebook", re.IGNORECASE)
_COMMAND_NAME = re.compile(r"command|cmd|script", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:/(?!/)|[A-Za-z]:[\\/]|\\\\(?=[^\\]+\\))[^\n\r<>|*?\"]*")
_CD = re.compile(
    r"""(?:^|&&|;|\|\|)\s*(?:cd|pushd|Set-Location)\s+    # at the start of a command of the line
    (?: "(?P<quoted>[^"\n]+)" | '(?P<single>[^'\n]+)' | (?P<bare>[^\s;&|"']+) )""",
    re.VERBOSE | re.MULTILINE,
)

_PARTS_OF_PROJECTS = frozenset(
    {
        ".git",
        ".github",
        ".idea",
        ".venv",
        ".vscode",
        "__tests__",
        "apps",
        "assets",
        "build",
        "cmd",
        "components",
        "config",
        "dist",
        "doc",
        "docs",
        "examples",
        "include",
        "internal",
        "lib",
        "libs",
        "node_modules",
        "out",
        "packages",
        "pkg",
        "public",
        "scripts",
        "source",
        "sources",
        "spec",
        "specs",
        "src",
        "static",
        "target",
        "test",
        "tests",
        "venv",
    }
)
"""Directories that belong to a project and are none."""

_SHELVES = frozenset(
    {
        "desktop",
        "developer",
        "documents",
        "downloads",
        "git",
        "github",
        "github.com",
        "gitlab.com",
        "go",
        "onedrive",
        "projects",
        "repos",
        "repositories",
        "sites",
    }
)
"""Directories of a person that hold projects."""

_SYSTEM = frozenset(
    {
        "applications",
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib64",
        "library",
        "nix",
        "proc",
        "programdata",
        "run",
        "sbin",
        "snap",
        "sys",
        "system",
        "usr",
        "windows",
    }
)
_TEMPORARY = frozenset({"private", "temp", "tmp", "var"})


class Project(Struct, frozen=True):
    """A project, and how it is known."""

    path: str
    """As the prompt or the tool calls give it."""
    note: str
    """``system prompt says "Working directory: /srv/shop"`` or ``paths in 12 tool arguments``."""


class _Path(Struct, frozen=True):
    """A directory in a tool argument."""

    text: str
    """The argument, as written."""
    parts: tuple[str, ...]
    """Folded for comparison on Windows; the first is the drive, or empty."""
    spans: tuple[int, ...]
    """Where in ``text`` each part ends."""


def project_in_calls(arguments: Iterable[Json]) -> Project | None:
    """The directory that the absolute paths in tool arguments have in common, if a person may work in it."""
    paths = [path for value in arguments for path in _paths(value)]
    paths = [path for path in paths if not _is_system(path.parts)]
    paths = [path for path in paths if not _is_temporary(path.parts)] or paths
    depth = _root_depth(paths)
    if depth is None:
        return None
    root = _most_common(path.parts[:depth] for path in paths if len(path.parts) >= depth)[0]
    inside = [path for path in paths if path.parts[:depth] == root]
    while all(len(path.parts) > depth for path in inside) and len({path.parts[depth] for path in inside}) == 1:
        if inside[0].parts[depth].lower() in _PARTS_OF_PROJECTS:
            break  # paths in src and nowhere else speak of what src is in
        depth += 1
    first = inside[0]
    count = f"{len(inside)} tool arguments" if len(inside) > 1 else "a tool argument"
    return Project(first.text[: first.spans[depth - 1]], f"common directory of the paths in {count}")


def _root_depth(paths: list[_Path]) -> int | None:
    """How deep the first directory lies that most paths are in and a project can be."""
    depth = 0
    inside = paths
    while True:
        deeper = [path for path in inside if len(path.parts) > depth]
        if not deeper:
            return None
        prefix, count = _most_common(path.parts[: depth + 1] for path in deeper)
        if count < _MOST * len(paths):
            return None
        depth += 1
        if _plausible(prefix):
            return depth
        inside = [path for path in deeper if path.parts[:depth] == prefix]


def _most_common(prefixes: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], int]:
    counts = Counter(prefixes)
    return min(counts.items(), key=lambda item: (-item[1], item[0]))


def _plausible(parts: tuple[str, ...]) -> bool:
    """Whether a directory may be one project: not the disk, not a home, not a folder of many projects."""
    drive, *names = (part.lower() for part in parts)
    if names[:1] == ["mnt"] and len(names) > 1 and len(names[1]) == 1:
        drive, names = names[1] + ":", names[2:]  # a Windows disk, seen from Linux
    if not names:
        return False
    if names[0] in ("home", "users"):
        names = names[2:]
    elif names[0] == "root" and not drive:
        names = names[1:]
    elif names[0] in _TEMPORARY or names[0] in ("opt", "srv", "mnt", "media", "volumes"):
        names = names[1:]
        if names[:1] in (["tmp"], ["www"], ["lib"], ["var"], ["folders"]):
            names = names[1:]
    return bool(names) and names[-1] not in _SHELVES


def _is_system(parts: tuple[str, ...]) -> bool:
    """Of the machine, or a client's own files in a home."""
    drive, *names = (part.lower() for part in parts)
    if names[:1] and (names[0] in _SYSTEM or names[0].startswith("program files")):
        return not (names[0] in ("lib", "dev", "library") and drive)
    home = 2 if names[:1] in (["home"], ["users"]) else 1 if names[:1] == ["root"] else 0
    return bool(home) and len(names) > home and (names[home].startswith(".") or names[home] in ("appdata", "library"))


def _is_temporary(parts: tuple[str, ...]) -> bool:
    """In a place for files that soon go."""
    return len(parts) > 1 and parts[1].lower() in _TEMPORARY


def _paths(value: Json) -> Iterator[_Path]:
    """Directories in the arguments of one call."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    for name, text in _strings("", value, 0):
        if CUT_MARK in text or len(text) > LONGEST:
            continue
        if _COMMAND_NAME.search(name):
            for match in _CD.finditer(text):
                path = _path(match["quoted"] or match["single"] or match["bare"], folder=True)
                if path is not None:
                    yield path
        elif _PATH_NAME.search(name):
            path = _path(text, folder=_is_folder(name, text))
            if path is not None:
                yield path


def _strings(name: str, value: Json, depth: int) -> Iterator[tuple[str, str]]:
    """All strings in a value with the name of the member each stands in."""
    if isinstance(value, str):
        yield name, value
    elif depth < _DEEPEST:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from _strings(key, inner, depth + 1)
        elif isinstance(value, list):
            for inner in value:
                yield from _strings(name, inner, depth + 1)


def _is_folder(name: str, text: str) -> bool:
    if text.endswith(("/", "\\")):
        return True
    if _FOLDER_NAME.search(name) or _FILE_NAME.search(name):
        return not _FILE_NAME.search(name)
    last = re.split(r"[\\/]", text)[-1]
    return "." not in last[1:]


def _path(text: str, *, folder: bool) -> _Path | None:
    text = text.strip()
    if _ABSOLUTE.fullmatch(text) is None or not text.isprintable():
        return None
    windows = not text.startswith("/")
    spans = [(match.start(), match.end()) for match in re.finditer(r"[^\\/]+" if windows else r"[^/]+", text)]
    names = [text[start:end] for start, end in spans]
    if any(name in (".", "..") for name in names):
        return None
    if windows:
        names = [name.lower() for name in names]
        if text.startswith("\\\\"):
            if len(names) < 2:
                return None
            # host and share are one place
            names, spans = ["\\".join(names[:2]), *names[2:]], [(0, spans[1][1]), *spans[2:]]
    else:
        names, spans = ["", *names], [(0, 1), *spans]
    if not folder:
        names, spans = names[:-1], spans[:-1]
    return _Path(text, tuple(names), tuple(end for _, end in spans)) if names else None
