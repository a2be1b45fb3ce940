"""Where two prompts part, and why: compared as the model reads them, tools first, then system, then messages.

In: two requests and the prompts. Out: ``Difference`` (place, shared bytes, bytes behind it that both hold) or ``None``
where one prompt begins with the whole other. Marks that no template renders (``cache_control``, an empty member) are
no difference. Cost: linear in the messages behind the point where the prompts part in the prompt tree, so in what is
new.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lms_audit.analyse.items import Prompts
from lms_audit.analyse.worddiff import common_start, first_change, only_moments_changed
from lms_audit.correlate.conversation import identity
from lms_audit.correlate.words import COMPACTED_STARTS, one_line
from lms_audit.model import Key, Message, Prompt, Reasoning, Role, Text, Tool

SYSTEM_ROLES = (Role.SYSTEM, Role.DEVELOPER)
MOVED = 4
"""How many messages a client may put in or take out at one place and still be said to move a reminder."""


class Difference(Struct, frozen=True, kw_only=True):
    """Where two prompts part."""

    where: str
    """``tools``, ``system``, or the role of the message."""
    position: int | None
    before: Key | None
    after: Key | None
    shared_bytes: int
    reread_bytes: int
    """Bytes behind the difference that stand in both prompts."""
    removed: tuple[Key, ...] = ()
    """Messages of the older prompt from the difference on, a few."""
    added: tuple[Key, ...] = ()


def common_ends(a: bytes, b: bytes) -> tuple[int, int]:
    """Bytes in common from the start, and from the end of what is left."""
    start = common_start(a, b)
    return start, common_start(a[start:][::-1], b[start:][::-1])


def _rendered(message: Message) -> tuple[object, ...]:
    return (message.role, message.parts)


def _offered(tools: Sequence[Tool]) -> list[tuple[object, ...]]:
    return [(tool.name, tool.description, tool.schema) for tool in tools]


def _below(prompts: Prompts, node: int, top: int) -> list[int]:
    """Nodes from under ``top`` down to ``node``."""
    nodes = []
    while node != top:
        nodes.append(node)
        node = prompts.tree.parent(node)
    nodes.reverse()
    return nodes


def _member(prompts: Prompts, before: Key | None, after: Key | None) -> tuple[int, int]:
    """Common bytes at both ends of two stored members; nothing where one is missing."""
    if before is None or after is None:
        return 0, 0
    return common_ends(prompts.library.raw(before), prompts.library.raw(after))


def _same_tools(prompts: Prompts, before: Key | None, after: Key | None) -> bool:
    if before == after:
        return True
    sides = [_offered(prompts.library.tools(key)) if key is not None else [] for key in (before, after)]
    return sides[0] == sides[1]


def _same_system(prompts: Prompts, before: Key | None, after: Key | None) -> bool:
    if before == after:
        return True
    sides = [prompts.library.system_texts(key) if key is not None else () for key in (before, after)]
    return sides[0] == sides[1]


class _Messages(Struct, frozen=True):
    """Two prompts' messages, from where they part in the tree."""

    old: list[Key]
    new: list[Key]
    first: int
    """Index in both of the first message that renders differently; the length of the shorter where none does."""
    depth: int
    shared: int
    """Bytes of the newer prompt's messages before ``first``."""
    common: int
    """Bytes of the newer prompt's messages behind ``first`` that the older has behind it too."""

    @property
    def parts(self) -> bool:
        """Whether both go on and differ."""
        return self.first < min(len(self.old), len(self.new))


def _messages(prompts: Prompts, before: Prompt, after: Prompt) -> _Messages:
    tree, library = prompts.tree, prompts.library
    meet = tree.meet(before.node, after.node)
    old = [tree.key(node) for node in _below(prompts, before.node, meet)]
    new = [tree.key(node) for node in _below(prompts, after.node, meet)]
    first = 0
    shared = prompts.bytes_to(meet)
    for a, b in zip(old, new, strict=False):
        if a != b and _rendered(library.message(a)) != _rendered(library.message(b)):
            break
        first += 1
        shared += prompts.item(b).size
    held = set(old[first:])
    common = sum(prompts.item(key).size for key in new[first:] if key in held)
    return _Messages(old, new, first, tree.depth(meet), shared, common)


def compare(prompts: Prompts, before: Prompt, after: Prompt) -> Difference | None:
    """Where ``after`` parts from ``before``; ``None`` where one begins with the whole other."""
    rest = _messages(prompts, before, after)
    tools, system = prompts.size(after.tools), prompts.size(after.system)
    if not _same_tools(prompts, before.tools, after.tools):
        start, end = _member(prompts, before.tools, after.tools)
        same_system = system if _same_system(prompts, before.system, after.system) else 0
        return Difference(
            where="tools",
            position=None,
            before=before.tools,
            after=after.tools,
            shared_bytes=start,
            reread_bytes=end + same_system + rest.shared + rest.common,
        )
    if not _same_system(prompts, before.system, after.system):
        start, end = _member(prompts, before.system, after.system)
        return Difference(
            where="system",
            position=None,
            before=before.system,
            after=after.system,
            shared_bytes=tools + start,
            reread_bytes=end + rest.shared + rest.common,
        )
    if not rest.parts:
        return None
    old, new = rest.old[rest.first], rest.new[rest.first]
    start, end = _member(prompts, old, new)
    # a message that only moved is counted in `common` already
    reread = rest.common if new in rest.old[rest.first :] else rest.common + end
    return Difference(
        where=prompts.item(new).role.value,
        position=rest.depth + rest.first,
        before=old,
        after=new,
        shared_bytes=tools + system + rest.shared + start,
        reread_bytes=reread,
        removed=tuple(rest.old[rest.first : rest.first + MOVED + 1]),
        added=tuple(rest.new[rest.first : rest.first + MOVED + 1]),
    )


# --- why -------------------------------------------------------------------------------------------------------------


def texts(message: Message) -> str:
    """All text of a message."""
    return "\n".join(part.text for part in message.parts if isinstance(part, Text))


def _moved(prompts: Prompts, longer: Sequence[Key], shorter: Sequence[Key]) -> str | None:
    """Preview of what stands in ``longer`` before the next message of ``shorter`` and says nothing itself."""
    if not shorter or shorter[0] not in longer[1:]:
        return None
    extra = longer[: longer.index(shorter[0], 1)]
    if all(identity(prompts.library.message(key)) is None for key in extra):
        return prompts.item(extra[0]).preview
    return None


def _tools_cause(prompts: Prompts, difference: Difference) -> tuple[str, str]:
    library = prompts.library
    if difference.before is None or difference.after is None:
        return "tool set changed", "tools went" if difference.after is None else "tools came"
    old, new = library.tools(difference.before), library.tools(difference.after)
    if only_moments_changed(_raw_text(prompts, difference.before), _raw_text(prompts, difference.after)):
        was, now = ("\n".join(tool.description for tool in tools) for tools in (old, new))
        return "date or clock", f"in a tool's description: {first_change(was, now)}"
    went = sorted({tool.name for tool in old} - {tool.name for tool in new})
    came = sorted({tool.name for tool in new} - {tool.name for tool in old})
    if went or came:
        return "tool set changed", one_line(
            " ".join([f"+{name}" for name in came] + [f"−{name}" for name in went]), 160
        )
    by_name = {tool.name: tool for tool in old}
    changed = [tool.name for tool in new if _offered([tool]) != _offered([by_name[tool.name]])]
    if changed:
        return "tool set changed", one_line(f"another description or schema: {', '.join(changed)}", 160)
    return "tool set changed", "the same tools in another order"


def _raw_text(prompts: Prompts, key: Key) -> str:
    return prompts.library.raw(key).decode("utf-8", "replace")


def _system_cause(prompts: Prompts, difference: Difference) -> tuple[str, str]:
    sides = [
        "\n".join(prompts.library.system_texts(key)) if key is not None else ""
        for key in (difference.before, difference.after)
    ]
    cause = "date or clock" if only_moments_changed(*sides) else "system prompt changed"
    return cause, first_change(*sides)


def cause_of(prompts: Prompts, difference: Difference, *, compacted: bool) -> tuple[str, str]:
    """Cause of a difference and what changed, in plain words. ``compacted``: other evidence of a compaction."""
    if difference.where == "tools":
        return _tools_cause(prompts, difference)
    if difference.position is None:
        return _system_cause(prompts, difference)
    assert difference.before is not None
    assert difference.after is not None
    old, new = prompts.library.message(difference.before), prompts.library.message(difference.after)
    was, now = texts(old), texts(new)
    if any(prompts.item(key).preview.startswith(COMPACTED_STARTS) for key in difference.added[:3]):
        return "compaction", prompts.item(difference.added[0]).preview
    if old.role is new.role and only_moments_changed(*(_raw_text(prompts, m.key) for m in (old, new))):
        return "date or clock", first_change(was, now)
    for longer, shorter, verb in (
        (difference.removed, difference.added, "went"),
        (difference.added, difference.removed, "came"),
    ):
        if (preview := _moved(prompts, longer, shorter)) is not None:
            return "reminder moved", f"“{one_line(preview, 80)}” {verb}"
    if old.role in SYSTEM_ROLES and new.role in SYSTEM_ROLES:
        return "system prompt changed", first_change(was, now)
    if compacted:
        return "compaction", prompts.item(difference.added[0]).preview
    if identity(old) == identity(new) and old.role is new.role:
        reasoned = [any(isinstance(part, Reasoning) for part in m.parts) for m in (old, new)]
        if reasoned[0] and not reasoned[1]:
            return "history edited", "reasoning of an earlier answer left out"
        return "reminder moved", first_change(was, now)
    if old.role is not new.role:
        return "history edited", f"{old.role.value} message became {new.role.value} message"
    return "history edited", first_change(was, now)
