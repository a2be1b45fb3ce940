"""A conversation shows each message once: an answer at its request, a result in the card of its call."""

from __future__ import annotations

import json

from lms_audit.model import Session, Status, ToolCall
from lms_audit.present.views.book import Book
from lms_audit.present.views.conversation import Teller
from lms_audit.present.views.data import SessionData
from lms_audit.present.views.phases import LONG_RUN, Calls, Phase, Step, Turn
from tests.present.books import book
from tests.support import World, assistant, call, result, system, user

ASKED = [system("Be careful"), user("mend the build")]
LOOKED = [*ASKED, assistant("I look.", call("c1", "bash", command="make")), result("c1", "exit code: 2")]
READ = [*LOOKED, assistant(None, call("c2", "read", file_path="/a")), result("c2", "text of a")]
MENDED = [*READ, assistant("Mended."), user("<system-reminder>x</system-reminder>"), user("thanks, now the docs")]


def told(world: World) -> tuple[Book, Session, tuple[Phase, ...]]:
    held = book(world)
    session = held.audit.sessions[0]
    teller = Teller(held, session, SessionData(session.id, world.library))
    return held, session, tuple(phase for part in held.parts[session.id] for phase in teller.phases(part))


def story() -> World:
    world = World()
    for messages in (ASKED, LOOKED, READ, MENDED):
        world.send(messages, prompt_ms=1000.0, generation_ms=500.0, elapsed_ms=2000.0)
    return world


def said(phases: tuple[Phase, ...], kind: str) -> list[str]:
    return [item.said.text for phase in phases for item in phase.items if isinstance(item, Turn) and item.kind == kind]


def test_a_prompt_of_a_person_opens_a_phase() -> None:
    _, _, phases = told(story())
    assert [phase.title for phase in phases] == ["", "mend the build", "thanks, now the docs"]
    # the second request stands in the middle of the calls, and counts
    assert [phase.about for phase in phases] == ["", "3 requests, 2 calls", "1 request"]


def test_each_thing_is_said_once_and_by_the_right_speaker() -> None:
    _, _, phases = told(story())
    assert said(phases, "user") == ["mend the build", "thanks, now the docs"]
    assert said(phases, "assistant") == ["I look.", "Mended."]
    assert said(phases, "system") == ["Be careful"]
    assert said(phases, "context") == ["<system-reminder>x</system-reminder>"]
    assert said(phases, "result") == []


def test_an_answer_stands_behind_the_line_of_its_request() -> None:
    _, _, phases = told(story())
    kinds = [item.kind for item in phases[1].items]
    assert kinds == ["user", "step", "assistant", "calls", "step", "assistant", "context"]


def test_calls_that_follow_one_another_are_one_item_with_their_results() -> None:
    held, session, phases = told(story())
    (calls,) = [item for phase in phases for item in phase.items if isinstance(item, Calls)]
    assert [card.name for card in calls.cards] == ["bash", "read"]
    assert calls.summary == "bash, read"
    assert [card.anchor for card in calls.cards] != []
    results = ["".join(run.text for block in card.result for run in block.runs) for card in calls.cards]
    assert results == ["exit code: 2", "text of a"]
    # the second request has no line of its own: its card has the anchor that its details link to
    assert calls.cards[1].step == f"q-{session.request_ids[1]}"
    assert held.request_path(session.request_ids[1]) == calls.cards[1].request_path


def test_the_answer_of_the_last_request_comes_from_the_log() -> None:
    world = World()
    world.send(ASKED, response_text="It is **done**.", response_reasoning="hm")
    _, _, phases = told(world)
    assert said(phases, "assistant") == ["It is **done**."]
    assert said(phases, "reasoning") == ["hm"]


def test_an_answer_the_log_does_not_hold_is_said_to_be_missing() -> None:
    world = World()
    world.send(ASKED)
    world.send([*ASKED, user("and?")], tool_calls_known=True)
    _, _, phases = told(world)
    assert said(phases, "unsaid") == ["the log does not hold this answer", "an answer without text"]


def test_a_failed_request_says_so_in_its_line_and_why() -> None:
    world = World()
    world.send(ASKED, status=Status.ERROR, errors=("the context is full",))
    _, _, phases = told(world)
    (step,) = [item for phase in phases for item in phase.items if isinstance(item, Step)]
    assert (step.note, step.errors) == ("error", ("the context is full",))


def test_prompts_that_nothing_came_between_open_one_phase() -> None:
    world = World()
    world.send([user("about the build"), user("mend it")])
    _, _, phases = told(world)
    assert [(phase.title, phase.about) for phase in phases] == [("about the build", "1 request")]
    assert said(phases, "user") == ["about the build", "mend it"]


def test_a_run_of_calls_says_in_one_line_what_is_in_it() -> None:
    world = World()
    calls = [call(f"c{number}", "read", file_path=f"/src/{number}.py") for number in range(LONG_RUN)]
    calls.append(call("cx", "bash", command="make test"))
    asked = [user("go")]
    world.send(asked)
    world.send([*asked, assistant(None, *calls), *(result(f"c{number}", "x") for number in range(LONG_RUN))])
    _, _, phases = told(world)
    (run,) = [item for phase in phases for item in phase.items if isinstance(item, Calls)]
    assert run.preview == "read 0.py, 1.py, 2.py, 3.py, 4.py, 5.py · bash make test"
    assert (run.summary, run.long) == ("read × 6, bash", True)


def test_an_answer_that_the_next_prompt_has_cut_is_told_as_the_log_has_it_whole() -> None:
    cut = "... <Truncated in logs> ..."
    words = "I look at the kettle, at its lid, at its spout, and at the water " * 3
    content = "water = 90\n" * 20
    arguments = json.dumps({"filePath": "/a.py", "content": content})
    world = World()
    asked = [user("go")]
    made = ToolCall("c1", "write", {"filePath": "/a.py", "content": content})
    world.send(asked, response_text=words, tool_calls=(made,), tool_calls_known=True)
    shortened = call("c1", "write")
    shortened["function"]["arguments"] = f"{arguments[:50]}{cut}{arguments[-50:]}"
    world.send([*asked, assistant(f"{words[:50]}{cut}{words[-50:]}", shortened), result("c1", "ok")])
    _, _, phases = told(world)
    assert said(phases, "assistant")[0] == words
    (run,) = [item for phase in phases for item in phase.items if isinstance(item, Calls)]
    assert run.cards[0].about == "+20 lines"
    assert run.cards[0].notes == ()


def test_anchors_are_unique_even_where_the_same_is_said_twice() -> None:
    world = World()
    world.send(ASKED)
    world.send([*ASKED, assistant("ok"), user("again"), assistant("ok"), user("again")])
    _, _, phases = told(world)
    anchors = [item.anchor for phase in phases for item in phase.items if not isinstance(item, Calls)]
    assert len(anchors) == len(set(anchors))


def test_an_answer_over_several_messages_keeps_its_calls_apart() -> None:
    world = World()
    first = [user("go")]
    calls = [call("a1", "bash", command="one"), call("a2", "bash", command="two")]
    spread = [*first, assistant(None, calls[0]), assistant(None, calls[1]), result("a1", "1"), result("a2", "2")]
    world.send(first)
    world.send(spread)
    _, _, phases = told(world)
    cards = [card for phase in phases for item in phase.items if isinstance(item, Calls) for card in item.cards]
    assert [card.argument for card in cards] == ["one", "two"]
    assert len({card.anchor for card in cards}) == 2
