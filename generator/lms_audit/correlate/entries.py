"""The conversation of each session: every message once, at the request that first sent it.

In: requests with their sessions (``sessions``) and their threads. Out: ``model.Entry`` in order of first sending.
Cost: linear in the nodes of the prompt tree that the session's requests pass through; a request that extends another
costs what is new in it. A client that changes the beginning of every prompt makes every message a new node, and costs
as much as its bodies hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from lms_audit.correlate.continuation import Relation
from lms_audit.correlate.threads import Threads
from lms_audit.model import Entry, Key, Request, Session


class _Draft(Struct):
    key: Key
    request: int
    position: int
    answers: int | None = None
    times: int = 0


def conversations(
    requests: Sequence[Request], sessions: Sequence[Session], threads: Threads
) -> dict[str, tuple[Entry, ...]]:
    """Session id -> its messages in order of first sending."""
    place = {request.id: index for index, request in enumerate(requests)}
    return {
        session.id: _conversation(requests, [place[each] for each in session.request_ids], threads)
        for session in sessions
    }


def _conversation(requests: Sequence[Request], members: Sequence[int], threads: Threads) -> tuple[Entry, ...]:
    book = _Book(threads)
    for index in members:
        book.send(index)
    whole = [index for index in members if _is_whole(requests[index], threads, index)]
    book.count(whole)
    later = _later(members, whole)
    return tuple(
        Entry(
            key=draft.key,
            request_id=requests[draft.request].id,
            position=draft.position,
            answers=None if draft.answers is None else requests[draft.answers].id,
            times_sent=max(1, draft.times),
            replaced=draft.times > 0 and draft.times < later[draft.request],
        )
        for draft in book.drafts
    )


class _Book:
    """The messages of one session so far.

    A message that comes again after another beginning (a new system prompt, a moved cache mark) is the same entry; the
    same thing said twice in one prompt is two, told apart by how often it was said before in that prompt.
    """

    def __init__(self, threads: Threads) -> None:
        self.drafts: list[_Draft] = []
        self._threads = threads
        self._draft_of: dict[int, int] = {}
        self._known: dict[tuple[Key, int], int] = {}
        self._leaf = 0
        self._said: Counter[Key] = Counter()
        """How often each thing is said in the prompt that ends at ``_leaf``."""

    def send(self, index: int) -> None:
        """Enter what is new in the prompt of a request."""
        prompts = self._threads.prompts
        new = []
        node = leaf = self._threads.leaves[index]
        while node and node not in self._draft_of:
            new.append(node)
            node = prompts.parent(node)
        self._go_to(node)
        for node in reversed(new):
            said = self._identity(node)
            same = said, self._said[said]
            self._said[said] += 1
            draft = self._known.get(same)
            if draft is None:
                draft = self._known[same] = len(self.drafts)
                self.drafts.append(_Draft(prompts.key(node), index, prompts.depth(node) - 1))
            self._draft_of[node] = draft
        self._leaf = leaf if new else self._leaf
        link = self._threads.links[index]
        for node in self._threads.answer_nodes(index) if link.relation is not Relation.STARTS else ():
            answer = self.drafts[self._draft_of[node]]
            if answer.answers is None:
                answer.answers = link.parent

    def _go_to(self, node: int) -> None:
        """Make ``_said`` that of the prompt that ends at ``node``; costs the messages that differ."""
        prompts = self._threads.prompts
        meets = prompts.meet(self._leaf, node)
        while self._leaf != meets:
            self._said[self._identity(self._leaf)] -= 1
            self._leaf = prompts.parent(self._leaf)
        self._leaf = node
        while node != meets:
            self._said[self._identity(node)] += 1
            node = prompts.parent(node)

    def _identity(self, node: int) -> Key:
        key = self._threads.prompts.key(node)
        return self._threads.talk.said(key).key or key

    def count(self, whole: Sequence[int]) -> None:
        """In how many of the requests each message stands: the prompts that end at or below its nodes."""
        prompts = self._threads.prompts
        below = dict.fromkeys(self._draft_of, 0)
        for index in whole:
            below[self._threads.leaves[index]] += 1
        # a child has a higher number than its parent
        for node in sorted(below, reverse=True):
            self.drafts[self._draft_of[node]].times += below[node]
            if parent := prompts.parent(node):
                below[parent] += below[node]


def _is_whole(request: Request, threads: Threads, index: int) -> bool:
    """The body shows the whole history: not cut, and not only what is new after a stored answer."""
    return (
        request.prompt is not None
        and request.prompt.complete
        and threads.leaves[index] != 0
        and threads.hints[index].previous_response is None
        and threads.links[index].relation is not Relation.STORED
    )


def _later(members: Sequence[int], whole: Sequence[int]) -> dict[int, int]:
    """Request -> how many whole requests of the session there are from it on, itself included."""
    later = {}
    left = set(whole)
    count = len(left)
    for index in members:
        later[index] = count
        if index in left:
            count -= 1
    return later
