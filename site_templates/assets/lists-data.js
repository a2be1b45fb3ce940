"use strict";
// The rows of a list: unpacked, selected, counted and written as text. Nothing here touches the page.
// A data file calls lmsAudit.rows(name, data); present/rows.py describes the form.
(() => {
  const audit = (window.lmsAudit = window.lmsAudit || {});
  const VERSION = 1;
  const DAY = 86400000;
  const THIN = "\u202f";
  const UNKNOWN = "!unknown"; // in addresses; a real name that begins with "!" gets one more
  const NONE = "!none";

  const number = new Intl.NumberFormat("en-US");
  const digits = [0, 1, 2].map((n) => new Intl.NumberFormat("en-US", {minimumFractionDigits: n, maximumFractionDigits: n}));
  const two = (value) => String(value).padStart(2, "0");

  // --- numbers as text: the same words as present/views/format.py ---------------------------------------------------

  const span = (ms) => {
    if (ms < 1000) return "<0:01";
    const seconds = Math.round(ms / 1000);
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
    return hours ? `${number.format(hours)}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  };
  const duration = (ms) => {
    const seconds = ms / 1000;
    if (seconds < 99.95) return `${digits[1].format(seconds)}${THIN}s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 100) return `${minutes}${THIN}min`;
    return minutes < 2880 ? `${Math.floor(minutes / 60)}${THIN}h ${two(minutes % 60)}${THIN}min`
      : `${Math.floor(minutes / 1440)}${THIN}d ${Math.floor(minutes / 60) % 24}${THIN}h`;
  };
  /** A difference of two times of the log's clock, which ticks in seconds. */
  const spoken = (ms) => (ms < 1000 ? `<${THIN}1${THIN}s` : `${number.format(Math.round(ms / 1000))} ±${THIN}1${THIN}s`);
  const compact = (value) => {
    for (const [limit, name] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
      if (value >= limit) {
        const scaled = value / (name === "k" ? 1e3 : limit);
        return `${scaled < 1000 ? Number(scaled.toPrecision(3)) : number.format(Math.round(scaled))}${THIN}${name}`;
      }
    }
    return number.format(value);
  };
  // [whole part, fraction]: the fraction has its own box, so that points stand under one another
  const parts = {
    seconds: (ms, clock) => {
      if (clock) return ms < 1000 ? ["< 1", ""] : [number.format(Math.round(ms / 1000)), "±1"];
      const text = digits[ms < 9995 ? 2 : 1].format(ms / 1000);
      const dot = text.indexOf(".");
      return dot < 0 ? [text, ""] : [text.slice(0, dot), text.slice(dot)];
    },
    rate: (value) => {
      const text = digits[1].format(value);
      return [text.slice(0, -2), text.slice(-2)];
    },
    count: (value) => [number.format(Number.isInteger(value) ? value : Number(value.toFixed(1))), null],
    share: (value) => [`${Math.round(value * 100)}${THIN}%`, null],
    span: (ms) => [span(ms), null],
  };
  const isoDay = (day) => new Date(day * DAY).toISOString().slice(0, 10);
  const iso = (ms) => new Date(ms).toISOString().slice(0, ms % 1000 ? 23 : 19);
  /** Where a period begins or ends that is written as a day or as a minute of one; null where it makes no sense. */
  const momentOf = (text, end = false) => {
    const found = /^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/.test(text || "") ? Date.parse(text.length > 10 ? `${text}Z` : text) : NaN;
    return Number.isNaN(found) ? null : found + (end ? (text.length > 10 ? 60000 : DAY) - 1 : 0);
  };
  const dayOf = (text) => {
    const found = momentOf(text);
    return found === null ? null : Math.floor(found / DAY);
  };

  /** Percentile of sorted values by linear interpolation between the two nearest ranks, as in analyse/figures.py. */
  const percentile = (sorted, share) => {
    const place = (sorted.length - 1) * share, low = Math.floor(place);
    if (low + 1 >= sorted.length) return sorted[sorted.length - 1];
    return sorted[low] + (sorted[low + 1] - sorted[low]) * (place - low);
  };

  // --- columns ------------------------------------------------------------------------------------------------------

  const unpack = (spec, count) => {
    const column = {missing: "not logged", ...spec, values: spec.values || new Array(count).fill(null), labels: spec.labels || spec.names};
    column.isName = spec.shape === "name" || spec.shape === "names";
    if (column.isName && !spec.values) Object.assign(column, {names: [], labels: [], sets: []});
    column.roughOnly = Boolean(spec.clock) && column.values.every((value, row) => value === null || spec.clock[row] === "1");
    if (spec.shape === "time") {
      let at = 0;
      column.values = column.values.map((step) => (step === null ? null : (at += step)));
    }
    if (column.isName) {
      const order = column.labels.map((_, index) => index)
        .sort((a, b) => column.labels[a].localeCompare(column.labels[b], "en", {sensitivity: "base", numeric: true}) || a - b);
      column.rank = [];
      order.forEach((code, place) => { column.rank[code] = place; });
    }
    if (spec.shape === "title") {
      const order = column.values.map((_, row) => row);
      order.sort((a, b) => column.values[a].localeCompare(column.values[b], "en", {sensitivity: "base", numeric: true}) || a - b);
      column.rank = [];
      order.forEach((row, place) => { column.rank[row] = place; });
    }
    if (spec.shape === "names") {
      column.called = (column.sets || []).map((flat) => flat.reduce((sum, times, place) => sum + (place % 2 ? times : 0), 0));
    }
    return column;
  };

  /** What a column sorts by; null where the log does not say. */
  const sortable = (column, row) => {
    const value = column.values[row];
    if (column.shape === "title") return column.rank[row];
    if (value === null || column.shape === "id") return value === null ? null : row;
    return column.shape === "name" ? column.rank[value] : column.shape === "names" ? column.called[value] : value;
  };

  /** A value as text; null where the log does not say. */
  const text = (column, row) => {
    const value = column.values[row];
    if (value === null) return null;
    if (column.shape === "name") return column.labels[value];
    if (column.shape === "names") {
      const flat = column.sets[value], found = [];
      for (let place = 0; place < flat.length; place += 2) {
        found.push(flat[place + 1] > 1 ? `${column.labels[flat[place]]} × ${flat[place + 1]}` : column.labels[flat[place]]);
      }
      return found.join(", ") || "none";
    }
    return String(value);
  };

  /** A value as a reader sees it, in one piece. */
  const shown = (column, row) => {
    const value = column.values[row];
    if (value === null) return column.missing;
    if (column.shape === "time") return iso(value).slice(0, 19).replace("T", " ");
    if (!(column.shape in parts)) return text(column, row);
    return parts[column.shape](value, Boolean(column.clock) && column.clock[row] === "1").join("");
  };

  /** A figure of a selection in two parts, as in `parts`; `found` is what `spread` says. */
  const figure = (column, name, found) => {
    const value = found[name];
    if (value === null) return [found.n ? "–" : column.missing, null];
    if (name === "n") return [number.format(value), null];
    if (name !== "total" || ["rate", "share", "span"].includes(column.shape)) {
      return parts[column.shape](column.shape === "count" && value >= 100 ? Math.round(value) : value, column.roughOnly);
    }
    return [column.shape === "seconds" ? duration(value) : compact(value), null];
  };

  /** A value for the CSV: raw, times in ISO 8601, nothing a spreadsheet would take for a formula. */
  const raw = (column, row) => {
    const value = column.values[row];
    if (value === null) return "";
    if (column.shape === "time") return iso(value);
    if (typeof value === "number" && !column.isName) return value;
    let found = value;
    if (column.shape === "name") found = column.names[value];
    if (column.shape === "names") {
      const flat = column.sets[value];
      found = flat.flatMap((code, place) => (place % 2 ? [] : new Array(flat[place + 1]).fill(column.names[code]))).join("; ");
    }
    return /^[=+\-@\t\r]/.test(found) ? `'${found}` : found;
  };

  /** A table of the rows in this order for a spreadsheet, all columns but the links. */
  const csv = (rows, order) => {
    const columns = rows.columns.filter((column) => column.shape !== "link");
    const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const lines = order.map((row) => columns.map((column) => quoted(raw(column, row))).join(","));
    return [columns.map((column) => quoted(column.name)).join(","), ...lines].join("\n");
  };

  class Rows {
    constructor(data) {
      if (data.version !== VERSION) throw new Error(`rows of version ${data.version}, expected ${VERSION}`);
      Object.assign(this, {count: data.count, noun: data.noun, sort: data.sort});
      this.columns = data.columns.map((spec) => unpack(spec, data.count));
      this.column = new Map(this.columns.map((column) => [column.name, column]));
      this.shown = this.columns.filter((column) => column.title);
      this.facets = this.columns.filter((column) => column.facet);
      this.filterable = this.columns.filter((column) => column.isName);
      this.time = this.shown.find((column) => column.shape === "time");
      this.ids = this.columns.find((column) => column.shape === "id").values;
      this.quiet = data.quiet && {column: this.column.get(data.quiet[0]), name: data.quiet[1], words: data.quiet[2]};
      if (this.quiet) this.quiet.code = this.quiet.column.names.indexOf(this.quiet.name);
      this.masks = new Uint32Array(data.count);
    }

    link(row) {
      const column = this.column.get("link"), code = column.values[row];
      return code === null ? null : column.names[code].replaceAll("*", this.ids[row]);
    }

    /** Codes of a facet a row falls under: names.length is "not logged", names.length + 1 is "none". */
    codes(column, row) {
      const value = column.values[row];
      if (value === null) return [column.names.length];
      if (column.shape === "name") return [value];
      const flat = column.sets[value];
      return flat.length ? flat.filter((_, place) => place % 2 === 0) : [column.names.length + 1];
    }

    key(column, code) {
      const name = column.names[code];
      if (name === undefined) return code === column.names.length ? UNKNOWN : NONE;
      return name.startsWith("!") ? `!${name}` : name;
    }

    label(column, code) {
      return column.labels[code] ?? (code === column.names.length ? column.missing : "none");
    }

    code(column, key) {
      if (key === UNKNOWN) return column.names.length;
      if (key === NONE) return column.names.length + 1;
      return column.names.indexOf(key.startsWith("!!") ? key.slice(1) : key);
    }

    /** Marks each row with the filters it fails, one bit each; bit 0 time, 1 words, 2 quiet, then one per facet. */
    select(state) {
      const {masks, count} = this;
      masks.fill(0);
      const from = momentOf(state.from), to = momentOf(state.to, true);
      if ((from !== null || to !== null) && this.time) {
        for (let row = 0; row < count; row += 1) {
          const at = this.time.values[row];
          if (at === null || (from !== null && at < from) || (to !== null && at > to)) masks[row] |= 1;
        }
      }
      const wanted = state.q.toLowerCase().split(/\s+/).filter(Boolean);
      if (wanted.length) {
        this.hay ||= Array.from({length: count}, (_, row) => this.haystack(row));
        for (let row = 0; row < count; row += 1) {
          if (!wanted.every((word) => this.hay[row].includes(word))) masks[row] |= 2;
        }
      }
      if (this.quiet && !state.all) {
        const {column, code} = this.quiet;
        for (let row = 0; row < count; row += 1) if (column.values[row] === code) masks[row] |= 4;
      }
      this.filterable.forEach((column, place) => {
        const keys = state.facets.get(column.name);
        if (!keys || !keys.size) return;
        const codes = new Set([...keys].map((key) => this.code(column, key)));
        const bit = 1 << (place + 3);
        for (let row = 0; row < count; row += 1) {
          if (!this.codes(column, row).some((code) => codes.has(code))) masks[row] |= bit;
        }
      });
      return masks;
    }

    bit(column) {
      return column === this.time ? 1 : 1 << (this.filterable.indexOf(column) + 3);
    }

    /** Code -> rows that all other filters let through. For the time column: day -> rows. */
    counts(column) {
      const others = ~this.bit(column), found = new Map();
      for (let row = 0; row < this.count; row += 1) {
        if (this.masks[row] & others) continue;
        if (column === this.time) {
          const at = column.values[row];
          if (at !== null) found.set(Math.floor(at / DAY), (found.get(Math.floor(at / DAY)) || 0) + 1);
          continue;
        }
        for (const code of this.codes(column, row)) found.set(code, (found.get(code) || 0) + 1);
      }
      return found;
    }

    haystack(row) {
      const found = [this.ids[row]];
      for (const column of this.columns) {
        if (column.isName || column.shape === "title") found.push(text(column, row) || "");
        if (column.isName && column.labels !== column.names) found.push(raw(column, row));
      }
      return found.join(" ").toLowerCase();
    }

    /** n of how many rows, total, median and percentiles of a column over rows; for rates the total is that of the sums. */
    spread(column, rows) {
      const values = [];
      let total = 0, tokens = 0, time = 0;
      const [whole, per] = (column.of || []).map((place) => this.columns[place].values);
      for (const row of rows) {
        const value = column.values[row];
        if (value === null) continue;
        values.push(value);
        total += value;
        if (whole && whole[row] !== null && per[row] !== null) { tokens += whole[row]; time += per[row]; }
      }
      const n = values.length;
      if (!n) return {n, of: rows.length, total: null, median: null, p95: null, p99: null};
      values.sort((a, b) => a - b);
      if (whole) total = time ? (tokens / time) * 1000 : null;
      if (column.shape === "share") total = null;
      return {n, of: rows.length, total, median: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99)};
    }
  }

  // --- the address --------------------------------------------------------------------------------------------------

  const emptyState = () => ({sort: "", from: "", to: "", q: "", all: false, facets: new Map()});

  const readState = (rows, hash) => {
    const state = emptyState();
    const found = new URLSearchParams(hash.replace(/^#/, ""));
    for (const name of ["sort", "from", "to", "q"]) state[name] = found.get(name) || "";
    for (const name of ["from", "to"]) if (momentOf(state[name]) === null) state[name] = "";
    if (!rows.shown.some((column) => column.name === state.sort.replace(/^-/, ""))) state.sort = "";
    state.all = found.get("all") === "1";
    for (const column of rows.filterable) {
      const keys = found.getAll(column.name);
      if (keys.length) state.facets.set(column.name, new Set(keys));
    }
    return state;
  };

  const writeState = (rows, state) => {
    const found = new URLSearchParams();
    if (state.sort && state.sort !== rows.sort) found.set("sort", state.sort);
    for (const name of ["from", "to", "q"]) if (state[name]) found.set(name, state[name]);
    if (state.all) found.set("all", "1");
    for (const column of rows.filterable) {
      for (const key of [...(state.facets.get(column.name) || [])].sort()) found.append(column.name, key);
    }
    return found.toString().replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%21", "!");
  };

  audit.lists = {
    Rows, percentile, parts, duration, spoken, csv, shown, figure, compact, number: (value) => number.format(value), text, raw, sortable, iso,
    isoDay, dayOf, emptyState, readState, writeState,
  };
  const waiting = (audit.waitingRows = audit.waitingRows || new Map());
  audit.rows = (name, data) => {
    waiting.set(name, data);
    document.dispatchEvent(new CustomEvent("lms-audit-rows", {detail: name}));
  };
})();
