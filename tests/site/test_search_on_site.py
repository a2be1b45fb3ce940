"""The search on the built site: every result leads somewhere, every long text is where the index says."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from lms_audit.present.search import KEPT_ELSEWHERE


@pytest.fixture
def index(either: Path) -> dict[str, Any]:
    script = (either / "fulltext" / "index.js").read_text("utf-8")
    opened = re.fullmatch(r'"use strict";lmsSearch\.open\("\w+",(.*)\);\n', script)
    assert opened is not None
    held: dict[str, Any] = json.loads(opened[1])
    return held


def values(column: dict[str, list[Any]]) -> list[Any]:
    return [column["values"][place] for place in column["places"]]


def test_every_result_leads_to_a_page_and_an_anchor_on_it(either: Path, index: dict[str, Any]) -> None:
    pages = {page: (either / page).read_text("utf-8") for page in set(values(index["page"]))}
    anchors = {page: set(re.findall(r'\sid="?([^"\s>]+)', text)) for page, text in pages.items()}
    missing = [
        f"{page}#{anchor}"
        for page, anchor in zip(values(index["page"]), values(index["anchor"]), strict=True)
        if anchor and anchor not in anchors[page]
    ]
    assert index["documents"] > 100
    assert missing == []


def test_long_texts_are_where_the_index_says(either: Path, index: dict[str, Any]) -> None:
    held = index["held"]
    assert held["documents"]
    for file, item, way in zip(values(held["file"]), held["item"], values(held["way"]), strict=True):
        session, part = file.split("/")
        packed = re.search(r',"([^"]*)"\);', (either / "sessions" / session / f"data-{part}.js").read_text("utf-8"))
        assert packed is not None
        value: Any = json.loads(json.loads(gzip.decompress(b64decode(packed[1])))["items"][item])
        for step in json.loads(way):
            value = json.loads(value) if step == "!" else value[step]
        assert len(value) >= KEPT_ELSEWHERE


def test_all_kinds_of_text_are_in_the_index(index: dict[str, Any]) -> None:
    kinds = {index["kinds"][int(kind)] for kind in index["kind"]}
    assert kinds >= {"session", "prompt", "answer", "call", "result", "path"}


@pytest.mark.browser
def test_a_reader_finds_a_word_from_the_first_page_and_lands_on_it(browser: Browser, either: Path) -> None:
    page = browser.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((either / "index.html").as_uri())
    page.keyboard.press("/")
    expect(page.locator(".lms-search__covers")).not_to_be_empty()
    page.locator(".lms-search__input").fill("error")
    expect(page.locator(".lms-search mark").first).to_be_visible()
    hit = page.locator(".lms-search__hit").last
    href = hit.evaluate("(link) => link.href")
    hit.click()
    expect(page).to_have_url(href)
    anchor = href.partition("#")[2]
    assert anchor
    expect(page.locator(f"[id='{anchor}']")).to_be_in_viewport()
    assert wrong == []
    assert all(url.startswith("file:") for url in asked)
    page.close()
