/* The search dialog: a text field, results by kind, what the index covers. The engine finds; this draws.
 *
 * Log text reaches the page as text nodes only. Keys: arrows choose, Enter opens, Escape closes. */
(function () {
  "use strict";

  const { engine } = window.lmsSearch;
  const FIRST = 5;
  const MORE = 20;
  const WAIT_MS = 50;
  const CHECK_MS = 120;
  const TITLES = {
    session: "Sessions",
    prompt: "Prompts",
    answer: "Answers",
    call: "Tool calls",
    result: "Tool results",
    error: "Errors",
    path: "Paths",
  };
  const HINT = "All words must stand in one text; the last may be only begun. Words in quotes must stand side by side.";
  const grouped = new Intl.NumberFormat("en");

  const count = (number, one, many) => `${grouped.format(number)} ${number === 1 ? one : many}`;

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // --- the dialog ----------------------------------------------------------------------------------------------------

  const input = element("input", {
    type: "text",
    role: "combobox",
    class: "lms-search__input",
    placeholder: "Search prompts, answers, tool calls, results, paths",
    "aria-label": "Search all text",
    "aria-controls": "lms-search-results",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "search",
  });
  const close = element("button", { type: "button", class: "lms-search__close" }, "Close");
  const status = element("p", { class: "lms-search__status", role: "status" });
  const list = element("div", { id: "lms-search-results", class: "lms-search__results", role: "listbox", "aria-label": "Results" });
  const covers = element("p", { class: "lms-search__covers" });
  const bar = element("div", { class: "lms-search__bar" }, input, close);
  const box = element("div", { class: "lms-search__box" }, bar, status, list, covers);
  const dialog = element("dialog", { class: "lms-search", "aria-label": "Search all text" }, box);
  document.body.append(dialog);

  let active = null;
  let run = 0;
  let timer = 0;

  function activate(option) {
    if (active) active.setAttribute("aria-selected", "false");
    active = option;
    if (option === null) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const options = [...list.querySelectorAll("[role=option]")];
    if (options.length === 0) return;
    const at = options.indexOf(active);
    if (event.key === "ArrowDown") activate(options[(at + 1) % options.length]);
    else if (event.key === "ArrowUp") activate(options.at(Math.max(at, 0) - 1));
    else if (event.key === "Enter") {
      const { ctrlKey, metaKey, shiftKey } = event;
      const click = new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey });
      (active || options[0]).dispatchEvent(click);
    } else return;
    event.preventDefault();
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(update, WAIT_MS);
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => (run += 1));
  dialog.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const followed = link && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (followed) remember(link.href);
    if (followed && link.href === location.href) window.dispatchEvent(new HashChangeEvent("hashchange"));
    if (event.target === dialog || followed) dialog.close();
  });
  // A press on a result must not take the focus from the field: the arrows go on from there.
  list.addEventListener("mousedown", (event) => event.preventDefault());

  /* For the page a result leads to, see search.js. */
  function remember(href) {
    try {
      sessionStorage.setItem("lms-audit-sought", JSON.stringify({ href, query: input.value }));
    } catch {
      // a browser that keeps nothing: the words are not marked
    }
  }

  async function open() {
    if (dialog.open) return;
    dialog.showModal();
    input.focus();
    input.select();
    if (typeof DecompressionStream === "undefined") {
      status.textContent = "The search needs a newer browser.";
      return;
    }
    if (status.textContent === "") status.textContent = "Loading the index …";
    try {
      const { documents, characters, limit, cut } = await engine.ready();
      covers.textContent = `Searches ${count(documents, "text", "texts")} with ${count(characters, "character", "characters")}.`;
      if (cut > 0) {
        const long = count(cut, "very long text", "very long texts");
        covers.textContent += ` Of ${long} only the first ${grouped.format(limit)} characters are searched.`;
      }
      update();
    } catch (error) {
      status.textContent = `The search cannot be used: ${error.message}.`;
    }
  }

  // --- results -------------------------------------------------------------------------------------------------------

  /* One run of the search per change of the query; a newer run ends the older one. */
  async function update() {
    run += 1;
    const mine = run;
    const alive = () => mine === run;
    const start = performance.now();
    list.setAttribute("aria-busy", "true");
    try {
      await engine.ready();
      const query = input.value;
      const result = await engine.search(query, alive);
      await Promise.all(result.kinds.map((kind) => result.confirm(kind, FIRST, start + CHECK_MS)));
      if (!alive()) return;
      const kinds = result.kinds.filter((kind) => kind.found.length + kind.open.length > 0);
      const groups = await Promise.all(kinds.map((kind) => group(result, kind, alive)));
      if (!alive()) return;
      activate(null);
      list.replaceChildren(...groups.map((each) => each.node));
      list.scrollTop = 0;
      list.removeAttribute("aria-busy");
      input.setAttribute("aria-expanded", String(groups.length > 0));
      summarise(result);
      performance.measure("lms-search", { start, end: performance.now(), detail: query });
      for (const each of groups) {
        await each.finish();
        if (alive()) summarise(result);
      }
      if (alive()) input.setAttribute("aria-expanded", String(list.firstChild !== null));
    } catch (error) {
      if (!alive()) return;
      list.removeAttribute("aria-busy");
      status.textContent = `The search failed: ${error.message}.`;
    }
  }

  function summarise(result) {
    const found = result.kinds.reduce((sum, kind) => sum + kind.found.length, 0);
    const open = result.kinds.reduce((sum, kind) => sum + kind.open.length, 0);
    if (result.words === 0) status.textContent = HINT;
    else if (open > 0) status.textContent = `${count(found, "result", "results")} so far, ${count(open, "text", "texts")} to check …`;
    else if (found > 0) status.textContent = count(found, "result", "results");
    else status.textContent = `Nothing found. ${HINT}`;
  }

  /* The results of one kind: the first ones, and an option for more of them. */
  async function group(result, kind, alive) {
    const name = `lms-search-${kind.name}`;
    const total = element("span", { class: "lms-search__count" });
    const title = element("div", { class: "lms-search__kind", id: name, role: "presentation" }, TITLES[kind.name], " ", total);
    const more = element("div", { class: "lms-search__more", id: `${name}-more`, role: "option", "aria-selected": "false" });
    const node = element("div", { class: "lms-search__group", role: "group", "aria-labelledby": name }, title);
    let shown = 0;

    async function grow(by) {
      const next = kind.found.slice(shown, shown + by);
      const made = await Promise.all(next.map((document) => option(result, document)));
      if (!alive()) return null;
      shown += made.length;
      more.before(...made);
      label();
      return made[0];
    }

    function label() {
      const left = kind.found.length - shown;
      total.textContent = grouped.format(kind.found.length) + (kind.open.length > 0 ? "+" : "");
      more.textContent = kind.open.length > 0 ? "" : `Show ${Math.min(left, MORE)} more of ${grouped.format(left)}`;
      more.hidden = left === 0 || kind.open.length > 0;
      if (more.hidden) more.removeAttribute("role");
      else more.setAttribute("role", "option");
    }

    async function finish() {
      await result.confirmAll(kind);
      if (!alive()) return;
      if (shown < Math.min(FIRST, kind.found.length)) await grow(FIRST - shown);
      label();
      if (kind.found.length === 0) node.remove();
    }

    more.addEventListener("click", async () => {
      more.hidden = true;
      const first = await grow(MORE);
      if (first) activate(first);
    });
    node.append(more);
    await grow(FIRST);
    return { node, finish };
  }

  async function option(result, document) {
    const { href, session, request, note, cut } = engine.about(document);
    const excerpt = await result.show(document);
    const where = [session, request, note, cut && `first part of ${count(cut, "character", "characters")}`].filter(Boolean);
    const line = element("span", { class: "lms-search__where" });
    where.forEach((text, place) => line.append(place > 0 ? " · " : "", element("span", {}, text)));
    const words = element("span", { class: "lms-search__text" });
    words.append(...excerpt.map((piece) => (piece.marked ? element("mark", {}, piece.text) : piece.text)));
    const id = `lms-search-hit-${document}`;
    return element("a", { id, class: "lms-search__hit", role: "option", "aria-selected": "false", tabindex: "-1", href }, line, words);
  }

  window.lmsSearch.dialog = Object.freeze({ open });
})();
