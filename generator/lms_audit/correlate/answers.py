"""Whether an answer is one that a request may have got: by its form, and by the second it says it was created in."""

from __future__ import annotations

from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.weights import UNLIKE, WRONG
from lms_audit.model import Api
from lms_audit.read import events as ev

SECOND_OFF = 5.0
"""An answer says that it was created in the second beside that of the start."""
QUARTER_HOUR = 900

SHAPES: dict[str, frozenset[Api]] = {
    "chat.completion": frozenset((Api.CHAT, Api.LMSTUDIO_V0)),
    "text_completion": frozenset((Api.COMPLETIONS, Api.LMSTUDIO_V0)),
    "response": frozenset((Api.RESPONSES,)),
    "message": frozenset((Api.MESSAGES,)),
}
"""What a whole answer calls itself -> protocols that answer so."""


def shape(draft: Draft, answer: ev.Answer) -> float:
    """Whether an answer is one of a request's protocol."""
    mine, told = draft.apis, SHAPES.get(answer.object or "")
    if not mine or told is None:
        return 0.0
    if not mine & told:
        return WRONG
    return UNLIKE if len(mine) == 1 and _timed(answer) is not (Api.LMSTUDIO_V0 in mine) else 0.0


def misdated(draft: Draft, answer: ev.Answer) -> float:
    """Whether the second an answer says it was created in is not the one in which a request started."""
    off = _created_off(draft, answer)
    return WRONG if off > 1 else SECOND_OFF * off


def dated(draft: Draft, answer: ev.Answer) -> bool:
    """Whether an answer says that it was created in the very second in which a request started."""
    return _tells_start(draft, answer) and _created_off(draft, answer) == 0


def _tells_start(draft: Draft, answer: ev.Answer) -> bool:
    """Whether ``created`` is the second of the start: on /api/v0 it is that of the end."""
    return answer.created is not None and draft.api is not Api.LMSTUDIO_V0 and not _timed(answer)


def _created_off(draft: Draft, answer: ev.Answer) -> int:
    """Seconds between a request's start and the one an answer says it was created in, whatever the zone.

    Zones are whole quarters of an hour apart, and no clock change is shorter, so that only the rest need be compared.
    """
    created = answer.created
    if created is None or not _tells_start(draft, answer):
        return 0
    # The line at the start, or, where a model had to be loaded first, the request line.
    starts = {at // 1000 for at in (draft.running_at, draft.received_at, draft.first_at) if at is not None}
    return min(min((start - created) % QUARTER_HOUR, (created - start) % QUARTER_HOUR) for start in starts)


def _timed(answer: ev.Answer) -> bool:
    """Whether it tells times: only those of /api/v0 do."""
    return answer.stats is not None and answer.stats.generation_ms is not None
