"""What a built page refers to and what can be referred to on it, as its source says."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

LOADS = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("image", "href"),
    ("img", "src"),
    ("img", "srcset"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("track", "src"),
    ("use", "href"),
    ("video", "poster"),
    ("video", "src"),
}
"""What a browser fetches by itself."""
LEADS = {("a", "href"), ("area", "href"), ("form", "action"), ("base", "href")}
FOR = {"for", "aria-labelledby", "aria-describedby", "aria-controls", "aria-owns", "aria-activedescendant", "list"}
"""Attributes whose values are ids of the same page."""


class Source(HTMLParser):
    """One page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.named: list[str] = []
        """Ids other elements name."""
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif (tag, name.removeprefix("xlink:")) in LOADS:
                self.loads.append(value or "")
            elif (tag, name) in LEADS:
                self.leads.append(value or "")
            elif name in FOR:
                self.named += (value or "").split()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def source(path: Path) -> Source:
    return Source(path.read_text("utf-8"))


def argument(path: Path, call: str) -> Any:
    """The JSON a data file calls a function with, after any leading texts."""
    found = re.fullmatch(re.escape(call) + r'\((?:"[^"]*",)*(.*)\);\n', path.read_text("utf-8"), re.DOTALL)
    assert found is not None, path
    return json.loads(found[1])
