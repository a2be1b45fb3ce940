"""The engine behind a model: slots, what each has cached, how long reading and writing takes, and the lines it logs.

Four dialects: ``subprocess`` (llama-server as a child process, mid 2026 on), ``llamav4`` (early 2026), ``inprocess`` (0.3:
one request at a time, no ids) and ``mlx`` (no timing lines at all). Speeds fall with the depth of the context and with the number of requests at work, so that figures made
from the log have a shape worth drawing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from synthetic.clock import Clock, Future

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from synthetic.clock import Process
    from synthetic.jsonlike import Item

Dialect = Literal["subprocess", "llamav4", "inprocess", "mlx"]

FRAME_TOKENS = 12
"""What the chat template adds around the messages."""
BATCH = 2048


@dataclass(frozen=True, slots=True)
class Speed:
    """Reading and writing of a model at an empty context, and the depth at which each has halved."""

    read_per_s: float
    write_per_s: float
    read_half_at: float = 120_000
    write_half_at: float = 90_000

    def read_ms(self, cached: int, total: int) -> float:
        """Time to read a prompt from ``cached`` to ``total`` tokens."""
        area = (total - cached) + (total**2 - cached**2) / (2 * self.read_half_at)
        return 1000 * area / self.read_per_s

    def write_ms(self, depth: int, tokens: int) -> float:
        """Time to write ``tokens`` after ``depth`` tokens."""
        return 1000 * tokens * (1 + (depth + tokens / 2) / self.write_half_at) / self.write_per_s


@dataclass(frozen=True, slots=True)
class Model:
    """A model as LM Studio serves it. ``name`` is the tag of its lines."""

    name: str
    speed: Speed
    dialect: Dialect = "subprocess"
    context: int = 262_144
    slots: int = 4
    load_ms: float = 6000


@dataclass(slots=True)
class Slot:
    """One of the places where an engine keeps a conversation."""

    number: int
    busy: bool = False
    cache: list[Item] = field(default_factory=list)
    answer: object = None
    """The answer written after ``cache``, where the next prompt can repeat it word for word."""
    tokens: int = 0
    used_ms: float = -1.0


@dataclass(frozen=True, slots=True)
class Work:
    """A request on its slot: what has to be read, and how long it takes."""

    slot: Slot
    task: int
    total: int
    cached: int
    prompt_ms: float
    lcp: bool
    """The slot was chosen for what it has cached."""
    similarity: float
    kept: float


class Engine:
    """One loaded model. Task ids count from 0 per load; requests beyond the slots wait in order of arrival."""

    def __init__(self, clock: Clock, model: Model, rng: random.Random, emit: Callable[[bytes, bytes], None]) -> None:
        self.clock = clock
        self.model = model
        self.rng = rng
        self.emit = emit
        self.started_ms = clock.now
        self.slots = [Slot(number) for number in range(1 if model.dialect == "inprocess" else model.slots)]
        self.waiting: deque[Future[None]] = deque()
        self.ready: Future[None] = Future()
        self.graphs = 0
        self._task = 0

    def loading(self) -> Process[None]:
        """Loads the model; whoever wants it waits for ``ready``."""
        name, where = self.model.name, "/Users/mika/.lmstudio/models/"
        if self.model.dialect == "mlx":
            self.emit(b"DEBUG", f"[model_kit][INFO]: Loading model from {where}{name}...".encode())
            yield self.model.load_ms
            self.emit(b"DEBUG", b"[model_kit][INFO]: Model loaded successfully")
        else:
            self.debug(f"I srv    load_model: loading model '{where}{name}.gguf'")
            yield self.model.load_ms
            context = f"n_slots = {self.model.slots}, n_ctx_slot = {self.model.context}, kv_unified = 'true'"
            self.debug(f"I srv    load_model: initializing, {context}")
            yield 180
            self.debug("I srv  llama_server: model loaded")
        self.ready.set(None)

    # --- slots ------------------------------------------------------------------------------------------------------

    @property
    def active(self) -> int:
        return sum(slot.busy for slot in self.slots)

    def free(self) -> Future[None] | None:
        """``None`` when a slot is free now, else what to wait for."""
        if any(not slot.busy for slot in self.slots):
            return None
        turn: Future[None] = Future()
        self.waiting.append(turn)
        return turn

    def pass_on(self) -> None:
        """Whose turn it was does not want it any more."""
        if self.waiting:
            self.waiting.popleft().set(None)

    def launch(self, prompt: Sequence[Item]) -> Work:
        """Takes the slot that has most of the prompt, else the one unused for longest."""
        total = FRAME_TOKENS + sum(item.tokens for item in prompt)
        free = [slot for slot in self.slots if not slot.busy]
        best = max(free, key=lambda slot: (common_tokens(slot, prompt), -slot.number))
        shared = common_tokens(best, prompt)
        similarity = shared / total
        by_prefix = similarity > 0.1
        slot = best if by_prefix else min(free, key=lambda slot: (slot.used_ms, -slot.number))
        shared = shared if by_prefix else common_tokens(slot, prompt)
        kept = shared / slot.tokens if slot.tokens else 1.0
        # The last token is always read again: the engine needs its logits.
        cached = min(shared + FRAME_TOKENS // 2, total - 1) if shared else 0
        slot.busy = True
        crowd = 1 + 0.7 * (self.active - 1)
        ms = self.model.speed.read_ms(cached, total) * crowd * self.rng.uniform(0.97, 1.03) + self.rng.uniform(25, 60)
        task = self._task
        self._task += 1
        slot.cache, slot.tokens, slot.answer = list(prompt), total, None
        return Work(slot, task, total, cached, ms, by_prefix, similarity, min(kept, 1.0))

    def write_ms(self, work: Work, tokens: int) -> float:
        """How long the answer takes with what else is going on."""
        crowd = 1 + 0.45 * (self.active - 1)
        return self.model.speed.write_ms(work.total, tokens) * crowd * self.rng.uniform(0.96, 1.04)

    def release(self, work: Work, written: int, answer: object = None) -> None:
        """The slot keeps prompt and answer; the next in the queue may go."""
        work.slot.busy = False
        work.slot.answer = answer
        work.slot.tokens = work.total + max(written - 1, 0)
        work.slot.used_ms = self.clock.now
        # An engine counts a task per step of its loop, so ids have gaps as long as the answers.
        self._task += max(written, 1) + self.rng.randrange(1, 4)
        if self.waiting:
            self.waiting.popleft().set(None)

    # --- lines ------------------------------------------------------------------------------------------------------

    def debug(self, *lines: str) -> None:
        """A record of engine lines; the subprocess dialect puts its uptime in front of each."""
        if self.model.dialect == "subprocess":
            micros = int((self.clock.now - self.started_ms) * 1000)
            stamped = [f"{uptime(micros + 4 * nth)} {line}" for nth, line in enumerate(lines)]
        else:
            stamped = [line[2:] if line[1] == " " else line for line in lines]
        self.emit(b"DEBUG", "\n".join(stamped).encode())

    def log_launch(self, work: Work) -> None:
        slot, task = work.slot.number, work.task
        if self.model.dialect == "inprocess":
            read = work.total - work.cached
            self.debug(
                "  Sampling params:\trepeat_last_n = 64, repeat_penalty = 1.100",
                f"  Generate: n_ctx = {self.model.context}, n_batch = 512, n_predict = -1, n_keep = {work.total}",
            )
            self.debug(
                f"  Cache reuse summary: {work.cached}/{work.total} of prompt ({100 * work.cached / work.total:g}%), "
                f"{work.cached} prefix, 0 non-prefix",
                f"  Total prompt tokens: {work.total}",
                f"  Prompt tokens to decode: {read}",
                "  BeginProcessingPrompt",
            )
            return
        if self.model.dialect == "mlx":
            cached, uncached = work.cached, work.total - 1 - work.cached
            self.emit(
                b"DEBUG",
                f"[coordinator][INFO]: Prompt cache restore: cached_tokens={cached} uncached_tokens={uncached} "
                f"lifetime_efficiency={100 * cached / (work.total - 1):.1f}%".encode(),
            )
            return
        old = self.model.dialect == "llamav4"
        if old:
            self.debug("I LlamaV4::predict slot selection: session_id=<empty> server-selected (LCP/LRU)")
        best = "sim_best" if old else "f_sim_best"
        chosen = (
            f"LCP similarity, {best} = {work.similarity:.3f} (> 0.100 thold), f_keep = {work.kept:.3f}"
            if work.lcp
            else f"LRU, t_last = {-1 if work.slot.used_ms < 0 else int((work.slot.used_ms - self.started_ms) * 1000)}"
        )
        self.debug(f"I slot get_availabl: id  {slot} | task -1 | selected slot by {chosen}")
        where = "slot update_slots" if old else "slot   operator()"
        lines = [f"I slot launch_slot_: id  {slot} | task {task} | processing task, is_child = 0"]
        lines.append(
            f"I {where}: id  {slot} | task {task} | new prompt, n_ctx_slot = {self.model.context}, n_keep = 0, "
            f"task.n_tokens = {work.total}"
        )
        kept = "n_tokens" if old else "cached n_tokens"
        lines.append(
            f"I {where}: id  {slot} | task {task} | {kept} = {work.cached}, memory_seq_rm [{work.cached}, end)"
        )
        self.debug(*lines)

    def log_reading(self, work: Work, share: float, elapsed_ms: float) -> None:
        """A live line while a long prompt is read."""
        if self.model.dialect == "mlx":
            return
        if self.model.dialect == "inprocess":
            self.debug(f"  PromptProcessing: {100 * share:g}")
            return
        at = work.cached + int((work.total - work.cached) * share)
        slot, task = work.slot.number, work.task
        if self.model.dialect == "llamav4":
            self.debug(
                f"I slot update_slots: id  {slot} | task {task} | prompt processing progress, n_tokens = {at}, "
                f"batch.n_tokens = {BATCH}, progress = {at / work.total:.6f}"
            )
        else:
            rate = 1000 * (at - work.cached) / max(elapsed_ms, 1)
            self.debug(
                f"I slot print_timing: id  {slot} | task {task} | prompt processing, n_tokens = {at:6d}, "
                f"progress = {at / work.total:.2f}, t = {elapsed_ms / 1000:6.2f} s / {rate:.2f} tokens per second"
            )

    def log_writing(self, work: Work, written: int, per_s: float) -> None:
        """A live line while an answer is written (subprocess dialect only)."""
        if self.model.dialect == "subprocess":
            self.debug(
                f"I slot print_timing: id  {work.slot.number} | task {work.task} | n_gen = {written:6d}, "
                f"tg = {per_s:6.2f} t/s, tg_3s = {per_s * 1.01:6.2f} t/s"
            )

    def log_timing(self, work: Work, prompt_ms: float, write_ms: float, written: int) -> None:
        if self.model.dialect == "mlx":
            return
        if self.model.dialect == "inprocess":
            perf, read = "  llama_perf_context_print:", work.total - work.cached
            self.debug(
                "  Target model llama_perf stats:",
                f"{perf}        load time =    4356.80 ms",
                f"{perf} prompt eval time = {prompt_ms:10.2f} ms / {read:5d} tokens ({prompt_ms / read:8.2f} ms per token, "
                f"{1000 * read / prompt_ms:8.2f} tokens per second)",
                f"{perf}        eval time = {write_ms:10.2f} ms / {written + 1:5d} runs   "
                f"({write_ms / (written + 1):8.2f} ms per token, {1000 * (written + 1) / max(write_ms, 0.01):8.2f} tokens per second)",
                f"{perf}       total time = {prompt_ms + write_ms:10.2f} ms / {read + written + 1:5d} tokens",
            )
            return
        slot, task, read = work.slot.number, work.task, work.total - work.cached
        per = write_ms / max(written, 1)
        prompt = (
            f"prompt eval time = {prompt_ms:10.2f} ms / {read:5d} tokens ({prompt_ms / read:8.2f} ms per token, "
            f"{1000 * read / prompt_ms:8.2f} tokens per second)"
        )
        answer = (
            f"       eval time = {write_ms:10.2f} ms / {written:5d} tokens ({per:8.2f} ms per token, "
            f"{1000 / per:8.2f} tokens per second)"
        )
        total = f"      total time = {prompt_ms + write_ms:10.2f} ms / {read + written:5d} tokens"
        head = f"I slot print_timing: id  {slot} | task {task} | "
        if self.model.dialect == "llamav4":
            self.debug(f"{head}\n{prompt}\n{answer}\n{total}")
        else:
            self.graphs += max(written - 4, 0)
            self.debug(head + prompt, head + answer, head + total, head + f"   graphs reused = {self.graphs:10d}")

    def log_release(self, work: Work, written: int) -> None:
        if self.model.dialect in ("mlx", "inprocess"):
            return
        slot, task = work.slot.number, work.task
        self.debug(
            f"I slot      release: id  {slot} | task {task} | stop processing: "
            f"n_tokens = {work.total + max(written - 1, 0)}, truncated = 0"
        )
        if self.active == 1:
            self.debug("I srv  update_slots: all slots are idle")
        if self.model.dialect == "llamav4":
            self.debug(f"I LlamaV4: server assigned slot {slot} to task {task}")


def common_tokens(slot: Slot, prompt: Sequence[Item]) -> int:
    """Tokens at the start of a prompt that a slot holds too; an item that differs counts up to where it does."""
    tokens = 0
    for mine, theirs in zip(slot.cache, prompt, strict=False):
        if mine is not theirs and mine.text != theirs.text:
            same = common_length(mine.text, theirs.text)
            return tokens + int(theirs.tokens * same / max(len(theirs.text), 1))
        tokens += theirs.tokens
    if slot.answer is not None:
        for theirs in prompt[len(slot.cache) :]:
            if theirs.origin is not slot.answer:
                break
            tokens += theirs.tokens
    return tokens


def common_length(one: str, other: str) -> int:
    """Characters two texts share at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def uptime(micros: int) -> str:
    """``M.SS.mmm.uuu`` since the engine was started."""
    seconds, micros = divmod(micros, 1_000_000)
    return f"{seconds // 60}.{seconds % 60:02d}.{micros // 1000:03d}.{micros % 1000:03d}"
