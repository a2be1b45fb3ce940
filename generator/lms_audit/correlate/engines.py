"""Engine lines -> the requests they are about."""

from __future__ import annotations

from lms_audit.correlate.binding import Binding
from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.parts import Hangup
from lms_audit.model import Millis
from lms_audit.read import events as ev

HANGUP_MS = 2000
"""How soon after a disconnect a stream that ends without an engine's timing was the one cut off."""


FEW_ENDS = 3
"""After so many ends without one, closed connections are no habit of a log's clients."""


class Engines(Binding):
    """Binds what engines say."""

    def __init__(self) -> None:
        super().__init__()
        self.hangups: list[Hangup] = []
        self.left: list[Hangup] = []
        """All of them."""
        self.ends = self.closes = 0
        """Requests that have ended, and how many of their clients closed the connection afterwards."""
        self.failing: tuple[Draft, Millis] | None = None
        """The request whose engine task has failed last."""

    # -- tasks

    def task(self, event: ev.Task) -> None:
        """A step of a task."""
        self.serial = False
        if event.step == "cancel":
            self._cancelled(event)
            return
        task = self.tasks.find(event) if event.step != "launch" else None
        if task is None:
            if event.step in ("release", "assigned", "cache"):
                return  # the log starts behind its launch
            task = self.tasks.start(event, self._ready(event.tag))
        task.step(event)
        self.note(task, event, f"engine {event.step}", _task_detail(event))
        if event.step == "release" and not task.timed and task.failed is None:
            self._cut_off(task)
        if task.released:
            self.tasks.done(task)

    def timing(self, event: ev.Timing) -> None:
        """A timing block, or a part of one."""
        task = self.tasks.find(event) if event.slot is not None else self.tasks.open_block()
        if task is None and event.slot is None:
            self._block_timing(event)
            return
        if task is None or task.told_otherwise(event):
            task = self.tasks.start(event, self._ready(event.tag))
        task.add(event)
        self.note(task, event, "engine timing", _timing_detail(event))
        if task.eval_ms is not None:
            self.tasks.done(task)

    def _ready(self, tag: str | None) -> list[Draft]:
        """Started requests without a task, or whose task has failed."""
        return [draft for draft in self.working(tag) if not draft.run.tasks or draft.run.tasks[-1].failed is not None]

    # -- clients that leave

    def disconnected(self, event: ev.Disconnected) -> None:
        """A client has closed its connection; after the end of its request that is normal."""
        flying = self.in_flight()
        ended = [draft for draft in self.recent if self._just_ended(draft, event.at)]
        hangup = Hangup(event, (self.number, event.line), flying, weak=bool(ended))
        self.note(hangup, event, "disconnected")
        self.left.append(hangup)
        if ended and (not flying or self.closes or self.ends <= FEW_ENDS):
            self.closes += not flying
            self._hang_up(ended[-1], hangup)
        else:
            hangup.weak = False  # the clients of this log do not close their connections so
        if not hangup.weak and len(flying) == 1:
            flying[0].prove("only one in flight")
            self.cancel(flying[0], hangup)
        elif flying:
            self.hangups.append(hangup)
            self._all_left(flying)

    def _hang_up(self, draft: Draft, hangup: Hangup) -> None:
        """It was this one whose client has left."""
        if hangup.owner is not None:
            hangup.owner.run.hangup = None
        if draft.run.hangup is not None:
            draft.run.hangup.owner = None
        draft.run.hangup, hangup.owner = hangup, draft
        draft.last_at = max(draft.last_at, hangup.at)

    def _all_left(self, flying: list[Draft]) -> None:
        """As many clients have left as there are requests in flight."""
        same = [hangup for hangup in self.hangups if not hangup.weak and hangup.drafts == flying]
        if len(same) < len(flying):
            return
        self.hangups = [hangup for hangup in self.hangups if hangup not in same]
        for draft, hangup in zip(list(flying), same, strict=False):
            draft.prove("as many disconnects as requests in flight")
            self.cancel(draft, hangup)

    def _just_ended(self, draft: Draft, at: Millis) -> bool:
        run = draft.run
        ended_at = run.ended_at
        if not draft.generates or run.hangup is not None or ended_at is None:
            return False
        return 0 <= at - ended_at <= HANGUP_MS

    def cancel(self, draft: Draft, hangup: Hangup) -> None:
        """A request's client has left before its end."""
        if draft.run.closed:
            return
        self._hang_up(draft, hangup)
        self.close(draft)
        self.hangups = [other for other in self.hangups if draft not in other.drafts or other.at != hangup.at]
        for other in self.hangups:
            if draft in other.drafts:
                other.drafts.remove(draft)

    def _hangup_of(self, draft: Draft) -> Hangup | None:
        return next((hangup for hangup in self.hangups if draft in hangup.drafts), None)

    def _cancelled(self, event: ev.Task) -> None:
        """The engine gives up a task because its client has left."""
        tasks = [task for task in self.tasks.by_id(event, event.task) if not task.ended and not task.released]
        if len(tasks) != 1:
            return  # engines that use the same ids: its release will tell
        owner = self.settle(tasks[0], self._left_bonus)
        self.note(tasks[0], event, "engine cancel", _task_detail(event))
        if owner is not None and owner.in_flight:
            self._left(owner, event)

    def _left_bonus(self, draft: Draft) -> float:
        return 10.0 if self._hangup_of(draft) is not None else 0.0

    def _cut_off(self, task: EngineTask) -> None:
        """A task was released without a timing: it was given up."""
        if not self.hangups:
            return
        owner = self.settle(task, self._left_bonus)
        if owner is not None and owner.in_flight and self._hangup_of(owner) is not None:
            self._left(owner, None)

    def _left(self, owner: Draft, event: ev.Task | None) -> None:
        hangup = self._hangup_of(owner)
        owner.prove("slot and task")
        if hangup is not None:
            self.hangups.remove(hangup)
            self.cancel(owner, hangup)
        elif event is not None:
            hangup = Hangup(event, (self.number, event.line), [owner], weak=False)
            self.note(hangup, event, "disconnected")
            self.cancel(owner, hangup)

    def end_hangups(self, draft: Draft, at: Millis) -> None:
        """A request has come to its end: was it the one whose client had left? Called before it is closed."""
        self.ends += 1
        proof = _ended_well(draft)
        for hangup in list(self.hangups):
            if draft not in hangup.drafts:
                continue
            if proof is True:
                hangup.drafts.remove(draft)
                self._only_one_left(hangup)
            elif proof is False:
                self.hangups.remove(hangup)
                draft.prove("its packets have no end")
                self._hang_up(draft, hangup)
            elif not hangup.weak and at - hangup.at <= HANGUP_MS:
                self.hangups.remove(hangup)
                self._hang_up(draft, hangup)
                return

    def _only_one_left(self, hangup: Hangup) -> None:
        if len(hangup.drafts) != 1 or hangup.weak or hangup not in self.hangups:
            return
        (left,) = hangup.drafts
        self.hangups.remove(hangup)
        left.prove("all others ended well")
        left.run.presumed = True
        if left.run.closed:
            self._hang_up(left, hangup)
        else:
            self.cancel(left, hangup)

    # -- engines without task ids

    def _block(self, *, over: bool) -> EngineTask:
        """What an engine of 0.3 has at work: one prompt at a time. ``over``: it is done with the one before."""
        self.serial = True
        block = self.tasks.block
        if block is None or over:
            ready = self._ready(None) or self._late()
            block = self.tasks.start_block(ready)
        return block

    def _late(self) -> list[Draft]:
        """Requests that have just ended and whose engine has told nothing yet."""
        now = max((draft.last_at for draft in self.recent), default=0)
        return [
            draft
            for draft in self.recent
            if draft.generates and draft.run.closed and not draft.run.tasks and draft.last_at >= now - HANGUP_MS
        ][-1:]

    def _block_timing(self, event: ev.Timing) -> None:
        block = self.tasks.timed_block(event) or self._block(over=True)
        block.add(event)
        self.note(block, event, "engine timing", _timing_detail(event))
        if block.eval_ms is not None:
            self.tasks.done(block)

    def prompt_count(self, event: ev.PromptCount) -> None:
        """The size of a prompt, from an engine without task ids."""
        if event.engine == "mlx":
            reading = [draft for draft in self._ready(event.tag) if _may_be_reading(draft)]
            task = self.tasks.start_nameless(event, reading)
            self.note(task, event, "prompt size", _count_detail(event))
            if len(task.candidates) == 1:
                task.candidates[0].prove("only one at work")
                self.tasks.give(task, task.candidates[0])
            return
        block = self.tasks.block
        block = self._block(over=block is not None and (block.timed or block.counts(event)))
        block.count(event)
        self.note(block, event, "prompt size", _count_detail(event))

    def settle_nameless(self, draft: Draft, usage: ev.Usage | None) -> None:
        """An answer's usage tells which of the prompts read without an id was its."""
        if usage is None or not usage.input:
            return
        for task in list(self.tasks.undecided):
            if task.nameless and draft in task.candidates:
                if task.prompt_tokens == usage.input and draft.task is None:
                    draft.prove("token counts")
                    self.tasks.give(task, draft)
                else:
                    task.candidates.remove(draft)

    def prompt_step(self, event: ev.PromptStep) -> None:
        """0.3: a prompt begins to be read, or has been."""
        block = self.tasks.block
        begun = block is not None and block.launched_at is not None
        block = self._block(over=block is not None and event.begin and (begun or block.timed))
        if event.begin:
            block.launched_at = event.at
        else:
            block.read_at = event.at
        self.note(block, event, "prompt processing", "begins" if event.begin else "done")

    def summary(self, event: ev.Summary) -> None:
        """Splash's account of a request."""
        working = [draft for draft in self.working(None) if draft.run.summary is None]
        among = working[:1] or [draft for draft in self._late() if draft.run.summary is None]
        if not among:
            return
        run = among[0].run
        run.summary = event
        if run.failed_at is None and event.outcome == "error" and event.error:
            run.errors.append(event.error)
        self.note(run, event, "engine summary", event.outcome)


def _ended_well(draft: Draft) -> bool | None:
    """Whether an answer was written to its end; ``None``: nothing tells."""
    run = draft.run
    if run.task is not None and run.task.eval_ms is not None and run.task.slot is not None:
        return True  # engines without slots tell the times of cancelled requests too
    if run.answer is not None and run.answer.finish_reason is not None:
        return True
    return False if run.has_packets else None


def _may_be_reading(draft: Draft) -> bool:
    run = draft.run
    read = run.progress is not None and run.progress[2] >= 100
    return not read and not run.has_packets and run.first_token_at is None


def _task_detail(event: ev.Task) -> str:
    tokens = "" if event.tokens is None else f", {event.tokens} tokens"
    slot = "" if event.slot is None else f"slot {event.slot}, "
    return f"{slot}task {event.task}{tokens}"


def _timing_detail(event: ev.Timing) -> str:
    parts = []
    if event.prompt_ms is not None:
        parts.append(f"prompt {event.prompt_ms:g} ms for {event.prompt_tokens} tokens")
    if event.eval_ms is not None:
        parts.append(f"generation {event.eval_ms:g} ms for {event.eval_tokens} tokens")
    return ", ".join(parts)


def _count_detail(event: ev.PromptCount) -> str:
    named = (
        ("total", event.total),
        ("cached", event.cached),
        ("to evaluate", event.evaluated),
        ("context", event.context),
    )
    return ", ".join(f"{value} {name}" for name, value in named if value is not None)
