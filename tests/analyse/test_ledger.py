from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.analyse.ledger import ledger, tool_schemas
from lms_audit.analyse.report import LedgerLine
from lms_audit.correlate.conversation import PromptTree
from tests.analyse.worlds import Log, row
from tests.support import system, user

HELP = system("You help. " * 30)


def lines(log: Log) -> dict[str, LedgerLine]:
    return {line.preview: line for line in ledger(log.requests, log.prompts())}


def test_every_item_stands_once_with_how_often_it_was_sent() -> None:
    log = Log()
    offers = [{"type": "function", "function": {"name": "bash", "description": "d" * 90}}]
    log.ask([HELP, user("a")], offers=offers)
    log.ask([HELP, user("a"), user("b")], offers=offers)
    log.ask([HELP, user("b")], session_id="s2", system_member="Be brief.")
    log.ask(None)
    held = lines(log)
    a, b, tools, brief = held["a"], held["b"], held["bash"], held["Be brief."]
    assert (a.times_sent, a.sessions, a.first_request_id, a.kind, a.role) == (2, 1, "r0", "message", "user")
    assert (b.times_sent, b.sessions, b.first_request_id) == (2, 2, "r1")
    assert (tools.times_sent, tools.sessions, tools.kind) == (2, 1, "tools")
    assert (brief.times_sent, brief.kind, brief.first_request_id) == (1, "system", "r2")
    first = ledger(log.requests, log.prompts())[0]
    assert (first.role, first.times_sent, first.sessions) == ("system", 3, 2)
    assert len(held) == 5


def test_tokens_are_estimated_from_the_requests_that_hold_the_item() -> None:
    log = Log()
    log.ask([HELP, user("a")], input_tokens=100)
    log.ask([HELP, user("a"), user("b" * 300)], input_tokens=200)
    log.ask([user("z" * 50)], input_tokens=5000)
    prompts = log.prompts()
    sizes = [prompts.prompt_bytes(request) or 0 for request in log.requests]
    held = ledger(log.requests, prompts)
    helped = next(line for line in held if line.role == "system")
    assert helped.estimated_tokens == round(helped.size * 300 / (sizes[0] + sizes[1]))
    once = next(line for line in held if line.preview.startswith("z"))
    assert once.estimated_tokens == 0


def test_without_token_counts_nothing_is_estimated() -> None:
    log = Log()
    log.ask([HELP])
    log.ask([HELP, user("a")], input_tokens=70, truncated_by_log=True)
    assert {line.estimated_tokens for line in ledger(log.requests, log.prompts())} == {None}


@given(st.lists(st.tuples(st.lists(st.sampled_from("abc"), max_size=5), st.sampled_from(["s1", "s2"])), max_size=12))
def test_counts_agree_with_walking_every_prompt(sent: list[tuple[list[str], str]]) -> None:
    log = Log()
    for words, session in sent:
        log.ask([user(word) for word in words], session_id=session)
    times: Counter[str] = Counter()
    sessions: dict[str, set[str]] = {}
    for words, session in sent:
        times.update(words)
        for word in words:
            sessions.setdefault(word, set()).add(session)
    held = lines(log)
    assert {word: line.sessions for word, line in held.items()} == {word: len(held) for word, held in sessions.items()}
    assert {word: line.times_sent for word, line in held.items()} == dict(times)


class CountingTree(PromptTree):
    __slots__ = ("steps",)

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def parent(self, node: int) -> int:
        self.steps += 1
        return super().parent(node)


def steps(turns: int) -> int:
    log = Log()
    log.library.tree = tree = CountingTree()
    talk: list[Any] = [HELP]
    for turn in range(turns):
        talk = [*talk, user(f"turn {turn}")]
        log.ask(talk)
    prompts = log.prompts()
    tree.steps = 0
    ledger(log.requests, prompts)
    return tree.steps


def test_the_work_is_linear_in_the_tree_not_in_the_sum_of_prompts() -> None:
    once, twice = steps(100), steps(200)
    assert twice == pytest.approx(2 * once, rel=0.05)
    assert once < 5 * 101


def test_tool_schemas_are_counted_over_all_sets_that_hold_them() -> None:
    log = Log()
    bash = {"type": "function", "function": {"name": "bash", "description": "d" * 90}}
    read = {"type": "function", "function": {"name": "read"}}
    for offers in ([bash], [bash], [bash, read]):
        log.ask([user("a")], offers=offers)
    prompts = log.prompts()
    table = tool_schemas(ledger(log.requests, prompts), prompts)
    assert [line.label for line in table.rows] == ["bash", "read"]
    size, times, resent, tokens = row(table, "bash")
    weight = prompts.library.tools(log.library.put([bash]))[0].size
    assert (size.value, times.value, resent.value, tokens.value) == (weight, 3, 2 * weight, None)
    assert row(table, "read")[2].value == 0
