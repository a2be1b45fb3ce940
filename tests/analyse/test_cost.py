from __future__ import annotations

from typing import Any

import pytest

from lms_audit.analyse.cost import Price, bill, cost_by, cost_by_price, costs, known_prices, load_prices
from lms_audit.errors import AuditError
from lms_audit.model import Status
from tests.analyse.worlds import Log

PRICE = Price(name="Model X", as_of="2026-01", cached_input=0.1, input=1.0, output=5.0)


def value(cells: tuple[Any, ...]) -> list[Any]:
    return [cell.value if cell.value is None else pytest.approx(cell.value) for cell in cells]


def test_cost_by_hand() -> None:
    log = Log()
    log.ask(None, input_tokens=1_000_000, cached_tokens=600_000, output_tokens=200_000)
    # 0.6 M × 0.1 + 0.4 M × 1 + 0.2 M × 5
    assert value(costs(bill(log.requests), PRICE)) == [0.06, 0.4, 1.0, 1.46, 1.46]


def test_an_unknown_cached_share_makes_a_range() -> None:
    log = Log()
    log.ask(None, input_tokens=1_000_000, cached_tokens=600_000, output_tokens=200_000)
    log.ask(None, input_tokens=1_000_000, output_tokens=100_000)
    cached, fresh, output, low, high = costs(bill(log.requests), PRICE)
    assert value((cached, fresh, output)) == [0.06, 0.4, 1.5]
    assert (cached.n, cached.excluded) == (1, {"not logged": 1})
    assert low.value == pytest.approx(1.46 + 0.1 + 0.5)
    assert high.value == pytest.approx(1.46 + 1.0 + 0.5)
    assert low.n == high.n == 2


def test_requests_without_counts_are_left_out_of_the_totals() -> None:
    log = Log()
    log.ask(None, input_tokens=1000)
    log.ask(None, output_tokens=1000, status=Status.CANCELLED)
    log.list_models()
    low = costs(bill(log.requests), PRICE)[3]
    assert low.value is None
    assert low.excluded == {"cancelled": 1, "not logged": 1}


def test_tables_name_the_price_and_say_that_it_is_no_bill() -> None:
    log = Log()
    log.ask(None, input_tokens=10, output_tokens=10, project="/small")
    log.ask(None, input_tokens=10, output_tokens=900, project="/large")
    log.ask(None, input_tokens=10, output_tokens=5000)
    table = cost_by_price(log.requests, [PRICE])
    assert table.rows[0].label == "Model X (2026-01)"
    assert table.note.startswith("An equivalent, not a bill")
    projects = cost_by(log.requests, "project", PRICE)
    assert [(row.label, row.link) for row in projects.rows] == [
        ("/large", "project:/large"),
        ("/small", "project:/small"),
        ("not in the prompt", None),
    ]


def test_the_prices_of_the_package_have_a_date_and_a_source() -> None:
    prices = known_prices()
    assert len(prices) >= 3
    for price in prices:
        assert price.as_of.startswith("20")
        assert price.source.startswith("https://")
        assert 0 < price.cached_input < price.input < price.output


def test_own_prices_are_read_and_wrong_ones_refused_in_one_line() -> None:
    (price,) = load_prices("- {name: Mine, as_of: 2026-11-01, cached_input: 0, input: 1, output: 2}", "prices.yml")
    assert (price.name, price.as_of, price.input) == ("Mine", "2026-11-01", 1.0)
    for wrong in ("- {name: Mine}", "- [", "hello", "- {name: M, as_of: x, cached_input: a, input: 1, output: 2}"):
        with pytest.raises(AuditError, match=r"prices\.yml: not a list of prices") as caught:
            load_prices(wrong, "prices.yml")
        assert "\n" not in str(caught.value)


def test_without_prices_there_is_no_cost_table() -> None:
    log = Log()
    log.ask(None, input_tokens=10)
    from lms_audit.analyse import analyse

    report = analyse(log.audit(), log.library, log.library.tree, prices=())
    assert [name for name in report.tables if name.startswith("cost_")] == []
