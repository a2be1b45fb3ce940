from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synthetic.story import write
from synthetic.truth import Ledger

SAMPLE = Path(__file__).resolve().parents[2] / "logs_sample"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ledger]:
    folder = tmp_path_factory.mktemp("story")
    return folder, write(folder)


def logs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.log"))}


def test_logs_sample_is_what_the_script_writes(told: tuple[Path, Ledger]) -> None:
    assert logs(SAMPLE) == logs(told[0]), "run python -m synthetic.story"


def test_the_sample_is_small(told: tuple[Path, Ledger]) -> None:
    assert 1_000_000 < sum(map(len, logs(told[0]).values())) < 3_000_000


def test_it_spans_three_days_two_projects_three_clients_and_an_unknown_one(told: tuple[Path, Ledger]) -> None:
    requests = list(told[1].generating())
    days = {datetime.fromtimestamp(request.received_ms / 1000, UTC).date() for request in requests}
    assert len(days) == 3
    assert {request.client for request in requests} == {"opencode", "claude-code", "codex", "unknown"}
    assert len({request.project for request in requests} - {None}) == 2
    assert {request.endpoint for request in requests} == {"/v1/chat/completions", "/v1/messages", "/v1/responses"}
    assert len([name for name, session in told[1].sessions().items() if session[0].kind == "main"]) >= 8


def test_it_has_every_kind_of_end_and_side_request(told: tuple[Path, Ledger]) -> None:
    requests = list(told[1].generating())
    assert Counter(request.status for request in requests) == {"completed": 82, "cancelled": 1, "error": 1}
    assert {request.kind for request in requests} == {"main", "title", "subagent"}
    assert {request.stream for request in requests} == {True, False}


def test_a_sub_agent_begins_with_the_prompt_of_the_call_that_started_it(told: tuple[Path, Ledger]) -> None:
    _, ledger = told
    prompts = [
        call.arguments
        for request in ledger.generating()
        for call in request.answer.calls
        if call.name in {"task", "Agent"}
    ]
    assert len(prompts) == 2
    children = {request.session for request in ledger.generating() if request.kind == "subagent"}
    assert children == {"holds never expire/explore", "start-up settings/explore"}


def test_one_prompt_is_read_again_in_full_after_midnight_and_takes_97_seconds(told: tuple[Path, Ledger]) -> None:
    slow = max(told[1].generating(), key=lambda request: request.prompt_ms or 0)
    assert slow.cached_tokens == 0
    assert slow.received_ms % 86_400_000 < 60_000
    assert slow.finished_ms is not None
    assert round((slow.finished_ms - slow.received_ms) / 1000) == 97
    bodies = logs(told[0])
    assert b"Today's date: Tue Nov 10 2026" in bodies["2026-11/2026-11-10.1.log"]
    assert b"Today's date: Wed Nov 11 2026" in bodies["2026-11/2026-11-11.1.log"]


def test_a_file_ends_in_the_middle_of_an_answer(told: tuple[Path, Ledger]) -> None:
    text = logs(told[0])
    one, two = text["2026-11/2026-11-12.1.log"], text["2026-11/2026-11-12.2.log"]
    last = re.findall(rb'"id": "(chatcmpl-\w+)"', one)[-1]
    assert two.count(b'"id": "' + last + b'"') > 10
    assert b"Finished streaming" not in one[one.rindex(last) :]


def test_default_settings_leave_no_answer_in_the_log(told: tuple[Path, Ledger]) -> None:
    tuesday = logs(told[0])["2026-11/2026-11-10.1.log"]
    assert b"Generated" not in tuesday
    assert b"... <Truncated in logs> ..." in tuesday
    for request in told[1].generating():
        if request.stream and request.status == "completed" and not request.answer_logged:
            assert not request.usage_logged
