"""Rows of the lists: what ships to the browser, and the plain table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lms_audit.analyse.report import Report
from lms_audit.present import rows, rows_plain
from lms_audit.present.rows import Rows
from tests.listing import FORMULA, HOSTILE, client_name, report, request_link


@pytest.fixture(scope="module")
def run() -> Report:
    return report()


@pytest.fixture(scope="module")
def requests(run: Report) -> Rows:
    return rows.request_rows(run, request_link(run).get, client_name)


@pytest.fixture(scope="module")
def sessions(run: Report) -> Rows:
    return rows.session_rows(run, lambda name: f"sessions/{name}/index.html", client_name)


def unpacked(script: bytes, name: str) -> dict[str, Any]:
    """What the browser gets: the argument of the call in the data file."""
    start = f'lmsAudit.rows("{name}",'
    text = script.decode("ascii")
    assert text.startswith(start)
    assert text.endswith(");\n")
    found: dict[str, Any] = json.loads(text[len(start) : -3])
    return found


def column(data: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in data["columns"] if each["name"] == name)
    return found


def test_every_request_of_the_run_is_a_row_in_order_of_arrival(run: Report, requests: Rows) -> None:
    data = unpacked(rows.script(requests), "requests")
    assert data["count"] == len(run.audit.requests)
    assert column(data, "id")["values"] == [request.id for request in run.audit.requests]
    assert all(each["values"] is None or len(each["values"]) == data["count"] for each in data["columns"])


def test_what_is_not_logged_is_null_and_never_zero(run: Report, requests: Rows) -> None:
    data = unpacked(rows.script(requests), "requests")
    for name in ("prompt_ms", "generation_ms", "tokens_per_second", "output_tokens"):
        values = column(data, name)["values"]
        held = [getattr(request, name) for request in run.audit.requests]
        assert [value is None for value in values] == [value is None for value in held]
        assert any(value is None for value in values)
        assert [v for v in values if v is not None] == pytest.approx([v for v in held if v is not None], abs=0.0005)


def test_times_are_differences_that_add_up_to_the_times(run: Report, requests: Rows) -> None:
    at, found = 0, []
    for step in column(unpacked(rows.script(requests), "requests"), "received_at")["values"]:
        at += step or 0
        found.append(None if step is None else at)
    assert found == [request.received_at for request in run.audit.requests]


def test_names_stand_once_and_tool_calls_are_counted(run: Report, requests: Rows) -> None:
    data = unpacked(rows.script(requests), "requests")
    model = column(data, "model")
    named = [None if code is None else model["names"][code] for code in model["values"]]
    assert named == [request.model for request in run.audit.requests]
    tools = column(data, "tools")
    for request, code in zip(run.audit.requests, tools["values"], strict=True):
        called = [call.name for call in request.tool_calls]
        if code is None:
            assert not called
            assert not request.tool_calls_known
            continue
        flat = tools["sets"][code]
        pairs = zip(flat[::2], flat[1::2], strict=True)
        assert sorted(tools["names"][each] for each, times in pairs for _ in range(times)) == sorted(called)


def test_a_client_nobody_knows_is_unknown_and_a_prompt_without_project_says_so(requests: Rows) -> None:
    data = unpacked(rows.script(requests), "requests")
    assert "unknown" not in column(data, "client")["names"]
    assert column(data, "client")["missing"] == "unknown"
    assert column(data, "client")["labels"] == [client_name(name) for name in column(data, "client")["names"]]
    assert column(data, "project")["missing"] == "not in the prompt"
    assert column(data, "project")["labels"] == ["loom", "loom"]


def test_links_of_one_page_share_an_entry(run: Report, requests: Rows) -> None:
    data = unpacked(rows.script(requests), "requests")
    link = column(data, "link")
    assert len(link["names"]) == len(run.audit.sessions)
    expected = request_link(run)
    for name, code in zip(column(data, "id")["values"], link["values"], strict=True):
        assert (None if code is None else link["names"][code].replace("*", name)) == expected.get(name)


def test_whole_seconds_of_the_log_clock_are_marked(run: Report, requests: Rows) -> None:
    marks = column(unpacked(rows.script(requests), "requests"), "elapsed_ms")["clock"]
    assert marks == "".join("1" if number % 4 == 0 else "0" for number in range(len(run.audit.requests)))
    assert "clock" not in column(unpacked(rows.script(requests), "requests"), "prompt_ms")


def test_hostile_text_cannot_leave_the_data_file(requests: Rows, sessions: Rows) -> None:
    for held in (requests, sessions):
        script = rows.script(held)
        assert script.isascii()
        assert not set(b"<>&'") & set(script)
        assert b"u202e" not in script


def test_a_column_without_any_value_costs_nothing(requests: Rows) -> None:
    assert column(unpacked(rows.script(requests), "requests"), "reasoning_tokens")["values"] is None


def test_infinity_is_not_a_value(run: Report) -> None:
    first, *others = run.audit.requests
    changed = type(first)(
        **{name: getattr(first, name) for name in first.__struct_fields__} | {"prompt_ms": float("inf")}
    )
    audit = type(run.audit)(requests=(changed, *others), sessions=(), conversations={}, files=())
    held = type(run)(**{name: getattr(run, name) for name in run.__struct_fields__} | {"audit": audit})
    made = rows.request_rows(held, lambda _: None, client_name)
    assert column(unpacked(rows.script(made), "requests"), "prompt_ms")["values"][0] is None


def test_the_same_report_gives_the_same_bytes(requests: Rows) -> None:
    again = report()
    assert rows.script(rows.request_rows(again, request_link(again).get, client_name)) == rows.script(requests)


def test_a_session_row_has_its_figures_its_tools_and_how_its_requests_ended(run: Report, sessions: Rows) -> None:
    data = unpacked(rows.script(sessions), "sessions")
    assert data["count"] == len(run.audit.sessions)
    assert column(data, "findings")["values"][:2] == [1, 0]
    assert column(data, "prompt_ms")["values"][2] is None
    status = column(data, "status")
    first = run.audit.sessions[0]
    ends = {str(request.status) for request in run.audit.requests if request.id in first.request_ids}
    assert {status["names"][code] for code in status["sets"][status["values"][0]][::2]} == ends


def test_the_plain_table_shows_the_first_requests_and_says_what_is_left_out(requests: Rows) -> None:
    plain = rows_plain.plain(requests, 50)
    assert (plain.shown, plain.total) == (50, 214)
    assert plain.quiet == "26 requests that run no model"
    assert len({len(line) for line in (plain.heads, *plain.lines)}) == 1
    assert plain.lines[0][0].link == "sessions/s0000/index.html#r-r00000"
    texts = {cell.text for line in plain.lines for cell in line if not cell.known}
    assert texts == {"not logged", "unknown", "not in the prompt"}


def test_the_plain_table_of_sessions_is_complete(run: Report, sessions: Rows) -> None:
    plain = rows_plain.plain(sessions)
    assert plain.shown == plain.total == len(run.audit.sessions)
    assert plain.lines[0][0].text == " ".join(HOSTILE.replace("\u202e", "").split())
    assert "2:05:13" in {cell.text for cell in plain.lines[0]}


def test_an_empty_run_is_a_list_without_rows() -> None:
    made = rows.request_rows(report(0), lambda _: None, client_name)
    assert unpacked(rows.script(made), "requests")["count"] == 0
    assert rows_plain.plain(made).lines == ()


def test_tool_names_are_shown_with_how_often_they_were_called(requests: Rows) -> None:
    cells = {line[2].text for line in rows_plain.plain(requests).lines}
    assert "none" in cells
    assert any("×" in text for text in cells)
    assert any(FORMULA in text for text in cells)


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0, "<0:01"), (190, "<0:01"), (40_000, "0:40"), (59_600, "1:00"), (727_000, "12:07"), (7_513_000, "2:05:13")],
)
def test_spans_are_written_like_a_clock(ms: float, shown: str) -> None:
    assert rows_plain.span(ms) == shown


@pytest.mark.parametrize(
    ("ms", "clock", "shown"), [(640, False, "0.64"), (9_996, False, "10.0"), (12_000, True, "12±1")]
)
def test_seconds_have_the_digits_worth_reading(ms: float, clock: bool, shown: str) -> None:
    assert rows_plain.seconds(ms, clock=clock) == shown
