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
    """``request:<id>``, ``session:<id>``, ``tool:<name>``, ``model:<name>``, ``client:<id>``, ``project:<name>``; views
    make the URL."""


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
    """``date or clock``, ``reminder moved``, ``history edited``, ``tool set changed``, ``system prompt changed``,
    ``compaction``, ``another request took the slot``, ``model reload``, ``model changed``, ``unknown``."""
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
    detail: str = ""
    """What changed, in plain words, e.g. ``"Tue Nov 11" became "Wed Nov 12"``; cut to one line."""
    where: str = ""
    """``tools``, ``system``, or the role of the first message that differs; empty where no difference was found."""
    reread_bytes: int = 0
    """Bytes behind the first difference that the predecessor's prompt held too."""


class ToolKind(StrEnum):
    """What a tool does, told from its name and arguments across clients; decides how its card looks."""

    SHELL = "shell"
    READ = "read"
    EDIT = "edit"
    SEARCH = "search"
    TODO = "todo"
    WEB = "web"
    AGENT = "agent"
    MCP = "mcp"
    OTHER = "other"


class Outcome(StrEnum):
    """How a tool call ended, as far as its result shows."""

    OK = "ok"
    FAILED = "failed"
    REJECTED = "rejected"
    """A person or a permission rule said no."""
    UNKNOWN = "unknown"
    """No later request shows a result."""


class CallFacts(Struct, frozen=True, kw_only=True):
    """What analysis knows of one tool call, besides the call itself (``Request.tool_calls[index]``)."""

    request_id: str
    session_id: str | None
    index: int
    """0-based place among the request's calls."""
    name: str
    kind: ToolKind
    argument: str
    """The one argument that matters (command, path, pattern …), one line, cut to 120 characters; may be empty."""
    outcome: Outcome
    reason: str = ""
    """Why it counts as failed or rejected: ``exit code 127``, ``flagged by the protocol``, ``command not found`` …"""
    exit_code: int | None = None
    malformed: bool = False
    nth: int = 1
    """This is the nth time the session makes the same call with the same arguments."""
    result_bytes: int | None = None
    reads: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()


class FileTouched(Struct, frozen=True):
    """One path the tools read or edited."""

    path: str
    reads: int
    edits: int
    sessions: tuple[str, ...]
    """In order of first touch."""
    requests: tuple[str, ...]
    """Requests whose answer touched it, in order."""


class SpeedPoint(Struct, frozen=True):
    """One request's rate at a depth of context."""

    request_id: str
    depth: int
    """Tokens of context at the middle of the work measured."""
    rate: float
    """Tokens per second."""


class SpeedBin(Struct, frozen=True):
    """Median rate of the requests in a range of depths (``from_depth`` ≤ depth < ``to_depth``)."""

    from_depth: int
    to_depth: int
    n: int
    median: float


class SpeedLaw(Struct, frozen=True):
    """How one kind of work slows down with context: points, binned medians, a straight line through ms per token."""

    model: str
    work: str
    """``prefill`` or ``decode``."""
    n: int
    points: tuple[SpeedPoint, ...]
    """At most 500, spread evenly over the depths; ``n`` counts all."""
    bins: tuple[SpeedBin, ...]
    ms_per_token: float | None
    """Milliseconds per token at depth 0 by least squares; ``None`` with fewer than 8 points or a spread too small."""
    ms_per_token_per_1000: float | None
    """How much each further 1,000 tokens of context add to it."""


class GapKind(StrEnum):
    """What the time between two requests of a session was for."""

    TOOLS = "tools"
    """The next prompt brings only tool results: the agent ran its tools."""
    PERSON = "person"
    """The next prompt brings words of a user."""
    UNKNOWN = "unknown"


class Gap(Struct, frozen=True):
    """Time between the end of what a session had in flight and its next request."""

    ms: float
    """0 where the requests overlap."""
    kind: GapKind


class Composition(Struct, frozen=True):
    """Bytes of a request's prompt by kind; together the whole prompt.

    ``system`` (member or message), ``developer``, ``tools`` (schemas), ``user``, ``assistant``, ``reasoning``,
    ``tool calls``, ``tool: NAME`` (results of a tool), ``media``, ``other``.
    """

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
    """Request id -> gap since its session's previous request ended; ``None`` for the first or without times."""
    cache_breaks: tuple[CacheBreak, ...]
    composition: dict[str, Composition]
    ledger: tuple[LedgerLine, ...]
    """Most re-sent bytes first."""
    span: tuple[Millis, Millis] | None
    gaps: dict[str, Gap] = field(default_factory=dict)
    """Request id -> the gap before it, with its kind; only where ``idle_ms`` has a value."""
    calls: dict[str, tuple[CallFacts, ...]] = field(default_factory=dict)
    """Request id -> facts of its tool calls, in order; only for requests that made any."""
    files_touched: tuple[FileTouched, ...] = ()
    """Most edited first, then most read."""
    speed: tuple[SpeedLaw, ...] = ()
    """By model, prefill before decode."""
