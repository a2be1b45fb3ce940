"""Drives one scripted conversation: the model's turns, the tools' times, the pauses of a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from synthetic.clients import Output
from synthetic.truth import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from synthetic.clock import Process
    from synthetic.server import LmStudio
    from synthetic.story.folder import Use


class Talk:
    """A client's conversation with the server. ``agent`` is one of ``synthetic.clients``, already started."""

    def __init__(self, server: LmStudio, agent: Any) -> None:
        self.server = server
        self.agent = agent
        self.on_packet: Callable[[int], None] | None = None

    def turn(self, text: str, *uses: Use, think: str = "") -> Process[None]:
        """The model says something and calls tools; their results are what the next request begins with."""
        calls = tuple(Call(self.server.call_id(), each.name, each.arguments) for each in uses)
        answer = Answer(text, think, calls)
        post = self.agent.post(self.server.clock.now, answer)
        post.on_packet, self.on_packet = self.on_packet, None
        yield self.server.post(post)
        self.agent.answered(answer)
        outputs = []
        for call, each in zip(calls, uses, strict=True):
            yield each.ms
            outputs.append(Output(call, each.output, each.is_error))
        if outputs:
            self.agent.results(outputs)
        yield 140.0

    def person(self, text: str, pause_s: float) -> Process[None]:
        """Somebody reads the answer, and writes the next message."""
        yield 1000 * pause_s
        self.agent.user(text)

    def given_up(self, text: str, after_s: float) -> Process[None]:
        """An answer the person stops: the client leaves and forgets what it had of it."""
        post = self.agent.post(self.server.clock.now, Answer(text))
        post.cancel_after_ms = 1000 * after_s
        yield self.server.post(post)

    def delegate(
        self, name: str, child: Any, prompt: str, work: Any, text: str = "", **arguments: str
    ) -> Process[None]:
        """A turn whose call is a sub-agent: ``work`` drives it and returns its report."""
        written = json.dumps({"prompt": prompt, **arguments}, ensure_ascii=False, separators=(",", ":"))
        answer = Answer(text, calls=(Call(self.server.call_id(), name, written),))
        yield self.server.post(self.agent.post(self.server.clock.now, answer))
        self.agent.answered(answer)
        yield 90.0
        report = yield from work(Talk(self.server, child))
        self.agent.results([Output(answer.calls[0], report)])
        yield 120.0
