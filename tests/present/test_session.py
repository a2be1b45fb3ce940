"""What a session's page says of it as a whole."""

from __future__ import annotations

from lms_audit.present.views.session import time_split
from tests.present.books import book
from tests.support import World, assistant, user


def test_time_that_is_not_broken_down_is_shown_as_time_at_work() -> None:
    world = World()
    world.send([user("mend the kettle")], elapsed_ms=5000.0, prompt_ms=3000.0, generation_ms=1500.0)
    world.send([user("mend the kettle"), assistant("Done."), user("And the lid?")], elapsed_ms=7000.0, queue_ms=1000.0)
    world.send([user("something else")], elapsed_ms=None)
    made = book(world)
    shares, note = time_split(made, made.audit.sessions[0])
    told = {share.kind: share.text.replace("\u202f", " ") for share in shares}
    assert (told["prompt"], told["answer"], told["queue"], told["rest"]) == ("3.0 s", "1.5 s", "1.0 s", "6.0 s")
    assert note == "1 of 2 requests have no prompt processing time in the log"
    assert "rest" not in {share.kind for share in time_split(made, made.audit.sessions[1])[0]}
