"""LM Studio as its log shows it: requests come in, log lines and answers go out, and the truth is written down beside them.

The answer to a request is scripted by whoever sends it; the server decides when it comes. One ``LmStudio`` serves any
number of clients and models at once.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synthetic.answers import (
    delta_choice,
    deltas_of,
    message_object,
    partial,
    pieces_of,
    prediction,
    python_like,
    reasoning_tokens,
    response_object,
    said,
    usage_of,
    v0_prediction,
    v1_answer,
    written_tokens,
)
from synthetic.clock import Clock, Future
from synthetic.engine import Engine, Model, Work
from synthetic.jsonlike import MARK, Body, Item, print_body, stringify
from synthetic.truth import Answer, Ledger, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from synthetic.clock import Process
    from synthetic.writer import LogFiles

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
V0, V1, EMBEDDINGS = "/api/v0/chat/completions", "/api/v1/chat", "/v1/embeddings"
APIS = {
    CHAT: "openai.chat",
    MESSAGES: "anthropic.messages",
    RESPONSES: "openai.responses",
    V0: "lmstudio.v0",
    V1: "lmstudio.v1",
    EMBEDDINGS: "openai.embeddings",
}

DISCONNECTED = (
    b"[LM STUDIO SERVER] Client disconnected. Stopping generation... "
    b"(If the model is busy processing the prompt, it will finish first.)"
)
LIVE_EVERY_MS = 3000


@dataclass(slots=True)
class Settings:
    """LM Studio's logging settings; they may change while it runs."""

    full: bool = False
    """``fileLoggingMode: full``: strings are not shortened."""
    tokens: bool = False
    """``logIncomingTokens``: a record per packet."""
    verbose: bool = True
    """Without it there are no request lines and no engine lines."""
    redacted: bool = False
    """``logSensitiveData`` off: bodies and answers are ``[Sensitive]``."""
    lag_ms: float = 0.0
    """How late an engine's lines may reach the log."""


@dataclass(slots=True)
class Post:
    """A request as a client sends it, with the answer it is going to get."""

    path: str
    body: Body
    prompt: list[Item]
    """What the engine reads, in the order of the template: tools and system first."""
    message_count: int
    answer: Answer
    client: str
    session: str
    project: str | None = None
    parent_session: str | None = None
    kind: str = "main"
    cancel_after_ms: float | None = None
    """The client goes away this long after the request, unless it has the answer by then."""
    late_answer_ms: float | None = None
    """So long after its client has left a request that is not streamed gets its prediction all the same."""
    hang_up_after_ms: float | None = None
    """The client closes its connection this long after it has the answer, which the log tells too."""
    stumbles: bool = False
    """The engine refuses the prompt at first and is given it again."""
    template_error: str | None = None
    """The prompt template fails with this text; there is no answer."""
    on_packet: Callable[[int], None] | None = None
    """Called before packet n of a logged stream is written."""

    def member(self, name: str) -> Any:
        return next((value for key, value in self.body if key == name), None)


@dataclass(slots=True)
class Job:
    """A request on its engine."""

    post: Post
    truth: Truth
    engine: Engine
    work: Work
    tag: str
    """Model tag of its lines."""
    gone: Future[None]
    """Set when the client leaves."""
    tokens: int
    """Length of the answer."""
    write_ms: float = 0.0
    """How long writing it takes."""


class LmStudio:
    """The server and its log."""

    def __init__(
        self, clock: Clock, log: LogFiles, settings: Settings, *, seed: int, utc_offset_h: float = 1.0, port: int = 1234
    ) -> None:
        self.clock = clock
        self.log = log
        self.settings = settings
        self.ledger = Ledger()
        self.rng = random.Random(seed)
        self.offset_s = int(utc_offset_h * 3600)
        self.port = port
        self.models: list[Model] = []
        self._engines: dict[str, Engine] = {}
        self._lines_until = 0.0

    # --- what everybody may call ------------------------------------------------------------------------------------

    def record(self, level: bytes, message: bytes | str) -> None:
        if level == b"DEBUG" and not self.settings.verbose:
            return
        self.log.record(self.clock.now, level, message.encode() if isinstance(message, str) else message)

    def start(self, models: Sequence[Model]) -> None:
        """The lines of a server start; models load when they are first used."""
        self.models = list(models)
        tag = "[LM STUDIO SERVER]"
        self.record(b"INFO", f"{tag} Success! HTTP server listening on port {self.port}")
        self.record(b"INFO", "")
        self.record(b"INFO", f"{tag} Supported endpoints:")
        for group, endpoints in ENDPOINTS:
            self.record(b"INFO", f"{tag}   {group}")
            for endpoint in endpoints:
                verb, path = endpoint.split(" ")
                self.record(b"INFO", f"{tag}    ->  {verb:<4} http://localhost:{self.port}{path}")
        self.record(b"INFO", "")
        self.record(b"INFO", f"{tag} Logs are saved into /Users/mika/.lmstudio/server-logs")
        self.record(b"INFO", "Server started.")
        self.record(b"INFO", "Just-in-time model loading active.")

    def stop(self) -> None:
        """The lines of a server stop; engines are gone with it."""
        self.record(b"INFO", "Server stopped.")
        self._engines.clear()

    def load(self, model: Model) -> Engine:
        """The engine of a model; it begins to load now unless it already has."""
        engine = self._engines.get(model.name)
        if engine is None:
            engine = Engine(self.clock, model, self.rng, self._engine_line)
            self._engines[model.name] = engine
            self.clock.spawn(engine.loading())
        return engine

    def _engine_line(self, level: bytes, message: bytes) -> None:
        """What an engine prints reaches the log in order, but perhaps not at once."""
        if not self.settings.lag_ms:
            self.record(level, message)
            return
        self._lines_until = max(self._lines_until, self.clock.now + self.rng.uniform(0, self.settings.lag_ms))
        self.clock.at(self._lines_until, lambda: self.record(level, message))

    def unload(self, model: Model, reason: str) -> None:
        """A model goes, and with it everything its slots had cached."""
        if self._engines.pop(model.name, None) is not None:
            self.record(b"INFO", f"[LMSAuthenticator][Client=lms][Endpoint=unloadModel] Unloading model: {model.name}")
            self.record(b"INFO", f"Unloading model {model.name} due to {reason}")

    def get(self, path: str) -> None:
        """A request that runs no model."""
        self._note("GET", path)
        self.record(b"DEBUG", f"Received request: GET to {path}")
        if path == "/v1/models":
            listing = {
                "data": [{"id": m.name, "object": "model", "owned_by": "organization_owner"} for m in self.models],
                "object": "list",
            }
            self.record(b"INFO", b"Returning " + stringify(listing))
        elif path == "/api/v1/models":
            self.record(b"INFO", f"Returning {len(self.models)} models from v1 API")

    def list_loaded(self, client: str = "lms") -> None:
        """What ``lms ps`` and tray tools leave; no HTTP request."""
        self.record(b"INFO", f"[LMSAuthenticator][Client={client}][Endpoint=listLoaded] Listing loaded models")

    def count_tokens(self, body: Body) -> None:
        """Claude Code asks for a count; LM Studio does not know the route."""
        path = f"{MESSAGES}/count_tokens"
        self._note("POST", path)
        printed = print_body(body, full=self.settings.full)
        self.record(b"DEBUG", f"Received request: POST to {path} with body ".encode() + printed)
        self.record(b"ERROR", f"Unexpected endpoint or method. (POST {path}?beta=true). Returning 200 anyway")

    def embed(self, model: str, texts: list[str]) -> None:
        """A request for embeddings."""
        truth = self._note("POST", EMBEDDINGS)
        truth.requested_model, truth.status, truth.kind = model, "completed", "embedding"
        body = print_body([("model", model), ("input", texts)], full=self.settings.full)
        self.record(b"DEBUG", f"Received request: POST to {EMBEDDINGS} with body ".encode() + self._private(body))
        self.record(b"INFO", b"Received request to embed multiple: " + stringify(texts))

    def post(self, post: Post) -> Future[Answer | None]:
        """A request that runs a model; the future has the answer, ``None`` when there was none."""
        return self.clock.spawn(self._serve(post))

    def call_id(self) -> str:
        """An id as LM Studio gives its tool calls."""
        return str(self.rng.randrange(100_000_000, 1_000_000_000))

    # --- one request ------------------------------------------------------------------------------------------------

    def _note(self, method: str, path: str) -> Truth:
        truth = Truth(len(self.ledger.requests), self.clock.now, method, path, APIS.get(path, "other"))
        self.ledger.requests.append(truth)
        return truth

    def _serve(self, post: Post) -> Process[Answer | None]:
        model = self._model(post.member("model"))
        tag = f"[{model.name}] "
        truth = self._note("POST", post.path)
        self._describe(truth, post, model)
        printed = print_body(post.body, full=self.settings.full)
        truth.truncated_by_log = not self.settings.full and MARK.encode() in printed
        self.record(b"DEBUG", f"Received request: POST to {post.path} with body ".encode() + self._private(printed))
        gone: Future[None] = Future()
        if post.cancel_after_ms is not None:
            self.clock.at(self.clock.now + post.cancel_after_ms, lambda: self._leave(truth, gone))

        engine = self.load(model)
        if not engine.ready.done:
            yield engine.ready
        # Arrival, start and launch come in one order; only the time to split a prompt into tokens depends on it.
        yield 4.0
        self._log_running(post, truth, model, tag)
        if post.template_error is not None:
            self._fail(truth, tag, post.template_error)
            return None
        prompt_tokens = sum(item.tokens for item in post.prompt)
        if model.dialect != "inprocess":  # there they queue up as they come
            yield 3.0 + prompt_tokens / 5000
        yield from _turn(engine)
        if gone.done and model.dialect == "inprocess":  # nothing was begun for it
            engine.pass_on()
            self._dropped(truth, post, tag)
            return None
        if post.stumbles and model.dialect in ("subprocess", "llamav4"):
            work = engine.launch([])
            self._refuse(engine, work, f"request ({prompt_tokens} tokens) exceeds the available context size")
            yield 1000.0
            yield from _turn(engine)
        if prompt_tokens > model.context:
            self._overflow(truth, engine, tag, prompt_tokens)
            return None
        work = engine.launch(post.prompt)
        if model.dialect != "mlx":
            truth.slot, truth.task = work.slot.number, work.task
        truth.cached_tokens, truth.input_tokens = work.cached, work.total
        engine.log_launch(work)
        job = Job(post, truth, engine, work, tag, gone, written_tokens(post.answer))
        yield from self._read(job)
        written = 0
        if not gone.done:
            truth.prompt_ms = work.prompt_ms
            truth.chat_id = self._chat_id() if post.path in (CHAT, V0) else None
            job.write_ms = engine.write_ms(work, job.tokens)
            written = yield from self._write(job)
        if gone.done:
            self._stop(job, written)
            return None
        self._finish(job)
        return post.answer

    def _describe(self, truth: Truth, post: Post, model: Model) -> None:
        truth.client, truth.session, truth.project = post.client, post.session, post.project
        truth.parent_session, truth.kind = post.parent_session, post.kind
        truth.stream = bool(post.member("stream"))
        truth.message_count = post.message_count
        truth.requested_model, truth.model = post.member("model"), model.name
        truth.answer = post.answer

    def _log_running(self, post: Post, truth: Truth, model: Model, tag: str) -> None:
        what = "Anthropic messages API" if post.path == MESSAGES else "chat completion"
        tag = "[LM STUDIO SERVER] " if model.dialect == "inprocess" else tag
        self.record(b"INFO", f"{tag}Running {what} on conversation with {truth.message_count} messages.")
        if truth.stream:
            streaming = "Streaming Anthropic response..." if post.path == MESSAGES else "Streaming response..."
            self.record(b"INFO", f"{tag}{streaming}")
        elif post.path == RESPONSES:
            self.record(b"INFO", f"{tag}Generating synchronous v1/responses response...")

    def _read(self, job: Job) -> Process[None]:
        """Prompt processing: progress in batches, live lines of the engine every few seconds.

        A client that leaves meanwhile is noticed at the end of a batch.
        """
        work, begun = job.work, self.clock.now
        self._progress(job, 0)
        steps = min(max(int(work.prompt_ms / LIVE_EVERY_MS), 1), 12)
        for step in range(1, steps + 1):
            yield work.prompt_ms / steps
            if step < steps:
                at = work.cached + (work.total - work.cached) * step / steps
                self._progress(job, 100 * at / work.total)
                job.engine.log_reading(work, step / steps, self.clock.now - begun)
            if job.gone.done:
                return
        self._progress(job, 100)
        if job.engine.model.dialect == "inprocess":
            job.engine.debug("  FinishedProcessingPrompt. Progress: 100")
            first = "First token generated. Continuing to stream response.."
            first = first if job.truth.stream else "Accumulating tokens ... (stream = false)"
            self.record(b"INFO", f"[LM STUDIO SERVER] {first}")

    def _progress(self, job: Job, percent: float) -> None:
        if job.engine.model.dialect != "inprocess":
            self.record(b"INFO", f"{job.tag}Prompt processing progress: {percent:.1f}%")

    def _write(self, job: Job) -> Process[int]:
        """The answer, in steps: live lines, and packets where they are logged. Returns the tokens written."""
        post, truth, written = job.post, job.truth, job.tokens
        if self.settings.tokens and truth.stream and post.path in (CHAT, V0):
            return (yield from self._stream(job))
        if self.settings.tokens and not truth.stream:
            truth.answer_logged = True
            self._build_up(post.answer, job.tag)
        steps = min(max(int(job.write_ms / LIVE_EVERY_MS), 1), 40)
        each = job.write_ms / steps
        leaves_ms = truth.received_ms + (float("inf") if post.cancel_after_ms is None else post.cancel_after_ms)
        for step in range(1, steps + 1):
            reached = written * step // steps
            left = leaves_ms - self.clock.now
            if left < each:
                yield max(left, 0) + 20
                return reached - int(written / steps * (1 - left / each))
            yield each
            if step < steps and reached >= 100:
                job.engine.log_writing(job.work, reached, 1000 * written / job.write_ms)
        return written

    def _stream(self, job: Job) -> Process[int]:
        """A packet per token, then one with the finish reason, then one with usage where the client asked for it."""
        post, truth, answer = job.post, job.truth, job.post.answer
        truth.answer_logged = not self.settings.redacted
        deltas = list(deltas_of(answer))
        created = int(self.clock.now // 1000) - self.offset_s
        for number, delta in enumerate(deltas):
            if job.gone.done:
                truth.answer = said(deltas[:number])
                return job.tokens * number // len(deltas)
            if post.on_packet is not None:
                post.on_packet(number)
            self._packet(job, created, [delta_choice(delta, None)])
            yield job.write_ms / len(deltas)
        if not job.gone.done:
            self._packet(job, created, [delta_choice({}, answer.finish_reason)])
            options = post.member("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                truth.usage_logged = True
                self._packet(job, created, [], usage_of(job.work.total, job.tokens, answer))
        return job.tokens

    def _packet(self, job: Job, created: int, choices: list[Any], usage: Any = None) -> None:
        packet = {
            "id": job.truth.chat_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": job.truth.model,
            "system_fingerprint": job.truth.model,
            "choices": choices,
        }
        if usage is not None:
            packet["usage"] = usage
        tag = _late_tag(job.engine.model, job.tag)
        self.record(b"INFO", f"{tag}Generated packet: ".encode() + self._private(stringify(packet)))

    def _build_up(self, answer: Answer, tag: str) -> None:
        """Cumulative lines of an answer that is not streamed, with ``logIncomingTokens``."""
        pieces = list(pieces_of(answer.text))
        for number in range(1, len(pieces) + 1):
            so_far = "".join(pieces[:number]).replace("\n", "\\n")
            self.record(b"INFO", f"{tag}Accumulated {number} tokens  {so_far}")
        for call in answer.calls:
            self.record(b"INFO", f"{tag}Start to generate a tool call...")
            self.record(b"INFO", f"{tag}Tool name generated: {call.name}")
            for end in range(8, len(call.arguments) + 8, 8):
                self.record(b"INFO", f"{tag}Accumulating tool call arguments: {call.arguments[:end]}")
            self.record(b"INFO", f"{tag}Model generated a tool call.")

    def _finish(self, job: Job) -> None:
        post, truth, engine, answer, tag = job.post, job.truth, job.engine, job.post.answer, job.tag
        truth.status, truth.finish_reason = "completed", answer.finish_reason
        truth.output_tokens, truth.generation_ms = job.tokens, job.write_ms
        truth.reasoning_tokens = reasoning_tokens(answer)
        truth.timing_logged = engine.model.dialect != "mlx"
        engine.log_timing(job.work, job.work.prompt_ms, job.write_ms, job.tokens)
        engine.log_release(job.work, job.tokens)
        # Clients send reasoning back in a form of its own, or not at all: the cache ends where it began.
        engine.release(job.work, job.tokens, None if answer.reasoning else answer)
        truth.finished_ms = self.clock.now
        if post.hang_up_after_ms is not None:
            self.clock.at(self.clock.now + post.hang_up_after_ms, lambda: self.record(b"INFO", DISCONNECTED))
        if truth.stream:
            self._log_finished(job.post, job.engine.model, tag)
            return
        truth.answer_logged = truth.usage_logged = not self.settings.redacted
        self._log_prediction(job)

    def _log_finished(self, post: Post, model: Model, tag: str) -> None:
        what = "Anthropic response" if post.path == MESSAGES else "response"
        self.record(b"INFO", f"{_late_tag(model, tag)}Finished streaming {what}")

    def _log_prediction(self, job: Job) -> None:
        post, truth = job.post, job.truth
        start_s = int(truth.received_ms // 1000) - self.offset_s
        if post.path in (CHAT, V0):
            calls = ", ".join(python_like(call) for call in truth.answer.calls)
            self.record(
                b"INFO", f"{job.tag}Model generated tool calls: ".encode() + self._private(f"[{calls}]".encode())
            )
        match post.path:
            case "/v1/chat/completions":
                whole = prediction(truth, start_s)
            case "/api/v0/chat/completions":
                whole = v0_prediction(truth, int(self.clock.now // 1000) - self.offset_s)
            case "/v1/responses":
                whole = response_object(truth, start_s, self._chat_id()[9:])
            case "/api/v1/chat":
                whole = v1_answer(truth, self._chat_id()[9:])
            case _:
                whole = message_object(truth, self._chat_id()[9:])
        what = "Generated synchronous v1/responses response" if post.path == RESPONSES else "Generated prediction"
        self.record(b"INFO", f"{job.tag}{what}: ".encode() + self._private(stringify(whole)))

    # --- ends that are not good ones --------------------------------------------------------------------------------

    def _leave(self, truth: Truth, gone: Future[None]) -> None:
        if truth.finished_ms is None:
            self.record(b"INFO", DISCONNECTED)
            truth.left_ms = self.clock.now
            gone.set(None)

    def _stop(self, job: Job, reached: int) -> None:
        """The client is gone: the engine drops the task, and, save for that of 0.3, its timing with it."""
        truth, model = job.truth, job.engine.model
        truth.status, truth.finish_reason = "cancelled", None
        if not truth.answer_logged:
            truth.answer = partial(truth.answer, reached)
        if model.dialect in ("subprocess", "llamav4"):
            job.engine.debug(f"W srv          stop: cancel task, id_task = {job.work.task}")
        elif model.dialect == "inprocess":
            truth.prompt_ms, truth.output_tokens = job.work.prompt_ms, reached
            truth.generation_ms = job.write_ms * reached / job.tokens
            job.engine.log_timing(job.work, truth.prompt_ms, truth.generation_ms, reached)
        job.engine.log_release(job.work, reached)
        job.engine.release(job.work, reached)
        truth.finished_ms = self.clock.now
        if truth.stream:
            self._log_finished(job.post, model, job.tag)
        elif job.post.late_answer_ms is not None:
            self.clock.at(self.clock.now + job.post.late_answer_ms, lambda: self._late_answer(job))

    def _late_answer(self, job: Job) -> None:
        """The prediction of a request whose client has left; its usage says 0/0/0."""
        truth = job.truth
        truth.answer_logged = not self.settings.redacted
        read, truth.input_tokens = truth.input_tokens, 0
        self._log_prediction(job)
        truth.input_tokens = read

    def _dropped(self, truth: Truth, post: Post, tag: str) -> None:
        truth.status, truth.answer = "cancelled", Answer()
        truth.finished_ms = self.clock.now
        if truth.stream:
            self._log_finished(post, self._model(post.member("model")), tag)

    def _fail(self, truth: Truth, tag: str, error: str) -> None:
        truth.status, truth.answer = "error", Answer()
        truth.errors = (error,)
        truth.finished_ms = self.clock.now
        self.record(b"ERROR", tag.encode() + self._private(error.encode()))

    def _overflow(self, truth: Truth, engine: Engine, tag: str, tokens: int) -> None:
        """A prompt longer than the context: the engine takes the task and gives it up at once."""
        limit = engine.model.context
        if engine.model.dialect == "mlx":
            text = "The number of tokens to keep from the initial prompt is greater than the context length"
            remedy = "Try to load the model with a larger context length, or provide a shorter input"
            self._fail(truth, tag, f"{text} (n_keep: {tokens} > n_ctx: {limit}). {remedy}")
            return
        text = f"request ({tokens} tokens) exceeds the available context size ({limit} tokens), try increasing it"
        work = engine.launch([])
        truth.slot, truth.task = work.slot.number, work.task
        self._refuse(engine, work, text)
        detail = {"error": {"code": 400, "message": text, "type": "exceed_context_size_error", "n_ctx": limit}}
        self._fail(truth, tag, f"Engine protocol predict request returned 400: {json.dumps(detail)}")

    def _refuse(self, engine: Engine, work: Work, why: str) -> None:
        engine.debug(f"I slot launch_slot_: id  {work.slot.number} | task {work.task} | processing task, is_child = 0")
        engine.debug(f"E srv    send_error: task id = {work.task}, error: {why}")
        engine.release(work, 0)

    # --- small things -----------------------------------------------------------------------------------------------

    def _model(self, wanted: Any) -> Model:
        """The model asked for, or, as LM Studio does, the first one there is."""
        return next((model for model in self.models if model.name == wanted), self.models[0])

    def _private(self, payload: bytes) -> bytes:
        return b"[Sensitive]" if self.settings.redacted else payload

    def _chat_id(self) -> str:
        return "chatcmpl-" + "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=22))


def _late_tag(model: Model, tag: str) -> str:
    """What stands before packets and finish lines: until 0.3 nothing."""
    return "" if model.dialect == "inprocess" else tag


def _turn(engine: Engine) -> Process[None]:
    """Waits for a free slot."""
    while (turn := engine.free()) is not None:
        yield turn


ENDPOINTS = (
    ("LM Studio API", ("GET /api/v1/models", "POST /api/v1/chat", "POST /api/v1/models/load")),
    (
        "OpenAI-compatible",
        (
            "GET /v1/models",
            "POST /v1/responses",
            "POST /v1/chat/completions",
            "POST /v1/completions",
            "POST /v1/embeddings",
        ),
    ),
    ("Anthropic-compatible", ("POST /v1/messages",)),
)
