"""Data moves one way through the house: no room imports a higher one; a fixed package stands behind one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lms_audit

PACKAGE = Path(lms_audit.__file__).parent

RANKS = (
    {"errors", "model", "progress"},
    {"config", "outdir"},
    {"read"},
    {"store"},
    {"ingest", "correlate", "cluster"},
    {"analyse"},
    {"present", "share", "naming"},
    {"pipeline"},
    {"options", "serve", "drawing"},
    {"cli"},
    {"__main__"},
)
"""Rooms from the ground up. Rooms of one rank do not import one another."""

FENCED = {
    "ijson": {"read/payload.py", "read/bodies.py"},
    "altair": {"present/charts.py"},
    "jinja2": {"present/render.py"},
    "mkdocs": {"present/site.py"},
    "click": {"cli.py"},
    "rich": {"drawing.py"},
    "sqlite3": {"store/store.py", "store/database.py", "share/export.py"},
    "polars": {"share/export.py"},
    "distributed": {"cluster.py"},
    "fsspec": {"read/remote.py"},
    "http": {"naming/endpoint.py", "serve.py"},
    "socket": {"naming/endpoint.py"},
}
"""Package -> the modules that may know it."""

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def imported(module: str) -> tuple[str, ...]:
    """What a module of the package imports."""
    return tuple(imports((PACKAGE / module).read_text("utf-8")))


def imports(source: str) -> Iterator[str]:
    """Full names of what a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def room(module: str) -> str:
    """``read/bodies.py`` and ``lms_audit.read.bodies`` are in the room ``read``."""
    return module.removesuffix(".py").replace(".", "/").removeprefix("lms_audit/").split("/")[0]


def rank(name: str) -> int:
    found = [number for number, rooms in enumerate(RANKS) if name in rooms]
    assert found, f"the room {name} has no place in RANKS"
    return found[0]


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__.py"])
def test_no_module_imports_a_higher_room(module: str) -> None:
    own = room(module)
    for name in imported(module):
        if name.startswith("lms_audit.") and room(name) != own:
            assert rank(room(name)) < rank(own), f"{module} imports {name}"


@pytest.mark.parametrize("package", sorted(FENCED))
def test_a_fixed_package_is_known_to_its_module_only(package: str) -> None:
    knowing = {module for module in MODULES if any(name.split(".")[0] == package for name in imported(module))}
    assert knowing <= FENCED[package]


def test_the_walk_sees_imports_of_every_kind() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from e.f import g, h\n"
    assert list(imports(source)) == ["a.b", "c.d", "e.f.g", "e.f.h"]
