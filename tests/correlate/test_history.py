"""Answers that only a later request's history shows."""

from __future__ import annotations

from typing import Any

import pytest

from lms_audit.correlate.history import recover
from lms_audit.model import Api, Kind, Request, ResponseSource, Status
from tests.support import World, assistant, call, result, system, user


def _first(status: Status) -> Request:
    world = World()
    world.send([user("Boil the water")], status=status)
    world.send([user("Boil the water"), assistant("[Error: no tea]"), user("Boil the water")])
    return recover(world.requests, world.threads(), world.library).requests[0]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELLED, Status.INCOMPLETE])
def test_the_history_shows_the_answer_that_the_log_does_not(status: Status) -> None:
    request = _first(status)
    assert (request.response_text, request.response_source) == ("[Error: no tea]", ResponseSource.HISTORY)


def test_what_a_client_writes_in_place_of_an_answer_that_failed_is_no_answer() -> None:
    request = _first(Status.ERROR)
    assert (request.response_text, request.response_source) == (None, None)


def test_a_compaction_in_place_shows_the_last_answer_of_its_conversation() -> None:
    world = World()
    world.send([user("Boil the water")])
    world.send([user("Boil the water"), assistant("It boils."), user("Pour it")])
    said = [user("Boil the water"), assistant("It boils."), user("Pour it"), assistant("It is poured.")]
    world.send([*said, user("Write a summary of all this")], kind=Kind.COMPACTION)
    first, second, compaction = recover(world.requests, world.threads(), world.library).requests
    assert (first.response_text, second.response_text) == ("It boils.", "It is poured.")
    assert second.response_source is ResponseSource.HISTORY
    assert compaction.response_text is None
    assert world.grouped() == [["r0", "r1"], ["r2"]]


def test_a_title_request_shows_no_answer() -> None:
    world = World()
    world.send([user("Boil the water")])
    world.send([user("Boil the water"), user("Give it a title")], kind=Kind.TITLE)
    assert recover(world.requests, world.threads(), world.library).requests[0].response_text is None


# --- answers and results that stand where they are not looked for first ----------------------------------------------


def _recovered(world: World) -> tuple[Request, ...]:
    return recover(world.requests, world.threads(), world.library).requests


def _results(world: World) -> list[tuple[str | None, str | None]]:
    """Of every call in turn: its result, and the request that first showed it."""
    return [(made.result, made.result_request_id) for request in _recovered(world) for made in request.tool_calls]


def _step(call_id: str, number: int) -> list[dict[str, Any]]:
    return [assistant(None, call(call_id, "bash", command=f"pour {number}")), result(call_id, f"cup {number}")]


def test_a_compaction_shows_the_result_of_the_last_call() -> None:
    world = World()
    world.send([user("Boil the water")])
    world.send([user("Boil the water"), *_step("call_0", 1), user("Write a summary of all this")], kind=Kind.COMPACTION)
    world.send([user("This session is being continued from a previous conversation: water boiled.")])
    assert _results(world) == [("cup 1", "r1")]


def test_a_result_counted_by_the_server_first_is_still_that_of_its_call() -> None:
    world = World()
    world.send([user("Boil the water")])
    said = [user("Boil the water"), *_step("call_0", 1)]
    world.send(said, api=Api.OTHER, kind=Kind.OTHER, takes=None)
    world.send(said)
    assert _results(world) == [("cup 1", "r2")]


@pytest.mark.parametrize("words", ["It is {} o'clock.", "You boil water."])
def test_calls_that_have_one_id_in_every_answer_keep_their_own_results(words: str) -> None:
    world = World()
    steps: list[dict[str, Any]] = []
    for number in range(4):
        world.send([system(words.format(number)), user("Boil the water"), *steps])
        steps += _step("call_0", number)
    assert _results(world) == [(f"cup {number}", f"r{number + 1}") for number in range(3)]


def test_two_runs_that_do_the_same_have_results_both() -> None:
    world = World()
    for _ in range(2):
        world.send([user("Boil the water")], after=3_600_000)
        world.send([user("Boil the water"), *_step("call_0", 1)])
    assert world.grouped() == [["r0", "r1"], ["r2", "r3"]]
    assert _results(world) == [("cup 1", "r1"), ("cup 1", "r3")]


def test_a_conversation_taken_up_under_another_id_shows_the_last_answer_under_the_first() -> None:
    ids = ["0199a3c4-1111-7abc-8def-0123456789ab", "0199a3c4-2222-7abc-8def-0123456789ab"]
    world = World()
    said = [user("Boil the water"), *_step("call_a8f31x7q", 1)]
    world.send(said[:1], params={"prompt_cache_key": ids[0]})
    world.send(said, params={"prompt_cache_key": ids[0]})
    world.send([*said, assistant("It boils."), user("Pour it")], params={"prompt_cache_key": ids[1]}, after=3_600_000)
    assert world.grouped() == [["r0", "r1"], ["r2"]]
    assert [request.response_text for request in _recovered(world)] == ["", "It boils.", None]
    assert [entry.answers for entry in world.conversation("r2")] == [None] * 5


def test_an_answer_is_found_after_the_middle_of_the_history_was_taken_out() -> None:
    world = World()
    steps = [message for number in range(6) for message in _step(f"call_a8f3{number}x7q", number)]
    world.send([user("Boil the water"), *steps[:10]])
    world.send([user("Boil the water"), assistant("[cups were poured]"), *steps[6:]])
    request = _recovered(world)[0]
    assert world.grouped() == [["r0", "r1"]]
    assert [made.result for made in request.tool_calls] == ["cup 5"]
