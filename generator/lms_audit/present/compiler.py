"""Runs MkDocs, or a program that takes the same files, as a process of its own: strict, and with no clock in the site.

The process starts long before there is anything to compile: it loads its modules while pages are rendered and then
waits for the word. Closing its input without one ends it. The theme's templates, half of the work of a small build, are
kept compiled in Jinja's own cache folder.

Cost: about 10 ms per page, and half a second of loading that nobody waits for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from lms_audit.errors import AuditError

BUILDERS = ("mkdocs", "properdocs")
UNUSED = ("*.map",)
"""Files of the theme nobody opens: source maps are half of it."""

# ``--quiet`` would drop warnings before they are counted, and with them ``--strict``
_WAITING = """
import functools, importlib, logging, sys
import jinja2
try:
    kept = jinja2.FileSystemBytecodeCache()
    jinja2.Environment = functools.partial(jinja2.Environment, bytecode_cache=kept)
except (OSError, RuntimeError):
    pass
builder = importlib.import_module(sys.argv[1] + ".__main__")
for name in ("material.plugins.search.plugin", "material.plugins.offline.plugin", "markdown.extensions.attr_list"):
    importlib.import_module(name)
config = sys.stdin.readline().rstrip("\\n")
if config:
    logging.disable(logging.INFO)
    sys.argv[:] = [sys.argv[1], "build", "--strict", "-f", config]
    builder.cli()
"""


class Compiler:
    """A builder that is getting ready. ``start`` and then ``finish`` compile one site; leaving the context ends it."""

    def __init__(self, builder: str = "mkdocs") -> None:
        self._builder = builder
        environment = os.environ | {
            "NO_MKDOCS_2_WARNING": "1",
            "SOURCE_DATE_EPOCH": "315532800",
            "PYTHONWARNINGS": "ignore",
            "PYTHONHASHSEED": "0",
            "PYTHONIOENCODING": "utf-8",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WAITING, builder],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def start(self, config: Path) -> None:
        """Compile what ``config`` names; returns at once."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{config}\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died already: ``finish`` tells why

    def finish(self, out: Path) -> None:
        """Wait for the site in ``out``. Raises ``AuditError`` with what the builder said."""
        _, said = self._process.communicate()
        if self._process.returncode:
            last = [line for line in said.splitlines() if line.strip()][-3:]
            raise AuditError(f"{self._builder} could not build the site: {' / '.join(last) or 'no message'}")
        for pattern in UNUSED:
            for path in out.rglob(pattern):
                path.unlink()
