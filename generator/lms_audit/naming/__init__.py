"""Asking a model for names of sessions: the only thing the program ever says to anybody, and only when told to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lms_audit.naming import names_file
from lms_audit.naming.endpoint import Endpoint, chat
from lms_audit.naming.questions import SYSTEM, Question, title_of


def name(
    questions: Iterable[Question], server: Endpoint, model: str, file: Path, *, replace: bool = False, timeout: float
) -> Iterator[tuple[Question, str | None]]:
    """Ask about one session after the other. Each name is in the file before the next question; ``None``: no name came.

    ``replace``: names that are in the file already give way. ``timeout``: seconds for each answer.
    """
    for question in questions:
        title = title_of(chat(server, model, SYSTEM, question.text, timeout=timeout))
        if title is not None:
            names_file.write(file, {question.session_id: title}, replace=replace)
        yield question, title
