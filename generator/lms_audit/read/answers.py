"""Answers: predictions, packets and responses of all protocols, in one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from lms_audit.read.events import Answer, AnswerCall, Stats, Usage
from lms_audit.read.messages import reasoning_texts
from lms_audit.read.payload import as_arguments, as_count, as_float, as_ms, as_text, first, salvage


def answer(raw: bytes) -> Answer | None:
    """The answer an object of any protocol gives; ``None`` where nothing of it can be read."""
    try:
        value = msgspec.json.decode(raw)
        complete = True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, complete = salvage(raw)
    return answer_of(value, complete=complete) if isinstance(value, dict) else None


def answer_of(value: Mapping[str, Any], *, complete: bool = True) -> Answer:
    """The answer in an object: chat completion or chunk, completion, Anthropic message, response, /api/v1/chat."""
    pieces = _Pieces()
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):  # the others are alternatives to it, not more text
            pieces.choice(choice)
    for name in ("content", "output"):  # Anthropic message; response and /api/v1/chat
        blocks = value.get(name)
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                pieces.block(block)
    usage = value.get("usage")
    stats = value.get("stats")
    finish = pieces.finish or as_text(value.get("stop_reason"))
    if finish is None and value.get("object") == "response":
        finish = as_text(value.get("status"))
    return Answer(
        chat_id=as_text(value.get("id")) or as_text(value.get("response_id")),
        object=as_text(value.get("object")) or as_text(value.get("type")),
        created=as_count(value.get("created")) or as_count(value.get("created_at")),
        model=as_text(value.get("model")) or as_text(value.get("model_instance_id")),
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
        self.finish = as_text(choice.get("finish_reason")) or self.finish
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
                arguments = as_arguments(function.get("arguments"))
                index = as_count(call.get("index")) if "delta" in choice else None
                self.calls.append(
                    AnswerCall(as_text(call.get("id")), as_text(function.get("name")) or "", arguments, index)
                )
        legacy = message.get("function_call")
        if isinstance(legacy, dict):
            index = 0 if "delta" in choice else None
            arguments = as_arguments(legacy.get("arguments"))
            self.calls.append(AnswerCall(None, as_text(legacy.get("name")) or "", arguments, index))

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
            self.reasonings.extend(reasoning_texts(block))
        elif kind in ("tool_use", "function_call", "custom_tool_call", "tool_call"):
            arguments = block.get("arguments", block.get("input"))
            identity = as_text(block.get("call_id")) or as_text(block.get("id"))
            self.calls.append(
                AnswerCall(
                    identity, as_text(block.get("name")) or as_text(block.get("tool")) or "", as_arguments(arguments)
                )
            )


def without_old_count(answer: Answer) -> Answer:
    """An answer of 0.2, which gave 0 as the size of the prompt, and later the size of the completion once more."""
    usage = answer.usage
    if usage is None or (usage.input and usage.output not in (None, usage.input)):
        return answer
    return replace(answer, usage=Usage(output=usage.output, reasoning=usage.reasoning))


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Token counts under OpenAI's and Anthropic's names."""
    output = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    given = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached = as_count(given.get("cached_tokens")) if isinstance(given, dict) else None
    return Usage(
        input=as_count(first(usage, "prompt_tokens", "input_tokens")),
        output=as_count(first(usage, "completion_tokens", "output_tokens")),
        reasoning=as_count(output.get("reasoning_tokens")) if isinstance(output, dict) else None,
        cached=cached,
        total=as_count(usage.get("total_tokens")),
    )


def stats_of(stats: Mapping[str, Any], usage: Any = None) -> Stats:
    """LM Studio's statistics under the names of /api/v0, /api/v1 and the SDK. Times become milliseconds."""
    seconds = first(stats, "time_to_first_token", "time_to_first_token_seconds", "timeToFirstTokenSec")
    total = first(stats, "generation_time", "totalTimeSec")
    usage = usage if isinstance(usage, dict) else {}
    return Stats(
        tokens_per_second=as_float(first(stats, "tokens_per_second", "tokensPerSecond")),
        ttft_ms=as_ms(seconds),
        generation_ms=as_ms(total),
        input=as_count(first(stats, "input_tokens", "promptTokensCount")),
        output=as_count(first(stats, "total_output_tokens", "predictedTokensCount")),
        reasoning=as_count(stats.get("reasoning_output_tokens")),
        stop_reason=as_text(first(stats, "stop_reason", "stopReason")),
        draft_total=as_count(first({**usage, **stats}, "total_draft_tokens_count", "totalDraftTokensCount")),
        draft_accepted=as_count(first({**usage, **stats}, "accepted_draft_tokens_count", "acceptedDraftTokensCount")),
    )
