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
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

import msgspec
import yaml
from msgspec import Struct

from lms_audit.analyse.report import Report
from lms_audit.correlate.clients import Clients
from lms_audit.errors import AuditError
from lms_audit.model import Key, Library
from lms_audit.present import charts
from lms_audit.present.carry import Carry
from lms_audit.present.charts import Drawer
from lms_audit.present.compiler import Compiler
from lms_audit.present.indexer import Indexer
from lms_audit.present.pages import HUBS, File, data_files, hub_files, session_files, tool_set_files
from lms_audit.present.remembered import Remembered
from lms_audit.present.resources import resources
from lms_audit.present.reuse import Notes, Reuse
from lms_audit.present.search import FOLDER
from lms_audit.present.views.book import Book
from lms_audit.present.views.documents import tellings

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


def write_site(
    report: Report,
    library: Library,
    out: Path,
    work: Path,
    *,
    compile: bool = True,  # noqa: A002
    maker: str = "",
) -> SiteResult:
    """Make a site at once: what ``SiteMaker`` does for those who know beforehand that they will need it."""
    with SiteMaker(work, maker, compile=compile) as site:
        return site.make(report, library, out)


class SiteMaker:
    """One site in the making, in the working folder ``work``.

    ``maker`` is a digest of the program and its settings: pages that the same maker has left in ``work``, and compiled
    in the previous site, are kept where they would come out the same. Without one, all pages are made. Entering the
    context starts the processes that will help: the earlier, the less they are waited for.
    """

    def __init__(self, work: Path, maker: str = "", *, compile: bool = True) -> None:  # noqa: A002
        self._work = work.resolve()
        self._compiles = compile
        self._tree = _Tree(self._work / "docs")
        self._reuse = Reuse(maker, _last_notes(self._work / NOTES), self._tree.has)
        self._words = Remembered(self._work / WORDS, maker)
        self._processes = ExitStack()

    def __enter__(self) -> Self:
        # altair would say the same as last time
        self._drawer = None if self._reuse.made_by_us(charts.FILE) else self._processes.enter_context(Drawer())
        self._indexer = self._processes.enter_context(Indexer())
        self._compiler = self._processes.enter_context(Compiler()) if self._compiles else None
        return self

    def __exit__(self, *about: object) -> None:
        self._processes.close()

    def make(
        self,
        report: Report,
        library: Library,
        out: Path,
        *,
        clients: Clients | None = None,
        progress: Progress | None = None,
        previous: Path | None = None,
    ) -> SiteResult:
        """Write the docs tree and compile it into ``out``, a folder that is ours (see ``outdir``).

        In the order that keeps two cores at work.
        """
        out = out.resolve()
        stage = progress.stage if progress is not None else lambda _: None
        stage("render")
        reuse, tree, notes = self._reuse, self._tree, self._work / NOTES
        notes.unlink(missing_ok=True)  # what they tell of the pages holds no longer, should this build be cut off
        book = Book(report, library, None if clients is None else clients.rules.clients)
        self._sessions(book)
        self._put(hub_files(book))
        self._put(tool_set_files(book))
        pages = {path for path in tree.mentioned if path.endswith(".md")}
        carry = Carry(self._work / "docs", previous, reuse.compiled)
        if self._compiler is not None:
            carry.gather(pages, {hub.path for hub in HUBS}, self._work / CHANGED)
            shutil.rmtree(self._work / COMPILED, ignore_errors=True)
            own = self._work / f"{CHANGED}.yml"
            own.write_text(_config(self._work / CHANGED, self._work / COMPILED), "utf-8")
            self._compiler.compile(own)
        # all that follows is done while pages are compiled
        self._put(data_files(book))
        self._put([File(charts.FILE, None if self._drawer is None else self._drawer.script())])
        for path, content in _assets():
            tree.put(path, content)
        config = self._work / "mkdocs.yml"
        config.write_text(_config(self._work / "docs", out), "utf-8")
        stage("search")
        for path, content in self._indexer.index().items():
            tree.put(path, content)
        self._words.sweep()
        removed = tree.sweep()
        if self._compiler is not None:
            stage("compile")
            carry.fill(out, tree.mentioned - pages)
            self._compiler.compiled(self._work / COMPILED)
            reuse.notes.compiled = carry.complete(out, self._work / COMPILED)
            for folder in (CHANGED, COMPILED):
                shutil.rmtree(self._work / folder)
        notes.write_bytes(msgspec.json.encode(reuse.notes))
        return SiteResult(self._work / "docs", config, len(pages), tree.written, removed)

    def _sessions(self, book: Book) -> None:
        """Pages of the sessions, each followed by what it has for the search."""
        held: dict[str, Mapping[Key, tuple[int, int]]] = {}
        told = tellings(book, held)
        for files, telling in zip(session_files(book, self._reuse, held), told, strict=False):
            self._put(files)
            self._indexer.add(self._words.source(telling, self._reuse.digest(telling.session)))
        for telling in told:  # what belongs to no session
            self._indexer.add(self._words.source(telling, None))

    def _put(self, files: Iterable[File]) -> None:
        for file in files:
            if file.content is None:
                self._tree.keep(file.path)
            else:
                self._tree.put(file.path, file.content.encode("utf-8"))


def _last_notes(path: Path) -> Notes:
    """What the last build noted; nothing where there was none or the notes are damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Notes)
    except (OSError, msgspec.DecodeError):
        return Notes()
