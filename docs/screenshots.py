"""Takes the pictures of the docs anew: builds the sample and photographs a page of every kind.

python docs/screenshots.py           # writes docs/images/*.png; needs the dev extra and a Chromium (CHROME names one)
python docs/screenshots.py session   # only those whose name begins so
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
SLOWEST = "Somebody compared our October"
"""Begins the title of the sample's session with the slow request."""
ASKED = "day_bounds"
"""What the picture of the search looks for."""

HUBS = (
    "overview",
    "sessions",
    "requests",
    "prompts",
    "cache",
    "tools",
    "models",
    "clients",
    "projects",
    "cost",
    "health",
    "definitions",
)
"""Pages there is one of each."""


def session_page(site: Path) -> str:
    """The page of the session with the slow request."""
    for page in sorted((site / "sessions").glob("*/index.html")):
        if f"<title>{SLOWEST}" in page.read_text("utf-8"):
            return page.relative_to(site).as_posix()
    raise SystemExit("the sample has no such session any more")


class Camera:
    """A browser that takes pictures of a site's pages, of those that are wanted."""

    def __init__(self, browser: Browser, site: Path, wanted: str) -> None:
        self._browser = browser
        self._site = site
        self._wanted = wanted

    def take(self, name: str, path: str, *clicks: str, at: str = "", dark: bool = False, phone: bool = False) -> None:
        """One picture of what stands in the window after some clicks, from the top or from an element on."""
        if not name.startswith(self._wanted):
            return
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
        page: Page = self._browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
        page.goto((self._site / path).as_uri())
        for each in clicks:
            page.locator(each).first.click()
        if name.startswith("search"):
            page.keyboard.press("/")
            page.locator(".lms-search__input").fill(ASKED)
            page.locator(".lms-search mark").first.wait_for()
        if at:
            page.locator(at).first.evaluate("element => element.scrollIntoView()")
        page.wait_for_timeout(1500)  # charts are drawn when they come near
        page.screenshot(path=HERE / "images" / f"{name}.png")
        page.close()


def photograph(camera: Camera, session: str, tool_set: str) -> None:
    """Every kind of page, and what a session's page is made of."""
    for name in HUBS:
        camera.take(name, "index.html" if name == "overview" else f"{name}/index.html")
    camera.take("overview-dark", "index.html", dark=True)
    camera.take("overview-phone", "index.html", phone=True)
    camera.take("tool-set", tool_set)
    camera.take("session", session)
    camera.take("session-phone", session, phone=True)
    camera.take("conversation", session, at="#conversation")
    camera.take("conversation-dark", session, at="#conversation", dark=True)
    camera.take("conversation-open", session, "label[for=depth-all]", at="details.call.edit")
    camera.take("prompt-audit", session, "label[for=tab-tools]", at="#prompt-audit")
    camera.take("request", session, ".wf li:has-text('97.0') a", at="details.req:target")
    camera.take("search", session)


def main() -> None:
    """Builds, photographs, tidies up."""
    chrome = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    (HERE / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Path(folder, "site")
        logs = HERE.parent / "logs_sample"
        subprocess.run(
            [sys.executable, "-m", "lms_audit", "build", logs, "-o", site, "--quiet", "--no-store"], check=True
        )
        browser = playwright.chromium.launch(executable_path=chrome, args=["--no-sandbox", "--disable-gpu"])
        largest = max((site / "prompts").glob("tools-*.html"), key=lambda path: (path.stat().st_size, path))
        photograph(Camera(browser, site, wanted), session_page(site), largest.relative_to(site).as_posix())
        browser.close()


if __name__ == "__main__":
    main()
