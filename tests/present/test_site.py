"""What a build leaves for the next one is never more than it has finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from lms_audit.present import site as site_module
from lms_audit.present.site import NOTES, write_site
from tests.present.books import book
from tests.support import World, assistant, user


def written(work: Path, words: str) -> dict[str, bytes]:
    """The docs tree of a conversation that ends with these words."""
    world = World()
    world.send([user("mend the kettle")])
    world.send([user("mend the kettle"), assistant("It is mended."), user(words)])
    made = book(world)
    write_site(made.report, made.library, work / "site", work, compile=False, maker="one")
    docs = work / "docs"
    return {path.relative_to(docs).as_posix(): path.read_bytes() for path in docs.rglob("*") if path.is_file()}


def test_pages_of_a_build_that_was_cut_off_are_not_taken_for_those_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(tmp_path / "work", "Thanks.")
    assert (tmp_path / "work" / NOTES).is_file()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(site_module, "data_files", killed)
        with pytest.raises(KeyboardInterrupt):
            written(tmp_path / "work", "And now the spout.")
    assert written(tmp_path / "work", "Thanks.") == before
