"""The file of a store: opened alone, of our kind and schema, whole; or refused, or set aside.

In: a path. Out: an SQLite connection that nobody else has, and the verdicts on what stands there instead of a store.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lms_audit.errors import MISUSE, AuditError
from lms_audit.read import discover

SCHEMA = 3
APPLICATION_ID = 0x4C4D5341
"""In the header of every store: tells one of ours from any other SQLite file."""

_TABLES = """
CREATE TABLE file (
    path TEXT PRIMARY KEY, root TEXT NOT NULL, inside TEXT NOT NULL, url TEXT, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    mark BLOB NOT NULL, reader INTEGER NOT NULL, digest BLOB NOT NULL, edges BLOB NOT NULL,
    keys BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE item (key BLOB PRIMARY KEY, data BLOB NOT NULL);
"""


class StoreDamagedError(Exception):
    """Something in the store cannot be what was written; it has to be set aside and the logs read again."""


def set_aside(path: Path) -> Path:
    """Move a store that cannot be used out of the way; an earlier one set aside is replaced."""
    aside = path.with_name(f"{path.name}.set-aside")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def connect(path: str) -> sqlite3.Connection:
    """A connection that holds the file alone until it is closed, or the process dies."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN EXCLUSIVE")
        _prepare(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store; refuse one of another kind or schema."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables == 0 and version == 0:
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return
    if version != SCHEMA or connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreDamagedError(f"written by another version (schema {version}, not {SCHEMA})")
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise StoreDamagedError(f"damaged ({str(damage).splitlines()[-1]})")


def refuse_foreign(path: Path) -> None:
    """A file the user named by mistake is left alone: another program's database, a log."""
    if path.is_dir():
        raise AuditError(f"the store {path} is a folder; name a file", MISUSE)
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(discover.SNIFF_BYTES)
    database = head.startswith(b"SQLite format 3\0") and len(head) >= 100
    if database and int.from_bytes(head[68:72], "big") not in (0, APPLICATION_ID):
        raise AuditError(f"{path} is a database of another program, not a store; name another file", MISUSE)
    if discover.has_prefix(head):
        raise AuditError(f"{path} is a log, not a store; name another file", MISUSE)


def is_busy(error: Exception) -> bool:
    """Another run holds the store."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname.startswith(
        ("SQLITE_BUSY", "SQLITE_LOCKED")
    )
