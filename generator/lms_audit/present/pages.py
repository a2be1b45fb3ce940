"""The plan of pages: which there are, with their template, title and view.

In: the book. Out: ``File`` objects in a fixed order, made one at a time so that no more than one page is in memory. A
new page is a view, a template and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from lms_audit.model import Key, Session
from lms_audit.present import render, rows
from lms_audit.present.reuse import Kept, Reuse, session_digest
from lms_audit.present.text import json_text
from lms_audit.present.views import cache, evidence, hubs, lists, overview, prompts, tool_sets
from lms_audit.present.views.book import Book
from lms_audit.present.views.session import session_pages


class File(Struct, frozen=True):
    """A file of the docs tree."""

    path: str
    content: str | None
    """``None``: as the last build left it."""


class Hub(Struct, frozen=True):
    """A page there is one of."""

    path: str
    template: str
    title: str
    lead: str
    view: Callable[[Book], Any]


HUBS = (
    Hub("index.md", "overview.md.j2", "Overview", "", overview.overview),
    Hub("sessions/index.md", "sessions.md.j2", "Sessions", "Every conversation, newest day first.", lists.session_list),
    Hub(
        "requests/index.md",
        "requests.md.j2",
        "Requests",
        "Every call that ran a model, with filters and percentiles of the selection.",
        lists.request_list,
    ),
    Hub(
        "prompts/index.md",
        "prompts.md.j2",
        "Prompt ledger",
        "Every distinct message and tool set once, with what sending it again and again cost.",
        prompts.prompts_page,
    ),
    Hub(
        "cache/index.md",
        "cache.md.j2",
        "Cache breaks",
        "Requests whose prompt differed from what the engine had cached, why, and what it cost.",
        cache.cache_page,
    ),
    Hub(
        "tools/index.md",
        "tools.md.j2",
        "Tools",
        "What the agents called, how it ended, which files they touched.",
        hubs.tools_page,
    ),
    Hub(
        "models/index.md",
        "hub.md.j2",
        "Models",
        "Speed, tokens and time by model.",
        lambda book: hubs.hub_page(book, "model"),
    ),
    Hub(
        "clients/index.md", "hub.md.j2", "Clients", "Who sent the requests.", lambda book: hubs.hub_page(book, "client")
    ),
    Hub(
        "projects/index.md", "hub.md.j2", "Projects", "What was worked on.", lambda book: hubs.hub_page(book, "project")
    ),
    Hub(
        "cost/index.md",
        "hub.md.j2",
        "Cost",
        "What the same tokens would have cost at list prices of cloud APIs.",
        hubs.cost_page,
    ),
    Hub(
        "health/index.md",
        "health.md.j2",
        "Health",
        "What of the logs was understood, what was not, and how to get a better log next time.",
        evidence.health_page,
    ),
    Hub(
        "definitions/index.md",
        "definitions.md.j2",
        "Definitions",
        "What every figure means, where it comes from and how precise it is.",
        lambda _: evidence.definitions_page(),
    ),
)


def hub_files(book: Book) -> Iterator[File]:
    """The pages there is one of each."""
    for hub in HUBS:
        content = render.page(hub.template, hub.path, title=hub.title, lead=hub.lead, view=hub.view(book))
        yield File(hub.path, content)


def session_files(book: Book, reuse: Reuse, held: dict[str, Mapping[Key, tuple[int, int]]]) -> Iterator[list[File]]:
    """The pages of each session with their data files; those that would come out the same stay.

    ``held`` is filled with what each session's data files hold, and where.
    """
    neighbours = _neighbours(book)
    for session in book.audit.sessions:
        before, after = neighbours.get(session.id, (None, None))
        digest = session_digest(book, session, before, after)
        kept = reuse.kept(session, digest)
        if kept is not None:
            made = [File(path, None) for path in kept.files]
        else:
            made = []
            items: Mapping[Key, tuple[int, int]] = {}
            for view in session_pages(book, session, before, after):
                path = book.session_path(session.id, view.part).replace(".html", ".md")
                made.append(
                    File(path, render.page("session.md.j2", path, title=view.title, lead=view.words, view=view))
                )
                made.append(File(f"sessions/{session.id}/data-{view.part}.js", view.data))
                if view.places:
                    made.append(File(f"sessions/{session.id}/places.js", view.places))
                items = view.items
            kept = Kept(digest, tuple(file.path for file in made), dict(items))
            reuse.note(session, kept)
        held[session.id] = kept.items
        yield made


def _neighbours(book: Book) -> dict[str, tuple[Session | None, Session | None]]:
    """The conversations before and after each that is no side of another one."""
    tops = [session for session in book.audit.sessions if session.parent_session_id not in book.sessions]
    return {
        session.id: (before, after)
        for before, session, after in zip([None, *tops], tops, [*tops[1:], None], strict=False)
    }


def tool_set_files(book: Book) -> Iterator[File]:
    """A page and a data file for each distinct tool set: sessions share them."""
    for view in tool_sets.tool_set_pages(book):
        path = view.path.replace(".html", ".md")
        yield File(path, render.page("tool_set.md.j2", path, title=view.title, lead=view.lead, view=view))
        yield File(view.data_path, view.data)


def data_files(book: Book) -> Iterator[File]:
    """What scripts share: sessions for the sidebar, definitions, rows of the two lists."""
    yield File("assets/data/sessions.js", f"lmsAudit.sessions({json_text(lists.index_data(book))});\n")
    yield File("assets/data/definitions.js", f"lmsAudit.definitions({json_text(evidence.definitions_data())});\n")
    yield File("data/sessions.js", rows.script(lists.session_rows(book)).decode("ascii"))
    yield File("data/requests.js", rows.script(lists.request_rows(book)).decode("ascii"))
