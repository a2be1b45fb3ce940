"""One SQLite file with all that was read; see the package.

Cost: one insert per new message; memory is the set of known hashes and caches of fixed size.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from lms_audit.errors import FAILURE, AuditError
from lms_audit.model import Key, Message, Tool
from lms_audit.read import discover, messages
from lms_audit.read.discover import LogFile
from lms_audit.read.events import READER_VERSION, FileDigest
from lms_audit.store.cache import Cache
from lms_audit.store.database import StoreDamagedError, connect, is_busy, refuse_foreign, set_aside
from lms_audit.store.packed import LEVEL, Packed, renamed, unpack, with_edges

GROWTH = 6
"""How much longer text mostly is than its compressed form: room made at once need not be made again and again."""

CACHE_BYTES = 40 << 20
"""Parsed messages kept at hand, by the size of their JSON."""
RAW_BYTES = 24 << 20
"""JSON texts kept at hand: a build looks at each several times, and to inflate it takes longer than the look."""


class Known(Struct, frozen=True, kw_only=True):
    """A file that was read before. ``mark``: ``discover.fingerprint`` of its first ``size`` bytes."""

    file: LogFile
    mark: bytes
    reader: int


class Store:
    """One SQLite file, held by one run at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, *, is_new: bool = False) -> None:
        self._db = connection
        self.path = path
        self._is_new = is_new
        self.notes: list[str] = []
        """What the user should be told, one line each."""
        with self._guard():
            self._keys: set[bytes] = {row[0] for row in connection.execute("SELECT key FROM item")}
            self._files = {known.file.path: known for known in self._rows()}
        self._outdated = False
        """A file was read anew: items only its earlier reading had may be left over."""
        self._raws: Cache[bytes] = Cache(RAW_BYTES)
        self._messages: Cache[Message] = Cache(CACHE_BYTES)
        self._tools: Cache[tuple[Tool, ...]] = Cache(CACHE_BYTES // 4)

    # --- opening ----------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path | None, *, named: bool = False) -> Store:
        """Open or make a store; ``None``: one that lives in memory and is gone after the run.

        ``named``: the user chose the file, so that one which is no store of ours is refused, not set aside.
        """
        if path is None:
            return cls(connect(":memory:"), None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if named:
                refuse_foreign(path)
            is_new = not path.exists()
            try:
                return cls(connect(str(path)), path, is_new=is_new)
            except (StoreDamagedError, sqlite3.DatabaseError) as error:
                if is_busy(error):
                    raise AuditError(
                        f"the store {path} is in use by another run; wait for it to end", FAILURE
                    ) from None
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = set_aside(path)
                store = cls(connect(str(path)), path)
                store.notes.append(f"the store was {error}; it is now {aside.name}, and all logs are read again")
                return store
        except (OSError, sqlite3.OperationalError) as error:
            raise AuditError(f"cannot open the store {path}: {error}", FAILURE) from None

    def close(self) -> None:
        """Fold the journal into the file and let go of it. One made for nothing is removed."""
        self._db.close()
        if self._is_new and not self._files and self.path is not None:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- files ------------------------------------------------------------------------------------------------------

    def known(self, path: Path) -> Known | None:
        """What is remembered of a file."""
        return self._files.get(path)

    def unchanged(self, file: LogFile) -> bool:
        """The file is as it was when this reader read it: it need not be opened."""
        known = self._files.get(file.path)
        return (
            known is not None
            and known.reader == READER_VERSION
            and (known.file.size, known.file.mtime_ns) == (file.size, file.mtime_ns)
        )

    def remembers(self, path: Path) -> bool:
        """A file of this path, or one below it, was read before."""
        return any(known == path or known.is_relative_to(path) for known in self._files)

    def below(self, scope: Iterable[Path]) -> tuple[LogFile, ...]:
        """All files read before that the given files and folders cover."""
        scope = tuple(scope)
        return tuple(
            known.file
            for path, known in sorted(self._files.items())
            if any(path == place or path.is_relative_to(place) for place in scope)
        )

    def digest(self, file: LogFile) -> FileDigest:
        """The digest of a file read before, without items and text of its edges, under the name the file has now.

        Raises ``LookupError`` where an earlier reader wrote it in a form this one does not know.
        """
        try:
            kept = unpack(self.packed(file))
        except (zlib.error, msgspec.MsgspecError) as error:
            if self._files[file.path].reader != READER_VERSION:
                raise LookupError(file.path) from None
            raise StoreDamagedError(f"damaged (digest of {file.inside}: {error})") from None
        return renamed(kept, file.name or file.inside)

    def packed(self, file: LogFile) -> bytes:
        """The same as it is kept, see ``unpack``."""
        with self._guard():
            row = self._db.execute("SELECT digest FROM file WHERE path = ?", (str(file.path),)).fetchone()
        return bytes(row[0])

    def whole(self, file: LogFile, digest: FileDigest) -> FileDigest:
        """A digest with the text of its edges."""
        with self._guard():
            row = self._db.execute("SELECT edges FROM file WHERE path = ?", (str(file.path),)).fetchone()
        try:
            head, tail = msgspec.msgpack.decode(zlib.decompress(row[0]), type=tuple[bytes, bytes])
        except (zlib.error, msgspec.MsgspecError) as error:
            raise StoreDamagedError(f"damaged (edges of {file.inside}: {error})") from None
        return with_edges(digest, head, tail)

    def lacks(self, items: Mapping[Key, bytes]) -> bool:
        """Whether one of the items that come without their text, as known from an earlier file, is not here."""
        return any(not data and bytes.fromhex(key) not in self._keys for key, data in items.items())

    def add(
        self, file: LogFile, mark: bytes, digest: Packed, items: Mapping[Key, bytes], *, resumed: bool = False
    ) -> None:
        """Keep a packed digest and the items it brings, in one transaction.

        ``resumed``: it continues the file's earlier digest, whose items stay.
        """
        keys = b"".join(map(bytes.fromhex, items))
        before = self._files.get(file.path)
        with self._guard(), self._transaction():
            if resumed:
                keys = self._keys_of(file.path) + keys
            self._insert(items)
            self._db.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    str(file.path),
                    str(file.root),
                    file.inside,
                    file.url,
                    file.size,
                    file.mtime_ns,
                    mark,
                    READER_VERSION,
                    digest.digest,
                    digest.edges,
                    keys,
                ),
            )
        self._files[file.path] = Known(file=file, mark=mark, reader=READER_VERSION)
        self._outdated = self._outdated or (before is not None and not resumed)

    def add_items(self, items: Mapping[Key, bytes]) -> None:
        """Keep items that belong to no single file: those of records that lay across two."""
        if items:
            with self._guard(), self._transaction():
                self._insert(items)

    def move(self, old: LogFile, new: LogFile) -> None:
        """A file read before is now at another place, unchanged."""
        known = self._files.pop(old.path)
        with self._guard(), self._transaction():
            self._db.execute(
                "UPDATE file SET path = ?, root = ?, inside = ?, mtime_ns = ? WHERE path = ?",
                (str(new.path), str(new.root), new.inside, new.mtime_ns, str(old.path)),
            )
        self._files[new.path] = msgspec.structs.replace(known, file=new)

    def twin(self, file: LogFile, exists: Callable[[Path], bool] = Path.exists) -> LogFile | None:
        """The file as it was read at another place where it no longer is; its last part of the name is the same."""
        mark = None
        if file.url is not None:
            return None
        for known in self._files.values():
            same = known.file.size == file.size and known.file.path.name == file.path.name
            if same and known.file.url is None and known.reader == READER_VERSION and not exists(known.file.path):
                mark = mark or discover.fingerprint(file.path, file.size)
                if mark == known.mark:
                    return known.file
        return None

    def sweep(self, extra: Iterable[Key] = ()) -> int:
        """Drop items no file refers to any more, after files were read anew; returns how many. ``extra`` stay too."""
        if not self._outdated:
            return 0
        with self._guard(), self._transaction():
            used = {bytes.fromhex(key) for key in extra}
            for (keys,) in self._db.execute("SELECT keys FROM file"):
                used.update(keys[at : at + 16] for at in range(0, len(keys), 16))
            gone = sorted(self._keys - used)
            self._db.executemany("DELETE FROM item WHERE key = ?", ((key,) for key in gone))
        self._keys -= set(gone)
        self._outdated = False
        return len(gone)

    # --- items: model.Library without ``path`` ----------------------------------------------------------------------

    def raw(self, key: Key) -> bytes:
        """JSON text of a stored item as sent (compact). Raises ``KeyError``."""
        found = self._raws.get(key)
        if found is None:
            with self._guard():
                row = self._db.execute("SELECT data FROM item WHERE key = ?", (bytes.fromhex(key),)).fetchone()
            if row is None:
                raise KeyError(key)
            try:
                found = zlib.decompress(row[0], bufsize=GROWTH * len(row[0]))
            except zlib.error as error:
                raise StoreDamagedError(f"damaged (item {key}: {error})") from None
            if len(found) < RAW_BYTES // 4:
                self._raws.put(key, found, len(found))
        return found

    def message(self, key: Key) -> Message:
        """A stored message in its one shape."""
        found = self._messages.get(key)
        if found is None:
            found = messages.message(key, self.raw(key))
            self._messages.put(key, found, found.size)
        return found

    def tools(self, key: Key) -> tuple[Tool, ...]:
        """The tools of a stored tool set, in order."""
        found = self._tools.get(key)
        if found is None:
            raw = self.raw(key)
            found = messages.tools(raw)
            self._tools.put(key, found, len(raw))
        return found

    def system_texts(self, key: Key) -> tuple[str, ...]:
        """The text blocks of a stored ``system`` / ``instructions`` member."""
        return messages.system_texts(self.raw(key))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[Known]:
        rows = self._db.execute("SELECT path, root, inside, url, size, mtime_ns, mark, reader FROM file")
        for path, root, inside, url, size, mtime_ns, mark, reader in rows:
            file = LogFile(path=Path(path), root=Path(root), inside=inside, url=url, size=size, mtime_ns=mtime_ns)
            yield Known(file=file, mark=mark, reader=reader)

    def _keys_of(self, path: Path) -> bytes:
        row = self._db.execute("SELECT keys FROM file WHERE path = ?", (str(path),)).fetchone()
        return bytes(row[0]) if row else b""

    def _insert(self, items: Mapping[Key, bytes]) -> None:
        for key, data in items.items():
            raw = bytes.fromhex(key)
            if raw in self._keys:
                continue
            # Short ones are not made smaller, but every one gets a checksum.
            self._db.execute("INSERT OR IGNORE INTO item VALUES (?, ?)", (raw, zlib.compress(data, LEVEL)))
            self._keys.add(raw)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            self._keys = {row[0] for row in self._db.execute("SELECT key FROM item")}
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """SQLite's errors as ours: a full disk is a failure, anything that cannot be is damage."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AuditError(f"cannot use the store {self.path or 'in memory'}: {error}", FAILURE) from None
        except sqlite3.DatabaseError as error:
            raise StoreDamagedError(f"damaged ({error})") from None
