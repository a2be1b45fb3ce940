"""Every golden log gives the facts it states, and every byte of it is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import golden_logs


@pytest.mark.parametrize("path", golden_logs.cases(), ids=lambda path: path.stem)
def test_a_golden_log_gives_its_facts(path: Path) -> None:
    case = golden_logs.load(path)
    result = golden_logs.read(case.files)
    summary = [(request.method, request.endpoint, str(request.status)) for request in result.requests]
    assert len(result.requests) == len(case.requests), summary
    for expected, request in zip(case.requests, result.requests, strict=True):
        assert golden_logs.differences(expected, request, result.requests) == {}
    health = {"unknown": 0, "damaged": 0, "problems": []} | case.health
    found = golden_logs.health_of(result)
    assert {name: found[name] for name in health} == health
    assert {name: getattr(result.settings, name) for name in case.settings} == case.settings
    assert result.gathered.unbound_tasks == case.unbound
    if case.loads is not None:
        assert [load.model if load.loaded else f"-{load.model}" for load in result.gathered.loads] == case.loads
    for file in result.joined.files:
        assert sum(tally.bytes for tally in file.classes.values()) == file.size == len(case.files[file.file])


@pytest.mark.parametrize("path", golden_logs.cases(), ids=lambda path: path.stem)
def test_evidence_points_at_lines_that_exist(path: Path) -> None:
    case = golden_logs.load(path)
    lines = {name: data.count(b"\n") + (not data.endswith(b"\n")) for name, data in case.files.items()}
    for request in golden_logs.read(case.files).requests:
        assert request.source, "a request without a line it was read from"
        for where in (*request.source, *(event.where for event in request.timeline)):
            assert 1 <= where.first_line <= where.last_line <= lines[where.file]
