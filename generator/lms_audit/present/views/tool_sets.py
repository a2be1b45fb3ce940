"""A page for each distinct tool set: descriptions and schemas, and who was offered them. Sessions share these pages.

In: the book. Out: pages with their data files, in order of first use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec import Struct

from lms_audit.model import Key
from lms_audit.present.views.book import Book, slug, tool_set_path
from lms_audit.present.views.data import packed
from lms_audit.present.views.format import count, size


class ToolView(Struct, frozen=True):
    """A tool with its description and schema."""

    anchor: str
    name: str
    description: str
    schema: str
    size: str
    weight: float


class ToolSetPage(Struct, frozen=True):
    """A tool set and who was offered it."""

    path: str
    title: str
    lead: str
    requests: str
    sessions: tuple[tuple[str, str], ...]
    more: str
    tools: tuple[ToolView, ...]
    data_path: str
    data: str


MOST_USERS = 12


def tool_set_pages(book: Book) -> Iterator[ToolSetPage]:
    """A page for each distinct tool set, with its JSON as a data file that sessions share."""
    users: dict[Key, dict[str, int]] = {}
    for request in book.audit.requests:
        if request.prompt is not None and request.prompt.tools is not None and request.session_id in book.sessions:
            held = users.setdefault(request.prompt.tools, {})
            held[request.session_id] = held.get(request.session_id, 0) + 1
    for key, sessions in users.items():
        tools = book.library.tools(key)
        heaviest = max((tool.size for tool in tools), default=1) or 1
        names = list(sessions)
        requests = sum(sessions.values())
        yield ToolSetPage(
            path=tool_set_path(key),
            title=f"Tool set of {len(tools)} tools",
            lead=", ".join(tool.name for tool in tools),
            requests=f"{count(requests)} request{'s' if requests != 1 else ''}",
            sessions=tuple((book.sessions[name].title, book.session_path(name)) for name in names[:MOST_USERS]),
            more=f"and {len(names) - MOST_USERS} more sessions" if len(names) > MOST_USERS else "",
            tools=tuple(
                ToolView(
                    slug(tool.name),
                    tool.name,
                    tool.description,
                    json.dumps(tool.schema, ensure_ascii=False, indent=2) if tool.schema is not None else "",
                    size(tool.size),
                    round(tool.size / heaviest * 100, 1),
                )
                for tool in sorted(tools, key=lambda tool: (-tool.size, tool.name))
            ),
            data_path=f"assets/data/tools-{key[:12]}.js",
            data=f'lmsAudit.tools("{key[:12]}","{packed(book.library.raw(key))}");\n',
        )
