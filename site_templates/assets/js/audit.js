"use strict";
// What every page shares: where the site's root is, loading of data files by script tag (fetch does not work from
// file://), the sidebar's sessions, sortable tables.
(() => {
  const here = document.currentScript.src;
  const root = here.slice(0, here.lastIndexOf("assets/js/"));
  const loading = new Map();

  /** Load a script of the site once. */
  const load = (path) => {
    if (!loading.has(path)) {
      loading.set(path, new Promise((done, fail) => {
        const script = document.createElement("script");
        script.src = root + path;
        script.onload = () => done();
        script.onerror = () => fail(new Error(`cannot load ${path}`));
        document.head.append(script);
      }));
    }
    return loading.get(path);
  };

  /** Bytes of base64; by hand where the browser has no quick way. */
  const bytesOf = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const chars = atob(text);
    const bytes = new Uint8Array(chars.length);
    for (let at = 0; at < chars.length; at += 1) bytes[at] = chars.charCodeAt(at);
    return bytes;
  };

  /** Undo base64 and gzip. */
  const unpack = async (text) => {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  // What cannot be seen or must not act, as the text of the pages shows it (visible in present/text.py).
  const UNSAFE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]|\p{Surrogate}/gu;
  const picture = (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    if ((code >= 0xd800 && code < 0xe000) || code >= 0xfdd0) return "\ufffd";
    return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
  };

  const parts = new Map();
  const held = {};
  window.lmsAudit = {
    root,
    load,
    held,
    bytesOf,
    visible: (text) => text.replace(UNSAFE, picture),
    data(session, part, packed) { parts.set(`${session}/${part}`, packed); },
    specs(value) { held.specs = value; },
    sessions(value) { held.sessions = value; },
    definitions(value) { held.definitions = value; },
    places(session, value) { held.places = value; },
    /** A part of a session's data, unpacked anew each time unless the caller keeps it. */
    async part(session, part) {
      await load(`sessions/${session}/data-${part}.js`);
      return JSON.parse(await unpack(parts.get(`${session}/${part}`)));
    },
    tools(key, packed) { parts.set(`tools/${key}`, packed); },
    /** The JSON text of a tool set. */
    async toolSet(key) {
      await load(`assets/data/tools-${key}.js`);
      return unpack(parts.get(`tools/${key}`));
    },
    /** Puts a text on the clipboard; the button that was pressed says so. */
    async copy(button, text) {
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        button.textContent = "the browser refused";
      }
      setTimeout(() => { button.textContent = label; }, 2000);
    },
    element(name, attributes = {}, ...children) {
      const made = document.createElement(name);
      for (const [key, value] of Object.entries(attributes)) {
        if (key in made && typeof value !== "string") made[key] = value;
        else made.setAttribute(key, value);
      }
      made.append(...children);
      return made;
    },
  };
  const { element } = window.lmsAudit;

  // --- sessions in the sidebar, grouped by date -------------------------------------------------------------------
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const dayOf = (at) => {
    if (at === null) return "Time not logged";
    const when = new Date(at);
    return `${days[when.getUTCDay()]} ${when.getUTCDate()} ${months[when.getUTCMonth()]} ${when.getUTCFullYear()}`;
  };
  const sidebar = async () => {
    const list = document.querySelector(".md-nav--primary > .md-nav__list");
    if (!list) return;
    await load("assets/data/sessions.js");
    const now = document.querySelector("[data-session]")?.dataset.session;
    const groups = new Map();
    for (const [id, title, at] of held.sessions) {
      const day = dayOf(at);
      if (!groups.has(day)) groups.set(day, []);
      groups.get(day).push([id, title]);
    }
    const box = element("nav", { class: "side-days", "aria-label": "Sessions by day" }, element("b", {}, "Sessions by day"));
    const shown = [...groups].reverse();
    shown.slice(0, 31).forEach(([day, sessions], index) => {
      const mine = sessions.some(([id]) => id === now);
      const group = element("details", { open: mine || (!now && index === 0 && Boolean(document.querySelector("[data-list=sessions]"))) }, element("summary", {}, day));
      for (const [id, title] of sessions) {
        const link = element("a", { href: `${root}sessions/${id}/index.html`, title }, title);
        if (id === now) link.setAttribute("aria-current", "page");
        group.append(link);
      }
      box.append(group);
    });
    list.after(box);
  };

  // --- sortable tables ---------------------------------------------------------------------------------------------
  const valueOf = (cell) => {
    if ("v" in cell.dataset) return cell.dataset.v === "" ? null : Number(cell.dataset.v);
    const text = cell.textContent.trim();
    if (text === "" || text === "not logged") return null;
    const found = /^[<≈$−-]?\s*([\d,]+(?:\.\d+)?)(?: ±1)?\s*(\S*)/.exec(text);
    if (!found) return text.toLowerCase();
    const scale = { k: 1e3, M: 1e6, G: 1e9, kB: 1e3, MB: 1e6, GB: 1e9, ms: 1, s: 1e3, min: 6e4, h: 36e5, d: 864e5 }[found[2]] ?? 1;
    return Number(found[1].replaceAll(",", "")) * scale;
  };
  const sortBy = (head) => {
    const table = head.closest("table");
    const index = [...head.parentElement.children].indexOf(head);
    const down = head.getAttribute("aria-sort") !== "descending";
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[index]), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return down ? -order : order;
    });
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const head of document.querySelectorAll("table.sortable thead th")) {
    head.dataset.sort = "";
    head.tabIndex = 0;
    head.addEventListener("click", () => sortBy(head));
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sortBy(head); });
  }

  // --- boxes that scroll are stops for the keyboard, those that do not are none ---------------------------------------
  const scrolls = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const box of document.querySelectorAll(".scroll, .phases, .wf ol, .md pre, pre.said, pre.tl, pre.wdiff, pre.json")) scrolls.observe(box);

  // --- the session list: a view in the address opens the list it is of -----------------------------------------------
  const list = document.getElementById("view-list");
  if (list) {
    if (location.hash.includes("=")) list.checked = true;
    list.addEventListener("change", () => dispatchEvent(new Event("resize")));
  }

  sidebar();

  // The theme's own search knows titles only; ours, beside it, knows all text. Its dialog has no name.
  document.querySelector(".md-search")?.setAttribute("aria-label", "Find a page by title");
  for (const box of document.querySelectorAll(".md-search__input")) box.placeholder = "Find a page";
})();
