from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lms_audit.analyse.report import Figure
from lms_audit.model import Api, Kind, Source, Status
from tests.analyse.worlds import Log, every_figure, made
from tests.analyse.worlds_rich import rich
from tests.support import MARK, SECOND, assistant, call, result, system, user

MESSAGES = [
    system("Today: Tue Nov 11 2025. " + "Be kind. " * 60),
    system("Today: Wed Nov 12 2025. " + "Be kind. " * 60),
    user("mend it"),
    user("<system-reminder>mind the tests</system-reminder>"),
    user("This session is being continued from a previous conversation"),
    user(f"begin{MARK}end"),
    assistant("so", reasoning_content="hm"),
    assistant(None, call("c1", "bash", command="make")),
    result("c1", "Exit code: 2"),
    user([{"type": "tool_result", "tool_use_id": "c1", "content": "fine " * 99}]),
]
COUNT = st.none() | st.integers(0, 5000)
SPAN = st.none() | st.floats(0, 1e6)
FIELDS: dict[str, Any] = {
    "status": st.sampled_from(Status),
    "api": st.sampled_from(Api),
    "kind": st.sampled_from(Kind),
    "session_id": st.sampled_from(["s1", "s2", None]),
    "model": st.sampled_from(["qwen", "other", None]),
    "client": st.sampled_from(["opencode", "unknown"]),
    "project": st.sampled_from(["/p", "shop", None]),
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "cached_tokens": COUNT,
    "evaluated_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "context_length": COUNT,
    "draft_accepted": COUNT,
    "draft_generated": COUNT,
    "prompt_ms": SPAN,
    "generation_ms": SPAN,
    "elapsed_ms": SPAN,
    "queue_ms": SPAN,
    "tokens_per_second": SPAN,
    "stream": st.sampled_from([True, False, None]),
    "truncated_by_log": st.booleans(),
    "tool_calls_known": st.booleans(),
    "tool_calls": st.sampled_from([(), (made("bash", {"command": "make"}, "Exit code: 2"), made("read", "{", None))]),
    "errors": st.sampled_from([(), ("it broke",)]),
    "provenance": st.sampled_from([{}, {"prompt_ms": Source.CLOCK}]),
    "received_at": st.none() | st.integers(0, 10**13),
    "takes": st.none() | st.integers(0, 99).map(lambda seconds: seconds * SECOND),
}
REQUEST = st.fixed_dictionaries(
    {
        "messages": st.none() | st.lists(st.sampled_from(MESSAGES), max_size=6),
        "system_member": st.none() | st.sampled_from(["Be brief.", [{"type": "text", "text": "It is 10:30."}]]),
        "offers": st.none() | st.sampled_from([[], [{"name": "bash"}], [{"name": "read"}, {"name": "bash"}]]),
    },
    optional=FIELDS,
)


def log_of(asked: list[dict[str, Any]]) -> Log:
    log = Log()
    for fields in asked:
        hidden = {"offers": None} if fields["messages"] is None else {}
        log.ask(**fields | hidden)
    return log


def no_figure_is_invented(figure: Figure) -> None:
    assert figure.n >= 0
    assert all(times > 0 for times in figure.excluded.values())
    # counts and the sizes of files read are facts even where there are none
    if figure.value is not None and figure.unit not in ("count", "text", "time") and figure.metric != "log_bytes":
        assert figure.n > 0, figure


@settings(deadline=None)
@given(st.lists(REQUEST, max_size=8))
def test_any_audit_is_analysed_and_twice_the_same_way(asked: list[dict[str, Any]]) -> None:
    report = log_of(asked).report()
    for figure in every_figure(report):
        no_figure_is_invented(figure)
    for composition in report.composition.values():
        assert all(size >= 0 for size in composition.bytes.values())
    assert log_of(asked).report() == report


def test_a_rich_report_has_all_its_parts() -> None:
    report = rich().report()
    assert report.span is not None
    assert list(report.tables)[:9] == [
        *("dataset", "tokens", "tokens_per_request", "times", "speed", "time_totals", "tool_usage", "tools", "cost"),
    ]
    assert list(report.tiles)[:4] == ["requests", "requests_parsed", "requests_partial", "requests_lost"]
    assert set(report.sessions) == {session.id for session in report.audit.sessions}
    assert set(report.gaps) <= set(report.idle_ms)
    assert [law.work for law in report.speed] == ["prefill", "decode"]
    assert report.files_touched[0].path == "/home/me/shop/src/a.py"
    assert len({table.id for table in report.tables.values()}) == len(report.tables)
    for table in report.tables.values():
        assert all(len(line.cells) == len(table.head) - 1 for line in table.rows), table.id


def test_an_empty_audit_has_a_report() -> None:
    report = Log().report()
    assert report.span is None
    assert report.findings == ()
    assert report.tiles["requests"].value == 0
    assert report.tiles["input_tokens"].value is None
