"""What became of every tool call, and which files were touched.

In: the requests, in order of arrival. Out: ``CallFacts`` per call, and the index of files. Cost: one pass over the
calls; results are looked at only as far as ``outcomes`` says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from lms_audit.analyse.call_kinds import POLLING, base_name, command_of, kind_of, paths_of, telling_argument
from lms_audit.analyse.figures import count
from lms_audit.analyse.items import text_bytes
from lms_audit.analyse.outcomes import outcome_of
from lms_audit.analyse.report import CallFacts, FileTouched, Row, Table, ToolKind
from lms_audit.correlate.words import CUT_MARK
from lms_audit.model import Json, Request, ToolCall

MOST_FILES = 200


def _same(name: str, arguments: Json) -> bytes | None:
    """Equal for calls with the same name and arguments, whatever the order of members.

    ``None`` where nobody can tell: strings shortened in the log are not equal because their ends are.
    """
    try:
        text = json.dumps(arguments, sort_keys=True, ensure_ascii=False)
    except RecursionError:
        return None
    if CUT_MARK in text:
        return None
    return blake2b(f"{name}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _shortened(arguments: Json) -> bool:
    """Whether it was LM Studio's log, not the model, that broke the JSON."""
    return isinstance(arguments, str) and CUT_MARK in arguments


def _facts(request: Request, index: int, call: ToolCall, nth: int) -> CallFacts:
    kind = kind_of(call.name, call.arguments)
    argument = telling_argument(kind, call.arguments)
    outcome, reason, code = outcome_of(kind, command_of(call.arguments), call)
    paths = paths_of(kind, call.arguments, request.project)
    return CallFacts(
        request_id=request.id,
        session_id=request.session_id,
        index=index,
        name=call.title,
        kind=kind,
        argument=argument,
        outcome=outcome,
        reason=reason,
        exit_code=code,
        malformed=call.malformed and not _shortened(call.arguments),
        nth=nth,
        result_bytes=None if call.result is None else text_bytes(call.result),
        reads=paths if kind is ToolKind.READ else (),
        edits=() if kind is ToolKind.READ else paths,
    )


def call_facts(requests: Iterable[Request]) -> dict[str, tuple[CallFacts, ...]]:
    """Facts of all calls, by request, in order of arrival."""
    made: Counter[tuple[str, bytes]] = Counter()
    facts: dict[str, tuple[CallFacts, ...]] = {}
    for request in requests:
        held = []
        for index, call in enumerate(request.tool_calls):
            nth = 1
            same = None if base_name(call.name) in POLLING else _same(call.name, call.arguments)
            if same is not None:
                made[request.session_id or request.id, same] += 1
                nth = made[request.session_id or request.id, same]
            held.append(_facts(request, index, call, nth))
        if held:
            facts[request.id] = tuple(held)
    return facts


def files_touched(calls: Iterable[CallFacts]) -> tuple[FileTouched, ...]:
    """Every path read or edited, most edited first, then most read."""
    reads: Counter[str] = Counter()
    edits: Counter[str] = Counter()
    sessions: dict[str, dict[str, None]] = {}
    requests: dict[str, dict[str, None]] = {}
    for call in calls:
        reads.update(call.reads)
        edits.update(call.edits)
        for path in (*call.reads, *call.edits):
            requests.setdefault(path, {})[call.request_id] = None
            if call.session_id is not None:
                sessions.setdefault(path, {})[call.session_id] = None
    return tuple(
        FileTouched(path, reads[path], edits[path], tuple(sessions.get(path, ())), tuple(touched))
        for path, touched in sorted(requests.items(), key=lambda pair: (-edits[pair[0]], -reads[pair[0]], pair[0]))
    )


def files_table(touched: Sequence[FileTouched]) -> Table:
    """The most touched paths."""
    rows = tuple(
        Row(
            one.path,
            (
                count("file_reads", one.reads),
                count("file_edits", one.edits),
                count("sessions", len(one.sessions)),
                count("requests", len(one.requests)),
            ),
        )
        for one in touched[:MOST_FILES]
    )
    more = len(touched) - len(rows)
    note = f"{more} more paths are not listed." if more else ""
    return Table("files", "Files touched", ("Path", "Reads", "Edits", "Sessions", "Requests"), rows, note)
