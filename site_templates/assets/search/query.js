/* A query: the groups of words it asks for, what to look up for them, and the places where a text has them. */
(function () {
  "use strict";

  const { RUN, ofRun } = window.lmsSearch.words;
  const EXCERPT = 240;
  const LEAD = 60;
  const STRIDE = 12; // 4,096 words

  /* Groups of words that must stand next to each other: what is in quotes, or written without a space. The last word
   * may be only begun. */
  function groupsOf(query) {
    const chunks = [...query.matchAll(/"([^"]*)("?)|[^\s"]+/g)];
    const groups = chunks.map((chunk) => {
      const text = chunk[1] === undefined ? chunk[0] : chunk[1];
      return [...text.matchAll(RUN)].flatMap((run) => ofRun(run[0])).map((word) => ({ ...word, begins: false }));
    });
    const last = groups.length > 0 ? groups.at(-1).at(-1) : undefined;
    const closed = chunks.length > 0 && chunks.at(-1)[2] === '"';
    if (last && !closed && /\S$/.test(query)) last.begins = !last.sign && last.whole.length > 1;
    return groups.filter((words) => words.length > 0);
  }

  /* What to look up for a group: words, and pairs of signs; a lone sign begins a pair, or ends its run. */
  function lookupsOf(words) {
    return words.flatMap((word, place) => {
      if (!word.sign) return [{ term: word.whole, begins: word.begins }];
      const next = words[place + 1];
      if (next && next.joined) return [{ term: word.whole + next.whole, begins: false }];
      return word.joined ? [] : [{ term: word.whole, begins: true }];
    });
  }

  /* Returns a function that finds the groups in a text: [start, end, group] each. It ends early once it has `enough`
   * marks and at least one of each group. */
  function marker(groups) {
    const runs = new Map();
    const fits = (word, wanted) =>
      wanted.begins
        ? word.whole.startsWith(wanted.whole) || word.parts.some((part) => part.startsWith(wanted.whole))
        : word.whole === wanted.whole || word.parts.includes(wanted.whole);

    function judged(run) {
      const words = ofRun(run);
      const wanted = words.map((word) => groups.map((group) => group.map((each) => fits(word, each))));
      const any = wanted.some((byGroup) => byGroup.flat().includes(true));
      const result = { words, wanted: any ? wanted : null };
      runs.set(run, result);
      return result;
    }

    /* Yields now and then, for those who must not keep the page waiting. */
    function* scanning(text, enough) {
      const marks = [];
      const seen = new Set();
      const begun = groups.map(() => []);
      let place = 0;
      const scan = new RegExp(RUN);
      for (let match = scan.exec(text); match !== null; match = scan.exec(text)) {
        const run = runs.get(match[0]) || judged(match[0]);
        for (let step = 0; run.wanted !== null && step < run.words.length; step += 1) {
          const start = match.index + run.words[step].start;
          const end = match.index + run.words[step].end;
          run.wanted[step].forEach((wanted, group) => {
            const before = begun[group].filter((phrase) => phrase.last === place + step - 1);
            begun[group] = [];
            for (const phrase of [...before, { length: 0, start }]) {
              if (!wanted[phrase.length]) continue;
              if (phrase.length + 1 < wanted.length) {
                begun[group].push({ length: phrase.length + 1, start: phrase.start, last: place + step });
              } else {
                marks.push([phrase.start, end, group]);
                seen.add(group);
              }
            }
          });
        }
        const before = place;
        place += run.words.length;
        if (before >> STRIDE !== place >> STRIDE) yield;
        if (marks.length >= enough && seen.size === groups.length) break;
      }
      return marks;
    }

    const mark = (text, enough) => {
      const scan = scanning(text, enough);
      let step = scan.next();
      while (!step.done) step = scan.next();
      return step.value;
    };
    return Object.assign(mark, { scanning });
  }

  /* The stretch of text that shows most groups, and one more for a group it does not show: runs of {text, marked}. */
  function excerpt(text, marks) {
    marks.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const best = { groups: new Set(), from: 0, to: 0 };
    for (let first = 0, next = 0; first < marks.length; first += 1) {
      const limit = marks[first][0] + EXCERPT - 2 * LEAD;
      next = Math.max(next, first);
      while (next < marks.length && marks[next][1] <= limit) next += 1;
      const groups = new Set(marks.slice(first, Math.max(next, first + 1)).map((mark) => mark[2]));
      if (groups.size > best.groups.size) Object.assign(best, { groups, from: marks[first][0], to: limit });
    }
    const shown = [[best.from - LEAD, Math.max(best.to, best.from) + LEAD]];
    const other = marks.find((mark) => !best.groups.has(mark[2]));
    if (other) shown.push([other[0] - LEAD, other[1] + LEAD]);
    if (marks.length === 0) shown[0] = [0, EXCERPT];
    shown.sort((a, b) => a[0] - b[0]);
    let at = 0;
    const found = shown.flatMap(([begin, end]) => {
      const start = begin < LEAD / 2 ? 0 : begin;
      const from = Math.max(start, at);
      at = Math.min(Math.max(end, from), text.length);
      return pieces(text, from, at, marks, from > 0 && from === start ? "… " : "");
    });
    return at < text.length ? [...found, { text: " …", marked: false }] : found;
  }

  function pieces(text, from, to, marks, before) {
    // colours of a terminal say nothing here
    const oneLine = (start, end) =>
      window.lmsAudit.visible(text.slice(start, end).replace(/\x1b\[[0-9;]*m/g, "")).replace(/\s+/g, " ");
    const found = [{ text: before, marked: false }];
    let at = from;
    for (const [start, end] of marks) {
      if (start < at || end > to) continue;
      found.push({ text: oneLine(at, start), marked: false }, { text: oneLine(start, end), marked: true });
      at = end;
    }
    found.push({ text: oneLine(at, to), marked: false });
    return found.filter((piece) => piece.text !== "");
  }

  window.lmsSearch.query = Object.freeze({ groupsOf, lookupsOf, marker, excerpt });
})();
