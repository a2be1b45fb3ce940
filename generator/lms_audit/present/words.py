"""Text -> the terms it is found by. The browser does the same in ``assets/search/words.js``; a test compares the two.

Folding looks at one code point at a time, so that a browser can map a match back to the text it shows: compatibility
decomposition, accents off, letters that only look accented (``ø``, ``ł``, ``ß``) to their base, lower case at the end.
Which characters make words is told by ranges written out here, not by Unicode properties, which differ by version.

- A word of ASCII letters, digits and ``_`` is a term without its underscores, so that ``parse_header``, ``parseHeader``
  and ``PARSE_HEADER`` are one; so are its parts at underscores and capitals (``parse``, ``header``).
- A run of other letters is a term. Scripts written without spaces (Chinese, Japanese, Korean, Thai …) give each pair of
  neighbours, and the last character of the run alone, so that any one character is the beginning of some term.
- A term is cut after ``LONGEST`` characters; words longer than ``DIVIDED`` (keys, encoded blobs) are not divided.

Cost: one pass in C over the bytes, then work per *distinct* word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from itertools import pairwise

LONGEST = 40
DIVIDED = 80

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_ASCII_WORDS = bytes(byte if byte in _LETTERS else 0x20 for byte in range(256))
_OTHER_RUNS = bytes(byte if byte >= 0x80 else 0x20 for byte in range(256))

# combining accents, Hebrew and Arabic points
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]+")
_ACCENT_BYTES = (b"\xcc", b"\xcd", b"\xd6", b"\xd7", b"\xd9")
"""First bytes of these in UTF-8: a text without them has none."""

_BASE = {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ß": "ss", "đ": "d", "Đ": "D", "ł": "l",
         "Ł": "L", "ı": "i"}  # fmt: skip
_BASE_BYTES = (b"\xc3", b"\xc4", b"\xc5")

_PART = re.compile("[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")

NO_WORD = (
    "\u0080-\u00bf\u00d7\u00f7\u1680"  # Latin-1 signs, the Ogham blank
    "\u2000-\u2bff\u2e00-\u2e7f"  # punctuation, arrows, box drawing, symbols
    "\u3000-\u3004\u3008-\u3020\u3030"  # CJK punctuation
    "\ud800-\uf8ff\ufe00-\ufe6f\ufff0-\uffff"  # surrogates, private use, variation selectors, specials
    "\U0001f000-\U0001fbff\U000e0000-\U0010ffff"  # pictures, tags, private use
)
NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul, which decomposition turns into its letters
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u302f\u3031-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_OTHER = re.compile(f"([{NO_SPACES}]+)|[^{NO_WORD}{NO_SPACES}]+")


def distinct(text: str) -> set[bytes]:
    """The distinct words of a text, case kept: ASCII words and runs of other characters, in UTF-8."""
    if text.isascii():
        return set(text.encode().translate(_ASCII_WORDS).split())
    folded = unicodedata.normalize("NFKD", text)
    data = folded.encode("utf-8", "surrogatepass")
    if any(byte in data for byte in (*_ACCENT_BYTES, *_BASE_BYTES)):
        folded = _ACCENTS.sub("", folded)
        for letter, base in _BASE.items():
            folded = folded.replace(letter, base)
        data = folded.encode("utf-8", "surrogatepass")
    return {*data.translate(_ASCII_WORDS).split(), *data.translate(_OTHER_RUNS).split()}


def terms(word: bytes) -> Collection[str]:
    """The terms one of ``distinct``'s words is found by, each once; none for a run of signs."""
    if word[0] >= 0x80:
        return set(_other_terms(word.decode("utf-8", "surrogatepass")))
    text = word.decode()
    if text.isdigit() or (text.islower() and "_" not in text):
        return (text[:LONGEST],)
    whole = text.replace("_", "").lower()[:LONGEST]
    if len(text) > DIVIDED:
        return (whole,) if whole else ()
    parts = [part.lower() for part in _PART.findall(text) if len(part) > 1]
    return {whole, *(part[:LONGEST] for part in parts)} if whole else ()


def _other_terms(run: str) -> Iterator[str]:
    for match in _OTHER.finditer(run):
        text = match[0]
        if match[1] is None:
            yield text.lower().replace("ς", "σ")[:LONGEST]
        else:
            yield from map("".join, pairwise(text))
            yield text[-1]
