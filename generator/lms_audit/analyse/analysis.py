"""Everything at once: from the audit to the report the pages are made of.

In: the audit, the library, the tree of prompts. Out: ``Report``. Cost: that of its parts, a few passes over the
requests and one look at every distinct message.
"""

from __future__ import annotations

from collections.abc import Sequence

from lms_audit.analyse import cost, groups, metrics
from lms_audit.analyse.cache_breaks import cache_breaks, causes
from lms_audit.analyse.composition import compositions
from lms_audit.analyse.context import Context
from lms_audit.analyse.figures import cached_share, runs_model, sample
from lms_audit.analyse.findings import findings
from lms_audit.analyse.idle import gaps
from lms_audit.analyse.items import Prompts
from lms_audit.analyse.ledger import ledger, tool_schemas
from lms_audit.analyse.overview import session_figures
from lms_audit.analyse.report import CallFacts, Figure, Gap, Report, SessionFigures, Table
from lms_audit.analyse.speed import speed_laws
from lms_audit.analyse.tools import call_facts, files_table, files_touched
from lms_audit.correlate.conversation import PromptTree
from lms_audit.model import Audit, Library, Request

TILES = (
    "requests",
    "requests_parsed",
    "requests_partial",
    "requests_lost",
    "log_files",
    "log_bytes",
    "span",
    "sessions",
    "models",
    "clients",
    "projects",
)
"""Tiles taken from the dataset snapshot, in reading order; those of tokens and time follow."""


def _tiles(audit: Audit, asked: Sequence[Request], tables: dict[str, Table]) -> dict[str, Figure]:
    dataset = metrics.dataset_figures(audit)
    cells = [dataset[metric] for metric in TILES]
    cells += [sample(asked, metric).total() for metric in ("input_tokens", "output_tokens")]
    cells += [cached_share(asked)]
    cells += [sample(asked, "tokens_per_second").median()]
    cells += [row.cells[1] for row in tables["time_totals"].rows]
    cells += [row.cells[0] for row in tables["tool_usage"].rows[:3]]
    return {cell.metric: cell for cell in cells}


def _tables(audit: Audit, calls: Sequence[CallFacts], prices: Sequence[cost.Price]) -> list[Table]:
    """Tables of the requests in reading order, the article's first. Requests that run no model show as left out."""
    requests = audit.requests
    tables = [
        metrics.snapshot(audit),
        metrics.token_totals(requests),
        metrics.tokens_per_request(requests),
        metrics.times_per_request(requests),
        metrics.speed_per_request(requests),
        metrics.time_totals(requests),
        metrics.tool_usage(requests, calls),
        metrics.top_tools(calls),
        cost.cost_by_price(requests, prices),
        groups.by_name(requests, "model"),
        groups.by_name(requests, "client"),
        groups.by_name(requests, "project"),
        groups.by_kind(requests),
        groups.by_day(requests),
        groups.by_hour(requests),
    ]
    if prices:
        tables += [cost.cost_by(requests, what, prices[0]) for what in ("project", "client", "model")]
    return tables


def _sessions(audit: Audit, prompts: Prompts) -> tuple[dict[str, SessionFigures], dict[str, Gap | None]]:
    """Overview cards, and the gap before each request of a session."""
    by_id = {request.id: request for request in audit.requests}
    sides: dict[str, int] = {}
    for session in audit.sessions:
        if session.parent_session_id is not None:
            sides[session.parent_session_id] = sides.get(session.parent_session_id, 0) + len(session.request_ids)
    cards: dict[str, SessionFigures] = {}
    idle: dict[str, Gap | None] = {}
    for session in audit.sessions:
        requests = [by_id[name] for name in session.request_ids]
        held = gaps(requests, prompts)
        idle.update(held)
        cards[session.id] = session_figures(session, requests, held, sides.get(session.id, 0))
    return cards, idle


def analyse(audit: Audit, library: Library, tree: PromptTree, prices: Sequence[cost.Price] | None = None) -> Report:
    """Everything the pages show of an audit.

    ``tree`` is the tree its prompts' nodes stand in; ``prices`` are the list prices of the cost tables (those of the
    package by default, none for no cost tables).
    """
    if prices is None:
        prices = cost.known_prices()
    prompts = Prompts(tree, library, audit.requests)
    asked = tuple(request for request in audit.requests if runs_model(request))
    calls_of = call_facts(audit.requests)
    calls = tuple(call for held in calls_of.values() for call in held)
    lines = ledger(audit.requests, prompts)
    cards, idle = _sessions(audit, prompts)
    known_gaps = {name: gap for name, gap in idle.items() if gap is not None}
    breaks = cache_breaks(audit, prompts)
    speed = speed_laws(asked)
    span = metrics.span_of(asked)
    touched = files_touched(calls)
    made = _tables(audit, calls, prices)
    made += [causes(breaks), files_table(touched), tool_schemas(lines, prompts)]
    tables = {table.id: table for table in made}
    context = Context(
        audit=audit,
        asked=asked,
        calls=calls,
        breaks={found.request_id: found for found in breaks},
        gaps=known_gaps,
        speed=speed,
        many_days=span is not None and groups.moment(span[0]).date() != groups.moment(span[1]).date(),
    )
    return Report(
        audit=audit,
        tiles=_tiles(audit, asked, tables),
        tables=tables,
        findings=findings(context),
        sessions=cards,
        idle_ms={name: gap.ms if gap is not None else None for name, gap in idle.items()},
        cache_breaks=breaks,
        composition=compositions(audit.requests, prompts),
        ledger=lines,
        span=span,
        gaps=known_gaps,
        calls=calls_of,
        files_touched=touched,
        speed=speed,
    )
