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
from collections.abc import Iterator, Mapping

from lms_audit.model import Call, Entry, Json, Key, Media, Message, Reasoning, Request, Result, Role, Session
from lms_audit.present.search import KEPT_ELSEWHERE, Document, DocumentKind, Source
from lms_audit.present.text import one_line
from lms_audit.present.views.book import Book, slug, tool_set_path
from lms_audit.present.views.format import clock, count
from lms_audit.present.views.ways import way_to
from lms_audit.read.payload import decode

Held = Mapping[str, Mapping[Key, tuple[int, int]]]
"""Session -> stored item -> the part of the session's data file that has it, and its place among that part's items."""


def documents(book: Book, held: Held) -> Iterator[Document]:
    """Everything that can be found, in a fixed order."""
    return _Teller(book, held).all()


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

    def all(self) -> Iterator[Document]:
        for session in self._book.audit.sessions:
            yield from self._session(session)
        yield from self._paths()

    def _session(self, session: Session) -> Iterator[Document]:
        book = self._book
        project = book.project_title(session.project) if session.project else ""
        about = (session.title, session.words or "", project, session.model or "", book.client_name(session.client))
        yield self._document(
            DocumentKind.SESSION, "\n".join(about), session, None, book.session_path(session.id), note=str(session.kind)
        )
        entries = book.audit.conversations.get(session.id, ())
        for entry in entries:
            if entry.key not in self._told:
                self._told.add(entry.key)
                yield from self._message(session, entry)
        answered = {entry.answers for entry in entries}
        for name in session.request_ids:
            request = book.requests[name]
            yield from self._members(session, request)
            if name not in answered:
                yield from self._last_answer(session, request)
            if request.errors:
                path = book.request_path(name) or ""
                yield self._document(DocumentKind.ERROR, "\n".join(request.errors), session, request, path)

    # --- messages ----------------------------------------------------------------------------------------------------

    def _message(self, session: Session, entry: Entry) -> Iterator[Document]:
        book = self._book
        message = book.library.message(entry.key)
        answer = entry.answers in book.part_of
        request = book.requests[entry.answers if answer and entry.answers else entry.request_id]
        page = book.session_path(session.id, book.part_of.get(request.id, 1))
        here = f"{page}#m-{entry.key[:12]}"
        others = self._sessions_with[entry.key] - 1
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
                    path, note = book.call_path(*made) or here, book.requests[made[0]].tool_calls[made[1]].name
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

    def _members(self, session: Session, request: Request) -> Iterator[Document]:
        """System members and tools, each where it was first sent."""
        prompt, library = request.prompt, self._book.library
        if prompt is None:
            return
        if prompt.system is not None and prompt.system not in self._told:
            self._told.add(prompt.system)
            page = f"{self._book.session_path(session.id)}#v-{prompt.system[:12]}"
            for text in library.system_texts(prompt.system):
                source = self._source(session, prompt.system, text)
                yield self._document(DocumentKind.PROMPT, text, session, request, page, note="system", source=source)
        if prompt.tools is not None and prompt.tools not in self._told:
            self._told.add(prompt.tools)
            for tool in library.tools(prompt.tools):
                text = "\n".join((tool.name, tool.description, *_lines(tool.schema)))
                if text not in self._told:
                    self._told.add(text)
                    path = f"{tool_set_path(prompt.tools)}#{slug(tool.name)}"
                    yield self._document(DocumentKind.PROMPT, text, session, request, path, note="tool offered")

    def _last_answer(self, session: Session, request: Request) -> Iterator[Document]:
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
                DocumentKind.CALL, call_text(call.name, call.arguments), session, request, path, note=call.name
            )
            if call.result is not None and call.result_key not in self._told:
                yield self._document(DocumentKind.RESULT, call.result, session, request, path, note=call.name)

    def _paths(self) -> Iterator[Document]:
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
        return Document(
            kind=kind, text=text, href=href, session=title, request=label, note=one_line(note), source=source
        )


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
