"""Numbers and causes as words, for findings.

In: values. Out: short English. Nothing here escapes: a sentence is plain text, and log text in it is data.
"""

from __future__ import annotations

from lms_audit.analyse.groups import moment
from lms_audit.analyse.report import CacheBreak
from lms_audit.correlate.words import one_line
from lms_audit.model import Millis, Request


def span(ms: float) -> str:
    """``850 ms``, ``87.9 s``, ``12 min 4 s``, ``3 h 12 min``; whole seconds, as a clock gives them, stay whole."""
    if ms < 1000:
        return f"{ms:.0f} ms" if ms else "less than 1 s"
    seconds = ms / 1000
    if seconds < 599.95:
        return f"{seconds:,.0f} s" if seconds.is_integer() else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number(value: float) -> str:
    """``48,213``."""
    return f"{value:,.0f}"


def rate(value: float) -> str:
    """``33.4 tok/s``."""
    return f"{value:,.1f} tok/s"


def share(value: float) -> str:
    """``97 %``."""
    return f"{value * 100:.0f} %"


def size(value: int) -> str:
    """``912 bytes``, ``34.1 kB``, ``2.0 MB``."""
    if value < 1000:
        return f"{value} bytes"
    return f"{value / 1000:.1f} kB" if value < 1_000_000 else f"{value / 1_000_000:.1f} MB"


def many(n: int, one: str, more: str | None = None) -> str:
    """``1 request``, ``14 requests``."""
    return f"{number(n)} {one if n == 1 else more or one + 's'}"


def clock(at: Millis | None, *, with_day: bool) -> str:
    """``14:03:22``, with the day before it where a run has several."""
    if at is None:
        return "an unknown time"
    return f"{moment(at):%Y-%m-%d %H:%M:%S}" if with_day else f"{moment(at):%H:%M:%S}"


def request_at(request: Request, *, with_day: bool) -> str:
    """How a sentence begins that is about one request."""
    return f"Request at {clock(request.received_at, with_day=with_day)}"


_PLACES = {
    "tools": "the tool descriptions",
    "system": "the system prompt",
    "developer": "the developer message",
    "user": "a user message",
    "assistant": "an earlier answer",
    "tool": "a tool result",
}

_CAUSES = {
    "reminder moved": "a reminder in the prompt moved",
    "history edited": "the client edited the conversation",
    "tool set changed": "the set of tools changed",
    "system prompt changed": "the system prompt changed",
    "compaction": "the conversation was compacted",
    "another request took the slot": "another request had taken its place in the cache",
    "model reload": "the model was loaded again",
    "model changed": "another model took over",
    "unknown": "the cache was gone for a reason the log does not show",
}


def cause(found: CacheBreak) -> str:
    """A break's cause as the end of a sentence that says "after …"."""
    if found.cause == "date or clock":
        return f"the date or clock in {_PLACES.get(found.where, 'the prompt')} changed"
    return _CAUSES.get(found.cause, found.cause)


def quoted(text: str, limit: int = 120) -> str:
    """Log text as one short line in quotes."""
    return f"“{one_line(text, limit)}”"
