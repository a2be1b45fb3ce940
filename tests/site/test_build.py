"""Two builds of the same logs are the same bytes, strict, and of either builder."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lms_audit.errors import AuditError
from lms_audit.present.compiler import Compiler
from tests.site.conftest import ROOT, built
from tests.site.sources import source
from tests.site.watching import pages


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def work(site: Path) -> Path:
    """Where the site's pages stand before they are compiled."""
    return site.with_name(f".{site.name}.lms-audit")


def compile_site(config: Path, out: Path, builder: str = "mkdocs") -> None:
    with Compiler(builder) as compiler:
        compiler.compile(config)
        compiler.compiled(out)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT / "logs_sample", tmp_path_factory.mktemp("first"))


def test_two_builds_are_the_same_bytes(first: Path, tmp_path: Path) -> None:
    second = built(ROOT / "logs_sample", tmp_path)
    assert files(second) == files(first)
    assert filecmp.cmpfiles(first, second, files(first), shallow=False)[1:] == ([], [])
    assert files(work(second) / "docs") == files(work(first) / "docs")
    assert filecmp.cmpfiles(work(first), work(second), ["pages.json"], shallow=False)[1:] == ([], [])


def test_a_second_run_over_the_same_logs_changes_no_byte(first: Path) -> None:
    before = {name: (first / name).read_bytes() for name in files(first)}
    assert built(ROOT / "logs_sample", first.parent) == first
    assert {name: (first / name).read_bytes() for name in files(first)} == before


def test_a_site_of_logs_that_have_grown_is_the_same_bytes_as_one_made_at_once(first: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs_sample"
    shutil.copytree(ROOT / "logs_sample", logs)
    newest = max(logs.rglob("*.log"))
    whole = newest.read_bytes()
    newest.write_bytes(whole[: whole.rindex(b"\n[", 0, len(whole) * 4 // 5) + 1])
    site = built(logs, tmp_path)
    before = {name: (site / name).stat().st_ino for name in files(site) if name.startswith("sessions/")}
    newest.write_bytes(whole)
    built(logs, tmp_path)
    assert files(site) == files(first)
    assert filecmp.cmpfiles(first, site, files(first), shallow=False)[1:] == ([], [])
    carried = [
        name for name, inode in before.items() if name.endswith(".html") and (site / name).stat().st_ino == inode
    ]
    assert len(carried) > 10


def test_a_broken_link_between_pages_fails_the_build(sample: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((work(sample) / "mkdocs.yml").read_text("utf-8"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n[nowhere](missing.md)\n", "utf-8")
    config |= {"docs_dir": str(tmp_path / "docs"), "nav": [{"A page": "index.md"}], "not_in_nav": "/assets/"}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config), "utf-8")
    with pytest.raises(AuditError, match=r"mkdocs could not build the site: .*missing\.md"):
        compile_site(tmp_path / "mkdocs.yml", tmp_path / "site")


def test_properdocs_builds_the_same_pages_from_the_same_tree(sample: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((work(sample) / "mkdocs.yml").read_text("utf-8")) | {"site_dir": str(tmp_path / "site")}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config), "utf-8")
    compile_site(tmp_path / "mkdocs.yml", tmp_path / "site", "properdocs")
    other = tmp_path / "site"
    assert [path.relative_to(other) for path in pages(other)] == [path.relative_to(sample) for path in pages(sample)]
    for path in pages(other):
        mine, same = source(sample / path.relative_to(other)), source(path)
        assert (same.leads, same.loads, same.ids) == (mine.leads, mine.loads, mine.ids), path


def test_pages_left_beside_the_site_can_be_served_from_the_repository(sample: Path) -> None:
    """``mkdocs.yml`` of the repository is the shape every site has, over the folder ``make site`` leaves."""
    told = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "docs_dir: .site.lms-audit/docs" in told
    assert (work(sample) / "docs" / "index.md").is_file()


def test_modules_in_the_folder_one_stands_in_are_not_run(tmp_path: Path) -> None:
    for name in ("altair", "jinja2", "logging", "mkdocs", "msgspec", "queue"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\n", "utf-8")
    command = [sys.executable, "-P", "-m", "lms_audit", "build", str(ROOT / "logs_sample"), "-o", "site", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "ran").exists()


def test_a_build_says_nothing_when_asked_to_be_quiet(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "lms_audit",
        "build",
        str(ROOT / "logs_sample"),
        "-o",
        str(tmp_path / "site"),
        "-q",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
