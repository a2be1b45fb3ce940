"""LM Studio's vocabulary: a table of named rules, first line of a record -> event.

A rule is tried on what follows the bracketed tags of a record's first line. It has a name, says what becomes of the
record, shows a line it was written for, and builds the event. Adding a line kind means adding one rule here and one
golden case. What a rule has to remember or to report goes to the ``Reader``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lms_audit.model import Class
from lms_audit.read import answers
from lms_audit.read.events import (
    Accumulated,
    Answer,
    AnyEvent,
    CallBuilding,
    CallsLine,
    Disconnected,
    EmbeddingDone,
    EmbeddingInput,
    Failed,
    Finished,
    FirstToken,
    Listing,
    ModelChange,
    Packets,
    Prediction,
    Progress,
    RequestReceived,
    Running,
    ServerChange,
    Streaming,
    Thinking,
)
from lms_audit.read.framing import Form
from lms_audit.read.lines import OBJECT_END, REDACTED, Line
from lms_audit.read.payload import decode

if TYPE_CHECKING:
    from lms_audit.read.lmstudio import Reader

ERROR_LIMIT = 4000
"""Characters of an error text that are kept."""

Match = re.Match[str]
Build = Callable[["Reader", Line, Match], "AnyEvent | None"]


class Rule(NamedTuple):
    """One line kind."""

    name: str
    fate: Class
    starts: str
    """Characters its lines begin with."""
    pattern: re.Pattern[str]
    build: Build | None = None


def _rule(name: str, starts: str, pattern: str, build: Build | None = None, fate: Class = Class.UNDERSTOOD) -> Rule:
    return Rule(name, fate, starts, re.compile(pattern), build)


# --- requests ---------------------------------------------------------------------------------------------------------


def _request(reader: Reader, line: Line, match: Match) -> AnyEvent:
    given = match["body"]
    redacted = given is not None and given.startswith(REDACTED)
    body = problem = None
    if given is not None and given.startswith("{"):
        start = line.offset(match.start("body"))
        body, end = reader.bodies.read(line.record.data, start)
        if not body.complete:
            problem = "cut body"
            reader.damage("cut body", f"the body of {match['method']} {match['path']} has no end", line)
        elif reader.bodies.mended:
            reader.damage("invalid utf-8", "a byte of the body is not UTF-8", line)
        reader.saw_body(body.truncated)
        left = line.record.data[end:].strip(b"\0\r\n\t ")
        if body.complete and left:
            reader.note("text behind a body", f"{len(left)} bytes follow the body without a prefix", line)
    elif given is not None and not redacted and not _is_json(line.object(match.start("body"))):
        problem = "cut body"
        reader.damage("cut body", "the body does not start as JSON", line)
    if given is not None:
        reader.saw_payload(redacted)
    return RequestReceived(
        **line.place,
        method=match["method"],
        path=match["path"],
        body=body,
        redacted=redacted,
        problem=problem,
        old="old" in match.groupdict(),
    )


def _is_json(raw: bytes) -> bool:
    try:
        decode(raw)
    except ValueError:
        return False
    return True


def _invalid_json(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    return RequestReceived(**line.place, method=None, path=match["path"], problem=f"invalid JSON: {match['why']}")


def _unexpected(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    return RequestReceived(**line.place, method=match["method"], path=match["path"], problem="unexpected endpoint")


# --- execution --------------------------------------------------------------------------------------------------------

FAMILIES = {"chat completion": "chat", "Anthropic messages API": "messages", "completion": "completions"}


def _running(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    count = int(match["count"]) if match["count"] else None
    return Running(**line.place, tag=line.model, family=FAMILIES.get(match["what"], "chat"), messages=count)


def _responses(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    stream = match["how"] == "streaming" if match["how"] else None
    return Running(**line.place, tag=line.model, family="responses", messages=None, stream=stream)


def _streaming(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    return Streaming(**line.place, tag=line.model, stream=True, family="messages" if match["anthropic"] else None)


def _finished(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    return Finished(**line.place, tag=line.model, family="messages" if match["anthropic"] else None)


def _progress(reader: Reader, line: Line, match: Match) -> AnyEvent | None:
    percent = float(match["percent"].replace(",", "."))
    return reader.fold.progress(
        Progress(**line.place, tag=line.model, first=percent, last=percent, last_at=line.place["at"], count=1)
    )


def _accumulated(reader: Reader, line: Line, match: Match) -> AnyEvent | None:
    reader.seen_tokens = True
    # 0.2: one blank behind the colon; 0.4: two blanks, and line breaks written as backslash-n
    data = line.record.data[line.offset(match.end()) :]
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\0\n").removeprefix(" ")
    if match["colon"] is None:
        text = text.removeprefix(" ").replace("\\n", "\n")
    return reader.fold.accumulated(
        Accumulated(**line.place, tag=line.model, tokens=int(match["count"]), text=text, last_at=line.place["at"])
    )


def _call_building(reader: Reader, line: Line, match: Match) -> AnyEvent | None:
    reader.seen_tokens = True
    name = match["name"].strip() if match["name"] else None
    return reader.fold.building(CallBuilding(**line.place, tag=line.model, name=name, last_at=line.place["at"]))


def _thinking(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    ms = round(float(match["seconds"]) * 1000, 3) if match["seconds"] else None
    return Thinking(**line.place, tag=line.model, ms=ms)


# --- answers ----------------------------------------------------------------------------------------------------------


def _calls_line(reader: Reader, line: Line, match: Match) -> AnyEvent:
    text = line.text()[match.end() :].strip()
    redacted = text.startswith(REDACTED)
    reader.saw_payload(redacted)
    return CallsLine(**line.place, tag=line.model, text=text, redacted=redacted)


def _packet(reader: Reader, line: Line, match: Match) -> AnyEvent | None:
    reader.seen_tokens = True
    answer, _ = _answer(reader, line, match)
    if answer is None or answer.chat_id is None:  # cut so short that it says nothing, or an event nobody has seen yet
        if answer is not None and answer.complete:
            reader.strange("packet without an id", line)
        return None
    starts = bool(answer.text or answer.reasoning or answer.calls)
    at = line.place["at"]
    return reader.fold.packet(
        Packets(
            **line.place,
            tag=line.model,
            answer=answer,
            count=1,
            last_at=at,
            first_token_at=at if starts else None,
        )
    )


def _prediction(reader: Reader, line: Line, match: Match) -> AnyEvent:
    answer, redacted = _answer(reader, line, match)
    return Prediction(**line.place, tag=line.model, answer=answer, redacted=redacted)


def _answer(reader: Reader, line: Line, match: Match) -> tuple[Answer | None, bool]:
    """The answer behind a match, and whether something else stands in its place."""
    redacted = line.rest[match.end() :].startswith(REDACTED)
    reader.saw_payload(redacted)
    if redacted:
        return None, True
    raw = line.object(match.end())
    reader.work.parsed += len(raw)
    answer = answers.answer(raw)
    if answer is not None and line.record.form is Form.V02:
        answer = answers.without_old_count(answer)
    if answer is None:
        reader.damage("unreadable answer", "the JSON of an answer could not be read", line)
    elif not answer.complete:
        reader.damage("cut answer", "the JSON of an answer has no end", line)
    return answer, False


# --- errors, embeddings, listings, models -----------------------------------------------------------------------------


def _failed(_reader: Reader, line: Line, _match: Match) -> AnyEvent:
    return Failed(**line.place, tag=line.model, text=line.text(ERROR_LIMIT))


def _embedding(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    count = 1
    if match["multiple"]:
        count = max(len(re.findall(r"^\s+['\"`]", line.text(), re.MULTILINE)), 1)
    return EmbeddingInput(**line.place, count=count)


def _listing(reader: Reader, line: Line, match: Match) -> AnyEvent:
    if match["count"]:
        return Listing(**line.place, models=int(match["count"]))
    raw = line.object(match.end() - 1)
    if not OBJECT_END.search(raw) and not _is_json(raw):
        reader.damage("cut listing", "a returned object has no end", line)
    return Listing(**line.place, models=raw.count(b'\n      "id": ') or None)


def _unloaded(_reader: Reader, line: Line, match: Match) -> AnyEvent:
    return ModelChange(**line.place, loaded=False, model=match["model"], reason=match["why"])


def _loaded(_reader: Reader, line: Line, match: Match) -> AnyEvent | None:
    return ModelChange(**line.place, loaded=True, model=match["model"]) if match["model"] else None


def _verbosity(reader: Reader, _line: Line, match: Match) -> None:
    reader.saw_verbosity(match["how"] == "ENABLED")


# --- the table --------------------------------------------------------------------------------------------------------

NOISE = Class.NOISE
RULES: tuple[Rule, ...] = (
    # [INFO][qwen/qwen3-coder-next] Generated packet: {
    _rule("packet", "G", r"Generated packet:\s*", _packet),
    # [INFO][qwen/qwen3-coder-next] Prompt processing progress: 5.5%
    _rule("prompt progress", "P", r"Prompt processing progress: (?P<percent>\d{1,3}(?:[.,]\d{1,9})?)%", _progress),
    # [DEBUG] Received request: POST to /v1/chat/completions with body {
    _rule(
        "request",
        "R",
        r"Received request: (?P<method>[A-Z]+) to (?P<path>\S+)(?: with body\s*(?P<body>.*))?$",
        _request,
    ),
    # 0.2: [INFO] Received POST request to /v1/chat/completions with body: {
    _rule(
        "request",
        "R",
        r"Received (?P<old>)(?P<method>[A-Z]+) request to (?P<path>\S+)(?: with body:?\s*(?P<body>.*))?$",
        _request,
    ),
    # [ERROR][LM STUDIO SERVER] Received request for /v1/chat/completions with invalid JSON: Unexpected token …
    _rule("invalid JSON", "R", r"Received request for (?P<path>\S+) with invalid JSON: (?P<why>.*)$", _invalid_json),
    # [ERROR] Unexpected endpoint or method. (GET /favicon.ico). Returning 200 anyway
    _rule(
        "unexpected endpoint",
        "U",
        r"Unexpected endpoint or method\. \((?P<method>[A-Z]+) (?P<path>[^)\s]+)\)",
        _unexpected,
    ),
    # [INFO][qwen3] Running chat completion on conversation with 3 messages.
    _rule(
        "running",
        "R",
        r"Running (?P<what>[\w ]+?) on (?:conversation with (?P<count>\d{1,12}) messages?|(?:text|prompt)\b)",
        _running,
    ),
    _rule("running", "G", r"Generating (?:(?P<how>synchronous|streaming) )?v1/responses response", _responses),
    _rule("streaming", "S", r"Streaming (?:(?P<anthropic>Anthropic )|v1/responses )?response\.\.\.", _streaming),
    _rule(
        "first token",
        "F",
        r"First token generated\. Continuing to stream",
        lambda _, line, __: FirstToken(**line.place, tag=line.model, stream=True),
    ),
    _rule(
        "first token",
        "A",
        r"Accumulating tokens \.\.\. \(stream = false\)",
        lambda _, line, __: FirstToken(**line.place, tag=line.model, stream=False),
    ),
    # 0.2: [INFO] Accumulated 4 tokens:  The result of      0.4: [INFO][m] Accumulated 14 tokens  The height of
    _rule("accumulated", "A", r"Accumulated (?P<count>\d{1,12}) tokens(?P<colon>:)?", _accumulated),
    _rule(
        "tool call build-up",
        "STAME",
        r"(?:Start to generate a tool call|Tool name generated:\s*(?P<name>.*)|Accumulating tool call arguments:"
        r"|Model generated a tool call\.|Entering switch)",
        _call_building,
    ),
    # [INFO][m] Model generated tool calls: [subtract(a=1, b=2)]
    _rule("tool calls", "M", r"Model generated tool calls:", _calls_line),
    # [INFO][m] Generated prediction: {
    _rule("prediction", "G", r"Generated prediction:\s*", _prediction),
    _rule("prediction", "G", r"Generated (?:synchronous )?v1/responses response:\s*", _prediction),
    _rule("finished", "F", r"Finished streaming (?:(?P<anthropic>Anthropic )|v1/responses )?response", _finished),
    # [INFO][LM STUDIO SERVER] Client disconnected. Stopping generation... (If the model is busy …)
    _rule(
        "disconnected",
        "C",
        r"Client disconnected\. Stopping generation",
        lambda _, line, __: Disconnected(**line.place),
    ),
    _rule(
        "thinking",
        "SD",
        r"(?:Start thinking|Done thinking\. Thought for (?P<seconds>\d{1,9}(?:\.\d{1,9})?) seconds)",
        _thinking,
    ),
    # errors that end a request
    _rule("error", "T", r"The model has crashed without additional information", _failed),
    _rule("error", "E", r"Engine protocol (?:predict|runtime)", _failed),
    _rule("error", "E", r"Error rendering prompt with jinja template", _failed),
    _rule("error", "A", r"Anthropic streaming error:", _failed),
    _rule("error", "E0123456789", r"Error: |(?:\d+ )?Error predicting:", _failed),
    _rule(
        "error",
        "TC",
        r"The number of tokens to keep from the initial prompt is greater|Context size has been exceeded",
        _failed,
    ),
    _rule("embedding input", "R", r"Received request to embed(?P<multiple> multiple)?:", _embedding),
    _rule("embedding done", "R", r"Returning embeddings", lambda _, line, __: EmbeddingDone(**line.place)),
    _rule("listing", "R", r"Returning (?:\{|(?P<count>\d{1,12}) models\b)", _listing),
    # models and server
    _rule("model unloaded", "U", r"Unloading model:? (?P<model>\S.*?)(?: due to (?P<why>.+))?$", _unloaded),
    _rule("model loaded", "L", r"Loading model from (?P<model>\S.*?)\.\.\.$", _loaded),
    _rule("model loaded", "M", r"Model loaded: (?P<model>.+)$", _loaded),
    _rule(
        "server started",
        "S",
        r"Success! HTTP server listening on port",
        lambda _, line, __: ServerChange(**line.place, started=True),
    ),
    _rule("server stopped", "S", r"Server stopped\.", lambda _, line, __: ServerChange(**line.place, started=False)),
    # 0.2: [INFO] [LM STUDIO SERVER] Verbose server logs are ENABLED
    _rule("start-up", "V", r"Verbose server logs are (?P<how>ENABLED|DISABLED)", _verbosity, NOISE),
    # known and of no interest
    _rule(
        "start-up",
        "S -LOAJMUCPl\t",
        r"Supported endpoints|\s*->|LM Studio API|OpenAI-compatible|Anthropic-compatible|Logs are saved|"
        r"Server started|Stopping server|Server logs are|Just-in-time model loading|"
        r"Server accepting connections|Model loaded successfully|Using port|CORS|Plugins? ",
        fate=NOISE,
    ),
    _rule(
        "queue",
        "PMCLnSD",
        # [WARN][m] Developer role detected - replacing it with system role.
        r"Developer role detected|Processing queued request|Model is currently generating|Context Overflow Policy|"
        r"Last message:|Provided inference configuration|num_draft_tokens setting|Streaming embedding",
        fate=NOISE,
    ),
    _rule(
        "client",
        "CLRFELUGDS",
        r"Client created|Client disconnected[.:]|Listing |Registering|(?:\w+\] )?Found \d+ model|"
        r"Error in (?:channel|RPC) handler|Received communication warning|"
        r"Loading|Unloading|Getting|Requesting|Requested|Download|Subscrib",
        fate=NOISE,
    ),
)

BY_START: dict[str, tuple[Rule, ...]] = {
    start: tuple(rule for rule in RULES if start in rule.starts) for start in {*"".join(rule.starts for rule in RULES)}
}
"""First character of a line -> the rules that may know it, in order."""

BOUNDARIES = frozenset(("running", "streaming", "finished", "prediction"))
"""Rules behind which a tag's progress lines belong to another request."""
