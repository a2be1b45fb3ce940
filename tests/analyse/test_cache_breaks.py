from __future__ import annotations

from typing import Any

import pytest

from lms_audit.analyse.cache_breaks import cache_breaks, causes, lost_time
from lms_audit.analyse.prompt_diff import common_ends, compare
from lms_audit.analyse.report import CacheBreak
from lms_audit.analyse.worddiff import common_start
from lms_audit.model import Json, Kind, LineRange, ModelLoad
from tests.analyse.worlds import Log, row
from tests.support import MINUTE, MONDAY, SECOND, assistant, call, cut_all, result, system, user

LONG = "Follow the rules of the house. " * 200
TALK = [
    system(f"Today: Tue Nov 11 2025. {LONG}"),
    user("mend it"),
    assistant("", call("c1", "bash", command="make")),
    result("c1", "fine " * 300),
]


def tool(name: str, description: str = "does things") -> dict[str, Json]:
    return {"type": "function", "function": {"name": name, "description": description * 50, "parameters": {}}}


def breaks(log: Log, **fields: Any) -> tuple[CacheBreak, ...]:
    return cache_breaks(log.audit(**fields), log.prompts())


def only(log: Log, **fields: Any) -> CacheBreak:
    (found,) = breaks(log, **fields)
    return found


def pair(before: list[Json], after: list[Json], **fields: Any) -> Log:
    """Two requests of a session, without any measure of the engine."""
    log = Log()
    log.ask(before, input_tokens=2000, **fields)
    log.ask(after, input_tokens=2000, **fields)
    return log


def test_bytes_in_common() -> None:
    assert common_start(b"abcdef", b"abcxef") == 3
    assert common_start(b"abc", b"abcdef") == 3
    assert common_start(b"", b"abc") == 0
    assert common_start(["a", "b"], ["a", "c"]) == 1
    assert common_ends(b"abcdef", b"abXdef") == (2, 3)
    assert common_ends(b"aaaa", b"aa") == (2, 0)
    assert common_ends(b"x" * 1_000_000 + b"1", b"x" * 1_000_000 + b"2") == (1_000_000, 0)


def test_a_prompt_that_goes_on_is_no_break() -> None:
    assert breaks(pair(TALK[:2], TALK)) == ()
    assert breaks(pair(TALK, TALK)) == ()
    assert breaks(pair(TALK, TALK[:2])) == ()


def test_a_changed_date_in_the_system_message_costs_the_whole_prompt() -> None:
    log = Log()
    log.ask(TALK, input_tokens=2000)
    changed = [system(f"Today: Wed Nov 12 2025. {LONG}"), *TALK[1:], user("and now?")]
    log.ask(changed, input_tokens=2100, cached_tokens=10, evaluated_tokens=2090, prompt_ms=20_900.0, received_at=MONDAY)
    found = only(log)
    assert (found.request_id, found.against_id, found.cause) == ("r1", "r0", "date or clock")
    assert (found.where, found.position) == ("system", 0)
    assert found.detail == "“Today: Tue Nov 11” became “Today: Wed Nov 12”"
    sizes = [len(log.library.items[log.library.put(message)]) for message in changed]
    raw = [log.library.items[log.library.put(one[0])] for one in (TALK, changed)]
    start, end = common_ends(*raw)
    assert found.reread_bytes == end + sum(sizes[1:4])
    assert found.shared_share == pytest.approx(start / sum(sizes))
    inferred = round(2100 * start / sum(sizes))
    reusable = inferred + round(2100 * found.reread_bytes / sum(sizes))
    assert found.inferred_cached_tokens == inferred
    assert found.lost_tokens == reusable - 10
    assert found.lost_ms == pytest.approx(20_900.0 * (reusable - 10) / 2090)
    assert not found.disagrees


def test_a_changed_date_in_the_system_member_is_found_too() -> None:
    log = Log()
    for day in (11, 12):
        system_member = [{"type": "text", "text": f"Today: 2025-11-{day}. {LONG}"}]
        log.ask(TALK[1:], system_member=system_member, input_tokens=2000)
    found = only(log)
    assert (found.cause, found.where, found.position) == ("date or clock", "system", None)
    assert found.before != found.after


def test_another_system_prompt() -> None:
    found = only(pair(TALK, [system(f"You are a pirate. {LONG}"), *TALK[1:]]))
    assert (found.cause, found.position) == ("system prompt changed", 0)
    assert found.lost_tokens is not None
    assert found.lost_tokens > 1500
    assert found.lost_ms is None


def test_another_tool_set() -> None:
    log = Log()
    log.ask(TALK, offers=[tool("bash"), tool("read")], input_tokens=2000)
    log.ask(TALK, offers=[tool("bash"), tool("write")], input_tokens=2000)
    log.ask(TALK, offers=[tool("bash"), tool("write", "acts")], input_tokens=2000)
    log.ask(TALK, offers=[tool("write", "acts"), tool("bash")], input_tokens=2000)
    log.ask(TALK, input_tokens=2000)
    found = breaks(log)
    assert [(one.cause, one.where, one.detail) for one in found] == [
        ("tool set changed", "tools", "+write −read"),
        ("tool set changed", "tools", "another description or schema: write"),
        ("tool set changed", "tools", "the same tools in another order"),
        ("tool set changed", "tools", "tools went"),
    ]
    assert all(one.position is None for one in found)


def test_a_date_in_a_tool_description() -> None:
    log = Log()
    for month in ("November 2025", "December 2025"):
        log.ask(TALK, offers=[tool("web_search", f"as of 3 {month} ")], input_tokens=2000)
    assert only(log).cause == "date or clock"


def test_marks_that_no_template_renders_are_no_difference() -> None:
    plain = {"type": "text", "text": LONG}
    marked = plain | {"cache_control": {"type": "ephemeral"}}
    log = Log()
    log.ask([user([marked]), user("b")], system_member=[marked], input_tokens=2000)
    log.ask([user([plain]), user("b"), user("c")], system_member=[plain], input_tokens=2000)
    assert breaks(log) == ()


def test_edited_history() -> None:
    edited = [*TALK[:2], assistant("", call("c1", "bash", command="make all")), *TALK[3:]]
    found = only(pair(TALK, edited))
    assert (found.cause, found.where, found.position) == ("history edited", "assistant", 2)
    cleared = [*TALK[:3], result("c1", "[cleared]"), user("go on " * 100)]
    assert breaks(pair([*TALK, user("go on " * 100)], cleared))[0].where == "tool"


def test_reasoning_left_out_of_an_earlier_answer() -> None:
    thought = assistant("so", reasoning_content="hmm " * 50)
    found = only(pair([*TALK[:2], thought, *TALK[2:]], [*TALK[:2], assistant("so"), *TALK[2:]]))
    assert found.cause == "history edited"
    assert found.detail == "reasoning of an earlier answer left out"


def test_a_reminder_that_moved_inside_a_message() -> None:
    reminder = "<system-reminder>mind the tests</system-reminder>"
    found = only(pair([TALK[0], user(f"mend it {reminder}"), *TALK[2:]], TALK))
    assert found.cause == "reminder moved"
    assert found.position == 1


def test_a_reminder_message_that_was_taken_out_or_put_in() -> None:
    reminder = user("<system-reminder>mind the tests</system-reminder>")
    with_it = [*TALK[:2], reminder, *TALK[2:]]
    gone = only(pair(with_it, TALK))
    assert (gone.cause, gone.detail) == (
        "reminder moved",
        "“<system-reminder>mind the tests</system-reminder>” went",
    )
    assert only(pair(TALK, with_it)).detail.endswith("came")


def test_a_compaction_is_told_by_its_opening_words() -> None:
    summary = user("This session is being continued from a previous conversation. We mended it.")
    long = [*TALK, user("more " * 500)]
    assert only(pair(long, [TALK[0], summary])).cause == "compaction"


def test_a_compaction_is_told_by_the_summary_request_before_it() -> None:
    log = Log()
    log.ask([*TALK, user("more " * 2000)], input_tokens=5000)
    log.ask([user("summarise")], session_id="side", kind=Kind.COMPACTION)
    log.parents["side"] = "s1"
    log.ask([TALK[0], user("We mended it. " * 40), *TALK[2:]], input_tokens=2000)
    assert only(log).cause == "compaction"


def measured(cached: int, **fields: Any) -> Log:
    """The prompt goes on, and the engine says how much it still had."""
    log = Log()
    log.ask(TALK, input_tokens=2000)
    log.ask([*TALK, user("more")], input_tokens=2100, cached_tokens=cached, prompt_ms=1000.0, **fields)
    return log


def test_a_cache_the_engine_kept_is_no_break() -> None:
    assert breaks(measured(1990)) == ()
    assert breaks(measured(2000 - 256)) == ()


def test_a_cache_that_was_gone_for_no_visible_reason() -> None:
    found = only(measured(100, evaluated_tokens=2000))
    assert (found.cause, found.where, found.position, found.before) == ("unknown", "", None, None)
    assert (found.inferred_cached_tokens, found.measured_cached_tokens, found.lost_tokens) == (2000, 100, 1900)
    assert found.lost_ms == 950.0
    assert found.disagrees


def test_another_request_that_took_the_slot() -> None:
    log = Log()
    log.ask(TALK, input_tokens=2000)
    log.ask([user("name it")], session_id="side")
    log.ask([*TALK, user("more")], input_tokens=2100, cached_tokens=0)
    found = only(log)
    assert found.cause == "another request took the slot"
    assert found.detail == "a request of another session at 02:40:20 ran in between"


def test_a_request_on_another_model_takes_no_slot() -> None:
    log = Log()
    log.ask(TALK, input_tokens=2000)
    log.ask([user("name it")], session_id="side", model="small")
    log.ask([*TALK, user("more")], input_tokens=2100, cached_tokens=0)
    assert only(log).cause == "unknown"


def test_a_model_that_was_loaded_again() -> None:
    where = LineRange("a.log", 1, 1)
    loads = (ModelLoad(MONDAY + 15 * SECOND, True, "qwen", None, where),)
    assert only(measured(0), model_loads=loads).cause == "model reload"
    early = (ModelLoad(MONDAY - MINUTE, True, "qwen", None, where),)
    assert only(measured(0), model_loads=early).cause == "unknown"
    other = (ModelLoad(MONDAY + 15 * SECOND, True, "small", None, where),)
    assert only(measured(0), model_loads=other).cause == "unknown"


def test_another_model_has_its_own_cache() -> None:
    assert only(measured(0, model="other")).cause == "model changed"


def test_a_shortened_log_may_hide_the_change() -> None:
    log = Log()
    log.ask(cut_all(TALK), input_tokens=2000, truncated_by_log=True)
    log.ask([*cut_all(TALK), user("go")], input_tokens=2010, truncated_by_log=True, cached_tokens=0)
    found = only(log)
    # the predecessor's own count holds whatever the log shows of its text
    assert (found.inferred_cached_tokens, found.lost_tokens) == (2000, 2000)
    assert found.detail == "strings are shortened in the log, a change may be hidden in them"


def test_shortened_strings_give_no_estimate_from_bytes() -> None:
    more = [user(f"turn {n} " * 9) for n in range(9)]
    before, after = [*TALK, *more], [system(f"You are a pirate. {LONG}"), *TALK[1:], *more]
    found = only(pair(cut_all(before), cut_all(after), truncated_by_log=True))
    assert found.cause == "system prompt changed"
    assert found.reread_bytes > 400
    assert (found.inferred_cached_tokens, found.lost_tokens, found.lost_ms) == (None, None, None)


def test_the_parent_counts_where_the_session_forked() -> None:
    log = Log()
    first = log.ask(TALK, input_tokens=2000)
    log.ask([TALK[0], user("another way " * 50)], input_tokens=1500)
    log.ask([*TALK, user("more")], input_tokens=2100, cached_tokens=0, parent_id=first)
    found = breaks(log)
    assert [(one.request_id, one.against_id) for one in found] == [("r2", "r0")]
    assert found[0].inferred_cached_tokens == 2000


def test_requests_without_a_prompt_are_skipped() -> None:
    log = Log()
    log.ask(TALK, input_tokens=2000)
    log.ask(None)
    log.ask([system(f"You are a pirate. {LONG}"), *TALK[1:]], input_tokens=2000)
    assert only(log).against_id == "r0"


def test_time_lost_needs_a_time_and_a_count() -> None:
    log = Log()
    log.ask(None, prompt_ms=1000.0, evaluated_tokens=500)
    log.ask(None, prompt_ms=1000.0, input_tokens=1000)
    log.ask(None, input_tokens=1000, evaluated_tokens=500)
    timed, inferred, untimed = log.requests
    assert lost_time(timed, 250, None) == 500.0
    assert lost_time(timed, 900, None) == 1000.0
    assert lost_time(timed, None, None) is None
    assert lost_time(inferred, 400, 200) == 500.0
    assert lost_time(inferred, 400, None) is None
    assert lost_time(untimed, 250, None) is None


def test_the_table_of_causes_adds_up_what_is_known() -> None:
    log = measured(100, evaluated_tokens=2000)
    log.ask([system(f"You are a pirate. {LONG}"), *TALK[1:]])
    table = causes(breaks(log))
    assert [line.label for line in table.rows] == ["Unknown", "System prompt changed"]
    assert [cell.value for cell in row(table, "Unknown")] == [1, 1900, 950.0, 100, 2000, 1]
    assert [cell.value for cell in row(table, "System prompt changed")] == [1, None, None, None, None, 0]


def test_comparing_costs_only_what_is_behind_the_parting() -> None:
    log = Log()
    talk = [*TALK, *(user(f"turn {n}") for n in range(500))]
    log.ask(talk)
    log.ask([*talk, user("end")])
    prompts = log.prompts()
    log.library.messages_read = 0
    before, after = (request.prompt for request in log.requests)
    assert before is not None
    assert after is not None
    assert compare(prompts, before, after) is None
    assert log.library.messages_read == 0
