"""Engine lines: what llama.cpp (three dialects), MLX and Splash print while they work.

In: the text of one DEBUG record, which may batch many lines. Out: events, and whether it was engine talk at all.
The only state is the task whose timing block is open, since a block's lines may come in two records.
"""

from __future__ import annotations

import re
from typing import TypedDict

from lms_audit.model import Millis
from lms_audit.read.events import AnyEvent, Failed, ModelChange, PromptCount, PromptStep, Summary, Task, Timing
from lms_audit.read.lines import Place

IDS = r"id\s+(?P<slot>\d{1,12})\s\|\stask\s(?P<task>-?\d{1,12})\s\|\s*"

TASK = re.compile(
    r"(?:slot\s+[\w()]+:\s+" + IDS + r")?(?:"
    # slot launch_slot_: id  3 | task 0 | processing task, is_child = 0
    r"(?P<launch>processing\stask)"
    # slot update_slots: id 0 | task 8 | new prompt, n_ctx_slot = 32768, n_keep = 0, task.n_tokens = 4210
    r"|new\sprompt,(?:\sn_ctx_slot\s=\s(?P<context>\d{1,12}),)?.*?task\.n_tokens\s=\s(?P<prompt>\d{1,12})"
    # slot operator(): id 0 | task 8 | cached n_tokens = 3797, memory_seq_rm [3797, end)      (early 2026: n_tokens = …)
    r"|(?:cached\s)?n_tokens\s=\s(?P<cache>\d{1,12}),\smemory_seq_rm"
    # slot update_slots: id 0 | task 8 | restored context checkpoint (pos_min = 0, … n_past = 3797, …
    r"|restored\scontext\scheckpoint.*?n_past\s=\s(?P<past>\d{1,12})"
    # slot release: id 3 | task 0 | stop processing: n_tokens = 952, truncated = 0
    r"|stop\sprocessing:\sn_(?:tokens|past)\s=\s(?P<release>\d{1,12})"
    r")"
)
# LlamaV4: server assigned slot 3 to task 17
ASSIGNED = re.compile(r"server\sassigned\sslot\s(?P<slot>\d{1,12})\sto\stask\s(?P<task>\d{1,12})")
# srv stop: cancel task, id_task = 17
CANCEL = re.compile(r"cancel\stask,\sid_task\s=\s(?P<task>\d{1,12})")
# srv send_error: task id = 4006, error: request (40960 tokens) exceeds the available context size (32768 tokens), …
TASK_ERROR = re.compile(r"send_error:\stask\sid\s=\s(?P<task>\d{1,12}),\serror:\s(?P<text>.+)")
# 1.31.209.798 I slot print_timing: …   (minutes, seconds, milliseconds, microseconds since the engine was started)
UPTIME = re.compile(r"(?P<minutes>\d{1,7})\.(?P<seconds>\d\d)\.(?P<ms>\d{3})\.\d{3}\x20[A-Z]\x20")
PRINT_TIMING = re.compile(r"slot\s+print_timing:\s+" + IDS)
# srv    load_model: loading model '/models/maker/pot-8b.gguf'
LOADING = re.compile(r"load_model:\sloading\smodel\s'(?P<model>[^']+)'")
# prompt eval time =    2160.85 ms /   132 tokens (   16.37 ms per token,    61.09 tokens per second)
#        eval time =   29868.35 ms /   130 runs   (  229.76 ms per token,     4.35 tokens per second)
TIME = re.compile(
    r"(?P<what>prompt\seval|eval|total)\stime\s=\s*(?P<ms>\d{1,15}(?:\.\d+)?)\sms"
    r"(?:\s/\s*(?P<count>\d{1,12})\s(?P<unit>tokens|runs)(?:\s*\(.*?(?P<rate>\d{1,15}(?:\.\d+)?)\stokens\sper\ssecond)?)?"
)
# draft acceptance = 0.51852 (   84 accepted /   162 generated), mean len = …
DRAFT = re.compile(
    r"draft\sacceptance(?:\srate)?\s=\s[\d.]+\s\(\s*(?P<accepted>\d{1,12})\saccepted\s/\s*(?P<generated>\d{1,12})\sgenerated"
)
# Generate: n_ctx = 4096, n_batch = 512, n_predict = 2048, n_keep = 433
GENERATE = re.compile(r"^Generate:\sn_ctx\s=\s(?P<context>\d{1,12})")
# Cache reuse summary: 60/433 of prompt (13.8568%), 60 prefix, 0 non-prefix
REUSE = re.compile(r"Cache\sreuse\ssummary:\s(?P<cached>\d{1,12})/(?P<total>\d{1,12})\sof\sprompt")
TOTAL = re.compile(r"^Total\sprompt\stokens:\s(?P<total>\d{1,12})")
TO_DECODE = re.compile(r"^Prompt\stokens\sto\sdecode:\s(?P<evaluated>\d{1,12})")
BEGIN = re.compile(r"^BeginProcessingPrompt")
END = re.compile(r"^FinishedProcessingPrompt")
# [cache_wrapper][INFO]: Prompt cache: using 3797/4210 tokens from cache
MLX_USING = re.compile(r"Prompt\scache:\susing\s(?P<cached>\d{1,12})/(?P<total>\d{1,12})\stokens\sfrom\scache")
# [coordinator][INFO]: Prompt cache restore: cached_tokens=3797 uncached_tokens=412 …   (their sum is the prompt - 1)
MLX_RESTORE = re.compile(
    r"Prompt\scache\srestore:\scached_tokens=(?P<cached>\d{1,12})\suncached_tokens=(?P<uncached>\d{1,12})"
)

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
    # 1.31.209.798 I whatever an engine says
    r"\d+\.\d\d\.\d{3}\.\d{3}\x20[A-Z]\x20"
    r"|(?:slot|srv|que|res|cmn|common_\w+|llama_\w+|ggml_\w+|sched_\w+|load_\w+|print_info|init|build|system_info|main|clip_\w+|"
    r"set_\w+|alloc_\w+|graph_\w+|warmup|mtmd\w*|decode\w*|create_\w+|state_\w+|find_\w+|update_\w+|log_\w+)\b"
    r"|LlamaV4|Sampling|Generate:|logits|Looking\sfor|Cache\sreuse|Total\sprompt|Prompt\stokens|BeginProcessing|"
    r"FinishedProcessing|PromptProcessing|Incomplete\sUTF-8|[Tt]arget\smodel|[Dd]raft\smodel|prompt\seval\stime|"
    r"eval\stime|total\stime|graphs\sreused|~?llama|ggml|load_tensors|"
    r"(?:INFO|WARN|WARNING|DEBUG|ERROR)\s\[|unparsed\s|StopIteration)"
)
"""How a record of engine talk starts: recognised and of no further interest."""

TALK_TAGS = frozenset(
    (
        "cache_wrapper",
        "CacheWrapper",
        "coordinator",
        "model_kit",
        "batched_model_kit",
        "vision_model_kit",
        "PaniniRagEngine",
        "LlamaEmbeddingEngine",
        "SamplingSwitch",
    )
)
"""Tags of records that are engine talk whatever they say."""

ROW = 2000
"""Characters of a row that are looked at; an engine's own lines are shorter."""

PERF = re.compile(r"^(?P<which>[Tt]arget|[Dd]raft)\smodel\sllama_perf\sstats")


class Engine:
    """Turns engine records into events; remembers whose timing block is open."""

    def __init__(self) -> None:
        self._open: tuple[int, int] | None = None
        self._start: Millis | None = None
        self._draft = False
        """The block at hand times the draft model, which did not write the answer."""

    def state(self) -> tuple[tuple[int, int] | None, Millis | None, bool]:
        """What is remembered between records, for ``restore``."""
        return self._open, self._start, self._draft

    def restore(self, state: tuple[tuple[int, int] | None, Millis | None, bool]) -> None:
        """Go on where another engine stopped."""
        self._open, self._start, self._draft = state

    def events(self, text: str, at: Millis, line: int) -> tuple[list[AnyEvent], bool]:
        """Events of a record's text that starts at ``line``, and whether it is engine talk."""
        events: list[AnyEvent] = []
        talk = CHATTER.match(text) is not None
        timing: _Block = {}
        first = last = line
        for number, row in enumerate(text.split("\n"), line):
            row = row[:ROW]  # noqa: PLW2901  # the cut row is the row
            head = PRINT_TIMING.search(row) if "print_timing" in row else None
            if head is not None:
                talk = True
                ids = int(head["slot"]), int(head["task"])
                if ids != self._open:
                    if timing:
                        events.append(self._timing(timing, at, first, last))
                    self._open, timing = ids, {}
                self._start = _start(row, at)
            perf = PERF.match(row)
            begins = not timing
            if perf is not None:
                self._draft = perf["which"].lower() == "draft"
                self._open = self._start = None  # an engine without task ids
            elif _time(row, {} if self._draft else timing):
                talk = True
                first, last = (number if begins else first), number
            elif (step := _step(row, at, number)) is not None:
                talk = True
                if timing:
                    events.append(self._timing(timing, at, first, last))
                    timing = {}
                self._open = self._start = None  # a block has no other lines between its own
                events.append(step)
        if timing:
            events.append(self._timing(timing, at, first, last))
        if not talk:
            self._open, self._start, self._draft = None, None, False
        return events, talk

    def _timing(self, timing: _Block, at: Millis, line: int, end_line: int) -> Timing:
        slot, task = self._open or (None, None)
        start = self._start
        return Timing(at=at, line=line, end_line=end_line, slot=slot, task=task, engine_start=start, **timing)


class _Block(TypedDict, total=False):
    """What a timing block has said so far."""

    prompt_ms: float
    prompt_tokens: int | None
    eval_ms: float
    eval_tokens: int | None
    tokens_per_second: float | None
    total_ms: float
    draft_accepted: int
    draft_generated: int


def _start(row: str, at: Millis) -> Millis | None:
    """When the engine was started, where a line tells its uptime."""
    match = UPTIME.match(row)
    if match is None:
        return None
    return at - ((int(match["minutes"]) * 60 + int(match["seconds"])) * 1000 + int(match["ms"]))


def _time(row: str, timing: _Block) -> bool:
    """Adds what a timing line says; whether it was one."""
    match = TIME.search(row) if " time =" in row else None
    if match is not None:
        count = int(match["count"]) if match["count"] else None
        ms = float(match["ms"])
        if match["what"] == "prompt eval":
            timing["prompt_ms"], timing["prompt_tokens"] = ms, count
        elif match["what"] == "eval":
            if match["unit"] == "runs" and count is not None:
                count = max(count - 1, 0)  # 0.3 counts one run more than it gives tokens
            timing["eval_ms"], timing["eval_tokens"] = ms, count
            timing["tokens_per_second"] = float(match["rate"]) if match["rate"] else None
        else:
            timing["total_ms"] = ms
        return True
    draft = DRAFT.search(row) if "acceptance" in row else None
    if draft is not None:
        timing["draft_accepted"], timing["draft_generated"] = int(draft["accepted"]), int(draft["generated"])
    return draft is not None


def _step(row: str, at: Millis, line: int) -> AnyEvent | None:
    where = Place(at=at, line=line, end_line=line)
    if "·" in row and (match := SUMMARY.search(row)) is not None:
        return _summary(match["outcome"], match["rest"], where)
    if "task" in row:
        return _task(row, where)
    if row.startswith("Generate:") and (match := GENERATE.search(row)) is not None:
        return PromptCount(**where, engine="llama", context=int(match["context"]))
    if "load_model" in row and (match := LOADING.search(row)) is not None:
        return ModelChange(**where, loaded=True, model=match["model"])
    return _prompt(row, where) if "rompt" in row else None


def _task(row: str, where: Place) -> AnyEvent | None:
    """A line that names a task."""
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
            context=int(match["context"]) if match["context"] else None,
            engine_start=_start(row, where["at"]),
        )
    if (match := ASSIGNED.search(row)) is not None:
        return Task(**where, step="assigned", slot=int(match["slot"]), task=int(match["task"]))
    if (match := CANCEL.search(row)) is not None:
        start = _start(row, where["at"])
        return Task(**where, step="cancel", slot=None, task=int(match["task"]), engine_start=start)
    if (match := TASK_ERROR.search(row)) is not None:
        return Failed(**where, tag=None, text=match["text"].strip(), task=int(match["task"]))
    return None


def _prompt(row: str, where: Place) -> AnyEvent | None:
    """A line of an engine without tasks."""
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
    return None


def _summary(outcome: str, rest: str, where: Place) -> Summary:
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
