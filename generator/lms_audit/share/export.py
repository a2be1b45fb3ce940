"""An audit as files for other programs: JSON Lines, CSV, Parquet, SQLite.

In: an audit. Out: ``requests``, ``sessions`` and ``tool_calls`` in the format asked for, and ``health.json``. Names are
the same in all formats; what CSV and SQLite cannot nest is JSON text in one cell.

Cost: one row at a time, except Parquet, which polars holds whole.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from lms_audit import outdir
from lms_audit.model import Audit
from lms_audit.share import rows


class Format(StrEnum):
    """What an export can be written as."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    SQLITE = "sqlite"


Rows = Callable[[Audit], Iterator[msgspec.Struct]]

TABLES: dict[str, tuple[type[msgspec.Struct], Rows]] = {
    "requests": (rows.RequestRow, rows.request_rows),
    "sessions": (rows.SessionRow, rows.session_rows),
    "tool_calls": (rows.ToolCallRow, rows.tool_call_rows),
}

_encoder = msgspec.json.Encoder(decimal_format="number")


def export(audit: Audit, out: Path, format: Format = Format.JSONL) -> tuple[Path, ...]:  # noqa: A002
    """Write the files of one format into a folder; returns them. Other people's files in it are not touched."""
    with outdir.drafting(out) as draft:
        written = tuple(_WRITERS[format](audit, draft))
        files = (*written, write_health(audit, draft / "health.json"))
        outdir.write_files(out, "export", {path.name: path for path in files})
    return tuple(out / path.name for path in files)


def write_health(audit: Audit, path: Path) -> Path:
    """The account of all files, as JSON for people too."""
    path.write_bytes(msgspec.json.format(encode(rows.health(audit)), indent=1) + b"\n")
    return path


def encode(value: Any) -> bytes:
    """JSON text of a row; half of a surrogate pair, which no UTF-8 can hold, becomes a replacement character."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_clean(msgspec.to_builtins(value)))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(member) for member in value]
    return value


# --- formats --------------------------------------------------------------------------------------------------------


def write_jsonl(audit: Audit, folder: Path) -> list[Path]:
    """All tables as JSON Lines in a folder."""
    return list(_jsonl(audit, folder))


def _jsonl(audit: Audit, folder: Path) -> Iterator[Path]:
    for name, (_, make) in TABLES.items():
        path = folder / f"{name}.jsonl"
        with path.open("wb") as file:
            for row in make(audit):
                file.write(encode(row) + b"\n")
        yield path


def _csv(audit: Audit, folder: Path) -> Iterator[Path]:
    for name, (kind, make) in TABLES.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(kind.__struct_fields__)
            for row in make(audit):
                writer.writerow(_words(cell) for cell in _cells(row))
        yield path


def _words(cell: str | float | bool | None) -> str | float | None:
    return str(cell).lower() if isinstance(cell, bool) else cell


def _cells(row: msgspec.Struct) -> Iterator[str | float | bool | None]:
    """A row's members, nested ones as JSON text."""
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if name == "arguments" or not isinstance(value, str | int | float | bool | None):
            yield encode(value).decode()
        elif isinstance(value, str):
            yield _clean(str(value))
        else:
            yield value


def _sqlite(audit: Audit, folder: Path) -> Iterator[Path]:
    path = folder / "audit.sqlite"
    with sqlite3.connect(path) as connection:
        for name, (kind, make) in TABLES.items():
            columns = kind.__struct_fields__
            types = (f'"{column}" {_sql_type(hint)}' for column, hint in _hints(kind).items())
            connection.execute(f"CREATE TABLE {name} ({', '.join(types)})")
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT INTO {name} VALUES ({marks})"  # noqa: S608  names are those of our types
            connection.executemany(insert, (tuple(_cells(row)) for row in make(audit)))
    connection.close()
    yield path


def _parquet(audit: Audit, folder: Path) -> Iterator[Path]:
    import polars as pl

    for name, (kind, make) in TABLES.items():
        schema = {column: _polars_type(column, hint, pl) for column, hint in _hints(kind).items()}
        data: dict[str, list[Any]] = {column: [] for column in schema}
        for row in make(audit):
            for column, hint in _hints(kind).items():
                data[column].append(_native(column, hint, getattr(row, column)))
        path = folder / f"{name}.parquet"
        pl.DataFrame(data, schema=schema).write_parquet(path, compression="zstd", statistics=True)
        yield path


_WRITERS: dict[Format, Callable[[Audit, Path], Iterator[Path]]] = {
    Format.JSONL: _jsonl,
    Format.CSV: _csv,
    Format.SQLITE: _sqlite,
    Format.PARQUET: _parquet,
}

# --- types ----------------------------------------------------------------------------------------------------------

_hints = partial(get_type_hints, include_extras=True)


def _bare(hint: Any) -> Any:
    """A member's type without ``| None`` and annotations."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (UnionType, Union):
        return next(_bare(part) for part in get_args(hint) if part is not type(None))
    return hint


def _is_time(hint: Any) -> bool:
    return any(part == rows.Time for part in (hint, *get_args(hint)))


def _sql_type(hint: Any) -> str:
    return {int: "INTEGER", bool: "INTEGER", float: "REAL"}.get(_bare(hint), "TEXT")


def _polars_type(name: str, hint: Any, pl: ModuleType) -> Any:
    if _is_time(hint):
        return pl.Datetime("ms")
    kind = _bare(hint)
    simple = {int: pl.Int64(), bool: pl.Boolean(), float: pl.Float64(), str: pl.String()}
    if name != "arguments" and kind in simple:
        return simple[kind]
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        if inner is str:
            return pl.List(pl.String())
        members = {member: _polars_type(member, part, pl) for member, part in _hints(inner).items()}
        return pl.List(pl.Struct(members))
    return pl.String()


def _native(name: str, hint: Any, value: Any) -> Any:
    """A member as polars takes it: times as times, lists as lists, what has no fixed shape as JSON text."""
    if value is None and name != "arguments":
        return None
    if _is_time(hint):
        return datetime.fromisoformat(value)
    kind = _bare(hint)
    if name == "arguments" or get_origin(kind) is dict:
        return encode(value).decode()
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        if inner is str:
            return [_clean(str(member)) for member in value]
        parts = _hints(inner)
        return [{part: _native(part, parts[part], getattr(member, part)) for part in parts} for member in value]
    return _clean(str(value)) if isinstance(value, str) else value
