"""Log files -> the store: what is new is read, in parallel where it pays, and nothing else is opened.

A file that is as it was is left alone; one that grew is read from its last record on; one that was rewritten, or read
by an older reader, is read again. Results reach the store in the order of the files, each in a transaction of its own,
so that a run killed at any moment has kept what it had done.

Cost: one pass over the new bytes. At most a few files' readings are in memory at a time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.model import Key
from lms_audit.progress import Progress
from lms_audit.read import discover
from lms_audit.read.bodies import Seen
from lms_audit.read.digest import digest, resume
from lms_audit.read.discover import LogFile
from lms_audit.read.events import READER_VERSION, FileDigest
from lms_audit.read.remote import RemoteFile, is_url
from lms_audit.store import Packed, Store, pack, renamed, unpack

WORTH_A_POOL = 16 << 20
"""Bytes to read from which on starting processes takes less time than it saves."""


class Job(Struct, frozen=True, kw_only=True):
    """One file for a worker process. ``previous``: its packed digest when it was ``size`` bytes long."""

    path: str
    """Or URL."""
    name: str
    previous: bytes | None = None
    size: int = 0
    mark: bytes = b""


class Reading(Struct, frozen=True, kw_only=True):
    """What a worker hands back."""

    digest: Packed = Packed()
    items: dict[Key, bytes] = {}
    """Content hash -> JSON; empty where the same process has handed it over with an earlier reading."""
    size: int = 0
    """Bytes of the file that were read; it may have grown meanwhile."""
    mtime_ns: int = 0
    mark: bytes = b""
    resumed: bool = False
    error: str | None = None


class Ingested(Struct, frozen=True, kw_only=True):
    """The files of this run in order, gone and refused ones included, and what was done."""

    files: tuple[LogFile, ...]
    marks: dict[str, str]
    """File name -> fingerprint: equal ones mean equal content."""
    read: int = 0
    resumed: int = 0
    bytes: int = 0
    notes: tuple[str, ...] = ()


def ingest(
    logs: Iterable[Path | str],
    store: Store,
    progress: Progress,
    *,
    executor: Callable[[], Executor] | None = None,
    workers: int | None = None,
) -> Ingested:
    """Bring the store up to date with the logs.

    ``executor`` makes whatever reads instead of processes of this machine; ``workers`` is how many of them there are.
    """
    found = discover.discover(tuple(logs), unchanged=store.unchanged, remembered=store.remembers)
    here = [_kept_if_unreadable(file, store) for file in found.files]
    paths = {file.path for file in here}
    gone = [replace(file, on_disk=False) for file in store.below(found.scope) if file.path not in paths]
    moved = [file for file in here if store.known(file.path) is None and file.refused is None]
    for file in moved:
        old = store.twin(file)
        if old is not None:
            store.move(old, file)
            gone = [other for other in gone if other.path != old.path]
    files = tuple(_refused_if_lost(file, store) for file in discover.arrange([*here, *gone]))
    jobs = [(file, _job(file, store)) for file in files if _to_read(file, store)]
    notes = tuple(_notes(files, store))
    total = sum(max(0, file.size - job.size) for file, job in jobs)
    progress.stage("read", total)
    changed: dict[Path, LogFile] = {}
    resumed = 0
    for file, job, done in _readings(jobs, total, progress, executor, workers):
        # an item the process had handed over before may have gone down with the reading it came with
        reading = read_file(job) if store.lacks(done.items) else done
        if reading.error is not None:
            changed[file.path] = replace(file, refused=reading.error)
            continue
        changed[file.path] = replace(file, size=reading.size, mtime_ns=reading.mtime_ns)
        store.add(changed[file.path], reading.mark, reading.digest, reading.items, resumed=reading.resumed)
        resumed += reading.resumed
    files = tuple(changed.get(file.path, file) for file in files)
    marks = {file.name: known.mark.hex() for file in files if (known := store.known(file.path)) and not file.refused}
    return Ingested(files=files, marks=marks, read=len(changed), resumed=resumed, bytes=total, notes=notes)


def digests(files: Iterable[LogFile], store: Store) -> Iterator[FileDigest]:
    """The digests of all files that could be read, in order, without their items."""
    for file in files:
        if file.refused is None:
            yield store.digest(file)


def _notes(files: Iterable[LogFile], store: Store) -> Iterator[str]:
    """What the user should know of a change of reader."""
    old = [file for file in files if (known := store.known(file.path)) and known.reader != READER_VERSION]
    kept = sum(not file.on_disk and file.refused is None for file in old)
    again = sum(file.on_disk and file.refused is None for file in old)
    if again:
        rest = f"; {kept} no longer on disk {'is' if kept == 1 else 'are'} kept as read" if kept else ""
        yield f"{again} log{'' if again == 1 else 's'} read again by a newer reader{rest}"


def _kept_if_unreadable(file: LogFile, store: Store) -> LogFile:
    """A log that cannot be opened today still counts as it was read before."""
    known = store.known(file.path)
    if file.refused is not None and file.refused.startswith("cannot be read") and known is not None:
        return replace(known.file, on_disk=False)
    return file


def _refused_if_lost(file: LogFile, store: Store) -> LogFile:
    """A deleted log whose digest an earlier version wrote in a form that cannot be read now is gone for good."""
    known = store.known(file.path)
    if file.on_disk or known is None or known.reader == READER_VERSION:
        return file
    try:
        store.digest(file)
    except LookupError:
        return replace(file, refused="no longer on disk, and was read by an earlier version")
    return file


def _to_read(file: LogFile, store: Store) -> bool:
    return file.on_disk and file.refused is None and not store.unchanged(file)


def _job(file: LogFile, store: Store) -> Job:
    known = store.known(file.path)
    if known is None or known.reader != READER_VERSION or known.file.size >= file.size:
        return Job(path=file.url or str(file.path), name=file.name)
    previous = store.packed(file)
    return Job(
        path=file.url or str(file.path), name=file.name, previous=previous, size=known.file.size, mark=known.mark
    )


# --- reading, here or elsewhere -------------------------------------------------------------------------------------

Todo = tuple[LogFile, Job]
Done = tuple[LogFile, Job, Reading]


def _readings(
    jobs: list[Todo],
    total: int,
    progress: Progress,
    executor: Callable[[], Executor] | None,
    workers: int | None,
) -> Iterator[Done]:
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    seen: Seen = {}
    if not jobs or (executor is None and (workers < 2 or total < WORTH_A_POOL)):
        for file, job in jobs:
            yield file, job, read_file(job, progress.advance, seen)
        return
    waiting = deque(jobs)
    # only of our own processes is it known that what one has handed over arrives before what it reads next
    work = read_file if executor is not None else _read_after_others
    with executor() if executor is not None else _processes(workers) as pool:
        running: deque[tuple[LogFile, Job, Future[Reading]]] = deque()
        try:
            while waiting or running:
                while waiting and len(running) < workers + 2:  # bounds what is in memory
                    file, job = waiting.popleft()
                    running.append((file, job, pool.submit(work, job)))
                file, job, future = running[0]
                reading = future.result()
                running.popleft()
                progress.advance(max(0, file.size - job.size))
                yield file, job, reading
        except BrokenExecutor:  # a worker was killed, by the system or by a person: what is left is read here
            waiting.extendleft((file, job) for file, job, _ in reversed(running))
    for file, job in waiting:
        yield file, job, read_file(job, progress.advance, seen)


def _processes(workers: int) -> Executor:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Started afresh, not forked: the same on every system, and safe beside the thread that draws the progress.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


_SEEN: Seen = {}
"""What the files have shown that this worker process has read."""


def _read_after_others(job: Job) -> Reading:
    return read_file(job, seen=_SEEN)


def read_file(job: Job, progress: Callable[[int], None] | None = None, seen: Seen | None = None) -> Reading:
    """Read one file, or what is new in it. Runs in worker processes; a file that cannot be read is an answer.

    ``seen`` is what the readings before this one have shown: agents repeat their history in the next file too.
    """
    # What reading needs of a path, a remote file has too.
    path = cast(Path, RemoteFile(job.path)) if is_url(job.path) else Path(job.path)
    count = 0

    def count_bytes(amount: int) -> None:
        nonlocal count
        count += amount
        if progress is not None:
            progress(amount)

    try:
        before = path.stat()
        previous = _continued(job, path)
        start = 0
        if previous is not None and previous.tail is not None:
            start = previous.tail.start
            result = resume(renamed(previous, job.name), path, progress=count_bytes, seen=seen)
        else:
            previous = None
            result = digest(path, job.name, progress=count_bytes, seen=seen)
        size = start + count
        after = path.stat()
        mark = discover.fingerprint(path, size)
    except OSError as error:
        return Reading(error=f"cannot be read: {error.strerror or error}")
    return Reading(
        digest=pack(result),
        items=result.items,
        size=size,
        # A file that grew while it was read has a newer time than these bytes; the earlier one makes it read on later.
        mtime_ns=after.st_mtime_ns if after.st_size == size else before.st_mtime_ns,
        mark=mark,
        resumed=previous is not None,
    )


def _continued(job: Job, path: Path) -> FileDigest | None:
    """The earlier digest, where the file still begins with the bytes it was made of."""
    if job.previous is None or discover.fingerprint(path, job.size) != job.mark:
        return None
    previous = unpack(job.previous)
    return None if previous.recoded else previous
