"""A conversation that goes on after its history was replaced by a summary.

In: what earlier requests have left (``Past``). Out: the latest request of the conversation that was compacted, or none.
Asked only for prompts that continue nothing; looks at a bounded number of conversations.
"""

from __future__ import annotations

from lms_audit.correlate.continuation import SIDE_KINDS, Found, Relation
from lms_audit.correlate.past import Past
from lms_audit.correlate.words import COMPACTED_ASKS, COMPACTED_STARTS, CUT_MARK, alike, person_text, without_reminders
from lms_audit.model import Kind, Message, Role, Text

_SOON_MS = 10 * 60_000
_AT_ONCE_MS = 15_000
_LONGEST_MS = 24 * 60 * 60_000
_RECENT = 32
_OPENING = 6
"""Messages among which the summary stands."""
_LONG = 200
"""Characters of a first message that may be a summary without any other sign."""


def after_compaction(past: Past, index: int) -> Found | None:
    """The thread whose history this prompt has replaced by a summary."""
    request = past.requests[index]
    if request.kind is not Kind.MAIN:
        return None
    messages = _opening(past, index)
    opening = [
        without_reminders(part.text)
        for message in messages
        if message.role in (Role.USER, Role.ASSISTANT)
        for part in message.parts
        if isinstance(part, Text)
    ]
    written = [text for text in opening if person_text(text)]
    marked = any(text.startswith(COMPACTED_STARTS) for text in opening)
    asked = any(text.startswith(COMPACTED_ASKS) for text in opening)
    long = any(CUT_MARK in text or len(text) >= _LONG for text in written)
    answers = any(message.role is Role.ASSISTANT for message in messages)
    for side in reversed(past.compactions):
        age = past.age(side, index)
        if age is None or age > _LONGEST_MS:
            continue
        answer = past.requests[side].response_text
        answered = answer is not None and any(_quotes(text, answer) for text in opening)
        tip = _compacted_tip(past, index, side)
        if tip is None:
            continue
        same_tools = past.tools(tip) == past.tools(index)
        # a long first message and nothing else is a new task as well, unless it comes at once
        pause = past.pause(side, index)
        near = len(written) > 1 or answers or (pause is not None and pause <= _AT_ONCE_MS)
        if marked or asked or answered or (long and same_tools and age <= _SOON_MS and near):
            return Found(tip, Relation.COMPACTED)
    tip = _compacted_tip(past, index, None) if marked else None
    return None if tip is None else Found(tip, Relation.COMPACTED)


def _compacted_tip(past: Past, index: int, side: int | None) -> int | None:
    """Latest request of the thread that was compacted: the one ``side`` repeats, else the last active like it."""
    origin = None if side is None else past.links[side].parent
    if origin is not None and past.links[origin].relation is not Relation.GROUPED:
        tip = past.tip(origin)
        return tip if past.requests[tip].kind not in SIDE_KINDS and past.may_join(index, tip) else None
    request = past.requests[index]
    for tip in past.recent_tips(_RECENT):
        other = past.requests[tip]
        age = past.age(tip, index)
        if (
            other.kind is Kind.MAIN
            and other.prompt is not None
            and other.client == request.client
            and other.requested_model == request.requested_model
            and (other.project == request.project or None in (other.project, request.project))
            and (side is None or tip < side)
            and age is not None
            and age <= _LONGEST_MS
            and past.may_join(index, tip)
        ):
            return tip
    return None


def _opening(past: Past, index: int) -> list[Message]:
    """The first messages of a prompt."""
    leaf = past.leaves[index]
    depths = range(1, min(past.prompts.depth(leaf), _OPENING) + 1)
    return [past.library.message(past.prompts.key(past.prompts.ancestor(leaf, depth))) for depth in depths]


def _quotes(text: str, answer: str) -> bool:
    answer = " ".join(answer[:400].split())
    return len(answer) >= 20 and (answer[:60] in " ".join(text.split()) or alike(text, answer))
