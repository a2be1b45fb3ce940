from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synthetic.clients import ClaudeCode, OpenCode, Output, Project, Script
from synthetic.clock import Clock
from synthetic.engine import Model, Speed
from synthetic.server import LmStudio, Settings
from synthetic.truth import Answer, Call
from synthetic.writer import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from synthetic.clock import Process

NOON = 1_794_225_600_000.0
MODEL = Model("acme/mill-7b", Speed(500, 40), load_ms=1000)
FOLDER = Project("/work/mill", rules="Be brief.")


def run(
    root: Path,
    script: Callable[[LmStudio], Process[None]],
    settings: Settings | None = None,
    model: Model = MODEL,
) -> tuple[LmStudio, str]:
    clock = Clock(NOON)
    with LogFiles(root) as log:
        server = LmStudio(clock, log, settings or Settings(), seed=1)
        server.models = [model]
        clock.spawn(script(server))
        clock.run()
    return server, "".join(path.read_text() for path in sorted(root.rglob("*.log")))


def ask(session: str, text: str, answer: Answer, now: float = NOON) -> OpenCode:
    agent = OpenCode(session, MODEL.name, FOLDER)
    agent.start(now)
    agent.user(text)
    return agent


def test_the_engine_reads_only_what_a_conversation_adds(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "What does the mill do?", Answer())
        call = Call(server.call_id(), "read", '{"filePath":"/work/mill/README.md"}')
        answer = Answer("Let me look.", calls=(call,))
        yield server.post(agent.post(server.clock.now, answer))
        agent.answered(answer)
        agent.results([Output(call, "1: It grinds.")])
        yield server.post(agent.post(server.clock.now, Answer("It grinds.")))

    server, text = run(tmp_path, script)
    first, second = server.ledger.requests
    assert first.cached_tokens == 0
    assert first.input_tokens is not None
    assert second.cached_tokens is not None
    assert second.cached_tokens > first.input_tokens
    assert second.input_tokens is not None
    read = [int(n) for n in re.findall(r"prompt eval time = +[\d.]+ ms / +(\d+) tokens", text)]
    assert read == [first.input_tokens, second.input_tokens - second.cached_tokens]


def test_four_requests_run_at_once_and_a_fifth_waits_for_a_slot(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        for number in range(5):
            agent = ask(f"s{number}", f"Question {number}" * 20, Answer())
            server.post(agent.post(server.clock.now, Answer("An answer. " * 60)))
        yield 0.0

    server, _ = run(tmp_path, script)
    requests = server.ledger.requests
    assert {request.slot for request in requests[:4]} == {0, 1, 2, 3}
    assert len({request.task for request in requests}) == 5
    launched = requests[4].finished_ms
    assert launched is not None
    assert launched > min(request.finished_ms or 0 for request in requests[:4])
    assert all(request.status == "completed" for request in requests)


def test_a_client_that_leaves_gets_no_timing_lines(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "Tell me everything", Answer())
        post = agent.post(server.clock.now, Answer("All of it. " * 400))
        post.cancel_after_ms = 15_000
        yield server.post(post)

    server, text = run(tmp_path, script)
    (request,) = server.ledger.requests
    assert request.status == "cancelled"
    assert request.output_tokens is None
    assert "eval time" not in text
    assert text.index("Client disconnected") < text.index("stop: cancel task, id_task = 0")
    assert len(request.answer.text) < len("All of it. " * 400)


def test_a_template_that_fails_leaves_an_error_and_no_end(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "Hello", Answer())
        post = agent.post(server.clock.now, Answer("Hello"))
        post.template_error = 'Error rendering prompt with jinja template: "No user query found in messages.".'
        yield server.post(post)

    server, text = run(tmp_path, script)
    assert server.ledger.requests[0].status == "error"
    assert "[ERROR][acme/mill-7b] Error rendering prompt" in text
    assert "Finished" not in text


def test_a_prompt_longer_than_the_context_is_refused_by_the_engine(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "word " * 3000, Answer())
        yield server.post(agent.post(server.clock.now, Answer("No")))

    server, text = run(tmp_path, script, model=Model(MODEL.name, MODEL.speed, context=2048))
    assert server.ledger.requests[0].status == "error"
    assert re.search(r"send_error: task id = 0, error: request \(\d+ tokens\) exceeds", text)


@pytest.mark.parametrize("dialect", ["subprocess", "llamav4", "mlx"])
def test_each_dialect_logs_its_own_lines(tmp_path: Path, dialect: str) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "Hello", Answer())
        yield server.post(agent.post(server.clock.now, Answer("Good day.")))

    model = Model(MODEL.name, MODEL.speed, dialect=dialect)  # type: ignore[arg-type]  # one of the three
    server, text = run(tmp_path, script, model=model)
    assert server.ledger.requests[0].timing_logged is (dialect != "mlx")
    assert ("cached_tokens=0" in text) is (dialect == "mlx")
    assert ("LlamaV4: server assigned slot 3 to task 0" in text) is (dialect == "llamav4")
    assert bool(
        re.search(
            r"^\d+\.\d\d\.\d{3}\.\d{3} I slot print_timing: id  3 \| task 0 \|        eval time", text, re.MULTILINE
        )
    ) is (dialect == "subprocess")


def test_logged_packets_add_up_to_the_answer(tmp_path: Path) -> None:
    text_said = "The mill grinds.\nSlowly, but *exceedingly* fine."

    def script(server: LmStudio) -> Process[None]:
        agent = ask("a", "What does it do?", Answer())
        yield server.post(agent.post(server.clock.now, Answer(text_said, "Think first.")))

    server, text = run(tmp_path, script, Settings(tokens=True))
    (request,) = server.ledger.requests
    pieces = re.findall(r'"content": "((?:[^"\\]|\\.)*)"\n      }', text)
    assert "".join(pieces).encode().decode("unicode_escape") == text_said
    assert text.count('"usage": {') == 1
    assert f'"prompt_tokens": {request.input_tokens}' in text


def test_an_answer_that_is_not_streamed_is_logged_whole(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = Script("a", MODEL.name)
        agent.user("One word, please.")
        yield server.post(agent.post(server.clock.now, Answer("Word.")))

    server, text = run(tmp_path, script)
    (request,) = server.ledger.requests
    assert request.answer_logged
    assert '"content": "Word."' in text
    assert '"created": 1794222000' in text, "UTC of the request, while the log's clock is an hour ahead"


def test_only_the_newest_message_of_claude_code_carries_a_cache_marker(tmp_path: Path) -> None:
    def script(server: LmStudio) -> Process[None]:
        agent = ClaudeCode("a", MODEL.name, FOLDER)
        agent.start("Hello", server.clock.now)
        yield server.post(agent.post(server.clock.now, Answer("Hello.")))
        agent.answered(Answer("Hello."))
        agent.user("And now?")
        yield server.post(agent.post(server.clock.now, Answer("Nothing.")))

    server, text = run(tmp_path, script, Settings(full=True))
    assert server.ledger.requests[1].cached_tokens
    second = text[text.rindex("Received request") :]
    assert second.count("cache_control") == 3, "two system blocks and the last message"
    assert second.index('"And now?"') < second.index("cache_control")
