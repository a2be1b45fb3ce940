"""Sessions: threads put together, named, and hung under what caused them.

In: requests in order of arrival and their threads. Out: the requests with session, parent and kind filled in, and the
sessions in order of their first request. Linear in requests. Ids come from the first request's id alone, so that logs
added later leave them as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.correlate.continuation import Link, Relation
from lms_audit.correlate.links import Links, links
from lms_audit.correlate.threads import Threads
from lms_audit.correlate.words import one_line
from lms_audit.model import Kind, Library, Request, Session

_NAMES = {Kind.TITLE: "Title", Kind.SUMMARY: "Summary", Kind.COMPACTION: "Compaction"}
"""How a linked side request is named, before its session's title."""

_BY_COUNT = "bodies not logged: requests grouped by model, time and growing message count"
_EMBEDDINGS = "embeddings of one model with pauses of at most 30 minutes"


class Sessions(Struct, frozen=True):
    """Requests and the sessions they make up."""

    requests: tuple[Request, ...]
    """All of them, in the order given; session, parent, shared messages and the kind of sub-agents are filled in."""
    sessions: tuple[Session, ...]


def session_id(first_request_id: str) -> str:
    """Id of the session that begins with a request."""
    return "s" + blake2b(first_request_id.encode(), digest_size=6, person=b"session").hexdigest()


def sessions(requests: Sequence[Request], threads: Threads, library: Library) -> Sessions:
    """Group requests, in order of arrival, into sessions."""
    linked = links(requests, threads, library)
    members = _members(threads, linked)
    ids = {thread: session_id(requests[indexes[0]].id) for thread, indexes in members.items()}
    titles = _titles(requests, members, linked)
    made = [
        _session([requests[index] for index in indexes], ids, titles[thread], linked, thread, threads)
        for thread, indexes in members.items()
    ]
    kinds = {thread: parent for thread, parent in linked.parents.items() if parent.kind is Kind.SUBAGENT}
    placed = []
    for index, request in enumerate(requests):
        link = threads.links[index]
        if link.thread < 0:
            placed.append(request)
            continue
        thread = linked.same.get(link.thread, link.thread)
        changes: dict[str, object] = {"session_id": ids[thread]}
        if link.parent is not None:
            changes["parent_id"] = requests[link.parent].id
            changes["shared_messages"] = threads.prompts.common(threads.leaves[index], threads.leaves[link.parent])
        if thread in kinds and request.kind is Kind.MAIN:
            changes |= {"kind": Kind.SUBAGENT, "kind_reason": kinds[thread].reason}
        placed.append(replace(request, **changes))
    return Sessions(tuple(placed), tuple(made))


def _members(threads: Threads, linked: Links) -> dict[int, list[int]]:
    """Thread that stands for a session -> the requests of all its threads, sessions in order of their first."""
    members: dict[int, list[int]] = {}
    for index, link in enumerate(threads.links):
        if link.thread >= 0:
            members.setdefault(linked.same.get(link.thread, link.thread), []).append(index)
    return members


def _session(
    requests: Sequence[Request],
    ids: dict[int, str],
    title: str,
    linked: Links,
    thread: int,
    threads: Threads,
) -> Session:
    parent = linked.parents.get(thread)
    kind = requests[0].kind if parent is None else parent.kind
    own = [request for request in requests if request.kind is requests[0].kind] or requests
    starts = [request.received_at for request in requests if request.received_at is not None]
    ends = [end for request in requests if (end := request.finished_at or request.received_at) is not None]
    return Session(
        id=ids[thread],
        parent_session_id=None if parent is None else ids[linked.same.get(parent.thread, parent.thread)],
        link_reason=None if parent is None else parent.reason,
        kind=kind,
        title=title,
        project=_most_common(request.project for request in own),
        client=_most_common(request.client for request in own if request.client != "unknown") or "unknown",
        model=_most_common(request.model for request in own)
        or _most_common(request.requested_model for request in own),
        started_at=starts[0] if starts else None,
        ended_at=max(ends, default=None),
        request_ids=tuple(request.id for request in requests),
        inferred=_inferred([threads.links[index] for index in threads.members[thread]], kind),
    )


def _inferred(links: Sequence[Link], kind: Kind) -> str | None:
    """How requests without messages to compare were put together, and how many of them were guessed."""
    grouped = [link for link in links if link.relation is Relation.GROUPED]
    if not grouped or kind is Kind.EMBEDDING:
        return _EMBEDDINGS if grouped else None
    guessed = sum(link.parent is None for link in grouped)
    return f"{_BY_COUNT}; {guessed} of them fit other sessions as well" if guessed else _BY_COUNT


def _most_common(values: Iterable[str | None]) -> str | None:
    """The most common value there is, of equals the first."""
    counts = Counter(value for value in values if value is not None)
    return max(counts, key=lambda value: counts[value]) if counts else None


def _titles(requests: Sequence[Request], members: dict[int, list[int]], linked: Links) -> dict[int, str]:
    titles = {}
    for thread, indexes in members.items():
        words = linked.texts.get(thread)
        titles[thread] = one_line(words) if words else ""
        titles[thread] = titles[thread] or _fallback(requests[indexes[0]])
    own = dict(titles)
    for thread, parent in linked.parents.items():
        caller = linked.same.get(parent.thread, parent.thread)
        titles[thread] = side_title(parent.kind, own[caller]) or titles[thread]
    return titles


def side_title(kind: Kind, title: str) -> str | None:
    """What a linked side request is called after its session; ``None`` for kinds that have words of their own."""
    return one_line(f"{_NAMES[kind]}: {title}") if kind in _NAMES else None


def _fallback(request: Request) -> str:
    """What the log does show of a session without words."""
    name = request.endpoint or (request.api.value if request.api else "request")
    if request.received_at is None:
        return name
    return f"{name} {datetime.fromtimestamp(request.received_at // 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
