"""The book as documents for the full-text search: every distinct text once, with the place where it shows.

In: the book, and which stored items stand in which session's data file. Out: ``Document`` objects, session by session:
title, prompts, answers, tool calls, results, errors; then the tools that were offered and the paths that were touched.
A text that several sessions share is told at the first, with how many others have it. Long texts are not handed over a
second time to be kept: the search reads them where the session's page does.

Cost: one look at each message's parts, and for long ones a walk over the message's JSON.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from msgspec import Struct, msgpack

from lms_audit.model import Call, Entry, Json, Key, Media, Message, Reasoning, Request, Result, Role, Session, Tool
from lms_audit.present.search import KEPT_ELSEWHERE, Document, DocumentKind, Source
from lms_audit.present.text import one_line
from lms_audit.present.views.book import Book, slug, tool_set_path
from lms_audit.present.views.format import clock, count
from lms_audit.present.views.ways import way_to
from lms_audit.read.payload import decode

Held = Mapping[str, Mapping[Key, tuple[int, int]]]
"""Session -> stored item -> the part of the session's data file that has it, and its place among that part's items."""


class Telling(Struct, frozen=True):
    """The documents of one session, or those that belong to none."""

    session: str | None
    told_first: bytes
    """What decides, besides the session itself, which documents these are and what they say of one another."""
    documents: Callable[[], Iterator[Document]]


def documents(book: Book, held: Held) -> Iterator[Document]:
    """Everything that can be found, in a fixed order."""
    for telling in tellings(book, held):
        yield from telling.documents()


def tellings(book: Book, held: Held) -> Iterator[Telling]:
    """The same by session, so that what has not changed need not be told again."""
    teller = _Teller(book, held)
    for session in book.audit.sessions:
        plan = teller.plan(session)
        yield Telling(session.id, msgpack.encode(plan), partial(teller.session, session, plan))
    yield Telling(None, b"", teller.paths)


class _Plan(Struct, frozen=True, array_like=True):
    """Which texts a session is the first to tell."""

    entries: tuple[tuple[int, int], ...]
    """Of its conversation: place, and how many other sessions have the message too."""
    systems: dict[str, Key]
    """Request -> its system member."""
    tools: dict[str, tuple[tuple[str, str], ...]]
    """Request -> name and text of tools."""
    results: tuple[tuple[str, int], ...]
    """Request and place of calls whose result stands in no message told so far."""


class _Teller:
    def __init__(self, book: Book, held: Held) -> None:
        self._book = book
        self._held = held
        self._told: set[str] = set()
        """Keys of items, and texts of tools."""
        self._calls: Counter[str] = Counter()
        """Request -> calls told so far: an answer may be spread over several messages."""
        self._made = {
            (request.session_id, call.result_key, call.id or ""): (request.id, index)
            for request in book.audit.requests
            for index, call in enumerate(request.tool_calls)
        }
        """(session, message, call id) of a result -> the call it belongs to."""
        self._sessions_with = Counter(
            key for entries in book.audit.conversations.values() for key in {entry.key for entry in entries}
        )

    def plan(self, session: Session) -> _Plan:
        """What the session tells; sessions have to be asked for in their order."""
        book = self._book
        conversation = book.audit.conversations.get(session.id, ())
        entries = tuple(
            (place, self._sessions_with[entry.key] - 1)
            for place, entry in enumerate(conversation)
            if self._is_new(entry.key)
        )
        answered = {entry.answers for entry in conversation}
        systems: dict[str, Key] = {}
        tools: dict[str, tuple[tuple[str, str], ...]] = {}
        results: list[tuple[str, int]] = []
        for name in session.request_ids:
            request = book.requests[name]
            prompt = request.prompt
            if prompt is not None and prompt.system is not None and self._is_new(prompt.system):
                systems[name] = prompt.system
            if prompt is not None and prompt.tools is not None and self._is_new(prompt.tools):
                offered = ((tool.name, _tool_text(tool)) for tool in book.library.tools(prompt.tools))
                tools[name] = tuple((tool, text) for tool, text in offered if self._is_new(text))
            if name not in answered:
                results += [
                    (name, index)
                    for index, call in enumerate(request.tool_calls)
                    if call.result is not None and call.result_key not in self._told
                ]
        return _Plan(entries, systems, tools, tuple(results))

    def _is_new(self, text: str) -> bool:
        new = text not in self._told
        self._told.add(text)
        return new

    def session(self, session: Session, plan: _Plan) -> Iterator[Document]:
        """The documents of a session."""
        book = self._book
        project = book.project_title(session.project) if session.project else ""
        about = (session.title, session.words or "", project, session.model or "", book.client_name(session.client))
        yield self._document(
            DocumentKind.SESSION, "\n".join(about), session, None, book.session_path(session.id), note=str(session.kind)
        )
        entries = book.audit.conversations.get(session.id, ())
        for place, others in plan.entries:
            yield from self._message(session, entries[place], others)
        answered = {entry.answers for entry in entries}
        for name in session.request_ids:
            request = book.requests[name]
            yield from self._members(session, request, plan)
            if name not in answered:
                yield from self._last_answer(session, request, plan)
            if request.errors:
                path = book.request_path(name) or ""
                yield self._document(DocumentKind.ERROR, "\n".join(request.errors), session, request, path)

    # --- messages ----------------------------------------------------------------------------------------------------

    def _message(self, session: Session, entry: Entry, others: int) -> Iterator[Document]:
        book = self._book
        message = book.library.message(entry.key)
        answer = entry.answers in book.part_of
        request = book.requests[entry.answers if answer and entry.answers else entry.request_id]
        page = book.session_path(session.id, book.part_of.get(request.id, 1))
        here = f"{page}#m-{entry.key[:12]}"
        shared = f"also in {count(others)} other session{'s' if others > 1 else ''}" if others else ""
        for part in message.parts:
            if isinstance(part, Media):
                continue
            path, note = here, ""
            if isinstance(part, Call):
                text, kind, note = call_text(part.name, part.arguments), DocumentKind.CALL, part.name
                if answer:
                    path = book.call_path(request.id, self._calls[request.id]) or here
                    self._calls[request.id] += 1
            elif isinstance(part, Result):
                text, kind = part.text, DocumentKind.RESULT
                made = self._made.get((session.id, entry.key, part.call_id or ""))
                if made is not None:
                    path, note = book.call_path(*made) or here, book.requests[made[0]].tool_calls[made[1]].title
            else:
                text, kind = part.text, _kind(message)
                note = "reasoning" if isinstance(part, Reasoning) else "" if message.role is Role.USER else message.role
            source = None if isinstance(part, Call) else self._source(session, entry.key, text)
            note = ", ".join(filter(None, (note, shared)))
            yield self._document(kind, text, session, request, path, note=note, source=source)

    def _source(self, session: Session, key: Key, text: str) -> Source | None:
        place = self._held.get(session.id, {}).get(key)
        if place is None or len(text) < KEPT_ELSEWHERE:
            return None
        way = way_to(self._book.library.raw(key), text)
        return None if way is None else Source(session.id, place[0], place[1], json.dumps(way, separators=(",", ":")))

    # --- what stands in no message -----------------------------------------------------------------------------------

    def _members(self, session: Session, request: Request, plan: _Plan) -> Iterator[Document]:
        """System members and tools, each where it was first sent."""
        system = plan.systems.get(request.id)
        if system is not None:
            page = f"{self._book.session_path(session.id)}#v-{system[:12]}"
            for text in self._book.library.system_texts(system):
                source = self._source(session, system, text)
                yield self._document(DocumentKind.PROMPT, text, session, request, page, note="system", source=source)
        tools = request.prompt.tools if request.prompt is not None else None
        for name, text in plan.tools.get(request.id, ()):
            path = f"{tool_set_path(tools or '')}#{slug(name)}"
            yield self._document(DocumentKind.PROMPT, text, session, request, path, note="tool offered")

    def _last_answer(self, session: Session, request: Request, plan: _Plan) -> Iterator[Document]:
        """An answer that no later request repeats."""
        page = self._book.session_path(session.id, self._book.part_of[request.id])
        for text, anchor, note in (
            (request.response_reasoning, f"a-{request.id}-r", "reasoning"),
            (request.response_text, f"a-{request.id}", ""),
        ):
            if text is not None:
                yield self._document(DocumentKind.ANSWER, text, session, request, f"{page}#{anchor}", note=note)
        for index, call in enumerate(request.tool_calls):
            path = self._book.call_path(request.id, index) or page
            yield self._document(
                DocumentKind.CALL, call_text(call.title, call.arguments), session, request, path, note=call.title
            )
            if call.result is not None and (request.id, index) in plan.results:
                yield self._document(DocumentKind.RESULT, call.result, session, request, path, note=call.title)

    def paths(self) -> Iterator[Document]:
        """Paths, each at the call that first touched it."""
        book = self._book
        first: dict[str, tuple[str, int]] = {}
        for calls in book.report.calls.values():
            for facts in calls:
                for path in (*facts.reads, *facts.edits):
                    first.setdefault(path, (facts.request_id, facts.index))
        for touched in book.report.files_touched:
            request = book.requests.get(touched.requests[0]) if touched.requests else None
            session = book.sessions.get(touched.sessions[0]) if touched.sessions else None
            call = first.get(touched.path)
            href = None if call is None else book.call_path(*call)
            note = f"{count(touched.reads)} reads, {count(touched.edits)} edits"
            yield self._document(
                DocumentKind.PATH, touched.path, session, request, href or "tools/index.html#files", note=note
            )

    def _document(
        self,
        kind: DocumentKind,
        text: str,
        session: Session | None,
        request: Request | None,
        href: str,
        *,
        note: str = "",
        source: Source | None = None,
    ) -> Document:
        label = ""
        if request is not None:
            at = request.received_at
            label = f"request {self._book.number.get(request.id, 0)}" + ("" if at is None else f", {clock(at)}")
        title = "" if session is None else one_line(session.title)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be written
        return Document(
            kind=kind, text=text, href=href, session=title, request=label, note=one_line(note), source=source
        )


def _tool_text(tool: Tool) -> str:
    return "\n".join((tool.name, tool.description, *_lines(tool.schema)))


def _kind(message: Message) -> DocumentKind:
    if message.role is Role.ASSISTANT:
        return DocumentKind.ANSWER
    return DocumentKind.RESULT if message.role is Role.TOOL else DocumentKind.PROMPT


def call_text(name: str, arguments: Json) -> str:
    """A call as it is searched: its name, then each argument, a line each, without JSON's quotes and escapes."""
    if isinstance(arguments, str):
        try:
            arguments = decode(arguments.encode("utf-8", "replace"))
        except ValueError:
            return f"{name}\n{arguments}"
    return "\n".join((name, *_lines(arguments)))


def _lines(value: Json, label: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _lines(inner, f"{name}: ")
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, label)
    elif value is not None:
        yield f"{label}{value}"
