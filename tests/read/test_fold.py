"""Runs of like lines become one event, and only lines of one request do."""

from __future__ import annotations

from lms_audit.read.digest import digest_chunks
from lms_audit.read.events import Accumulated, Progress
from tests.logtext import NAME

OPENING = "[{}][INFO][pot] Running chat completion on conversation with 2 messages.\n"


def runs(text: str, kind: type[Progress | Accumulated]) -> list[tuple[int, int]]:
    """First and last line of each run of a kind."""
    read = digest_chunks([(text + OPENING.format("2026-03-09 09:00:00")).encode()], NAME.format(1))
    return [(event.line, event.end_line) for event in read.events if isinstance(event, kind)]


def test_progress_that_goes_on_a_day_later_is_another_run() -> None:
    text = OPENING.format("2026-03-02 09:00:00") + (
        "[2026-03-02 09:00:00][INFO][pot] Prompt processing progress: 0.0%\n"
        "[2026-03-02 09:00:04][INFO][pot] Prompt processing progress: 40.0%\n"
        "[2026-03-05 12:00:00][INFO][pot] Prompt processing progress: 100.0%\n"
    )
    assert runs(text, Progress) == [(2, 3), (4, 4)]


def test_a_text_that_grows_on_in_an_older_log_is_another_run() -> None:
    text = OPENING.format("2026-03-02 09:00:00") + (
        "[2026-03-02 09:00:00][INFO][pot] Accumulated 1 tokens  One\n"
        "[2026-03-02 09:00:01][INFO][pot] Accumulated 2 tokens  One two\n"
        "[2026-03-01 09:00:01][INFO][pot] Accumulated 3 tokens  One two three\n"
    )
    assert runs(text, Accumulated) == [(2, 3), (4, 4)]
