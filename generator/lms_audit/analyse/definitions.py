"""What every figure means: the one list that the definitions page, popovers and ``figures.figure`` read.

In: ``definitions.yml`` beside this module, once. Out: ``DEFINITIONS``, metric id -> ``Definition``, in reading order. A
figure cannot be made with a metric that is not in it.
"""

from __future__ import annotations

from importlib.resources import files

import yaml
from msgspec import Struct, convert

from lms_audit.analyse.report import Unit

# libyaml reads the list in 8 ms, the Python loader in 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric in words a reader can check against."""

    id: str
    group: str
    """Heading it stands under on the definitions page."""
    title: str
    unit: Unit
    text: str
    """One paragraph in plain words."""
    formula: str = ""
    sources: tuple[str, ...]
    """Where values come from, the first that has one wins."""
    precision: str


def load_definitions(text: str) -> dict[str, Definition]:
    """Definitions by metric id, from YAML: group -> id -> fields."""
    return {
        metric: convert({"id": metric, "group": group, **fields}, Definition)
        for group, metrics in yaml.load(text, _LOADER).items()  # noqa: S506 - a SafeLoader
        for metric, fields in metrics.items()
    }


DEFINITIONS = load_definitions(files(__package__).joinpath("definitions.yml").read_text(encoding="utf-8"))
