"""Writes synthetic logs of any size in LM Studio's grammar.

    python -m benchmarks.generate article /tmp/bench/article

Conversations are made of invented words but have the shape of real ones: sessions of some 20 to 80 requests that each
re-send everything said so far, three clients, title requests, sub-agents, tool results of very different lengths. The
same profile, scale and seed give the same bytes. The article's month (733 MB) takes about five seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthetic.clients import ClaudeCode, Client, Codex, OpenCode, Output, Project, Script
from synthetic.clock import Clock
from synthetic.engine import Model, Speed
from synthetic.server import LmStudio, Settings
from synthetic.tools import CLAUDE_TOOLS, CODEX_TOOLS, OPENCODE_TOOLS
from synthetic.truth import Answer, Call
from synthetic.writer import ROTATE_BYTES, LogFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synthetic.clock import Process
    from synthetic.truth import Ledger


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of a log."""

    about: str
    requests: int
    """That run a model, title requests and sub-agents included."""
    sessions: int
    result_bytes: int
    """Mean length of a tool result; most are far shorter, some far longer."""
    answer_bytes: int = 300
    full: bool = True
    tokens: bool = False
    lanes: int = 1
    """Sessions at work at the same time."""
    days: int = 10
    padding_bytes: int = 36_000
    """Length of all tool descriptions and system text together, beyond the sample's."""
    rotate_bytes: int = ROTATE_BYTES
    only: str | None = None
    """One client instead of the mixture."""


MONTH = Profile(
    "the article's month: 733 MB in 77 files, full bodies, 17 MB of distinct messages",
    requests=1653,
    sessions=40,
    result_bytes=8400,
    padding_bytes=145_500,
    lanes=2,
    days=17,
    rotate_bytes=10_342_000,
)
PROFILES = {
    "article": MONTH,
    "default": replace(MONTH, about="the same month with default settings: strings cut", full=False),
    "tokens": replace(MONTH, about="default settings, and a record per token", full=False, tokens=True),
    "overlap": replace(MONTH, about="four sessions at work all the time", requests=640, sessions=16, lanes=4, days=4),
    "long": Profile(
        "one session of 2,000 requests",
        requests=2000,
        sessions=1,
        result_bytes=180,
        answer_bytes=90,
        days=1,
        padding_bytes=8_000,
        only="opencode",
    ),
}

# A context nobody overflows: a benchmark is about reading, not about failures.
MODELS = (
    Model("qwen/qwen3-coder-30b", Speed(1900, 75), context=1_048_576),
    Model("openai/gpt-oss-20b", Speed(2600, 95), context=1_048_576),
)
MIXTURE = (
    "opencode",
    "claude-code",
    "opencode",
    "codex",
    "opencode",
    "claude-code",
    "opencode",
    "claude-code",
    "opencode",
    "script",
)
"""Clients of successive sessions."""
FOLDERS = ("harbour", "lantern", "quarry", "meadow", "orchard", "foundry")
SYLLABLES = (
    "an",
    "bel",
    "cor",
    "dis",
    "eth",
    "for",
    "gar",
    "hel",
    "in",
    "jor",
    "kel",
    "lum",
    "mor",
    "nes",
    "or",
    "pra",
    "ser",
)
FIRST_DAY = date(2026, 10, 1)


def generate(profile: Profile, root: Path, *, scale: float = 1.0, seed: int = 1) -> tuple[LogFiles, Ledger]:
    """Writes the log and returns its files and the truth about it."""
    profile = scaled(profile, scale)
    clock = Clock(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, 9, tzinfo=UTC).timestamp() * 1000)
    with LogFiles(root, rotate_bytes=profile.rotate_bytes) as log:
        server = LmStudio(clock, log, Settings(full=profile.full, tokens=profile.tokens), seed=seed)
        words = Words(random.Random(seed))
        plans = list(plan(profile, random.Random(seed)))
        lanes: list[list[Session]] = [[] for _ in range(profile.lanes)]
        for number, requests in enumerate(plans):
            session = Session(server, profile, words, random.Random(f"{seed}/{number}"), number, requests)
            lanes[number % profile.lanes].append(session)
        for number, lane in enumerate(lanes):
            clock.spawn(work_through(clock, server, lane, number, profile))
        clock.run()
    return log, server.ledger


def scaled(profile: Profile, scale: float) -> Profile:
    """More or fewer sessions of the same shape; a single session gets longer, which grows with the square."""
    requests = max(round(profile.requests * scale), 2)
    if profile.sessions == 1:
        return replace(profile, requests=requests)
    sessions = max(round(profile.sessions * scale), 1)
    return replace(profile, requests=requests, sessions=sessions, days=max(round(profile.days * scale), 1))


def plan(profile: Profile, rng: random.Random) -> Sequence[int]:
    """Requests per session: between about 20 and 80, and exactly as many as wanted in all."""
    if profile.sessions == 1:
        return [profile.requests]
    weights = [rng.triangular(12, 110, 16) for _ in range(profile.sessions)]
    share = profile.requests / sum(weights)
    lengths = [max(int(weight * share), 2) for weight in weights]
    for number in range(profile.requests - sum(lengths)):
        lengths[number % len(lengths)] += 1
    return lengths


def work_through(clock: Clock, server: LmStudio, lane: list[Session], number: int, profile: Profile) -> Process[None]:
    """The sessions of one lane, spread over the working days."""
    for nth, session in enumerate(lane):
        day = FIRST_DAY + timedelta(days=nth * profile.days // len(lane) * 30 // max(profile.days, 30))
        morning = datetime(day.year, day.month, day.day, 9, number * 7, tzinfo=UTC).timestamp() * 1000
        if morning > clock.now:
            yield morning - clock.now
        if number == 0:
            if clock.now == morning:
                server.start(MODELS)
            server.get("/v1/models")
            server.list_loaded()
        yield from session.run()
        yield session.rng.uniform(60_000, 900_000)


class Session:
    """One conversation of invented words."""

    def __init__(
        self, server: LmStudio, profile: Profile, words: Words, rng: random.Random, number: int, requests: int
    ) -> None:
        self.server, self.profile, self.words, self.rng = server, profile, words, rng
        self.number, self.left, self.requests = number, requests, requests
        folder = rng.choice(FOLDERS)
        self.project = Project(
            f"/Users/mika/code/{folder}", commits=("3f1c2aa Mend the reader",), rules=words.prose(1500)
        )
        self.client = profile.only or MIXTURE[number % len(MIXTURE)]
        self.model = MODELS[1 if self.client == "codex" else 0].name

    def run(self) -> Process[None]:
        """The whole session; ends when its requests are used up."""
        agent = self._agent(f"s{self.number}")
        task = self.words.prose(self.rng.randrange(60, 700))
        now = self.server.clock.now
        if isinstance(agent, Codex):
            agent.start(task)
        elif isinstance(agent, ClaudeCode):
            agent.start(task, now)
        elif isinstance(agent, OpenCode):
            agent.start(now)
            agent.user(task)
        else:
            agent.user(task)
        if isinstance(agent, OpenCode | ClaudeCode) and self.left > 8 and self.profile.only is None:
            self.left -= 1
            self.server.post(agent.title(task, Answer(self.words.prose(40))))
        while self.left > 0:
            yield from self._phase(agent)

    def _phase(self, agent: Any) -> Process[None]:
        """What one message of the user sets off: some turns with tools, then an answer."""
        turns = self.rng.randrange(6, 22)
        while self.left > 0:
            self.left -= 1
            turns -= 1
            last = turns < 0 or self.left == 0 or isinstance(agent, Script)
            answer = self._answer(agent, final=last)
            got = yield self.server.post(agent.post(self.server.clock.now, answer))
            assert got is answer
            agent.answered(answer)
            if last:
                break
            yield from self._tools(agent, answer)
        yield self.rng.uniform(20_000, 400_000)
        agent.user(self.words.prose(self.rng.randrange(30, 400)))

    def _tools(self, agent: Any, answer: Answer) -> Process[None]:
        outputs = []
        for call in answer.calls:
            yield self.rng.expovariate(1 / 2500)
            if call.name in {"task", "Agent"} and self.left > 8:
                report = yield from self._explore(agent, json.loads(call.arguments)["prompt"])
                outputs.append(Output(call, report))
            else:
                # Agents read much at first and little towards the end.
                eager = 0.1 + 1.8 * self.left / self.requests
                length = int(self.profile.result_bytes * eager * min(self.rng.lognormvariate(-0.7, 1.2), 8))
                outputs.append(Output(call, self.words.listing(length), is_error=self.rng.random() < 0.04))
        agent.results(outputs)

    def _explore(self, agent: Any, prompt: str) -> Process[str]:
        """A sub-agent: a conversation of its own whose last words come back as the result."""
        child = agent.explorer(f"{agent.session}/explore{self.left}")
        if isinstance(child, ClaudeCode):
            child.start(prompt, self.server.clock.now)
        else:
            child.start(self.server.clock.now)
            child.user(prompt)
        for turn in range(self.rng.randrange(3, 7), -1, -1):
            self.left -= 1
            answer = self._answer(child, final=turn == 0)
            yield self.server.post(child.post(self.server.clock.now, answer))
            child.answered(answer)
            child.results([Output(call, self.words.listing(2500)) for call in answer.calls])
        return answer.text

    def _agent(self, label: str) -> Client:
        kind = {"opencode": OpenCode, "claude-code": ClaudeCode, "codex": Codex, "script": Script}[self.client]
        agent = kind(label, self.model, None if kind is Script else self.project)
        if isinstance(agent, OpenCode):
            agent.system_text += self.words.padding(self.profile.padding_bytes // 3, "opencode")
            agent.tools = self.words.padded(OPENCODE_TOOLS, 2 * self.profile.padding_bytes // 3)
        elif isinstance(agent, ClaudeCode):
            agent.session_uuid = f"{self.rng.getrandbits(32):08x}-7f5e-4b62-9a40-{self.rng.getrandbits(48):012x}"
            agent.main_text += self.words.padding(self.profile.padding_bytes // 3, "claude")
            agent.tools = self.words.padded(CLAUDE_TOOLS, 2 * self.profile.padding_bytes // 3)
        elif isinstance(agent, Codex):
            agent.session_uuid = f"019a7c11-5d2e-7b90-8a3c-{self.rng.getrandbits(48):012x}"
            agent.tools = self.words.padded(CODEX_TOOLS, self.profile.padding_bytes // 2)
        return agent

    def _answer(self, agent: Any, *, final: bool) -> Answer:
        text = self.words.prose(int(self.rng.expovariate(1 / self.profile.answer_bytes)) + 20)
        if final:
            return Answer(text)
        calls = [self._call(agent) for _ in range(1 if self.rng.random() < 0.85 else 2)]
        return Answer(text if self.rng.random() < 0.6 else "", calls=tuple(calls))

    def _call(self, agent: Any) -> Call:
        path = f"{self.project.path}/src/{self.words.word()}/{self.words.word()}.py"
        if isinstance(agent, Codex):
            name, arguments = "exec_command", {"cmd": f"sed -n 1,200p {path}", "workdir": self.project.path}
        elif self.rng.random() < 0.015 and agent.kind == "main" and self.profile.only is None:
            name = "task" if isinstance(agent, OpenCode) else "Agent"
            arguments = {"description": "Find the places", "prompt": self.words.prose(400), "subagent_type": "explore"}
        else:
            field = "filePath" if isinstance(agent, OpenCode) else "file_path"
            old, new = ("oldString", "newString") if isinstance(agent, OpenCode) else ("old_string", "new_string")
            name, arguments = self.rng.choices(
                (
                    ("read", {field: path}),
                    ("edit", {field: path, old: self.words.prose(200), new: self.words.prose(260)}),
                    ("grep", {"pattern": self.words.word(), "path": self.project.path}),
                    ("bash", {"command": f"pytest -q {path}", "description": "Run the tests"}),
                ),
                (45, 20, 12, 23),
            )[0]
            if isinstance(agent, ClaudeCode):
                name = name.capitalize()
        return Call(self.server.call_id(), name, json.dumps(arguments))


class Words:
    """Invented words, prose and file listings; cheap enough for gigabytes."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words = ["".join(rng.choices(SYLLABLES, k=rng.randrange(1, 5))) for _ in range(4000)]
        self._kept: dict[Any, Any] = {}

    def word(self) -> str:
        return self.rng.choice(self.words)

    def prose(self, length: int) -> str:
        """About so many characters of text."""
        return " ".join(self.rng.choices(self.words, k=max(length // 8, 1)))

    def listing(self, length: int) -> str:
        """About so many characters of a numbered file."""
        lines = []
        for number in range(1, max(length // 45, 1) + 1):
            indent = "    " * self.rng.randrange(4)
            lines.append(f"{number:5d}\t{indent}{' '.join(self.rng.choices(self.words, k=4))}(self, {number})")
        return "\n".join(lines)

    def padding(self, length: int, key: str) -> str:
        """The same prose every time for one key: part of what every request repeats."""
        if key not in self._kept:
            self._kept[key] = "\n" + self.prose(length)
        return str(self._kept[key])

    def padded(self, tools: tuple[dict[str, Any], ...], length: int) -> tuple[dict[str, Any], ...]:
        """A tool set whose descriptions are as long as the real ones."""
        key = (id(tools), length)
        if key not in self._kept:
            each = length // len(tools)
            self._kept[key] = tuple(self._describe(tool, each) for tool in tools)
        kept: tuple[dict[str, Any], ...] = self._kept[key]
        return kept

    def _describe(self, tool: dict[str, Any], length: int) -> dict[str, Any]:
        if "function" in tool:
            return {**tool, "function": self._describe(tool["function"], length)}
        return {**tool, "description": f"{tool.get('description', '')} {self.prose(length)}"}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "profile", choices=PROFILES, help="; ".join(f"{name}: {p.about}" for name, p in PROFILES.items())
    )
    parser.add_argument("folder", type=Path, help="must be empty or not exist")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer sessions (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.folder.exists() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty")
    began = time.perf_counter()
    log, ledger = generate(PROFILES[options.profile], options.folder, scale=options.scale, seed=options.seed)
    took = time.perf_counter() - began
    requests = list(ledger.generating())
    print(
        f"{options.profile}: {log.bytes / 1e6:.1f} MB in {len(log.files)} files, {len(requests)} requests in "
        f"{len(ledger.sessions())} conversations, written in {took:.1f} s"
    )


if __name__ == "__main__":
    main()
