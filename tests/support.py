"""Small hand-made worlds for tests of correlation: a library in a dictionary and requests with prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.sessions import Sessions, sessions
from lms_audit.correlate.threads import Threads, threads
from lms_audit.model import Api, Entry, Json, Key, Kind, Message, Prompt, Request, Session, Status, Tool
from lms_audit.read import messages as shapes
from lms_audit.read.payload import compact, item_key

MARK = "... <Truncated in logs> ..."
SECOND = 1000
MINUTE = 60 * SECOND
MONDAY = 1_770_000_000_000


def cut(text: str) -> str:
    """A string as LM Studio's default log shows it."""
    return text if len(text) <= 120 else text[:50] + MARK + text[-50:]


def cut_all(value: Json) -> Json:
    """A whole JSON value as LM Studio's default log shows it."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list):
        return [cut_all(each) for each in value]
    if isinstance(value, dict):
        return {name: cut_all(each) for name, each in value.items()}
    return value


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def user(text: Json) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Json, *calls: dict[str, Any], **more: Json) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    return message | {"tool_calls": list(calls)} if calls else message


def call(call_id: str, name: str, **arguments: Json) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": compact(arguments).decode()},
    }


def result(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


class FakeLibrary:
    """``model.Library`` in a dictionary; counts how often a message is read."""

    def __init__(self) -> None:
        self.items: dict[Key, bytes] = {}
        self.tree = PromptTree()
        self.messages_read = 0

    def put(self, value: Json) -> Key:
        key = item_key(value)
        self.items.setdefault(key, compact(value))
        return key

    def raw(self, key: Key) -> bytes:
        return self.items[key]

    def message(self, key: Key) -> Message:
        self.messages_read += 1
        return shapes.message(key, self.items[key])

    def tools(self, key: Key) -> tuple[Tool, ...]:
        return shapes.tools(self.items[key])

    def system_texts(self, key: Key) -> tuple[str, ...]:
        return shapes.system_texts(self.items[key])

    def path(self, node: int) -> list[Key]:
        return self.tree.path(node)


class World:
    """Requests in order of arrival. Each begins ten seconds after the last and takes five, unless told otherwise."""

    def __init__(self) -> None:
        self.library = FakeLibrary()
        self.requests: list[Request] = []
        self.now = MONDAY

    def send(
        self,
        messages: Sequence[Json] | None,
        *,
        after: int = 10 * SECOND,
        takes: int | None = 5 * SECOND,
        tools: Sequence[str] | None = ("bash", "edit"),
        params: Json = None,
        system_member: Json = None,
        complete: bool = True,
        **fields: Any,
    ) -> str:
        """Add a request; returns its id. ``after`` is counted from the arrival of the one before it."""
        self.now += after
        prompt = None
        if messages is not None:
            prompt = Prompt(
                node=self.library.tree.add_all(self.library.put(message) for message in messages),
                count=len(messages),
                list_name="messages",
                system=None if system_member is None else self.library.put(system_member),
                tools=None if tools is None else self.library.put([{"name": name} for name in tools]),
                params=None if params is None else self.library.put(params),
                complete=complete,
            )
        values: dict[str, Any] = {
            "id": f"r{len(self.requests)}",
            "session_id": None,
            "received_at": self.now,
            "finished_at": None if takes is None else self.now + takes,
            "method": "POST",
            "endpoint": "/v1/chat/completions",
            "api": Api.CHAT,
            "stream": True,
            "message_count": None if messages is None else len(messages),
            "requested_model": "qwen",
            "model": "qwen",
            "client": "opencode",
            "kind": Kind.MAIN,
            "status": Status.COMPLETED,
            "prompt": prompt,
        }
        request = Request(**values | fields)
        self.requests.append(request)
        return request.id

    def threads(self) -> Threads:
        return threads(self.requests, self.library.tree, self.library)

    def sessions(self) -> Sessions:
        return sessions(self.requests, self.threads(), self.library)

    def grouped(self) -> list[list[str]]:
        """The ids of each session's requests."""
        return [list(session.request_ids) for session in self.sessions().sessions]

    def session_of(self, request_id: str) -> Session:
        return next(each for each in self.sessions().sessions if request_id in each.request_ids)

    def request(self, request_id: str) -> Request:
        return next(each for each in self.sessions().requests if each.id == request_id)

    def conversation(self, request_id: str) -> tuple[Entry, ...]:
        links = self.threads()
        made = sessions(self.requests, links, self.library)
        found = next(each for each in made.sessions if request_id in each.request_ids)
        return conversations(made.requests, made.sessions, links)[found.id]
