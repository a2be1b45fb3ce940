"""The prompt ledger: every distinct message, tool set and system member once, with what re-sending it cost.

In: the requests, in order of arrival, and their prompts. Out: ``LedgerLine`` per item, most re-sent bytes first, and a
table of tool schemas. Cost: linear in the prompt tree. How often a message was sent is how many requests lie in the
subtree of its nodes, added up from the leaves; the sum of prompt lengths is never walked.

Tokens are a guess: bytes sent again divided by the bytes per token of the requests that hold the item.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lms_audit.analyse.figures import count, figure
from lms_audit.analyse.items import Prompts
from lms_audit.analyse.report import LedgerLine, Row, Table
from lms_audit.correlate.words import one_line
from lms_audit.model import Key, Request

SCHEMAS = 200


class _Account(Struct):
    """What requests add up to at a node of the tree, or over all nodes of an item."""

    sent: int = 0
    first: int = -1
    """Index of the first request."""
    prompt_bytes: int = 0
    tokens: int = 0
    """Input tokens of the requests whose bytes are in ``prompt_bytes``."""
    sessions: int = 0

    def add(self, other: _Account) -> None:
        if other.first >= 0 and (self.first < 0 or other.first < self.first):
            self.first = other.first
        self.sent += other.sent
        self.prompt_bytes += other.prompt_bytes
        self.tokens += other.tokens

    def estimate(self, size: int) -> int | None:
        """Tokens of all but the first sending; ``None`` where no request tells how many bytes make a token."""
        resent = size * (self.sent - 1)
        return round(resent * self.tokens / self.prompt_bytes) if self.tokens and self.prompt_bytes else None


def _of_request(index: int, request: Request, prompts: Prompts) -> _Account:
    size = prompts.prompt_bytes(request)
    if size is None or request.input_tokens is None or request.truncated_by_log:
        return _Account(1, index)
    return _Account(1, index, size, request.input_tokens)


def _by_message(accounts: dict[int, _Account], prompts: Prompts) -> dict[Key, _Account]:
    """Accounts added up from the leaves to the root, then over the nodes of each message."""
    found: dict[Key, _Account] = {}
    for node in reversed(prompts.nodes):
        held = accounts[node]
        parent = prompts.tree.parent(node)
        if parent:
            accounts.setdefault(parent, _Account()).add(held)
        found.setdefault(prompts.tree.key(node), _Account()).add(held)
    return found


def _count_sessions(requests: Sequence[Request], prompts: Prompts, found: dict[Key, _Account]) -> None:
    """Each session walks its own nodes once."""
    by_session: dict[str, list[Request]] = {}
    for request in requests:
        if request.prompt is not None:
            by_session.setdefault(request.session_id or request.id, []).append(request)
    tree = prompts.tree
    for held in by_session.values():
        seen: set[int] = {0}
        keys: set[Key] = set()
        for request in held:
            assert request.prompt is not None
            node = request.prompt.node
            while node not in seen:
                seen.add(node)
                keys.add(tree.key(node))
                node = tree.parent(node)
            keys.update(key for key in (request.prompt.system, request.prompt.tools) if key is not None)
        for key in keys:
            found[key].sessions += 1


def _line(key: Key, kind: str, role: str, preview: str, size: int, held: _Account, first: str) -> LedgerLine:
    return LedgerLine(key, kind, role, preview, size, held.sent, held.sessions, first, held.estimate(size))


def ledger(requests: Sequence[Request], prompts: Prompts) -> tuple[LedgerLine, ...]:
    """Every distinct item of all prompts, most re-sent bytes first."""
    leaves: dict[int, _Account] = {}
    members: dict[Key, _Account] = {}
    kinds: dict[Key, str] = {}
    for index, request in enumerate(requests):
        if request.prompt is None:
            continue
        own = _of_request(index, request, prompts)
        if request.prompt.node:
            leaves.setdefault(request.prompt.node, _Account()).add(own)
        for kind, key in (("system", request.prompt.system), ("tools", request.prompt.tools)):
            if key is not None:
                kinds[key] = kind
                members.setdefault(key, _Account()).add(own)
    messages = _by_message(leaves, prompts)
    _count_sessions(requests, prompts, messages | members)
    lines = []
    for key, held in messages.items():
        item = prompts.item(key)
        lines.append(_line(key, "message", item.role.value, item.preview, item.size, held, requests[held.first].id))
    for key, held in members.items():
        if kinds[key] == "tools":
            preview = ", ".join(tool.name for tool in prompts.library.tools(key))
        else:
            preview = " ".join(prompts.library.system_texts(key))
        preview = one_line(preview, 160)
        lines.append(_line(key, kinds[key], kinds[key], preview, prompts.size(key), held, requests[held.first].id))
    return tuple(sorted(lines, key=lambda line: (-line.size * (line.times_sent - 1), -line.size, line.key)))


def tool_schemas(lines: Sequence[LedgerLine], prompts: Prompts) -> Table:
    """What each tool's description and schema weigh, over all tool sets that hold it."""
    names: dict[str, list[tuple[LedgerLine, int]]] = {}
    for line in lines:
        if line.kind == "tools":
            for tool in prompts.library.tools(line.key):
                names.setdefault(tool.name, []).append((line, tool.size))
    rows = []
    for name, held in names.items():
        sent = sum(line.times_sent for line, _ in held)
        total = sum(line.times_sent * size for line, size in held)
        resent = total - held[0][1]
        told = [(line.estimated_tokens * size, line.size) for line, size in held if line.estimated_tokens is not None]
        tokens = round(sum(share / size for share, size in told if size)) if told else None
        cells = (
            figure("item_bytes", max(size for _, size in held), len(held)),
            count("times_sent", sent),
            figure("resent_bytes", resent, sent),
            figure("resent_tokens", tokens, sent),
        )
        rows.append((resent, Row(name, cells, f"tool:{name}")))
    rows.sort(key=lambda pair: (-pair[0], pair[1].label))
    head = ("Tool", "Size", "Times sent", "Sent again", "Tokens sent again (guess)")
    note = "Tokens are inferred from the bytes per token of the requests that hold the tool set."
    return Table("tool_schemas", "Tool schemas", head, tuple(row for _, row in rows[:SCHEMAS]), note)
