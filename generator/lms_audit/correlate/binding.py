"""What binding lines to requests works with: the requests at hand, and how one is chosen.

The log gives no request id. Where several requests could own a line, it goes to the likeliest. What lines that come
later have to say about it is asked at the end (``review``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.drafts import Draft, Run
from lms_audit.correlate.engine_task import EngineTask, Note
from lms_audit.correlate.parts import End, Hangup, PacketStream
from lms_audit.correlate.tasks import SURE, Tasks
from lms_audit.model import Api, Millis, ModelLoad
from lms_audit.read import events as ev
from lms_audit.read.join import Stretch

LATE_MS = 600_000
"""How long after its end a request may still get a prediction or a timing."""
STALE_MS = 3_600_000
"""A request without any line for so long is not in flight any more: when another one comes, or after such a silence."""

Score = Callable[[Draft], float]


class Gathered:
    """What one pass found."""

    def __init__(self) -> None:
        self.tree = PromptTree()
        self.drafts: list[Draft] = []
        self.loads: list[ModelLoad] = []
        self.unbound_tasks = 0
        """Engine tasks no request explains."""


class Binding:
    """Requests in flight, those that ended a short time ago, and the means to choose among them."""

    def __init__(self) -> None:
        self.found = Gathered()
        self.tasks = Tasks(self.found.tree)
        self.recent: list[Draft] = []
        """Requests that run a model: in flight, or ended a short time ago."""
        self._open: list[Draft] = []
        """Those that answer with text and are in flight, and perhaps some that have just ended."""
        self.polls: deque[Draft] = deque(maxlen=50)
        """The last requests that run no model."""
        self.started: Draft | None = None
        """The request whose running or streaming line stands right before this one."""
        self.serial = False
        """The engine at work takes one request at a time, in order of arrival."""
        self.stretch = Stretch("", ())
        self.number = self.line = 0
        """Of the stretch, and in it."""
        self.at: Millis = 0
        """When the line at hand, or the one before, was written."""

    # -- drafts

    def new(self, at: Millis, api: Api | None) -> Draft:
        """A request in order of arrival."""
        draft = Draft(len(self.found.drafts), at, api)
        draft.precise = self.stretch.precise
        draft.place = (self.number, self.line)
        self.found.drafts.append(draft)
        if api is Api.OTHER:
            self.polls.append(draft)
        else:
            self.forget_old(at)
            self.recent.append(draft)
            if draft.generates:
                self._open.append(draft)
        return draft

    def forget_old(self, now: Millis) -> None:
        """Lets go of requests that get no line any more."""
        self.recent = [old for old in self.recent if now - old.last_at <= LATE_MS or not self._over(old, now)]

    def _over(self, draft: Draft, now: Millis) -> bool:
        """Too old to get another line."""
        if draft.run.closed:
            return now - draft.last_at > LATE_MS
        if now - draft.last_at > STALE_MS:
            draft.run.closed = True
            return True
        return False

    def in_flight(self) -> list[Draft]:
        """Requests being worked on, oldest first."""
        self._open = [draft for draft in self._open if not (draft.run.closed or draft.outlived(self.at))]
        return list(self._open)

    def working(self, tag: str | None, stream: bool | None = None) -> list[Draft]:
        """Those of a model that have started; ``stream``: and that may be streamed, or not."""
        return [
            draft
            for draft in tagged(self.in_flight(), tag)
            if draft.started and (stream is None or draft.stream is None or draft.stream is stream)
        ]

    def generating(self, tag: str | None) -> list[Draft]:
        """Those of a model, in flight or ended a short time ago."""
        return tagged((draft for draft in self.recent if draft.generates), tag)

    def close(self, draft: Draft) -> None:
        """Nothing more is expected of a request."""
        draft.run.closed = True
        self.tasks.end(draft.run.tasks)

    # -- notes

    def note(
        self,
        to: Draft | Run | EngineTask | PacketStream | End | Hangup,
        event: ev.Event,
        name: str,
        detail: str = "",
        of: tuple[int, Stretch] | None = None,
    ) -> None:
        """Adds a line to the timeline and to the evidence. ``of``: number and stretch of a line that is not at hand."""
        number, stretch = of if of is not None else (self.number, self.stretch)
        ranges = stretch.ranges(event.line, event.end_line)
        to.bear(Note((number, event.line), event.at, name, detail, ranges))
        for draft in to.bearers:
            draft.last_at = max(draft.last_at, event.at)

    # -- choosing

    def choose(self, among: Sequence[Draft], alone: str, told: str = "", score: Score | None = None) -> Draft | None:
        """The likeliest of several, the oldest of equals; what does not beat the rest clearly is doubtful.

        ``alone`` is the evidence where there is only one, ``told`` what the score rests on.
        """
        if not among:
            return None
        if len(among) == 1:
            among[0].prove(alone)
            return among[0]
        points = {draft.number: score(draft) if score is not None else 0.0 for draft in among}
        ranked = sorted(among, key=lambda draft: (-points[draft.number], draft.number))
        best = points[ranked[0].number]
        near = [draft for draft in ranked[1:] if best - points[draft.number] < SURE]
        if not near:
            ranked[0].prove(told)
        elif self.serial and len({draft.requested_model for draft in among}) == 1:
            ranked[0].prove("order of a serial engine")
        else:
            ranked[0].prove("order")
            for draft in (ranked[0], *near):
                draft.doubtful = True
        return ranked[0]

    def settle(
        self, task: EngineTask, bonus: Score | None = None, within: Sequence[Draft] | None = None
    ) -> Draft | None:
        """The request of a task, settled now if it was not, and if it is ``within`` those the line at hand may mean."""
        if task.owner is not None or not task.candidates:
            return task.owner
        several = len([draft for draft in task.candidates if not draft.run.tasks]) > 1
        likely = self.tasks.settle(task, bonus, within)
        if not likely:
            return None
        if len(likely) > 1:
            likely[0].prove("order")
            for draft in likely:
                draft.doubtful = True
        else:
            likely[0].prove("slot and task")
            if several:
                likely[0].prove("order of a serial engine" if task.block else "prompt size and slot")
            else:
                self.tasks.know(task)
        task.doubtful = likely[0].doubtful
        return likely[0]

    def continued(self, after: Draft, node: int) -> None:
        """A request with this prompt has come: those whose conversation it continues have ended."""
        for draft in self.recent:
            if not draft.run.closed and not draft.superseded and self.tasks.sizes.continues(node, draft):
                draft.superseded_by = after


def tagged(drafts: Iterable[Draft], tag: str | None) -> list[Draft]:
    """Without those another model is known to work for."""
    return [draft for draft in drafts if tag is None or draft.tag is None or draft.tag == tag]
