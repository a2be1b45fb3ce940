"""Small logs of a simulated LM Studio, with the truth beside them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lms_audit.correlate.requests import Gathered, gather
from lms_audit.correlate.values import requests
from lms_audit.model import Request
from lms_audit.read.digest import digest
from lms_audit.read.join import join
from synthetic.clients import ClaudeCode, Client, Codex, OpenCode, Output, Project, Script
from synthetic.clock import Clock, Process
from synthetic.engine import Dialect, Model, Speed
from synthetic.jsonlike import Item
from synthetic.server import V0, LmStudio, Settings
from synthetic.truth import Answer, Call, Ledger, Truth
from synthetic.writer import ROTATE_BYTES, LogFiles

START_MS = datetime(2026, 3, 2, 9, 30, tzinfo=UTC).timestamp() * 1000
PROJECT = Project("/home/ada/kettle", commits=("1a2b3c4 Fill the kettle",), rules="Keep the lid on while it boils.")
WORDS = re.findall(
    r"\w+", "kettle spout lid steam copper handle whistle burner gasket boil pour brim limescale filter cord"
)


class PlainOpenCode(OpenCode):
    """An agent that does not stream."""

    stream = False


class PlainClaudeCode(ClaudeCode):
    stream = False


class PlainCodex(Codex):
    stream = False


class StreamingScript(Script):
    stream = True


class V0Script(Script):
    path = V0


class V0StreamingScript(V0Script):
    stream = True


@dataclass(frozen=True)
class Scene:
    """What goes on in a simulated log."""

    seed: int = 1
    lanes: int = 1
    """Conversations at work at the same time."""
    turns: int = 6
    dialect: Dialect = "subprocess"
    more: tuple[Dialect, ...] = ()
    """Engines of further models, which lanes use in turn."""
    full: bool = True
    tokens: bool = False
    verbose: bool = True
    redacted: bool = False
    clients: tuple[type[Client], ...] = (OpenCode,)
    cancel_every: int = 0
    """Every so many requests one is given up by its client."""
    late: bool = False
    """Requests that are given up and not streamed may get their prediction all the same."""
    retries: bool = False
    """What was given up, or failed, is asked for again in the same words."""
    hang_ups: bool = False
    """Clients close their connection once they have the answer."""
    stumble_every: int = 0
    """Every so many requests one is refused by the engine at first."""
    fail_every: int = 0
    """Every so many requests one has a prompt that its template refuses."""
    in_app: int = 0
    """Chats of the application itself, which leave no request line."""
    embeddings: int = 0
    twins: bool = False
    """All conversations begin with the same words."""
    titles: bool = False
    """Agents ask for a title beside their first request."""
    models: int = 1
    context: int = 262_144
    think: bool = False
    """Answers have reasoning."""
    pause_ms: float = 1500
    lag_ms: float = 0.0
    rotate_bytes: int = ROTATE_BYTES
    start_ms: float = START_MS
    offset_h: float = 1.0


class Play:
    """Acts a scene out into a folder."""

    def __init__(self, root: Path, scene: Scene) -> None:
        self.scene = scene
        self.rng = random.Random(scene.seed)
        self.clock = Clock(scene.start_ms)
        self.count = 0
        dialects = (*([scene.dialect] * scene.models), *scene.more)
        self.models = [
            Model(f"maker/{name}", Speed(1800, 60), dialect=dialect, context=scene.context)
            for name, dialect in zip(("pot-8b", "urn-27b", "cup-1b", "jug-4b"), dialects, strict=False)
        ]
        settings = Settings(scene.full, scene.tokens, scene.verbose, scene.redacted, scene.lag_ms)
        with LogFiles(root, rotate_bytes=scene.rotate_bytes) as self.log:
            self.server = LmStudio(self.clock, self.log, settings, seed=scene.seed, utc_offset_h=scene.offset_h)
            self.server.start(self.models)
            for lane in range(scene.lanes):
                self.clock.spawn(self._lane(lane), scene.start_ms + 1000 + lane * 700)
            for number in range(scene.in_app):
                self.clock.spawn(self._in_app(), scene.start_ms + 15_000 + number * 9_000)
            for number in range(scene.embeddings):
                self.clock.at(scene.start_ms + 12_000 + number * 5_000, self._embed)
            self.clock.run()

    @property
    def ledger(self) -> Ledger:
        return self.server.ledger

    def words(self, low: int, high: int) -> str:
        return " ".join(self.rng.choices(WORDS, k=self.rng.randrange(low, high)))

    def _embed(self) -> None:
        self.server.embed("maker/leaf-embed", [self.words(3, 9), self.words(3, 9)])

    def _lane(self, lane: int) -> Process[None]:
        scene = self.scene
        kind = scene.clients[lane % len(scene.clients)]
        model = self.models[lane % len(self.models)].name
        agent: Any = kind(f"lane{lane}", model, None if issubclass(kind, Script) else PROJECT)
        if isinstance(agent, ClaudeCode | Codex):
            agent.session_uuid = f"{lane:08x}{agent.session_uuid[8:]}"
        task = "boil the kettle and pour it over the leaves" if scene.twins else self.words(5, 60)
        match agent:
            case ClaudeCode():
                agent.start(task, self.clock.now)
            case Codex():
                agent.start(task)
            case OpenCode():
                agent.start(self.clock.now)
                agent.user(task)
            case _:
                agent.user(task)
        if scene.titles and isinstance(agent, OpenCode | ClaudeCode):
            self.server.post(agent.title(task, Answer(self.words(2, 6))))
        again: Answer | None = None
        for turn in range(scene.turns):
            answer = again or self._answer(agent, last=turn == scene.turns - 1)
            post = agent.post(self.clock.now, answer)
            self.count += 1
            if scene.cancel_every and self.count % scene.cancel_every == 0:
                post.cancel_after_ms = self.rng.uniform(200, 9000)
                if scene.late and self.rng.random() < 0.5:
                    post.late_answer_ms = self.rng.uniform(0, 3000)
            elif scene.hang_ups and self.rng.random() < 0.7:
                post.hang_up_after_ms = self.rng.uniform(0, 1500)
            if scene.fail_every and self.count % scene.fail_every == 0:
                post.template_error = "Error rendering prompt with jinja template: no kettle in the prompt"
            post.stumbles = bool(scene.stumble_every) and self.count % scene.stumble_every == 0
            got = yield self.server.post(post)
            if got is not None:
                agent.answered(answer)
                if answer.calls:
                    agent.results([Output(call, self.words(20, 400)) for call in answer.calls])
            yield self.rng.expovariate(1 / scene.pause_ms)
            again = answer if got is None and scene.retries else None
            if again is None and (got is None or not answer.calls):
                agent.user(self.words(4, 30))

    def _answer(self, agent: Any, *, last: bool) -> Answer:
        text = self.words(3, 80)
        thoughts = self.words(3, 60) if self.scene.think and not isinstance(agent, Codex | ClaudeCode) else ""
        if last or isinstance(agent, Script) or self.rng.random() < 0.4:
            return Answer(text, thoughts)
        arguments = json.dumps({"command": self.words(2, 9), "description": "boil"})
        return Answer(text, thoughts, (Call(self.server.call_id(), "bash", arguments),))

    def _in_app(self) -> Process[None]:
        engine = self.server.load(self.models[0])
        if not engine.ready.done:
            yield engine.ready
        while (turn := engine.free()) is not None:
            yield turn
        work = engine.launch([Item({"role": "user", "content": self.words(10, 60)})])
        engine.log_launch(work)
        yield work.prompt_ms
        write_ms = engine.write_ms(work, 40)
        yield write_ms
        engine.log_timing(work, work.prompt_ms, write_ms, 40)
        engine.log_release(work, 40)
        engine.release(work, 40)


def read(root: Path) -> tuple[tuple[Request, ...], Gathered]:
    """The requests of a folder, as reading and binding find them."""
    paths = sorted(root.rglob("*.log"), key=lambda path: (path.parent.name, path.name.split(".")[0], _number(path)))
    digests = [digest(path, path.relative_to(root).as_posix()) for path in paths]
    gathered = gather(join(digests).stretches)
    return requests(gathered.drafts), gathered


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])


def pairs(found: tuple[Request, ...], ledger: Ledger) -> Iterator[tuple[Request, Truth]]:
    """Requests beside their truth; both are in order of arrival."""
    assert len(found) == len(ledger.requests)
    for request, truth in zip(found, ledger.requests, strict=True):
        assert request.received_at == int(truth.received_ms // 1000) * 1000
        assert request.endpoint == truth.endpoint
        yield request, truth


FACTS = (
    "status",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "prompt_ms",
    "generation_ms",
    "response_text",
    "model",
)


def differences(request: Request, truth: Truth) -> dict[str, tuple[Any, Any]]:
    """Facts a request states that are not true: name -> found, true. A fact it does not state is no difference."""
    real: dict[str, Any] = {name: getattr(truth, name) for name in FACTS if hasattr(truth, name)}
    real["response_text"] = truth.answer.text
    found: dict[str, tuple[Any, Any]] = {}
    for name, value in real.items():
        stated = getattr(request, name)
        if stated is None or (value is None and name != "status"):
            continue
        if name.endswith("_ms") and request.provenance.get(name) == "clock":
            same = abs(stated - value) <= 2000
        elif name.endswith("_ms"):
            same = abs(stated - value) <= 1
        else:
            same = stated == value
        if not same:
            found[name] = (stated, value)
    return found
