"""Fuzzing of everything between bytes and requests. Run on demand, never by pytest.

    python tests/fuzz_read.py --minutes 10 [--seed 1] [--out FOLDER] [--coverage]

Logs of the golden cases and of simulated scenes are cut, flipped, spliced and sprinkled with what breaks readers. Each
result must read without an exception and in time, whatever the chunks, in one go or in two, in one file or in several,
with every byte accounted for. What fails is written to ``--out`` as it is. ``--coverage`` lets atheris guide the bytes
where it is installed.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generator"))

from lms_audit.correlate.requests import gather
from lms_audit.correlate.values import requests
from lms_audit.model import Request
from lms_audit.read import messages
from lms_audit.read.digest import digest, digest_chunks, resume
from lms_audit.read.events import FileDigest
from lms_audit.read.join import join
from tests import golden_logs
from tests.simulated import Play, Scene

FIRST, SECOND = "2026-03/2026-03-02.1.log", "2026-03/2026-03-02.2.log"
SLOW_S = 3.0

ODD = (
    b"\0" * 40,
    b"\x1b[31m",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n}\n",
    b"\n{\n",
    b'\\ud83d"',
    b"\\udc00",
    b"1e999",
    b"-" * 30,
    b"9" * 400,
    b"[" * 600,
    b'{"a":' * 600,
    b"]}" * 50,
    b'"',
    b"\\",
    b"<Truncated in logs>",
    b"[Sensitive]",
    b"[Hidden]",
    b"\n[2026-03-02 09:00:00][INFO][m] Finished streaming response\n",
    b"\n[2026-03-02 09:00:00][ERROR] \n",
    b"\n2026-03-02 09:00:00 [DEBUG]\n ",
    b"\n[2026-03-02 09:00:00.123] [INFO] ",
    b"\n[2026-02-30 09:00:00][INFO] ",
    b'\n{"timestamp":1772445600000,"data":{"type":"server.log","content":"x"}}\n',
    b"slot print_timing: id  3 | task 0 | ",
    b"prompt eval time = 99999999999999999999 ms / 99999999999999999999 tokens",
    b"task.n_tokens = 99999999999999999999999",
    b"Accumulated 99999999999999999999 tokens  x",
    b"Prompt processing progress: 1000000.0%",
)


def corpus() -> list[bytes]:
    """Golden logs, and one simulated log of each dialect."""
    found = [data for path in golden_logs.cases() for data in golden_logs.load(path).files.values()]
    with tempfile.TemporaryDirectory() as folder:
        for number, scene in enumerate(
            (
                Scene(lanes=3, dialect="subprocess", full=False, tokens=True, cancel_every=4, turns=3),
                Scene(lanes=2, dialect="llamav4", fail_every=3, turns=3),
                Scene(lanes=2, dialect="mlx", in_app=1, turns=3),
            )
        ):
            root = Path(folder) / str(number)
            Play(root, scene)
            found += [path.read_bytes()[:60_000] for path in sorted(root.rglob("*.log"))]
    return found


# --- mutations --------------------------------------------------------------------------------------------------------


def _cut(rng: random.Random, data: bytearray, _: bytes) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(rng: random.Random, data: bytearray, _: bytes) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + int(rng.expovariate(1 / 60))]


def _flip(rng: random.Random, data: bytearray, _: bytes) -> None:
    for _again in range(rng.randrange(1, 5)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _insert(rng: random.Random, data: bytearray, _: bytes) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(ODD)


def _splice(rng: random.Random, data: bytearray, other: bytes) -> None:
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    data[at:at] = other[start : start + int(rng.expovariate(1 / 400))]


def _lines(rng: random.Random, data: bytearray, _: bytes) -> None:
    rows = bytes(data).split(b"\n")
    one, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    match rng.randrange(4):
        case 0:
            rows[one], rows[other] = rows[other], rows[one]
        case 1:
            rows.insert(one, rows[other])
        case 2:
            del rows[one]
        case _:
            rows[one] = rows[one] * rng.randrange(2, 40)
    data[:] = b"\n".join(rows)


def _windows(_rng: random.Random, data: bytearray, _: bytes) -> None:
    data[:] = data.replace(b"\n", b"\r\n")


MUTATIONS: tuple[Callable[[random.Random, bytearray, bytes], None], ...] = (
    _cut, _drop, _drop, _flip, _flip, _flip, _insert, _insert, _insert, _splice, _splice, _lines, _lines, _windows
)  # fmt: skip


def mutated(rng: random.Random, logs: list[bytes]) -> bytes:
    """One of the logs, changed in a few places."""
    data = bytearray(rng.choice(logs))
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if data:
            rng.choice(MUTATIONS)(rng, data, rng.choice(logs))
    return bytes(data)


# --- what must hold ---------------------------------------------------------------------------------------------------


def check(data: bytes, rng: random.Random) -> None:
    """Reads a log in every way there is and compares."""
    whole = digest_chunks([data], FIRST)
    pieces = digest_chunks(iter(split(data, rng)), FIRST)
    assert plain(pieces) == plain(whole), "chunks make a difference"
    for key, raw in whole.items.items():
        messages.message(key, raw)
        messages.tools(raw)
        messages.system_texts(raw)
    found = read(whole)
    for request in found:
        sound(request, whole)
    joined = join([whole])
    recoded = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not recoded:
        assert whole.size == len(data), "size"
        assert sum(tally.bytes for tally in joined.files[0].classes.values()) == len(data), "a byte without a class"
        in_two_goes(data, rng, found)
        in_two_files(data, rng, found)


def split(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """The bytes in a few chunks, some of them empty."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(5)))
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield data[begin:end]


def read(*digests: FileDigest) -> tuple[Request, ...]:
    """The requests of some files."""
    return requests(gather(join(list(digests)).stretches).drafts)


def plain(result: FileDigest) -> Any:
    """A digest without what it cost."""
    return [getattr(result, name) for name in result.__struct_fields__ if name != "work"]


def facts(found: tuple[Request, ...]) -> list[str]:
    """What is told of requests, without where it stands."""
    return [
        repr((one.id, one.status, one.input_tokens, one.response_text, one.errors, one.elapsed_ms)) for one in found
    ]


def in_two_goes(data: bytes, rng: random.Random, found: tuple[Request, ...]) -> None:
    """A file read, and read on when it has grown, gives the same as read at once."""
    at = rng.randrange(len(data) + 1)
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(data[:at])
        before = digest(path, FIRST)
        path.write_bytes(data)
        after = resume(before, path)
    assert after.size == len(data), "size after growth"
    assert facts(read(after)) == facts(found), f"read on from {at}"


def in_two_files(data: bytes, rng: random.Random, found: tuple[Request, ...]) -> None:
    """A log cut by rotation at any byte gives the same requests; ids may change with the marks of repeated records."""
    whole = digest_chunks([data], FIRST)
    problems = {problem.kind for problem in (*whole.problems, *whole.tail_problems)}
    if whole.forms != ("file",) or "impossible date" in problems:
        return  # only such files are rotated; in others, what a prefix means depends on the lines before it
    at = rng.randrange(len(data) + 1)
    if data[at : at + 2] == b"[2" and data[at - 1 : at] != b"\n":  # what is in the middle of a line would begin one
        return
    if data[at : at + 2] in (b"\xff\xfe", b"\xfe\xff"):  # the second file would be read as UTF-16
        return
    one, other = digest_chunks([data[:at]], FIRST), digest_chunks([data[at:]], SECOND)
    if one.tail is None or (other.first_record == b"" and other.head is None):
        return
    if other.head is None and one.tail_events:  # the seam may be taken for a repeated record
        return
    assert facts(read(one, other)) == facts(found), f"rotated at {at}"


def sound(request: Request, result: FileDigest) -> None:
    """A request's values are possible."""
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if isinstance(value, float):
            assert math.isfinite(value), name
            assert value >= 0, name
        if name.endswith("_tokens") and value is not None:
            assert value >= 0, name
    for where in request.source:
        assert 1 <= where.first_line <= where.last_line <= max(result.lines, 1), "lines"


# --- runs -------------------------------------------------------------------------------------------------------------


def run(minutes: float, seed: int, out: Path) -> int:
    """Random mutations for some minutes; the number of failures."""
    logs = corpus()
    failures: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes
    number = 0
    while time.monotonic() < end:
        rng = random.Random(f"{seed}/{number}")
        number += 1
        data = mutated(rng, logs)
        began = time.process_time()
        why = ""
        try:
            check(data, rng)
        except Exception as error:  # noqa: BLE001  # every failure is what we look for
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = re.sub(r"\d+", "N", str(error).partition("\n")[0])[:60]
            why = f"{type(error).__name__}: {told} at {Path(place.filename).name}:{place.lineno}"
        if not why and time.process_time() - began > SLOW_S:
            why = "slow"
        if why:
            failures[why] += 1
            if failures[why] <= 3:
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{seed}-{number - 1}.log").write_bytes(data)
                print(f"{seed}/{number - 1}: {why}", flush=True)
    print(f"{number} logs in {minutes:g} minutes, {sum(failures.values())} failures: {dict(failures)}")
    return sum(failures.values())


def guided(arguments: list[str]) -> None:
    """Bytes that atheris makes, guided by coverage."""
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], lambda data: check(bytes(data), random.Random(0)))
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--coverage", action="store_true", help="guided by atheris; further arguments are libFuzzer's")
    options, rest = parser.parse_known_args()
    if options.coverage:
        guided(rest)
    else:
        sys.exit(1 if run(options.minutes, options.seed, options.out) else 0)


if __name__ == "__main__":
    main()
