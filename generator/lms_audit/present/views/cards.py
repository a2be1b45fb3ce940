"""Tool calls as cards: a terminal, a difference, a file, a list, a checklist, or readable JSON.

In: a call, what analysis says of it, its result. Out: ``Card``. The kind of tool is analysis' word; here is only how it
looks. Differences of edits are made by words and lines of the two texts the call holds, so they cost what the call
holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import SequenceMatcher

from msgspec import Struct

from lms_audit.analyse.call_kinds import command_of, patches
from lms_audit.analyse.report import CallFacts, Outcome, ToolKind
from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Json
from lms_audit.present.views.blocks import Block, Place, Run, clipped, whole
from lms_audit.present.views.format import count
from lms_audit.present.views.results import hits_found, lines_read

MOST_DIFF_LINES = 400
MOST_JSON = 6_000

Finder = Callable[[str], Place | None]
"""Text -> where the whole of it is in the session's data; asked only for texts too long for the page."""

KIND_NAMES = {
    ToolKind.SHELL: "terminal",
    ToolKind.READ: "file",
    ToolKind.EDIT: "edit",
    ToolKind.SEARCH: "search",
    ToolKind.TODO: "list",
    ToolKind.WEB: "web",
    ToolKind.AGENT: "agent",
    ToolKind.MCP: "mcp",
    ToolKind.OTHER: "tool",
}


class Todo(Struct, frozen=True):
    """An entry of a checklist."""

    text: str
    state: str
    """``done``, ``active``, ``open``."""


class Card(Struct, frozen=True):
    """A tool call with its result."""

    anchor: str
    name: str
    kind: str
    argument: str
    status: str
    """``ok``, ``failed``, ``rejected``, ``no result`` (the log does not show one)."""
    reason: str
    about: str
    """What it came to, in a few words: ``exit code 1``, ``lines 40–80``, ``22 hits in 5 files``, ``+12 −3 lines``."""
    call: tuple[Block, ...]
    result: tuple[Block, ...]
    todos: tuple[Todo, ...] = ()
    notes: tuple[str, ...] = ()
    """``malformed arguments``, ``third time``."""
    opened: bool = False
    request: str = ""
    """``#12``: the request whose answer made the call."""
    request_path: str = ""
    item: int | None = None
    """Number of the message in the session's data, for its source."""
    result_item: int | None = None
    """The same of the message with the result."""
    child: str | None = None
    """Path of the sub-agent's session."""
    step: str = ""
    """Anchor of its request, where that has no line of its own among calls that follow one another."""
    time: str = ""
    """How long until the next request brought the result."""


def _first(arguments: Json, *names: str) -> str | None:
    if not isinstance(arguments, dict):
        return None
    return next((value for name in names if isinstance(value := arguments.get(name), str)), None)


def line_diff(before: str, after: str) -> tuple[Run, ...]:
    """Lines that went and came, with those that stayed between them."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if len(old) > MOST_DIFF_LINES or len(new) > MOST_DIFF_LINES:
        return _signed("d-del", "-", old) + _signed("d-add", "+", new)
    runs: list[Run] = []
    for op, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            runs += _signed("", " ", old[i:j])
        else:
            runs += _signed("d-del", "-", old[i:j]) + _signed("d-add", "+", new[k:m])
    return tuple(runs)


def _signed(style: str, sign: str, held: list[str]) -> tuple[Run, ...]:
    if not held:
        return ()
    text = "".join(f"{sign} {line}" for line in held)
    return (Run(style, text if text.endswith("\n") else f"{text}\n"),)


def _edits(arguments: Json) -> list[tuple[str, str]]:
    """(old, new) of an edit call; several of a multi-edit."""
    if not isinstance(arguments, dict):
        return []
    many = arguments.get("edits") or arguments.get("replacements")
    if isinstance(many, list):
        return [pair for one in many for pair in _edits(one)]
    old = _first(arguments, "old_string", "oldString", "old_str", "search", "old_text", "oldText")
    new = _first(arguments, "new_string", "newString", "new_str", "replace", "new_text", "newText", "replacement")
    return [(old or "", new or "")] if old is not None or new is not None else []


def _json_block(arguments: Json, find: Finder) -> tuple[Block, ...]:
    if arguments in ({}, None, ""):
        return ()
    if isinstance(arguments, str):
        return (whole(arguments, "json", find(arguments) if len(arguments) > MOST_JSON else None, limit=MOST_JSON),)
    text = json.dumps(arguments, ensure_ascii=False, indent=2)
    return (whole(text, "json", None, limit=MOST_JSON),)


def _edit_blocks(arguments: Json, find: Finder) -> tuple[Block, ...]:
    if pairs := _edits(arguments):
        return tuple(Block("diff", line_diff(old, new)) for old, new in pairs[:20])
    found = [whole(text, "patch", find(text) if len(text) > 6000 else None) for text in patches(arguments)]
    if found:
        return tuple(found)
    patch = _first(arguments, "diff", "patch")
    if patch is not None:
        return (whole(patch, "patch", find(patch) if len(patch) > 6000 else None),)
    content = _first(arguments, "content", "contents", "file_text", "text", "code")
    if content is not None:
        return (clipped(content, "added", find(content) if len(content) > 2000 else None, "new content"),)
    return _json_block(arguments, find)


def todos_of(arguments: Json) -> tuple[Todo, ...]:
    """Entries of a checklist, whatever the client calls them."""
    if not isinstance(arguments, dict):
        return ()
    held = next((arguments[name] for name in ("todos", "plan", "items", "tasks") if name in arguments), None)
    if not isinstance(held, list):
        return ()
    found = []
    for entry in held[:100]:
        if isinstance(entry, str):
            found.append(Todo(entry, "open"))
        elif isinstance(entry, dict):
            text = _first(entry, "content", "step", "text", "title", "task", "description", "activeForm") or ""
            status = str(entry.get("status", entry.get("completed", entry.get("done", ""))))
            done = status.lower() in ("completed", "done", "true", "complete")
            active = status.lower() in ("in_progress", "active", "doing", "in-progress")
            found.append(Todo(text, "done" if done else "active" if active else "open"))
    return tuple(found)


def _call_blocks(kind: ToolKind, arguments: Json, find: Finder) -> tuple[Block, ...]:
    if kind is ToolKind.SHELL and (command := command_of(arguments)):
        return (whole(command, "command", find(command) if len(command) > 6000 else None),)
    if kind is ToolKind.EDIT:
        return _edit_blocks(arguments, find)
    if kind is ToolKind.AGENT and (prompt := _first(arguments, "prompt", "message", "task", "objective")):
        return (whole(prompt, "text", find(prompt) if len(prompt) > 6000 else None, "prompt"),)
    if kind in (ToolKind.READ, ToolKind.SEARCH) and isinstance(arguments, dict) and len(arguments) == 1:
        return ()  # the one argument stands in the header
    return _json_block(arguments, find)


def _about(kind: ToolKind, arguments: Json, exit_code: int | None, result: str | None, call: tuple[Block, ...]) -> str:
    """A few words for the header."""
    if exit_code is not None:
        return f"exit code {exit_code}"
    if kind is ToolKind.READ:
        return lines_read(arguments, result)
    if kind is ToolKind.SEARCH:
        return hits_found(result or "")
    if kind is ToolKind.EDIT:
        told = [
            f"{sign}{count(lines)}"
            for sign, style in (("+", "d-add"), ("−", "d-del"))
            if (lines := _lines_in(call, style))
        ]
        return f"{' '.join(told)} lines" if told else ""
    return ""


def _lines_in(blocks: tuple[Block, ...], style: str) -> int:
    """Lines of a style; 0 where not all of a text is on the page."""
    if any(block.place is not None for block in blocks):
        return 0
    runs = [run for block in blocks for run in (*block.runs, *block.folded, *block.tail) if run.style == style]
    return sum(len(run.text.splitlines()) for run in runs)


_RESULT_KIND = {ToolKind.SHELL: "terminal", ToolKind.READ: "code", ToolKind.EDIT: "text", ToolKind.SEARCH: "hits"}


def _repeats(todos: tuple[Todo, ...], result: str) -> bool:
    """Whether a result only says the checklist again."""
    try:
        said = json.loads(result)
    except (ValueError, RecursionError):
        return False
    return bool(todos) and todos_of({"todos": said} if isinstance(said, list) else said) == todos


def _result_text(text: str) -> tuple[str, str]:
    """A result for reading: one line of JSON is laid out."""
    if text[:1] in ("{", "[") and "\n" not in text[:2000] and len(text) <= 200_000:
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, indent=2), "json"
        except (ValueError, RecursionError):
            pass
    return text, ""


def card(
    *,
    anchor: str,
    name: str,
    kind: ToolKind,
    argument: str,
    arguments: Json,
    facts: CallFacts | None,
    result: str | None,
    failed: bool,
    find_call: Finder,
    find_result: Finder,
    **more: str | int | None,
) -> Card:
    """A call as a card. ``facts`` is missing for calls of answers the log does not hold as a request's."""
    outcome = facts.outcome if facts is not None else Outcome.FAILED if failed else Outcome.OK
    status = "no result" if result is None else str(outcome)
    bad = status in ("failed", "rejected")
    todos = todos_of(arguments) if kind is ToolKind.TODO else ()
    call = _call_blocks(kind, arguments, find_call)
    blocks: tuple[Block, ...] = ()
    if result is not None and result.strip() and not _repeats(todos, result):
        text, laid_out = _result_text(result)
        place = find_result(result) if len(result) > 1_000 else None
        blocks = (clipped(text, laid_out or _RESULT_KIND.get(kind, "text"), place, failed=bad),)
    notes = []
    if isinstance(arguments, str) and CUT_MARK in arguments:
        notes.append("shortened in the log")
    elif isinstance(arguments, str) or (facts is not None and facts.malformed):
        notes.append("malformed arguments")
    if facts is not None and facts.nth > 1:
        notes.append(f"call {facts.nth} with the same arguments")
    about = _about(kind, arguments, None if facts is None else facts.exit_code, result, call)
    reason = facts.reason if facts is not None else ""
    return Card(
        anchor=anchor,
        name=name,
        kind=KIND_NAMES[kind],
        argument=argument,
        status="ok" if status == "unknown" else status,
        reason="" if reason == about else reason.removeprefix(f"{about}: "),
        about=about,
        call=call,
        result=blocks,
        todos=todos,
        notes=tuple(notes),
        opened=bad,
        **more,  # type: ignore[arg-type]
    )
