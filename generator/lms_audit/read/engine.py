"""Engine lines: what llama.cpp (three dialects), MLX and Splash print into the log while they work.

In: the text of one DEBUG record, which may batch many lines. Out: events, and whether the record was engine talk at all.
The only state is the task whose timing block is open, since a block's lines may come in two records.
"""

from __future__ import annotations

import re

from lms_audit.model import Millis
from lms_audit.read.events import AnyEvent, Failed, PromptCount, PromptStep, Summary, Task, Timing

# 1.31.209.798 I slot print_timing: …   (process uptime and a level letter in front since mid 2026)
UPTIME = r"(?:\d+\.\d\d\.\d{3}\.\d{3}\x20[A-Z]\x20)?"
IDS = r"id\s+(?P<slot>\d+)\s\|\stask\s(?P<task>-?\d+)\s\|\s*"

TASK = re.compile(
    r"(?:slot\s+[\w()]+:\s+" + IDS + r")?(?:"
    # slot launch_slot_: id  3 | task 0 | processing task, is_child = 0
    r"(?P<launch>processing\stask)"
    # slot update_slots: id 0 | task 8 | new prompt, n_ctx_slot = 32768, n_keep = 0, task.n_tokens = 4210
    r"|new\sprompt,.*?task\.n_tokens\s=\s(?P<prompt>\d+)"
    # slot operator(): id 0 | task 8 | cached n_tokens = 3797, memory_seq_rm [3797, end)
    r"|cached\sn_tokens\s=\s(?P<cache>\d+)"
    # slot update_slots: id 0 | task 8 | restored context checkpoint (pos_min = 0, … n_past = 3797, …
    r"|restored\scontext\scheckpoint.*?n_past\s=\s(?P<past>\d+)"
    # slot release: id 3 | task 0 | stop processing: n_tokens = 952, truncated = 0
    r"|stop\sprocessing:\sn_(?:tokens|past)\s=\s(?P<release>\d+)"
    r")"
)
# LlamaV4: server assigned slot 3 to task 17
ASSIGNED = re.compile(r"server\sassigned\sslot\s(?P<slot>\d+)\sto\stask\s(?P<task>\d+)")
# srv stop: cancel task, id_task = 17
CANCEL = re.compile(r"cancel\stask,\sid_task\s=\s(?P<task>\d+)")
# srv send_error: task id = 4006, error: request (40960 tokens) exceeds the available context size (32768 tokens), try increasing it
TASK_ERROR = re.compile(r"send_error:\stask\sid\s=\s(?P<task>\d+),\serror:\s(?P<text>.+)")
PRINT_TIMING = re.compile(r"slot\s+print_timing:\s+" + IDS)
# prompt eval time =    2160.85 ms /   132 tokens (   16.37 ms per token,    61.09 tokens per second)
#        eval time =   29868.35 ms /   130 runs   (  229.76 ms per token,     4.35 tokens per second)
TIME = re.compile(
    r"(?P<what>prompt\seval|eval|total)\stime\s=\s*(?P<ms>\d+(?:\.\d+)?)\sms"
    r"(?:\s/\s*(?P<count>\d+)\s(?P<unit>tokens|runs)(?:\s*\(.*?(?P<rate>\d+(?:\.\d+)?)\stokens\sper\ssecond)?)?"
)
# draft acceptance = 0.51852 (   84 accepted /   162 generated), mean len = …
DRAFT = re.compile(
    r"draft\sacceptance(?:\srate)?\s=\s[\d.]+\s\(\s*(?P<accepted>\d+)\saccepted\s/\s*(?P<generated>\d+)\sgenerated"
)
# Cache reuse summary: 60/433 of prompt (13.8568%), 60 prefix, 0 non-prefix
REUSE = re.compile(r"Cache\sreuse\ssummary:\s(?P<cached>\d+)/(?P<total>\d+)\sof\sprompt")
TOTAL = re.compile(r"^Total\sprompt\stokens:\s(?P<total>\d+)")
TO_DECODE = re.compile(r"^Prompt\stokens\sto\sdecode:\s(?P<evaluated>\d+)")
BEGIN = re.compile(r"^BeginProcessingPrompt")
END = re.compile(r"^FinishedProcessingPrompt")
# [cache_wrapper][INFO]: Prompt cache: using 3797/4210 tokens from cache
MLX_USING = re.compile(r"Prompt\scache:\susing\s(?P<cached>\d+)/(?P<total>\d+)\stokens\sfrom\scache")
# [coordinator][INFO]: Prompt cache restore: cached_tokens=3797 uncached_tokens=412 lifetime_efficiency=87%   (their sum is the prompt - 1)
MLX_RESTORE = re.compile(r"Prompt\scache\srestore:\scached_tokens=(?P<cached>\d+)\suncached_tokens=(?P<uncached>\d+)")

# 14:02:11 Done · input 48,213 · cached 1,024 · output 312 · TTFT 2.1s · 44.0 tok/s
SUMMARY = re.compile(r"^(?:\d\d:\d\d:\d\d\s)?(?P<outcome>Done|Cancelled|Error)\s·\s(?P<rest>.+)$")
SUMMARY_FIELDS = {
    "input": re.compile(r"input\s([\d,]+)"),
    "cached": re.compile(r"cached\s([\d,]+)"),
    "output": re.compile(r"output\s([\d,]+)"),
}
SUMMARY_TTFT = re.compile(r"TTFT\s([\d.,]+)\s?(ms|s)")
SUMMARY_RATE = re.compile(r"([\d.,]+)\stok/s")

CHATTER = re.compile(
    r"^(?:"
    + UPTIME
    + r"(?:slot|srv|que|res|cmn|common_\w+|llama_\w+|ggml_\w+|sched_\w+|load_\w+|print_info|init|build|system_info|main|clip_\w+|set_\w+|"
    r"alloc_\w+|graph_\w+|warmup|mtmd\w*|decode\w*|create_\w+|state_\w+|find_\w+|update_\w+|log_\w+)\b"
    r"|\d+\.\d\d\.\d{3}\.\d{3}\x20[A-Z]\x20"
    r"|LlamaV4|Sampling|Generate:|logits|Looking\sfor|Cache\sreuse|Total\sprompt|Prompt\stokens|BeginProcessing|FinishedProcessing|PromptProcessing|"
    r"Incomplete\sUTF-8|[Tt]arget\smodel|[Dd]raft\smodel|prompt\seval\stime|\s*eval\stime|\s*total\stime|~?llama|ggml|load_tensors|"
    r"(?:INFO|WARN|WARNING|DEBUG|ERROR)\s\[|unparsed\s|StopIteration)"
)
"""How a line of engine talk starts: recognised and of no further interest."""


class Engine:
    """Turns engine records into events; remembers whose timing block is open."""

    def __init__(self) -> None:
        self._open: tuple[int, int] | None = None

    def events(self, text: str, at: Millis, line: int) -> tuple[list[AnyEvent], bool]:
        """Events of a record's text that starts at ``line``, and whether it is engine talk."""
        events: list[AnyEvent] = []
        talk = CHATTER.match(text) is not None
        timing: dict[str, float | int | None] = {}
        first = line
        for number, row in enumerate(text.split("\n"), line):
            head = PRINT_TIMING.search(row)
            if head is not None:
                talk = True
                ids = int(head["slot"]), int(head["task"])
                if ids != self._open:
                    if timing:
                        events.append(self._timing(timing, at, first, number - 1))
                    self._open, timing, first = ids, {}, number
            if _time(row, timing):
                talk = True
            elif (step := _step(row, at, number)) is not None:
                talk = True
                events.append(step)
        if timing:
            events.append(self._timing(timing, at, first, line + text.count("\n")))
        if not talk:
            self._open = None
        return events, talk

    def _timing(self, timing: dict[str, float | int | None], at: Millis, line: int, end_line: int) -> Timing:
        slot, task = self._open or (None, None)
        values = dict(timing)
        return Timing(at=at, line=line, end_line=end_line, slot=slot, task=task, **values)  # type: ignore[arg-type]


def _time(row: str, timing: dict[str, float | int | None]) -> bool:
    """Adds what a timing line says; whether it was one."""
    found = False
    match = TIME.search(row)
    if match is not None:
        found = True
        count = int(match["count"]) if match["count"] else None
        ms = float(match["ms"])
        if match["what"] == "prompt eval":
            timing.update(prompt_ms=ms, prompt_tokens=count)
        elif match["what"] == "eval":
            if match["unit"] == "runs" and count is not None:
                count = max(count - 1, 0)  # 0.3 counts one run more than it gives tokens
            timing.update(
                eval_ms=ms, eval_tokens=count, tokens_per_second=float(match["rate"]) if match["rate"] else None
            )
        else:
            timing.update(total_ms=ms)
    draft = DRAFT.search(row)
    if draft is not None:
        found = True
        timing.update(draft_accepted=int(draft["accepted"]), draft_generated=int(draft["generated"]))
    return found


def _step(row: str, at: Millis, line: int) -> AnyEvent | None:
    where = {"at": at, "line": line, "end_line": line}
    match = TASK.search(row)
    if match is not None and match["task"] is not None:
        step = str(match.lastgroup)
        value = match[step]
        return Task(
            **where,
            step="cache" if step == "past" else step,
            slot=int(match["slot"]),
            task=int(match["task"]),
            tokens=int(value) if value.isdigit() else None,
        )
    if (match := ASSIGNED.search(row)) is not None:
        return Task(**where, step="assigned", slot=int(match["slot"]), task=int(match["task"]))
    if (match := CANCEL.search(row)) is not None:
        return Task(**where, step="cancel", slot=None, task=int(match["task"]))
    if (match := TASK_ERROR.search(row)) is not None:
        return Failed(**where, tag=None, text=match["text"].strip(), task=int(match["task"]))
    if (match := REUSE.search(row)) is not None:
        return PromptCount(**where, engine="llama", total=int(match["total"]), cached=int(match["cached"]))
    if (match := TOTAL.search(row)) is not None:
        return PromptCount(**where, engine="llama", total=int(match["total"]))
    if (match := TO_DECODE.search(row)) is not None:
        return PromptCount(**where, engine="llama", evaluated=int(match["evaluated"]))
    if BEGIN.search(row) is not None:
        return PromptStep(**where, begin=True)
    if END.search(row) is not None:
        return PromptStep(**where, begin=False)
    if (match := MLX_USING.search(row)) is not None:
        return PromptCount(**where, engine="mlx", total=int(match["total"]), cached=int(match["cached"]))
    if (match := MLX_RESTORE.search(row)) is not None:
        cached, uncached = int(match["cached"]), int(match["uncached"])
        return PromptCount(**where, engine="mlx", total=cached + uncached + 1, cached=cached)
    if (match := SUMMARY.search(row)) is not None:
        return _summary(match["outcome"], match["rest"], where)
    return None


def _summary(outcome: str, rest: str, where: dict[str, int]) -> Summary:
    counts = {
        name: int(found[1].replace(",", "")) if (found := pattern.search(rest)) else None
        for name, pattern in SUMMARY_FIELDS.items()
    }
    ttft = SUMMARY_TTFT.search(rest)
    rate = SUMMARY_RATE.search(rest)
    return Summary(
        **where,
        outcome=outcome.lower(),
        input=counts["input"],
        cached=counts["cached"],
        output=counts["output"],
        ttft_ms=_number(ttft[1]) * (1 if ttft[2] == "ms" else 1000) if ttft else None,
        tokens_per_second=_number(rate[1]) if rate else None,
        error=rest.split(" · ", maxsplit=1)[0] if outcome == "Error" else None,
    )


def _number(text: str) -> float:
    return float(text.replace(",", ""))
