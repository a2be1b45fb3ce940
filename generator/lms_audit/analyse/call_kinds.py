"""What a tool does and what it touches, told from its name and arguments across clients.

In: a tool's name and its arguments as parsed (or the raw text where they are not JSON). Out: kind, the one argument
that matters, paths read and edited. Names and argument names are the tables below. Cost: linear in the arguments.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from lms_audit.analyse.report import ToolKind
from lms_audit.correlate.words import CUT_MARK, one_line
from lms_audit.model import Json

ARGUMENT_LENGTH = 120
LONGEST_PATH = 1024

_NAMES: dict[ToolKind, str] = {
    ToolKind.SHELL: """
        bash shell local_shell container.exec exec exec_command unified_exec write_stdin execute execute_bash
        execute_command run_command run_commands run_shell_command run_terminal_cmd run_terminal_command run_in_terminal
        run_persistent_command terminal developer__shell powershell bashoutput killbash killshell job_output job_kill
        process python execute_ipython_cell execute_python run_python code_interpreter
    """,
    ToolKind.READ: """
        read read_file read_files read_many_files read_text_file readfile view view_file view_image open_file get_file
        cat fs_read notebookread read_note readnote get_file_contents
    """,
    ToolKind.EDIT: """
        edit write multiedit apply_patch patch replace write_file create create_file edit_file edit_existing_file
        write_to_file replace_in_file apply_diff insert_content search_and_replace str_replace str_replace_editor
        str_replace_based_edit_tool single_find_and_replace replace_string_in_file multi_replace_string_in_file
        insert_edit_into_file editor notebookedit delete_file remove_file move_path copy_path move_file rename_file
        create_directory developer__text_editor fs_write
    """,
    ToolKind.SEARCH: """
        grep glob ls list list_dir list_directory list_files find find_path find_files search_files search_file
        search_code search_codebase codebase_search file_search grep_search semantic_search search_pathnames_only
        search_for_files ripgrep_search localsearch search list_code_definition_names directory_tree
    """,
    ToolKind.TODO: """
        todowrite todoread todo todo_write todo_read write_todos update_plan update_todo_list manage_todo_list
        task_tracker checklist set_todos taskcreate taskupdate tasklist get_goal update_goal create_goal
    """,
    ToolKind.WEB: """
        webfetch websearch web_fetch web_search fetch fetch_url fetchurl fetch_webpage google_web_search search_web
        browse browser browser_action agentic_fetch http_request url_fetch open_url
    """,
    ToolKind.AGENT: """
        task agent new_task subagent sub_agent spawn_agent dispatch_agent launch_agent send_input wait_agent close_agent
        list_agents delegate oracle sessions_spawn sessions_yield taskoutput invoke_subagent
    """,
}
_KIND_OF = {name: kind for kind, names in _NAMES.items() for name in names.split()}

_BY_ARGUMENTS: tuple[tuple[ToolKind, frozenset[str]], ...] = (
    (ToolKind.EDIT, frozenset({"old_string", "oldString", "new_string", "newString", "old_str", "diff", "patch"})),
    (ToolKind.SHELL, frozenset({"command", "cmd", "commands"})),
    (ToolKind.WEB, frozenset({"url", "urls"})),
    (ToolKind.TODO, frozenset({"todos", "plan"})),
    (ToolKind.SEARCH, frozenset({"pattern", "regex", "query", "glob"})),
)
"""For names nobody knows; the first with any of its arguments present wins."""

POLLING = frozenset(
    [
        "bashoutput",
        "write_stdin",
        "job_output",
        "process",
        "taskoutput",
        "wait_agent",
        "list_agents",
        "todoread",
        "todo_read",
        "tasklist",
    ]
)
"""Tools that are asked the same thing again on purpose."""

_PATHS = (
    "file_path",
    "filePath",
    "filepath",
    "path",
    "absolute_path",
    "target_file",
    "file",
    "filename",
    "notebook_path",
    "relative_path",
    "source_path",
    "destination_path",
    "paths",
    "files",
    "file_paths",
)

_TELLING: dict[ToolKind, tuple[str, ...]] = {
    ToolKind.SHELL: ("command", "cmd", "commands", "script", "code", "input", "chars"),
    ToolKind.READ: _PATHS,
    ToolKind.EDIT: _PATHS,
    ToolKind.SEARCH: ("pattern", "regex", "query", "q", "glob", *_PATHS),
    ToolKind.WEB: ("url", "urls", "query", "q", "prompt"),
    ToolKind.AGENT: ("description", "title", "prompt", "task", "message", "objective"),
}

_PATCHED = re.compile(r"^\*\*\* (?:Update|Add|Delete) File: (.{1,1024})$", re.MULTILINE)
# an edit tool that only looks: str_replace_editor {"command": "view"}
_LOOKING = frozenset({"view", "read", "open"})


def base_name(name: str) -> str:
    """A tool's name without the name space some clients put before it, in lower case."""
    return re.split(r"[.:/]", name)[-1].lower()


def kind_of(name: str, arguments: Json) -> ToolKind:
    """What a tool does."""
    base = base_name(name)
    known = _KIND_OF.get(base)
    if known is ToolKind.EDIT and isinstance(arguments, dict) and arguments.get("command") in _LOOKING:
        return ToolKind.READ
    if known is not None:
        return known
    if "__" in base or base.startswith("mcp_") or base in ("use_mcp_tool", "access_mcp_resource"):
        return ToolKind.MCP
    if isinstance(arguments, dict):
        names = arguments.keys()
        for kind, telling in _BY_ARGUMENTS:
            if not telling.isdisjoint(names):
                return kind
        if not names.isdisjoint(_PATHS):
            return ToolKind.EDIT if "content" in names or "contents" in names else ToolKind.READ
    return ToolKind.OTHER


def _as_text(value: Json) -> str:
    """A value of an argument as one text: of ``["bash", "-lc", "make test"]`` the command itself.

    Of a text that LM Studio shortened, what stands before the cut: behind it may be another argument's end.
    """
    if isinstance(value, str):
        head, cut, _ = value.partition(CUT_MARK)
        return f"{head}…" if cut else head
    if isinstance(value, list):
        texts = [_as_text(one) for one in value[:20]]
        if len(texts) == 3 and texts[1] in ("-lc", "-c", "/c"):
            return texts[2]
        return " ".join(text for text in texts if text)
    if isinstance(value, dict):
        return next((text for name in _PATHS if (text := _as_text(value.get(name)))), "")
    return ""


def command_of(arguments: Json) -> str:
    """The command line of a shell call, whole."""
    if not isinstance(arguments, dict):
        return arguments if isinstance(arguments, str) else ""
    return next((text for name in _TELLING[ToolKind.SHELL] if (text := _as_text(arguments.get(name)))), "")


def _from_json_text(kind: ToolKind, text: str) -> str:
    """The argument that matters out of JSON that does not parse, shortened by LM Studio or malformed; else the text."""
    for name in _TELLING.get(kind, ()):
        found = re.search(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.){{1,400}})', text)
        if found:
            return _as_text(found[1].replace("\\n", "\n"))
    return _as_text(text)


def telling_argument(kind: ToolKind, arguments: Json) -> str:
    """The one argument that matters, as one line; empty where there is none."""
    if isinstance(arguments, str):
        patched = _PATCHED.search(arguments)
        return one_line(patched[1] if patched else _from_json_text(kind, arguments), ARGUMENT_LENGTH)
    if not isinstance(arguments, dict):
        return ""
    if kind is ToolKind.TODO:
        entries = next((arguments[name] for name in ("todos", "plan", "items") if name in arguments), None)
        return f"{len(entries)} items" if isinstance(entries, list) else ""
    for name in _TELLING.get(kind, ()):
        if text := _as_text(arguments.get(name)):
            return one_line(text, ARGUMENT_LENGTH)
    for text in patches(arguments):
        if patched := _PATCHED.search(text):
            return one_line(patched[1], ARGUMENT_LENGTH)
    return next((one_line(v, ARGUMENT_LENGTH) for v in arguments.values() if isinstance(v, str) and v.strip()), "")


def patches(arguments: Json) -> Iterator[str]:
    """Texts in the arguments that may hold a patch in the form ``*** Begin Patch``."""
    values = arguments.values() if isinstance(arguments, dict) else (arguments,)
    for value in values:
        text = _as_text(value)
        if "*** Begin Patch" in text:
            yield text


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one if not isinstance(one, dict) else _as_text(one))


def full_path(path: str, project: str | None) -> str | None:
    """A path in one form, relative ones under the project where that is a folder; ``None`` for what is no path."""
    path = path.strip()
    if not path or len(path) > LONGEST_PATH or "\n" in path or "\0" in path or CUT_MARK in path:
        return None
    absolute = path.startswith(("/", "~")) or re.match(r"[A-Za-z]:[\\/]", path)
    if not absolute and project and project.startswith("/"):
        path = posixpath.join(project, path)
    return posixpath.normpath(path) if "\\" not in path else path


def paths_of(kind: ToolKind, arguments: Json, project: str | None) -> tuple[str, ...]:
    """Paths a read or edit tool names, or a patch inside any tool's arguments changes; each once, in order."""
    named: list[str] = []
    if kind in (ToolKind.READ, ToolKind.EDIT) and isinstance(arguments, dict):
        named.extend(path for name in _PATHS if name in arguments for path in _strings(arguments[name]))
    for text in patches(arguments):
        named.extend(found[1].strip() for found in _PATCHED.finditer(text))
    return tuple(dict.fromkeys(path for one in named if (path := full_path(one, project)) is not None))
