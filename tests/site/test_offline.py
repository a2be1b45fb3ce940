"""Every kind of page from disk with the network cut: charts in both colours, both searches, and nothing that leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.site.conftest import KINDS
from tests.site.watching import Watched, opened, pages

pytestmark = pytest.mark.browser

WITH_CHARTS = {"overview", "session", "prompts", "tools", "models"}

# marks with an extent, axes and legends left out; the colour of the first text; the drawing itself
DRAWN = """(figure) => {
  const svg = figure.querySelector('.chart-view svg');
  const marks = [...svg.querySelectorAll('.role-mark path, .role-mark line, .role-mark text')]
    .filter((mark) => { const box = mark.getBoundingClientRect(); return box.width + box.height > 0; });
  return {
    marks: marks.length,
    ink: svg.querySelector('text').getAttribute('fill'),
    width: svg.getBoundingClientRect().width,
    room: figure.querySelector('.chart-view').clientWidth,
  };
}"""

# every way a script or a piece of markup can reach a network
REACHES = """async (host) => {
  const broken = [];
  document.addEventListener('securitypolicyviolation', (event) => broken.push(event.effectiveDirective));
  const add = (name, attributes) => new Promise((done) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.onload = made.onerror = done;
    document.body.append(made);
    setTimeout(done, 300);
  });
  await fetch(`${host}/fetch`).catch(() => null);
  await new Promise((done) => {
    const request = new XMLHttpRequest();
    request.onloadend = done;
    request.open('GET', `${host}/xhr`);
    try { request.send(); } catch { done(); }
  });
  navigator.sendBeacon(`${host}/beacon`, 'x');
  try { new EventSource(`${host}/events`); } catch { /* refused at once */ }
  try { new WebSocket(`${host.replace('http', 'ws')}/socket`); } catch { /* refused at once */ }
  await add('img', { src: `${host}/image` });
  await add('script', { src: `${host}/script` });
  await add('link', { rel: 'stylesheet', href: `${host}/style` });
  await add('iframe', { src: `${host}/frame` });
  await add('video', { src: `${host}/video` });
  await add('object', { data: `${host}/object` });
  await add('div', { style: `background: url(${host}/background)` });
  return broken;
}"""


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An address of this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()
        thread.join()


def ink(charts: list[Locator]) -> list[str]:
    """The colour of each chart's text, of charts that have marks and fit their room."""
    found = []
    for chart in charts:
        drawn = chart.evaluate(DRAWN)
        assert drawn["marks"] > 0
        assert 0 < drawn["width"] <= drawn["room"] + 1
        found.append(drawn["ink"])
    return found


def redrawn(watched: Watched, charts: list[Locator], before: list[str]) -> None:
    for chart, colour in zip(charts, before, strict=True):
        chart.scroll_into_view_if_needed()
        expect(chart.locator(".chart-view svg text").first).not_to_have_attribute("fill", colour)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_works_in_light_and_dark_and_nothing_leaves_it(
    kind: str, kinds: dict[str, Path], browser: Browser
) -> None:
    with opened(browser, kinds[kind], color_scheme="light", viewport={"width": 1280, "height": 900}) as watched:
        assert watched.page.title()
        assert watched.page.locator("h1").count() == 1
        assert watched.scheme() == "default"
        charts = watched.charts()
        assert bool(charts) == (kind in WITH_CHARTS)
        light = ink(charts)
        watched.toggle()
        redrawn(watched, charts, light)
        dark = ink(charts)
        watched.toggle()
        redrawn(watched, charts, dark)
        assert ink(charts) == light
        assert watched.troubles == []


def test_a_reader_who_prefers_dark_gets_dark_at_once(browser: Browser, sample: Path) -> None:
    with opened(browser, sample / "index.html", color_scheme="dark") as watched:
        assert watched.scheme() == "slate"
        charts = watched.charts()
        dark = ink(charts)
        watched.toggle()
        redrawn(watched, charts, dark)
        assert watched.troubles == []


def test_every_page_says_that_nothing_may_be_loaded_from_elsewhere(sample: Path) -> None:
    for path in pages(sample):
        head = path.read_text("utf-8").partition("</head>")[0]
        policy = head.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'", path
        allowed = {source for sources in rules.values() for source in sources.split()}
        assert allowed <= {"'none'", "'self'", "'unsafe-inline'", "file:", "data:", "blob:", "about:"}, path
        # nothing that could load stands before it
        assert not {"<script", "<link", "<style"} & set(head.partition("Content-Security-Policy")[0].split()), path


def test_a_page_refuses_whatever_would_reach_a_network(
    browser: Browser, sample: Path, tmp_path: Path, server: tuple[str, list[str]]
) -> None:
    host, asked = server
    page = browser.new_context().new_page()
    page.goto((sample / "index.html").as_uri())
    broken = set(page.evaluate(REACHES, host))
    assert asked == []
    wanted = {"connect-src", "img-src", "script-src-elem", "style-src-elem", "frame-src", "media-src", "object-src"}
    assert broken >= wanted
    # the same on a page without the policy does reach it
    (tmp_path / "bare.html").write_text("<!doctype html><title>bare</title><body>", "utf-8")
    page.goto((tmp_path / "bare.html").as_uri())
    assert page.evaluate(REACHES, host) == []
    assert {"/image", "/script", "/style", "/fetch"} <= set(asked)
    page.context.close()


@pytest.mark.parametrize("kind", ["overview", "session", "tool set"])
def test_the_search_over_titles_finds_a_session(
    kind: str, kinds: dict[str, Path], browser: Browser, sample: Path
) -> None:
    script = (sample / "assets" / "data" / "sessions.js").read_text("utf-8")
    sessions = json.loads(script.removeprefix("lmsAudit.sessions(").removesuffix(");\n"))
    name, title, _ = max(sessions, key=lambda session: len(session[1]))
    with opened(browser, kinds[kind]) as watched:
        page = watched.page
        page.locator(".md-search__input").click()
        # the theme listens to keys
        page.locator(".md-search__input").press_sequentially(" ".join(title.split()[:4]))
        page.locator(f".md-search-result__link[href*='sessions/{name}/']").first.click()
        page.wait_for_url(f"**/sessions/{name}/index.html**")
        expect(page.locator("h1")).to_contain_text(title[:40])
        assert watched.troubles == []


@pytest.mark.parametrize("kind", ["overview", "session"])
def test_the_search_over_all_text_finds_a_word_of_a_tool_result(
    kind: str, kinds: dict[str, Path], browser: Browser
) -> None:
    with opened(browser, kinds["session"]) as watched:
        # a long word that only a result holds
        word = watched.page.evaluate(
            """() => {
              const said = document.querySelector('.conv').cloneNode(true);
              const results = [...said.querySelectorAll('.call .block.output, .call .block.result, .call .block')];
              const words = new Set(results.flatMap((block) => block.textContent.match(/[a-z]{9,}/g) ?? []));
              said.querySelectorAll('.call').forEach((call) => call.remove());
              const others = new Set(said.textContent.match(/[a-z]{9,}/g) ?? []);
              return [...words].find((word) => !others.has(word));
            }"""
        )
        assert word
    with opened(browser, kinds[kind]) as watched:
        page = watched.page
        page.keyboard.press("/")
        page.locator(".lms-search__input").fill(word)
        results = page.locator(".lms-search__kind", has_text="Tool results")
        expect(results).to_be_visible()
        expect(page.locator(".lms-search mark").first).to_have_text(word, ignore_case=True)
        assert watched.troubles == []
