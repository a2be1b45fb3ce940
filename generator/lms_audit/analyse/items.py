"""What analysis keeps of each distinct message, and the part of the prompt tree that requests use.

In: the library and the prompt tree. Out: ``Item`` per message key, read once, without its texts; ``Prompts`` with its
nodes in an order in which a parent stands before its children. Cost: each distinct message is looked up once, each node
of the tree visited once, however often it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.words import one_line, person_text
from lms_audit.model import Call, Key, Library, Media, Message, Part, Reasoning, Request, Result, Role, Text

PREVIEW = 160
NEAR = 64
"""How far up a prompt the call of a result is looked for: results follow their calls, at most a few dozen at once."""

_KIND = {
    Role.SYSTEM: "system",
    Role.DEVELOPER: "developer",
    Role.USER: "user",
    Role.ASSISTANT: "assistant",
    Role.TOOL: "tool: unknown",
    Role.OTHER: "other",
}


class Piece(Struct, frozen=True):
    """A part of a message by kind and size."""

    kind: str
    """``user``, ``assistant``, ``reasoning``, ``tool calls``, ``media`` …; ``result`` still needs its tool's name."""
    bytes: int
    call_id: str | None = None


class Item(Struct, frozen=True):
    """A distinct message without its texts."""

    role: Role
    size: int
    pieces: tuple[Piece, ...]
    """Their bytes add up to ``size``."""
    calls: dict[str, str]
    """Call id -> tool name."""
    has_results: bool
    has_words: bool
    """Words of a user outside the blocks clients add."""
    preview: str
    truncated: bool


def text_bytes(text: str) -> int:
    """Length in UTF-8; half a surrogate pair, left by shortening, counts as three."""
    return len(text.encode("utf-8", "surrogatepass"))


def _piece_kind(part: Part, role: Role) -> tuple[str, int, str | None]:
    match part:
        case Text(text):
            return _KIND[role], text_bytes(text), None
        case Reasoning(text):
            return "reasoning", text_bytes(text), None
        case Call(_, name, arguments):
            return "tool calls", text_bytes(name) + text_bytes(arguments), None
        case Result(call_id, text):
            return "result", text_bytes(text), call_id
        case Media(_, size):
            return "media", size, None


def _pieces(message: Message) -> tuple[Piece, ...]:
    """The message's bytes shared out to its parts in proportion to their texts; the rest goes to the first."""
    parts = [_piece_kind(part, message.role) for part in message.parts]
    total = sum(length for _, length, _ in parts)
    if not total:
        kind, _, call_id = parts[0] if parts else (_KIND[message.role], 0, None)
        return (Piece(kind, message.size, call_id),)
    sizes = [message.size * length // total for _, length, _ in parts]
    sizes[0] += message.size - sum(sizes)
    return tuple(Piece(kind, size, call_id) for (kind, _, call_id), size in zip(parts, sizes, strict=True))


def _preview(parts: Sequence[Part]) -> str:
    for part in parts:
        if isinstance(part, Text | Reasoning | Result) and part.text.strip():
            return one_line(part.text, PREVIEW)
    for part in parts:
        if isinstance(part, Call):
            return one_line(f"{part.name} {part.arguments}", PREVIEW)
        if isinstance(part, Media):
            return f"({one_line(part.media_type, 40)})"
    return ""


def item_of(message: Message) -> Item:
    """What is kept of a message."""
    return Item(
        role=message.role,
        size=message.size,
        pieces=_pieces(message),
        calls={part.id: part.name for part in message.parts if isinstance(part, Call) and part.id is not None},
        has_results=any(isinstance(part, Result) for part in message.parts),
        has_words=message.role is Role.USER
        and any(isinstance(part, Text) and bool(person_text(part.text)) for part in message.parts),
        preview=_preview(message.parts),
        truncated=message.truncated,
    )


class Prompts:
    """Messages and prompt nodes in use, each looked at once."""

    def __init__(self, tree: PromptTree, library: Library, requests: Iterable[Request]) -> None:
        self.tree = tree
        self.library = library
        self._items: dict[Key, Item] = {}
        self._sizes: dict[Key, int] = {}
        used: set[int] = set()
        for request in requests:
            node = request.prompt.node if request.prompt else 0
            while node and node not in used:
                used.add(node)
                node = tree.parent(node)
        self.nodes = sorted(used)
        """Parents before children."""
        self._bytes_to: dict[int, int] = {0: 0}
        for node in self.nodes:
            self._bytes_to[node] = self._bytes_to[tree.parent(node)] + self.item(tree.key(node)).size

    def item(self, key: Key) -> Item:
        """What is kept of a message."""
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = item_of(self.library.message(key))
        return item

    def size(self, key: Key | None) -> int:
        """Bytes of a system member or a tool set; 0 where there is none."""
        if key is None:
            return 0
        size = self._sizes.get(key)
        if size is None:
            size = self._sizes[key] = len(self.library.raw(key))
        return size

    def bytes_to(self, node: int) -> int:
        """Bytes of all messages from the root to ``node``."""
        return self._bytes_to[node]

    def prompt_bytes(self, request: Request) -> int | None:
        """Bytes of tools, system member and messages; ``None`` where the log has no body."""
        prompt = request.prompt
        if prompt is None:
            return None
        return self.size(prompt.tools) + self.size(prompt.system) + self.bytes_to(prompt.node)

    def tail(self, node: int) -> Iterator[Item]:
        """Messages from ``node`` upwards, at most ``NEAR``."""
        for _ in range(NEAR):
            if not node:
                return
            yield self.item(self.tree.key(node))
            node = self.tree.parent(node)

    def tool_name(self, node: int, call_id: str | None) -> str:
        """Name of the tool whose result stands at ``node``; ``unknown`` where no call is near."""
        if call_id is not None:
            for item in self.tail(node):
                if call_id in item.calls:
                    return item.calls[call_id]
        return "unknown"
