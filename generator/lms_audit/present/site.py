"""The docs tree and the compiled site. Only this module and ``compiler`` know MkDocs.

In: a report, the library, an empty folder for the site, a working folder. Out: the working folder holds the docs tree
(Markdown, assets, a generated ``mkdocs.yml``), of which only what differs was written and nothing is stale; the site
folder holds the compiled site. MkDocs runs as a process of its own, strict, with no network to reach; ProperDocs
builds the same tree with the same file.

Cost: rendering is about 10 ms per 100 KB of page, compiling about 10 ms per page.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import yaml
from msgspec import Struct

from lms_audit.analyse.report import Report
from lms_audit.correlate.clients import Clients
from lms_audit.errors import AuditError
from lms_audit.model import Key, Library
from lms_audit.present.carry import Carry
from lms_audit.present.compiler import Compiler
from lms_audit.present.indexer import WORTH_A_PROCESS, Indexer
from lms_audit.present.pages import HUBS, File, data_files, hub_files, search_sources, session_files, tool_set_files
from lms_audit.present.remembered import Remembered, chapter
from lms_audit.present.resources import resources
from lms_audit.present.reuse import Notes, Reuse
from lms_audit.present.search import FOLDER, build_index
from lms_audit.present.views.book import Book
from lms_audit.present.views.documents import Held

ASSETS = ("assets",)
NOTES = "pages.json"
"""What a build notes for the next one, in the working folder."""
CHANGED = "changed"
"""Folder of the pages that have to be compiled, in the working folder."""
COMPILED = "compiled"
"""Folder of what they were compiled to, in the working folder."""
WORDS = "words"
"""Folder of what the search has read, in the working folder."""


class Progress(Protocol):
    """Who is told how far the work is."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A stage begins."""


class SiteResult(Struct, frozen=True):
    """What was done."""

    docs: Path
    config: Path
    pages: int
    written: int
    """Files of the docs tree that differed."""
    removed: int


class _Tree:
    """A folder of which every file is ours: writes what differs, then removes what was not mentioned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mentioned: set[str] = set()
        self.written = 0
        self._made: set[Path] = set()

    def put(self, path: str, content: bytes) -> None:
        """Write a file unless it is there with this content."""
        self.mentioned.add(path)
        target = self.folder / path
        try:
            if target.stat().st_size == len(content) and target.read_bytes() == content:
                return
        except OSError:
            pass
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        draft = target.with_name(f"{target.name}.draft")
        draft.write_bytes(content)
        draft.replace(target)
        self.written += 1

    def has(self, path: str) -> bool:
        """The file is there."""
        return (self.folder / path).is_file()

    def keep(self, path: str) -> None:
        """Leave a file as it is."""
        self.mentioned.add(path)

    def sweep(self) -> int:
        """Remove stale files and empty folders."""
        removed = 0
        for base, _, names in os.walk(self.folder, topdown=False):
            inside = Path(base).relative_to(self.folder)
            for name in names:
                if (inside / name).as_posix() not in self.mentioned:
                    (Path(base) / name).unlink()
                    removed += 1
            if inside.parts and not any(Path(base).iterdir()):
                Path(base).rmdir()
        return removed


def _assets() -> Iterator[tuple[str, bytes]]:
    """Our own assets and the vendored ones, whose checksums are compared on the way."""
    folder = resources()
    sums = checksums(folder / "assets" / "vendor")
    for path in sorted((folder / "assets").rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if (
            path.name in sums
            and path.parent.name == "vendor"
            and hashlib.sha256(content).hexdigest() != sums[path.name]
        ):
            raise AuditError(f"{path} is not the file its checksum was taken of; install the package again")
        yield path.relative_to(folder).as_posix(), content


def checksums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 of the vendored files, from ``SHA256SUMS``."""
    found = {}
    for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            digest, name = line.split()
            found[name] = digest
    return found


def _config(docs: Path, out: Path) -> str:
    """The configuration of one build: the shape everybody shares, and the folders of this one."""
    folder = resources()
    config = {
        "INHERIT": str(folder / "mkdocs.yml"),
        "docs_dir": str(docs),
        "site_dir": str(out),
        "exclude_docs": f"/{FOLDER}/\n",  # scripts, many, and no business of the builder
        "theme": {"custom_dir": str(folder / "overrides")},
    }
    return yaml.safe_dump(config, sort_keys=False)


class Workers(Struct, frozen=True):
    """The processes that are getting ready to help."""

    compiler: Compiler
    indexer: Indexer | None
    """``None``: there is too little for it to do."""


@contextmanager
def workers(work: Path, maker: str, builder: str = "mkdocs") -> Iterator[Workers]:
    """The processes a site in ``work`` will need; the earlier they are started, the less they are waited for."""
    with ExitStack() as stack:
        compiler = stack.enter_context(Compiler(builder))
        much = Remembered(work / WORDS, maker).size() >= WORTH_A_PROCESS
        yield Workers(compiler, stack.enter_context(Indexer()) if much else None)


def write_site(
    report: Report,
    library: Library,
    out: Path,
    work: Path,
    *,
    compile: bool = True,  # noqa: A002
    clients: Clients | None = None,
    progress: Progress | None = None,
    maker: str = "",
    previous: Path | None = None,
    helped: Workers | None = None,
) -> SiteResult:
    """Write the docs tree below ``work`` and compile it into ``out``, a folder that is ours (see ``outdir``).

    ``maker`` is a digest of the program and its settings: pages that the same maker has left in ``work``, and compiled
    in the site ``previous``, are kept where they would come out the same. Without one, all pages are made. ``helped``
    are processes that were started before; without them they are started now.
    """
    work, out = work.resolve(), out.resolve()
    with ExitStack() as stack:
        if helped is None and compile:
            helped = stack.enter_context(workers(work, maker))
        book = Book(report, library, None if clients is None else clients.rules.clients)
        return _Build(book, work, out, progress, maker, previous, helped).made()


class _Build:
    """One site in the making."""

    def __init__(
        self,
        book: Book,
        work: Path,
        out: Path,
        progress: Progress | None,
        maker: str,
        previous: Path | None,
        helped: Workers | None,
    ) -> None:
        self._stage = progress.stage if progress is not None else lambda _: None
        self._book, self._work, self._out = book, work, out
        self._compiler = None if helped is None else helped.compiler
        self._indexer = None if helped is None else helped.indexer
        self._tree = _Tree(work / "docs")
        self._notes = work / NOTES
        self._reuse = Reuse(maker, _last_notes(self._notes), self._tree.has)
        self._words = Remembered(work / WORDS, maker)
        self._previous = previous

    def made(self) -> SiteResult:
        """All of it, in the order that keeps two cores at work."""
        book, reuse, tree = self._book, self._reuse, self._tree
        self._stage("render")
        self._notes.unlink(missing_ok=True)  # what they tell of the pages holds no longer, should this build be cut off
        held: dict[str, Mapping[Key, tuple[int, int]]] = {}
        self._put(session_files(book, reuse, held))
        if self._indexer is not None:
            self._stage("search")
            self._indexer.join(search_sources(book, held, reuse, self._words))
            self._stage("render")
        self._put(hub_files(book))
        self._put(tool_set_files(book))
        pages = {path for path in tree.mentioned if path.endswith(".md")}
        carry = Carry(self._work / "docs", self._previous, reuse.compiled)
        if self._compiler is not None:
            carry.gather(pages, {hub.path for hub in HUBS}, self._work / CHANGED)
            shutil.rmtree(self._work / COMPILED, ignore_errors=True)
            own = self._work / f"{CHANGED}.yml"
            own.write_text(_config(self._work / CHANGED, self._work / COMPILED), "utf-8")
            self._compiler.compile(own)
        # all that follows is done while pages are compiled
        self._put(data_files(book, reuse))
        for path, content in _assets():
            tree.put(path, content)
        config = self._work / "mkdocs.yml"
        config.write_text(_config(self._work / "docs", self._out), "utf-8")
        self._stage("search")
        for path, content in self._index(held).items():
            tree.put(path, content)
        self._words.sweep()
        removed = tree.sweep()
        if self._compiler is not None:
            self._stage("compile")
            carry.fill(self._out, tree.mentioned - pages)
            self._compiler.compiled(self._work / COMPILED)
            reuse.notes.compiled = carry.complete(self._out, self._work / COMPILED)
            for folder in (CHANGED, COMPILED):
                shutil.rmtree(self._work / folder)
        self._notes.write_bytes(msgspec.json.encode(reuse.notes))
        return SiteResult(self._work / "docs", config, len(pages), tree.written, removed)

    def _put(self, files: Iterable[File]) -> None:
        for file in files:
            if file.content is None:
                self._tree.keep(file.path)
            else:
                self._tree.put(file.path, file.content.encode("utf-8"))

    def _index(self, held: Held) -> dict[str, bytes]:
        """The search index: of a helper that had little to read, or made here while pages are compiled."""
        if self._indexer is not None:
            return self._indexer.joined()
        return build_index(map(chapter, search_sources(self._book, held, self._reuse, self._words)))


def _last_notes(path: Path) -> Notes:
    """What the last build noted; nothing where there was none or the notes are damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Notes)
    except (OSError, msgspec.DecodeError):
        return Notes()
