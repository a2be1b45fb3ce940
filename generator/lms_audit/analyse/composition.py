"""What each prompt is made of: bytes by kind, adding up to the whole prompt.

In: the requests and their prompts. Out: request id -> ``Composition``. Cost: linear in the prompt tree: a prompt's
bytes are its parent's and those of one more message, so history that is sent a hundred times is added up once.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_audit.analyse.items import Prompts
from lms_audit.analyse.report import Composition
from lms_audit.model import Request


def _bytes_by_node(prompts: Prompts) -> dict[int, dict[str, int]]:
    """Bytes by kind of all messages up to each node."""
    found: dict[int, dict[str, int]] = {0: {}}
    for node in prompts.nodes:
        held = dict(found[prompts.tree.parent(node)])
        for piece in prompts.item(prompts.tree.key(node)).pieces:
            kind = piece.kind
            if kind == "result":
                kind = f"tool: {prompts.tool_name(node, piece.call_id)}"
            held[kind] = held.get(kind, 0) + piece.bytes
        found[node] = held
    return found


def compositions(requests: Iterable[Request], prompts: Prompts) -> dict[str, Composition]:
    """Composition of every prompt in the log, largest kind first."""
    by_node = _bytes_by_node(prompts)
    found: dict[str, Composition] = {}
    for request in requests:
        if request.prompt is None:
            continue
        held = dict(by_node[request.prompt.node])
        for kind, key in (("system", request.prompt.system), ("tools", request.prompt.tools)):
            if key is not None:
                held[kind] = held.get(kind, 0) + prompts.size(key)
        largest_first = dict(sorted(held.items(), key=lambda pair: (-pair[1], pair[0])))
        found[request.id] = Composition(request.id, largest_first)
    return found
