"""Nothing moves while a page comes up and is read: what scripts add has its room kept free."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.site.conftest import KINDS
from tests.site.watching import Watched, watching

pytestmark = pytest.mark.browser

# sum of the shifts that no click or key caused, and what moved most
WATCH = """
  window.moved = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput) moved.push([value, sources.map(({ node }) => node?.className || node?.nodeName).join(', ')]);
    }
  }).observe({ type: 'layout-shift', buffered: true });
"""
MOST = 0.01
"""A late button of the theme and columns of tables that come in pieces make some; 0.1 is called good."""


def moved(watched: Watched, path: Path) -> list[tuple[float, str]]:
    """Shifts of a page that is opened and read to its end."""
    page = watched.page
    page.add_init_script(WATCH)
    page.goto(path.as_uri())
    if page.locator(".audit-list").count():
        page.wait_for_selector(".audit-list[data-ready=yes]", state="attached")
    watched.charts()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return [(value, what) for value, what in page.evaluate("moved")]


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_does_not_move_while_it_comes_up(
    kind: str, size: dict[str, int], browser: Browser, kinds: dict[str, Path]
) -> None:
    with watching(browser, viewport=size) as watched:
        found = moved(watched, kinds[kind])
        assert sum(value for value, _ in found) < MOST, found


@pytest.mark.parametrize("path", ["index.html", "requests/index.html", "sessions/index.html", "tools/index.html"])
def test_nor_does_a_page_of_a_larger_site(path: str, browser: Browser, article: Path) -> None:
    with watching(browser, viewport={"width": 1440, "height": 900}) as watched:
        found = moved(watched, article / path)
        assert sum(value for value, _ in found) < MOST, found
