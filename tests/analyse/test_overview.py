from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.analyse.idle import gaps
from lms_audit.analyse.report import Figure, Gap, GapKind
from tests.analyse.worlds import Log
from tests.support import SECOND, assistant, call, result, system, user


def cells(log: Log, session: str = "s1") -> dict[str, Figure]:
    return log.report().sessions[session].figures


def values(log: Log) -> dict[str, Any]:
    return {name: figure.value for name, figure in cells(log).items()}


def test_the_overview_card_of_a_session() -> None:
    log = Log()
    log.ask(
        [user("a")],
        after=0,
        takes=4 * SECOND,
        input_tokens=1000,
        output_tokens=100,
        cached_tokens=0,
        prompt_ms=1000.0,
        generation_ms=2000.0,
        tokens_per_second=50.0,
        project="/p",
        tool_calls_known=True,
    )
    log.ask(
        [user("a"), user("b")],
        after=10 * SECOND,
        takes=4 * SECOND,
        input_tokens=1200,
        output_tokens=300,
        cached_tokens=900,
        prompt_ms=3000.0,
        generation_ms=3000.0,
        tokens_per_second=100.0,
        model="other",
    )
    log.ask([user("name")], session_id="side")
    log.parents["side"] = "s1"
    assert values(log) == {
        "client": "opencode",
        "model": "other, qwen",
        "project": "/p",
        "requests": 2,
        "side_requests": 1,
        "input_tokens": 2200,
        "output_tokens": 400,
        "cached_tokens": 900,
        "cached_share": pytest.approx(900 / 2200),
        "tokens_per_second_mean": 75.0,
        "tokens_per_second_weighted": 80.0,
        "prompt_ms_mean": 2000.0,
        "prompt_ms": 4000.0,
        "generation_ms": 5000.0,
        "tool_calls": 0,
        "agent_work_ms": 8000.0,
        "idle_ms": 6000.0,
        "tool_gap_ms": 0,
        "person_gap_ms": 6000.0,
        "session_elapsed_ms": 14_000.0,
    }
    held = cells(log)
    assert (held["tool_calls"].n, held["tool_calls"].excluded) == (1, {"not logged": 1})
    assert held["project"].excluded == {"not in the prompt": 1}
    assert held["tokens_per_second_mean"].sources == {"engine": 2}


def test_a_session_of_one_request_has_no_idle_time_to_know() -> None:
    log = Log()
    log.ask([user("a")])
    assert cells(log)["idle_ms"].value is None
    assert cells(log)["idle_ms"].excluded == {}


def test_a_session_without_ends_has_no_times() -> None:
    log = Log()
    log.ask([user("a")], takes=None)
    log.ask([user("a"), user("b")], takes=None)
    held = cells(log)
    for name in ("agent_work_ms", "idle_ms", "session_elapsed_ms"):
        assert held[name].value is None
    assert held["idle_ms"].excluded == {"no time in the log": 1}
    assert held["agent_work_ms"].excluded == {"no time in the log": 2}


def test_a_gap_begins_when_everything_before_has_ended() -> None:
    log = Log()
    first = log.ask([user("a")], after=0, takes=20 * SECOND)
    inside = log.ask([user("b")], after=5 * SECOND, takes=5 * SECOND)
    later = log.ask([user("c")], after=30 * SECOND, takes=None)
    lost = log.ask([user("d")], after=5 * SECOND)
    found = gaps(log.requests, log.prompts())
    assert found[first] is None
    assert found[inside] == Gap(0.0, GapKind.PERSON)
    assert found[later] == Gap(15_000.0, GapKind.PERSON)
    assert found[lost] is None


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12))
def test_agent_work_and_idle_add_up_to_elapsed(steps: list[tuple[int, int]]) -> None:
    log = Log()
    for after, takes in steps:
        log.ask(None, after=after * SECOND, takes=takes * SECOND)
    held = values(log)
    assert held["agent_work_ms"] + (held["idle_ms"] or 0.0) == held["session_elapsed_ms"]


TALK = [
    system("You help."),
    user("mend it"),
    assistant("", call("c1", "bash", command="make"), call("c2", "bash", command="ls")),
    result("c1", "fine"),
    result("c2", "a b"),
]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ([], GapKind.TOOLS),
        ([user("no, the other one")], GapKind.PERSON),
        ([user("<system-reminder>mind the tests</system-reminder>")], GapKind.TOOLS),
        ([assistant("done")], GapKind.UNKNOWN),
    ],
)
def test_what_a_gap_was_for_is_told_by_what_the_next_prompt_brings(more: list[Any], kind: GapKind) -> None:
    log = Log()
    log.ask(TALK[:2])
    log.ask([*TALK, *more])
    found = gaps(log.requests, log.prompts())["r1"]
    assert found is not None
    assert found.kind is kind


def test_tool_results_inside_user_messages_are_tool_time() -> None:
    log = Log()
    log.ask(TALK[:2])
    blocks = [
        {"type": "tool_result", "tool_use_id": "c1", "content": "fine"},
        {"type": "text", "text": "<system-reminder>mind the tests</system-reminder>"},
    ]
    log.ask([*TALK[:3], user(blocks)])
    report = log.report()
    assert report.gaps["r1"].kind is GapKind.TOOLS
    assert report.idle_ms == {"r0": None, "r1": 5000.0}
    assert report.sessions["s1"].figures["tool_gap_ms"].value == 5000.0
