"""A session's page, in parts where it is long: overview, waterfall, charts, conversation, prompt audit, requests.

In: the book and a session. Out: one ``SessionPage`` per part, with the part's data file. Cost: one pass over what the
session says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lms_audit.correlate.words import first_text, one_line
from lms_audit.model import Key, Kind, Request, Session
from lms_audit.present.plots import Chart, chart, wide_chart
from lms_audit.present.views.audit import PromptAudit, prompt_audit
from lms_audit.present.views.book import Book, slug
from lms_audit.present.views.conversation import Teller
from lms_audit.present.views.data import SessionData, places
from lms_audit.present.views.format import Shown, clock, count, day, day_key, ms, period, shown
from lms_audit.present.views.overview import FindingView, finding_views
from lms_audit.present.views.parts import Part
from lms_audit.present.views.phases import Phase
from lms_audit.present.views.requests import Common, Detail, Share, common, detail
from lms_audit.present.views.waterfall import Waterfall, waterfall

CARD = (
    "requests",
    "input_tokens",
    "output_tokens",
    "tokens_per_second_mean",
    "tokens_per_second_weighted",
    "prompt_ms_mean",
    "prompt_ms",
    "generation_ms",
    "agent_work_ms",
    "idle_ms",
    "session_elapsed_ms",
    "cached_share",
    "tool_calls",
    "side_requests",
)
"""Figures of the overview card that are not already chips, in reading order."""
HEADING = 160
"""Characters of a page's heading."""
MOST_POINTS = 500
MOST_PROMPTS = 120


class Chip(Struct, frozen=True):
    """A word about the session, linked where there is more."""

    text: str
    path: str = ""
    icon: str = ""
    kind: str = ""
    title: str = ""


class Link(Struct, frozen=True):
    """Text and where it leads."""

    text: str
    path: str
    note: str = ""


class Side(Struct, frozen=True):
    """A conversation that this one caused."""

    kind: str
    text: str
    path: str
    note: str


class SessionPage(Struct, frozen=True):
    """One part of a session's page."""

    id: str
    path: str
    title: str
    part: int
    parts: tuple[Link, ...]
    crumbs: tuple[Link, ...]
    chips: tuple[Chip, ...]
    overview: tuple[Shown, ...]
    time_split: tuple[Share, ...]
    time_note: str
    findings: tuple[FindingView, ...]
    parent: Link | None
    children: tuple[Side, ...]
    waterfall: Waterfall | None
    charts: tuple[Chart, ...]
    phases: tuple[Phase, ...]
    silent: bool
    """The log has none of the words; all there is are the requests' lines."""
    audit: PromptAudit
    common: Common
    details: tuple[Detail, ...]
    previous: Link | None
    next: Link | None
    data: str
    items: Mapping[Key, tuple[int, int]]
    """Where the data file has the stored items: part, and place in it."""
    places: str
    """With the last of several parts: the file that says which part has an anchor."""
    requests: int
    words: str
    """For the theme's search: who, where, when."""


def chips(book: Book, session: Session) -> tuple[Chip, ...]:
    """Client, project, model, date, requests, that it is inferred, and ends that are not good."""
    found = [
        Chip(
            book.client_name(session.client),
            f"clients/index.html#{'sessions-of' if session.client == 'unknown' else 'client'}-{slug(session.client)}",
            book.icon(session.client),
        )
    ]
    if session.project:
        found.append(
            Chip(
                book.project_name(session.project),
                f"projects/index.html#project-{slug(session.project)}",
                title=session.project,
            )
        )
    if session.model:
        found.append(Chip(session.model, f"models/index.html#model-{slug(session.model)}"))
    found.append(Chip(period(session.started_at, session.ended_at)))
    found.append(Chip(f"{count(len(session.request_ids))} request{'s' if len(session.request_ids) != 1 else ''}"))
    if session.kind is not Kind.MAIN:
        found.append(Chip(str(session.kind), kind="side"))
    if session.inferred is not None:
        found.append(Chip("inferred session", title=session.inferred))
    ends: dict[str, int] = {}
    for name in session.request_ids:
        status = str(book.requests[name].status)
        if status != "completed":
            ends[status] = ends.get(status, 0) + 1
    found += [Chip(f"{number} {status}", kind=status) for status, number in sorted(ends.items())]
    if session.words is not None:
        found.append(Chip(session.words, kind="words", title="how it begins, without the name it was given"))
    return tuple(found)


def time_split(book: Book, session: Session) -> tuple[tuple[Share, ...], str]:
    """Where the session's time went: prompt processing, answers, tools, people; plain sums of what is logged."""
    requests = [book.requests[name] for name in session.request_ids]
    sums = {"prompt": 0.0, "answer": 0.0, "queue": 0.0, "rest": 0.0, "tools": 0.0, "person": 0.0, "pause": 0.0}
    for request in requests:
        if request.elapsed_ms is not None and (request.prompt_ms is None or request.generation_ms is None):
            known = (request.prompt_ms or 0.0) + (request.generation_ms or 0.0) + (request.queue_ms or 0.0)
            sums["rest"] += max(0.0, request.elapsed_ms - known)
        sums["prompt"] += request.prompt_ms or 0.0
        sums["answer"] += request.generation_ms or 0.0
        sums["queue"] += request.queue_ms or 0.0
        if (gap := book.report.gaps.get(request.id)) is not None:
            sums[{"tools": "tools", "person": "person"}.get(str(gap.kind), "pause")] += gap.ms
    names = {
        "prompt": "prompt processing",
        "answer": "response time",
        "queue": "queue",
        "rest": "at work, not broken down in the log",
        "tools": "tools ran",
        "person": "waiting for a person",
        "pause": "other pauses",
    }
    total = sum(sums.values())
    if not total:
        return (), ""
    missing = sum(request.prompt_ms is None for request in requests)
    note = f"{missing} of {len(requests)} requests have no prompt processing time in the log" if missing else ""
    return tuple(
        Share(kind, names[kind], round(value / total * 100, 2), ms(value)) for kind, value in sums.items() if value > 0
    ), note


def _even(requests: list[Request], most: int) -> list[Request]:
    """At most so many, spread evenly, the slowest kept."""
    if len(requests) <= most:
        return requests
    step = len(requests) / most
    return [requests[int(index * step)] for index in range(most)]


def session_charts(book: Book, session: Session) -> tuple[Chart, ...]:
    """Speed and tokens over time, prompt processing against response time, context growth by kind."""
    requests = [book.requests[name] for name in session.request_ids]
    asked = _even([request for request in requests if request.received_at is not None], MOST_POINTS)
    rows = [
        {
            "n": book.number[request.id],
            "at": request.received_at,
            "rate": request.tokens_per_second,
            "tokens": None
            if request.input_tokens is None and request.output_tokens is None
            else (request.input_tokens or 0) + (request.output_tokens or 0),
            "prompt": None if request.prompt_ms is None else round(request.prompt_ms / 1000, 3),
            "answer": None if request.generation_ms is None else round(request.generation_ms / 1000, 3),
            "input": request.input_tokens,
            "output": request.output_tokens,
            "href": request.id,
        }
        for request in asked
    ]
    found = []
    if sum(row["rate"] is not None or row["tokens"] is not None for row in rows) > 1:
        found.append(chart("session_speed", rows, rows_are="the requests table below"))
    if sum(row["prompt"] is not None or row["answer"] is not None for row in rows) > 1:
        found.append(chart("session_times", rows, rows_are="the requests table below"))
    growth = _growth(book, asked)
    if growth:
        found.append(wide_chart("session_context", "n", growth, "kind", "kb"))
    return tuple(found)


def _growth(book: Book, requests: list[Request], most: int = 7) -> list[dict[str, float]]:
    """KB of each prompt by kind, the tools with the largest results by name."""
    requests = _even(requests, MOST_PROMPTS)
    totals: dict[str, int] = {}
    for request in requests:
        held = book.report.composition.get(request.id)
        for name, value in held.bytes.items() if held else ():
            totals[name] = totals.get(name, 0) + value
    tools = sorted((name for name in totals if name.startswith("tool: ")), key=lambda name: (-totals[name], name))
    other = set(tools[max(1, most - (len(totals) - len(tools))) :])
    rows: list[dict[str, float]] = []
    for request in requests:
        held = book.report.composition.get(request.id)
        if held is None:
            continue
        sums: dict[str, int] = {}
        for name, value in held.bytes.items():
            kind = "other tools" if name in other else name
            sums[kind] = sums.get(kind, 0) + value
        rows.append({"n": book.number[request.id]} | {name: round(value / 1000, 1) for name, value in sums.items()})
    return rows if len(rows) > 1 else []


def _crumbs(book: Book, session: Session) -> tuple[Link, ...]:
    found = [Link("Sessions", "sessions/index.html")]
    top = book.top(session)
    if top.started_at is not None:
        key = day_key(top.started_at)
        anchor = f"#d-{key}" if key in book.listed_days else ""
        found.append(Link(day(top.started_at), f"sessions/index.html{anchor}"))
    return tuple(found)


def _account(book: Book, session: Session) -> str:
    """``10:42:21, 4 requests, 25.4 s of work``."""
    requests = [book.requests[name] for name in session.request_ids]
    work = sum((request.prompt_ms or 0.0) + (request.generation_ms or 0.0) for request in requests)
    told = [clock(session.started_at), f"{count(len(requests))} request{'s' if len(requests) > 1 else ''}"]
    return ", ".join([*told, f"{ms(work)} of work"] if work else told)


def _relations(book: Book, session: Session) -> tuple[Link | None, tuple[Side, ...]]:
    parent = book.sessions.get(session.parent_session_id or "")
    up = None
    if parent is not None:
        up = Link(parent.title, book.session_path(parent.id), session.link_reason or "")
    children = tuple(
        Side(str(child.kind), child.title, book.session_path(child.id), _account(book, child))
        for child in book.children.get(session.id, ())
    )
    return up, children


def heading(book: Book, session: Session) -> str:
    """A session's title in the room of a page: where it is cut first words, more of them."""
    if not session.title.endswith("…"):
        return session.title
    prompts = (book.requests[name].prompt for name in session.request_ids[:1])
    for prompt in filter(None, prompts):
        words = first_text(map(book.library.message, book.library.path(prompt.node)))
        if words is not None and one_line(words).removesuffix("…") == session.title.removesuffix("…"):
            return _whole_sentences(one_line(words, HEADING))
    return session.title


def _whole_sentences(line: str) -> str:
    """A line that was cut, up to the end of a sentence where one is near."""
    end = max(line.rfind(f"{mark} ") for mark in ".?!")
    return line[: end + 1] if line.endswith("…") and end > HEADING // 2 else line


def session_pages(book: Book, session: Session, before: Session | None, after: Session | None) -> Iterator[SessionPage]:
    """The parts of a session's page, in order."""
    data = SessionData(session.id, book.library)
    teller = Teller(book, session, data)
    parts = book.parts[session.id]
    links = tuple(
        Link(
            f"Part {index}",
            book.session_path(session.id, index),
            f"requests {book.number[part.request_ids[0]]}–{book.number[part.request_ids[-1]]}",
        )
        for index, part in enumerate(parts, 1)
    )
    for index, part in enumerate(parts, 1):
        yield _page(book, session, part, index, links, teller, data, before, after)


def _page(
    book: Book,
    session: Session,
    part: Part,
    index: int,
    links: tuple[Link, ...],
    teller: Teller,
    data: SessionData,
    before: Session | None,
    after: Session | None,
) -> SessionPage:
    first = index == 1
    title = heading(book, session)
    requests = [book.requests[name] for name in part.request_ids]
    phases = teller.phases(part, index)
    audit = prompt_audit(book, session, part, data, teller.first_shown)
    for request in requests:
        data.request(request)
    parent, children = _relations(book, session)
    figures = book.report.sessions.get(session.id)
    cards = figures.figures if figures is not None else {}
    split, note = time_split(book, session) if first else ((), "")
    shared = common(book, requests)
    around = [book.requests[name] for child in book.children.get(session.id, ()) for name in child.request_ids]
    project = book.project_title(session.project) if session.project else ""
    words = [book.client_name(session.client), project, session.model or "", session.words or ""]
    return SessionPage(
        id=session.id,
        path=book.session_path(session.id),
        title=title if first else f"{title} (part {index})",
        part=index,
        parts=links if len(links) > 1 else (),
        crumbs=_crumbs(book, session),
        chips=chips(book, session),
        overview=tuple(shown(cards[name]) for name in CARD if name in cards) if first else (),
        time_split=split,
        time_note=note,
        findings=finding_views(book, book.findings_of.get(session.id, [])) if first else (),
        parent=parent,
        children=children if first else (),
        waterfall=waterfall(book, [book.requests[name] for name in session.request_ids] + around, session.id)
        if first
        else None,
        charts=session_charts(book, session) if first else (),
        phases=phases,
        silent=not any(phase.told for phase in phases),
        audit=audit,
        common=shared,
        details=tuple(detail(book, request, shared) for request in requests),
        previous=None if before is None else Link(before.title, book.session_path(before.id)),
        next=None if after is None else Link(after.title, book.session_path(after.id)),
        data=data.close(index),
        places=places(session.id, teller.shown) if 1 < len(links) == index else "",
        items=data.held,
        requests=len(session.request_ids),
        words=" · ".join(filter(None, (*words, period(session.started_at, session.ended_at)))),
    )
