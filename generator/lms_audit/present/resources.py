"""Where the templates, the style sheets and the vendored scripts are.

Inside the package once installed; beside it in the repository, where people look for them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def resources() -> Path:
    """The folder ``site_templates``."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "site_templates", package.parents[1] / "site_templates"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("site_templates is missing from the installation")
