"""Hand-made audits: requests of ``tests.support.World`` with sessions as given, and a report of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from lms_audit.analyse import analyse
from lms_audit.analyse.items import Prompts
from lms_audit.analyse.report import Figure, Report, Table
from lms_audit.model import Api, Audit, Json, Request, Session, Source, ToolCall
from tests.support import World

ENGINE = dict.fromkeys(
    ("prompt_ms", "generation_ms", "tokens_per_second", "cached_tokens", "output_tokens"), Source.ENGINE
)


class Log(World):
    """A world whose sessions are named by the tests: ``session_id`` is ``s1`` unless told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[str, str] = {}

    def ask(self, messages: Sequence[Json] | None, *, offers: Json = None, **fields: Any) -> str:
        """Send a request of session ``s1`` with provenance; ``offers`` is a whole ``tools`` member."""
        values: dict[str, Any] = {"session_id": "s1", "provenance": ENGINE} | fields
        name = self.send(messages, tools=None, **values)
        if offers is not None:
            request = self.requests[-1]
            assert request.prompt is not None
            prompt = replace(request.prompt, tools=self.library.put(offers))
            self.requests[-1] = replace(request, prompt=prompt)
        return name

    def list_models(self, **fields: Any) -> str:
        """A request that runs no model."""
        values: dict[str, Any] = {"api": Api.OTHER, "model": None, "session_id": None} | fields
        return self.send(None, **values)

    def audit(self, **fields: Any) -> Audit:
        """The audit of all that was sent."""
        held: dict[str, list[Request]] = {}
        for request in self.requests:
            if request.session_id is not None:
                held.setdefault(request.session_id, []).append(request)
        sessions = tuple(
            Session(
                id=name,
                parent_session_id=self.parents.get(name),
                title=name,
                started_at=requests[0].received_at,
                ended_at=requests[-1].finished_at,
                request_ids=tuple(request.id for request in requests),
            )
            for name, requests in held.items()
        )
        values: dict[str, Any] = {
            "requests": tuple(self.requests),
            "sessions": sessions,
            "conversations": {},
            "files": (),
        }
        return Audit(**values | fields)

    def more(self) -> dict[str, Any]:
        """Fields of the audit that are not its requests."""
        return {}

    def report(self, **fields: Any) -> Report:
        """Everything analysis says of it."""
        return analyse(self.audit(**self.more() | fields), self.library, self.library.tree)

    def prompts(self) -> Prompts:
        return Prompts(self.library.tree, self.library, self.requests)


def made(name: str, arguments: Json, result: str | None = None, **fields: Any) -> ToolCall:
    """A tool call with its result."""
    return ToolCall(None, name, arguments, result=result, **fields)


def row(table: Table, label: str) -> tuple[Figure, ...]:
    """The cells of a table's row."""
    return next(one.cells for one in table.rows if one.label == label)


def every_figure(report: Report) -> list[Figure]:
    """All figures of a report, wherever they stand."""
    cells = [cell for table in report.tables.values() for line in table.rows for cell in line.cells]
    cells += report.tiles.values()
    cells += [cell for session in report.sessions.values() for cell in session.figures.values()]
    return cells + [finding.figure for finding in report.findings]
