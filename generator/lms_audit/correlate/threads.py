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
from collections.abc import Sequence
from enum import StrEnum
from itertools import islice

from msgspec import Struct, field

from lms_audit.correlate.conversation import PromptTree, Talk
from lms_audit.correlate.hints import Hints, hints
from lms_audit.correlate.words import COMPACTED_STARTS, CUT_MARK, alike, cut_ends, without_reminders
from lms_audit.model import Api, Key, Kind, Library, Millis, Request, Role, Status, Text

_MINUTE = 60_000
_RETRY_MS = 2 * _MINUTE
"""A failed prompt that comes again within this time is a retry, not a second session with the same words."""
_GROUP_MS = 30 * _MINUTE
"""Longest pause between requests that are grouped without a conversation to go by (embeddings, bodies not logged)."""
_COMPACTED_MS = 10 * _MINUTE
_MARKED_MS = 24 * 60 * _MINUTE
_STALE_MS = 24 * 60 * _MINUTE
"""A prompt this old without a continuation has none to come, if a younger one explains the request as well."""
_CLOCK_MS = 1000
"""Log lines have whole seconds."""

_CLIMB = 64
_LATEST = 64
_FAMILY = 16
_RECENT = 32

SIDE_KINDS = frozenset({Kind.TITLE, Kind.SUMMARY, Kind.COMPACTION, Kind.OTHER})
"""Kinds of requests that never belong to the conversation they are about."""


class Relation(StrEnum):
    """How a request goes on with its parent."""

    STARTS = "starts"
    EXTENDS = "extends"
    REPEATS = "repeats"
    """The same prompt again: a retry, or another answer asked for."""
    EDITS = "edits"
    """Shares the beginning, or an answer, and differs before the parent's end: edited, forked or pruned history."""
    COMPACTED = "compacted"
    """The history was replaced by a summary."""
    STORED = "stored"
    """Names the answer it continues; the body holds only what is new."""
    GROUPED = "grouped"
    """No messages to compare: put together by model, time and message count."""


class Link(Struct, frozen=True):
    """A request's place in its thread."""

    thread: int
    """Number of its thread; -1 where no model runs."""
    relation: Relation = Relation.STARTS
    parent: int | None = None
    """Index of the request it continues; for the start of a side request, the request whose prompt it repeats."""
    leaf: int = 0
    """Where its prompt ends in the talk."""
    answer_after: int | None = None
    """Messages of the talk before the parent's answer, where the prompt shows it."""


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
        """Request -> the messages of its answer, as the history of the first request that continues it shows them."""
        found: dict[int, tuple[Key, ...]] = {}
        for child, link in enumerate(self.links):
            if link.parent is not None and link.parent not in found and link.relation is not Relation.STARTS:
                nodes = self.answer_nodes(child)
                if nodes:
                    found[link.parent] = tuple(self.prompts.key(node) for node in nodes)
        return found


def threads(requests: Sequence[Request], prompts: PromptTree, library: Library) -> Threads:
    """The threads that requests, in order of arrival, make up."""
    builder = _Builder(requests, prompts, library)
    for index in range(len(requests)):
        builder.place(index)
    return builder.threads()


class _Thread(Struct):
    """A thread under way."""

    kind: Kind
    hint: str | None
    members: list[int]


class _Line(Struct):
    """What the requests of one purpose have left in the talk; a title request is never taken for a conversation."""

    owner: dict[int, int] = field(default_factory=dict)
    """Talk node -> the request that first passed through it."""
    ends: dict[int, deque[int]] = field(default_factory=dict)
    """Talk node -> the latest requests whose prompt ended there."""


class _Found(Struct, frozen=True):
    parent: int
    relation: Relation
    meets: int = 0
    """Talk node up to which the prompts agree."""
    immediate: bool = False
    """Exactly one answer, or none, lies between."""


class _Builder:
    """The pass over all requests."""

    def __init__(self, requests: Sequence[Request], prompts: PromptTree, library: Library) -> None:
        self._requests = requests
        self._prompts = prompts
        self._library = library
        self._talk = Talk(prompts, library)
        self._links: list[Link] = []
        self._leaves: list[int] = []
        self._hints: list[Hints] = []
        self._hints_of: dict[Key, Hints] = {}
        self._continued: list[int | None] = []
        self._threads: list[_Thread] = []
        self._lines: dict[Kind, _Line] = {}
        self._families: dict[int, deque[int]] = {}
        self._recent: dict[int, None] = {}
        self._given: dict[str, int] = {}
        self._responses: dict[str, int] = {}
        self._spawned: list[tuple[int, Key]] = []
        self._compactions: deque[int] = deque(maxlen=8)
        self._loose: dict[tuple[str, ...], deque[int]] = {}

    def threads(self) -> Threads:
        return Threads(
            tuple(self._links),
            tuple(tuple(thread.members) for thread in self._threads),
            tuple(self._hints),
            tuple(self._spawned),
            self._talk,
            self._prompts,
            tuple(self._leaves),
        )

    # --- one request -------------------------------------------------------------------------------------------------

    def place(self, index: int) -> None:
        """Find the thread of request ``index``; all earlier ones have theirs."""
        request = self._requests[index]
        prompt = request.prompt
        self._leaves.append(prompt.node if prompt else 0)
        self._hints.append(self._hints_in(prompt.params if prompt else None))
        self._continued.append(None)
        if request.api is Api.OTHER:
            self._links.append(Link(-1))
        elif request.kind is Kind.EMBEDDING or request.api is Api.EMBEDDINGS or not self._leaves[index]:
            self._links.append(self._grouped(index))
        else:
            self._links.append(self._talked(index))
        if request.chat_id:
            self._responses[request.chat_id] = index
        if request.kind in (Kind.COMPACTION, Kind.SUMMARY):
            self._compactions.append(index)
        if self._links[index].thread >= 0:
            self._recent.pop(self._links[index].thread, None)
            self._recent[self._links[index].thread] = None

    def _talked(self, index: int) -> Link:
        request = self._requests[index]
        side = request.kind in SIDE_KINDS
        line = self._lines.setdefault(request.kind if side else Kind.MAIN, _Line())
        leaf, new = self._talk.place(self._leaves[index])
        fresh = self._fresh(line, leaf)
        only_new = self._hints[index].previous_response is not None
        found = self._stored(index) if only_new else self._parent(index, line, leaf, new, len(fresh))
        if found is None:
            origin = None if only_new else self._origin(leaf, side=side)
            link = Link(self._start(index), parent=origin, leaf=leaf)
        else:
            link = self._joined(index, found, leaf)
        if not only_new:
            for node in fresh:
                line.owner[node] = index
            line.ends.setdefault(leaf, deque(maxlen=_LATEST)).append(index)
            if found is None and not side:
                first = self._talk.tree.ancestor(leaf, 1)
                self._families.setdefault(first, deque(maxlen=_FAMILY)).append(link.thread)
        self._remember_answers(index, new, link, side=side)
        return link

    def _parent(self, index: int, line: _Line, leaf: int, new: Sequence[int], fresh: int) -> _Found | None:
        retried = self._retried(index, line, leaf)
        if retried is not None:
            return retried
        extended = self._extended(index, line, leaf, fresh)
        again = self._asked_again(index, line, leaf)
        if again is not None:
            return extended if extended is not None and self._runs_alike(index, extended, again) else again
        edited = self._edited(index, line, leaf, fresh)
        if extended is not None:
            return edited if edited is not None and self._better_edited(index, edited, extended) else extended
        return (
            edited
            or self._answer_reappears(index, new)
            or self._message_changed(index, leaf)
            or self._after_compaction(index)
        )

    def _joined(self, index: int, found: _Found, leaf: int) -> Link:
        parent = self._links[found.parent]
        thread = self._threads[parent.thread]
        thread.members.append(index)
        thread.hint = thread.hint or self._hints[index].session
        after = None
        if found.relation in (Relation.EXTENDS, Relation.EDITS):
            after = self._answer_after(found, leaf)
            if found.relation is Relation.EXTENDS and self._continued[found.parent] is None:
                tree = self._talk.tree
                self._continued[found.parent] = tree.ancestor(leaf, tree.depth(parent.leaf) + 1)
        return Link(parent.thread, found.relation, found.parent, leaf, after)

    def _answer_after(self, found: _Found, leaf: int) -> int | None:
        """Where the parent's answer begins in the prompt that ends at ``leaf``.

        After the parent's last message, found in its place whatever was edited before it; or, where only that message
        is another or gone (clients put something there for one request), in its place or after it.
        """
        tree = self._talk.tree
        last = self._links[found.parent].leaf
        end = tree.depth(last)
        places: tuple[int, ...] = ()
        if tree.key(tree.ancestor(leaf, end)) == tree.key(last):
            places = (end,)
        elif tree.depth(found.meets) == end - 1:
            places = (end - 1, end)
        for before in places:
            if tree.depth(leaf) > before and self._talk.answered_last(tree.ancestor(leaf, before + 1)):
                return before
        return None

    def _start(self, index: int) -> int:
        self._threads.append(_Thread(self._requests[index].kind, self._hints[index].session, [index]))
        return len(self._threads) - 1

    def _remember_answers(self, index: int, new: Sequence[int], link: Link, *, side: bool) -> None:
        for node in reversed(new):
            key = self._prompts.key(node)
            what = self._talk.said(key)
            if what.spawns:
                self._spawned.append((index, key))
            if not side:
                # examples in a first prompt are long answers that nobody gave
                if what.telling and what.key and link.relation is not Relation.STARTS:
                    self._given[what.key] = index
                for call_id in what.call_ids:
                    self._given[call_id] = index

    # --- the ways to find a parent -----------------------------------------------------------------------------------

    def _stored(self, index: int) -> _Found | None:
        parent = self._responses.get(self._hints[index].previous_response or "")
        if parent is None or self._links[parent].thread < 0:
            return None
        return _Found(parent, Relation.STORED)

    def _retried(self, index: int, line: _Line, leaf: int) -> _Found | None:
        """The same prompt shortly after it failed, or under the same session id."""
        request = self._requests[index]
        for other in reversed(line.ends.get(leaf, ())):
            earlier = self._requests[other]
            if self._leaves[other] != self._leaves[index] or not self._may_join(index, other):
                continue
            if request.prompt and earlier.prompt and request.prompt.tools != earlier.prompt.tools:
                continue
            age = _span(earlier.finished_at or earlier.received_at, request.received_at)
            failed = earlier.status is not Status.COMPLETED and self._continued[other] is None
            soon = age is not None and -_CLOCK_MS <= age <= _RETRY_MS
            if (failed and soon) or self._same_hint(index, other):
                return _Found(other, Relation.REPEATS, leaf)
        return None

    def _asked_again(self, index: int, line: _Line, leaf: int) -> _Found | None:
        """The same prompt with answers in it: another answer is asked for. A first prompt is a new session instead."""
        for other in reversed(line.ends.get(leaf, ())):
            at_start = self._links[other].relation is Relation.STARTS and not self._talk.lived(leaf)
            if not at_start and self._talk.turns(leaf) and self._may_join(index, other):
                return _Found(other, Relation.REPEATS, leaf)
        return None

    def _extended(self, index: int, line: _Line, leaf: int, fresh: int) -> _Found | None:
        """The deepest prompt that this one begins with and that nobody has continued."""
        tree = self._talk.tree
        turns = self._talk.turns(leaf)
        node = leaf
        for _ in range(min(fresh + _CLIMB, tree.depth(leaf) - 1)):
            node = tree.parent(node)
            open_ones = [
                other
                for other in line.ends.get(node, ())
                if self._continued[other] is None and self._may_join(index, other)
            ]
            if not open_ones:
                continue
            after = tree.ancestor(leaf, tree.depth(node) + 1)
            if len(open_ones) > 1 or self._cut(index):
                scored = sorted((self._fit(index, other, after), other) for other in open_ones)
                (_, contradicted, *_), best = scored[-1]
                if contradicted < 0 and self._cut(index):
                    continue
            else:
                best = open_ones[0]
            return _Found(best, Relation.EXTENDS, node, immediate=turns - self._talk.turns(node) <= 1)
        return None

    def _edited(self, index: int, line: _Line, leaf: int, fresh: int) -> _Found | None:
        """The thread that shares most, an answer at least."""
        tree = self._talk.tree
        attach = tree.ancestor(leaf, tree.depth(leaf) - fresh)
        best: tuple[tuple[bool, int, int], _Found] | None = None
        owner = line.owner.get(attach)
        tips = [] if owner is None else [owner]
        if line is self._lines.get(Kind.MAIN):
            tips += [self._threads[each].members[-1] for each in self._families.get(tree.ancestor(leaf, 1), ())]
        if owner is not None:
            tips.append(self._threads[self._links[owner].thread].members[-1])
        for other in tips:
            if not self._may_join(index, other):
                continue
            meets = tree.meet(self._links[other].leaf, leaf)
            root = self._links[self._threads[self._links[other].thread].members[0]].leaf
            if not (self._talk.lived(meets) or self._talk.turns(meets) > self._talk.turns(root)):
                continue
            rank = (self._same_hint(index, other), tree.depth(meets), other)
            if best is None or rank > best[0]:
                best = rank, _Found(other, Relation.EDITS, meets)
        return best[1] if best else None

    def _runs_alike(self, index: int, extended: _Found, again: _Found) -> bool:
        """Two sessions came to the same prompt one after the other, rather than one asking for another answer.

        Agents come to the same prompt when a task is given twice; people ask again for an answer to what they wrote.
        """
        if not extended.immediate or self._same_thread(extended, again):
            return False
        exact = self._leaves[index] == self._leaves[again.parent]
        last = self._talk.said(self._prompts.key(self._leaves[index])).role
        return extended.parent > again.parent or not exact or last is Role.TOOL

    def _better_edited(self, index: int, edited: _Found, extended: _Found) -> bool:
        if self._same_thread(edited, extended):
            return self._talk.tree.depth(edited.meets) > self._talk.tree.depth(extended.meets)
        if extended.immediate:
            age = _span(self._requests[extended.parent].received_at, self._requests[index].received_at)
            return edited.parent > extended.parent and age is not None and age > _STALE_MS
        return self._talk.tree.depth(edited.meets) > self._talk.tree.depth(extended.meets)

    def _answer_reappears(self, index: int, new: Sequence[int]) -> _Found | None:
        """A thread one of whose answers stands in this prompt, though not after the same beginning."""
        for node in new:
            what = self._talk.said(self._prompts.key(node))
            for mark in (*what.call_ids, what.key if what.telling else None):
                other = self._given.get(mark) if mark else None
                if other is not None:
                    tip = self._threads[self._links[other].thread].members[-1]
                    if self._may_join(index, tip):
                        return _Found(tip, Relation.EDITS)
        return None

    def _message_changed(self, index: int, leaf: int) -> _Found | None:
        """The thread that this prompt continues by one answer but for one message of its latest prompt.

        Clients reword the first message (the time, the list of files) or put something last for one request only.
        """
        tree = self._talk.tree
        for thread in islice(reversed(self._recent), _FAMILY):
            tip = self._threads[thread].members[-1]
            if self._continued[tip] is not None or not self._may_join(index, tip):
                continue
            if self._tools(tip) != self._tools(index) or self._requests[tip].client != self._requests[index].client:
                continue
            end = self._links[tip].leaf
            if not end or self._talk.turns(leaf) != self._talk.turns(end) + 1:
                continue
            meets = tree.meet(end, leaf)
            found = _Found(tip, Relation.EDITS, meets)
            before = self._answer_after(found, leaf)
            gone = before == tree.depth(meets)
            if before and (gone or self._reworded(tip, index, tree.depth(meets) + 1)):
                return found
        return None

    def _reworded(self, tip: int, index: int, depth: int) -> bool:
        """The messages at a depth of two prompts begin alike."""
        a, b = (
            self._talk.said(self._prompts.key(self._talk.find(self._leaves[each], depth))).text for each in (tip, index)
        )
        length = min(len(a), len(b), 20)
        return length >= 4 and a[:length] == b[:length]

    def _after_compaction(self, index: int) -> _Found | None:
        """The thread whose history this prompt has replaced by a summary."""
        request = self._requests[index]
        if request.kind is not Kind.MAIN:
            return None
        opening = self._opening(index)
        marked = any(text.startswith(COMPACTED_STARTS) for text in opening)
        long = any(CUT_MARK in text or len(text) >= 200 for text in opening)
        for side in reversed(self._compactions):
            age = _span(self._requests[side].received_at, request.received_at)
            if age is None or age > _MARKED_MS:
                continue
            answer = self._requests[side].response_text
            answered = answer is not None and any(_quotes(text, answer) for text in opening)
            tip = self._compacted_tip(index, side)
            if tip is None:
                continue
            same_tools = self._tools(tip) == self._tools(index)
            if marked or answered or (long and same_tools and age <= _COMPACTED_MS):
                return _Found(tip, Relation.COMPACTED)
        tip = self._compacted_tip(index, None) if marked else None
        return None if tip is None else _Found(tip, Relation.COMPACTED)

    def _compacted_tip(self, index: int, side: int | None) -> int | None:
        """Latest request of the thread that was compacted: the one ``side`` repeats, else the last active like it."""
        origin = None if side is None else self._links[side].parent
        if origin is not None and self._links[origin].relation is not Relation.GROUPED:
            tip = self._threads[self._links[origin].thread].members[-1]
            return tip if self._requests[tip].kind not in SIDE_KINDS and self._may_join(index, tip) else None
        request = self._requests[index]
        for thread in islice(reversed(self._recent), _RECENT):
            tip = self._threads[thread].members[-1]
            other = self._requests[tip]
            age = _span(other.received_at, request.received_at)
            if (
                other.kind is Kind.MAIN
                and other.prompt is not None
                and other.client == request.client
                and other.requested_model == request.requested_model
                and (other.project == request.project or None in (other.project, request.project))
                and (side is None or tip < side)
                and age is not None
                and age <= _MARKED_MS
                and self._may_join(index, tip)
            ):
                return tip
        return None

    def _origin(self, leaf: int, *, side: bool) -> int | None:
        """For a side request: the latest conversation its prompt repeats. For others: one whose answers it shares."""
        line = self._lines.get(Kind.MAIN)
        if line is None:
            return None
        tree = self._talk.tree
        node = leaf
        while node and node not in line.owner:
            node = tree.parent(node)
        if not node or not (side or self._talk.lived(node)):
            return None
        return line.ends[node][-1] if node in line.ends else line.owner[node]

    def _grouped(self, index: int) -> Link:
        """Requests without messages: embeddings of one model in a row; chats whose message count grows."""
        request = self._requests[index]
        embedding = request.kind is Kind.EMBEDDING or request.api is Api.EMBEDDINGS
        group = (str(request.api), request.model or request.requested_model or "")
        threads_ = self._loose.setdefault(group, deque(maxlen=_LATEST))
        for thread in sorted(threads_, key=lambda each: self._threads[each].members[-1], reverse=True):
            tip = self._threads[thread].members[-1]
            other = self._requests[tip]
            pause = _span(other.finished_at or other.received_at, request.received_at)
            if pause is None or not -_CLOCK_MS <= pause <= _GROUP_MS:
                continue
            counts = other.message_count, request.message_count
            if embedding or (counts[0] is not None and counts[1] is not None and counts[0] < counts[1]):
                self._threads[thread].members.append(index)
                return Link(thread, Relation.GROUPED, tip)
        thread = self._start(index)
        threads_.append(thread)
        return Link(thread)

    # --- evidence ----------------------------------------------------------------------------------------------------

    def _fresh(self, line: _Line, leaf: int) -> list[int]:
        nodes = []
        while leaf and leaf not in line.owner:
            nodes.append(leaf)
            leaf = self._talk.tree.parent(leaf)
        return nodes

    def _may_join(self, index: int, other: int) -> bool:
        thread = self._threads[self._links[other].thread]
        hint = self._hints[index].session
        if hint is not None and thread.hint is not None and hint != thread.hint:
            return False
        return self._requests[index].kind is not Kind.SUBAGENT or thread.kind is Kind.SUBAGENT

    def _same_hint(self, index: int, other: int) -> bool:
        hint = self._hints[index].session
        return hint is not None and hint == self._hints[other].session

    def _same_thread(self, a: _Found | None, b: _Found | None) -> bool:
        return a is not None and b is not None and self._links[a.parent].thread == self._links[b.parent].thread

    def _cut(self, index: int) -> bool:
        return self._requests[index].truncated_by_log

    def _tools(self, index: int) -> Key | None:
        prompt = self._requests[index].prompt
        return prompt.tools if prompt else None

    def _fit(self, index: int, other: int, after: int) -> tuple[bool, int, bool, int, bool, Millis]:
        """How well ``other`` explains the prompt of ``index``, whose message after it is ``after``. More is better."""
        request, earlier = self._requests[index], self._requests[other]
        exact = self._prompts.common(self._leaves[index], self._leaves[other]) == self._prompts.depth(
            self._leaves[other]
        )
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
        idle = request.received_at is None or done <= request.received_at + _CLOCK_MS
        return self._same_hint(index, other), self._answer_fits(index, other, after), exact, sum(same), idle, done

    def _answer_fits(self, index: int, other: int, after: int) -> int:
        """1: the message at ``after`` is the answer that the log shows for ``other``. -1: it is not. 0: not known."""
        if not self._talk.answered_last(after):
            return 0
        node = self._talk.find(self._leaves[index], self._talk.tree.depth(after))
        what = self._talk.said(self._prompts.key(node))
        earlier = self._requests[other]
        ids = {call.id for call in earlier.tool_calls if call.id}
        if ids and what.call_ids:
            return 1 if ids & set(what.call_ids) else -1
        if earlier.response_text and what.text:
            return 1 if cut_ends(earlier.response_text) == what.text else -1
        return 0

    def _opening(self, index: int) -> list[str]:
        """Texts of the first messages of the talk."""
        texts: list[str] = []
        leaf = self._leaves[index]
        for depth in range(1, min(self._prompts.depth(leaf), 6) + 1):
            message = self._library.message(self._prompts.key(self._prompts.ancestor(leaf, depth)))
            if message.role in (Role.USER, Role.ASSISTANT):
                texts += (without_reminders(part.text) for part in message.parts if isinstance(part, Text))
        return texts

    def _hints_in(self, params: Key | None) -> Hints:
        if params is None:
            return Hints()
        known = self._hints_of.get(params)
        if known is None:
            known = self._hints_of[params] = hints(self._library.raw(params))
        return known


def _span(start: Millis | None, end: Millis | None) -> int | None:
    return None if start is None or end is None else end - start


def _quotes(text: str, answer: str) -> bool:
    answer = " ".join(answer[:400].split())
    return len(answer) >= 20 and (answer[:60] in " ".join(text.split()) or alike(text, answer))
