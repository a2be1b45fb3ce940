/* Opens the search over all text: by `/`, by a button in the header, or by anything with `data-search-open`.
 *
 * Every page has this file, so it is small: the dialog, the engine and the index are loaded when they are first needed. */
(function () {
  "use strict";

  const HERE = document.currentScript.src;
  const WORDS = ["search/words.js", "search/query.js"];
  const DIALOG = [...WORDS, "search/engine.js", "search/dialog.js"];
  const ARRIVAL = [...WORDS, "search/arrive.js"];
  const SOUGHT = "lms-audit-sought";
  const SVG = "http://www.w3.org/2000/svg";
  const ICON =
    "M3 5h14v2H3zm0 5h6v2H3zm0 5h6v2H3zm12-5a5 5 0 0 1 4.2 7.7l2.5 2.6-1.4 1.4-2.6-2.5A5 5 0 1 1 15 10m0 2a3 3 0 1 0 0 6 3 3 0 0 0 0-6z";

  const loading = new Map();

  function load(name) {
    if (!loading.has(name)) loading.set(name, append(name));
    return loading.get(name);
  }

  function append(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(name, HERE).href;
      script.onload = resolve;
      script.onerror = () => {
        loading.delete(name);
        reject(new Error(`${name} is missing`));
      };
      document.head.append(script);
    });
  }

  async function loaded(names) {
    for (const name of names) await load(name);
    return window.lmsSearch;
  }

  async function open() {
    (await loaded(DIALOG)).dialog.open();
  }

  /* What a result was followed for is marked where it leads, on this page or the next, once. */
  async function arrive() {
    let sought = null;
    try {
      sought = sessionStorage.getItem(SOUGHT);
      sessionStorage.removeItem(SOUGHT);
    } catch {
      return; // a browser that keeps nothing
    }
    const { href, query } = JSON.parse(sought ?? "{}");
    if (href === location.href && query) (await loaded(ARRIVAL)).arrive(query);
  }

  function button() {
    const svg = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    const label = document.createElement("span");
    const key = document.createElement("kbd");
    const made = document.createElement("button");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICON);
    svg.append(path);
    label.textContent = "Search all text";
    key.textContent = "/";
    key.setAttribute("aria-hidden", "true");
    made.type = "button";
    made.className = "lms-search-button";
    made.dataset.searchOpen = "";
    made.setAttribute("aria-haspopup", "dialog");
    made.setAttribute("aria-keyshortcuts", "/");
    made.append(svg, label, key);
    return made;
  }

  // The field of a dialog just closed keeps the focus until the page is drawn again.
  const takesText = (target) =>
    target instanceof Element &&
    target.closest("input, textarea, select, [contenteditable]:not([contenteditable=false])") &&
    !target.closest("dialog:not([open])");

  // On the window and before anybody else: the theme opens its own search, over titles, by the same key.
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (takesText(event.target) || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      open();
    },
    true
  );
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-search-open]")) open();
  });

  window.addEventListener("hashchange", arrive);
  arrive();

  const header = document.querySelector(".md-header__inner");
  if (header) header.insertBefore(button(), header.querySelector(":scope > .md-search, :scope > [for=__search]"));
})();
