"""Opens pages of a site from disk, cut off from every network, and notes everything that must not happen on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Locator, Page

LOCAL = ("file:", "data:", "about:", "blob:")
ELSEWHERE = re.compile("^(?!file:|data:|about:|blob:)")


class Watched:
    """A page with what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.route(ELSEWHERE, lambda route: route.abort())
        page.on("request", lambda request: self._note("request", request.url, not request.url.startswith(LOCAL)))
        # going on to the next page aborts what the last one was still loading
        page.on(
            "requestfailed", lambda request: self._note("failed", request.url, request.failure != "net::ERR_ABORTED")
        )
        page.on("console", lambda said: self._note(said.type, said.text, said.type in ("error", "warning")))
        page.on("pageerror", lambda error: self._note("exception", str(error)))
        page.on("dialog", self._refuse)

    def _note(self, what: str, text: str, matters: bool = True) -> None:
        if matters:
            self.troubles.append(f"{what}: {text}")

    def _refuse(self, dialog: Dialog) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()

    def toggle(self) -> None:
        """To the other colours, by the button a reader uses."""
        before = self.scheme()
        self.page.locator(".md-header label[for^=__palette]:visible").click()
        self.page.wait_for_function("before => document.body.dataset.mdColorScheme !== before", arg=before)

    def scheme(self) -> str:
        """``default`` is light, ``slate`` dark."""
        return str(self.page.evaluate("document.body.dataset.mdColorScheme"))

    def charts(self) -> list[Locator]:
        """The charts a reader comes across, each scrolled to and drawn."""
        figures = [each for each in self.page.locator("figure.chart").all() if each.is_visible()]
        for figure in figures:
            figure.scroll_into_view_if_needed()
            figure.locator(".chart-view.drawn svg").wait_for()
        return figures


@contextmanager
def watching(browser: Browser, **context: Any) -> Iterator[Watched]:
    """An empty page to go to others with; what goes wrong on any of them is noted."""
    held = browser.new_context(**context)
    yield Watched(held.new_page())
    held.close()


@contextmanager
def opened(browser: Browser, path: Path, anchor: str = "", **context: Any) -> Iterator[Watched]:
    """A page, watched from its first byte."""
    with watching(browser, **context) as watched:
        watched.page.goto(path.as_uri() + anchor)
        yield watched


def pages(site: Path) -> list[Path]:
    """Every page of a site but the error page, whose links are from the server's root."""
    return sorted(path for path in site.rglob("*.html") if path.name != "404.html")
