"""A request's lines -> its values, each with where it comes from.

The order in which sources are asked is PRODUCT's table of metrics. What no source says stays ``None``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from lms_audit.correlate.drafts import Draft
from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Api, Json, Kind, Request, ResponseSource, Source, Status, ToolCall
from lms_audit.read.events import Answer, AnswerCall, Stats, Usage
from lms_audit.read.payload import decode

MIN_SPAN_MS = 2000
"""A rate from whole-second lines needs at least this span."""

_CALL_NAME = re.compile(r"(?:,\s*)?([^\s(),=\[\]]+)\(")
_ARGUMENT_NAME = re.compile(r"(?:,\s*)?([^\s(),=\"]+)=")
_VALUE = json.JSONDecoder()


class _Values:
    """Values of one request and their provenance; the first source that has one wins."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.provenance: dict[str, Source] = {}

    def take(self, name: str, *candidates: tuple[float | int | None, Source]) -> None:
        for value, source in candidates:
            if value is not None:
                self.values[name] = value
                self.provenance[name] = source
                return
        self.values[name] = None


def requests(drafts: Iterable[Draft]) -> tuple[Request, ...]:
    """All requests, in order of arrival, with ids that do not depend on what else the log holds."""
    drafts = tuple(drafts)
    ids = _ids(drafts)
    return tuple(_request(draft, ids) for draft in drafts)


def _ids(drafts: tuple[Draft, ...]) -> list[str]:
    """Stable ids: from time, path, model, prompt and chat id; a counter tells twins of one second apart."""
    seen: dict[str, int] = {}
    ids = []
    for draft in drafts:
        prompt = draft.prompt
        said = (prompt.count, prompt.size, prompt.system, prompt.tools, prompt.params) if prompt is not None else None
        answer = draft.run.answer if said is None else None
        chat = answer.chat_id if answer is not None else None
        text = repr((draft.first_at, draft.method, draft.path, draft.requested_model, said, chat))
        name = blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()
        count = seen[name] = seen.get(name, 0) + 1
        ids.append(name if count == 1 else f"{name}-{count}")
    return ids


def _request(draft: Draft, ids: list[str]) -> Request:
    run = draft.run
    answer = run.answer
    status = draft.status()
    values = _Values()
    _tokens(values, draft, answer)
    _times(values, draft, answer)
    text, source = _text(draft, answer)
    calls = tool_calls(answer.calls, whole=status is Status.COMPLETED) if answer is not None else ()
    calls_line = run.end.calls_line if run.end is not None and run.end.calls_line is not None else run.calls_line
    told = _calls_of_line(calls_line) if answer is None or not answer.complete else None
    if told is not None:
        calls = told
    if calls:
        values.provenance["tool_calls"] = Source.PREDICTION if run.predicted or told else Source.PACKETS
    known = told is not None or (answer is not None and status is Status.COMPLETED)
    runs_model = draft.api is not Api.OTHER
    return Request(
        id=ids[draft.number],
        session_id=None,
        received_at=draft.received_at,
        finished_at=run.ended_at,
        precise=draft.precise,
        method=draft.method,
        endpoint=draft.path.partition("?")[0] if draft.path is not None else None,
        api=draft.told_api,
        stream=_stream(draft, calls_line) if runs_model else None,
        message_count=_message_count(draft),
        requested_model=draft.requested_model,
        model=draft.tag or (answer.model if answer is not None else None),
        kind=Kind.EMBEDDING if draft.embeds else Kind.MAIN if runs_model else Kind.OTHER,
        status=status,
        finish_reason=_finish_reason(answer),
        **values.values,
        provenance=values.provenance,
        tool_calls=calls,
        tool_calls_known=known,
        response_text=text,
        response_reasoning=answer.reasoning or None if answer is not None else None,
        response_source=source,
        chat_id=answer.chat_id if answer is not None else None,
        errors=tuple(dict.fromkeys(run.errors)),
        truncated_by_log=draft.truncated,
        redacted=draft.redacted or run.redacted or (run.end is not None and run.end.redacted),
        source=draft.source(),
        prompt=draft.prompt,
        evidence=tuple(draft.evidence),
        candidates=tuple(ids[number] for number in sorted(draft.rivals)),
        timeline=draft.timeline(),
    )


def _stream(draft: Draft, calls_line: str | None) -> bool | None:
    """Whether the answer was streamed. Lines of text so far (0.2 apart) and of calls are written where it was not."""
    if draft.stream is None and draft.model_tag is not None:
        return False if calls_line is not None or draft.run.accumulated is not None else None
    return draft.stream


def _message_count(draft: Draft) -> int | None:
    prompt = draft.prompt
    if draft.embeds or draft.api in (Api.COMPLETIONS, Api.OTHER):
        return None
    if prompt is not None and prompt.list_name == "prompt":  # text: /api/v0/completions, or a rendered prompt
        return None
    if prompt is not None and prompt.list_name is not None and prompt.complete:
        # The running line counts what the server got; a pasted body may have lost messages.
        return draft.run_count if draft.run_count is not None and draft.api is Api.CHAT else prompt.count
    return draft.run_count


def _finish_reason(answer: Answer | None) -> str | None:
    if answer is None:
        return None
    return answer.finish_reason or (answer.stats.stop_reason if answer.stats is not None else None)


def _usage(answer: Answer | None) -> Usage:
    """Token counts of the answer, where they can be believed."""
    usage = answer.usage if answer is not None and answer.usage is not None else Usage()
    if not usage.input and not usage.output:  # a cancelled request says 0/0/0, whether or not its cancel is in the log
        return Usage(reasoning=usage.reasoning or None)
    return usage if usage.input != 0 else replace(usage, input=None)  # no prompt is without a token


def _tokens(values: _Values, draft: Draft, answer: Answer | None) -> None:
    usage = _usage(answer)
    stats = answer.stats if answer is not None and answer.stats is not None else Stats()
    engine, summary = None if draft.rivalled else draft.task, draft.run.summary
    total = engine.prompt_tokens if engine is not None else None
    summary_input = summary.input if summary is not None else None
    values.take(
        "input_tokens",
        (usage.input, Source.USAGE),
        (total, Source.ENGINE),
        (summary_input, Source.ENGINE),
        (stats.input, Source.STATS),
    )
    values.take(
        "output_tokens",
        (usage.output, Source.USAGE),
        (engine.eval_tokens if engine is not None else None, Source.ENGINE),
        (summary.output if summary is not None else None, Source.ENGINE),
        (stats.output, Source.STATS),
    )
    values.take("reasoning_tokens", (usage.reasoning, Source.USAGE), (stats.reasoning, Source.STATS))
    evaluated = engine.evaluated if engine is not None else None
    known_input = total if total is not None else usage.input
    cached = max(known_input - evaluated, 0) if known_input is not None and evaluated is not None else None
    values.take(
        "cached_tokens",
        (cached, Source.ENGINE),
        (engine.cache_tokens if engine is not None else None, Source.ENGINE),
        (summary.cached if summary is not None else None, Source.ENGINE),
        (usage.cached, Source.USAGE),
    )
    values.take("evaluated_tokens", (evaluated, Source.ENGINE))
    values.take("context_length", (engine.context if engine is not None else None, Source.ENGINE))
    accepted = engine.draft_accepted if engine is not None else None
    generated = engine.draft_generated if engine is not None else None
    values.take("draft_accepted", (accepted, Source.ENGINE), (stats.draft_accepted, Source.STATS))
    values.take("draft_generated", (generated, Source.ENGINE), (stats.draft_total, Source.STATS))


def _times(values: _Values, draft: Draft, answer: Answer | None) -> None:
    stats = answer.stats if answer is not None and answer.stats is not None else Stats()
    engine, summary = None if draft.rivalled else draft.task, draft.run.summary
    end = draft.run.ended_at
    start = draft.received_at if not draft.waited else None
    progress = _progress(draft)
    values.take(
        "prompt_ms", (engine.prompt_ms if engine is not None else None, Source.ENGINE), (progress, Source.CLOCK)
    )
    answering = _answering(stats, values.values["output_tokens"])
    span = _span(draft.run.first_token_at, end)
    generation = engine.eval_ms if engine is not None else None
    values.take("generation_ms", (generation, Source.ENGINE), (answering, Source.STATS), (span, Source.CLOCK))
    values.take(
        "ttft_ms",
        (stats.ttft_ms, Source.STATS),
        (summary.ttft_ms if summary is not None else None, Source.ENGINE),
        (_span(start, draft.run.first_token_at), Source.CLOCK),
    )
    values.take("elapsed_ms", (_span(start, end), Source.CLOCK))
    launched = next((engine.launched_at for engine in draft.run.tasks if engine.launched_at is not None), None)
    values.take("queue_ms", (_span(draft.running_at, launched), Source.CLOCK))
    values.take("thinking_ms", (draft.run.thinking_ms, Source.STATS))
    output = values.values["output_tokens"]
    rate = None
    if output and span is not None and span >= MIN_SPAN_MS and generation is None and answering is None:
        rate = round(output / (span / 1000), 3)
    values.take(
        "tokens_per_second",
        (engine.tokens_per_second if engine is not None else None, Source.ENGINE),
        (stats.tokens_per_second, Source.STATS),
        (summary.tokens_per_second if summary is not None else None, Source.ENGINE),
        (rate, Source.CLOCK),
    )


def _answering(stats: Stats, output: int | None) -> float | None:
    """Response time by the statistics: llama.cpp's whole time has the time to the first token in it, MLX's has not.

    Whose it is, the rate tells: llama.cpp's counts all tokens but the first, in the time behind it.
    """
    whole, ttft, rate = stats.generation_ms, stats.ttft_ms, stats.tokens_per_second
    if whole is None or ttft is None or whole < ttft:
        return whole
    if rate and output:
        without, within = rate * (whole - ttft) / 1000 - (output - 1), rate * whole / 1000 - output
        if abs(within) < abs(without):
            return whole
    return round(whole - ttft, 3)


def _progress(draft: Draft) -> float | None:
    """Time from the first to the last progress line, where no other request's lines were among them."""
    run = draft.run
    if run.progress is None or run.progress_shared:
        return None
    first, last, percent, count = run.progress
    return _span(first, last) if percent >= 100 and count >= 2 else None


def _span(start: int | None, end: int | None) -> float | None:
    return float(end - start) if start is not None and end is not None and end >= start else None


def _text(draft: Draft, answer: Answer | None) -> tuple[str | None, ResponseSource | None]:
    if answer is not None and (answer.text is not None or answer.calls or answer.reasoning):
        source = (
            ResponseSource.PREDICTION if draft.run.predicted or not draft.run.has_packets else ResponseSource.PACKETS
        )
        return answer.text or "", source
    if draft.run.accumulated is not None:
        return draft.run.accumulated, ResponseSource.ACCUMULATED
    return None, None


def tool_calls(calls: Iterable[AnswerCall], *, whole: bool) -> tuple[ToolCall, ...]:
    """Calls with their arguments parsed where they are JSON. It is no fault of a call that its answer is not whole."""
    made = (tool_call(call.id, call.name, call.arguments) for call in calls)
    return tuple(call if whole else replace(call, malformed=False) for call in made)


def _calls_of_line(line: str | None) -> tuple[ToolCall, ...] | None:
    """The calls of ``[name(arg=value, …), …]``, where every value is JSON; ``None`` where one is not."""
    if line is None or not (line.startswith("[") and line.endswith("]")):
        return None
    calls: list[ToolCall] = []
    at, end = 1, len(line) - 1
    while at < end:
        head = _CALL_NAME.match(line, at)
        if head is None:
            return None
        at = head.end()
        arguments: dict[str, Json] = {}
        while not line.startswith(")", at):
            name = _ARGUMENT_NAME.match(line, at)
            if name is None:
                return None
            try:
                _, at = _VALUE.raw_decode(line, name.end())
                arguments[name[1]] = decode(line[name.end() : at].encode("utf-8", "replace"))
            except (ValueError, RecursionError):
                return None
        at += 1
        calls.append(ToolCall(None, head[1], arguments))
    return tuple(calls) if at == end else None


def tool_call(identity: str | None, name: str, arguments: str) -> ToolCall:
    """One call; arguments that are no JSON stay the raw string. What the log has cut is not called malformed."""
    try:
        value = decode(arguments.encode("utf-8", "replace")) if arguments.strip() else {}
    except ValueError:
        return ToolCall(identity, name, arguments, malformed=CUT_MARK not in arguments)
    return ToolCall(identity, name, value)
