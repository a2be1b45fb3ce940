"""JSON Schemas of the exports, made of the row types.

They are files of the package (``lms_audit/schemas``); ``python -m lms_audit.share.schemas`` writes them anew, and a
test sees that they agree with the types.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lms_audit.share import rows

FOLDER = Path(__file__).parent.parent / "schemas"

TYPES: dict[str, type[msgspec.Struct]] = {
    "requests": rows.RequestRow,
    "sessions": rows.SessionRow,
    "tool_calls": rows.ToolCallRow,
    "health": rows.Health,
}
"""Export -> type of its lines (``health``: of the whole file)."""


def schema(name: str) -> bytes:
    """One export's JSON Schema, as it is on disk."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **msgspec.json.schema(TYPES[name]),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def write(folder: Path = FOLDER) -> None:
    """All schemas into a folder."""
    folder.mkdir(exist_ok=True)
    for name in TYPES:
        (folder / f"{name}.schema.json").write_bytes(schema(name))


if __name__ == "__main__":
    write()
