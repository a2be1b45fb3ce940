"""A conversation that goes on after its history was replaced by a summary.

In: what earlier requests have left (``Past``). Out: the latest request of the conversation that was compacted, or none.
Asked only for prompts that continue nothing; looks at a bounded number of conversations.
"""

from __future__ import annotations

from lms_audit.correlate.continuation import SIDE_KINDS, Found, Relation
from lms_audit.correlate.past import Past
from lms_audit.correlate.words import COMPACTED_ASKS, COMPACTED_STARTS, CUT_MARK, alike, without_reminders
from lms_audit.model import Kind, Role, Text

_SOON_MS = 10 * 60_000
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
    opening = _opening(past, index)
    marked = any(text.startswith(COMPACTED_STARTS) for text in opening)
    asked = any(text.startswith(COMPACTED_ASKS) for text in opening)
    long = any(CUT_MARK in text or len(text) >= _LONG for text in opening)
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
        if marked or asked or answered or (long and same_tools and age <= _SOON_MS):
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


def _opening(past: Past, index: int) -> list[str]:
    """Texts of the first messages of the talk."""
    texts: list[str] = []
    leaf = past.leaves[index]
    for depth in range(1, min(past.prompts.depth(leaf), _OPENING) + 1):
        message = past.library.message(past.prompts.key(past.prompts.ancestor(leaf, depth)))
        if message.role in (Role.USER, Role.ASSISTANT):
            texts += (without_reminders(part.text) for part in message.parts if isinstance(part, Text))
    return texts


def _quotes(text: str, answer: str) -> bool:
    answer = " ".join(answer[:400].split())
    return len(answer) >= 20 and (answer[:60] in " ".join(text.split()) or alike(text, answer))
