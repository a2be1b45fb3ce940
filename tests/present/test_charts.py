"""Chart specifications are valid, hold their rows, and cost no validation the second time."""

from __future__ import annotations

import json

import pytest

from lms_audit.present import charts


@pytest.mark.parametrize("kind", sorted(charts.KINDS))
def test_a_chart_of_every_kind_holds_its_rows_and_names_their_columns(kind: str) -> None:
    row = {column.name: None for column in charts.KINDS[kind].columns}
    drawn = charts.chart(kind, [row])
    assert drawn is not None
    assert drawn.spec["datasets"]["rows"] == [row]
    assert drawn.rows == (row,)
    assert "http" not in json.dumps({name: part for name, part in drawn.spec.items() if name != "$schema"})


def test_a_chart_without_rows_is_no_chart() -> None:
    assert charts.chart("tools", []) is None


def test_charts_of_one_kind_do_not_share_their_rows() -> None:
    one = charts.chart("tools", [{"tool": "read", "calls": 1, "failed": 0}])
    two = charts.chart("tools", [{"tool": "edit", "calls": 2, "failed": 0}])
    assert one is not None and two is not None
    assert one.spec["datasets"]["rows"][0]["tool"] == "read"
    assert two.spec["datasets"]["rows"][0]["tool"] == "edit"


def test_what_is_not_drawn_is_said() -> None:
    rows = [{"tool": str(number), "calls": 1, "failed": 0} for number in range(charts.MOST_ROWS + 7)]
    drawn = charts.chart("tools", rows)
    assert drawn is not None
    assert len(drawn.rows) == charts.MOST_ROWS
    assert f"The first {charts.MOST_ROWS} of {charts.MOST_ROWS + 7}" in drawn.note
