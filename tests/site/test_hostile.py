"""Hostile text goes through every template, is compiled by MkDocs, and is still text in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from lms_audit.model import Library
from lms_audit.present.site import write_site
from lms_audit.present.text import visible
from lms_audit.present.views.blocks import ansi
from tests.hostile import NAMES, TEXTS, hostile, world
from tests.site.watching import pages, watching

pytestmark = pytest.mark.browser

# every text node's content, elements that show text by themselves, and values of title attributes
SHOWN = """() => {
  for (const fold of document.querySelectorAll('details')) fold.open = true;
  const texts = [...document.querySelectorAll('pre, code, td, th, dd, dt, li, p, summary, h1, h2, h3, a, span, b')]
    .map((element) => element.textContent);
  const titles = [...document.querySelectorAll('[title]')].map((element) => element.title);
  return [...new Set([...texts, ...titles])];
}"""


@pytest.fixture(scope="module")
def library() -> Library:
    return world()[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report, library = world()
    folder = tmp_path_factory.mktemp("hostile")
    write_site(report, library, folder / "site", folder / "work")
    return folder / "site"


@pytest.fixture(scope="module")
def shown(site: Path, browser: Browser) -> dict[str, list[str]]:
    """Page -> everything it says, asserting on the way that nothing acted on any page."""
    found = {}
    with watching(browser) as watched:
        for path in pages(site):
            watched.page.goto(path.as_uri())
            found[path.relative_to(site).as_posix()] = watched.page.evaluate(SHOWN)
            assert watched.page.evaluate("window.pwned") is None, path
            assert not watched.page.evaluate("document.querySelectorAll('article [onerror], article [onload]').length")
            assert watched.page.evaluate("document.querySelectorAll('base, meta[http-equiv=refresh]').length") == 0
            assert watched.page.evaluate("getComputedStyle(document.body).display") != "none"
            assert watched.troubles == [], path
    return found


def test_no_script_runs_and_no_request_leaves_on_any_page(shown: dict[str, list[str]]) -> None:
    assert len(shown) > len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_reads_on_its_page_as_it_was_logged(name: str, shown: dict[str, list[str]]) -> None:
    # the store writes UTF-8, which has no lone surrogates
    text = hostile(NAMES.index(name)).encode("utf-8", "replace").decode()
    everywhere = {said for texts in shown.values() for said in texts}
    # what a person wrote, exactly; a result and a system prompt too
    assert visible(f"{text} asked") in everywhere
    assert visible(f"System {text}") in everywhere
    terminal = visible("".join(run.text for run in ansi(f"{text} result")))
    assert any(said.startswith(terminal[:1000]) for said in everywhere)


@pytest.mark.parametrize("name", NAMES)
def test_names_in_tables_read_as_they_were_logged(name: str, shown: dict[str, list[str]]) -> None:
    line = " ".join(visible(hostile(NAMES.index(name))).split())[:40].strip()
    for page in ("health/index.html", "models/index.html", "tools/index.html"):
        assert any(line in " ".join(said.split()) for said in shown[page]), page


def test_every_text_of_the_fixture_is_hostile_in_its_own_way() -> None:
    assert len(TEXTS) >= 24
    assert len(set(TEXTS.values())) == len(TEXTS)


def test_a_payload_is_put_together_as_it_was_sent(site: Path, browser: Browser, library: Library) -> None:
    report, _ = world()
    session = report.audit.sessions[0]
    requests = [request for request in report.audit.requests if request.session_id == session.id]
    with watching(browser) as watched:
        watched.page.goto((site / "sessions" / session.id / "index.html").as_uri())
        texts = [watched.page.evaluate("id => window.lmsAudit.payload(id)", request.id) for request in requests]
    assert len(texts) == 3
    for request, text in zip(requests, texts, strict=True):
        prompt, sent = request.prompt, json.loads(text)
        assert prompt is not None
        assert prompt.tools is not None
        assert sent["messages"] == [json.loads(library.raw(key)) for key in library.path(prompt.node)]
        assert sent["tools"] == json.loads(library.raw(prompt.tools))
