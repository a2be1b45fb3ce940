"""Messages, tools and system texts of all protocols, in one shape.

Never fails on a stored item: what has no known shape becomes text or media.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lms_audit.model import Call, Json, Key, Media, Message, Part, Reasoning, Result, Role, Text, Tool
from lms_audit.read.payload import MARK, as_arguments, as_text, compact, decode

_ROLES = {role.value: role for role in Role}


def message(key: Key, raw: bytes) -> Message:
    """A stored message in its one shape. Never fails: what has no known shape becomes text or media."""
    value = decode(raw)
    truncated = MARK in raw
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
        yield from (Reasoning(text) for text in reasoning_texts(item))
    elif kind.endswith("_call"):
        arguments = item.get("arguments", item.get("input", item.get("action")))
        yield Call(
            as_text(item.get("call_id")) or as_text(item.get("id")),
            as_text(item.get("name")) or kind,
            as_arguments(arguments),
        )
    elif kind.endswith("_output"):
        yield Result(as_text(item.get("call_id")), _plain(item.get("output")))
    else:
        yield from _block_parts(item)


def _message_parts(value: Mapping[str, Any], role: Role) -> Iterator[Part]:
    for name in ("reasoning_content", "reasoning"):
        if isinstance(value.get(name), str) and value[name]:
            yield Reasoning(value[name])
            break
    content = value.get("content")
    if role is Role.TOOL or (role is Role.OTHER and "tool_call_id" in value):
        yield Result(as_text(value.get("tool_call_id")), _plain(content))
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
            yield Call(
                as_text(call.get("id")), as_text(function.get("name")) or "", as_arguments(function.get("arguments"))
            )
    legacy = value.get("function_call")
    if isinstance(legacy, dict):
        yield Call(None, as_text(legacy.get("name")) or "", as_arguments(legacy.get("arguments")))


def _block_parts(block: Mapping[str, Any]) -> Iterator[Part]:
    kind = block.get("type")
    if isinstance(block.get("text"), str) and kind not in ("thinking", "reasoning"):
        yield Text(block["text"])
    elif kind in ("thinking", "reasoning"):
        yield from (Reasoning(text) for text in reasoning_texts(block))
    elif kind in ("tool_use", "function_call"):
        yield Call(
            as_text(block.get("id")),
            as_text(block.get("name")) or "",
            as_arguments(block.get("input", block.get("arguments"))),
        )
    elif kind == "tool_result":
        yield Result(as_text(block.get("tool_use_id")), _plain(block.get("content")), block.get("is_error") is True)
    else:
        yield Media(str(kind or "block"), len(compact(block)))


def reasoning_texts(block: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a reasoning block, whatever member a protocol puts them in."""
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
            yield Tool(as_text(tool.get("name")) or "", as_text(tool.get("description")) or "", None, 0)
            yield from _tools(tool["tools"] if isinstance(tool.get("tools"), list) else [])
            continue
        inner = tool.get("function")
        function: Mapping[str, Any] = inner if isinstance(inner, dict) else tool
        schema = function.get("parameters", function.get("input_schema"))
        name = as_text(function.get("name")) or as_text(tool.get("type")) or ""
        yield Tool(name, as_text(function.get("description")) or "", schema, len(compact(tool)))


def system_texts(raw: bytes) -> tuple[str, ...]:
    """The text blocks of a ``system`` / ``instructions`` member."""
    value = decode(raw)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(
            block if isinstance(block, str) else block["text"]
            for block in value
            if isinstance(block, str) or (isinstance(block, dict) and isinstance(block.get("text"), str))
        )
    return ()
