"""A record on its way through the rules: its first line, taken apart into tags and message.

A tag in brackets is not always a model: it may name a part of LM Studio, a client or a plugin, and the message itself
may start with a bracket. ``NO_MODEL`` lists what is never one; a rule decides whether its line carries a model at all.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypedDict

from lms_audit.model import Millis
from lms_audit.read.framing import Record

REDACTED = ("[Sensitive]", "[Hidden]")
"""What stands in place of a payload where content is redacted."""

OBJECT_END = re.compile(rb"\n\}(?=\r?\n|\r?\Z)")
"""The end of a printed JSON object: the first line equal to ``}``."""

FIRST_LINE = 8192
"""Bytes of a first line that rules look at; what they take from a longer one they take from the record."""

# An identifier is free text and may hold a pair of brackets of its own.
_INSIDE = r"(?:[^\[\]\n]++|\[[^\[\]\n]*+\])++|[^\]\n]+"
_TAGS = re.compile(rf"(?:\[(?:{_INSIDE})\]:?\x20?)+")
_TAG = re.compile(rf"\[({_INSIDE})\]")
NO_MODEL = re.compile(
    r"LM\sSTUDIO\sSERVER|LMSAuthenticator|LMSInternal|LLMProcess|ServerPort|Server\sError|"
    r"INFO|WARN|WARNING|DEBUG|ERROR|CRITICAL|cache_wrapper|CacheWrapper|coordinator|model_kit|batched_model_kit|"
    r"vision_model_kit|SamplingSwitch|PaniniRagEngine|LlamaEmbeddingEngine|LLMProxyObject|Sensitive|Hidden|"
    r"Client=.*|Endpoint=.*|Plugin\(.*"
)


class Place(TypedDict):
    """Where and when an event is: the first members of every event."""

    at: Millis
    line: int
    end_line: int


class Line(NamedTuple):
    """A record's first line and its place. ``record`` holds the rest."""

    record: Record
    place: Place
    tags: tuple[str, ...]
    model: str | None
    """Innermost tag that may name a model."""
    rest: str
    """First line behind the tags; at most ``FIRST_LINE`` bytes of it."""
    rest_at: int
    """Offset of ``rest`` in the record's bytes."""

    def text(self, limit: int | None = None) -> str:
        """Everything behind the tags, line breaks included."""
        data = self.record.data[self.rest_at : None if limit is None else self.rest_at + limit]
        return data.decode("utf-8", "replace").replace("\r\n", "\n").strip("\0\r\n\t ")

    def offset(self, at: int) -> int:
        """Offset in the record's bytes of the character ``at`` of ``rest``."""
        return self.rest_at + len(self.rest[:at].encode("utf-8", "surrogateescape"))

    def object(self, at: int) -> bytes:
        """The JSON object ``at`` characters into ``rest``: to the first line equal to ``}``, else to the end."""
        start = self.offset(at)
        data = self.record.data
        if data.startswith(b"{", start) and data[start + 1 : start + 2] in (b"\n", b"\r"):
            end = OBJECT_END.search(data, start)
            return data[start : end.end()] if end else data[start:].rstrip(b"\0\r\n ")
        return data[start:].strip(b"\0\r\n ")


def parse_line(record: Record, place: Place) -> Line:
    """Takes a record's first line apart."""
    data = record.data
    end = data.find(b"\n", record.text_at, record.text_at + FIRST_LINE)
    stop = end if end >= 0 else min(len(data), record.text_at + FIRST_LINE)
    first = data[record.text_at : stop].rstrip(b"\r\0").decode("utf-8", "surrogateescape")
    tags: tuple[str, ...] = ()
    model = None
    skip = 0
    if first.startswith("["):
        match = _TAGS.match(first)
        if match is not None:
            skip = match.end()
            tags = tuple(_TAG.findall(match[0]))
            model = next((tag for tag in reversed(tags) if not NO_MODEL.fullmatch(tag)), None)
            if model is not None:
                model = model.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    rest = first[skip:].lstrip(" ")
    at = record.text_at + len(first[: len(first) - len(rest)].encode("utf-8", "surrogateescape"))
    return Line(record, place, tags, model, rest, at)
