"""The prompt audit of a session: which system prompts, developer messages and tools were sent, and each message once.

In: a part of a session. Out: texts with their versions, tools with the weight of their schemas, messages in order with
the request that first sent each. Texts are shown up to a limit; the whole is in the session's data.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from lms_audit.analyse.worddiff import Change, word_diff
from lms_audit.correlate.words import one_line
from lms_audit.model import Call, Key, Message, Reasoning, Request, Result, Role, Session, Text
from lms_audit.present.views.blocks import Place, ansi
from lms_audit.present.views.book import Book, slug, tool_set_path
from lms_audit.present.views.contents import shortened
from lms_audit.present.views.data import SessionData
from lms_audit.present.views.format import clock, count, size
from lms_audit.present.views.parts import Part

FIRST_SHOWN, LATER_SHOWN = 12_000, 3_000
"""Characters of the first system prompt or developer message, and of those after it, that stand on the page."""
MOST_DIFF = 200_000
PREVIEW = 140


class Version(Struct, frozen=True):
    """A system prompt or a developer message, and from which request on it was sent."""

    anchor: str
    title: str
    text: str
    size: str
    tokens: str
    requests: str
    more: str
    place: Place | None
    item: int
    changes: tuple[Change, ...] = ()
    """Against the version before it; empty for the first."""


class Offered(Struct, frozen=True):
    """A tool in a tool set."""

    name: str
    size: str
    tokens: str
    weight: float
    """Per cent of the heaviest tool."""
    calls: int
    anchor: str


class ToolSet(Struct, frozen=True):
    """A tool set and from which request on it was offered."""

    title: str
    size: str
    tokens: str
    requests: str
    tools: tuple[Offered, ...]
    change: str
    path: str
    """Page with its descriptions and schemas; sessions share it."""


class Sent(Struct, frozen=True):
    """A message in the order of first sending."""

    position: int
    role: str
    preview: str
    size: str
    bytes: int
    tokens: str
    times: int
    first: str
    first_path: str
    anchor: str
    """Where the conversation shows it; empty where it does not."""
    item: int
    replaced: bool
    truncated: bool


class Payload(Struct, frozen=True):
    """A request whose body can be put together again."""

    id: str
    label: str


class PromptAudit(Struct, frozen=True):
    """The four tabs, and the requests whose bodies can be shown."""

    payloads: tuple[Payload, ...]
    token_note: str
    """How tokens of a text are estimated; empty where nothing tells."""
    messages: tuple[Sent, ...]
    systems: tuple[Version, ...]
    developers: tuple[Version, ...]
    tool_sets: tuple[ToolSet, ...]


def preview_of(message: Message) -> str:
    """A message in one line."""
    texts = []
    for part in message.parts:
        if isinstance(part, Text | Reasoning | Result):
            texts.append(part.text[:600])
        elif isinstance(part, Call):
            texts.append(f"{part.name} {part.arguments[:300]}")
        else:
            texts.append(f"[{part.media_type}]")
    return one_line("".join(run.text for run in ansi(" ".join(texts))), PREVIEW)


class Scale:
    """Bytes of a session's prompts for each of their tokens, from the requests of which both are known."""

    def __init__(self, book: Book, session: Session) -> None:
        self._bytes = self._tokens = 0
        for request in map(book.requests.__getitem__, session.request_ids):
            held = book.report.composition.get(request.id)
            if held is not None and request.input_tokens and not request.truncated_by_log:
                self._bytes += sum(held.bytes.values())
                self._tokens += request.input_tokens

    def tokens(self, size: int) -> str:
        """``≈ 940``; empty where no request tells."""
        return f"≈ {count(round(size * self._tokens / self._bytes))}" if self._bytes and self._tokens else ""

    @property
    def note(self) -> str:
        """What the estimate rests on."""
        if not self._bytes or not self._tokens:
            return ""
        rate = f"{self._bytes / self._tokens:.1f}"
        return f"Tokens of single texts are estimated: this session’s prompts have {rate} bytes per token."


def _ranges(numbers: Iterable[int]) -> str:
    """``requests 1–4, 9``."""
    held = sorted(set(numbers))
    runs: list[list[int]] = []
    for number in held:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [f"{first}–{last}" if last > first else str(first) for first, last in runs[:6]]
    more = " …" if len(runs) > 6 else ""
    return f"request{'s' if len(held) > 1 else ''} {', '.join(words)}{more}"


def _texts(book: Book, requests: Iterable[Request], role: Role) -> dict[Key, tuple[str, list[int]]]:
    """Distinct system or developer texts, with the numbers of the requests that sent them."""
    found: dict[Key, tuple[str, list[int]]] = {}

    def add(key: Key, text: str, number: int) -> None:
        found.setdefault(key, (text, []))[1].append(number)

    for request in requests:
        prompt = request.prompt
        if prompt is None:
            continue
        number = book.number[request.id]
        if role is Role.SYSTEM and prompt.system is not None:
            add(prompt.system, "\n\n".join(book.library.system_texts(prompt.system)), number)
    return found


def _versions(book: Book, session: Session, role: Role, data: SessionData, scale: Scale) -> tuple[Version, ...]:
    requests = [book.requests[name] for name in session.request_ids]
    found = _texts(book, requests, role)
    for entry in book.audit.conversations.get(session.id, ()):
        message = book.library.message(entry.key)
        if message.role is role:
            text = "\n\n".join(part.text for part in message.parts if isinstance(part, Text))
            number = book.number[entry.request_id]
            held = found.setdefault(entry.key, (text, []))[1]
            held.extend(range(number, number + entry.times_sent))
    versions: list[Version] = []
    before: str | None = None
    for index, (key, (text, numbers)) in enumerate(found.items(), 1):
        shown = FIRST_SHOWN if index == 1 else LATER_SHOWN
        cut = len(text) > shown
        place = data.place(key, text) if cut else None
        last = len(requests)
        changes: tuple[Change, ...] = ()
        if before is not None and role is Role.SYSTEM and len(before) + len(text) < MOST_DIFF:
            changes = shortened(word_diff(before, text))
        before = text
        weight = len(text.encode("utf-8", "replace"))
        versions.append(
            Version(
                f"v-{key[:12]}",
                one_line(text, 70) or f"{role.value} {index}",
                text[:shown],
                size(weight),
                scale.tokens(weight),
                _ranges(min(number, last) for number in numbers),
                f"{count(len(text) - shown)} more characters" if cut else "",
                place,
                data.item(key),
                changes,
            )
        )
    return tuple(versions)


def _tool_sets(book: Book, session: Session, scale: Scale) -> tuple[ToolSet, ...]:
    numbers: dict[Key, list[int]] = {}
    calls: dict[str, int] = {}
    for name in session.request_ids:
        request = book.requests[name]
        if request.prompt is not None and request.prompt.tools is not None:
            numbers.setdefault(request.prompt.tools, []).append(book.number[name])
        for call in request.tool_calls:
            calls[call.title] = calls.get(call.title, 0) + 1
    sets = []
    before: set[str] | None = None
    for key, held in numbers.items():
        tools = book.library.tools(key)
        heaviest = max((tool.size for tool in tools), default=1) or 1
        offered = tuple(
            Offered(
                tool.name,
                size(tool.size),
                scale.tokens(tool.size),
                round(tool.size / heaviest * 100, 1),
                calls.get(tool.name, 0),
                slug(tool.name),
            )
            for tool in sorted(tools, key=lambda tool: (-tool.size, tool.name))
        )
        now = {tool.name for tool in tools}
        change = ""
        if before is not None:
            came, went = sorted(now - before), sorted(before - now)
            change = (
                "; ".join(
                    filter(
                        None, (f"came: {', '.join(came)}" if came else "", f"went: {', '.join(went)}" if went else "")
                    )
                )
                or "the same names, other schemas or order"
            )
        before = now
        total = sum(tool.size for tool in tools)
        title = f"{len(tools)} tools"
        sets.append(
            ToolSet(title, size(total), scale.tokens(total), _ranges(held), offered, change, tool_set_path(key))
        )
    return tuple(sets)


def sent_messages(book: Book, part: Part, data: SessionData, anchors: dict[Key, str], scale: Scale) -> tuple[Sent, ...]:
    """The messages of a part in the order of first sending."""
    found = []
    for entry in part.entries:
        message = book.library.message(entry.key)
        found.append(
            Sent(
                entry.position + 1,
                str(message.role),
                preview_of(message),
                size(message.size),
                message.size,
                scale.tokens(message.size),
                entry.times_sent,
                f"#{book.number[entry.request_id]}",
                book.request_path(entry.request_id) or "",
                anchors.get(entry.key, ""),
                data.item(entry.key),
                entry.replaced,
                message.truncated,
            )
        )
    return tuple(found)


def prompt_audit(book: Book, session: Session, part: Part, data: SessionData, anchors: dict[Key, str]) -> PromptAudit:
    """All four tabs; system prompts, developer messages and tools stand on the first part only."""
    first = part.request_ids[0] == session.request_ids[0]
    scale = Scale(book, session)
    return PromptAudit(
        payloads=tuple(
            Payload(name, f"#{book.number[name]}, {clock(book.requests[name].received_at)}")
            for name in part.request_ids
            if book.requests[name].prompt is not None
        ),
        token_note=scale.note,
        messages=sent_messages(book, part, data, anchors, scale),
        systems=_versions(book, session, Role.SYSTEM, data, scale) if first else (),
        developers=_versions(book, session, Role.DEVELOPER, data, scale) if first else (),
        tool_sets=_tool_sets(book, session, scale) if first else (),
    )
