"""One period of the run in all charts of the overview: by mouse, by keyboard, in the address, on to its requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.site.watching import Watched, opened

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1440, "height": 900}
DAY = 86_400_000

# what a drawn chart shows: the rows it was last given
ROWS = "(figure) => figure.drawing.data('rows').map((row) => ({ ...row }))"


@pytest.fixture
def overview(browser: Browser, either: Path) -> Iterator[Watched]:
    with opened(browser, either / "index.html", viewport=DESKTOP, reduced_motion="reduce") as watched:
        watched.charts()
        yield watched
        assert watched.troubles == []


def chart(page: Page, kind: str) -> Locator:
    return page.locator(f"figure.chart[data-kind={kind}]")


def rows(page: Page, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart(page, kind).evaluate(ROWS)
    return found


def drag(page: Page, kind: str, begin: float, end: float) -> None:
    """From one share of the drawn time to another."""
    view = chart(page, kind).locator(".chart-view")
    view.scroll_into_view_if_needed()
    boxes = [box for path in view.locator("svg path.background").all() if (box := path.bounding_box()) is not None]
    box = max(boxes, key=lambda each: each["width"] * each["height"])  # the others are legends
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * begin, y)
    page.mouse.down()
    for step in range(1, 5):
        page.mouse.move(box["x"] + box["width"] * (begin + (end - begin) * step / 4), y)
    page.mouse.up()


def chosen(page: Page) -> tuple[int, int]:
    """The period in the address, as milliseconds."""
    found = re.fullmatch(r"from=([\dT:-]+)&to=([\dT:-]+)", page.url.partition("#")[2])
    assert found is not None, page.url
    first, last = (
        round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) for text in found.groups()
    )
    return first, last + (60_000 if "T" in found[2] else DAY)


def counted(page: Page) -> int:
    """Requests of the period, as the bar says."""
    said = page.locator(".period[aria-busy=false] output")
    expect(said).to_contain_text(" tokens in")
    found = re.match(r"([\d,]+) request", said.text_content() or "")
    assert found is not None
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("kind", ["over_time", "times_over_time"])
def test_a_period_dragged_over_one_chart_of_time_narrows_the_others(overview: Watched, kind: str) -> None:
    page = overview.page
    whole = {each: rows(page, each) for each in ("over_time", "dist_input_tokens", "speed_decode", "tools", "heat")}
    drag(page, kind, 0.0, 0.3)
    n = counted(page)
    first, last = chosen(page)
    bins = [row for row in whole["over_time"] if first <= row["at"] < last]
    assert n == sum(row["requests"] for row in bins) < sum(row["requests"] for row in whole["over_time"])
    expect(page.locator(".period-shade:visible")).to_have_count(2)
    # the chart that was dragged over keeps all its bars
    assert rows(page, "over_time") == whole["over_time"]
    page.wait_for_function(
        "n => document.querySelector('figure[data-kind=heat]').drawing.data('rows')"
        ".reduce((sum, row) => sum + row.n, 0) === n",
        arg=n,
    )
    spread = rows(page, "dist_input_tokens")
    assert sum(row["n"] or 0 for row in spread) <= n
    assert [row["from"] for row in spread if row["mark"] is None] == [
        row["from"] for row in whole["dist_input_tokens"] if row["mark"] is None
    ]
    points = [row for row in rows(page, "speed_decode") if row["median"] is None]
    assert len(points) == sum(row["median"] is None for row in whole["speed_decode"])
    assert all(row["out"] == (not first <= (row["at"] or 0) < last) for row in points)
    tools = rows(page, "tools")
    assert {row["tool"] for row in tools} == {row["tool"] for row in whole["tools"]}
    assert sum(row["n"] for row in tools) < sum(row["n"] for row in whole["tools"])


def test_the_whole_run_as_a_period_shows_what_the_page_was_built_with(overview: Watched) -> None:
    """What the script counts is what the generator has counted."""
    page = overview.page
    kinds = ("dist_input_tokens", "dist_output_tokens", "dist_prompt_ms", "dist_tokens_per_second", "tools", "heat")
    whole = {kind: rows(page, kind) for kind in kinds}
    drag(page, "over_time", 0.0, 1.01)
    n = counted(page)
    assert n == sum(row["requests"] for row in rows(page, "over_time"))
    for kind in kinds:
        now = [row for row in rows(page, kind) if row["n"]]
        then = [row for row in whole[kind] if row["n"]]
        assert [row["n"] for row in now] == [row["n"] for row in then]
    medians = [[row["from"] for row in held if row["mark"] == "median"] for held in (whole["dist_prompt_ms"],)]
    assert [row["from"] for row in rows(page, "dist_prompt_ms") if row["mark"] == "median"] == pytest.approx(
        medians[0], rel=1e-3
    )


def test_the_period_leads_to_its_requests_in_the_list(overview: Watched) -> None:
    page = overview.page
    drag(page, "times_over_time", 0.0, 0.3)
    n = counted(page)
    span = page.url.partition("#")[2]
    page.get_by_role("link", name=re.compile("Show (it|them) in the list")).click()
    page.wait_for_selector(".audit-list[data-ready=yes]")
    assert page.url.partition("#")[2] == span
    expect(page.locator(".al-count")).to_have_text(re.compile(rf"^{n:,} of [\d,]+ requests$"))
    page.go_back()
    assert page.url.partition("#")[2] == span
    assert counted(page) == n


def test_a_click_on_a_bar_leads_to_its_requests(overview: Watched) -> None:
    page = overview.page
    bar = next(row for row in rows(page, "over_time") if row["requests"] > 1)
    view = chart(page, "over_time").locator(".chart-view")
    view.scroll_into_view_if_needed()
    mark = chart(page, "over_time").locator("svg .role-mark path").first.bounding_box()
    assert mark is not None
    page.mouse.click(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] - 1)
    page.wait_for_url("**/requests/index.html#from=*")
    assert chosen(page) == (bar["at"], bar["until"])
    expect(page.locator(".al-count")).to_contain_text(f"{bar['requests']:,} of ")


def test_a_period_is_chosen_and_left_by_keyboard(overview: Watched) -> None:
    page = overview.page
    first, last = (int(page.locator(".period").get_attribute(f"data-{end}") or "") for end in ("first", "last"))
    middle = datetime.fromtimestamp((first + last) // 2000, UTC).strftime("%Y-%m-%dT%H:%M")
    page.get_by_role("textbox", name="From").fill(middle)
    page.get_by_role("textbox", name="From").press("Tab")
    n = counted(page)
    assert 0 < n < sum(row["requests"] for row in rows(page, "over_time"))
    assert chosen(page)[0] == round(datetime.fromisoformat(middle).replace(tzinfo=UTC).timestamp() * 1000)
    reset = page.get_by_role("button", name="Whole run")
    reset.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".period[aria-busy=false] output")).to_contain_text("Drag over a chart of time")
    assert "#" not in page.url
    expect(page.locator(".period-shade:visible")).to_have_count(0)
    assert sum(row["n"] for row in rows(page, "heat")) == sum(row["requests"] for row in rows(page, "over_time"))


def test_a_period_in_the_address_is_shown_and_outlives_a_change_of_colours(browser: Browser, sample: Path) -> None:
    with opened(browser, sample / "index.html", "#from=2026-11-10&to=2026-11-10", viewport=DESKTOP) as watched:
        watched.charts()
        n = counted(watched.page)
        assert n < sum(row["requests"] for row in rows(watched.page, "over_time"))
        ink = watched.page.locator("figure[data-kind=heat] svg text").first.get_attribute("fill") or ""
        watched.toggle()
        watched.charts()
        expect(watched.page.locator("figure[data-kind=heat] svg text").first).not_to_have_attribute("fill", ink)
        watched.page.wait_for_function(
            "n => document.querySelector('figure[data-kind=heat]').drawing.data('rows')"
            ".reduce((sum, row) => sum + row.n, 0) === n",
            arg=n,
        )
        assert watched.troubles == []


@pytest.mark.parametrize("address", ["#from=yesterday&to=2026-11-10", "#from=2026-11-12&to=2026-11-10", "#findings"])
def test_an_address_without_a_period_shows_the_whole_run(browser: Browser, sample: Path, address: str) -> None:
    with opened(browser, sample / "index.html", address, viewport=DESKTOP) as watched:
        watched.charts()
        expect(watched.page.locator(".period output")).to_contain_text("Drag over a chart of time")
        assert watched.troubles == []


def test_rows_for_a_period_are_loaded_only_when_asked_for(browser: Browser, sample: Path) -> None:
    asked: list[str] = []
    with opened(browser, sample / "index.html", viewport=DESKTOP) as watched:
        watched.page.on("request", lambda request: asked.append(request.url))
        watched.charts()
        assert not any(url.endswith("data/requests.js") for url in asked)
        drag(watched.page, "over_time", 0.0, 0.5)
        counted(watched.page)
        assert sum(url.endswith("data/requests.js") for url in asked) == 1
