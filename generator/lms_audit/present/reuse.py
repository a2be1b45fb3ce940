"""Which session pages can stay as the last build left them.

In: the book, and what the last build noted. Out: for a session, a digest of all its pages show; where that is the
digest noted last time, its files need not be rendered again. Contents of messages count through their keys.

Cost: encoding and hashing what is known of each request, about 20 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from lms_audit.model import Key, Request, Session
from lms_audit.present.carry import Compiled
from lms_audit.present.views.book import Book


class Kept(Struct, frozen=True):
    """The files of one session's pages, and the digest of what they were made from."""

    digest: str
    files: tuple[str, ...]
    items: dict[Key, tuple[int, int]]
    """What the session's data file holds, and where; the search refers to it."""


class Notes(Struct):
    """What a build notes for the next one."""

    maker: str = ""
    """Digest of the program and its settings; pages of another maker are made anew."""
    sessions: dict[str, Kept] = field(default_factory=dict)
    compiled: dict[str, Compiled] = field(default_factory=dict)
    """Markdown file -> the page made of it."""


class Reuse:
    """The notes of the last build at hand, those of this one in the making."""

    def __init__(self, maker: str, last: Notes, exists: Callable[[str], bool]) -> None:
        self._same_maker = bool(maker) and last.maker == maker
        self._last = last.sessions if self._same_maker else {}
        self.compiled = last.compiled if self._same_maker else {}
        """Pages that the last site holds as the same program compiled them."""
        self._exists = exists
        self.notes = Notes(maker)

    def kept(self, session: Session, digest: str) -> Kept | None:
        """The files of a session that can stay, or ``None`` where they must be made."""
        kept = self._last.get(session.id)
        if kept is None or kept.digest != digest or not all(map(self._exists, kept.files)):
            return None
        self.notes.sessions[session.id] = kept
        return kept

    def digest(self, session_id: str | None) -> str | None:
        """Digest of what a session's pages show, once they are settled."""
        kept = self.notes.sessions.get(session_id or "")
        return None if kept is None else kept.digest

    def made_by_us(self, path: str) -> bool:
        """The file is there and was made by the same program, of which alone it depends."""
        return self._same_maker and self._exists(path)

    def note(self, session: Session, kept: Kept) -> None:
        """Remember what was made."""
        self.notes.sessions[session.id] = kept


def session_digest(book: Book, session: Session, before: Session | None, after: Session | None) -> str:
    """Digest of everything the pages of a session depend on, the program and its settings aside."""
    report = book.report
    requests = [book.requests[name] for name in session.request_ids]
    figures = report.sessions.get(session.id)
    parent = book.sessions.get(session.parent_session_id or "")
    known: list[Any] = [
        [session, parent, before, after, book.children.get(session.id, [])],
        requests,
        [book.requests[name] for child in book.children.get(session.id, ()) for name in child.request_ids],
        book.audit.conversations.get(session.id, ()),
        [] if figures is None else list(figures.figures.items()),
        book.findings_of.get(session.id, []),
        [
            (
                book.breaks.get(request.id),
                report.gaps.get(request.id),
                sorted(report.composition[request.id].bytes.items()) if request.id in report.composition else None,
                report.calls.get(request.id),
            )
            for request in requests
        ],
        sorted({(name, book.request_path(name)) for request in requests for name in _mentioned(book, request)}),
    ]
    try:
        data = msgspec.msgpack.encode(known)
    except UnicodeEncodeError:  # lone surrogates
        data = repr(known).encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=16).hexdigest()


def _mentioned(book: Book, request: Request) -> Iterator[str]:
    """Requests that a request's page may link to; they may stand in other sessions."""
    found = book.breaks.get(request.id)
    candidates = (
        request.parent_id,
        found.against_id if found is not None else None,
        *request.candidates,
        *(call.result_request_id for call in request.tool_calls),
    )
    return (name for name in candidates if name is not None)
