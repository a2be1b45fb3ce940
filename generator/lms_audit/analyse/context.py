"""What the rules of ``findings`` look at, put together once."""

from __future__ import annotations

from msgspec import Struct

from lms_audit.analyse.report import CacheBreak, CallFacts, Gap, SpeedLaw
from lms_audit.analyse.sentences import clock, request_at
from lms_audit.model import Audit, Request


class Context(Struct, frozen=True, kw_only=True):
    """The audit and what analysis knows of it."""

    audit: Audit
    asked: tuple[Request, ...]
    """Requests that run a model, in order of arrival."""
    calls: tuple[CallFacts, ...]
    breaks: dict[str, CacheBreak]
    """By request."""
    gaps: dict[str, Gap]
    speed: tuple[SpeedLaw, ...]
    many_days: bool
    """The run covers more than one day, so that a time alone says too little."""

    def at(self, request: Request) -> str:
        """``Request at 14:03:22``."""
        return request_at(request, with_day=self.many_days)

    def clock(self, request: Request) -> str:
        """``14:03:22``."""
        return clock(request.received_at, with_day=self.many_days)
