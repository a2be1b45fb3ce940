"""The part of an audit that a run's filters ask for.

In: an audit, its tree of prompts and the filters. Out: an audit of the requests that pass, in which nothing refers to
one that does not. Files and settings stay: they tell what was read, not what was asked for.

Cost: one pass over the requests; the messages of a session cut in two are looked up once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import translate

from msgspec.structs import replace

from lms_audit.config import Filters
from lms_audit.correlate.conversation import PromptTree
from lms_audit.model import Audit, Entry, Request, Session


def select(audit: Audit, tree: PromptTree, filters: Filters) -> Audit:
    """Only the requests that pass all filters, and the sessions that have one."""
    return keep(audit, tree, _Passes(filters, audit.project_names)) if filters else audit


def keep(audit: Audit, tree: PromptTree, passes: Callable[[Request], bool]) -> Audit:
    """Only the requests that pass."""
    kept = {request.id: request for request in audit.requests if passes(request)}
    sessions = tuple(
        _session(session, kept) for session in audit.sessions if any(r in kept for r in session.request_ids)
    )
    names = {session.id for session in sessions}
    return replace(
        audit,
        requests=tuple(_alone(request, kept) for request in kept.values()),
        sessions=tuple(
            session
            if session.parent_session_id in names
            else replace(session, parent_session_id=None, link_reason=None)
            for session in sessions
        ),
        conversations={
            session.id: tuple(_entries(audit.conversations[session.id], [kept[r] for r in session.request_ids], tree))
            for session in sessions
            if session.id in audit.conversations
        },
    )


class _Passes:
    """Whether a request passes. One the log gives no time for is inside no span of time."""

    def __init__(self, filters: Filters, project_names: Mapping[str, str]) -> None:
        self._filters = filters
        self._project_names = project_names
        self._project = _pattern(filters.project)
        self._client = _pattern(filters.client)
        self._model = _pattern(filters.model)

    def __call__(self, request: Request) -> bool:
        since, until = self._filters.since, self._filters.until
        at = request.received_at if request.received_at is not None else request.finished_at
        if since is not None and (at is None or at < since):
            return False
        if until is not None and (at is None or at >= until):
            return False
        if self._client is not None and not self._client.fullmatch(request.client):
            return False
        if self._model is not None and not self._model.fullmatch(request.model or request.requested_model or ""):
            return False
        if self._project is not None:
            project = (request.project or "").replace("\\", "/").rstrip("/")
            given = self._project_names.get(request.project or "", "")
            return any(self._project.fullmatch(name) for name in (project, project.rpartition("/")[2], given))
        return True


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """A name or a pattern with ``*``, as a person types it: case does not matter, nor does the kind of slash."""
    if text is None:
        return None
    return re.compile(translate(text.replace("\\", "/").rstrip("/") or text), re.IGNORECASE)


def _alone(request: Request, kept: Collection[str]) -> Request:
    """The request without references to ones that are left out."""
    return replace(
        request,
        parent_id=request.parent_id if request.parent_id in kept else None,
        shared_messages=request.shared_messages if request.parent_id in kept else 0,
        candidates=tuple(name for name in request.candidates if name in kept),
        tool_calls=tuple(
            call if call.result_request_id in kept else replace(call, result_request_id=None)
            for call in request.tool_calls
        ),
    )


def _session(session: Session, kept: dict[str, Request]) -> Session:
    names = tuple(name for name in session.request_ids if name in kept)
    if len(names) == len(session.request_ids):
        return session
    requests = [kept[name] for name in names]
    starts = [r.received_at for r in requests if r.received_at is not None]
    ends = [at for r in requests for at in (r.finished_at, r.received_at) if at is not None]
    return replace(session, request_ids=names, started_at=min(starts, default=None), ended_at=max(ends, default=None))


def _entries(entries: Sequence[Entry], requests: Sequence[Request], tree: PromptTree) -> Iterator[Entry]:
    """The messages some kept request sent. One first sent by a request left out moves to the next that sent it too."""
    kept = {request.id for request in requests}
    later: dict[tuple[str, int], str] = {}
    sent: dict[str, list[str]] = {}
    if any(entry.request_id not in kept for entry in entries):
        for request in requests:
            keys = tree.path(request.prompt.node) if request.prompt is not None else []
            for position, key in enumerate(keys):
                later.setdefault((key, position), request.id)
                sent.setdefault(key, []).append(request.id)
    for entry in entries:
        answers = entry.answers if entry.answers in kept else None
        if entry.request_id in kept:
            yield replace(entry, answers=answers)
        elif (entry.key, entry.position) in later:
            first = later[entry.key, entry.position]
            yield replace(entry, request_id=first, answers=answers, times_sent=len(sent[entry.key]))
