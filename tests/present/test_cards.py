"""Tool cards look like what the tool does, and say how it ended."""

from __future__ import annotations

import json
from typing import Any

from lms_audit.analyse.report import CallFacts, Outcome, ToolKind
from lms_audit.model import Json
from lms_audit.present.views.blocks import Place
from lms_audit.present.views.cards import Card, card, line_diff, todos_of


def made(kind: ToolKind, arguments: Json, result: str | None = "done", **more: Any) -> Card:
    outcome = more.pop("outcome", Outcome.OK)
    facts = CallFacts(
        request_id="r1", session_id="s1", index=0, name="tool", kind=kind, argument="x", outcome=outcome, **more
    )
    return card(
        anchor="c-r1-0",
        name="tool",
        kind=kind,
        argument="x",
        arguments=arguments,
        facts=facts,
        result=result,
        failed=False,
        find_call=lambda _: Place(1, "[]"),
        find_result=lambda _: Place(2, "[]"),
    )


def text(blocks: tuple[Any, ...]) -> str:
    return "".join(run.text for block in blocks for run in block.runs)


def test_a_shell_call_is_a_terminal_with_its_command() -> None:
    shown = made(ToolKind.SHELL, {"command": ["bash", "-lc", "make test"], "timeout": 5}, "\x1b[31mno\x1b[0m")
    assert shown.kind == "terminal"
    assert [block.kind for block in (*shown.call, *shown.result)] == ["command", "terminal"]
    assert text(shown.call) == "make test"
    assert shown.result[0].runs[0].style == "t-red"


def test_an_edit_is_a_difference() -> None:
    shown = made(ToolKind.EDIT, {"file_path": "/a", "old_string": "one\ntwo\n", "new_string": "one\n2\n"})
    assert [(run.style, run.text) for run in shown.call[0].runs] == [
        ("", "  one\n"),
        ("d-del", "- two\n"),
        ("d-add", "+ 2\n"),
    ]


def test_several_edits_of_one_call_are_several_differences() -> None:
    edits = [{"old_string": "a", "new_string": "b"}, {"oldText": "c", "newText": "d"}]
    assert len(made(ToolKind.EDIT, {"edits": edits}).call) == 2


def test_a_patch_is_shown_as_one_wherever_it_stands() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-x\n+y\n*** End Patch"
    for arguments in (patch, {"input": patch}, {"command": ["apply_patch", patch]}):
        shown = made(ToolKind.EDIT, arguments)
        assert {run.style for run in shown.call[0].runs} >= {"d-file", "d-add", "d-del"}


def test_a_written_file_shows_its_content() -> None:
    assert text(made(ToolKind.EDIT, {"filePath": "/a", "content": "hello\n"}).call) == "hello\n"


def test_a_list_of_things_to_do_is_a_checklist() -> None:
    todos = [
        {"content": "one", "status": "completed"},
        {"step": "two", "status": "in_progress"},
        {"text": "three", "done": False},
        "four",
    ]
    assert [(todo.text, todo.state) for todo in todos_of({"todos": todos})] == [
        ("one", "done"),
        ("two", "active"),
        ("three", "open"),
        ("four", "open"),
    ]
    assert made(ToolKind.TODO, {"todos": todos}).todos


def test_an_unknown_tool_shows_readable_json() -> None:
    shown = made(ToolKind.MCP, {"a": {"b": [1, 2]}}, '{"found":[{"id":1}]}')
    assert text(shown.call) == '{\n  "a": {\n    "b": [\n      1,\n      2\n    ]\n  }\n}'
    assert text(shown.result) == '{\n  "found": [\n    {\n      "id": 1\n    }\n  ]\n}'


def test_a_failed_call_is_open_and_says_why() -> None:
    shown = made(ToolKind.SHELL, {"command": "x"}, "exit code: 2", outcome=Outcome.FAILED, reason="exit code 2")
    assert (shown.status, shown.reason, shown.opened) == ("failed", "exit code 2", True)


def test_a_terminal_says_its_exit_code_once() -> None:
    shown = made(ToolKind.SHELL, {"command": "x"}, "x", outcome=Outcome.FAILED, reason="exit code 2", exit_code=2)
    assert (shown.about, shown.reason) == ("exit code 2", "")
    shown = made(ToolKind.SHELL, {"command": "grep x y"}, "x", reason="exit code 1: nothing found", exit_code=1)
    assert (shown.about, shown.reason, shown.opened) == ("exit code 1", "nothing found", False)


def test_an_edit_says_how_many_lines_came_and_went() -> None:
    shown = made(ToolKind.EDIT, {"file_path": "/a", "old_string": "one\ntwo\n", "new_string": "one\n2\n3\n"})
    assert shown.about == "+2 −1 lines"
    shown = made(ToolKind.EDIT, {"file_path": "/a", "content": "one\ntwo\n"})
    assert (shown.about, [run.style for run in shown.call[0].runs]) == ("+2 lines", ["d-add"])
    assert made(ToolKind.EDIT, {"file_path": "/a", "content": "one\n" * 5_000}).about == ""


def test_a_search_is_a_list_and_says_how_much_it_found() -> None:
    shown = made(ToolKind.SEARCH, {"pattern": "x"}, "/p/a.py:\n  Line 3: x\n  Line 9: xx\n\n/p/b.py:\n  Line 1: x\n")
    assert shown.about == "3 hits in 2 files"
    assert [run.text for run in shown.result[0].runs if run.style == "h-file"] == ["/p/a.py\n", "/p/b.py\n"]


def test_a_result_that_says_a_checklist_again_is_left_out() -> None:
    todos = [{"content": "one", "status": "completed"}, {"content": "two", "status": "pending"}]
    assert made(ToolKind.TODO, {"todos": todos}, json.dumps(todos)).result == ()
    assert made(ToolKind.TODO, {"todos": todos}, json.dumps(todos[:1])).result != ()
    assert text(made(ToolKind.TODO, {"todos": todos}, "Saved.").result) == "Saved."


def test_a_call_without_a_result_in_the_log_says_so() -> None:
    shown = made(ToolKind.SHELL, {"command": "x"}, None, outcome=Outcome.UNKNOWN)
    assert (shown.status, shown.result, shown.opened) == ("no result", (), False)


def test_malformed_and_repeated_calls_are_marked() -> None:
    shown = made(ToolKind.OTHER, '{"cut', malformed=True, nth=3)
    assert shown.notes == ("malformed arguments", "call 3 with the same arguments")
    assert text(shown.call) == '{"cut'


def test_arguments_that_the_log_shortened_are_not_malformed() -> None:
    shown = made(ToolKind.EDIT, '{"filePath": "/a... <Truncated in logs> ...b"}')
    assert shown.notes == ("shortened in the log",)


def test_huge_edits_are_shown_without_comparing_every_line() -> None:
    old, new = "a\n" * 5_000, "b\n" * 5_000
    runs = line_diff(old, new)
    assert [run.style for run in runs] == ["d-del", "d-add"]
