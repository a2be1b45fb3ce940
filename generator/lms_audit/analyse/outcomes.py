"""How a tool call ended, told from its result with care: the text of a file that was read is no error message.

In: the kind of tool, its command, the result. Out: outcome, reason, exit code. Rules are the patterns below. Cost:
bounded: only the beginning and the end of a result are looked at, unless it is JSON.
"""

from __future__ import annotations

import re

import msgspec

from lms_audit.analyse.report import Outcome, ToolKind
from lms_audit.model import Json, ToolCall

_EDGE = 300
"""Characters at either end of a result in which tools report an exit code."""
_LARGEST_JSON = 100_000

_REJECTED = re.compile(
    r"""
      the\ user\ (?:doesn't|does\ not)\ want\ to          # Claude Code
    | user\ (?:has\ )?(?:rejected|denied|declined)        # OpenCode, Cline
    | (?:rejected|denied|declined|cancelled)\ by\ (?:the\ )?user
    | request\ interrupted\ by\ user
    | permission\ (?:to\ use\ \S+\ )?(?:has\ been\ )?denied\ (?:by|because)
    """,
    re.IGNORECASE | re.VERBOSE,
)

# "Exit code: 1", "Process exited with code 127", "<exit_code>2</exit_code>", "exitCode=1", "<returncode>1</returncode>"
_EXIT = re.compile(
    r"\b(?:exit[ _-]?(?:code|status)|return_?code|exited with (?:code|status))\b[\"'>]{0,2}\s{0,2}[:=]?\s{0,2}"
    r"(?:is |of )?(-?\d{1,10})\b",
    re.IGNORECASE,
)
_EXIT_NAMES = ("exit_code", "exitCode", "returncode", "return_code", "exit_status")

# bash: line 1: rgx: command not found · zsh: command not found: rgx · 'rgx' is not recognized as an internal or …
_NOT_FOUND = re.compile(
    r"^(?:/(?:usr/)?bin/)?(?:ba|z|da|k|a|fi)?sh: [^\n]{0,200}?\bnot found"
    r"|^'[^'\n]{1,200}' is not recognized as an internal or external command",
    re.MULTILINE,
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):", re.MULTILINE)
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b")

_ERROR_HEAD = re.compile(
    r"""\s*(?:
      <tool_use_error> | <error> | \[?error\]?\s?[:(\-–] | tool\ error\b
    | error\ (?:executing|calling|running|reading|writing|editing|applying|while|during)\b
    | failed\ to\ | invalid\ (?:tool|arguments?|parameters?|input)\b | unknown\ tool\b | tool\ \S{1,80}\ not\ found
    | tool\ execution\ failed | no\ such\ file | file\ (?:not\ found|does\ not\ exist) | patch\ failed
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_ERROR = {ToolKind.READ: 500, ToolKind.AGENT: 500, ToolKind.WEB: 500}
"""A longer result of these is what was asked for, whatever it begins with."""
_LONGEST_OTHER = 4000

# an exit code of 1 that only says: nothing found, or: not the same
_SAYS_NO = frozenset(["grep", "egrep", "fgrep", "rg", "diff", "cmp", "test", "[", "[[", "pgrep", "which", "ag"])
# commands that print what other commands wrote
_PRINTS = frozenset(
    ["cat", "head", "tail", "less", "more", "grep", "rg", "sed", "awk", "git", "journalctl", "tac", "nl", "bat"]
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    # ==== 2 failed, 3 passed in 0.31s ====
    ("pytest", re.compile(r"^=*\s*(?:\d+ \w+, )*[1-9]\d* (?:failed|errors?)\b[^\n]* in [\d.]+s", re.MULTILINE)),
    # test result: FAILED. 3 passed; 1 failed; 0 ignored
    ("cargo", re.compile(r"^test result: FAILED\.|^error: could not compile", re.MULTILINE)),
    # FAIL    example.org/tide/clock  0.01s
    ("go", re.compile(r"^FAIL(?:\t|$)", re.MULTILINE)),
    # Tests:       1 failed, 4 passed, 5 total
    ("test", re.compile(r"^\s*Tests:?\s+[1-9]\d* failed\b", re.MULTILINE)),
    # npm ERR! code ELIFECYCLE
    ("npm", re.compile(r"^npm (?:ERR!|error) code ", re.MULTILINE)),
    # make: *** [Makefile:12: test] Error 2
    ("make", re.compile(r"^make(?:\[\d+\])?: \*\*\* .*\bError \d+", re.MULTILINE)),
    # Found 3 errors in 1 file (checked 20 source files)
    ("mypy", re.compile(r"^Found [1-9]\d* errors? in ", re.MULTILINE)),
)
"""A word of the command, and what a program that was run by it says at its end when it has failed."""
_SEPARATOR = re.compile(r"&&|\|\||[;|\n]")


def _words(command: str) -> list[str]:
    """First word of every simple command."""
    return [words[0] for part in _SEPARATOR.split(command[:4000]) if (words := part.split())]


def _json_object(text: str) -> dict[str, Json] | None:
    if len(text) > _LARGEST_JSON or not text.lstrip().startswith("{"):
        return None
    try:
        value = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _exit_code(text: str, parsed: dict[str, Json] | None) -> int | None:
    if parsed is not None:
        inner = parsed.get("metadata")
        for place in (parsed, inner if isinstance(inner, dict) else {}):
            for name in _EXIT_NAMES:
                if isinstance(place.get(name), int):
                    return int(place[name])
    found = _EXIT.search(text[:_EDGE]) or _EXIT.search(text[-_EDGE:])
    return int(found[1]) if found else None


def _shell(text: str, command: str, code: int | None) -> tuple[Outcome, str]:
    if code is not None:
        if code == 1 and (words := _words(command)) and words[-1] in _SAYS_NO:
            return Outcome.OK, "exit code 1: nothing found"
        return (Outcome.FAILED, f"exit code {code}") if code else (Outcome.OK, "exit code 0")
    if _NOT_FOUND.search(text[: _EDGE * 10]) or _NOT_FOUND.search(text[-_EDGE:]):
        return Outcome.FAILED, "command not found"
    end = text[-4000:].rstrip().rpartition("\n")[2]
    if _EXCEPTION.match(end) and _TRACEBACK.search(text) and _PRINTS.isdisjoint(_words(command)):
        return Outcome.FAILED, "uncaught exception"
    ending = _COLOUR.sub("", text[-_EDGE * 2 :])
    if any(name in command and summary.search(ending) for name, summary in _SUMMARIES):
        return Outcome.FAILED, "says that it failed"
    return Outcome.OK, ""


def _says_error(parsed: dict[str, Json]) -> bool:
    return bool(parsed.get("error")) or parsed.get("isError") is True or parsed.get("success") is False


def outcome_of(kind: ToolKind, command: str, call: ToolCall) -> tuple[Outcome, str, int | None]:
    """Outcome, why (empty for a plain success), and the exit code where one is shown."""
    text = call.result
    if text is None:
        return Outcome.UNKNOWN, "", None
    if len(text) <= _LONGEST_OTHER and _REJECTED.search(text[:_EDGE]):
        return Outcome.REJECTED, "refused", None
    parsed = _json_object(text)
    code = _exit_code(text, parsed) if kind is ToolKind.SHELL else None
    if call.result_is_error:
        return Outcome.FAILED, f"exit code {code}" if code else "flagged by the protocol", code
    if kind is ToolKind.SHELL:
        outcome, reason = _shell(text, command, code)
        if outcome is Outcome.FAILED or code is not None:
            return outcome, reason, code
    # what a file or a command printed may be any JSON
    if parsed is not None and kind not in (ToolKind.READ, ToolKind.SHELL) and _says_error(parsed):
        return Outcome.FAILED, "error in the result", code
    if len(text) <= _LONGEST_ERROR.get(kind, _LONGEST_OTHER) and _ERROR_HEAD.match(text):
        return Outcome.FAILED, "error message", code
    return Outcome.OK, "", code
