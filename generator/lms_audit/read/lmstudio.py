"""Records -> events, with everything that outlives a record: folded runs, bodies read so far, an open timing block.

In: the records of one file, in order. Out: their events, what became of each record, and what was wrong with it.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from lms_audit.model import Class, Key, LineRange, LogSettings, Millis, Problem
from lms_audit.read import answers, payload
from lms_audit.read.bodies import BodyReader, Seen
from lms_audit.read.engine import TALK_TAGS, Engine
from lms_audit.read.events import (
    Answer,
    AnyEvent,
    Before,
    Failed,
    PromptCount,
    StreamInput,
    StreamOutput,
    Task,
    Timing,
    Work,
)
from lms_audit.read.fold import Fold
from lms_audit.read.framing import Form, Record
from lms_audit.read.lines import Line, Place, parse_line
from lms_audit.read.rules import BOUNDARIES, BY_START, ERROR_LIMIT

SDK_TAG = re.compile(r"LMSAuthenticator|LMSInternal|Client=.*|Endpoint=.*")
# [3848:0604/123843.798:WARNING:net\\dns\\dns_config_service_win.cc:605] Failed to read DnsConfig.
BROWSER_TAG = re.compile(r"\d+:\d{4}/\d{6}\.\d+:[A-Z]+:.*")
SURE_TAGS = frozenset(("Server Error", "LM STUDIO SERVER"))
"""Tags of error lines that concern a request."""

TALK_LIMIT = 1 << 20
"""Bytes of a record that are searched for engine talk."""

# Daemon output without a prefix, between records:
# [LLMProxyObject] Engine protocol runtime exited unexpectedly. exitCode=1, signal=null
CRASH = re.compile(rb"\n\[LLMProxyObject\] (Engine protocol runtime exited[^\r\n]*)")
CRASH_REACH = 4096
QUARTER_HOUR_MS = 900_000

QUOTING = frozenset(("plugin", "embedding input"))
"""Kinds of records whose text is somebody else's and may hold what looks like a prefix of another form."""
QUOTED = 20
"""So many records of another form in a row are no quotation, but another log put behind the first."""


class Reader:
    """Reads the records of one file, in order.

    ``read`` returns the record's events; tallies, problems and settings gather in the attributes.
    """

    def __init__(self, name: str, items: dict[Key, bytes], work: Work, seen: Seen | None = None) -> None:
        self.name = name
        self.items = items
        self.work = work
        self.bodies = BodyReader(items, work, seen)
        self.engine = Engine()
        self.fold = Fold()
        self.fate = Class.UNDERSTOOD
        self.kind = ""
        self.problems: list[Problem] = []
        self.unknown: Problem | None = None
        self.last_at: Millis = 0
        self.offset_ms = 0
        """Local time minus UTC, learnt from the records inside a log stream."""
        self.seen_tokens = False
        self._seen_debug = self._seen_running = self._seen_finished = False
        self._said_verbose: bool | None = None
        self._marked: bool | None = None
        self._redacted: bool | None = None
        self._form: Form | None = None
        self._quoting = 0
        """How many more records of another form may be a quotation."""

    def read(self, record: Record) -> list[AnyEvent]:
        """Events of a record; ``fate`` and ``kind`` then say what became of it."""
        self.fate, self.kind, self.unknown = Class.UNDERSTOOD, "", None
        if record.form is None:
            return self._unprefixed(record)
        if self._quoting and record.form is not self._form:
            self._quoting -= 1
            self.fate, self.kind = Class.NOISE, "quoted"
            return []
        self._form = record.form
        events = (
            self._stream(record)
            if record.form is Form.STREAM
            else self._record(record, record.at, record.line, record.end_line)
        )
        quotes = self.kind in QUOTING or (self.kind == "engine" and b"unparsed" in record.data[:200])
        self._quoting = QUOTED if quotes and record.form is not Form.STREAM else 0
        return events

    def state(self) -> Before:
        """What is remembered between records, for ``restore``."""
        form = self._form.value if self._form is not None else None
        return Before(*self.engine.state(), form, self._quoting, self.offset_ms, self.last_at)

    def restore(self, before: Before) -> None:
        """Go on where another reader stopped."""
        self.engine.restore((before.open, before.engine_start, before.draft))
        self._form = Form(before.form) if before.form is not None else None
        self._quoting, self.offset_ms, self.last_at = before.quoting, before.offset_ms, before.last_at

    def settings(self) -> LogSettings:
        """What the records so far show of LM Studio's logging settings."""
        return LogSettings(
            verbose=True if self._seen_debug else False if self._seen_running else self._said_verbose,
            full_bodies=True if self.bodies.long_strings else False if self._marked else None,
            incoming_tokens=True if self.seen_tokens else False if self._seen_finished else None,
            redacted=self._redacted,
        )

    # -- what rules report

    def damage(self, kind: str, message: str, line: Line) -> None:
        """The record is damaged; what could be read of it is kept."""
        self.fate = Class.DAMAGED
        self.note(kind, message, line)

    def strange(self, what: str, line: Line) -> None:
        """A known kind of record that holds what nobody knows."""
        self.fate = Class.UNKNOWN
        where = LineRange(self.name, line.place["line"], line.place["end_line"])
        self.unknown = Problem("unknown line", what, where)

    def note(self, kind: str, message: str, line: Line) -> None:
        """Something odd that does not make the record damaged."""
        where = LineRange(self.name, line.place["line"], line.place["end_line"])
        self.problems.append(Problem(kind, message, where))

    def saw_verbosity(self, on: bool) -> None:
        self._said_verbose = self._said_verbose or on

    def saw_body(self, truncated: bool) -> None:
        self._marked = self._marked or truncated

    def saw_payload(self, redacted: bool) -> None:
        self._redacted = self._redacted or redacted

    # -- records

    def _record(self, record: Record, at: Millis | None, number: int, end_line: int) -> list[AnyEvent]:
        if at is None:
            where = LineRange(self.name, number, end_line)
            self.problems.append(Problem("impossible date", "the date does not exist", where))
            at = self.last_at
        first = self.last_at == 0
        self.last_at = at
        self._seen_debug = self._seen_debug or record.level == "DEBUG"
        line = parse_line(record, Place(at=at, line=number, end_line=end_line))
        for rule in BY_START.get(line.rest[:1], ()):
            match = rule.pattern.match(line.rest)
            if match is not None:
                self.fate, self.kind = rule.fate, rule.name
                if rule.name in BOUNDARIES:
                    # In front of the first record there may have been any line.
                    self._seen_running = self._seen_running or (rule.name == "running" and not first)
                    self._seen_finished = self._seen_finished or rule.name == "finished"
                    self.fold.end(line.model)
                event = rule.build(self, line, match) if rule.build is not None else None
                events = [event] if event is not None else []
                break
        else:
            events = self._other(record, line)
        if self.kind != "request":  # where a body is parsed, its encoding is checked too
            self._check_encoding(record, line)
        return events + self._crash(record, line)

    def _check_encoding(self, record: Record, line: Line) -> None:
        if record.data.isascii():
            return
        try:
            record.data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.damage("invalid utf-8", f"byte {error.start} of the record is not UTF-8", line)

    def _crash(self, record: Record, line: Line) -> list[AnyEvent]:
        """A daemon's word that an engine died, which stands behind a record without a prefix."""
        start = max(len(record.data) - CRASH_REACH, record.text_at)
        if record.data.find(b"[LLMProxyObject]", start) < 0:
            return []
        return [
            Failed(
                at=line.place["at"],
                line=line.place["line"] + record.data.count(b"\n", 0, match.end()),
                end_line=line.place["line"] + record.data.count(b"\n", 0, match.end()),
                tag=None,
                text=match[1].decode("utf-8", "replace"),
                unprefixed=True,
            )
            for match in CRASH.finditer(record.data, start)
        ]

    def _other(self, record: Record, line: Line) -> list[AnyEvent]:
        """Engine talk, plugin output, errors without a rule, and what nobody knows."""
        tags = line.tags
        if any(tag.startswith("Plugin(") for tag in tags):
            self.fate, self.kind = Class.NOISE, "plugin"
            return []
        if any(SDK_TAG.fullmatch(tag) for tag in tags):
            self.fate, self.kind = Class.NOISE, "client"
            return []
        if tags and BROWSER_TAG.fullmatch(tags[0]):
            self.fate, self.kind = Class.NOISE, "browser"
            return []
        redacted = bool(tags) and tags[-1] in ("Sensitive", "Hidden") and not line.rest.strip()
        if redacted:
            self.kind = "redacted"
            self.saw_payload(True)
        elif record.level == "ERROR" and not line.text(100):
            self.kind = "error"
        elif not line.text(100):
            self.fate, self.kind = Class.NOISE, "start-up"
        else:
            self.kind = "engine"
            events, talk = self.engine.events(line.text(TALK_LIMIT), line.place["at"], line.place["line"])
            if talk or any(tag in TALK_TAGS for tag in tags):
                self.fate = Class.UNDERSTOOD if events else Class.NOISE
                return events
            self.kind = "error"
        if record.level == "ERROR" or "Server Error" in tags:
            text = f"[{tags[-1]}]" if redacted else line.text(ERROR_LIMIT) or "an error without text"
            sure = any(tag in SURE_TAGS for tag in tags)
            return [Failed(**line.place, tag=line.model, text=text, sure=sure)]
        if self.kind == "error":
            self.fate, self.kind = Class.UNKNOWN, "unknown"
            text = line.rest[:200].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            where = LineRange(self.name, line.place["line"], line.place["end_line"])
            self.unknown = Problem("unknown line", text, where)
        return []

    def _unprefixed(self, record: Record) -> list[AnyEvent]:
        where = LineRange(self.name, record.line, record.end_line)
        text = record.data.strip(b"\0\r\n \xef\xbb\xbf")
        if not text or text == b"Streaming logs from LM Studio":
            self.fate, self.kind = Class.NOISE, "padding"
            return []
        self.fate, self.kind = Class.DAMAGED, "text before the first record"
        self.problems.append(
            Problem("text before the first record", "the start of this record is in no file given", where)
        )
        return []

    # -- lms log stream --json

    def _stream(self, record: Record) -> list[AnyEvent]:
        """A line of ``lms log stream --json``: one record per line for certain, and a clock of milliseconds."""
        where = LineRange(self.name, record.line, record.end_line)
        text, _, behind = record.data[record.text_at :].partition(b"\n")
        try:
            value = payload.decode(text.strip())
            data = value["data"]
            kind = data["type"]
        except (ValueError, KeyError, TypeError):
            self.fate, self.kind = Class.DAMAGED, "stream"
            self.problems.append(Problem("cut stream line", "a line of a log stream is not whole", where))
            return []
        if behind.strip(b"\0\r\n\t "):
            self.problems.append(Problem("text in a stream", "text between the lines of a log stream", where))
        self.kind = str(kind)
        epoch = record.at or 0
        if kind == "server.log" and isinstance(data.get("content"), str):
            return self._streamed_record(record, epoch, data)
        place = Place(at=epoch + self.offset_ms, line=record.line, end_line=record.end_line)
        self.last_at = place["at"]
        if kind == "llm.prediction.input" and isinstance(data.get("input"), str):
            key = payload.item_key(data["input"])
            self.items.setdefault(key, payload.compact(data["input"]))
            return [StreamInput(**place, model=payload.as_text(data.get("modelIdentifier")), prompt=key)]
        if kind == "llm.prediction.output" and isinstance(data.get("output"), str):
            return [_stream_output(data, place)]
        if kind == "runtime.log" and isinstance(data.get("message"), str):
            events, _ = self.engine.events(data["message"], place["at"], record.line)
            self.fate = Class.UNDERSTOOD if events else Class.NOISE
            tag = payload.as_text(data.get("modelIdentifier"))
            return [_of_model(replace(event, line=record.line, end_line=record.end_line), tag) for event in events]
        self.fate = Class.UNKNOWN
        self.unknown = Problem("unknown stream line", self.kind[:200], where)
        return []

    def _streamed_record(self, record: Record, epoch: Millis, data: dict[str, Any]) -> list[AnyEvent]:
        content = data["content"].encode("utf-8", "replace")
        inner = Record(content, record.start, record.line)
        if inner.form is None or inner.form is Form.STREAM:  # a record without its prefix
            level = str(data.get("level", "")).upper()
            inner = Record(b"[1970-01-01 00:00:00][INFO] " + content, record.start, record.line)
            inner.level, inner.text_at = level, inner.data.index(b" ", 21) + 1
        elif inner.at is not None:
            self.offset_ms = round((inner.at - epoch) / QUARTER_HOUR_MS) * QUARTER_HOUR_MS
        return self._record(inner, epoch + self.offset_ms, record.line, record.end_line)


def _of_model(event: AnyEvent, tag: str | None) -> AnyEvent:
    """An engine's event with the model that a log stream says it is about."""
    return replace(event, tag=tag) if isinstance(event, Task | Timing | PromptCount | Failed) else event


def _stream_output(data: dict[str, Any], place: Place) -> StreamOutput:
    model = payload.as_text(data.get("modelIdentifier"))
    stats = data.get("stats")
    answer = Answer(
        object="llm.prediction.output",
        text=data["output"],
        model=model,
        stats=answers.stats_of(stats) if isinstance(stats, dict) else None,
    )
    return StreamOutput(**place, model=model, answer=answer)
