"""What comes between a request's start and its end, and errors -> the requests they are about."""

from __future__ import annotations

from lms_audit.correlate.binding import Score, tagged
from lms_audit.correlate.drafts import Draft, Run
from lms_audit.correlate.engines import Engines
from lms_audit.correlate.parts import End
from lms_audit.read import events as ev

SAME_ERROR_MS = 1000
"""An error of a request is often told twice, by the engine and by the server."""
CRASHES = ("The model has crashed", "Engine protocol runtime exited")


class Course(Engines):
    """Binds the lines of a request at work."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str | None, tuple[ev.CallsLine, list[Draft]]] = {}
        """The last line of tool calls of each model, the prediction that follows is its; and who was at work then."""

    # -- what comes on the way

    def first_token(self, event: ev.FirstToken) -> None:
        """A line at the first token."""
        among = [draft for draft in self.working(event.tag, event.stream) if draft.run.first_token_at is None]
        if not among:  # 0.2 has no running line
            among = [draft for draft in tagged(self.in_flight(), event.tag) if draft.stream is event.stream]
        block = self.tasks.block
        if block is not None and not block.timed:
            block.stream = event.stream
            among = [draft for draft in among if draft in (block.owner, *block.candidates)] or among
        draft = self.choose(among, "only one at work")
        if draft is not None:
            draft.run.token_at = event.at
            self.note(draft.run, event, "first token")

    def progress(self, event: ev.Progress) -> None:
        """A run of progress lines. Two requests of one model cannot be told apart by them."""
        among = [draft for draft in self.working(event.tag) if not draft.run.has_packets]
        for draft in among if len(among) > 1 else ():
            draft.run.progress_shared = True
        if len(among) != 1:
            return
        run = among[0].run
        run.model_tag = run.model_tag or event.tag
        first, count = (run.progress[0], run.progress[3]) if run.progress is not None else (event.at, 0)
        run.progress = (first, event.last_at, event.last, count + event.count)
        detail = f"{event.first:g}% to {event.last:g}%" if event.count > 1 else f"{event.last:g}%"
        self.note(run, event, "prompt progress", detail)
        among[0].last_at = max(among[0].last_at, event.last_at)

    def accumulated(self, event: ev.Accumulated) -> None:
        """The text so far of an answer that is not streamed; 0.2 wrote it for those that were, too."""
        among = self.working(event.tag, stream=False) or [one for one in self.working(event.tag) if one.old]
        if len(among) > 1:
            return  # whose it is, only the prediction will tell
        draft = among[0] if among else None
        if draft is None and any(one.run.hangup is not None for one in self._unanswered(event.tag)):
            return  # it is that of one whose client has left
        if draft is None:
            free = [one for one in self.generating(event.tag) if one.in_flight and one.stream is not True]
            draft = free[0] if len(free) == 1 else None
        if draft is None:
            draft = self.new(event.at, None)
            draft.prove("the log starts inside it")
            draft.run.model_tag = event.tag
        elif draft.run.accumulated is None:  # else the run of lines only goes on
            draft.prove("only one at work")
        draft.run.accumulated = event.text
        if draft.run.token_at is None:
            draft.run.token_at = event.at
        self.note(draft.run, event, "accumulating", f"{event.tokens} tokens")
        draft.last_at = max(draft.last_at, event.last_at)

    def _unanswered(self, tag: str | None) -> list[Draft]:
        """Requests that may still get a prediction, whatever else is known of them."""
        return [draft for draft in self.generating(tag) if draft.run.end is None and draft.stream is not True]

    def call_building(self, event: ev.CallBuilding) -> None:
        """A tool call is being written."""
        among = self.working(event.tag)
        if len(among) == 1:
            run = among[0].run
            if run.first_token_at is None:
                run.token_at = event.at
            self.note(run, event, "tool call", event.name or "")

    def calls_line(self, event: ev.CallsLine) -> None:
        """The calls of the prediction that follows."""
        self.unpredicted(event.tag)
        self.calls[event.tag] = event, self.working(event.tag, stream=False)

    def unpredicted(self, tag: str | None) -> None:
        """No prediction has followed the last line of tool calls: whose they are is certain if one was at work."""
        line, among = self.calls.pop(tag, (None, []))
        if line is not None and len(among) == 1 and not among[0].run.predicted:
            among[0].prove("only one at work")
            self.take_calls(among[0].run, line)

    def take_calls(self, of: Run | End, line: ev.CallsLine) -> None:
        """A line of tool calls is that of a prediction, or of what has no prediction."""
        of.calls_line = line.text
        of.redacted = of.redacted or line.redacted
        self.note(of, line, "tool call", "" if line.text == "[]" else line.text[:200])

    def thinking(self, event: ev.Thinking) -> None:
        """Thinking begins, or is done."""
        among = self.working(event.tag)
        if len(among) == 1:
            if event.ms is not None:
                among[0].run.thinking_ms = event.ms
            self.note(among[0].run, event, "thinking", "" if event.ms is None else "done")

    # -- errors

    def failed(self, event: ev.Failed) -> None:
        """An error of a task, of a request, or of a model as a whole."""
        if event.task is not None:
            self._failed_task(event, event.task)
            return
        flying = self.in_flight()
        among = [draft for draft in flying if event.tag is None or draft.tag in (None, event.tag)]
        named = [draft for draft in among if draft.tag is not None and draft.tag == event.tag]
        at_once = event.tag is not None and self.started in among  # as when a template fails
        sure = event.sure or bool(named) or at_once
        among = named or among
        if not among:
            self._late_error(event)
        elif event.text.startswith(CRASHES):
            one_model = len({draft.tag for draft in among if draft.tag is not None}) <= 1
            for victim in among:
                self._fail(victim, event, sure=one_model)
        elif not sure:
            if len(among) == 1:
                self._fail(among[0], event, sure=False)
        else:
            started = [draft for draft in among if draft.started] or among
            draft = self.choose(started, "only one in flight", "its engine task failed", self._suspect(event))
            if draft is not None:
                self._fail(draft, event, sure=True)

    def _suspect(self, event: ev.Failed) -> Score:
        newest = max((draft.number for draft in self.in_flight()), default=0)

        def score(draft: Draft) -> float:
            value = 1.0 if draft.number == newest else 0.0
            if self.failing is not None and self.failing[0] is draft and event.at - self.failing[1] <= SAME_ERROR_MS:
                value += 20.0
            if draft is self.started:  # a template fails at once
                value += 10.0
            return value - (6.0 if draft.superseded or draft.run.has_packets else 0.0)

        return score

    def _failed_task(self, event: ev.Failed, number: int) -> None:
        for task in self.tasks.by_id(event, number):
            if task.timed or task.ended:
                continue
            owner = self.settle(task)
            task.failed = event.text
            if owner is not None:
                owner.run.errors.append(event.text)
                self.note(owner.run, event, "error", event.text)
                self.failing = (owner, event.at)
            return

    def _fail(self, draft: Draft, event: ev.Failed, *, sure: bool) -> None:
        run = draft.run
        run.errors.append(event.text)
        run.redacted = run.redacted or event.text in ("[Hidden]", "[Sensitive]")
        run.model_tag = run.model_tag or (event.tag if sure and event.tag == draft.tag else None)
        self.note(run, event, "error", event.text[:500])
        if sure:
            run.failed_at = event.at
            self.close(draft)

    def _late_error(self, event: ev.Failed) -> None:
        """An error that repeats, or explains, one that has just ended a request; a crash ends all of its model."""
        crash = event.text.startswith(CRASHES)
        for draft in reversed(self.recent):
            failed_at = draft.run.failed_at
            if failed_at is None or event.at - failed_at > SAME_ERROR_MS or not tagged([draft], event.tag):
                continue
            if crash and not any(error.startswith(CRASHES) for error in draft.run.errors):
                continue
            draft.run.errors.append(event.text)
            self.note(draft.run, event, "error", event.text[:500])
            if not crash:
                return
