"""Every figure says what it means, what it covers and how exact it is, where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.site.watching import opened

pytestmark = pytest.mark.browser

PLAIN = {
    "overview": set(),
    "sessions": {"Requests"},
    "tools": set(),
    "models": {"Requests"},
    "clients": {"Requests"},
    "projects": {"Requests"},
    "cost": set(),
    "cache": set(),
    "prompts": {"Number", "Requests", "Sessions", "Size"},
}
"""Kind of page -> columns that count rows of another list, or bytes of a text, and need no definition."""

# heads of columns of numbers that no definition is at hand for, in tables that no chart says the same with
UNDEFINED = """() => {
  const found = new Set();
  for (const table of document.querySelectorAll('.md-content table.t')) {
    if (table.closest('.chart-rows')) continue;
    const heads = [...table.tHead.rows[0].cells];
    for (const row of table.tBodies[0].rows) {
      for (const cell of row.querySelectorAll('td.r')) {
        const head = heads[cell.cellIndex];
        if (!cell.dataset.m && !cell.querySelector('a.fig') && !head.dataset.m) found.add(head.textContent.trim());
      }
    }
  }
  return [...found];
}"""


@pytest.mark.parametrize("kind", PLAIN)
def test_every_number_of_a_table_has_a_definition_at_hand(kind: str, browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds[kind]) as watched:
        assert set(watched.page.evaluate(UNDEFINED)) == PLAIN[kind]


def test_a_tile_tells_its_definition_coverage_and_precision(browser: Browser, sample: Path) -> None:
    with opened(browser, sample / "index.html") as watched:
        page = watched.page
        said = page.locator(".pop")
        for link in page.locator(".tiles a[data-m], .tiles a.fig").all():
            link.focus()
            expect(said.locator("b")).to_be_visible()
            expect(said.locator(".covers")).not_to_be_empty()
            assert len(said.locator("p").first.text_content() or "") > 20
        page.keyboard.press("Escape")
        expect(said).to_have_count(0)
        tokens = page.locator(".tiles a[data-m=input_tokens]")
        tokens.hover()
        expect(said.locator(".covers")).to_contain_text("n = 8")
        assert watched.troubles == []


def test_every_tile_leads_to_a_list_and_every_finding_to_its_request(browser: Browser, sample: Path) -> None:
    with opened(browser, sample / "index.html") as watched:
        page = watched.page
        tiles = page.locator(".tiles li > a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
        assert len(tiles) == 14
        assert all("definitions" not in path for path in tiles)
        findings = page.locator(".findings li > div > p:first-child a")
        leads = findings.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
        assert sum("#r-" in path for path in leads) > len(leads) / 2
        findings.first.click()
        details = page.locator("details.req:target")
        expect(details).to_have_attribute("open", "")
        expect(details).to_be_in_viewport()
        assert watched.troubles == []
