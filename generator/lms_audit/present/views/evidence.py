"""What was and was not understood, and what every figure means.

In: the account of the files, the settings of the log, the definitions. Out: view data, and advice for a better log.
"""

from __future__ import annotations

from msgspec import Struct

from lms_audit.analyse.definitions import DEFINITIONS
from lms_audit.model import Class, FileHealth, Json, Problem, Tally
from lms_audit.present.views.book import Book
from lms_audit.present.views.format import count, period, share, size

MOST_PROBLEMS = 200
MOST_EXAMPLES = 60


class ClassShare(Struct, frozen=True):
    """Records of one class."""

    name: str
    records: str
    bytes: str
    percent: float
    share: str


class FileLine(Struct, frozen=True):
    """A log file's account."""

    file: str
    size: str
    lines: str
    span: str
    classes: tuple[ClassShare, ...]
    problems: int
    refused: str
    note: str


class ProblemLine(Struct, frozen=True):
    """Something that could not be read as it should."""

    kind: str
    message: str
    where: str


class Setting(Struct, frozen=True):
    """A logging setting as the log shows it, and what it means for the figures."""

    name: str
    state: str
    good: bool | None
    meaning: str


class HealthPage(Struct, frozen=True):
    """The account of the logs."""

    classes: tuple[ClassShare, ...]
    settings: tuple[Setting, ...]
    files: tuple[FileLine, ...]
    problems: tuple[ProblemLine, ...]
    more_problems: str
    examples: tuple[ProblemLine, ...]
    mismatches: tuple[ProblemLine, ...]
    kinds: tuple[tuple[str, str, str], ...]
    unbound: int
    ambiguous: int
    roots: str


class DefinitionView(Struct, frozen=True):
    """A metric in words."""

    id: str
    title: str
    unit: str
    text: str
    formula: str
    sources: str
    precision: str


class Group(Struct, frozen=True):
    """Definitions under one heading."""

    id: str
    title: str
    entries: tuple[DefinitionView, ...]


_CLASSES = (Class.UNDERSTOOD, Class.NOISE, Class.UNKNOWN, Class.DAMAGED)
_MEANING = (
    (
        "verbose",
        "Verbose logging",
        "Without it the log has no request lines: arrival times, endpoints and bodies are missing.",
    ),
    (
        "full_bodies",
        "Full bodies (file logging mode)",
        (
            "Without it LM Studio shortens every string over 120 characters to its first and last 50, so prompts and "
            "tool results are shown cut."
        ),
    ),
    (
        "incoming_tokens",
        "Log incoming tokens",
        (
            "Without it streamed answers and their usage are not logged: tokens come from engine lines, answers from "
            "the next request's history."
        ),
    ),
)


def _classes(held: dict[Class, Tally]) -> tuple[ClassShare, ...]:
    total = sum(tally.bytes for tally in held.values())
    return tuple(
        ClassShare(
            str(kind),
            count(held[kind].records),
            size(held[kind].bytes),
            round(held[kind].bytes / total * 100, 2) if total else 0.0,
            share(held[kind].bytes / total) if total else "0 %",
        )
        for kind in _CLASSES
        if kind in held
    )


def _where(problem: Problem) -> str:
    return f"{problem.where.file}:{problem.where.first_line}"


def _problem(problem: Problem) -> ProblemLine:
    return ProblemLine(problem.kind, problem.message, _where(problem))


def _file(held: FileHealth) -> FileLine:
    return FileLine(
        held.file,
        size(held.size),
        count(held.lines),
        period(held.first_at, held.last_at),
        _classes(held.classes),
        len(held.problems),
        held.refused or "",
        "" if held.on_disk else "no longer on disk",
    )


def health_page(book: Book) -> HealthPage:
    """The account of every file, and how to get a better log next time."""
    audit = book.audit
    sums: dict[Class, Tally] = {}
    kinds: dict[str, Tally] = {}
    for file in audit.files:
        for kind, tally in file.classes.items():
            sums[kind] = sums.get(kind, Tally()) + tally
        for name, tally in file.kinds.items():
            kinds[name] = kinds.get(name, Tally()) + tally
    settings = []
    for name, title, meaning in _MEANING:
        state = getattr(audit.settings, name)
        settings.append(
            Setting(title, {True: "on", False: "off", None: "the log does not tell"}[state], state, meaning)
        )
    redacted = audit.settings.redacted
    if redacted is not None:
        meaning = "Payloads are hidden by LM Studio: their content cannot be audited." if redacted else ""
        settings.append(Setting("Redaction", "on" if redacted else "off", not redacted, meaning))
    problems = [problem for file in audit.files for problem in file.problems]
    examples = [problem for file in audit.files for problem in file.unknown_examples]
    order = sorted(kinds, key=lambda name: (-kinds[name].bytes, name))
    return HealthPage(
        classes=_classes(sums),
        settings=tuple(settings),
        files=tuple(_file(file) for file in audit.files),
        problems=tuple(_problem(problem) for problem in problems[:MOST_PROBLEMS]),
        more_problems=f"{count(len(problems) - MOST_PROBLEMS)} more are not listed."
        if len(problems) > MOST_PROBLEMS
        else "",
        examples=tuple(_problem(problem) for problem in examples[:MOST_EXAMPLES]),
        mismatches=tuple(_problem(problem) for problem in audit.mismatches[:MOST_PROBLEMS]),
        kinds=tuple((name, count(kinds[name].records), size(kinds[name].bytes)) for name in order),
        unbound=audit.unbound_engine_tasks,
        ambiguous=sum(bool(request.candidates) for request in audit.requests),
        roots=", ".join(audit.log_roots),
    )


def definitions_page() -> tuple[Group, ...]:
    """Every metric, by group, in reading order."""
    groups: dict[str, list[DefinitionView]] = {}
    for held in DEFINITIONS.values():
        view = DefinitionView(
            held.id, held.title, str(held.unit), held.text, held.formula, " → ".join(held.sources), held.precision
        )
        groups.setdefault(held.group, []).append(view)
    return tuple(Group(f"g-{index}", title, tuple(entries)) for index, (title, entries) in enumerate(groups.items(), 1))


def definitions_data() -> Json:
    """Metric -> title, text, formula, precision; for popovers."""
    return {held.id: [held.title, held.text, held.formula, held.precision] for held in DEFINITIONS.values()}
