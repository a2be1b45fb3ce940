"""View data -> Markdown files. Only this module imports jinja2.

Templates loop and include; they compute nothing. Every value is escaped by ``text.finalize`` on its way out and an
undefined name is an error, so there is nothing for a template to get wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from posixpath import dirname, relpath
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import Expr

from lms_audit.present import text
from lms_audit.present.resources import resources

ABOVE = "<!--body-->"
"""In a template: what stands before it is shown above the page's title."""


def _compiled() -> FileSystemBytecodeCache | None:
    """Where compiled templates are kept for the next run: a folder of Jinja's own, which nobody else may write to."""
    try:
        return FileSystemBytecodeCache(pattern="__lms_audit_%s.cache")
    except (OSError, RuntimeError):  # no such folder, or not for us alone
        return None


class _Printing(CodeGenerator):
    """Prints what ``finalize`` makes of a value. It is escaped, and to do it again takes as long as all the rest."""

    def _output_child_pre(self, node: Expr, frame: Frame, finalize: Any) -> None:  # noqa: ARG002
        self.write(finalize.src)

    def _output_child_post(self, node: Expr, frame: Frame, finalize: Any) -> None:  # noqa: ARG002
        self.write(")")


class _Templates(Environment):
    code_generator_class = _Printing


@cache
def environment() -> Environment:
    """The templates, compiled once."""
    folder = resources()
    made = _Templates(
        loader=FileSystemLoader([folder / "pages", folder]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        bytecode_cache=_compiled(),
    )
    made.filters.update(text.template_globals())
    return made


def links_from(page: str) -> Callable[[str], str]:
    """From a path below the site's root to a link on ``page``; short where it stays on the page or in its folder."""
    here, folder = page.replace(".md", ".html"), dirname(page)

    def href(path: str) -> str:
        target, mark, anchor = path.partition("#")
        if target == here and mark:
            return f"#{anchor}"
        return relpath(target, folder or ".") + mark + anchor

    return href


def page(template: str, path: str, *, title: str, lead: str, **context: Any) -> str:
    """A Markdown file: title and lead as Markdown, which the theme indexes; the template's HTML in the front matter.

    Templates link with ``href(path)``; ``root`` leads back to the site's root, for assets.
    """
    context |= {"root": "../" * path.count("/"), "href": links_from(path)}
    # values are escaped, so the mark can only be the template's own
    above, found, body = environment().get_template(template).render(**context).partition(ABOVE)
    if not found:
        above, body = "", above
    meta: dict[str, str | list[str]] = {"title": text.title(title), "hide": ["toc", "footer"]}
    heading = f"# {text.inline(title)}\n"
    if lead:
        heading += f"\n{text.inline(lead)}\n"
    return text.page(meta, heading, {"above": above.strip(), "body": body.strip()})
