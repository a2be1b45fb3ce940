"use strict";
// The interactive list: filters with counts, a grid of virtual rows, percentiles of the selection, and the address that
// restores it all. The grid is Tabulator; what is selected and counted is lists-data.js, how a cell looks lists-cells.js.
(() => {
  const audit = window.lmsAudit;
  const lists = audit.lists;
  const {make, day, statistics, STATS, NUMERIC} = lists.cells;
  const WIDTHS = {
    time: 124, title: 220, seconds: 74, span: 74, rate: 72, count: 74, share: 72, id: 110, name: 104, names: 130,
  };
  const COLUMN_WIDTHS = {session_id: 170, model: 130, status: 84, kind: 80, input_tokens: 84, tool_calls: 78, generation_ms: 80, requests: 78};
  const GROWS = {session_id: 3, title: 5, tools: 2, model: 1};
  const UNITS = {seconds: "s", span: "h:m:s"};
  const DAY_BARS = 60;
  const PHONE = matchMedia("(max-width: 44.9375em)");

  // --- the list -----------------------------------------------------------------------------------------------------

  class List {
    constructor(element, data) {
      this.element = element;
      this.root = element.dataset.root || "";
      this.rows = new lists.Rows(data);
      this.state = lists.readState(this.rows, location.hash);
      this.active = -1;
      this.build();
      this.grid = this.makeGrid();
      this.grid.on("tableBuilt", () => {
        this.body = this.grid.rowManager.renderer;
        this.grid.on("columnWidth", () => this.body.widen());
        this.grid.on("dataSorted", (sorters) => this.sorted(sorters));
        this.headers();
        this.refresh();
        element.dataset.ready = "yes";
      });
      window.addEventListener("hashchange", () => this.restore());
      window.addEventListener("beforeprint", () => this.print());
      document.addEventListener("keydown", (event) => this.key(event));
    }

    // --- building the page --------------------------------------------------

    build() {
      const {rows} = this;
      this.filters = make("details", {class: "al-filters", open: !PHONE.matches});
      this.filtersOpen = make("span", {class: "al-filters__n"});
      this.filters.append(make("summary", {}, "Filters", this.filtersOpen));
      const strip = make("div", {class: "al-strip"});
      if (rows.time) strip.append(this.buildTime());
      this.facets = new Map();
      for (const column of rows.facets) if (column.names.length || column.values.length) strip.append(this.buildFacet(column));
      this.filters.append(strip);

      this.search = make("input", {type: "search", class: "al-search", placeholder: `Find ${rows.noun[1]} by words …`, autocomplete: "off", spellcheck: "false"});
      this.search.setAttribute("aria-label", `Find ${rows.noun[1]} by words`);
      this.search.addEventListener("input", () => { this.state.q = this.search.value; this.later(); });
      this.sortBy = make("select", {class: "al-sort", "aria-label": "Sort by"});
      for (const column of rows.shown) {
        const time = column.shape === "time", number = NUMERIC.has(column.shape);
        const [down, up] = time ? ["latest first", "earliest first"] : number ? ["largest first", "smallest first"] : ["Z–A", "A–Z"];
        for (const [sign, words] of number || time ? [["-", down], ["", up]] : [["", up], ["-", down]]) {
          this.sortBy.append(make("option", {value: sign + column.name}, `${column.title}, ${words}`));
        }
      }
      this.sortBy.addEventListener("change", () => { this.state.sort = this.sortBy.value; this.sort(); });
      this.count = make("span", {class: "al-count", role: "status", "aria-live": "polite"});
      this.chips = make("span", {class: "al-chips"});
      this.clear = make("button", {type: "button", class: "al-button al-clear", hidden: true}, "Clear filters");
      this.clear.addEventListener("click", () => this.reset());
      const save = make("button", {type: "button", class: "al-button al-csv"}, "CSV");
      save.title = "Save the selection, in this order, with all columns";
      save.addEventListener("click", () => this.save());
      const bar = make("div", {class: "al-bar"}, this.search, this.count, this.chips, this.clear);
      if (rows.quiet) {
        this.all = make("input", {type: "checkbox"});
        const n = rows.quiet.column.values.filter((value) => value === rows.quiet.code).length;
        bar.append(make("label", {class: "al-all"}, this.all, ` also ${lists.number(n)} ${rows.quiet.words}`));
        this.all.addEventListener("change", () => { this.state.all = this.all.checked; this.refresh(); });
      }
      bar.append(make("span", {class: "al-space"}), this.sortBy, save);
      this.holder = make("div", {class: "al-grid"});
      const help = make("p", {class: "al-help"});
      help.append(make("kbd", {}, "j"), " ", make("kbd", {}, "k"), " or arrows move, ", make("kbd", {}, "Enter"), " opens, ",
        make("kbd", {}, "Home"), " ", make("kbd", {}, "End"), " jump, ", make("kbd", {}, "Shift"), " + click sorts by one more column. ",
        "Percentiles are of the rows shown; n is how many of them have the value. The address holds this view.");
      this.element.append(this.filters, bar, this.holder, help);
    }

    buildTime() {
      const {rows} = this;
      const box = make("fieldset", {class: "al-facet al-facet--time", "data-facet": rows.time.name});
      box.append(make("legend", {}, "Date"));
      this.from = make("input", {type: "date", "aria-label": "From day"});
      this.to = make("input", {type: "date", "aria-label": "To day"});
      for (const [name, input] of [["from", this.from], ["to", this.to]]) {
        input.addEventListener("change", () => { this.state[name] = input.value; this.refresh(); });
      }
      let first = Infinity, last = -Infinity;
      for (const at of rows.time.values) if (at !== null) { first = Math.min(first, at); last = Math.max(last, at); }
      this.bars = [];
      const bars = make("div", {class: "al-days"});
      if (last >= first) {
        const begin = Math.floor(first / 86400000), end = Math.floor(last / 86400000);
        const step = Math.ceil((end - begin + 1) / DAY_BARS);
        for (let from = begin; from <= end; from += step) {
          const to = Math.min(from + step - 1, end);
          const fill = make("span");
          const bar = make("button", {type: "button", class: "al-day-bar"}, fill);
          bar.addEventListener("click", (event) => this.pickDays(from, to, event.shiftKey));
          bars.append(bar);
          this.bars.push({from, to, bar, fill});
        }
        for (const input of [this.from, this.to]) { input.min = lists.isoDay(begin); input.max = lists.isoDay(end); }
      }
      box.append(make("div", {class: "al-dates"}, this.from, "–", this.to), bars);
      return box;
    }

    pickDays(from, to, extend) {
      const {state} = this;
      const begin = lists.dayOf(state.from), end = lists.dayOf(state.to);
      if (extend && begin !== null && end !== null) {
        from = Math.min(from, begin);
        to = Math.max(to, end);
      } else if (begin === from && end === to) from = to = null;
      state.from = from === null ? "" : lists.isoDay(from);
      state.to = to === null ? "" : lists.isoDay(to);
      this.refresh();
    }

    buildFacet(column) {
      const {rows} = this;
      const box = make("fieldset", {class: `al-facet al-facet--${column.name}`, "data-facet": column.name});
      box.append(make("legend", {}, column.title));
      const list = make("div", {class: "al-values"});
      const totals = new Map();
      for (let row = 0; row < rows.count; row += 1) {
        for (const code of rows.codes(column, row)) totals.set(code, (totals.get(code) || 0) + 1);
      }
      const codes = [...totals.keys()].sort((a, b) => (a >= column.names.length) - (b >= column.names.length)
        || totals.get(b) - totals.get(a) || a - b);
      const items = new Map();
      for (const code of codes) {
        const key = rows.key(column, code), label = rows.label(column, code);
        const check = make("input", {type: "checkbox", value: key});
        const n = make("span", {class: "al-value__n"});
        const words = make("span", {class: "al-value__label"}, label);
        if (code >= column.names.length) words.classList.add("al-unknown");
        const item = make("label", {class: "al-value"}, check, words, n);
        item.title = column.names[code] ?? label;
        check.addEventListener("change", () => this.toggle(column, key, check.checked));
        items.set(code, {check, n, item, key});
        list.append(item);
      }
      this.facets.set(column, items);
      box.append(list);
      return box;
    }

    makeGrid() {
      const {rows} = this;
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 20;
      const data = Array.from({length: rows.count}, (_, row) => {
        const item = {row};
        for (const column of rows.shown) item[column.name] = lists.sortable(column, row);
        return item;
      });
      // el1 and el2 change places for descending order, so unknown has to be sent to the end in both
      const sorter = (a, b, rowA, rowB, _column, dir) => {
        const up = dir === "asc" ? 1 : -1;
        if (a === null || b === null) return a === b ? up * (rowA.getData().row - rowB.getData().row) : a === null ? up : -up;
        return a - b || up * (rowA.getData().row - rowB.getData().row);
      };
      const columns = [...rows.shown, rows.column.get("id")].map((column, index) => {
        const number = NUMERIC.has(column.shape);
        const spec = {
          title: column.title || column.name, field: column.name, headerSort: Boolean(column.title), sorter,
          headerSortStartingDir: number || column.shape === "time" ? "desc" : "asc",
          hozAlign: number ? "right" : "left", headerHozAlign: number ? "right" : "left",
          cssClass: `al-col al-col--${column.shape} al-col--${column.name}`,
          width: Math.round((COLUMN_WIDTHS[column.name] || WIDTHS[column.shape]) * rem),
          titleFormatter: () => {
            const unit = UNITS[column.shape];
            return make("span", {}, column.title || "Id", make("small", {}, unit || "\u00a0"));
          },
          frozen: index === 0,
        };
        if (GROWS[column.name] && !PHONE.matches) {
          spec.minWidth = spec.width;
          delete spec.width;
          spec.widthGrow = GROWS[column.name];
        }
        if (index === 0 && PHONE.matches) spec.width = Math.round((column.shape === "title" ? 150 : 130) * rem);
        if (column.spread) {
          spec.bottomCalc = (_values, items) => rows.spread(column, items.map((item) => item.row));
          spec.bottomCalcFormatter = (cell) => (cell.getValue() ? statistics(column, cell.getValue()) : "");
        } else if (index === 0) {
          spec.bottomCalc = () => STATS;
          spec.bottomCalcFormatter = () => {
            const block = make("span", {class: "al-stats al-stats--names"});
            for (const [, words] of STATS) block.append(make("span", {class: "al-stat"}, words));
            return block;
          };
        }
        return spec;
      });
      if (PHONE.matches) columns.sort((a, b) => this.phonePlace(a) - this.phonePlace(b));
      const rowHeight = Math.round(28 * rem);
      const fits = rows.count * rowHeight + 150 * rem < innerHeight * 0.8;
      // eslint-disable-next-line no-undef
      return new Tabulator(this.holder, {
        data, columns, layout: "fitColumns", index: "row", height: fits ? false : "min(86vh, 60rem)",
        renderVertical: lists.body(rows, (row) => this.leads(row), rowHeight),
        placeholder: `No ${rows.noun[0]} passes all filters.`, columnCalcs: "table", keybindings: false,
        initialSort: this.sorters(), columnHeaderSortMulti: true, resizableColumnFit: false,
        columnDefaults: {resizable: "header"},
      });
    }

    /** On a phone numbers come before names: what is beside the frozen column is what its percentiles are about. */
    phonePlace(spec) {
      if (spec.frozen) return 0;
      return NUMERIC.has(this.rows.column.get(spec.field).shape) ? 1 : 2;
    }

    /** Where a row leads, from this page. */
    leads(row) {
      const link = row === undefined ? null : this.rows.link(row);
      return link === null ? null : this.root + link;
    }

    /** The selection as a file, in the order shown. */
    save() {
      const file = new Blob(["\ufeff", lists.csv(this.rows, this.places())], {type: "text/csv"});
      const link = make("a", {href: URL.createObjectURL(file), download: `lms-audit-${this.element.dataset.list}.csv`});
      link.click();
      URL.revokeObjectURL(link.href);
    }

    headers() {
      this.holder.tabIndex = 0;
      this.holder.setAttribute("aria-label", `${this.rows.noun[1]}: arrows move, Enter opens`);
      this.holder.setAttribute("aria-rowcount", String(this.rows.count));
      const scroller = this.holder.querySelector(".tabulator-tableholder"); // the grid around it has the focus
      scroller.removeAttribute("tabindex");
      scroller.setAttribute("role", "presentation");
      for (const column of this.grid.getColumns()) {
        const element = column.getElement();
        if (!column.getDefinition().headerSort) continue;
        element.dataset.m = column.getField(); // a figure says what it means when it has the focus or the mouse
        element.tabIndex = 0;
        element.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          event.stopPropagation();
          element.click();
        });
      }
    }

    // --- state --------------------------------------------------------------

    sorters() {
      return (this.state.sort || this.rows.sort).split(",").map((name) => ({
        column: name.replace(/^-/, ""), dir: name.startsWith("-") ? "desc" : "asc",
      }));
    }

    sort() {
      this.grid.setSort(this.sorters());
    }

    sorted(sorters) {
      if (!sorters.length) return;
      const {field, dir} = sorters[sorters.length - 1];
      this.state.sort = (dir === "desc" ? "-" : "") + field;
      this.sortBy.value = this.state.sort;
      this.setActive(-1);
      this.write();
    }

    toggle(column, key, on) {
      const keys = this.state.facets.get(column.name) || new Set();
      keys[on ? "add" : "delete"](key);
      if (keys.size) this.state.facets.set(column.name, keys);
      else this.state.facets.delete(column.name);
      this.refresh();
    }

    reset() {
      this.state = {...lists.emptyState(), sort: this.state.sort, all: this.state.all};
      this.refresh();
      this.search.focus();
    }

    restore() {
      if (location.hash.replace(/^#/, "") === this.written) return;
      this.state = lists.readState(this.rows, location.hash);
      this.sort(); // first: the grid says how it is sorted whenever it filters
      this.refresh();
    }

    write() {
      const text = lists.writeState(this.rows, this.state);
      if (text === this.written || (this.written === undefined && !text && !location.hash)) return;
      this.written = text;
      history.replaceState(history.state, "", text ? `#${text}` : location.pathname + location.search);
    }

    later() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.refresh());
    }

    refresh() {
      const {rows, state} = this;
      const masks = rows.select(state);
      this.setActive(-1);
      this.grid.setFilter((item) => masks[item.row] === 0);
      this.shown = 0;
      for (let row = 0; row < rows.count; row += 1) if (masks[row] === 0) this.shown += 1;
      this.showState();
      this.write();
    }

    showState() {
      const {rows, state} = this;
      if (this.search.value !== state.q) this.search.value = state.q;
      this.sortBy.value = state.sort || rows.sort;
      if (this.all) this.all.checked = state.all;
      const total = rows.quiet && !state.all ? rows.quiet.column.values.filter((value) => value !== rows.quiet.code).length : rows.count;
      this.count.textContent = this.shown === total ? `${lists.number(total)} ${rows.noun[total === 1 ? 0 : 1]}`
        : `${lists.number(this.shown)} of ${lists.number(total)} ${rows.noun[total === 1 ? 0 : 1]}`;
      if (rows.time) {
        this.from.value = state.from.slice(0, 10); // a view of the overview may begin within a day: the chip says so
        this.to.value = state.to.slice(0, 10);
        const counts = rows.counts(rows.time);
        const found = this.bars.map(({from, to}) => {
          let sum = 0;
          for (let at = from; at <= to; at += 1) sum += counts.get(at) || 0;
          return sum;
        });
        const most = Math.max(1, ...found), begin = lists.dayOf(state.from), end = lists.dayOf(state.to);
        this.bars.forEach(({from, to, bar, fill}, place) => {
          const n = found[place], inside = (begin === null || to >= begin) && (end === null || from <= end);
          fill.style.height = n ? `${Math.max(6, (n / most) * 100)}%` : "1px";
          bar.title = `${from === to ? day(from) : `${day(from)} – ${day(to)}`}: ${lists.number(n)} ${rows.noun[n === 1 ? 0 : 1]}`;
          bar.setAttribute("aria-label", bar.title);
          bar.setAttribute("aria-pressed", String(inside && (begin !== null || end !== null)));
          bar.classList.toggle("is-out", !inside);
        });
      }
      for (const [column, items] of this.facets) {
        const counts = rows.counts(column), keys = state.facets.get(column.name);
        const most = Math.max(1, ...counts.values());
        for (const [code, {check, n, item, key}] of items) {
          const found = counts.get(code) || 0;
          check.checked = Boolean(keys && keys.has(key));
          n.textContent = lists.number(found);
          item.style.setProperty("--share", `${(found / most) * 100}%`);
          item.classList.toggle("is-empty", !found);
        }
      }
      this.showChips();
    }

    showChips() {
      const {rows, state} = this;
      const chips = [];
      const chip = (words, remove) => {
        const button = make("button", {type: "button", class: "al-chip", "aria-label": `Remove filter ${words}`}, words, make("span", {"aria-hidden": "true"}, "×"));
        button.addEventListener("click", () => { remove(); this.refresh(); });
        chips.push(button);
      };
      if (state.from || state.to) {
        const words = state.from === state.to ? state.from : `${state.from || "…"} – ${state.to || "…"}`;
        chip(words.replaceAll("T", " "), () => { state.from = state.to = ""; });
      }
      for (const column of rows.filterable) {
        for (const key of state.facets.get(column.name) || []) {
          const code = rows.code(column, key);
          chip(`${column.title || column.name.replaceAll("_", " ")}: ${code < 0 ? key : rows.label(column, code)}`, () => {
            state.facets.get(column.name).delete(key);
            if (!state.facets.get(column.name).size) state.facets.delete(column.name);
          });
        }
      }
      this.chips.replaceChildren(...chips);
      this.filtersOpen.textContent = chips.length ? ` (${chips.length})` : "";
      this.clear.hidden = !chips.length && !state.q;
    }

    // --- keyboard -----------------------------------------------------------

    /** The rows shown, in their order. */
    places() {
      return this.grid.getData("active").map((item) => item.row);
    }

    /** On paper stands the plain table, of the selection as it is. */
    print() {
      const {rows} = this, places = this.places(), {shown} = rows;
      const cell = (tag, column, words) => make(tag, NUMERIC.has(column.shape) ? {class: "num"} : {}, words);
      const lines = places.map((row) => make("tr", {}, ...shown.map((column) => cell("td", column, lists.shown(column, row)))));
      const found = shown.map((column) => (column.spread ? rows.spread(column, places) : null));
      const feet = STATS.map(([name, words]) => make("tr", {}, ...shown.map((column, index) => cell("th", column,
        index ? (found[index] ? lists.figure(column, name, found[index]).join("") : "") : words))));
      this.element.querySelector(".audit-plain tbody").replaceChildren(...lines);
      this.element.querySelector(".audit-plain tfoot")?.remove();
      this.element.querySelector(".audit-plain").append(make("tfoot", {}, ...feet));
      const filters = [...this.chips.querySelectorAll(".al-chip")].map((chip) => chip.firstChild.data);
      if (this.state.q) filters.push(`words: ${this.state.q}`);
      const said = [this.count.textContent, ...filters, this.sortBy.selectedOptions[0].textContent];
      this.element.querySelector(".audit-plain-note").textContent = said.join(" · ");
    }

    setActive(place) {
      this.active = place;
      const element = this.body.mark(place);
      if (element) this.holder.setAttribute("aria-activedescendant", element.id);
      else this.holder.removeAttribute("aria-activedescendant");
    }

    key(event) {
      const target = event.target;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.key === "Escape" && target === this.search) {
        event.preventDefault();
        this.search.value = this.state.q = "";
        this.refresh();
        this.holder.focus();
        return;
      }
      const inGrid = target === this.holder || target.closest?.(".tabulator-tableholder");
      if (!inGrid && (target !== document.body || !["j", "k", "Enter"].includes(event.key))) return;
      const last = this.body.places.length - 1, page = Math.max(1, Math.floor(this.holder.clientHeight / 28) - 6);
      const steps = {j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
      if (event.key === "Enter" && this.active >= 0) {
        const to = this.leads(this.body.places[this.active]);
        if (to !== null) location.href = to;
      } else if (event.key in steps && last >= 0) {
        event.preventDefault();
        this.setActive(Math.min(last, Math.max(0, (this.active < 0 && steps[event.key] === -1 ? 0 : this.active) + steps[event.key])));
      }
    }
  }

  // --- start --------------------------------------------------------------------------------------------------------

  const start = (name) => {
    const element = document.querySelector(`.audit-list[data-list="${CSS.escape(name)}"]`);
    const data = audit.waitingRows.get(name);
    if (!element || !data || element.auditList) return;
    try {
      element.auditList = new List(element, data);
      element.classList.add("is-live");
    } catch (error) {
      element.classList.remove("is-live");
      console.error(error);
    }
  };
  const startAll = () => { for (const name of audit.waitingRows.keys()) start(name); };
  document.addEventListener("lms-audit-rows", (event) => { if (document.readyState !== "loading") start(event.detail); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
