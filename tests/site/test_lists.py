"""The lists of requests and sessions in a browser, from disk, under the policy of the site's pages."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.sync_api import Browser, Locator, Page, expect

from lms_audit.analyse.figures import percentile, runs_model
from lms_audit.analyse.report import Report
from lms_audit.model import Request, Source
from lms_audit.present import rows, rows_plain, text
from lms_audit.present.resources import resources
from tests.listing import FORMULA, HOSTILE, client_name, report, request_link

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline'; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data:"
)
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A list</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<style>
  html {{ font-size: 125%; }} * {{ box-sizing: border-box; }}
  body {{ --md-default-bg-color: #fff; --md-default-fg-color: #000000de; --audit-accent: #0b6e8a; margin: 0;
    background: var(--md-default-bg-color); color: var(--md-default-fg-color); font: .8rem/1.6 sans-serif; }}
  body[data-md-color-scheme="slate"] {{ --md-default-bg-color: #1c1f26; --md-default-fg-color: #e2e4e9d1;
    --md-default-fg-color--light: #e2e4e999; --md-default-fg-color--lightest: #e2e4e924; --audit-accent: #5cc3dd; }}
  article {{ max-width: 61rem; margin: auto; padding: .8rem; }}
</style></head><body data-md-color-scheme="default"><main><article class="md-typeset"><h1>A list</h1>
BODY</article></main></body></html>"""

Open = Callable[..., Page]


def write(held: Report, folder: Path) -> Path:
    """A site of the two lists."""
    shutil.copytree(resources() / "assets", folder / "assets")
    (folder / "data").mkdir()
    made = {
        "requests": (rows.request_rows(held, request_link(held).get, client_name), rows_plain.PLAIN_REQUESTS),
        "sessions": (rows.session_rows(held, lambda name: f"sessions/{name}/index.html", client_name), None),
    }
    templates = Environment(
        loader=FileSystemLoader(resources()), autoescape=True, undefined=StrictUndefined, finalize=text.finalize
    )
    for name, (listed, most) in made.items():
        (folder / "data" / f"{name}.js").write_bytes(rows.script(listed))
        partial = templates.get_template(f"partials/list_{name}.html.j2")
        body = partial.render(root="../", **{f"{name}_listing": rows_plain.plain(listed, most)})
        assert "\n\n" not in body
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(PAGE.replace("BODY", body), "utf-8")
    for session in held.audit.sessions:
        (folder / "sessions" / session.id).mkdir()
        (folder / "sessions" / session.id / "index.html").write_text("<h1>A session</h1>", "utf-8")
    return folder


@pytest.fixture(scope="module")
def run() -> Report:
    return report()


@pytest.fixture(scope="module")
def asked(run: Report) -> list[Request]:
    """Requests the list shows at first."""
    return [request for request in run.audit.requests if runs_model(request)]


@pytest.fixture(scope="module")
def site(run: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(run, tmp_path_factory.mktemp("lists"))


@pytest.fixture
def show(browser: Browser, site: Path) -> Iterator[Open]:
    """Opens a list; afterwards nothing may have been asked of a network or complained about."""
    complaints: list[str] = []
    contexts = []

    def opened(name: str = "requests", hash_: str = "", *, folder: Path = site, **options: Any) -> Page:
        scheme = options.pop("scheme", "default")
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(("file:", "blob:")) else None)
        page.goto((folder / name / "index.html").as_uri() + (f"#{hash_}" if hash_ else ""))
        page.evaluate("scheme => { document.body.dataset.mdColorScheme = scheme }", scheme)
        if options.get("java_script_enabled", True):
            page.wait_for_selector(".audit-list[data-ready=yes]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def order(page: Page) -> list[str]:
    """Ids of the rows the filters let through, in the order shown."""
    found: list[str] = page.evaluate(
        """() => { const list = document.querySelector(".audit-list").auditList;
        return list.places().map((row) => list.rows.ids[row]); }"""
    )
    return found


def counts(page: Page, facet: str) -> dict[str, int]:
    """A facet's values with their counts as the reader sees them; zeros left out."""
    found: list[list[str]] = page.eval_on_selector_all(
        f"[data-facet='{facet}'] .al-value",
        """nodes => nodes.map((node) => [node.querySelector("input").value,
        node.querySelector(".al-value__n").textContent])""",
    )
    return {name: int(n.replace(",", "")) for name, n in found if n != "0"}


def statistics(page: Page, column: str) -> dict[str, float]:
    """What stands under a column."""
    found: dict[str, str] = page.eval_on_selector_all(
        f".tabulator-footer .tabulator-cell[tabulator-field='{column}'] [data-stat]",
        """nodes => Object.fromEntries(nodes.filter((node) => node.dataset.value)
        .map((node) => [node.dataset.stat, node.dataset.value]))""",
    )
    return {name: float(value) for name, value in found.items()}


def check(page: Page, facet: str, value: str) -> None:
    page.locator(f"[data-facet='{facet}'] input[value='{value}']").check()


def head(page: Page, column: str) -> Locator:
    return page.locator(f".tabulator-header .tabulator-col[tabulator-field='{column}']")


def hash_of(page: Page) -> str:
    return page.url.partition("#")[2]


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_requests_that_run_no_model_are_out_of_sight_until_asked_for(
    show: Open, run: Report, asked: list[Request]
) -> None:
    page = show()
    assert sorted(order(page)) == sorted(request.id for request in asked)
    expect(page.locator(".al-count")).to_have_text(f"{len(asked)} requests")
    page.get_by_label("that run no model").check()
    assert len(order(page)) == len(run.audit.requests)
    assert hash_of(page) == "all=1"


def test_a_value_the_log_does_not_say_reads_not_logged(show: Open, asked: list[Request]) -> None:
    page = show(hash_="sort=generation_ms")
    last = [request for request in asked if request.generation_ms is None][-1]
    page.locator(".audit-list .tabulator").focus()
    page.keyboard.press("End")
    cell = page.locator(".al-row.is-active .al-cell[data-field='generation_ms']")
    expect(cell).to_have_text("not logged")
    assert order(page)[-1] == last.id


def test_hostile_titles_are_text(show: Open) -> None:
    page = show("sessions", "sort=started_at")
    expect(page.locator(".al-row").first).to_contain_text(HOSTILE.replace("\u202e", "").split("&")[0])
    assert page.locator(".audit-list img").count() == 0


# Scrolls and says of each step: rows whose words changed, elements added or removed; and how many rows fit
SCROLLED = """async () => {
  const list = document.querySelector(".audit-list").auditList;
  const holder = document.querySelector(".tabulator-tableholder"), grid = document.querySelector(".al-grid");
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const seen = new MutationObserver(() => {});
  seen.observe(grid, {subtree: true, childList: true, characterData: true});
  const steps = [];
  for (const top of [100, 200, 300, 2800, 60000, 90000, 30000, 0, 1e9]) {
    holder.scrollTop = top;
    await frame();
    const changes = seen.takeRecords(), said = changes.filter(({type}) => type === "characterData");
    const rows = new Set(said.map(({target}) => target.parentElement.closest(".al-row")));
    steps.push([rows.size, changes.length - said.length]);
  }
  const fits = Math.ceil(holder.clientHeight / list.body.line().element.offsetHeight);
  return {steps, fits, drawn: document.querySelectorAll(".al-row").length};
}"""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report(6_000), tmp_path_factory.mktemp("long"))


def test_scrolling_makes_no_element_and_paints_no_more_rows_than_fit(show: Open, long: Path) -> None:
    page = show(folder=long)
    found = page.evaluate(SCROLLED)
    most = found["fits"] + 2 * 8 + 1  # with the rows kept above and below
    assert found["drawn"] - 1 <= most
    assert [made for _, made in found["steps"]] == [0] * 9
    painted = [rows for rows, _ in found["steps"]]
    assert max(painted[:3]) <= 5  # 100 px are less than four rows
    assert max(painted) <= most


def test_the_rows_in_view_are_those_of_the_place_scrolled_to(show: Open, long: Path) -> None:
    page = show(folder=long, hash_="sort=received_at&client=codex")
    wanted = order(page)
    for top in (0, 5_000, 30_000, 10_000):
        seen: list[str] = page.evaluate(
            """async (top) => {
              const holder = document.querySelector(".tabulator-tableholder");
              holder.scrollTop = top;
              await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
              const {top: upper, bottom: lower} = holder.getBoundingClientRect();
              return [...document.querySelectorAll(".al-row")].map((row) => [row.getBoundingClientRect(), row])
                .filter(([box]) => box.height && box.top >= upper && box.bottom <= lower)
                .sort(([a], [b]) => a.top - b.top)
                .map(([, row]) => row.querySelector("[data-field=id]").textContent);
            }""",
            top,
        )
        place = wanted.index(seen[0])
        assert place == -(-top // 28)
        assert len(seen) > 10
        assert seen == wanted[place : place + len(seen)]


def test_a_narrower_selection_leaves_no_old_row_and_a_wider_one_fills_the_window(show: Open, long: Path) -> None:
    page = show(folder=long)
    visible = page.locator(".al-row:visible")
    full = visible.count()
    page.get_by_label("Find requests by words").fill("r00012")
    expect(page.locator(".al-count")).to_contain_text("of")
    few = len(order(page))
    assert 0 < few < full
    expect(visible).to_have_count(few)
    page.get_by_label("Find requests by words").fill("nothing has these words")
    expect(visible).to_have_count(0)
    page.get_by_label("Find requests by words").fill("")
    expect(visible).to_have_count(full)
    expect(page.locator(".tabulator-placeholder")).to_have_count(0)


# --- sorting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["elapsed_ms", "prompt_ms", "tokens_per_second", "output_tokens", "received_at"])
def test_a_click_on_a_head_sorts_and_unknown_values_stay_last(show: Open, asked: list[Request], column: str) -> None:
    page = show(hash_="sort=-input_tokens")
    values = {request.id: getattr(request, column) for request in asked}
    known = [request.id for request in asked if values[request.id] is not None]
    unknown = [request.id for request in asked if values[request.id] is None]
    places = {name: place for place, name in enumerate(values)}
    head(page, column).click()
    expect(head(page, column)).to_have_attribute("aria-sort", "descending")
    assert order(page) == sorted(known, key=lambda name: (-round(values[name], 3), places[name])) + unknown
    head(page, column).click()
    assert order(page) == sorted(known, key=lambda name: (round(values[name], 3), places[name])) + unknown


def test_names_sort_by_what_is_shown(show: Open, asked: list[Request]) -> None:
    page = show()
    page.get_by_label("Sort by").select_option("client")
    names = {request.id: request.client for request in asked}
    shown = [names[each] for each in order(page)]
    assert list(dict.fromkeys(shown)) == ["codex", "opencode", "unknown"]
    assert hash_of(page) == "sort=client"


def test_a_head_sorts_from_the_keyboard(show: Open) -> None:
    page = show()
    head(page, "elapsed_ms").focus()
    page.keyboard.press("Enter")
    expect(head(page, "elapsed_ms")).to_have_attribute("aria-sort", "descending")


# --- filters ---------------------------------------------------------------------------------------------------------


def facet_values(request: Request, facet: str) -> list[str]:
    """The values of a facet a request falls under, as they stand in the address."""
    if facet == "tools":
        names = list(dict.fromkeys(call.name for call in request.tool_calls))
        return names or ["!none" if request.tool_calls_known else "!unknown"]
    value = getattr(request, facet)
    return ["!unknown" if value in (None, "unknown") else str(value)]


FACETS = {
    "project": "/srv/loom",
    "client": "codex",
    "model": "openai/gpt-oss-20b",
    "status": "error",
    "tools": "bash",
    "kind": "title",
}


@pytest.mark.parametrize(("facet", "value"), FACETS.items())
def test_each_filter_lets_its_rows_through_and_the_other_facets_count_them(
    show: Open, asked: list[Request], facet: str, value: str
) -> None:
    page = show()
    for each in FACETS:
        assert counts(page, each) == Counter(name for request in asked for name in facet_values(request, each))
    check(page, facet, value)
    through = [request for request in asked if value in facet_values(request, facet)]
    assert sorted(order(page)) == sorted(request.id for request in through)
    for each in FACETS:
        held = asked if each == facet else through
        assert counts(page, each) == Counter(name for request in held for name in facet_values(request, each))
    expect(page.locator(".al-count")).to_have_text(f"{len(through)} of {len(asked)} requests")


def test_values_of_one_facet_add_and_facets_narrow(show: Open, asked: list[Request]) -> None:
    page = show()
    check(page, "status", "error")
    check(page, "status", "cancelled")
    check(page, "model", "!unknown")
    wanted = [r.id for r in asked if str(r.status) in ("error", "cancelled") and r.model is None]
    assert sorted(order(page)) == sorted(wanted)
    page.get_by_role("button", name="Remove filter Status: error").click()
    assert sorted(order(page)) == sorted(r.id for r in asked if str(r.status) == "cancelled" and r.model is None)
    page.get_by_role("button", name="Clear filters").click()
    assert len(order(page)) == len(asked)
    assert not hash_of(page)


def test_dates_are_inclusive_and_a_bar_picks_its_day(show: Open, asked: list[Request]) -> None:
    days = {
        request.id: datetime.fromtimestamp(request.received_at / 1000, UTC).date().isoformat()
        for request in asked
        if request.received_at is not None
    }
    first, second, *_ = sorted(set(days.values()))
    page = show()
    page.get_by_label("From day").fill(second)
    assert sorted(order(page)) == sorted(name for name, day in days.items() if day >= second)
    page.get_by_label("From day").fill("")
    page.locator(".al-day-bar").first.click()
    assert sorted(order(page)) == sorted(name for name, day in days.items() if day == first)
    assert hash_of(page) == f"from={first}&to={first}"
    page.locator(".al-day-bar").nth(1).click(modifiers=["Shift"])
    assert sorted(order(page)) == sorted(name for name, day in days.items() if day in (first, second))
    page.locator(".al-day-bar").nth(1).click()
    page.locator(".al-day-bar").nth(1).click()
    assert not hash_of(page)


def test_words_find_titles_models_and_tools(show: Open, run: Report, asked: list[Request]) -> None:
    page = show()
    page.get_by_label("Find requests by words").fill("MEND gpt-oss")
    expect(page.locator(".al-count")).to_contain_text(" of ")
    titles = {session.id: session.title for session in run.audit.sessions}
    wanted = [r.id for r in asked if titles[r.session_id or ""].startswith("Mend") and r.model == "openai/gpt-oss-20b"]
    assert sorted(order(page)) == sorted(wanted)


# --- percentiles -----------------------------------------------------------------------------------------------------

SPREAD = ("elapsed_ms", "prompt_ms", "generation_ms", "tokens_per_second", "input_tokens", "output_tokens")


@pytest.mark.parametrize("hash_", ["", "client=codex", "status=error&tools=bash", f"tools={FORMULA}"])
def test_percentiles_are_those_of_the_selection(show: Open, asked: list[Request], hash_: str) -> None:
    page = show(hash_=hash_.replace("=HYPER", "%3DHYPER"))
    chosen = set(order(page))
    assert chosen
    for column in SPREAD:
        values = sorted(round(value, 3) for r in asked if r.id in chosen and (value := getattr(r, column)) is not None)
        found = statistics(page, column)
        assert found["n"] == len(values)
        for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99)):
            assert found[name] == pytest.approx(percentile(values, share), rel=1e-12)
        if column != "tokens_per_second":
            assert found["total"] == pytest.approx(sum(values), rel=1e-9)
    rated = [r for r in asked if r.id in chosen and r.tokens_per_second is not None]
    weighted = sum(r.output_tokens or 0 for r in rated) / sum(r.generation_ms or 0 for r in rated) * 1000
    assert statistics(page, "tokens_per_second")["total"] == pytest.approx(weighted, rel=1e-6)


def test_a_selection_without_values_has_no_percentiles(show: Open) -> None:
    page = show(hash_="q=nothing+has+these+words")
    assert order(page) == []
    expect(page.locator(".tabulator-placeholder")).to_contain_text("No request passes all filters.")


def test_a_time_of_the_clock_says_how_exact_it_is(show: Open, run: Report) -> None:
    page = show(hash_="sort=elapsed_ms")
    requests = {request.id: request for request in run.audit.requests}
    rough = next(name for name in order(page) if requests[name].provenance["elapsed_ms"] is Source.CLOCK)
    page.get_by_label("Find requests by words").fill(rough)
    expect(page.locator(".al-count")).to_contain_text("1 of")
    seconds = round((requests[rough].elapsed_ms or 0) / 1000)
    cell = page.locator(".al-row:visible .al-cell[data-field='elapsed_ms']")
    expect(cell).to_have_text(f"{seconds}±1")
    cell.hover()
    expect(cell).to_have_attribute("title", re.compile("from the clock of the log"))


def test_less_than_a_tick_of_the_clock_is_not_zero(show: Open) -> None:
    page = show()
    said = page.evaluate("lmsAudit.lists.parts.seconds(0, true).join('')")
    assert said == "< 1" == rows_plain.seconds(0, clock=True)
    assert page.evaluate("lmsAudit.lists.parts.span(0)[0]") == "<0:01" == rows_plain.span(0)


# --- paper -----------------------------------------------------------------------------------------------------------


def test_paper_holds_the_selection_in_its_order_with_its_figures(show: Open, asked: list[Request]) -> None:
    page = show(hash_="client=codex&sort=-prompt_ms")
    wanted = order(page)
    page.pdf()
    assert 0 < len(wanted) < len(asked)
    lines = page.locator(".audit-plain tbody tr")
    assert lines.count() == len(wanted)
    heads = page.locator(".audit-plain thead th").all_text_contents()
    values = {request.id: request.prompt_ms for request in asked}
    first = lines.first.locator("td").nth(next(i for i, head in enumerate(heads) if head.startswith("Prompt")))
    assert float((first.text_content() or "").replace(",", "")) == round((values[wanted[0]] or 0) / 1000, 1)
    note = page.locator(".audit-plain-note").text_content() or ""
    assert note.startswith(f"{len(wanted)} of {len(asked)} requests · Client: Codex CLI · Prompt, largest first")
    feet = page.locator(".audit-plain tfoot tr th:first-child").all_text_contents()
    assert feet == ["n", "Total", "Median", "P95", "P99"]
    page.emulate_media(media="print")
    expect(page.locator(".audit-plain")).to_be_visible()
    expect(page.locator(".al-grid")).to_be_hidden()


# --- the address -----------------------------------------------------------------------------------------------------


def test_the_address_restores_the_view(show: Open) -> None:
    page = show()
    check(page, "project", "/home/ada/code/loom")
    check(page, "tools", FORMULA)
    page.get_by_label("Sort by").select_option("-output_tokens")
    page.get_by_label("Find requests by words").fill("loom")
    page.wait_for_url(re.compile("q=loom"))
    saved, shown = hash_of(page), order(page)
    assert shown
    again = show(hash_=saved)
    assert order(again) == shown
    assert hash_of(again) == saved
    expect(again.get_by_label("Sort by")).to_have_value("-output_tokens")
    expect(again.locator(".al-chip")).to_have_count(2)


def test_a_link_to_another_view_of_the_same_page_is_followed(show: Open, asked: list[Request]) -> None:
    page = show(hash_="client=codex")
    page.evaluate("location.hash = 'session_id=s0001&sort=received_at'")
    wanted = [r.id for r in asked if r.session_id == "s0001"]
    expect(page.locator(".al-count")).to_have_text(f"{len(wanted)} of {len(asked)} requests")
    assert sorted(order(page)) == sorted(wanted)
    expect(page.locator(".al-chip")).to_contain_text("Mend the loom no. 1")


@pytest.mark.parametrize(
    "hash_", ["sort=nothing&from=yesterday&all=maybe", "%E0%A4%A", "client=", "sort=-id&model=%22%5D"]
)
def test_an_address_that_makes_no_sense_breaks_nothing(show: Open, hash_: str) -> None:
    page = show(hash_=hash_)
    assert page.locator(".al-count").text_content()


# --- CSV, keyboard, widths -------------------------------------------------------------------------------------------


def test_the_csv_holds_the_selection_in_its_order_with_raw_values(show: Open, run: Report) -> None:
    page = show(hash_="client=opencode&sort=-prompt_ms")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    assert waiting.value.suggested_filename == "lms-audit-requests.csv"
    content = waiting.value.path().read_text("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(content)))
    assert [line["id"] for line in lines] == order(page)
    requests = {request.id: request for request in run.audit.requests}
    for line in lines:
        request = requests[line["id"]]
        assert line["client"] == "opencode"
        assert line["prompt_ms"] == (
            "" if request.prompt_ms is None else f"{round(request.prompt_ms, 3):.3f}".rstrip("0").rstrip(".")
        )
        assert line["project"] == (request.project or "")
        assert line["session_id"] == request.session_id
        tools = "; ".join(dict.fromkeys(call.name for call in request.tool_calls))
        assert not line["tools"].startswith("=")
        assert set(line["tools"].lstrip("'").split("; ")) == set(tools.split("; "))
        if request.received_at is not None:
            assert line["received_at"] == datetime.fromtimestamp(request.received_at / 1000, UTC).isoformat()[:19]


def test_rows_are_walked_and_opened_from_the_keyboard(show: Open, run: Report) -> None:
    page = show(hash_="session_id=s0002&sort=received_at")
    page.locator("body").press("j")
    page.locator("body").press("j")
    page.locator("body").press("k")
    page.locator("body").press("j")
    active = page.locator(".al-row.is-active")
    expect(active).to_have_count(1)
    grid = page.locator(".audit-list .tabulator")
    expect(grid).to_have_attribute("aria-activedescendant", str(active.get_attribute("id")))
    grid.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    wanted = order(page)[1]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"sessions/s0002/index.html#r-{wanted}$"))


def test_typing_in_the_search_field_does_not_move_rows(show: Open) -> None:
    page = show()
    page.get_by_label("Find requests by words").type("jk")
    expect(page.locator(".is-active")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Find requests by words")).to_have_value("")


def test_a_click_on_a_row_opens_its_page(show: Open) -> None:
    page = show("sessions", "sort=started_at")
    page.locator(".al-row .al-cell[data-field='requests']").first.click()
    page.wait_for_url(re.compile(r"sessions/s0000/index\.html$"))


@pytest.mark.parametrize("scheme", ["default", "slate"])
@pytest.mark.parametrize("name", ["requests", "sessions"])
def test_on_a_phone_the_page_does_not_scroll_sideways_and_filters_fold(show: Open, name: str, scheme: str) -> None:
    page = show(name, viewport={"width": 390, "height": 844}, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".al-strip")).not_to_be_visible()
    page.locator(".al-filters summary").click()
    check(page, "status", "error")
    expect(page.locator(".al-filters summary")).to_contain_text("(1)")
    box = page.locator("[data-facet='status'] .al-value").first.bounding_box()
    assert box is not None
    assert box["height"] >= 24


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_colours_are_the_sites_in_both_schemes(show: Open, scheme: str) -> None:
    page = show(scheme=scheme)
    found = page.evaluate(
        """() => [getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector(".al-row")).backgroundColor,
        getComputedStyle(document.body).color,
        getComputedStyle(document.querySelector(".al-row")).color]"""
    )
    assert found[0] == found[1]
    assert found[2] == found[3]


@pytest.mark.parametrize(("name", "most"), [("requests", 200), ("sessions", None)])
def test_without_scripts_the_plain_table_is_there(
    show: Open, run: Report, asked: list[Request], name: str, most: int | None
) -> None:
    page = show(name, java_script_enabled=False)
    total = len(asked) if name == "requests" else len(run.audit.sessions)
    expect(page.locator(".audit-plain tbody tr")).to_have_count(min(most or total, total))
    expect(page.locator(".audit-plain")).to_be_visible()
    if most is not None:
        expect(page.locator(".audit-plain-note")).to_contain_text(f"The first {most} of {total} requests.")
        expect(page.locator(".audit-plain-note")).to_contain_text("26 requests that run no model")
    first = page.locator(".audit-plain tbody a").first.get_attribute("href")
    assert first is not None
    assert first.startswith("../sessions/s0000/index.html")
