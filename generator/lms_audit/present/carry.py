"""Compiled pages that the last site has and this one would have again: only what has changed is compiled.

In: the docs tree, the previous site, and what was noted when that was compiled. Out: a tree of the pages to compile,
and afterwards a site with all of them. A compiled page depends on its own Markdown, on the program and its theme
(``reuse`` compares those), and on nothing else: the sidebar lists the hubs only, and what lists sessions is data that
scripts load. The builder's title index is the one thing all pages share; its entries are carried over with them.

Cost: a digest of each Markdown file and each page carried over, and a link to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

TITLES = "search/search_index.json"
"""The builder's title index, and beside it the same as a script, for pages opened from disk."""


class Compiled(Struct, frozen=True, array_like=True):
    """A page as it was compiled: digests of its Markdown and of its HTML."""

    source: str
    page: str


class Carry:
    """The pages of one build. ``last`` is what the last one noted; empty where the program has changed since."""

    def __init__(self, docs: Path, previous: Path | None, last: Mapping[str, Compiled]) -> None:
        self._docs = docs
        self._previous = previous
        self._last = last
        self._titles: dict[str, list[Any]] = {}
        self._sources: dict[str, str] = {}
        self._carried: dict[str, str] = {}
        """Name of a page's Markdown file -> digest of its HTML."""

    def gather(self, names: Iterable[str], hubs: Collection[str], changed: Path) -> None:
        """Fill the folder ``changed`` with the Markdown files, of those named, that have to be compiled.

        ``hubs`` are among them in any case: the builder wants to see what its navigation names.
        """
        self._titles = _titles(self._previous)
        shutil.rmtree(changed, ignore_errors=True)
        for name in sorted(names):
            self._sources[name] = _digest(self._docs / name)
            if name not in hubs and self._stands(name):
                continue
            target = changed / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self._docs / name, target)

    def _stands(self, name: str) -> bool:
        """Whether the previous site has this very page, as it was compiled."""
        last, page = self._last.get(name), page_of(name)
        if self._previous is None or last is None or last.source != self._sources[name] or page not in self._titles:
            return False
        try:
            if _digest(self._previous / page) != last.page:
                return False
        except OSError:
            return False
        self._carried[name] = last.page
        return True

    def fill(self, out: Path, files: Iterable[str]) -> None:
        """Put into ``out`` the pages carried over and the ``files`` of the tree that are no pages."""
        for name in self._carried:
            page = page_of(name)
            (out / page).parent.mkdir(parents=True, exist_ok=True)
            assert self._previous is not None
            _link(self._previous / page, out / page)
        for name in sorted(files):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._docs / name, out / name)

    def complete(self, out: Path, compiled: Path) -> dict[str, Compiled]:
        """Add what was compiled; returns what is to be noted for the next build."""
        for base, _, names in os.walk(compiled):
            folder = out / Path(base).relative_to(compiled)
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                (Path(base) / name).replace(folder / name)
        titles = _titles(out)
        titles |= {page: self._titles[page] for page in map(page_of, self._carried)}
        _write_titles(out, titles)
        return {
            name: Compiled(source, self._carried.get(name) or _digest(out / page_of(name)))
            for name, source in self._sources.items()
        }


def page_of(name: str) -> str:
    """The compiled page of a Markdown file."""
    return f"{name.removesuffix('.md')}.html"


def _digest(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, where the file system knows such; nothing of ours is ever changed in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _titles(site: Path | None) -> dict[str, list[Any]]:
    """Page -> its entries in a site's title index; nothing where there is none, or it is damaged."""
    found: dict[str, list[Any]] = {}
    if site is not None:
        try:
            for entry in msgspec.json.decode((site / TITLES).read_bytes())["docs"]:
                found.setdefault(entry["location"].partition("#")[0], []).append(entry)
        except (OSError, msgspec.MsgspecError, LookupError, TypeError, AttributeError):
            return {}
    return found


def _write_titles(site: Path, titles: Mapping[str, list[Any]]) -> None:
    """The index with these entries, in the builder's own order: a folder's page before those below it."""
    path = site / TITLES
    index = msgspec.json.decode(path.read_bytes())
    order = sorted(titles, key=lambda page: (page != "index.html", PurePosixPath(page).parts))
    index["docs"] = [entry for page in order for entry in titles[page]]
    text = msgspec.json.encode(index)
    path.write_bytes(text)
    path.with_suffix(".js").write_bytes(b"var __index = " + text)
