"""What is said about a session, and what is taken from an answer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lms_audit.correlate.names import clean
from lms_audit.model import Audit, Kind, ToolCall
from lms_audit.naming.questions import SYSTEM, WORDS_LENGTH, questions, title_of
from tests.support import MARK, World, assistant, call, system, user


def said(world: World, **asked: Any) -> dict[str, str]:
    """First request of each session asked about -> what is said, in order."""
    made = world.sessions()
    audit = Audit(requests=made.requests, sessions=made.sessions, conversations={}, files=())
    first = {session.id: session.request_ids[0] for session in made.sessions}
    return {first[one.session_id]: one.text for one in questions(audit, world.library, **asked)}


def tool(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(id=None, name=name, arguments=arguments)


def test_first_words_tools_and_files_are_all_that_is_said() -> None:
    world = World()
    prompt = [
        system("You mend things. The secret is 4711."),
        user([{"type": "text", "text": "<system-reminder>Today is Monday.</system-reminder>"}]),
        user("  Mend the spout\n\nof the kettle  "),
    ]
    world.send(
        prompt,
        project="/home/ada/kettle",
        tool_calls=(
            tool("read", filePath="/home/ada/kettle/src/spout.py"),
            tool("read", filePath="src/spout.py"),
            tool("edit", filePath="/etc/hosts", oldString="secret", newString="secret"),
            tool("bash", command="echo secret"),
        ),
    )
    world.send([*prompt, assistant("The secret.", call("c", "bash")), user("And the secret lid")], tool_calls=())
    assert said(world) == {
        "r0": (
            "First words: Mend the spout of the kettle\n"
            "Tools: read (2), bash (1), edit (1)\n"
            "Files: src/spout.py, /etc/hosts"
        )
    }


def test_long_and_cut_words_are_said_as_far_as_they_go() -> None:
    world = World()
    world.send([user("Mend " * 2000)])
    world.send([user(f"Please mend the sp{MARK}e it will boil.")], after=10**8)
    short, long = said(world).values()
    assert short == "First words: Please mend the sp … e it will boil."
    assert long == f"First words: {'Mend ' * 200}"[: len("First words: ") + WORDS_LENGTH - 1] + "…"


def test_hostile_names_of_tools_and_files_are_short_lines() -> None:
    world = World()
    calls = [tool(f"t\u202e\n{number:02}" + "x" * 500, path="p\x1b\n" * 400) for number in range(40)]
    files = [tool("read", path=f"/a\u202e\x1b{number:02}{'y' * 300}") for number in range(40)]
    world.send([user("Hi\x1b[2J there\u202e!")], tool_calls=(*calls, *files))
    text = said(world)["r0"]
    assert text.startswith("First words: Hi[2J there!\nTools: ")
    assert text.count("\n") == 2
    assert all(clean(line) == line for line in text.splitlines())
    assert len(text) < 2000


def test_only_sessions_with_words_of_their_own_are_asked_about_the_latest_first() -> None:
    world = World()
    words = [system("You mend things."), user("Mend the spout of the kettle")]
    world.send(words)
    world.send([system("Name it."), user("Mend the spout of the kettle")], kind=Kind.TITLE, tools=None)
    world.send(None, message_count=3, after=10**8)
    world.send([user([{"type": "image_url", "image_url": {"url": "data:"}}])], after=10**8)
    world.send([system("You mend things."), user("Paint the boat")], after=10**8)
    assert list(said(world)) == ["r4", "r0"]
    named = [session.id for session in world.sessions().sessions if "r4" in session.request_ids]
    assert list(said(world, named=named)) == ["r0"]


def test_our_own_questions_belong_to_nobody_and_are_not_asked_about() -> None:
    world = World()
    world.send([system("You mend things."), user("Mend the spout of the kettle")])
    question = said(world)["r0"]
    world.send([system(SYSTEM), user(question)], kind=Kind.OTHER, client="lms-audit", tools=None)
    assert world.grouped() == [["r0"], ["r1"]]
    assert [session.parent_session_id for session in world.sessions().sessions] == [None, None]
    assert list(said(world)) == ["r0"]
    # a client's own question of that kind does belong to its session
    world.requests[1] = replace(world.requests[1], client="opencode")
    assert world.session_of("r1").parent_session_id is not None


# --- titles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Mend the kettle", "Mend the kettle"),
        ('  "Mend the kettle."\n', "Mend the kettle"),
        ("**Mend the kettle**", "Mend the kettle"),
        ("Title: Mend the kettle", "Mend the kettle"),
        ("# Title: 'Mend: the kettle'", "Mend: the kettle"),
        ("„Den Kessel flicken“", "Den Kessel flicken"),
        ("`spout` and `lid` are loose", "`spout` and `lid` are loose"),
        ("**`spout.py`: leak**", "`spout.py`: leak"),
        (".env and #12 for --force", ".env and #12 for --force"),
        ("标题：修理茶壶", "标题：修理茶壶"),
        ("<think>\nThey want it mended.\n</think>\n\nMend the kettle", "Mend the kettle"),
        ("They want it mended.</think>Mend the kettle", "Mend the kettle"),
        ("<think>They want it mended, so", None),
        ("Mend the kettle\n\nI chose this because of the spout.", "Mend the kettle"),
        ("", None),
        (' \n"" \n***\n', None),
        ("\u202e\u200b\x00\n\x1b", None),
        ("Mend\u202e the\x1b[31m ke\u200bttle\x00\x9b", "Mend the[31m kettle"),
        ("<script>alert(1)</script> {{ 7 * 7 }}", "<script>alert(1)</script> {{ 7 * 7 }}"),
        ("a\u2028b\u2029c", "a"),
        ("Mend the kettle " * 20, "Mend the kettle " * 4 + "Mend the…"),
        ("x" * 1_000_000, "x" * 79 + "…"),
        ("\n" * 1_000_000 + "late", None),
    ],
)
def test_of_an_answer_one_short_line_remains(answer: str, title: str | None) -> None:
    found = title_of(answer)
    assert found == title
    assert found is None or (len(found) <= 80 and clean(found) == found)
