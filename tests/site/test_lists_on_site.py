"""The two lists on built sites, small and larger: what they select, count and print is what their data file says."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lms_audit.analyse.figures import percentile
from tests.site.sources import argument
from tests.site.watching import Watched, opened

pytestmark = pytest.mark.browser

READY = ".audit-list[data-ready=yes]"
ORDER = """() => { const list = document.querySelector(".audit-list").auditList;
  return list.places().map((row) => list.rows.ids[row]); }"""
FACETS = ("tools", "status", "client", "model", "kind", "project")

Row = dict[str, Any]


def unpacked(site: Path, name: str) -> list[Row]:
    """The rows of a list's data file as they are meant: names as names, times as times."""
    data = argument(site / "data" / f"{name}.js", "lmsAudit.rows")
    columns: dict[str, list[Any]] = {}
    for column in data["columns"]:
        values = column["values"] or [None] * data["count"]
        if column["shape"] == "time":
            known = accumulate(value for value in values if value is not None)
            values = [None if value is None else next(known) for value in values]
        elif column["shape"] == "name":
            values = [None if value is None else column["names"][value] for value in values]
        elif column["shape"] == "link":
            ids = columns["id"]
            values = [
                None if value is None else column["names"][value].replace("*", name)
                for value, name in zip(values, ids, strict=True)
            ]
        elif column["shape"] == "names" and column["values"]:
            values = [
                None if value is None else [column["names"][at] for at in column["sets"][value][::2]]
                for value in values
            ]
        columns[column["name"]] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def keys(row: Row, facet: str) -> list[str]:
    """The values of a facet a row falls under, as the address has them."""
    value = row[facet]
    if value is None:
        return ["!unknown"]
    return [value] if isinstance(value, str) else value or ["!none"]


@pytest.fixture
def asked(either: Path) -> list[Row]:
    """Requests the list shows at first."""
    return [row for row in unpacked(either, "requests") if row["api"] != "other"]


@pytest.fixture
def requests(browser: Browser, either: Path) -> Iterator[Watched]:
    with opened(browser, either / "requests" / "index.html", viewport={"width": 1440, "height": 900}) as watched:
        watched.page.wait_for_selector(READY)
        yield watched
        assert watched.troubles == []


def look(page: Page, hash_: str) -> list[str]:
    """Go to a view by its address; the ids in order."""
    page.evaluate("hash => { location.hash = hash; }", hash_)
    page.wait_for_function("hash => document.querySelector('.audit-list').auditList.written === hash", arg=hash_)
    found: list[str] = page.evaluate(ORDER)
    return found


def counts(page: Page, facet: str) -> dict[str, int]:
    found: list[list[str]] = page.eval_on_selector_all(
        f"[data-facet='{facet}'] .al-value",
        """nodes => nodes.map((node) => [node.querySelector("input").value,
        node.querySelector(".al-value__n").textContent])""",
    )
    return {name: int(n.replace(",", "")) for name, n in found if n != "0"}


def test_every_facet_filters_and_the_others_count_what_is_left(requests: Watched, asked: list[Row]) -> None:
    page = requests.page
    assert sorted(page.evaluate(ORDER)) == sorted(row["id"] for row in asked)
    for facet in FACETS:
        all_of_it = Counter(key for row in asked for key in keys(row, facet))
        assert counts(page, facet) == all_of_it
    for facet in FACETS:
        value = Counter(key for row in asked for key in keys(row, facet)).most_common()[-1][0]
        box = page.locator(f"[data-facet='{facet}'] input").and_(page.locator(f"[value='{value}']"))
        box.check()
        through = [row for row in asked if value in keys(row, facet)]
        assert sorted(page.evaluate(ORDER)) == sorted(row["id"] for row in through)
        expect(page.locator(".al-count")).to_contain_text(f"{len(through):,} ")
        for other in FACETS:
            held = asked if other == facet else through
            assert counts(page, other) == Counter(key for row in held for key in keys(row, other))
        box.uncheck()


def test_dates_with_and_without_a_time_of_day_select_and_figures_follow(requests: Watched, asked: list[Row]) -> None:
    page = requests.page
    timed = sorted(row["received_at"] for row in asked if row["received_at"] is not None)
    minute = 60_000
    first, last = timed[len(timed) // 4] // minute * minute, timed[len(timed) // 2] // minute * minute
    names = page.evaluate("([a, b]) => [a, b].map((at) => new Date(at).toISOString().slice(0, 16))", [first, last])
    found = look(page, f"sort=received_at&from={names[0]}&to={names[1]}")
    wanted = [row for row in asked if row["received_at"] is not None and first <= row["received_at"] < last + minute]
    assert found == [row["id"] for row in sorted(wanted, key=lambda row: row["received_at"])]
    for column in ("elapsed_ms", "prompt_ms", "generation_ms", "input_tokens", "output_tokens", "tokens_per_second"):
        values = sorted(row[column] for row in wanted if row[column] is not None)
        cell = page.locator(f".tabulator-footer .tabulator-cell[tabulator-field='{column}']")
        stats = dict(
            cell.locator("[data-stat][data-value]").evaluate_all(
                "nodes => nodes.map((node) => [node.dataset.stat, Number(node.dataset.value)])"
            )
        )
        assert stats["n"] == len(values)
        assert stats["median"] == pytest.approx(percentile(values, 0.5))
        assert stats["p95"] == pytest.approx(percentile(values, 0.95))
        assert stats["p99"] == pytest.approx(percentile(values, 0.99))
    day = names[0][:10]
    assert len(look(page, f"from={day}&to={day}")) == page.evaluate(
        "day => document.querySelector('.audit-list').auditList.rows.counts("
        "document.querySelector('.audit-list').auditList.rows.time).get(Date.parse(day) / 86400000)",
        day,
    )


def test_csv_and_paper_hold_the_selection_in_its_order(requests: Watched, asked: list[Row]) -> None:
    page = requests.page
    client = Counter(row["client"] for row in asked if row["client"]).most_common()[-1][0]
    found = look(page, f"sort=-prompt_ms&client={client}")
    chosen = {row["id"]: row for row in asked if row["client"] == client}
    assert sorted(found) == sorted(chosen)
    times = [chosen[name]["prompt_ms"] for name in found if chosen[name]["prompt_ms"] is not None]
    assert times == sorted(times, reverse=True)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    lines = list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8-sig"))))
    assert [line["id"] for line in lines] == found
    assert {line["client"] for line in lines} == {client}
    page.pdf()
    assert page.locator(".audit-plain tbody tr").count() == len(found)
    expect(page.locator(".audit-plain-note")).to_contain_text(f"{len(found):,} of {len(asked):,} requests")


def test_the_keyboard_walks_from_end_to_end_and_opens_the_request(requests: Watched, asked: list[Row]) -> None:
    page = requests.page
    grid = page.locator(".audit-list .tabulator")
    grid.focus()
    order = page.evaluate(ORDER)
    for key, place in (("End", -1), ("k", -2), ("PageUp", None), ("Home", 0), ("j", 1)):
        page.keyboard.press(key)
        active = page.locator(".al-row.is-active")
        expect(active).to_have_count(1)
        expect(active).to_be_in_viewport()
        if place is not None:
            expect(active.locator("[data-field=id]")).to_have_text(order[place][:12])
    link = next(row["link"] for row in asked if row["id"] == order[1])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{link}")


def test_a_definition_and_what_it_covers_are_at_hand_for_each_figure(requests: Watched) -> None:
    page = requests.page
    for column in ("elapsed_ms", "prompt_ms", "generation_ms", "tokens_per_second", "input_tokens", "cached_share"):
        head = page.locator(f".tabulator-header .tabulator-col[tabulator-field='{column}']")
        head.focus()
        expect(page.locator(".pop b")).to_be_visible()
        head.blur()
        expect(page.locator(".pop")).to_have_count(0)
        page.locator(f".tabulator-footer .tabulator-cell[tabulator-field='{column}'] [data-stat=n]").hover()
        expect(page.locator(".pop .covers")).to_contain_text("n = ")
        page.mouse.move(0, 0)


def test_without_scripts_every_session_and_the_first_requests_are_listed(browser: Browser, either: Path) -> None:
    for name, most in (("requests", 200), ("sessions", None)):
        rows = [row for row in unpacked(either, name) if name == "sessions" or row["api"] != "other"]
        with opened(browser, either / name / "index.html", java_script_enabled=False) as watched:
            expect(watched.page.locator(".audit-plain tbody tr")).to_have_count(min(most or len(rows), len(rows)))
            assert watched.page.locator(".audit-plain tbody a").count() > 5
