"""Projects: from the places where prompts name them, and from the paths that tools are given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_audit.correlate.client_facts import Block, ClientFacts, Params
from lms_audit.correlate.client_rules import Place, load
from lms_audit.correlate.projects import place_in_facts, project_in_facts, project_of
from lms_audit.correlate.tool_paths import Project, project_in_calls
from lms_audit.model import Role
from tests.correlate.bodies import FILLER, MARK, cut

COMMON = load().projects
LINE = Place(in_="system", finds=r"Current working directory: (?P<path>[^\n]+)")


def _system(text: str) -> ClientFacts:
    return ClientFacts(system=(Block.of(Role.SYSTEM, text),))


def _user(text: str) -> ClientFacts:
    return ClientFacts(user=(Block.of(Role.USER, text),))


def _found(place: Place, facts: ClientFacts, group: str = "path") -> str | None:
    found = place_in_facts(place, group, facts)
    return found.value if found else None


# --- in the prompt --------------------------------------------------------------------------------------------------


def test_a_path_is_given_as_the_prompt_has_it_with_a_note_of_where() -> None:
    facts = _system(FILLER + "\nCurrent working directory: /home/ada/My Kites/ \nBe quick.")
    assert project_in_facts((LINE,), (), facts) == Project(
        "/home/ada/My Kites/", 'system prompt says "Current working directory: /home/ada/My Kites/"'
    )


@pytest.mark.parametrize("length", range(1, 60))
def test_a_path_in_a_cut_text_is_whole_or_not_there(length: int) -> None:
    path = "/srv/" + "kites-of-the-whole-village-" * 3
    path = path[: max(length, 2)]
    last = _system(cut(f"{FILLER}\nCurrent working directory: {path}"))
    assert _found(LINE, last) in (None, path)
    assert (_found(LINE, last) == path) == (len(path) <= 23)
    first = _system(cut(f"Current working directory: {path}\n{FILLER}"))
    assert _found(LINE, first) in (None, path)
    assert (_found(LINE, first) == path) == (len(path) <= 22)
    middle = _system(cut(f"{FILLER}\nCurrent working directory: {path}\n{FILLER}"))
    assert _found(LINE, middle) is None


def test_a_value_that_is_no_path_to_work_in_is_left_out() -> None:
    for value in ("undefined", "x" * 2000, "/srv/\x1b[31mkites", "``"):
        assert _found(LINE, _system(f"Current working directory: {value}\n")) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Working directory: /srv/kites", "/srv/kites"),
        ("- Primary working directory: /srv/kites\n- Is a git repository: yes", "/srv/kites"),
        ("Workspace root folder: C:\\Users\\Ada\\kites", "C:\\Users\\Ada\\kites"),
        ("The current working directory is `/srv/kites`.", "/srv/kites"),
        ("# Current Workspace Directory (/srv/kites) Files", "/srv/kites"),
        ("cwd: ~/kites", "~/kites"),
        ("<cwd>\\\\nas\\kites</cwd>", "\\\\nas\\kites"),
        ("The working directory: it is important.", None),
        ("Working directory: .", None),
    ],
)
def test_common_ways_to_name_a_directory(text: str, path: str | None) -> None:
    found = project_in_facts((), COMMON, _system(f"You mend kites.\n{text}\n"))
    assert (found.path if found else None) == path


def test_common_places_are_not_sought_in_what_a_person_wrote() -> None:
    assert project_in_facts((), COMMON, _user("Working directory: /srv/kites")) is None
    found = project_in_facts((), COMMON, _user("<context>\nWorking directory: /srv/kites\n</context>"))
    assert found is not None
    assert found.path == "/srv/kites"
    assert found.note.startswith("user message says")


def test_the_places_of_the_client_come_first() -> None:
    own = Place(in_="system", finds=r"Vault: (?P<path>[^\n]+)")
    facts = _system("Working directory: /srv/elsewhere\nVault: /srv/notes\n")
    found = project_in_facts((own,), COMMON, facts)
    assert found is not None
    assert found.path == "/srv/notes"


def test_parameters_hold_projects_and_sessions() -> None:
    turn = json.dumps({"workspaces": {"/srv/kites": {"has_changes": True}}})
    facts = ClientFacts(params=Params({"client_metadata": {"turn": turn, "id": "s-1"}}))
    assert _found(Place(param="client_metadata.turn", keys_of="workspaces"), facts) == "/srv/kites"
    assert _found(Place(param="client_metadata.id"), facts, "id") == "s-1"
    assert _found(Place(param="client_metadata.gone"), facts, "id") is None
    damaged = ClientFacts(params=Params({"client_metadata": {"turn": turn[:20] + MARK + turn[20:], "id": MARK}}))
    assert _found(Place(param="client_metadata.turn", keys_of="workspaces"), damaged) is None
    assert _found(Place(param="client_metadata.id"), damaged, "id") is None


# --- in tool calls --------------------------------------------------------------------------------------------------


def _worked_in(*arguments: Any) -> str | None:
    found = project_in_calls(arguments)
    return found.path if found else None


def test_the_directory_that_all_paths_share() -> None:
    found = project_in_calls(
        [
            {"filePath": "/home/ada/kites/package.json"},
            {"filePath": "/home/ada/kites/src/tail.ts", "oldString": "/not/a/path"},
            '{"path": "/home/ada/kites/tests", "pattern": "/wind/.*"}',
        ]
    )
    assert found == Project("/home/ada/kites", "common directory of the paths in 3 tool arguments")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([{"file_path": "/home/ada/kites/src/tail.ts"}], "/home/ada/kites"),
        (
            [{"file_path": "/home/ada/kites/src/a/tail.ts"}, {"file_path": "/home/ada/kites/src/a/b.ts"}],
            "/home/ada/kites",
        ),
        ([{"file_path": "/home/ada/project/src/main.py"}], "/home/ada/project"),
        ([{"file_path": "/home/ada/code/kites/main.py"}, {"path": "/home/ada/code/kites"}], "/home/ada/code/kites"),
        ([{"file_path": "/home/ada/projects/kites/main.py"}], "/home/ada/projects/kites"),
        ([{"file_path": "/workspace/main.py"}, {"file_path": "/workspace/lib/tail.py"}], "/workspace"),
        ([{"file_path": "/Users/ada/Documents/kites/main.py"}], "/Users/ada/Documents/kites"),
        (
            [{"filePath": "C:\\Users\\Ada\\kites\\src\\tail.cs"}, {"filePath": "c:\\users\\ada\\kites\\a.sln"}],
            "C:\\Users\\Ada\\kites",
        ),
        ([{"filePath": "D:/kites/main.py"}, {"filePath": "D:/kites/tail.py"}], "D:/kites"),
        ([{"filePath": "\\\\nas\\share\\kites\\main.py"}], "\\\\nas\\share\\kites"),
        ([{"path": "/mnt/c/Users/ada/kites/main.py"}], "/mnt/c/Users/ada/kites"),
        ([{"command": "cd /home/ada/kites && npm test"}], "/home/ada/kites"),
        ([{"command": ["bash", "-lc", "cd '/home/ada/my kites'; make"]}], "/home/ada/my kites"),
        ([{"command": "ls /home/ada/kites"}], None),
        ([{"workdir": "/home/ada/kites", "cmd": "make"}], "/home/ada/kites"),
        ([{"files": [{"path": "/home/ada/kites/a.py"}, {"path": "/home/ada/kites/b.py"}]}], "/home/ada/kites"),
        # of the machine, of the client, for the moment
        ([{"path": "/home/ada/kites/a.py"}, {"path": "/etc/hosts"}, {"path": "/usr/bin/env"}], "/home/ada/kites"),
        ([{"path": "/home/ada/kites/a.py"}, {"path": "/home/ada/.config/agent/skills/x.md"}], "/home/ada/kites"),
        ([{"path": "/home/ada/kites/a.py"}, {"path": "/tmp/out/x.txt"}, {"path": "/tmp/out/y.txt"}], "/home/ada/kites"),
        ([{"path": "/tmp/kites/a.py"}, {"path": "/tmp/kites/b.py"}], "/tmp/kites"),
        # most of the work is in one of two
        (
            [{"path": "/home/ada/kites/a.py"}, {"path": "/home/ada/kites/b.py"}, {"path": "/home/ada/boats/c.py"}],
            "/home/ada/kites",
        ),
        ([{"path": "/home/ada/kites/a.py"}, {"path": "/home/ada/boats/c.py"}], None),
        # nothing a person works in
        ([{"path": "/a.py"}], None),
        ([{"path": "/home/ada/a.py"}], None),
        ([{"path": "/Users/ada"}], None),
        ([{"path": "/tmp/a.py"}], None),
        ([{"path": "/root/a.py"}], None),
        ([{"path": "C:\\a.py"}, {"path": "C:\\Users\\Ada\\a.py"}], None),
        ([{"path": "/home/ada/projects"}], None),
        ([{"path": "\\\\nas\\"}], None),
        # no absolute path
        ([{"path": "src/tail.ts"}, {"path": "../kites"}, {"url": "https://example.org/a/b"}, {"path": "//a/b"}], None),
        ([{"path": "/home/ada/../grace/kites/a.py"}], None),
        ([{"query": "/home/ada/kites/a.py"}], None),
        (["{not json", "", None, 7, [], {}], None),
    ],
)
def test_where_tools_work(arguments: list[Any], path: str | None) -> None:
    assert _worked_in(*arguments) == path


def test_nothing_is_taken_from_cut_arguments() -> None:
    whole = {"filePath": "/home/ada/kites/" + "x" * 120 + ".py"}
    assert _worked_in(whole) == "/home/ada/kites"
    assert _worked_in(cut(whole)) is None
    assert _worked_in(cut(json.dumps(whole))) is None


def test_the_prompt_goes_before_the_tools() -> None:
    named = Project("/srv/kites", "system prompt says so")
    calls = [{"path": "/srv/boats/a.py"}]
    assert project_of(named, calls) == named
    found = project_of(None, calls)
    assert found is not None
    assert found.path == "/srv/boats"


_paths = st.lists(
    st.sampled_from(["", "home", "ada", "kites", "src", "..", "C:", "a.py", "\\", "tmp", "*", "é", "\ud800"])
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["path", "cwd", "file", "command", "x"]), _paths.map("/".join) | st.text())
    )
)
def test_any_arguments_are_answered_in_any_order(arguments: list[dict[str, str]]) -> None:
    first = project_in_calls(arguments)
    assert first == project_in_calls(arguments)
    again = project_in_calls(arguments[::-1])
    assert (first is None) == (again is None)
    if first is not None:
        assert again is not None
        assert first.note == again.note
        assert any(first.path in text for value in arguments for text in value.values())
