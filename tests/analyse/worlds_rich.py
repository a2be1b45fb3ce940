"""One audit in which every rule and every table has something to say."""

from __future__ import annotations

from typing import Any

from lms_audit.model import (
    Api,
    Class,
    FileHealth,
    Kind,
    LineRange,
    LogSettings,
    ModelLoad,
    Problem,
    Source,
    Status,
    Tally,
)
from tests.analyse.worlds import Log, made
from tests.support import MINUTE, MONDAY, SECOND, assistant, call, result, system, user

RULES = "Follow the rules of the house. " * 60
OFFERS = [
    {"type": "function", "function": {"name": name, "description": "does " + name, "parameters": {"type": "object"}}}
    for name in ("bash", "read")
]


class Rich(Log):
    """Adds the parts of an audit that are not requests."""

    def more(self) -> dict[str, Any]:
        where = LineRange("2026-02/2026-02-02.1.log", 1, 3)
        damaged = LineRange("2026-02/2026-02-02.1.log", 9000, 9004)
        return {
            "files": (
                FileHealth(
                    "2026-02/2026-02-02.1.log",
                    10_000,
                    400,
                    MONDAY,
                    MONDAY,
                    {
                        Class.UNDERSTOOD: Tally(80, 8000),
                        Class.NOISE: Tally(5, 1000),
                        Class.UNKNOWN: Tally(2, 400),
                        Class.DAMAGED: Tally(1, 600),
                    },
                    {},
                    unknown_examples=(Problem("unknown line", "what is this", where),),
                    problems=(Problem("cut body", "the body ends too early", damaged),),
                ),
                FileHealth("main.log", 5, 1, None, None, {}, {}, refused="not a server log: Electron's main.log"),
            ),
            "settings": LogSettings(verbose=False, full_bodies=False, incoming_tokens=False, redacted=True),
            "unbound_engine_tasks": 2,
            "mismatches": (Problem("mismatch", "text differs", where),),
            "model_loads": tuple(
                ModelLoad(MONDAY + hour * MINUTE, loaded, "qwen", None if loaded else "idle too long", where)
                for hour, loaded in enumerate((True, False, True, False, True))
            ),
        }


def rich() -> Rich:
    """A working session with a changed date, tools that fail and repeat, slow, failed and cancelled requests."""
    log = Rich()
    talk = [system(f"Today: Tue Nov 11 2025. {RULES}"), user("mend the build")]
    for turn in range(12):
        bad = turn % 2 == 0
        log.ask(
            talk,
            offers=OFFERS,
            project="/home/me/shop",
            input_tokens=2000 + 100 * turn,
            cached_tokens=1500 + 100 * turn,
            evaluated_tokens=500,
            output_tokens=100,
            reasoning_tokens=40,
            prompt_ms=500.0,
            generation_ms=2000.0 if turn != 11 else 20_000.0,
            tokens_per_second=50.0 if turn != 11 else 5.0,
            ttft_ms=600.0,
            queue_ms=10.0,
            thinking_ms=800.0,
            elapsed_ms=2500.0,
            draft_accepted=30,
            draft_generated=60,
            context_length=3400,
            tool_calls=(
                made("bash", {"command": "make test"}, "Exit code: 2\nno rule" if bad else "Exit code: 0\nfine"),
                made("read", {"path": "src/a.py"}, "print(1)"),
                made("bash", "{broken", malformed=True),
            ),
            tool_calls_known=True,
            response_text="done",
        )
        talk = [*talk, assistant("", call(f"c{turn}", "bash", command="make test")), result(f"c{turn}", "no rule" * 9)]
    log.ask(
        [system(f"Today: Wed Nov 12 2025. {RULES}"), *talk[1:]],
        after=2 * MINUTE,
        takes=97 * SECOND,
        offers=OFFERS,
        project="/home/me/shop",
        input_tokens=48_213,
        cached_tokens=0,
        evaluated_tokens=48_213,
        output_tokens=50,
        prompt_ms=94_100.0,
        generation_ms=1000.0,
        tokens_per_second=50.0,
        elapsed_ms=97_000.0,
        finish_reason="length",
    )
    log.ask([user("name it")], session_id="side", kind=Kind.TITLE, stream=False, truncated_by_log=True)
    log.parents["side"] = "s1"
    log.ask(
        [user("another")], session_id="s2", status=Status.ERROR, errors=("The model has crashed",), elapsed_ms=900.0
    )
    log.ask(None, session_id="s3", status=Status.CANCELLED, elapsed_ms=300_000.0, client="unknown", model=None)
    log.ask(None, session_id="s4", status=Status.CANCELLED, elapsed_ms=300_500.0, candidates=("r1",), redacted=True)
    log.ask(None, session_id="s5", status=Status.INCOMPLETE)
    log.ask(None, session_id="s6", api=Api.EMBEDDINGS, kind=Kind.EMBEDDING, input_tokens=12)
    log.ask(None, session_id="s7", prompt_ms=2000.0, provenance={"prompt_ms": Source.CLOCK})
    log.list_models()
    return log
