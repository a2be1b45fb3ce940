"""The prompt ledger: system prompts and tool sets with their versions, and every distinct thing that was sent.

In: the book. Out: view data; what its re-sending cost most comes first. Cost: a word diff for each of the first
``MOST_SYSTEMS`` system prompts.
"""

from __future__ import annotations

from msgspec import Struct, field

from lms_audit.analyse.worddiff import Change, word_diff
from lms_audit.correlate.words import one_line
from lms_audit.model import Key, Request, Role
from lms_audit.present.plots import Chart
from lms_audit.present.views.book import Book, tool_set_path
from lms_audit.present.views.contents import DIFF_CHARS, plain, shortened
from lms_audit.present.views.format import NOT_LOGGED, count, share, size
from lms_audit.present.views.overview import content_chart

MOST_LINES = 400
MOST_SYSTEMS = 120
ALIKE = 60
"""Characters at the start that two versions of a system prompt have in common."""


class LedgerRow(Struct, frozen=True):
    """A distinct message, system member or tool set."""

    anchor: str
    kind: str
    role: str
    preview: str
    size: str
    bytes: int
    times: int
    sessions: int
    resent: str
    resent_bytes: int
    tokens: str
    first_path: str


class SystemLine(Struct, frozen=True):
    """A distinct system prompt or developer message, with what changed since the client's last one like it."""

    icon: str
    client: str
    title: str
    path: str
    """Where a session's prompt audit shows it."""
    size: str
    requests: str
    sessions: str
    changes: tuple[Change, ...]


class ToolSetLine(Struct, frozen=True):
    """A distinct tool set."""

    path: str
    names: str
    tools: int
    size: str
    requests: str
    icon: str
    client: str


class PromptsPage(Struct, frozen=True):
    """The ledger."""

    systems: tuple[SystemLine, ...]
    more_systems: str
    tool_sets: tuple[ToolSetLine, ...]
    rows: tuple[LedgerRow, ...]
    more: str
    charts: tuple[Chart, ...]
    distinct: str
    sent: str
    repeated: str


class _Uses(Struct):
    """Who sent a thing."""

    first: Request
    requests: int = 0
    sessions: set[str] = field(default_factory=set)


def _system_uses(book: Book) -> dict[Key, _Uses]:
    """Distinct system prompts and developer messages in order of first use."""
    found: dict[Key, _Uses] = {}

    def add(key: Key, request: Request, times: int) -> None:
        held = found.setdefault(key, _Uses(request))
        held.requests += times
        held.sessions.add(request.session_id or "")

    for request in book.audit.requests:
        if request.prompt is not None and request.prompt.system is not None and request.session_id in book.sessions:
            add(request.prompt.system, request, 1)
    for entries in book.audit.conversations.values():
        for entry in entries:
            if book.library.message(entry.key).role in (Role.SYSTEM, Role.DEVELOPER):
                add(entry.key, book.requests[entry.request_id], entry.times_sent)
    return dict(sorted(found.items(), key=lambda pair: (pair[1].first.received_at or 0, pair[1].first.id)))


def _alike(before: str, after: str) -> bool:
    """Whether two texts are versions of one: they begin the same."""
    return before[:ALIKE] == after[:ALIKE]


def _systems(book: Book) -> tuple[SystemLine, ...]:
    found: list[SystemLine] = []
    last: dict[str, list[str]] = {}
    for key, uses in _system_uses(book).items():
        text = plain(book, key)
        client = uses.first.client
        before = next((held for held in reversed(last.setdefault(client, [])) if _alike(held, text)), None)
        last[client].append(text)
        changes: tuple[Change, ...] = ()
        if before is not None and before != text and len(before) + len(text) < DIFF_CHARS and len(found) < MOST_SYSTEMS:
            changes = shortened(word_diff(before, text))
        found.append(
            SystemLine(
                icon=book.icon(client),
                client=book.client_name(client),
                title=one_line(text, 90) or "(no text)",
                path=f"{book.session_path(uses.first.session_id or '')}#v-{key[:12]}",
                size=size(len(text.encode("utf-8", "replace"))),
                requests=count(uses.requests),
                sessions=count(len(uses.sessions)),
                changes=changes,
            )
        )
    return tuple(found)


def _tool_sets(book: Book) -> tuple[ToolSetLine, ...]:
    uses: dict[Key, _Uses] = {}
    for request in book.audit.requests:
        if request.prompt is not None and request.prompt.tools is not None and request.session_id in book.sessions:
            uses.setdefault(request.prompt.tools, _Uses(request)).requests += 1
    found = []
    for key, held in uses.items():
        tools = book.library.tools(key)
        found.append(
            ToolSetLine(
                path=tool_set_path(key),
                names=one_line(", ".join(tool.name for tool in tools), 160),
                tools=len(tools),
                size=size(sum(tool.size for tool in tools)),
                requests=count(held.requests),
                icon=book.icon(held.first.client),
                client=book.client_name(held.first.client),
            )
        )
    return tuple(found)


def prompts_page(book: Book) -> PromptsPage:
    """The ledger, most re-sent bytes first."""
    lines = book.report.ledger
    rows = tuple(
        LedgerRow(
            anchor=f"k-{held.key[:16]}",
            kind=held.kind,
            role=held.role,
            preview=held.preview,
            size=size(held.size),
            bytes=held.size,
            times=held.times_sent,
            sessions=held.sessions,
            resent=size(held.size * (held.times_sent - 1)),
            resent_bytes=held.size * (held.times_sent - 1),
            tokens=NOT_LOGGED if held.estimated_tokens is None else f"≈ {count(held.estimated_tokens)}",
            first_path=book.request_path(held.first_request_id) or "",
        )
        for held in lines[:MOST_LINES]
    )
    systems = _systems(book)
    distinct = sum(held.size for held in lines)
    sent = sum(held.size * held.times_sent for held in lines)
    return PromptsPage(
        systems=systems[:MOST_SYSTEMS],
        more_systems=f"{count(len(systems) - MOST_SYSTEMS)} more are not listed."
        if len(systems) > MOST_SYSTEMS
        else "",
        tool_sets=_tool_sets(book),
        rows=rows,
        more=f"{count(len(lines) - MOST_LINES)} more, each re-sent less, are not listed."
        if len(lines) > MOST_LINES
        else "",
        charts=content_chart(book),
        distinct=size(distinct),
        sent=size(sent),
        repeated=share((sent - distinct) / sent) if sent else NOT_LOGGED,
    )
