"""What pages and indexes may weigh: on the sample, and on the logs ``LMS_AUDIT_ARTICLE`` points to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.site.conftest import built
from tests.site.watching import pages

MB = 1_000_000
ARTICLE = os.environ.get("LMS_AUDIT_ARTICLE")


@pytest.fixture(scope="module", params=["sample", *filter(None, [ARTICLE])])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site. The second is built only when somebody says where logs of that size are: it takes minutes."""
    if request.param == "sample":
        made: Path = request.getfixturevalue("sample")
        return made
    return built(Path(request.param), tmp_path_factory.mktemp("article"))


def over(site: Path, paths: list[Path], limit: float) -> dict[str, int]:
    """Files above a limit in bytes."""
    assert paths
    return {path.relative_to(site).as_posix(): path.stat().st_size for path in paths if path.stat().st_size > limit}


def test_no_page_is_heavier_than_two_megabytes(site: Path) -> None:
    assert over(site, pages(site), 2 * MB) == {}


def test_the_index_of_titles_is_within_what_the_theme_searches_without_a_stall(site: Path) -> None:
    assert over(site, [site / "search" / "search_index.js"], 2 * MB) == {}


def test_data_files_are_loaded_one_by_one_so_none_is_heavy(site: Path) -> None:
    data = [
        path for folder in ("data", "fulltext", "assets/data", "sessions") for path in (site / folder).rglob("*.js")
    ]
    assert over(site, data, 4 * MB) == {}


def test_what_every_page_loads_is_light(site: Path) -> None:
    assets = [*site.glob("assets/css/*.css"), *site.glob("assets/js/*.js"), *site.glob("assets/*.js")]
    assert over(site, assets, 64_000) == {}
    assert sum(path.stat().st_size for path in assets) < 250_000


def test_the_site_holds_no_source_maps_and_no_second_copy_of_a_library(site: Path) -> None:
    assert list(site.rglob("*.map")) == []
    assert len(list(site.rglob("vega.min.js"))) == 1
