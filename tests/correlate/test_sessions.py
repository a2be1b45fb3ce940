from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lms_audit import correlate
from lms_audit.correlate.continuation import Relation
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.history import recover
from lms_audit.correlate.links import prompts_in
from lms_audit.correlate.sessions import sessions
from lms_audit.correlate.threads import threads
from lms_audit.model import Api, Json, Kind, Status, ToolCall
from tests.support import (
    MARK,
    MINUTE,
    MONDAY,
    SECOND,
    World,
    assistant,
    call,
    cut,
    cut_all,
    result,
    system,
    user,
)

SYSTEM = system("You are an agent that works in a terminal.")
UUID = "0199a3c4-1111-7abc-8def-0123456789ab"
OTHER_UUID = "0199a3c4-2222-7abc-8def-0123456789ab"


def turn(number: int, name: str = "t") -> list[dict[str, Any]]:
    """An answer with a tool call, and the tool's result."""
    call_id = f"call_{crc32(f'{name} {number}'.encode()):010}"
    return [
        assistant(None, call(call_id, "bash", command=f"make {name} {number}")),
        result(call_id, f"{name} {number}: ok"),
    ]


def turns(count: int, name: str = "t") -> list[dict[str, Any]]:
    return [message for number in range(count) for message in turn(number, name)]


# --- threads ---------------------------------------------------------------------------------------------------------


def test_requests_whose_prompts_extend_one_another_are_one_session() -> None:
    world = World()
    for count in range(4):
        world.send([SYSTEM, user("Fix the parser"), *turns(count)])
    assert world.grouped() == [["r0", "r1", "r2", "r3"]]
    third = world.request("r2")
    assert third.parent_id == "r1"
    assert third.shared_messages == 4


def test_a_changed_system_prompt_does_not_split_a_session() -> None:
    world = World()
    world.send([system("Today is Monday."), user("Fix the parser")])
    world.send([system("Today is Tuesday."), user("Fix the parser"), *turns(1)])
    assert world.grouped() == [["r0", "r1"]]
    assert world.request("r1").parent_id == "r0"
    assert world.request("r1").shared_messages == 0


def test_a_moved_cache_mark_does_not_split_a_session() -> None:
    def marked(text: str) -> Json:
        return user([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}])

    world = World()
    world.send([marked("Fix the parser")])
    world.send([user("Fix the parser"), assistant("Which one?"), marked("The first")])
    world.send([user("Fix the parser"), assistant("Which one?"), user("The first"), assistant("Ok"), marked("Go")])
    assert world.grouped() == [["r0", "r1", "r2"]]
    assert len(world.conversation("r0")) == 5


def test_reasoning_dropped_from_history_does_not_split_a_session() -> None:
    world = World()
    world.send([user("Fix it")])
    world.send([user("Fix it"), assistant("Ok, done.", reasoning_content="Hm"), user("Really?")])
    world.send([user("Fix it"), assistant("Ok, done."), user("Really?"), assistant("Yes."), user("Thanks")])
    assert world.grouped() == [["r0", "r1", "r2"]]


def test_responses_input_items_make_a_session() -> None:
    start = [{"role": "developer", "content": "Be brief."}, user([{"type": "input_text", "text": "Fix the parser"}])]
    step = [
        {"type": "reasoning", "summary": [], "content": None},
        {"type": "function_call", "call_id": "call_00001", "name": "shell", "arguments": '{"cmd":"ls"}'},
        {"type": "function_call_output", "call_id": "call_00001", "output": "parser.py"},
    ]
    world = World()
    world.send(start, api=Api.RESPONSES)
    world.send([*start, *step], api=Api.RESPONSES)
    world.send([*start, *step[1:], assistant([{"type": "output_text", "text": "Done"}]), user("Thanks")])
    assert world.grouped() == [["r0", "r1", "r2"]]


def test_a_stored_response_is_continued_by_its_id() -> None:
    world = World()
    world.send([user("Fix the parser")], chat_id="resp_1", api=Api.RESPONSES)
    world.send([user("Fix the parser")], chat_id="resp_x", api=Api.RESPONSES, after=5 * MINUTE)
    world.send([user("Go on")], params={"previous_response_id": "resp_1"}, chat_id="resp_2", api=Api.RESPONSES)
    world.send([user("And on")], params={"previous_response_id": "resp_2"}, api=Api.RESPONSES)
    assert world.grouped() == [["r0", "r2", "r3"], ["r1"]]
    assert not any(entry.replaced for entry in world.conversation("r0"))


def test_two_sessions_that_open_with_the_same_words_stay_two() -> None:
    world = World()
    world.send([SYSTEM, user("hi")])
    world.send([SYSTEM, user("hi"), assistant("Hello! How can I help?"), user("Write a poem")])
    world.send([SYSTEM, user("hi")], after=5 * MINUTE)
    world.send([SYSTEM, user("hi"), assistant("Hello! How can I help?"), user("Fix the parser")])
    assert world.grouped() == [["r0", "r1"], ["r2", "r3"]]


@pytest.mark.parametrize("ids", ["random", "counted"])
def test_two_runs_with_the_same_first_answers_stay_two(ids: str) -> None:
    world = World()
    for run in range(2):
        talk: list[Json] = [SYSTEM, user("Fix the parser")]
        for number in range(4):
            world.send(talk, after=5 * MINUTE)
            call_id = f"call_{number}" if ids == "counted" else f"call_{crc32(bytes([run, number])):010}"
            talk += [assistant(None, call(call_id, "bash", command=f"ls {number}")), result(call_id, "ok")]
    assert world.grouped() == [["r0", "r1", "r2", "r3"], ["r4", "r5", "r6", "r7"]]


def test_an_edit_goes_to_the_session_whose_call_it_holds_not_to_one_that_waits() -> None:
    world = World()
    world.send([SYSTEM, user("hi")])
    world.send([SYSTEM, user("hi")], after=5 * MINUTE)
    world.send([SYSTEM, user("hi"), *turns(1)])
    world.send([SYSTEM, user("hi"), turns(1)[0], user("Not that.")])
    assert world.grouped() == [["r0"], ["r1", "r2", "r3"]]


def test_an_edit_goes_to_the_session_at_work_not_to_one_left_long_ago() -> None:
    world = World()
    world.send([SYSTEM, user("hi")])
    world.send([SYSTEM, user("hi")], after=120 * MINUTE)
    world.send([SYSTEM, user("hi"), assistant("Hello!"), user("Write a poem")])
    world.send([SYSTEM, user("hi"), assistant("Hello!"), user("Write a song")])
    assert world.grouped() == [["r0"], ["r1", "r2", "r3"]]


def test_sessions_with_the_same_words_in_two_projects_are_told_apart_by_their_system_prompt() -> None:
    here, there = system("Working directory: /a"), system("Working directory: /b")
    world = World()
    world.send([here, user("hi")])
    world.send([there, user("hi")])
    world.send([here, user("hi"), assistant("Hello!"), user("Fix the parser")])
    world.send([there, user("hi"), assistant("Hello!"), user("Fix the lexer")])
    assert world.grouped() == [["r0", "r2"], ["r1", "r3"]]


def test_cut_sessions_with_the_same_beginning_and_end_of_every_text_stay_two() -> None:
    long = "Please read all the files of the repository one by one and say what {} does, all of it, "
    long += "in a table that has two columns and no more."
    first, second = cut(long.format("the parser")), cut(long.format("the lexer!"))
    assert first == second
    world = World()
    world.send([user(first)], truncated_by_log=True)
    world.send([user(first), *turns(1)], truncated_by_log=True)
    world.send([user(second)], truncated_by_log=True, after=5 * MINUTE)
    world.send([user(first), *turns(2)], truncated_by_log=True)
    world.send([user(second), *turns(1, "u")], truncated_by_log=True)
    assert world.grouped() == [["r0", "r1", "r3"], ["r2", "r4"]]


def test_a_cut_prompt_goes_to_the_session_whose_answer_it_holds() -> None:
    text = cut(
        "Count the lines of every file and sort them by size, then show me the ten largest of them all, please. " * 2
    )
    world = World()
    for number in (1, 2):
        made = ToolCall(f"call_{51743628 + number}", "bash", {"command": "wc"})
        world.send([user(text)], truncated_by_log=True, tool_calls=(made,), tool_calls_known=True)
    for number in (1, 2):
        answer = assistant(None, call(f"call_{51743628 + number}", "bash", command="wc"))
        world.send([user(text), answer, result(f"call_{51743628 + number}", "12")], truncated_by_log=True)
    assert world.grouped() == [["r0", "r2"], ["r1", "r3"]]


@pytest.mark.parametrize("status", [Status.ERROR, Status.CANCELLED, Status.INCOMPLETE])
def test_a_failed_prompt_sent_again_soon_is_a_retry(status: Status) -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")], status=status)
    world.send([SYSTEM, user("Fix the parser")])
    world.send([SYSTEM, user("Fix the parser"), *turns(1)])
    assert world.grouped() == [["r0", "r1", "r2"]]
    assert world.threads().links[1].relation is Relation.REPEATS
    assert world.request("r2").parent_id == "r1"


def test_of_two_that_wait_alike_the_one_goes_on_that_has_its_answer() -> None:
    world = World()
    for after in (10 * SECOND, 3 * SECOND):
        world.send([user("Fix the parser")], after=after)
    for number, after in enumerate((3 * SECOND, 3 * SECOND)):
        world.send([user("Fix the parser"), *turn(number)], after=after, takes=SECOND)
    # the second ends in the second after the third arrives, which is no end in time for it
    arrived = world.requests[2].received_at
    assert arrived is not None
    world.requests[1] = replace(world.requests[1], finished_at=arrived + SECOND)
    assert world.grouped() == [["r0", "r2"], ["r1", "r3"]]


def test_a_failed_prompt_is_retried_once_and_then_its_words_are_a_new_session() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")], status=Status.ERROR)
    world.send([SYSTEM, user("Fix the parser")])
    world.send([SYSTEM, user("Fix the parser")])
    assert world.grouped() == [["r0", "r1"], ["r2"]]


def test_a_failed_prompt_sent_again_much_later_is_a_new_session() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")], status=Status.ERROR)
    world.send([SYSTEM, user("Fix the parser")], after=60 * MINUTE)
    assert world.grouped() == [["r0"], ["r1"]]


def test_another_answer_asked_for_in_the_middle_stays_in_its_session() -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(2)]
    world.send(prompt[:2])
    world.send(prompt[:4])
    world.send(prompt)
    world.send(prompt)
    assert world.grouped() == [["r0", "r1", "r2", "r3"]]


def test_an_edited_history_stays_in_its_session() -> None:
    world = World()
    for count in range(4):
        world.send([SYSTEM, user("Fix the parser"), *turns(count)])
    world.send([SYSTEM, user("Fix the parser"), *turns(2), assistant("Which?"), user("Not that one")])
    world.send([SYSTEM, user("Fix the parser"), *turns(1), assistant("Oh?"), user("Another way, please")])
    assert world.grouped() == [["r0", "r1", "r2", "r3", "r4", "r5"]]
    assert world.request("r5").shared_messages == 4


def test_pruned_tool_results_stay_in_their_session() -> None:
    world = World()
    for count in range(1, 5):
        world.send([SYSTEM, user("Fix the parser"), *turns(count)])
    pruned = [dict(each, content="[old result]") if each["role"] == "tool" else each for each in turns(4)]
    world.send([SYSTEM, user("Fix the parser"), *pruned, *turn(4)])
    assert len(world.grouped()) == 1


def test_a_first_message_that_changes_does_not_split_a_session() -> None:
    world = World()
    for count in range(3):
        world.send([user(f"The files as of step {count}: …"), user("Fix the parser"), *turns(count)])
    assert world.grouped() == [["r0", "r1", "r2"]]
    assert [each.answers for each in world.conversation("r0") if each.answers] == ["r0", "r1"]


def talk(count: int, name: str = "hen") -> list[dict[str, Any]]:
    """So many questions, all answered but the last."""
    said = [each for number in range(count) for each in (user(f"{name} {number}?"), assistant(f"{name} {number}."))]
    return said[:-1]


@pytest.mark.parametrize("kept", [5, 7])
def test_a_client_that_sends_the_latest_messages_only_makes_one_session(kept: int) -> None:
    world = World()
    for count in range(1, 7):
        world.send([SYSTEM, *talk(count)[-kept:]])
        world.send([SYSTEM, *talk(count, "cock")[-kept:]])
    assert world.grouped() == [[f"r{number}" for number in range(start, 12, 2)] for start in (0, 1)]
    answers = [request.response_text for request in recover(world.requests, world.threads(), world.library).requests]
    assert answers == [f"{name} {number}." for number in range(5) for name in ("hen", "cock")] + [None, None]


def test_a_conversation_with_a_beginning_of_its_own_is_no_moved_window() -> None:
    world = World()
    world.send([SYSTEM, *talk(4)])
    world.send([SYSTEM, user("Another matter"), assistant("Yes?"), *talk(5)[-5:]])
    assert world.grouped() == [["r0"], ["r1"]]


def test_sessions_whose_first_messages_begin_alike_stay_apart() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser of numbers")])
    world.send([SYSTEM, user("Fix the parser of strings")])
    world.send([SYSTEM, user("Fix the parser of strings"), *turns(1, "s")])
    world.send([SYSTEM, user("Fix the parser of numbers"), *turns(1, "n")])
    assert world.grouped() == [["r0", "r3"], ["r1", "r2"]]


def test_a_reminder_in_the_last_message_only_does_not_hide_the_answer() -> None:
    world = World()
    talk: list[Json] = []
    for number in range(4):
        world.send([*talk, user(f"Step {number}\n[only now: {number}]")])
        talk += [user(f"Step {number}"), assistant(f"Answer {number}")]
    assert world.grouped() == [["r0", "r1", "r2", "r3"]]
    answers = [entry.answers for entry in world.conversation("r3")]
    assert [each for each in answers if each] == ["r0", "r1", "r2"]


def test_fixed_examples_in_front_do_not_join_sessions() -> None:
    examples = [user("Change the greeting"), assistant("Ok. " * 30), user("Now the farewell"), assistant("Sure. " * 30)]
    world = World()
    world.send([SYSTEM, *examples, user("Fix the parser")])
    world.send([SYSTEM, *examples, user("Write a lexer")])
    world.send([SYSTEM, *examples, user("Fix the parser"), assistant("Done"), user("Thanks")])
    assert world.grouped() == [["r0", "r2"], ["r1"]]


def test_a_log_that_begins_in_the_middle_of_a_conversation_shows_one_session() -> None:
    world = World()
    for count in range(9, 13):
        world.send([SYSTEM, user("Fix the parser"), *turns(count)])
    world.send([SYSTEM, user("Fix the parser"), *turns(5), assistant("Oh?"), user("Another way")])
    assert len(world.grouped()) == 1


def test_the_same_session_id_joins_and_another_splits() -> None:
    mine, other = {"prompt_cache_key": UUID}, {"prompt_cache_key": OTHER_UUID}
    world = World()
    world.send([SYSTEM, user("hi")], params=mine)
    world.send([SYSTEM, user("hi")], params=other)
    world.send([SYSTEM, user("hi"), assistant("Hello!"), user("go")], params=mine)
    world.send([SYSTEM, user("hi"), assistant("Hello!"), user("go")], params=other)
    world.send([SYSTEM, user("A fresh history")], params=mine)
    assert world.grouped() == [["r0", "r2", "r4"], ["r1", "r3"]]


def test_a_prompt_of_system_messages_only_is_a_session() -> None:
    world = World()
    world.send([system("Say hello in French.")])
    world.send([system("Say hello in German.")])
    assert world.grouped() == [["r0"], ["r1"]]


def test_requests_that_run_no_model_have_no_session() -> None:
    world = World()
    world.send(None, api=Api.OTHER, endpoint="/v1/models")
    assert world.grouped() == []
    assert world.request("r0").session_id is None


def test_embeddings_of_one_model_in_a_row_are_one_session() -> None:
    world = World()
    for _ in range(3):
        world.send(None, api=Api.EMBEDDINGS, kind=Kind.EMBEDDING, model="embed")
    world.send(None, api=Api.EMBEDDINGS, kind=Kind.EMBEDDING, model="embed", after=120 * MINUTE)
    made = world.sessions().sessions
    assert [list(each.request_ids) for each in made] == [["r0", "r1", "r2"], ["r3"]]
    assert made[0].inferred is not None


def test_bodies_that_are_not_logged_are_grouped_by_growing_count_and_it_is_said() -> None:
    world = World()
    for count in (2, 4, 6, 2, 4):
        world.send(None, message_count=count)
    made = world.sessions().sessions
    assert [list(each.request_ids) for each in made] == [["r0", "r1", "r2"], ["r3", "r4"]]
    assert all(each.inferred for each in made)


def test_a_request_without_a_body_has_no_parent_where_several_conversations_fit() -> None:
    world = World()
    for count in (2, 3, 6):
        world.send(None, message_count=count)
    made = world.sessions()
    assert [each.parent_id for each in made.requests] == [None, None, None]
    assert [list(each.request_ids) for each in made.sessions] == [["r0"], ["r1", "r2"]]
    assert made.sessions[0].inferred is None
    assert "1 of them fit" in (made.sessions[1].inferred or "")


def test_a_request_without_a_body_goes_on_at_the_only_one_that_fits() -> None:
    world = World()
    world.send(None, message_count=9)
    world.send(None, message_count=2)
    world.send(None, message_count=5, takes=60 * SECOND)  # at work
    world.send(None, message_count=7)
    world.send(None, message_count=4)
    made = world.sessions()
    assert [each.parent_id for each in made.requests] == [None, None, "r1", None, None]
    assert [list(each.request_ids) for each in made.sessions] == [["r0"], ["r1", "r2"], ["r3"], ["r4"]]


def test_an_answered_request_without_a_body_is_followed_by_two_more_messages_at_least() -> None:
    for status, parent in ((Status.COMPLETED, None), (Status.CANCELLED, "r0")):
        world = World()
        world.send(None, message_count=4, status=status)
        world.send(None, message_count=5)
        assert world.sessions().requests[1].parent_id == parent


def test_the_cache_of_the_engine_tells_whom_a_request_without_a_body_continues() -> None:
    world = World()
    world.send(None, message_count=4, input_tokens=900, output_tokens=50)
    world.send(None, message_count=3, input_tokens=700, output_tokens=40)
    world.send(None, message_count=6, input_tokens=1200, cached_tokens=945)
    world.send(None, message_count=8, input_tokens=1300, cached_tokens=736)
    world.send(None, message_count=2, input_tokens=1000, output_tokens=50)
    world.send(None, message_count=4, input_tokens=990, cached_tokens=0)  # shorter than the prompt it would continue
    assert [each.parent_id for each in world.sessions().requests] == [None, None, "r0", "r1", None, None]


def test_what_is_in_doubt_about_a_request_is_no_evidence_of_whom_it_continues() -> None:
    world = World()
    world.send(None, message_count=4, input_tokens=900, output_tokens=50, candidates=("r1",))
    world.send(None, message_count=3, input_tokens=700, output_tokens=40)
    world.send(None, message_count=6, input_tokens=1200, cached_tokens=945)
    assert world.sessions().requests[2].parent_id is None


# --- side requests and sub-agents ------------------------------------------------------------------------------------


def title_prompt(words: str) -> list[dict[str, Any]]:
    return [system("You write titles."), user("Write a title for this conversation:"), user(words)]


def test_a_title_request_hangs_under_the_session_whose_words_it_quotes() -> None:
    world = World()
    world.send([SYSTEM, user("Write the release notes")])
    world.send(title_prompt("Fix the parser"), kind=Kind.TITLE, tools=None)
    world.send([SYSTEM, user("Fix the parser")], after=1 * SECOND)
    session, main = world.session_of("r1"), world.session_of("r2")
    assert session.kind is Kind.TITLE
    assert session.parent_session_id == main.id
    assert session.link_reason == "quotes the session's first words, within 30 s of it"
    assert session.title == "Title: Fix the parser"
    assert main.parent_session_id is None


def test_a_title_request_with_the_same_words_hangs_under_the_nearest_session() -> None:
    world = World()
    for _ in range(2):
        world.send([SYSTEM, user("Fix the parser")], after=60 * MINUTE)
        world.send(title_prompt("Fix the parser"), kind=Kind.TITLE, tools=None, after=SECOND)
    assert world.session_of("r1").parent_session_id == world.session_of("r0").id
    assert world.session_of("r3").parent_session_id == world.session_of("r2").id


def test_a_title_request_with_nothing_to_go_by_is_linked_only_where_one_session_was_near() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")])
    world.send([user("Untitled")], kind=Kind.TITLE, tools=None)
    assert world.session_of("r1").parent_session_id == world.session_of("r0").id
    world.send([SYSTEM, user("Fix the lexer")], after=SECOND)
    world.send([user("Untitled too")], kind=Kind.TITLE, tools=None, after=SECOND)
    assert world.session_of("r3").parent_session_id is None
    assert world.session_of("r3").link_reason is None


def test_a_summary_that_repeats_the_conversation_hangs_under_it_and_does_not_continue_it() -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(2)]
    world.send(prompt[:2])
    world.send(prompt)
    world.send([*prompt, user("Summarize what was done.")], kind=Kind.SUMMARY, after=2 * MINUTE)
    world.send([*prompt, *turn(2)])
    assert world.grouped() == [["r0", "r1", "r3"], ["r2"]]
    side = world.session_of("r2")
    assert side.parent_session_id == world.session_of("r0").id
    assert side.link_reason == "its prompt repeats the session's messages"
    assert world.request("r2").parent_id == "r1"
    assert world.request("r3").parent_id == "r1"


def test_a_side_request_with_the_session_id_hangs_under_that_session() -> None:
    params = {"metadata": {"user_id": f"user_x_account__session_{UUID}"}}
    world = World()
    world.send([user("Fix the parser")], params=params)
    world.send([user("Name the session")], params=params, kind=Kind.TITLE, tools=None, after=10 * MINUTE)
    assert world.session_of("r1").parent_session_id == world.session_of("r0").id
    assert world.session_of("r1").link_reason == "same session id"


def test_a_compacted_conversation_continues_its_session() -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(3)]
    world.send(prompt[:2])
    world.send(prompt)
    world.send([*prompt, user("Summarize for your successor.")], kind=Kind.COMPACTION)
    summary = "This session is being continued from a previous conversation. The parser reads numbers now."
    world.send([SYSTEM, user(summary)])
    world.send([SYSTEM, user(summary), *turns(1, "after")])
    assert world.grouped() == [["r0", "r1", "r3", "r4"], ["r2"]]
    assert world.threads().links[3].relation is Relation.COMPACTED
    assert any(entry.replaced for entry in world.conversation("r0"))


def test_summaries_that_look_the_same_once_cut_are_not_taken_for_retries() -> None:
    opening = "This session is being continued from a previous conversation"
    params = {"prompt_cache_key": UUID}
    world = World()
    said: list[Json] = [user("Fix the parser")]
    for number in range(3):
        world.send(said, params=params)
        world.send([*said, *turn(number)], params=params)
        world.send([*said, *turn(number), user("Write a summary")], params=params, kind=Kind.COMPACTION)
        said = [cut_all(user(f"{opening}. {number} " + "x" * 100 + " Go on from here without any more questions."))]
    main = ["r0", "r1", "r3", "r4", "r6", "r7"]
    assert world.grouped()[0] == main
    assert [world.request(each).parent_id for each in main] == [None, "r0", "r1", "r3", "r4", "r6"]


def test_a_compacted_conversation_is_known_by_the_answer_it_opens_with() -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(3)]
    summary = "Goal: the parser. Done: numbers and strings. To do: comments."
    world.send(prompt[:2])
    world.send(prompt)
    world.send(
        [system("You summarize."), user("<conversation>\nFix the parser …</conversation>")],
        kind=Kind.COMPACTION,
        tools=None,
        response_text=summary,
    )
    world.send([SYSTEM, user("So far:"), assistant(summary), user("Continue")])
    assert world.grouped() == [["r0", "r1", "r3"], ["r2"]]
    assert world.session_of("r2").parent_session_id == world.session_of("r0").id


def test_words_that_a_person_may_write_too_continue_nothing_without_a_compaction() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")])
    world.send([SYSTEM, user("What did we do so far?")])
    assert world.grouped() == [["r0"], ["r1"]]


def test_a_side_request_never_takes_a_main_request_into_its_thread() -> None:
    world = World()
    world.send([user("Name this talk, please: parser")], kind=Kind.TITLE)
    world.send([user("Name this talk, please: lexer"), *turns(1)])
    world.send([user("Name this talk, please: lexer"), *turns(2)])
    world.send([user("Shortened"), *turns(2), user("Summarize.")], kind=Kind.SUMMARY)
    assert world.grouped() == [["r0"], ["r1", "r2"], ["r3"]]


def test_a_new_session_after_a_compaction_is_not_taken_for_its_continuation() -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(1)]
    world.send(prompt[:2])
    world.send(prompt)
    world.send([*prompt, user("Summarize.")], kind=Kind.COMPACTION)
    world.send([SYSTEM, user("Write a lexer")])
    assert world.grouped() == [["r0", "r1"], ["r2"], ["r3"]]


@pytest.mark.parametrize(("pause", "more", "goes_on"), [(60, 0, False), (2, 0, True), (60, 1, True)])
def test_a_long_first_message_is_a_summary_at_once_or_with_more_behind_it(
    pause: int, more: int, *, goes_on: bool
) -> None:
    world = World()
    prompt = [SYSTEM, user("Fix the parser"), *turns(1)]
    world.send(prompt[:2])
    world.send(prompt)
    world.send([*prompt, user("Summarize.")], kind=Kind.COMPACTION)
    world.send([SYSTEM, user("The parser reads numbers. " * 20), *turns(more, "more")], after=(5 + pause) * SECOND)
    assert (world.session_of("r3") == world.session_of("r0")) is goes_on


def agent_run(
    world: World,
    task: str,
    spawn: dict[str, Any],
    *,
    start: str = "Fix the parser",
    shown: Callable[[Json], Json] = lambda each: each,
) -> None:
    begin = [SYSTEM, user(start)]
    world.send(begin)
    world.send([shown(system("You search files.")), shown(user(task))], tools=("grep",))
    world.send(
        [shown(each) for each in (system("You search files."), user(task), *turns(1, "search"))], tools=("grep",)
    )
    world.send([*begin, shown(assistant(None, spawn)), result(spawn["id"], "found it")])


def test_a_sub_agent_hangs_under_the_session_that_called_it() -> None:
    task = "Find every place where a number is read"
    world = World()
    agent_run(world, task, call("call_task_1", "task", description="Find numbers", prompt=task))
    assert world.grouped() == [["r0", "r3"], ["r1", "r2"]]
    agent = world.session_of("r1")
    assert agent.kind is Kind.SUBAGENT
    assert agent.parent_session_id == world.session_of("r0").id
    assert agent.link_reason == "its first message is the prompt of the call task in request r0"
    assert agent.title == task
    assert world.request("r2").kind is Kind.SUBAGENT
    assert world.request("r2").kind_reason == agent.link_reason


def test_a_sub_agent_is_found_in_a_cut_log() -> None:
    task = "Find every place where a number is read, in all the files there are, and list them with their line numbers"
    task += ", please, one to a line."
    world = World()
    agent_run(world, task, call("call_task_1", "task", prompt=task, description="Find"), shown=cut_all)
    assert world.session_of("r1").parent_session_id == world.session_of("r0").id


def test_a_sub_agent_known_by_its_client_hangs_under_the_call_that_was_open() -> None:
    world = World()
    start = [SYSTEM, user("Fix the parser")]
    world.send(start)
    world.send([system("You search files."), user("…")], kind=Kind.SUBAGENT)
    world.send([*start, assistant(None, call("call_task_1", "task", cut="…")), result("call_task_1", "found")])
    agent = world.session_of("r1")
    assert agent.kind is Kind.SUBAGENT
    assert agent.parent_session_id == world.session_of("r0").id


def test_of_two_open_calls_the_one_whose_cut_arguments_agree_is_the_caller() -> None:
    tasks = [f"{name} every file that speaks of it and note what it says there, so that nothing of {name} is left out"
             for name in ("Search", "Examine")]  # fmt: skip
    world = World()
    starts = [[SYSTEM, user("Fix the parser")], [SYSTEM, user("Write a lexer")]]
    for start in starts:
        world.send(start)
    for task in reversed(tasks):
        world.send([system("You search files."), user(cut(task + " " + task))], truncated_by_log=True)
    for number, (start, task) in enumerate(zip(starts, tasks, strict=True)):
        spawn = call(
            f"call_task_{number}", "task", description="Look through all that is there", prompt=f"{task} {task}"
        )
        world.send([*start, cut_all(assistant(None, spawn)), result(f"call_task_{number}", "found")])
    assert world.session_of("r2").parent_session_id == world.session_of("r1").id
    assert world.session_of("r3").parent_session_id == world.session_of("r0").id


@pytest.mark.parametrize("steps", [0, 1])
def test_a_task_given_twice_under_one_session_id_is_two_sub_agents(steps: int) -> None:
    params = {"metadata": {"user_id": f"user_x_account__session_{UUID}"}}
    task = user("Find every place where a number is read")
    world = World()
    said = [user("Fix the parser")]
    world.send(said, params=params, tools=("Agent", "Bash"))
    for number in range(2):
        call_id = f"call_a8f3{number}x7q"
        for step in range(steps + 1):
            world.send([task, *turns(step, f"t{number}")], params=params, tools=("Grep",))
        said = [*said, assistant(None, call(call_id, "Agent", prompt=task["content"])), result(call_id, "found")]
        world.send(said, params=params, tools=("Agent", "Bash"))
    sessions = world.sessions().sessions
    assert [len(session.request_ids) for session in sessions] == [3, steps + 1, steps + 1]
    assert [session.parent_session_id for session in sessions[1:]] == [sessions[0].id] * 2


@pytest.mark.parametrize("callers", [1, 2])
def test_a_task_that_was_given_before_tells_the_caller_only_where_one_gave_it(callers: int) -> None:
    task = "Find every place where a number is read"
    world = World()
    for number in range(callers):
        agent_run(world, task, call(f"call_task_{number}", "task", prompt=task), start=f"Fix parser {number}")
    world.send([system("You search files."), user(task)], tools=("grep",), after=MINUTE)
    agents = [session for session in world.sessions().sessions if session.kind is Kind.SUBAGENT]
    assert len(agents) == callers + (callers == 1)
    if callers == 1:
        assert agents[-1].parent_session_id == world.session_of("r0").id
        assert (
            agents[-1].link_reason == "its first message is that of another sub-agent, of the call task in request r0"
        )


@pytest.mark.parametrize("shown", [lambda each: each, cut_all])
def test_a_sub_agent_is_known_by_its_task_behind_words_of_the_client(shown: Callable[[Json], Json]) -> None:
    task = "Find every place where a number is read, and list them"
    first = f"[You work for another agent and report to it once you are done with all of it]\n\nYour task: {task}"
    world = World()
    start = [user("Fix the parser"), assistant(None, call("call_a8f31x7q", "spawn", task=task))]
    world.send(start[:1])
    world.send([*start, result("call_a8f31x7q", "accepted")])
    world.send([shown(user(first))], tools=("grep",))
    agent = world.session_of("r2")
    assert agent.parent_session_id == world.session_of("r0").id
    assert agent.link_reason == "its first message holds the prompt of the call spawn in request r0"


def test_an_unrelated_session_is_no_sub_agent() -> None:
    world = World()
    world.send([SYSTEM, user("Fix the parser")])
    world.send([SYSTEM, user("Write a lexer")])
    world.send(
        [
            SYSTEM,
            user("Fix the parser"),
            assistant(None, call("call_task_1", "task", prompt="Find every number")),
            result("call_task_1", "found"),
        ]
    )
    session = world.session_of("r1")
    assert session.kind is Kind.MAIN
    assert session.parent_session_id is None


def test_a_conversation_with_other_tools_under_the_same_session_id_is_a_sub_agent() -> None:
    params = {"metadata": {"user_id": f"user_x_account__session_{UUID}"}}
    world = World()
    world.send([user("Fix the parser")], params=params, tools=("Agent", "Bash"))
    world.send([user("Look for numbers")], params=params, tools=("Grep",))
    world.send([user("Fix the parser"), *turns(1)], params=params, tools=("Agent", "Bash"))
    assert world.grouped() == [["r0", "r2"], ["r1"]]
    assert world.session_of("r1").kind is Kind.SUBAGENT
    assert world.session_of("r1").parent_session_id == world.session_of("r0").id


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ('{"description":"d","prompt":"Find it"}', ("Find it",)),
        ('{"message":"Find it","n":1}', ("Find it",)),
        ('{"tasks":[{"goal":"Find it","n":1},{"goal":"Read it"}],"x":[1]}', ("Find it", "Read it")),
        ('{"prompt":"Find \\"it\\" in a' + MARK + 'file"}', (f'Find "it" in a{MARK}file',)),
        ('{"description":"d","prompt":"Find \\"it\\" in a' + MARK + 't_type":"x"}', (f'Find "it" in a{MARK}',)),
        ('{"prompt":"Find it","description":"a long one' + MARK + 'x":1}', ("Find it",)),
        ('{"description":"a long one of which noth' + MARK + ":1}", ()),
        ('{"description":"a long one of which noth' + MARK + 'in a\\n file"}', (MARK + "in a\n file",)),
        ('{"description":"a","prompt_tokens":1,' + MARK + 'in a\\n file"}', (MARK + "in a\n file",)),
        ("not json", ()),
        ("[1]", ()),
        ('{"prompt":" "}', ()),
    ],
)
def test_the_prompt_of_a_call_is_read_from_its_arguments_also_when_cut(arguments: str, texts: tuple[str, ...]) -> None:
    assert prompts_in(arguments) == texts


# --- what a session is called ----------------------------------------------------------------------------------------


def test_a_session_is_called_by_the_first_words_a_person_wrote() -> None:
    world = World()
    world.send(
        [
            SYSTEM,
            user("<environment_context>\n<cwd>/w</cwd>\n</environment_context>"),
            user(
                [{"type": "text", "text": "<system-reminder>x</system-reminder>"}, {"type": "text", "text": "Fix it"}]
            ),
        ]
    )
    assert world.session_of("r0").title == "Fix it"


def test_a_session_without_words_is_called_by_endpoint_and_time() -> None:
    world = World()
    world.send(None, message_count=3)
    assert world.session_of("r0").title == "/v1/chat/completions 2026-02-02 02:40:10"


def test_a_session_has_the_commonest_project_client_and_model_of_its_requests() -> None:
    world = World()
    for count, (project, client, model) in enumerate(
        [("a", "unknown", "m1"), ("b", "opencode", "m2"), ("b", "opencode", "m2"), (None, "unknown", None)]
    ):
        world.send([user("Fix it"), *turns(count)], project=project, client=client, model=model)
    session = world.session_of("r0")
    assert (session.project, session.client, session.model) == ("b", "opencode", "m2")
    assert session.started_at == MONDAY + 10 * SECOND
    assert session.ended_at == MONDAY + 45 * SECOND


def test_ids_of_sessions_do_not_change_when_logs_are_added() -> None:
    world = World()
    world.send([user("Fix it")])
    world.send([user("Write it")])
    before = {each.request_ids[0]: each.id for each in world.sessions().sessions}
    world.send([user("Fix it"), *turns(1)])
    world.send([user("Read it")])
    after = {each.request_ids[0]: each.id for each in world.sessions().sessions}
    assert before.items() <= after.items()
    assert len(set(after.values())) == 3


# --- the conversation ------------------------------------------------------------------------------------------------


def test_each_message_stands_once_with_the_request_that_first_sent_it() -> None:
    world = World()
    for count in range(3):
        world.send([SYSTEM, user("Fix the parser"), *turns(count)])
    entries = world.conversation("r0")
    assert [(each.request_id, each.position) for each in entries] == [
        ("r0", 0),
        ("r0", 1),
        ("r1", 2),
        ("r1", 3),
        ("r2", 4),
        ("r2", 5),
    ]
    assert [each.times_sent for each in entries] == [3, 3, 2, 2, 1, 1]
    assert [each.answers for each in entries] == [None, None, "r0", None, "r1", None]
    assert not any(each.replaced for each in entries)


def test_the_same_thing_said_twice_is_two_entries() -> None:
    world = World()
    talk = [user("Go on"), assistant("Ok"), user("Go on"), assistant("Ok"), user("Go on")]
    for count in (1, 3, 5):
        world.send(talk[:count])
    assert len(world.conversation("r0")) == 5


def test_a_new_system_prompt_is_one_more_entry_and_replaces_the_old() -> None:
    world = World()
    world.send([system("Monday"), user("Fix it")])
    world.send([system("Tuesday"), user("Fix it"), *turns(1)])
    entries = world.conversation("r0")
    assert [(each.request_id, each.position, each.replaced) for each in entries] == [
        ("r0", 0, True),
        ("r0", 1, False),
        ("r1", 0, False),
        ("r1", 2, False),
        ("r1", 3, False),
    ]
    assert entries[1].times_sent == 2
    assert entries[3].answers == "r0"


def test_messages_of_an_abandoned_branch_are_marked_as_replaced() -> None:
    world = World()
    world.send([user("Fix it")])
    world.send([user("Fix it"), *turns(1)])
    world.send([user("Fix it"), *turns(1), assistant("A"), user("No")])
    world.send([user("Fix it"), *turns(1), assistant("B"), user("Yes")])
    replaced = [each.position for each in world.conversation("r0") if each.replaced]
    assert replaced == [3, 4]


def test_a_body_that_was_cut_off_replaces_nothing() -> None:
    world = World()
    world.send([user("Fix it")])
    world.send([user("Fix it"), *turns(2)])
    world.send([user("Fix it"), *turns(1)], complete=False)
    entries = world.conversation("r0")
    assert not any(each.replaced for each in entries)
    assert entries[0].times_sent == 2


def test_an_answer_of_several_items_is_whole() -> None:
    world = World()
    world.send([user("Fix it")], api=Api.RESPONSES)
    answer = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        assistant([{"type": "output_text", "text": "I look."}]),
        {"type": "function_call", "call_id": "call_00001", "name": "shell", "arguments": "{}"},
    ]
    output = {"type": "function_call_output", "call_id": "call_00001", "output": "ok"}
    world.send([user("Fix it"), *answer, output], api=Api.RESPONSES)
    assert [each.answers for each in world.conversation("r0")] == [None, "r0", "r0", "r0", None]
    keys = tuple(world.library.put(each) for each in answer)
    assert world.threads().answers() == {0: keys}


# --- laws ------------------------------------------------------------------------------------------------------------


def story(name: str, shape: list[int]) -> list[list[dict[str, Any]]]:
    """Prompts of one session: each step adds turns; 0 sends the last prompt's history with another ending."""
    count = 0
    prompts = []
    for number, step in enumerate(shape):
        count += step
        prompt = [SYSTEM, user(f"Task {name}"), *turns(count, name)]
        if step == 0 and count:
            prompt += [assistant(f"Shall I, {name}?"), user(f"No, {number}")]
        prompts.append(prompt)
    return prompts


shapes = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=4)


@settings(max_examples=60)
@given(shapes, st.randoms(use_true_random=False))
def test_sessions_interleaved_are_the_same_as_each_alone(stories: list[list[int]], random: Any) -> None:
    alone: list[list[list[int]]] = []
    for number, shape in enumerate(stories):
        world = World()
        for prompt in story(str(number), shape):
            world.send(prompt, after=5 * MINUTE)
        alone.append([[int(each[1:]) for each in group] for group in world.grouped()])
    order = [number for number, shape in enumerate(stories) for _ in shape]
    random.shuffle(order)
    world = World()
    prompts = [iter(story(str(number), shape)) for number, shape in enumerate(stories)]
    places: list[list[str]] = [[] for _ in stories]
    for number in order:
        places[number].append(world.send(next(prompts[number]), after=5 * MINUTE))
    expected = sorted(
        [places[number][each] for each in group] for number, groups in enumerate(alone) for group in groups
    )
    assert sorted(world.grouped()) == expected


@settings(max_examples=60)
@given(shapes)
def test_every_request_is_in_one_session_and_every_message_in_one_entry(stories: list[list[int]]) -> None:
    world = World()
    for number, shape in enumerate(stories):
        for prompt in story(str(number), shape):
            world.send(prompt)
    links = world.threads()
    made = sessions(world.requests, links, world.library)
    assert sorted(each for session in made.sessions for each in session.request_ids) == sorted(
        each.id for each in world.requests
    )
    talks = conversations(made.requests, made.sessions, links)
    for session in made.sessions:
        entries = talks[session.id]
        assert all(1 <= each.times_sent <= len(session.request_ids) for each in entries)
        places = [(each.request_id, each.position) for each in entries]
        assert len(places) == len(set(places))


ROOM = str(Path(correlate.__file__).parent)


def work(count: int, change: Callable[[int], Json]) -> int:
    """Lines run in the package's correlation on a conversation of ``count`` turns."""
    world = World()
    tree, library = world.library.tree, world.library
    node = 0
    for number in range(count):
        node = tree.add(node, library.put(user(f"Step {number}")))
        world.send([], tools=None)
        last = tree.add(node, library.put(change(number))) if change(number) is not None else node
        prompt = world.requests[-1].prompt
        assert prompt is not None
        world.requests[-1] = replace(world.requests[-1], prompt=replace(prompt, node=last))
        node = tree.add(node, library.put(assistant("Ok, I have done this step.")))
    lines = 0

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return inside

    def tracer(frame: FrameType, _event: str, _arg: Any) -> Any:
        return inside if frame.f_code.co_filename.startswith(ROOM) else None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        links = threads(world.requests, tree, library)
        made = sessions(world.requests, links, library)
        conversations(made.requests, made.sessions, links)
    finally:
        sys.settrace(before)
    assert len(made.sessions) <= 2
    assert library.messages_read <= len(library.items) + 64 * len(made.sessions)
    return lines


@pytest.mark.parametrize(
    "change",
    [lambda number: None, lambda number: user(f"<only-now>{number}</only-now>")],
    ids=["plain", "last message"],
)
def test_twice_the_turns_cost_twice_the_work(change: Callable[[int], Json]) -> None:
    once, twice = work(200, change), work(400, change)
    assert twice <= 2.2 * once
