"""Small logs in LM Studio's FILE form, a conversation that grows turn by turn."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

START = datetime(2026, 11, 3, 10, 0, 0)  # noqa: DTZ001


def at(second: int) -> str:
    return f"{START + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"


def ask(second: int, messages: list[dict[str, Any]], *, model: str = "qwen", answer: str | None = "Done.") -> bytes:
    """One request that is not streamed and takes two seconds; ``answer`` ``None``: it has none yet."""
    body = json.dumps({"model": model, "messages": messages}, indent=2)
    text = (
        f"[{at(second)}][DEBUG] Received request: POST to /v1/chat/completions with body {body}\n"
        f"[{at(second)}][INFO][{model}] Running chat completion on conversation with {len(messages)} messages.\n"
    )
    if answer is not None:
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10 * len(messages), "completion_tokens": 5, "total_tokens": 10 * len(messages) + 5}
        prediction = {
            "id": f"chatcmpl-{second}",
            "object": "chat.completion",
            "created": 1_793_700_000 + second,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
        text += f"[{at(second + 2)}][INFO][{model}] Generated prediction: {json.dumps(prediction, indent=2)}\n"
    return text.encode()


def turns(count: int, *, topic: str = "boat", start: int = 0, first: int = 0, model: str = "qwen") -> bytes:
    """A conversation of so many turns, each repeating all before it; ``first``: leave out the turns before that one."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": f"You mend a {topic}."}]
    log = b""
    for turn in range(count):
        messages.append({"role": "user", "content": f"Step {turn} of the {topic}: " + "look closely. " * 20})
        if turn >= first:
            log += ask(start + 10 * turn, messages, model=model, answer=f"Step {turn} is done.")
        messages.append({"role": "assistant", "content": f"Step {turn} is done."})
    return log
