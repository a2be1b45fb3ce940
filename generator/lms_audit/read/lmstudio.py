"""LM Studio's vocabulary: a table of named rules, record -> events.

A rule is tried on what follows the bracketed tags of a record's first line. It has a name, says what becomes of the
record, shows a line it was written for, and builds the events. Adding a line kind means adding one rule here and one
golden case. State that outlives a record is kept in ``Reader``: the fold of packets and progress lines, the bodies read
so far, the open timing block.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from lms_audit.model import Class, Key, LineRange, LogSettings, Millis, Problem
from lms_audit.read import answers, payload
from lms_audit.read.bodies import BodyReader
from lms_audit.read.engine import Engine
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
    StreamInput,
    StreamOutput,
    Thinking,
    Work,
)
from lms_audit.read.fold import Fold
from lms_audit.read.framing import Form, Record

REDACTED = ("[Sensitive]", "[Hidden]")
TAGS = re.compile(r"(?:\[[^\]\n]+\]:?\x20?)+")
TAG = re.compile(r"\[([^\]\n]+)\]")
NO_MODEL = re.compile(
    r"LM\sSTUDIO\sSERVER|LMSAuthenticator|LMSInternal|Server\sError|INFO|WARN|WARNING|DEBUG|ERROR|cache_wrapper|CacheWrapper|"
    r"coordinator|model_kit|batched_model_kit|SamplingSwitch|PaniniRagEngine|LlamaEmbeddingEngine|LLMProxyObject|Sensitive|Hidden|"
    r"Client=.*|Endpoint=.*|Plugin\(.*"
)
"""Bracketed words that are never a model; any other may be one, but only in front of a line kind that carries a model."""

ERROR_LIMIT = 4000
"""Characters of an error text that are kept."""

OBJECT_END = re.compile(rb"\n\}(?=\r?\n|\r?\Z)")


class Line(NamedTuple):
    """A record on its way through the rules."""

    record: Record
    at: Millis
    line: int
    end_line: int
    tags: tuple[str, ...]
    model: str | None
    """Innermost tag that may name a model."""
    rest: str
    """First line behind the tags."""
    rest_at: int
    """Offset of ``rest`` in the record's bytes."""

    def text(self, limit: int | None = None) -> str:
        """Everything behind the tags, line breaks included."""
        data = self.record.data[self.rest_at : None if limit is None else self.rest_at + limit]
        return data.decode("utf-8", "replace").replace("\r\n", "\n").strip()

    def object(self, at: int) -> bytes:
        """The JSON object that starts ``at`` characters into ``rest``: to the first line equal to ``}``, else to the end."""
        start = self.rest_at + len(self.rest[:at].encode())
        data = self.record.data
        if data.startswith(b"{", start) and data[start + 1 : start + 2] in (b"\n", b"\r"):
            end = OBJECT_END.search(data, start)
            return data[start : end.end()] if end else data[start:]
        return data[start:].strip()


Build = Callable[["Reader", Line, "re.Match[str]"], "AnyEvent | None"]


class Rule(NamedTuple):
    """One line kind."""

    name: str
    fate: Class
    pattern: re.Pattern[str]
    build: Build | None = None


def _rule(name: str, pattern: str, build: Build | None = None, fate: Class = Class.UNDERSTOOD) -> Rule:
    return Rule(name, fate, re.compile(pattern), build)


# --- builders ---------------------------------------------------------------------------------------------------------


def _request(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    given = match["body"] or ""
    redacted = given.startswith(REDACTED)
    body = problem = None
    if given.startswith("{"):
        start = line.rest_at + len(line.rest[: match.start("body")].encode())
        body, end = reader.bodies.read(line.record.data[start:])
        if not body.complete:
            problem = "cut body"
            reader.damage("cut body", f"the body of {match['method']} {match['path']} has no end", line)
        reader.saw_body(body.truncated)
        left = line.record.data[start + end :].strip()
        if body.complete and left:
            reader.note("text behind a body", f"{len(left)} bytes follow the body without a prefix", line)
    elif given and not redacted:
        problem = "cut body"
        reader.damage("cut body", "the body does not start as JSON", line)
    if given:
        reader.saw_payload(redacted)
    return RequestReceived(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        method=match["method"],
        path=match["path"],
        body=body,
        redacted=redacted,
        problem=problem,
    )


def _invalid_json(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return RequestReceived(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        method=None,
        path=match["path"],
        problem=f"invalid JSON: {match['why']}",
    )


def _unexpected(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return RequestReceived(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        method=match["method"],
        path=match["path"],
        problem="unexpected endpoint",
    )


FAMILIES = {"chat completion": "chat", "Anthropic messages API": "messages", "completion": "completions"}


def _running(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return Running(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        tag=line.model,
        family=FAMILIES.get(match["what"], "chat"),
        messages=int(match["count"]),
    )


def _responses(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return Running(
        at=line.at, line=line.line, end_line=line.end_line, tag=line.model, family="responses", messages=None
    )


def _streaming(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return Streaming(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        tag=line.model,
        stream=True,
        family="messages" if match["anthropic"] else None,
    )


def _progress(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent | None:
    percent = float(match["percent"].replace(",", "."))
    return reader.fold.progress(
        Progress(
            at=line.at,
            line=line.line,
            end_line=line.end_line,
            tag=line.model,
            first=percent,
            last=percent,
            last_at=line.at,
            count=1,
        )
    )


def _accumulated(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent | None:
    reader.seen_tokens = True
    text = line.text()[match.end() :].removeprefix(" ").removeprefix(" " if match["colon"] is None else "")
    if match["colon"] is None:  # 0.4 writes line breaks as backslash-n
        text = text.replace("\\n", "\n")
    return reader.fold.accumulated(
        Accumulated(
            at=line.at,
            line=line.line,
            end_line=line.end_line,
            tag=line.model,
            tokens=int(match["count"]),
            text=text,
            last_at=line.at,
        )
    )


def _call_building(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent | None:
    name = match["name"].strip() if match["name"] else None
    return reader.fold.building(
        CallBuilding(at=line.at, line=line.line, end_line=line.end_line, tag=line.model, name=name, last_at=line.at)
    )


def _calls_line(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    text = line.text()[match.end() :].strip()
    reader.saw_payload(text.startswith(REDACTED))
    return CallsLine(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        tag=line.model,
        text=text,
        redacted=text.startswith(REDACTED),
    )


def _packet(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent | None:
    reader.seen_tokens = True
    answer = _answer(reader, line, match)
    if answer is None:
        return None
    starts = bool(answer.text or answer.reasoning or answer.calls)
    return reader.fold.packet(
        Packets(
            at=line.at,
            line=line.line,
            end_line=line.end_line,
            tag=line.model,
            answer=answer,
            count=1,
            last_at=line.at,
            first_token_at=line.at if starts else None,
        )
    )


def _prediction(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    redacted = line.rest[match.end() :].startswith(REDACTED)
    reader.saw_payload(redacted)
    answer = None if redacted else _answer(reader, line, match)
    return Prediction(
        at=line.at, line=line.line, end_line=line.end_line, tag=line.model, answer=answer, redacted=redacted
    )


def _answer(reader: Reader, line: Line, match: re.Match[str]) -> Answer | None:
    raw = line.object(match.end())
    reader.work.parsed += len(raw)
    answer = answers.answer(raw)
    if answer is None:
        if not line.rest[match.end() :].startswith(REDACTED):
            reader.damage("unreadable answer", "the JSON of an answer could not be read", line)
    elif not answer.complete:
        reader.damage("cut answer", "the JSON of an answer has no end", line)
    return answer


def _failed(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return Failed(at=line.at, line=line.line, end_line=line.end_line, tag=line.model, text=line.text(ERROR_LIMIT))


def _embedding(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    count = 1
    if match["multiple"]:
        count = max(len(re.findall(r"^\s+['\"`]", line.text(), re.MULTILINE)), 1)
    return EmbeddingInput(at=line.at, line=line.line, end_line=line.end_line, count=count)


def _listing(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    if match["count"]:
        return Listing(at=line.at, line=line.line, end_line=line.end_line, models=int(match["count"]))
    raw = line.object(len(line.rest) - 1)
    if not OBJECT_END.search(raw) and raw != b"{}":
        reader.damage("cut listing", "a returned object has no end", line)
    return Listing(at=line.at, line=line.line, end_line=line.end_line, models=raw.count(b'\n      "id": ') or None)


def _thinking(reader: Reader, line: Line, match: re.Match[str]) -> AnyEvent:
    return Thinking(
        at=line.at,
        line=line.line,
        end_line=line.end_line,
        tag=line.model,
        ms=round(float(match["seconds"]) * 1000, 3) if match["seconds"] else None,
    )


# --- the table --------------------------------------------------------------------------------------------------------

NOISE = Class.NOISE
RULES: tuple[Rule, ...] = (
    # [INFO][qwen/qwen3-coder-next] Generated packet: {
    _rule("packet", r"Generated packet:\s*(?=[{\[])", _packet),
    # [INFO][qwen/qwen3-coder-next] Prompt processing progress: 5.5%
    _rule("prompt progress", r"Prompt processing progress: (?P<percent>\d+(?:[.,]\d+)?)%", _progress),
    # [DEBUG] Received request: POST to /v1/chat/completions with body {
    _rule(
        "request",
        r"Received request: (?P<method>[A-Z]+) to (?P<path>\S+)(?: with body\s*(?P<body>\{.*|\[Sensitive\]|\[Hidden\]|.*))?$",
        _request,
    ),
    # 0.2: [INFO] Received POST request to /v1/chat/completions with body: {
    _rule(
        "request", r"Received (?P<method>[A-Z]+) request to (?P<path>\S+)(?: with body:?\s*(?P<body>.*))?$", _request
    ),
    # [ERROR][LM STUDIO SERVER] Received request for /v1/chat/completions with invalid JSON: Unexpected token …
    _rule("invalid JSON", r"Received request for (?P<path>\S+) with invalid JSON: (?P<why>.*)$", _invalid_json),
    # [ERROR] Unexpected endpoint or method. (GET /favicon.ico). Returning 200 anyway
    _rule(
        "unexpected endpoint", r"Unexpected endpoint or method\. \((?P<method>[A-Z]+) (?P<path>[^)\s]+)\)", _unexpected
    ),
    # [INFO][qwen3] Running chat completion on conversation with 3 messages.
    _rule("running", r"Running (?P<what>[\w ]+?) on conversation with (?P<count>\d+) messages?", _running),
    _rule("running", r"Generating (?:synchronous|streaming) v1/responses response", _responses),
    _rule("streaming", r"Streaming (?P<anthropic>Anthropic )?response\.\.\.", _streaming),
    _rule(
        "first token",
        r"First token generated\. Continuing to stream",
        lambda _, line, __: FirstToken(at=line.at, line=line.line, end_line=line.end_line, tag=line.model, stream=True),
    ),
    _rule(
        "first token",
        r"Accumulating tokens \.\.\. \(stream = false\)",
        lambda _, line, __: FirstToken(
            at=line.at, line=line.line, end_line=line.end_line, tag=line.model, stream=False
        ),
    ),
    # 0.2: [INFO] Accumulated 4 tokens:  The result of      0.4: [INFO][m] Accumulated 14 tokens  The height of
    _rule("accumulated", r"Accumulated (?P<count>\d+) tokens(?P<colon>:)?", _accumulated),
    _rule(
        "tool call build-up",
        r"(?:Start to generate a tool call|Tool name generated:\s*(?P<name>.*)|Accumulating tool call arguments:|Model generated a tool call\.|Entering switch)",
        _call_building,
    ),
    # [INFO][m] Model generated tool calls: [subtract(a=1, b=2)]
    _rule("tool calls", r"Model generated tool calls:", _calls_line),
    # [INFO][m] Generated prediction: {
    _rule("prediction", r"Generated prediction:\s*", _prediction),
    _rule("prediction", r"Generated synchronous v1/responses response:\s*", _prediction),
    _rule(
        "finished",
        r"Finished streaming (?P<anthropic>Anthropic )?response",
        lambda _, line, match: Finished(
            at=line.at,
            line=line.line,
            end_line=line.end_line,
            tag=line.model,
            family="messages" if match["anthropic"] else None,
        ),
    ),
    # [INFO][LM STUDIO SERVER] Client disconnected. Stopping generation... (If the model is busy processing the prompt, it will finish first.)
    _rule(
        "disconnected",
        r"Client disconnected\. Stopping generation",
        lambda _, line, __: Disconnected(at=line.at, line=line.line, end_line=line.end_line),
    ),
    _rule("thinking", r"(?:Start thinking|Done thinking\. Thought for (?P<seconds>\d+(?:\.\d+)?) seconds)", _thinking),
    # errors that end a request
    _rule("error", r"The model has crashed without additional information", _failed),
    _rule("error", r"Engine protocol (?:predict|runtime)", _failed),
    _rule("error", r"Error rendering prompt with jinja template", _failed),
    _rule("error", r"Anthropic streaming error:", _failed),
    _rule("error", r"Error: Channel Error|(?:\d+ )?Error predicting:", _failed),
    _rule(
        "error",
        r"The number of tokens to keep from the initial prompt is greater|Context size has been exceeded",
        _failed,
    ),
    _rule("embedding input", r"Received request to embed(?P<multiple> multiple)?:", _embedding),
    _rule(
        "embedding done",
        r"Returning embeddings",
        lambda _, line, __: EmbeddingDone(at=line.at, line=line.line, end_line=line.end_line),
    ),
    _rule("listing", r"Returning (?:\{|(?P<count>\d+) models\b)", _listing),
    # models and server
    _rule(
        "model unloaded",
        r"Unloading model:? (?P<model>\S+)(?: due to (?P<why>.+))?$",
        lambda _, line, match: ModelChange(
            at=line.at, line=line.line, end_line=line.end_line, loaded=False, model=match["model"], reason=match["why"]
        ),
    ),
    _rule(
        "model loaded",
        r"(?:\S+ [A-Z] )?srv\s+(?:load_model: loading model '(?P<model>[^']+)'|llama_server: model loaded)",
        lambda _, line, match: (
            ModelChange(at=line.at, line=line.line, end_line=line.end_line, loaded=True, model=match["model"])
            if match["model"]
            else None
        ),
    ),
    _rule(
        "model loaded",
        r"(?:Loading model from (?P<model>\S.*?)\.\.\.|Model loaded: (?P<old>.+))$",
        lambda _, line, match: ModelChange(
            at=line.at, line=line.line, end_line=line.end_line, loaded=True, model=match["model"] or match["old"]
        ),
    ),
    _rule(
        "server started",
        r"Success! HTTP server listening on port",
        lambda _, line, __: ServerChange(at=line.at, line=line.line, end_line=line.end_line, started=True),
    ),
    _rule(
        "server stopped",
        r"Server stopped\.",
        lambda _, line, __: ServerChange(at=line.at, line=line.line, end_line=line.end_line, started=False),
    ),
    # known and of no interest
    _rule(
        "start-up",
        r"$|Supported endpoints|\s*->|LM Studio API|OpenAI-compatible|Anthropic-compatible|Logs are saved",
        fate=NOISE,
    ),
    _rule(
        "start-up",
        r"Server started|Stopping server|(?:Verbose s|S)erver logs are|Just-in-time model loading",
        fate=NOISE,
    ),
    _rule("start-up", r"Server accepting connections|Model loaded successfully|Using port|CORS|Plugins? ", fate=NOISE),
    _rule(
        "queue",
        r"Processing queued request|Context Overflow Policy|Last message:|Provided inference configuration",
        fate=NOISE,
    ),
    _rule("queue", r"num_draft_tokens setting|Generated synchronous|Streaming embedding", fate=NOISE),
    _rule(
        "client",
        r"Client created|Client disconnected\.|Listing loaded models|Registering|Found \d+ model|Error in channel handler",
        fate=NOISE,
    ),
    _rule(
        "client",
        r"(?:\w+\] )?Found \d+ model|Loading|Unloading|Getting|Requesting|Download|Listing|Subscrib",
        fate=NOISE,
    ),
)

BOUNDARIES = frozenset(("running", "streaming", "finished", "prediction"))
"""Rules behind which a tag's progress lines belong to another request."""

SDK_TAG = re.compile(r"(?:LMSAuthenticator|LMSInternal|Client=.*|Endpoint=.*)")


class Reader:
    """Reads the records of one file, in order.

    ``read`` returns the record's events; tallies, problems and settings gather in the attributes.
    """

    def __init__(self, name: str, items: dict[Key, bytes], work: Work) -> None:
        self.name = name
        self.items = items
        self.work = work
        self.bodies = BodyReader(items, work)
        self.engine = Engine()
        self.fold = Fold()
        self.fate = Class.UNDERSTOOD
        self.kind = ""
        self.problems: list[Problem] = []
        self.unknown: Problem | None = None
        self.last_at: Millis = 0
        self.seen_debug = self.seen_running = self.seen_tokens = False
        self._marked: bool | None = None
        self._redacted: bool | None = None

    def read(self, record: Record) -> list[AnyEvent]:
        """Events of a record; ``fate`` and ``kind`` then say what became of it."""
        self.fate, self.kind, self.unknown = Class.UNDERSTOOD, "", None
        if record.form is None:
            return self._unprefixed(record)
        if record.form is Form.STREAM:
            return self._stream(record)
        return self._record(record, record.at, record.line, record.end_line)

    def settings(self) -> LogSettings:
        """What the records so far show of LM Studio's logging settings."""
        verbose = True if self.seen_debug else False if self.seen_running else None
        full = self.bodies.long_strings or None
        return LogSettings(
            verbose=verbose,
            full_bodies=False if self._marked else full,
            incoming_tokens=True if self.seen_tokens else None,
            redacted=self._redacted,
        )

    # -- what rules report

    def damage(self, kind: str, message: str, line: Line) -> None:
        """The record is damaged; what could be read of it is kept."""
        self.fate = Class.DAMAGED
        self.note(kind, message, line)

    def note(self, kind: str, message: str, line: Line) -> None:
        """Something odd that does not make the record damaged."""
        self.problems.append(Problem(kind, message, LineRange(self.name, line.line, line.end_line)))

    def saw_body(self, truncated: bool) -> None:
        self._marked = self._marked or truncated

    def saw_payload(self, redacted: bool) -> None:
        self._redacted = self._redacted or redacted

    # -- records

    def _record(self, record: Record, at: Millis | None, number: int, end_line: int) -> list[AnyEvent]:
        if at is None:
            self.problems.append(
                Problem("impossible date", "the date does not exist", LineRange(self.name, number, end_line))
            )
            at = self.last_at
        self.last_at = at
        self.seen_debug = self.seen_debug or record.level == "DEBUG"
        line = _line(record, at, number, end_line)
        for rule in RULES:
            match = rule.pattern.match(line.rest)
            if match is not None:
                self.fate, self.kind = rule.fate, rule.name
                if rule.name in BOUNDARIES:
                    self.seen_running = self.seen_running or rule.name == "running"
                    self.fold.end(line.model)
                event = rule.build(self, line, match) if rule.build is not None else None
                if rule.name != "request":  # a body's encoding is checked where it is parsed
                    self._check_encoding(record, line)
                return [event] if event is not None else []
        events = self._other(record, line)
        self._check_encoding(record, line)
        return events

    def _check_encoding(self, record: Record, line: Line) -> None:
        if record.data.isascii():
            return
        try:
            record.data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.damage("invalid utf-8", f"byte {error.start} of the record is not UTF-8", line)

    def _other(self, record: Record, line: Line) -> list[AnyEvent]:
        """Engine talk, plugin output, errors without a rule, and what nobody knows."""
        if any(tag.startswith("Plugin(") for tag in line.tags):
            self.fate, self.kind = Class.NOISE, "plugin"
            return []
        if line.tags and line.tags[-1] in ("Sensitive", "Hidden") and not line.rest.strip():
            self.kind = "redacted"
            self.saw_payload(True)
            return (
                [Failed(at=line.at, line=line.line, end_line=line.end_line, tag=None, text=f"[{line.tags[-1]}]")]
                if record.level == "ERROR"
                else []
            )
        if any(SDK_TAG.fullmatch(tag) for tag in line.tags):
            self.fate, self.kind = Class.NOISE, "client"
            return []
        self.kind = "engine"
        events, talk = self.engine.events(line.text(), line.at, line.line)
        if talk or any(tag in ENGINE_TAGS for tag in line.tags):
            if not events:
                self.fate = Class.NOISE
            return events
        if record.level == "ERROR" or "Server Error" in line.tags:
            self.kind = "error"
            return [
                Failed(at=line.at, line=line.line, end_line=line.end_line, tag=line.model, text=line.text(ERROR_LIMIT))
            ]
        self.fate, self.kind = Class.UNKNOWN, "unknown"
        self.unknown = Problem("unknown line", line.rest[:200], LineRange(self.name, line.line, line.end_line))
        return []

    def _unprefixed(self, record: Record) -> list[AnyEvent]:
        where = LineRange(self.name, record.line, record.end_line)
        text = record.data.strip(b"\0\r\n \xef\xbb\xbf")
        if not text or text.startswith(b"Streaming logs from LM Studio"):
            self.fate, self.kind = Class.NOISE, "padding"
            return []
        self.fate, self.kind = Class.DAMAGED, "text before the first record"
        self.problems.append(
            Problem("text before the first record", "the start of this record is in no file given", where)
        )
        return []

    def _stream(self, record: Record) -> list[AnyEvent]:
        """A line of ``lms log stream --json``: the only place with milliseconds, and with one record per line for certain."""
        where = LineRange(self.name, record.line, record.end_line)
        try:
            value = payload.decode(record.data[record.text_at :].strip())
            data = value["data"]
            kind = data["type"]
        except (ValueError, KeyError, TypeError):
            self.fate, self.kind = Class.DAMAGED, "stream"
            self.problems.append(Problem("cut stream line", "a line of a log stream is not whole", where))
            return []
        self.kind = str(kind)
        epoch = record.at or 0
        place = {"line": record.line, "end_line": record.end_line}
        if kind == "server.log" and isinstance(data.get("content"), str):
            inner = Record(data["content"].encode("utf-8", "replace"), record.start, record.line)
            if inner.form is None or inner.form is Form.STREAM:
                inner = Record(b"[1970-01-01 00:00:00][INFO] " + inner.data, record.start, record.line)
                inner.at, inner.level, inner.text_at = None, str(data.get("level", "")).upper(), 28
            if inner.at is not None:
                self.offset_ms = round((inner.at - epoch) / 900_000) * 900_000
            return self._record(inner, epoch + self.offset_ms, record.line, record.end_line)
        at = epoch + self.offset_ms
        self.last_at = at
        if kind == "llm.prediction.input" and isinstance(data.get("input"), str):
            key = payload.item_key(data["input"])
            self.items.setdefault(key, payload.compact(data["input"]))
            return [StreamInput(at=at, **place, model=_str(data.get("modelIdentifier")), prompt=key)]
        if kind == "llm.prediction.output" and isinstance(data.get("output"), str):
            stats = data.get("stats")
            answer = Answer(
                object=str(kind),
                text=data["output"],
                model=_str(data.get("modelIdentifier")),
                stats=answers.stats_of(stats) if isinstance(stats, dict) else None,
            )
            return [StreamOutput(at=at, **place, model=_str(data.get("modelIdentifier")), answer=answer)]
        if kind == "runtime.log" and isinstance(data.get("message"), str):
            events, _ = self.engine.events(data["message"], at, record.line)
            self.fate = Class.UNDERSTOOD if events else Class.NOISE
            return [msgspec.structs.replace(event, **place) for event in events]
        self.fate = Class.UNKNOWN
        self.unknown = Problem("unknown stream line", self.kind[:200], where)
        return []

    offset_ms: int = 0
    """Local time minus UTC, learnt from the records inside a stream."""


ENGINE_TAGS = frozenset(
    (
        "cache_wrapper",
        "CacheWrapper",
        "coordinator",
        "model_kit",
        "batched_model_kit",
        "PaniniRagEngine",
        "LlamaEmbeddingEngine",
        "SamplingSwitch",
    )
)


def _line(record: Record, at: Millis, number: int, end_line: int) -> Line:
    data = record.data
    end = data.find(b"\n", record.text_at)
    first = data[record.text_at : len(data) if end < 0 else end].rstrip(b"\r").decode("utf-8", "surrogateescape")
    tags: tuple[str, ...] = ()
    model = None
    skip = 0
    if first.startswith("["):
        match = TAGS.match(first)
        if match is not None:
            skip = match.end()
            tags = tuple(TAG.findall(match[0]))
            model = next((tag for tag in reversed(tags) if not NO_MODEL.fullmatch(tag)), None)
    rest = first[skip:].lstrip(" ")
    at_byte = record.text_at + len(first[: len(first) - len(rest)].encode("utf-8", "surrogateescape"))
    return Line(record, at, number, end_line, tags, model, rest, at_byte)


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None
