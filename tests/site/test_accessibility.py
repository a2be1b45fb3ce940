"""Every kind of page by keyboard, by screen reader, on a phone, on paper, without motion, without scripts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.site.conftest import KINDS, ROOT
from tests.site.sources import source
from tests.site.watching import Watched, opened

pytestmark = pytest.mark.browser

AXE = ROOT / "tests" / "assets" / "axe.min.js"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

# serious and critical violations: rule, number of elements, the first ones
VIOLATIONS = """async (rules) => {
  const options = { resultTypes: ['violations'], elementRef: false };
  if (rules.length) options.runOnly = rules;
  const { violations } = await axe.run(document, options);
  return violations.filter((each) => ['serious', 'critical'].includes(each.impact))
    .map((each) => `${each.id} (${each.nodes.length}): ` + each.nodes.slice(0, 3)
      .map((node) => `${node.target.join(' ')} ${node.any.map((check) => check.message).slice(0, 1)}`).join(' | '));
}"""

# elements that reach beyond the window though nothing around them scrolls
WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const scrolls = (node) => {
    for (let up = node.parentElement; up && up !== document.body; up = up.parentElement) {
      if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return true;
    }
    return false;
  };
  return [...document.querySelectorAll('body *')]
    .filter((node) => node.getBoundingClientRect().right > width + 1 && !scrolls(node))
    .slice(0, 5).map((node) => `${node.localName}.${node.className} ${Math.round(node.getBoundingClientRect().right)}`);
}"""


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(VIOLATIONS, rules or [])
    return found


def settle(watched: Watched, kind: str) -> None:
    """Wait for what scripts add to a page."""
    if kind in ("requests", "sessions"):
        watched.page.wait_for_selector(".audit-list[data-ready=yes]", state="attached")
    watched.charts()
    watched.page.evaluate("scrollTo(0, 0)")


@pytest.fixture
def session(browser: Browser, kinds: dict[str, Path]) -> Iterator[Watched]:
    with opened(browser, kinds["session"], viewport=DESKTOP) as watched:
        yield watched
        assert watched.troubles == []


def test_the_checker_is_the_file_its_checksum_was_taken_of() -> None:
    digest, name = (AXE.parent / "SHA256SUMS").read_text("utf-8").splitlines()[1].split()
    assert (name, digest) == (AXE.name, hashlib.sha256(AXE.read_bytes()).hexdigest())


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_has_a_serious_barrier_on_a_desktop(kind: str, browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds[kind], viewport=DESKTOP, color_scheme="light", reduced_motion="reduce") as watched:
        settle(watched, kind)
        assert violations(watched.page) == []
        watched.toggle()
        settle(watched, kind)
        # the other rules do not look at colours
        assert violations(watched.page, ["color-contrast"]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_has_a_serious_barrier_or_is_too_wide_on_a_phone(
    kind: str, browser: Browser, kinds: dict[str, Path]
) -> None:
    phone: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with opened(browser, kinds[kind], color_scheme="dark", reduced_motion="reduce", **phone) as watched:
        if kind == "sessions":
            watched.page.locator("label[for=view-list]").click()
        settle(watched, kind)
        assert watched.page.evaluate(WIDE) == []
        assert violations(watched.page) == []
        watched.toggle()
        settle(watched, kind)
        assert violations(watched.page, ["color-contrast"]) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_windows_and_open_folds_of_a_session_have_no_serious_barrier(
    scheme: str, browser: Browser, kinds: dict[str, Path]
) -> None:
    with opened(browser, kinds["session"], viewport=DESKTOP, color_scheme=scheme, reduced_motion="reduce") as watched:
        page = watched.page
        page.locator("label[for=depth-all]").click()
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        assert violations(page) == []
        page.locator("button.raw:visible").first.click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("dialog.keys")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.locator(".lms-search__input").fill("error")
        expect(page.locator(".lms-search mark").first).to_be_visible()
        assert violations(page) == []


def test_the_keyboard_walks_through_a_conversation(session: Watched) -> None:
    page = session.page
    marked = page.locator(".now")
    page.locator("#conversation").scroll_into_view_if_needed()
    page.keyboard.press("j")
    expect(marked).to_have_count(1)
    first = marked.get_attribute("id")
    page.keyboard.press("j")
    second = marked.get_attribute("id")
    assert first != second
    expect(marked).to_be_in_viewport()
    page.keyboard.press("k")
    assert marked.get_attribute("id") == first
    fold = page.locator("details.call").first
    while not page.evaluate("document.querySelector('.now').matches('details.call')"):
        page.keyboard.press("j")
    fold = page.locator("details.call.now")
    was = fold.get_attribute("open") is not None
    page.keyboard.press("Enter")
    assert (fold.get_attribute("open") is not None) is not was


def test_the_keyboard_goes_to_the_session_before_and_after(session: Watched) -> None:
    page = session.page
    start = page.url
    way = ("]", "[") if page.locator(".prevnext a.next").count() else ("[", "]")
    page.keyboard.press(way[0])
    page.wait_for_url(lambda url: url != start)
    page.keyboard.press(way[1])
    page.wait_for_url(start)


def test_the_keyboard_opens_help_and_search_and_leaves_fields_alone(session: Watched) -> None:
    page = session.page
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.keys")).to_have_count(0)
    page.keyboard.press("/")
    field = page.locator(".lms-search__input")
    expect(field).to_be_focused()
    page.keyboard.type("j?k[")
    expect(field).to_have_value("j?k[")
    expect(page.locator("dialog.keys")).to_have_count(0)


def test_the_first_stop_of_the_keyboard_skips_to_the_content(session: Watched) -> None:
    page = session.page
    page.keyboard.press("Tab")
    skip = page.locator(".md-skip")
    expect(skip).to_be_focused()
    target = (skip.get_attribute("href") or "").removeprefix("#")
    assert page.locator(f"[id='{target}']").count() == 1


@pytest.mark.parametrize("kind", ["overview", "sessions", "session"])
def test_whoever_tabs_sees_where_they_are(kind: str, browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds[kind], viewport=DESKTOP) as watched:
        unseen = []
        for _ in range(25):
            watched.page.keyboard.press("Tab")
            found = watched.page.evaluate(
                """() => {
                  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
                  const label = at.matches('input') ? at.labels[0] ?? at.nextElementSibling : null;
                  const ring = [style, label && getComputedStyle(label)].some((each) => each
                    && (each.outlineStyle !== 'none' && each.outlineWidth !== '0px' || each.boxShadow !== 'none'));
                  // the theme has a label after its switch, and its search field opens when it has the focus
                  if (at.matches('.md-option, .md-search__input, .md-skip')) return null;
                  return at === document.body || ring ? null
                    : `${at.localName}.${at.className} ${Math.round(box.width)}x${Math.round(box.height)}`;
                }"""
            )
            if found:
                unseen.append(found)
        assert unseen == []


def test_nothing_moves_for_readers_who_asked_for_that(browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds["session"], viewport=DESKTOP, reduced_motion="reduce") as watched:
        watched.page.locator("button.raw:visible").first.click()
        moving = watched.page.evaluate(
            """() => [...document.querySelectorAll('body *')].filter((node) => {
              const { animationName, animationDuration, scrollBehavior } = getComputedStyle(node);
              return animationName !== 'none' && parseFloat(animationDuration) > 0.01 || scrollBehavior === 'smooth';
            }).map((node) => `${node.localName}.${node.className}`)"""
        )
        assert moving == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_reads_without_scripts(kind: str, browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds[kind], java_script_enabled=False, viewport=DESKTOP) as watched:
        page = watched.page
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator(".md-content")).to_be_visible()
        if kind == "session":
            # every message is in the document and can be reached by what the browser itself opens
            assert page.locator(".turn").count() > 10
            for turn in page.locator(".turn.user pre.said, .turn.assistant .md").all()[:10]:
                expect(turn).to_be_visible()
            card = page.locator("details.call").first
            card.locator("summary").first.click()
            expect(card.locator("pre").first).to_be_visible()
        if kind in ("sessions", "requests"):
            expect(page.locator("table").first).to_be_visible()
            assert page.locator("table a[href*='sessions/']").count() > 5
        for figure in page.locator("figure.chart").all():
            assert figure.locator("details.chart-rows table tr, p.chart-rows").count() > 0
        assert watched.troubles == []


def test_the_conversation_stands_in_the_page_itself(kinds: dict[str, Path]) -> None:
    texts = " ".join(source(kinds["session"]).texts)
    assert len(texts) > 20_000
    assert "Conversation" in texts


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_and_without_what_it_cannot_do(scheme: str, browser: Browser, kinds: dict[str, Path]) -> None:
    with opened(browser, kinds["session"], viewport=DESKTOP, color_scheme=scheme) as watched:
        watched.charts()
        watched.page.emulate_media(media="print")
        for hidden in (".md-header", ".md-sidebar--primary", "fieldset.depth", ".prevnext"):
            expect(watched.page.locator(hidden)).to_be_hidden()
        expect(watched.page.locator("h1")).to_be_visible()
        look = watched.page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        assert look[0] == "rgb(255, 255, 255)"
        assert max(map(int, re.findall(r"\d+", look[1])[:3])) < 100
