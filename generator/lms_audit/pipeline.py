"""The whole story: logs are read into the store, correlated, analysed, and become a site, an export or a check.

In: a ``Config``. Out: what was made, and what the user should be told. Each command is one function; what they share is
``_understood``. Nothing is written to the output until all of it is known, and a site that would come out the same is
not made again.

Cost: that of the stages; ``BuildResult.seconds`` tells them apart.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lms_audit import outdir
from lms_audit.config import Config
from lms_audit.errors import MISUSE, AuditError
from lms_audit.ingest import Ingested, digests, ingest
from lms_audit.model import Audit, FileHealth, Key, Message
from lms_audit.progress import Progress, Silent, Timed
from lms_audit.read.digest import join_settings
from lms_audit.read.discover import LogFile
from lms_audit.read.events import FileDigest
from lms_audit.read.join import Joined, join
from lms_audit.store import Store, StoreDamagedError, set_aside

if TYPE_CHECKING:
    from lms_audit.analyse.report import Report
    from lms_audit.correlate.clients import Clients
    from lms_audit.correlate.conversation import PromptTree
    from lms_audit.correlate.names import Names
    from lms_audit.naming.questions import Question
    from lms_audit.share.export import Format
    from lms_audit.share.pack import Archive

T = TypeVar("T")


class BuildResult(Struct, frozen=True, kw_only=True):
    """A site that is there now."""

    site: Path
    files: tuple[LogFile, ...]
    notes: tuple[str, ...]
    """What the user should be told, one line each."""
    seconds: dict[str, float]
    """Stage -> seconds, with their ``total``."""
    audit: Audit | None = None
    """``None``: nothing had changed, so nothing was correlated."""


class Shelf:
    """The run's ``model.Library``: contents from the store, prompts from the tree."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.raw = store.raw
        self.tools = store.tools
        self.system_texts = store.system_texts
        self.tree: PromptTree | None = None

    def message(self, key: Key) -> Message:
        return self._store.message(key)

    def path(self, node: int) -> list[Key]:
        if self.tree is None:
            raise LookupError("prompts are not known before the requests are correlated")
        return self.tree.path(node)


class Understood(Struct, frozen=True):
    """The audit of a run, and where its prompts and messages are looked up."""

    audit: Audit
    tree: PromptTree
    library: Shelf
    clients: Clients
    notes: tuple[str, ...] = ()
    """What the user should be told of the names file."""


# --- commands -------------------------------------------------------------------------------------------------------


def build(config: Config, progress: Progress | None = None) -> BuildResult:
    """Make the site in ``config.out``, or leave it where it would come out the same."""
    timed = Timed(progress or Silent())
    outdir.claim(config.out, "site")
    names = _names(config)

    def work(store: Store) -> BuildResult:
        outdir.recover(config.out)
        ingested = _ingested(config, store, timed)
        maker = _maker(config)
        state = _state(maker, config, ingested)
        audit = None
        notes = [*store.notes, *ingested.notes]
        if not outdir.is_current(config.out, "site", state):
            from lms_audit.present.site import SiteMaker

            with _workshop(config) as work, SiteMaker(work, maker) as site:
                understood = _understood(config, names, store, ingested, timed)
                audit = understood.audit
                notes += understood.notes
                report = _analysed(config, understood, timed)
                with outdir.replacing(config.out, "site", state) as out:
                    site.make(
                        report,
                        understood.library,
                        out,
                        clients=understood.clients,
                        progress=timed,
                        previous=config.out,
                    )
        return BuildResult(
            site=config.out, files=ingested.files, notes=tuple(notes), seconds=timed.finish(), audit=audit
        )

    return _with_store(config, work)


def export(config: Config, format_: Format, progress: Progress | None = None) -> tuple[tuple[Path, ...], Ingested]:
    """Write the exports into ``config.out``; returns the files written and those read."""
    from lms_audit.share.export import export as write

    names = _names(config)

    def work(store: Store) -> tuple[tuple[Path, ...], Ingested]:
        ingested = _ingested(config, store, progress or Silent())
        understood = _understood(config, names, store, ingested, progress or Silent())
        notes = (*store.notes, *ingested.notes, *understood.notes)
        return write(understood.audit, config.out, format_), replace(ingested, notes=notes)

    return _with_store(config, work)


def pack(
    config: Config, progress: Progress | None = None, *, zipped: bool = False
) -> tuple[tuple[Archive, ...], Ingested]:
    """One archive per project in ``config.out``; returns them and the files read."""
    from lms_audit.share.pack import pack as write

    names = _names(config)

    def work(store: Store) -> tuple[tuple[Archive, ...], Ingested]:
        ingested = _ingested(config, store, progress or Silent())
        known = _understood(config, names, store, ingested, progress or Silent())
        notes = (*store.notes, *ingested.notes, *known.notes)
        archives = write(known.audit, known.tree, known.library, config.out, zipped=zipped)
        return archives, replace(ingested, notes=notes)

    return _with_store(config, work)


def questions(
    config: Config, progress: Progress | None = None, *, limit: int | None = None, again: bool = False
) -> tuple[tuple[Question, ...], Ingested]:
    """What to ask a model about sessions without a name, the latest first; ``again``: about those that have one too."""
    from lms_audit.naming.questions import questions as ask

    names = _names(config, new=True)

    def work(store: Store) -> tuple[tuple[Question, ...], Ingested]:
        ingested = _ingested(config, store, progress or Silent())
        known = _understood(config, names, store, ingested, progress or Silent())
        notes = (*store.notes, *ingested.notes, *known.notes)
        asked = ask(known.audit, known.library, () if again else names.sessions)
        return tuple(islice(asked, limit)), replace(ingested, notes=notes)

    return _with_store(config, work)


def check(config: Config, progress: Progress | None = None) -> tuple[FileHealth, ...]:
    """The account of every file: what was understood of it, and what was not."""

    def work(store: Store) -> tuple[FileHealth, ...]:
        ingested = _ingested(config, store, progress or Silent())
        return _accounts(ingested, _joined(store, ingested)[1])

    return _with_store(config, work)


# --- stages ---------------------------------------------------------------------------------------------------------


def _ingested(config: Config, store: Store, progress: Progress) -> Ingested:
    pool = None
    if config.scheduler is not None:
        from lms_audit.cluster import executor

        pool = partial(executor, config.scheduler)
    return ingest(config.logs, store, progress, executor=pool, workers=config.workers)


def _joined(store: Store, ingested: Ingested) -> tuple[list[FileDigest], Joined]:
    """All digests, alone and together; what records that lay across files bring is kept too."""
    missing = frozenset(file.name for file in ingested.files if not file.on_disk)
    named = {file.name: file for file in ingested.files}
    alone = list(digests(ingested.files, store))
    joined = join(alone, missing, lambda digest: store.whole(named[digest.name], digest))
    for seam in joined.seams:
        store.add_items(seam.items)
    store.sweep(key for seam in joined.seams for key in seam.items)
    return alone, joined


def _accounts(ingested: Ingested, joined: Joined) -> tuple[FileHealth, ...]:
    """The account of every file in order, of those that were refused too."""
    known = {file.file: file for file in joined.files}
    return tuple(
        known[file.name]
        if file.refused is None
        else FileHealth(
            file=file.name,
            size=file.size,
            lines=0,
            first_at=None,
            last_at=None,
            classes={},
            kinds={},
            on_disk=file.on_disk,
            refused=file.refused,
        )
        for file in ingested.files
    )


def _names(config: Config, *, new: bool = False) -> Names:
    """The names file, read before the logs are: a mistake in it is told at once. ``new``: it need not be there yet."""
    from lms_audit.correlate.names import NO_NAMES, parse

    if config.names is None or (new and not config.names.exists()):
        return NO_NAMES
    return parse(_text(config.names), str(config.names))


def _understood(config: Config, names: Names, store: Store, ingested: Ingested, progress: Progress) -> Understood:
    from lms_audit.correlate import correlate
    from lms_audit.correlate.clients import Clients
    from lms_audit.correlate.names import apply, strangers
    from lms_audit.correlate.selection import select

    progress.stage("correlate")
    clients = Clients.load(config.clients)
    alone, joined = _joined(store, ingested)
    library = Shelf(store)
    correlated = correlate(
        joined.stretches,
        library,
        clients,
        files=_accounts(ingested, joined),
        settings=join_settings(digest.settings for digest in (*alone, *joined.seams)),
        log_roots=tuple(sorted({file.root.name for file in ingested.files})),
    )
    library.tree = correlated.tree
    audit = select(apply(correlated.audit, names), correlated.tree, config.filters)
    return Understood(audit, correlated.tree, library, clients, strangers(correlated.audit, names, str(config.names)))


def _analysed(config: Config, understood: Understood, progress: Progress) -> Report:
    from lms_audit.analyse import analyse
    from lms_audit.analyse.cost import load_prices

    progress.stage("analyse")
    prices = None if config.prices is None else load_prices(_text(config.prices), str(config.prices))
    return analyse(understood.audit, understood.library, understood.tree, prices)


# --- around them ----------------------------------------------------------------------------------------------------


def _with_store(config: Config, work: Callable[[Store], T]) -> T:
    """Do the work with the store; when it proves damaged on the way, once more with a new one."""
    try:
        with Store.open(config.store, named=not config.store_is_ours) as store:
            return work(store)
    except StoreDamagedError as error:
        if config.store is None:
            raise
        aside = set_aside(config.store)
        with Store.open(config.store) as store:
            store.notes.append(f"the store was {error}; it is now {aside.name}, and all logs are read again")
            return work(store)


@contextmanager
def _workshop(config: Config) -> Iterator[Path]:
    """Where the pages stand before the site is made of them; kept between runs as the store is."""
    if config.store is None:
        with tempfile.TemporaryDirectory(prefix="lms-audit-") as temporary:
            yield Path(temporary)
        return
    site = config.out.resolve()
    folder = site.with_name(f".{site.name}.lms-audit")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def _state(maker: str, config: Config, ingested: Ingested) -> str:
    """Digest of everything a site depends on: the logs, what was asked for, and the program itself."""
    files = [
        (file.name, ingested.marks.get(file.name), file.size, file.on_disk, file.refused) for file in ingested.files
    ]
    state: list[Any] = [maker, files, config.filters]
    return blake2b(msgspec.json.encode(state), digest_size=16).hexdigest()


def _maker(config: Config) -> str:
    """Digest of what a page depends on besides the audit."""
    return blake2b(msgspec.json.encode([_program(), _extra(config)]), digest_size=16).hexdigest()


def _extra(config: Config) -> list[str | None]:
    """The settings files that change what pages say."""
    return [_text(path) if path is not None else None for path in (config.clients, config.prices, config.names)]


def _program() -> str:
    """Digest of what turns logs into pages: the package, its templates, and the packages that render and compile."""
    package = Path(__file__).parent
    templates = [
        folder for folder in (package / "site_templates", package.parents[1] / "site_templates") if folder.is_dir()
    ]
    digest = blake2b(digest_size=16)
    for name in _installed("altair", "jinja2", "markdown", "mkdocs", "mkdocs_material"):
        digest.update(f"{name}\0".encode())
    for folder in (package, *templates[:1]):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _installed(*packages: str) -> list[str]:
    """Names of the metadata folders of packages, which tell their versions; to ask Python for them takes longer."""
    found: set[str] = set()
    for place in sys.path:
        with suppress(OSError):
            found.update(path.name for path in Path(place or ".").glob("*.dist-info"))
    return sorted(name for name in found if name.partition("-")[0].lower() in packages)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path} cannot be read: {error}", MISUSE) from None
