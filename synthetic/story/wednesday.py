"""The night to Wednesday and Wednesday: full bodies. One prompt is read again in full because its date line changes at midnight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic.clients import ClaudeCode, OpenCode, Script
from synthetic.story import tideline
from synthetic.story.cast import BOXOFFICE, GREEN, MINISTRAL, QWEN, RED, RESET, TIDELINE, Stage
from synthetic.story.folder import ClaudeTools, OpenCodeTools
from synthetic.story.talk import Talk
from synthetic.story.tuesday import vitest_success
from synthetic.truth import Answer

if TYPE_CHECKING:
    from synthetic.clock import Process

ZDUMP = "\n".join(
    f"Europe/London  {day} {year} {utc} UT = {day} {year} {local} {name} isdst={dst} gmtoff={offset}"
    for year, spring, autumn in ((2025, 30, 26), (2026, 29, 25), (2027, 28, 31))
    for day, utc, local, name, dst, offset in (
        (f"Sun Mar {spring}", "00:59:59", "00:59:59", "GMT", 0, 0),
        (f"Sun Mar {spring}", "01:00:00", "02:00:00", "BST", 1, 3600),
        (f"Sun Oct {autumn}", "00:59:59", "01:59:59", "BST", 1, 3600),
        (f"Sun Oct {autumn}", "01:00:00", "01:00:00", "GMT", 0, 0),
    )
)


def the_long_day(stage: Stage) -> Process[None]:
    """OpenCode in tideline, past midnight: the day on which clocks go back has 25 hours."""
    server, tools = stage.server, OpenCodeTools(stage.tides)
    agent = OpenCode("the long day", QWEN.name, TIDELINE)
    agent.start(server.clock.now)
    task = (
        "Somebody compared our October with the printed almanac: from the 25th on we have one turn too few on some days and the tables "
        "look shifted. The 25th is when the clocks go back. Please look into it, carefully, it is the last thing before the release."
    )
    agent.user(task)
    server.post(agent.title(task, Answer("October tables after the clock change")))
    talk = Talk(server, agent)
    october = tideline.month_table(127, 2026, 10, 31, (25,))
    yield from talk.turn(
        "First the evidence, then the code.",
        tools.bash(
            "for d in $(seq -w 1 31); do uv run tideline wick 2026-10-$d | sed 's/(.*//'; done",
            "Print every table of October",
            october,
            17_900,
        ),
        tools.read("src/tideline/clock.py"),
    )
    yield from talk.turn(
        "The almanac is in `docs/`; the tables and it agree up to the 24th.",
        tools.read("docs/almanac-2026-10.txt"),
        tools.read("src/tideline/cli.py"),
        tools.read("src/tideline/stations.py"),
        think="The shift begins on the 25th, when BST ends. The harmonics know nothing of local time, so the mistake is in how a day is cut "
        "out of the curve, or in how times are printed. Look at both ends.",
    )
    yield from talk.turn(
        "`day_bounds` adds 24 hours to the begin of the day. On 25 October a day in London has 25 hours, so its last hour belongs to "
        "nobody: 23:00 to 24:00 GMT is in neither table. I want to see how the zone really changes, and where else a day's length is assumed.",
        tools.bash("zdump -v Europe/London | grep -E '202[567]'", "Show the zone's changes", ZDUMP, 140),
        tools.grep("timedelta\\(|24|day_bounds|STEP"),
    )
    yield from talk.turn(
        "",
        tools.read("src/tideline/tables.py"),
        tools.read("src/tideline/harmonics.py"),
        tools.read("tests/test_clock.py"),
        tools.read("tests/test_tables.py"),
        think="day_table trusts day_bounds for both ends. If the end comes an hour early, turns between 23:00 and midnight GMT are filtered out. "
        "The next day begins at its own midnight, so nothing is counted twice: exactly one hour is lost. In March the opposite happens.",
    )
    yield from talk.turn(
        "",
        tools.todo(
            ("Show the lost hour in a test", "in_progress"),
            ("Make day_bounds end at the next local midnight", "pending"),
            ("Compare October with the almanac", "pending"),
        ),
    )
    yield from talk.turn(
        "",
        tools.edit(
            "tests/test_clock.py",
            "def test_local_time_is_the_harbours():\n",
            "def test_the_day_the_clocks_go_back_has_25_hours():\n"
            '    begin, end = day_bounds(date(2026, 10, 25), "Europe/London")\n'
            "    assert (end - begin).total_seconds() == 25 * 3600\n\n\n"
            "def test_a_day_ends_where_the_next_begins():\n"
            "    for day in (24, 25, 26):\n"
            '        _, end = day_bounds(date(2026, 10, day), "Europe/London")\n'
            '        begin, _ = day_bounds(date(2026, 10, day + 1), "Europe/London")\n'
            "        assert end == begin\n\n\n"
            "def test_local_time_is_the_harbours():\n",
        ),
        tools.bash(
            "uv run pytest -q tests/test_clock.py --color=yes",
            "Run the new tests",
            f"{GREEN}..{RESET}{RED}FF{RESET}{GREEN}.{RESET}\n"
            f"{RED}E       assert 86400.0 == (25 * 3600){RESET}\n"
            f"{RED}E       AssertionError: assert datetime.datetime(2026, 10, 25, 23, 0, tzinfo=datetime.timezone.utc) == "
            f"datetime.datetime(2026, 10, 26, 0, 0, tzinfo=datetime.timezone.utc){RESET}\n"
            f"{RED}FAILED{RESET} tests/test_clock.py::test_the_day_the_clocks_go_back_has_25_hours\n"
            f"{RED}FAILED{RESET} tests/test_clock.py::test_a_day_ends_where_the_next_begins\n"
            f"{RED}2 failed{RESET}, {GREEN}3 passed{RESET} in 0.31s\n",
            900,
        ),
    )
    yield from talk.turn(
        "Both fail as they should. Now `day_bounds`.",
        tools.edit(
            "src/tideline/clock.py",
            "    begin = datetime.combine(day, time.min, ZoneInfo(zone))\n"
            "    return begin.astimezone(UTC), begin.astimezone(UTC) + timedelta(hours=24)\n",
            "    begin, end = (\n"
            "        datetime.combine(each, time.min, ZoneInfo(zone)).astimezone(UTC) for each in (day, day + timedelta(days=1))\n"
            "    )\n"
            "    return begin, end\n",
        ),
    )
    fixed = tideline.month_table(127, 2026, 10, 31)
    yield from talk.turn(
        "",
        tools.bash(
            "uv run pytest -q",
            "Run all tests",
            "..........                                      [100%]\n10 passed in 2.11s\n",
            2700,
        ),
        tools.bash(
            "for d in $(seq -w 1 31); do uv run tideline wick 2026-10-$d | sed 's/(.*//'; done",
            "Print every table of October again",
            fixed,
            18_400,
        ),
        tools.bash(
            "uv run python tools/compare.py docs/almanac-2026-10.txt wick 2026-10",
            "Compare every turn with the almanac",
            comparison(),
            19_300,
        ),
    )
    yield from talk.turn(
        "The lost hour is back: the 25th has its last turn again, and the days after it line up.\n\n"
        "- `src/tideline/clock.py:9` a day now ends at the next local midnight instead of 24 hours later\n"
        "- `tests/test_clock.py` two tests, one for the long day and one that days meet without a gap\n\n"
        "The short day in March was wrong in the same way (an hour counted twice) and is right now as well."
    )
    yield from talk.person("Good. Is 29 March covered by a test too? If not, add one and show me the whole diff.", 0)
    # The system message carries the date. The next request is the first of the new day.
    midnight_ms = (server.clock.now // 86_400_000 + 1) * 86_400_000
    yield max(midnight_ms + 41_000 - server.clock.now, 0)
    before = dict(stage.tides.files)
    yield from talk.turn(
        "",
        tools.edit(
            "tests/test_clock.py",
            "def test_a_day_ends_where_the_next_begins():\n    for day in (24, 25, 26):\n",
            "def test_the_day_the_clocks_go_forward_has_23_hours():\n"
            '    begin, end = day_bounds(date(2026, 3, 29), "Europe/London")\n'
            "    assert (end - begin).total_seconds() == 23 * 3600\n\n\n"
            "def test_a_day_ends_where_the_next_begins():\n    for day in (24, 25, 26):\n",
        ),
    )
    yield from talk.turn(
        "",
        tools.bash(
            "uv run pytest -q",
            "Run all tests",
            "...........                                     [100%]\n11 passed in 2.09s\n",
            2700,
        ),
        tools.bash("git diff", "Show the diff", stage.tides.diff(before), 70),
    )
    yield from talk.turn(
        "29 March has its test: 23 hours, and it passes. The diff above is everything since your last commit of the fix."
    )


def comparison() -> str:
    """Turn by turn against the almanac: all within a minute or two."""
    rows = []
    for day, found in tideline.turns(127, 31).items():
        for number, (minutes, turn, height) in enumerate(found):
            off = (day * 7 + number * 3) % 4 - 1
            rows.append(
                f"2026-10-{day:02d}  {turn:<4}  almanac {minutes // 60:02d}:{minutes % 60:02d} {height:5.2f}   "
                f"tideline {(minutes + off) // 60:02d}:{(minutes + off) % 60:02d} {height + off / 100:5.2f}   {off:+d} min"
            )
    return "\n".join([*rows, f"{len(rows)} turns compared, 0 missing, largest difference 2 min"])


def money_on_tickets(stage: Stage) -> Process[None]:
    """Claude Code in boxoffice: rounding of reduced prices; runs beside the next session."""
    server, tools = stage.server, ClaudeTools(stage.seats)
    agent = ClaudeCode("money on tickets", QWEN.name, BOXOFFICE)
    agent.session_uuid = "7be1f0c4-2f0a-4c7e-8d53-91c5a86e2b40"
    task = "The reduced price of a 17,50 € seat shows 8,70 €. The ticket office says it must be 8,80 €, rounded up to full ten cents. Fix it."
    agent.start(task, server.clock.now)
    server.post(agent.title(task, Answer('{"title": "Round reduced prices up"}')))
    talk = Talk(server, agent)
    yield from talk.turn("", tools.read("src/money.ts"), tools.grep("reduced\\(", "*.ts"))
    yield from talk.turn(
        '`reduced` rounds down; its comment says "in the visitor\'s favour", so this was meant. The ticket office decides: up.',
        tools.edit("src/money.ts", "in the visitor's favour. */", "as the ticket office does: up. */"),
        tools.edit("src/money.ts", "Math.floor(cents / 2 / 10)", "Math.ceil(cents / 2 / 10)"),
    )
    yield from talk.turn(
        "",
        tools.bash("pnpm test && pnpm check", "Tests, types and lint", vitest_success(4), 7900),
    )
    yield from talk.turn(
        "A reduced 17,50 € seat now costs 8,80 € (`src/money.ts:9`). No test covered this and none covers it now; shall I add one?"
    )
    yield from talk.person("yes", 41)
    yield from talk.turn(
        "",
        tools.write("test/money.test.ts", MONEY_TEST),
        tools.bash("pnpm test", "Run the tests", vitest_success(6), 4000),
    )
    yield from talk.turn(
        "`test/money.test.ts` has two tests: 17,50 € gives 8,80 €, and a price that halves evenly stays as it is."
    )


def env_in_the_open(stage: Stage) -> Process[None]:
    """OpenCode in boxoffice: a task for the explore agent, and a file nobody should have read aloud."""
    server, tools = stage.server, OpenCodeTools(stage.seats)
    agent = OpenCode("start-up settings", QWEN.name, BOXOFFICE)
    agent.start(server.clock.now)
    task = "The service starts without MAIL_TOKEN and only fails at the first mail. Make it fail at start with a clear message."
    agent.user(task)
    server.post(agent.title(task, Answer("Fail at start without MAIL_TOKEN")))
    talk = Talk(server, agent)
    prompt = "Find every read of an environment variable in /Users/mika/code/boxoffice and where the mailer is created. Report path:line. Do not edit."
    yield from talk.delegate(
        "task",
        agent.explorer("start-up settings/explore"),
        prompt,
        lambda child: look_for_settings(child, tools, prompt),
        description="Find settings",
        subagent_type="explore",
    )
    yield from talk.turn(
        "",
        tools.read("src/server.ts"),
        tools.bash("cat .env", "Show which settings exist", stage.seats.files[".env"], 30),
    )
    yield from talk.turn(
        "Settings are read where they are used. I'll check them once, at the top of `build`.",
        tools.write("src/settings.ts", SETTINGS),
        tools.edit("src/server.ts", "import { loadShows } from './shows.js'\n", "import { requireSettings } from './settings.js'\nimport { loadShows } from './shows.js'\n"),
        tools.edit("src/server.ts", "  const app = Fastify({ logger: true })\n", "  requireSettings(process.env)\n  const app = Fastify({ logger: true })\n"),
    )  # fmt: skip
    yield from talk.turn(
        "",
        tools.bash(
            "env -u MAIL_TOKEN pnpm start",
            "Start without the token",
            f"{RED}boxoffice: missing settings: MAIL_TOKEN (see .env.example){RESET}\n ELIFECYCLE  Command failed with exit code 78.\n",
            2100,
        ),
        tools.bash("pnpm check", "Types and lint", "$ tsc --noEmit && eslint src test\n", 6400),
    )
    yield from talk.turn(
        "Without `MAIL_TOKEN` the service now stops at once with `missing settings: MAIL_TOKEN` and exit code 78 (`src/settings.ts:6`)."
    )


def look_for_settings(child: Talk, tools: OpenCodeTools, prompt: str) -> Process[str]:
    """The sub-agent: two looks and a report."""
    child.agent.start(child.server.clock.now)
    child.agent.user(prompt)
    yield from child.turn("", tools.grep("process\\.env|MAIL_|DATABASE_URL"), tools.glob("*.ts"))
    yield from child.turn("", tools.read("src/server.ts", 1, 20))
    report = "No file reads process.env directly; .env:2 DATABASE_URL, .env:3 MAIL_FROM, .env:4 MAIL_TOKEN are loaded by `node --env-file`. No mailer is created in src/."
    yield from child.turn(report)
    return report


def release_notes(stage: Stage) -> Process[None]:
    """A script of somebody's own: not streamed, an MLX model, no engine timing. One request is too long for the model."""
    server = stage.server
    notes = Script("release notes", MINISTRAL.name)
    notes.user(
        "Write release notes in two sentences for these commits:\n- End a day at the next local midnight\n- Find turns beside midnight\n- Add --format csv"
    )
    yield from Talk(server, notes).turn(
        "Tables are complete on the days when clocks change and no longer lose a turn shortly before midnight. The command line can "
        "now write CSV with `--format csv`."
    )
    log = Script("release notes, long", MINISTRAL.name)
    log.user(
        "Write release notes for this log:\n"
        + "\n".join(f"{number:07x} {line}" for number, line in enumerate(COMMITS * 90, 0x4A1000))
    )
    yield 2600.0
    yield from Talk(server, log).turn("")
    short = Script("release notes, short", MINISTRAL.name)
    short.user("Write release notes for this log:\n" + "\n".join(COMMITS))
    yield 5200.0
    yield from Talk(server, short).turn(
        "This release mends three mistakes around midnight and the change of clocks, and adds CSV output."
    )


COMMITS = (
    "End a day at the next local midnight",
    "Find turns beside midnight",
    "Count a turn on one day only",
    "Add --format csv",
    "Share rows between json and csv",
)

MONEY_TEST = """import { expect, it } from 'vitest'
import { reduced } from '../src/money.js'

it('rounds a reduced price up to full ten cents', () => {
  expect(reduced(1750)).toBe(880)
})

it('leaves an even half alone', () => {
  expect(reduced(1800)).toBe(900)
})
"""

SETTINGS = """const required = ['DATABASE_URL', 'MAIL_FROM', 'MAIL_TOKEN'] as const

/** Stops the service when a setting is missing, naming all that are. */
export function requireSettings(env: NodeJS.ProcessEnv): void {
  const missing = required.filter((name) => !env[name])
  if (missing.length > 0) {
    console.error(`boxoffice: missing settings: ${missing.join(', ')} (see .env.example)`)
    process.exit(78)
  }
}
"""
