from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lms_audit.analyse import figures, groups, metrics
from lms_audit.analyse.report import Figure, Table, Unit
from lms_audit.analyse.tools import call_facts
from lms_audit.model import Class, FileHealth, LineRange, Problem, Request, Status, Tally
from tests.analyse.worlds import Log, made, row
from tests.analyse.worlds_rich import rich
from tests.support import MINUTE, MONDAY, SECOND, user

FIELDS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "evaluated_tokens",
    "reasoning_tokens",
    "prompt_ms",
    "generation_ms",
    "ttft_ms",
    "queue_ms",
    "thinking_ms",
    "elapsed_ms",
    "tokens_per_second",
)


def values(cells: tuple[Figure, ...]) -> list[float | int | str | None]:
    return [cell.value for cell in cells]


def file(name: str, classes: dict[Class, Tally], problems: tuple[Problem, ...] = ()) -> FileHealth:
    return FileHealth(name, sum(t.bytes for t in classes.values()), 10, None, None, classes, {}, problems=problems)


def test_the_dataset_snapshot_counts_what_the_run_covers() -> None:
    log = Log()
    log.ask([user("a")], after=0, project="/p", takes=5 * SECOND)
    log.ask([user("b")], after=MINUTE, session_id="s2", model="other", client="unknown", takes=5 * SECOND)
    log.ask(None, session_id="s3", model=None, status=Status.INCOMPLETE, received_at=None, takes=None)
    log.list_models(after=60 * MINUTE)
    held = metrics.dataset_figures(
        log.audit(
            files=(
                file(
                    "a.log", {Class.UNDERSTOOD: Tally(6, 600), Class.NOISE: Tally(1, 100), Class.UNKNOWN: Tally(1, 300)}
                ),
                FileHealth("b.log", 77, 1, None, None, {}, {}, refused="not a server log"),
            )
        )
    )
    assert {name: figure.value for name, figure in held.items()} == {
        "log_files": 1,
        "log_bytes": 1000,
        "log_lines": 10,
        "understood_share": 0.7,
        "requests": 3,
        "other_requests": 1,
        "requests_parsed": 2,
        "requests_partial": 1,
        "requests_lost": 0,
        "first_at": MONDAY,
        "last_at": MONDAY + 65 * SECOND,
        "span": 65_000.0,
        "sessions": 3,
        "models": 2,
        "clients": 1,
        "projects": 1,
        "failed_requests": 0,
        "cancelled_requests": 0,
        "incomplete_requests": 1,
    }
    assert held["log_files"].excluded == {"refused": 1}
    assert held["clients"].excluded == {"unknown": 1}
    assert held["projects"].excluded == {"not in the prompt": 2}
    assert held["span"].excluded == {"not logged": 1}


def test_damage_inside_a_request_is_not_a_lost_request() -> None:
    log = Log()
    log.ask([user("a")], source=(LineRange("a.log", 10, 50),))
    inside = Problem("cut body", "cut", LineRange("a.log", 20, 50))
    outside = Problem("cut body", "cut", LineRange("a.log", 90, 95))
    damaged = file("a.log", {Class.DAMAGED: Tally(2, 100)}, (inside, outside))
    assert metrics.lost_records(log.audit(files=(damaged,))) == 1
    other = file("b.log", {Class.DAMAGED: Tally(2, 100)}, (replace(inside, where=LineRange("b.log", 20, 50)),))
    assert metrics.lost_records(log.audit(files=(other,))) == 2


@pytest.mark.parametrize(
    ("fields", "parsed"),
    [
        ({}, True),
        ({"status": Status.CANCELLED}, True),
        ({"status": Status.ERROR}, True),
        ({"truncated_by_log": True}, True),
        ({"status": Status.INCOMPLETE}, False),
        ({"complete": False}, False),
        ({"candidates": ("r9",)}, False),
    ],
)
def test_a_request_is_parsed_when_all_the_log_holds_of_it_was_understood(fields: dict[str, Any], parsed: bool) -> None:
    log = Log()
    log.ask([user("a")], **fields)
    assert metrics.is_parsed(log.requests[0]) is parsed


def test_a_request_without_a_body_is_partial_unless_the_log_hides_it() -> None:
    log = Log()
    log.ask(None)
    log.ask(None, redacted=True)
    assert [metrics.is_parsed(request) for request in log.requests] == [False, True]


def test_token_totals_and_their_coverage() -> None:
    log = Log()
    log.ask(None, input_tokens=1000, output_tokens=100, cached_tokens=400, evaluated_tokens=600, reasoning_tokens=30)
    log.ask(None, input_tokens=500)
    log.ask(None, output_tokens=50)
    log.ask(None)
    log.list_models()
    table = metrics.token_totals(log.requests)
    assert values(row(table, "Input tokens")) == [1500, 2]
    assert values(row(table, "Output tokens")) == [150, 2]
    assert values(row(table, "Cached tokens")) == [400, 1]
    assert values(row(table, "Evaluated tokens")) == [600, 1]
    assert values(row(table, "Reasoning tokens")) == [30, 1]
    assert values(row(table, "Total tokens")) == [1650, 3]
    assert values(row(table, "Cached share")) == [0.4, 1]
    assert row(table, "Input tokens")[0].excluded == {"not logged": 2, "runs no model": 1}


def test_the_spread_of_a_request() -> None:
    log = Log()
    for tokens in (100, 200, 300, 400, 1000):
        log.ask(None, input_tokens=tokens)
    cells = row(metrics.tokens_per_request(log.requests), "Input tokens")
    # requests, average, median, P95 (rank 3.8), P99 (rank 3.96), largest
    assert values(cells) == [5, 400.0, 300.0, pytest.approx(880.0), pytest.approx(976.0), 1000]


def test_times_and_speeds_of_requests() -> None:
    log = Log()
    log.ask(
        None, prompt_ms=1000.0, evaluated_tokens=500, generation_ms=2000.0, output_tokens=20, tokens_per_second=10.0
    )
    log.ask(
        None, prompt_ms=3000.0, evaluated_tokens=300, generation_ms=1000.0, output_tokens=40, tokens_per_second=40.0
    )
    times = metrics.times_per_request(log.requests)
    assert values(row(times, "Prompt processing"))[:3] == [2, 2000.0, 2000.0]
    assert values(row(times, "Response time"))[:3] == [2, 1500.0, 1500.0]
    assert values(row(times, "Queue")) == [0, None, None, None, None, None]
    speeds = metrics.speed_per_request(log.requests)
    written = values(row(speeds, "Tokens per second"))
    assert (written[1], written[2], written[6]) == (25.0, 25.0, 20.0)
    read = values(row(speeds, "Prompt tokens per second"))
    assert (read[1], read[6]) == (300.0, 200.0)


def test_total_time_is_shown_as_sum_and_as_union() -> None:
    log = Log()
    log.ask(None, after=0, takes=10 * SECOND, prompt_ms=4000.0, generation_ms=6000.0)
    log.ask(None, after=5 * SECOND, takes=10 * SECOND, prompt_ms=2000.0, generation_ms=8000.0)
    log.ask(None, after=MINUTE, takes=10 * SECOND, generation_ms=3000.0)
    table = metrics.time_totals(log.requests)
    assert values(row(table, "Prompt processing")) == [6000.0, 6000.0, 2]
    assert values(row(table, "Response time")) == [17_000.0, 14_000.0, 3]
    assert values(row(table, "Combined time")) == [23_000.0, 18_000.0, 3]


def test_tool_shares_cover_only_requests_whose_answer_is_known() -> None:
    log = Log()
    log.ask(None, tool_calls=(made("bash", {"command": "a"}), made("bash", {"command": "b"})), tool_calls_known=True)
    log.ask(None, tool_calls=(made("read", {"path": "x"}),), tool_calls_known=True)
    log.ask(None, tool_calls_known=True)
    log.ask(None, tool_calls_known=True)
    log.ask(None, tool_calls=(made("bash", {"command": "c"}),))
    log.ask(None)
    calls = [one for held in call_facts(log.requests).values() for one in held]
    table = metrics.tool_usage(log.requests, calls)
    assert values(row(table, "Requests with a tool call")) == [2, 4]
    assert values(row(table, "Share with a tool call")) == [0.5, 4]
    assert values(row(table, "Tool calls")) == [4, 5]
    assert values(row(table, "Calls per request")) == [0.75, 4]
    assert values(row(table, "Calls per tool-using request")) == [1.5, 2]
    assert values(row(table, "Failed calls")) == [None, 0]
    assert row(table, "Failed calls")[0].excluded == {"no result in the log": 4}


def test_top_tools_by_count_with_failures() -> None:
    log = Log()
    bad, good = "Exit code: 1\nno", "Exit code: 0\nyes"
    log.ask(None, tool_calls=(made("bash", {"command": "a"}, bad), made("bash", {"command": "b"}, good)))
    log.ask(None, session_id="s2", tool_calls=(made("bash", {"command": "c"}), made("read", {"path": "x"}, "four")))
    calls = [one for held in call_facts(log.requests).values() for one in held]
    table = metrics.top_tools(calls)
    assert [line.label for line in table.rows] == ["bash", "read"]
    assert table.rows[0].link == "tool:bash"
    assert values(row(table, "bash")) == [3, 2, 1, 0.5, 0, 0, 0, len(bad) + len(good)]
    assert values(row(table, "read")) == [1, 1, 0, 0.0, 0, 0, 0, 4]


def test_groups_are_ordered_by_size_with_the_unnamed_last() -> None:
    log = Log()
    log.ask(None, model="small")
    for _ in range(2):
        log.ask(None, model="large", client="unknown")
    for _ in range(3):
        log.ask(None, model=None)
    log.list_models()
    models = groups.by_name(log.requests, "model")
    assert [(line.label, line.link, line.cells[0].value) for line in models.rows] == [
        ("large", "model:large", 2),
        ("small", "model:small", 1),
        ("not logged", None, 3),
    ]
    assert [line.label for line in groups.by_name(log.requests, "client").rows] == ["opencode", "unknown"]


def test_days_and_hours_are_local_as_the_log_writes_them() -> None:
    log = Log()
    log.ask(None, received_at=MONDAY)
    log.ask(None, received_at=MONDAY + 22 * 60 * MINUTE)
    log.ask(None, received_at=None)
    assert [(line.label, line.cells[0].value) for line in groups.by_day(log.requests).rows] == [
        ("2026-02-02", 1),
        ("2026-02-03", 1),
        ("no time in the log", 1),
    ]
    hours = groups.by_hour(log.requests)
    assert hours.rows[0].label == "Monday"
    assert hours.rows[0].cells[2].value == 1
    assert hours.rows[1].cells[0].value == 1
    assert sum(cell.value for line in hours.rows for cell in line.cells if isinstance(cell.value, int)) == 2


# --- properties ------------------------------------------------------------------------------------------------------


def tables_of(requests: list[Request]) -> list[Table]:
    return [
        metrics.token_totals(requests),
        metrics.tokens_per_request(requests),
        metrics.times_per_request(requests),
        metrics.speed_per_request(requests),
        metrics.time_totals(requests),
        groups.by_name(requests, "model"),
        groups.by_name(requests, "client"),
        groups.by_name(requests, "project"),
        groups.by_kind(requests),
        groups.by_day(requests),
    ]


def test_a_log_without_values_has_no_zero_in_any_table() -> None:
    log = Log()
    for _ in range(3):
        log.ask(None, takes=None)
    report = log.report()
    for table in report.tables.values():
        for line in table.rows:
            for cell in line.cells:
                if cell.unit is not Unit.COUNT and not cell.metric.startswith("log_"):
                    assert cell.value is None or cell.n > 0, (table.id, line.label, cell)
                if cell.unit in (Unit.TOKENS, Unit.MS, Unit.RATE, Unit.USD, Unit.SHARE) and cell.metric != "span":
                    assert cell.value is None, (table.id, line.label, cell)
    for session in report.sessions.values():
        for name in ("input_tokens", "output_tokens", "prompt_ms", "idle_ms", "agent_work_ms", "tool_calls"):
            assert session.figures[name].value is None


@given(st.randoms(use_true_random=False))
def test_the_order_of_requests_changes_no_table(random: Any) -> None:
    requests = list(rich().requests)
    shuffled = requests[:]
    random.shuffle(shuffled)
    assert tables_of(shuffled) == tables_of(requests)


@given(st.sampled_from(FIELDS), st.sets(st.integers(0, 12), min_size=1))
def test_a_removed_field_is_an_exclusion_not_a_zero(field: str, gone: set[int]) -> None:
    requests = [request for request in rich().requests[:13] if getattr(request, field) is not None]
    before = figures.sample(requests, field)
    hit = [index for index in sorted(gone) if index < len(requests)]
    for index in hit:
        requests[index] = replace(requests[index], **{field: None})
    after = figures.sample(requests, field)
    assert len(after.values) == len(before.values) - len(hit)
    assert after.excluded == ({"not logged": len(hit)} if hit else {})
    if not after.values:
        assert after.total().value is None


def test_what_is_covered_and_what_is_left_out_add_up_in_every_per_request_table() -> None:
    requests = list(rich().requests)
    for table in tables_of(requests)[:3]:
        for line in table.rows:
            for cell in line.cells:
                if cell.metric != "requests":
                    assert cell.n + sum(cell.excluded.values()) == len(requests), (line.label, cell)
