from __future__ import annotations

from typing import Any

import pytest

from lms_audit.analyse.findings import MOST, RULES
from lms_audit.analyse.report import Finding, Severity
from lms_audit.analyse.sentences import many, request_at, size, span
from lms_audit.model import LogSettings, Source, Status
from tests.analyse.worlds import Log, made
from tests.analyse.worlds_rich import rich
from tests.support import MINUTE, SECOND, assistant, call, result, system, user


def found(log: Log, rule: str, **fields: Any) -> list[Finding]:
    return [one for one in log.report(**fields).findings if one.rule == rule]


def sentences(log: Log, rule: str, **fields: Any) -> list[str]:
    return [one.sentence for one in found(log, rule, **fields)]


def test_spans_and_counts_read_well() -> None:
    assert [span(ms) for ms in (0.4, 850, 97_000, 599_900, 724_000, 11_520_000)] == [
        *("0 ms", "850 ms", "97 s", "599.9 s", "12 min 4 s", "3 h 12 min")
    ]
    assert (many(1, "request"), many(1400, "request")) == ("1 request", "1,400 requests")
    assert (size(912), size(34_100), size(2_000_000)) == ("912 bytes", "34.1 kB", "2.0 MB")
    log = Log()
    log.ask(None)
    log.ask(None, received_at=None)
    assert request_at(log.requests[0], with_day=False) == "Request at 02:40:10"
    assert request_at(log.requests[0], with_day=True) == "Request at 2026-02-02 02:40:10"
    assert request_at(log.requests[1], with_day=True) == "Request at an unknown time"


def test_a_slow_request_says_what_it_read_again_and_why() -> None:
    log = rich()
    assert sentences(log, "slow request")[-1] == (
        "Request at 02:44:00 took 97 s: 94.1 s of it re-read 48,213 prompt tokens after the date or clock in the "
        "system prompt changed."
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"generation_ms": 50_000.0, "output_tokens": 3200, "tokens_per_second": 64.0, "reasoning_tokens": 2400},
            "50 s of it wrote 3,200 tokens at 64.0 tok/s, 75 % of them reasoning",
        ),
        ({"generation_ms": 50_000.0}, "50 s of it wrote the answer"),
        ({"prompt_ms": 40_000.0}, "40 s of it read the prompt"),
        (
            {"prompt_ms": 40_000.0, "evaluated_tokens": 9000, "cached_tokens": 0},
            "40 s of it read 9,000 prompt tokens, of which none were cached",
        ),
        ({"queue_ms": 45_000.0, "prompt_ms": 5000.0}, "45 s of it waited for other requests"),
        ({}, "the log does not say on what"),
        ({"generation_ms": 5000.0}, "the log does not say on what"),
    ],
)
def test_the_largest_part_of_a_slow_request_is_its_reason(fields: dict[str, Any], reason: str) -> None:
    log = Log()
    log.ask(None, elapsed_ms=60_000.0, **fields)
    assert sentences(log, "slow request") == [f"Request at 02:40:10 took 60 s: {reason}."]


def test_a_slow_first_request_of_a_session_says_so() -> None:
    log = Log()
    log.ask(None, elapsed_ms=60_000.0, prompt_ms=55_000.0, evaluated_tokens=9000)
    log.ask(None)
    assert sentences(log, "slow request") == [
        "Request at 02:40:10 took 60 s: 55 s of it read 9,000 prompt tokens of a new session."
    ]


def test_a_request_without_an_elapsed_time_is_timed_by_its_work() -> None:
    log = Log()
    log.ask(None, takes=None, generation_ms=45_000.0)
    assert sentences(log, "slow request") == ["Request at 02:40:10 took 45 s: 45 s of it wrote the answer."]


def test_cache_breaks_of_one_cause_are_one_finding() -> None:
    log = Log()
    long = "Follow the rules. " * 300
    for day in (11, 12, 13):
        log.ask(
            [system(f"Today: 2025-11-{day}. {long}"), user("go")],
            input_tokens=1000,
            evaluated_tokens=1000,
            cached_tokens=0,
            prompt_ms=30_000.0,
        )
    (one,) = found(log, "cache breaks")
    breaks = log.report().cache_breaks
    lost = sum(each.lost_tokens or 0 for each in breaks)
    assert len(breaks) == 2
    assert one.sentence.startswith(f"In 2 requests the engine read {lost:,} tokens again (")
    assert (
        "after the date or clock in the system prompt changed, for example “Today: 2025-11-11.” became" in one.sentence
    )
    assert one.cost_ms == pytest.approx(sum(each.lost_ms or 0.0 for each in breaks))
    assert one.severity is Severity.HIGH


def test_a_cache_break_without_token_counts_still_says_why() -> None:
    log = Log()
    for name in ("pirate", "sailor"):
        log.ask([system(f"You are a {name}. Be kind."), user("go " * 200)])
    (sentence,) = sentences(log, "cache breaks")
    assert sentence == (
        "In 1 request the engine read part of the prompt again (how much is not logged) after the system prompt "
        "changed, for example “are a pirate.” became “are a sailor.”."
    )


def test_failures_with_the_same_error_are_one_finding() -> None:
    log = Log()
    for task in (7, 8, 9):
        log.ask(None, status=Status.ERROR, errors=(f"task {task}: context is full\nmore",), elapsed_ms=1000.0)
    log.ask(None, status=Status.ERROR, takes=None)
    held = found(log, "failed requests")
    assert [one.sentence for one in held] == [
        "3 requests failed, the first at 02:40:10: “task 7: context is full more”.",
        "Request at 02:40:40 failed, the log does not say why.",
    ]
    assert held[0].figure.value == 3


def test_cancellations_after_the_same_time_point_to_a_limit_of_the_client() -> None:
    log = Log()
    log.ask(None, status=Status.CANCELLED, elapsed_ms=300_000.0)
    log.ask(None, status=Status.CANCELLED, elapsed_ms=301_000.0)
    log.ask(None, status=Status.CANCELLED, elapsed_ms=9_000.0)
    (sentence,) = sentences(log, "cancelled requests")
    assert sentence == (
        "3 requests were cancelled by the client after 10 min 10 s of waiting in all; several after about 300 s, "
        "as by a time limit of the client."
    )
    alone = Log()
    alone.ask(None, status=Status.CANCELLED, takes=None)
    assert sentences(alone, "cancelled requests") == ["1 request was cancelled by the client."]


def test_a_context_near_its_limit() -> None:
    log = Log()
    log.ask(None, input_tokens=31_000, output_tokens=900, context_length=32_768)
    log.ask(None, input_tokens=30_000, output_tokens=100, context_length=32_768)
    log.ask(None, input_tokens=30_000, output_tokens=100, context_length=131_072, session_id="s2")
    (one,) = found(log, "context near its limit")
    assert one.sentence == "Request at 02:40:10 filled 97 % of the 32,768 tokens of context the engine has."
    assert one.figure.value == pytest.approx(31_900 / 32_768)


def test_answers_cut_by_a_length_limit() -> None:
    log = Log()
    log.ask(None, finish_reason="length", output_tokens=4096)
    log.ask(None, finish_reason="stop", output_tokens=9000)
    assert sentences(log, "cut answers") == ["1 answer was cut off by a length limit, the longest after 4,096 tokens."]


def test_a_slow_answer_is_compared_at_its_own_context_length() -> None:
    log = Log()
    for _ in range(9):
        log.ask(None, input_tokens=500, output_tokens=100, tokens_per_second=50.0)
    log.ask(None, input_tokens=500, output_tokens=100, tokens_per_second=10.0)
    log.ask(None, input_tokens=90_000, output_tokens=100, tokens_per_second=10.0)
    (one,) = found(log, "slow decode")
    assert one.request_id == "r9"
    assert one.sentence == (
        "Request at 02:41:40 wrote at 10.0 tok/s, where 50.0 tok/s are usual at its context length: 8 s more."
    )
    assert one.cost_ms == pytest.approx(8000.0)


def test_a_tool_that_keeps_failing() -> None:
    log = Log()
    results = ("Exit code: 2", "Exit code: 2", "Exit code: 127", "Exit code: 0", None)
    log.ask(None, tool_calls=tuple(made("bash", {"command": f"make {n}"}, text) for n, text in enumerate(results)))
    assert sentences(log, "failing tool") == [
        "Tool “bash” failed in 3 of 4 calls (75 %), most often: exit code 2.",
    ]


def test_the_same_call_again_and_again() -> None:
    log = Log()
    for _ in range(7):
        log.ask(None, tool_calls=(made("read", {"path": "src/a.py"}), made("bash", {"command": "ls"})))
    held = sentences(log, "repeated call")
    assert held == [
        "A session made the same call 7 times: “read” “src/a.py”.",
        "A session made the same call 7 times: “bash” “ls”.",
    ]
    assert {one.severity for one in found(log, "repeated call")} == {Severity.MEDIUM}


def test_malformed_calls_are_counted_per_model() -> None:
    log = Log()
    log.ask(None, tool_calls=(made("bash", "{broken", malformed=True), made("bash", {"command": "ls"})))
    assert sentences(log, "malformed calls") == ["1 tool call of 2 by qwen had arguments that are not valid JSON."]


def test_tools_that_kept_the_model_waiting() -> None:
    log = Log()
    log.ask([user("a")], tool_calls=(made("bash", {"command": "make test"}), made("read", {"path": "x"})))
    log.ask(
        [user("a"), assistant("", call("c1", "bash", command="make test")), result("c1", "fine")],
        after=5 * MINUTE + 5 * SECOND,
    )
    (one,) = found(log, "slow tool")
    assert one.sentence == ("Before the request at 02:45:15 tools ran for 300 s: “bash” “make test” and 1 more.")
    assert one.cost_ms == 300_000.0


def test_what_the_log_could_not_say_is_a_finding() -> None:
    held = {one.rule: one.sentence for one in rich().report().findings}
    assert held["damaged records"].startswith("1 record is damaged: 600 bytes of the log, for example 2026-02/")
    assert held["unknown records"].endswith("2026-02/2026-02-02.1.log:1 (what is this).")
    assert held["refused files"] == (
        "1 file was not read, for example main.log (not a server log: Electron's main.log)."
    )
    assert held["unattributed"].startswith("Lines of 1 request (")
    assert held["engine tasks without a request"].startswith("2 engine tasks belong to no request")
    assert held["mismatch"].startswith("1 answer in the log differ")
    assert held["model loads"] == "Model qwen was loaded 3 times, unloaded most often for “idle too long”."


def test_settings_that_hide_data_are_named() -> None:
    log = Log()
    log.ask(None, stream=True)
    log.ask(None, stream=True, response_text="hello")
    assert sentences(log, "setting") == [
        "1 of 2 streamed requests have no answer in the log: LM Studio logs it only with “Log incoming tokens” on.",
    ]
    assert sentences(log, "setting", settings=LogSettings(incoming_tokens=True)) == []
    log.ask(None, stream=False, redacted=True, truncated_by_log=True)
    held = sentences(log, "setting", settings=LogSettings(incoming_tokens=True, verbose=False))
    assert len(held) == 3
    assert held[0].startswith("Verbose logging was off")


def test_every_rule_has_an_occasion_and_the_worst_stands_first() -> None:
    report = rich().report()
    order = [Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO]
    ranks = [(order.index(one.severity), -one.cost_ms) for one in report.findings]
    assert ranks == sorted(ranks)
    for one in report.findings:
        assert one.sentence.endswith(".")
        assert "\n" not in one.sentence
        assert any(character.isdigit() for character in one.sentence) or one.rule == "setting"
    assert len(RULES) == 16
    assert {one.rule for one in report.findings} >= {
        *("cache breaks", "slow request", "failed requests", "cancelled requests", "context near its limit"),
        *("cut answers", "slow decode", "failing tool", "repeated call", "malformed calls", "slow tool"),
    }


def test_no_rule_drowns_the_others() -> None:
    log = Log()
    for number in range(3 * MOST):
        log.ask(None, elapsed_ms=60_000.0 + number)
    held = found(log, "slow request")
    assert len(held) == MOST
    assert held[0].figure.value == 60_000.0 + 3 * MOST - 1


def test_a_figure_of_a_finding_says_where_it_comes_from() -> None:
    log = Log()
    log.ask(None, elapsed_ms=60_000.0, provenance={"elapsed_ms": Source.CLOCK})
    (one,) = found(log, "slow request")
    assert (one.figure.n, one.figure.sources) == (1, {"clock": 1})


def test_a_quiet_log_has_no_findings() -> None:
    log = Log()
    log.ask([user("a")], stream=False)
    assert log.report().findings == ()
