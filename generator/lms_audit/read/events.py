"""The events a log is made of once its records are understood, and the digest of one file.

Events are small, frozen and array-encoded: a digest of a 10 MB file is some tens of kilobytes. Line numbers are
1-based and belong to the file the event was read from. ``tag`` is the model instance a line names in brackets, ``None``
where it names none; a tag is never the requested model.
"""

from __future__ import annotations

from msgspec import Struct, field

from lms_audit.model import Class, Key, LogSettings, Millis, Problem, Tally

READER_VERSION = 11
"""Raised whenever the same bytes would give another digest; the store reads such files again."""


class Usage(Struct, frozen=True, array_like=True):
    """Token counts of a ``usage`` object, whatever protocol wrote it."""

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    total: int | None = None


class Stats(Struct, frozen=True, array_like=True):
    """LM Studio's own ``stats`` of an answer (/api/v0, /api/v1, ``lms log stream -s model``)."""

    tokens_per_second: float | None = None
    ttft_ms: float | None = None
    generation_ms: float | None = None
    """Whole time as LM Studio counts it: with TTFT on llama.cpp, without on MLX."""
    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    stop_reason: str | None = None
    draft_total: int | None = None
    draft_accepted: int | None = None


class AnswerCall(Struct, frozen=True, array_like=True):
    """A tool call in an answer: ``arguments`` is the JSON text the model wrote."""

    id: str | None
    name: str
    arguments: str
    index: int | None = None
    """Place in the answer as a delta gives it."""


class Answer(Struct, frozen=True, array_like=True):
    """What an answer object, or a run of packets with one chat id, says."""

    chat_id: str | None = None
    object: str | None = None
    created: int | None = None
    """Epoch seconds."""
    model: str | None = None
    text: str | None = None
    reasoning: str | None = None
    calls: tuple[AnswerCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    stats: Stats | None = None
    complete: bool = True
    """The JSON could be read to its end."""


class Body(Struct, frozen=True, array_like=True):
    """A request body as references to items, written as what it adds to an earlier body of the same file."""

    model: str | None
    stream: bool | None
    list_name: str | None
    """Member that holds the messages."""
    base: int | None
    """Ordinal (0-based, within the digest) of the body whose first ``keep`` messages these are too."""
    keep: int
    fresh: tuple[Key, ...]
    """Keys of the messages after the kept ones."""
    system: Key | None
    tools: Key | None
    params: Key | None
    order: tuple[str, ...]
    complete: bool
    truncated: bool
    size: int
    media: bool = False
    """Images or files are in it, whose bytes are no text."""


class Event(Struct, frozen=True, array_like=True, kw_only=True):
    """When and where. ``at`` is local milliseconds, on whole seconds unless the digest is ``precise``."""

    at: Millis
    line: int
    end_line: int


class RequestReceived(Event, frozen=True, array_like=True, tag="request", kw_only=True):
    """An HTTP request line, its body with it."""

    method: str | None
    path: str
    body: Body | None = None
    redacted: bool = False
    problem: str | None = None
    """``invalid JSON: …``, ``unexpected endpoint`` or ``cut body``."""
    old: bool = False
    """Written by 0.2, whose ``usage`` is wrong."""


class Running(Event, frozen=True, array_like=True, tag="running", kw_only=True):
    """Execution starts. ``family``: ``chat``, ``messages``, ``responses``, ``completions``."""

    tag: str | None
    family: str
    messages: int | None
    stream: bool | None = None
    """Only where the line itself tells."""


class Streaming(Event, frozen=True, array_like=True, tag="streaming", kw_only=True):
    """The answer will be streamed (``stream``) or accumulated."""

    tag: str | None
    stream: bool
    family: str | None = None


class FirstToken(Event, frozen=True, array_like=True, tag="first token", kw_only=True):
    """A line that stands at the first token (not in late versions). ``stream`` tells of which kind of answer."""

    tag: str | None
    stream: bool


class Progress(Event, frozen=True, array_like=True, tag="progress", kw_only=True):
    """A run of prompt progress lines of one tag, folded."""

    tag: str | None
    first: float
    last: float
    last_at: Millis
    count: int


class Accumulated(Event, frozen=True, array_like=True, tag="accumulated", kw_only=True):
    """A run of cumulative ``Accumulated N tokens`` lines, folded into the last of them."""

    tag: str | None
    tokens: int
    text: str
    last_at: Millis


class CallBuilding(Event, frozen=True, array_like=True, tag="call building", kw_only=True):
    """A run of tool-call build-up lines; never a call of its own."""

    tag: str | None
    name: str | None
    last_at: Millis


class CallsLine(Event, frozen=True, array_like=True, tag="calls line", kw_only=True):
    """``Model generated tool calls: […]``: python-like text, not JSON."""

    tag: str | None
    text: str
    redacted: bool = False


class Packets(Event, frozen=True, array_like=True, tag="packets", kw_only=True):
    """All packets of one chat id in a file, folded; stands where the first of them stands."""

    tag: str | None
    answer: Answer
    count: int
    last_at: Millis
    first_token_at: Millis | None
    """First packet with text, reasoning or a call in it."""


class Prediction(Event, frozen=True, array_like=True, tag="prediction", kw_only=True):
    """The whole answer of a request that was not streamed."""

    tag: str | None
    answer: Answer | None
    redacted: bool = False


class Finished(Event, frozen=True, array_like=True, tag="finished", kw_only=True):
    """A stream ended. ``family`` is ``messages`` for Anthropic ones."""

    tag: str | None
    family: str | None = None


class Disconnected(Event, frozen=True, array_like=True, tag="disconnected", kw_only=True):
    """A client closed its socket; the line never names whose."""


class Failed(Event, frozen=True, array_like=True, tag="failed", kw_only=True):
    """An error line that concerns a request or the engine."""

    tag: str | None
    text: str
    task: int | None = None
    sure: bool = True
    """Ends a request. An error line of a kind nobody knows may concern something else."""
    unprefixed: bool = False
    """It stands behind a record and has no time of its own: ``at`` is that record's, and may be long before."""


class Thinking(Event, frozen=True, array_like=True, tag="thinking", kw_only=True):
    """Thinking starts (``ms`` is ``None``) or is done after ``ms``."""

    tag: str | None
    ms: float | None


class Timing(Event, frozen=True, array_like=True, tag="timing", kw_only=True):
    """llama.cpp timing of a task. One block may come in two events with the same ids; what is not in it is ``None``."""

    slot: int | None = None
    task: int | None = None
    tag: str | None = None
    """Only in a log stream, which names the model."""
    engine_start: Millis | None = None
    """When the engine's process started, by the uptime its lines carry: tells engines with equal ids apart."""
    prompt_ms: float | None = None
    prompt_tokens: int | None = None
    """Evaluated, not cached."""
    eval_ms: float | None = None
    eval_tokens: int | None = None
    """Tokens generated: 0.3's ``runs`` are reduced by one here."""
    tokens_per_second: float | None = None
    total_ms: float | None = None
    draft_accepted: int | None = None
    draft_generated: int | None = None


class Task(Event, frozen=True, array_like=True, tag="task", kw_only=True):
    """A step of an engine task. ``step``: ``launch``, ``prompt``, ``cache``, ``release``, ``assigned``, ``cancel``."""

    step: str
    slot: int | None
    task: int
    tokens: int | None = None
    """``prompt``: tokens of the whole prompt; ``cache``: tokens kept; ``release``: tokens in the slot."""
    tag: str | None = None
    engine_start: Millis | None = None
    context: int | None = None
    """``prompt``: tokens the slot holds at most."""


class PromptCount(Event, frozen=True, array_like=True, tag="prompt count", kw_only=True):
    """Prompt size and cached part as engines without task ids log them (0.3 llama.cpp, MLX)."""

    engine: str
    """``llama`` or ``mlx``."""
    total: int | None = None
    cached: int | None = None
    evaluated: int | None = None
    tag: str | None = None
    context: int | None = None
    """Tokens the context holds at most."""


class PromptStep(Event, frozen=True, array_like=True, tag="prompt step", kw_only=True):
    """0.3 llama.cpp begins (``begin``) or has finished reading a prompt."""

    begin: bool


class Summary(Event, frozen=True, array_like=True, tag="summary", kw_only=True):
    """Splash's one-line account of a request."""

    outcome: str
    """``done``, ``cancelled``, ``error``."""
    input: int | None = None
    cached: int | None = None
    output: int | None = None
    ttft_ms: float | None = None
    tokens_per_second: float | None = None
    error: str | None = None


class EmbeddingInput(Event, frozen=True, array_like=True, tag="embedding input", kw_only=True):
    """Text handed to an embedding model; the text itself is not kept."""

    count: int


class EmbeddingDone(Event, frozen=True, array_like=True, tag="embedding done", kw_only=True):
    """0.2's ``Returning embeddings``."""


class Listing(Event, frozen=True, array_like=True, tag="listing", kw_only=True):
    """A model list was returned."""

    models: int | None = None


class ModelChange(Event, frozen=True, array_like=True, tag="model", kw_only=True):
    """A model was loaded or unloaded."""

    loaded: bool
    model: str | None
    reason: str | None = None


class ServerChange(Event, frozen=True, array_like=True, tag="server", kw_only=True):
    """The server started or stopped: nothing that was open before can end after it."""

    started: bool


class StreamInput(Event, frozen=True, array_like=True, tag="stream input", kw_only=True):
    """``lms log stream -s model``: the rendered prompt handed to a model."""

    model: str | None
    prompt: Key


class StreamOutput(Event, frozen=True, array_like=True, tag="stream output", kw_only=True):
    """``lms log stream -s model``: what the model answered."""

    model: str | None
    answer: Answer


AnyEvent = (
    RequestReceived
    | Running
    | Streaming
    | FirstToken
    | Progress
    | Accumulated
    | CallBuilding
    | CallsLine
    | Packets
    | Prediction
    | Finished
    | Disconnected
    | Failed
    | Thinking
    | Timing
    | Task
    | PromptCount
    | PromptStep
    | Summary
    | EmbeddingInput
    | EmbeddingDone
    | Listing
    | ModelChange
    | ServerChange
    | StreamInput
    | StreamOutput
)


class Edge(Struct, frozen=True):
    """A record at the edge of a file, kept raw because it may go on in the neighbour."""

    start: int
    """Byte offset in the file."""
    line: int
    size: int
    """Bytes of the record in this file."""
    breaks: int
    """Line breaks in it."""
    open: bool
    """It does not end with a line break: its last line may go on."""
    mark: bytes
    """What two copies of one record have in common."""
    closed: bool = False
    """It is a request with its whole body, and surely does not go on."""
    begun: int = 0
    """Bytes at its end, where the file breaks off within the prefix of a further record."""
    data: bytes = b""
    """The record itself, unless it is closed; empty in a digest from the store, see ``join``."""


class Before(Struct, frozen=True, array_like=True):
    """What reading remembers from the records before the one at hand."""

    open: tuple[int, int] | None = None
    """Slot and task whose timing block may go on."""
    engine_start: Millis | None = None
    draft: bool = False
    form: str | None = None
    quoting: int = 0
    offset_ms: int = 0
    last_at: Millis = 0


class Work(Struct):
    """What reading cost, in bytes; ``parsed`` and ``hashed`` must grow with new text only."""

    read: int = 0
    compared: int = 0
    hashed: int = 0
    parsed: int = 0


class FileDigest(Struct, frozen=True, kw_only=True):
    """All that is kept of one log file."""

    name: str
    """Relative to the log root, with ``/``."""
    size: int
    """Bytes read: the file's length at the time."""
    lines: int
    events: tuple[AnyEvent, ...] = ()
    """Without those of ``tail``."""
    tail_events: tuple[AnyEvent, ...] = ()
    """Events of the last record, provisional: it may go on in the next file or when the file grows."""
    items: dict[Key, bytes] = field(default_factory=dict)
    """Messages, tool sets, system members and parameters first met in this file: compact JSON."""
    head: Edge | None = None
    """Text before the first prefixed line."""
    tail: Edge | None = None
    """The last record; reading a grown file again starts here."""
    tail_fate: tuple[Class, str] | None = None
    """What became of the last record as it stands, and its kind."""
    tail_problems: tuple[Problem, ...] = ()
    before_tail: Before = Before()
    """What reading knew in front of the last record, to read it again; ``after_tail``: behind it."""
    after_tail: Before = Before()
    tail_unknown: Problem | None = None
    open_runs: tuple[int, ...] = ()
    """Places of events, of those in front of the last record, that lines to come may still add to."""
    first_record: bytes = b""
    """Mark of the first record, to notice one repeated at the seam."""
    first_end: int = 0
    """Last line of the first record."""
    recoded: bool = False
    """The file is UTF-16: sizes are the file's, but offsets are those of the text as UTF-8."""
    precise: bool = False
    """Times have milliseconds."""
    first_at: Millis | None = None
    last_at: Millis | None = None
    classes: dict[Class, Tally] = field(default_factory=dict)
    """Without head and tail, whose fate depends on the neighbours."""
    kinds: dict[str, Tally] = field(default_factory=dict)
    unknown_examples: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    forms: tuple[str, ...] = ()
    settings: LogSettings = LogSettings()
    work: Work = field(default_factory=Work)
