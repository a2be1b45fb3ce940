"""Takes the pictures of the docs anew: builds the sample and photographs a page of every kind.

python docs/screenshots.py        # writes docs/images/*.png; needs the dev extra and a Chromium (CHROME names one)
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

PAGES = {
    "overview": "index.html",
    "sessions": "sessions/index.html",
    "requests": "requests/index.html",
    "prompts": "prompts/index.html",
    "cache": "cache/index.html",
    "tools": "tools/index.html",
    "models": "models/index.html",
    "clients": "clients/index.html",
    "projects": "projects/index.html",
    "cost": "cost/index.html",
    "health": "health/index.html",
    "definitions": "definitions/index.html",
}


def session_page(site: Path) -> str:
    """The page of the session with the slow request."""
    for page in sorted((site / "sessions").glob("*/index.html")):
        if f"<title>{SLOWEST}" in page.read_text("utf-8"):
            return page.relative_to(site).as_posix()
    raise SystemExit("the sample has no such session any more")


def photograph(browser: Browser, url: str, name: str, *, dark: bool = False, phone: bool = False, at: str = "") -> None:
    """One picture of what stands in the window, from the top or from an element on."""
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
    page: Page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
    page.goto(url)
    if at:
        page.locator(at).first.evaluate("element => element.scrollIntoView()")
    page.wait_for_timeout(1500)  # charts are drawn when they come near
    page.screenshot(path=HERE / "images" / f"{name}.png")
    page.close()


def main() -> None:
    """Builds, photographs, tidies up."""
    chrome = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    (HERE / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Path(folder, "site")
        logs = HERE.parent / "logs_sample"
        subprocess.run(
            [sys.executable, "-m", "lms_audit", "build", logs, "-o", site, "--quiet", "--no-store"], check=True
        )
        browser = playwright.chromium.launch(executable_path=chrome, args=["--no-sandbox", "--disable-gpu"])
        for name, path in PAGES.items():
            photograph(browser, (site / path).as_uri(), name)
        session = (site / session_page(site)).as_uri()
        photograph(browser, session, "session")
        photograph(browser, session, "conversation", at="#conversation")
        photograph(browser, session, "conversation-dark", at="#conversation", dark=True)
        photograph(browser, session, "session-phone", phone=True)
        photograph(browser, (site / "index.html").as_uri(), "overview-dark", dark=True)
        browser.close()


if __name__ == "__main__":
    main()
