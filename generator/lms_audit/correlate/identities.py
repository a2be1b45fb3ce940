"""Clients and projects of all requests: first each body by itself, then what its session adds.

A title request shares its words with several clients, and a body that LM Studio has cut names no directory; the
conversation a request belongs to settles both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from lms_audit.correlate.client_rules import UNKNOWN
from lms_audit.correlate.clients import Clients, Identity, Recognizer
from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.projects import project_of
from lms_audit.model import Api, Kind, Library, Request, Session

NOBODY = Identity()


class Identities:
    """Who sent the requests of one run, and what they worked on."""

    def __init__(self, clients: Clients, library: Library, tree: PromptTree) -> None:
        self._clients = clients
        self._recognizer = Recognizer(clients, library, tree)
        self._identities: dict[str, Identity] = {}
        self._projects: dict[str, str] = {}

    def recognise(self, requests: Iterable[Request]) -> tuple[Request, ...]:
        """Requests with what their own bodies say of client, purpose and project."""
        return tuple(self._recognised(request) for request in requests)

    def _recognised(self, request: Request) -> Request:
        if request.prompt is None or request.api is Api.OTHER:
            return request
        found = self._recognizer.recognise(request.prompt, request.api)
        self._identities[request.id] = found.identity
        if found.project is not None:
            self._projects[request.id] = found.project.path
        named = _identified(request, found.identity)
        return replace(
            named,
            kind=found.identity.kind if request.kind is Kind.MAIN else request.kind,
            kind_reason=found.identity.kind_reason,
            project=found.project.path if found.project is not None else None,
        )

    def session_ids(self) -> dict[str, str]:
        """Request -> its client's own id of the session, where the rules of that client find one in the body."""
        return {
            request: f"{identity.client} {identity.session_hint}"
            for request, identity in self._identities.items()
            if identity.session_hint is not None
        }

    def settle(
        self, requests: Sequence[Request], sessions: Sequence[Session]
    ) -> tuple[tuple[Request, ...], tuple[Session, ...]]:
        """Requests and sessions with what belonging together adds; a session comes after the one that caused it."""
        by_id = {request.id: request for request in requests}
        clients: dict[str, Identity] = {}
        projects: dict[str, str | None] = {}
        done: dict[str, Session] = {}
        for session in _parents_first(sessions):
            members = [by_id[identity] for identity in session.request_ids]
            main = self._main(members)
            if main.client == UNKNOWN and session.parent_session_id is not None:
                main = clients.get(session.parent_session_id, NOBODY)
            elif session.parent_session_id is not None and session.kind is not Kind.MAIN:
                main = self._clients.settle(main, clients.get(session.parent_session_id, NOBODY))
            clients[session.id] = main
            project = self._project(members) or projects.get(session.parent_session_id or "")
            projects[session.id] = project
            for request in members:
                own = self._identities.get(request.id, NOBODY)
                by_id[request.id] = replace(
                    _identified(request, self._clients.settle(own, main)), project=request.project or project
                )
            done[session.id] = replace(session, client=main.client, project=project)
        return tuple(by_id[request.id] for request in requests), tuple(done[session.id] for session in sessions)

    def _main(self, members: Sequence[Request]) -> Identity:
        """The identity most of a session's requests have; of equals the surest."""
        known = [self._identities[request.id] for request in members if request.id in self._identities]
        named = [identity for identity in known if identity.client != UNKNOWN]
        if not named:
            return known[0] if known else NOBODY
        counts = Counter(identity.client for identity in named)
        return max(named, key=lambda identity: (counts[identity.client], identity.confidence))

    def _project(self, members: Sequence[Request]) -> str | None:
        counts = Counter(self._projects[request.id] for request in members if request.id in self._projects)
        if counts:
            return counts.most_common(1)[0][0]
        found = project_of(None, (call.arguments for request in members for call in request.tool_calls))
        return found.path if found is not None else None


def _identified(request: Request, identity: Identity) -> Request:
    return replace(
        request,
        client=identity.client,
        client_confidence=identity.confidence,
        client_evidence=identity.evidence,
        engine_client=identity.engine_client,
    )


def _parents_first(sessions: Sequence[Session]) -> list[Session]:
    """Sessions so that each comes after the one it hangs under."""
    by_id = {session.id: session for session in sessions}
    ordered: dict[str, Session] = {}

    def add(session: Session, depth: int = 0) -> None:
        parent = by_id.get(session.parent_session_id or "")
        if parent is not None and parent.id not in ordered and depth < len(by_id):
            add(parent, depth + 1)
        ordered.setdefault(session.id, session)

    for session in sessions:
        add(session)
    return list(ordered.values())
