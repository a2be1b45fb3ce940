"""What a person typed or wrote into a settings file becomes one value, or one clear line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from lms_audit.errors import AuditError
from lms_audit.options import Settings, config, moment, settings_file


def millis(*parts: int) -> int:
    return round((datetime(*parts) - datetime(1970, 1, 1)).total_seconds() * 1000)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-03", (2026, 11, 3), (2026, 11, 4)),
        ("2026-12-31", (2026, 12, 31), (2027, 1, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2026-11", (2026, 11, 1), (2026, 12, 1)),
        ("2026-11-03T10:30", (2026, 11, 3, 10, 30), (2026, 11, 3, 10, 30)),
        ("2026-11-03 10:30:05", (2026, 11, 3, 10, 30, 5), (2026, 11, 3, 10, 30, 5)),
    ],
)
def test_a_day_begins_at_midnight_and_until_takes_in_the_day_named(
    text: str, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    assert moment(text, "--since") == millis(*start)
    assert moment(text, "--until", end=True) == millis(*end)


@pytest.mark.parametrize("text", ["yesterday", "2026-13", "2026-02-30", "03.11.2026", "2026-11-03T10:00+01:00", ""])
def test_what_is_no_local_date_is_misuse(text: str) -> None:
    with pytest.raises(AuditError, match="--since") as caught:
        moment(text, "--since")
    assert caught.value.exit_code == 2


def test_the_store_stands_beside_the_site_unless_told_otherwise(tmp_path: Path) -> None:
    def store(**given: object) -> tuple[Path | None, bool]:
        made, _ = config(Settings(out=str(tmp_path / "docs"), **given), None, out=None, keeps=True)  # type: ignore[arg-type]
        return made.store, made.store_is_ours

    assert store() == (tmp_path.resolve() / "docs.lms-audit.db", True)
    assert store(store=str(tmp_path / "mine")) == (tmp_path / "mine", False)
    assert store(no_store=True) == (None, True)
    with pytest.raises(AuditError, match="exclude each other"):
        store(no_store=True, store="mine")


def test_an_option_beats_the_settings_file_which_beats_the_default(tmp_path: Path) -> None:
    path = tmp_path / "audit.yml"
    path.write_text("since: 2026-11-03\nclient: codex\nno-store: true\nlogs: [logs, /var/more]\nout: here/site\n")
    made, quiet = config(Settings(client="opencode"), path, out="site", keeps=True)
    assert made.filters.client == "opencode"
    assert made.filters.since == millis(2026, 11, 3)
    assert made.logs == (tmp_path / "logs", Path("/var/more"))
    assert made.out == tmp_path / "here/site"
    assert (made.store, quiet) == (None, False)
    assert config(Settings(logs=("x",), out="y"), path, out="site", keeps=True)[0].logs == (Path("x"),)
    assert config(Settings(), None, out="site", keeps=True)[0].out == Path("site")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("colour: red", "colour"),
        ("workers: many", "workers"),
        ("just words", "no names with values"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_settings_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "audit.yml"
    path.write_text(text)
    with pytest.raises(AuditError, match=what) as caught:
        settings_file(path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_settings_file_is_misuse_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        settings_file(tmp_path / "none.yml")
    (tmp_path / "empty.yml").write_text("# nothing yet\n")
    assert settings_file(tmp_path / "empty.yml") == Settings()


@pytest.mark.parametrize(
    "given",
    [
        {"since": "2026-11-04", "until": "2026-11-03"},
        {"workers": 0},
        {"clients": "nowhere.yml"},
        {"prices": "nowhere.yml"},
    ],
)
def test_options_that_make_no_sense_are_misuse(given: dict[str, object]) -> None:
    with pytest.raises(AuditError) as caught:
        config(Settings(**given), None, out="site", keeps=True)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_an_export_needs_a_folder() -> None:
    with pytest.raises(AuditError, match="-o DIR") as caught:
        config(Settings(), None, out=None, keeps=False)
    assert caught.value.exit_code == 2
