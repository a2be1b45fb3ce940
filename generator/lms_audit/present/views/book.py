"""The report as a book: every thing has one page and one anchor, and everybody asks here for the link to it.

In: the report and the library. Out: paths relative to the site's root (``sessions/<id>/index.html#r-<id>``); templates
put the way back to the root before them. Names from logs become ids through ``slug`` only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from urllib.parse import quote

from lms_audit.analyse.report import CacheBreak, CallFacts, Finding, Report
from lms_audit.correlate import client_rules
from lms_audit.correlate.client_rules import Client
from lms_audit.model import Key, Library, Request, Session
from lms_audit.present.resources import resources
from lms_audit.present.views.format import day_key, project_name
from lms_audit.present.views.parts import Part, split

_WORD = re.compile(r"[^a-z0-9]+")

ICONS = frozenset(path.stem for path in (resources() / "assets" / "icons").glob("*.svg"))
LISTED_SESSIONS = 200
"""Sessions listed by day; older ones are in the interactive list."""
HUBS = ("tool", "model", "client", "project")


def slug(name: str) -> str:
    """An id of ``[a-z0-9-]`` for a name from a log; a short digest keeps names apart that look the same."""
    plain = _WORD.sub("-", name.lower()).strip("-")[:40]
    if plain == name:
        return plain
    return f"{plain}-{blake2b(name.encode('utf-8', 'replace'), digest_size=3).hexdigest()}".lstrip("-")


def tool_set_path(key: Key) -> str:
    """The page of a tool set."""
    return f"prompts/tools-{key[:12]}.html"


class Book:
    """Looks things of a report up and says where they stand."""

    def __init__(self, report: Report, library: Library, clients: Mapping[str, Client] | None = None) -> None:
        self.report = report
        self.library = library
        self._clients = client_rules.load().clients if clients is None else clients
        self.audit = report.audit
        self.requests: dict[str, Request] = {request.id: request for request in self.audit.requests}
        self.sessions: dict[str, Session] = {session.id: session for session in self.audit.sessions}
        self.number: dict[str, int] = {}
        """Request -> its place in its session, from 1."""
        self.part_of: dict[str, int] = {}
        """Request -> the part of its session's page it stands in, from 1."""
        self.parts: dict[str, tuple[Part, ...]] = {}
        self.children: dict[str, list[Session]] = {}
        for session in self.audit.sessions:
            if session.parent_session_id is not None:
                self.children.setdefault(session.parent_session_id, []).append(session)
            parts = split(session, self.audit.conversations.get(session.id, ()), self.requests, library)
            self.parts[session.id] = parts
            for index, part in enumerate(parts, 1):
                for name in part.request_ids:
                    self.part_of[name] = index
            for place, name in enumerate(session.request_ids, 1):
                self.number[name] = place
        self.breaks: dict[str, CacheBreak] = {found.request_id: found for found in report.cache_breaks}

    @cached_property
    def listed_days(self) -> tuple[str, ...]:
        """The newest days that together have at most about ``LISTED_SESSIONS`` sessions; at least one."""
        counts: Counter[str] = Counter()
        for session in self.audit.sessions:
            began = self.top(session).started_at
            counts["" if began is None else day_key(began)] += 1
        found: list[str] = []
        total = 0
        for key in sorted(counts, reverse=True):
            if found and total + counts[key] > LISTED_SESSIONS:
                break
            found.append(key)
            total += counts[key]
        return tuple(found)

    @cached_property
    def findings_of(self) -> dict[str, list[Finding]]:
        """Session -> its findings, worst first."""
        found: dict[str, list[Finding]] = {}
        for finding in self.report.findings:
            request = self.requests.get(finding.request_id or "")
            session = finding.session_id or (request.session_id if request else None)
            if session is not None:
                found.setdefault(session, []).append(finding)
        return found

    @cached_property
    def result_of(self) -> dict[tuple[str, str], tuple[Request, int]]:
        """(message key, call id) of a result -> the request that made the call, and its place among the calls."""
        return {
            (call.result_key, call.id or ""): (request, index)
            for request in self.audit.requests
            for index, call in enumerate(request.tool_calls)
            if call.result_key is not None
        }

    def top(self, session: Session) -> Session:
        """The session that a session hangs under, or itself."""
        seen = {session.id}
        while (parent := self.sessions.get(session.parent_session_id or "")) is not None and parent.id not in seen:
            seen.add(parent.id)
            session = parent
        return session

    def client_name(self, client: str) -> str:
        """A client's name, or "unknown client"."""
        known = self._clients.get(client)
        return known.name if known is not None else "unknown client" if client == "unknown" else client

    def project_name(self, project: str | None) -> str:
        """What a project is called."""
        return project_name(project, self.audit.project_names)

    def project_title(self, project: str) -> str:
        """A project's path, after its name where it has one."""
        name = self.audit.project_names.get(project)
        return project if name is None else f"{name} · {project}"

    def icon(self, client: str) -> str:
        """Name of a client's drawing; one without its own has the one for clients."""
        known = self._clients.get(client)
        return known.icon if known is not None and known.icon in ICONS else "client"

    def calls(self, request: Request) -> tuple[CallFacts, ...]:
        """What analysis knows of a request's calls."""
        return self.report.calls.get(request.id, ())

    # --- where things stand ------------------------------------------------------------------------------------------

    def session_path(self, session_id: str, part: int = 1) -> str:
        """A session's page, or one of its further parts."""
        name = "index" if part == 1 else f"part-{part}"
        return f"sessions/{session_id}/{name}.html"

    def request_path(self, request_id: str | None, anchor: str = "r") -> str | None:
        """A request's details; ``None`` for requests that belong to no session."""
        request = self.requests.get(request_id or "")
        if request is None or request.session_id not in self.sessions:
            return None
        page = self.session_path(request.session_id, self.part_of[request.id])
        return f"{page}#{anchor}-{request.id}"

    def call_path(self, request_id: str, index: int) -> str | None:
        """A tool call's card."""
        path = self.request_path(request_id, "c")
        return None if path is None else f"{path}-{index}"

    def link(self, target: str | None) -> str | None:
        """A row's ``kind:name`` as a path."""
        if target is None:
            return None
        kind, _, name = target.partition(":")
        if kind == "request":
            return self.request_path(name)
        if kind == "session":
            return self.session_path(name) if name in self.sessions else None
        return f"{kind}s/index.html#{kind}-{slug(name)}" if kind in HUBS else None

    def requests_path(self, kind: str, name: str) -> str:
        """The list of requests, narrowed to a tool, model, client or project."""
        column = "tools" if kind == "tool" else kind
        value = "!" + name if name.startswith("!") else name
        return f"requests/index.html#{column}={quote(value, safe='/:', errors='replace')}"

    def finding_path(self, finding: Finding) -> str | None:
        """Where a finding shows."""
        if finding.request_id is not None and (path := self.request_path(finding.request_id)):
            return path
        if finding.session_id in self.sessions:
            return self.session_path(finding.session_id)
        return f"definitions/index.html#{finding.figure.metric}"
