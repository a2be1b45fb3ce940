"""What an audit says becomes documents: each text once, with its kind and a place that exists on the page."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from lms_audit.analyse import analyse
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.sessions import sessions
from lms_audit.model import Audit, ToolCall
from lms_audit.present.search import KEPT_ELSEWHERE, Document, DocumentKind
from lms_audit.present.views.book import Book
from lms_audit.present.views.documents import Held, call_text, documents
from lms_audit.read.payload import item_key
from tests.support import World, assistant, call, result, system, user

LONG = "line of a long result\n" * KEPT_ELSEWHERE
ASKED = [system("You are careful"), user("mend the build")]
DONE = [*ASKED, assistant("I look.", call("c1", "bash", command="make test", cwd="/srv")), result("c1", LONG)]


def book(world: World) -> Book:
    links = world.threads()
    made = sessions(world.requests, links, world.library)
    audit = Audit(
        requests=made.requests,
        sessions=made.sessions,
        conversations=conversations(made.requests, made.sessions, links),
        files=(),
    )
    return Book(analyse(audit, world.library, world.library.tree), world.library)


def story() -> World:
    world = World()
    made = ToolCall("c1", "bash", {"command": "make test"}, result=LONG, result_key=item_key(DONE[3]))
    world.send(ASKED, tool_calls=(made,), tool_calls_known=True, response_key=item_key(DONE[2]))
    world.send(DONE, response_text="It is mended.", response_reasoning="easy", system_member="Be brief")
    world.send([user("something else")], errors=("The model has crashed",))
    return world


def found(world: World, held: Held | None = None) -> list[Document]:
    return list(documents(book(world), held or {}))


def of(kind: str, held: list[Document]) -> list[Document]:
    return [each for each in held if each.kind == kind]


def test_every_kind_of_text_is_a_document_of_its_kind() -> None:
    told = found(story())
    assert [each.text for each in of("prompt", told)] == [
        "You are careful",
        "mend the build",
        "bash\n",
        "edit\n",
        "Be brief",
        "something else",
    ]
    assert [each.text for each in of("answer", told)] == ["I look.", "easy", "It is mended."]
    assert [each.text for each in of("call", told)] == ["bash\ncommand: make test\ncwd: /srv"]
    assert [each.text for each in of("result", told)] == [LONG]
    assert [each.text for each in of("error", told)] == ["The model has crashed"]
    assert [each.text.split("\n")[0] for each in of("session", told)] == ["mend the build", "something else"]


def test_a_document_leads_to_where_it_stands_and_says_by_which_request() -> None:
    told = found(story())
    one, other = (each.href.split("/")[1] for each in of("session", told))
    hrefs = {each.text[:20]: each.href for each in told}
    assert hrefs["mend the build"] == f"sessions/{one}/index.html#m-{item_key(ASKED[1])[:12]}"
    assert hrefs["bash\ncommand: make t"] == hrefs[LONG[:20]] == f"sessions/{one}/index.html#c-r0-0"
    assert hrefs["It is mended."] == f"sessions/{one}/index.html#a-r1"
    assert hrefs["easy"] == f"sessions/{one}/index.html#a-r1-r"
    assert re.fullmatch(rf"sessions/{one}/index\.html#v-[0-9a-f]{{12}}", hrefs["Be brief"])
    assert hrefs["The model has crashe"] == f"sessions/{other}/index.html#r-r2"
    assert hrefs["bash\n"].startswith("prompts/tools-")
    answer = next(each for each in told if each.text == "It is mended.")
    assert (answer.session, answer.request.partition(",")[0]) == ("mend the build", "request 2")
    assert next(each for each in told if each.text == LONG).note == "bash"


def test_a_message_of_several_sessions_is_one_document_that_says_so() -> None:
    world = World()
    for words in ("one", "two", "three"):
        world.send([system("The house rules"), user(words)])
    rules = [each for each in found(world) if each.text == "The house rules"]
    assert [each.note for each in rules] == ["system, also in 2 other sessions"]


def test_calls_of_one_answer_in_several_messages_lead_to_their_own_cards() -> None:
    world = World()
    talk: list[dict[str, Any]] = [user("look")]
    calls = [
        {"type": "function_call", "call_id": f"c{at}", "name": "exec", "arguments": json.dumps({"at": at})}
        for at in (0, 1)
    ]
    made = tuple(ToolCall(f"c{at}", "exec", {"at": at}) for at in (0, 1))
    world.send(talk, tool_calls=made, tool_calls_known=True)
    world.send([*talk, *calls, user("go on")])
    told = of("call", found(world))
    assert [each.text for each in told] == ["exec\nat: 0", "exec\nat: 1"]
    assert [each.href.rpartition("#")[2] for each in told] == ["c-r0-0", "c-r0-1"]


def test_a_long_text_is_read_where_the_session_keeps_it_and_a_short_one_is_not() -> None:
    world = story()
    session = book(world).audit.sessions[0].id
    held = {session: {item_key(message): (3, place) for place, message in enumerate(DONE)}}
    sources = {each.text: each.source for each in found(world, held)}
    kept = sources[LONG]
    assert kept is not None
    assert (kept.session, kept.part, kept.item, json.loads(kept.way)) == (session, 3, 3, ["content"])
    assert sources["mend the build"] is None
    assert all(each.source is None for each in found(world))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            '{"path": "a.py", "edits": [{"old": "x\\ny"}], "all": true, "n": null}',
            "edit\npath: a.py\nold: x\ny\nall: True",
        ),
        ("{broken", "edit\n{broken"),
        ({"path": "a.py"}, "edit\npath: a.py"),
        ("", "edit\n"),
        ('"plain"', "edit\nplain"),
    ],
)
def test_a_call_is_searched_by_its_values_without_the_escapes_of_json(arguments: Any, text: str) -> None:
    assert call_text("edit", arguments) == text


def test_documents_come_in_the_same_order_each_time() -> None:
    assert found(story()) == found(story())
    assert {each.kind for each in found(story())} <= set(DocumentKind)


def test_half_a_surrogate_pair_is_told_as_something_that_can_be_written() -> None:
    world = World()
    world.send([user("cut \ud83d here")], response_text="and \ude00 there")
    told = found(world)
    assert {"cut ? here", "and ? there"} <= {each.text for each in told}
    msgspec.msgpack.encode(told)
