"""What analysis hands to presentation: figures that know what they cover, tables of them, and findings."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from lms_audit.model import Audit, Key, Millis


class Unit(StrEnum):
    """How a number is to be written."""

    COUNT = "count"
    TOKENS = "tokens"
    MS = "ms"
    RATE = "tok/s"
    BYTES = "bytes"
    SHARE = "share"
    """0–1, written as per cent."""
    USD = "usd"
    TEXT = "text"
    TIME = "time"
    """Local milliseconds."""


class Figure(Struct, frozen=True):
    """One number with what it covers. ``value is None``: not logged."""

    value: float | int | str | None
    unit: Unit
    metric: str
    """Id of its definition on the definitions page."""
    n: int = 0
    """Requests (or other things counted) it is made of."""
    excluded: dict[str, int] = field(default_factory=dict)
    """Reason -> how many were left out."""
    sources: dict[str, int] = field(default_factory=dict)
    """``model.Source`` value -> how many of the ``n`` values come from it."""


class Row(Struct, frozen=True):
    """A named line of a table."""

    label: str
    cells: tuple[Figure, ...]
    link: str | None = None
    """``request:<id>``, ``session:<id>``, ``tool:<name>``, ``model:<name>``, ``client:<id>``, ``project:<name>``; views make the URL."""


class Table(Struct, frozen=True):
    """A titled table whose first column is the rows' label."""

    id: str
    title: str
    head: tuple[str, ...]
    """Column headings, the label column included."""
    rows: tuple[Row, ...]
    note: str = ""


class Severity(StrEnum):
    """How much a finding matters."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Finding(Struct, frozen=True):
    """A thing worth a look, with the rule that found it. ``sentence`` is one line of plain text."""

    rule: str
    severity: Severity
    sentence: str
    figure: Figure
    request_id: str | None = None
    session_id: str | None = None
    cost_ms: float = 0.0
    """Time it cost, for the order; 0 where it has none."""


class CacheBreak(Struct, frozen=True, kw_only=True):
    """A request whose prompt diverged from what the engine could have had cached."""

    request_id: str
    session_id: str
    against_id: str
    """The request it is compared with: its parent, or the one that used the model before it."""
    cause: str
    """``date or clock``, ``reminder moved``, ``history edited``, ``tool set changed``, ``system prompt changed``, ``compaction``,
    ``another request took the slot``, ``model reload``, ``unknown``."""
    position: int | None
    """Index of the first message that differs; ``None`` where the system member or the tools differ."""
    before: Key | None
    after: Key | None
    shared_share: float
    """Share of the prompt's bytes before the first difference, 0–1."""
    inferred_cached_tokens: int | None
    measured_cached_tokens: int | None
    lost_tokens: int | None
    """Tokens read again that the predecessor had already read."""
    lost_ms: float | None
    disagrees: bool
    """Measured and inferred cache differ by more than 10 % of the prompt."""


class Composition(Struct, frozen=True):
    """Bytes of a request's prompt by kind: ``system``, ``tools``, ``user``, ``assistant``, ``reasoning``, ``tool: NAME`` …"""

    request_id: str
    bytes: dict[str, int]


class LedgerLine(Struct, frozen=True):
    """A distinct message or tool set and what re-sending it cost."""

    key: Key
    kind: str
    """``message``, ``system``, ``tools``."""
    role: str
    preview: str
    size: int
    times_sent: int
    sessions: int
    first_request_id: str
    estimated_tokens: int | None
    """Inferred from the bytes-per-token ratio of the requests that hold it; a guess."""


class SessionFigures(Struct, frozen=True):
    """The overview card of a session: metric id -> figure, in reading order."""

    session_id: str
    figures: dict[str, Figure]


class Report(Struct, frozen=True, kw_only=True):
    """All that the pages show besides the audit itself."""

    audit: Audit
    tiles: dict[str, Figure]
    """Overview tiles in reading order."""
    tables: dict[str, Table]
    """The article's tables and others, by id, in reading order."""
    findings: tuple[Finding, ...]
    """Worst first."""
    sessions: dict[str, SessionFigures]
    idle_ms: dict[str, float | None]
    """Request id -> gap since its session's previous request ended; ``None`` for the first and where times are missing."""
    cache_breaks: tuple[CacheBreak, ...]
    composition: dict[str, Composition]
    ledger: tuple[LedgerLine, ...]
    """Most re-sent bytes first."""
    span: tuple[Millis, Millis] | None
