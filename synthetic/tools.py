"""Tool sets of the clients: their real names and parameters, with invented descriptions."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def schema(properties: Json, required: str) -> Json:
    """A JSON schema of an object; ``required`` names members, split at blanks."""
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def text(description: str) -> Json:
    """A string parameter."""
    return {"type": "string", "description": description}


def number(description: str) -> Json:
    """A numeric parameter."""
    return {"type": "number", "description": description}


def flag(description: str) -> Json:
    """A boolean parameter."""
    return {"type": "boolean", "description": description}


def choice(description: str, *values: str) -> Json:
    """A parameter with few values."""
    return {"type": "string", "enum": list(values), "description": description}


TODOS: Json = {
    "type": "array",
    "description": "The whole list, in order",
    "items": schema(
        {
            "content": text("What is to be done"),
            "status": choice("How far it is", "pending", "in_progress", "completed"),
            "priority": choice("How much it matters", "high", "medium", "low"),
        },
        "content status",
    ),
}

# name, description, parameters, required
_Tool = tuple[str, str, Json, str]

_OPENCODE: tuple[_Tool, ...] = (
    (
        "bash",
        (
            "Runs a command in a shell that lives as long as the session. Quote paths that hold blanks. Output beyond 2000 lines or 50 KB "
            "is cut and kept in a file. Use `workdir` instead of `cd`. File contents are better read with the read tool, and searched "
            "with grep. Commit only when the user asks for it, never push without being told, and do not skip hooks."
        ),
        {
            "command": text("The command"),
            "description": text("What it does, in five to ten words"),
            "timeout": number("Milliseconds until it is stopped"),
            "workdir": text("Absolute folder to run it in"),
        },
        "command description",
    ),
    (
        "edit",
        (
            "Replaces a piece of text in a file. The file has to have been read before. `oldString` must occur exactly once, with its "
            "indentation; give more of its surroundings if it does not, or set `replaceAll`."
        ),
        {
            "filePath": text("Absolute path of the file"),
            "oldString": text("Text to replace"),
            "newString": text("Text to put there"),
            "replaceAll": flag("Replace every occurrence"),
        },
        "filePath oldString newString",
    ),
    (
        "glob",
        "Finds files by pattern, newest first, for example `src/**/*.ts`.",
        {"pattern": text("Glob pattern"), "path": text("Folder to search in")},
        "pattern",
    ),
    (
        "grep",
        "Searches file contents with a regular expression and lists the lines that match, newest files first.",
        {
            "pattern": text("Regular expression"),
            "path": text("Folder to search in"),
            "include": text("Only files of this pattern"),
        },
        "pattern",
    ),
    (
        "read",
        "Reads a file or lists a folder. Lines come numbered, at most 2000 of them; use offset and limit for the rest.",
        {"filePath": text("Absolute path"), "offset": number("First line, from 1"), "limit": number("Number of lines")},
        "filePath",
    ),
    (
        "skill",
        "Loads the instructions of a named skill into the conversation.",
        {"name": text("Name of the skill")},
        "name",
    ),
    (
        "task",
        (
            "Hands a piece of work to a sub-agent with a context of its own, and returns its last message. Say in the prompt whether it "
            "may change files and what exactly it shall report; it sees nothing of this conversation. Agents: `explore` searches a "
            "codebase quickly; `general` researches and works through several steps."
        ),
        {
            "description": text("Three to five words"),
            "prompt": text("The task, complete in itself"),
            "subagent_type": text("Which agent"),
            "task_id": text("Continue an earlier task"),
        },
        "description prompt subagent_type",
    ),
    (
        "todowrite",
        "Keeps the list of steps of the current task. Use it for work of three steps or more. One entry at a time is in progress.",
        {"todos": TODOS},
        "todos",
    ),
    (
        "webfetch",
        "Fetches a page and returns it as text or Markdown.",
        {"url": text("Address"), "format": choice("Form of the answer", "text", "markdown", "html")},
        "url format",
    ),
    (
        "write",
        "Writes a file, replacing what was there. Prefer editing what exists; do not create documentation nobody asked for.",
        {"filePath": text("Absolute path"), "content": text("The whole content")},
        "filePath content",
    ),
)

_CLAUDE: tuple[_Tool, ...] = (
    (
        "Agent",
        (
            "Starts an agent that works on a task in a context of its own and reports back once. Good for wide searches whose output "
            "would crowd this conversation. Agents: Explore (reads and searches), general-purpose (everything)."
        ),
        {
            "description": text("Three to five words"),
            "prompt": text("The task for the agent"),
            "subagent_type": text("Which agent"),
            "run_in_background": flag("Do not wait for it"),
        },
        "description prompt",
    ),
    (
        "Bash",
        (
            "Executes a command in a persistent shell and returns its output. Use the file tools for reading, searching and editing. "
            "Quote paths with blanks, chain dependent commands with &&, keep to the working directory. Git: never amend or force-push, "
            "never skip hooks, commit only when asked."
        ),
        {
            "command": text("The command"),
            "description": text("What it does, in active voice"),
            "timeout": number("Milliseconds, at most 600000"),
            "run_in_background": flag("Return at once"),
        },
        "command",
    ),
    (
        "Edit",
        "Replaces an exact piece of text in a file that has been read in this conversation. Fails if the text is not unique.",
        {
            "file_path": text("Absolute path"),
            "old_string": text("Text to replace"),
            "new_string": text("Text to put there"),
            "replace_all": {"type": "boolean", "default": False, "description": "Every occurrence"},
        },
        "file_path old_string new_string",
    ),
    ("Glob", "Finds files by pattern.", {"pattern": text("Glob pattern"), "path": text("Folder")}, "pattern"),
    (
        "Grep",
        "Searches file contents with ripgrep.",
        {
            "pattern": text("Regular expression"),
            "path": text("File or folder"),
            "glob": text("Only files of this pattern"),
            "output_mode": choice("What to return", "content", "files_with_matches", "count"),
            "-n": flag("Line numbers"),
        },
        "pattern",
    ),
    (
        "Read",
        "Reads a file. Lines come numbered from 1, up to 2000 of them.",
        {"file_path": text("Absolute path"), "offset": number("First line"), "limit": number("Number of lines")},
        "file_path",
    ),
    ("Skill", "Runs a skill by name.", {"skill": text("Name"), "args": text("Arguments")}, "skill"),
    ("TodoWrite", "Keeps the list of steps of the current task.", {"todos": TODOS}, "todos"),
    (
        "ToolSearch",
        "Finds tools that are not listed here and makes them available.",
        {"query": text("Words, or select:<name>"), "max_results": number("How many")},
        "query",
    ),
    (
        "Write",
        "Writes a file.",
        {"file_path": text("Absolute path"), "content": text("The content")},
        "file_path content",
    ),
)

_MCP: tuple[_Tool, ...] = (
    (
        "mcp__tracker__get_issue",
        "Fetches an issue of the team's tracker with its description, labels and comments.",
        {"key": text("Key of the issue, for example TIDE-41"), "comments": flag("With comments")},
        "key",
    ),
    (
        "mcp__tracker__search_issues",
        "Searches issues by words, label and state.",
        {"query": text("Words"), "label": text("Label"), "state": choice("State", "open", "closed", "all")},
        "query",
    ),
)

_CODEX: tuple[_Tool, ...] = (
    (
        "exec_command",
        "Runs a command in a pseudo-terminal and returns its output, or a session id while it is still running.",
        {
            "cmd": text("Shell command"),
            "workdir": text("Folder to run it in"),
            "yield_time_ms": number("How long to wait for output"),
            "max_output_tokens": number("Longer output is cut in the middle"),
        },
        "cmd",
    ),
    (
        "write_stdin",
        "Writes to a running session and returns what it says.",
        {
            "session_id": number("The session"),
            "chars": text("What to write"),
            "yield_time_ms": number("How long to wait"),
        },
        "session_id",
    ),
    (
        "update_plan",
        "Keeps the plan: a list of steps with their states, at most one of them in progress.",
        {
            "explanation": text("Why it changed"),
            "plan": {
                "type": "array",
                "items": schema(
                    {"step": text("The step"), "status": choice("State", "pending", "in_progress", "completed")},
                    "step status",
                ),
            },
        },
        "plan",
    ),
    ("request_user_input", "Asks the user a question.", {"question": text("The question")}, "question"),
    ("view_image", "Attaches an image of the file system.", {"path": text("Path of the image")}, "path"),
)

OPENCODE_TOOLS: tuple[Json, ...] = tuple(
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema(properties, required)}}
    for name, about, properties, required in _OPENCODE
)
CLAUDE_TOOLS: tuple[Json, ...] = tuple(
    {"name": name, "description": about, "input_schema": schema(properties, required)}
    for name, about, properties, required in _CLAUDE
)
CLAUDE_MCP_TOOLS: tuple[Json, ...] = tuple(
    {"name": name, "description": about, "input_schema": schema(properties, required)}
    for name, about, properties, required in _MCP
)
CODEX_TOOLS: tuple[Json, ...] = (
    *(
        {
            "type": "function",
            "name": name,
            "description": about,
            "strict": False,
            "parameters": schema(properties, required),
        }
        for name, about, properties, required in _CODEX
    ),
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Work handed to other agents.",
        "tools": [
            {
                "type": "function",
                "name": "spawn_agent",
                "description": "Starts an agent on a task.",
                "parameters": schema({"message": text("The task"), "agent_type": text("Which agent")}, "message"),
            },
            {
                "type": "function",
                "name": "wait_agent",
                "description": "Waits for an agent to finish.",
                "parameters": schema({"agent_id": text("The agent")}, "agent_id"),
            },
        ],
    },
    {"type": "web_search", "external_web_access": False},
)
