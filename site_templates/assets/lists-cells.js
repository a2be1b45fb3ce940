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

  const numeric = (shape, value, rough) => {
    const [whole, fraction] = lists.parts[shape](value, rough);
    const node = make("span", {class: "al-num"}, whole);
    if (fraction !== null) node.append(make("span", {class: "al-frac"}, fraction));
    return node;
  };

  const content = (rows, column, row) => {
    const value = column.values[row];
    if (value === null) return make("span", {class: "al-unknown"}, column.missing);
    if (NUMERIC.has(column.shape)) {
      const rough = column.clock && column.clock[row] === "1";
      const node = numeric(column.shape, value, rough);
      if (rough) node.title = "from the clock of the log, ±1 s";
      else if (column.shape === "seconds" || column.shape === "span") node.title = lists.duration(value);
      return node;
    }
    if (column.shape === "time") {
      const node = make("span", {class: "al-time"}, make("span", {class: "al-day"}, day(Math.floor(value / 86400000))), " ", clock(value));
      node.title = lists.iso(value).replace("T", " ");
      return node;
    }
    const shown = column.shape === "id" ? value.slice(0, 12) : lists.text(column, row);
    const node = make("span", {}, shown);
    node.title = column.isName && column.labels !== column.names ? `${shown}\n${lists.raw(column, row)}` : shown;
    if (column.name === "status") node.className = `al-status al-status--${/^(completed|cancelled|error|incomplete)$/.exec(shown)?.[0] || "mixed"}`;
    if (shown === "none" || shown === "main") node.classList.add("al-quiet");
    return node;
  };

  const statistics = (column, found) => {
    const block = make("span", {class: "al-stats"});
    for (const [name] of STATS) {
      const value = found[name];
      const line = make("span", {class: "al-stat", "data-stat": name});
      if (name === "n") line.append(make("span", {class: "al-num"}, lists.number(value)));
      else if (value === null) line.append(make("span", {class: "al-unknown"}, found.n ? "–" : "not logged"));
      else if (name === "total" && !["rate", "share", "span"].includes(column.shape)) {
        line.append(make("span", {class: "al-num"}, column.shape === "seconds" ? lists.duration(value) : lists.compact(value)));
      } else line.append(numeric(column.shape, column.shape === "count" && value >= 100 ? Math.round(value) : value, column.roughOnly));
      if (value !== null) line.dataset.value = String(value);
      if (name === "total" && column.of) line.title = "tokens of the selection ÷ their time";
      block.append(line);
    }
    return block;
  };

  lists.cells = {make, day, content, statistics, STATS, NUMERIC};
})();
