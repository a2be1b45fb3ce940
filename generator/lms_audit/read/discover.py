"""Which files are server logs, what they are called, and in which order they are read.

In: paths a user gave (or none: LM Studio's own folders). Out: ``LogFile``s with names relative to their log root, in an
order that depends on the files alone, never on the order of the arguments. Files that are not server logs, or cannot be
read, come out as well, with the reason.

Cost: one directory walk, and the first 64 KB of each file that is not known already.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path, PurePath

import msgspec
from msgspec import Struct

from lms_audit import outdir
from lms_audit.errors import FAILURE, MISUSE, AuditError
from lms_audit.read import framing
from lms_audit.read.remote import RemoteFile, is_url, listing, local

SUFFIXES = (".log", ".txt", ".jsonl")
"""What is looked at inside a folder; a file that is named itself may be called anything."""

SNIFF_BYTES = 65_536


class LogFile(Struct, frozen=True, kw_only=True):
    """A file to read, or one that was refused. ``name`` is set by ``arrange``."""

    path: Path
    """Absolute, symlinks resolved: the file's identity on this machine. For a URL, the URL as a path."""
    root: Path
    """The folder its name is relative to."""
    inside: str
    """Its path below the root, with ``/``."""
    url: str | None = None
    """Where it is to be opened, if not at ``path``."""
    size: int = 0
    mtime_ns: int = 0
    name: str = ""
    stream: str = ""
    """Files of one stream, in order, are one log that was rotated; a record may go on from one to the next."""
    on_disk: bool = True
    refused: str | None = None
    """Why it is not read."""

    def source(self) -> Path | RemoteFile:
        """What opens it."""
        return self.path if self.url is None else RemoteFile(self.url)


class Found(Struct, frozen=True):
    """What discovery saw. ``scope``: the files and folders asked for, to tell a deleted log from one not asked for."""

    files: tuple[LogFile, ...]
    scope: tuple[Path, ...]


def nothing_known(_file: LogFile) -> bool:
    """The default of ``discover``'s questions: no file was ever read before."""
    return False


def discover(
    logs: Sequence[Path | str] = (),
    *,
    unchanged: Callable[[LogFile], bool] = nothing_known,
    remembered: Callable[[Path], bool] = lambda _path: False,
    home: Path | None = None,
) -> Found:
    """All logs under ``logs`` (paths, or URLs as text), refused files included, not yet named or ordered.

    ``unchanged`` tells files that were read before and need not be opened; ``remembered`` tells paths that are gone
    from disk but were read before. Raises ``AuditError`` where there is nothing at all to read.
    """
    given = [_place_given(log) for log in logs] or _own_folders(home or Path.home())
    candidates: dict[Path, LogFile] = {}
    for place in given:
        for file in _below(place, remembered) if isinstance(place, str) else _under(place, remembered):
            known = candidates.get(file.path)
            # The outermost root names a file, so that the order of the arguments makes no difference.
            if known is None or (len(file.root.parts), str(file.root)) < (len(known.root.parts), str(known.root)):
                candidates[file.path] = file
    files = tuple(
        file if file.refused or unchanged(file) else msgspec.structs.replace(file, refused=_reason(file))
        for file in candidates.values()
    )
    scope = tuple(sorted({Path(place) if isinstance(place, str) else place.resolve() for place in given}))
    if not any(file.refused is None for file in files) and not any(remembered(path) for path in scope):
        raise _nothing_to_read(given if logs else [], files)
    return Found(files, scope)


def _place_given(log: Path | str) -> Path | str:
    if isinstance(log, str) and is_url(log):
        return local(log) or log
    return Path(log)


# --- LM Studio's own folders ----------------------------------------------------------------------------------------


def own_places(home: Path) -> tuple[Path, ...]:
    """Where LM Studio writes server logs, newest habit first; most of them will not exist."""
    places = [
        home / ".lmstudio" / "server-logs",
        home / ".lmstudio" / "apps" / "bionic" / "server-logs",
        home / ".cache" / "lm-studio" / "server-logs",
    ]
    try:  # a home moved to another disk leaves a note of where it went
        moved = Path((home / ".lmstudio-home-pointer").read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError):
        pass
    else:
        places += [moved / "server-logs", moved / "apps" / "bionic" / "server-logs"]
    places.append(Path("C:/tmp/lmstudio-server-log.txt") if os.name == "nt" else Path("/tmp/lmstudio-server-log.txt"))  # noqa: S108
    return tuple(dict.fromkeys(places))


def _own_folders(home: Path) -> list[Path | str]:
    places = own_places(home)
    there: list[Path | str] = [place for place in places if place.exists()]
    if not there:
        looked = ", ".join(str(place) for place in places)
        raise AuditError(f"no LM Studio server logs found; looked in: {looked}. Name a file or folder to read", FAILURE)
    return there


def _nothing_to_read(given: Sequence[Path | str], files: Sequence[LogFile]) -> AuditError:
    refused = sorted((file for file in files if file.refused), key=lambda file: natural(file.path.as_posix()))
    if len(given) == len(refused) == 1 and refused[0].path in (Path(given[0]), Path(given[0]).resolve()):
        return AuditError(f"{given[0]}: {refused[0].refused}", MISUSE)
    places = ", ".join(str(path) for path in given) or "LM Studio's folders"
    why = f"; {len(refused)} refused, the first: {refused[0].path.name}: {refused[0].refused}" if refused else ""
    kinds = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
    return AuditError(f"no LM Studio server logs found in {places} (looked for {kinds} at any depth){why}", FAILURE)


# --- walking --------------------------------------------------------------------------------------------------------

_MONTH = re.compile(r"\d{4}-\d\d")


def log_root(folder: Path) -> Path:
    """The folder names are relative to: LM Studio's month folders (``2026-11``) are part of the name."""
    return folder.parent if _MONTH.fullmatch(folder.name) else folder


def _under(path: Path, remembered: Callable[[Path], bool]) -> Iterator[LogFile]:
    real = path.resolve()
    try:
        status = real.stat()
    except FileNotFoundError:
        if remembered(real):
            return
        raise AuditError(f"no such file or folder: {path}", MISUSE) from None
    except OSError as error:
        yield _refused(real, log_root(real.parent), f"cannot be read: {error.strerror}")
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(real, log_root(real), set(), set())
    elif stat.S_ISREG(status.st_mode):
        root = log_root(real.parent)
        name = real.relative_to(root).as_posix()
        yield LogFile(path=real, root=root, inside=name, size=status.st_size, mtime_ns=status.st_mtime_ns)
    else:
        yield _refused(real, log_root(real.parent), "not a regular file")


def _below(url: str, remembered: Callable[[Path], bool]) -> Iterator[LogFile]:
    """Log candidates at or below a URL."""
    try:
        found = list(listing(url))
    except OSError as error:
        yield _refused(Path(url), log_root(Path(url).parent), f"cannot be read: {error.strerror}")
        return
    if not found and not remembered(Path(url)):
        raise AuditError(f"no such file or folder: {url}", MISUSE)
    for address, inside, status in found:
        if inside and not inside.lower().endswith(SUFFIXES):
            continue
        root = log_root(Path(url) if inside else Path(url).parent)
        yield LogFile(
            path=Path(address),
            root=root,
            inside=_relative(Path(address), root),
            url=address,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )


def _refused(path: Path, root: Path, why: str) -> LogFile:
    return LogFile(path=path, root=root, inside=_relative(path, root), refused=why)


def _walk(folder: Path, root: Path, seen: set[tuple[int, int]], ours: set[Path]) -> Iterator[LogFile]:
    """Log candidates below a folder.

    ``seen`` breaks loops of symlinks; ``ours`` are files of sites and exports, which only quote logs.
    """
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield _refused(folder, root, f"folder cannot be read: {error.strerror}")
        return
    if any(entry.name == outdir.MARKER for entry in entries):
        ours = ours | {folder / name for name in outdir.ours(folder)}
    for entry in entries:
        path = Path(entry.path)
        try:
            if entry.is_dir():
                yield from _walk(path, root, seen, ours)
                continue
            if not entry.name.lower().endswith(SUFFIXES) or path in ours or not entry.is_file():
                continue
            status = entry.stat()
            real = path.resolve()
        except OSError as error:  # a broken link, a file that went away, a loop
            if entry.name.lower().endswith(SUFFIXES):
                yield _refused(path, root, f"cannot be read: {error.strerror}")
            continue
        # A link out of the tree keeps the name it has in the tree; its identity is the file it points to.
        inside = (real if real.is_relative_to(root) else path).relative_to(root).as_posix()
        yield LogFile(path=real, root=root, inside=inside, size=status.st_size, mtime_ns=status.st_mtime_ns)


# --- sniffing -------------------------------------------------------------------------------------------------------

_MAGIC = (
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
)
# [2026-03-01 10:20:30.456] [info]  App started             lower-case level: LM Studio's Electron main.log
_ELECTRON = re.compile(
    rb"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[(?:error|warn|info|verbose|debug|silly)\]", re.MULTILINE
)
# type: llm.prediction.input                                `lms log stream` without --json
_PLAIN_STREAM = re.compile(rb"^type: llm\.prediction\.(?:input|output)\r?$", re.MULTILINE)
# May 06 10:00:00 host llmster[811]: [2026-05-06 10:00:00][INFO] Server started.
_WRAPPED = re.compile(rb'^(?P<before>[^"{\n]{1,160}?)(?=' + framing.PREFIX.pattern + rb")", re.MULTILINE)
_JOURNAL = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \S+: ?")
_QUOTATION = re.compile(rb"(?:>\x20?)+")
# {"log":"[2026-05-06 10:00:00][INFO] Server started.\n","stream":"stdout","time":"2026-05-06T10:00:00.1Z"}
_DOCKER = re.compile(rb'^\{\s?"log":\s?"[^\n]*",\s?"stream":\s?"std(?:out|err)"', re.MULTILINE)
_CONTROL = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes) -> str | None:
    """What else than a server log the first bytes of a file seem to be; ``None``: a server log, or an empty one."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16, as a Windows shell writes when output is redirected
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    text = head.removeprefix(framing.BOM)
    if has_prefix(head) or not text.strip(b"\0 \t\r\n"):
        return None
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if _ELECTRON.search(text):
        return "LM Studio's application log (Electron main.log), not its server log"
    if _PLAIN_STREAM.search(text):
        return "the plain output of `lms log stream`, which has no clear record boundaries; record it with --json"
    if len(_CONTROL.findall(text)) > len(text) // 100:
        return "a binary file"
    wrapped = _WRAPPED.search(text)
    if wrapped is not None:
        return f"a copy of one with something in front of every line{_unwrapping(wrapped['before'])}"
    if _DOCKER.search(text):
        return "a copy of one in Docker's JSON form; unwrap it first: jq -rj .log FILE > server.log"
    start = text.lstrip()[:1]
    if start in (b"{", b"["):
        return "a JSON file"
    if start == b"<":
        return "an HTML or XML file"
    return "a text file in which no line is one that LM Studio writes"


def _unwrapping(before: bytes) -> str:
    """How to get rid of what stands in front of the lines."""
    if _JOURNAL.fullmatch(before):
        return (
            ", as journald puts there; take it without that: journalctl -o cat, or "
            "sed -E 's/^[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [^ ]+ [^ ]+: ?//' FILE > server.log"
        )
    if _QUOTATION.fullmatch(before):
        return ", as a quotation has; take that away first: sed -E 's/^(> ?)+//' FILE > server.log"
    return (
        ", as journald, Docker or a quotation puts there; take that away first, as journalctl -o cat does, "
        f"or sed -E 's/^.{{{len(before)}}}//' FILE > server.log where it is equally long in all lines"
    )


def has_prefix(data: bytes) -> bool:
    """Some line starts as LM Studio's lines do."""
    return framing.Record(data[:256], 0, 1).form is not None or framing.START_DIRTY.search(data) is not None


def _reason(log: LogFile) -> str | None:
    """Why a file is refused, ``None`` for a server log. Reads on where a long body fills all of the first 64 KB."""
    try:
        with log.source().open("rb") as file:
            head = file.read(SNIFF_BYTES)
            what = sniff(head)
            if what is None:
                return None
            text = what.startswith(("a text file", "a JSON file", "a copy"))
            if text and len(head) == SNIFF_BYTES:
                overlap = head[-framing.REACH :]
                while chunk := file.read(1 << 20):
                    if has_prefix(overlap + chunk):
                        return None
                    overlap = chunk[-framing.REACH :]
            if text and _DATED.fullmatch(log.path.name):  # the middle of a body longer than a whole file
                return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"not a server log: it seems to be {what}"


def fingerprint(path: Path | RemoteFile, size: int) -> bytes:
    """Digest of the first and last 64 KB of a file's first ``size`` bytes: tells one that grew from one rewritten."""
    digest = blake2b(size.to_bytes(8, "big"), digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(min(SNIFF_BYTES, size)))
        file.seek(max(0, size - SNIFF_BYTES))
        digest.update(file.read(min(SNIFF_BYTES, size)))
    return digest.digest()


# --- names and order ------------------------------------------------------------------------------------------------

# 2026-11-03.10.log
_DATED = re.compile(r"(?P<date>\d{4}-\d\d-\d\d)(?:\.(?P<number>\d+))?\.(?:log|txt|jsonl)", re.IGNORECASE)
# server.10.log
_NUMBERED = re.compile(r"(?P<base>.*?)[.-](?P<number>\d+)(?P<suffix>\.[A-Za-z]+)?")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which ``.9.log`` stands before ``.10.log``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((1, int(part), part) if index % 2 else (0, 0, part) for index, part in enumerate(parts) if part)


def arrange(files: Iterable[LogFile]) -> tuple[LogFile, ...]:
    """The same files with name and stream, streams in order of their first day, each in the order it was written."""
    named = [msgspec.structs.replace(file, stream=_place(name)[0], name=name) for file, name in _names(list(files))]
    first: dict[str, str] = {}
    for file in named:
        day = _place(file.name)[1]
        first[file.stream] = min(day, first.get(file.stream, day))
    named.sort(key=lambda f: (first[f.stream], natural(f.stream), *_place(f.name)[1:], natural(f.name)))
    return tuple(named)


def _names(files: list[LogFile]) -> Iterator[tuple[LogFile, str]]:
    label: dict[Path, str] = {}
    if len({file.inside for file in files}) < len(
        files
    ):  # two roots hold files of one name: each name gets its root's in front
        label = _labels({file.root for file in files})
    for file in files:
        yield file, f"{label[file.root]}/{file.inside}" if label else file.inside


def _relative(path: PurePath, root: PurePath) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _labels(roots: set[Path]) -> dict[Path, str]:
    """For each root as many of its last parts as tell it from all others."""
    ordered = sorted(roots)
    for depth in range(1, max(len(root.parts) for root in ordered) + 1):
        labels = {root: "/".join(part.strip("/\\:") for part in root.parts[-depth:]) for root in ordered}
        if len(set(labels.values())) == len(labels):
            return labels
    return {root: f"root-{index}" for index, root in enumerate(ordered, 1)}


def _place(name: str) -> tuple[str, str, int]:
    """Stream, day and number of a file: ``a/2026-11/2026-11-03.10.log`` is that day's tenth in the stream ``a``."""
    folder, _, base = name.rpartition("/")
    dated = _DATED.fullmatch(base)
    if dated:
        parent, _, last = folder.rpartition("/")
        return (parent if _MONTH.fullmatch(last) else folder), dated["date"], int(dated["number"] or 0)
    numbered = _NUMBERED.fullmatch(base)
    if numbered:
        stream = f"{numbered['base']}{numbered['suffix'] or ''}"
        return f"{folder}/{stream}" if folder else stream, "9999", int(numbered["number"])
    return name, "9999", 0
