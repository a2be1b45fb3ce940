"""What of a request's body can tell who sent it: system texts, some user texts, tool names, parameters.

In: a ``Prompt``, the library and the prompt tree. Out: ``ClientFacts``. A request shares nearly all of its prompt with
the one before, so what a node of the tree adds is looked at once: ``FactsReader`` costs each *new* message one lookup,
and a request that adds no system or user text one dictionary entry.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Json, Key, Library, Prompt, Role, Text
from lms_audit.read.payload import decode

KEPT_UNITS = 50
"""UTF-16 units LM Studio keeps at each end of a string that it cuts."""

FIRST_SYSTEMS = 12
"""System and developer messages looked at; clients go on sending reminders as such for hours."""
FIRST_USERS = 4
"""Clients put their context into user messages, before or beside the first words of a person."""
LAST_USERS = 4

_KEPT_ITEMS = 256

_T = TypeVar("_T")


class Tree(Protocol):
    """The prompt tree, as far as it is needed here; 0 is the root."""

    def parent(self, node: int) -> int:
        """The node before ``node`` in its prompt."""

    def key(self, node: int) -> Key:
        """The message at ``node``."""


@dataclass(eq=False, slots=True)
class Block:
    """One block of text of a prompt, and what the log kept of it. ``cache`` belongs to whoever looks at it."""

    role: Role
    text: str
    """Without leading blanks."""
    cut: bool
    """LM Studio cut it: ``head`` and ``tail`` are all that is known, else both are the whole text."""
    head: str
    tail: str
    cache: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, role: Role, text: str) -> Block:
        """A block of a text as it stands in the log."""
        ends = kept_ends(text)
        text = text.lstrip(" \t\r\n\ufeff")
        if ends is None:
            return cls(role, text, False, text, text)
        return cls(role, text, True, ends[0].lstrip(" \t\r\n\ufeff"), ends[1])


@dataclass(eq=False, slots=True)
class ToolNames:
    """The names of one tool set, in the order sent."""

    names: tuple[str, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Params:
    """The members of a body that are no conversation, and the names of all its members."""

    values: dict[str, Json] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict)


class ClientFacts(Struct, frozen=True, eq=False):
    """What a body shows of its sender."""

    system: tuple[Block, ...] = ()
    """All system and developer texts, in the middle of the conversation too; whose role tells which."""
    user: tuple[Block, ...] = ()
    """Texts of the first user messages."""
    ask: tuple[Block, ...] = ()
    """Texts of the user messages nobody has answered yet: what this request asks for."""
    tools: ToolNames = ToolNames()
    params: Params = Params()

    @property
    def developer(self) -> tuple[Block, ...]:
        """The system texts sent in the developer's name."""
        return tuple(block for block in self.system if block.role is Role.DEVELOPER)


class _Trail(Struct, frozen=True):
    """What the prompt up to a node holds for ``ClientFacts``, as keys of messages."""

    systems: tuple[Key, ...] = ()
    users: tuple[Key, ...] = ()
    ask: tuple[Key, ...] = ()

    def then(self, key: Key, role: Role, has_text: bool) -> _Trail:
        """The same, one message on."""
        if role in (Role.SYSTEM, Role.DEVELOPER):
            if len(self.systems) < FIRST_SYSTEMS and key not in self.systems:
                return _Trail((*self.systems, key), self.users, self.ask)
        elif role is Role.USER:
            if has_text:
                users = (*self.users, key) if len(self.users) < FIRST_USERS else self.users
                return _Trail(self.systems, users, (*self.ask, key)[-LAST_USERS:])
        elif role in (Role.ASSISTANT, Role.TOOL) and self.ask:
            return _Trail(self.systems, self.users)
        return self


class FactsReader:
    """Facts of the requests of one run. Memory: a reference per node, and the texts of the last few hundred items."""

    def __init__(self, library: Library, tree: Tree) -> None:
        self._library = library
        self._tree = tree
        self._trails: dict[int, _Trail] = {0: _Trail()}
        self._roles: dict[Key, tuple[Role, bool]] = {}
        self._blocks: _Recent[tuple[Block, ...]] = _Recent()
        self._tools: _Recent[ToolNames] = _Recent()
        self._params: _Recent[Params] = _Recent()

    def signature(self, prompt: Prompt) -> Hashable:
        """Equal for prompts whose facts are the same."""
        return prompt.system, prompt.tools, prompt.params, prompt.order, self._trail(prompt.node)

    def facts(self, prompt: Prompt) -> ClientFacts:
        """What the body of ``prompt`` shows."""
        trail = self._trail(prompt.node)
        member = self._member_blocks(prompt.system) if prompt.system else ()
        return ClientFacts(
            system=member + self._message_blocks(trail.systems),
            user=self._message_blocks(trail.users),
            ask=self._message_blocks(trail.ask),
            tools=self._tool_names(prompt),
            params=self._parameters(prompt),
        )

    def _trail(self, node: int) -> _Trail:
        fresh = []
        while (trail := self._trails.get(node)) is None:
            fresh.append(node)
            node = self._tree.parent(node)
        for node in reversed(fresh):
            key = self._tree.key(node)
            trail = self._trails[node] = trail.then(key, *self._role(key))
        return trail

    def _role(self, key: Key) -> tuple[Role, bool]:
        known = self._roles.get(key)
        if known is None:
            try:
                message = self._library.message(key)
                known = message.role, any(isinstance(part, Text) and part.text for part in message.parts)
            except KeyError:
                known = Role.OTHER, False
            self._roles[key] = known
        return known

    def _message_blocks(self, keys: tuple[Key, ...]) -> tuple[Block, ...]:
        return tuple(block for key in keys for block in self._blocks.get(key, self._read_message))

    def _read_message(self, key: Key) -> tuple[Block, ...]:
        message = self._library.message(key)
        texts = (part.text for part in message.parts if isinstance(part, Text))
        return tuple(Block.of(message.role, text) for text in texts if text)

    def _member_blocks(self, key: Key) -> tuple[Block, ...]:
        return self._blocks.get((key, "system"), self._read_member)

    def _read_member(self, key: tuple[Key, str]) -> tuple[Block, ...]:
        try:
            texts = self._library.system_texts(key[0])
        except KeyError:
            return ()
        return tuple(Block.of(Role.SYSTEM, text) for text in texts if text)

    def _tool_names(self, prompt: Prompt) -> ToolNames:
        return self._tools.get(prompt.tools, self._read_tools) if prompt.tools else ToolNames()

    def _read_tools(self, key: Key) -> ToolNames:
        try:
            return ToolNames(tuple(tool.name for tool in self._library.tools(key) if tool.name))
        except KeyError:
            return ToolNames()

    def _parameters(self, prompt: Prompt) -> Params:
        return self._params.get((prompt.params, prompt.order), self._read_params)

    def _read_params(self, place: tuple[Key | None, tuple[str, ...]]) -> Params:
        key, order = place
        try:
            values = decode(self._library.raw(key)) if key else {}
        except (KeyError, ValueError):
            values = {}
        values = values if isinstance(values, dict) else {}
        return Params(values, order or tuple(values))


class _Recent(OrderedDict[Any, _T]):
    """The items looked at last, up to a number."""

    def get(self, key: Any, read: Callable[[Any], _T]) -> _T:  # type: ignore[override]
        item = super().get(key)
        if item is None:
            item = self[key] = read(key)
            if len(self) > _KEPT_ITEMS:
                self.popitem(last=False)
        else:
            self.move_to_end(key)
        return item


def kept_ends(text: str) -> tuple[str, str] | None:
    """Head and tail of a text that LM Studio cut; ``None`` for a whole one, also if a person wrote the mark into it."""
    if len(text) > 2 * KEPT_UNITS + len(CUT_MARK) or CUT_MARK not in text:
        return None
    head, _, tail = text.partition(CUT_MARK)
    # A pair of surrogates cut in two may have been read as one or two replacement characters.
    return (head, tail) if all(abs(_units(end) - KEPT_UNITS) <= 1 for end in (head, tail)) else None


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)
