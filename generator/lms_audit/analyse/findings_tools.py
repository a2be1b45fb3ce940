"""Rules about tool calls: failing, repeated, malformed and slow ones.

In: ``Context``. Out: findings. Cost: one pass over the calls per rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from lms_audit.analyse.context import Context
from lms_audit.analyse.figures import figure
from lms_audit.analyse.report import CallFacts, Finding, GapKind, Outcome, Severity
from lms_audit.analyse.sentences import many, quoted, share, span
from lms_audit.model import Request

FEWEST_FAILURES = 3
FAILING = 0.2
"""Share of a tool's calls that must fail before the tool counts as failing."""
REPEATS = 3
SLOW_TOOL_MS = 60_000


def failing_tools(context: Context) -> Iterator[Finding]:
    """Tools of whose calls many fail."""
    by_name: dict[str, list[CallFacts]] = {}
    for call in context.calls:
        if call.outcome is not Outcome.UNKNOWN:
            by_name.setdefault(call.name, []).append(call)
    found = []
    for name, shown in by_name.items():
        failed = [call for call in shown if call.outcome is Outcome.FAILED]
        if len(failed) >= FEWEST_FAILURES and len(failed) >= FAILING * len(shown):
            found.append((len(failed), name, len(shown), failed))
    for n, name, of, failed in sorted(found, key=lambda one: (-one[0], one[1])):
        reasons = Counter(call.reason for call in failed)
        reason = min(reasons, key=lambda text: (-reasons[text], text))
        sentence = (
            f"Tool {quoted(name, 60)} failed in {n} of {many(of, 'call')} ({share(n / of)}), most often: {reason}."
        )
        total = figure("failed_calls", n, of)
        severity = Severity.MEDIUM if n >= 10 else Severity.LOW
        yield Finding("failing tool", severity, sentence, total, failed[0].request_id, failed[0].session_id)


def repeated_calls(context: Context) -> Iterator[Finding]:
    """The same call with the same arguments again and again in a session."""
    most: dict[tuple[str | None, str, str], CallFacts] = {}
    for call in context.calls:
        if call.nth >= REPEATS:
            most[call.session_id, call.name, call.argument] = call
    for call in sorted(most.values(), key=lambda one: (-one.nth, one.request_id, one.index)):
        what = f" {quoted(call.argument, 80)}" if call.argument else ""
        sentence = f"A session made the same call {call.nth} times: {quoted(call.name, 60)}{what}."
        total = figure("repeated_calls", call.nth - 1, call.nth)
        severity = Severity.MEDIUM if call.nth >= 2 * REPEATS else Severity.LOW
        yield Finding("repeated call", severity, sentence, total, call.request_id, call.session_id)


def malformed_calls(context: Context) -> Iterator[Finding]:
    """Models that wrote tool calls which are not valid JSON."""
    models = {request.id: request.model for request in context.asked}
    by_model: dict[str, list[CallFacts]] = {}
    of: Counter[str] = Counter()
    for call in context.calls:
        model = models.get(call.request_id) or "a model the log does not name"
        of[model] += 1
        if call.malformed:
            by_model.setdefault(model, []).append(call)
    for model, held in sorted(by_model.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        sentence = f"{many(len(held), 'tool call')} of {of[model]} by {model} had arguments that are not valid JSON."
        total = figure("malformed_calls", len(held), of[model])
        yield Finding("malformed calls", Severity.MEDIUM, sentence, total, held[0].request_id, held[0].session_id)


def slow_tools(context: Context) -> Iterator[Finding]:
    """Long gaps in which the agent ran tools: the model waited, not the person."""
    calls: dict[str, list[CallFacts]] = {}
    for call in context.calls:
        calls.setdefault(call.request_id, []).append(call)
    by_id = {request.id: request for request in context.asked}
    found: list[tuple[float, Request, Request]] = []
    for session in context.audit.sessions:
        for earlier, later in pairwise(session.request_ids):
            gap = context.gaps.get(later)
            if gap and gap.kind is GapKind.TOOLS and gap.ms >= SLOW_TOOL_MS and earlier in by_id and later in by_id:
                found.append((gap.ms, by_id[earlier], by_id[later]))
    for ms, before, after in sorted(found, key=lambda one: (-one[0], one[2].id)):
        made = calls.get(before.id, [])
        what = f": {quoted(made[0].name, 60)} {quoted(made[0].argument, 80)}" if made and made[0].argument else ""
        more = f" and {len(made) - 1} more" if what and len(made) > 1 else ""
        sentence = f"Before the request at {context.clock(after)} tools ran for {span(ms)}{what}{more}."
        yield Finding("slow tool", Severity.LOW, sentence, figure("tool_gap_ms", ms, 1), after.id, after.session_id, ms)


RULES = (
    ("failing tool", failing_tools),
    ("repeated call", repeated_calls),
    ("malformed calls", malformed_calls),
    ("slow tool", slow_tools),
)
