"""Trying the rules on what a body shows: ``RuleSet`` and ``ClientFacts`` -> ``Hit``.

Every block, tool set and set of parameters is tried once and remembers its hits, so a request costs what is new in it.
A text that LM Studio cut is compared as far as it was kept: words and patterns only within its first or its last 50
units, so that a rule which needs more cannot match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from lms_audit.correlate.client_facts import Block, ClientFacts, Params, ToolNames
from lms_audit.correlate.client_rules import ParamTest, Rule, RuleSet, TextTest, ToolTest
from lms_audit.model import Json, Role

QUOTE_CHARS = 50
_LEAST_CHARS = 16
"""What is left of a cut text must be this long to be compared with a rule."""
_SEARCHED_CHARS = 200_000
_END_CHARS = 400
_SHOWN_TOOLS = 6
_HALVES = re.compile("\\A[\ud800-\udfff\ufffd]+|[\ud800-\udfff\ufffd]+\\Z")


class Group(StrEnum):
    """Kinds of evidence that count apart, most telling first: the order in which evidence is shown."""

    SYSTEM = "system"
    TOOLS = "tools"
    PARAMS = "params"
    USER = "user"


class Hit(Struct, frozen=True, eq=False):
    """A rule that matched, and the words it matched."""

    client: str
    rule: Rule
    group: Group
    quote: str

    @property
    def evidence(self) -> str:
        """One line for a page."""
        return f"{self.quote} ({self.rule.note})" if self.rule.note else self.quote


Test = Callable[[Any], str | None]
"""Gives the evidence where the test holds."""


class Matcher:
    """All rules of a set, made ready."""

    def __init__(self, rules: RuleSet) -> None:
        self._texts: dict[Role, list[tuple[str, Rule, Test]]] = {Role.SYSTEM: [], Role.DEVELOPER: [], Role.USER: []}
        self._tools: list[tuple[str, Rule, Test]] = []
        self._params: list[tuple[str, Rule, Test]] = []
        for client in rules.clients.values():
            for rule in client.rules:
                if rule.weight:
                    self._add(client.id, rule)

    def _add(self, client: str, rule: Rule) -> None:
        if rule.system is not None:
            entry = client, rule, text_test(rule.system, "system prompt")
            self._texts[Role.SYSTEM].append(entry)
            self._texts[Role.DEVELOPER].append(entry)
        elif rule.developer is not None:
            self._texts[Role.DEVELOPER].append((client, rule, text_test(rule.developer, "developer message")))
        elif rule.user is not None:
            self._texts[Role.USER].append((client, rule, text_test(rule.user, "user message")))
        elif rule.tools is not None:
            self._tools.append((client, rule, tool_test(rule.tools)))
        elif rule.params is not None:
            self._params.append((client, rule, param_test(rule.params)))

    def hits(self, facts: ClientFacts) -> tuple[Hit, ...]:
        """All that matches, in the order of the body, each rule once."""
        found: dict[int, Hit] = {}
        for hits in self._each(facts):
            for hit in hits:
                found.setdefault(id(hit.rule), hit)
        return tuple(found.values())

    def _each(self, facts: ClientFacts) -> Iterator[tuple[Hit, ...]]:
        for block in facts.system:
            yield self.block_hits(block)
        yield self._tried(facts.tools, self._tools, Group.TOOLS)
        yield self._tried(facts.params, self._params, Group.PARAMS)
        for block in (*facts.ask, *facts.user):
            yield self.block_hits(block)

    def block_hits(self, block: Block) -> tuple[Hit, ...]:
        """What matches in one block of text."""
        group = Group.USER if block.role is Role.USER else Group.SYSTEM
        return self._tried(block, self._texts.get(block.role, []), group)

    def _tried(
        self, item: Block | ToolNames | Params, entries: Iterable[tuple[str, Rule, Test]], group: Group
    ) -> tuple[Hit, ...]:
        known = item.cache.get("hits")
        if known is None or known[0] is not self:
            hits = tuple(
                Hit(client, rule, group, quote) for client, rule, test in entries if (quote := test(item)) is not None
            )
            known = item.cache["hits"] = (self, hits)
        found: tuple[Hit, ...] = known[1]
        return found


# --- text -----------------------------------------------------------------------------------------------------------


def text_test(test: TextTest, what: str) -> Test:
    """The test of a block of text, ready."""
    if test.is_ is not None:
        return _is(test.is_, f"{what} is {quoted(test.is_)}")
    if test.line is not None:
        return _line(test.line, f"{what} starts with {quoted(test.line)}")
    if test.starts is not None:
        return _starts(test.starts, f"{what} starts with {quoted(test.starts)}")
    if test.ends is not None:
        return _ends(test.ends, f"{what} ends with {quoted(test.ends)}")
    if test.has is not None:
        return _has(test.has, f"{what} contains {quoted(test.has)}")
    if test.matches is not None:
        return _pattern(re.compile(test.matches).match, _start_of, f"{what} starts with")
    if test.ends_matches is not None:
        return _pattern(re.compile(rf"(?:{test.ends_matches})\s*\Z").search, _end_of, f"{what} ends with")
    return _pattern(re.compile(test.finds or "").search, _kept, f"{what} contains")


def _is(value: str, evidence: str) -> Test:
    value = value.strip()

    def test(block: Block) -> str | None:
        whole = not block.cut and len(block.text) < len(value) + _END_CHARS and block.text.rstrip() == value
        return evidence if whole else None

    return test


def _starts(value: str, evidence: str) -> Test:
    def test(block: Block) -> str | None:
        return evidence if _begins(block, value) else None

    return test


def _line(value: str, evidence: str) -> Test:
    def test(block: Block) -> str | None:
        if not _begins(block, value):
            return None
        rest = block.head[len(value) :] if block.cut else block.text[len(value) : len(value) + _END_CHARS]
        return evidence if not rest.partition("\n")[0].strip() else None

    return test


def _begins(block: Block, value: str) -> bool:
    if not block.cut:
        return block.text.startswith(value)
    head = _whole_chars(block.head)
    return head.startswith(value) or (len(head) >= _LEAST_CHARS and value.startswith(head))


def _ends(value: str, evidence: str) -> Test:
    value = value.rstrip()

    def test(block: Block) -> str | None:
        end = block.tail[-_END_CHARS - len(value) :].rstrip()
        if block.cut:
            end = _whole_chars(end)
            fits = end.endswith(value) or (len(end) >= _LEAST_CHARS and value.endswith(end))
        else:
            fits = end.endswith(value)
        return evidence if fits else None

    return test


def _has(value: str, evidence: str) -> Test:
    def test(block: Block) -> str | None:
        return evidence if any(value in text for text in _kept(block)) else None

    return test


def _pattern(find: Callable[[str], re.Match[str] | None], parts: Callable[[Block], tuple[str, ...]], what: str) -> Test:
    def test(block: Block) -> str | None:
        for text in parts(block):
            found = find(text)
            if found is not None:
                return f"{what} {quoted(found[0])}"
        return None

    return test


def _start_of(block: Block) -> tuple[str, ...]:
    return (block.head[:_SEARCHED_CHARS],)


def _end_of(block: Block) -> tuple[str, ...]:
    return (block.tail[-_END_CHARS:],)


def _kept(block: Block) -> tuple[str, ...]:
    return (block.head, block.tail) if block.cut else (block.text[:_SEARCHED_CHARS],)


def _whole_chars(text: str) -> str:
    """``text`` without half a character at an end where it was cut."""
    return text if text.isascii() else _HALVES.sub("", text)


# --- tools and parameters -------------------------------------------------------------------------------------------


def tool_test(test: ToolTest) -> Test:
    """The test of a set of tool names, ready."""
    pattern = re.compile(test.two_match) if test.two_match is not None else None
    exactly, needed = frozenset(test.exactly or ()), frozenset(test.all or ())

    def holds(tools: ToolNames) -> str | None:
        names = frozenset(tools.names)
        if not names or not needed <= names or (exactly and exactly != names):
            return None
        telling = exactly | needed
        if test.any is not None:
            some = names.intersection(test.any)
            if not some:
                return None
            telling |= some
        if test.two is not None:
            some = names.intersection(test.two)
            if len(some) < 2:
                return None
            telling |= some
        if pattern is not None:
            some = frozenset(name for name in names if pattern.search(name))
            if len(some) < 2:
                return None
            telling |= some
        return f"tools: {tool_list(sorted(telling))}"

    return holds


def tool_list(names: Iterable[str]) -> str:
    """The first few of some tool names, for a line of evidence."""
    shown = [plain(name, QUOTE_CHARS) for name in names]
    return ", ".join(shown[:_SHOWN_TOOLS]) + (", …" if len(shown) > _SHOWN_TOOLS else "")


def param_test(test: ParamTest) -> Test:
    """The test of a body's other members, ready."""
    patterns = {path: re.compile(pattern) for path, pattern in (test.matches or {}).items()}

    def holds(params: Params) -> str | None:
        said = []
        if test.exists is not None:
            if at_path(params.values, test.exists) is None:
                return None
            said.append(f"parameter {test.exists}")
        if test.keys is not None:
            if not set(test.keys) <= {*params.members, *params.values}:
                return None
            said.append(f"parameters: {', '.join(test.keys)}")
        for path, expected in (test.equals or {}).items():
            if not _equal(at_path(params.values, path), expected):
                return None
            said.append(f"parameter {path} = {_shown(expected)}")
        for path, pattern in patterns.items():
            value = at_path(params.values, path)
            if not isinstance(value, str) or pattern.search(value) is None:
                return None
            said.append(f"parameter {path} is {quoted(value, _LEAST_CHARS)}")
        return "; ".join(said)

    return holds


def at_path(values: Json, path: str) -> Json:
    """The value at ``a.b.0`` in decoded JSON; ``None`` where there is none."""
    for name in path.split("."):
        if isinstance(values, dict):
            values = values.get(name)
        elif isinstance(values, list) and name.isdecimal() and int(name) < len(values):
            values = values[int(name)]
        else:
            return None
    return values


def _equal(value: Json, expected: str | float | bool) -> bool:
    if isinstance(value, Decimal):
        value = float(value)
    return isinstance(value, bool) == isinstance(expected, bool) and bool(value == expected)


def _shown(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


# --- quoting --------------------------------------------------------------------------------------------------------


def quoted(text: str, limit: int = QUOTE_CHARS) -> str:
    """The beginning of a text in quotes, on one line."""
    return f'"{plain(text, limit)}"'


def plain(text: str, limit: int) -> str:
    """The beginning of a text on one line, without characters that cannot be seen."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 4]).split())
    return line if len(line) <= limit and len(text) <= limit * 4 else f"{line[:limit].rstrip()}…"
