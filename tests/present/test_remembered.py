"""What the search has read of a session is kept until the session changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_audit.present.remembered import Remembered
from lms_audit.present.search import Document, DocumentKind, read_chapter
from lms_audit.present.views.documents import Telling

TOLD = [
    Document(kind=DocumentKind.PROMPT, text="mend the kettle", href="sessions/s1/index.html#m-1", session="Kettle"),
    Document(kind=DocumentKind.ANSWER, text="It whistles.", href="sessions/s1/index.html#m-2", session="Kettle"),
]


class Session:
    """Tells its documents and counts how often."""

    def __init__(self, name: str | None = "s1", told_first: bytes = b"both") -> None:
        self.times = 0
        self.telling = Telling(name, told_first, self._tell)

    def _tell(self) -> Iterator[Document]:
        self.times += 1
        yield from TOLD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Remembered(tmp_path / "words", "maker").source(Session().telling, "pages").chapter()
    return tmp_path / "words"


def test_a_session_that_has_not_changed_is_not_told_again(folder: Path) -> None:
    again = Session()
    assert Remembered(folder, "maker").source(again.telling, "pages").chapter() == read_chapter(TOLD)
    assert again.times == 0


@pytest.mark.parametrize(
    ("maker", "pages", "told_first"),
    [
        ("newer", "pages", b"both"),
        ("maker", "other pages", b"both"),
        ("maker", "pages", b"one"),
        ("", "pages", b"both"),
        ("maker", None, b"both"),
    ],
)
def test_a_session_of_other_pages_texts_or_makers_is_told(
    folder: Path, maker: str, pages: str | None, told_first: bytes
) -> None:
    changed = Session(told_first=told_first)
    assert Remembered(folder, maker).source(changed.telling, pages).chapter() == read_chapter(TOLD)
    assert changed.times == 1


def test_a_damaged_note_is_made_anew(folder: Path) -> None:
    note = folder / "s1.bin"
    note.write_bytes(note.read_bytes()[:20])
    once, twice = Session(), Session()
    assert Remembered(folder, "maker").source(once.telling, "pages").chapter() == read_chapter(TOLD)
    assert Remembered(folder, "maker").source(twice.telling, "pages").chapter() == read_chapter(TOLD)
    assert (once.times, twice.times) == (1, 0)


def test_what_no_session_asks_for_any_more_is_forgotten(folder: Path) -> None:
    other = Remembered(folder, "maker")
    other.source(Session("s2").telling, "pages").chapter()
    other.sweep()
    assert [path.name for path in folder.iterdir()] == ["s2.bin"]
