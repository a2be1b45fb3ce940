"""No value is invented: for each field of a request in the exports, the log without the lines that carry it.

One log carries every field. Each field has the patterns of all its carriers; without them the export says that it is
unknown. A field that nobody has thought of here fails the last test.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lms_audit import pipeline
from lms_audit.config import Config
from lms_audit.share.export import Format
from lms_audit.share.rows import RequestRow

LOG = """\
[2026-03-02 09:00:00][DEBUG] Received request: POST to /api/v0/chat/completions with body {
  "model": "maker/pot",
  "messages": [
    {
      "role": "system",
      "content": "You are opencode, an interactive CLI tool that helps users.\\n<env>\\n  Working directory: /home/ada/tea\\n  Is directory a git repo: yes\\n  Platform: linux\\n</env>"
    },
    {
      "role": "user",
      "content": "Boil the water that I have told you of so often be... <Truncated in logs> ...nd do not let it boil over while I am out of doors."
    }
  ],
  "stream": false
}
[2026-03-02 09:00:00][INFO][pot] Running chat completion on conversation with 2 messages.
[2026-03-02 09:00:00][DEBUG] 5.00.000.000 I slot launch_slot_: id  0 | task 7 | processing task, is_child = 0
[2026-03-02 09:00:00][DEBUG] 5.00.000.010 I slot   operator(): id  0 | task 7 | new prompt, n_ctx_slot = 32768, n_keep = 0, task.n_tokens = 140
[2026-03-02 09:00:00][DEBUG] 5.00.000.020 I slot   operator(): id  0 | task 7 | cached n_tokens = 100, memory_seq_rm [100, end)
[2026-03-02 09:00:00][DEBUG] 5.00.000.030 E srv    send_error: task id = 7, error: the kettle fell, once
[2026-03-02 09:00:00][INFO][pot] Prompt processing progress: 0.0%
[2026-03-02 09:00:02][INFO][pot] Prompt processing progress: 100.0%
[2026-03-02 09:00:05][DEBUG] 5.05.000.000 I slot print_timing: id  0 | task 7 | prompt eval time =    2000.00 ms /    40 tokens (   50.00 ms per token,    20.00 tokens per second)
5.05.000.010 I slot print_timing: id  0 | task 7 |        eval time =    3000.00 ms /    60 tokens (   50.00 ms per token,    20.00 tokens per second)
[2026-03-02 09:00:05][DEBUG] 5.05.000.100 I slot      release: id  0 | task 7 | stop processing: n_tokens = 199, truncated = 0
[2026-03-02 09:00:05][INFO][pot] Model generated tool calls: [boil(cups=2)]
[2026-03-02 09:00:05][INFO][pot] Generated prediction: {
  "id": "chatcmpl-u1",
  "object": "chat.completion",
  "created": 1772442005,
  "model": "pot",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "It boils.",
        "tool_calls": [
          {
            "type": "function",
            "id": "call-1",
            "function": {
              "name": "boil",
              "arguments": "{\\"cups\\":2}"
            }
          }
        ]
      },
      "finish_reason": "tool_calls"
    }
  ],
  "usage": {
    "prompt_tokens": 140,
    "completion_tokens": 60,
    "total_tokens": 200,
    "completion_tokens_details": {
      "reasoning_tokens": 20
    }
  },
  "stats": {
    "tokens_per_second": 20.0,
    "time_to_first_token": 2.0,
    "generation_time": 5.0,
    "stop_reason": "toolCalls"
  }
}
"""  # noqa: E501

REQUEST = r"(?s)\[[^\n]*Received request.*?\n\}\n"
RUNNING = r".*Running chat completion.*\n"
PROGRESS = r".*Prompt processing progress.*\n"
PROMPT_EVAL = r"prompt eval time = .*"
EVAL = r".*\|        eval time = .*\n"
CALLS = r".*Model generated tool calls.*\n"
PREDICTION = r"(?s)\[[^\n]*Generated prediction.*?\n\}\n"
USAGE = r'(?s)  "usage": \{.*?\n  \},\n'
STATS = r'(?s),\n  "stats": \{.*?\n  \}'
ERROR = r".*send_error.*\n"
ENGINE = r".*\|.*\n"
NEW_PROMPT = r".*new prompt, .*\n"
EARLIER = (REQUEST, RUNNING, ENGINE, ERROR, PROGRESS, CALLS)
"""All in front of the prediction: the log starts inside the request."""

CARRIERS: dict[str, tuple[tuple[str, ...], Any]] = {
    # field: patterns of what carries it, and what stands for not knowing
    "received_at": (EARLIER, None),
    "finished_at": ((CALLS, PREDICTION), None),
    "method": ((REQUEST,), None),
    "endpoint": ((REQUEST,), None),
    "api": ((*EARLIER, r'  "object": .*\n'), None),
    "stream": ((REQUEST, CALLS, PREDICTION), None),
    "message_count": ((REQUEST, RUNNING), None),
    "requested_model": ((r'  "model": "maker/pot",\n',), None),
    "model": ((r"\[pot\] ?", r'  "model": "pot",\n'), None),
    "client": ((r'(?s)    \{\n      "role": "system".*?\},\n',), "unknown"),
    "client_confidence": ((r'(?s)    \{\n      "role": "system".*?\},\n',), 0.0),
    "project": ((r"  Working directory: .*?\\n",), None),
    "status": ((CALLS, PREDICTION, ERROR), "incomplete"),
    "finish_reason": ((r',\n +"finish_reason": .*', r',\n    "stop_reason": .*'), None),
    "input_tokens": ((USAGE, NEW_PROMPT), None),
    "output_tokens": ((USAGE, EVAL), None),
    "reasoning_tokens": ((r'(?s),\n +"completion_tokens_details": \{.*?\}',), None),
    "cached_tokens": ((PROMPT_EVAL, r".*memory_seq_rm.*\n"), None),
    "prompt_ms": ((PROMPT_EVAL, PROGRESS), None),
    "generation_ms": ((EVAL, STATS), None),
    "ttft_ms": ((STATS,), None),
    "elapsed_ms": ((CALLS, PREDICTION), None),
    "tokens_per_second": ((EVAL, STATS), None),
    "tool_calls": ((CALLS, r'(?s),\n +"tool_calls": \[.*?\n        \]'), []),
    "response_text": ((CALLS, PREDICTION), None),
    "response_source": ((CALLS, PREDICTION), None),
    "chat_id": ((r'  "id": "chatcmpl-u1",\n',), None),
    "errors": ((ERROR,), []),
    "truncated_by_log": ((r"\.\.\. <Truncated in logs> \.\.\.",), False),
    "provenance": ((ENGINE, PROGRESS, CALLS, PREDICTION), {}),
}
ALWAYS = {
    "id": "from a digest of what there is",
    "session_id": "every request is in a session, if only in its own",
    "kind": "main, unless something says otherwise",
    "redacted": "tested by what is written in place of payloads",
    "source": "a request is read from lines",
}


def exported(text: str, root: Path) -> dict[str, Any]:
    """The one request of a log, as exported."""
    (root / "server.log").write_text(text, encoding="utf-8")
    pipeline.export(Config(logs=(root / "server.log",), out=root / "export", workers=1), Format.JSONL)
    (row,) = (root / "export" / "requests.jsonl").read_text("utf-8").splitlines()
    return dict(json.loads(row))


def without(text: str, *patterns: str) -> str:
    """The log without what patterns match; each must match something."""
    for pattern in patterns:
        text, times = re.subn(pattern, "", text)
        assert times, pattern
    return text


@pytest.mark.parametrize("field", CARRIERS)
def test_a_field_without_its_carriers_is_unknown(field: str, tmp_path: Path) -> None:
    patterns, unknown = CARRIERS[field]
    assert exported(LOG, tmp_path)[field] != unknown, "the log does not carry the field"
    row = exported(without(LOG, *patterns), tmp_path)
    assert row[field] == unknown
    assert field not in row["provenance"]


@pytest.mark.parametrize("mark", ["[Sensitive]", "[Hidden]"])
def test_a_request_is_redacted_only_where_a_mark_stands_for_its_payload(mark: str, tmp_path: Path) -> None:
    assert not exported(LOG, tmp_path)["redacted"]
    hidden = re.sub(r"(?s)with body \{.*?\n\}\n", f"with body {mark}\n", LOG)
    assert exported(hidden, tmp_path)["redacted"]


def test_every_field_of_a_request_is_thought_of() -> None:
    assert {*CARRIERS, *ALWAYS} == set(RequestRow.__struct_fields__)
    assert not set(CARRIERS) & set(ALWAYS)
