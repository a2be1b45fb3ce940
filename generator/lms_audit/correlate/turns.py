"""Whether requests are served in turn."""

from __future__ import annotations

from typing import NamedTuple

from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.holdings import Nobody, Parts
from lms_audit.correlate.parts import Place
from lms_audit.correlate.weights import MISSING


class Turn(NamedTuple):
    """What tells whether requests are served in turn."""

    started: Place
    begun: Place
    """Where its engine task begins."""
    done: Place | None
    ended: Place | None
    block: bool
    tag: str | None


def turn(draft: Draft, parts: Parts) -> Turn | None:
    """When it is a request's turn with these parts; ``None``: no engine task tells."""
    task, end = parts.task, parts.end
    if task is None or isinstance(draft, Nobody):  # who is no request has no place in their order
        return None
    return Turn(draft.start, task.start, task.done, None if end is None else end.place, task.block, draft.tag)


def order(one: Turn | None, other: Turn | None, *, far: bool = False) -> float:
    """Tasks are launched in the order of their requests; requests end in the order in which their tasks are done.

    ``far``: nothing is said of the slots of an engine, in which those that wait together may overtake several.
    """
    if one is None or other is None:
        return 0.0
    total = 0.0
    block = one.block and (one.tag == other.tag or None in (one.tag, other.tag))
    if (block or not far) and (one.started < other.started) is not (one.begun < other.begun):
        total += MISSING if block else 1.5
    if one.done is not None and other.done is not None and one.ended is not None and other.ended is not None:
        total += 5.0 if (one.done < other.done) is not (one.ended < other.ended) else 0.0
    return total
