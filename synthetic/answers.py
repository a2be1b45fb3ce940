"""Answers on the wire: the deltas of a stream, and the whole object of each protocol as LM Studio logs it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synthetic.truth import Answer, Call, Truth


def written_tokens(answer: Answer) -> int:
    """Tokens an answer takes to write."""
    size = (
        len(answer.text)
        + len(answer.reasoning)
        + sum(len(call.name) + len(call.arguments) + 30 for call in answer.calls)
    )
    return max(int(size / 3.6), 1)


def reasoning_tokens(answer: Answer) -> int:
    """How many of them are reasoning."""
    return int(len(answer.reasoning) / 3.6)


def partial(answer: Answer, tokens: int) -> Answer:
    """What is there of an answer after so many tokens."""
    left = int(tokens * 3.6)
    reasoning = answer.reasoning[:left]
    return replace(answer, reasoning=reasoning, text=answer.text[: max(left - len(reasoning), 0)], calls=())


def pieces_of(text: str) -> Iterable[str]:
    """Text in pieces about as long as tokens, cut before blanks."""
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or text[end] in " \n" or end - start >= 6:
            yield text[start:end]
            start = end


def deltas_of(answer: Answer) -> Iterable[dict[str, Any]]:
    """The deltas of a stream, in LM Studio's order: reasoning, text, then each call by name and by pieces of arguments."""
    role: dict[str, Any] = {"role": "assistant"}
    for piece in pieces_of(answer.reasoning):
        yield {**role, "reasoning_content": piece}
    for piece in pieces_of(answer.text):
        yield {**role, "content": piece}
    for index, call in enumerate(answer.calls):
        head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {**role, "tool_calls": [head]}
        for piece in pieces_of(call.arguments):
            yield {"tool_calls": [{"index": index, "type": "function", "function": {"arguments": piece}}]}


def delta_choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    """A choice of a packet."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def usage_of(prompt: int, written: int, answer: Answer) -> dict[str, Any]:
    """The ``usage`` of chat completions."""
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    if answer.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning_tokens(answer)}
    return usage


def prediction(truth: Truth, created: int) -> dict[str, Any]:
    """The whole answer of chat completions."""
    message: dict[str, Any] = {"role": "assistant", "content": truth.answer.text}
    if truth.answer.reasoning:
        message["reasoning_content"] = truth.answer.reasoning
    message["tool_calls"] = [
        {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
        for call in truth.answer.calls
    ]
    return {
        "id": truth.chat_id,
        "object": "chat.completion",
        "created": created,
        "model": truth.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": truth.answer.finish_reason}],
        "usage": usage_of(truth.input_tokens or 0, truth.output_tokens or 0, truth.answer),
        "stats": {},
        "system_fingerprint": truth.model,
    }


def response_object(truth: Truth, created: int, identity: str) -> dict[str, Any]:
    """The whole answer of /v1/responses."""
    output: list[dict[str, Any]] = []
    if truth.answer.text:
        content = [{"type": "output_text", "text": truth.answer.text, "annotations": []}]
        message = {"type": "message", "id": f"msg_{identity}", "role": "assistant", "status": "completed"}
        output.append({**message, "content": content})
    output.extend(
        {
            "type": "function_call",
            "id": f"fc_{call.id}",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }
        for call in truth.answer.calls
    )
    read, written = truth.input_tokens or 0, truth.output_tokens or 0
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": created,
        "status": "completed",
        "model": truth.model,
        "output": output,
        "usage": {"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
    }


def message_object(truth: Truth, identity: str) -> dict[str, Any]:
    """The whole answer of /v1/messages."""
    content: list[dict[str, Any]] = []
    if truth.answer.text:
        content.append({"type": "text", "text": truth.answer.text})
    content.extend(
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in truth.answer.calls
    )
    return {
        "id": f"msg_{identity}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "model": truth.model,
        "stop_reason": "tool_use" if truth.answer.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": truth.input_tokens, "output_tokens": truth.output_tokens},
    }


def python_like(call: Call) -> str:
    """A call as the tool-calls line prints it: like Python, not JSON."""
    values = json.loads(call.arguments)
    return (
        f"{call.name}({', '.join(f'{key}={json.dumps(value, ensure_ascii=False)}' for key, value in values.items())})"
    )
