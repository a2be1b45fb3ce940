"""Logs that stand elsewhere: ``s3://``, ``sftp://`` … by fsspec, with the few methods of ``Path`` that reading needs.

Only this module knows fsspec, which is part of the extra ``lms-audit[cluster]``. Cost: one listing per URL, and what is
read of the files; nothing is copied to this machine.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

from lms_audit.errors import MISUSE, AuditError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""A scheme of two letters or more: ``C:\\logs`` is a path."""

_TOKENS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""What file systems call the sign by which a file that was changed is known, best first."""


def is_url(text: str) -> bool:
    """The text names something fsspec has to open."""
    return _URL.match(text) is not None


def local(text: str) -> Path | None:
    """The path a ``file://`` URL means; ``None`` for any other URL."""
    parts = urlsplit(text)
    return Path(unquote(parts.path)) if parts.scheme.lower() == "file" else None


class Stat(NamedTuple):
    """The two members of ``os.stat_result`` that tell whether a file was changed."""

    st_size: int
    st_mtime_ns: int
    """No time, but as good: a number that is another one when the file is another one."""


class RemoteFile:
    """One file behind a URL. Every failure is an ``OSError``, whatever the file system raises."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, _mode: str = "rb") -> BinaryIO:
        try:
            file_system, path = _at(self.url)
            opened: BinaryIO = file_system.open(path, "rb")
        except AuditError:
            raise
        except Exception as error:
            raise _failed(error) from error
        return opened

    def stat(self) -> Stat:
        try:
            file_system, path = _at(self.url)
            file_system.invalidate_cache()
            return _stat(file_system.info(path))
        except AuditError:
            raise
        except Exception as error:
            raise _failed(error) from error


def listing(url: str) -> Iterator[tuple[str, str, Stat]]:
    """URL, name below ``url`` and state of every file at or below a URL. Raises ``OSError``."""
    try:
        file_system, path = _at(url)
        found: dict[str, Any] = file_system.find(path, detail=True)
    except AuditError:
        raise
    except Exception as error:
        raise _failed(error) from error
    base = path.rstrip("/")
    for name, info in sorted(found.items()):
        inside = name.removeprefix(base).lstrip("/")
        # The URL is not made of the file system's own name for the file, which has lost the host.
        yield (f"{url.rstrip('/')}/{inside}" if inside else url), inside, _stat(info)


def _at(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        found: tuple[Any, str] = url_to_fs(url)
    except ImportError as error:
        raise AuditError(f"{url} needs more: pip install 'lms-audit[cluster]' ({error})", MISUSE) from None
    except ValueError as error:
        raise AuditError(f"{url}: {error}", MISUSE) from None
    return found


def _stat(info: dict[str, Any]) -> Stat:
    value = next((info[name] for name in _TOKENS if info.get(name)), "")
    if isinstance(value, datetime):  # some listings give seconds where the file alone gives a time
        value = value.timestamp()
    token = str(round(value * 1000)) if isinstance(value, float) else str(value)
    number = int.from_bytes(blake2b(token.encode(), digest_size=7).digest(), "big")
    return Stat(int(info.get("size") or 0), number)


def _failed(error: Exception) -> OSError:
    if isinstance(error, OSError) and error.strerror:
        return error
    code = errno.ENOENT if isinstance(error, FileNotFoundError) else errno.EIO
    said = " ".join(str(error).split()) or type(error).__name__
    return OSError(code, "no such file or folder" if code == errno.ENOENT else said)
