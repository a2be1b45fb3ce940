"use strict";
// The rows of a list in the page: as many elements as the window has room for and a few more, painted again as the reader
// scrolls. All have one height and are placed by their number, so nothing is measured and no element is made on the way.
// To the grid this is its vertical renderer.
(() => {
  const lists = window.lmsAudit.lists;
  const {make, cell, hint} = lists.cells;
  const SPARE = 8; // rows kept above and below those in view

  /** The renderer for rows of `height` pixels; `link` says where a row leads. */
  const body = (rows, link, height) => class Body {
    static toString() { return "virtual"; } // the grid writes the name of its renderer into the page

    constructor(table, holder, box) {
      Object.assign(this, {table, holder, box, verticalFillMode: "fill", lines: [], places: [], active: -1});
    }

    initialize() {
      this.box.classList.add("al-rows");
      this.box.style.setProperty("--al-row", `${height}px`);
      this.status = rows.column.get("status");
      const lineOf = (event) => this.lines.find(({element}) => element === event.target.closest(".al-row"));
      this.box.addEventListener("click", (event) => {
        if (event.target.closest("a[href]") || event.ctrlKey || event.metaKey || event.shiftKey || String(getSelection())) return;
        const to = link(lineOf(event)?.row);
        if (to !== null) location.href = to;
      });
      this.box.addEventListener("mouseover", (event) => {
        const at = event.target.closest(".al-cell"), line = at && lineOf(event);
        if (line) at.title = hint(rows.column.get(at.dataset.field), line.row);
      });
    }

    // --- what the grid asks for ---------------------------------------------

    rows() { return this.table.rowManager.getDisplayRows(); }
    visibleRows() { return []; } // none that has an element of the grid's own
    renderColumns() {}
    clearRows() { this.forget(); }
    renderRows() { this.take(); }
    rerenderRows(change) {
      if (change) change();
      this.take();
      if (!this.places.length) this.table.rowManager.tableEmpty();
    }
    scrollRows(top) { this.draw(top); }
    resize() { this.draw(this.holder.scrollTop); }

    // --- drawing ------------------------------------------------------------

    forget() { for (const line of this.lines) line.place = -1; }

    /** Other rows, or others first: all that is drawn is drawn again. */
    take() {
      this.places = this.rows().map((row) => row.data.row);
      this.box.style.height = `${this.places.length * height}px`;
      this.widen();
      this.forget();
      this.draw(this.holder.scrollTop);
    }

    /** The widths of the columns, for all rows at once. */
    widen() {
      const widths = this.table.columnManager.columnsByIndex.map((column) => `${column.getWidth()}px`);
      this.box.style.setProperty("--al-columns", widths.join(" "));
      this.box.style.minWidth = `${this.table.columnManager.getWidth()}px`;
    }

    room() { return Math.ceil(this.holder.clientHeight / height) + 1 + 2 * SPARE; }

    line() {
      const columns = this.table.columnManager.columnsByIndex.map((column) => rows.column.get(column.getField()));
      const cells = columns.map((column, place) => cell(column, place ? null : link));
      const element = make("div", {class: "al-row", role: "row"});
      element.append(...cells.map((held) => held.element));
      this.box.append(element);
      return {element, cells, place: -1, row: -1};
    }

    draw(top) {
      const {places, lines} = this, room = Math.min(places.length, this.room());
      if (lines.length < room) {
        this.forget(); // their places follow from how many there are
        while (lines.length < room) lines.push(this.line());
      }
      const first = Math.max(0, Math.min(Math.floor(top / height) - SPARE, places.length - lines.length));
      const last = Math.min(places.length, first + lines.length);
      for (let place = first; place < last; place += 1) {
        const line = lines[place % lines.length];
        if (line.place !== place) this.paint(line, place);
      }
      for (let place = last; place < first + lines.length; place += 1) { // fewer rows than elements
        Object.assign(lines[place % lines.length], {place: -1}).element.hidden = true;
      }
    }

    paint(line, place) {
      const {element} = line, row = this.places[place];
      Object.assign(line, {place, row});
      element.hidden = false;
      element.style.transform = `translateY(${place * height}px)`; // no other row has to be laid out for it
      element.id = `al-row-${row}`;
      element.setAttribute("aria-rowindex", String(place + 2)); // the heads are the first
      element.classList.toggle("is-active", place === this.active);
      element.classList.toggle("al-opens", link(row) !== null);
      if (this.status?.shape === "name") element.dataset.status = this.status.names[this.status.values[row]] ?? "";
      for (const held of line.cells) held.paint(row);
    }

    // --- the marked row -----------------------------------------------------

    /** Mark a row by its place and bring it into view; its element, or null for none. */
    mark(place) {
      this.active = place;
      for (const line of this.lines) line.element.classList.toggle("is-active", line.place === place && place >= 0);
      if (place < 0) return null;
      const {holder} = this, top = place * height;
      if (top < holder.scrollTop) holder.scrollTop = top;
      else if (top + height > holder.scrollTop + holder.clientHeight) holder.scrollTop = top + height - holder.clientHeight;
      this.draw(holder.scrollTop);
      return this.lines[place % this.lines.length].element;
    }
  };

  lists.body = body;
})();
