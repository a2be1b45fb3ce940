"""Answers and tool results that only a later request's history shows.

With LM Studio's default settings a streamed answer is not in the log. The client sends it back with its next request,
so the messages that follow a request's own prompt there are its answer, and the tool results behind them are those of
its calls. Where packets or a prediction gave the answer too, the history checks the reader.

Cost: each message of the prompt tree is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.correlate.continuation import Relation
from lms_audit.correlate.threads import Threads
from lms_audit.correlate.values import tool_call
from lms_audit.model import (
    Api,
    Call,
    Key,
    Library,
    LineRange,
    Message,
    Problem,
    Reasoning,
    Request,
    ResponseSource,
    Result,
    Source,
    Status,
    Text,
    ToolCall,
)

THINK = re.compile(r"<think>.*?</think>", re.DOTALL)
CUT = re.compile(r"\.\.\. <Truncated in logs> \.\.\.")


_Open = dict[str | None, list[tuple[int, int]]]
"""Id -> the calls with it that have no result yet: request and place among its calls."""


class Recovered(Struct, frozen=True):
    """Requests with what their history adds, and the answers it contradicts."""

    requests: tuple[Request, ...]
    mismatches: tuple[Problem, ...]


class _Answer:
    """An answer as a history shows it."""

    def __init__(self, messages: Sequence[Message]) -> None:
        parts = [part for message in messages for part in message.parts]
        self.key: Key = messages[0].key
        self.text = "\n".join(part.text for part in parts if isinstance(part, Text))
        self.reasoning = "\n".join(part.text for part in parts if isinstance(part, Reasoning))
        self.calls = tuple(tool_call(part.id, part.name, part.arguments) for part in parts if isinstance(part, Call))


def recover(requests: Sequence[Request], threads: Threads, library: Library) -> Recovered:
    """Completes requests from the requests that continue them.

    What stands behind the prompt of a failed request is the client's word for it ("[Error: …]"), not its answer.
    """
    answers = {
        index: _Answer([library.message(key) for key in keys])
        for index, keys in threads.answers().items()
        if requests[index].status is not Status.ERROR
    }
    completed = [
        _complete(request, answers[index]) if index in answers else request for index, request in enumerate(requests)
    ]
    mismatches = tuple(
        problem
        for index, answer in sorted(answers.items())
        if (problem := _mismatch(requests[index], answer)) is not None
    )
    return Recovered(tuple(_paired(completed, threads, library)), mismatches)


def _complete(request: Request, answer: _Answer) -> Request:
    provenance = dict(request.provenance)
    changes: dict[str, object] = {"response_key": answer.key, "tool_calls_known": True}
    if request.response_source is None:
        changes |= {"response_text": answer.text, "response_source": ResponseSource.HISTORY}
        provenance["response_text"] = Source.HISTORY
        if answer.reasoning and request.response_reasoning is None:
            changes["response_reasoning"] = answer.reasoning
    if answer.calls and not request.tool_calls:
        changes["tool_calls"] = answer.calls
        provenance["tool_calls"] = Source.HISTORY
    return replace(request, provenance=provenance, **changes)


def _mismatch(request: Request, answer: _Answer) -> Problem | None:
    """The history says something else than the packets or the prediction did."""
    if request.response_source not in (ResponseSource.PACKETS, ResponseSource.PREDICTION):
        return None
    if request.status is not Status.COMPLETED or request.api is Api.OTHER or request.redacted:
        return None
    read, said = _plain(request.response_text or ""), _plain(answer.text)
    if not read or not said or _agree(read, said):
        return None
    where = request.source[-1] if request.source else LineRange("", 0, 0)
    return Problem(
        "answer differs from history", f"request {request.id} was answered otherwise than its successor says", where
    )


def _plain(text: str) -> str:
    return " ".join(THINK.sub("", text).split())


def _agree(read: str, said: str) -> bool:
    cut = CUT.search(said)
    if cut is not None:
        return read.startswith(said[: cut.start()].strip()[:40]) or said[: cut.start()].strip() in read
    return read == said or read in said or said in read


def _paired(requests: Sequence[Request], threads: Threads, library: Library) -> Iterator[Request]:
    """Calls with their results, by id within a thread; a result without a known id belongs to the oldest open call.

    A side request shows the results of the conversation it repeats, for which there is often no other to show them.
    """
    calls: list[list[ToolCall]] = [list(request.tool_calls) for request in requests]
    waiting: dict[int, _Open] = {}
    for index, request in enumerate(requests):
        link = threads.links[index]
        told = link.thread if link.parent is None else threads.links[link.parent].thread
        queue = waiting.get(told)
        if queue is not None and link.parent is not None:
            for message in _behind_answer(index, threads, library):
                for part in message.parts:
                    if isinstance(part, Result):
                        _answer_call(queue, link.parent, calls, part, request.id, message.key)
        if link.thread >= 0 and request.tool_calls:
            queue = waiting.setdefault(link.thread, {})
            for place, call in enumerate(request.tool_calls):
                queue.setdefault(call.id, []).append((index, place))
    for request, paired in zip(requests, calls, strict=True):
        yield request if not paired else replace(request, tool_calls=tuple(paired))


def _behind_answer(index: int, threads: Threads, library: Library) -> list[Message]:
    """Messages of a prompt after its parent's answer began; where that is not known, those its parent did not have."""
    link = threads.links[index]
    assert link.parent is not None
    leaf = threads.leaves[index]
    prompts = threads.prompts
    if link.relation is Relation.STORED:
        start = 0
    elif link.answer_after is not None:
        start = threads.talk.find(leaf, link.answer_after)
    else:
        start = prompts.meet(leaf, threads.leaves[link.parent])
    keys: list[Key] = []
    while leaf != start:
        keys.append(prompts.key(leaf))
        leaf = prompts.parent(leaf)
    return [library.message(key) for key in reversed(keys)]


def _answer_call(
    queue: _Open, parent: int, calls: list[list[ToolCall]], part: Result, request_id: str, key: Key
) -> None:
    open_calls = queue.get(part.call_id)
    if not open_calls:
        return
    # some models count their calls anew in every answer: the one just answered comes before one left open
    place = next((number for number, (asked, _) in enumerate(open_calls) if asked == parent), 0)
    index, number = open_calls.pop(place)
    calls[index][number] = replace(
        calls[index][number],
        result=part.text,
        result_is_error=part.is_error,
        result_request_id=request_id,
        result_key=key,
    )
