"""A log with one long conversation: cards of every kind at both ends, so much between them that its page has parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.site.hostile_log import Log

PROJECT = "/home/ada/kettle"
MODEL = "maker/teapot-8b"
STEPS = 12
"""Requests that bring ten long answers each: about as much as a part holds in five of them."""

PATCH = """*** Begin Patch
*** Update File: src/kettle.py
@@ def boil
-    wait(60)
+    wait(90)
*** End Patch"""
TODOS = [
    {"content": "Fill the kettle", "status": "completed"},
    {"content": "Boil it", "status": "in_progress"},
    {"content": "Pour", "status": "pending"},
]
ANSWER = """It **boils**, see [the manual](http://evil.example/manual) and ![steam](http://evil.example/steam.png).

| cup | ml |
|---|---|
| small | 120 |

```python
boil("<b>hot</b>")
```

<script>window.owned = 1</script>"""

Made = tuple[str, Any, str]

KINDS: tuple[Made, ...] = (
    (
        "bash",
        {"command": "make test"},
        "\x1b[1;31mFAILED\x1b[0m kettle\n" + "".join(f"leak {n}\n" for n in range(300)) + "Exit code: 2",
    ),
    ("bash", {"command": "seq 400"}, "".join(f"{n}\n" for n in range(1, 401)) + "exit code 0"),
    ("bash", {"command": "seq 4000"}, "".join(f"{n} drops\n" for n in range(1, 4001))),
    (
        "read",
        {"filePath": f"{PROJECT}/src/kettle.py", "offset": 40, "limit": 30},
        "".join(f"{n:6}→line {n}\n" for n in range(40, 70)),
    ),
    (
        "grep",
        {"pattern": "boil"},
        "src/kettle.py:12:def boil():\nsrc/kettle.py:40:    boil()\nsrc/cup.py:3:import boil\n",
    ),
    ("write", {"filePath": f"{PROJECT}/src/cup.py", "content": "cup = 1\nmilk = 0\n"}, "Wrote 2 lines."),
    (
        "edit",
        {"filePath": f"{PROJECT}/src/kettle.py", "oldString": "wait(60)\nstop()", "newString": "wait(90)\nstop()"},
        "Edited.",
    ),
    ("apply_patch", {"input": PATCH}, "Done!"),
    ("todowrite", {"todos": TODOS}, json.dumps(TODOS)),
    ("mcp__tracker__get_issue", {"id": "TEA-88"}, '{"title":"Cold tea","labels":["bug","tea"]}'),
    ("brew", {"strength": 3, "options": {"milk": True}}, "steeped"),
)
"""Name, arguments, result: a tool of each kind."""
LOOKS: tuple[Made, ...] = tuple(("read", {"filePath": f"{PROJECT}/src/part{n}.py"}, f"part = {n}\n") for n in range(9))
"""A run that is worth a line."""


def _turn(prefix: str, made: tuple[Made, ...], words: str) -> list[dict[str, Any]]:
    """An answer with calls, and their results."""
    calls = [
        {"id": f"{prefix}{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments, _) in enumerate(made)
    ]
    results = [
        {"role": "tool", "tool_call_id": f"{prefix}{n}", "content": result} for n, (_, _, result) in enumerate(made)
    ]
    return [{"role": "assistant", "content": words, "tool_calls": calls}, *results]


def _tools() -> list[dict[str, Any]]:
    names = dict.fromkeys(name for name, _, _ in KINDS)
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": "It does what its name says. " * (weight + 1),
                "parameters": {"type": "object", "properties": {}},
            },
        }
        for weight, name in enumerate(names)
    ]


def bodies() -> list[dict[str, Any]]:
    """What each request sends."""
    system = f"You make tea.\n<env>\n  Working directory: {PROJECT}\n</env>"
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        {"role": "developer", "content": "Use the good cups."},
        {"role": "user", "content": "Please mend the kettle, it never boils. " + "It stays cold and quiet. " * 6},
    ]
    sent = [messages]
    messages = [*messages, *_turn("a", KINDS, "I look at everything.")]
    sent.append(messages)
    messages = [*messages, *_turn("b", LOOKS, "And at the parts.")]
    sent.append(messages)
    messages = [*messages, {"role": "assistant", "content": ANSWER}]
    for step in range(STEPS):
        for turn in range(10):
            number = step * 10 + turn
            messages = [
                *messages,
                {"role": "user", "content": f"Question {number}: and then?"},
                {"role": "assistant", "content": f"Answer {number}. " + f"Water number {number} boils. " * 800},
            ]
        messages = [*messages, {"role": "user", "content": f"Step {step} of the kettle"}]
        sent.append(messages)
        messages = [*messages, {"role": "assistant", "content": f"Step {step} is done."}]
    log = "\n".join(f"{number:04} a line of somebody's log" for number in range(120))
    messages = [*messages, {"role": "user", "content": f"Last of all, read this:\n{log}"}]
    sent.append(messages)
    messages = [*messages, *_turn("c", KINDS[:2], "Once more, the needle in the haystack.")]
    sent.append(messages)
    return [{"model": MODEL, "temperature": 0.70, "messages": held, "tools": _tools()} for held in sent]


def write(folder: Path) -> list[dict[str, Any]]:
    """Write the log below ``folder``; returns the body of each request."""
    log = Log()
    sent = bodies()
    for body in sent:
        log.chat(body, {"role": "assistant", "content": "Said at the end."}, MODEL, len(json.dumps(body)) // 4)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "2026-11-05.1.log").write_bytes(log.bytes())
    return sent
