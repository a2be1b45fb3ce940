"""Answers and ends -> the requests they belong to: packets, predictions, finish lines."""

from __future__ import annotations

from collections.abc import Sequence

from lms_audit.correlate import lost_ends
from lms_audit.correlate.answers import dated, misdated, shape
from lms_audit.correlate.binding import tagged
from lms_audit.correlate.costs import Costs
from lms_audit.correlate.course import Course
from lms_audit.correlate.drafts import Draft, api_of_answer
from lms_audit.correlate.engine_task import EngineTask
from lms_audit.correlate.holdings import Nobody
from lms_audit.correlate.parts import End, PacketStream
from lms_audit.correlate.review import Review
from lms_audit.correlate.tasks import SURE
from lms_audit.model import Api, Millis
from lms_audit.read import events as ev
from lms_audit.read.join import Stretch

REVIEWS = 4
SAME_MOMENT_MS = 1000
"""So soon after its disconnect a request gets its finish line at the latest, unless its prompt has to be read first."""
FRESH_MS = 2000
"""A request that has shown no sign of work for so long after its start has hardly ended."""
LINGER_MS = 10_000
"""How long after its disconnect a request may still get its finish line."""


class Ends(Course):
    """Binds answers and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[str, PacketStream] = {}
        """By chat id, as far as they go: a file's packets are one event, and those of later files belong to it."""
        self.met: set[str] = set()
        """Chat ids whose first packets have come."""
        self.loose: list[PacketStream] = []
        """Streams of packets not yet bound."""
        self.live: list[PacketStream] = []
        """Streams bound to a request in flight."""

    # -- packets

    def foresee(self, number: int, stretch: Stretch) -> None:
        """Gathers the packets of a stretch, before any is bound."""
        for event in stretch.events:
            if isinstance(event, ev.Packets) and event.answer.chat_id is not None and event.line > stretch.skip_until:
                stream = self.streams.setdefault(event.answer.chat_id, PacketStream())
                stream.events.append((event, number, stretch))

    def packets(self, event: ev.Packets) -> None:
        """All packets of a chat id in one file."""
        chat = event.answer.chat_id
        if chat is None:
            stream = PacketStream()
            stream.events.append((event, self.number, self.stretch))
        elif chat in self.met:  # it goes on in another file
            return
        else:
            self.met.add(chat)
            stream = self.streams[chat]
        working = self.working(event.tag, stream=True)
        among = [draft for draft in working if not draft.run.has_packets]
        if (event.answer.object or "").startswith("chat.completion"):
            chats = [draft for draft in working if draft.api in (None, Api.CHAT, Api.LMSTUDIO_V0)]
            working = chats or working
            among = [draft for draft in among if draft in working]
        if among:
            owner = self._asked_for(among, stream.answer.usage)
            if owner is None and len(among) == len(working) == 1:
                owner = among[0]
            if owner is not None:
                owner.prove("chat id")
                self._bind(stream, owner)
            else:
                stream.among = list(among)
                self.loose.append(stream)
            return
        waiting = [draft for draft in tagged(self.in_flight(), event.tag) if draft.stream and not draft.run.has_packets]
        if not waiting:  # or the last ones of a request whose client has just left
            left = [draft for draft in self._left_open(event.tag) if not draft.run.has_packets]
            waiting = [draft for draft in left if event.at - (draft.run.disconnected_at or 0) <= LINGER_MS]
        if len(waiting) > 1:
            stream.among = waiting
            self.loose.append(stream)
            return
        draft = waiting[0] if waiting else None
        if draft is None:
            draft = self.new(event.at, None)
            draft.prove("the log starts inside it")
            draft.stream = True
        draft.prove("chat id")
        self._bind(stream, draft)

    def close(self, draft: Draft) -> None:
        """Nothing more is expected of a request; packets that only it can have got are its own."""
        if draft.stream is not False and not draft.run.has_packets:
            here = (self.number, self.line)
            own = [stream for stream in self.loose if draft in stream.among and stream.end < here]
            if len(own) == 1:
                draft.prove("end of its packets")
                self._bind(own[0], draft)
        super().close(draft)

    def bind_loose(self) -> None:
        """The end of the log: streams of packets that are still nobody's."""
        for stream in list(self.loose):
            free = [draft for draft in stream.among if not draft.run.has_packets]
            draft = self.choose(free, "chat id")
            if draft is not None:
                self._bind(stream, draft)

    def _asked_for(self, among: Sequence[Draft], usage: ev.Usage | None) -> Draft | None:
        """The one whose engine task read as many tokens as the answer's usage says."""
        if usage is None or usage.input is None:
            return None
        fitting = [draft for draft in among if draft.task is not None and draft.task.prompt_tokens == usage.input]
        if len(fitting) == 1:
            return fitting[0]
        open_ = [draft for draft in among if draft.task is None]
        points = sorted((-self.tasks.fit_usage(usage, draft), draft.number, draft) for draft in open_)
        told = len(points) > 1 and points[1][0] - points[0][0] >= SURE
        return points[0][2] if told else None

    def _bind(self, stream: PacketStream, draft: Draft) -> None:
        stream.run = draft.run
        draft.run.stream = stream
        if stream in self.loose:
            self.loose.remove(stream)
        self.live.append(stream)
        for event, number, stretch in stream.events:
            self.note(stream, event, "packets", f"{event.count} packets", (number, stretch))
            draft.last_at = max(draft.last_at, event.last_at)
        self._set_right(draft, stream.answer.usage)
        self.settle_nameless(draft, stream.answer.usage)
        self._measure(draft, stream.answer.usage)

    def _measure(self, draft: Draft, usage: ev.Usage | None) -> None:
        if not draft.doubtful:
            self.tasks.learn(draft, usage)

    def _stream_before(self) -> PacketStream | None:
        """The stream whose last packet stands nearest before this line, if it has said that it is done."""
        self.live = [stream for stream in self.live if stream.run is not None and not stream.run.closed]
        here = (self.number, self.line)
        ended = [
            stream
            for stream in (*self.loose, *self.live)
            if stream.end < here and stream.answer.finish_reason is not None
        ]
        return max(ended, key=lambda stream: stream.end) if ended else None

    # -- the end of a stream

    def finished(self, event: ev.Finished) -> None:
        """A finish line: it has a model's tag at best."""
        draft = self._ended(event)
        if draft is None and self._lingering(event):
            return
        if draft is None:
            draft = self._before_the_log(event)
        if draft is None:
            return
        self._finish(draft, event)
        self._claim(draft)
        self.end_hangups(draft, event.at)
        self.close(draft)

    def _finish(self, draft: Draft, event: ev.Finished) -> None:
        draft.run.end = End(event, (self.number, event.line))
        self.note(draft.run.end, event, "finished")
        draft.last_at = max(draft.last_at, event.at)

    def _ended(self, event: ev.Finished) -> Draft | None:
        apis = (Api.MESSAGES,) if event.family == "messages" else (Api.CHAT, Api.RESPONSES, Api.COMPLETIONS)
        apis = apis if event.family == "messages" else (*apis, Api.LMSTUDIO_V0, Api.LMSTUDIO_V1)
        working = self.working(event.tag, stream=True)
        among = [draft for draft in working if draft.api in apis or draft.api is None]
        if event.family is None:
            among = among or working
        # Without a request line only the line that says so tells that an answer is streamed.
        among = [draft for draft in among if not draft.untold] or ([] if self._left_open(event.tag) else among)
        stream = self._stream_before()
        if stream is not None and stream.run is not None and stream.run.draft in among:
            return stream.run.draft
        draft = self._by_task(among)
        if draft is None and among and self._none_is_done(among, event):
            return None
        if draft is None:
            idle = [one for one in among if one.task is None or one.task.released or one.task.timed]
            idle = [one for one in idle if not one.run.has_packets or stream is None] or idle or among
            alone = "only one in flight" if len(among) == 1 else "the others are still at work"
            draft = self.choose(idle, alone, "order", lambda one: -6.0 if one.superseded else 0.0)
        if draft is not None and stream is not None and stream in self.loose and not draft.run.has_packets:
            draft.prove("end of its packets")
            self._bind(stream, draft)
        return draft

    def _by_task(self, among: Sequence[Draft]) -> Draft | None:
        """The request of the engine task that was done first of those whose end is still to come."""
        for task in self.tasks.ending:
            if task.owner is None and any(draft in among for draft in task.candidates):
                self.settle(task, lambda draft: 8.0 if draft in among else 0.0, among)
            if task.owner in among:
                assert task.owner is not None
                task.owner.prove("slot and task")
                return task.owner
        return None

    def _claim(self, draft: Draft) -> None:
        """A request whose end was known by something else gets the engine task that has just been done."""
        done = [task for task in reversed(self.tasks.ending) if task.owner is None and draft in task.candidates]
        for task in sorted(done, key=lambda task: -self.tasks.fit(task, draft)):
            if draft.task is None:
                self.settle(task, lambda one: 6.0 if one is draft else 0.0, [draft])

    def _left_open(self, tag: str | None) -> list[Draft]:
        """Requests that an error or their client has ended, and whose finish line has not come; oldest first."""
        return [
            draft
            for draft in self.generating(tag)
            if draft.run.closed
            and draft.run.finished_at is None
            and not draft.run.predicted
            and draft.stream is not False
            and not draft.untold
            and (draft.run.disconnected_at is not None or draft.run.errors)
        ]

    def _none_is_done(self, among: Sequence[Draft], event: ev.Finished) -> bool:
        """Whether a finish line is rather that of a request which has been cut short: all others are at work."""
        at_work = self.tasks.at_work_for
        cut = [draft for draft in self._left_open(event.tag) if not _never_ran(draft)]
        left = [draft for draft in cut if draft.run.disconnected_at is not None]
        if any(self._is_for(task, left, event.at) for task in self.tasks.ending):
            return True
        recently = any(event.at - (draft.run.ended_at or 0) <= LINGER_MS for draft in cut)
        if recently and at_work(among) >= len(among):
            return True
        fresh = [draft for draft in among if event.at - draft.first_at <= FRESH_MS and not _shows_work(draft)]
        busy = [draft for draft in among if draft not in fresh]
        ago = min((event.at - (draft.run.disconnected_at or 0) for draft in left), default=LINGER_MS + 1)
        return ago <= SAME_MOMENT_MS or (ago <= LINGER_MS and at_work(busy) >= len(busy))

    def _is_for(self, task: EngineTask, left: Sequence[Draft], at: Millis) -> bool:
        """Whether a task that has just been done can only be that of a request whose client has left."""
        whose = [task.owner] if task.owner is not None else task.candidates
        return bool(whose) and all(draft in left for draft in whose) and at - task.notes[-1].at <= LINGER_MS

    def _lingering(self, event: ev.Finished) -> bool:
        """The finish line of a request that an error or its client has ended before."""
        left = self._left_open(event.tag)
        if not left:
            return False
        near = [draft for draft in left if event.at - (draft.run.ended_at or 0) <= LINGER_MS]
        draft = self._by_task(near) or (near[0] if near else left[-1])
        run = draft.run
        if run.presumed and run.hangup is not None and draft.task is not None and draft.task.timed:
            run.hangup.owner = None  # it was not this one whose client had left
            run.hangup = None
        self._finish(draft, event)
        return True

    def _before_the_log(self, event: ev.Finished) -> Draft | None:
        """The first request of a model, if the log starts behind all of its lines but the last."""
        if any(draft.generates and event.tag in (None, draft.tag) for draft in self.found.drafts):
            return None
        draft = self.new(event.at, Api.MESSAGES if event.family == "messages" else None)
        draft.stream = True
        draft.prove("the log starts inside it")
        task = self.tasks.orphan()
        if task is not None and task.timed:
            self.tasks.give(task, draft)
        return draft

    def review(self) -> None:
        """The end of the log: all that overlaps is looked at once more."""
        lost_ends.set_right(self.found.drafts)
        costs = Costs(self.found.drafts, self.tasks.sizes, closing=self.closes > 0)
        nobodies = [Nobody(tasks=(task,)) for task in self.tasks.nobodys]
        nobodies += [Nobody(hangup=hangup) for hangup in self.left if hangup.owner is None]
        for _ in range(REVIEWS):  # what is handed round may bring others together
            review = Review(self.found.drafts, nobodies, self.left, costs)
            nobodies = review.nobodies
            moved = review.settle()
            if not (costs.learn_closing(self.found.drafts) or moved):
                break
        review.mark()
        self.found.unbound_tasks = sum(len(nobody.run.tasks) for nobody in nobodies)

    # -- predictions

    def prediction(self, event: ev.Prediction) -> None:
        """The whole answer of a request that was not streamed."""
        draft = self._predicted(event)
        if draft is None:
            draft = self.new(event.at, None)
            draft.prove("the log starts inside it")
        end = draft.run.end = End(event, (self.number, event.line), event.answer, whole=True)
        end.redacted = event.redacted
        draft.stream = False
        draft.last_at = max(draft.last_at, event.at)
        if event.answer is not None:
            if draft.path is None and draft.running_family is None:
                draft.api = api_of_answer(event.answer) or draft.api
            self._set_right(draft, event.answer.usage)
            self.settle_nameless(draft, event.answer.usage)
            self._measure(draft, event.answer.usage)
        line, _ = self.calls.pop(event.tag, (None, []))
        if line is not None:
            self.take_calls(end, line)
        self.note(end, event, "prediction")
        self._claim(draft)
        self.end_hangups(draft, event.at)
        self.close(draft)

    def _predicted(self, event: ev.Prediction) -> Draft | None:
        """The request a prediction answers; one whose client has left may get it late."""
        among = [
            draft
            for draft in self.generating(event.tag)
            if not draft.run.predicted
            and draft.stream is not True
            and not draft.run.has_packets
            and (not draft.run.closed or draft.run.disconnected_at is not None)
        ]
        among = [draft for draft in among if draft.started] or among or self._unanswered(event.tag)
        answer = event.answer
        usage = answer.usage if answer is not None else None
        task = self._task_of(usage, among)
        if task is not None and task.owner is None:
            self.settle(task, lambda draft: self._fits(draft, answer) + (8.0 if draft in among else 0.0), among)
        owner = task.owner if task is not None else None

        def score(draft: Draft) -> float:
            value = self._fits(draft, answer)
            if draft.superseded and not (answer is not None and dated(draft, answer)):  # what is exact counts more
                value -= 6.0
            if owner is not None:
                value += 30.0 if draft is owner else 0.0
            return value - (3.0 if draft.run.closed and usage is None else 0.0)

        return self.choose(among, "only one in flight", "created second and tokens", score)

    def _task_of(self, usage: ev.Usage | None, among: Sequence[Draft]) -> EngineTask | None:
        """The engine task that wrote a prediction: the one with its numbers of tokens, else the one done first."""
        ending = [
            task
            for task in self.tasks.ending
            if (task.owner in among if task.owner is not None else any(draft in among for draft in task.candidates))
        ]
        exact = [task for task in ending if usage is not None and same_tokens(task, usage)]
        return next(iter(exact or ending), None)

    def _fits(self, draft: Draft, answer: ev.Answer | None) -> float:
        """How well an answer fits a request; only differences mean anything."""
        if answer is None:
            return 0.0
        value = -shape(draft, answer) - misdated(draft, answer)
        usage, task = answer.usage, draft.task
        if task is None:
            return value + self.tasks.fit_usage(usage, draft)
        if usage is not None and usage.input and task.prompt_tokens is not None:  # 0 is what a cancelled one says
            value += 15.0 if task.prompt_tokens == usage.input else -15.0
        return value

    def _set_right(self, draft: Draft, usage: ev.Usage | None) -> None:
        """An answer's usage shows that its request was given another's engine task."""
        task = draft.task
        if usage is None or not usage.input or task is None or task.prompt_tokens in (None, usage.input):
            return
        for other in self.tasks.with_prompt(usage.input):
            if not same_tokens(other, usage) or other is task:
                continue
            heir = other.owner
            if heir is not None and heir.run.answer is not None:
                continue
            self.tasks.give(other, draft)
            self.tasks.give(task, heir)
            draft.prove("token counts")
            return


def _never_ran(draft: Draft) -> bool:
    """Its prompt could not be made from the template: such a request gets no finish line."""
    return draft.run.disconnected_at is None and any("template" in error.lower() for error in draft.run.errors)


def _shows_work(draft: Draft) -> bool:
    run = draft.run
    return bool(run.tasks or run.has_packets) or run.progress is not None or run.first_token_at is not None


def same_tokens(task: EngineTask, usage: ev.Usage) -> bool:
    """A task that read and wrote as many tokens as a usage says."""
    if usage.input is None or task.prompt_tokens != usage.input:
        return False
    return task.eval_tokens is None or usage.output is None or abs(task.eval_tokens - usage.output) <= 1
