"""The words of the domain as types.

Nothing here reads a file or computes a figure; every other module speaks in these types.

Time is *local milliseconds*: the log's wall clock read as if it were UTC, in milliseconds since 1970. LM Studio
writes no zone, so this is the only clock there is; differences are right except across a clock change.
``None`` always means "the log does not say" and is never a zero.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

Millis = int
"""Local milliseconds (see the module docstring), or a span of milliseconds where the name ends in ``_ms``."""

Key = str
"""Content hash of a stored item: 32 hex digits of its canonical JSON (see ``read.payload.item_key``)."""

Json = Any
"""A decoded JSON value."""


# --- enumerations: the values are what exports and pages show -------------------------------------------------------


class Api(StrEnum):
    """Which protocol a request spoke, from its path."""

    CHAT = "openai.chat"
    COMPLETIONS = "openai.completions"
    RESPONSES = "openai.responses"
    EMBEDDINGS = "openai.embeddings"
    MESSAGES = "anthropic.messages"
    LMSTUDIO_V0 = "lmstudio.v0"
    LMSTUDIO_V1 = "lmstudio.v1"
    OTHER = "other"
    """Runs no model: GET, listings, model management."""


class Status(StrEnum):
    """How a request ended, as far as the log says."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    ERROR = "error"
    INCOMPLETE = "incomplete"
    """The log ends, or is damaged, before the request does."""


class Kind(StrEnum):
    """What a request was for."""

    MAIN = "main"
    TITLE = "title"
    SUMMARY = "summary"
    COMPACTION = "compaction"
    SUBAGENT = "subagent"
    EMBEDDING = "embedding"
    OTHER = "other"


class Source(StrEnum):
    """Where a value comes from. ``CLOCK`` is a difference of log lines: whole seconds, ±1 s, unless the log has ms."""

    USAGE = "usage"
    ENGINE = "engine"
    STATS = "stats"
    CLOCK = "clock"
    HISTORY = "history"
    PACKETS = "packets"
    PREDICTION = "prediction"


class ResponseSource(StrEnum):
    """Where the text of an answer was found."""

    PACKETS = "packets"
    PREDICTION = "prediction"
    ACCUMULATED = "accumulated"
    HISTORY = "history"


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    OTHER = "other"


# --- messages: what prompts are made of -----------------------------------------------------------------------------


class Text(Struct, frozen=True, tag="text"):
    """A run of text in a message."""

    text: str


class Reasoning(Struct, frozen=True, tag="reasoning"):
    """Thinking the client sent back in the history."""

    text: str


class Call(Struct, frozen=True, tag="call"):
    """A tool call inside an assistant message."""

    id: str | None
    name: str
    arguments: str
    """The JSON text as the model wrote it; not always valid JSON."""


class Result(Struct, frozen=True, tag="result"):
    """A tool's answer."""

    call_id: str | None
    text: str
    is_error: bool = False
    """Only what the protocol itself flags (Anthropic ``is_error``); a failing exit code is found by ``analyse``."""


class Media(Struct, frozen=True, tag="media"):
    """An image, file or other block that is not text; its bytes are not kept."""

    media_type: str
    size: int
    """Length of the block's JSON in bytes."""


Part = Text | Reasoning | Call | Result | Media


class Message(Struct, frozen=True):
    """One entry of a prompt, in one shape for all protocols."""

    key: Key
    role: Role
    parts: tuple[Part, ...]
    size: int
    """Bytes of the message's JSON as sent."""
    truncated: bool = False
    """A string in it carries LM Studio's ``<Truncated in logs>`` mark (which a user may also have typed)."""


class Tool(Struct, frozen=True):
    """A tool offered to the model."""

    name: str
    description: str
    schema: Json
    size: int
    """Bytes of its JSON."""


# --- requests -------------------------------------------------------------------------------------------------------


class LineRange(Struct, frozen=True, order=True):
    """Evidence: lines of a log file, 1-based, inclusive. ``file`` is relative to the log root, with ``/``."""

    file: str
    first_line: int
    last_line: int


class ToolCall(Struct, frozen=True):
    """A call the model made in a request's answer, paired with its result where a later request shows one."""

    id: str | None
    name: str
    """Empty where the log breaks off before it."""
    arguments: Json
    """The parsed object, or the raw string where it is not valid JSON."""
    malformed: bool = False
    result: str | None = None
    """Text the tool gave back; ``None`` when no later request shows it."""
    result_is_error: bool = False
    result_request_id: str | None = None
    """The first request whose prompt holds the result."""
    result_key: Key | None = None
    """The message that holds the result."""

    @property
    def title(self) -> str:
        """What readers see as its name."""
        return self.name or "name not logged"


class TimelineEvent(Struct, frozen=True):
    """One thing the log says about a request, for its timeline."""

    at: Millis
    name: str
    """``request``, ``running``, ``streaming``, ``engine launch``, ``prompt progress``, ``first token``, ``packets``,
    ``thinking``, ``tool call``, ``engine timing``, ``prediction``, ``finished``, ``disconnected``, ``error`` …"""
    detail: str
    where: LineRange


class Prompt(Struct, frozen=True):
    """What a request sent, as references into the item store.

    ``node`` is the request's place in the tree of all prompts (``correlate.conversation.PromptTree``): a request that
    extends another shares its nodes, so that a prompt costs only what is new in it.
    """

    node: int
    """Leaf in the prompt tree; its path from the root is the list of messages. 0 is the empty prompt."""
    count: int
    """Messages in the prompt (for /v1/responses: input items)."""
    list_name: str | None
    """Member that held the messages: ``messages``, ``input``, ``prompt``."""
    system: Key | None
    """The ``system`` / ``instructions`` / ``system_prompt`` member, whole."""
    tools: Key | None
    """The ``tools`` member, whole: one tool set."""
    params: Key | None
    """All other members as one object, in the client's order."""
    order: tuple[str, ...] = ()
    """Names of all members in the client's order, to rebuild the payload."""
    complete: bool = True
    """The body could be read to its end."""
    size: int = 0
    """Bytes of the body in the log."""


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP call and all the log says followed from it. Field names are the export's contract."""

    id: str
    session_id: str | None
    """``None`` for requests that run no model."""
    received_at: Millis | None
    finished_at: Millis | None
    precise: bool = False
    """The two times have milliseconds."""
    method: str | None
    endpoint: str | None
    api: Api | None
    """``None`` where neither a request line nor a running line names one."""
    stream: bool | None
    message_count: int | None
    requested_model: str | None
    model: str | None
    client: str = "unknown"
    client_confidence: float = 0.0
    client_evidence: tuple[str, ...] = ()
    """Quoted evidence, one line each."""
    engine_client: str | None = None
    """For nested clients: the id of the client whose body it is, when another one speaks to the user."""
    project: str | None = None
    kind: Kind = Kind.MAIN
    kind_reason: str | None = None
    status: Status
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    evaluated_tokens: int | None = None
    """Prompt tokens the engine really read."""
    prompt_ms: float | None = None
    generation_ms: float | None = None
    ttft_ms: float | None = None
    elapsed_ms: float | None = None
    queue_ms: float | None = None
    thinking_ms: float | None = None
    tokens_per_second: float | None = None
    draft_accepted: int | None = None
    draft_generated: int | None = None
    context_length: int | None = None
    """Tokens the engine's slot holds at most (``n_ctx``), where its lines say so."""
    provenance: dict[str, Source] = field(default_factory=dict)
    """Field name -> where its value comes from; only for fields that have one."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_calls_known: bool = False
    """The log shows the whole answer, so an empty ``tool_calls`` means none were made."""
    response_text: str | None = None
    response_reasoning: str | None = None
    response_source: ResponseSource | None = None
    response_key: Key | None = None
    """The message in the next request's history that holds this answer."""
    chat_id: str | None = None
    errors: tuple[str, ...] = ()
    truncated_by_log: bool = False
    redacted: bool = False
    source: tuple[LineRange, ...] = ()
    prompt: Prompt | None = None
    """``None`` where the log has no body."""
    parent_id: str | None = None
    """The request whose prompt this one extends."""
    shared_messages: int = 0
    """Messages at the start of the prompt that are the same as the parent's."""
    evidence: tuple[str, ...] = ()
    """What bound the execution lines to this request: ``chat id``, ``slot and task``, ``only one in flight`` …"""
    candidates: tuple[str, ...] = ()
    """Ids of the requests whose lines could not be told from this one's. Empty: unambiguous."""
    timeline: tuple[TimelineEvent, ...] = ()


class Session(Struct, frozen=True, kw_only=True):
    """One conversation: requests whose prompts extend one another. Request ids are in order of arrival."""

    id: str
    parent_session_id: str | None = None
    link_reason: str | None = None
    """Why it hangs under its parent."""
    kind: Kind = Kind.MAIN
    title: str
    """A name given to it; else first words a person wrote, one line; or what the log does show, e.g. the endpoint."""
    words: str | None = None
    """What ``title`` would be without a name; ``None`` where nobody gave one."""
    project: str | None = None
    client: str = "unknown"
    model: str | None = None
    started_at: Millis | None = None
    ended_at: Millis | None = None
    request_ids: tuple[str, ...]
    inferred: str | None = None
    """How its requests were put together where there are no messages to compare (embeddings, bodies not logged)."""


class Entry(Struct, frozen=True):
    """One message of a session's conversation, shown once, at the request that first sent it (or got it as answer)."""

    key: Key
    request_id: str
    """The request that first sent the message."""
    position: int
    """0-based place in that request's list of messages."""
    answers: str | None = None
    """The request this message is the answer of."""
    times_sent: int = 1
    """In how many requests of the session the message stands."""
    replaced: bool = False
    """A later request of the session no longer has it at its place (edited history, compaction)."""


# --- what was and was not understood --------------------------------------------------------------------------------


class Class(StrEnum):
    """What became of a record."""

    UNDERSTOOD = "understood"
    NOISE = "noise"
    """Recognised, and of no interest to an audit: start-up chatter, polling, plugin output."""
    UNKNOWN = "unknown"
    DAMAGED = "damaged"


class Tally(Struct, frozen=True):
    """Records and their bytes. Adds up."""

    records: int = 0
    bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.records + other.records, self.bytes + other.bytes)


class Problem(Struct, frozen=True):
    """Something in a log that could not be read as it should; data, not an exception."""

    kind: str
    """A short stable name: ``cut body``, ``invalid utf-8``, ``unknown line`` …"""
    message: str
    where: LineRange


class FileHealth(Struct, frozen=True):
    """The account of one log file: every byte is in exactly one class."""

    file: str
    size: int
    lines: int
    first_at: Millis | None
    last_at: Millis | None
    classes: dict[Class, Tally]
    kinds: dict[str, Tally]
    """Rule name -> records and bytes."""
    unknown_examples: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    forms: tuple[str, ...] = ()
    """Line forms met: ``file``, ``ui``, ``0.2``, ``stream``."""
    on_disk: bool = True
    refused: str | None = None
    """Why the file was not read (``not a server log: …``, ``permission denied``)."""


class LogSettings(Struct, frozen=True):
    """What the log shows of LM Studio's logging settings. ``None``: nothing in the log tells."""

    verbose: bool | None = None
    full_bodies: bool | None = None
    incoming_tokens: bool | None = None
    redacted: bool | None = None


class ModelLoad(Struct, frozen=True):
    """A model was loaded or unloaded; what the engine had cached is gone."""

    at: Millis
    loaded: bool
    model: str | None
    reason: str | None
    where: LineRange


class Audit(Struct, frozen=True, kw_only=True):
    """Everything one run knows, before any figure: what correlation hands to analysis."""

    requests: tuple[Request, ...]
    """In order of arrival, those that run no model included."""
    sessions: tuple[Session, ...]
    """In order of their first request."""
    conversations: dict[str, tuple[Entry, ...]]
    """Session id -> its messages in order."""
    files: tuple[FileHealth, ...]
    settings: LogSettings = LogSettings()
    unbound_engine_tasks: int = 0
    """Engine tasks no request line explains (in-app chats, for one)."""
    mismatches: tuple[Problem, ...] = ()
    """Answers read from packets that differ from what the next request's history says."""
    log_roots: tuple[str, ...] = ()
    model_loads: tuple[ModelLoad, ...] = ()
    """In order of time."""
    project_names: dict[str, str] = field(default_factory=dict)
    """Project -> the name a person gave it; shown instead of its path, which stays what requests are grouped by."""


class Library(Protocol):
    """Where the contents of messages, tool sets and prompts are looked up; the store is one."""

    def raw(self, key: Key) -> bytes:
        """JSON text of a stored item as sent (compact). Raises ``KeyError``."""

    def message(self, key: Key) -> Message:
        """A stored message in its one shape."""

    def tools(self, key: Key) -> tuple[Tool, ...]:
        """The tools of a stored tool set, in order."""

    def system_texts(self, key: Key) -> tuple[str, ...]:
        """The text blocks of a stored ``system`` / ``instructions`` member."""

    def path(self, node: int) -> list[Key]:
        """Message keys from the root of the prompt tree to ``node``: a prompt, in order."""
