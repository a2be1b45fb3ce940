"""Gaps between the requests of a session: time in which the agent, its tools or a person were at work, not the model.

In: the audit's requests and sessions, and the prompts. Out: request id -> gap. Cost: one pass; of a prompt only the
messages after its last answer are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_audit.analyse.items import Prompts
from lms_audit.analyse.report import Gap, GapKind
from lms_audit.model import Millis, Request, Role


def gap_kind(request: Request, prompts: Prompts) -> GapKind:
    """What the time before a request was for: told by what its prompt holds behind the last answer."""
    results = False
    for item in prompts.tail(request.prompt.node if request.prompt else 0):
        if item.role is Role.ASSISTANT:
            break
        if item.has_words:
            return GapKind.PERSON
        results = results or item.has_results
    return GapKind.TOOLS if results else GapKind.UNKNOWN


def gaps(requests: Iterable[Request], prompts: Prompts) -> dict[str, Gap | None]:
    """The gap before each request of one session, in order of arrival.

    ``None`` for the first, and where the arrival or the end of the request before it is not logged. Overlaps are 0.
    """
    found: dict[str, Gap | None] = {}
    reached: Millis | None = None
    previous: Request | None = None
    for request in requests:
        gap = None
        if previous is not None and previous.finished_at is not None and request.received_at is not None:
            ms = max(0, request.received_at - max(previous.finished_at, reached or 0))
            gap = Gap(float(ms), gap_kind(request, prompts))
        found[request.id] = gap
        if request.finished_at is not None:
            reached = max(request.finished_at, reached or 0)
        previous = request
    return found
