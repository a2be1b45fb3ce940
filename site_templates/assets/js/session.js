"use strict";
// A session's page: how much of the conversation shows, whole texts, raw messages and payloads from the data files.
(() => {
  const { part: loadPart, toolSet, element, visible } = window.lmsAudit;
  const page = document.querySelector(".session");
  if (!page) return;
  const session = page.dataset.session;
  const last = Number(page.dataset.part);

  // --- depth -------------------------------------------------------------------------------------------------------
  const conversation = document.querySelector(".conv");
  const depth = (name) => {
    conversation.classList.remove("depth-talk", "depth-tools", "depth-all");
    conversation.classList.add(`depth-${name}`);
    for (const runs of conversation.querySelectorAll("details.runs")) runs.open = name !== "talk";
    for (const fold of conversation.querySelectorAll("details.call, details.turn")) {
      fold.open = name === "all" || fold.classList.contains("bad");
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
  const payload = async ({ items, requests }, id) => {
    const [, , , system, tools, members, order, list] = requests[id];
    const held = new Map(members);
    if (list) held.set(list, `[${messages(requests, id).map((number) => items[number]).join(",")}]`);
    if (tools !== null) held.set("tools", await toolSet(tools));
    const names = order.length ? order : [...held.keys()];
    if (system !== null) held.set(names.find((name) => !held.has(name)) ?? "system", items[system]);
    const text = names.filter((name) => held.has(name)).map((name) => `${JSON.stringify(name)}:${held.get(name)}`);
    return `{${text.join(",")}}`;
  };
  window.lmsAudit.payload = async (id) => payload(await all(), id);

  const laidOut = (raw) => {
    try { return JSON.stringify(JSON.parse(raw), null, 2); } catch { return raw; }
  };

  // --- a window for raw text ---------------------------------------------------------------------------------------
  const show = (title, text) => {
    const body = element("pre", {}, visible(laidOut(text)));
    const copy = element("button", { type: "button" }, "copy as sent");
    const close = element("button", { type: "button" }, "close");
    const viewer = element("dialog", { class: "viewer md-typeset", "aria-label": title }, element("header", {}, element("b", {}, title), copy, close), body);
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "copied";
    });
    close.addEventListener("click", () => viewer.close());
    viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
    viewer.addEventListener("close", () => viewer.remove());
    document.body.append(viewer);
    viewer.showModal();
  };

  page.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("raw")) show("As it was sent", (await all()).items[Number(button.dataset.item)]);
    if (button.classList.contains("payload")) show("What this request sent", await payload(await all(), button.dataset.request));
    if (button.classList.contains("more")) {
      const text = String(follow((await all()).items[Number(button.dataset.item)], JSON.parse(button.dataset.way)));
      const block = button.parentElement;
      const first = block.querySelector("pre, .md");
      const whole = element("pre", { class: first?.className === "md" ? "said" : first?.className ?? "" }, visible(text[0] === "{" || text[0] === "[" ? laidOut(text) : text));
      for (const old of block.querySelectorAll(":scope > pre, :scope > .md")) old.remove();
      button.replaceWith(whole);
    }
  });

  // --- deep links open what they point into ------------------------------------------------------------------------
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    const tab = target.closest("[data-tab]")?.dataset.tab;
    if (tab) document.getElementById(`tab-${tab}`).checked = true;
    if (getComputedStyle(target).display === "none") {
      const all = document.getElementById("depth-all");
      all.checked = true;
      depth("all");
    }
    target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  if (location.hash) requestAnimationFrame(reveal);
})();
