"""Which request continues which: every request finds the earlier one whose conversation it goes on with.

In: requests in order of arrival with their prompts, the tree of prompts, the library. Out: ``Threads``: one ``Link``
for each request. Side requests (titles, summaries, compactions) make threads of their own, which ``sessions`` joins.

Cost: each request walks the messages that no request before it had, and looks at a bounded number of candidates, each
in O(log messages).

How a parent is chosen. An answered prompt is continued once: whoever extends a prompt with an answer got that answer,
so among equal prompts the candidates are those that nobody has continued yet. That keeps two sessions apart that open
with the same words, also where LM Studio has cut them. An edited or forked history stays in its session only if it
shares an answer given there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.correlate.continuation import SIDE_KINDS, Found, Link, Relation
from lms_audit.correlate.conversation import PromptTree, Talk
from lms_audit.correlate.hints import Hints, hints
from lms_audit.correlate.parents import origin, parent, stored
from lms_audit.correlate.past import CLOCK_MS, LATEST, Line, Past, Thread
from lms_audit.model import Api, Key, Kind, Library, Request, Role, Status

_MINUTE = 60_000
_GROUP_MS = 30 * _MINUTE
"""Longest pause between requests that are grouped without a conversation to go by (embeddings, bodies not logged)."""
_FEW = 20
"""Tokens by which a template ends a prompt otherwise than it goes on."""
_FAMILY = 16
"""Threads with the same first message that are remembered."""


class Threads(Struct, frozen=True):
    """All threads of a run. Indexes are places in the sequence of requests."""

    links: tuple[Link, ...]
    members: tuple[tuple[int, ...], ...]
    """Thread -> its requests, in order of arrival."""
    hints: tuple[Hints, ...]
    """Of each request."""
    spawned: tuple[tuple[int, Key], ...]
    """(request, message): answers with calls that may start another conversation, at the request first showing them."""
    talk: Talk
    prompts: PromptTree
    leaves: tuple[int, ...]
    """Of each request: where its prompt ends in the tree of prompts."""

    def answer_nodes(self, child: int) -> list[int]:
        """Prompt nodes of the parent's answer in the prompt of ``child``; empty where it shows none."""
        link = self.links[child]
        if link.answer_after is None:
            return []
        leaf = self.leaves[child]
        first = self.talk.find(leaf, link.answer_after)
        nodes = []
        for depth in range(self.prompts.depth(first) + 1, self.prompts.depth(leaf) + 1):
            node = self.prompts.ancestor(leaf, depth)
            what = self.talk.said(self.prompts.key(node))
            if what.role is Role.ASSISTANT:
                nodes.append(node)
            elif what.key is not None:
                break
        return nodes

    def answers(self) -> dict[int, tuple[Key, ...]]:
        """Request -> the messages of its answer, as the history of the first request that continues it shows them.

        Where none does, as the start of another thread shows them that sends all of the conversation: a request for a
        compaction, or a conversation that a client takes up again under another session id.
        """
        found: dict[int, tuple[Key, ...]] = {}
        elsewhere: dict[int, tuple[Key, ...]] = {}
        for child, link in enumerate(self.links):
            into = elsewhere if link.relation is Relation.STARTS else found
            if link.parent is not None and link.parent not in into:
                nodes = self.answer_nodes(child)
                if nodes:
                    into[link.parent] = tuple(self.prompts.key(node) for node in nodes)
        return elsewhere | found


def threads(
    requests: Sequence[Request], prompts: PromptTree, library: Library, session_ids: Mapping[str, str] | None = None
) -> Threads:
    """The threads that requests, in order of arrival, make up.

    ``session_ids``: request -> the session's id that the rules of its client find, for bodies without a common one.
    """
    builder = _Builder(requests, prompts, library, session_ids or {})
    for index in range(len(requests)):
        builder.place(index)
    return builder.threads()


def grows(earlier: Request, request: Request) -> bool:
    """Whether a request may go on where one without messages ended, by what is counted.

    After an answer it has two messages more, the answer and what is new; and its prompt is longer.
    """
    counts = earlier.message_count, request.message_count
    if counts[0] is None or counts[1] is None:
        return False
    read, now = earlier.input_tokens, request.input_tokens
    if read is not None and now is not None and now <= read and not _in_doubt(earlier, request):
        return False
    return counts[1] - counts[0] >= (2 if earlier.status is Status.COMPLETED else 1)


def found_whole(earlier: Request, request: Request) -> bool:
    """Whether the engine had all of an earlier prompt in its cache, and no more than its answer behind it."""
    read, written, cached = earlier.input_tokens, earlier.output_tokens, request.cached_tokens
    if read is None or cached is None or _in_doubt(earlier, request):
        return False
    return read - _FEW <= cached <= read + (written or 0) + _FEW


def _in_doubt(*requests: Request) -> bool:
    """Whether what is said of them may be another's."""
    return any(request.candidates for request in requests)


class _Builder:
    """The pass over all requests."""

    def __init__(
        self, requests: Sequence[Request], prompts: PromptTree, library: Library, session_ids: Mapping[str, str]
    ) -> None:
        self._past = Past(requests, prompts, library)
        self._session_ids = session_ids
        self._hints_of: dict[Key, Hints] = {}
        self._spawned: list[tuple[int, Key]] = []
        self._loose: dict[tuple[str, ...], deque[int]] = {}

    def threads(self) -> Threads:
        past = self._past
        return Threads(
            tuple(past.links),
            tuple(tuple(thread.members) for thread in past.threads),
            tuple(past.hints),
            tuple(self._spawned),
            past.talk,
            past.prompts,
            tuple(past.leaves),
        )

    def place(self, index: int) -> None:
        """Find the thread of request ``index``; all earlier ones have theirs."""
        past = self._past
        request = past.requests[index]
        prompt = request.prompt
        past.leaves.append(prompt.node if prompt else 0)
        hint = self._hints_in(prompt.params if prompt else None)
        if hint.session is None:
            hint = replace(hint, session=self._session_ids.get(request.id))
        past.hints.append(hint)
        past.continued.append(False)
        if request.api is Api.OTHER:
            past.links.append(Link(-1))
        elif request.kind is Kind.EMBEDDING or request.api is Api.EMBEDDINGS or not past.leaves[index]:
            past.links.append(self._grouped(index))
        else:
            past.links.append(self._talked(index))
        if request.chat_id:
            past.responses[request.chat_id] = index
        if request.kind in (Kind.COMPACTION, Kind.SUMMARY):
            past.compactions.append(index)
        if hint.session is not None and past.links[index].thread >= 0 and request.kind not in SIDE_KINDS:
            past.spoke[hint.session] = index
        if past.links[index].thread >= 0:
            past.recent.pop(past.links[index].thread, None)
            past.recent[past.links[index].thread] = None

    def _talked(self, index: int) -> Link:
        past = self._past
        request = past.requests[index]
        side = request.kind in SIDE_KINDS
        line = past.lines.setdefault(request.kind if side else Kind.MAIN, Line())
        leaf, new = past.talk.place(past.leaves[index])
        fresh = self._fresh(line, leaf)
        only_new = past.hints[index].previous_response is not None
        found = stored(past, index) if only_new else parent(past, index, line, leaf, new, len(fresh))
        if found is None:
            repeated = None if only_new else origin(past, leaf, side=side)
            after = None if repeated is None else past.answer_behind(repeated, leaf)
            link = Link(self._start(index), parent=repeated, leaf=leaf, answer_after=after)
        else:
            link = self._joined(index, found, leaf)
        if not only_new:
            for node in fresh:
                line.owner[node] = index
            line.ends.setdefault(leaf, deque(maxlen=LATEST)).append(index)
            line.tails.setdefault(past.tail(leaf), deque(maxlen=_FAMILY)).append(index)
            if found is None and not side:
                first = past.talk.tree.ancestor(leaf, 1)
                past.families.setdefault(first, deque(maxlen=_FAMILY)).append(link.thread)
        self._remember_answers(index, new, link, side=side)
        return link

    def _joined(self, index: int, found: Found, leaf: int) -> Link:
        past = self._past
        number = past.links[found.parent].thread
        thread = past.threads[number]
        thread.members.append(index)
        thread.hint = thread.hint or past.hints[index].session
        after = None
        if found.relation in (Relation.EXTENDS, Relation.EDITS):
            after = past.answer_after(found, leaf)
        elif found.relation is Relation.COMPACTED:
            after = past.answer_moved(found.parent, leaf)
        failed = past.requests[found.parent].status is not Status.COMPLETED
        if found.relation is Relation.EXTENDS or after or (failed and found.relation is Relation.REPEATS):
            # a retry takes the place of what failed: the next to send the same words is somebody else
            past.continued[found.parent] = True
        return Link(number, found.relation, found.parent, leaf, after)

    def _start(self, index: int) -> int:
        past = self._past
        past.threads.append(Thread(past.requests[index].kind, past.hints[index].session, [index]))
        return len(past.threads) - 1

    def _remember_answers(self, index: int, new: Sequence[int], link: Link, *, side: bool) -> None:
        past = self._past
        for node in reversed(new):
            key = past.prompts.key(node)
            what = past.talk.said(key)
            if what.spawns:
                self._spawned.append((index, key))
            if not side:
                # examples in a first prompt are long answers that nobody gave
                if what.telling and what.key and link.relation is not Relation.STARTS:
                    past.given[what.key] = index
                for call_id in what.call_ids:
                    past.given[call_id] = index

    def _grouped(self, index: int) -> Link:
        """Requests without messages: embeddings of one model in a row; chats whose message count grows."""
        past = self._past
        request = past.requests[index]
        embedding = request.kind is Kind.EMBEDDING or request.api is Api.EMBEDDINGS
        group = (str(request.api), request.model or request.requested_model or "")
        known = self._loose.setdefault(group, deque(maxlen=LATEST))
        near = [tip for tip in (past.threads[thread].members[-1] for thread in known) if self._near(tip, index)]
        fitting = near if embedding else [tip for tip in near if grows(past.requests[tip], request)]
        if not fitting:
            thread = self._start(index)
            known.append(thread)
            return Link(thread)
        read = [] if embedding else [tip for tip in fitting if found_whole(past.requests[tip], request)]
        sure = embedding or len(fitting) == 1 or len(read) == 1
        tip = min(read or fitting, key=lambda one: (self._distance(one, index), -one))
        thread = past.links[tip].thread
        past.threads[thread].members.append(index)
        return Link(thread, Relation.GROUPED, tip if sure else None)

    def _distance(self, tip: int, index: int) -> float:
        """How far a request is from going on at a tip: in messages, or in minutes of silence."""
        counts = [self._past.requests[each].message_count or 0 for each in (tip, index)]
        return counts[1] - counts[0] + (self._past.pause(tip, index) or 0) / _MINUTE

    def _near(self, tip: int, index: int) -> bool:
        pause = self._past.pause(tip, index)
        return pause is not None and -CLOCK_MS <= pause <= _GROUP_MS

    def _fresh(self, line: Line, leaf: int) -> list[int]:
        nodes = []
        while leaf and leaf not in line.owner:
            nodes.append(leaf)
            leaf = self._past.talk.tree.parent(leaf)
        return nodes

    def _hints_in(self, params: Key | None) -> Hints:
        if params is None:
            return Hints()
        known = self._hints_of.get(params)
        if known is None:
            known = self._hints_of[params] = hints(self._past.library.raw(params))
        return known
