"""A log in LM Studio's FILE form in which whoever wrote a string meant harm: people, models, tools, clients, files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CODE = "window.owned=1;alert(1)"
START = datetime(2026, 11, 5, 21, 0, 0)  # noqa: DTZ001
PROJECT = '/srv/<img src=x onerror=window.owned=1>/{{ 6*7 }}/it\'s "here"'
FILE = "a <img src=x onerror=window.owned=1> '\" {{ 6*7 }} &amp; b.log"

HARM: dict[str, str] = {
    "closed script": f"</script><script>{CODE}</script>",
    "closed text": f"</pre></code></div></article></main><script>{CODE}</script>",
    "closed title": f"</title></style></textarea></noscript><script>{CODE}</script>",
    "image": f"<img src=x onerror={CODE}><img src=http://evil.example/i.png>",
    "drawing": f"<svg><animate onbegin={CODE} attributeName=x dur=1s></svg><math><mtext><img src=x onerror={CODE}>",
    "details": f"<details open ontoggle={CODE}><summary>open</summary></details>",
    "attribute": f'" onmouseover="{CODE}" onfocus=\'{CODE}\' autofocus tabindex=1 x="',
    "frame": f"<iframe srcdoc='<script>parent.{CODE}</script>'></iframe><object data=http://evil.example/></object>",
    "base": "<base href=http://evil.example/><meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "style": "<style>body{display:none}@import 'http://evil.example/s.css'</style><link rel=stylesheet href=//evil>",
    "comment": f"<!-- --!> --><!--[if true]><script>{CODE}</script><![endif]--> <!--body--> <!doctype html>",
    "short fence": f"```html\n<script>{CODE}</script>\n```",
    "long fence": f"{'`' * 60}\n~~~~~~\n{'`' * 59}\n<script>{CODE}</script>\n{'~' * 80}",
    "open fence": f"    indented\n```\nnever closed <script>{CODE}</script>",
    "jinja": "{{ 7*7 }}{% include 'index.html' %}{# gone #}{% raw %}{{ config }}{% endraw %}{{ self.__init__ }}",
    "front matter": f"---\ntitle: <script>{CODE}</script>\nhide: [navigation]\ntemplate: x.html\n---\n\n# Big\n",
    "metadata": "title: pwned\nsearch:\n  exclude: true\n\nabove: <b>x</b>",
    "yaml": "key: |2-\n      deeper\n  - !!python/object/apply:os.system ['true']\n...\n--- &a [*a, *a]",
    "admonition": '!!! danger "Title"\n    body\n\n??? note\n    body\n\n=== "Tab"\n    body',
    "attribute list": f'word {{: #conversation .gone onclick="{CODE}" }} {{ .x #id }} {{#evil}}',
    "snippet": '--8<-- "pyproject.toml"\n;--8<-- "x"\n{! pyproject.toml !}\n[[toc]]\n[TOC]\n{{ macros_info() }}',
    "critic": "{++ added ++}{-- gone --}{~~ a ~> b ~~}{== marked ==}{>> note <<} ~~x~~ ^^y^^ ++k++",
    "links": "[a](javascript:alert(1)) <javascript:alert(1)> [b]: http://evil.example 'x' ![c](http://evil.example/c.png)",
    "data image": '![d](data:image/svg+xml;base64,PHN2Zy8+) <img src="data:image/png;base64,iVBORw0KGgo="> [e][b]',
    "entities": "&lt;script&gt; &#60;b&#62; &amp;amp; &nbsp;&shy; &#x202e; &#0; &notin; &copy &#8232; %3Cscript%3E",
    "controls": "".join(map(chr, (*range(9), 11, 12, *range(14, 32), *range(127, 160)))),
    "marks of a parser": "\x02klzzwxh:0000\x03 \x02wzxhzdk:1\x03 \x02amp\x03 \ufdd0 \ufffe \ue000",
    "line ends": "a\r\nb\rc\n\nd\x0be\x0cf\x85g\u2028h\u2029i\t\tj   \n   k",
    "blank ends": "\n\n\n  begins and ends with blanks\t \n\n",
    "bidi": "\u202eevig\u202c \u2066a\u2067b\u2068c\u2069 \u200e\u200f\u061c file\u202egpj.exe",
    "half characters": "half \ud83d and \ude00 and \ud83d\ud83d",
    "joined characters": "e\u0301\u0327 👩‍💻 🇪🇺 \u200b\u200c\u200d\u2060\ufeff ﷽ Z͑ͫ̓A͗͊L͎̚",
    "terminal": "\x1b[2J\x1b[31;1mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\x9b31m",
    "prototype": '{"__proto__": {"owned": 1}, "constructor": {"prototype": {"owned": 1}}, "</script>": "<!--<script>"}',
    "template": "${window.owned=1} `${alert(1)}` #{x} <%= x %> {{{x}}} [[${x}]] {{constructor('alert(1)')()}}",
    "table": "| a | b |\n|:--|--:|\n| <b>x</b> | `y` |\n\n1. one\n   - two\n\n> quote\n\nHeading\n=======",
    "log line": "[2026-11-05 21:00:00][DEBUG] Received request: GET to /x\n[2026-11-05 21:00:00][INFO][m] Finished",
    "one long line": "<b>" + "x" * 60_000 + f"</b><script>{CODE}</script>",
}

NAMES = list(HARM)
TAGS = (
    "<script>window.owned=1</script>",
    "{{ 7*7 }}",
    '" onmouseover="window.owned=1',
    "</script><img src=x onerror=window.owned=1>",
    "`code` **b** &lt;",
    "../../x/%2e%2e#y?z",
)
"""Of models: any text but a closing bracket or a line break."""


def mark(number: int) -> str:
    """A word that only the texts of this number have, and that a search finds."""
    return "zq" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:02}") + "word"


def asked(number: int) -> str:
    return f"{HARM[NAMES[number]]} {mark(number)}"


def arguments(number: int) -> dict[str, Any]:
    harm = HARM[NAMES[number]]
    return {"query": f"{harm} {mark(number)}", harm[:500]: [harm[:500], {"deep": harm[:500]}]}


def result(number: int) -> str:
    return f"{mark(number)} found {HARM[NAMES[number]]}"


def answer(number: int) -> str:
    return f"Answer {mark(number)}\n\n{HARM[NAMES[number]]}"


def text(value: Any) -> str:
    """JSON as LM Studio prints it: characters as they are, but for halves of surrogate pairs."""
    raw = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(f"\\u{ord(char):04x}" if 0xD800 <= ord(char) < 0xE000 else char for char in raw)


class Log:
    """Records, a few seconds apart."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.now = START

    def add(self, level: str, message: str, after: int = 1) -> None:
        self.now += timedelta(seconds=after)
        gap = "" if message.startswith("[") else " "
        self.records.append(f"[{self.now:%Y-%m-%d %H:%M:%S}][{level}]{gap}{message}\n")

    def bytes(self) -> bytes:
        return "".join(self.records).encode()

    def chat(self, body: dict[str, Any], said: dict[str, Any], tag: str, tokens: int = 40) -> None:
        """A request on chat completions that is not streamed."""
        self.add("DEBUG", f"Received request: POST to /v1/chat/completions with body {text(body)}", 5)
        self.add("INFO", f"[{tag}] Running chat completion on conversation with {len(body['messages'])} messages.", 0)
        whole = {
            "id": f"chatcmpl-{len(self.records)}",
            "object": "chat.completion",
            "created": 1_793_912_400 + len(self.records),
            "model": tag,
            "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 9, "total_tokens": tokens + 9},
            "stats": {"tokens_per_second": 30.0 + len(self.records) % 7, "time_to_first_token": 0.2},
        }
        self.add("INFO", f"[{tag}] Generated prediction: {text(whole)}", 3)


def _calls(number: int) -> list[dict[str, Any]]:
    name = HARM[NAMES[number]][:200]
    made = (("lookup", arguments(number)), (name, {"command": asked(number)}), ("bash", {"command": asked(number)}))
    return [
        {
            "id": f"call-{number}-{place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(values)},
        }
        for place, (name, values) in enumerate(made)
    ]


def _tools(names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"{name} {HARM['closed script']}",
                "parameters": {"type": "object", "properties": {name[:300]: {"type": "string", "description": name}}},
            },
        }
        for name in names
    ]


def conversation(log: Log) -> list[list[dict[str, Any]]]:
    """One conversation: for each text a question, calls, results, an answer. Returns the messages of each request."""
    env = f"You help.\n<env>\n  Working directory: {PROJECT}\n</env>\n"
    messages: list[dict[str, Any]] = [{"role": "system", "content": env + "\n".join(map(asked, range(6)))}]
    sent = []
    for number in range(len(NAMES)):
        tag = TAGS[number % len(TAGS)]
        tools = _tools(["lookup", "bash", *(HARM[name][:120] for name in NAMES[: 3 + number // 20])])
        messages = [*messages, {"role": "user", "content": asked(number)}]
        sent.append(messages)
        calls = _calls(number)
        said = {"role": "assistant", "content": answer(number), "tool_calls": calls}
        log.chat({"model": tag, "messages": messages, "tools": tools, HARM["attribute"]: asked(2)}, said, tag)
        results = [{"role": "tool", "tool_call_id": call["id"], "content": result(number)} for call in calls]
        messages = [*messages, said, *results]
        sent.append(messages)
        done = {"role": "assistant", "content": f"{answer(number)} done"}
        log.chat({"model": tag, "messages": messages, "tools": tools}, done, tag)
        messages = [*messages, done]
    return sent


def others(log: Log) -> None:
    """What else a log holds: other interfaces, clients, paths, errors, lines nobody knows."""
    for number, name in enumerate(NAMES[:-1]):
        harm = HARM[name]
        line = harm.replace("\n", " ").replace("\r", " ").encode("utf-8", "replace").decode()
        log.add("INFO", f"[LMSAuthenticator][Client={line.replace(']', ')')}] Client created.")
        log.add("DEBUG", f"Received request: GET to /{line}")
        log.add("WARN", f"{line} {mark(number)}")
        log.add("ERROR", f"[{TAGS[number % len(TAGS)]}] Error rendering prompt with jinja template: {line}")
        log.add("INFO", f"[Plugin({line.replace(']', ')')})] stdout: {line}")
    for number in (0, 6, 15):
        first = {"role": "user", "content": [{"type": "text", "text": asked(number)}]}
        system = [{"type": "text", "text": asked(number + 1), "cache_control": {"type": "ephemeral"}}]
        body: dict[str, Any] = {
            "model": TAGS[1],
            "max_tokens": 9,
            "system": system,
            "messages": [first],
            "stream": True,
        }
        log.add("DEBUG", f"Received request: POST to /v1/messages with body {text(body)}", 60)
        log.add("INFO", f"[{TAGS[1]}] Running Anthropic messages API on conversation with 1 messages.")
        log.add("INFO", f"[{TAGS[1]}] Streaming Anthropic response...")
        log.add("INFO", f"[{TAGS[1]}] Finished streaming Anthropic response", 4)
        body = {"model": TAGS[0], "instructions": asked(number + 2), "stream": True}
        body["input"] = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": asked(number)}]}
        ]
        log.add("DEBUG", f"Received request: POST to /v1/responses with body {text(body)}", 60)
        log.add("INFO", f"[{TAGS[0]}] Running chat completion on conversation with 1 messages.")
        log.add("ERROR", f"[Server Error] {HARM['closed script']} {HARM['jinja']}", 2)


def write(folder: Path) -> list[list[dict[str, Any]]]:
    """Write the log below ``folder``; returns the messages each request of the conversation sent."""
    log = Log()
    sent = conversation(log)
    others(log)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(log.bytes())
    return sent
