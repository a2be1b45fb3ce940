"""Texts that try to be more than text, and an audit in which every text is one of them."""

from __future__ import annotations

import json
from typing import Any

from lms_audit.analyse import analyse
from lms_audit.analyse.report import Report
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.sessions import sessions
from lms_audit.model import (
    Audit,
    Class,
    FileHealth,
    LineRange,
    Problem,
    Source,
    Status,
    Tally,
    TimelineEvent,
    ToolCall,
)
from lms_audit.read.payload import item_key
from tests.support import FakeLibrary, World, assistant, call, result, system, user

CODE = "window.pwned=(window.pwned||0)+1"

TEXTS: dict[str, str] = {
    "fence": "```py\nprint(1)\n```\n````\n``` \n~~~\n:::\n",
    "long fence": "`" * 40 + "\ncode\n" + "`" * 40,
    "script": f"</script><script>{CODE}</script>",
    "pre": f"</pre></div></article><script>{CODE}</script>",
    "image": f"<img src=x onerror={CODE}>",
    "svg": f"<svg/onload={CODE}>",
    "attribute": f'" onmouseover="{CODE}" x=\'',
    "single quote": f"' autofocus onfocus='{CODE}",
    "comment": f"--><!-- <script>{CODE}</script> --!> <!--body-->",
    "cdata": f"]]><![CDATA[ <b>x</b> ]]> <?xml {CODE}?>",
    "jinja": "{{ 7 * 7 }} {% raw %} {# x #} {{ config.items() }} {%- endblock %}",
    "front matter": f"---\ntitle: <script>{CODE}</script>\nbody: x\n---\n# not a heading\n",
    "yaml": "title: x\n  body: |2-\n    <b>\n... \n--- |\n%TAG ! x\n!!python/object: x\n",
    "metadata": "Title: a line like a key\nkey: value\n\nbody",
    "admonition": '!!! danger "x"\n    indented\n??? note\n=== "Tab"\n',
    "markdown": "# h1\n"
    "* item\n1. one\n[link](javascript:alert(1)) ![i](x) **b** _i_ `c` <http://x.example>\n| a | b |\n|---|---|\n",
    "attributes list": "text { #id .class onclick=x } {: .x }\n[TOC]\n*[HTML]: abbr\n[^1]: note",
    "critic": '{++added++} {--gone--} {~~a~>b~~} --8<-- "pyproject.toml"\n',
    "entities": "&lt;b&gt; &#60;script&#62; &amp;amp; &nbsp; &#x202e; &#0; &notit;",
    "line ends": "one\r\ntwo\rthree\n\n\n\tfour  \n  five\x0b\x0csix\u2028seven\u2029eight\x85nine\n",
    "leading": "\n\n   leading and trailing   \n\n",
    "controls": "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 127, *range(0x80, 0xA0)])),
    "markers": "\x02wzxhzdk:0\x03 \x02klzzwxh:0000\x03 \x00",
    "surrogates": "lone \ud83d and \udc00 and \ufffe \uffff \ufeff",
    "bidi": "abc\u202edef\u2066ghi\u2069\u200fjkl\u061c",
    "terminal": "\x1b[31mred\x1b[0m \x1b]8;;http://x.example\x07link\x1b]8;;\x07 \x1b[2J",
    "long line": "x" * 3_000 + "<b>",
    "url": "javascript:alert(1) data:text/html,<script>alert(1)</script> //x.example/y",
    "json": '{"a": "</script><!--", "b": "\\u2028", "__proto__": {"x": 1}}',
    "emoji": "\U0001f469\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 e\u0301 \u200b\u200d \u202e",
    "quotes": "\"'`“”‘’«»",
    "style": "</style><style>body{display:none}</style>",
    "title": "</title><base href=//x.example><meta http-equiv=refresh content=0>",
    "template": "${alert(1)} <% x %> #{x} [[x]] {{{x}}}",
}

NAMES = list(TEXTS)


def hostile(number: int) -> str:
    """One text after the other, with its name at the front so that it can be found."""
    name = NAMES[number % len(NAMES)]
    return f"[{name}] {TEXTS[name]}"


def arguments(text: str) -> str:
    """A call's arguments with a hostile value, as JSON."""
    return json.dumps({"command": text, "file_path": text, "content": text, text: text})


def _calls(index: int) -> list[dict[str, Any]]:
    made = []
    for place, name in enumerate(("bash", "edit", "read", "todowrite", hostile(index))):
        text = hostile(index + place)
        values = arguments(text)
        if name == "edit":
            values = json.dumps({"file_path": text, "old_string": text, "new_string": text + "!"})
        if name == "todowrite":
            values = json.dumps({"todos": [{"content": text, "status": "completed"}]})
        entry = call(f"c{index}-{place}", name)
        entry["function"]["arguments"] = values
        made.append(entry)
    return made


class _World(World):
    """A world that puts hostile texts wherever a request holds any."""

    def hostile(self, messages: list[dict[str, Any]], number: int, **fields: Any) -> None:
        text = hostile(number)
        where = LineRange(f"{text}.log", 1, 9)
        self.send(
            messages,
            endpoint=text,
            method=text,
            model=text,
            requested_model=text,
            project=text,
            finish_reason=text,
            errors=(text,),
            client_evidence=(text,),
            evidence=(text,),
            kind_reason=text,
            source=(where,),
            timeline=(TimelineEvent(self.now, text, text, where),),
            params={"model": text, text: text},
            system_member=text,
            input_tokens=1000 + number,
            output_tokens=50,
            cached_tokens=100,
            prompt_ms=900.0 + number,
            generation_ms=400.0,
            tokens_per_second=33.0,
            elapsed_ms=5000.0,
            provenance={"input_tokens": Source.ENGINE, "elapsed_ms": Source.CLOCK},
            **fields,
        )


def world() -> tuple[Report, FakeLibrary]:
    """A report in which every text of the log is hostile, and its library."""
    made = _World()
    offered = [hostile(number) for number in range(len(NAMES))]
    for number in range(len(NAMES)):
        text = hostile(number)
        first = [system(f"System {text}"), {"role": "developer", "content": text}, user(f"{text} asked")]
        calls = _calls(number)
        answer = assistant(text, *calls, reasoning_content=text)
        results = [result(f"c{number}-{place}", f"{text} result") for place in range(len(calls))]
        answered = tuple(
            ToolCall(
                entry["id"],
                entry["function"]["name"],
                json.loads(entry["function"]["arguments"]),
                result=f"{text} result",
                result_key=item_key(results[place]),
            )
            for place, entry in enumerate(calls)
        )
        made.hostile(
            first, number, tool_calls=answered, tool_calls_known=True, response_text=text, tools=["bash", *offered]
        )
        made.hostile([*first, answer, *results], number, response_text=f"{text} done", tools=["bash", *offered])
        made.hostile(
            [system(f"System two {text}"), *first[1:], answer, *results, user("more")],
            number,
            status=Status.ERROR,
            tools=offered,
        )
    links = made.threads()
    grouped = sessions(made.requests, links, made.library)
    where = LineRange(f"{hostile(3)}.log", 3, 4)
    health = FileHealth(
        file=f"{hostile(2)}.log",
        size=10_000,
        lines=200,
        first_at=made.requests[0].received_at,
        last_at=made.now,
        classes={Class.UNDERSTOOD: Tally(9, 9000), Class.DAMAGED: Tally(1, 1000)},
        kinds={hostile(4): Tally(9, 9000)},
        unknown_examples=(Problem(hostile(5), hostile(6), where),),
        problems=tuple(Problem(hostile(number), hostile(number), where) for number in range(len(NAMES))),
        refused=None,
    )
    audit = Audit(
        requests=grouped.requests,
        sessions=grouped.sessions,
        conversations=conversations(grouped.requests, grouped.sessions, links),
        files=(health,),
        mismatches=(Problem(hostile(7), hostile(8), where),),
        log_roots=(hostile(9),),
    )
    return analyse(audit, made.library, made.library.tree), made.library
