"""Tuesday: default settings. Nothing of an answer is in the log, and long strings are cut; figures come from the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic.clients import ClaudeCode, Codex, OpenCode
from synthetic.story.cast import BOLD, BOXOFFICE, DIM, GPT_OSS, GREEN, QWEN, RED, RESET, TIDELINE, Stage
from synthetic.story.folder import ClaudeTools, CodexTools, OpenCodeTools, use
from synthetic.story.talk import Talk
from synthetic.tools import CLAUDE_MCP_TOOLS, CLAUDE_TOOLS
from synthetic.truth import Answer

if TYPE_CHECKING:
    from synthetic.clock import Process


def missing_high_water(stage: Stage) -> Process[None]:
    """OpenCode in tideline: the last turn of a day is lost."""
    server, tools = stage.server, OpenCodeTools(stage.tides)
    agent = OpenCode("missing high water", QWEN.name, TIDELINE)
    agent.start(server.clock.now)
    task = (
        "The table for Wick on 10 November has only three turns, but the harbour master's almanac has a high water at 23:58. "
        "Find out why it is missing and fix it. Other days look fine to me."
    )
    agent.user(task)
    server.post(agent.title(task, Answer("Missing late high water at Wick")))
    talk = Talk(server, agent)
    yield from talk.turn(
        "I'll reproduce it first and look at how the table is made.",
        tools.bash(
            "uv run tideline wick 2026-11-10",
            "Print the table of the day in question",
            "Wick  Tue 10 Nov 2026  (springs)\n  05:19  low    0.71 m\n  11:33  high   3.46 m\n  17:46  low    0.68 m\n",
            740,
        ),
        tools.grep(r"def extremes|def day_table|day_bounds"),
    )
    yield from talk.turn("", tools.read("src/tideline/tables.py"), tools.read("src/tideline/clock.py"))
    yield from talk.turn(
        "`day_table` stops one step early (`end - STEP`), and `extremes` only reports a turn once it has seen the sample *after* it. "
        "Together, a turn in the last twelve minutes of a day is never seen. The next day does not report it either, because it has "
        "no sample before midnight. Let me check how often that happens.",
        tools.bash(
            "for d in $(seq -w 1 30); do uv run tideline wick 2026-11-$d --format json | grep -c time; done | sort | uniq -c",
            "Count turns per day over the month",
            "     21 4\n      9 3\n",
            16_800,
        ),
        tools.read("tests/test_tables.py"),
    )
    yield from talk.turn(
        "",
        tools.edit(
            "src/tideline/tables.py",
            "    moment = begin\n    before = here = station.height(moment)\n    rising: bool | None = None\n    while moment < end:\n",
            "    moment = begin - STEP\n    before = here = station.height(moment)\n    rising: bool | None = None\n    while moment < end + STEP:\n",
        ),
        tools.edit(
            "src/tideline/tables.py", "    return list(extremes(station, begin, end - STEP))\n",
            "    return list(extremes(station, begin, end))\n",
        ),
    )  # fmt: skip
    yield from talk.turn(
        "",
        tools.bash(
            "uv run pytest -q --color=yes",
            "Run the tests",
            f"{RED}F{RESET}{GREEN}.....{RESET}\n"
            "=================================== FAILURES ===================================\n"
            f"{RED}{BOLD}____________________ test_a_day_has_three_or_four_turns _____________________{RESET}\n\n"
            "    def test_a_day_has_three_or_four_turns(wick):\n"
            "        for day in range(1, 29):\n"
            f"{RED}>           assert 3 <= len(day_table(wick, date(2026, 10, day))) <= 4{RESET}\n"
            f"{RED}E           assert 5 <= 4{RESET}\n"
            f"{RED}E            +  where 5 = len([Extreme(turn='low', at=datetime(2026, 10, 4, 23, 0), height=1.14), ...]){RESET}\n\n"
            "tests/test_tables.py:15: AssertionError\n"
            f"{RED}FAILED{RESET} tests/test_tables.py::{BOLD}test_a_day_has_three_or_four_turns{RESET} - assert 5 <= 4\n"
            f"{RED}1 failed{RESET}, {GREEN}5 passed{RESET} in 1.92s\n",
            2300,
        ),
    )
    yield from talk.turn(
        "Looking beyond the ends finds the turn, and now the one of the day before as well. `day_table` has to keep to its day.",
        tools.read("src/tideline/tables.py", 34, 28),
    )
    yield from talk.turn(
        "",
        tools.edit(
            "src/tideline/tables.py",
            "    return list(extremes(station, begin, end))\n",
            "    return [each for each in extremes(station, begin, end) if begin <= each.at < end]\n",
        ),
        tools.bash(
            "uv run pytest -q --color=yes && uv run tideline wick 2026-11-10",
            "Run the tests, then the table again",
            f"{GREEN}......{RESET}\n{GREEN}6 passed{RESET} in 1.71s\n"
            "Wick  Tue 10 Nov 2026  (springs)\n  05:19  low    0.71 m\n  11:33  high   3.46 m\n  17:46  low    0.68 m\n"
            "  23:58  high   3.39 m\n",
            2900,
        ),
    )
    yield from talk.turn(
        "Fixed. `extremes` now samples one step beyond both ends of its range, and `day_table` keeps the turns that fall inside the day "
        "(`src/tideline/tables.py:36`). The 10th has its high water at 23:58; nine days of November had lost a turn the same way.\n\n"
        "There is no test for this yet: say so if you want one."
    )
    yield from talk.person(
        "Yes please, a test for the 10th, and one that no turn is counted twice across midnight.", 74
    )
    before = dict(stage.tides.files)
    yield from talk.turn(
        "",
        tools.edit(
            "tests/test_tables.py",
            "def test_high_and_low_water_alternate(wick):\n",
            "def test_a_turn_just_before_midnight_belongs_to_the_day(wick):\n"
            "    last = day_table(wick, date(2026, 11, 10))[-1]\n"
            "    assert last.turn is Turn.HIGH\n"
            "    assert (last.at.hour, last.at.minute) == (23, 58)\n\n\n"
            "def test_no_turn_is_counted_on_two_days(wick):\n"
            "    days = [date(2026, 11, day) for day in range(1, 31)]\n"
            "    moments = [extreme.at for day in days for extreme in day_table(wick, day)]\n"
            "    assert len(moments) == len(set(moments))\n\n\n"
            "def test_high_and_low_water_alternate(wick):\n",
        ),
    )
    yield from talk.turn(
        "",
        tools.bash(
            "uv run pytest -q",
            "Run the tests",
            "........                                        [100%]\n8 passed in 2.04s\n",
            2600,
        ),
        tools.bash("git diff -- tests", "Show the new tests", stage.tides.diff(before), 60),
    )
    yield from talk.turn(
        "Both tests are in `tests/test_tables.py` and pass; the second one fails on the old code for nine days."
    )


def holds_never_expire(stage: Stage) -> Process[None]:
    """Claude Code in boxoffice: a sub-agent, a failing test, and a tool set that changes in the middle."""
    server, tools = stage.server, ClaudeTools(stage.seats)
    agent = ClaudeCode("holds never expire", QWEN.name, BOXOFFICE)
    task = (
        "Visitors report that seats they let go stay yellow for the whole evening. The hold should end after 8 minutes. "
        "Please find the cause. TIX-88 has the report, but start with the code."
    )
    agent.start(task, server.clock.now)
    server.count_tokens(agent.post(server.clock.now, Answer()).body[:3])
    server.post(agent.title(task, Answer('{"title": "Held seats are never released"}')))
    talk = Talk(server, agent)
    yield from talk.turn(
        "",
        tools.todo(
            ("Find where holds expire", "in_progress"),
            ("Write a failing test", "pending"),
            ("Fix the expiry", "pending"),
            ("Check the seat map and the messages", "pending"),
        ),
    )
    prompt = (
        "In /Users/mika/code/boxoffice, find every place where the expiry time of a hold is written, compared or shown. "
        "Report file, line and the unit (seconds or milliseconds) each place assumes. Change nothing."
    )
    yield from talk.delegate(
        "Agent",
        agent.explorer("holds never expire/explore"),
        prompt,
        lambda child: look_for_units(child, tools, prompt),
        "I'll have the places collected while I keep this conversation short.",
        description="Find expiry units",
        subagent_type="Explore",
    )
    yield from talk.turn("", tools.read("src/holds.ts"))
    yield from talk.turn(
        "`take` writes `expiresAt` in **seconds** (`src/holds.ts:31`), `sweep` compares it with milliseconds, and the comparison is the "
        "wrong way round too: it frees what has *not* expired (`src/holds.ts:54`). Because seconds are always smaller, nothing is ever "
        "freed. A test first.",
        tools.edit(
            "test/holds.test.ts",
            "const clock = { now: () => Date.UTC(2026, 10, 10, 18, 0) }\n",
            "let time = Date.UTC(2026, 10, 10, 18, 0)\nconst clock = { now: () => time }\n",
        ),
        tools.edit(
            "test/holds.test.ts",
            "  it('knows shows apart', () => {\n",
            "  it('frees seats after eight minutes and not before', () => {\n"
            "    const holds = new Holds(clock)\n"
            "    holds.take('lear', ['A1'], 'anna')\n"
            "    time += 7 * 60_000\n"
            "    expect(holds.sweep()).toEqual([])\n"
            "    time += 61_000\n"
            "    expect(holds.sweep()).toHaveLength(1)\n"
            "    expect(holds.holderOf('lear', 'A1')).toBeUndefined()\n"
            "  })\n\n"
            "  it('knows shows apart', () => {\n",
        ),
    )
    yield from talk.turn("", tools.bash("pnpm test", "Run the tests", vitest_failure(), 4100, failed=True))
    yield from talk.turn(
        "It fails for the reason expected. Now the fix: milliseconds, as CLAUDE.md demands, and the comparison.",
        tools.edit(
            "src/holds.ts",
            "      expiresAt: Math.floor(this.clock.now() / 1000) + HOLD_MINUTES * 60,\n",
            "      expiresAt: this.clock.now() + HOLD_MINUTES * 60_000,\n",
        ),
        tools.edit("src/holds.ts", "hold.expiresAt > now)", "hold.expiresAt <= now)"),
    )
    yield from talk.turn("", tools.bash("pnpm test", "Run the tests", vitest_success(4), 3800))
    yield from talk.turn(
        "Green. The report may say more about what visitors see; the tracker's tools are not loaded yet.",
        use(
            "ToolSearch",
            "Loaded: mcp__tracker__get_issue, mcp__tracker__search_issues",
            210,
            query="select:mcp__tracker__get_issue",
            max_results=3,
        ),
    )
    # The two tools now stand among the others, in front of everything the engine had cached.
    agent.tools = (*CLAUDE_TOOLS, *CLAUDE_MCP_TOOLS)
    yield from talk.turn("", use("mcp__tracker__get_issue", ISSUE, 640, key="TIX-88", comments=True))
    yield from talk.turn(
        "",
        tools.todo(
            ("Find where holds expire", "completed"),
            ("Write a failing test", "completed"),
            ("Fix the expiry", "completed"),
            ("Check the seat map and the messages", "in_progress"),
        ),
        tools.grep("state\\(|expiresAt", "*.ts"),
    )
    yield from talk.turn(
        "Holds end after eight minutes now.\n\n"
        "- `src/holds.ts:31` wrote seconds, everything else counts milliseconds\n"
        "- `src/holds.ts:54` freed the holds that had *not* expired; with seconds against milliseconds that set was always empty\n"
        "- `test/holds.test.ts` has a test for both sides of the eight minutes\n\n"
        "TIX-88 also asks for a countdown on the page. That is a change of its own; I left it."
    )


def look_for_units(child: Talk, tools: ClaudeTools, prompt: str) -> Process[str]:
    """The sub-agent: three looks and a report."""
    child.agent.start(prompt, child.server.clock.now)
    yield from child.turn("", tools.grep("expiresAt|HOLD_MINUTES", "*.ts"), tools.glob("*.ts"))
    yield from child.turn("", tools.read("src/holds.ts", 22, 36))
    yield from child.turn("", tools.grep("setInterval|now\\(\\)", "*.ts"))
    report = (
        "Four places:\n"
        "- src/holds.ts:12 `expiresAt: number`, no unit in the type\n"
        "- src/holds.ts:31 written in take(): seconds (now() / 1000 + minutes * 60)\n"
        "- src/holds.ts:53-54 compared in sweep(): milliseconds (clock.now() undivided)\n"
        "- src/server.ts:14 sweep() is called every 10 s; no unit assumed\n"
        "No page shows it."
    )
    yield from child.turn(report)
    return report


def csv_output(stage: Stage) -> Process[None]:
    """Codex in tideline: a small feature, with a plan and patches."""
    server, tools = stage.server, CodexTools(stage.tides)
    agent = Codex("csv output", GPT_OSS.name, TIDELINE)
    agent.start(
        "Add `--format csv` to the command line: station,date,time,turn,height with a header. Reuse what json does."
    )
    talk = Talk(server, agent)
    yield from talk.turn(
        "I'll look at the CLI and its tests before planning.",
        tools.show("src/tideline/cli.py"),
        tools.search("print_json|--format"),
    )
    yield from talk.turn(
        "",
        tools.plan(
            ("Share the rows between json and csv", "in_progress"),
            ("Write csv with the csv module", "pending"),
            ("Test both formats", "pending"),
        ),
    )
    yield from talk.turn(
        "",
        tools.patch(
            "src/tideline/cli.py",
            "def print_json(station, table):\n    import json\n\n    rows = [\n"
            '        {"time": local(extreme.at, station.zone), "turn": extreme.turn, "height": round(extreme.height, 2)}\n'
            "        for extreme in table\n    ]\n",
            "def rows_of(station, table):\n    return [\n"
            '        {"time": local(extreme.at, station.zone), "turn": str(extreme.turn), "height": round(extreme.height, 2)}\n'
            "        for extreme in table\n    ]\n\n\n"
            "def print_csv(station, day, table):\n"
            '    writer = csv.DictWriter(sys.stdout, ("station", "date", "time", "turn", "height"), lineterminator="\\n")\n'
            "    writer.writeheader()\n"
            "    for row in rows_of(station, table):\n"
            '        writer.writerow({"station": station.key, "date": day.isoformat(), **row})\n\n\n'
            "def print_json(station, table):\n    import json\n\n    rows = rows_of(station, table)\n",
        ),
        tools.patch(
            "src/tideline/cli.py",
            'choices=("text", "json"), default="text")\n',
            'choices=("text", "json", "csv"), default="text")\n',
        ),
    )
    yield from talk.turn(
        "",
        tools.run(
            "uv run tideline wick 2026-11-10 --format csv",
            "station,date,time,turn,height\nUsage error: --format csv printed the text table\n"
            "Wick  Tue 10 Nov 2026  (springs)\n  05:19  low    0.71 m\n",
            820,
            1,
        ),
    )
    yield from talk.turn(
        "The branch in `main` is still missing, and the import.",
        tools.patch(
            "src/tideline/cli.py",
            "        print_json(station, table)\n    else:\n",
            '        print_json(station, table)\n    elif options.format == "csv":\n        print_csv(station, options.day, table)\n    else:\n',
        ),
        tools.patch(
            "src/tideline/cli.py", "import argparse\nimport sys\n", "import argparse\nimport csv\nimport sys\n"
        ),
    )
    yield from talk.turn(
        "",
        tools.run(
            "uv run tideline wick 2026-11-10 --format csv && uv run pytest -q",
            "station,date,time,turn,height\nwick,2026-11-10,05:19,low,0.71\nwick,2026-11-10,11:33,high,3.46\n"
            "wick,2026-11-10,17:46,low,0.68\nwick,2026-11-10,23:58,high,3.39\n"
            "........                                        [100%]\n8 passed in 1.98s\n",
            2900,
        ),
        tools.plan(
            ("Share the rows between json and csv", "completed"),
            ("Write csv with the csv module", "completed"),
            ("Test both formats", "in_progress"),
        ),
    )
    yield from talk.turn(
        "`--format csv` prints a header and one line per turn. JSON and CSV share `rows_of` (`src/tideline/cli.py:45`), so they cannot "
        "drift apart. There is no test of the CLI in the project yet; I did not start one for this."
    )


def seats_together(stage: Stage) -> Process[None]:
    """OpenCode in boxoffice: an answer that wanders is stopped, and the question put better."""
    server, tools = stage.server, OpenCodeTools(stage.seats)
    agent = OpenCode("seats together", QWEN.name, BOXOFFICE)
    agent.start(server.clock.now)
    task = "together() puts a family of four across the aisle. Should it know about aisles?"
    agent.user(task)
    server.post(agent.title(task, Answer("Seats together across the aisle")))
    talk = Talk(server, agent)
    yield from talk.turn("", tools.read("src/seatmap.ts"))
    wandering = (
        "Whether a seating algorithm should know about aisles depends on how one sees the responsibilities of a seat map. One could model "
        "an aisle as a gap in the numbering, as an entity of its own, as an edge in a graph of neighbours, or leave it to the theatre's "
        "plan. Each of these has consequences. "
    ) * 9
    yield from talk.given_up(wandering, 31.5)
    yield from talk.person(
        "Too long. Seat numbers jump by 10 at the aisle (A8, A19). Just treat a jump as the end of a run.", 26
    )
    yield from talk.turn(
        "",
        tools.edit(
            "src/seatmap.ts",
            "        run = this.state(seat.id) === 'free' ? [...run, seat] : []\n",
            "        const last = run.at(-1)\n"
            "        if (last && seat.number !== last.number + 1) run = []\n"
            "        run = this.state(seat.id) === 'free' ? [...run, seat] : []\n",
        ),
        tools.bash("pnpm check", "Types and lint", f"{DIM}$ tsc --noEmit && eslint src test{RESET}\n", 6200),
    )
    yield from talk.turn(
        "Done: a jump in the numbers ends a run (`src/seatmap.ts:45`), so nobody sits across the aisle any more."
    )


def vitest_failure() -> str:
    """A test run with one failure, in colour."""
    return (
        f"\n{BOLD} RUN {RESET} v4.0.9 /Users/mika/code/boxoffice\n\n"
        f" {RED}❯{RESET} test/holds.test.ts {DIM}(3 tests | {RESET}{RED}1 failed{RESET}{DIM}){RESET} 14ms\n"
        f"   {GREEN}✓{RESET} holds > gives a seat to one visitor only {DIM}3ms{RESET}\n"
        f"   {RED}× holds > frees seats after eight minutes and not before{RESET} 6ms\n"
        f"{RED}     → expected [] to have a length of 1 but got +0{RESET}\n"
        f"   {GREEN}✓{RESET} holds > knows shows apart {DIM}1ms{RESET}\n\n"
        f"{RED}{BOLD} FAIL {RESET} test/holds.test.ts > holds > frees seats after eight minutes and not before\n"
        f"{RED}AssertionError: expected [] to have a length of 1 but got +0{RESET}\n\n"
        f" {DIM}❯{RESET} test/holds.test.ts:21:28\n"
        "     19|     expect(holds.sweep()).toEqual([])\n     20|     time += 61_000\n"
        "     21|     expect(holds.sweep()).toHaveLength(1)\n       |                            ^\n\n"
        f" Test Files  {RED}1 failed{RESET} (1)\n      Tests  {RED}1 failed{RESET} | {GREEN}2 passed{RESET} (3)\n   Duration  612ms\n"
    )


def vitest_success(tests: int) -> str:
    """A test run without one."""
    return (
        f"\n{BOLD} RUN {RESET} v4.0.9 /Users/mika/code/boxoffice\n\n"
        f" {GREEN}✓{RESET} test/holds.test.ts {DIM}({tests} tests){RESET} 11ms\n\n"
        f" Test Files  {GREEN}1 passed{RESET} (1)\n      Tests  {GREEN}{tests} passed{RESET} ({tests})\n   Duration  588ms\n"
    )


ISSUE = """{
  "key": "TIX-88",
  "title": "Seats stay yellow after the visitor has left",
  "state": "open",
  "labels": ["bug", "seat map"],
  "reporter": "kasse",
  "description": "On Friday 31 seats of König Lear were yellow until we restarted the server at 23:10. Nobody was buying.",
  "comments": [
    {"author": "jonas", "text": "Same on Saturday. The hold should end after 8 minutes."},
    {"author": "kasse", "text": "Could the page show how long a hold still lasts? People ask."}
  ]
}"""
