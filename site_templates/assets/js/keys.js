"use strict";
// Keys: j and k through what a page is made of, [ and ] to the session before and after, ? for help. The lists have
// their own j and k; / belongs to the search.
(() => {
  const { element } = window.lmsAudit;
  const STEPS = ".conv .turn, .conv .call, .conv .runs:not([open]), section.break, .findings > li, table.sessions tbody tr";
  const HELP = [
    ["/", "search all text"],
    ["j  k", "next and previous message, call, finding or row"],
    ["Enter", "open what is marked"],
    ["[  ]", "session before and after"],
    ["o  c  p  r", "on a session: overview, conversation, prompt audit, requests"],
    ["1  2  3", "on a session: conversation, + tools, everything"],
    ["?", "this help"],
  ];
  const SECTIONS = { o: "overview", c: "conversation", p: "prompt-audit", r: "requests" };
  let now = null;

  const visible = (node) => node.getClientRects().length > 0;

  const mark = (node) => {
    now?.classList.remove("now");
    now = node;
    now.classList.add("now");
    now.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const nodes = [...document.querySelectorAll(STEPS)].filter(visible);
    if (!nodes.length) return;
    let place = nodes.indexOf(now);
    if (place < 0 && now) {
      // a run of calls that was opened is no step any more: its first call is the next
      const next = nodes.findIndex((node) => now.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING);
      place = (next < 0 ? nodes.length : next) - (by > 0 ? 1 : 0);
    }
    const first = nodes.findIndex((node) => node.getBoundingClientRect().bottom > 100);
    mark(nodes[Math.min(nodes.length - 1, Math.max(0, now ? place + by : first))]);
  };
  const open = () => {
    if (!now) return false;
    const fold = now.tagName === "DETAILS" ? now : null;
    if (fold) fold.open = !fold.open;
    else now.querySelector("a[href]")?.click();
    return true;
  };
  const help = () => {
    const list = element("dl", {}, ...HELP.flatMap(([keys, text]) => [element("dt", {}, element("kbd", {}, keys)), element("dd", {}, text)]));
    const close = element("button", { type: "button" }, "close");
    const dialog = element("dialog", { class: "keys md-typeset", "aria-label": "Keys" }, element("b", {}, "Keys"), list, close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  const busy = (target) => target instanceof Element
    && target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable], .audit-list");

  // before the theme, which has other plans for some of these
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || busy(event.target) || document.querySelector("dialog[open]")) return;
    const link = { "[": "a[rel=prev]", "]": "a[rel=next]" }[event.key];
    if (link) document.querySelector(`.prevnext ${link}`)?.click();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?") help();
    else if ("123".includes(event.key) && document.querySelector(".depth")) document.querySelectorAll(".depth input")[event.key - 1].click();
    else if (event.key === "Enter" && event.target === document.body && open()) { /* done */ }
    else if (SECTIONS[event.key] && document.getElementById(SECTIONS[event.key]) && document.querySelector(".session")) location.hash = SECTIONS[event.key];
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
