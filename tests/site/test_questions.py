"""Ten questions a reader has, each answered from the overview by clicks, and how many it may take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.site.watching import opened

pytestmark = pytest.mark.browser


class Reader:
    """Somebody with a mouse. Scrolling is free; what cannot be seen cannot be clicked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, what: Locator) -> None:
        what.scroll_into_view_if_needed()
        what.click()
        self.clicks += 1

    def go(self, page: str) -> None:
        """By the navigation that every page has."""
        self.click(self.page.locator(".md-nav--primary").get_by_role("link", name=page, exact=True))
        expect(self.page.locator("h1")).to_have_text(page)

    def reads(self, where: Locator, text: str | re.Pattern[str]) -> None:
        where.scroll_into_view_if_needed()
        expect(where).to_contain_text(text)


def slow(reader: Reader) -> None:
    finding = reader.page.locator(".findings li", has_text="took 97 s")
    reader.reads(finding, "re-read 14,732 prompt tokens after the date or clock in the system prompt changed")
    reader.click(finding.get_by_role("link", name=re.compile("took 97")))
    details = reader.page.locator("details.req:target")
    reader.reads(details.locator(".cachebreak"), "14,582 tokens read again")
    reader.reads(details.locator("pre.tl"), "prompt 87920.5 ms for 14732 tokens")
    reader.reads(details.locator("code.where"), "2026-11/2026-11-11.1.log:1–623")


def read_again(reader: Reader) -> None:
    reader.go("Cache breaks")
    first = reader.page.locator("section.break").first
    reader.reads(first, re.compile("date or clock", re.IGNORECASE))
    reader.reads(first, "14,582")
    # what stood there, and what stands there now
    reader.reads(first.locator("del").first, re.compile("Tue|10"))
    reader.reads(first.locator("ins").first, re.compile("Wed|11"))


def failing_tool(reader: Reader) -> None:
    reader.go("Tools")
    table = reader.page.locator("section", has=reader.page.get_by_role("heading", name="Top tools")).locator("table")
    head = table.locator("thead th", has_text="Failed share")
    reader.click(head)
    column = head.evaluate("head => head.cellIndex")
    shares = table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()
    numbers = [float(share.split()[0]) for share in shares if share != "not logged"]
    assert numbers == sorted(numbers, reverse=True)
    reader.reads(table.locator("tbody tr").first, re.compile("Bash.*25", re.DOTALL))


def edited_file(reader: Reader) -> None:
    reader.go("Tools")
    row = reader.page.locator("tr", has_text="/src/tideline/tables.py").last
    reader.reads(row, "2")
    reader.click(row.get_by_role("link").first)
    edit = reader.page.locator("details.call.edit:target")
    reader.reads(edit.locator("summary"), "src/tideline/tables.py")
    expect(edit.locator(".d-add").first).to_be_visible()


def sent(reader: Reader) -> None:
    reader.click(reader.page.get_by_role("link", name=re.compile("took 97")))
    reader.click(reader.page.locator("details.req:target .payload"))
    window = reader.page.locator("dialog.viewer")
    reader.reads(window.locator("header"), "Request #10")
    reader.reads(window.locator("pre"), "Today's date: Wed Nov 11")
    expect(window.get_by_role("button", name="copy as sent")).to_be_visible()


def client_of_project(reader: Reader) -> None:
    reader.go("Projects")
    reader.click(reader.page.locator("summary", has_text="/code/boxoffice"))
    sessions = reader.page.locator("details", has=reader.page.locator("summary", has_text="/code/boxoffice"))
    for name in ("Claude Code", "OpenCode", "Codex CLI", "qwen/qwen3.6-27b", "openai/gpt-oss-20b"):
        reader.reads(sessions, name)


def sub_agent(reader: Reader) -> None:
    reader.go("Sessions")
    row = reader.page.locator("tr:visible", has=reader.page.locator(".chip", has_text="subagent")).last
    reader.click(row.locator("td.what > a"))
    page = reader.page
    expect(page.locator(".chips .chip.side")).to_have_text("subagent")
    reader.reads(page.locator(".turn.user").first, "find every place")
    expect(page.locator("details.call").first).to_be_visible()
    reader.reads(page.locator(".crumbs"), "Visitors report that seats")


def speed_at_depth(reader: Reader) -> None:
    reader.go("Models")
    figure = reader.page.locator("figure.chart", has_text="Writing speed against context depth")
    reader.click(figure.locator("summary"))
    rows = figure.locator("tbody tr", has_text="qwen/qwen3.6-27b").all_inner_texts()
    # tokens of context, tokens per second
    told = [
        [float(value.replace(",", "")) for value in re.findall(r"\b[\d,]+(?:\.\d+)?\b(?=\t|$)", row)] for row in rows
    ]
    deepest = max(told)
    assert deepest[0] > 14_000
    assert 13 < deepest[1] < 15


def cost(reader: Reader) -> None:
    reader.go("Cost")
    table = reader.page.locator("table").first
    reader.reads(table.locator("thead"), "Total")
    reader.reads(table.locator("tbody tr").first, re.compile(r"\(20\d\d-\d\d\).*\$\d", re.DOTALL))


def not_told(reader: Reader) -> None:
    reader.go("Health")
    reader.reads(reader.page.locator(".md-content"), "Every byte accounted for")
    reader.reads(reader.page.locator("table").first, "Log incoming tokens")
    reader.reads(reader.page.locator(".md-content"), "For a fuller report next time")


QUESTIONS: tuple[tuple[str, int, Callable[[Reader], None]], ...] = (
    ("Why did one request take 97 seconds?", 1, slow),
    ("Which prompts were read again, and what had changed?", 1, read_again),
    ("Which tool fails most?", 2, failing_tool),
    ("Which file was edited most, and where?", 2, edited_file),
    ("What exactly did that slow request send?", 2, sent),
    ("Which clients and models worked on a project?", 2, client_of_project),
    ("What did the sub-agent do, and who asked it to?", 2, sub_agent),
    ("How fast does the model write with a full context?", 2, speed_at_depth),
    ("What would it have cost in the cloud?", 1, cost),
    ("What could the log not tell?", 1, not_told),
)


@pytest.mark.parametrize(("question", "most", "answer"), QUESTIONS, ids=[question for question, _, _ in QUESTIONS])
def test_a_question_is_answered_within_three_clicks(
    question: str, most: int, answer: Callable[[Reader], None], browser: Browser, sample: Path
) -> None:
    with opened(browser, sample / "index.html", viewport={"width": 1280, "height": 900}) as watched:
        reader = Reader(watched.page)
        answer(reader)
        assert reader.clicks <= most <= 3
        assert watched.troubles == []
