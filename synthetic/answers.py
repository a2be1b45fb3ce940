"""Answers on the wire: the deltas of a stream, and the whole object of each protocol as LM Studio logs it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthetic.truth import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from synthetic.truth import Truth


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


def said(deltas: Sequence[dict[str, Any]]) -> Answer:
    """What the deltas of a stream say together, should it stop there."""
    calls: list[Call] = []
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            function = call["function"]
            if "id" in call:
                calls.append(Call(call["id"], function["name"], ""))
            calls[-1] = replace(calls[-1], arguments=calls[-1].arguments + function["arguments"])
    text, reasoning = ("".join(delta.get(name, "") for delta in deltas) for name in ("content", "reasoning_content"))
    return Answer(text, reasoning, tuple(calls))


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


def v0_prediction(truth: Truth, created: int) -> dict[str, Any]:
    """The same of /api/v0: with times, ``created`` is the second of the end."""
    read_ms, write_ms, written = truth.prompt_ms or 0.0, truth.generation_ms or 0.0, truth.output_tokens or 0
    stats = {
        "tokens_per_second": (written - 1) / (write_ms / 1000) if write_ms else 0.0,
        "time_to_first_token": read_ms / 1000,
        "generation_time": (read_ms + write_ms) / 1000,
        "stop_reason": "toolCalls" if truth.answer.calls else "eosFound",
    }
    return {**prediction(truth, created), "stats": stats, "runtime": {"name": "llama.cpp"}}


def v1_answer(truth: Truth, identity: str) -> dict[str, Any]:
    """The whole answer of /api/v1/chat, which has no ``usage`` and no ``created``."""
    return {
        "model_instance_id": truth.model,
        "output": [{"type": "message", "content": truth.answer.text}],
        "stats": {
            "input_tokens": truth.input_tokens,
            "total_output_tokens": truth.output_tokens,
            "reasoning_output_tokens": 0,
            "time_to_first_token_seconds": (truth.prompt_ms or 0.0) / 1000,
        },
        "response_id": f"resp_{identity}",
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
