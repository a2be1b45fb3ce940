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
            """Runs a command in a shell that lives as long as the session. It is meant for what only a shell can do: git, package managers, test runners, containers. File contents are better read with the read tool, searched with grep and changed with edit.

Before a command that creates files or folders, make sure with a listing that their parent exists and is the right one. Quote paths that hold blanks: `cd "/Users/name/My Project"`, not without the quotes.

Usage:
- `command` is required. `timeout` is in milliseconds; after two minutes a command is stopped unless it says otherwise.
- Describe the command in five to ten words, so that the person who watches knows what it is for.
- Output beyond 2000 lines or 50 KB is cut and kept in a file; read that file with offset and limit, or search it with grep. Do not cut it yourself with head or tail.
- Use `workdir` instead of `cd`. Commands that do not depend on one another go out as calls of their own in one message; commands that do are joined with `&&`. Use `;` only when it does not matter whether the first one fails. No line breaks between commands.

# Commits
Commit only when the user asks for it. Then, in this order: look at `git status`, `git diff` and the latest messages of `git log` in one go; write a message of one or two sentences that says why rather than what, in the manner of the repository; add the files that belong to it and no others, never files that may hold secrets; look at the status once more. Do not push, do not amend somebody else's commit, do not change the configuration of git, do not skip hooks. If a hook changes files, add them and commit again.

# Pull requests
Use `gh` for everything at GitHub. Look at all commits since the branch left the main one, not only at the latest. Title below seventy characters; the body says what changes and how it was tested. Return the address."""
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
            """Replaces a piece of text in a file.

Usage:
- The file has to have been read in this conversation before; an edit of a file that was not read fails.
- When taking text from the output of the read tool, keep the indentation exactly as it stands after the number and the colon; the number is not part of the file.
- `oldString` must occur exactly once. If it does not, the edit fails: give more of its surroundings, or set `replaceAll` to change every occurrence, which is the way to rename something across a file.
- Prefer editing what exists to writing new files. No emoji unless asked for."""
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
        """Searches file contents with a regular expression, whatever the size of the project.

- Full regular expressions: `log.*Error`, `function\\s+\\w+`.
- `include` restricts the search to files of a pattern: `*.ts`, `*.{ts,tsx}`.
- Lists files with the numbers of the lines that match, newest files first.
- To count matches, use `rg` in the shell. For a search of many rounds, use the task tool.""",
        {
            "pattern": text("Regular expression"),
            "path": text("Folder to search in"),
            "include": text("Only files of this pattern"),
        },
        "pattern",
    ),
    (
        "read",
        """Reads a file or lists a folder. The path must be absolute; a path the user gives may be taken as valid, and it is no mistake to read a file that is not there.

- Up to 2000 lines from the start; `offset` and `limit` read the rest of a long file. Lines longer than 2000 characters are cut.
- Lines come as `number: content`. A folder comes as one entry per line, folders with a slash.
- Several files that may be of use are read in one message. Small slices of thirty lines are worse than one larger piece.
- Images and PDF files come back as attachments.""",
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
            """Hands a piece of work to a sub-agent with a context of its own, and returns its last message.

Agents:
- explore: searches a codebase quickly, by patterns or questions; say whether a quick, a medium or a thorough look is wanted.
- general: researches and works through several steps, also beside other agents.

When not to use it: to read a file whose path is known, to search for one definition, to look through two or three files. The read and grep tools are quicker there.

Usage:
1. Start several agents in one message when their work is independent.
2. The agent's result is not shown to the user; tell the user what matters in it.
3. Every agent begins without anything of this conversation, unless `task_id` continues an earlier one. The prompt has to be complete: what to do, what to report, and whether files may be changed.
4. Its results can generally be relied upon."""
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
        """Keeps the list of steps of the current task, so that the user sees what is planned, what is going on and what is done.

Use it for work of three steps or more, for several tasks given at once, when new instructions come in, and before beginning with a step (mark it as in progress; one at a time). Mark a step as completed as soon as it is, and only if it really is: not with failing tests, not half done, not with an error nobody has looked into. Remove what no longer matters.

Do not use it for one plain task, for something that takes less than three trivial steps, or for a question.

States: pending, in_progress, completed, cancelled.""",
        {"todos": TODOS},
        "todos",
    ),
    (
        "webfetch",
        """Fetches a page and returns it as text, Markdown or HTML.

- The address must be complete. HTTP is turned into HTTPS.
- Read only; nothing is changed. Very long pages are shortened.
- If another tool offers the same with better access, use that one.""",
        {"url": text("Address"), "format": choice("Form of the answer", "text", "markdown", "html")},
        "url format",
    ),
    (
        "write",
        """Writes a file, replacing what was there.

- An existing file has to have been read before, or the call fails.
- Prefer editing what exists; a new file only where it is needed. No documentation or README unless somebody asks for it.""",
        {"filePath": text("Absolute path"), "content": text("The whole content")},
        "filePath content",
    ),
)

_CLAUDE: tuple[_Tool, ...] = (
    (
        "Agent",
        (
            """Starts an agent that works on a task in a context of its own and reports back once.

Agents and their tools:
- Explore: quick searches by file pattern, keyword or question. Reads only. Say how thorough it should be. (Bash, Glob, Grep, Read)
- general-purpose: questions and tasks of several steps, when you are not confident to find the right place at once. (all tools)
- Plan: designs an approach and names the files that matter. Changes nothing. (all but Edit, Write)

When not to use it: a known path is read with Read, a known name is found with Grep; an agent would take longer.

Usage notes:
- `description` is three to five words.
- Independent agents are started in one message, so that they work at the same time.
- The report is not visible to the user. Tell the user what is in it.
- An agent knows nothing of this conversation. Brief it like a colleague who has just come in: the aim, what is known, what to return, how long it may be. Say whether it shall write code or only look.
- Look at what it changed before you call its work done.
- With `run_in_background` you go on at once and are told when it has finished; do not wait by sleeping."""
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
            """Executes a command and returns its output. The working directory lasts between commands, the shell's state does not.

Avoid it for what other tools do: find files (Glob), search contents (Grep), read (Read), edit (Edit), write (Write), speak to the user (just write).

# Instructions
 - Before a command that creates files, check with `ls` that the parent folder is the right one.
 - Quote paths with blanks. Use absolute paths rather than `cd`.
 - A timeout may be given, up to 600000 ms; without one it is 120000.
 - Independent commands are calls of their own, made together; dependent ones are chained with &&. No line breaks to separate commands.
 - git: a new commit rather than an amended one. Before anything destructive (reset --hard, push --force, checkout --), think of a safer way. Never skip hooks.
 - No sleep between commands that can run at once; no loops that wait for something, let it notify you.

# Committing with git
Only when asked. First, together: git status, git diff, git log. Then draft one or two sentences on why; leave out files that look like secrets. Then add the files by name, commit with the message in a here-document, and check the status. If a hook fails, mend the cause and make a new commit. Do not push unless asked.

# Pull requests
Through gh. Look at every commit of the branch. Title under 70 characters; body: summary, test plan."""
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
        """Replaces an exact piece of text in a file.

Usage:
- Read the file with Read in this conversation first; the tool fails otherwise.
- Keep the indentation as it stands after the line number and the tab. The number is never part of the text.
- Fails if `old_string` is not unique. Give more context, or use `replace_all`, which also renames things.
- Prefer existing files. No emoji unless asked.""",
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
        """Searches file contents with ripgrep.

- Always use this tool for searching, never grep or rg through Bash.
- Full regular expressions; literal braces need escaping: `interface\\{\\}`.
- Filter with `glob`. Output modes: content (lines), files_with_matches (default), count.
- For open searches of several rounds, use Agent.""",
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
        """Reads a file of the local file system. Assume that a path the user gives is valid.

- Absolute path. Up to 2000 lines from the beginning, or `offset` and `limit`.
- Lines come numbered as with cat -n, from 1.
- Reads images, PDF files (with `pages` when long) and notebooks as well. Not folders: use ls.
- An empty file comes back as a reminder instead of content.""",
        {"file_path": text("Absolute path"), "offset": number("First line"), "limit": number("Number of lines")},
        "file_path",
    ),
    ("Skill", "Runs a skill by name.", {"skill": text("Name"), "args": text("Arguments")}, "skill"),
    (
        "TodoWrite",
        """Keeps the list of steps of the current task and shows it to the user.

Use it when the work has three steps or more, when several things were asked for, and as soon as new instructions arrive. Exactly one step is in progress at any time. Mark a step as completed right when it is, never before its tests pass. Do not use it for a single, simple step or a question.""",
        {"todos": TODOS},
        "todos",
    ),
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
