"""What pages and indexes may weigh: on the sample and on a site shaped like the article's month."""

from __future__ import annotations

from pathlib import Path

from tests.site.watching import pages

MB = 1_000_000


def over(site: Path, paths: list[Path], limit: float) -> dict[str, int]:
    """Files above a limit in bytes."""
    assert paths
    return {path.relative_to(site).as_posix(): path.stat().st_size for path in paths if path.stat().st_size > limit}


def test_no_page_is_heavier_than_two_megabytes(either: Path) -> None:
    assert over(either, pages(either), 2 * MB) == {}


def test_the_index_of_titles_is_within_what_the_theme_searches_without_a_stall(either: Path) -> None:
    assert over(either, [either / "search" / "search_index.js"], 2 * MB) == {}


def test_data_files_are_loaded_one_by_one_so_none_is_heavy(either: Path) -> None:
    data = [
        path for folder in ("data", "fulltext", "assets/data", "sessions") for path in (either / folder).rglob("*.js")
    ]
    assert over(either, data, 4 * MB) == {}


def test_what_every_page_loads_is_light(either: Path) -> None:
    assets = [*either.glob("assets/css/*.css"), *either.glob("assets/js/*.js"), *either.glob("assets/*.js")]
    assert over(either, assets, 64_000) == {}
    assert sum(path.stat().st_size for path in assets) < 250_000


def test_the_site_holds_no_source_maps_and_no_second_copy_of_a_library(either: Path) -> None:
    assert list(either.rglob("*.map")) == []
    assert len(list(either.rglob("vega.min.js"))) == 1
