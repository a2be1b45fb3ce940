"""The exports: names, nulls and values, the same in every format, and as their schemas say."""

from __future__ import annotations

import csv
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import polars as pl
import pytest
from msgspec.structs import replace

from lms_audit.errors import AuditError
from lms_audit.model import (
    Api,
    Audit,
    Class,
    FileHealth,
    Kind,
    LineRange,
    Problem,
    Request,
    ResponseSource,
    Session,
    Source,
    Status,
    Tally,
    ToolCall,
)
from lms_audit.share import schemas
from lms_audit.share.export import Format, export
from lms_audit.share.rows import iso

AT = 1_793_700_000_000
"""2026-11-03 10:00:00."""

CONTRACT = {
    "requests": [
        *("id", "session_id", "received_at", "finished_at", "method", "endpoint", "api", "stream", "message_count"),
        *("requested_model", "model", "client", "client_confidence", "project", "kind", "status", "finish_reason"),
        *("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "prompt_ms", "generation_ms"),
        *("ttft_ms", "elapsed_ms", "tokens_per_second", "provenance", "tool_calls", "response_text"),
        *("response_source", "chat_id", "errors", "truncated_by_log", "redacted", "source"),
    ],
    "sessions": [
        *("id", "parent_session_id", "title", "project", "client", "model", "started_at", "ended_at", "request_ids"),
    ],
}

BARE = Request(
    id="r2",
    session_id=None,
    received_at=None,
    finished_at=None,
    method=None,
    endpoint=None,
    api=Api.OTHER,
    stream=None,
    message_count=None,
    requested_model=None,
    model=None,
    kind=Kind.OTHER,
    status=Status.INCOMPLETE,
)
FULL = Request(
    id="r1",
    session_id="s1",
    received_at=AT,
    finished_at=AT + 2500,
    method="POST",
    endpoint="/v1/chat/completions",
    api=Api.CHAT,
    stream=True,
    message_count=3,
    requested_model="wanted",
    model="given",
    client="opencode",
    client_confidence=0.9,
    project="/home/dev/boat",
    status=Status.COMPLETED,
    finish_reason="stop",
    input_tokens=120,
    output_tokens=40,
    prompt_ms=300.5,
    generation_ms=2000.0,
    elapsed_ms=2500.0,
    tokens_per_second=20.0,
    provenance={"output_tokens": Source.ENGINE, "input_tokens": Source.USAGE},
    tool_calls=(
        ToolCall(id="c1", name="read", arguments={"path": "a.py", "depth": Decimal("1.5")}, result="ok"),
        ToolCall(id=None, name="write", arguments='{"path": ', malformed=True),
    ),
    response_text='=1+1,"quoted"\nnext line',
    response_source=ResponseSource.PACKETS,
    errors=("one", "two"),
    source=(LineRange("2026-11/2026-11-03.1.log", 4, 19),),
)
AUDIT = Audit(
    requests=(FULL, BARE, replace(FULL, id="r3", input_tokens=None, generation_ms=None, tool_calls=())),
    sessions=(
        Session(
            id="s1",
            title="Mend the boat",
            started_at=AT,
            ended_at=AT + 9000,
            request_ids=("r1", "r3"),
            client="opencode",
        ),
    ),
    conversations={},
    files=(
        FileHealth(
            file="2026-11/2026-11-03.1.log",
            size=300,
            lines=20,
            first_at=AT,
            last_at=AT,
            classes={Class.UNDERSTOOD: Tally(3, 290), Class.DAMAGED: Tally(1, 10)},
            kinds={"request": Tally(3, 290)},
            problems=(Problem("cut body", "ends early", LineRange("2026-11/2026-11-03.1.log", 4, 19)),),
        ),
        FileHealth(file="x.log", size=0, lines=0, first_at=None, last_at=None, classes={}, kinds={}, refused="gone"),
    ),
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_jsonl_has_the_names_of_the_contract_in_their_order(tmp_path: Path) -> None:
    written = export(AUDIT, tmp_path / "out")
    assert {path.name for path in written} == {"requests.jsonl", "sessions.jsonl", "tool_calls.jsonl", "health.json"}
    for row in lines(tmp_path / "out/requests.jsonl"):
        assert list(row) == CONTRACT["requests"]
    for row in lines(tmp_path / "out/sessions.jsonl"):
        assert list(row)[: len(CONTRACT["sessions"])] == CONTRACT["sessions"]


def test_values_are_those_of_the_audit_and_unknown_is_null(tmp_path: Path) -> None:
    export(AUDIT, tmp_path)
    full, bare, _ = lines(tmp_path / "requests.jsonl")
    assert (full["received_at"], full["finished_at"]) == ("2026-11-03T10:00:00", "2026-11-03T10:00:02")
    assert full["provenance"] == {"input_tokens": "usage", "output_tokens": "engine"}
    assert full["tool_calls"] == [
        {"id": "c1", "name": "read", "arguments": {"path": "a.py", "depth": 1.5}},
        {"id": None, "name": "write", "arguments": '{"path": '},
    ]
    assert full["source"] == [{"file": "2026-11/2026-11-03.1.log", "first_line": 4, "last_line": 19}]
    assert full["response_text"] == FULL.response_text
    given = {name for name, value in bare.items() if value is not None}
    assert given == {
        "id", "api", "client", "client_confidence", "kind", "status", "provenance", "tool_calls", "errors",
        "truncated_by_log", "redacted", "source",
    }  # fmt: skip


@pytest.mark.parametrize("kind", Format)
def test_a_call_cut_before_its_name_has_none(tmp_path: Path, kind: Format) -> None:
    cut = replace(FULL, tool_calls=(ToolCall(id="c9", name="", arguments='{"pa'),))
    export(replace(AUDIT, requests=(cut,), sessions=()), tmp_path, kind)
    if kind is Format.JSONL:
        (request,), (call,) = lines(tmp_path / "requests.jsonl"), lines(tmp_path / "tool_calls.jsonl")
        assert request["tool_calls"] == [{"id": "c9", "name": None, "arguments": '{"pa'}]
        assert call["name"] is None


def test_times_have_milliseconds_only_where_the_log_has_them() -> None:
    assert iso(AT + 7) == "2026-11-03T10:00:00"
    assert iso(AT + 7, precise=True) == "2026-11-03T10:00:00.007"
    assert iso(None) is None


def test_session_totals_say_how_many_requests_they_cover(tmp_path: Path) -> None:
    export(AUDIT, tmp_path)
    (session,) = lines(tmp_path / "sessions.jsonl")
    assert (session["requests"], session["tool_calls"], session["elapsed_ms"]) == (2, 2, 9000)
    assert (session["input_tokens"], session["output_tokens"]) == (120, 80)
    assert session["reasoning_tokens"] is None
    assert session["tokens_per_second"] == pytest.approx(20)
    assert session["counted"] == {
        "input_tokens": 1,
        "output_tokens": 2,
        "reasoning_tokens": 0,
        "cached_tokens": 0,
        "prompt_ms": 2,
        "generation_ms": 1,
        "tokens_per_second": 1,
    }


def test_health_accounts_for_files_read_and_refused(tmp_path: Path) -> None:
    export(AUDIT, tmp_path)
    health = json.loads((tmp_path / "health.json").read_text())
    assert health["classes"] == {"damaged": {"records": 1, "bytes": 10}, "understood": {"records": 3, "bytes": 290}}
    assert [file["refused"] for file in health["files"]] == [None, "gone"]
    assert health["files"][0]["problems"][0]["first_line"] == 4


def test_schemas_of_the_package_agree_with_the_types_and_with_the_exports(tmp_path: Path) -> None:
    export(AUDIT, tmp_path)
    for name in schemas.TYPES:
        on_disk = (schemas.FOLDER / f"{name}.schema.json").read_bytes()
        assert on_disk == schemas.schema(name), "run python -m lms_audit.share.schemas"
        validator = jsonschema.Draft202012Validator(json.loads(on_disk))
        if name == "health":
            validator.validate(json.loads((tmp_path / "health.json").read_text()))
            continue
        rows = lines(tmp_path / f"{name}.jsonl")
        assert rows
        for row in rows:
            validator.validate(row)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**rows[0], "made_up": 1})


def test_csv_parquet_and_sqlite_have_the_same_columns_and_values(tmp_path: Path) -> None:
    for kind in Format:
        export(AUDIT, tmp_path, kind)
    for name in ("requests", "sessions", "tool_calls"):
        rows = lines(tmp_path / f"{name}.jsonl")
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        frame = pl.read_parquet(tmp_path / f"{name}.parquet")
        with sqlite3.connect(tmp_path / "audit.sqlite") as connection:
            connection.row_factory = sqlite3.Row
            cells = [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
        connection.close()
        assert list(rows[0]) == list(table[0]) == frame.columns == list(cells[0])
        assert len(rows) == len(table) == frame.height == len(cells)
        for row, text, columns, cell in zip(rows, table, frame.to_dicts(), cells, strict=True):
            for member, value in row.items():
                if value is None and member != "arguments":
                    assert text[member] == ""
                    assert columns[member] is None
                    assert cell[member] is None
                elif isinstance(value, dict | list) or member == "arguments":
                    assert json.loads(text[member]) == json.loads(cell[member]) == value
                elif isinstance(value, bool):
                    assert text[member] == str(value).lower()
                    assert (columns[member], bool(cell[member])) == (value, value)
                elif member.endswith("_at"):
                    assert text[member] == cell[member] == columns[member].isoformat() == value
                else:
                    assert str(text[member]) == str(cell[member])
                    assert columns[member] == cell[member] == value
    calls = pl.read_parquet(tmp_path / "requests.parquet")["tool_calls"].to_list()[0]
    assert json.loads(calls[0]["arguments"]) == {"path": "a.py", "depth": 1.5}


def test_an_audit_without_requests_exports_empty_tables(tmp_path: Path) -> None:
    empty = Audit(requests=(), sessions=(), conversations={}, files=())
    for kind in Format:
        export(empty, tmp_path, kind)
    assert (tmp_path / "requests.jsonl").read_bytes() == b""
    assert pl.read_parquet(tmp_path / "requests.parquet").columns == CONTRACT["requests"]
    assert (tmp_path / "requests.csv").read_text().strip().split(",") == CONTRACT["requests"]


@pytest.mark.parametrize("kind", list(Format))
def test_half_a_surrogate_pair_and_huge_numbers_do_not_stop_an_export(tmp_path: Path, kind: Format) -> None:
    call = ToolCall(id=None, name="\ud83d", arguments={"\udc00": "\ud83d", "n": 10**30})
    odd = replace(FULL, response_text="cut \ud83d", tool_calls=(call,), errors=("\ud83d",))
    files = export(replace(AUDIT, requests=(odd, BARE), sessions=()), tmp_path, kind)
    assert all(path.stat().st_size for path in files if "sessions" not in path.name)
    if kind is Format.JSONL:
        assert lines(tmp_path / "requests.jsonl")[0]["response_text"] == "cut ?"


@pytest.mark.parametrize("kind", list(Format))
def test_two_exports_of_one_audit_are_the_same_bytes(tmp_path: Path, kind: Format) -> None:
    one = {path.name: path.read_bytes() for path in export(AUDIT, tmp_path / "one", kind)}
    two = {path.name: path.read_bytes() for path in export(AUDIT, tmp_path / "two", kind)}
    assert one == two


def test_an_export_does_not_write_over_somebody_elses_file(tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text("precious")
    with pytest.raises(AuditError) as caught:
        export(AUDIT, tmp_path)
    assert caught.value.exit_code == 2
    assert (tmp_path / "requests.jsonl").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["requests.jsonl"]
