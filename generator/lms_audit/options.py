"""Options and a settings file -> ``Config``: what a person typed, checked and made into a value.

An option beats the settings file, which beats the default. Paths in the settings file are relative to it.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from lms_audit.config import Config, Filters
from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Millis
from lms_audit.read.remote import is_url


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What options and settings file can say; ``None``: not said."""

    logs: tuple[str, ...] | None = None
    out: str | None = None
    since: str | None = None
    until: str | None = None
    project: str | None = None
    client: str | None = None
    model: str | None = None
    store: str | None = None
    no_store: bool | None = None
    clients: str | None = None
    prices: str | None = None
    names: str | None = None
    workers: int | None = None
    scheduler: str | None = None
    quiet: bool | None = None


PATHS = ("out", "store", "clients", "prices", "names")


def settings_file(path: Path) -> Settings:
    """The settings of a YAML file; its members are named as the options (``no-store``, ``since`` …)."""
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(
            f"the settings file {path} cannot be read: {getattr(error, 'strerror', error)}", MISUSE
        ) from None
    except yaml.YAMLError as error:
        raise AuditError(f"the settings file {path} is not YAML: {' '.join(str(error).split())}", MISUSE) from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise AuditError(f"the settings file {path} holds no names with values", MISUSE)
    plain = {str(name).replace("-", "_"): _plain(member) for name, member in value.items()}
    try:
        settings = msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise AuditError(f"the settings file {path}: {error}", MISUSE) from None
    here = path.parent
    moved: dict[str, Any] = {name: str(here / getattr(settings, name)) for name in PATHS if getattr(settings, name)}
    if settings.logs is not None:
        moved["logs"] = tuple(log if is_url(log) else str(here / Path(log).expanduser()) for log in settings.logs)
    return msgspec.structs.replace(settings, **moved)


def _plain(value: Any) -> Any:
    """YAML reads ``2026-11-03`` as a date, and a single log need not be a list."""
    return value.isoformat() if isinstance(value, date) else value


def config(
    given: Settings, path: Path | None, *, out: str | None, keeps: bool, names: bool = False
) -> tuple[Config, bool]:
    """The run asked for, and whether it is to be quiet.

    ``out``: the folder written to by default, ``None`` where one must be named. ``keeps``: what was read is kept beside
    that folder unless the user wants it elsewhere or nowhere. ``names``: the names file is written to, so it must be
    named and need not be there.
    """
    base = settings_file(path) if path is not None else Settings()
    said = {name: value for name, value in msgspec.structs.asdict(given).items() if value not in (None, ())}
    asked = msgspec.structs.replace(base, **said)
    folder = asked.out or out
    if folder is None:
        raise AuditError("name the folder to write to: -o DIR", MISUSE)
    site = Path(folder).expanduser()
    named = None if asked.store is None else Path(asked.store).expanduser()
    if asked.no_store and given.store is not None:
        raise AuditError("--store and --no-store exclude each other", MISUSE)
    beside = site.resolve().with_name(f"{site.resolve().name}.lms-audit.db") if keeps else None
    filters = Filters(
        since=None if asked.since is None else moment(asked.since, "--since"),
        until=None if asked.until is None else moment(asked.until, "--until", end=True),
        project=asked.project,
        client=asked.client,
        model=asked.model,
    )
    if filters.since is not None and filters.until is not None and filters.since >= filters.until:
        raise AuditError(f"--since {asked.since} is not before --until {asked.until}", MISUSE)
    if "" in (asked.logs or ()):  # an unset variable of the shell, not the folder at hand
        raise AuditError("no such file or folder: ''", MISUSE)
    if asked.workers is not None and asked.workers < 1:
        raise AuditError("--workers must be at least 1", MISUSE)
    if names and asked.names is None:
        raise AuditError("name the file to write names to: --names FILE", MISUSE)
    return Config(
        logs=tuple(log if is_url(log) else Path(log).expanduser() for log in asked.logs or ()),
        out=site,
        store=None if asked.no_store else named or beside,
        store_is_ours=named is None,
        clients=_file(asked.clients, "--clients"),
        prices=_file(asked.prices, "--prices"),
        names=Path(asked.names).expanduser() if names and asked.names else _file(asked.names, "--names"),
        filters=filters,
        workers=asked.workers,
        scheduler=asked.scheduler,
    ), bool(asked.quiet)


def _file(path: str | None, option: str) -> Path | None:
    if path is None:
        return None
    found = Path(path).expanduser()
    if not found.is_file():
        raise AuditError(f"{option} {path}: no such file", MISUSE)
    return found


_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"(\d{4})-(\d\d)")


def moment(text: str, option: str, *, end: bool = False) -> Millis:
    """Local milliseconds of a month, a day or a time; with ``end`` the first one after that month or day."""
    try:
        if (month := _MONTH.fullmatch(text)) is not None:
            year, number = int(month[1]), int(month[2])
            at = datetime(year + number // 12, number % 12 + 1, 1) if end else datetime(year, number, 1)  # noqa: DTZ001
        else:
            at = datetime.fromisoformat(text)
            if _DAY.fullmatch(text) and end:
                at = datetime.combine(at.date() + timedelta(days=1), time())
    except (ValueError, OverflowError):
        raise AuditError(
            f"{option} {text}: not a date; write 2026-11, 2026-11-03 or 2026-11-03T10:00", MISUSE
        ) from None
    if at.tzinfo is not None:
        raise AuditError(f"{option} {text}: the logs have no time zone; write a local time", MISUSE)
    return (at - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001
