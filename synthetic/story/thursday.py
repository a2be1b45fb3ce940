"""Thursday: incoming tokens are logged, so streamed answers stand in the log packet by packet; bodies are cut again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic.clients import Codex, OpenCode, Script
from synthetic.story.cast import BOXOFFICE, GPT_OSS, MINISTRAL, QWEN, TIDELINE, Stage
from synthetic.story.folder import CodexTools, OpenCodeTools
from synthetic.story.talk import Talk
from synthetic.truth import Answer

if TYPE_CHECKING:
    from synthetic.clock import Process


def neaps(stage: Stage) -> Process[None]:
    """OpenCode in tideline: the word for the day depends on the harbour. The model thinks aloud."""
    server, tools = stage.server, OpenCodeTools(stage.tides)
    agent = OpenCode("neaps everywhere", GPT_OSS.name, TIDELINE)
    agent.start(server.clock.now)
    task = "In Lerwick every day is called neaps. Why?"
    agent.user(task)
    server.post(agent.title(task, Answer("Every day is neaps in Lerwick")))
    talk = Talk(server, agent)
    yield from talk.turn(
        "",
        tools.grep("neaps|springs"),
        think="The word comes from somewhere in the tables; search for it before guessing.",
    )
    yield from talk.turn(
        "",
        tools.read("src/tideline/tables.py", 52, 12),
        think="spring_or_neap uses fixed limits, 3.6 and 2.2 metres. Lerwick's range is under two metres all month, so it is always below 2.2.",
    )
    # LM Studio begins a new file while this answer is still coming.
    talk.on_packet = lambda number: server.log.rotate() if number == 40 else None
    yield from talk.turn(
        "`spring_or_neap` (`src/tideline/tables.py:54`) compares the day's range with fixed limits, 3.6 m and 2.2 m, which fit Wick. "
        "Lerwick's tide never reaches 2.2 m, so every day counts as neaps. The limits should follow the harbour: its M2 and S2 amplitudes "
        "give the mean spring and neap ranges, 2·(M2+S2) and 2·(M2−S2). Shall I change it that way?"
    )
    yield from talk.person("Yes, with those two.", 33)
    yield from talk.turn(
        "",
        tools.edit(
            "src/tideline/tables.py",
            "def spring_or_neap(table: list[Extreme]) -> str:\n"
            '    """A word for the day: by its range against the mean range of the month."""\n',
            "def spring_or_neap(station: Station, table: list[Extreme]) -> str:\n"
            '    """A word for the day: its range against the harbour\'s mean spring and neap ranges."""\n',
        ),
        tools.edit(
            "src/tideline/tables.py",
            '    return "springs" if spread > 3.6 else "neaps" if spread < 2.2 else "mean"\n',
            "    size = {each.name: each.amplitude for each in station.constituents}\n"
            '    springs, neaps = 2 * (size["M2"] + size["S2"]), 2 * (size["M2"] - size["S2"])\n'
            '    return "springs" if spread > 0.9 * springs else "neaps" if spread < 1.1 * neaps else "mean"\n',
        ),
        think="Change the signature, then the caller in cli.py.",
    )
    yield from talk.turn(
        "", tools.edit("src/tideline/cli.py", "({spring_or_neap(table)})", "({spring_or_neap(station, table)})")
    )
    yield from talk.turn(
        "Done. Lerwick has springs now: the limits come from its own M2 and S2 (`src/tideline/tables.py:59`)."
    )


def wheelchair_places(stage: Stage) -> Process[None]:
    """Codex in boxoffice: a question, an answer, nothing changed."""
    server, tools = stage.server, CodexTools(stage.seats)
    agent = Codex("wheelchair places", GPT_OSS.name, BOXOFFICE)
    agent.session_uuid = "019a85f3-0b77-7c02-b1de-64a0f2c9e813"
    agent.start("Does together() ever hand out wheelchair places to people who did not ask for them?")
    talk = Talk(server, agent)
    yield from talk.turn(
        "I'll read the seat map and look for uses of `kind`.",
        tools.show("src/seatmap.ts"),
        tools.search("wheelchair|kind"),
    )
    yield from talk.turn(
        "Yes. `together` looks at the state of a seat only (`src/seatmap.ts:46`); `kind` is used nowhere outside its declaration. "
        "A group of four can be given row D with its two wheelchair places. I changed nothing, as you asked a question."
    )
    yield from talk.person("Then skip them unless the caller wants them.", 58)
    yield from talk.turn(
        "",
        tools.patch(
            "src/seatmap.ts",
            "  together(count: number): Seat[] {\n",
            "  together(count: number, kind: Seat['kind'] = 'seat'): Seat[] {\n",
        ),
        tools.patch(
            "src/seatmap.ts",
            "        run = this.state(seat.id) === 'free' ? [...run, seat] : []\n",
            "        run = seat.kind === kind && this.state(seat.id) === 'free' ? [...run, seat] : []\n",
        ),
        tools.run("pnpm check", "$ tsc --noEmit && eslint src test\n", 6100),
    )
    yield from talk.turn(
        "`together` now takes the kind of place, plain seats unless told otherwise. Types and lint are clean."
    )


def one_word(stage: Stage) -> Process[None]:
    """The script again: not streamed, so its tokens are logged as they gather."""
    script = Script("commit subject", MINISTRAL.name)
    script.user(
        "One commit subject, imperative, at most 50 characters: limits for springs and neaps now come from the harbour's constants"
    )
    yield from Talk(stage.server, script).turn("Derive spring and neap limits from the harbour")


def polling(stage: Stage, times: int, every_s: float) -> Process[None]:
    """A dashboard asks for the models again and again."""
    server = stage.server
    server.record(b"DEBUG", "[LMSAuthenticator][Client=dashboard] Client created.")
    server.get("/lmstudio-greeting")
    for number in range(times):
        server.get("/api/v1/models" if number % 3 else "/v1/models")
        if number % 5 == 0:
            server.list_loaded("dashboard")
        yield 1000 * every_s
    server.record(b"DEBUG", "[LMSAuthenticator][Client=dashboard] Client disconnected.")


QWEN_UNLOADED_FOR = "being idle for 60 minutes (TTL)"


def unload(stage: Stage) -> Process[None]:
    """Nobody has used the large model for an hour."""
    stage.server.unload(QWEN, QWEN_UNLOADED_FOR)
    yield 0.0
