"""Runs MkDocs, or a program that takes the same files, as a process of its own: strict, and with no clock in the site.

The process starts long before there is anything to compile: it loads its modules while pages are rendered and then
waits for the word. Closing its input without one ends it. What would be two thirds of the work of a small build is left
out: the theme's templates are kept compiled in Jinja's own cache folder, and its folder of 14,000 icons is not listed,
since the builder takes no file of a hidden folder into a site.

Cost: about 10 ms per page, and half a second of loading that nobody waits for.
"""

from __future__ import annotations

from pathlib import Path

from lms_audit.present.helper import Helper

BUILDERS = ("mkdocs", "properdocs")
UNUSED = ("*.map",)
"""Files of the theme nobody opens: source maps are half of it."""

# ``--quiet`` would drop warnings before they are counted, and with them ``--strict``
_WAITING = """
import functools, importlib, logging, os, sys
import jinja2
try:
    kept = jinja2.FileSystemBytecodeCache()
    jinja2.Environment = functools.partial(jinja2.Environment, bytecode_cache=kept)
except (OSError, RuntimeError):
    pass
def shown(loader):
    found = set()
    for top in loader.searchpath:
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if not name.startswith(".")]
            found.update(os.path.relpath(os.path.join(folder, name), top).replace(os.sep, "/") for name in names)
    return sorted(found)
jinja2.FileSystemLoader.list_templates = shown
builder = importlib.import_module(sys.argv[1] + ".__main__")
importlib.import_module(sys.argv[1] + ".commands.build")
for name in ("search", "offline"):
    importlib.import_module(f"material.plugins.{name}.plugin")
for name in ("attr_list", "fenced_code", "tables", "toc"):
    importlib.import_module("markdown.extensions." + name)
config = sys.stdin.readline().rstrip("\\n")
if config:
    logging.disable(logging.INFO)
    sys.argv[:] = [sys.argv[1], "build", "--strict", "-f", config]
    builder.cli()
"""


class Compiler(Helper):
    """A builder that is getting ready. ``compile`` and then ``compiled`` make one site."""

    def __init__(self, builder: str = "mkdocs") -> None:
        self._builder = builder
        environment = {
            "NO_MKDOCS_2_WARNING": "1",
            "SOURCE_DATE_EPOCH": "315532800",
            "PYTHONWARNINGS": "ignore",
            "PYTHONHASHSEED": "0",
            "PYTHONIOENCODING": "utf-8",
        }
        super().__init__(["-c", _WAITING, builder], environment)

    def compile(self, config: Path) -> None:
        """Compile what ``config`` names; returns at once."""
        self.start(f"{config}\n".encode())

    def compiled(self, out: Path) -> None:
        """Wait for the site in ``out``. Raises ``AuditError`` with what the builder said."""
        self.finish(f"{self._builder} could not build the site")
        for pattern in UNUSED:
            for path in out.rglob(pattern):
                path.unlink()
