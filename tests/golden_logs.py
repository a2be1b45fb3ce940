"""Golden logs: a few lines of a log in a YAML file, with the facts that follow from them.

``log`` is one file, ``files`` several by name; ``crlf: true`` writes Windows line ends. A case states facts, no more:
of ``requests``, in the names of the exports; of ``health`` and ``settings``; of ``loads`` and ``unbound``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lms_audit.correlate.requests import Gathered, gather
from lms_audit.correlate.values import requests
from lms_audit.model import Class, LogSettings, Request
from lms_audit.read.digest import digest_chunks, join_settings
from lms_audit.read.join import Joined, join

FOLDER = Path(__file__).parent / "golden" / "logs"
MEMBERS = {"about", "log", "files", "crlf", "requests", "health", "settings", "loads", "unbound"}


@dataclass(frozen=True)
class Case:
    """One golden log."""

    name: str
    about: str
    files: dict[str, bytes]
    requests: list[dict[str, Any]]
    health: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    loads: list[str | None] | None = None
    unbound: int = 0


@dataclass(frozen=True)
class Read:
    """What was made of a log."""

    requests: tuple[Request, ...]
    gathered: Gathered
    joined: Joined
    settings: LogSettings


def cases() -> list[Path]:
    """All golden logs."""
    return sorted(FOLDER.glob("*.yml"))


def load(path: Path) -> Case:
    """A golden log."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(raw) <= MEMBERS, f"{path.name}: {set(raw) - MEMBERS}"
    texts: dict[str, str] = raw.get("files") or {"2026-03/2026-03-02.1.log": raw["log"]}
    end = "\r\n" if raw.get("crlf") else "\n"
    return Case(
        name=path.stem,
        about=raw["about"],
        files={name: text.replace("\n", end).encode() for name, text in texts.items()},
        requests=raw.get("requests", []),
        health=raw.get("health", {}),
        settings=raw.get("settings", {}),
        loads=raw.get("loads"),
        unbound=raw.get("unbound", 0),
    )


def read(files: dict[str, bytes]) -> Read:
    """Reads files as one log, in the order given."""
    digests = [digest_chunks([data], name) for name, data in files.items()]
    joined = join(digests)
    gathered = gather(joined.stretches)
    settings = join_settings(digest.settings for digest in (*digests, *joined.seams))
    return Read(requests(gathered.drafts), gathered, joined, settings)


def fact(request: Request, name: str) -> Any:
    """A fact of a request under its name in the exports."""
    if name in {"received_at", "finished_at"}:
        at = getattr(request, name)
        return None if at is None else _iso(at, precise=request.precise)
    if name == "tool_calls":
        return [{"name": call.name, "arguments": call.arguments} for call in request.tool_calls]
    if name == "malformed":
        return [call.malformed for call in request.tool_calls]
    if name == "source":
        return [f"{where.file}:{where.first_line}-{where.last_line}" for where in request.source]
    value = getattr(request, name)
    return list(value) if isinstance(value, tuple) else value


def _iso(at: int, *, precise: bool) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if precise else "seconds")


def differences(expected: dict[str, Any], request: Request, found: tuple[Request, ...]) -> dict[str, Any]:
    """The stated facts a request does not have: name -> (stated, found)."""
    wrong: dict[str, Any] = {}
    for name, stated in expected.items():
        got: Any
        if name == "response_contains":
            got = request.response_text
            same = got is not None and stated in got
        elif name == "error_contains":
            got = request.errors
            same = any(stated in error for error in got)
        elif name == "candidates":
            got = [index for index, other in enumerate(found) if other.id in request.candidates]
            same = got == stated
        elif name == "evidence_has":
            got = request.evidence
            same = stated in got
        elif name == "provenance":
            got = {field: request.provenance.get(field) for field in stated}
            same = got == stated
        elif name == "prompt_keys":
            got = request.prompt.count if request.prompt is not None else None
            same = got == stated
        else:
            got = fact(request, name)
            same = got == stated
            if isinstance(stated, float) and isinstance(got, int | float):
                same = abs(stated - got) <= abs(stated) * 1e-6
        if not same:
            wrong[name] = (stated, got)
    return wrong


def health_of(result: Read) -> dict[str, Any]:
    """The account of all files together."""
    totals = dict.fromkeys(Class, 0)
    for file in result.joined.files:
        for kind, tally in file.classes.items():
            totals[kind] += tally.records
    return {
        "understood": totals[Class.UNDERSTOOD],
        "noise": totals[Class.NOISE],
        "unknown": totals[Class.UNKNOWN],
        "damaged": totals[Class.DAMAGED],
        "forms": sorted({form for file in result.joined.files for form in file.forms}),
        "problems": sorted({problem.kind for file in result.joined.files for problem in file.problems}),
    }
