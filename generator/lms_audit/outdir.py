"""Folders the program writes: a marker in each lists what is in it, so that nothing else is ever touched.

A site folder appears whole, by one rename, or not at all; files a person put into it are carried over. An export's
files are replaced one by one. Cost: one directory listing besides the writing itself.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from lms_audit.errors import MISUSE, AuditError

MARKER = ".lms-audit.json"
DRAFT = ".lms-audit.draft"


class Marker(Struct, frozen=True, kw_only=True):
    """What the marker file says. It holds no time and no path of the machine."""

    kind: str
    """``site``, ``export`` or ``archive``."""
    state: str | None = None
    """Digest of everything the content depends on; the same state needs no second build."""
    files: tuple[str, ...] | None = None
    """All files of ours, relative; ``None`` while the folder is being written."""


def marker(folder: Path) -> Marker | None:
    """The marker of a folder of ours; ``None`` for any other."""
    try:
        return msgspec.json.decode((folder / MARKER).read_bytes(), type=Marker)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def ours(folder: Path) -> frozenset[str]:
    """Names of the files in a folder that the program wrote."""
    known = marker(folder)
    return frozenset((*known.files, MARKER)) if known and known.files else frozenset({MARKER})


def claim(folder: Path, kind: str) -> Marker | None:
    """Check that a folder may be replaced as a whole: it is missing, empty, or of this kind and ours."""
    _check_no_file(folder)
    known = marker(folder)
    if known is not None and known.kind != kind:
        raise AuditError(f"{folder} holds another output of this program ({known.kind}); choose another folder", MISUSE)
    if known is None and folder.exists() and any(folder.iterdir()):
        why = f"it is not empty and has no {MARKER}"
        raise AuditError(f"{folder} was not written by this program ({why}); choose another folder", MISUSE)
    return known


def _check_no_file(folder: Path) -> None:
    """Nothing can be written into a file, nor below one."""
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise AuditError(f"{there} is a file, not a folder", MISUSE)


def is_current(folder: Path, kind: str, state: str) -> bool:
    """The folder holds exactly this state, and none of its files is missing."""
    known = marker(folder)
    if known is None or known.kind != kind or known.state != state or known.files is None:
        return False
    return all((folder / name).is_file() for name in known.files)


def recover(folder: Path) -> None:
    """Clear what a killed run left beside a site: one half written goes, a previous one comes back.

    To be called by the run that holds the store: another run's half-written site looks just the same.
    """
    folder, new, old = _places(folder)
    if old.exists() and marker(old) is not None:
        if folder.exists():
            _retire(old, folder)
        else:
            old.rename(folder)
    if not new.exists():
        return
    known = marker(new)
    if known is None and any(new.iterdir()):
        raise AuditError(f"{new} is in the way and was not written by this program; move it", MISUSE)
    if known is None or known.files is None or not folder.exists():
        shutil.rmtree(new)
    else:  # the previous site, exchanged but not yet removed
        _retire(new, folder)


def _places(folder: Path) -> tuple[Path, Path, Path]:
    """A folder, where its successor is written, and where its predecessor stands between two renames."""
    folder = folder.resolve()
    return folder, folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


@contextmanager
def replacing(folder: Path, kind: str, state: str | None = None) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of ``folder``.

    That is one step where the system can do it. The old content stays readable and whole until then, and stays for good
    when the block fails or the process dies.
    """
    claim(folder, kind)
    recover(folder)
    folder, new, old = _places(folder)
    new.mkdir(parents=True)
    _write_marker(new, Marker(kind=kind))
    try:
        yield new
        files = tuple(sorted(_files(new) - {MARKER}))
        _write_marker(new, Marker(kind=kind, state=state, files=files))
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if not folder.exists():
        new.rename(folder)
        return
    if not _exchange(new, folder):
        folder.rename(old)
        new.rename(folder)
        old.rename(new)
    _retire(new, folder)


@contextmanager
def drafting(folder: Path) -> Iterator[Path]:
    """A place inside a folder where its next files are written before ``write_files`` moves them into it."""
    _check_no_file(folder)
    draft = folder / DRAFT
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def write_files(folder: Path, kind: str, files: dict[str, Path]) -> None:
    """Move finished files into a folder that may hold other people's files too; never over one of those."""
    known = marker(folder)
    if known is not None and known.kind != kind:
        raise AuditError(f"{folder} holds another output of this program ({known.kind}); choose another folder", MISUSE)
    mine = ours(folder)
    for name in files:
        if (folder / name).exists() and name not in mine:
            raise AuditError(f"{folder / name} was not written by this program; choose another folder", MISUSE)
    _write_marker(folder, Marker(kind=kind, files=tuple(sorted((mine | set(files)) - {MARKER}))))
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        source.replace(folder / name)


def _write_marker(folder: Path, content: Marker) -> None:
    draft = folder / f"{MARKER}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    draft.replace(folder / MARKER)


def _files(folder: Path) -> set[str]:
    return {(Path(base) / name).relative_to(folder).as_posix() for base, _, names in os.walk(folder) for name in names}


def _retire(old: Path, folder: Path) -> None:
    """Remove our files of a replaced folder and move everybody else's into the new one. Its marker goes last."""
    mine = ours(old)
    for name in sorted(_files(old) - {MARKER}):
        if name in mine:
            (old / name).unlink()
            continue
        target = folder / name
        while target.exists():  # a page of ours has that name now
            target = target.with_name(f"{target.name}.kept")
        target.parent.mkdir(parents=True, exist_ok=True)
        (old / name).rename(target)
    for base, _, _ in os.walk(old, topdown=False):
        if Path(base) != old:
            Path(base).rmdir()
    (old / MARKER).unlink(missing_ok=True)
    old.rmdir()


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; ``False`` where the system has no such call."""
    if not sys.platform.startswith("linux"):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done: int = rename(here, os.fsencode(one), here, os.fsencode(other), swap)
    return done == 0
