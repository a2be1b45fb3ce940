"""Logs as lists of records, so that tests can cut, split, repeat and interleave them, and what was made of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from lms_audit.correlate.requests import gather
from lms_audit.correlate.values import requests
from lms_audit.model import Request
from lms_audit.read.digest import digest_chunks
from lms_audit.read.events import FileDigest
from lms_audit.read.join import Joined, join

DAY = datetime(2026, 3, 4, 10, 0, 0)  # noqa: DTZ001
EPOCH = 1_772_618_400
MODEL = "maker/teapot-8b"
NAME = "2026-03/2026-03-04.{}.log"

Records = list[bytes]


def record(second: int, text: str, tag: str | None = MODEL, *, level: str = "INFO") -> bytes:
    """One record in the FILE form."""
    tags = f"[{tag}]" if tag is not None else ""
    blank = "" if text.startswith("[") else " "
    return f"[{DAY + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}][{level}]{tags}{blank}{text}\n".encode()


def debug(second: int, text: str) -> bytes:
    return record(second, text, None, level="DEBUG")


def printed(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def received(second: int, body: Any, *, path: str = "/v1/chat/completions") -> bytes:
    return debug(second, f"Received request: POST to {path} with body {printed(body)}")


def talk(turns: int, topic: str = "tea") -> list[dict[str, Any]]:
    """The messages of a conversation that waits for its next answer."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": f"You know all about {topic}."}]
    for turn in range(turns):
        if turn:
            messages.append({"role": "assistant", "content": f"{topic}: answer {turn - 1}"})
        messages.append({"role": "user", "content": f"{topic}: question {turn} 🫖"})
    return messages


def packet(second: int, chat: str, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    value = {
        "id": chat,
        "object": "chat.completion.chunk",
        "created": EPOCH + second,
        "model": MODEL,
        "choices": choices,
        **more,
    }
    return record(second, f"Generated packet: {printed(value)}")


def prediction(second: int, chat: str, text: str, *, started: int, prompt: int = 40, output: int = 7) -> bytes:
    value = {
        "id": chat,
        "object": "chat.completion",
        "created": EPOCH + started,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output},
    }
    return record(second, f"Generated prediction: {printed(value)}")


def timing(second: int, slot: int, task: int, *, prompt: int = 30, output: int = 7, split: bool = False) -> Records:
    """A timing block as spring 2026 prints it, in one record or in two."""
    head = f"slot print_timing: id {slot} | task {task} | "
    rows = (
        f"prompt eval time =     300.00 ms /    {prompt} tokens (   10.00 ms per token,   100.00 tokens per second)\n"
        f"       eval time =     140.00 ms /     {output} tokens (   20.00 ms per token,    50.00 tokens per second)\n"
        f"      total time =     440.00 ms /    {prompt + output} tokens"
    )
    if split:
        return [debug(second, head), debug(second, rows)]
    return [debug(second, f"{head}\n{rows}")]


def launch(second: int, slot: int, task: int, *, prompt: int = 40, cached: int = 10) -> bytes:
    ids = f"id {slot} | task {task} |"
    return debug(
        second,
        f"slot launch_slot_: {ids} processing task, is_child = 0\n"
        f"slot update_slots: {ids} new prompt, n_ctx_slot = 8192, n_keep = 0, task.n_tokens = {prompt}\n"
        f"slot update_slots: {ids} n_tokens = {cached}, memory_seq_rm [{cached}, end)",
    )


def streamed(second: int, turns: int, *, topic: str = "tea", task: int = 0, packets: bool = True, chat: str) -> Records:
    """A streamed request of six seconds, with the engine's lines."""
    messages = talk(turns, topic)
    found = [
        received(second, {"model": MODEL, "messages": messages, "stream": True}),
        record(second, f"Running chat completion on conversation with {len(messages)} messages."),
        record(second, "Streaming response..."),
        launch(second, task % 4, task, prompt=40 + turns, cached=10),
        record(second, "Prompt processing progress: 0.0%"),
        record(second + 2, "Prompt processing progress: 100.0%"),
    ]
    if packets:
        found += [
            packet(second + 2, chat, {"role": "assistant", "content": f"{topic}: "}),
            packet(second + 3, chat, {"content": f"answer {turns - 1}"}),
            packet(second + 4, chat, {}, "stop"),
        ]
    found += timing(second + 5, task % 4, task, prompt=30 + turns)
    release = f"slot release: id {task % 4} | task {task} | stop processing: n_tokens = {47 + turns}, truncated = 0"
    return [*found, debug(second + 5, release), record(second + 6, "Finished streaming response")]


def whole(second: int, turns: int, *, topic: str = "tea", chat: str) -> Records:
    """A request of four seconds that is not streamed."""
    messages = talk(turns, topic)
    return [
        received(second, {"model": MODEL, "messages": messages}),
        record(second, f"Running chat completion on conversation with {len(messages)} messages."),
        record(second + 4, "Model generated tool calls: []"),
        prediction(second + 4, chat, f"{topic}: answer {turns - 1}", started=second),
    ]


def anthropic(second: int, turns: int, *, topic: str = "tea", chat: str) -> Records:
    messages = talk(turns, topic)[1:]
    body = {"model": "claude-tea", "system": "Pour.", "messages": messages, "stream": True}
    count = len(messages)
    return [
        received(second, body, path="/v1/messages?beta=true"),
        record(second, f"Running Anthropic messages API on conversation with {count} messages."),
        record(second, "Streaming Anthropic response..."),
        record(second + 3, "Finished streaming Anthropic response"),
    ]


def cancelled(second: int, turns: int, *, topic: str = "tea", chat: str) -> Records:
    found = streamed(second, turns, topic=topic, packets=False, chat=chat)[:6]
    why = "(If the model is busy processing the prompt, it will finish first.)"
    hangup = f"Client disconnected. Stopping generation... {why}"
    return [*found, record(second + 5, hangup, "LM STUDIO SERVER")]


NOISE = (
    ("[LMSAuthenticator][Client=lms-cli][Endpoint=listLoaded] Listing loaded models", "INFO"),
    ("[Plugin(maker/spoon)] stderr: all is well", "ERROR"),
    ("srv  log_server_r: done request", "DEBUG"),
    ("[cache_wrapper][INFO]: Prompt cache: using 10/40 tokens from cache", "DEBUG"),
    ("A line nobody knows, said by 水 and 🫖", "INFO"),
    ("Unloading model maker/other due to idle TTL", "INFO"),
    ("", "INFO"),
)


def noise(second: int, which: int) -> Records:
    text, level = NOISE[which % len(NOISE)]
    return [record(second, text, None, level=level)]


def poll(second: int) -> Records:
    return [debug(second, "Received request: GET to /v1/models"), record(second, 'Returning {\n  "data": []\n}', None)]


@st.composite
def logs(draw: st.DrawFn, *, exchanges: int = 5) -> Records:
    """Records of requests one after the other, with noise among them."""
    found: Records = []
    second, turns = 0, 0
    for number in range(draw(st.integers(1, exchanges))):
        turns = draw(st.sampled_from((turns + 1, 1)))
        chat = f"chatcmpl-{number}"
        kind = draw(st.sampled_from(("streamed", "plain", "whole", "anthropic", "cancelled", "poll", "noise")))
        if kind == "streamed":
            found += streamed(second, turns, task=10 * number, chat=chat)
        elif kind == "plain":
            found += streamed(second, turns, task=10 * number, packets=False, chat=chat)
        elif kind == "poll":
            found += poll(second)
        elif kind == "noise":
            found += noise(second, draw(st.integers(0, len(NOISE) - 1)))
        else:
            make = {"whole": whole, "anthropic": anthropic, "cancelled": cancelled}[kind]
            found += make(second, turns, chat=chat)
        second += draw(st.integers(8, 30))
    return found


# --- what was made of them


def digested(data: bytes, number: int = 1) -> FileDigest:
    return digest_chunks([data], NAME.format(number))


Facts = dict[str, Any]
WITHOUT = ("timeline", "source", "id", "candidates")
"""What names lines and other requests; a run of packets that comes in two pieces stands in the timeline twice."""


def facts(joined: Joined, *, without: tuple[str, ...] = WITHOUT) -> list[Facts]:
    """All requests of a log, prompts as lists of keys."""
    gathered = gather(joined.stretches)
    return [_facts(request, gathered.tree.path, without) for request in requests(gathered.drafts)]


def _facts(request: Request, path: Any, without: tuple[str, ...]) -> Facts:
    found: Facts = msgspec.to_builtins(request)
    if request.prompt is not None:
        found["prompt"] = msgspec.to_builtins(request.prompt) | {"node": path(request.prompt.node)}
    return {name: value for name, value in found.items() if name not in without}


def read(*files: bytes) -> Joined:
    """Files of one log, in order."""
    return join([digested(data, number) for number, data in enumerate(files, 1)])
