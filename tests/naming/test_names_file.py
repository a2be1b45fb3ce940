"""Names written into a file that a person keeps: their lines stay as they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lms_audit.correlate.names import Names, parse
from lms_audit.errors import MISUSE, AuditError
from lms_audit.naming.names_file import check_writable, write


def written(tmp_path: Path, text: str | None, names: dict[str, str], *, replace: bool = False) -> str:
    path = tmp_path / "names.yml"
    if text is not None:
        path.write_bytes(text.encode())
    write(path, names, replace=replace)
    return path.read_bytes().decode()


MINE = """\
# mine
projects:
  kettle: Tea
sessions:
  # the first
  s1: Spout  # good

  # the last
  's5': "Lid"
"""

CASES = {
    "no file yet": (None, {"s2": "Lid", "s1": "Spout"}, "sessions:\n  s1: Spout\n  s2: Lid\n"),
    "an empty file": ("", {"s1": "Spout"}, "sessions:\n  s1: Spout\n"),
    "only a comment": ("# names", {"s1": "Spout"}, "# names\nsessions:\n  s1: Spout\n"),
    "an empty heading": (
        "sessions:  # none yet\nprojects:\n  kettle: Tea\n",
        {"s1": "Spout"},
        "sessions:  # none yet\n  s1: Spout\nprojects:\n  kettle: Tea\n",
    ),
    "empty braces": ("sessions: {}\n# end\n", {"s1": "Spout"}, "sessions: \n  s1: Spout\n# end\n"),
    "projects only": ("projects: {kettle: Tea}", {"s1": "S"}, "projects: {kettle: Tea}\nsessions:\n  s1: S\n"),
    "in order, comments stay with the line below": (
        MINE,
        {"s0": "A", "s3": "B", "s4": "C", "s9": "D"},
        MINE.replace("  s1:", "  s0: A\n  s1:").replace("good\n", "good\n  s3: B\n  s4: C\n") + "  s9: D\n",
    ),
    "another indent": ("sessions:\n      s1: a\n", {"s2": "b"}, "sessions:\n      s1: a\n      s2: b\n"),
    "no indent at the end": ("sessions:\n s1: a", {"s2": "b"}, "sessions:\n s1: a\n s2: b\n"),
    "lines of windows": ("sessions:\r\n  s1: a\r\n", {"s2": "b"}, "sessions:\r\n  s1: a\r\n  s2: b\n"),
    "a name of several lines": (
        "sessions:\n  s1: |\n    one\n    two\n  s3: >-\n    three\n",
        {"s2": "b", "s4": "d"},
        "sessions:\n  s1: |\n    one\n    two\n  s2: b\n  s3: >-\n    three\n  s4: d\n",
    ),
    "written in braces, so anew": (
        "projects: {kettle: Tea}\nsessions: {s2: b, s1: a}\n",
        {"s3": "c"},
        "sessions:\n  s1: a\n  s2: b\n  s3: c\nprojects:\n  kettle: Tea\n",
    ),
    "what YAML would make something else of": (
        None,
        {"s1": "2048", "s2": "yes", "s3": "fix: a #1", "s4": "- {{ x }}", "s5": "'tis", "s6": "茶 👩‍🔧"},
        "sessions:\n  s1: '2048'\n  s2: 'yes'\n  s3: 'fix: a #1'\n  s4: '- {{ x }}'\n  s5: '''tis'\n  s6: 茶 👩‍🔧\n",
    ),
}


@pytest.mark.parametrize(("text", "names", "expected"), CASES.values(), ids=CASES)
def test_new_names_leave_the_rest_as_it_is(
    tmp_path: Path, text: str | None, names: dict[str, str], expected: str
) -> None:
    assert written(tmp_path, text, names) == expected
    before = parse(text or "", "")
    assert parse(expected, "") == Names(before.sessions | names, before.projects)


def test_a_name_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    text = "sessions:\n  s1: Mine  # do not touch\n  s2: |\n    Two\n    lines\n  s3: &x Three\nprojects:\n  a: *x\n"
    assert written(tmp_path, text, {"s1": "Theirs", "s2": "Theirs"}) == text
    done = written(tmp_path, text, {"s1": "Theirs", "s2": "yes"}, replace=True)
    assert done == text.replace("Mine", "Theirs").replace("|\n    Two\n    lines", "'yes'")
    # s3 is quoted by another line: no single line can be changed, and what the file says stays right
    done = written(tmp_path, text, {"s3": "Four"}, replace=True)
    assert parse(done, "") == Names({"s1": "Mine", "s2": "Two lines", "s3": "Four"}, {"a": "Three"})


def test_nothing_new_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "names.yml"
    path.write_text("sessions: {s1: a}")
    os.utime(path, ns=(1, 1))
    write(path, {"s1": "b"})
    write(path, {"s1": "a"}, replace=True)
    assert path.stat().st_mtime_ns == 1


def test_a_file_appears_whole_behind_its_link_with_its_rights(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    target = tmp_path / "kept/names.yml"
    target.write_text("sessions: {s1: a}\n")
    target.chmod(0o600)
    link = tmp_path / "names.yml"
    link.symlink_to(target)
    write(link, {"s2": "b"})
    assert link.is_symlink()
    assert parse(target.read_text(), "").sessions == {"s1": "a", "s2": "b"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["names.yml"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "names.yml"
    path.write_text("sessions: {s1: a}\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, {"s2": "b"})
    assert path.read_text() == "sessions: {s1: a}\n"
    assert [found.name for found in tmp_path.iterdir()] == ["names.yml"]


@pytest.mark.parametrize(("name", "words"), [("folder", "is not a file"), ("none/names.yml", "there is no folder")])
def test_a_place_where_names_cannot_be_written_is_told_first(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / "names.yml")
    with pytest.raises(AuditError, match=words) as caught:
        check_writable(tmp_path / name)
    assert caught.value.exit_code == MISUSE


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "names.yml").write_bytes(b"sessions: {s1: \xff}")
    with pytest.raises(AuditError, match="cannot be read"):
        write(tmp_path / "names.yml", {"s2": "b"})
