"""What one run is asked to do, as a value; reading options and files is the command line's business."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from lms_audit.model import Millis


class Filters(Struct, frozen=True, kw_only=True):
    """Which requests a run covers. ``None`` leaves that side open."""

    since: Millis | None = None
    """First local millisecond that counts."""
    until: Millis | None = None
    """First local millisecond that no longer counts."""
    project: str | None = None
    """A project's path, its last part, the name given to it, or a pattern with ``*``; case does not matter."""
    client: str | None = None
    """A client's id, or a pattern with ``*``."""
    model: str | None = None
    """The answering model, or the requested one where the log names no other; or a pattern with ``*``."""

    def __bool__(self) -> bool:
        return self != Filters()


class Config(Struct, frozen=True, kw_only=True):
    """One run. Paths are as the user gave them."""

    logs: tuple[Path | str, ...] = ()
    """Files and folders, and URLs as text; empty: LM Studio's own folders."""
    out: Path = Path("site")
    store: Path | None = None
    """``None``: nothing is kept between runs (``--no-store``)."""
    store_is_ours: bool = True
    """The store's place was chosen by the program, not named by the user."""
    clients: Path | None = None
    """Client rules of the user's own, in addition to ours."""
    prices: Path | None = None
    """A price list of the user's own, instead of ours."""
    names: Path | None = None
    """Names people gave to sessions and projects."""
    filters: Filters = Filters()
    workers: int | None = None
    """Processes that read; ``None``: one per core."""
    scheduler: str | None = None
    """Address of a Dask scheduler that reads instead."""
