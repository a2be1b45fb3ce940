"use strict";
// A session's page: how much of the conversation shows, whole texts, raw messages and payloads from the data files,
// and links that lead into what is folded or stands in another part.
(() => {
  const { load, held, part: loadPart, toolSet, element, visible, copy } = window.lmsAudit;
  const page = document.querySelector(".session");
  if (!page) return;
  const session = page.dataset.session;
  const last = Number(page.dataset.part);

  // --- depth -------------------------------------------------------------------------------------------------------
  const conversation = document.querySelector(".conv");
  const depth = (name) => {
    conversation.classList.remove("depth-talk", "depth-tools", "depth-all");
    conversation.classList.add(`depth-${name}`);
    for (const runs of conversation.querySelectorAll("details.runs")) {
      runs.open = name === "all" || (name === "tools" && !runs.classList.contains("long"));
    }
    for (const fold of conversation.querySelectorAll("details.call, details.turn")) {
      fold.open = name === "all" || (name === "tools" && fold.classList.contains("bad"));
    }
  };
  for (const input of document.querySelectorAll("[data-depth]")) {
    input.addEventListener("change", () => depth(input.dataset.depth));
  }
  conversation.classList.add("depth-tools");

  // --- data --------------------------------------------------------------------------------------------------------
  let data = null;
  /** All parts up to this page's, as one: items by number, requests by id. */
  const all = () => {
    data ??= (async () => {
      const items = [];
      const requests = {};
      for (let number = 1; number <= last; number += 1) {
        const part = await loadPart(session, number);
        items.push(...part.items);
        Object.assign(requests, part.requests);
      }
      return { items, requests };
    })();
    return data;
  };
  const follow = (raw, way) => way.reduce((value, step) => (step === "!" ? JSON.parse(value) : value[step]), JSON.parse(raw));

  const messages = (requests, id) => {
    const chain = [];
    for (let name = id; name; name = requests[name][0]) chain.push(name);
    let found = [];
    for (const name of chain.reverse()) {
      const [before, shared, numbers] = requests[name];
      found = (before ? found.slice(0, shared) : []).concat(numbers);
    }
    return found;
  };
  /** The body of a request as it was sent: members in the client's order, every value in its own JSON text. */
  const payload = async (id) => {
    const { items, requests } = await all();
    const [, , , system, tools, members, order, list] = requests[id];
    const body = new Map(members);
    if (list) body.set(list, `[${messages(requests, id).map((number) => items[number]).join(",")}]`);
    if (tools !== null) body.set("tools", await toolSet(tools));
    const names = order.length ? order : [...body.keys()];
    if (system !== null) body.set(names.find((name) => !body.has(name)) ?? "system", items[system]);
    const text = names.filter((name) => body.has(name)).map((name) => `${JSON.stringify(name)}:${body.get(name)}`);
    return `{${text.join(",")}}`;
  };
  window.lmsAudit.payload = payload;

  const laidOut = (raw) => {
    try { return JSON.stringify(JSON.parse(raw), null, 2); } catch { return raw; }
  };

  // --- a window for raw text ---------------------------------------------------------------------------------------
  const grouped = new Intl.NumberFormat("en");
  const show = (title, text) => {
    const body = element("pre", { tabIndex: 0 }, visible(laidOut(text)));
    const copier = element("button", { type: "button" }, "copy as sent");
    const close = element("button", { type: "button" }, "close");
    const size = element("small", {}, `${grouped.format(text.length)} characters, laid out for reading`);
    const viewer = element("dialog", { class: "viewer md-typeset", "aria-label": title }, element("header", {}, element("b", {}, title), size, copier, close), body);
    copier.addEventListener("click", () => copy(copier, text));
    close.addEventListener("click", () => viewer.close());
    viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
    viewer.addEventListener("close", () => viewer.remove());
    document.body.append(viewer);
    viewer.showModal();
  };

  /** Which request a button of payloads is about, and what it is called. */
  const asked = (button) => {
    const id = button.dataset.request ?? document.getElementById("exact").value;
    return [id, document.querySelector(`#exact option[value="${id}"]`).textContent];
  };
  /** Puts the whole of a text in the place of what the page has of it. */
  const whole = async (button) => {
    const text = String(follow((await all()).items[Number(button.dataset.item)], JSON.parse(button.dataset.way)));
    const block = button.parentElement;
    const first = block.querySelector("pre, .md");
    const made = element("pre", { class: first?.className === "md" ? "said" : first?.className ?? "" }, visible(text[0] === "{" || text[0] === "[" ? laidOut(text) : text));
    for (const old of block.querySelectorAll(":scope > pre, :scope > .md, :scope > .rest")) old.remove();
    button.replaceWith(made);
  };
  window.lmsAudit.whole = whole;

  page.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("raw")) show("As it was sent", (await all()).items[Number(button.dataset.item)]);
    if (button.classList.contains("payload")) {
      const [id, label] = asked(button);
      show(`Request ${label} sent`, await payload(id));
    }
    if (button.classList.contains("payload-copy")) copy(button, await payload(asked(button)[0]));
    if (button.classList.contains("more")) whole(button);
  });

  // --- deep links open what they point into ------------------------------------------------------------------------
  /** The part of the page that has an anchor this one has not. */
  const elsewhere = async (anchor) => {
    if (page.dataset.parts === "1") return;
    await load(`sessions/${session}/places.js`);
    const name = anchor.replace(/^p-/, "").replace(/^[a-z]-([0-9a-f]{12}).*/, (link, id) => (link.startsWith("m-") ? link : id));
    const part = held.places.findIndex((names) => names.split(" ").includes(name)) + 1;
    if (part && part !== last) location.replace(`${part === 1 ? "index" : `part-${part}`}.html#${anchor}`);
  };
  const reveal = () => {
    if (location.hash.length < 2) return;
    const anchor = decodeURIComponent(location.hash.slice(1));
    const target = document.getElementById(anchor);
    if (!target) {
      elsewhere(anchor);
      return;
    }
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    const tab = target.closest("[data-tab]")?.dataset.tab;
    if (tab) document.getElementById(`tab-${tab}`).checked = true;
    // what the chosen depth leaves out shows when somebody asks for it
    target.classList.add("shown");
    target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  if (location.hash) requestAnimationFrame(reveal);
})();
