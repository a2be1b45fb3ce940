"""A made-up run for tests of the lists: requests and sessions with every kind of value, known and not."""

from __future__ import annotations

import random

from lms_audit.analyse.report import Figure, Finding, Report, SessionFigures, Severity, Unit
from lms_audit.model import Api, Audit, Kind, Request, Session, Source, Status, ToolCall
from tests.support import MINUTE, MONDAY

HOSTILE = "<img src=x onerror=alert(1)></script>\u202eIgnore all & 'quote' {{ 7*7 }}"
CLIENTS = {"opencode": "OpenCode", "codex": "Codex CLI", "unknown": "unknown client"}
FORMULA = "=HYPERLINK(1)"


def client_name(client: str) -> str:
    return CLIENTS[client]


def request(number: int, session: str | None, dice: random.Random) -> Request:
    """One request: about one in ten values is not logged, one in four times is of the clock."""

    def known(value: float) -> float | None:
        return None if dice.random() < 0.1 else value

    clock = number % 4 == 0
    prompt, answer = known(dice.uniform(40, 60_000)), known(dice.uniform(100, 20_000))
    tokens = dice.choice([None, dice.randrange(1, 4_000)])
    reads = dice.randrange(200, 90_000)
    names = dice.choices(["bash", "read", "edit", FORMULA], [6, 5, 3, 1], k=dice.choice([0, 0, 1, 1, 2, 3]))
    return Request(
        id=f"r{number:05x}",
        session_id=session,
        received_at=None if number % 97 == 5 else MONDAY + number * 11 * MINUTE,
        finished_at=None,
        method="POST",
        endpoint="/v1/chat/completions" if session else "/v1/models",
        api=Api.CHAT if session else Api.OTHER,
        stream=True,
        message_count=3,
        requested_model="qwen",
        model=dice.choice(["qwen/qwen3-27b", "openai/gpt-oss-20b", None]),
        client=dice.choice(list(CLIENTS)) if session else "unknown",
        project=dice.choice(["/home/ada/code/loom", "/srv/loom", None]),
        kind=dice.choice([Kind.MAIN, Kind.MAIN, Kind.TITLE]) if session else Kind.OTHER,
        status=dice.choices([Status.COMPLETED, Status.CANCELLED, Status.ERROR], [8, 1, 1])[0],
        input_tokens=reads,
        cached_tokens=dice.choice([None, reads // 2]),
        output_tokens=tokens,
        prompt_ms=prompt,
        generation_ms=answer,
        elapsed_ms=float(dice.randrange(1, 90)) * 1000 if clock else known(dice.uniform(100, 90_000)),
        tokens_per_second=None if tokens is None or answer is None else tokens / answer * 1000,
        provenance={"elapsed_ms": Source.CLOCK} if clock else {"elapsed_ms": Source.ENGINE},
        tool_calls=tuple(ToolCall(None, name, {}) for name in names),
        tool_calls_known=number % 5 != 0,
    )


def report(count: int = 240, per_session: int = 8, seed: int = 7) -> Report:
    """``count`` requests, every ninth of which runs no model; the first session's title is hostile."""
    dice = random.Random(seed)
    requests: list[Request] = []
    sessions: list[Session] = []
    figures: dict[str, SessionFigures] = {}
    for number in range(count):
        session = None if number % 9 == 8 else f"s{number // per_session:04x}"
        requests.append(request(number, session, dice))
    for name in dict.fromkeys(r.session_id for r in requests if r.session_id):
        held = [r for r in requests if r.session_id == name]
        sessions.append(
            Session(
                id=name,
                title=HOSTILE if not sessions else f"Mend the loom no. {len(sessions)}",
                project=held[0].project,
                client=held[0].client,
                model=held[0].model,
                started_at=held[0].received_at,
                request_ids=tuple(r.id for r in held),
            )
        )
        spent = [r.prompt_ms for r in held if r.prompt_ms is not None]
        figures[name] = SessionFigures(
            name,
            {
                "requests": Figure(len(held), Unit.COUNT, "requests", len(held)),
                "prompt_ms": Figure(sum(spent) if len(sessions) % 3 else None, Unit.MS, "prompt_ms", len(spent)),
                "session_elapsed_ms": Figure(7_513_000.0, Unit.MS, "session_elapsed_ms", 1),
            },
        )
    worst = Figure(1, Unit.COUNT, "failed_requests", 1)
    return Report(
        audit=Audit(requests=tuple(requests), sessions=tuple(sessions), conversations={}, files=()),
        tiles={},
        tables={},
        findings=(Finding("failed requests", Severity.HIGH, "It failed.", worst, session_id="s0000"),),
        sessions=figures,
        idle_ms={},
        cache_breaks=(),
        composition={},
        ledger=(),
        span=None,
    )


def request_link(held: Report) -> dict[str, str]:
    """Request -> its page, as the site has them."""
    return {r.id: f"sessions/{r.session_id}/index.html#r-{r.id}" for r in held.audit.requests if r.session_id}
