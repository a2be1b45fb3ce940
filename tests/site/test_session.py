"""A session's page in a browser: waterfall, charts, conversation, prompt audit, requests, parts, links into them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.logtext import streamed
from tests.site import long_log
from tests.site.conftest import built
from tests.site.sources import source
from tests.site.watching import Watched, opened, watching

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
CLIPBOARD = ["clipboard-read", "clipboard-write"]


class Long:
    """The site of the long conversation, and the bodies that were sent."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.bodies = long_log.write(self.logs)
        self.site = built(self.logs, folder)
        self.page = next((self.site / "sessions").glob("*/index.html"))
        self.parts = [self.page, *sorted(self.page.parent.glob("part-*.html"))]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Long:
    return Long(tmp_path_factory.mktemp("long"))


@pytest.fixture
def first(browser: Browser, long: Long) -> Iterator[Page]:
    """The first part of the long conversation."""
    with opened(browser, long.page, viewport=DESKTOP, permissions=CLIPBOARD) as watched:
        yield watched.page
        assert watched.troubles == []


@pytest.fixture
def session(browser: Browser, kinds: dict[str, Path]) -> Iterator[Watched]:
    """The sample's session with the slow request."""
    with opened(browser, kinds["session"], viewport=DESKTOP, permissions=CLIPBOARD) as watched:
        yield watched
        assert watched.troubles == []


def card(page: Page, argument: str) -> Locator:
    """The first card that is about this."""
    return page.locator("details.call", has=page.locator("summary code", has_text=argument)).first


def unfolded(page: Page, argument: str) -> Locator:
    found = card(page, argument)
    if found.get_attribute("open") is None:
        found.locator("summary").first.click()
    return found


# --- the head of the page --------------------------------------------------------------------------------------------


def test_the_title_is_what_a_person_wrote_first_as_far_as_there_is_room(session: Watched) -> None:
    title = session.page.locator("h1")
    expect(title).to_have_text(re.compile("^Somebody compared our October .* the tables look shifted\\.$"))
    chips = session.page.locator(".chips .chip").all_inner_texts()
    assert [chip.strip() for chip in chips][:3] == ["OpenCode", "tideline", "qwen/qwen3.6-27b"]
    assert chips[-1] == "12 requests"


def test_names_that_people_gave_stand_in_the_place_of_first_words(browser: Browser, long: Long, tmp_path: Path) -> None:
    names = tmp_path / "names.yml"
    names.write_text(f"sessions: {{{long.page.parent.name}: The cold kettle}}\nprojects: {{kettle: Tea kitchen}}\n")
    site = built(long.logs, tmp_path, "--names", str(names))
    with opened(browser, site / "index.html", viewport=DESKTOP) as watched:
        page = watched.page
        page.locator(".side-days summary").first.click()
        page.locator(".side-days").get_by_role("link", name="The cold kettle").click()
        expect(page.locator("h1")).to_have_text("The cold kettle")
        expect(page.locator(".chips")).to_contain_text("Tea kitchen")
        # what it was called without the name
        expect(page.locator(".chip.words")).to_contain_text("Please mend the kettle")
        assert watched.troubles == []


def test_a_figure_says_what_it_means_and_what_it_covers(session: Watched) -> None:
    page = session.page
    page.locator(".card a.fig").nth(1).hover()
    expect(page.locator(".pop b")).to_have_text("Input tokens")
    expect(page.locator(".pop .covers")).to_contain_text("n = 12 · 12 from engine timing lines")


# --- waterfall and charts --------------------------------------------------------------------------------------------

BARS = """() => [...document.querySelectorAll('.wf li .bar')].map((bar) => {
  const pieces = [...bar.querySelectorAll('i')].map((piece) => piece.getBoundingClientRect());
  const left = bar.getBoundingClientRect().left;
  return { start: pieces[0].left - left, wide: pieces.at(-1).right - pieces[0].left };
})"""


def test_the_waterfall_is_to_scale_in_time_in_durations_and_in_their_logarithm(session: Watched) -> None:
    page = session.page
    line = page.evaluate(BARS)
    starts = [bar["start"] for bar in line]
    assert starts == sorted(starts)
    assert starts[-1] > 5 * line[1]["wide"]
    page.locator("label[for=wf-long]").click()
    plain = page.evaluate(BARS)
    page.locator("label[for=wf-log]").click()
    log = page.evaluate(BARS)
    assert {round(bar["start"]) for bar in plain + log} == {0}
    widest = max(range(len(plain)), key=lambda place: plain[place]["wide"])
    assert plain[widest]["wide"] == pytest.approx(log[widest]["wide"], rel=0.02)
    # 97.0 s and 16.6 s, and on a logarithmic scale nearer to each other
    assert plain[2]["wide"] / plain[widest]["wide"] == pytest.approx(16.6 / 97.0, abs=0.01)
    assert log[2]["wide"] / log[widest]["wide"] > 0.6


def test_what_was_reused_is_hatched_and_what_was_read_is_filled(session: Watched) -> None:
    found = session.page.evaluate(
        """() => [...document.querySelectorAll('.wf li .k-prompt')].map((piece) => {
          const { backgroundImage } = getComputedStyle(piece);
          return [parseFloat(piece.style.getPropertyValue('--r') || 0), backgroundImage.includes('repeating')];
        })"""
    )
    assert all(hatched for _, hatched in found)
    reused = [share for share, _ in found]
    # the request that read all of its prompt again
    assert reused[10] == 0
    assert max(reused) > 90


def test_a_row_of_the_waterfall_leads_to_its_request_and_a_side_request_to_its_own_page(session: Watched) -> None:
    page = session.page
    expect(page.locator(".wf .gap.person")).to_have_text(re.compile("15.min 41.s person"))
    row = page.locator(".wf li a", has_text="97.0")
    row.click()
    details = page.locator("details.req:target")
    expect(details).to_have_attribute("open", "")
    expect(details.locator("summary")).to_contain_text("97 ±1")
    expect(details).to_be_in_viewport()
    page.locator(".wf li.side a").first.click()
    expect(page.locator(".chips .chip.side")).to_have_text("title")


def test_the_strip_below_the_speeds_zooms_them(session: Watched) -> None:
    figure = session.page.locator("figure[data-kind=session_speed]")
    figure.scroll_into_view_if_needed()
    drawing = figure.locator(".chart-view.drawn svg")
    labels = drawing.locator(".role-axis-label text")
    before = labels.all_inner_texts()
    box = drawing.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] - 30
    mouse = session.page.mouse
    mouse.move(box["x"] + 70, y)
    mouse.down()
    mouse.move(box["x"] + 220, y, steps=6)
    mouse.up()
    brush = drawing.locator(".brush_brush path").bounding_box()
    assert brush is not None
    assert 100 < brush["width"] < 200
    assert labels.all_inner_texts() != before


def test_a_bar_of_a_chart_leads_to_its_request(session: Watched) -> None:
    figure = session.page.locator("figure[data-kind=session_times]")
    figure.scroll_into_view_if_needed()
    bars = figure.locator(".chart-view.drawn svg .mark-rect.role-mark path")
    bars.first.wait_for()
    heights = bars.evaluate_all("all => all.map((bar) => bar.getBoundingClientRect().height)")
    bars.nth(heights.index(max(heights))).click()
    expect(session.page.locator("details.req:target summary")).to_contain_text("97 ±1")


# --- conversation ----------------------------------------------------------------------------------------------------


def test_phases_are_the_contents_and_begin_with_what_a_person_asked(session: Watched) -> None:
    page = session.page
    entries = page.locator(".phases li")
    assert entries.locator("small").all_inner_texts() == ["9 requests, 18 calls, 1 failed", "3 requests, 3 calls"]
    link = entries.nth(1).locator("a")
    link.click()
    phase = page.locator(".phase:target")
    expect(phase).to_be_in_viewport()
    expect(phase.locator(".turn").first).to_contain_text(link.inner_text())
    order = page.locator(".phase").nth(1).locator("> *:not(.context, .system)")
    kinds = order.evaluate_all("all => all.map((each) => each.classList[0] + ' ' + (each.classList[1] ?? ''))")
    assert [kind.strip() for kind in kinds][:5] == ["turn user", "step", "turn assistant", "runs", "step"]


def test_the_three_depths_show_talk_then_tools_then_everything(first: Page) -> None:
    step, cards = first.locator(".conv .step").first, first.locator("details.call")
    runs, system = first.locator("details.runs"), first.locator("details.turn.system").first
    expect(step).to_be_visible()
    expect(system).to_be_hidden()

    first.locator("label[for=depth-talk]").click()
    expect(step).to_be_hidden()
    expect(cards.first).to_be_hidden()
    expect(runs.nth(1).locator(".preview")).to_be_visible()
    expect(runs.first.locator("summary").first).to_contain_text("failed")
    runs.nth(1).locator("summary").first.click()
    expect(runs.nth(1).locator("details.call").first).to_be_visible()

    first.locator("label[for=depth-all]").click()
    expect(system).to_have_attribute("open", "")
    assert cards.evaluate_all("all => all.every((each) => each.open)")

    # the keys do the same
    first.keyboard.press("1")
    expect(cards.first).to_be_hidden()
    first.keyboard.press("3")
    expect(cards.first).to_be_visible()
    first.keyboard.press("2")
    expect(first.locator("#depth-tools")).to_be_checked()
    expect(cards.first).to_be_visible()
    assert cards.evaluate_all("all => all.filter((each) => each.open).map((each) => each.className)") == [
        "call terminal bad"
    ]


def test_a_long_run_of_calls_is_one_line_that_says_what_is_in_it(first: Page) -> None:
    run = first.locator("details.runs.long")
    expect(run.locator("summary").first).to_contain_text("9 calls")
    expect(run.locator(".preview")).to_contain_text("read part0.py, part1.py, part2.py")
    expect(run.locator("details.call").first).to_be_hidden()
    run.locator("summary").first.click()
    expect(run.locator("details.call")).to_have_count(9)
    expect(run.locator("details.call").first).to_be_visible()
    expect(run.locator(".preview")).to_be_hidden()


def test_the_keyboard_reaches_a_folded_run_and_opens_it(first: Page) -> None:
    run = first.locator("details.runs.long")
    run.scroll_into_view_if_needed()
    while "runs" not in (first.locator(".now").get_attribute("class") or "" if first.locator(".now").count() else ""):
        first.keyboard.press("j")
    expect(run).to_have_class(re.compile("now"))
    first.keyboard.press("Enter")
    expect(run.locator("details.call").first).to_be_visible()
    first.keyboard.press("j")
    expect(run.locator("details.call.now")).to_have_count(1)


def test_a_shell_is_a_terminal_and_its_failure_is_open_and_whole(first: Page) -> None:
    failed = card(first, "make test")
    expect(failed).to_have_attribute("open", "")
    expect(failed.locator("summary .about")).to_have_text("exit code 2")
    expect(failed.locator("summary .st")).to_have_text("failed")
    expect(failed.locator(".block.command pre")).to_have_text("make test")
    red = failed.locator(".block.terminal .t-red")
    expect(red).to_have_text("FAILED")
    assert red.evaluate("node => getComputedStyle(node).color") == "rgb(255, 128, 120)"
    expect(failed.locator(".rest, .more")).to_have_count(0)
    for line in ("leak 0\n", "leak 150\n", "leak 299\n"):
        assert line in (failed.locator(".block.terminal").text_content() or "")


def test_a_long_result_folds_and_a_very_long_one_is_fetched(first: Page) -> None:
    folded = unfolded(first, "seq 400")
    expect(folded.locator("summary .about").first).to_have_text("exit code 0")
    rest = folded.locator("details.rest")
    expect(rest.locator("summary")).to_have_text("show 385 more lines")
    expect(rest.locator("pre")).to_be_hidden()
    rest.locator("summary").click()
    expect(rest.locator("pre")).to_contain_text("200\n")

    fetched = unfolded(first, "seq 4000")
    more = fetched.locator("button.more")
    expect(more).to_have_text(re.compile("3,98. more lines"))
    assert "2000 drops" not in (fetched.text_content() or "")
    more.click()
    expect(fetched.locator(".block.terminal pre")).to_have_count(1)
    expect(fetched.locator(".block.terminal pre")).to_contain_text("2000 drops")
    expect(more).to_have_count(0)


def test_a_read_says_which_lines_and_a_search_is_a_list(first: Page) -> None:
    expect(card(first, "src/kettle.py").locator("summary code")).to_have_text("src/kettle.py")
    expect(card(first, "src/kettle.py").locator("summary .about")).to_have_text("lines 40–69")
    found = unfolded(first, "boil")
    expect(found.locator("summary .about")).to_have_text("3 hits in 2 files")
    assert found.locator(".hits .h-file").all_inner_texts() == ["src/kettle.py\n", "src/cup.py\n"]
    assert found.locator(".hits .h-at").all_inner_texts() == ["12", "40", "3"]


def test_edits_writes_and_patches_are_coloured(first: Page) -> None:
    edits = first.locator("details.call.edit")
    assert edits.locator("summary .about").all_inner_texts() == ["+2 lines", "+1 −1 lines", "+1 −1 lines"]
    for place, texts in enumerate((["cup = 1\nmilk = 0\n"], ["+ wait(90)\n"], ["+    wait(90)\n"])):
        edits.nth(place).locator("summary").first.click()
        added = edits.nth(place).locator(".d-add")
        assert added.all_text_contents() == texts
        assert added.first.evaluate("node => getComputedStyle(node).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert edits.nth(1).locator(".d-del").all_text_contents() == ["- wait(60)\n"]


def test_a_list_of_things_to_do_is_a_checklist_said_once(first: Page) -> None:
    todo = unfolded(first, "3 items")
    assert todo.locator(".todos li").all_inner_texts() == [one["content"] for one in long_log.TODOS]
    states = todo.locator(".todos li").evaluate_all("all => all.map((each) => each.className)")
    assert states == ["done", "active", "open"]
    expect(todo.locator(".block")).to_have_count(0)


def test_other_tools_are_laid_out_as_json(first: Page) -> None:
    expect(unfolded(first, "TEA-88").locator(".block.json").last).to_contain_text('"labels": [\n    "bug"')
    brewed = first.locator("details.call", has=first.locator("summary b", has_text="brew"))
    brewed.locator("summary").first.click()
    expect(brewed.locator(".block.json")).to_contain_text('"milk": true')


def test_the_source_of_what_was_said_is_one_click_away(first: Page, long: Long) -> None:
    first.locator(".turn.user .raw").first.click()
    window = first.locator("dialog.viewer")
    said = long.bodies[0]["messages"][2]
    assert json.loads(window.locator("pre").text_content() or "") == said
    window.get_by_role("button", name="copy as sent").click()
    expect(window.get_by_role("button", name="copied")).to_be_visible()
    assert json.loads(first.evaluate("navigator.clipboard.readText()")) == said
    window.get_by_role("button", name="close").click()
    expect(window).to_have_count(0)
    called = unfolded(first, "seq 400")
    called.get_by_role("button", name="source of the result").click()
    assert json.loads(window.locator("pre").text_content() or "")["role"] == "tool"


def test_markdown_of_an_answer_is_laid_out_and_cannot_act(first: Page) -> None:
    answer = first.locator(".turn.assistant .md", has_text="It boils")
    expect(answer.locator("strong")).to_have_text("boils")
    expect(answer.locator("td").first).to_have_text("small")
    expect(answer.locator("pre[data-lang=python]")).to_have_text('boil("<b>hot</b>")\n')
    expect(answer.locator("a, img, script")).to_have_count(0)
    expect(answer.locator(".lnk").first).to_have_attribute("title", "http://evil.example/manual")
    expect(answer).to_contain_text("<script>window.owned = 1</script>")
    assert first.evaluate("window.owned") is None


def test_a_long_text_of_a_person_shows_its_beginning(browser: Browser, long: Long) -> None:
    with opened(browser, long.parts[-1], viewport=DESKTOP) as watched:
        said = watched.page.locator(".turn.user", has_text="Last of all, read this")
        rest = said.locator("details.rest")
        expect(rest.locator("summary")).to_have_text("show 90 more lines")
        rest.locator("summary").click()
        expect(rest.locator("pre")).to_contain_text("0119 a line of somebody's log")


def test_a_conversation_without_words_says_so_once(browser: Browser, tmp_path: Path) -> None:
    # as LM Studio logs it when it is told to log little: no request lines, no bodies
    records = [one for number in (1, 2) for one in streamed(60 * number, number, packets=False, chat="")[1:]]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "2026-03-04.1.log").write_bytes(b"".join(records))
    site = built(tmp_path / "logs", tmp_path)
    path = max(site.glob("sessions/*/index.html"), key=lambda each: each.stat().st_size)
    with opened(browser, path, viewport=DESKTOP) as watched:
        conversation = watched.page.locator("#conversation")
        expect(conversation.locator(".empty")).to_contain_text("The log holds no words of this conversation")
        expect(conversation.locator(".step").first).to_be_visible()
        expect(conversation.locator(".unsaid")).to_have_count(0)
        expect(watched.page.locator("[data-tab=messages] .empty")).to_be_visible()
        expect(watched.page.locator(".exact")).to_have_count(0)
        watched.page.locator("details.req summary").first.click()
        expect(watched.page.locator("details.req pre.tl").first).to_contain_text("engine timing")
        assert watched.troubles == []


# --- prompt audit ----------------------------------------------------------------------------------------------------


def test_the_prompt_audit_has_systems_developers_tools_and_messages(first: Page, long: Long) -> None:
    audit = first.locator("#prompt-audit")
    rows = audit.locator("[data-tab=messages] tbody tr")
    assert rows.locator(".role").all_inner_texts()[:3] == ["system", "developer", "user"]
    expect(rows.nth(2)).to_contain_text("Please mend the kettle")
    # sent by all requests; first by the first, whose details the link opens
    assert rows.nth(2).locator("td").nth(5).inner_text() == str(len(long.bodies))
    rows.nth(2).get_by_role("link", name="#1", exact=True).click()
    expect(first.locator("details.req:target")).to_have_attribute("open", "")

    first.locator("label[for=tab-system]").click()
    expect(audit.locator("[data-tab=system] pre.said")).to_contain_text("You make tea.")
    first.locator("label[for=tab-developer]").click()
    expect(audit.locator("[data-tab=developer] pre.said")).to_contain_text("Use the good cups.")
    first.locator("label[for=tab-tools]").click()
    offered = audit.locator("[data-tab=tools] .offered li")
    weights = offered.locator(".size").all_inner_texts()
    # its description is the longest
    assert offered.first.inner_text().startswith("brew")
    tokens = [int(weight.removeprefix("≈ ").removesuffix(" tokens").replace(",", "")) for weight in weights]
    assert tokens == sorted(tokens, reverse=True)
    expect(offered.first.locator(".used")).to_have_text("called 1 ×")
    expect(audit.locator("[data-tab=tools] .chip", has_text="tokens")).to_be_visible()


def test_the_prompt_audit_fits_a_phone(browser: Browser, long: Long) -> None:
    phone = {"width": 390, "height": 844}
    with opened(browser, long.page, viewport=phone, has_touch=True, is_mobile=True) as watched:
        page = watched.page
        for tab in ("messages", "system", "developer", "tools"):
            page.locator(f"label[for=tab-{tab}]").click()
            for row in page.locator(f"[data-tab={tab}] :is(.offered li, summary, .note)").all():
                assert row.evaluate("row => row.scrollWidth <= row.clientWidth"), (tab, row.inner_text())
            for shown in page.locator(f"[data-tab={tab}] :is(.size, .used, .meter, .chip)").all()[:20]:
                box = shown.bounding_box()
                assert box is None or box["x"] + box["width"] <= 390, (tab, shown.inner_text())
        assert watched.troubles == []


def test_exactly_what_a_request_sent_is_shown_and_copied(first: Page, long: Long) -> None:
    options = first.locator("#exact option").all()
    first.locator("#exact").select_option(index=1)
    first.locator(".exact .payload").click()
    window = first.locator("dialog.viewer")
    expect(window.locator("header b")).to_contain_text("Request #2")
    assert json.loads(window.locator("pre").text_content() or "") == long.bodies[1]
    first.keyboard.press("Escape")
    first.locator(".exact .payload-copy").click()
    expect(first.locator(".exact").get_by_role("button", name="copied")).to_be_visible()
    assert json.loads(first.evaluate("navigator.clipboard.readText()")) == long.bodies[1]
    assert len(options) < len(long.bodies)


def test_every_request_of_every_part_can_be_put_together_again(browser: Browser, long: Long) -> None:
    found: list[Any] = []
    with watching(browser) as watched:
        for part in long.parts:
            watched.page.goto(part.as_uri())
            ids = watched.page.locator("#exact option").evaluate_all("all => all.map((each) => each.value)")
            sent = [watched.page.evaluate("id => lmsAudit.payload(id)", name) for name in ids]
            found += [json.loads(text, object_pairs_hook=list) for text in sent]
        assert watched.troubles == []
    wanted = [json.loads(json.dumps(body), object_pairs_hook=list) for body in long.bodies]
    assert found == wanted


def test_no_body_is_written_a_second_time(long: Long) -> None:
    once = len(json.dumps(long.bodies[-1]))
    shown = sum(len("".join(source(part).texts).encode()) for part in long.parts)
    assert shown < 1.5 * once
    stored = sum(path.stat().st_size for path in long.page.parent.glob("data-*.js"))
    assert stored < once < sum(len(json.dumps(body)) for body in long.bodies) / 5


# --- requests --------------------------------------------------------------------------------------------------------


def test_the_table_of_requests_sorts_and_leads_to_details(session: Watched) -> None:
    page = session.page
    table = page.locator("table.reqs")
    heads = table.locator("thead th").all_inner_texts()
    assert heads[:7] == ["Id", "Time", "Tool calls", "Elapsed", "Prompt processing", "Input", "Output"]
    table.locator("thead th", has_text="Elapsed").click()
    expect(table.locator("tbody tr").first.locator("td").nth(3)).to_contain_text("97 ±1")
    table.locator("tbody tr").first.locator("a").click()
    details = page.locator("details.req:target")
    expect(details).to_have_attribute("open", "")
    values = details.locator(".kv > div").all_inner_texts()
    told = {name: text for name, _, text in (value.partition("\n") for value in values)}
    assert told["Prompt processing"].split() == ["87.9", "s", "engine"]
    assert told["Elapsed"].split() == ["97", "±1", "s", "clock"]
    assert details.locator("pre.tl").inner_text().count("engine") >= 5
    expect(details.locator(".cachebreak")).to_contain_text("14,582 tokens read again")
    expect(details.locator(".called")).to_contain_text("tests/test_clock.py")


def test_the_lines_of_the_log_are_copied_with_their_file(session: Watched) -> None:
    page = session.page
    page.locator("details.req summary").first.click()
    details = page.locator("details.req").first
    details.get_by_role("button", name="copy", exact=True).click()
    expect(details.get_by_role("button", name="copied", exact=True)).to_be_visible()
    assert re.fullmatch(r"2026-11/2026-11-10\.1\.log:[\d–, ]+", page.evaluate("navigator.clipboard.readText()"))
    details.get_by_role("link", name="in the conversation").click()
    expect(page.locator(".step:target")).to_be_in_viewport()


def test_an_error_shows_in_the_conversation_and_with_its_request(browser: Browser, sample: Path) -> None:
    (path,) = [each for each in sample.glob("sessions/*/index.html") if 'class="errors"' in each.read_text("utf-8")]
    with opened(browser, path, viewport=DESKTOP) as watched:
        why = re.compile("greater than the context length")
        expect(watched.page.locator(".conv .errors")).to_have_text(why)
        watched.page.locator("details.req summary").click()
        expect(watched.page.locator("details.req .errors")).to_have_text(why)
        assert watched.troubles == []


# --- parts and links into them ---------------------------------------------------------------------------------------


def test_a_long_conversation_has_parts_that_lead_to_each_other(browser: Browser, long: Long) -> None:
    assert len(long.parts) >= 3
    assert max(part.stat().st_size for part in long.parts) < 2_000_000
    with opened(browser, long.page, viewport=DESKTOP) as watched:
        page = watched.page
        links = page.locator("nav.parts").first.locator("a")
        expect(links).to_have_count(len(long.parts))
        expect(links.first).to_have_attribute("aria-current", "page")
        links.last.click()
        page.wait_for_url(long.parts[-1].as_uri())
        expect(page.locator("h1")).to_have_text(re.compile(r"^Please mend the kettle.* \(part 3\)$"))
        assert watched.troubles == []


def anchors(path: Path, pattern: str) -> list[str]:
    return [name for name in source(path).ids if re.fullmatch(pattern, name)]


def test_a_link_to_a_request_a_message_or_a_call_finds_the_part_it_is_in(browser: Browser, long: Long) -> None:
    last = long.parts[-1]
    request = anchors(last, "r-[0-9a-f]{12}")[-1]
    message = anchors(last, "m-[0-9a-f]{12}")[0]
    (prompt, *_) = anchors(last, "p-m-[0-9a-f]{12}")
    call = anchors(last, "c-[0-9a-f]{12}-1")[0]
    back = anchors(long.page, "m-[0-9a-f]{12}")[5]
    with watching(browser, viewport=DESKTOP) as watched:
        page = watched.page
        for anchor in (request, message, prompt, call):
            page.goto(f"{long.page.as_uri()}#{anchor}")
            page.wait_for_url(f"{last.as_uri()}#{anchor}")
            expect(page.locator(f"[id='{anchor}']")).to_be_in_viewport()
        expect(page.locator("details.call:target")).to_have_attribute("open", "")
        page.goto(f"{last.as_uri()}#{back}")
        page.wait_for_url(f"{long.page.as_uri()}#{back}")
        page.goto(f"{long.page.as_uri()}#m-000000000000")
        page.wait_for_function("() => lmsAudit.held.places")
        assert page.url.endswith("index.html#m-000000000000")
        assert watched.troubles == []


def test_a_link_opens_the_folds_and_the_tab_it_leads_into(browser: Browser, long: Long) -> None:
    with watching(browser, viewport=DESKTOP) as watched:
        page = watched.page
        page.goto(long.page.as_uri())
        inside = page.locator("details.runs.long details.call").nth(4).get_attribute("id")
        version = page.locator("[data-tab=developer] details.version").get_attribute("id")
        system = page.locator("details.turn.system").first.get_attribute("id")
        for anchor in (inside, version, system):
            page.goto("about:blank")
            page.goto(f"{long.page.as_uri()}#{anchor}")
            target = page.locator(f"[id='{anchor}']")
            expect(target).to_be_in_viewport()
            expect(target).to_have_attribute("open", "")
        assert watched.troubles == []


def test_anchors_stay_when_a_conversation_grows(long: Long, tmp_path: Path) -> None:
    data = next(long.logs.glob("*.log")).read_bytes()
    third = [found.start() for found in re.finditer(rb"^\[.*Received request", data, re.MULTILINE)][3]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "2026-11-05.1.log").write_bytes(data[:third])
    young = next((built(tmp_path / "logs", tmp_path) / "sessions").glob("*/index.html"))
    pattern = "[mcrqp]-.*"
    # the answer of the last request stands at the request, until the next one repeats it
    assert young.parent.name == long.page.parent.name
    assert set(anchors(young, pattern)) <= set(anchors(long.page, pattern))
    assert len(anchors(young, pattern)) > 30


# --- the search leads into the page ----------------------------------------------------------------------------------

MARKED = "() => [...(CSS.highlights.get('lms-search') ?? [])].map((range) => range.toString())"


def follow(page: Page, words: str, kind: str) -> None:
    """Search from where the page is, and follow the first result of a kind."""
    page.keyboard.press("/")
    page.locator(".lms-search__input").fill(words)
    group = page.locator(".lms-search__group", has_text=kind)
    expect(group.locator("mark").first).to_be_visible()
    group.locator(".lms-search__hit").first.click()
    page.wait_for_function("() => (CSS.highlights.get('lms-search')?.size ?? 0) > 0")


def test_a_result_of_the_search_is_marked_where_it_leads_in_any_part_and_fold(browser: Browser, long: Long) -> None:
    with opened(browser, long.site / "index.html", viewport=DESKTOP) as watched:
        page = watched.page
        follow(page, "needle haystack", "Answers")
        assert page.url.startswith(long.parts[-1].as_uri())
        assert page.evaluate(MARKED) == ["needle", "haystack"]
        # in a run that folds, on another part
        follow(page, '"part = 7"', "Tool results")
        assert page.url.startswith(long.page.as_uri())
        assert page.evaluate(MARKED) == ["part = 7"]
        expect(page.locator("details.call:target pre")).to_be_in_viewport()
        # what is not on the page before somebody asks for it
        follow(page, '"2345 drops"', "Tool results")
        assert page.evaluate(MARKED) == ["2345 drops"]
        seen = page.evaluate(
            """() => {
              const box = [...CSS.highlights.get('lms-search')][0].getBoundingClientRect();
              return box.top > 0 && box.bottom < innerHeight && box.height > 0;
            }"""
        )
        assert seen
        # the marks are gone with the next page
        page.goto(long.page.as_uri())
        assert page.evaluate(MARKED) == []
        assert watched.troubles == []
