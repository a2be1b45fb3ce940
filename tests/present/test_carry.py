"""Pages of the last site are taken over where they would come out the same, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lms_audit.present.carry import TITLES, Carry, Compiled

PAGES = ("index.md", "sessions/a/index.md", "sessions/b/index.md")


class Builds:
    """A docs tree, and sites compiled of it by a builder that only copies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / "docs"
        self.site: Path | None = None
        self.notes: dict[str, Compiled] = {}
        self.compiled: list[str] = []
        for name in PAGES:
            self.write(name, f"first {name}")
        self.write("data/rows.js", "rows")

    def write(self, name: str, text: str) -> None:
        (self.docs / name).parent.mkdir(parents=True, exist_ok=True)
        draft = self.docs / f"{name}.draft"
        draft.write_text(text, "utf-8")
        draft.replace(self.docs / name)

    def build(self, *names: str) -> dict[str, str]:
        """Build a site of these pages; returns its files."""
        changed, new = self.root / "changed", self.root / "compiled"
        out = self.root / f"site{len(list(self.root.glob('site*')))}"
        carry = Carry(self.docs, self.site, self.notes)
        carry.gather(names, {"index.md"}, changed)
        self.compiled = sorted(path.relative_to(changed).as_posix() for path in changed.rglob("*.md"))
        titles = []
        for name in self.compiled:
            page = name.replace(".md", ".html")
            (new / page).parent.mkdir(parents=True, exist_ok=True)
            (new / page).write_text(f"<html>{(changed / name).read_text('utf-8')}", "utf-8")
            titles += [{"location": page, "title": name}, {"location": f"{page}#part", "title": "part"}]
        (new / TITLES).parent.mkdir(parents=True, exist_ok=True)
        (new / TITLES).write_text(json.dumps({"config": {}, "docs": titles}), "utf-8")
        carry.fill(out, ["data/rows.js"])
        self.notes = carry.complete(out, new)
        self.site = out
        return {path.relative_to(out).as_posix(): path.read_text("utf-8") for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    made = Builds(tmp_path)
    made.build(*PAGES)
    return made


def test_only_what_has_changed_is_compiled_and_the_site_is_the_same(builds: Builds, tmp_path: Path) -> None:
    builds.write("sessions/a/index.md", "second")
    again = builds.build(*PAGES)
    assert builds.compiled == ["index.md", "sessions/a/index.md"]
    (tmp_path / "other").mkdir()
    fresh = Builds(tmp_path / "other")
    fresh.write("sessions/a/index.md", "second")
    assert again == fresh.build(*PAGES)
    assert builds.notes == fresh.notes


def test_a_page_carried_over_twice_is_still_known(builds: Builds) -> None:
    first = builds.build(*PAGES)
    assert builds.build(*PAGES) == first
    assert builds.compiled == ["index.md"]


def test_a_page_that_is_gone_is_gone_from_the_titles_too(builds: Builds) -> None:
    site = builds.build(*PAGES[:2])
    assert "sessions/b/index.html" not in site
    locations = [entry["location"] for entry in json.loads(site[TITLES])["docs"]]
    assert locations == ["index.html", "index.html#part", "sessions/a/index.html", "sessions/a/index.html#part"]
    assert site["search/search_index.js"] == f"var __index = {site[TITLES]}"


@pytest.mark.parametrize("harm", ["edited", "deleted", "no titles", "no site"])
def test_a_page_that_is_not_as_it_was_compiled_is_compiled_again(builds: Builds, harm: str) -> None:
    assert builds.site is not None
    page = builds.site / "sessions/b/index.html"
    if harm == "edited":
        page.write_text("<html>somebody was here", "utf-8")
    elif harm == "deleted":
        page.unlink()
    elif harm == "no titles":
        (builds.site / TITLES).write_text('{"docs": [3', "utf-8")
    else:
        builds.site = None
    site = builds.build(*PAGES)
    assert "sessions/b/index.md" in builds.compiled
    assert site["sessions/b/index.html"] == "<html>first sessions/b/index.md"
