/* Marks what was searched for where a result leads: folds open, what is not on the page is loaded, words are marked.
 *
 * The marks are highlights of the browser, so the page stays what it is. */
(function () {
  "use strict";

  const { groupsOf, marker } = window.lmsSearch.query;
  const MARKS = 500;
  const NAME = "lms-search";

  /* The text of an element's nodes as one, and the node and offset of a place in it. */
  function textOf(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const nodes = [];
    let text = "";
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      nodes.push([text.length, node]);
      text += node.data;
    }
    const at = (place) => {
      const found = nodes.findLast(([start]) => start <= place);
      return [found[1], place - found[0]];
    };
    return { text, at };
  }

  function marksIn(element, groups) {
    const { text, at } = textOf(element);
    return marker(groups)(text, MARKS).map(([start, end, group]) => {
      const range = document.createRange();
      range.setStart(...at(start));
      const [node, offset] = at(end - 1);
      range.setEnd(node, offset + 1);
      return { range, group };
    });
  }

  /* What an anchor stands for: a link to a section without a box of its own leads to what is around it. */
  const boxOf = (target) => (target.childNodes.length > 0 ? target : target.parentElement);

  /* Brings a place to the middle of the window, and of the boxes around it that scroll: an element may be long. */
  function centre(range, element) {
    for (let up = element; up !== null && up !== document.documentElement; up = up.parentElement) {
      if (up.scrollHeight <= up.clientHeight || !/auto|scroll/.test(getComputedStyle(up).overflowY)) continue;
      up.scrollTop += range.getBoundingClientRect().top - up.getBoundingClientRect().top - up.clientHeight / 2;
    }
    window.scrollBy({ top: range.getBoundingClientRect().top - innerHeight / 2, behavior: "instant" });
  }

  async function arrive(query) {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const groups = groupsOf(query);
    if (target === null || groups.length === 0) return;
    const box = boxOf(target);
    for (let up = box; up !== null; up = up.parentElement) if (up.localName === "details") up.open = true;
    let marks = marksIn(box, groups);
    const all = () => new Set(marks.map(({ group }) => group)).size === groups.length;
    for (const button of box.querySelectorAll("button.more")) {
      if (all() || !window.lmsAudit.whole) break;
      await window.lmsAudit.whole(button);
      marks = marksIn(box, groups);
    }
    if (marks.length === 0) return;
    const first = marks[0].range.startContainer.parentElement;
    for (let up = first; up !== box && up !== null; up = up.parentElement) if (up.localName === "details") up.open = true;
    if (window.Highlight) CSS.highlights.set(NAME, new Highlight(...marks.map(({ range }) => range)));
    box.dataset.marks = String(marks.length);
    centre(marks[0].range, first);
    requestAnimationFrame(() => centre(marks[0].range, first)); // what was not laid out before may have moved it
  }

  window.lmsSearch.arrive = arrive;
})();
