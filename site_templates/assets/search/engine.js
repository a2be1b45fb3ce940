/* Full-text search over the parts that `present/search.py` writes: which documents have all words of a query. Touches
 * nothing on the page; `dialog.js` draws.
 *
 * Parts are scripts, appended when they are first needed: a page opened from disk may not fetch. Work that can take
 * long goes in slices, so that the page stays alive. */
(function () {
  "use strict";

  const { groupsOf, lookupsOf, marker, excerpt } = window.lmsSearch.query;
  const HERE = document.currentScript.src;
  const ROOT = HERE.slice(0, HERE.lastIndexOf("/assets/") + 1);
  const TEXTS_KEPT = 128;
  const SESSIONS_KEPT = 16;
  const SLICE_MS = 12;
  const MARKS = 200;
  const EXACT = 2;
  const BEGINS = 1;

  // --- parts ---------------------------------------------------------------------------------------------------------

  const waiting = new Map();
  let version = "";
  let index = null;

  /* Loads a script of the index; what it hands over. */
  function append(name, query) {
    if (waiting.has(name)) return waiting.get(name).promise;
    const wait = {};
    wait.promise = new Promise((resolve, reject) => Object.assign(wait, { resolve, reject }));
    waiting.set(name, wait);
    const script = document.createElement("script");
    const settle = (reason) => {
      script.remove();
      if (waiting.delete(name)) wait.reject(new Error(reason));
    };
    script.onerror = () => settle(`${name}.js is missing`);
    script.onload = () => settle(`${name}.js is of another build: reload the page`);
    script.src = `${ROOT}fulltext/${name}.js${query}`;
    document.head.append(script);
    return wait.promise;
  }

  function arrive(name, data) {
    const wait = waiting.get(name);
    waiting.delete(name);
    if (wait) wait.resolve(data);
  }

  async function inflated(base64) {
    const stream = new Blob([window.lmsAudit.bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Things by name, the `limit` last used; one that failed is tried again when it is next asked for. */
  function kept(load, limit) {
    const made = new Map();
    return (name) => {
      const thing = made.get(name) || load(name);
      made.delete(name);
      made.set(name, thing);
      thing.catch(() => made.delete(name));
      if (made.size > limit) made.delete(made.keys().next().value);
      return thing;
    };
  }

  const part = (name) => append(name, "?" + version).then(inflated);
  const termPart = kept((name) => part(name).then(Terms), Infinity);
  const textPart = kept((name) => part(name).then((bytes) => JSON.parse(new TextDecoder().decode(bytes))), TEXTS_KEPT);
  const sessionPart = kept((file) => window.lmsAudit.part(...file.split("/")), SESSIONS_KEPT);

  /* A range of terms: the length of the list, the list, then for each how many documents, the first, and the steps. */
  function Terms(bytes) {
    const head = 4 + new DataView(bytes.buffer).getUint32(0, true);
    const terms = new TextDecoder().decode(bytes.subarray(4, head)).split("\n");
    let at = head;
    const number = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const starts = terms.map(() => {
      const start = at;
      for (let left = number(); left > 0; left -= 1) number();
      return start;
    });
    const documents = (place, visit) => {
      at = starts[place];
      let document = 0;
      for (let left = number(); left > 0; left -= 1) visit((document += number()));
    };
    return { terms, documents };
  }

  /* Place of the last of the sorted values that is not behind `value`; -1 where all are. */
  function lastUpTo(sorted, value) {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  const partName = (kind, place) => kind + "-" + String(place).padStart(3, "0");

  const at = (column, place) => column.values[column.places[place]];

  /* A document's text: from the part it is kept in, or by its way into an item of a session's data file. */
  async function textOf(document) {
    const before = lastUpTo(index.held.documents, document);
    if (index.held.documents[before] === document) {
      const { items } = await sessionPart(at(index.held.file, before));
      const way = JSON.parse(at(index.held.way, before));
      const item = JSON.parse(items[index.held.item[before]]);
      return way.reduce((value, step) => (step === "!" ? JSON.parse(value) : value[step]), item).slice(0, index.limit);
    }
    const number = document - before - 1;
    const place = lastUpTo(index.texts, number);
    return (await textPart(partName("text", place)))[number - index.texts[place]];
  }

  /* How each document has a term: EXACT, as the beginning of a word (BEGINS), or 0. */
  async function having({ term, begins }) {
    const hits = new Uint8Array(index.documents);
    const from = Math.max(0, lastUpTo(index.terms, term));
    let to = from;
    while (begins && to + 1 < index.terms.length && index.terms[to + 1].startsWith(term)) to += 1;
    const names = index.terms.slice(from, to + 1).map((_, step) => partName("terms", from + step));
    for (const part of await Promise.all(names.map(termPart))) {
      let place = Math.max(0, lastUpTo(part.terms, term));
      if (part.terms[place] < term) place += 1;
      for (; place < part.terms.length; place += 1) {
        const how = part.terms[place] === term ? EXACT : begins && part.terms[place].startsWith(term) ? BEGINS : 0;
        if (how === 0) break;
        part.documents(place, (document) => {
          if (hits[document] < how) hits[document] = how;
        });
      }
    }
    return hits;
  }

  // --- search --------------------------------------------------------------------------------------------------------

  let sliceEnd = 0;

  async function pause() {
    if (performance.now() < sliceEnd) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    sliceEnd = performance.now() + SLICE_MS;
  }

  /* What a scan comes to, with the page's own work in between. */
  async function unhurried(scan) {
    await pause();
    let step = scan.next();
    while (!step.done) {
      await pause();
      step = scan.next();
    }
    return step.value;
  }

  /* Per kind the documents that have all words: those with whole words first, then the shorter ones, then in order. */
  async function candidates(groups) {
    const lookups = groups.flatMap(lookupsOf);
    const all = index.terms.length > 0 ? await Promise.all(lookups.map(having)) : [];
    const rank = new Uint16Array(index.documents);
    const found = index.kinds.map(() => []);
    for (let document = 0; all.length > 0 && document < index.documents; document += 1) {
      const worst = Math.min(...all.map((hits) => hits[document]));
      if (worst === 0) continue;
      rank[document] = (worst === EXACT ? 0 : 256) + index.size.charCodeAt(document);
      found[Number(index.kind[document])].push(document);
    }
    found.forEach((documents) => documents.sort((a, b) => rank[a] - rank[b] || a - b));
    return found;
  }

  /* One query's results: per kind the documents `found`, and those still `open` whose text must confirm that words
   * stand next to each other. `alive` tells whether anybody still waits. */
  async function search(query, alive) {
    const groups = groupsOf(query);
    const adjacent = groups.filter((words) => words.length > 2 || (words.length === 2 && !words[1].joined));
    const mark = marker(groups);
    const confirms = marker(adjacent);
    const kinds = (await candidates(groups)).map((documents, kind) =>
      adjacent.length > 0
        ? { name: index.kinds[kind], found: [], open: documents }
        : { name: index.kinds[kind], found: documents, open: [] }
    );

    async function confirmed(document) {
      const marks = await unhurried(confirms.scanning(await textOf(document), 1));
      return new Set(marks.map((each) => each[2])).size === adjacent.length;
    }

    /* Checks the best open documents until `count` are found or the time is up. */
    async function confirm(kind, count, until) {
      while (kind.open.length > 0 && kind.found.length < count && performance.now() < until && alive()) {
        if (await confirmed(kind.open[0])) kind.found.push(kind.open[0]);
        kind.open.shift();
        await pause();
      }
    }

    /* Checks all open documents, in the order in which their texts are kept. */
    async function confirmAll(kind) {
      const good = new Set();
      for (const document of [...kind.open].sort((a, b) => a - b)) {
        if (!alive()) return;
        if (await confirmed(document)) good.add(document);
        await pause();
      }
      kind.found.push(...kind.open.filter((document) => good.has(document)));
      kind.open = [];
    }

    async function show(document) {
      const text = await textOf(document);
      return excerpt(text, await unhurried(mark.scanning(text, MARKS)));
    }

    return { kinds, words: groups.length, confirm, confirmAll, show };
  }

  function about(document) {
    const value = (name) => at(index[name], document);
    const anchor = value("anchor");
    return {
      href: ROOT + value("page") + (anchor && "#" + anchor),
      session: value("session"),
      request: value("request"),
      note: value("note"),
      cut: index.cut[document] || 0,
    };
  }

  let opened = null;

  /* Loads the index once: what it covers. */
  function ready() {
    if (opened === null) {
      opened = append("index", "").then((data) => {
        index = data;
        return { documents: index.documents, characters: index.characters, limit: index.limit, cut: Object.keys(index.cut).length };
      });
      opened.catch(() => (opened = null));
    }
    return opened;
  }

  Object.assign(window.lmsSearch, {
    engine: Object.freeze({ ready, search, about }),
    /* Called by index.js. */
    open(built, data) {
      version = built;
      arrive("index", data);
    },
    /* Called by each part. */
    add(name, built, data) {
      if (built === version) arrive(name, data);
    },
  });
})();
