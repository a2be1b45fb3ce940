"""What all earlier requests have left, and how well one of them explains another.

In: requests with their prompts, one after the other. Out: answers to the questions by which a parent is chosen. Memory:
two entries for each message of the talk, some integers for each request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct, field

from lms_audit.correlate.continuation import SIDE_KINDS, Found, Link
from lms_audit.correlate.conversation import PromptTree, Talk
from lms_audit.correlate.hints import Hints
from lms_audit.correlate.words import cut_ends
from lms_audit.model import Key, Kind, Library, Millis, Request

CLOCK_MS = 1000
"""Log lines have whole seconds."""

_SOON_MS = 10 * 60_000
"""An agent's tools, or the person at it, are seldom longer about it."""

_TAIL = 32
"""Messages at the end of a prompt among which those before its parent's answer are looked for."""

LATEST = 64
"""Requests with the same prompt that are remembered."""


class Thread(Struct):
    """A thread under way."""

    kind: Kind
    hint: str | None
    members: list[int]


class Line(Struct):
    """What the requests of one purpose have left in the talk; a title request is never taken for a conversation."""

    owner: dict[int, int] = field(default_factory=dict)
    """Talk node -> the request that first passed through it."""
    ends: dict[int, deque[int]] = field(default_factory=dict)
    """Talk node -> the latest requests whose prompt ended there."""
    tails: dict[tuple[Key, Key], deque[int]] = field(default_factory=dict)
    """The last two things said in a prompt -> the latest requests that ended so."""


class Past:
    """All requests placed so far. Indexes are places in the sequence of requests."""

    def __init__(self, requests: Sequence[Request], prompts: PromptTree, library: Library) -> None:
        self.requests = requests
        self.prompts = prompts
        self.library = library
        self.talk = Talk(prompts, library)
        self.links: list[Link] = []
        self.leaves: list[int] = []
        """Of each request: where its prompt ends in the tree of prompts."""
        self.hints: list[Hints] = []
        self.continued: list[bool] = []
        """Of each request: another one goes on where it ended."""
        self.threads: list[Thread] = []
        self.lines: dict[Kind, Line] = {}
        self.families: dict[int, deque[int]] = {}
        """First message of the talk -> the latest threads that began with it."""
        self.recent: dict[int, None] = {}
        """Threads, the one active last at the end."""
        self.spoke: dict[str, int] = {}
        """Session id of a client -> the latest request of a conversation under it."""
        self.given: dict[str, int] = {}
        """Mark of an answer that is not given twice (identity of a long one, id of a call) -> who showed it last."""
        self.responses: dict[str, int] = {}
        """Id of a stored answer -> its request."""
        self.compactions: deque[int] = deque(maxlen=8)
        """The latest requests for a summary."""

    def tip(self, index: int) -> int:
        """The latest request of the thread of ``index``."""
        return self.threads[self.links[index].thread].members[-1]

    def root(self, index: int) -> int:
        """The first request of the thread of ``index``."""
        return self.threads[self.links[index].thread].members[0]

    def recent_tips(self, count: int) -> Iterator[int]:
        """The latest requests of the threads active last."""
        return (self.threads[thread].members[-1] for thread in islice(reversed(self.recent), count))

    def age(self, other: int, index: int) -> int | None:
        """Milliseconds from the arrival of ``other`` to that of ``index``."""
        return span(self.requests[other].received_at, self.requests[index].received_at)

    def pause(self, other: int, index: int) -> int | None:
        """Milliseconds from the end of ``other``, or its arrival, to the arrival of ``index``."""
        earlier = self.requests[other]
        return span(earlier.finished_at or earlier.received_at, self.requests[index].received_at)

    def may_join(self, index: int, other: int) -> bool:
        """Nothing forbids ``index`` to be in the thread of ``other``.

        Session ids do not differ, a side request stays with its like, and a sub-agent out of its caller's thread.
        """
        thread = self.threads[self.links[other].thread]
        hint = self.hints[index].session
        if hint is not None and thread.hint is not None and hint != thread.hint:
            return False
        kind = self.requests[index].kind
        if kind in SIDE_KINDS or thread.kind in SIDE_KINDS:
            return kind is thread.kind
        return kind is not Kind.SUBAGENT or thread.kind is Kind.SUBAGENT

    def same_hint(self, index: int, other: int) -> bool:
        """Both carry the same session id of their client."""
        hint = self.hints[index].session
        return hint is not None and hint == self.hints[other].session

    def spoke_last(self, other: int, index: int) -> bool:
        """Both carry the same session id, under which no conversation went on in between."""
        hint = self.hints[index].session
        return self.same_hint(index, other) and (
            self.requests[other].kind in SIDE_KINDS or self.spoke.get(hint or "") == other
        )

    def same_thread(self, a: Found, b: Found) -> bool:
        """Two parents are in one thread."""
        return self.links[a.parent].thread == self.links[b.parent].thread

    def tools(self, index: int) -> Key | None:
        """The tool set of a request."""
        prompt = self.requests[index].prompt
        return prompt.tools if prompt else None

    def fit(self, index: int, other: int, after: int) -> tuple[bool, int, bool, int, int, Millis]:
        """How well ``other`` explains the prompt of ``index``, whose message after it is ``after``. More is better."""
        request, earlier = self.requests[index], self.requests[other]
        exact = self.prompts.common(self.leaves[index], self.leaves[other]) == self.prompts.depth(self.leaves[other])
        a, b = request.prompt, earlier.prompt
        same = [
            request.requested_model == earlier.requested_model,
            request.client == earlier.client,
            request.project == earlier.project,
            request.api is earlier.api,
        ]
        if a and b:
            same += [a.tools == b.tools, a.system == b.system]
        # an agent goes on as soon as it has its answer: the latest that has finished
        done = earlier.finished_at or earlier.received_at or 0
        idle = 0 if request.received_at is None else _idle(request.received_at - done)
        return self.same_hint(index, other), self.answer_fits(index, other, after), exact, sum(same), idle, done

    def answer_fits(self, index: int, other: int, after: int) -> int:
        """1: the message at ``after`` is the answer that the log shows for ``other``. -1: it is not. 0: not known."""
        if not self.talk.answered_last(after):
            return 0
        node = self.talk.find(self.leaves[index], self.talk.tree.depth(after))
        what = self.talk.said(self.prompts.key(node))
        earlier = self.requests[other]
        ids = {call.id for call in earlier.tool_calls if call.id}
        if ids and what.call_ids:
            return 1 if ids & set(what.call_ids) else -1
        if earlier.response_text and what.text:
            return 1 if cut_ends(earlier.response_text) == what.text else -1
        return 0

    def answer_after(self, found: Found, leaf: int) -> int | None:
        """Where the parent's answer begins in the prompt that ends at ``leaf``.

        After the parent's last message, found in its place whatever was edited before it; or, where only that message
        is another or gone (clients put something there for one request), in its place or after it.
        """
        tree = self.talk.tree
        last = self.links[found.parent].leaf
        end = tree.depth(last)
        places: tuple[int, ...] = ()
        if tree.key(tree.ancestor(leaf, end)) == tree.key(last):
            places = (end,)
        elif tree.depth(found.meets) == end - 1:
            places = (end - 1, end)
        for before in places:
            if tree.depth(leaf) > before and self.talk.answered_last(tree.ancestor(leaf, before + 1)):
                return before
        return self.answer_moved(found.parent, leaf)

    def answer_behind(self, other: int, leaf: int) -> int | None:
        """The same for a prompt that holds all of another conversation."""
        tree = self.talk.tree
        last = self.links[other].leaf
        end = tree.depth(last)
        return end if end < tree.depth(leaf) and tree.ancestor(leaf, end) == last else None

    def answer_moved(self, parent: int, leaf: int) -> int | None:
        """The same where messages were taken out before the parent's last two, which stand nearer to the beginning."""
        tree = self.talk.tree
        last = self.links[parent].leaf
        if tree.depth(last) < 2:
            return None
        tail = self.tail(last)
        answered = self.talk.answered_last(leaf)
        node = tree.parent(leaf)
        for _ in range(_TAIL):
            if tree.depth(node) < 2:
                break
            if answered and tree.key(node) == tail[1] and self.tail(node) == tail:
                return tree.depth(node)
            answered = self.talk.answered_last(node)
            node = tree.parent(node)
        return None

    def tail(self, leaf: int) -> tuple[Key, Key]:
        """The last two things said in the prompt that ends at ``leaf``; empty where there is but one."""
        tree = self.talk.tree
        return tree.key(tree.parent(leaf)), tree.key(leaf)


def _idle(pause: Millis) -> int:
    """How well a pause after an answer fits: 2 soon, 1 long, or an end logged late in whole seconds, 0 not over yet."""
    if pause < 0:
        return int(pause >= -CLOCK_MS)
    return 2 if pause <= _SOON_MS else 1


def span(start: Millis | None, end: Millis | None) -> int | None:
    """Milliseconds between two times, if both are known."""
    return None if start is None or end is None else end - start
