"""Filters leave an audit in which nothing refers to what was left out."""

from __future__ import annotations

from msgspec.structs import replace

from lms_audit.config import Filters
from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.selection import select
from lms_audit.model import Api, Audit, Entry, Prompt, Request, Session, Status, ToolCall

DAY = 86_400_000


def request(name: str, at: int | None, node: int = 0, **more: object) -> Request:
    prompt = Prompt(node=node, count=1, list_name="messages", system=None, tools=None, params=None)
    base = Request(
        id=name,
        session_id="s1",
        received_at=at,
        finished_at=None,
        method="POST",
        endpoint="/v1/chat/completions",
        api=Api.CHAT,
        stream=False,
        message_count=1,
        requested_model="asked",
        model=None,
        status=Status.COMPLETED,
        prompt=prompt,
    )
    return replace(base, **more)


def world() -> tuple[Audit, PromptTree]:
    """One session of three days, each prompt extending the one before, and a request of another session."""
    tree = PromptTree()
    nodes = [tree.add_all("abc"[: length + 1]) for length in range(3)]
    call = ToolCall(id="1", name="read", arguments={}, result="text", result_request_id="r2")
    requests = (
        request("r0", 0, nodes[0], client="codex", project="/home/dev/Boat/"),
        request("r1", DAY, nodes[1], parent_id="r0", shared_messages=1, tool_calls=(call,), model="given"),
        request(
            "r2", 2 * DAY, nodes[2], parent_id="r1", shared_messages=2, candidates=("r1",), project="C:\\dev\\kite"
        ),
        request("x", None, session_id="s2"),
    )
    sessions = (
        Session(id="s1", title="t", started_at=0, ended_at=2 * DAY, request_ids=("r0", "r1", "r2")),
        Session(id="s2", title="t", request_ids=("x",), parent_session_id="s1", link_reason="asked"),
    )
    entries = tuple(
        Entry(key=key, request_id=f"r{number}", position=number, times_sent=3 - number)
        for number, key in enumerate("abc")
    )
    return Audit(requests=requests, sessions=sessions, conversations={"s1": entries, "s2": ()}, files=()), tree


def ids(filters: Filters) -> list[str]:
    audit, tree = world()
    return [request.id for request in select(audit, tree, filters).requests]


def test_no_filter_changes_nothing() -> None:
    audit, tree = world()
    assert select(audit, tree, Filters()) is audit


def test_since_is_inclusive_until_is_not_and_a_request_without_time_is_in_no_span() -> None:
    assert ids(Filters(since=DAY)) == ["r1", "r2"]
    assert ids(Filters(until=DAY)) == ["r0"]
    assert ids(Filters(since=DAY, until=DAY + 1)) == ["r1"]


def test_client_model_and_project_are_named_as_people_name_them() -> None:
    assert ids(Filters(client="CODEX")) == ["r0"]
    assert ids(Filters(client="unk*")) == ["r1", "r2", "x"]
    assert ids(Filters(model="given")) == ["r1"]
    assert ids(Filters(model="asked")) == ["r0", "r2", "x"]
    assert ids(Filters(project="boat")) == ids(Filters(project="/home/dev/boat")) == ["r0"]
    assert ids(Filters(project="c:/dev/kite")) == ids(Filters(project="kite")) == ["r2"]
    assert ids(Filters(project="*e")) == ["r2"]
    assert ids(Filters(project="home")) == []


def test_nothing_refers_to_a_request_left_out() -> None:
    audit, tree = world()
    cut = select(audit, tree, Filters(since=DAY, until=DAY + 1))
    (kept,) = cut.requests
    assert (kept.parent_id, kept.shared_messages, kept.candidates) == (None, 0, ())
    assert kept.tool_calls[0].result == "text"
    assert kept.tool_calls[0].result_request_id is None
    (session,) = cut.sessions
    assert (session.request_ids, session.started_at, session.ended_at) == (("r1",), DAY, DAY)
    side = select(audit, tree, Filters(client="unknown", model="asked"))
    assert [session.id for session in side.sessions] == ["s1", "s2"]
    alone = select(replace(audit, requests=audit.requests[:1]), tree, Filters(client="codex"))
    assert [session.parent_session_id for session in alone.sessions] == [None]


def test_messages_first_sent_by_a_request_left_out_move_to_the_next_that_sent_them() -> None:
    audit, tree = world()
    cut = select(audit, tree, Filters(since=DAY))
    assert [(entry.key, entry.request_id, entry.times_sent) for entry in cut.conversations["s1"]] == [
        ("a", "r1", 2),
        ("b", "r1", 2),
        ("c", "r2", 1),
    ]
    last = select(audit, tree, Filters(until=DAY))
    assert [entry.key for entry in last.conversations["s1"]] == ["a"]
