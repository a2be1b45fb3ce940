"""The one kind of exception a user sees: a clear line on stderr and an exit code."""

from __future__ import annotations

FAILURE = 1
"""The work was asked for rightly and could not be done."""
MISUSE = 2
"""What was asked for makes no sense: a path that is not there, an unknown option, somebody else's folder."""


class AuditError(Exception):
    """One line for a person. Bad log text never raises it: that is data (``model.Problem``)."""

    def __init__(self, message: str, exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
