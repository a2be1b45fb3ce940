"""A project's files as the story's agents see them: read, search, edit, in the words each client's tools use.

Edits really change the text, so what a later call reads is what an earlier one wrote.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Use:
    """A tool call with the result it is going to have, and how long that takes."""

    name: str
    arguments: str
    output: str
    ms: float = 120.0
    is_error: bool = False


def use(name: str, output: str, ms: float = 120.0, *, is_error: bool = False, **arguments: Any) -> Use:
    """A call with arguments as a model writes them: compact JSON."""
    text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    return Use(name, text, output, ms, is_error)


class Folder:
    """The files of one project, by path relative to it."""

    def __init__(self, root: str, files: dict[str, str]) -> None:
        self.root = root
        self.files = dict(files)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def replace(self, name: str, old: str, new: str) -> None:
        """Changes a file; the old text has to be there exactly once, as the tools demand."""
        assert self.files[name].count(old) == 1, f"{name}: {old!r}"
        self.files[name] = self.files[name].replace(old, new)

    def lines(self, name: str, first: int = 1, count: int = 2000) -> list[tuple[int, str]]:
        every = self.files[name].splitlines()
        return list(enumerate(every, 1))[first - 1 : first - 1 + count]

    def matches(self, pattern: str, include: str = "*") -> list[tuple[str, int, str]]:
        """Files, line numbers and lines that match, in order of path."""
        rule = re.compile(pattern)
        return [
            (name, number, line)
            for name in sorted(self.files)
            if fnmatch.fnmatch(name, include)
            for number, line in self.lines(name)
            if rule.search(line)
        ]

    def diff(self, before: dict[str, str]) -> str:
        """``git diff`` against an earlier state."""
        text = []
        for name in sorted(self.files):
            old, new = before.get(name, ""), self.files[name]
            if old != new:
                text.append(f"diff --git a/{name} b/{name}\n")
                lines = difflib.unified_diff(
                    old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
                )
                text.extend(lines)
        return "".join(text)


class OpenCodeTools:
    """OpenCode's names, members and phrases."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def read(self, name: str, first: int = 1, count: int = 2000) -> Use:
        path, total = self.folder.path(name), len(self.folder.files[name].splitlines())
        body = "\n".join(f"{number}: {line}" for number, line in self.folder.lines(name, first, count))
        more = f"(End of file - total {total} lines)"
        if first + count <= total:
            more = f"(Showing lines {first}-{first + count - 1} of {total}. Use offset={first + count} to continue.)"
        output = f"<path>{path}</path>\n<type>file</type>\n<content>\n{body}\n\n{more}\n</content>"
        arguments: dict[str, Any] = {"filePath": path}
        if count < 2000:
            arguments |= {"offset": first, "limit": count}
        return use("read", output, 60, **arguments)

    def edit(self, name: str, old: str, new: str) -> Use:
        self.folder.replace(name, old, new)
        return use(
            "edit", "Edit applied successfully.", 190, filePath=self.folder.path(name), oldString=old, newString=new
        )

    def write(self, name: str, text: str) -> Use:
        self.folder.files[name] = text
        return use("write", "Wrote file successfully.", 150, filePath=self.folder.path(name), content=text)

    def grep(self, pattern: str, include: str = "*") -> Use:
        found = self.folder.matches(pattern, include)
        text = [f"Found {len(found)} matches"]
        last = ""
        for name, number, line in found:
            if name != last:
                text.append(f"\n{self.folder.path(name)}:")
                last = name
            text.append(f"  Line {number}: {line.strip()}")
        output = "\n".join(text) if found else "No files found"
        return use("grep", output, 80, pattern=pattern, path=self.folder.root, include=include)

    def glob(self, pattern: str) -> Use:
        names = [self.folder.path(name) for name in sorted(self.folder.files) if fnmatch.fnmatch(name, pattern)]
        return use("glob", "\n".join(names), 70, pattern=pattern)

    def bash(self, command: str, description: str, output: str, ms: float) -> Use:
        return use("bash", output, ms, command=command, description=description)

    def todo(self, *steps: tuple[str, str]) -> Use:
        todos = [{"content": step, "status": status, "priority": "medium"} for step, status in steps]
        return use("todowrite", json.dumps(todos, indent=2), 15, todos=todos)


class ClaudeTools:
    """Claude Code's names, members and phrases."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def read(self, name: str, first: int = 1, count: int = 2000) -> Use:
        body = "\n".join(f"{number:6d}\t{line}" for number, line in self.folder.lines(name, first, count))
        arguments: dict[str, Any] = {"file_path": self.folder.path(name)}
        if count < 2000:
            arguments |= {"offset": first, "limit": count}
        return use("Read", body, 40, **arguments)

    def edit(self, name: str, old: str, new: str) -> Use:
        self.folder.replace(name, old, new)
        path = self.folder.path(name)
        return use(
            "Edit",
            f"The file {path} has been updated successfully.",
            160,
            file_path=path,
            old_string=old,
            new_string=new,
        )

    def write(self, name: str, text: str) -> Use:
        self.folder.files[name] = text
        path = self.folder.path(name)
        return use("Write", f"File created successfully at: {path}", 150, file_path=path, content=text)

    def grep(self, pattern: str, glob: str = "*") -> Use:
        found = self.folder.matches(pattern, glob)
        output = "\n".join(f"{name}:{number}:{line}" for name, number, line in found) or "No matches found"
        return use("Grep", output, 70, pattern=pattern, path=self.folder.root, output_mode="content", **{"-n": True})

    def glob(self, pattern: str) -> Use:
        names = [self.folder.path(name) for name in sorted(self.folder.files) if fnmatch.fnmatch(name, pattern)]
        return use("Glob", "\n".join(names), 60, pattern=pattern)

    def bash(self, command: str, description: str, output: str, ms: float, *, failed: bool = False) -> Use:
        if failed:
            output = f"Exit code 1\n{output}"
        return use("Bash", output, ms, command=command, description=description, is_error=failed)

    def todo(self, *steps: tuple[str, str]) -> Use:
        todos = [{"content": step, "status": status} for step, status in steps]
        done = "Todos have been modified successfully. Continue with the current task."
        return use("TodoWrite", done, 15, todos=todos)


class CodexTools:
    """Codex does everything with commands."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._chunk = 0x3F2A10

    def run(self, command: str, output: str, ms: float = 90.0, code: int = 0) -> Use:
        self._chunk = (self._chunk * 31 + len(command)) % 0xFFFFFF
        head = (
            f"Chunk ID: {self._chunk:06x}\nWall time: {ms / 1000:.4f} seconds\nProcess exited with code {code}\n"
            f"Original token count: {len(output) // 4}\nOutput:\n"
        )
        return use("exec_command", head + output, ms, cmd=command, workdir=self.folder.root)

    def show(self, name: str, first: int = 1, last: int = 200) -> Use:
        body = "\n".join(line for _, line in self.folder.lines(name, first, last - first + 1))
        return self.run(f"sed -n '{first},{last}p' {name}", body)

    def search(self, pattern: str) -> Use:
        found = self.folder.matches(pattern)
        return self.run(f'rg -n "{pattern}"', "\n".join(f"{name}:{number}:{line}" for name, number, line in found))

    def patch(self, name: str, old: str, new: str) -> Use:
        """``apply_patch`` in a here-document."""
        self.folder.replace(name, old, new)
        removed = "\n".join(f"-{line}" for line in old.splitlines())
        added = "\n".join(f"+{line}" for line in new.splitlines())
        body = f"*** Begin Patch\n*** Update File: {name}\n@@\n{removed}\n{added}\n*** End Patch"
        return self.run(
            f"apply_patch <<'PATCH'\n{body}\nPATCH", f"Success. Updated the following files:\nM {name}\n", 130
        )

    def plan(self, *steps: tuple[str, str]) -> Use:
        plan = [{"step": step, "status": status} for step, status in steps]
        return use("update_plan", "Plan updated", 10, plan=plan)
