"""Every client has a drawing of its own, small enough to stand beside a title and clear in light and dark."""

from __future__ import annotations

import re

import pytest

from lms_audit.correlate import client_rules
from lms_audit.present.resources import resources

FOLDER = resources() / "assets" / "icons"
CLIENTS = client_rules.load().clients


def drawing(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text("utf-8")


def light(colour: str) -> float:
    """Relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_no_two_clients_share_a_drawing() -> None:
    marks = [re.sub(r"#[0-9a-f]{6}", "", drawing(client.icon)) for client in CLIENTS.values()]
    assert len(set(marks)) == len(CLIENTS)
    assert drawing("client") not in {drawing(client.icon) for client in CLIENTS.values()}


@pytest.mark.parametrize("name", sorted({client.icon for client in CLIENTS.values()} | {"client"}))
def test_a_mark_stands_out_from_its_tile_and_the_tile_from_both_pages(name: str) -> None:
    (tile,) = re.findall(r'<rect width="24" height="24" rx="6" fill="(#[0-9a-f]{6})"/>', drawing(name))
    assert 1.05 / (light(tile) + 0.05) >= 3
    assert (light("#fcfcfa") + 0.05) / (light(tile) + 0.05) >= 3
    assert (light(tile) + 0.05) / (light("#12171d") + 0.05) >= 1.8
    assert len(drawing(name)) < 700
