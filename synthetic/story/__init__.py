"""The sample logs: three days in November 2026, two projects, a person called Mika and four kinds of clients.

``tideline`` and ``boxoffice`` are the projects; ``tuesday``, ``wednesday`` and ``thursday`` the conversations;
``folder`` and ``talk`` what they are told with. ``write`` tells the whole story into a folder, always the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic.clock import Clock
from synthetic.server import LmStudio, Settings
from synthetic.story import thursday, tuesday, wednesday
from synthetic.story.cast import MODELS, at, stage
from synthetic.writer import LogFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from synthetic.clock import Process
    from synthetic.story.cast import Stage
    from synthetic.truth import Ledger

SEED = 20261110


def write(root: Path) -> Ledger:
    """Writes the sample logs under a folder and returns the truth about them."""
    clock = Clock(at(10, "09:04:11"))
    with LogFiles(root) as log:
        server = LmStudio(clock, log, Settings(), seed=SEED)
        scene = stage(server)
        for moment, process in schedule(scene):
            clock.spawn(process, moment)
        clock.run()
    return server.ledger


def schedule(scene: Stage) -> Iterator[tuple[float, Process[None]]]:
    """What begins when. Two sessions may be at work at the same time."""
    yield at(10, "09:04:11"), start(scene)
    yield at(10, "09:05:00"), thursday.polling(scene, 14, 30)
    yield at(10, "09:12:04"), tuesday.missing_high_water(scene)
    yield at(10, "10:41:37"), tuesday.holds_never_expire(scene)
    yield at(10, "14:05:20"), tuesday.csv_output(scene)
    yield at(10, "16:22:48"), tuesday.seats_together(scene)
    yield at(10, "23:20:00"), settings(scene, full=True, tokens=False)
    yield at(10, "23:41:09"), wednesday.the_long_day(scene)
    yield at(11, "01:02:11"), thursday.unload(scene)
    yield at(11, "09:31:15"), wednesday.money_on_tickets(scene)
    yield at(11, "09:32:02"), wednesday.env_in_the_open(scene)
    yield at(11, "10:00:00"), thursday.polling(scene, 40, 45)
    yield at(11, "11:10:00"), wednesday.release_notes(scene)
    yield at(11, "18:00:00"), stop(scene)
    yield at(12, "08:50:00"), settings(scene, full=False, tokens=True)
    yield at(12, "08:58:31"), start(scene)
    yield at(12, "09:02:00"), thursday.polling(scene, 4, 60)
    yield at(12, "09:06:44"), thursday.neaps(scene)
    yield at(12, "09:40:12"), thursday.wheelchair_places(scene)
    yield at(12, "10:02:55"), thursday.one_word(scene)
    yield at(12, "17:30:00"), stop(scene)


def start(scene: Stage) -> Process[None]:
    """Somebody switches the server on."""
    scene.server.start(MODELS)
    yield 0.0


def stop(scene: Stage) -> Process[None]:
    """Somebody switches it off; models are unloaded with it."""
    scene.server.stop()
    yield 0.0


def settings(scene: Stage, *, full: bool, tokens: bool) -> Process[None]:
    """Somebody changes the logging settings; the log itself does not say so."""
    scene.server.settings.full, scene.server.settings.tokens = full, tokens
    yield 0.0
