"""Archives: all that is known of one project in one folder or zip, with a manifest that proves nothing was changed.

In: an audit and its library. Out: per project the exports (``share.export``), every message once (``items.jsonl``) and
what each request sent, as references to them (``prompts.jsonl``); ``manifest.json`` lists each file with its SHA-256.
The same audit gives the same bytes, zip files included, so an archive can live in version control.

Cost: one pass over the requests per project, each distinct message read once per project.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lms_audit import outdir
from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.selection import keep
from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Audit, FileHealth, Key, Library, Prompt
from lms_audit.share import schemas
from lms_audit.share.export import encode, write_health, write_jsonl
from lms_audit.share.rows import iso

MANIFEST = "manifest.json"
FORMAT = 1


class FileLine(Struct, frozen=True):
    """A file of an archive."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What an archive is and holds. It has no time of its making: the same audit gives the same manifest."""

    format: int
    project: str | None
    """``None``: the requests no project is known of."""
    requests: int
    sessions: int
    first_at: str | None
    last_at: str | None
    logs: tuple[str, ...]
    """Names of the logs the requests stand in."""
    files: tuple[FileLine, ...]


class Archive(Struct, frozen=True):
    """An archive that was written. ``digest``: SHA-256 of its manifest, to be noted elsewhere."""

    path: Path
    project: str | None
    digest: str


class Verdict(Struct, frozen=True):
    """What checking an archive found; no problems: it is as it was written."""

    path: Path
    project: str | None
    files: int
    digest: str | None
    problems: tuple[str, ...]


# --- writing --------------------------------------------------------------------------------------------------------


def pack(audit: Audit, tree: PromptTree, library: Library, out: Path, *, zipped: bool = False) -> tuple[Archive, ...]:
    """One archive per project in a folder. Archives written there before are replaced, other files are not touched."""
    projects = sorted({request.project for request in audit.requests}, key=lambda name: (name is None, name or ""))
    archives = []
    with outdir.drafting(out) as draft:
        files: dict[str, Path] = {}
        for project in projects:
            name = archive_name(project)
            folder = draft / name
            folder.mkdir()
            manifest = _write(_of_project(audit, tree, project), tree, library, folder, project)
            digest = sha256(manifest).hexdigest()
            if zipped:
                made = draft / f"{name}.zip"
                _zip(folder, made)
                files[made.name] = made
            else:
                files.update({f"{name}/{path.name}": path for path in sorted(folder.iterdir())})
            archives.append(Archive(out / (f"{name}.zip" if zipped else name), project, digest))
        outdir.write_files(out, "archive", files)
    return tuple(archives)


def archive_name(project: str | None) -> str:
    """``project-`` and a digest of the project's name, which may hold anything; the manifest tells the name."""
    if project is None:
        return "no-project"
    return "project-" + blake2b(project.encode("utf-8", "replace"), digest_size=5).hexdigest()


def _of_project(audit: Audit, tree: PromptTree, project: str | None) -> Audit:
    """The requests of one project, and of the logs' accounts only what concerns them."""
    part = keep(audit, tree, lambda request: request.project == project)
    spans: dict[str, list[tuple[int, int]]] = {}
    for request in part.requests:
        for where in request.source:
            spans.setdefault(where.file, []).append((where.first_line, where.last_line))

    def concerns(file: str, first: int, last: int) -> bool:
        return any(first <= end and last >= start for start, end in spans.get(file, ()))

    def account(file: FileHealth) -> FileHealth:
        problems = (p for p in file.problems if concerns(p.where.file, p.where.first_line, p.where.last_line))
        return replace(file, problems=tuple(problems), unknown_examples=())

    mismatches = (p for p in part.mismatches if concerns(p.where.file, p.where.first_line, p.where.last_line))
    files = tuple(account(file) for file in part.files if file.file in spans)
    return replace(part, files=files, mismatches=tuple(mismatches))


def _write(audit: Audit, tree: PromptTree, library: Library, folder: Path, project: str | None) -> bytes:
    write_jsonl(audit, folder)
    write_health(audit, folder / "health.json")
    schemas.write(folder)
    with (folder / "prompts.jsonl").open("wb") as file:
        for line in _prompts(audit, tree):
            file.write(encode(line) + b"\n")
    with (folder / "items.jsonl").open("wb") as file:
        for kind, key in _items(audit, tree):
            file.write(b'{"kind":"%s","key":"%s","value":%s}\n' % (kind.encode(), key.encode(), library.raw(key)))
    times = [at for r in audit.requests for at in (r.received_at, r.finished_at) if at is not None]
    manifest = Manifest(
        format=FORMAT,
        project=project,
        requests=len(audit.requests),
        sessions=len(audit.sessions),
        first_at=iso(min(times, default=None)),
        last_at=iso(max(times, default=None)),
        logs=tuple(file.file for file in audit.files),
        files=tuple(_line(path) for path in sorted(folder.iterdir())),
    )
    data = msgspec.json.format(encode(manifest), indent=1) + b"\n"
    (folder / MANIFEST).write_bytes(data)
    return data


class PromptLine(Struct, frozen=True, kw_only=True):
    """What a request sent: the first ``shared`` messages of the request ``like``, then ``messages``."""

    request_id: str
    like: str | None
    shared: int
    messages: tuple[Key, ...]
    list_name: str | None
    system: Key | None
    tools: Key | None
    params: Key | None
    order: tuple[str, ...]
    complete: bool


def _prompts(audit: Audit, tree: PromptTree) -> Iterator[PromptLine]:
    """One line per request with a body, written as what it adds to its parent's."""
    known: dict[str, int] = {}
    for request in audit.requests:
        prompt = request.prompt
        if prompt is None:
            continue
        like = request.parent_id if request.parent_id in known else None
        shared = tree.common(known[like], prompt.node) if like is not None else 0
        yield PromptLine(
            request_id=request.id,
            like=like if shared else None,
            shared=shared,
            messages=tuple(tree.path(prompt.node)[shared:]),
            list_name=prompt.list_name,
            system=prompt.system,
            tools=prompt.tools,
            params=prompt.params,
            order=prompt.order,
            complete=prompt.complete,
        )
        known[request.id] = prompt.node


def _items(audit: Audit, tree: PromptTree) -> Iterator[tuple[str, Key]]:
    """Each message, system member, tool set and set of parameters once, in order of first sending."""
    seen: set[tuple[str, Key]] = set()
    nodes: set[int] = {0}
    for prompt in (request.prompt for request in audit.requests):
        if prompt is None:
            continue
        for item in (*_members(prompt), *(("message", key) for key in _new_path(prompt.node, tree, nodes))):
            if item not in seen:
                seen.add(item)
                yield item


def _members(prompt: Prompt) -> Iterator[tuple[str, Key]]:
    for kind, key in (("system", prompt.system), ("tools", prompt.tools), ("params", prompt.params)):
        if key is not None:
            yield kind, key


def _new_path(node: int, tree: PromptTree, nodes: set[int]) -> list[Key]:
    """Messages on the way to a node that no earlier prompt went through."""
    keys = []
    while node not in nodes:
        nodes.add(node)
        keys.append(tree.key(node))
        node = tree.parent(node)
    return keys[::-1]


def _line(path: Path) -> FileLine:
    with path.open("rb") as file:
        size, digest = _hash(file)
    return FileLine(path.name, size, digest)


def _hash(file: IO[bytes]) -> tuple[int, str]:
    digest, size = sha256(), 0
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _zip(folder: Path, target: Path) -> None:
    """A zip whose bytes depend on the content alone: fixed times and rights, names in order."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as inside:
                while chunk := source.read(1 << 20):
                    inside.write(chunk)


# --- checking -------------------------------------------------------------------------------------------------------


def verify(path: Path) -> tuple[Verdict, ...]:
    """Check an archive (folder or zip), or a folder of archives. Raises ``AuditError`` where there is none."""
    if not path.exists():
        raise AuditError(f"no such file or folder: {path}", MISUSE)
    if path.is_file():
        return (_verify_zip(path),)
    if (path / MANIFEST).is_file():
        return (_verify_folder(path),)
    inside = sorted(path.iterdir())
    verdicts = [_verify_folder(folder) for folder in inside if (folder / MANIFEST).is_file()]
    verdicts += [_verify_zip(file) for file in inside if file.suffix == ".zip"]
    missing = tuple(_missing(path))
    if not verdicts and not missing:
        raise AuditError(f"{path} holds no archive: no {MANIFEST} in it or in its folders, and no zip", MISUSE)
    return (*verdicts, *missing)


def _missing(path: Path) -> Iterator[Verdict]:
    """Archives the marker of their folder knows, of which nothing is left to check."""
    names = {name.partition("/")[0] for name in outdir.ours(path) - {outdir.MARKER}}
    for name in sorted(names):
        there = path / name
        if not (there.is_file() or (there / MANIFEST).is_file()):
            yield Verdict(there, None, 0, None, ("the whole archive is missing",))


def _verify_folder(folder: Path) -> Verdict:
    def there() -> Iterator[str]:
        for path in sorted(folder.rglob("*")):
            if path.is_file() or path.is_symlink():
                yield path.relative_to(folder).as_posix()

    def hashed(name: str) -> tuple[int, str]:
        with (folder / name).open("rb") as file:
            return _hash(file)

    return _verdict(folder, (folder / MANIFEST).read_bytes(), set(there()), hashed)


def _verify_zip(path: Path) -> Verdict:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            root = next((name.removesuffix(MANIFEST) for name in names if name.endswith(f"/{MANIFEST}")), None)
            if root is None:
                return Verdict(path, None, 0, None, (f"no {MANIFEST} in it",))

            def hashed(name: str) -> tuple[int, str]:
                with archive.open(f"{root}{name}") as file:
                    return _hash(file)

            problems = [f"{name}: twice in the zip" for name in sorted(set(names)) if names.count(name) > 1]
            inside = {name.removeprefix(root) for name in names}
            verdict = _verdict(path, archive.read(root + MANIFEST), inside, hashed)
            return replace(verdict, problems=(*verdict.problems, *problems))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        return Verdict(path, None, 0, None, (f"cannot be read: {error}",))


def _verdict(path: Path, data: bytes, inside: set[str], hashed: Callable[[str], tuple[int, str]]) -> Verdict:
    digest = sha256(data).hexdigest()
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Verdict(path, None, 0, digest, (f"{MANIFEST}: {error}",))
    if manifest.format != FORMAT:
        return Verdict(path, manifest.project, 0, digest, (f"{MANIFEST}: format {manifest.format} is not known here",))
    problems = [problem for line in manifest.files if (problem := _compare(line, inside, hashed)) is not None]
    named = {line.name for line in manifest.files} | {MANIFEST}
    problems += [f"{name}: not part of the archive" for name in sorted(inside - named)]
    return Verdict(path, manifest.project, len(manifest.files), digest, tuple(problems))


def _compare(line: FileLine, inside: set[str], hashed: Callable[[str], tuple[int, str]]) -> str | None:
    if line.name not in inside:
        return f"{line.name}: missing"
    try:
        size, digest = hashed(line.name)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"{line.name}: cannot be read: {error}"
    if size != line.bytes:
        return f"{line.name}: {size} bytes, not {line.bytes}"
    return None if digest == line.sha256 else f"{line.name}: content was changed"
