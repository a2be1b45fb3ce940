"""Charts are specified once for the whole site, and hold their rows beside the same rows as a table."""

from __future__ import annotations

import json

import pytest

from lms_audit.present import charts, plots


@pytest.fixture(scope="module")
def specs() -> dict[str, dict[str, object]]:
    return charts.specs()


@pytest.mark.parametrize("kind", sorted(charts.DRAWINGS))
def test_a_specification_is_valid_and_points_nowhere(kind: str, specs: dict[str, dict[str, object]]) -> None:
    charts.DRAWINGS[kind]().to_dict()  # raises where Vega-Lite's schema does not allow it
    text = json.dumps(specs[kind])
    assert "http" not in text
    assert '"name": "rows"' in text


@pytest.mark.parametrize("kind", sorted(charts.DRAWINGS))
def test_every_field_has_an_explicit_type(kind: str, specs: dict[str, dict[str, object]]) -> None:
    def channels(value: object, name: str = "") -> list[dict[str, object]]:
        if isinstance(value, list):
            return [found for inner in value for found in channels(inner, name)]
        if not isinstance(value, dict):
            return []
        mine = [value] if "field" in value and name not in ("x2", "y2") else []  # those take their partner's type
        return mine + [found for name, inner in value.items() for found in channels(inner, name)]

    found = channels(specs[kind])
    assert found
    assert all("type" in channel for channel in found)


def test_specifications_are_the_same_every_time(specs: dict[str, dict[str, object]]) -> None:
    assert json.dumps(charts.specs()) == json.dumps(specs)


def test_a_chart_names_its_columns_once_and_shows_its_rows_as_a_table() -> None:
    rows = [
        {"tool": "read", "outcome": "ok", "n": 12, "rank": 0},
        {"tool": "edit", "outcome": "failed", "n": 1, "rank": 1},
    ]
    made = plots.chart("tools", rows)
    assert made.data == {
        "cols": ["tool", "outcome", "n", "rank"],
        "rows": [["read", "ok", 12, 0], ["edit", "failed", 1, 1]],
    }
    assert made.head == ("Tool", "Outcome", "Calls")
    assert made.table == (("read", "ok", "12"), ("edit", "failed", "1"))


def test_a_chart_whose_rows_stand_elsewhere_says_where() -> None:
    made = plots.chart("session_times", [{"n": 1, "prompt": 2.0, "answer": None}], rows_are="the requests table below")
    assert made.table == ()
    assert made.rows_are == "the requests table below"


def test_an_unknown_value_is_no_zero() -> None:
    made = plots.chart("times_over_time", [{"at": 0, "label": "a", "prompt": None, "answer": 2.5}])
    assert made.data["rows"][0][2] is None
    assert made.table == (("a", "–", "2.5"),)


def test_a_wide_chart_has_a_column_for_each_kind_and_colours_for_all() -> None:
    made = plots.wide_chart(
        "session_context", "n", [{"n": 1, "system": 4.0}, {"n": 2, "system": 4.0, "tool: x": 9.5}], "kind", "kb"
    )
    assert made.data == {
        "cols": ["n", "system", "tool: x"],
        "rows": [[1, 4.0, 0], [2, 4.0, 9.5]],
        "long": ["kind", "kb"],
    }
    assert made.head == ("Request", "system", "tool: x")
    assert made.colours["system"] == plots.KINDS["system"]
    assert made.colours["tool: x"] in plots.TOOL_COLOURS


def test_every_kind_of_chart_is_drawn_and_described() -> None:
    assert list(charts.DRAWINGS) == list(plots.PLANS)
