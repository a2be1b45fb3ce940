"""How well the size of a prompt, as an engine counts it, fits a request.

What a log teaches on the way: how many bytes of text make a token, and how long the beginnings of prompts are that an
engine has read before.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from lms_audit.correlate.engine_task import EngineTask
from lms_audit.model import Api, Prompt
from lms_audit.read.events import Usage

if TYPE_CHECKING:
    from lms_audit.correlate.conversation import PromptTree
    from lms_audit.correlate.drafts import Draft

ANCESTORS = 60
"""How many messages back an earlier prompt of the same conversation is looked for."""
BYTES_PER_TOKEN = 4.2
SUPPOSED = 100
"""So many tokens must have been measured to count as much as the supposed ``BYTES_PER_TOKEN``."""
SPARSE = 12
"""A text has a token for so many bytes of its JSON at least."""
FRAME, FRAME_EACH = 100, 70
"""Bytes of a body that are no text: names and parameters, and those of each message."""
TEMPLATE, TEMPLATE_EACH = 6, 4
"""Tokens that a chat template adds, and those it adds to each message."""
MEASURED = 1000
"""After so many tokens it is known how long they are in this log."""
FEW = 20
"""Some tokens more or less say nothing."""
HOPELESS = -50.0
"""A task that fits so badly is not even that of a request without any other."""
IMPOSSIBLE = -1000.0


class Sizes:
    """Sizes of prompts met so far."""

    def __init__(self, tree: PromptTree) -> None:
        self.tree = tree
        self._measured: dict[int, EngineTask] = {}
        """Node of a prompt -> the task that read it."""
        self._nearly: dict[int, EngineTask] = {}
        """Node of all but a prompt's last message -> the task that read it."""
        self._bytes = self._tokens = 0

    def measure(self, task: EngineTask, draft: Draft) -> None:
        """Learns from a task whose request is known, or likely."""
        prompt = draft.prompt
        if prompt is None or task.prompt_tokens is None:
            return
        self._measured[prompt.node] = task
        if draft.api is Api.MESSAGES and prompt.count > 1:
            self._nearly[self.tree.parent(prompt.node)] = task
        written, read = _text(prompt), task.prompt_tokens - _template(prompt)
        if not draft.truncated and not draft.media and written > 0 and read > 0:
            self._bytes += written
            self._tokens += read

    def fit(self, task: EngineTask, draft: Draft, earlier: EngineTask | None) -> float:
        """How well a task's prompt fits a request; only differences mean anything.

        ``earlier``: the task that read the beginning of the same conversation, if one did.
        """
        prompt, tokens = draft.prompt, task.prompt_tokens
        if prompt is None or tokens is None:
            return 0.0
        if tokens < prompt.count:  # every message takes a token at least
            return IMPOSSIBLE
        per_token = (self._bytes + SUPPOSED * BYTES_PER_TOKEN) / (self._tokens + SUPPOSED)
        if earlier is not None and earlier.prompt_tokens:
            if tokens < 0.9 * earlier.prompt_tokens:  # unless it was cut to fit the context
                return -30.0 if task.context is None or tokens < task.context // 3 else -5.0
            expected = earlier.prompt_tokens + (earlier.eval_tokens or 0)
            if draft.truncated or draft.media:  # how much longer than before, only the server knows
                return max(-6.0, -3 * abs(log(tokens / expected)))
            if earlier.owner is not None and earlier.owner.prompt is not None:
                grown = max(prompt.size - earlier.owner.prompt.size, 0)
                expected = earlier.prompt_tokens + round(grown / per_token)
            return max(-12.0, -30 * _off(tokens, expected))
        if not prompt.size:
            return 0.0
        written = _text(prompt)
        if tokens * SPARSE < written and not draft.media:
            return 3 * HOPELESS if tokens * 5 * SPARSE < written else -30.0
        off = _off(tokens, _template(prompt) + written / per_token)
        if draft.truncated or draft.media:
            return max(-10.0, -1.5 * off)
        return max(-10.0, -(8.0 if self._tokens > MEASURED else 3.0) * off)

    def earlier(self, draft: Draft) -> EngineTask | None:
        """The task that read the longest known beginning of a draft's prompt."""
        if draft.prompt is None:
            return None
        node = self.tree.parent(draft.prompt.node)
        marked = draft.api is Api.MESSAGES
        for step in range(ANCESTORS):
            found = self._measured.get(node)
            if found is None and marked and step:
                found = self._nearly.get(node)
            if found is not None and not found.doubtful:
                return found
            if not node:
                return None
            node = self.tree.parent(node)
        return None

    def predecessors(self, draft: Draft, ended: dict[int, list[Draft]]) -> list[Draft]:
        """Requests whose prompt a draft's goes on after: those of the longest one. ``ended``: node -> requests."""
        assert draft.prompt is not None
        node = self.tree.parent(draft.prompt.node)
        marked = draft.api is Api.MESSAGES
        for step in range(ANCESTORS):
            found = ended.get(node) or (ended.get(-node) if marked and step else None)
            if found or not node:
                return found or []
            node = self.tree.parent(node)
        return []

    def fit_usage(self, usage: Usage, draft: Draft) -> float:
        """How well the tokens an answer says its prompt had fit a request."""
        if not usage.input or draft.prompt is None or draft.old:
            return 0.0
        task = EngineTask(None, None)
        task.prompt_tokens = usage.input
        return max(self.fit(task, draft, self.earlier(draft)), -30.0)

    def continues(self, node: int, draft: Draft) -> bool:
        """Whether a prompt goes on where a draft's ends.

        On /v1/messages a cache marker moves along, so that the last message of a prompt is another one in the next.
        """
        prompt, tree = draft.prompt, self.tree
        if prompt is None or not 0 < prompt.count < tree.depth(node):
            return False
        if tree.ancestor(node, prompt.count) == prompt.node:
            return True
        before = tree.parent(prompt.node)
        return draft.api is Api.MESSAGES and before != 0 and tree.ancestor(node, prompt.count - 1) == before


def _text(prompt: Prompt) -> int:
    """Bytes of a body that are text, about."""
    return max(prompt.size - FRAME - FRAME_EACH * prompt.count, 0)


def _template(prompt: Prompt) -> int:
    return TEMPLATE + TEMPLATE_EACH * prompt.count


def _off(tokens: float, expected: float) -> float:
    """How far two sizes of a prompt are apart, 0.7 for twice as much."""
    return abs(log((tokens + FEW) / (expected + FEW)))
