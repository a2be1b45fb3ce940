"""Which thread another one hangs under: side requests, sub-agents, and threads that a session id makes one.

In: requests and their threads. Out: ``Links``: threads put together, and for every side thread the thread that caused
it, with the reason in words. Cost: linear in requests; each thread is compared with a bounded number of others.

Evidence, best first. Side requests: the client's session id; the session's messages repeated at the start of the
prompt; the session's first words quoted in it; the only session with the same model within 30 s. Sub-agents: a call
whose prompt is the first thing said; a call still open when it started.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct, field

from lms_audit.correlate.client_rules import OURS
from lms_audit.correlate.continuation import SIDE_KINDS, Relation
from lms_audit.correlate.conversation import spawning
from lms_audit.correlate.threads import Threads
from lms_audit.correlate.words import CUT_MARK, agreement, alike, first_text
from lms_audit.model import Call, Json, Kind, Library, Message, Millis, Request, Role, Text
from lms_audit.read.payload import compact, decode

_NEAR_MS = 30_000
_ACTIVE_MS = 24 * 60 * 60_000
_BACK = 64
_START = 12
"""Characters by which texts are looked up before they are compared."""

_AGREED = 20
"""Characters of a cut prompt that must agree before a call that was open is its caller."""

_PROMPT_NAMES = ("prompt", "message", "task", "instructions", "input", "objective", "goal")
_CUT_PROMPT = re.compile(rf'"(?:{"|".join(_PROMPT_NAMES)})"\s*:\s*"(?P<head>.+)', re.DOTALL)
_MOST_TASKS = 32
"""Tasks of one call that are looked at."""
_WRAPPED = 40
"""Characters at the end of a cut text that must be those of a call's prompt which the client put words in front of."""
_UNQUOTED = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)


class Parent(Struct, frozen=True):
    """The thread another one hangs under."""

    thread: int
    reason: str
    kind: Kind


class Links(Struct, frozen=True):
    """How threads belong together."""

    same: dict[int, int] = field(default_factory=dict)
    """Thread -> the earlier thread of the same session."""
    parents: dict[int, Parent] = field(default_factory=dict)
    texts: dict[int, str | None] = field(default_factory=dict)
    """Thread -> the first thing a person (or an agent's caller) wrote in it; carries LM Studio's mark where cut."""


class _Spawn(Struct, frozen=True):
    request: int
    name: str
    text: str


def links(requests: Sequence[Request], threads: Threads, library: Library) -> Links:
    """What hangs under what."""
    return _Linker(requests, threads, library).links()


class _Linker:
    def __init__(self, requests: Sequence[Request], threads: Threads, library: Library) -> None:
        self._requests = requests
        self._threads = threads
        self._library = library
        self._links = Links()
        self._heads = [members[0] for members in threads.members]
        self._mains = [
            thread
            for thread, head in enumerate(self._heads)
            if requests[head].kind is Kind.MAIN and threads.leaves[head]
        ]
        self._spawns: dict[str, list[_Spawn]] = {}
        """First characters of a prompt -> the calls with it."""
        self._prompts: dict[str, list[_Spawn]] = {}
        """A whole prompt -> the calls with it."""
        self._answered: set[_Spawn] = set()
        """Calls that have started a thread."""
        self._spawning: list[_Spawn] = []
        self._next = {a: b for members in threads.members for a, b in pairwise(members)}
        timed = [
            (request.received_at, link.thread)
            for request, link in zip(requests, threads.links, strict=True)
            if link.thread >= 0 and request.received_at is not None and request.kind is Kind.MAIN
        ]
        timed.sort()
        self._times = [at for at, _ in timed]
        self._timed = [thread for _, thread in timed]

    def links(self) -> Links:
        for thread, head in enumerate(self._heads):
            self._links.texts[thread] = first_text(self._messages(head)) if self._threads.leaves[head] else None
        self._collect_spawns()
        for thread, head in enumerate(self._heads):
            request = self._requests[head]
            if request.kind in (Kind.MAIN, Kind.SUBAGENT) and self._threads.leaves[head]:
                self._link_agent(thread, head)
        by_hint: dict[str, int] = {}
        for thread in self._mains:
            hint = self._threads.hints[self._heads[thread]].session
            if hint is not None and thread not in self._links.parents:
                self._join_by_hint(thread, by_hint.setdefault(hint, thread))
        for thread, head in enumerate(self._heads):
            if self._requests[head].client == OURS:
                continue
            if self._requests[head].kind in SIDE_KINDS and self._threads.leaves[head]:
                parent = self._cause(thread, by_hint)
                if parent is not None:
                    self._links.parents[thread] = parent
            elif self._requests[head].kind is Kind.SUBAGENT and thread not in self._links.parents:
                main = by_hint.get(self._threads.hints[head].session or "")
                if main is not None:
                    self._links.parents[thread] = Parent(main, "same session id", Kind.SUBAGENT)
        return self._links

    # --- sub-agents --------------------------------------------------------------------------------------------------

    def _collect_spawns(self) -> None:
        seen: set[tuple[int, str, str]] = set()
        for index, request in enumerate(self._requests):
            calls = (
                Call(call.id, call.name, call.arguments if isinstance(call.arguments, str) else _json(call.arguments))
                for call in request.tool_calls
            )
            self._add_spawns(index, spawning(calls), seen)
        for index, key in self._threads.spawned:
            link = self._threads.links[index]
            asked = index if link.parent is None or link.relation is Relation.STARTS else link.parent
            self._add_spawns(asked, self._threads.talk.said(key).spawns, seen)
        self._spawning.sort(key=lambda spawn: spawn.request)

    def _add_spawns(self, index: int, calls: Sequence[Call], seen: set[tuple[int, str, str]]) -> None:
        for call in calls:
            for text in prompts_in(call.arguments):
                spawn = _Spawn(index, call.name, text)
                if (index, call.name, text) not in seen:
                    seen.add((index, call.name, text))
                    self._spawns.setdefault(_start(text), []).append(spawn)
                    self._prompts.setdefault(text, []).append(spawn)
                    self._spawning.append(spawn)

    def _link_agent(self, thread: int, head: int) -> None:
        text = self._links.texts[thread]
        request = self._requests[head]
        found = self._calls_with(text, thread, head) if text else []
        reason = "its first message is the prompt of the call {} in request {}"
        if not found and text:
            reason = "its first message holds the prompt of the call {} in request {}"
            found = [spawn for spawn in self._latest_calls(thread, head) if _holds(text, spawn.text)]
        if not found:
            reason = "its first message is the prompt of the call {} in request {}"
            # the call's arguments may be cut so that little of the prompt is left
            agreed = [(agreement(spawn.text, text or ""), spawn) for spawn in self._open_calls(thread, head)]
            found = [spawn for count, spawn in agreed if count >= _AGREED]
            if not found and request.kind is Kind.SUBAGENT:
                reason = "started while the call {} of request {} was open"
                found = [spawn for count, spawn in agreed if count >= 0]
        if not found and text:
            # its own call may not be in the log: a caller whose answer is shown nowhere
            before = [spawn for spawn in self._prompts.get(text, ()) if spawn in self._answered]
            callers = {self._threads.links[spawn.request].thread for spawn in before}
            if len(callers) == 1 and thread not in callers:
                reason = "its first message is that of another sub-agent, of the call {} in request {}"
                found = before
        if found:
            spawn = max(found, key=lambda each: (self._is_open(each, head), each not in self._answered, each.request))
            self._answered.add(spawn)
            self._links.parents[thread] = Parent(
                self._threads.links[spawn.request].thread,
                reason.format(spawn.name, self._requests[spawn.request].id),
                Kind.SUBAGENT,
            )
        elif request.kind is Kind.SUBAGENT:
            near = self._only_near(thread, head)
            if near is not None:
                self._links.parents[thread] = Parent(near, "the only session of its model at that time", Kind.SUBAGENT)

    def _calls_with(self, text: str, thread: int, head: int) -> list[_Spawn]:
        """Calls that may have started a thread, with a text as their prompt."""
        same = [spawn for spawn in self._prompts.get(text, ()) if self._may_start(spawn, thread, head)]
        return same or [
            spawn
            for spawn in self._spawns.get(_start(text), ())
            if self._may_start(spawn, thread, head) and alike(spawn.text, text)
        ]

    def _may_start(self, spawn: _Spawn, thread: int, head: int) -> bool:
        """Whether a call comes before ``head``, and is not over and the start of another thread."""
        return (
            spawn.request < head
            and self._threads.links[spawn.request].thread != thread
            and (spawn not in self._answered or self._is_open(spawn, head))
        )

    def _is_open(self, spawn: _Spawn, head: int) -> bool:
        """The caller has not gone on yet."""
        after = self._next.get(spawn.request)
        return after is None or after > head

    def _open_calls(self, thread: int, head: int) -> list[_Spawn]:
        return [spawn for spawn in self._latest_calls(thread, head) if self._is_open(spawn, head)]

    def _latest_calls(self, thread: int, head: int) -> list[_Spawn]:
        at = bisect_left(self._spawning, head, key=lambda spawn: spawn.request)
        return [
            spawn
            for spawn in self._spawning[max(0, at - _BACK) : at]
            if self._may_start(spawn, thread, head)
            and self._same_model(spawn.request, head)
            and self._same_client(spawn.request, head)
        ]

    def _join_by_hint(self, thread: int, first: int) -> None:
        """Another conversation under one session id: a sub-agent's where it begins with other tools."""
        if thread == first:
            return
        head, main = self._heads[thread], self._heads[first]
        fresh = not self._threads.talk.turns(self._threads.links[head].leaf)
        tools, main_tools = self._tools(head), self._tools(main)
        compacted = self._threads.links[head].relation is Relation.COMPACTED
        if fresh and tools != main_tools and not compacted:
            kind = Kind.SUBAGENT if tools is not None else Kind.OTHER
            self._links.parents[thread] = Parent(first, "same session id, another conversation with other tools", kind)
        else:
            self._links.same[thread] = first

    # --- side requests -----------------------------------------------------------------------------------------------

    def _cause(self, thread: int, by_hint: dict[str, int]) -> Parent | None:
        head = self._heads[thread]
        request = self._requests[head]
        kind = request.kind
        main = by_hint.get(self._threads.hints[head].session or "")
        if main is not None:
            return Parent(main, "same session id", kind)
        quoted = [near for near in self._near(head) if self._quotes(head, near)]
        if kind is Kind.TITLE and quoted:
            return Parent(self._nearest(quoted, head), "quotes the session's first words, within 30 s of it", kind)
        origin = self._threads.links[head].parent
        if origin is not None and self._in_time(origin, head):
            return Parent(self._threads.links[origin].thread, "its prompt repeats the session's messages", kind)
        if not quoted:
            at = bisect_right(self._mains, head, key=lambda main: self._heads[main])
            quoted = [
                main
                for main in self._mains[max(0, at - _BACK) : at]
                if self._in_time(self._threads.members[main][0], head) and self._quotes(head, main)
            ]
        if quoted:
            return Parent(self._nearest(quoted, head), "quotes the session's first words", kind)
        near = self._only_near(thread, head)
        return None if near is None else Parent(near, "the only session of its model within 30 s", kind)

    def _in_time(self, earlier: int, head: int) -> bool:
        a, b = self._requests[earlier].received_at, self._requests[head].received_at
        return a is None or b is None or abs(b - a) <= _ACTIVE_MS

    def _near(self, head: int) -> list[int]:
        """Sessions with the same model and a request within 30 s, in order of their start."""
        request = self._requests[head]
        if request.received_at is None:
            return []
        end = max(request.received_at, request.finished_at or 0)
        first = bisect_left(self._times, request.received_at - _NEAR_MS)
        last = bisect_right(self._times, end + _NEAR_MS)
        found = {self._timed[place] for place in range(first, last)}
        return [
            thread
            for thread in sorted(found)
            if thread not in self._links.parents
            and self._threads.leaves[self._heads[thread]]
            and self._same_model(self._heads[thread], head)
        ]

    def _only_near(self, thread: int, head: int) -> int | None:
        near = [each for each in self._near(head) if each != thread]
        return near[0] if len(near) == 1 else None

    def _nearest(self, threads: Sequence[int], head: int) -> int:
        """The one whose start is nearest for a title, whose latest request is for all else; of equals the latest."""
        title = self._requests[head].kind is Kind.TITLE
        at = self._requests[head].received_at or 0

        def distance(thread: int) -> tuple[Millis, int]:
            members = self._threads.members[thread]
            if not title:
                members = members[max(0, bisect_left(members, head) - 1) :]
            return abs((self._requests[members[0]].received_at or 0) - at), -thread

        return min(threads, key=distance)

    def _quotes(self, head: int, main: int) -> bool:
        text = self._links.texts.get(main)
        if not text:
            return False
        start = " ".join(text.partition(CUT_MARK)[0].split())[:40]
        for part in self._side_texts(head):
            plain = " ".join(part.split())
            if alike(plain.strip('"'), text) or (len(start) >= 8 and start in plain):
                return True
        return False

    def _side_texts(self, head: int) -> Iterator[str]:
        for message in self._messages(head):
            if message.role is Role.USER:
                yield from (part.text for part in message.parts if isinstance(part, Text))

    # --- lookups -----------------------------------------------------------------------------------------------------

    def _messages(self, head: int) -> Iterator[Message]:
        leaf = self._threads.leaves[head]
        prompts = self._threads.prompts
        for depth in range(1, min(prompts.depth(leaf), _BACK) + 1):
            yield self._library.message(prompts.key(prompts.ancestor(leaf, depth)))

    def _tools(self, index: int) -> str | None:
        prompt = self._requests[index].prompt
        return prompt.tools if prompt else None

    def _same_client(self, a: int, b: int) -> bool:
        one, other = self._requests[a].client, self._requests[b].client
        return one == other or "unknown" in (one, other)

    def _same_model(self, a: int, b: int) -> bool:
        one, other = self._requests[a], self._requests[b]
        if one.model is not None and one.model == other.model:
            return True
        return one.requested_model is not None and one.requested_model == other.requested_model


def _holds(text: str, prompt: str) -> bool:
    """Whether a prompt stands in a longer text: words of the client go before it."""
    text, prompt = " ".join(text.split()), " ".join(prompt.split())
    if len(prompt) < _AGREED or CUT_MARK in prompt:
        return False
    tail = text.partition(CUT_MARK)[2]
    return prompt in text or (len(tail) >= _WRAPPED and prompt.endswith(tail))


def _start(text: str) -> str:
    return " ".join(text[: _START * 8].split())[:_START]


def _json(value: Json) -> str:
    return compact(value).decode()


def prompts_in(arguments: str) -> tuple[str, ...]:
    """Texts in a call's arguments that may be the first message of another conversation, the likeliest first."""
    try:
        value = decode(arguments.encode("utf-8", "surrogatepass"))
    except (ValueError, UnicodeError):
        return _cut_prompt(arguments)
    if not isinstance(value, dict):
        return ()
    named = [value[name] for name in _PROMPT_NAMES if isinstance(value.get(name), str)]
    tasks = [task for each in value.values() if isinstance(each, list) for task in each if isinstance(task, dict)]
    named += [text for task in tasks[:_MOST_TASKS] for name in _PROMPT_NAMES if isinstance(text := task.get(name), str)]
    others = [each for name, each in value.items() if isinstance(each, str) and name not in _PROMPT_NAMES]
    # a cut that began in one member may have ended in the prompt
    others = [each[each.index(CUT_MARK) :] if CUT_MARK in each else each for each in others if len(each) >= 40]
    return tuple(text for text in (*named, *others) if text.strip())


def _cut_prompt(arguments: str) -> tuple[str, ...]:
    """What is left of the prompt in arguments cut as one string: its head, or, where it stands last, its tail."""
    before, cut, after = arguments.partition(CUT_MARK)
    if not cut:
        return ()
    found = _CUT_PROMPT.search(before)
    if found is None:
        return (CUT_MARK + _unescaped(after[:-2]),) if after.endswith('"}') else ()
    inner = _UNQUOTED.match(found["head"])
    head = _unescaped(inner[0] if inner else "")
    return (head if inner and len(inner[0]) < len(found["head"]) else head + CUT_MARK,)


def _unescaped(piece: str) -> str:
    """A piece of a JSON string as text; as it stands where the cut went through an escape."""
    try:
        text = decode(f'"{piece}"'.encode("utf-8", "surrogatepass"))
    except (ValueError, UnicodeError):
        return piece
    return text if isinstance(text, str) else piece
