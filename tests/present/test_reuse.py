"""Pages of a session that would come out the same are not made again; whatever they show makes them anew."""

from __future__ import annotations

from msgspec.structs import replace

from lms_audit.present.reuse import session_digest
from tests.present.books import book
from tests.support import World, user


def test_a_session_is_made_anew_when_a_side_conversation_of_it_was_measured_otherwise() -> None:
    world = World()
    world.send([user("mend the build")])
    world.send([user("name this conversation")])
    held = book(world)
    caller, side = held.audit.sessions
    held.children[caller.id] = [side]
    before = session_digest(held, caller, None, None)
    assert session_digest(held, caller, None, None) == before
    (name,) = side.request_ids
    # its row of the waterfall, and what the list of side conversations says of it
    held.requests[name] = replace(held.requests[name], prompt_ms=97_000.0)
    assert session_digest(held, caller, None, None) != before
