from __future__ import annotations

import pytest

from lms_audit.analyse.composition import compositions
from lms_audit.analyse.items import NEAR
from tests.analyse.worlds import Log
from tests.support import assistant, call, result, system, user

TALK = [
    system("You help."),
    user("mend it"),
    assistant("Let me see", call("c1", "bash", command="make"), call("c2", "read", path="a"), reasoning_content="hm"),
    result("c1", "fine"),
    result("c2", "print(1)"),
    result("lost", "whose is this"),
]


def size(log: Log, message: object) -> int:
    return len(log.library.items[log.library.put(message)])


def test_a_prompt_is_the_sum_of_its_kinds() -> None:
    log = Log()
    offers = [{"type": "function", "function": {"name": "bash"}}]
    log.ask(TALK, offers=offers, system_member=[{"type": "text", "text": "More."}])
    held = compositions(log.requests, log.prompts())["r0"].bytes
    assert set(held) == {
        *("system", "tools", "user", "assistant", "reasoning", "tool calls"),
        *("tool: bash", "tool: read", "tool: unknown"),
    }
    prompt = log.requests[0].prompt
    assert prompt is not None
    assert held["tools"] == size(log, offers)
    assert held["system"] == size(log, TALK[0]) + size(log, [{"type": "text", "text": "More."}])
    assert held["tool: bash"] == size(log, TALK[3])
    assert held["tool: read"] == size(log, TALK[4])
    assert held["assistant"] + held["reasoning"] + held["tool calls"] == size(log, TALK[2])
    assert sum(held.values()) == log.prompts().prompt_bytes(log.requests[0])
    assert list(held.values()) == sorted(held.values(), reverse=True)


def test_tool_results_inside_user_messages_count_for_their_tool() -> None:
    log = Log()
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "a"}}]}
    back = user(
        [{"type": "tool_result", "tool_use_id": "t1", "content": "print(1)"}, {"type": "text", "text": "go on"}]
    )
    log.ask([use, back])
    held = compositions(log.requests, log.prompts())["r0"].bytes
    assert held["tool: Read"] + held["user"] == size(log, back)
    assert held["tool: Read"] > held["user"]


def test_requests_without_a_body_have_no_composition() -> None:
    log = Log()
    log.ask(None)
    log.ask([])
    held = compositions(log.requests, log.prompts())
    assert "r0" not in held
    assert held["r1"].bytes == {}


def test_an_empty_message_still_counts_its_bytes() -> None:
    log = Log()
    log.ask([assistant(None)])
    held = compositions(log.requests, log.prompts())["r0"].bytes
    assert held == {"assistant": size(log, assistant(None))}


@pytest.mark.parametrize("turns", [50, 100])
def test_the_work_is_linear_in_new_messages(turns: int) -> None:
    log = Log()
    talk = [system("You help.")]
    for turn in range(turns):
        talk = [*talk, user(f"turn {turn}"), assistant(f"answer {turn}")]
        log.ask(talk)
    log.library.messages_read = 0
    prompts = log.prompts()
    compositions(log.requests, prompts)
    assert log.library.messages_read == 2 * turns + 1
    assert len(prompts.nodes) == 2 * turns + 1


def test_the_call_of_a_result_is_looked_for_only_nearby() -> None:
    log = Log()
    log.ask([TALK[2], *(user(f"{n}") for n in range(NEAR)), TALK[3]])
    assert "tool: unknown" in compositions(log.requests, log.prompts())["r0"].bytes
