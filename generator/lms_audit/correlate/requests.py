"""Events -> requests: which line belongs to which HTTP call.

The log gives no request id. Lines are bound by, in this order: chat id; engine slot and task; numbers of tokens; the
second a prediction says it was created; number of messages; stream flag; position. Never by the model's name alone,
since the requested model and the one that answers differ. What several requests could claim is bound to the likeliest,
and unless later lines settle it both are marked.

One pass over all events, in log order; what is open at any time are the requests in flight and a few just ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from lms_audit.correlate.binding import STALE_MS, Gathered, tagged
from lms_audit.correlate.drafts import FAMILIES, FAMILY_API, Draft, api_of
from lms_audit.correlate.ends import Ends
from lms_audit.correlate.parts import End
from lms_audit.correlate.tasks import SURE
from lms_audit.model import Api, Millis, ModelLoad, Prompt
from lms_audit.read import events as ev
from lms_audit.read.join import Stretch

__all__ = ["Gathered", "gather"]

SAME_CALL_MS = 2000
"""A complaint about an endpoint belongs to a request line this near before it."""
LISTED_MS = 5000
LATE_START_MS = 30_000
LAST_START_MS = 900_000
"""After so long a wait, for a model to load, the number of messages has to agree; and no model loads for so long."""


def gather(stretches: Iterable[Stretch]) -> Gathered:
    """Binds all events to requests."""
    binder = _Binder()
    whole = [stretch for stretch in stretches if stretch.events]
    for number, stretch in enumerate(whole):
        binder.foresee(number, stretch)
    following = _firsts(whole)
    for number, stretch in enumerate(whole):
        binder.take(number, stretch, following[number + 1])
    return binder.finish()


def _firsts(stretches: Sequence[Stretch]) -> list[ev.AnyEvent | None]:
    """The first event of each stretch, or behind it where it has none of its own; none behind the last."""
    found: list[ev.AnyEvent | None] = [None]
    for stretch in reversed(stretches):
        own = (event for event in stretch.events if event.line > stretch.skip_until)
        found.append(next(own, found[-1]))
    return found[::-1]


class _Binder(Ends):
    """Binds request lines, running lines and all the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.following: ev.AnyEvent | None = None
        """The event behind the one at hand."""
        self.loaded: dict[str | None, Millis] = {}
        """When the first request of each model started since it may have been loaded."""
        self.used: dict[str | None, Millis] = {}
        """And the last one."""
        self.passed: list[tuple[Draft, Draft]] = []
        """A request that was given a running line, and another that waited for one as well."""
        self.handlers: dict[type, Callable[..., None]] = {
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

    def take(self, number: int, stretch: Stretch, after: ev.AnyEvent | None) -> None:
        """Takes in one stretch; the bodies in it refer to one another by ordinal. ``after``: the event behind it."""
        nodes: list[int] = []
        self.number, self.stretch = number, stretch
        for event, behind in zip(stretch.events, (*stretch.events[1:], None), strict=True):
            node = 0
            if isinstance(event, ev.RequestReceived) and event.body is not None:
                node = self._node(event.body, nodes)
            if event.line <= stretch.skip_until:
                continue
            self.line, self.following = event.line, behind
            if event.at - self.at > STALE_MS:
                self.forget_old(event.at)
            self.at = event.at
            if isinstance(event, ev.RequestReceived):
                self.request(event, node)
            elif isinstance(event, ev.Failed) and event.unprefixed:
                self.failed(_timed(event, behind or after))
            else:
                self.handlers[type(event)](event)
            if not isinstance(event, ev.Running | ev.Streaming):
                self.started = None

    def finish(self) -> Gathered:
        """Binds what is left over and closes the books."""
        self.bind_loose()
        for tag in list(self.calls):
            self.unpredicted(tag)
        self.tasks.close()
        self.review()
        for draft, other in self.passed:
            # Requests for one model start in the order in which they come; models load as fast as they can.
            another_model = None not in (draft.tag, other.tag) and draft.tag != other.tag
            if other.running_at is None or another_model:
                draft.rivals.add(other.number)
                other.rivals.add(draft.number)
        return self.found

    def _node(self, body: ev.Body, nodes: list[int]) -> int:
        tree = self.found.tree
        node = tree.ancestor(nodes[body.base], body.keep) if body.base is not None and body.keep else 0
        node = tree.add_all(body.fresh, node)
        nodes.append(node)
        return node

    # -- requests

    def request(self, event: ev.RequestReceived, node: int) -> None:
        """A request line, or an error line that stands for one."""
        if event.problem == "unexpected endpoint" and self._unexpected(event):
            return
        api = api_of(event.method, event.path)
        draft = self.new(event.at, api)
        draft.received_at, draft.old = event.at, event.old
        draft.method, draft.path = event.method or ("POST" if event.problem else None), event.path
        draft.redacted = event.redacted
        body = event.body
        if body is not None:
            draft.requested_model, draft.stream = body.model, body.stream
            draft.truncated, draft.media = body.truncated, body.media
            draft.prompt = Prompt(
                node=node,
                count=self.found.tree.depth(node),
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
            if api is not Api.OTHER:
                self.continued(draft, node)
        self.note(draft, event, "request", f"{draft.method or ''} {event.path}".strip())
        refusal = _refusal(event)
        if refusal is not None:
            draft.waited = True
            self._refused(draft, event, refusal)
        elif api is Api.OTHER:
            draft.run.closed = True

    def _refused(self, draft: Draft, event: ev.RequestReceived, why: str) -> None:
        draft.run.errors.append(why)
        draft.run.failed_at = event.at
        draft.run.closed = True

    def _unexpected(self, event: ev.RequestReceived) -> bool:
        """Whether a complaint about an endpoint belongs to a request line before it."""
        recent = [*self.polls, *self.recent[-10:]]
        for draft in sorted(recent, key=lambda draft: -draft.number):
            same = draft.path is not None and draft.path.partition("?")[0] == event.path.partition("?")[0]
            near = event.at - draft.first_at <= SAME_CALL_MS
            if same and near and draft.method == event.method and not draft.run.errors and not draft.started:
                self._refused(draft, event, "unexpected endpoint or method")
                self.note(draft, event, "error", "unexpected endpoint or method")
                return True
        return False

    # -- execution

    def running(self, event: ev.Running) -> None:
        """Execution starts."""
        idle = event.at - self.used.get(event.tag, event.at) > STALE_MS
        if idle or event.tag not in self.loaded:
            self.loaded[event.tag] = event.at
        self.used[event.tag] = event.at
        draft = self._runner(event)
        if draft is None:
            draft = self.new(event.at, FAMILY_API[event.family])
            draft.received_at = event.at
            draft.prove("no request line")
            draft.waited = event.at - self.loaded[event.tag] <= SAME_CALL_MS
        if draft.running_at is None:
            draft.running_at = event.at
            draft.started_place = (self.number, event.line)
            draft.running_family = event.family
        draft.model_tag = event.tag or draft.model_tag
        self.started = draft
        if event.family == "responses":
            draft.running_family = "responses"
            draft.api = Api.RESPONSES if draft.path is None else draft.api
            draft.stream = event.stream if event.stream is not None else draft.stream
        else:
            draft.run_count = event.messages
        detail = f"{event.messages} messages" if event.messages is not None else event.family
        self.note(draft, event, "running", detail)

    def _runner(self, event: ev.Running) -> Draft | None:
        """The received request that now runs."""
        apis = FAMILIES[event.family]
        stream = event.stream if event.stream is not None else self.streams_next(event)
        waiting = [
            draft
            for draft in self.in_flight()
            if draft.waiting and (draft.api is None or draft.api in apis) and stream in (None, draft.stream or stream)
        ]
        second = self._second_line(event)
        counted = [draft for draft in waiting if event.messages is not None and _count(draft) == event.messages]
        if second is not None and not counted:
            return second
        if len(waiting) > 1 and event.messages is not None:
            unknown = [draft for draft in waiting if _count(draft) is None]
            if counted or unknown:
                waiting = counted or unknown
                if len(waiting) == 1:
                    waiting[0].prove("number of messages")
                    return waiting[0]
        waiting = [draft for draft in waiting if not _another_call(draft, event)]
        named = [draft for draft in waiting if event.tag is not None and draft.requested_model == event.tag]
        waiting = named or self._of_protocol(waiting, event)
        if len(waiting) > 1 and len({(draft.requested_model, draft.stream) for draft in waiting}) == 1:
            # They ask for the same thing at the same time; nothing hangs on which line is whose.
            waiting[0].prove("order")
            draft: Draft | None = waiting[0]
        else:
            draft = self.choose(waiting, "only one waiting")
        if draft is not None:
            self.passed += ((draft, other) for other in waiting if other is not draft)
        return draft

    def _of_protocol(self, waiting: list[Draft], event: ev.Running) -> list[Draft]:
        """Those whose protocol has the lines that follow: a response that is not streamed gets one of its own."""
        after = self.following
        if event.family != "chat" or self.streams_next(event):
            return waiting
        response = isinstance(after, ev.Running) and after.family == "responses" and after.tag == event.tag
        return [draft for draft in waiting if (draft.api is Api.RESPONSES) is response] or waiting

    def streams_next(self, event: ev.Running) -> bool | None:
        """Whether the line that follows says that the answer will be streamed; ``None``: it does not tell."""
        after = self.following
        return after.stream if isinstance(after, ev.Streaming) and after.tag == event.tag else None

    def _second_line(self, event: ev.Running) -> Draft | None:
        """/v1/responses logs a line of its own and one for the chat that answers it."""
        before = self.started
        if event.family == "responses" and before is not None and before.running_at == event.at:
            return before  # whatever it was thought to be: the line stands right behind its first one
        found = None
        for draft in tagged(self.in_flight(), event.tag):
            guessed = draft.path is None and _ran(draft) >= event.at - SAME_CALL_MS
            if not draft.started or draft.run.tasks or not (guessed or draft.api in (None, Api.RESPONSES)):
                continue
            chat_follows = event.family == "chat" and draft.running_family == "responses" and draft.run_count is None
            chat_was_first = event.family == "responses" and draft.running_family == "chat"
            fits = event.stream is None or draft.stream in (None, event.stream)
            if (chat_follows or chat_was_first) and fits and (found is None or _ran(found) <= _ran(draft)):
                found = draft
        return found

    def streaming(self, event: ev.Streaming) -> None:
        """The answer will be streamed."""
        flying = [draft for draft in tagged(self.in_flight(), event.tag) if draft.streaming_at is None]
        ready = [draft for draft in flying if draft.running_at is not None and draft.stream is not False]
        draft: Draft | None
        if ready:  # the line follows its running line at once
            draft = max(ready, key=lambda one: (one.running_at or 0, one.number))
        else:
            wanted = [one for one in flying if one.stream]
            unknown = [one for one in flying if one.stream is None and one.path is not None and not one.started]
            draft = self.choose(wanted, "stream flag") if wanted else self.choose(unknown, "only one waiting")
        if draft is None:
            draft = self.new(event.at, FAMILY_API.get(event.family or ""))
            draft.prove("the log starts inside it")
        draft.streaming_at = event.at
        self.started = draft
        draft.stream = True
        draft.model_tag = event.tag or draft.model_tag
        self.note(draft, event, "streaming")

    # -- the rest

    def embedding(self, event: ev.EmbeddingInput) -> None:
        """Text for an embedding model."""
        waiting = [draft for draft in self.recent if draft.embeds and not draft.embedded and not draft.run.closed]
        draft = waiting[0] if waiting else None
        if draft is None:
            draft = self.new(event.at, Api.EMBEDDINGS)
            draft.received_at = event.at
            draft.prove("no request line")
        draft.embedded = draft.run.closed = True
        self.note(draft, event, "embedding", f"{event.count} texts")

    def embedding_done(self, event: ev.EmbeddingDone) -> None:
        """0.2: the embeddings are returned."""
        for draft in sorted(self.recent, key=lambda draft: draft.run.closed):
            if draft.embeds and draft.run.finished_at is None:
                draft.embedded = draft.run.closed = True
                draft.run.end = End(event, (self.number, event.line))
                self.note(draft.run.end, event, "finished")
                return

    def listing(self, event: ev.Listing) -> None:
        """A model list is returned."""
        for draft in self.polls:
            near = event.at - draft.first_at <= LISTED_MS
            if near and not draft.listed and draft.method == "GET" and "models" in (draft.path or ""):
                draft.listed = True
                draft.run.end = End(event, (self.number, event.line))
                self.note(draft.run.end, event, "answered", "" if event.models is None else f"{event.models} models")
                return

    def model_change(self, event: ev.ModelChange) -> None:
        """A model was loaded or unloaded. Task ids start again with every load."""
        where = self.stretch.ranges(event.line, event.end_line)[0]
        self.found.loads.append(ModelLoad(event.at, event.loaded, event.model, event.reason, where))
        self.loaded.clear()
        if event.loaded:
            self.tasks.forget()

    def server_change(self, _event: ev.ServerChange) -> None:
        """Nothing that was open before can end after it."""
        for draft in self.recent:
            draft.run.closed = True
        self.hangups.clear()
        self.loaded.clear()
        self.tasks.ending.clear()
        self.tasks.forget()

    def stream_input(self, event: ev.StreamInput) -> None:
        """A log stream of models: a rendered prompt."""
        draft = self.new(event.at, None)
        draft.received_at = draft.running_at = event.at
        draft.model_tag = event.model
        draft.precise = True
        node = self.found.tree.add(0, event.prompt)
        draft.prompt = Prompt(node=node, count=1, list_name="prompt", system=None, tools=None, params=None)
        self.note(draft, event, "request", "rendered prompt")

    def stream_output(self, event: ev.StreamOutput) -> None:
        """A log stream of models: an answer. Neither line has an id."""
        end = End(event, (self.number, event.line), event.answer, whole=True)
        among = [draft for draft in self.in_flight() if draft.tag == event.model]
        # of equals the latest: an input without an output was left, and those are the older ones
        latest = {one.number: place * 1e-6 for place, one in enumerate(among)}
        draft = self.choose(
            among, "only one in flight", "time taken", lambda one: latest[one.number] - SURE * end.astray(one.first_at)
        )
        if draft is None:
            draft = self.new(event.at, None)
            draft.prove("the log starts inside it")
            draft.model_tag = event.model
        draft.run.end = end
        draft.precise = True
        self.note(end, event, "prediction")
        self.close(draft)


def _timed(event: ev.Failed, after: ev.AnyEvent | None) -> ev.Failed:
    """An engine's death is told on the spot, without a time; what the server says of it, if it does, comes next."""
    return replace(event, at=max(event.at, after.at)) if isinstance(after, ev.Failed | ev.Finished) else event


def _refusal(event: ev.RequestReceived) -> str | None:
    """Why a request was not taken, where that complaint is all the log has of it."""
    problem = event.problem or ""
    if problem.startswith("invalid JSON"):
        return problem
    return "unexpected endpoint or method" if problem == "unexpected endpoint" else None


def _another_call(draft: Draft, event: ev.Running) -> bool:
    """Whether a running line is that of a request whose own line is not in the log: the numbers of messages differ."""
    count = _count(draft)
    differ = count is not None and event.messages is not None and count != event.messages
    return event.at - draft.first_at > (LATE_START_MS if differ else LAST_START_MS)


def _ran(draft: Draft) -> Millis:
    return draft.running_at or 0


def _count(draft: Draft) -> int | None:
    """Messages of a body that should equal those of its running line; unknown where the server counts otherwise."""
    prompt = draft.prompt
    if prompt is None or not prompt.complete or draft.api not in (Api.CHAT, Api.MESSAGES, Api.LMSTUDIO_V0):
        return None
    return prompt.count
