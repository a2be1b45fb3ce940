"""A real browser for the tests of the site: one process for all of them, nothing shared between pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from lms_audit.config import Config
from lms_audit.pipeline import build

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium or Chrome: the one ``CHROME`` names, or the first found. Without any: skipped, under CI a failure."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report("no Chromium or Chrome; set CHROME to one")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the sample logs, as the first command of the README makes it."""
    out = tmp_path_factory.mktemp("sample") / "site"
    build(Config(logs=(ROOT / "logs_sample",), out=out, workers=1))
    return out
