"""The full-text search in a browser, from disk, under the policy of the site's pages."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request, expect

from lms_audit.present.resources import resources
from lms_audit.present.search import TEXT_LIMIT, Document, DocumentKind, Source, build_index, read_chapter
from lms_audit.present.views.data import packed
from lms_audit.present.words import distinct, terms

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline'; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data:"
)
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="stylesheet" href="../../assets/search.css"></head><body>
<header><nav class="md-header__inner"></nav></header>
<main><h1>A page</h1><input aria-label="other"><button data-search-open>Find</button><p id="m-1">Here.</p></main>
<script src="../../assets/js/audit.js"></script><script src="../../assets/search.js"></script></body></html>"""

KINDS = list(DocumentKind)
LARGE = 700
"""Documents of the large site, each of some kilobytes of source code."""


def write(folder: Path, documents: list[Document]) -> Path:
    """A site of one page, some way down, with the search of these documents."""
    (folder / "sessions" / "a").mkdir(parents=True)
    shutil.copytree(resources() / "assets" / "search", folder / "assets" / "search")
    (folder / "assets" / "js").mkdir()
    for name in ("search.js", "search.css", "js/audit.js"):
        shutil.copy(resources() / "assets" / name, folder / "assets" / name)
    for path, content in build_index([read_chapter(documents)]).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    page = folder / "sessions" / "a" / "index.html"
    page.write_text(PAGE, "utf-8")
    return page


def document(kind: str, text: str, anchor: str = "m-1", **more: Any) -> Document:
    return Document(
        kind=DocumentKind(kind),
        text=text,
        href=f"sessions/a/index.html#{anchor}",
        **{"session": "Fix the parser", "request": "Request 3", **more},
    )


SMALL = [
    document("session", "Fix the parser"),
    document("prompt", "Please fix the parser in src/app/main.py, it fails on Café"),
    document("prompt", "The parser of the parser needs a header"),
    document("answer", "I have read parse_header and fixed parseHeader as well"),
    document("call", "bash\npytest -q tests/test_main.py", note="bash"),
    document("result", "1 failed, 2 passed\nexit code: 1", note="bash"),
    document("result", "main.py is missing in src of the app"),
    document("result", "東京タワーの高さは三百三十三メートル", session="日本語"),
    document("result", "</span><img src=x onerror=alert(1)> <script>alert(2)</script> hostile", session="<b>bold</b>"),
    document("result", "word " * TEXT_LIMIT + "needle", session="Long"),
    document("path", "src/app/main.py", "r-9"),
    *(document("call", f"read\nnumber {number} of many", note="read") for number in range(48)),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source code of the standard library in pieces: real names, real sizes."""
    chosen = random.Random(5)
    lines: list[str] = []
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        lines += path.read_text("utf-8").splitlines()
    documents = []
    for number in range(LARGE):
        start = chosen.randrange(len(lines) - 400)
        text = "\n".join(f"{at:5}→{line}" for at, line in enumerate(lines[start : start + chosen.randint(2, 400)], 1))
        documents.append(document(KINDS[number % len(KINDS)], text, f"m-{number}", session=f"Session {number % 50}"))
    return write(tmp_path_factory.mktemp("large"), documents)


class Search:
    """A page with the search, and what went wrong on it."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", self._failed)
        page.on("console", self._said)
        page.on("request", self._note)
        page.goto(path.as_uri())

    def _failed(self, error: Error) -> None:
        self.wrong.append(str(error))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def _note(self, request: Request) -> None:
        self.asked.append(request.url)

    def open(self) -> None:
        self.page.keyboard.press("/")
        expect(self.page.locator(".lms-search__covers")).not_to_be_empty()

    def find(self, query: str) -> dict[str, str]:
        """Heading -> number of each kind, after all texts were checked."""
        self.page.evaluate("performance.clearMeasures('lms-search')")
        self.page.locator(".lms-search__input").fill(query)
        self.page.evaluate(
            """(query) => new Promise((done) => {
                const look = () => {
                    const shown = performance.getEntriesByName("lms-search").some((entry) => entry.detail === query);
                    const open = document.querySelector(".lms-search__status").textContent.includes("to check");
                    if (shown && !open) done(); else setTimeout(look, 5);
                };
                look();
            })""",
            query,
        )
        titles = self.page.locator(".lms-search__kind").all_inner_texts()
        return dict(title.rsplit(" ", 1) for title in titles)

    def texts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.page.locator(".lms-search__text").all_inner_texts()]

    def marks(self) -> list[str]:
        return self.page.locator(".lms-search mark").all_inner_texts()

    def measure(self) -> float:
        """Milliseconds from the end of typing to the results of the last query."""
        took = self.page.evaluate("performance.getEntriesByName('lms-search').at(-1).duration")
        assert isinstance(took, int | float)
        return took


@pytest.fixture
def search(browser: Browser, small: Path) -> Iterator[Search]:
    page = browser.new_page()
    made = Search(page, small)
    made.open()
    yield made
    assert made.wrong == []
    assert all(url.startswith("file://") for url in made.asked)
    page.close()


def test_results_come_by_kind_with_session_request_and_marked_words(search: Search) -> None:
    assert search.find("parser") == {"Sessions": "1", "Prompts": "2"}
    assert search.marks() == ["parser"] * 4
    first = search.page.locator("[role=option]").nth(1)
    assert first.locator(".lms-search__where").text_content() == "Fix the parser · Request 3"
    assert search.page.locator(".lms-search__status").inner_text() == "3 results"


def test_all_words_must_stand_in_one_text_in_any_order(search: Search) -> None:
    assert search.find("parser fails") == {"Prompts": "1"}
    assert search.find("parser fails exit") == {}
    assert search.page.locator(".lms-search__status").inner_text().startswith("Nothing found.")


def test_the_last_word_may_be_only_begun(search: Search) -> None:
    assert search.find("fai") == {"Prompts": "1", "Tool results": "1"}
    assert search.find("fai ") == {}
    assert sorted(search.find("exit cod")) == ["Tool results"]


@pytest.mark.parametrize("query", ["parse_header", "parseHeader", "PARSE_HEADER", "parse_hea"])
def test_a_name_is_found_in_each_style(search: Search, query: str) -> None:
    assert search.find(query) == {"Answers": "1"}
    assert search.marks() == ["parse_header", "parseHeader"]


def test_names_are_found_by_their_parts_and_text_without_accents(search: Search) -> None:
    assert search.find("header ") == {"Prompts": "1", "Answers": "1"}
    assert search.find("cafe") == {"Prompts": "1"}
    assert search.marks() == ["Café"]


def test_what_is_written_without_a_space_or_in_quotes_stands_side_by_side(search: Search) -> None:
    assert search.find("src/app/main.py") == {"Prompts": "1", "Paths": "1"}
    assert search.marks() == ["src/app/main.py"] * 2
    assert search.find("src app main py") == {"Prompts": "1", "Tool results": "1", "Paths": "1"}
    assert search.find('"exit code 1"') == {"Tool results": "1"}
    assert search.find('"code exit"') == {}


@pytest.mark.parametrize(
    ("query", "marked"), [("東京", ["東京"]), ("タワーの高", ["タワーの高"]), ("三", ["三"] * 3), ("ル", ["ル"])]
)
def test_scripts_without_spaces_are_found_anywhere(search: Search, query: str, marked: list[str]) -> None:
    assert search.find(query) == {"Tool results": "1"}
    assert search.marks() == marked


def test_hostile_text_is_shown_and_does_nothing(search: Search) -> None:
    opened: list[str] = []

    def refuse(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    search.page.on("dialog", refuse)
    search.find("hostile")
    assert search.texts() == ["</span><img src=x onerror=alert(1)> <script>alert(2)</script> hostile"]
    assert search.page.locator(".lms-search img, .lms-search b").count() == 0
    assert opened == []


def test_the_dialog_says_what_it_covers_and_what_was_left_out(search: Search) -> None:
    characters = sum(len(each.text) for each in SMALL)
    assert search.page.locator(".lms-search__covers").inner_text() == (
        f"Searches {len(SMALL)} texts with {characters:,} characters. "
        f"Of 1 very long text only the first {TEXT_LIMIT:,} characters are searched."
    )
    search.find("word")
    where = search.page.locator(".lms-search__where").text_content()
    assert where == f"Long · Request 3 · first part of {len(SMALL[9].text):,} characters"


def test_the_keyboard_is_enough(search: Search) -> None:
    page = search.page
    field = page.locator(".lms-search__input")
    search.find("parser")
    expect(field).to_be_focused()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    assert chosen.get_attribute("id") == field.get_attribute("aria-activedescendant")
    assert chosen.locator(".lms-search__text").inner_text().startswith("Please fix the parser")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.locator("[role=option]").last.get_attribute("aria-selected") == "true"
    page.keyboard.press("Escape")
    expect(page.locator("dialog.lms-search")).to_be_hidden()
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sessions/a/index.html#m-1$"))
    expect(page.locator("dialog.lms-search")).to_be_hidden()


def test_the_focus_stays_in_the_dialog_and_returns_where_it_was(browser: Browser, small: Path) -> None:
    page = browser.new_page()
    made = Search(page, small)
    button = page.get_by_role("button", name="Find")
    button.click()
    expect(page.locator(".lms-search__covers")).not_to_be_empty()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    assert made.wrong == []
    page.close()


def test_a_slash_typed_into_a_field_opens_nothing(browser: Browser, small: Path) -> None:
    page = browser.new_page()
    Search(page, small)
    page.get_by_role("textbox", name="other").press("/")
    assert page.get_by_role("textbox", name="other").input_value() == "/"
    assert page.locator("dialog").count() == 0
    page.close()


def test_more_results_of_a_kind_are_shown_on_demand(search: Search) -> None:
    assert search.find("many") == {"Tool calls": "48"}
    hits = search.page.locator(".lms-search__hit")
    assert hits.count() == 5
    search.page.keyboard.press("ArrowUp")
    search.page.keyboard.press("Enter")
    expect(hits).to_have_count(25)
    assert hits.nth(5).get_attribute("aria-selected") == "true"
    search.page.get_by_role("option", name="Show 20 more of 23").click()
    search.page.get_by_role("option", name="Show 3 more of 3").click()
    expect(hits).to_have_count(48)
    expect(search.page.locator(".lms-search__more")).to_be_hidden()


def test_a_part_of_another_build_is_refused(browser: Browser, small: Path, tmp_path: Path) -> None:
    page = write(tmp_path, SMALL[:3])
    part = tmp_path / "fulltext" / "terms-000.js"
    shutil.copy(small.parents[2] / "fulltext" / "terms-000.js", part)
    made = Search(browser.new_page(), page)
    made.open()
    made.page.locator(".lms-search__input").fill("parser")
    expect(made.page.locator(".lms-search__status")).to_have_text(
        "The search failed: terms-000.js is of another build: reload the page."
    )
    made.page.close()


def test_a_missing_index_is_said(browser: Browser, tmp_path: Path) -> None:
    page = write(tmp_path, SMALL[:3])
    (tmp_path / "fulltext" / "index.js").unlink()
    made = Search(browser.new_page(), page)
    made.page.keyboard.press("/")
    expect(made.page.locator(".lms-search__status")).to_have_text("The search cannot be used: index.js is missing.")
    made.page.close()


def test_a_page_loads_no_index_before_the_search_is_opened(browser: Browser, small: Path) -> None:
    made = Search(browser.new_page(), small)
    assert [url.rsplit("/", 1)[-1] for url in made.asked] == ["index.html", "search.css", "audit.js", "search.js"]
    made.open()
    assert any(url.endswith("fulltext/index.js") for url in made.asked)
    assert not any("fulltext/text-" in url for url in made.asked)
    made.page.close()


def test_a_large_index_answers_fast_and_never_freezes_the_page(browser: Browser, large: Path) -> None:
    made = Search(browser.new_page(), large)
    made.page.evaluate(
        """() => {
            window.stalls = [];
            const note = (list) => list.getEntries().forEach((entry) => stalls.push(entry.duration));
            const watch = new PerformanceObserver(note);
            watch.observe({ type: "longtask", buffered: true });
        }"""
    )
    made.open()
    assert made.find("import")
    took: dict[str, float] = {}
    stalls: list[float] = []
    queries = ("self", "return None", "os.path.join", '"raise ValueError"', "unicodedecodeer", "e", "the file name")
    # The best of three rounds: what else the machine does is not the search's.
    for _ in range(3):
        made.page.evaluate("window.stalls.length = 0")
        for query in queries:
            assert made.find(query), query
            took[query] = min(made.measure(), took.get(query, 1e9))
        stalls.append(made.page.evaluate("Math.max(0, ...window.stalls)"))
    assert {query: ms for query, ms in took.items() if ms >= 300} == {}
    assert min(stalls) < 500
    made.page.close()


def test_a_text_is_read_from_the_data_file_of_its_session(browser: Browser, tmp_path: Path) -> None:
    log = "started\n" * 500 + "then the wheel fell off\n" + "ended\n" * 500
    call = json.dumps({"arguments": json.dumps({"script": log})})
    items = [json.dumps("another"), call, json.dumps({"content": [{"text": log}]})]
    documents = [
        document("prompt", "the wheel"),
        document("call", log, source=Source("s1", 2, 1, '["arguments","!","script"]')),
        document("answer", "a wheel, then fell it off"),
        document("result", log, source=Source("s1", 2, 2, '["content",0,"text"]')),
    ]
    made = Search(browser.new_page(), write(tmp_path, documents))
    data = packed(json.dumps({"items": items}).encode())
    (tmp_path / "sessions" / "s1").mkdir()
    (tmp_path / "sessions" / "s1" / "data-2.js").write_text(f'lmsAudit.data("s1",2,"{data}");', "utf-8")
    made.open()
    assert made.find('"wheel fell off"') == {"Tool calls": "1", "Tool results": "1"}
    assert made.marks() == ["wheel fell off"] * 2
    assert made.find("wheel the") == {"Prompts": "1", "Answers": "1", "Tool calls": "1", "Tool results": "1"}
    assert made.wrong == []
    assert sum(len(content) for content in build_index([read_chapter(documents)]).values()) < 2500
    made.page.close()


def test_the_browser_divides_text_into_words_as_the_index_does(search: Search) -> None:
    chosen = random.Random(11)
    alphabet = [
        *("abzAZ059__ -./\n" * 3),
        *"éßøŁıæœÆ½ﬁＡｂ²™µΣςσΆёйŠ東京タが、。한글ไทย→─✓🙂𠀀𠀁אבعة\u0301\u0308\u200b\ue000",
        *("กำ", "か\u3099", "\u1112\u1161\u11ab", "نَّ", "שָׁ", "हिन्दी", "ção", "e\u0323\u0302"),
    ]
    texts = [
        *(each.text[:300] for each in SMALL),
        *("".join(chosen.choices(alphabet, k=chosen.randint(1, 60))) for _ in range(400)),
        "XMLHttpRequest2 sha256Sum parseHTTPHeader_v2 ABC123def __init__ x" + "aB3" * 40,
        "".join(chr(code) for code in range(0xA0, 0x3100) if unicodedata.category(chr(code))[0] in "LN"),
    ]
    found: list[list[str]] = search.page.evaluate(
        """(texts) => texts.map((text) => {
            const { RUN, ofRun } = lmsSearch.words;
            const found = new Set();
            for (const [run] of text.matchAll(RUN)) {
                const words = ofRun(run);
                words.forEach((word, place) => {
                    if (!word.sign) [word.whole, ...word.parts].forEach((term) => found.add(term));
                    else if (words[place + 1]?.joined) found.add(word.whole + words[place + 1].whole);
                    else found.add(word.whole);
                });
            }
            return [...found];
        })""",
        texts,
    )
    for text, by_browser in zip(texts, found, strict=True):
        by_index = {term for word in distinct(text) for term in terms(word)}
        assert set(by_browser) == by_index, ascii(text)


def test_the_index_is_found_from_pages_at_any_depth(browser: Browser, small: Path) -> None:
    root = small.parents[2]
    for path in ("index.html", "sessions/index.html", "a/b/c/index.html"):
        page = root / path
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(PAGE.replace("../../", "../" * path.count("/")), "utf-8")
        made = Search(browser.new_page(), page)
        made.open()
        made.find("fails")
        link = made.page.locator(".lms-search__hit").first
        assert link.evaluate("(link) => link.href") == f"{small.as_uri()}#m-1"
        made.page.close()
