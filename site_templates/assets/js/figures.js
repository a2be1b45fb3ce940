"use strict";
// What stands behind a figure: its definition and what it covers, in a popover; log lines to copy.
(() => {
  const { load, held, root, element, copy } = window.lmsAudit;
  const TARGETS = "a.fig, [data-m]";
  let pop = null;
  let waiting = 0;

  const hide = () => {
    clearTimeout(waiting);
    pop?.remove();
    pop = null;
  };

  const metricOf = (target) => target.dataset.m ?? target.getAttribute("href").split("#")[1];

  const show = async (target) => {
    hide();
    if (!held.definitions) await load("assets/data/definitions.js");
    hide();
    const [title, text, formula, precision] = held.definitions[metricOf(target)] ?? [];
    if (!title) return;
    const parts = [element("b", {}, title), element("p", {}, text)];
    if (formula) parts.push(element("p", {}, element("code", {}, formula)));
    parts.push(element("p", { class: "covers" }, [target.dataset.covers, precision].filter(Boolean).join(" · ")));
    pop = element("div", { class: "pop", role: "tooltip" }, ...parts);
    document.body.append(pop);
    const box = target.getBoundingClientRect();
    const left = Math.min(box.left, innerWidth - pop.offsetWidth - 12);
    const below = box.bottom + pop.offsetHeight + 12 < innerHeight;
    pop.style.left = `${Math.max(8, left) + scrollX}px`;
    pop.style.top = `${(below ? box.bottom + 6 : box.top - pop.offsetHeight - 6) + scrollY}px`;
  };

  const on = (event, act) => document.addEventListener(event, (happened) => {
    const target = happened.target.closest?.(TARGETS);
    if (target) act(target);
  });
  on("mouseover", (target) => { clearTimeout(waiting); waiting = setTimeout(show, 250, target); });
  on("mouseout", hide);
  on("focusin", show);
  on("focusout", hide);
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  document.addEventListener("click", (event) => {
    const named = event.target.closest?.("dt[data-m]");
    if (named) location.href = `${root}definitions/index.html#${named.dataset.m}`;
    const copier = event.target.closest?.("button.copy");
    if (copier) copy(copier, copier.previousElementSibling.textContent);
    const place = event.target.closest?.("code.where");
    if (place) copy(place, place.textContent);
  });
})();
