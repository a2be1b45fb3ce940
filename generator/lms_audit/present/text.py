"""The only place where log text becomes HTML, YAML or JavaScript. Log text is hostile: it holds markup and code.

In: any string. Out: ``Markup`` or YAML that shows the string and cannot act. All else on a page is template text; Jinja
calls ``finalize`` on each value, so a template cannot forget to escape.

A page is a small Markdown file (title and one paragraph, which the theme's search indexes) whose front matter carries
the body as HTML. That keeps Markdown's and the search plugin's parsers, which cost 25 µs per element, away from what is
already HTML: compiling a page of 300 KB takes 10 ms instead of 500.

Cost: about 50 MB/s for escaping; Markdown of answers about 1 MB/s.
"""

# ruff: noqa: S704  everything here becomes markup after it was escaped; nothing elsewhere does

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from lms_audit.model import Json

TITLE_LENGTH = 90
NEWLINE = "\n"
MARKDOWN_LIMIT = 64 * 1024
"""Characters; a longer answer is shown as it is, which costs nothing."""

# what must not reach a page as it is: controls, lone surrogates, bidi controls, non-characters
_UNSAFE = re.compile(
    r"""
      [\x00-\x08\x0b\x0c\x0e-\x1f\x7f]                    # C0 but tab, newline, return
    | [\x80-\x9f]                                         # C1
    | [\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]      # bidi marks, embeddings, overrides, isolates
    | [\ud800-\udfff]                                     # lone surrogates
    | [\ufdd0-\ufdef\ufffe\uffff]                         # not characters
    """,
    re.VERBOSE,
)
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# YAML takes these for line breaks or a byte order mark; in HTML the reference is the same character
_REFERENCES = {"\u2028": "&#8232;", "\u2029": "&#8233;", "\ufeff": "&#65279;"}
_PUNCTUATION = {code: f"&#{code};" for code in range(0x21, 0x7F) if not chr(code).isalnum()}


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF or code >= 0xFDD0:
        return "\ufffd"
    return f"‹U+{code:04X}›"


def visible(text: str) -> str:
    """``text`` with what cannot be seen or must not act made visible; tab, newline and return stay."""
    return _UNSAFE.sub(_picture, text)


def one_line(text: str) -> str:
    """``text`` on one line, without bidi controls."""
    return " ".join(visible(_BIDI.sub("", text)).split())


def _escaped(text: str) -> str:
    text = html.escape(visible(text)).replace("\r", "&#13;")
    for char, reference in _REFERENCES.items():
        text = text.replace(char, reference)
    return text


# most values of a page are short and harmless, and there are half a million of them
_PLAIN = re.compile(r"[ !#-%(-;=?-~–…·×→]*")


# what ``Markup(text)`` does with a text, without asking first whether it is one
_markup: Callable[[str], Markup] = partial(str.__new__, Markup)


def escape(text: str) -> Markup:
    """A value for an element or a quoted attribute, on one line of source."""
    if _PLAIN.fullmatch(text):
        return _markup(text)
    return _markup(_escaped(text).replace("\n", "&#10;").replace("\t", "&#9;"))


def lines(text: str) -> Markup:
    """The inside of a ``<pre>`` with other elements in it. The caller's template writes a newline after ``<pre>``."""
    return Markup(_escaped(text))


def pre(text: str, kind: str = "") -> Markup:
    """A ``<pre>`` with exactly this text. HTML drops one newline at its start, so it gets one."""
    opening = f'<pre class="{html.escape(kind)}">' if kind else "<pre>"
    return Markup(f"{opening}\n{_escaped(text)}</pre>")


def finalize(value: object) -> Markup:
    """What Jinja prints of a value: markup as it is, text escaped, numbers as they are; nothing else is printable."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _markup(str(value))
    raise TypeError(f"a template printed {type(value).__name__}")


# --- Markdown and front matter ---------------------------------------------------------------------------------------


def inline(text: str) -> Markup:
    """One line of text inside Markdown: all ASCII punctuation as references, so that nothing of it is syntax."""
    return Markup(one_line(text).translate(_PUNCTUATION))


def title(text: str, limit: int = TITLE_LENGTH) -> str:
    """A front-matter title. The theme prints titles unescaped, so they are HTML, escaped here."""
    shown = one_line(text)
    if len(shown) > limit:
        shown = shown[: limit - 1].rstrip() + "…"
    return html.escape(shown)


def page(meta: dict[str, str | list[str]], markdown: str, blocks: dict[str, str]) -> str:
    """A Markdown file: front matter with ``meta`` and HTML ``blocks`` by name, then ``markdown``."""
    head = yaml.safe_dump(meta, allow_unicode=True, width=10**9, sort_keys=False)
    for name, block in blocks.items():
        if block:
            head += f"{name}: |2-\n  {block.replace(NEWLINE, NEWLINE + '  ')}\n"
    return f"---\n{head}---\n\n{markdown}"


# --- data for scripts ------------------------------------------------------------------------------------------------

_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", ord("'"): "\\u0027"}


def json_text(value: Json) -> str:
    """JSON that is safe in a ``<script>``, in an attribute's single quotes and in a ``.js`` file; ASCII only."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_SCRIPT)


def json_markup(value: Json) -> Markup:
    """The inside of a ``<script type="application/json">``."""
    return Markup(json_text(value))


# --- Markdown of answers ---------------------------------------------------------------------------------------------


class _Quiet(RendererHTML):
    """Renders what a model wrote: no link goes anywhere, no image loads, no heading is one of the page."""

    def link_open(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """A link as marked text; where it pointed stands in the tooltip."""
        return f'<span class="lnk" title="{html.escape(str(tokens[index].attrs.get("href", "")))}">'

    def link_close(self, *_: object) -> str:
        """End of a link."""
        return "</span>"

    def image(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """An image as its description."""
        token = tokens[index]
        where = html.escape(str(token.attrs.get("src", ""))[:300])
        return f'<span class="lnk" title="{where}">[image: {html.escape(token.content)}]</span>'

    def heading_open(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """A heading as a bold paragraph of its level."""
        return f'<p class="hd {tokens[index].tag}">'

    def heading_close(self, *_: object) -> str:
        """End of a heading."""
        return "</p>\n"

    def fence(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """A code block with its language as a label."""
        language = html.escape(tokens[index].info.strip().split(" ")[0][:30])
        label = f' data-lang="{language}"' if language else ""
        return f"<pre{label}>\n{html.escape(tokens[index].content)}</pre>\n"

    def code_block(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """An indented code block."""
        return self.fence(tokens, index)


@cache
def _markdown() -> MarkdownIt:
    quiet = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Quiet)
    return quiet.enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """What a model wrote, rendered; raw HTML in it is shown as text. Very long texts are shown unrendered."""
    if len(text) > MARKDOWN_LIMIT:
        return pre(text)
    shown = visible(_markdown().render(text))
    for char, reference in _REFERENCES.items():
        shown = shown.replace(char, reference)
    return Markup(shown.replace("\r", "&#13;").strip())


def template_globals() -> dict[str, Any]:
    """Filters of the templates."""
    return {"pre": pre, "lines": lines, "md": markdown, "inline": inline, "json": json_markup}
