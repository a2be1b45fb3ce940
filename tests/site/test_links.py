"""Every reference of every page resolves: files, fragments, ids, and the links that stand in data files."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.site.conftest import ROOT
from tests.site.sources import Source, argument, source
from tests.site.watching import opened, pages

TEXT = {".css", ".html", ".js", ".json", ".svg", ".txt", ".xml"}


@pytest.fixture(scope="module")
def sources(sample: Path) -> dict[Path, Source]:
    return {path: source(path) for path in pages(sample)}


def broken(site: Path, sources: dict[Path, Source], page: Path, reference: str) -> str | None:
    """What is wrong with a reference on a page."""
    parts = urlsplit(reference)
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return "leads out of the site"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(site.resolve()):
        return "leads out of the site"
    if not target.is_file():
        return "no such file"
    fragment = unquote(parts.fragment)
    if "=" in fragment and target.parent.name == "requests" and target.name == "index.html":
        return None  # a view of the list: see the last tests
    if fragment and (target not in sources or fragment not in sources[target].ids):
        return "no such anchor"
    return None


def complaints(
    site: Path, sources: dict[Path, Source], references: Iterator[tuple[Path, str]]
) -> list[tuple[str, str, str]]:
    found = set()
    for page, reference in references:
        wrong = broken(site, sources, page, reference)
        if wrong is not None:
            found.add((page.relative_to(site).as_posix(), reference, wrong))
    return sorted(found)


def test_every_link_and_every_file_of_every_page_is_there(sample: Path, sources: dict[Path, Source]) -> None:
    assert len(sources) > 30
    references = [(page, each) for page, held in sources.items() for each in (*held.leads, *held.loads)]
    assert len(references) > 3000
    assert complaints(sample, sources, iter(references)) == []


def test_ids_are_there_once_and_those_named_by_other_elements_exist(sources: dict[Path, Source]) -> None:
    for page, held in sources.items():
        assert [name for name, count in Counter(held.ids).items() if count > 1] == [], page
        assert set(held.named) - set(held.ids) == set(), page


def test_links_of_the_lists_lead_to_pages_and_anchors(sample: Path, sources: dict[Path, Source]) -> None:
    """The grids make their links from columns of a data file."""
    found = {}
    for name in ("requests", "sessions"):
        text = (sample / "data" / f"{name}.js").read_text("utf-8")
        found[name] = re.findall(r'"((?:\.\./)*[\w/.-]+\.html(?:#[\w.-]*)?)"', text)
        ids = set(re.findall(r'"(s[0-9a-f]{12})"', text))
        assert {f"sessions/{each}/index.html" for each in ids} <= {
            path.relative_to(sample).as_posix() for path in sources
        }
        assert ids
        assert complaints(sample, sources, ((sample / "index.html", each) for each in found[name])) == []


def test_sessions_of_the_sidebar_have_pages(sample: Path) -> None:
    sessions = argument(sample / "assets" / "data" / "sessions.js", "lmsAudit.sessions")
    assert sessions
    assert {each[0] for each in sessions} <= {path.parent.name for path in sample.glob("sessions/*/index.html")}


def test_titles_the_theme_searches_have_pages(sample: Path, sources: dict[Path, Source]) -> None:
    text = (sample / "search" / "search_index.js").read_text("utf-8")
    locations = re.findall(r'"location":\s*"([^"]*)"', text)
    assert len(locations) >= len(sources)
    assert complaints(sample, sources, ((sample / "index.html", each) for each in locations)) == []


def test_no_file_names_a_folder_of_the_machine_that_built_it(sample: Path) -> None:
    places = {str(sample.parent), str(ROOT), sys.prefix}
    for path in sample.rglob("*"):
        if path.is_file() and (path.suffix in TEXT or path.name.startswith(".")):
            text = path.read_text("utf-8")
            assert [place for place in places if place in text] == [], path


def test_style_sheets_load_nothing_from_elsewhere(sample: Path) -> None:
    for path in sample.rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        for reference in re.findall(r"""(?:url\(|@import(?! *url))\s*["']?([^"')]+)""", text):
            if not reference.startswith(("data:", "#")):
                assert (path.parent / reference.partition("?")[0].partition("#")[0]).is_file(), (path, reference)


def test_every_page_is_reached_from_the_first(sample: Path, sources: dict[Path, Source]) -> None:
    first = sample / "index.html"
    reached, waiting = {first}, [first]
    while waiting:
        page = waiting.pop()
        for reference in sources[page].leads:
            target = (page.parent / unquote(urlsplit(reference).path)).resolve() if urlsplit(reference).path else page
            if target in sources and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert set(sources) - reached == set()


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["models", "clients", "projects", "tools"])
def test_a_row_of_the_catalogue_leads_to_its_requests(kind: str, browser: Browser, sample: Path) -> None:
    with opened(browser, sample / kind / "index.html") as watched:
        page = watched.page
        row = page.locator(f"#t-{kind} tbody tr").filter(has=page.locator("th a[href*='requests/index.html#']")).last
        said = int((row.locator("td").first.text_content() or "").replace(",", ""))
        row.locator("th a").click()
        page.wait_for_selector(".audit-list[data-ready=yes]")
        expect(page.locator(".al-chip")).to_have_count(1)
        shown = page.evaluate("document.querySelector('.audit-list').auditList.places().length")
        assert 0 < shown <= said if kind == "tools" else shown == said  # a request may call a tool several times
        assert watched.troubles == []


def test_orders_of_the_list_that_pages_link_to_are_by_its_columns(sample: Path, sources: dict[Path, Source]) -> None:
    names = {column["name"] for column in argument(sample / "data" / "requests.js", "lmsAudit.rows")["columns"]}
    sorts = {each for held in sources.values() for each in held.leads if "requests/index.html#sort=" in each}
    assert sorts
    assert {each.partition("#sort=-")[2] for each in sorts} <= names
