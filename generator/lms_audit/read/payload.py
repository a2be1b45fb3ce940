"""JSON inside a record: request bodies, answers, and the one shape all messages are brought into.

Request bodies are nearly all the bytes of a log and repeat the whole conversation. LM Studio prints them with two blanks
of indentation and never a raw line break inside a string, so the places where members and list elements start and end are
found by searching for line breaks and blanks. What a body shares with an earlier one up to the first byte that differs is
not looked at again; only fresh elements are streamed through ijson, hashed, and kept. A body that is cut or printed some
other way is read by ijson alone, as far as it goes. Small complete objects (packets, answers) are decoded by msgspec.

This is the only module that knows ijson.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from io import BytesIO
from typing import Any

import ijson
import msgspec

from lms_audit.model import Call, Json, Key, Media, Message, Part, Reasoning, Result, Role, Text, Tool
from lms_audit.read.events import Answer, AnswerCall, Body, Stats, Usage, Work

TRUNCATED = "... <Truncated in logs> ..."
"""LM Studio's mark in a string of which it kept 50 units at each end."""
_MARK = b"<Truncated in logs>"
_LONG = re.compile(rb'"[^"\\\n]{400}')
"""Surely more than 120 UTF-16 units, whatever the characters."""

LISTS = ("messages", "input", "prompt")
"""Members that hold the conversation, by protocol."""
SYSTEMS = ("system", "instructions", "system_prompt")
TOOLS = ("tools", "functions")

MAX_DEPTH = 500
"""Deeper JSON than this is kept as an opaque string: no encoder follows it, and no client means it."""

_encoder = msgspec.json.Encoder(decimal_format="number")
_sorter = msgspec.json.Encoder(decimal_format="number", order="sorted")


class TooDeep(ValueError):
    """A value is nested deeper than ``MAX_DEPTH``."""


# --- values -> bytes, bytes -> values -------------------------------------------------------------------------------


def compact(value: Json) -> bytes:
    """JSON text without blanks, members in the order given."""
    return _encode(_encoder, value)


def item_key(value: Json) -> Key:
    """Content hash of a value: equal JSON values have equal keys whatever their spacing and member order."""
    return blake2b(b"1" + _encode(_sorter, value), digest_size=16).hexdigest()


def _encode(encoder: msgspec.json.Encoder, value: Json) -> bytes:
    try:
        return encoder.encode(value)
    except (OverflowError, UnicodeEncodeError, RecursionError):
        # numbers beyond 64 bits, lone surrogates
        text = json.dumps(value, ensure_ascii=False, default=float, sort_keys=encoder is _sorter, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def decode(raw: bytes) -> Json:
    """Value of a complete JSON text. Raises ``ValueError`` where it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, complete = salvage(raw)
        if not complete:
            raise ValueError("not a complete JSON value") from None
        return value


def salvage(raw: bytes) -> tuple[Json, bool]:
    """What a JSON text holds as far as it goes, and whether it was whole. ``None`` where nothing could be read."""
    builder = _Builder()
    complete = False
    try:
        for event, value in ijson.basic_parse(BytesIO(raw), buf_size=65536):
            builder.event(event, value)
            complete = builder.whole
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        if "trailing garbage" not in str(error):
            complete = False
    return builder.value, complete


class _Builder:
    """Builds a value from ijson events without recursion; holds the partial value at any time."""

    def __init__(self) -> None:
        self.value: Json = None
        self.whole = False
        self._stack: list[Any] = []
        self._names: list[str] = []

    def event(self, event: str, value: Any) -> None:
        if event == "map_key":
            self._names[-1] = value
        elif event in ("end_map", "end_array"):
            self._stack.pop()
            self._names.pop()
            self.whole = not self._stack
        else:
            container = event in ("start_map", "start_array")
            new: Any = ({} if event == "start_map" else []) if container else value
            if not self._stack:
                self.value = new
                self.whole = not container
            elif isinstance(self._stack[-1], dict):
                self._stack[-1][self._names[-1]] = new
            else:
                self._stack[-1].append(new)
            if container:
                if len(self._stack) >= MAX_DEPTH:
                    raise TooDeep(f"nested deeper than {MAX_DEPTH}")
                self._stack.append(new)
                self._names.append("")


# --- request bodies -------------------------------------------------------------------------------------------------

_MEMBER = re.compile(rb'\{?\r?\n  "((?:[^"\\\n]|\\.)*)": ?')
_BODY_END = re.compile(rb"\n\}(?=\r?\n|\r?\Z)")
_ELEMENT = re.compile(rb"[\[,]\r?\n    (?=\S)")
_CLOSED = re.compile(rb"\r?\n  \]")


class _Cut(Exception):
    """The body ends, or leaves the printed form, in the middle of something."""


class _Layout:
    """Where the elements of an earlier body end, to recognise them in the next one."""

    __slots__ = ("data", "ends", "first_mark", "keys", "list_at", "list_name", "ordinal")

    def __init__(self, data: bytes, ordinal: int) -> None:
        self.data = data
        self.ordinal = ordinal
        self.list_name: str | None = None
        self.list_at = -1
        self.ends: list[int] = []
        self.keys: list[Key] = []
        self.first_mark: int | None = None


class BodyReader:
    """Reads the request bodies of one file, in order, each message once.

    ``items`` collects the JSON of everything first met; ``work`` counts the bytes compared, hashed and parsed.
    Memory: the last few bodies (``KEEP``, at most ``KEEP_BYTES`` together) and the items.
    """

    KEEP = 8
    KEEP_BYTES = 64_000_000

    def __init__(self, items: dict[Key, bytes], work: Work) -> None:
        self.items = items
        self.work = work
        self.long_strings = False
        """A string longer than LM Studio leaves whole was met uncut: the log has full bodies."""
        self._known: dict[bytes, Key] = {}
        self._recent: list[_Layout] = []
        self._bodies = 0

    def read(self, data: bytes) -> tuple[Body, int]:
        """The body at the start of ``data`` and where it ends. ``data`` may go on behind it, or stop inside it."""
        base, shared = self._nearest(data)
        ended = _BODY_END.search(data, max(shared - 2, 0)) if not data.startswith(b"{}") else None
        end = ended.end() if ended else len(data)
        if data.startswith(b"{}"):
            end = 2
        text = data[:end] if end < len(data) else data
        body, layout = self._read(text, bool(ended) or end == 2, base, shared)
        self._remember(layout)
        return body, end

    def _nearest(self, data: bytes) -> tuple[_Layout | None, int]:
        """The recent body that begins most like this one, and how many bytes they share."""
        best: _Layout | None = None
        most = 0
        for layout in self._recent:
            shared = common_prefix(layout.data, data)
            self.work.compared += shared
            if shared > most:
                best, most = layout, shared
            if shared * 5 > len(layout.data) * 4:
                break
        return best, most

    def _remember(self, layout: _Layout) -> None:
        self._recent.insert(0, layout)
        kept = 0
        for index, recent in enumerate(self._recent):
            kept += len(recent.data)
            if index and (index >= self.KEEP or kept > self.KEEP_BYTES):
                del self._recent[index:]
                break

    def _read(self, data: bytes, closed: bool, base: _Layout | None, shared: int) -> tuple[Body, _Layout]:
        layout = _Layout(data, self._bodies)
        self._bodies += 1
        parts = _Parts()
        complete = closed
        try:
            self._members(data, layout, parts, base, shared)
        except _Cut:
            self._salvage(data, layout, parts)
            complete = False
        except (ijson.JSONError, ValueError):
            # Not the printed form, or not JSON: start over with what a streaming parser makes of it.
            layout, parts = _Layout(data, layout.ordinal), _Parts()
            value, whole = salvage(data)
            self.work.parsed += len(data)
            self._from_value(value, layout, parts)
            complete = closed and whole
        kept, origin = parts.kept, base.ordinal if base is not None and parts.kept else None
        body = Body(
            model=_text(parts.scalars.get("model")),
            stream=_bool(parts.scalars.get("stream")),
            list_name=layout.list_name,
            base=origin,
            keep=kept,
            fresh=tuple(layout.keys[kept:]),
            system=parts.system,
            tools=parts.tools,
            params=self._item(parts.scalars) if parts.scalars else None,
            order=tuple(parts.order),
            complete=complete,
            truncated=parts.marked or layout.first_mark is not None,
            size=len(data),
        )
        return body, layout

    # -- the printed form

    def _members(self, data: bytes, layout: _Layout, parts: _Parts, base: _Layout | None, shared: int) -> None:
        at = 0
        if data[:2] == b"{}":
            return
        while True:
            member = _MEMBER.match(data, at)
            if member is None:
                if re.compile(rb"\r?\n\}").match(data, at):
                    return
                if at == 0:
                    raise ValueError("not the printed form")
                raise _Cut
            name = _json_string(member[1])
            at = member.end()
            parts.order.append(name)
            if name in LISTS and layout.list_name is None and data[at : at + 1] == b"[":
                layout.list_name, layout.list_at = name, at
                at = self._elements(data, at, layout, parts, base, shared)
            else:
                at = self._member(name, data, at, layout, parts)
            if data[at : at + 1] == b",":
                at += 1

    def _member(self, name: str, data: bytes, at: int, layout: _Layout, parts: _Parts) -> int:
        end = _value_end(data, at, b"\n  ")
        raw = data[at:end]
        if _MARK in raw:
            parts.marked = True
        if name in LISTS and layout.list_name is None:
            layout.list_name = name
            layout.keys.append(self._key(raw))
        elif name in SYSTEMS and parts.system is None:
            parts.system = self._key(raw)
        elif name in TOOLS and parts.tools is None:
            parts.tools = self._key(raw)
        else:
            self.work.parsed += len(raw)
            parts.scalars[name] = decode(raw)
        return end

    def _elements(
        self, data: bytes, at: int, layout: _Layout, parts: _Parts, base: _Layout | None, shared: int
    ) -> int:
        """Reads a list of messages from its ``[``; returns the offset behind its ``]``."""
        if base is not None and base.list_at == at and base.list_name == layout.list_name:
            kept = bisect_right(base.ends, shared)
            if kept:
                parts.kept = kept
                layout.ends = base.ends[:kept]
                layout.keys = base.keys[:kept]
                at = layout.ends[-1]
                if base.first_mark is not None and base.first_mark < kept:
                    layout.first_mark = base.first_mark
        if not layout.ends:
            if data[at : at + 2] == b"[]":
                return at + 2
            if not _ELEMENT.match(data, at):
                raise _Cut if len(data) - at < 8 else ValueError("not the printed form")
        while True:
            element = _ELEMENT.match(data, at)
            if element is None:
                closed = _CLOSED.match(data, at)
                if closed is None:
                    raise _Cut
                return closed.end()
            start = element.end()
            end = _value_end(data, start, b"\n    ")
            raw = data[start:end]
            if layout.first_mark is None and _MARK in raw:
                layout.first_mark = len(layout.keys)
            layout.keys.append(self._key(raw))
            layout.ends.append(end)
            at = end

    # -- cut, or printed otherwise

    def _salvage(self, data: bytes, layout: _Layout, parts: _Parts) -> None:
        """Adds what can still be read of the element or member in which the body was cut."""
        in_list = layout.list_at >= 0 and parts.order and parts.order[-1] == layout.list_name
        if in_list:
            at = layout.ends[-1] if layout.ends else layout.list_at
            element = _ELEMENT.match(data, at)
            value = self._rest(data[element.end() :]) if element else None
            if isinstance(value, dict) and value.get("role") and len(value) > 1:
                layout.keys.append(self._item(value))
            return
        last = None
        for last in re.finditer(rb'\n  "((?:[^"\\\n]|\\.)*)": ?', data):
            pass
        name = _json_string(last[1]) if last else ""
        value = self._rest(data[last.end() :]) if last else None
        if value is None or not parts.order or parts.order[-1] != name:
            return
        if name in SYSTEMS and parts.system is None:
            parts.system = self._item(value)
        elif name in TOOLS and parts.tools is None:
            parts.tools = self._item(value)
        elif not isinstance(value, str | int | float):  # a number may have been cut inside
            parts.scalars[name] = value
        if _MARK in data:
            parts.marked = True

    def _rest(self, raw: bytes) -> Json:
        self.work.parsed += len(raw)
        return salvage(raw)[0]

    def _from_value(self, value: Json, layout: _Layout, parts: _Parts) -> None:
        if not isinstance(value, dict):
            return
        for name, member in value.items():
            parts.order.append(name)
            if name in LISTS and layout.list_name is None:
                layout.list_name = name
                elements = member if isinstance(member, list) else [member]
                layout.keys.extend(self._item(element) for element in elements)
            elif name in SYSTEMS and parts.system is None:
                parts.system = self._item(member)
            elif name in TOOLS and parts.tools is None:
                parts.tools = self._item(member)
            else:
                parts.scalars[name] = member
        parts.marked = _MARK in layout.data

    # -- items

    def _key(self, raw: bytes) -> Key:
        """Key of a JSON text; parsed only when these very bytes are new to the file."""
        self.work.hashed += len(raw)
        mark = blake2b(raw, digest_size=16).digest()
        key = self._known.get(mark)
        if key is None:
            self.work.parsed += len(raw)
            self.long_strings = self.long_strings or (_MARK not in raw and _LONG.search(raw) is not None)
            try:
                values = list(ijson.items(BytesIO(raw), "", buf_size=65536))
                if len(values) != 1:
                    raise ValueError("not one JSON value")
                key = self._item(values[0])
            except RecursionError:
                key = self._item(raw.decode("utf-8", "replace"))
            self._known[mark] = key
        return key

    def _item(self, value: Json) -> Key:
        key = item_key(value)
        if key not in self.items:
            self.items[key] = compact(value)
        return key


class _Parts:
    """What a body holds besides its list of messages."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.scalars: dict[str, Json] = {}
        self.system: Key | None = None
        self.tools: Key | None = None
        self.kept = 0
        self.marked = False


def common_prefix(a: bytes, b: bytes) -> int:
    """How many bytes two texts share at their start. Compared block by block at memory speed."""
    limit = min(len(a), len(b))
    block = 65536
    at = 0
    while at < limit and a[at : at + block] == b[at : at + block]:
        at += block
    if at >= limit:
        return limit
    low, high = at, min(at + block, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _value_end(data: bytes, at: int, indent: bytes) -> int:
    """Offset behind the value that starts at ``at`` and whose closing bracket, if any, stands behind ``indent``."""
    opening = data[at : at + 1]
    if opening in (b"{", b"["):
        closing = b"}" if opening == b"{" else b"]"
        if data[at + 1 : at + 2] == closing:
            return at + 2
        if data[at + 1 : at + 2] not in (b"\n", b"\r"):
            raise ValueError("not the printed form")
        end = data.find(indent + closing, at)
        if end < 0:
            raise _Cut
        return end + len(indent) + 1
    end = data.find(b"\n", at)
    if end < 0:
        raise _Cut
    if data[end - 1 : end] == b"\r":
        end -= 1
    return end - 1 if data[end - 1 : end] == b"," else end


def _json_string(raw: bytes) -> str:
    return str(decode(b'"' + raw + b'"'))


# --- answers --------------------------------------------------------------------------------------------------------


def answer(raw: bytes) -> Answer | None:
    """The answer an object of any protocol gives; ``None`` where nothing of it can be read."""
    try:
        value = msgspec.json.decode(raw)
        complete = True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, complete = salvage(raw)
    return answer_of(value, complete) if isinstance(value, dict) else None


def answer_of(value: Mapping[str, Any], complete: bool = True) -> Answer:
    """The answer in a decoded object: chat completion or chunk, completion, Anthropic message, response, /api/v1/chat."""
    pieces = _Pieces()
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            pieces.choice(choice)
    for name in ("content", "output"):  # Anthropic message; response and /api/v1/chat
        blocks = value.get(name)
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                pieces.block(block)
    usage = value.get("usage")
    stats = value.get("stats")
    finish = pieces.finish or _text(value.get("stop_reason"))
    if finish is None and value.get("object") == "response":
        finish = _text(value.get("status"))
    return Answer(
        chat_id=_text(value.get("id")) or _text(value.get("response_id")),
        object=_text(value.get("object")) or _text(value.get("type")),
        created=_int(value.get("created")) or _int(value.get("created_at")),
        model=_text(value.get("model")) or _text(value.get("model_instance_id")),
        text="".join(pieces.texts) if pieces.texts else None,
        reasoning="".join(pieces.reasonings) if pieces.reasonings else None,
        calls=tuple(pieces.calls),
        finish_reason=finish,
        usage=usage_of(usage) if isinstance(usage, dict) else None,
        stats=stats_of(stats, usage) if isinstance(stats, dict) and stats else None,
        complete=complete,
    )


class _Pieces:
    """Collects texts and calls from the blocks of an answer."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasonings: list[str] = []
        self.calls: list[AnswerCall] = []
        self.finish: str | None = None

    def choice(self, choice: Mapping[str, Any]) -> None:
        self.finish = _text(choice.get("finish_reason")) or self.finish
        message = choice.get("message") or choice.get("delta") or {}
        if isinstance(choice.get("text"), str):
            self.texts.append(choice["text"])
        if not isinstance(message, dict):
            return
        if isinstance(message.get("content"), str):
            self.texts.append(message["content"])
        for name in ("reasoning_content", "reasoning"):
            if isinstance(message.get(name), str):
                self.reasonings.append(message[name])
                break
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("function"), dict):
                function = call["function"]
                arguments = _arguments(function.get("arguments"))
                index = _int(call.get("index")) if "delta" in choice else None
                self.calls.append(AnswerCall(_text(call.get("id")), _text(function.get("name")) or "", arguments, index))

    def block(self, block: Mapping[str, Any]) -> None:
        kind = block.get("type")
        if kind in ("text", "output_text") and isinstance(block.get("text"), str):
            self.texts.append(block["text"])
        elif kind == "message":
            content = block.get("content")
            if isinstance(content, str):
                self.texts.append(content)
            for inner in content if isinstance(content, list) else ():
                if isinstance(inner, dict):
                    self.block(inner)
        elif kind in ("thinking", "reasoning"):
            self.reasonings.extend(_reasoning_texts(block))
        elif kind in ("tool_use", "function_call", "custom_tool_call", "tool_call"):
            arguments = block.get("arguments", block.get("input"))
            identity = _text(block.get("call_id")) or _text(block.get("id"))
            self.calls.append(AnswerCall(identity, _text(block.get("name")) or _text(block.get("tool")) or "", _arguments(arguments)))


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Token counts under OpenAI's and Anthropic's names."""
    output = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    given = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached = _int(given.get("cached_tokens")) if isinstance(given, dict) else None
    return Usage(
        input=_int(_first(usage, "prompt_tokens", "input_tokens")),
        output=_int(_first(usage, "completion_tokens", "output_tokens")),
        reasoning=_int(output.get("reasoning_tokens")) if isinstance(output, dict) else None,
        cached=cached,
        total=_int(usage.get("total_tokens")),
    )


def stats_of(stats: Mapping[str, Any], usage: Any = None) -> Stats:
    """LM Studio's statistics under the names of /api/v0, /api/v1 and the SDK. Times become milliseconds."""
    seconds = _first(stats, "time_to_first_token", "time_to_first_token_seconds", "timeToFirstTokenSec")
    total = _first(stats, "generation_time", "totalTimeSec")
    usage = usage if isinstance(usage, dict) else {}
    return Stats(
        tokens_per_second=_float(_first(stats, "tokens_per_second", "tokensPerSecond")),
        ttft_ms=_ms(seconds),
        generation_ms=_ms(total),
        input=_int(_first(stats, "input_tokens", "promptTokensCount")),
        output=_int(_first(stats, "total_output_tokens", "predictedTokensCount")),
        reasoning=_int(stats.get("reasoning_output_tokens")),
        stop_reason=_text(_first(stats, "stop_reason", "stopReason")),
        draft_total=_int(_first({**usage, **stats}, "total_draft_tokens_count", "totalDraftTokensCount")),
        draft_accepted=_int(_first({**usage, **stats}, "accepted_draft_tokens_count", "acceptedDraftTokensCount")),
    )


# --- messages, tools, system texts: one shape for all protocols ------------------------------------------------------

_ROLES = {role.value: role for role in Role}


def message(key: Key, raw: bytes) -> Message:
    """A stored message in its one shape. Never fails: what has no known shape becomes text or media."""
    value = decode(raw)
    truncated = _MARK in raw
    if isinstance(value, str):
        return Message(key, Role.USER, (Text(value),), len(raw), truncated)
    if not isinstance(value, dict):
        return Message(key, Role.OTHER, (Text(raw.decode("utf-8", "replace")),), len(raw), truncated)
    role = _ROLES.get(str(value.get("role")), Role.OTHER)
    parts = tuple(_item_parts(value)) if "role" not in value and "type" in value else tuple(_message_parts(value, role))
    if "role" not in value:
        role = _item_role(str(value.get("type")))
    elif role is Role.USER and parts and all(isinstance(part, Result) for part in parts):
        role = Role.TOOL  # Anthropic sends results in the user's name
    return Message(key, role, parts, len(raw), truncated)


def _item_role(kind: str) -> Role:
    if kind.endswith("_call") or kind == "reasoning":
        return Role.ASSISTANT
    return Role.TOOL if kind.endswith("_output") else Role.OTHER


def _item_parts(item: Mapping[str, Any]) -> Iterator[Part]:
    """Parts of a /v1/responses input item that is no message."""
    kind = str(item.get("type"))
    if kind == "reasoning":
        yield from (Reasoning(text) for text in _reasoning_texts(item))
    elif kind.endswith("_call"):
        arguments = item.get("arguments", item.get("input", item.get("action")))
        yield Call(_text(item.get("call_id")) or _text(item.get("id")), _text(item.get("name")) or kind, _arguments(arguments))
    elif kind.endswith("_output"):
        yield Result(_text(item.get("call_id")), _plain(item.get("output")))
    else:
        yield from _block_parts(item)


def _message_parts(value: Mapping[str, Any], role: Role) -> Iterator[Part]:
    for name in ("reasoning_content", "reasoning"):
        if isinstance(value.get(name), str) and value[name]:
            yield Reasoning(value[name])
            break
    content = value.get("content")
    if role is Role.TOOL or role is Role.OTHER and "tool_call_id" in value:
        yield Result(_text(value.get("tool_call_id")), _plain(content))
    elif isinstance(content, str):
        if content:
            yield Text(content)
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, dict):
                yield from _block_parts(block)
            elif isinstance(block, str):
                yield Text(block)
    calls = value.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield Call(_text(call.get("id")), _text(function.get("name")) or "", _arguments(function.get("arguments")))
    legacy = value.get("function_call")
    if isinstance(legacy, dict):
        yield Call(None, _text(legacy.get("name")) or "", _arguments(legacy.get("arguments")))


def _block_parts(block: Mapping[str, Any]) -> Iterator[Part]:
    kind = block.get("type")
    if isinstance(block.get("text"), str) and kind not in ("thinking", "reasoning"):
        yield Text(block["text"])
    elif kind in ("thinking", "reasoning"):
        yield from (Reasoning(text) for text in _reasoning_texts(block))
    elif kind in ("tool_use", "function_call"):
        yield Call(_text(block.get("id")), _text(block.get("name")) or "", _arguments(block.get("input", block.get("arguments"))))
    elif kind == "tool_result":
        yield Result(_text(block.get("tool_use_id")), _plain(block.get("content")), block.get("is_error") is True)
    else:
        yield Media(str(kind or "block"), len(compact(block)))


def _reasoning_texts(block: Mapping[str, Any]) -> Iterator[str]:
    for name in ("thinking", "text", "content", "summary"):
        value = block.get(name)
        if isinstance(value, str) and value:
            yield value
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict) and isinstance(inner.get("text"), str):
                    yield inner["text"]


def _plain(content: Json) -> str:
    """Text of a tool result: blocks joined, anything else as JSON."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        texts = [
            block["text"] if isinstance(block, dict) and isinstance(block.get("text"), str) else compact(block).decode()
            for block in content
        ]
        return "\n".join(texts)
    return compact(content).decode()


def tools(raw: bytes) -> tuple[Tool, ...]:
    """The tools of a ``tools`` member, whatever protocol; namespaces are flattened."""
    value = decode(raw)
    return tuple(_tools(value)) if isinstance(value, list) else ()


def _tools(value: list[Any]) -> Iterator[Tool]:
    for tool in value:
        if not isinstance(tool, dict):
            continue
        if tool.get("type") == "namespace":
            yield Tool(_text(tool.get("name")) or "", _text(tool.get("description")) or "", None, 0)
            yield from _tools(tool["tools"] if isinstance(tool.get("tools"), list) else [])
            continue
        inner = tool.get("function")
        function: Mapping[str, Any] = inner if isinstance(inner, dict) else tool
        schema = function.get("parameters", function.get("input_schema"))
        name = _text(function.get("name")) or _text(tool.get("type")) or ""
        yield Tool(name, _text(function.get("description")) or "", schema, len(compact(tool)))


def system_texts(raw: bytes) -> tuple[str, ...]:
    """The text blocks of a ``system`` / ``instructions`` member."""
    value = decode(raw)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(
            block if isinstance(block, str) else block["text"]
            for block in value
            if isinstance(block, str) or isinstance(block, dict) and isinstance(block.get("text"), str)
        )
    return ()


# --- small conversions ----------------------------------------------------------------------------------------------


def _arguments(value: Json) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value).decode()


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _int(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return int(value) if abs(value) < 2**53 else None


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _ms(seconds: Any) -> float | None:
    value = _float(seconds)
    return None if value is None else round(value * 1000, 3)
