"""Prompts as paths in a tree, and what makes two messages the same thing said.

In: the keys of a prompt's messages, and the messages themselves (``model.Library``). Out: ``PromptTree``, in which a
prompt that extends another shares its nodes, and ``Said``, what of a message identifies a conversation.

Cost: adding a message and its parent node is one dictionary lookup; a node costs four integers and a dictionary entry;
ancestors are found in O(log depth) steps by jump pointers (Myers' skew-binary lists). Each distinct message is read
from the library once.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from hashlib import blake2b

from msgspec import Struct

from lms_audit.correlate.words import cut_ends, without_reminders
from lms_audit.model import Call, Key, Library, Media, Message, Result, Role, Text

_SHIFT = 32


class PromptTree:
    """All prompts of a run: every node is one message after the messages of its parent. Node 0 is the empty prompt."""

    __slots__ = ("_depth", "_jump", "_key_numbers", "_keys", "_message", "_nodes", "_parent")

    def __init__(self) -> None:
        self._keys: list[Key] = [""]
        self._key_numbers: dict[Key, int] = {}
        # parent node and number of the key, packed into one integer: half the memory of a tuple
        self._nodes: dict[int, int] = {}
        self._parent = array("I", [0])
        self._message = array("I", [0])
        self._depth = array("I", [0])
        self._jump = array("I", [0])

    def __len__(self) -> int:
        """Number of nodes, the root included."""
        return len(self._parent)

    def add(self, parent_node: int, key: Key) -> int:
        """The node of message ``key`` after ``parent_node``; made where it is new."""
        number = self._key_numbers.get(key)
        if number is None:
            number = self._key_numbers[key] = len(self._keys)
            self._keys.append(key)
        packed = parent_node << _SHIFT | number
        node = self._nodes.get(packed)
        if node is None:
            node = self._nodes[packed] = len(self._parent)
            depth, jump = self._depth, self._jump
            near = jump[parent_node]
            far = jump[near]
            level = depth[parent_node] - depth[near] == depth[near] - depth[far]
            jump.append(far if level else parent_node)
            self._parent.append(parent_node)
            self._message.append(number)
            depth.append(depth[parent_node] + 1)
        return node

    def add_all(self, keys: Iterable[Key], parent_node: int = 0) -> int:
        """The node of a whole prompt."""
        for key in keys:
            parent_node = self.add(parent_node, key)
        return parent_node

    def depth(self, node: int) -> int:
        """Messages from the root to ``node``."""
        return self._depth[node]

    def key(self, node: int) -> Key:
        """The message at ``node``; empty for the root."""
        return self._keys[self._message[node]]

    def parent(self, node: int) -> int:
        """The node of all messages but the last. The root is its own parent."""
        return self._parent[node]

    def path(self, node: int) -> list[Key]:
        """The messages from the root to ``node``, in order."""
        keys = []
        while node:
            keys.append(self._keys[self._message[node]])
            node = self._parent[node]
        keys.reverse()
        return keys

    def ancestor(self, node: int, depth: int) -> int:
        """The node on the way to ``node`` that is ``depth`` messages deep; ``node`` itself where it is no deeper."""
        while self._depth[node] > depth:
            jump = self._jump[node]
            node = jump if self._depth[jump] >= depth else self._parent[node]
        return node

    def meet(self, a: int, b: int) -> int:
        """The deepest node that both prompts pass through."""
        a = self.ancestor(a, self._depth[b])
        b = self.ancestor(b, self._depth[a])
        while a != b:
            # at one depth both jump equally far, so a common jump target may be too high but never too low
            if self._jump[a] != self._jump[b]:
                a, b = self._jump[a], self._jump[b]
            else:
                a, b = self._parent[a], self._parent[b]
        return a

    def common(self, a: int, b: int) -> int:
        """How many messages two prompts have in common from their start."""
        return self._depth[self.meet(a, b)]


# --- what a message says ---------------------------------------------------------------------------------------------

_AGENT_TOOL = re.compile(r"task|agent|delegate|spawn|subtask", re.IGNORECASE)
"""Names of tools that start another conversation: ``task``, ``Agent``, ``new_task``, ``spawn_agent`` …"""

_THINK = re.compile(r"<think>.*?</think>", re.DOTALL)

_TELLING_LENGTH = 80
"""An answer this long is not given twice by chance."""

_LAST_PART = re.compile(r"[A-Za-z0-9]*$")

_EXAMPLE_TURNS = 7
"""Turns that Aider's fixed examples, repository map and file lists can make before anybody has spoken."""


class Said(Struct, frozen=True):
    """What of a message identifies a conversation, whatever the client did to the message on the way."""

    key: Key | None
    """Identity; ``None`` for what is not part of the talk: system and developer messages, reasoning, reminders."""
    role: Role
    text: str = ""
    """What is written in it, as LM Studio would cut it."""
    telling: bool = False
    """An answer long enough to identify the conversation it was given in."""
    call_ids: tuple[str, ...] = ()
    """Ids of its tool calls that look random, so that they identify the conversation too."""
    spawns: tuple[Call, ...] = ()
    """Calls that may start another conversation."""


def identity(message: Message) -> Key | None:
    """Key of what a message says. Messages that a client re-sends in another shape keep it.

    Not part of it: cache marks, block or string form, null or missing content, reasoning (clients drop it from old
    turns), ids of tool calls, reminders put into a message and taken out again. ``None``: says nothing, or is not
    part of the talk.
    """
    if message.role in (Role.SYSTEM, Role.DEVELOPER):
        return None
    # a reminder beside tool results turns Anthropic's tool message into a user message: only two sides count
    digest = blake2b(b"assistant" if message.role is Role.ASSISTANT else b"client", digest_size=16)
    empty = True
    for part in message.parts:
        match part:
            case Text(text):
                if message.role is Role.ASSISTANT and "<think>" in text:
                    text = _THINK.sub("", text)
                fields = ("text", without_reminders(text))
                if not fields[1]:
                    continue
            case Call(_, name, arguments):
                fields = ("call", f"{len(name)} {name}{arguments}")
            case Result(_, text):
                fields = ("result", without_reminders(text))
            case Media(kind, size):
                fields = ("media", f"{kind} {size}")
            case _:
                continue
        empty = False
        value = fields[1].encode("utf-8", "surrogatepass")
        digest.update(b"\0%s %d " % (fields[0].encode(), len(value)))
        digest.update(value)
    return None if empty else digest.hexdigest()


def said(message: Message) -> Said:
    """All that threads need to know of a message."""
    key = identity(message)
    if message.role in (Role.SYSTEM, Role.DEVELOPER):
        return Said(None, message.role)
    text = cut_ends("\n".join(part.text for part in message.parts if isinstance(part, Text | Result)))
    if message.role is not Role.ASSISTANT:
        return Said(key, message.role, text)
    calls = [part for part in message.parts if isinstance(part, Call)]
    return Said(
        key,
        message.role,
        text,
        telling=len(text) >= _TELLING_LENGTH,
        call_ids=tuple(call.id for call in calls if call.id and _is_random(call.id)),
        spawns=spawning(calls),
    )


def _is_random(call_id: str) -> bool:
    """``365174485``, ``call_x7Kq…`` and ``toolu_01A9…`` are made once; ``call_1`` and ``functions.bash:0`` are not."""
    last = _LAST_PART.search(call_id)
    return last is not None and len(last[0]) >= 8 and len(set(last[0])) >= 4


def spawning(calls: Iterable[Call]) -> tuple[Call, ...]:
    """The calls that may start another conversation."""
    return tuple(call for call in calls if _AGENT_TOOL.search(call.name))


class Talk:
    """The second tree: conversations by what was said, beside the tree of prompts exactly as sent.

    System and developer messages have no node, so a changed system prompt leaves the path of a conversation alone.
    """

    __slots__ = ("_called", "_library", "_node_of", "_prompts", "_said", "_turns", "tree")

    def __init__(self, prompts: PromptTree, library: Library) -> None:
        self.tree = PromptTree()
        self._prompts = prompts
        self._library = library
        self._said: dict[Key, Said] = {}
        self._node_of: dict[int, int] = {0: 0}
        self._turns = array("I", [0])
        self._called = bytearray(1)

    def said(self, key: Key) -> Said:
        """What a stored message says."""
        known = self._said.get(key)
        if known is None:
            known = self._said[key] = said(self._library.message(key))
        return known

    def place(self, leaf: int) -> tuple[int, list[int]]:
        """Where a prompt ends in the talk, and its prompt nodes not met before, last message first."""
        new = []
        node = leaf
        while node not in self._node_of:
            new.append(node)
            node = self._prompts.parent(node)
        talk = self._node_of[node]
        for node in reversed(new):
            what = self.said(self._prompts.key(node))
            if what.key is not None:
                talk = self._add(talk, what.key, what.role, called=bool(what.call_ids))
            self._node_of[node] = talk
        if not talk and leaf:
            # nothing but system messages: the last of them stands for the talk
            talk = self._add(0, f"only {self._prompts.key(leaf)}", Role.SYSTEM, called=False)
        return talk, new

    def _add(self, after: int, key: Key, role: Role, *, called: bool) -> int:
        node = self.tree.add(after, key)
        if node == len(self._turns):
            # odd after the assistant, even after anybody else
            turn = self._turns[after]
            self._turns.append(turn + (turn & 1 != (role is Role.ASSISTANT)))
            self._called.append(called or self._called[after])
        return node

    def turns(self, node: int) -> int:
        """How many times the assistant has spoken up to here; messages in a row are one turn."""
        return (self._turns[node] + 1) // 2

    def answered_last(self, node: int) -> bool:
        """The last to speak was the assistant."""
        return bool(self._turns[node] & 1)

    def lived(self, node: int) -> bool:
        """A conversation has happened up to here, more than the examples some clients put in front of every prompt."""
        return bool(self._called[node]) or self.turns(node) > _EXAMPLE_TURNS

    def find(self, leaf: int, depth: int) -> int:
        """In the prompt that ends at ``leaf``: the node of its ``depth``-th message that is part of the talk."""
        low, high = 0, self._prompts.depth(leaf)
        while low < high:
            middle = (low + high) // 2
            if self.tree.depth(self._node_of[self._prompts.ancestor(leaf, middle)]) >= depth:
                high = middle
            else:
                low = middle + 1
        return self._prompts.ancestor(leaf, low)
