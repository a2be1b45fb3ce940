"""Every case in ``tests/golden/clients``: a body in, what is recognised out; whole, and as a default log cuts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lms_audit.correlate.clients import Clients, Recognizer
from tests.correlate.bodies import Shelf, chat_tools, cut, filled

CASES = sorted((Path(__file__).parent.parent / "golden" / "clients").glob("*.yml"))
CLIENTS = Clients.load()


@pytest.mark.parametrize("form", ["whole", "cut"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_body_is_recognised(path: Path, form: str) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    body = filled(case["body"])
    if "tools" in body:
        body["tools"] = chat_tools(body["tools"])
    expected: dict[str, Any] = dict(case["expect"])
    if form == "cut":
        body = cut(body)
        expected |= case.get("cut", {})
        # what stood in the middle of a string is gone; the best evidence is told from the whole body
        expected.pop("evidence", None)
    shelf = Shelf()
    prompt = shelf.prompt(body)
    found = Recognizer(CLIENTS, shelf, shelf.tree).recognise(prompt)
    identity = found.identity
    assert identity.client == expected["client"], identity
    if expected["client"] == "unknown":
        assert identity.confidence == 0.0
    else:
        least = expected.get("at_least", 0.5) if form == "whole" else 0.5
        assert least <= identity.confidence < 1, identity
    if "kind" in expected:
        assert identity.kind.value == expected["kind"], identity
        assert (identity.kind_reason is None) == (expected["kind"] == "main")
    if "reason" in expected:
        assert expected["reason"] in (identity.kind_reason or ""), identity
    if "project" in expected:
        assert (found.project.path if found.project else None) == expected["project"], found.project
    if "session" in expected:
        assert identity.session_hint == expected["session"], identity
    if "candidates" in expected:
        assert list(identity.candidates) == expected["candidates"], identity
    assert identity.engine_client == expected.get("engine"), identity
    for words in expected.get("evidence", ()):
        assert any(words in line for line in identity.evidence), identity
    assert identity.evidence
    assert all("\n" not in line and len(line) < 300 for line in identity.evidence)


def test_every_client_has_a_case() -> None:
    seen = {yaml.safe_load(path.read_text(encoding="utf-8"))["expect"]["client"] for path in CASES}
    # nothing in a body is theirs alone: their cases say that they stay unknown
    assert set(CLIENTS.rules.clients) - seen == {"langchain", "tabby"}
    assert "unknown" in seen
