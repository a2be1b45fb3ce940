from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.analyse.call_kinds import full_path, kind_of, paths_of, telling_argument
from lms_audit.analyse.outcomes import outcome_of
from lms_audit.analyse.report import FileTouched, Outcome, ToolKind
from lms_audit.analyse.tools import call_facts, files_touched
from lms_audit.model import ToolCall
from tests.analyse.worlds import Log, made
from tests.support import MARK

PATCH = "*** Begin Patch\n*** Update File: src/a.py\n@@\n-1\n+2\n*** Add File: src/b.py\n+3\n*** End Patch"


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("bash", {"command": "ls"}, ToolKind.SHELL),
        ("Bash", {"command": "ls"}, ToolKind.SHELL),
        ("exec_command", {"cmd": "ls"}, ToolKind.SHELL),
        ("developer__shell", {"command": "ls"}, ToolKind.SHELL),
        ("functions.shell", {"command": ["ls"]}, ToolKind.SHELL),
        ("Read", {"file_path": "/a"}, ToolKind.READ),
        ("read_files", {"paths": ["a"]}, ToolKind.READ),
        ("str_replace_editor", {"command": "view", "path": "/a"}, ToolKind.READ),
        ("str_replace_editor", {"command": "str_replace", "path": "/a"}, ToolKind.EDIT),
        ("apply_patch", PATCH, ToolKind.EDIT),
        ("multiedit", {}, ToolKind.EDIT),
        ("Grep", {"pattern": "x"}, ToolKind.SEARCH),
        ("todowrite", {"todos": []}, ToolKind.TODO),
        ("update_plan", {"plan": []}, ToolKind.TODO),
        ("webfetch", {"url": "x"}, ToolKind.WEB),
        ("Task", {"prompt": "x"}, ToolKind.AGENT),
        ("multi_agent_v1.spawn_agent", {}, ToolKind.AGENT),
        ("mcp__github__create_issue", {"title": "x"}, ToolKind.MCP),
        ("use_mcp_tool", {}, ToolKind.MCP),
        ("mystery", {"command": "ls"}, ToolKind.SHELL),
        ("mystery", {"old_string": "a", "new_string": "b", "path": "c"}, ToolKind.EDIT),
        ("mystery", {"path": "a", "content": "b"}, ToolKind.EDIT),
        ("mystery", {"path": "a"}, ToolKind.READ),
        ("mystery", {"url": "a"}, ToolKind.WEB),
        ("mystery", {"query": "a"}, ToolKind.SEARCH),
        ("mystery", {"n": 1}, ToolKind.OTHER),
        ("mystery", "{broken", ToolKind.OTHER),
    ],
)
def test_kinds_are_told_by_name_then_by_arguments(name: str, arguments: Any, kind: ToolKind) -> None:
    assert kind_of(name, arguments) is kind


@pytest.mark.parametrize(
    ("kind", "arguments", "argument"),
    [
        (ToolKind.SHELL, {"command": "make\n  test", "timeout": 5}, "make test"),
        (ToolKind.SHELL, {"command": ["bash", "-lc", "make test"]}, "make test"),
        (ToolKind.READ, {"offset": 3, "filePath": "/a/b.py"}, "/a/b.py"),
        (ToolKind.READ, {"files": [{"path": "a.py"}, {"path": "b.py"}]}, "a.py b.py"),
        (ToolKind.SEARCH, {"path": "src", "pattern": "def x"}, "def x"),
        (ToolKind.TODO, {"todos": [{}, {}, {}]}, "3 items"),
        (ToolKind.EDIT, {"input": PATCH}, "src/a.py"),
        (ToolKind.EDIT, PATCH, "src/a.py"),
        (ToolKind.OTHER, {"n": 1, "what": "this"}, "this"),
        (ToolKind.OTHER, {}, ""),
        (ToolKind.OTHER, None, ""),
        (ToolKind.SHELL, "{broken", "{broken"),
    ],
)
def test_the_argument_that_matters(kind: ToolKind, arguments: Any, argument: str) -> None:
    assert telling_argument(kind, arguments) == argument


def test_paths_are_brought_into_one_form() -> None:
    assert full_path("src/../a.py", "/home/me/p") == "/home/me/p/a.py"
    assert full_path("/x//a.py", "/home/me/p") == "/x/a.py"
    assert full_path("./a.py", None) == "a.py"
    assert full_path("./a.py", "shop") == "a.py"
    assert full_path("C:\\a\\b.py", "/p") == "C:\\a\\b.py"
    assert full_path("", None) is None
    assert full_path("two\nlines", None) is None


def test_paths_of_a_call() -> None:
    assert paths_of(ToolKind.READ, {"paths": ["a", "b", "a"]}, None) == ("a", "b")
    assert paths_of(ToolKind.EDIT, {"patchText": PATCH}, "/p") == ("/p/src/a.py", "/p/src/b.py")
    assert paths_of(ToolKind.SHELL, {"command": f"apply_patch <<'E'\n{PATCH}\nE"}, None) == ("src/a.py", "src/b.py")
    assert paths_of(ToolKind.SEARCH, {"path": "src"}, None) == ()
    assert paths_of(ToolKind.READ, "{broken", None) == ()


SAYS_SO = "says that it failed"


@pytest.mark.parametrize(
    ("command", "text", "outcome", "reason", "code"),
    [
        ("make", "Exit code: 2\nno rule", Outcome.FAILED, "exit code 2", 2),
        ("make", "Exit code 127\nmake: command not found", Outcome.FAILED, "exit code 127", 127),
        ("make", "Process exited with code 1\nOutput: x", Outcome.FAILED, "exit code 1", 1),
        ("make", "<returncode>3</returncode>\n<output>x</output>", Outcome.FAILED, "exit code 3", 3),
        ("make", "Output:\nx\nExit Code: 0\nSignal: none", Outcome.OK, "exit code 0", 0),
        ("make", '{"output": "x", "metadata": {"exit_code": 4}}', Outcome.FAILED, "exit code 4", 4),
        ("make", '{"output": "exit code 9", "exit_code": 0}', Outcome.OK, "exit code 0", 0),
        ("cd src && grep -n x a.py", "Exit code: 1\n", Outcome.OK, "exit code 1: nothing found", 1),
        ("grep x a && make", "Exit code: 1\n", Outcome.FAILED, "exit code 1", 1),
        ("rgx", "bash: line 1: rgx: command not found", Outcome.FAILED, "command not found", None),
        ("rgx", "zsh: command not found: rgx", Outcome.FAILED, "command not found", None),
        ("rgx", "/bin/sh: 1: rgx: not found", Outcome.FAILED, "command not found", None),
        ("type x", "the page says: command not found", Outcome.OK, "", None),
        (
            "python a.py",
            'Traceback (most recent call last):\n  File "a.py"\nValueError: x',
            Outcome.FAILED,
            "uncaught exception",
            None,
        ),
        (
            "python a.py",
            "Traceback (most recent call last):\nValueError: x\nrecovered, 3 tests passed",
            Outcome.OK,
            "",
            None,
        ),
        ("cat log.txt", "Traceback (most recent call last):\nValueError: x", Outcome.OK, "", None),
        ("git push", "error: failed to push some refs", Outcome.FAILED, "error message", None),
        ("uv run pytest -q", "\x1b[31m2 failed\x1b[0m, 3 passed in 0.31s\n", Outcome.FAILED, SAYS_SO, None),
        ("pytest | tail -2", "FAILED a.py\n=== 3 passed, 1 error in 2.1s ===", Outcome.FAILED, SAYS_SO, None),
        ("pytest", "5 passed in 0.31s", Outcome.OK, "", None),
        ("pytest", "2 xfailed, 3 passed in 0.31s", Outcome.OK, "", None),
        ("cat notes", "2 failed, 3 passed in 0.31s", Outcome.OK, "", None),
        ("cargo test", "test result: FAILED. 3 passed; 1 failed; 0 ignored\n", Outcome.FAILED, SAYS_SO, None),
        ("go test ./...", "--- FAIL: TestTide\nFAIL\texample.org/tide\t0.01s\nFAIL\n", Outcome.FAILED, SAYS_SO, None),
        ("npm test", "Tests:       1 failed, 4 passed, 5 total\n", Outcome.FAILED, SAYS_SO, None),
        ("npm run build", "npm error code ELIFECYCLE\nnpm error errno 1", Outcome.FAILED, SAYS_SO, None),
        ("make all", "make: *** [Makefile:12: all] Error 2", Outcome.FAILED, SAYS_SO, None),
        ("mypy src", "Found 3 errors in 1 file (checked 20 source files)", Outcome.FAILED, SAYS_SO, None),
        ("ls", "a b c", Outcome.OK, "", None),
        ("ls", "", Outcome.OK, "", None),
    ],
)
def test_how_shell_calls_ended(command: str, text: str, outcome: Outcome, reason: str, code: int | None) -> None:
    call = ToolCall(None, "bash", {"command": command}, result=text)
    assert outcome_of(ToolKind.SHELL, command, call) == (outcome, reason, code)


@pytest.mark.parametrize(
    ("kind", "text", "outcome", "reason"),
    [
        (ToolKind.EDIT, "Error: oldString not found in content", Outcome.FAILED, "error message"),
        (
            ToolKind.EDIT,
            "<tool_use_error>File has not been read yet.</tool_use_error>",
            Outcome.FAILED,
            "error message",
        ),
        (ToolKind.READ, "File not found: /a/b.py", Outcome.FAILED, "error message"),
        (ToolKind.READ, "Error: the first line of a long log file\n" * 40, Outcome.OK, ""),
        (ToolKind.READ, "1\tdef errors():\n2\t    return 'exit code 3'", Outcome.OK, ""),
        (ToolKind.READ, "Exit code: 3", Outcome.OK, ""),
        (ToolKind.MCP, '{"isError": true, "content": []}', Outcome.FAILED, "error in the result"),
        (ToolKind.MCP, '{"error": "no such repository"}', Outcome.FAILED, "error in the result"),
        (ToolKind.MCP, '{"error": null, "items": []}', Outcome.OK, ""),
        (ToolKind.READ, '{"error": "the file is about errors"}', Outcome.OK, ""),
        (ToolKind.EDIT, "The user doesn't want to proceed with this tool use.", Outcome.REJECTED, "refused"),
        (ToolKind.SHELL, "The user rejected permission to use this tool", Outcome.REJECTED, "refused"),
        (ToolKind.EDIT, "Edit applied successfully. 0 errors", Outcome.OK, ""),
    ],
)
def test_how_other_calls_ended(kind: ToolKind, text: str, outcome: Outcome, reason: str) -> None:
    call = ToolCall(None, "x", {}, result=text)
    assert outcome_of(kind, "", call) == (outcome, reason, None)


def test_a_call_without_a_result_is_unknown_not_failed() -> None:
    assert outcome_of(ToolKind.SHELL, "", ToolCall(None, "x", {})) == (Outcome.UNKNOWN, "", None)


def test_what_the_protocol_flags_has_failed() -> None:
    flagged = ToolCall(None, "x", {}, result="hm", result_is_error=True)
    assert outcome_of(ToolKind.READ, "", flagged) == (Outcome.FAILED, "flagged by the protocol", None)
    coded = ToolCall(None, "x", {}, result="Exit code 2\nhm", result_is_error=True)
    assert outcome_of(ToolKind.SHELL, "make", coded) == (Outcome.FAILED, "exit code 2", 2)


@given(st.text(max_size=200), st.sampled_from(ToolKind), st.booleans())
def test_any_result_has_an_outcome(text: str, kind: ToolKind, flagged: bool) -> None:
    outcome, _, _ = outcome_of(kind, text, ToolCall(None, "x", {}, result=text, result_is_error=flagged))
    assert outcome is not Outcome.UNKNOWN


def test_repeats_are_counted_within_a_session_whatever_the_order_of_arguments() -> None:
    log = Log()
    log.ask(None, tool_calls=(made("read", {"path": "a", "limit": 3}), made("read", {"limit": 3, "path": "a"})))
    log.ask(None, tool_calls=(made("read", {"path": "a"}), made("read", {"path": "a", "limit": 3})))
    log.ask(None, session_id="s2", tool_calls=(made("read", {"path": "a", "limit": 3}),))
    log.ask(None, tool_calls=(made("BashOutput", {"id": 1}), made("BashOutput", {"id": 1})))
    facts = call_facts(log.requests)
    assert [[call.nth for call in facts[name]] for name in ("r0", "r1", "r2", "r3")] == [[1, 2], [1, 3], [1], [1, 1]]


def test_facts_stand_beside_the_calls_of_their_request() -> None:
    log = Log()
    log.ask(
        None,
        project="/p",
        tool_calls=(
            made("read", {"path": "a.py"}, "größer"),
            made("bash", "{broken", malformed=True),
        ),
    )
    log.ask(None)
    (read, broken) = call_facts(log.requests)["r0"]
    assert (read.index, read.kind, read.argument, read.reads, read.edits) == (
        0,
        ToolKind.READ,
        "a.py",
        ("/p/a.py",),
        (),
    )
    assert read.result_bytes == 8
    assert (broken.index, broken.malformed, broken.result_bytes) == (1, True, None)
    assert list(call_facts(log.requests)) == ["r0"]


def test_what_the_log_shortened_is_neither_repeated_nor_malformed() -> None:
    log = Log()
    cut = '{"filePath":"/p/src/lo' + MARK + 'end of the text"'
    shown = {"filePath": f"/p/src/lo{MARK}end of the text"}
    log.ask(
        None, tool_calls=(made("edit", cut, malformed=True), made("edit", cut, malformed=True), made("edit", shown))
    )
    facts = call_facts(log.requests)["r0"]
    assert [(call.nth, call.malformed, call.edits) for call in facts] == [(1, False, ())] * 3
    assert [call.argument for call in facts] == ["/p/src/lo…"] * 3


def test_hostile_arguments_are_data() -> None:
    log = Log()
    log.ask(None, tool_calls=(made("bash", {"command": "\ud800", "n": 2**80}), made("x", None), made("", [])))
    facts = call_facts(log.requests)["r0"]
    assert [call.nth for call in facts] == [1, 1, 1]


def test_the_index_of_files_counts_reads_edits_and_sessions() -> None:
    log = Log()
    log.ask(None, tool_calls=(made("read", {"path": "/a"}), made("read", {"path": "/b"}), made("read", {"path": "/b"})))
    log.ask(None, session_id="s2", tool_calls=(made("edit", {"file_path": "/a"}), made("read", {"path": "/c"})))
    calls = [call for held in call_facts(log.requests).values() for call in held]
    assert files_touched(calls) == (
        FileTouched("/a", 1, 1, ("s1", "s2"), ("r0", "r1")),
        FileTouched("/b", 2, 0, ("s1",), ("r0",)),
        FileTouched("/c", 1, 0, ("s2",), ("r1",)),
    )
