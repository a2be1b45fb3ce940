"""A hostile log through the whole program: on every page, in lists, searches, windows and tooltips it is only text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from lms_audit.present.text import visible
from tests.site import hostile_log
from tests.site.conftest import built
from tests.site.hostile_log import HARM, NAMES
from tests.site.sources import source
from tests.site.watching import Watched, opened, pages

pytestmark = pytest.mark.browser

# what our templates and the theme never make, wherever it came from
ACTS = """() => {
  const found = [];
  for (const element of document.querySelectorAll('body *, head *')) {
    const name = element.localName;
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith('on')) found.push(`${name} ${attribute}=${value}`);
      if (!['href', 'src', 'action'].includes(attribute)) continue;
      if (/^\\s*(javascript|data|https?):/i.test(value)) found.push(value);
    }
    if (['base', 'iframe', 'object', 'embed', 'math', 'animate', 'style'].includes(name)) {
      // the theme's search runs in a frame beside the page's container
      if (!element.closest('.chart-view, head') && element.closest('.md-container, dialog')) found.push(name);
    }
    if (name === 'img' && !element.classList.contains('icon')) found.push(element.outerHTML);
    if (element.closest('pre, .md, code, td.what, .preview') && ['script', 'img', 'iframe', 'svg'].includes(name)) {
      if (!element.closest('.md-clipboard') && !element.classList.contains('icon')) found.push(`${name} in a text`);
    }
  }
  if (document.querySelector('meta[http-equiv=refresh]')) found.push('refresh');
  if (window.owned !== undefined || {}.owned !== undefined || Object.owned !== undefined) found.push('owned');
  // controls, marks that turn the direction of writing, halves of characters: shown by pictures, never as they are
  const unseen = new RegExp('[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f' +
    '\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]', 'u');
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    if (unseen.test(walk.currentNode.data)) {
      found.push(`unseen in ${walk.currentNode.parentElement.outerHTML.slice(0, 80)}`);
    }
  }
  for (const element of document.querySelectorAll('[title], [aria-label], [data-covers]')) {
    if (unseen.test(element.title + element.ariaLabel + (element.dataset.covers ?? ''))) found.push(`unseen title`);
  }
  if (getComputedStyle(document.body).display === 'none') found.push('hidden');
  return found;
}"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[dict[str, Any]]]]:
    """The site of the hostile log, and what each request of its conversation sent."""
    folder = tmp_path_factory.mktemp("hostile")
    messages = hostile_log.write(folder / "<logs> '\"&amp;")
    return built(folder / "<logs> '\"&amp;", folder), messages


@pytest.fixture(scope="module")
def site(sent: tuple[Path, list[list[dict[str, Any]]]]) -> Path:
    return sent[0]


@pytest.fixture
def conversation(site: Path, browser: Browser) -> Iterator[Watched]:
    """The page of the long conversation; nothing may have acted on it at the end."""
    path = max(site.glob("sessions/*/index.html"), key=lambda page: page.stat().st_size)
    with opened(browser, path) as watched:
        yield watched
        assert watched.page.evaluate(ACTS) == []
        assert watched.troubles == []


def as_read(text: str) -> str:
    """A string of the log as the program holds it: halves of surrogate pairs are no characters."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def as_shown(text: str) -> str:
    return visible(as_read(text))


def packed(text: str) -> str:
    """Without blanks: where a text is shown on one line they are not what they were."""
    return re.sub(r"[\s\ufeff]+", "", text)


def plain(value: Any) -> Any:
    """A value with all its strings as the program holds them."""
    return json.loads(as_read(json.dumps(value, ensure_ascii=False)))


def test_nothing_acts_on_any_page(site: Path, browser: Browser) -> None:
    assert len(HARM) >= 24
    found = {}
    with opened(browser, site / "index.html") as watched:
        page = watched.page
        for path in pages(site):
            page.goto(path.as_uri())
            # folded parts are shown, and every element gets the pointer's and the keyboard's events once
            page.evaluate(
                """() => {
                  for (const fold of document.querySelectorAll('details')) fold.open = true;
                  for (const element of document.querySelectorAll('body *')) {
                    for (const name of ['mouseover', 'mouseenter', 'focus', 'focusin', 'load', 'toggle']) {
                      element.dispatchEvent(new Event(name, { bubbles: name === 'mouseover' || name === 'focusin' }));
                    }
                  }
                }"""
            )
            watched.charts()
            acts = [*page.evaluate(ACTS), *watched.troubles]
            watched.troubles.clear()
            if acts:
                found[path.relative_to(site).as_posix()] = acts[:5]
    assert found == {}


def test_pages_stay_pages(site: Path) -> None:
    """No string closes an element, becomes a heading or front matter, or gives an element an id."""
    for path in pages(site):
        text = path.read_text("utf-8")
        assert text.count("</html>") == text.count("</body>") == 1, path
        assert text.count("<h1 ") + text.count("<h1>") == 1, path
        held = source(path)
        assert {"conversation", "gone", "evil"} & set(held.ids) <= {"conversation"}, path
        assert not re.search(r"<title>[^<]*(49|42)", text), path
    assert (site / "index.html").read_text("utf-8").count("Overview") > 1


def test_what_a_person_asked_reads_as_it_was_typed(conversation: Watched) -> None:
    shown = conversation.page.eval_on_selector_all(
        ":is(.turn.user, .turn.context) > pre.said", "nodes => nodes.map((node) => node.textContent)"
    )
    wanted = [as_shown(hostile_log.asked(number)) for number in range(len(NAMES) - 1)]
    assert [text for text in wanted if text not in shown] == []
    assert len(shown) == len(NAMES)
    # the last is long: the page has its beginning, the data file all of it
    last = hostile_log.asked(len(NAMES) - 1)
    assert last.startswith(shown[-1])
    turn = conversation.page.locator(".turn.user").last
    turn.locator("button.more").click()
    expect(turn.locator("button.more")).to_have_count(0)
    assert turn.locator("pre.said").text_content() == last


def test_results_of_tools_read_as_they_were_returned(conversation: Watched) -> None:
    shown = set(
        conversation.page.eval_on_selector_all(".call .block pre", "nodes => nodes.map((node) => node.textContent)")
    )
    missing = [name for number, name in enumerate(NAMES[:-1]) if as_shown(hostile_log.result(number)) not in shown]
    assert missing == []


def test_names_and_arguments_of_tools_read_as_they_were_given(conversation: Watched) -> None:
    cards = conversation.page.eval_on_selector_all(
        ".call", "nodes => nodes.map((node) => [node.querySelector('summary b').textContent, node.textContent])"
    )
    names = [name for name, _ in cards]
    for number, harm in enumerate(HARM.values()):
        assert any(as_shown(harm[:200]).split() == name.split() for name in names), NAMES[number]
    by_mark = [said for name, said in cards if name == "lookup"]
    for number, name in enumerate(NAMES[:-1]):
        said = by_mark[number]
        assert hostile_log.mark(number) in said
        # readable JSON: strings are quoted as JSON quotes them
        quoted = as_shown(json.dumps(as_read(HARM[name]), ensure_ascii=False)[1:-1])
        assert quoted in said or as_shown(HARM[name]) in said, name


def test_answers_hold_no_link_picture_or_markup_that_acts(conversation: Watched) -> None:
    elements = set(
        conversation.page.evaluate(
            "[...document.querySelectorAll('.md *:not([class^=md-typeset])')].map((element) => element.localName)"
        )
    )
    assert elements <= {
        "p", "pre", "code", "span", "em", "strong", "s", "ul", "ol", "li", "blockquote", "br", "hr",
        "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    attributes = set(
        conversation.page.evaluate(
            "[...document.querySelectorAll('.md *')].flatMap((element) => element.getAttributeNames())"
        )
    )
    assert attributes <= {"class", "title", "data-lang", "style", "start"}
    assert conversation.page.locator(".md").count() >= len(NAMES)


def test_the_source_of_a_message_is_what_was_sent(conversation: Watched, sent: tuple[Path, Any]) -> None:
    messages = sent[1][-1]
    page = conversation.page
    wanted = [json.loads(as_shown(json.dumps(message, ensure_ascii=False))) for message in messages]
    turns = page.locator(".turn.user:visible button.raw")
    assert turns.count() >= len(NAMES) - 3
    for place in (0, 5, turns.count() - 1):
        turns.nth(place).click()
        assert json.loads(page.locator("dialog.viewer pre").inner_text()) in wanted
        page.keyboard.press("Escape")
        expect(page.locator("dialog.viewer")).to_have_count(0)


def test_what_a_request_sent_is_put_together_again(conversation: Watched, sent: tuple[Path, Any]) -> None:
    page = conversation.page
    ids = page.eval_on_selector_all("details.req", "nodes => nodes.map((node) => node.id.slice(2))")
    assert len(ids) == len(sent[1])
    for place in (0, 1, 2 * NAMES.index("controls"), 2 * NAMES.index("prototype") + 1, len(ids) - 1):
        body = json.loads(page.evaluate("id => window.lmsAudit.payload(id)", ids[place]))
        assert plain(body["messages"]) == plain(sent[1][place]), place
    page.locator(f"details.req[id='r-{ids[3]}'] > summary").click()
    page.locator(f"details.req[id='r-{ids[3]}'] button.payload").click()
    assert json.loads(page.locator("dialog.viewer pre").inner_text())["messages"][0]["role"] == "system"
    page.keyboard.press("Escape")


def test_scripts_show_what_cannot_be_seen_as_the_pages_do(conversation: Watched) -> None:
    every = " ".join(map(chr, range(0x10000)))
    # halves go to the browser as references, which JSON has and UTF-8 has not
    shown = conversation.page.evaluate("text => window.lmsAudit.visible(JSON.parse(text))", json.dumps(every))
    assert shown == visible(every)


def test_results_of_the_search_are_text(site: Path, browser: Browser) -> None:
    with opened(browser, site / "cost" / "index.html") as watched:
        page = watched.page
        page.keyboard.press("/")
        for number, name in enumerate(NAMES):
            page.locator(".lms-search__input").fill(hostile_log.mark(number))
            page.locator(".lms-search__input").press("End")
            expect(page.locator(".lms-search mark").first).to_have_text(hostile_log.mark(number))
            texts = page.locator(".lms-search__text").all_text_contents()
            # colours of a terminal are left out of excerpts
            head = packed(as_shown(re.sub(r"\x1b\[[0-9;]*m", "", HARM[name]))[:30])
            assert any(head in packed(text) for text in texts), name
            inside = page.evaluate(
                """[...document.querySelectorAll('.lms-search [role=listbox] *')].map((e) => e.localName)"""
            )
            assert not {"script", "img", "iframe", "svg", "style", "base", "object"} & set(inside), name
        assert page.evaluate(ACTS) == []
        assert watched.troubles == []


def test_the_search_over_titles_shows_text(site: Path, browser: Browser) -> None:
    with opened(browser, site / "index.html") as watched:
        page = watched.page
        page.locator(".md-search__input").click()
        page.locator(".md-search__input").press_sequentially("onerror script")
        expect(page.locator(".md-search-result__meta")).not_to_have_text("Type to start searching")
        page.locator(".md-search__input").fill("")
        page.locator(".md-search__input").press_sequentially("server error")
        page.wait_for_timeout(300)
        assert page.locator(".md-search-result script, .md-search-result img").count() == 0
        assert page.evaluate(ACTS) == []
        assert watched.troubles == []


@pytest.mark.parametrize("name", ["requests", "sessions"])
def test_cells_and_filters_of_the_lists_are_text(name: str, site: Path, browser: Browser) -> None:
    with opened(browser, site / name / "index.html") as watched:
        page = watched.page
        if name == "sessions":
            page.locator("label[for=view-list]").click()
        page.wait_for_selector(".audit-list[data-ready=yes]")
        shown = page.locator(".audit-list").inner_text()
        assert "onerror=window.owned=1" in shown or "</script>" in shown
        inside = page.evaluate(
            "[...document.querySelectorAll('.tabulator-cell *, [data-facet] *')].map((element) => element.localName)"
        )
        assert not {"script", "img", "iframe", "style", "base", "object"} & set(inside)
        for value in page.locator("[data-facet] input[type=checkbox]").all()[:6]:
            if value.is_visible():
                value.check()
                value.uncheck()
        assert page.evaluate(ACTS) == []
        assert watched.troubles == []


def test_tooltips_of_charts_are_text(site: Path, browser: Browser) -> None:
    with opened(browser, site / "tools" / "index.html") as watched:
        page = watched.page
        said = set()
        for chart in watched.charts():
            for place in chart.locator(".chart-view .role-mark path").all()[:25]:
                box = place.bounding_box()
                if box and box["width"] > 2:
                    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
                    tip = page.locator("#vg-tooltip-element.visible")
                    if tip.count():
                        said.add(tip.inner_text())
                        inside = tip.evaluate("tip => [...tip.querySelectorAll('*')].map((e) => e.localName)")
                        assert set(inside) <= {"table", "tbody", "tr", "td", "h2"}
        assert any("<script>" in text or "onerror" in text for text in said)
        assert page.evaluate(ACTS) == []
        assert watched.troubles == []


def test_what_was_not_understood_is_shown_as_it_stood_in_the_log(site: Path, browser: Browser) -> None:
    with opened(browser, site / "health" / "index.html") as watched:
        shown = watched.page.locator("article").text_content() or ""
        assert hostile_log.FILE in shown
        assert "</script><script>" in shown
        assert watched.page.evaluate(ACTS) == []
