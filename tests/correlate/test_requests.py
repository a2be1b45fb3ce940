"""Which line belongs to which request: nothing is invented, and requests that overlap are told apart or marked."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lms_audit.model import Request, Source, Status
from synthetic.clients import ClaudeCode, Client, Codex, OpenCode, Script
from synthetic.engine import Dialect
from tests import golden_logs, simulated
from tests.simulated import Play, Scene

ALL: tuple[type[Client], ...] = (OpenCode, Script, ClaudeCode, Codex)

# --- nothing is invented ----------------------------------------------------------------------------------------------

CARRIERS: list[tuple[str, tuple[str, ...], str]] = [
    # golden log, fields, lines that carry them
    (
        "form-file-default-stream",
        ("output_tokens", "generation_ms", "tokens_per_second", "draft_accepted", "draft_generated"),
        r".*\|        eval time = .*\n|.*draft acceptance.*\n",
    ),
    (
        "form-file-default-stream",
        ("prompt_ms", "evaluated_tokens"),
        r".*prompt eval time = .*\n|.*processing progress.*\n",
    ),
    ("form-file-default-stream", ("input_tokens", "context_length"), r".*new prompt, .*\n"),
    ("form-file-default-stream", ("finished_at", "elapsed_ms"), r".*Finished streaming response\n"),
    ("form-file-default-stream", ("queue_ms",), r".*launch_slot_.*\n"),
    ("form-file-default-stream", ("requested_model",), r'  "model": .*\n'),
    ("form-v02-stream", ("ttft_ms", "generation_ms"), r".*First token generated.*\n"),
    ("form-v02-usage", ("finish_reason", "chat_id", "output_tokens"), r"(?s)\[[^\n]*Generated pred.*"),
    ("settings-tokens-on", ("reasoning_tokens", "input_tokens", "output_tokens"), r'(?s)  "usage": \{.*?\n  \}\n'),
    ("settings-tokens-on", ("response_reasoning",), r'.*"reasoning_content": .*\n'),
    ("settings-tokens-on", ("finish_reason",), r'.*"finish_reason": "tool_calls"\n'),
    ("engine-mlx", ("cached_tokens", "input_tokens"), r".*Prompt cache.*\n"),
    ("engine-mlx", ("prompt_ms",), r".*progress: 0\.0%\n|.*progress: 50\.5%\n"),
    (
        "engine-splash",
        ("input_tokens", "cached_tokens", "output_tokens", "ttft_ms", "tokens_per_second"),
        r".*Done · .*\n",
    ),
    ("hazard-thinking", ("thinking_ms",), r".*Done thinking.*\n"),
    ("request-v0-and-v1", ("ttft_ms", "generation_ms", "tokens_per_second"), r'(?s)  "stats": \{.*?\n  \},?\n'),
    ("request-v0-and-v1", ("draft_accepted", "draft_generated"), r".*_draft_tokens_count.*\n"),
    ("engine-v03-in-process", ("cached_tokens", "input_tokens"), r"(?m)^.*Cache reuse summary.*\n|^Total prompt.*\n"),
    ("engine-v03-in-process", ("context_length",), r"Generate: n_ctx.*\n"),
    ("settings-verbose-off", ("message_count",), r".*Running .*\n"),
]


@pytest.mark.parametrize(("name", "fields", "lines"), CARRIERS, ids=[f"{one[0]} {one[1][0]}" for one in CARRIERS])
def test_a_value_whose_lines_are_gone_is_unknown(name: str, fields: tuple[str, ...], lines: str) -> None:
    case = golden_logs.load(golden_logs.FOLDER / f"{name}.yml")
    (file, data), *_ = case.files.items()
    whole = golden_logs.read(case.files).requests[0]
    assert all(getattr(whole, field) is not None for field in fields), "the golden log does not carry the field"
    text = re.sub(
        r"(?m)" + lines.replace("(?s)", "").replace("(?m)", ""), "", data.decode(), flags=re.DOTALL * ("(?s)" in lines)
    )
    assert text != data.decode()
    less = golden_logs.read({file: text.encode()}).requests[0]
    for field in fields:
        assert getattr(less, field) is None, field
        assert field not in less.provenance


@pytest.mark.parametrize("path", golden_logs.cases(), ids=lambda path: path.stem)
def test_every_value_has_a_source_and_no_source_lacks_a_value(path: Path) -> None:
    named = {
        "input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cached_tokens",
        "prompt_ms",
        "generation_ms",
        "ttft_ms",
        "elapsed_ms",
        "tokens_per_second",
    }
    for request in golden_logs.read(golden_logs.load(path).files).requests:
        for name in named:
            assert (getattr(request, name) is not None) == (name in request.provenance), name
        assert all(isinstance(source, Source) for source in request.provenance.values())


@pytest.mark.parametrize("path", golden_logs.cases(), ids=lambda path: path.stem)
def test_a_record_that_is_gone_changes_only_the_requests_it_may_belong_to(path: Path) -> None:
    """Leaving out any one record raises nothing, and no request then states what no line says."""
    case = golden_logs.load(path)
    (file, data), *others = case.files.items()
    starts = [match.start() for match in re.finditer(rb"(?m)^(?:\[2|2\d\d\d-|\{\"timestamp)", data)]
    texts = {
        answer for answer in (request.response_text for request in golden_logs.read(case.files).requests) if answer
    }
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        left = golden_logs.read({file: data[:begin] + data[end:], **dict(others)})
        for request in left.requests:
            if request.response_text:
                assert any(request.response_text in text or text in request.response_text for text in texts)


# --- against the truth ------------------------------------------------------------------------------------------------


def judged(root: Path, scene: Scene) -> tuple[Counter[str], list[Any]]:
    """How many requests of a scene are right, marked as doubtful, or wrong without a mark."""
    play = Play(root, scene)
    found, gathered = simulated.read(root)
    counts: Counter[str] = Counter()
    wrong = []
    for request, truth in simulated.pairs(found, play.ledger):
        differences = simulated.differences(request, truth)
        missing = truth.timing_logged and request.generation_ms is None and not request.candidates
        if request.candidates:
            counts["marked"] += 1
        elif differences or missing:
            counts["wrong"] += 1
            wrong.append((truth.number, differences, request.evidence))
        else:
            counts["right"] += 1
    if scene.dialect != "mlx":
        assert gathered.unbound_tasks == scene.in_app
    return counts, wrong


@pytest.mark.parametrize("dialect", ["subprocess", "llamav4", "mlx"])
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_one_request_at_a_time_is_read_exactly(tmp_path: Path, dialect: Dialect, kind: type[Client]) -> None:
    counts, wrong = judged(tmp_path, Scene(dialect=dialect, clients=(kind,), turns=5))
    assert wrong == []
    assert counts["marked"] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", ["default", "full", "tokens"])
@pytest.mark.parametrize("lanes", [2, 3, 4])
@pytest.mark.parametrize("dialect", ["subprocess", "llamav4"])
def test_overlapping_requests_are_told_apart_by_their_engine(
    tmp_path: Path, dialect: Dialect, lanes: int, settings: str, seed: int
) -> None:
    scene = Scene(seed, lanes, dialect=dialect, clients=ALL, full=settings == "full", tokens=settings == "tokens")
    counts, wrong = judged(tmp_path, scene)
    assert wrong == []
    assert counts["marked"] <= 2  # two that start in the same moment with prompts of the same size


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [OpenCode, Script], ids=["streamed", "not streamed"])
@pytest.mark.parametrize("dialect", ["subprocess", "llamav4"])
def test_twins_are_told_apart_or_marked(tmp_path: Path, dialect: Dialect, kind: type[Client], seed: int) -> None:
    counts, wrong = judged(tmp_path, Scene(seed, 3, dialect=dialect, clients=(kind,)))
    assert wrong == []
    assert counts["right"] >= 12


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("dialect", ["subprocess", "llamav4"])
@pytest.mark.parametrize(
    "more",
    [Scene(cancel_every=5), Scene(fail_every=5), Scene(in_app=4), Scene(models=2), Scene(context=9000)],
    ids=["cancelled", "failed", "chats in the application", "two models", "context exceeded"],
)
def test_what_goes_wrong_meanwhile_does_not_mix_requests_up(
    tmp_path: Path, dialect: Dialect, more: Scene, seed: int
) -> None:
    counts, wrong = judged(tmp_path, replace(more, seed=seed, lanes=4, dialect=dialect, clients=ALL))
    assert wrong == []
    assert counts["marked"] <= 2


@pytest.mark.parametrize("seed", range(3))
def test_without_engine_ids_nothing_is_claimed_that_is_not_so(tmp_path: Path, seed: int) -> None:
    counts, wrong = judged(tmp_path, Scene(seed, 4, dialect="mlx", clients=ALL))
    assert wrong == []
    assert counts["right"] >= 12


# --- two logs mixed ---------------------------------------------------------------------------------------------------

STREAM = """\
[2026-06-02 09:00:0{0}][DEBUG] Received request: POST to /v1/chat/completions with body {{
  "model": "{1}",
  "messages": [
    {{
      "role": "user",
      "content": "{1} {0}"
    }}
  ],
  "stream": true
}}
[2026-06-02 09:00:0{0}][INFO][{1}] Running chat completion on conversation with 1 messages.
[2026-06-02 09:00:0{0}][INFO][{1}] Streaming response...
[2026-06-02 09:00:0{0}][DEBUG] {2}.0{0}.000.000 I slot launch_slot_: id  3 | task {0}0 | processing task, is_child = 0
{2}.0{0}.000.010 I slot   operator(): id  3 | task {0}0 | new prompt, n_ctx_slot = 9000, n_keep = 0, task.n_tokens = {3}
[2026-06-02 09:00:0{0}][INFO][{1}] Generated packet: {{
  "id": "chatcmpl-{1}{0}",
  "choices": [
    {{
      "delta": {{
        "content": "answer {1} {0}"
      }},
      "finish_reason": "stop"
    }}
  ]
}}
[2026-06-02 09:00:0{0}][DEBUG] {2}.0{0}.900.000 I slot print_timing: id 3 | task {0}0 | n_gen = 5
{2}.0{0}.900.005 I slot print_timing: id  3 | task {0}0 | prompt eval time = 100.00 ms / {3} tokens
{2}.0{0}.900.010 I slot print_timing: id  3 | task {0}0 |        eval time = {3}00.00 ms / {3} tokens
[2026-06-02 09:00:0{0}][INFO][{1}] Finished streaming response
"""


EACH = 7
"""Records of a request."""


def records(model: str, minutes: int, base: int) -> list[str]:
    """A log of three requests, one at a time, record by record."""
    text = "".join(STREAM.format(number, model, minutes, base + number) for number in (1, 3, 5))
    return re.findall(r"\[2026[^\x00]*?(?=\n\[2026|\Z)", text)


def told(request: Request) -> tuple[Any, ...]:
    return (
        request.model,
        request.status,
        request.response_text,
        request.chat_id,
        request.input_tokens,
        request.output_tokens,
        request.generation_ms,
    )


def log_of(several: list[str]) -> dict[str, bytes]:
    return {"a.log": "\n".join([*several, ""]).encode()}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.booleans(), min_size=28, max_size=28))
def test_two_logs_mixed_record_by_record_give_the_requests_of_each(choices: list[bool]) -> None:
    """The first request of each runs alone, so that one knows which engine is whose."""
    one, other = records("pot", 7, 20), records("urn", 55, 40)
    alone = [told(request) for log in (one, other) for request in golden_logs.read(log_of(log)).requests]
    mixed, queues = [*one[:EACH], *other[:EACH]], [one[EACH:], other[EACH:]]
    taken = [*choices, *([True] * 28), *([False] * 28)]
    mixed.extend(queues[choice].pop(0) for choice in taken if queues[choice])
    found = golden_logs.read(log_of(mixed)).requests
    assert sorted(map(repr, map(told, found))) == sorted(map(repr, alone))
    assert all(not request.candidates for request in found)


def test_an_error_fails_only_its_own_request() -> None:
    case = golden_logs.load(golden_logs.FOLDER / "error-kinds.yml")
    found = golden_logs.read(case.files).requests
    assert {request.status for request in found} == {Status.ERROR}
    assert [len(request.errors) >= 1 for request in found] == [True] * len(found)
