"""Request bodies of the tests, read as the program reads them: one JSON body -> a prompt, a library and a tree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lms_audit.correlate.conversation import PromptTree
from lms_audit.model import Key, Message, Prompt, Tool
from lms_audit.read import messages
from lms_audit.read.bodies import BodyReader
from lms_audit.read.events import Work

FILLER = "Read before you write, test what you change, and say what you did. " * 4
MARK = "... <Truncated in logs> ..."


class Shelf:
    """A library of all bodies read so far, and how often each message was asked for."""

    def __init__(self) -> None:
        self.items: dict[Key, bytes] = {}
        self.tree = PromptTree()
        self.read_messages: list[Key] = []
        self._chain: list[list[Key]] = []
        self._reader = BodyReader(self.items, Work())

    def raw(self, key: Key) -> bytes:
        return self.items[key]

    def message(self, key: Key) -> Message:
        self.read_messages.append(key)
        return messages.message(key, self.items[key])

    def tools(self, key: Key) -> tuple[Tool, ...]:
        return messages.tools(self.items[key])

    def system_texts(self, key: Key) -> tuple[str, ...]:
        return messages.system_texts(self.items[key])

    def path(self, node: int) -> list[Key]:
        return self.tree.path(node)

    def prompt(self, body: dict[str, Any]) -> Prompt:
        """The prompt of a body as LM Studio prints it."""
        text = json.dumps(body, indent=2).encode()
        read, _ = self._reader.read(text)
        kept = self._chain[read.base][: read.keep] if read.base is not None else []
        keys = [*kept, *read.fresh]
        self._chain.append(keys)
        return Prompt(
            node=self.tree.add_all(keys),
            count=len(keys),
            list_name=read.list_name,
            system=read.system,
            tools=read.tools,
            params=read.params,
            order=read.order,
            complete=read.complete,
            size=len(text),
        )


def filled(value: Any) -> Any:
    """``{filler}`` in all strings replaced by some sentences."""
    if isinstance(value, str):
        return value.replace("{filler}", FILLER)
    if isinstance(value, list):
        return [filled(item) for item in value]
    return {key: filled(item) for key, item in value.items()} if isinstance(value, dict) else value


def cut(value: Any) -> Any:
    """All strings as LM Studio logs them by default: of more than 120 UTF-16 units the first and the last 50."""
    if isinstance(value, str):
        units = value.encode("utf-16-le", "surrogatepass")
        if len(units) <= 240:
            return value
        head, tail = (part.decode("utf-16-le", "surrogatepass") for part in (units[:100], units[-100:]))
        return head + MARK + tail
    if isinstance(value, list):
        return [cut(item) for item in value]
    return {key: cut(item) for key, item in value.items()} if isinstance(value, dict) else value


def chat_tools(names: Sequence[Any]) -> list[Any]:
    """Tools of a chat completion from their names; whole tools stay as they are."""
    return [
        {"type": "function", "function": {"name": name, "description": FILLER, "parameters": {"type": "object"}}}
        if isinstance(name, str)
        else name
        for name in names
    ]
