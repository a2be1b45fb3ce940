"""A session's conversation as the agent's loop: words, reasoning, calls with their results; each thing once.

In: the entries of a part of a session, its requests, their calls. Out: ``Phase`` objects, one per prompt of a person,
which are also the page's table of contents. An answer stands at the request that got it, even where only the next
request's history shows it. Cost: one look at each message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.analyse.call_kinds import kind_of, telling_argument
from lms_audit.analyse.report import CallFacts
from lms_audit.correlate.words import CUT_MARK, alike, one_line, person_text
from lms_audit.model import Call, Entry, Json, Key, Media, Message, Reasoning, Request, Result, Role, Session, Text
from lms_audit.present.views.blocks import Place, Said, said
from lms_audit.present.views.book import Book
from lms_audit.present.views.cards import Card, card
from lms_audit.present.views.data import SessionData
from lms_audit.present.views.format import clock, duration, ms, size, ticks
from lms_audit.present.views.parts import SHOWN_TEXT, Part
from lms_audit.present.views.phases import Calls, Phase, Step, Turn, calls_of, phase_of
from lms_audit.read.payload import decode

TITLE = 90
REASONING_PREVIEW = 110


class _Told(Struct, frozen=True):
    """A message in its place: with the request it belongs to."""

    message: Message
    entry: Entry
    request: Request


class Teller:
    """Tells one session, part by part."""

    def __init__(self, book: Book, session: Session, data: SessionData) -> None:
        self._book = book
        self._session = session
        self._data = data
        self._anchors: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        """Request -> calls told so far: an answer may be spread over several messages."""
        entries = book.audit.conversations.get(session.id, ())
        self._answered = {entry.answers for entry in entries if entry.answers is not None}
        members = set(session.request_ids)
        self._at: dict[str, list[Entry]] = {}
        for entry in entries:
            owner = entry.answers if entry.answers in members else entry.request_id
            self._at.setdefault(owner, []).append(entry)
        self._results: dict[str, tuple[Key, Result]] = {}
        self._shown_results: set[tuple[Key, str]] = set()
        for entry in entries:
            for part in book.library.message(entry.key).parts:
                if isinstance(part, Result) and part.call_id is not None:
                    self._results.setdefault(part.call_id, (entry.key, part))
        slowest = [_work(book.requests[name]) for name in session.request_ids]
        self._slowest = max(slowest, default=0.0) or 1.0
        self.first_shown: dict[Key, str] = {}
        """Message -> the anchor of its first part on the page."""
        self._here: list[str] = []
        self.shown: dict[int, list[str]] = {}
        """Part of the page -> the requests it tells of, and the anchors of its messages."""

    def phases(self, part: Part, number: int = 1) -> tuple[Phase, ...]:
        """The conversation of a part's requests. Prompts that nothing came between open one phase together."""
        self._here = self.shown.setdefault(number, list(part.request_ids))
        phases: list[Phase] = []
        title, anchor = "", f"start-{self._book.part_of[part.request_ids[0]]}"
        items: list[Turn | Calls | Step] = []
        for item in self._items(part):
            if isinstance(item, Turn) and item.kind == "user":
                if items and not (title and all(isinstance(held, Turn) for held in items)):
                    phases.append(phase_of(anchor, title, items))
                    title, items = "", []
                if not title:
                    title, anchor = item.preview, f"p-{item.anchor}"
            items.append(item)
        phases.append(phase_of(anchor, title, items))
        return tuple(phases)

    def _items(self, part: Part) -> Iterator[Turn | Calls | Step]:
        """Turns and calls in order; calls that follow one another become one item, whichever requests made them."""
        held: list[Card] = []
        step: Step | None = None
        for name in part.request_ids:
            for item in self._request(self._book.requests[name]):
                if isinstance(item, Card):
                    if not held and step is not None:
                        yield step
                    elif step is not None:
                        item = replace(item, step=step.anchor)  # noqa: PLW2901
                    step = None
                    held.append(item)
                elif isinstance(item, Step) and not item.note:
                    if step is not None and not held:
                        yield step
                    step = item
                else:
                    if held:
                        yield calls_of(held)
                        held = []
                    if step is not None:
                        yield step
                        step = None
                    yield item
        if held:
            yield calls_of(held)
        if step is not None:
            yield step

    def _request(self, request: Request) -> Iterator[Turn | Card | Step]:
        entries = self._at.get(request.id, [])
        asked = [entry for entry in entries if entry.answers != request.id]
        for entry in asked:
            yield from self._message(_Told(self._book.library.message(entry.key), entry, request))
        yield self._step(request)
        if request.id in self._answered:
            for entry in entries:
                if entry.answers == request.id:
                    yield from self._message(_Told(self._book.library.message(entry.key), entry, request))
        else:
            yield from self._last_answer(request)

    # --- one message -------------------------------------------------------------------------------------------------

    def _anchor(self, key: Key) -> str:
        """Stable for a message: its hash, with a number where the session says the same thing twice."""
        anchor = f"m-{key[:12]}"
        self._anchors[anchor] += 1
        if self._anchors[anchor] > 1:
            anchor = f"{anchor}-{self._anchors[anchor]}"
        self.first_shown.setdefault(key, anchor)
        self._here.append(anchor)
        return anchor

    def _message(self, told: _Told) -> Iterator[Turn | Card]:
        message, entry = told.message, told.entry
        for part in message.parts:
            if isinstance(part, Call):
                index = None
                if entry.answers is not None:
                    index = self._calls[told.request.id]
                    self._calls[told.request.id] += 1
                yield self._card(told, part, index)
            elif isinstance(part, Result):
                if part.call_id is None or (message.key, part.call_id) not in self._shown_results:
                    yield self._turn(told, "result", "Tool result", part.text)
            elif isinstance(part, Media):
                anchor = self._anchor(message.key)
                text = f"{part.media_type}, {size(part.size)} (its bytes are not kept)"
                yield Turn("media", anchor, "Media", Said(text), item=self._data.item(message.key))
            elif isinstance(part, Reasoning):
                text = _whole(told, part.text, told.request.response_reasoning)
                yield self._turn(told, "reasoning", "Reasoning", text)
            elif part.text.strip():
                yield self._words(told, part)

    def _words(self, told: _Told, part: Text) -> Turn:
        role = told.message.role
        if role is Role.USER:
            person = person_text(part.text)
            if not person:
                return self._turn(told, "context", "Context the client added", part.text)
            return self._turn(told, "user", "User", part.text, preview=one_line(person, TITLE))
        if role is Role.ASSISTANT:
            text = _whole(told, part.text, told.request.response_text)
            return self._turn(told, "assistant", "Assistant", text, markdown=True)
        if role in (Role.SYSTEM, Role.DEVELOPER):
            return self._turn(told, "system", f"{role.value.capitalize()} message", part.text)
        return self._turn(told, "result", role.value.capitalize(), part.text)

    def _turn(
        self, told: _Told, kind: str, label: str, text: str, *, preview: str = "", markdown: bool = False
    ) -> Turn:
        anchor = self._anchor(told.message.key)
        item = self._data.item(told.message.key)
        whole = len(text) <= SHOWN_TEXT
        place = None if whole else self._data.place(told.message.key, text)
        return Turn(
            kind,
            anchor,
            label,
            Said(text) if whole and kind != "user" else said(text, place),
            markdown and whole,
            "shortened by LM Studio’s log" if CUT_MARK in text else "",
            item,
            preview or one_line(text, REASONING_PREVIEW),
            told.entry.replaced,
        )

    # --- calls and answers -------------------------------------------------------------------------------------------

    def _card(self, told: _Told, part: Call, index: int | None) -> Card:
        request = told.request
        facts = self._facts(request, index, part.name)
        try:
            arguments: Json = decode(part.arguments.encode("utf-8", "replace")) if part.arguments.strip() else {}
        except ValueError:
            arguments = part.arguments
        if CUT_MARK in part.arguments and facts is not None and index is not None:
            # what the log tells of the answer itself may be whole
            arguments = request.tool_calls[index].arguments
        anchor = f"c-{request.id}-{index}" if index is not None and facts else self._anchor(told.message.key)
        self.first_shown.setdefault(told.message.key, anchor)
        held = self._results.get(part.id or "")
        if held is None and facts is not None and (key := request.tool_calls[facts.index].result_key) is not None:
            parts = self._book.library.message(key).parts
            held = next(((key, one) for one in parts if isinstance(one, Result)), None)
        if held is not None and held[1].call_id is not None:
            self._shown_results.add((held[0], held[1].call_id))
            self.first_shown.setdefault(held[0], anchor)
        item = self._data.item(told.message.key)
        return self._make(request, facts, part.name, arguments, anchor, held, told.message.key, item)

    def _facts(self, request: Request, index: int | None, name: str) -> CallFacts | None:
        calls = self._book.calls(request)
        if index is None or index >= len(calls) or request.tool_calls[index].name != name:
            return None
        return calls[index]

    def _make(
        self,
        request: Request,
        facts: CallFacts | None,
        name: str,
        arguments: Json,
        anchor: str,
        held: tuple[Key, Result] | None,
        key: Key | None,
        item: int | None,
    ) -> Card:
        kind = facts.kind if facts is not None else kind_of(name, arguments)

        def in_call(text: str) -> Place | None:
            return None if key is None else self._data.place(key, text)

        def in_result(text: str) -> Place | None:
            if held is None or not held[0]:
                return None
            return self._data.place(held[0], text)

        return card(
            anchor=anchor,
            name=name,
            kind=kind,
            argument=self._in_project(facts.argument if facts is not None else telling_argument(kind, arguments)),
            arguments=arguments,
            facts=facts,
            result=held[1].text if held is not None else None,
            failed=held[1].is_error if held is not None else False,
            find_call=in_call,
            find_result=in_result,
            request=f"#{self._book.number[request.id]}",
            request_path=self._book.request_path(request.id) or "",
            item=item,
            result_item=self._data.item(held[0]) if held is not None and held[0] else None,
            child=self._child(request, facts),
            time=self._time(request),
        )

    def _in_project(self, argument: str) -> str:
        """A path inside the session's project without the way to it, which stands at the top of the page."""
        project = (self._session.project or "").rstrip("/")
        return argument.removeprefix(f"{project}/") if project.startswith("/") else argument

    def _time(self, request: Request) -> str:
        """How long a call ran that was its request's only one, where the log's clock can tell."""
        gap = self._book.report.gaps.get(self._next(request))
        told = gap is not None and gap.kind == "tools" and len(self._book.calls(request)) == 1
        return (ms if request.precise else ticks)(gap.ms) if gap is not None and told else ""

    def _next(self, request: Request) -> str:
        place = self._book.number[request.id]
        names = self._session.request_ids
        return names[place] if place < len(names) else ""

    def _child(self, request: Request, facts: CallFacts | None) -> str | None:
        if facts is None or str(facts.kind) != "agent":
            return None
        for child in self._book.children.get(self._session.id, ()):
            first = self._book.requests[child.request_ids[0]]
            began, ended = first.received_at, request.finished_at
            if str(child.kind) == "subagent" and began is not None and ended is not None and began >= ended - 1000:
                return self._book.session_path(child.id)
        return None

    def _last_answer(self, request: Request) -> Iterator[Turn | Card]:
        """The answer of a request that no later request repeats, from what the log says of the request itself."""
        parts = (
            (request.response_reasoning, "reasoning", "Reasoning"),
            (request.response_text, "assistant", "Assistant"),
        )
        for text, kind, label in parts:
            if text and text.strip():
                anchor = f"a-{request.id}" if kind == "assistant" else f"a-{request.id}-r"
                item = self._data.text(text)
                markdown = kind == "assistant" and len(text) <= SHOWN_TEXT
                shown = Said(text) if markdown else said(text, Place(item, "[]"))
                yield Turn(kind, anchor, label, shown, markdown, preview=one_line(text, REASONING_PREVIEW))
        if request.status == "completed" and not request.tool_calls and not (request.response_text or "").strip():
            known = request.tool_calls_known
            why = "an answer without text" if known else "the log does not hold this answer"
            yield Turn("unsaid", f"a-{request.id}", "", Said(why), note="" if known else "which settings keep it")
        for facts, made in zip(self._book.calls(request), request.tool_calls, strict=False):
            held = None
            if made.result is not None:
                held = (made.result_key or "", Result(made.id, made.result, made.result_is_error))
            anchor = f"c-{request.id}-{facts.index}"
            yield self._make(request, facts, made.title, made.arguments, anchor, held, None, None)

    def _step(self, request: Request) -> Step:
        took = [duration(request, "elapsed_ms")] if request.elapsed_ms is not None else []
        if request.prompt_ms is not None:
            took.append(f"prompt {duration(request, 'prompt_ms')}")
        if request.generation_ms is not None:
            took.append(f"answer {duration(request, 'generation_ms')}")
        note = "" if request.status == "completed" else str(request.status)
        return Step(
            f"q-{request.id}",
            self._book.number[request.id],
            self._book.request_path(request.id) or "",
            clock(request.received_at),
            " · ".join(took) or "time not logged",
            (
                round((request.prompt_ms or 0) / self._slowest * 100, 2),
                round((request.generation_ms or 0) / self._slowest * 100, 2),
            ),
            note,
            request.errors,
        )


def _whole(told: _Told, text: str, logged: str | None) -> str:
    """A text of an answer that LM Studio shortened in the next prompt, as the log has it of the answer itself."""
    if told.entry.answers is None or CUT_MARK not in text or logged is None:
        return text
    return logged if CUT_MARK not in logged and alike(text, logged) else text


def _work(request: Request) -> float:
    return (request.prompt_ms or 0.0) + (request.generation_ms or 0.0)
