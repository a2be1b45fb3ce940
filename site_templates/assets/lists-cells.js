"use strict";
// The cells of a list and the figures under its columns as elements. Log text becomes text nodes only.
(() => {
  const lists = window.lmsAudit.lists;
  const STATS = [["n", "n"], ["total", "Total"], ["median", "Median"], ["p95", "P95"], ["p99", "P99"]];
  const NUMERIC = new Set(["seconds", "span", "rate", "count", "share"]);

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in node && typeof value !== "string") node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };

  const dayWords = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", timeZone: "UTC"});
  const day = (number) => dayWords.format(number * 86400000);
  const clock = (at) => `${lists.iso(at).slice(11, 19)}`;

  // --- cells --------------------------------------------------------------------------------------------------------

  const rough = (column, row) => Boolean(column.clock) && column.clock[row] === "1";
  const say = (node, words) => { if (node.data !== words) node.data = words; };

  /** How a cell of a shape is made: what stands in it, and what says a known value in it. */
  const made = (column) => {
    const text = () => document.createTextNode("");
    if (NUMERIC.has(column.shape)) {
      const whole = text(), fraction = text(), aligned = column.shape === "seconds" || column.shape === "rate";
      return {
        nodes: [make("span", {class: "al-num"}, whole, ...(aligned ? [make("span", {class: "al-frac"}, fraction)] : []))],
        known(row) {
          const [first, second] = lists.parts[column.shape](column.values[row], rough(column, row));
          say(whole, first);
          say(fraction, second ?? "");
        },
        unknown() { say(whole, column.missing); say(fraction, ""); },
      };
    }
    if (column.shape === "time") {
      const date = text(), time = text();
      return {
        nodes: [make("span", {class: "al-day"}, date), " ", time],
        known(row) { say(date, day(Math.floor(column.values[row] / 86400000))); say(time, clock(column.values[row])); },
        unknown() { say(date, ""); say(time, column.missing); },
      };
    }
    const words = text();
    return {
      nodes: [words],
      known(row) { say(words, column.shape === "id" ? column.values[row].slice(0, 12) : lists.text(column, row)); },
      unknown() { say(words, column.missing); },
    };
  };

  /** A cell that is painted anew for each row it is to show: its element stays, only its words change. */
  const cell = (column, link) => {
    const {nodes, known, unknown} = made(column);
    const element = make("div", {class: `al-cell al-col al-col--${column.shape} al-col--${column.name}`, role: "gridcell", "data-field": column.name});
    const anchor = link ? make("a", {class: "al-link", tabindex: "-1"}, ...nodes) : null;
    element.append(...(anchor ? [anchor] : nodes));
    let before = null;
    const mark = (row) => {
      if (column.values[row] === null) return "al-unknown";
      if (column.name === "status") return `al-status--${/^(completed|cancelled|error|incomplete)$/.exec(lists.text(column, row))?.[0] || "mixed"}`;
      if (column.isName && /^(none|main)$/.test(lists.text(column, row))) return "al-quiet";
      return rough(column, row) ? "al-rough" : "";
    };
    const paint = (row) => {
      (column.values[row] === null ? unknown : known)(row);
      const now = mark(row);
      if (now !== before) {
        if (before) element.classList.remove(before);
        if (now) element.classList.add(now);
        before = now;
      }
      if (!anchor) return;
      const to = link(row);
      if (to === null) anchor.removeAttribute("href");
      else anchor.setAttribute("href", to);
    };
    return {element, paint};
  };

  /** What a cell says when pointed at: the whole of what it shows, and how exact that is. */
  const hint = (column, row) => {
    const value = column.values[row];
    if (value === null) return "";
    if (rough(column, row)) return `${lists.spoken(value)}, from the clock of the log, which ticks in seconds`;
    if (column.shape === "seconds" || column.shape === "span") return lists.duration(value);
    if (column.shape === "time") return lists.iso(value).replace("T", " ");
    if (NUMERIC.has(column.shape)) return "";
    const shown = lists.text(column, row);
    return column.isName && column.labels !== column.names ? `${shown}\n${lists.raw(column, row)}` : shown;
  };

  const statistics = (column, found) => {
    const left = found.of - found.n, missing = left ? ` · left out: ${lists.number(left)} ${column.missing}` : "";
    const block = make("span", {class: "al-stats", "data-m": column.name, "data-covers": `n = ${lists.number(found.n)}${missing}${column.of ? " · total: tokens of the selection ÷ their time" : ""}`});
    for (const [name] of STATS) {
      const [whole, fraction] = lists.figure(column, name, found), known = found[name] !== null;
      const words = make("span", {class: known ? "al-num" : "al-unknown"}, whole);
      if (fraction !== null) words.append(make("span", {class: "al-frac"}, fraction));
      const line = make("span", {class: "al-stat", "data-stat": name}, words);
      if (known) line.dataset.value = String(found[name]);
      block.append(line);
    }
    return block;
  };

  lists.cells = {make, day, cell, hint, statistics, STATS, NUMERIC};
})();
