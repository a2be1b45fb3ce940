"""Events -> requests -> sessions: one sequential pass over everything, cheap and always whole.

In: the joined digests of all files and the library of messages. Out: the ``Audit`` and the tree of prompts. The result
does not depend on which files were read in which run.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lms_audit.correlate.clients import Clients
from lms_audit.correlate.conversation import PromptTree
from lms_audit.correlate.entries import conversations
from lms_audit.correlate.history import recover
from lms_audit.correlate.identities import Identities
from lms_audit.correlate.requests import gather
from lms_audit.correlate.sessions import sessions
from lms_audit.correlate.threads import threads
from lms_audit.correlate.values import requests
from lms_audit.model import Audit, FileHealth, Library, LogSettings
from lms_audit.read.join import Stretch

NO_SETTINGS = LogSettings()


class Correlated(Struct, frozen=True):
    """What a run knows, and the tree its prompts are paths of."""

    audit: Audit
    tree: PromptTree


def correlate(
    stretches: Sequence[Stretch],
    library: Library,
    clients: Clients,
    *,
    files: tuple[FileHealth, ...] = (),
    settings: LogSettings = NO_SETTINGS,
    log_roots: tuple[str, ...] = (),
) -> Correlated:
    """Requests, sessions and conversations of all events."""
    gathered = gather(stretches)
    tree = gathered.tree
    identities = Identities(clients, library, tree)
    recognised = identities.recognise(requests(gathered.drafts))
    linked = threads(recognised, tree, library, identities.session_ids())
    recovered = recover(recognised, linked, library)
    grouped = sessions(recovered.requests, linked, library)
    settled, named = identities.settle(grouped.requests, grouped.sessions)
    audit = Audit(
        requests=settled,
        sessions=named,
        conversations=conversations(settled, named, linked),
        files=files,
        settings=settings,
        unbound_engine_tasks=gathered.unbound_tasks,
        mismatches=recovered.mismatches,
        model_loads=tuple(gathered.loads),
        log_roots=log_roots,
    )
    return Correlated(audit, tree)
