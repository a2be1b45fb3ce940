"""View data -> Markdown files. Only this module imports jinja2.

Templates loop and include; they compute nothing. Every value is escaped by ``text.finalize`` on its way out and an
undefined name is an error, so there is nothing for a template to get wrong.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lms_audit.present import text
from lms_audit.present.resources import resources


ABOVE = "<!--body-->"
"""In a template: what stands before it is shown above the page's title."""


@cache
def environment() -> Environment:
    """The templates, compiled once per process."""
    folder = resources()
    made = Environment(
        loader=FileSystemLoader([folder / "pages", folder]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters.update(text.template_globals())
    return made


def page(template: str, *, title: str, lead: str, root: str, **context: Any) -> str:
    """A Markdown file: title and lead as Markdown, which the theme indexes; the template's HTML in the front matter.

    ``root`` leads from the page back to the site's root and stands before every link.
    """
    # values are escaped, so the mark can only be the template's own
    above, found, body = environment().get_template(template).render(root=root, **context).partition(ABOVE)
    if not found:
        above, body = "", above
    meta: dict[str, str | list[str]] = {"title": text.title(title), "hide": ["toc", "footer"]}
    heading = f"# {text.inline(title)}\n"
    if lead:
        heading += f"\n{text.inline(lead)}\n"
    return text.page(meta, heading, {"above": above.strip(), "body": body.strip()})
