"use strict";
// One period of the run in all charts of the overview: dragged over a chart of time or typed, kept in the address, with a
// link to its requests. The charts are drawn by charts.js; what they show of a period is counted here, from the rows of
// the list of requests, which are loaded when somebody asks for a period.
(() => {
  const audit = window.lmsAudit;
  const bar = document.querySelector(".period");
  if (!bar) return;
  const TIMES = ["over_time", "times_over_time"];
  const MINUTE = 60000, DAY = 86400000;
  const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const figures = [...document.querySelectorAll("figure.chart")];
  const times = figures.filter(({ dataset }) => TIMES.includes(dataset.kind));
  const [from, to] = bar.querySelectorAll("input");
  const says = bar.querySelector("output"), link = bar.querySelector("a"), reset = bar.querySelector("button");
  const said = says.textContent, linked = link.textContent;
  let period = null; // [begin, end) in milliseconds of the log's clock
  let rows = null;

  const written = (at, whole) => new Date(at).toISOString().slice(0, whole ? 10 : 16);
  const days = ([begin, end]) => begin % DAY === 0 && end % DAY === 0;
  const address = (of = period) => {
    if (!of) return "";
    const whole = days(of);
    return `#from=${written(of[0], whole)}&to=${written(of[1] - (whole ? DAY : MINUTE), whole)}`;
  };
  const list = (of = period) => `${audit.root}requests/index.html${address(of)}`;

  // --- rows ---------------------------------------------------------------------------------------------------------

  const loaded = async () => {
    if (rows) return;
    await audit.load("assets/lists-data.js");
    await audit.load("data/requests.js");
    rows = new audit.lists.Rows(audit.waitingRows.get("requests"));
    rows.run = [];
    for (let row = 0; row < rows.count; row += 1) {
      if (!rows.quiet || rows.quiet.column.values[row] !== rows.quiet.code) rows.run.push(row);
    }
  };
  const inside = (at) => at !== null && (!period || (at >= period[0] && at < period[1]));
  const chosen = () => rows.run.filter((row) => inside(rows.time.values[row]));
  const known = (name, selected) => {
    const { values } = rows.column.get(name);
    return selected.map((row) => values[row]).filter((value) => value !== null);
  };

  /** How often each tool was called, in all or with an outcome. */
  const calls = (name, selected) => {
    const column = rows.column.get(name), found = new Map();
    for (const row of selected) {
      const flat = column.values[row] === null ? [] : column.sets[column.values[row]];
      for (let place = 0; place < flat.length; place += 2) {
        const tool = column.labels[flat[place]];
        found.set(tool, (found.get(tool) ?? 0) + flat[place + 1]);
      }
    }
    return found;
  };

  // --- what each kind of chart shows of a period --------------------------------------------------------------------

  const spread = (original, kind, selected) => {
    const name = kind.slice("dist_".length), scale = name.endsWith("_ms") ? 1000 : 1;
    const values = known(name, selected).map((value) => value / scale).filter((value) => value > 0).sort((a, b) => a - b);
    const marks = { median: 0.5, P95: 0.95, P99: 0.99 };
    const bins = original.filter(({ mark }) => mark === null);
    const found = bins.map((bin, place) => ({ ...bin, n: values.filter((value) => (place === 0 || value >= bin.from)
      && (place === bins.length - 1 || value < bin.to)).length }));
    if (values.length) {
      for (const [mark, share] of Object.entries(marks)) found.push({ from: audit.lists.percentile(values, share), to: null, n: null, mark });
    }
    return found;
  };
  const tools = (original, selected) => {
    const all = calls("tools", selected), names = [...new Set(original.map(({ tool }) => tool))];
    const outcomes = [["failed", "tools_failed"], ["rejected", "tools_rejected"], ["result not logged", "tools_unknown"]]
      .map(([outcome, column]) => [outcome, calls(column, selected)]);
    return names.flatMap((tool) => {
      const others = outcomes.map(([outcome, held], place) => ({ tool, outcome, n: held.get(tool) ?? 0, rank: place + 1 }));
      const rest = (all.get(tool) ?? 0) - others.reduce((sum, { n }) => sum + n, 0);
      return [{ tool, outcome: "ok", n: Math.max(0, rest), rank: 0 }, ...others.filter(({ n }) => n)];
    });
  };
  const hours = (original, selected) => {
    const found = new Map();
    for (const row of selected) {
      const when = new Date(rows.time.values[row]);
      const key = `${DAYS[when.getUTCDay()]} ${when.getUTCHours()}`;
      found.set(key, (found.get(key) ?? 0) + 1);
    }
    return original.map((cell) => ({ ...cell, n: found.get(`${cell.day} ${Number(cell.hour)}`) ?? 0 }));
  };
  const rowsOf = (figure, selected) => {
    const { kind } = figure.dataset, original = audit.chartRows(figure);
    if (!period) return original;
    if (kind.startsWith("dist_")) return spread(original, kind, selected);
    if (kind.startsWith("speed_")) return original.map((row) => ({ ...row, out: row.median === null && !inside(row.at) }));
    if (kind === "tools") return tools(original, selected);
    return kind === "heat" ? hours(original, selected) : null;
  };

  // --- showing ------------------------------------------------------------------------------------------------------

  /** Where a chart of time draws, and what time the left and right end of that are. */
  const plot = (figure) => {
    const view = figure.querySelector(".chart-view"), boxes = [...view.querySelectorAll("svg path.background")]
      .map((path) => path.getBoundingClientRect()).filter(({ width, height }) => width > 40 && height > 20);
    if (!figure.drawing || !boxes.length) return null;
    const narrow = Math.min(...boxes.map(({ width }) => width)), own = boxes.filter(({ width }) => width < narrow + 2);
    const scale = figure.dataset.kind === "over_time" ? "concat_0_x" : "x";
    const [first, last] = figure.drawing.scale(scale).domain().map(Number);
    const { left, top } = view.getBoundingClientRect();
    return {
      view, first, last, left: own[0].left, width: narrow,
      inset: own[0].left - left, top: Math.min(...own.map((box) => box.top)) - top,
      bottom: Math.max(...own.map((box) => box.bottom)) - top,
    };
  };
  const shade = (figure) => {
    const place = plot(figure);
    if (!place) return;
    let box = place.view.querySelector(".period-shade");
    if (!box) place.view.append(box = audit.element("i", { class: "period-shade" }));
    box.hidden = !period;
    if (!period) return;
    const at = (time) => Math.min(1, Math.max(0, (time - place.first) / (place.last - place.first))) * place.width + place.inset;
    Object.assign(box.style, {
      left: `${at(period[0])}px`, width: `${Math.max(2, at(period[1]) - at(period[0]))}px`,
      top: `${place.top}px`, height: `${place.bottom - place.top}px`,
    });
  };
  const fill = async (figure, selected) => {
    const found = figure.drawing && rowsOf(figure, selected);
    if (!found) return;
    await figure.drawing.change("rows", window.vega.changeset().remove(() => true).insert(found)).runAsync();
  };
  const words = (selected) => {
    const { compact, duration, number } = audit.lists;
    const sum = (name) => known(name, selected).reduce((total, value) => total + value, 0);
    const n = selected.length;
    return `${number(n)} request${n === 1 ? "" : "s"} · ${compact(sum("input_tokens"))} tokens in, ${compact(sum("output_tokens"))} out · `
      + `prompts ${duration(sum("prompt_ms"))}, answers ${duration(sum("generation_ms"))}`;
  };
  const draw = async () => {
    const selected = rows ? chosen() : [];
    for (const figure of times) shade(figure);
    bar.classList.toggle("is-on", Boolean(period));
    document.querySelector(".md-content").classList.toggle("has-period", Boolean(period));
    says.textContent = period ? words(selected) : said;
    link.textContent = period ? `Show ${selected.length === 1 ? "it" : "them"} in the list` : linked;
    link.href = list();
    reset.disabled = !period;
    from.value = period ? written(period[0]) : "";
    to.value = period ? written(period[1] - MINUTE) : "";
    for (const figure of figures) await fill(figure, selected);
  };

  // drags come faster than charts are drawn: what is missed in between is not drawn at all
  let busy = false, again = false;
  const show = async () => {
    again = true;
    if (busy) return;
    busy = true;
    bar.setAttribute("aria-busy", "true");
    while (again) {
      again = false;
      if (period) await loaded();
      await draw();
    }
    busy = false;
    bar.setAttribute("aria-busy", "false");
  };
  const choose = (wanted, keep = true) => {
    period = wanted && wanted[0] < wanted[1] ? wanted : null;
    if (keep) history.replaceState(history.state, "", address() || location.pathname + location.search);
    return show();
  };

  // --- by mouse and finger ------------------------------------------------------------------------------------------

  for (const figure of times) {
    const view = figure.querySelector(".chart-view");
    const bins = audit.chartRows(figure), step = bins[0].until - bins[0].at;
    const timeAt = (place, x) => place.first + Math.min(1, Math.max(0, (x - place.left) / place.width)) * (place.last - place.first);
    const snapped = (a, b) => [Math.floor(Math.min(a, b) / step) * step, Math.floor(Math.max(a, b) / step) * step + step];
    let began = null, place = null, moved = false;
    view.classList.add("takes-period");
    view.addEventListener("pointerdown", (event) => {
      place = event.button ? null : plot(figure);
      if (!place || event.clientX < place.left - 4 || event.clientX > place.left + place.width + 4) return;
      began = event.clientX;
      moved = false;
      event.preventDefault(); // no text is marked on the way
    });
    addEventListener("pointermove", (event) => {
      if (began === null || (!moved && Math.abs(event.clientX - began) < 4)) return;
      moved = true;
      choose(snapped(timeAt(place, began), timeAt(place, event.clientX)), false);
    });
    addEventListener("pointerup", () => {
      if (began === null) return;
      const at = timeAt(place, began);
      began = null;
      if (moved) { choose(period); return; }
      // a click: the requests of the period it is in, or of the bar it is on
      const bin = bins.find((each) => at >= each.at && at < each.until);
      if (period && inside(at)) location.href = list();
      else if (bin) location.href = list([bin.at, bin.until]);
      else choose(null);
    });
    addEventListener("pointercancel", () => { began = null; });
  }

  // --- by keyboard, address, and when a chart is drawn (again) ------------------------------------------------------

  const minutes = (input, fallback) => (input.value ? Date.parse(`${input.value.slice(0, 16)}Z`) : fallback);
  const typed = () => choose([minutes(from, Number(bar.dataset.first)), minutes(to, Number(bar.dataset.last)) + MINUTE]);
  for (const input of [from, to]) input.addEventListener("change", typed);
  reset.addEventListener("click", () => choose(null));
  bar.addEventListener("keydown", (event) => { if (event.key === "Escape") choose(null); });
  document.addEventListener("chart-drawn", ({ target }) => {
    if (!period) return;
    if (times.includes(target)) shade(target);
    else if (rows) fill(target, chosen());
  });
  const restore = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const at = (text, end) => {
      if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/.test(text ?? "")) return NaN;
      return Date.parse(text.length > 10 ? `${text}Z` : text) + (end ? (text.length > 10 ? MINUTE : DAY) : 0);
    };
    const wanted = [at(asked.get("from"), false), at(asked.get("to"), true)];
    if (!wanted.some(Number.isNaN)) choose(wanted, false);
  };
  addEventListener("hashchange", restore);
  restore();
})();
