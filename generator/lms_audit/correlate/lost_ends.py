"""An end that is not in the log must not move those that follow to the requests before theirs.

Bound line by line, an end goes to the oldest request it may be of. One without an end takes that of the next one then,
which takes that of the one behind it, and so on to the last, which seems not to have ended. Where nothing but their
places speaks for such a run of ends, it is looked at once more: requests that take a minute each, and of which another
one always begins in the last moment, are rather short ones, the first of which has lost its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log

from lms_audit.correlate.drafts import Draft
from lms_audit.model import Millis

SURE = 4.0
"""So much likelier it must be."""
CHANCE = 1.5
"""So much shorter, in powers of e, requests seem where the next one begins by chance while they are at work."""
SECOND = 1000


def set_right(drafts: Iterable[Draft]) -> None:
    """Gives every run of ends that one lost end has moved back to the requests they are of."""
    runs: dict[tuple[str | None, object], list[Draft]] = {}
    for draft in drafts:
        if not _plain(draft):
            continue
        run = runs.setdefault((draft.tag, draft.apis), [])
        if run and not _moved(run[-1], draft):
            run.clear()
        run.append(draft)
        if draft.run.end is None:
            _move(run[_lost(run) :])
            run.clear()


def _plain(draft: Draft) -> bool:
    """Whether only the place of its end speaks for it."""
    run = draft.run
    if not draft.generates or not draft.stream or run.tasks or run.has_packets or run.hangup is not None:
        return False
    return run.failed_at is None and not run.predicted


def _moved(draft: Draft, after: Draft) -> bool:
    """Whether a request's end may be that of the next one."""
    end = draft.run.end
    return end is not None and after.place < end.place


def _lost(run: Sequence[Draft]) -> int:
    """From which request on each is likelier to have the end of the one before; behind the last: from none."""
    likelier, best, found = 0.0, SURE, len(run)
    for number in range(len(run) - 2, -1, -1):
        likelier += log(_taken(run[number], run[number]) / _taken(run[number + 1], run[number])) - CHANCE
        if likelier >= best:
            best, found = likelier, number
    return found


def _taken(draft: Draft, ending: Draft) -> Millis:
    """How long a request would have been at work with someone's end; a second at least."""
    assert ending.run.end is not None
    return max(ending.run.end.at - draft.first_at, SECOND)


def _move(run: Sequence[Draft]) -> None:
    ends = [draft.run.end for draft in run[:-1]]
    for draft, end in zip(run, [None, *ends], strict=False):
        draft.run.end = end
        draft.prove("the run of ends")
