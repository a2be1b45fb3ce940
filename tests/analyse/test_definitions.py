from __future__ import annotations

import pytest
from msgspec import ValidationError

from lms_audit.analyse.definitions import DEFINITIONS, load_definitions
from lms_audit.analyse.report import Unit
from tests.analyse.worlds import every_figure
from tests.analyse.worlds_rich import rich


def test_every_figure_of_a_rich_report_is_defined_and_in_its_unit() -> None:
    figures = every_figure(rich().report())
    assert len(figures) > 500
    for figure in figures:
        assert figure.unit is DEFINITIONS[figure.metric].unit


def test_every_definition_says_what_is_meant_and_how_exact_it_is() -> None:
    for definition in DEFINITIONS.values():
        assert definition.title
        assert definition.text.endswith(".")
        assert definition.precision.endswith((".", "%."))
        assert definition.sources
        assert definition.formula or definition.unit is Unit.TEXT


def test_no_definition_is_left_over() -> None:
    used = {figure.metric for figure in every_figure(rich().report())}
    # shown beside each cache break, where it is a plain field
    assert set(DEFINITIONS) - used == {"shared_share"}


def test_a_wrong_definition_is_refused() -> None:
    with pytest.raises(ValidationError):
        load_definitions("Group:\n  a: {title: A, unit: parsec, text: x, sources: [], precision: y}")
