/* The words of a text, folded and divided as in `present/words.py`, with the places where they stand. */
(function () {
  "use strict";

  const LONGEST = 40;
  const DIVIDED = 80;
  const NO_WORD =
    "\\u0080-\\u00bf\\u00d7\\u00f7\\u1680\\u2000-\\u2bff\\u2e00-\\u2e7f\\u3000-\\u3004\\u3008-\\u3020\\u3030" +
    "\\ud800-\\uf8ff\\ufe00-\\ufe6f\\ufff0-\\uffff\\u{1f000}-\\u{1fbff}\\u{e0000}-\\u{10ffff}";
  const NO_SPACES =
    "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u1100-\\u11ff\\ua960-\\ua97f\\uac00-\\ud7ff" +
    "\\u2e80-\\u2fdf\\u3005-\\u3007\\u3021-\\u302f\\u3031-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}";
  const WORD = new RegExp(`([A-Za-z0-9_]+)|([${NO_SPACES}])|[^\\u0000-\\u007f${NO_WORD}${NO_SPACES}]+`, "gu");
  const PART = /[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])/g;
  const ACCENTS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]+/g;
  const BASE = { æ: "ae", Æ: "AE", œ: "oe", Œ: "OE", ø: "o", Ø: "O", ß: "ss", đ: "d", Đ: "D", ł: "l", Ł: "L", ı: "i" };

  const folded = new Map();

  function fold(character) {
    if (!folded.has(character)) {
      const plain = character.normalize("NFKD").replace(ACCENTS, "");
      folded.set(character, plain.replace(/[æÆœŒøØßđĐłŁı]/g, (letter) => BASE[letter]));
    }
    return folded.get(character);
  }

  function asciiWord(text, start, end) {
    const whole = text.replaceAll("_", "").toLowerCase().slice(0, LONGEST);
    const divided = text.length <= DIVIDED && /[A-Z_]/.test(text);
    const parts = divided ? text.match(PART).filter((part) => part.length > 1) : [];
    return { start, end, whole, parts: parts.map((part) => part.toLowerCase().slice(0, LONGEST)), sign: false, joined: false };
  }

  function otherWord(text, start, end) {
    const whole = Array.from(text.toLowerCase().replaceAll("ς", "σ")).slice(0, LONGEST).join("");
    return { start, end, whole, parts: [], sign: false, joined: false };
  }

  /* The words of a run of text without ASCII separators: `start` and `end` in the run, the term `whole`, the `parts` it
   * is also found by. A character of a script written without spaces is a word of its own, a `sign`; `joined`: it
   * follows another one directly. */
  function ofRun(run) {
    if (/^[\u0000-\u007f]*$/.test(run)) return /[^_]/.test(run) ? [asciiWord(run, 0, run.length)] : [];
    let plain = "";
    const starts = [];
    const ends = [];
    let at = 0;
    for (const character of run) {
      const text = fold(character);
      at += character.length;
      // An accent that was taken off belongs to the letter before it.
      if (text === "" && ends.length > 0) ends[ends.length - 1] = at;
      for (let index = 0; index < text.length; index += 1) {
        starts.push(at - character.length);
        ends.push(at);
      }
      plain += text;
    }
    const words = [];
    let signEnd = -1;
    for (const match of plain.matchAll(WORD)) {
      const start = starts[match.index];
      const behind = match.index + match[0].length;
      const end = ends[behind - 1];
      if (match[2] !== undefined) {
        words.push({ start, end, whole: match[0], parts: [], sign: true, joined: signEnd === match.index });
        signEnd = behind;
      } else if (match[1] === undefined) words.push(otherWord(match[0], start, end));
      else if (/[^_]/.test(match[0])) words.push(asciiWord(match[0], start, end));
    }
    return words;
  }

  /* What `ofRun` takes; everything between is no word. */
  const RUN = /[A-Za-z0-9_\u0080-\uffff]+/g;

  window.lmsSearch = { words: Object.freeze({ RUN, ofRun }) };
})();
