"""What is read from a synthetic log against the truth its writer kept: every request, whatever the settings."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.generate import PROFILES, generate
from lms_audit import pipeline
from lms_audit.config import Config
from lms_audit.share.export import Format
from synthetic.jsonlike import shorten
from synthetic.story import write
from synthetic.truth import Ledger, Truth

Rows = list[tuple[Truth, dict[str, Any]]]

SAME = (
    "endpoint",
    "api",
    "client",
    "kind",
    "project",
    "status",
    "stream",
    "message_count",
    "requested_model",
    "model",
    "input_tokens",
    "output_tokens",
    "truncated_by_log",
)


def read_back(ledger: Ledger, root: Path) -> Rows:
    """The truth and the export, request by request; those that run no model are left out."""
    pipeline.export(Config(logs=(root / "logs",), out=root / "export", workers=1), Format.JSONL)
    rows = [json.loads(line) for line in (root / "export" / "requests.jsonl").read_text().splitlines()]
    assert len(rows) == len(ledger.requests)
    assert [row["api"] == "other" for row in rows] == [truth.api == "other" for truth in ledger.requests]
    return [(truth, row) for truth, row in zip(ledger.requests, rows, strict=True) if truth.api != "other"]


@pytest.fixture(
    scope="module",
    params=[("article", 0.02), ("default", 0.05), ("tokens", 0.03), ("overlap", 0.08), ("long", 0.02), ("story", 1)],
    ids=lambda param: str(param[0]),
)
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    name, scale = request.param
    root = tmp_path_factory.mktemp(name)
    ledger = write(root / "logs") if name == "story" else generate(PROFILES[name], root / "logs", scale=scale)[1]
    return read_back(ledger, root)


def test_every_request_is_what_it_was(rows: Rows) -> None:
    for truth, row in rows:
        assert {name: row[name] for name in SAME} == {name: getattr(truth, name) for name in SAME}, truth.number


def test_engine_times_are_those_of_the_right_request(rows: Rows) -> None:
    for truth, row in rows:
        if truth.timing_logged:
            assert truth.prompt_ms is not None
            assert truth.generation_ms is not None
            assert row["prompt_ms"] == pytest.approx(truth.prompt_ms, abs=0.01)
            assert row["generation_ms"] == pytest.approx(truth.generation_ms, abs=0.01)
            assert row["cached_tokens"] == truth.cached_tokens
            assert row["provenance"]["prompt_ms"] == "engine"


def test_sessions_are_the_conversations_that_were_held(rows: Rows) -> None:
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for truth, row in rows:
        found[row["session_id"]].add(truth.session)
    assert all(len(labels) == 1 for labels in found.values()), "no session mixes two conversations"
    assert len(found) == len({truth.session for truth, _ in rows}), "no conversation falls apart"


def test_an_answer_is_found_wherever_the_log_has_it_and_never_made_up(rows: Rows) -> None:
    for truth, row in rows:
        if row["response_text"] is not None:
            assert row["response_text"] in {truth.answer.text, shorten(truth.answer.text)}
        if truth.answer_logged:
            assert row["response_source"] in {"packets", "prediction"}
            assert row["chat_id"] == truth.chat_id
        elif row["response_source"] is not None:
            assert row["response_source"] == "history"


def test_tool_calls_are_those_the_model_made(rows: Rows) -> None:
    for truth, row in rows:
        if row["response_source"] is not None:
            assert [call["name"] for call in row["tool_calls"]] == [call.name for call in truth.answer.calls]
            assert [call["id"] for call in row["tool_calls"]] == [call.id for call in truth.answer.calls]
        if row["response_source"] in {"packets", "prediction"}:
            assert [call["arguments"] for call in row["tool_calls"]] == [
                json.loads(call.arguments) for call in truth.answer.calls
            ]
