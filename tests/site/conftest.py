"""A real browser and the sample's site for the tests of the site: one of each for all, nothing shared between pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.generate import MONTH, generate

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "no Chromium or Chrome: the site was not tested in a browser; set CHROME to one"
OFFLINE = (
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
"""Of the browser itself: no name leads anywhere but to this machine, where a test may listen."""

# What is waited for comes at once on a machine at leisure; on a busy one patience costs nothing.
expect.set_options(timeout=30_000)

KINDS = {
    "overview": "index.html",
    "sessions": "sessions/index.html",
    "session": "",
    "requests": "requests/index.html",
    "prompts": "prompts/index.html",
    "tool set": "",
    "cache": "cache/index.html",
    "tools": "tools/index.html",
    "models": "models/index.html",
    "clients": "clients/index.html",
    "projects": "projects/index.html",
    "cost": "cost/index.html",
    "health": "health/index.html",
    "definitions": "definitions/index.html",
}
"""Kind of page -> a page of it; of the two there are many of, the largest."""


def found() -> str | None:
    """The browser ``CHROME`` names, or the first there is."""
    return os.environ.get("CHROME") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium or Chrome. Without any: skipped and said so at the end, under CI a failure."""
    path = found()
    if path is None:
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report(MISSING)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=OFFLINE)
        yield launched
        launched.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped browser is easily overlooked."""
    skipped = sum(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.write_sep("!", f"{skipped} tests skipped: {MISSING}", red=True, bold=True)


def built(logs: Path, folder: Path, *options: str) -> Path:
    """The site of some logs, by the command people use; its pages stand beside it."""
    site = folder / "site"
    command = [sys.executable, "-m", "lms_audit", "build", str(logs), "-o", str(site), "--quiet", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the sample logs, as the first command of the README makes it."""
    return built(ROOT / "logs_sample", tmp_path_factory.mktemp("sample"))


ARTICLE = os.environ.get("LMS_AUDIT_ARTICLE")
"""Logs of the article's size, where somebody has them and minutes to spare."""
SMALLER = replace(MONTH, result_bytes=5_000, padding_bytes=12_000, rotate_bytes=3_000_000)


@pytest.fixture(scope="session")
def article(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of logs shaped like the article's month: two fifths of its sessions, prompts shorter; or all of it."""
    folder = tmp_path_factory.mktemp("article")
    if ARTICLE is not None:
        return built(Path(ARTICLE), folder)
    generate(SMALLER, folder / "logs", scale=0.4)
    site = built(folder / "logs", folder)
    shutil.rmtree(folder / "logs")
    return site


@pytest.fixture(params=["sample", "article"])
def either(request: pytest.FixtureRequest) -> Path:
    """The sample's site, and then the larger one."""
    found: Path = request.getfixturevalue(request.param)
    return found


def largest(site: Path, pattern: str) -> Path:
    """The largest page of those."""
    return max(site.glob(pattern), key=lambda path: (path.stat().st_size, path))


@pytest.fixture(scope="session")
def kinds(sample: Path) -> dict[str, Path]:
    """Kind of page -> the sample's page of it."""
    pages = {kind: sample / path for kind, path in KINDS.items() if path}
    pages["session"] = largest(sample, "sessions/*/index.html")
    pages["tool set"] = largest(sample, "prompts/tools-*.html")
    return {kind: pages[kind] for kind in KINDS}
