"""Answers that only a later request's history shows."""

from __future__ import annotations

import pytest

from lms_audit.correlate.history import recover
from lms_audit.model import Kind, Request, ResponseSource, Status
from tests.support import World, assistant, user


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
