"""Rules about the log itself: damage, what no rule knows, settings that hide data, what could not be attributed.

In: ``Context``. Out: findings. Cost: one pass over files and requests per rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lms_audit.analyse.context import Context
from lms_audit.analyse.figures import figure
from lms_audit.analyse.report import Finding, Severity
from lms_audit.analyse.sentences import many, number, quoted, share, size
from lms_audit.model import Class, Status, Tally

NOTABLE = 0.01
"""Share of the log's bytes from which damage or unknown records weigh more."""


def _tally(context: Context, kind: Class) -> Tally:
    total = Tally()
    for file in context.audit.files:
        total = total + file.classes.get(kind, Tally())
    return total


def _example(context: Context, kind: Class) -> str:
    """``file:line`` of a first example."""
    for file in context.audit.files:
        for problem in file.problems if kind is Class.DAMAGED else file.unknown_examples:
            return f", for example {problem.where.file}:{problem.where.first_line} ({problem.message})"
    return ""


def unreadable_records(context: Context) -> Iterator[Finding]:
    """Records that are damaged, or in a form no rule knows."""
    total = sum((_tally(context, kind).bytes for kind in Class), 0)
    for kind, metric, words in (
        (Class.DAMAGED, "damaged_records", ("record is damaged", "records are damaged")),
        (Class.UNKNOWN, "unknown_records", ("record has a form no rule knows", "records have a form no rule knows")),
    ):
        held = _tally(context, kind)
        if held.records:
            of_log = held.bytes / total if total else 0.0
            sentence = f"{many(held.records, *words)}: {size(held.bytes)} of the log{_example(context, kind)}."
            severity = Severity.MEDIUM if of_log >= NOTABLE else Severity.INFO
            yield Finding(metric.replace("_", " "), severity, sentence, figure(metric, held.records, held.records))


def refused_files(context: Context) -> Iterator[Finding]:
    """Files that were given and not read."""
    held = [file for file in context.audit.files if file.refused is not None]
    if held:
        first = f"{held[0].file} ({held[0].refused})"
        sentence = f"{many(len(held), 'file was', 'files were')} not read, for example {first}."
        yield Finding("refused files", Severity.MEDIUM, sentence, figure("log_files", len(held), len(held)))


def hiding_settings(context: Context) -> Iterator[Finding]:
    """Settings of LM Studio that keep something out of the log."""
    settings, asked = context.audit.settings, context.asked
    if settings.verbose is False:
        sentence = (
            "Verbose logging was off in LM Studio, so the log holds no request lines, no prompts and no engine timings."
        )
        yield Finding("setting", Severity.MEDIUM, sentence, figure("hidden_requests", len(asked), len(asked)))
    redacted = sum(request.redacted for request in asked)
    if redacted:
        sentence = f"{many(redacted, 'request has', 'requests have')} a redacted payload: “Redact content” was on."
        yield Finding("setting", Severity.LOW, sentence, figure("hidden_requests", redacted, len(asked)))
    cut = sum(request.truncated_by_log for request in asked)
    if cut:
        sentence = (
            f"{many(cut, 'request has', 'requests have')} strings shortened to 100 characters; with the file logging "
            f"mode “full” LM Studio logs them whole."
        )
        yield Finding("setting", Severity.INFO, sentence, figure("hidden_requests", cut, len(asked)))
    streamed = [request for request in asked if request.stream and request.status is Status.COMPLETED]
    silent = sum(request.response_text is None and not request.tool_calls for request in streamed)
    if silent and settings.incoming_tokens is not True:
        sentence = (
            f"{number(silent)} of {number(len(streamed))} streamed requests have no answer in the log: LM Studio logs "
            f"it only with “Log incoming tokens” on."
        )
        yield Finding("setting", Severity.INFO, sentence, figure("hidden_requests", silent, len(streamed)))


def uncertain(context: Context) -> Iterator[Finding]:
    """What could not be attributed, and answers that disagree with the history."""
    doubtful = sum(bool(request.candidates) for request in context.asked)
    if doubtful:
        of = share(doubtful / len(context.asked))
        sentence = f"Lines of {many(doubtful, 'request')} ({of}) could not be told from another request's."
        yield Finding("unattributed", Severity.LOW, sentence, figure("unattributed", doubtful, len(context.asked)))
    tasks = context.audit.unbound_engine_tasks
    if tasks:
        sentence = f"{many(tasks, 'engine task')} belong to no request of the server, as chats in the app do."
        yield Finding("engine tasks without a request", Severity.INFO, sentence, figure("unattributed", tasks, tasks))
    wrong = context.audit.mismatches
    if wrong:
        where = f"{wrong[0].where.file}:{wrong[0].where.first_line}"
        sentence = f"{many(len(wrong), 'answer')} in the log differ from the next request's history, first at {where}."
        yield Finding("mismatch", Severity.LOW, sentence, figure("mismatches", len(wrong), len(wrong)))


def loaded_models(context: Context) -> Iterator[Finding]:
    """Models that were loaded several times: each time the cache is gone and the first prompt is read in full."""
    loads = Counter(load.model for load in context.audit.model_loads if load.loaded and load.model is not None)
    for model, times in sorted(loads.items(), key=lambda pair: (-pair[1], pair[0])):
        if times > 2:
            reasons = Counter(
                load.reason
                for load in context.audit.model_loads
                if not load.loaded and load.model == model and load.reason
            )
            why = f", unloaded most often for {quoted(min(reasons, key=lambda r: (-reasons[r], r)))}" if reasons else ""
            sentence = f"Model {model} was loaded {times} times{why}."
            yield Finding("model loads", Severity.LOW, sentence, figure("model_loads", times, times))


RULES = (
    ("unreadable records", unreadable_records),
    ("refused files", refused_files),
    ("setting", hiding_settings),
    ("uncertain", uncertain),
    ("model loads", loaded_models),
)
