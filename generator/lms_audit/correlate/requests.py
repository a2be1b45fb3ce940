"""Events -> requests: which line belongs to which HTTP call.

The log gives no request id. Lines are bound by, in this order: chat id; engine slot and task; the second a prediction
says it was created; number of messages; stream flag; position. Never by the model's name alone, since the requested model
and the one that answers differ. What several requests could claim is bound to the likeliest and both are marked.

One pass over all events, in log order; what is open at any time are the requests in flight and a few just ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.drafts import FAMILIES, FAMILY_API, Draft, Engine, api_of
from lms_audit.model import Api, LineRange, Millis, ModelLoad, Prompt
from lms_audit.read import events as ev
from lms_audit.read.fold import join_answers
from lms_audit.read.join import Stretch

LATE_MS = 600_000
"""How long after its end a request may still get a prediction or a timing."""
STALE_MS = 3_600_000
"""A request without any line for so long, while others came and went, is not in flight any more."""
QUARTER_HOUR = 900


class Gathered:
    """What one pass found."""

    def __init__(self) -> None:
        self.tree = PromptTree()
        self.drafts: list[Draft] = []
        self.loads: list[ModelLoad] = []
        self.unbound_tasks = 0
        """Engine tasks no request explains."""


class _Stream:
    """The packets of one chat id."""

    def __init__(self) -> None:
        self.events: list[tuple[ev.Packets, str]] = []
        self.end: tuple[int, int] = (0, 0)
        """Stretch and line of its last packet."""
        self.draft: Draft | None = None


def gather(stretches: Iterable[Stretch]) -> Gathered:
    """Binds all events to requests."""
    binder = _Binder()
    for number, stretch in enumerate(stretches):
        binder.run(number, stretch)
    return binder.finish()


class _Binder:
    def __init__(self) -> None:
        self.found = Gathered()
        self.recent: list[Draft] = []
        """Requests in flight, and those that ended a short time ago."""
        self.streams: dict[str, _Stream] = {}
        self.loose: list[_Stream] = []
        """Streams of packets not yet bound."""
        self.live: list[_Stream] = []
        """Streams bound to a request in flight."""
        self.tasks: dict[tuple[int, int], tuple[Engine, Draft | None]] = {}
        """Slot and task -> the engine's account and its request. Ids start again when a model is loaded."""
        self.released: list[Draft] = []
        """Requests whose engine task has just ended, oldest first: the next end line is theirs."""
        self.offset: int | None = None
        """Local seconds minus epoch seconds, once a prediction has shown it."""
        self.calls: dict[str | None, ev.CallsLine] = {}
        self.place = (0, 0)
        self.file = ""
        self.precise = False
        self.handlers: dict[type, Callable[..., None]] = {
            ev.RequestReceived: self.request,
            ev.Running: self.running,
            ev.Streaming: self.streaming,
            ev.FirstToken: self.first_token,
            ev.Progress: self.progress,
            ev.Accumulated: self.accumulated,
            ev.CallBuilding: self.call_building,
            ev.CallsLine: self.calls_line,
            ev.Packets: self.packets,
            ev.Prediction: self.prediction,
            ev.Finished: self.finished,
            ev.Disconnected: self.disconnected,
            ev.Failed: self.failed,
            ev.Thinking: self.thinking,
            ev.Timing: self.timing,
            ev.Task: self.task,
            ev.PromptCount: self.prompt_count,
            ev.PromptStep: self.prompt_step,
            ev.Summary: self.summary,
            ev.EmbeddingInput: self.embedding,
            ev.EmbeddingDone: self.embedding_done,
            ev.Listing: self.listing,
            ev.ModelChange: self.model_change,
            ev.ServerChange: self.server_change,
            ev.StreamInput: self.stream_input,
            ev.StreamOutput: self.stream_output,
        }

    def run(self, number: int, stretch: Stretch) -> None:
        """Takes in one stretch; the bodies in it refer to one another by ordinal."""
        nodes: list[int] = []
        self.file, self.precise = stretch.name, stretch.precise
        for event in stretch.events:
            node = 0
            if isinstance(event, ev.RequestReceived) and event.body is not None:
                node = self._node(event.body, nodes)
            if event.line <= stretch.skip_until:
                continue
            self.place = (number, event.line)
            if isinstance(event, ev.RequestReceived):
                self.request(event, node)
            else:
                self.handlers[type(event)](event)

    def finish(self) -> Gathered:
        """Binds what is left over and closes the books."""
        for stream in self.loose:
            free = [
                draft
                for draft in self.recent
                if draft.in_flight and draft.stream is not False and not draft.has_packets
            ]
            self._bind_stream(stream, free, "order")
        found = self.found
        found.unbound_tasks += sum(draft is None for _, draft in self.tasks.values())
        return found

    # -- helpers

    def _node(self, body: ev.Body, nodes: list[int]) -> int:
        tree = self.found.tree
        node = tree.ancestor(nodes[body.base], body.keep) if body.base is not None and body.keep else 0
        node = tree.add_all(body.fresh, node)
        nodes.append(node)
        return node

    def _new(self, at: Millis, api: Api | None) -> Draft:
        draft = Draft(len(self.found.drafts), at, api)
        draft.precise = self.precise
        self.found.drafts.append(draft)
        self.recent = [old for old in self.recent if not self._over(old, at)]
        self.recent.append(draft)
        return draft

    def _over(self, draft: Draft, now: Millis) -> bool:
        """Too old to get another line."""
        if draft.closed:
            return now - draft.last_at > LATE_MS
        if now - draft.last_at > STALE_MS and any(other.first_at > draft.last_at for other in self.recent):
            draft.closed = True
            return True
        return False

    def _in_flight(self) -> list[Draft]:
        return [draft for draft in self.recent if draft.in_flight]

    def _choose(self, among: Sequence[Draft], evidence: str, *, newest: bool = False) -> Draft | None:
        """The oldest (or newest) of the candidates; several are marked as rivals of one another."""
        if not among:
            return None
        chosen = among[-1] if newest else among[0]
        if len(among) == 1:
            chosen.prove("only candidate" if evidence == "order" else evidence)
        else:
            chosen.prove("order")
            for rival in among:
                if rival is not chosen:
                    chosen.rivals.add(rival.number)
                    rival.rivals.add(chosen.number)
        return chosen

    # -- requests

    def request(self, event: ev.RequestReceived, node: int) -> None:
        if event.problem == "unexpected endpoint" and self._unexpected(event):
            return
        api = api_of(event.method, event.path)
        draft = self._new(event.at, api)
        draft.received_at = event.at
        draft.method, draft.path = event.method or ("POST" if event.problem else None), event.path
        draft.redacted = event.redacted
        body = event.body
        if body is not None:
            count = self.found.tree.depth(node)
            draft.requested_model, draft.stream, draft.truncated = body.model, body.stream, body.truncated
            draft.prompt = Prompt(
                node=node,
                count=count,
                list_name=body.list_name,
                system=body.system,
                tools=body.tools,
                params=body.params,
                order=body.order,
                complete=body.complete,
                size=body.size,
            )
            if body.stream is None and body.complete:
                draft.stream = False  # the protocols' default
            self._answered(node, draft)
        draft.note(event, self.file, "request", f"{draft.method or ''} {event.path}".strip())
        if event.problem is not None and event.problem.startswith("invalid JSON"):
            draft.errors.append(event.problem)
            draft.failed_at, draft.closed = event.at, True
        elif event.problem == "unexpected endpoint":
            draft.errors.append("unexpected endpoint or method")
            draft.failed_at, draft.closed = event.at, True
        elif api is Api.OTHER:
            draft.closed = True

    def _unexpected(self, event: ev.RequestReceived) -> bool:
        for draft in reversed(self.recent):
            same = draft.path is not None and draft.path.partition("?")[0] == event.path.partition("?")[0]
            if same and draft.method == event.method and not draft.errors and event.at - draft.first_at <= 2000:
                draft.errors.append("unexpected endpoint or method")
                draft.failed_at, draft.closed = event.at, True
                draft.note(event, self.file, "error", "unexpected endpoint or method")
                return True
        return False

    def _answered(self, node: int, newcomer: Draft) -> None:
        """A request whose conversation the newcomer continues has ended, whether or not the log shows its end."""
        tree = self.found.tree
        depth = tree.depth(node)
        for draft in self._in_flight():
            prompt = draft.prompt
            if draft is newcomer or prompt is None or not 0 < prompt.count < depth:
                continue
            if tree.ancestor(node, prompt.count) == prompt.node and draft.disconnected_at is None:
                draft.closed = True

    # -- execution

    def running(self, event: ev.Running) -> None:
        draft = self._runner(event)
        if draft is None:
            draft = self._new(event.at, FAMILY_API[event.family])
            draft.received_at = event.at
            draft.prove("no request line")
        draft.running_at = event.at
        draft.tag = event.tag or draft.tag
        draft.running_family = event.family
        draft.run_count = event.messages
        if event.family == "responses":
            draft.run_count = None
        detail = f"{event.messages} messages" if event.messages is not None else event.family
        draft.note(event, self.file, "running", detail)

    def _runner(self, event: ev.Running) -> Draft | None:
        """The received request that now runs."""
        apis = FAMILIES[event.family]
        waiting = [draft for draft in self.recent if draft.waiting and (draft.api is None or draft.api in apis)]
        started = [  # /v1/responses logs a second line when its chat starts
            draft
            for draft in self.recent
            if draft.in_flight
            and draft.running_family == "responses"
            and event.family == "chat"
            and draft.run_count is None
        ]
        if started and not any(_count(draft) == event.messages for draft in waiting):
            return self._choose(started, "order")
        if len(waiting) > 1 and event.messages is not None:
            counted = [draft for draft in waiting if _count(draft) == event.messages]
            unknown = [draft for draft in waiting if _count(draft) is None]
            if counted or unknown:
                return self._choose(self._like(counted or unknown, event.tag), "number of messages")
        return self._choose(self._like(waiting, event.tag), "only one waiting")

    def _like(self, drafts: list[Draft], tag: str | None) -> list[Draft]:
        """Among equals, those that asked for the model that answers; a preference, never a proof."""
        named = [draft for draft in drafts if tag is not None and draft.requested_model == tag]
        return named or drafts

    def streaming(self, event: ev.Streaming) -> None:
        ready = [
            draft
            for draft in self._in_flight()
            if draft.running_at is not None and draft.streaming_at is None and draft.stream is not False
        ]
        ready = self._tagged(ready, event.tag)
        draft = self._choose(ready[-1:], "order")  # the line follows its running line at once
        if draft is None:
            waiting = [draft for draft in self._in_flight() if draft.streaming_at is None and draft.stream]
            draft = self._choose(self._tagged(waiting, event.tag), "stream flag")
        if draft is None:
            draft = self._new(event.at, FAMILY_API.get(event.family or ""))
            draft.prove("the log starts inside it")
        draft.streaming_at = event.at
        draft.stream = True
        draft.tag = event.tag or draft.tag
        draft.note(event, self.file, "streaming")

    def _tagged(self, drafts: list[Draft], tag: str | None) -> list[Draft]:
        """Without those another model is known to work for."""
        return [draft for draft in drafts if tag is None or draft.tag is None or draft.tag == tag]

    def _working(self, tag: str | None, stream: bool | None = None) -> list[Draft]:
        return [
            draft
            for draft in self._tagged(self._in_flight(), tag)
            if not draft.waiting and (stream is None or draft.stream is None or draft.stream is stream)
        ]

    def first_token(self, event: ev.FirstToken) -> None:
        among = [draft for draft in self._working(event.tag, event.stream) if draft.first_token_at is None]
        draft = self._choose(among, "order")
        if draft is not None:
            draft.first_token_at = event.at
            draft.note(event, self.file, "first token")

    def progress(self, event: ev.Progress) -> None:
        among = [draft for draft in self._working(event.tag) if not draft.has_packets]
        if not among:
            return
        draft = among[0] if len(among) == 1 else among[-1]
        draft.tag = draft.tag or event.tag
        # Two requests of one model cannot be told apart by these lines, so they then measure nothing.
        if len(among) == 1 and event.last >= 100 and event.count >= 2 and draft.progress is None:
            draft.progress = (event.at, event.last_at)
        detail = f"{event.first:g}% to {event.last:g}%" if event.count > 1 else f"{event.last:g}%"
        draft.note(event, self.file, "prompt progress", detail)
        draft.last_at = max(draft.last_at, event.last_at)

    def accumulated(self, event: ev.Accumulated) -> None:
        among = self._working(event.tag, False) or [
            d for d in self._tagged(self._in_flight(), event.tag) if d.stream is not True
        ]
        draft = self._choose(among, "order")
        if draft is None:
            draft = self._new(event.at, None)
            draft.prove("the log starts inside it")
            draft.tag = event.tag
        draft.accumulated = event.text
        if draft.first_token_at is None:
            draft.first_token_at = event.at
        draft.note(event, self.file, "accumulating", f"{event.tokens} tokens")
        draft.last_at = max(draft.last_at, event.last_at)

    def call_building(self, event: ev.CallBuilding) -> None:
        among = self._working(event.tag)
        if len(among) == 1:
            if among[0].first_token_at is None:
                among[0].first_token_at = event.at
            among[0].note(event, self.file, "tool call", event.name or "")

    def calls_line(self, event: ev.CallsLine) -> None:
        self.calls[event.tag] = event

    def thinking(self, event: ev.Thinking) -> None:
        among = self._working(event.tag)
        if len(among) == 1:
            if event.ms is not None:
                among[0].thinking_ms = event.ms
            among[0].note(event, self.file, "thinking", "" if event.ms is None else "done")

    # -- answers

    def packets(self, event: ev.Packets) -> None:
        chat = event.answer.chat_id
        stream = self.streams.get(chat) if chat is not None else None
        if stream is not None:  # goes on in another file
            stream.events.append((event, self.file))
            stream.end = (self.place[0], event.end_line)
            if stream.draft is not None:
                self._take_packets(stream.draft, event, self.file)
            return
        stream = _Stream()
        stream.events.append((event, self.file))
        stream.end = (self.place[0], event.end_line)
        if chat is not None:
            self.streams[chat] = stream
        among = [draft for draft in self._working(event.tag, True) if not draft.has_packets]
        if len(among) == 1 and len(self._working(event.tag, True)) == 1:
            self._bind_stream(stream, among, "chat id")
        elif among:
            self.loose.append(stream)
        else:
            waiting = [draft for draft in self._in_flight() if draft.stream and not draft.has_packets]
            draft = self._choose(waiting, "stream flag") if len(waiting) == 1 else None
            if draft is None:
                draft = self._new(event.at, None)
                draft.prove("the log starts inside it")
            draft.stream = True
            self._bind_stream(stream, [draft], "chat id")

    def _bind_stream(self, stream: _Stream, among: Sequence[Draft], evidence: str) -> None:
        draft = self._choose(among, evidence)
        if draft is None:
            return
        stream.draft = draft
        self.live.append(stream)
        for event, file in stream.events:
            self._take_packets(draft, event, file)

    def _take_packets(self, draft: Draft, event: ev.Packets, file: str) -> None:
        draft.has_packets = True
        draft.answers.append(event.answer)
        draft.tag = draft.tag or event.tag
        if draft.first_token_at is None:
            draft.first_token_at = event.first_token_at
        draft.note(event, file, "packets", f"{event.count} packets")
        draft.last_at = max(draft.last_at, event.last_at)

    def prediction(self, event: ev.Prediction) -> None:
        draft = self._predicted(event)
        if draft is None:
            draft = self._new(event.at, None)
            draft.prove("the log starts inside it")
        draft.tag = event.tag or draft.tag
        draft.answered_at = event.at
        draft.predicted = True
        draft.redacted = draft.redacted or event.redacted
        draft.stream = False
        if event.answer is not None:
            draft.answers = [event.answer]
            if draft.api is None and (event.answer.object or "").startswith("chat.completion"):
                draft.api = Api.CHAT
        line = self.calls.pop(event.tag, None)
        if line is not None:
            draft.calls_line = line.text
            draft.redacted = draft.redacted or line.redacted
            draft.note(line, self.file, "tool call", "" if line.text == "[]" else line.text[:200])
        draft.note(event, self.file, "prediction")
        self._close(draft)

    def _predicted(self, event: ev.Prediction) -> Draft | None:
        """The request a prediction answers; a cancelled one may get it late."""
        among = [
            draft
            for draft in self._tagged(self.recent, event.tag)
            if draft.generates
            and not draft.predicted
            and draft.stream is not True
            and not draft.has_packets
            and not (draft.closed and draft.disconnected_at is None)
        ]
        ran = [draft for draft in among if not draft.waiting]
        among = ran or among
        answer = event.answer
        if answer is not None and answer.created is not None and len(among) > 1:
            timely = [draft for draft in among if self._created_with(draft, answer.created)]
            if timely:
                among, evidence = timely, "created second"
                if len(among) == 1:
                    return self._learn(self._choose(among, evidence), answer)
        if answer is not None and answer.usage is not None and len(among) > 1:
            counted = [draft for draft in among if _same_tokens(draft, answer.usage)]
            if len(counted) == 1:
                return self._learn(self._choose(counted, "token counts"), answer)
        released = [draft for draft in among if draft in self.released]
        if len(released) == 1:
            return self._learn(self._choose(released, "slot and task"), answer)
        return self._learn(self._choose(among, "only one in flight"), answer)

    def _created_with(self, draft: Draft, created: int) -> bool:
        if draft.api is Api.LMSTUDIO_V0:
            return True
        start = (draft.running_at if draft.running_at is not None else draft.first_at) // 1000
        if self.offset is not None:
            return abs(start - created - self.offset) <= 1
        return min((start - created) % QUARTER_HOUR, (created - start) % QUARTER_HOUR) <= 1

    def _learn(self, draft: Draft | None, answer: ev.Answer | None) -> Draft | None:
        """Learns the zone from a prediction that only one request can have got."""
        if draft is not None and not draft.rivals and answer is not None and answer.created is not None:
            if draft.running_at is not None and draft.api is not Api.LMSTUDIO_V0:
                offset = round((draft.running_at // 1000 - answer.created) / QUARTER_HOUR) * QUARTER_HOUR
                if abs(draft.running_at // 1000 - answer.created - offset) <= 1:
                    self.offset = offset
        return draft

    def finished(self, event: ev.Finished) -> None:
        draft = self._ended(event)
        if draft is None:
            return
        draft.finished_at = event.at
        draft.tag = event.tag or draft.tag
        draft.note(event, self.file, "finished")
        self._close(draft)

    def _ended(self, event: ev.Finished) -> Draft | None:
        working = [
            draft
            for draft in self._working(event.tag, True)
            if event.family is None or draft.api in (None, Api.MESSAGES)
        ]
        if event.family is None:
            working = [draft for draft in working if draft.api is not Api.MESSAGES] or working
        released = [draft for draft in self.released if draft in working]
        stream = self._stream_before()
        if stream is not None and len(working) > 1:
            if stream.draft is None:
                free = [draft for draft in working if not draft.has_packets]
                owner = [draft for draft in released if draft in free]
                self._bind_stream(stream, owner[:1] or free, "slot and task" if owner else "end of its packets")
                self.loose.remove(stream)
            if stream.draft in working:
                return stream.draft
        if released:
            released[0].prove("slot and task")
            return released[0]
        if working:
            return self._choose(working, "only one in flight")
        lingering = [
            draft
            for draft in self._tagged(self.recent, event.tag)
            if draft.generates
            and draft.finished_at is None
            and not draft.predicted
            and (draft.disconnected_at is not None or draft.errors)
        ]
        return lingering[-1] if lingering else None

    def _stream_before(self) -> _Stream | None:
        """The stream of packets whose last one stands nearest before this line, if it has said that it is done."""
        self.live = [stream for stream in self.live if stream.draft is not None and stream.draft.in_flight]
        ended = [
            stream
            for stream in (*self.loose, *self.live)
            if stream.end < self.place and join_answers([e.answer for e, _ in stream.events]).finish_reason is not None
        ]
        return max(ended, key=lambda stream: stream.end) if ended else None

    def disconnected(self, event: ev.Disconnected) -> None:
        among = self._in_flight()
        if len(among) == 1:
            draft = among[0]
            draft.disconnected_at = event.at
            draft.prove("only one in flight")
            draft.note(event, self.file, "disconnected")
            draft.closed = True
        elif len(among) > 1:
            # The line names nobody: whoever ends next without an engine's release was the one.
            for draft in among:
                draft.note(event, self.file, "a client disconnected", "the line does not say which")
                draft.rivals.update(other.number for other in among if other is not draft)

    def failed(self, event: ev.Failed) -> None:
        if event.task is not None:
            for (_, task), (engine, owner) in self.tasks.items():
                if task == event.task and owner is not None and not engine.timed:
                    engine.failed = event.text
                    owner.errors.append(event.text)
                    owner.note(event, self.file, "error", event.text)
            return
        crash = event.text.startswith(("The model has crashed", "Engine protocol runtime exited"))
        among = self._tagged(self._in_flight(), event.tag)
        if not among:
            self._late_error(event)
            return
        # An error of one request stands right behind its own lines; a crash ends all that the model was working on.
        for draft in among if crash else among[-1:]:
            if len(among) > 1 and not crash:
                draft.rivals.update(other.number for other in among if other is not draft)
            draft.errors.append(event.text)
            draft.failed_at = event.at
            draft.tag = draft.tag or event.tag
            draft.note(event, self.file, "error", event.text[:500])
            self._close(draft)

    def _late_error(self, event: ev.Failed) -> None:
        """An error that repeats, or explains, one that has just ended a request."""
        for draft in reversed(self.recent):
            ended = draft.failed_at if draft.failed_at is not None else draft.finished_at
            if draft.generates and ended is not None and event.at - ended <= 1000 and draft.failed_at is not None:
                draft.errors.append(event.text)
                draft.note(event, self.file, "error", event.text[:500])
                return

    def _close(self, draft: Draft) -> None:
        draft.closed = True
        if draft in self.released:
            self.released.remove(draft)

    # -- engine

    def task(self, event: ev.Task) -> None:
        key = (event.slot if event.slot is not None else -1, event.task)
        if event.step == "cancel":
            self._cancel(event)
            return
        known = self.tasks.get(key)
        if event.step == "launch" or known is None:
            if known is not None and known[1] is None:
                self.found.unbound_tasks += 1
            engine = Engine(event.slot, event.task)
            owner = self._launch(event) if event.step in ("launch", "prompt", "assigned") else None
            if owner is not None:
                owner.engines.append(engine)
            known = self.tasks[key] = (engine, owner)
        engine, owner = known
        if event.step == "launch":
            engine.launched_at = event.at
        elif event.step == "prompt":
            engine.prompt_tokens = event.tokens
            engine.context = event.context
        elif event.step == "cache":
            engine.cache_tokens = event.tokens
        elif event.step in ("release", "assigned"):
            engine.released = True
            if owner is not None and owner not in self.released and owner.in_flight:
                self.released.append(owner)
        if owner is not None:
            owner.note(event, self.file, f"engine {event.step}", _task_detail(event))

    def _launch(self, event: ev.Task) -> Draft | None:
        """The started request without a task; an engine task nobody has asked for belongs to an in-app chat."""
        ready = [
            draft
            for draft in self._in_flight()
            if not draft.waiting and (not draft.engines or draft.engines[-1].failed is not None)
        ]
        fresh = [draft for draft in ready if not draft.engines]
        return self._choose(fresh or ready, "slot and task")

    def _cancel(self, event: ev.Task) -> None:
        for (_, task), (_engine, owner) in self.tasks.items():
            if task == event.task and owner is not None and owner.in_flight:
                owner.disconnected_at = event.at
                owner.rivals.clear()
                owner.prove("slot and task")
                owner.note(event, self.file, "disconnected", "the engine cancelled its task")
                self._close(owner)

    def timing(self, event: ev.Timing) -> None:
        if event.slot is not None and event.task is not None:
            known = self.tasks.get((event.slot, event.task))
            if known is None:
                engine = Engine(event.slot, event.task)
                owner = self._launch(
                    ev.Task(
                        at=event.at,
                        line=event.line,
                        end_line=event.end_line,
                        step="timing",
                        slot=event.slot,
                        task=event.task,
                    )
                )
                if owner is not None:
                    owner.engines.append(engine)
                known = self.tasks[(event.slot, event.task)] = (engine, owner)
            engine, owner = known
            engine.add(event)
            if owner is not None and owner.in_flight and owner not in self.released and engine.eval_ms is not None:
                self.released.append(owner)
        else:
            owner = self._serial(lambda draft: not any(engine.timed for engine in draft.engines) or not _whole(draft))
            if owner is None:
                self.found.unbound_tasks += 1
                return
            if not owner.engines:
                owner.engines.append(Engine(None, None))
            owner.engines[-1].add(event)
        if owner is not None:
            owner.note(event, self.file, "engine timing", _timing_detail(event))

    def _serial(self, open_: Callable[[Draft], bool]) -> Draft | None:
        """Engines without task ids work on one request at a time, the oldest; late lines belong to one just ended."""
        working = [draft for draft in self._working(None) if open_(draft)]
        if working:
            return working[0]
        ended = [
            draft
            for draft in self.recent
            if draft.generates and draft.closed and open_(draft) and draft.last_at >= self._now() - 2000
        ]
        return ended[-1] if ended else None

    def _now(self) -> Millis:
        return max((draft.last_at for draft in self.recent), default=0)

    def prompt_count(self, event: ev.PromptCount) -> None:
        if event.engine == "mlx":
            working = self._working(None)
            owner = working[0] if len(working) == 1 else None  # no ids: with two at work nobody can tell
        else:
            owner = self._serial(lambda draft: not any(engine.timed for engine in draft.engines))
        if owner is not None:
            owner.counts.append(event)
            owner.note(event, self.file, "prompt size", _count_detail(event))

    def prompt_step(self, event: ev.PromptStep) -> None:
        owner = self._serial(lambda draft: not any(engine.timed for engine in draft.engines))
        if owner is not None:
            if event.begin and owner.begin_at is None:
                owner.begin_at = event.at
            owner.note(event, self.file, "prompt processing", "begins" if event.begin else "done")

    def summary(self, event: ev.Summary) -> None:
        owner = self._serial(lambda draft: draft.summary is None)
        if owner is not None:
            owner.summary = event
            if owner.failed_at is None and event.outcome == "error" and event.error:
                owner.errors.append(event.error)
            owner.note(event, self.file, "engine summary", event.outcome)

    # -- the rest

    def embedding(self, event: ev.EmbeddingInput) -> None:
        waiting = [
            draft for draft in self.recent if draft.api is Api.EMBEDDINGS and not draft.embedded and not draft.closed
        ]
        draft = waiting[0] if waiting else None
        if draft is None:
            draft = self._new(event.at, Api.EMBEDDINGS)
            draft.received_at = event.at
            draft.prove("no request line")
        draft.embedded = draft.closed = True
        draft.note(event, self.file, "embedding", f"{event.count} texts")

    def embedding_done(self, event: ev.EmbeddingDone) -> None:
        for draft in self.recent:
            if draft.api is Api.EMBEDDINGS and draft.finished_at is None:
                draft.embedded = draft.closed = True
                draft.finished_at = event.at
                draft.note(event, self.file, "finished")
                return

    def listing(self, event: ev.Listing) -> None:
        for draft in self.recent:
            if (
                draft.api is Api.OTHER
                and not draft.listed
                and draft.method == "GET"
                and event.at - draft.first_at <= 5000
            ):
                draft.listed = True
                draft.finished_at = event.at
                draft.note(event, self.file, "answered", "" if event.models is None else f"{event.models} models")
                return

    def model_change(self, event: ev.ModelChange) -> None:
        where = LineRange(self.file, event.line, event.end_line)
        self.found.loads.append(ModelLoad(event.at, event.loaded, event.model, event.reason, where))
        # Task ids start again with every load.
        if event.loaded:
            self._forget_tasks()

    def server_change(self, event: ev.ServerChange) -> None:
        for draft in self.recent:
            draft.closed = True
        self.released.clear()
        self._forget_tasks()

    def _forget_tasks(self) -> None:
        kept = {key: known for key, known in self.tasks.items() if known[1] is not None and known[1].in_flight}
        self.found.unbound_tasks += sum(known[1] is None for known in self.tasks.values())
        self.tasks = kept

    def stream_input(self, event: ev.StreamInput) -> None:
        draft = self._new(event.at, None)
        draft.received_at = draft.running_at = event.at
        draft.tag = event.model
        draft.precise = True
        node = self.found.tree.add(0, event.prompt)
        draft.prompt = Prompt(node=node, count=1, list_name="prompt", system=None, tools=None, params=None)
        draft.note(event, self.file, "request", "rendered prompt")

    def stream_output(self, event: ev.StreamOutput) -> None:
        among = [draft for draft in self._in_flight() if draft.tag == event.model]
        draft = self._choose(among, "model and order")
        if draft is None:
            draft = self._new(event.at, None)
            draft.prove("the log starts inside it")
            draft.tag = event.model
        draft.answers = [event.answer]
        draft.answered_at = event.at
        draft.precise = True
        draft.note(event, self.file, "prediction")
        self._close(draft)


def _count(draft: Draft) -> int | None:
    """Messages of a body that should equal those of its running line; unknown for responses and cut bodies."""
    prompt = draft.prompt
    if prompt is None or not prompt.complete or draft.api is Api.RESPONSES:
        return None
    return prompt.count


def _same_tokens(draft: Draft, usage: ev.Usage) -> bool:
    engine = draft.engine
    return engine is not None and usage.output is not None and engine.eval_tokens == usage.output


def _whole(draft: Draft) -> bool:
    engine = draft.engine
    return engine is not None and engine.prompt_ms is not None and engine.eval_ms is not None


def _task_detail(event: ev.Task) -> str:
    tokens = "" if event.tokens is None else f", {event.tokens} tokens"
    return f"slot {event.slot}, task {event.task}{tokens}"


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
