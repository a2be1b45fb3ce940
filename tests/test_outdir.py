"""Folders the program writes, and those it must not touch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lms_audit import outdir
from lms_audit.errors import AuditError


def build(folder: Path, state: str, *names: str) -> None:
    with outdir.replacing(folder, "site", state) as new:
        for name in names:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(state)


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != outdir.MARKER
    }


def test_a_site_takes_the_place_of_the_one_before_and_nothing_else_is_left(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html", "old/page.html")
    build(site, "2", "index.html", "new/page.html")
    assert content(site) == {"index.html": "2", "new/page.html": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_files_a_person_put_into_a_site_are_carried_over(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html")
    (site / "CNAME").write_text("docs")
    (site / "deep/er").mkdir(parents=True)
    (site / "deep/er/note.txt").write_text("mine")
    build(site, "2", "index.html")
    assert content(site) == {"index.html": "2", "CNAME": "docs", "deep/er/note.txt": "mine"}


def test_a_persons_file_gives_way_to_a_page_of_its_name_but_is_kept(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html")
    (site / "about.html").write_text("mine")
    build(site, "2", "index.html", "about.html")
    assert content(site) == {"index.html": "2", "about.html": "2", "about.html.kept": "mine"}


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_somebody_elses_folder_or_file_is_refused_and_untouched(tmp_path: Path, kind: str) -> None:
    site = tmp_path / "site"
    if kind == "folder":
        site.mkdir()
        (site / "thesis.txt").write_text("years")
    else:
        site.write_text("years")
    with pytest.raises(AuditError) as caught:
        build(site, "1", "index.html")
    assert caught.value.exit_code == 2
    assert (site / "thesis.txt" if kind == "folder" else site).read_text() == "years"


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    build(tmp_path / "site", "1", "index.html")
    assert content(tmp_path / "site") == {"index.html": "1"}


def test_a_build_that_fails_leaves_the_previous_site_whole(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html")
    with pytest.raises(IsADirectoryError), outdir.replacing(site, "site", "2") as new:
        new.write_text("half")
    assert content(site) == {"index.html": "1"}
    assert outdir.is_current(site, "site", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_a_killed_build_left_is_cleared(tmp_path: Path) -> None:
    site, new = tmp_path / "site", tmp_path / ".site.new"
    build(site, "1", "index.html")
    new.mkdir()
    (new / outdir.MARKER).write_text('{"kind": "site"}')
    (new / "half.html").write_text("half")
    build(site, "2", "index.html")
    assert content(site) == {"index.html": "2"}
    assert not new.exists()


def test_a_site_killed_between_exchange_and_clearing_loses_no_file_of_a_person(tmp_path: Path) -> None:
    site, new = tmp_path / "site", tmp_path / ".site.new"
    build(site, "1", "index.html")
    shutil.copytree(site, new)
    (new / "CNAME").write_text("docs")
    build(site, "2", "index.html")
    assert content(site) == {"index.html": "2", "CNAME": "docs"}
    assert not new.exists()


def test_a_site_killed_between_two_renames_comes_back(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html")
    site.rename(tmp_path / ".site.old")
    with pytest.raises(RuntimeError), outdir.replacing(site, "site", "2"):
        raise RuntimeError
    assert content(site) == {"index.html": "1"}


def test_a_folder_in_the_way_that_is_not_ours_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".site.new").mkdir()
    (tmp_path / ".site.new/mine").write_text("mine")
    with pytest.raises(AuditError, match="in the way"):
        build(tmp_path / "site", "1", "index.html")
    assert (tmp_path / ".site.new/mine").read_text() == "mine"


def test_without_an_exchange_in_one_step_two_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outdir, "_exchange", lambda _one, _other: False)
    build(tmp_path / "site", "1", "index.html")
    build(tmp_path / "site", "2", "index.html")
    assert content(tmp_path / "site") == {"index.html": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_site_is_current_only_with_its_state_and_all_its_files(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(site, "1", "index.html", "a.html")
    assert outdir.is_current(site, "site", "1")
    assert not outdir.is_current(site, "site", "2")
    assert not outdir.is_current(site, "export", "1")
    (site / "a.html").unlink()
    assert not outdir.is_current(site, "site", "1")


def test_an_export_goes_into_a_folder_of_other_files_but_not_over_them(tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for text in ("one", "two"):
        with outdir.drafting(folder) as place:
            (place / "draft").write_text(text)
            outdir.write_files(folder, "export", {"requests.jsonl": place / "draft"})
        assert content(folder) == {"notes.txt": "mine", "requests.jsonl": text}
    draft.write_text("three")
    with pytest.raises(AuditError, match="not written by this program"):
        outdir.write_files(folder, "export", {"notes.txt": draft})
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_draft_that_comes_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out" / outdir.DRAFT).mkdir(parents=True)
    (tmp_path / "out" / outdir.DRAFT / "half").write_text("of a run that was killed")
    with outdir.drafting(tmp_path / "out") as draft:
        assert list(draft.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
