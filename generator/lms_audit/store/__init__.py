"""What was read, kept between runs: one digest per log file, and each message once.

In: digests from ``read``. Out: the same digests, and the contents of messages, tool sets and system members by their
hash (``model.Library`` without ``path``, which correlation knows). Requests and figures are never kept: they are
computed again, so there is nothing to migrate. A digest and its messages are written in one transaction; a store that
is damaged or of another schema is set aside and filled anew.
"""

from __future__ import annotations

from lms_audit.store.database import StoreDamagedError, set_aside
from lms_audit.store.packed import Packed, pack, renamed, unpack
from lms_audit.store.store import Known, Store

__all__ = ["Known", "Packed", "Store", "StoreDamagedError", "pack", "renamed", "set_aside", "unpack"]
