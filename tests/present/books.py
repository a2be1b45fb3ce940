"""Books of hand-made worlds, for tests of the views."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

from lms_audit.analyse import analyse
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.sessions import sessions
from lms_audit.model import Audit
from lms_audit.present.views.book import Book
from tests.support import World


def book(world: World, **fields: Any) -> Book:
    """Everything the views need to know of a world."""
    links = world.threads()
    made = sessions(world.requests, links, world.library)
    values: dict[str, Any] = {
        "requests": made.requests,
        "sessions": made.sessions,
        "conversations": conversations(made.requests, made.sessions, links),
        "files": (),
    }
    audit = Audit(**values | fields)
    return Book(analyse(audit, world.library, world.library.tree), world.library)


def unpacked(script: str) -> dict[str, Any]:
    """What a data file holds."""
    found = re.fullmatch(r'lmsAudit\.data\("[a-z0-9-]+",\d+,"([A-Za-z0-9+/=]+)"\);\n', script)
    assert found is not None
    value = json.loads(gzip.decompress(base64.b64decode(found[1])))
    assert isinstance(value, dict)
    return value
