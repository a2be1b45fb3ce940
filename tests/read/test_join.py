"""A log that was rotated, wherever that cut it, gives the requests of the whole log."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lms_audit.config import Config
from lms_audit.pipeline import export
from lms_audit.read.join import follows, join
from lms_audit.share.export import Format
from tests import logtext
from tests.logtext import NAME, Facts, Records, digested, facts, record, streamed, timing, whole

PREFIX = 28
"""Bytes of the first record's prefix; a file that is cut inside it has no record at all."""


def requests_of(*files: bytes) -> list[Facts]:
    return facts(logtext.read(*files))


def split(data: bytes, *places: int) -> list[bytes]:
    edges = sorted({0, len(data), *places})
    return [data[begin:end] for begin, end in pairwise(edges)]


def story() -> Records:
    """Requests with all that may be open where a file ends."""
    return [
        *whole(0, 1, chat="chatcmpl-a"),
        *streamed(10, 2, task=3, chat="chatcmpl-b"),
        *logtext.cancelled(30, 3, chat=""),
        *logtext.poll(40),
        *streamed(45, 4, task=9, packets=False, chat=""),
        *whole(60, 1, topic="milk", chat="chatcmpl-c"),
    ]


# --- where the cut is


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(log=logtext.logs(), places=st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_a_log_split_between_records_gives_the_requests_of_the_whole(log: Records, places: list[int]) -> None:
    ends = [sum(len(part) for part in log[:count]) for count in range(1, len(log))] or [0]
    files = split(b"".join(log), *(ends[place % len(ends)] for place in places))
    assert requests_of(*files) == requests_of(b"".join(log))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(log=logtext.logs(), places=st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_log_split_at_any_byte_gives_the_requests_of_the_whole(log: Records, places: list[float]) -> None:
    data = b"".join(log)
    files = split(data, *(PREFIX + int(place * (len(data) - PREFIX)) for place in places))
    assert requests_of(*files) == requests_of(data)


def test_each_cut_of_a_story_gives_its_requests() -> None:
    data = b"".join(story())
    expected = requests_of(data)
    assert [one["status"] for one in expected] == ["completed"] * 2 + ["cancelled"] + ["completed"] * 3
    for place in range(PREFIX, len(data), 53):
        assert requests_of(*split(data, place)) == expected, (place, data[place - 30 : place + 10])


def test_each_cut_inside_a_prefix_gives_the_record_behind_it() -> None:
    log = story()
    data = b"".join(log)
    expected = requests_of(data)
    for count in range(1, len(log)):
        start = len(b"".join(log[:count]))
        cut = start + count % PREFIX
        assert requests_of(*split(data, cut)) == expected, data[cut - 10 : cut + 10]


def test_a_record_over_three_files_is_one_record() -> None:
    log = story()
    data = b"".join(log)
    body = len(b"".join(log[:4])) + 60
    files = split(data, body, body + 90)
    assert len(files) == 3
    assert requests_of(*files) == requests_of(data)
    assert sum(len(file) for file in files) == len(data)


def test_of_a_last_request_only_a_cut_body_is_kept_for_the_next_file() -> None:
    request = logtext.received(0, {"model": logtext.MODEL, "messages": logtext.talk(1)})
    for ending, kept in ((b"", False), (b"\r\n", False), (b"\nand more\n", True)):
        tail = digested(request.rstrip(b"\n") + (ending or b"\n")).tail
        assert tail is not None
        assert (bool(tail.data), tail.closed) == (kept, not kept)
    for cut in (1, 3, 40):
        tail = digested(request[:-cut]).tail
        assert tail is not None
        assert (tail.data, tail.closed) == (request[:-cut], False)


def test_lines_of_a_record_over_files_are_told_file_by_file() -> None:
    log = whole(0, 3, chat="chatcmpl-a")
    data = b"".join(log)
    places = [data.index(b"\n", 200) + 1, data.index(b"\n", 400) + 1]
    files = split(data, *places)
    (one,) = facts(logtext.read(*files), without=("timeline",))
    counts = [file.count(b"\n") for file in files]
    assert [(where["file"], where["first_line"], where["last_line"]) for where in one["source"]] == [
        (NAME.format(number), 1, count) for number, count in enumerate(counts, 1)
    ]


def test_a_timing_block_over_two_files_keeps_its_task() -> None:
    log = streamed(0, 1, task=7, packets=False, chat="")
    head, rows = timing(5, 3, 7, prompt=31, split=True)
    before, behind = b"".join(log[:6]) + head, rows + b"".join(log[-2:])
    (one,) = requests_of(before + behind)
    assert (one["prompt_ms"], one["input_tokens"], one["cached_tokens"]) == (300.0, 41, 10)
    assert requests_of(before, behind) == [one]


def test_packets_over_two_files_are_one_answer() -> None:
    log = streamed(0, 2, task=7, chat="chatcmpl-a")
    first = next(at for at, part in enumerate(log) if b"packet" in part)
    for cut in (first + 1, first + 2):
        (one,) = requests_of(b"".join(log[:cut]), b"".join(log[cut:]))
        assert one["response_text"] == "tea: answer 1"
        assert one["finish_reason"] == "stop"


# --- repeated at the seam


@pytest.mark.parametrize("which", range(18))
def test_a_record_repeated_at_the_seam_counts_once(which: int) -> None:
    log = [part for part in story() if part.count(b"\n") > 1 or b"GET" not in part]
    data = b"".join(log)
    before = b"".join(log[: which + 1])
    assert requests_of(before, log[which] + b"".join(log[which + 1 :])) == requests_of(data)


def test_a_record_repeated_without_its_line_break_counts_once() -> None:
    log = story()
    before = b"".join(log[:4]).rstrip(b"\n")
    assert requests_of(before, b"".join(log[3:])) == requests_of(b"".join(log))


def test_two_polls_of_one_second_are_two() -> None:
    poll = logtext.poll(0)[0]
    assert len(requests_of(poll, poll)) == len(requests_of(poll + poll)) == 2


def test_the_account_of_a_repeated_record_holds_all_bytes() -> None:
    log = whole(0, 1, chat="chatcmpl-a")
    files = [b"".join(log), b"".join(log[-1:]) + record(9, "Server stopped.", None)]
    for data, health in zip(files, logtext.read(*files).files, strict=True):
        assert sum(tally.bytes for tally in health.classes.values()) == len(data)


# --- accounts


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(log=logtext.logs(), places=st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_every_byte_of_every_file_is_accounted_for(log: Records, places: list[float]) -> None:
    data = b"".join(log)
    files = split(data, *(int(place * len(data)) for place in places))
    for part, health in zip(files, logtext.read(*files).files, strict=True):
        assert health.size == len(part)
        assert sum(tally.bytes for tally in health.classes.values()) == len(part)
        assert sum(tally.bytes for tally in health.kinds.values()) == len(part)


def test_a_cut_record_that_is_joined_is_no_problem() -> None:
    data = b"".join(whole(0, 3, chat="chatcmpl-a"))
    files = logtext.read(*split(data, 300)).files
    assert [health.problems for health in files] == [(), ()]


def test_a_cut_record_without_its_other_half_is_one() -> None:
    data = b"".join(whole(0, 3, chat="chatcmpl-a"))
    first, second = split(data, 300)
    assert [problem.kind for problem in logtext.read(first).files[0].problems] == ["cut body"]
    (alone,) = join([digested(second, 2)]).files
    assert [problem.kind for problem in alone.problems] == ["text before the first record"]


# --- which file follows


@pytest.mark.parametrize(
    ("earlier", "later", "answer"),
    [
        ("2026-03/2026-03-04.1.log", "2026-03/2026-03-04.2.log", True),
        ("2026-03/2026-03-04.9.log", "2026-03/2026-03-04.10.log", True),
        ("2026-03/2026-03-04.1.log", "2026-03/2026-03-04.3.log", False),
        ("2026-03/2026-03-04.7.log", "2026-03/2026-03-05.1.log", True),
        ("2026-03/2026-03-31.1.log", "2026-04/2026-04-01.1.log", True),
        ("2026-03/2026-03-04.1.log", "2026-03/2026-03-05.2.log", False),
        ("2026-03/2026-03-05.1.log", "2026-03/2026-03-04.1.log", False),
        ("a/2026-03/2026-03-04.1.log", "b/2026-03/2026-03-04.2.log", False),
        ("one.log", "two.log", False),
    ],
)
def test_a_record_goes_on_only_in_the_file_opened_next(earlier: str, later: str, answer: bool) -> None:
    assert follows(earlier, later) is answer


def test_a_request_over_midnight_and_month_is_one() -> None:
    log = whole(0, 2, chat="chatcmpl-a")
    digests = [
        msgspec.structs.replace(digested(b"".join(part)), name=name)
        for part, name in ((log[:2], "2026-03/2026-03-31.4.log"), (log[2:], "2026-04/2026-04-01.1.log"))
    ]
    (one,) = facts(join(digests))
    assert one["response_text"] == "tea: answer 1"


# --- from disk


def exported(logs: list[Path], out: Path) -> dict[str, bytes]:
    files, _ = export(Config(logs=tuple(logs), out=out), Format.JSONL)
    return {Path(file).name: Path(file).read_bytes() for file in files}


def test_the_order_in_which_files_are_given_changes_nothing(tmp_path: Path) -> None:
    data = b"".join(part for turn in range(12) for part in whole(20 * turn, turn + 1, chat=f"chatcmpl-{turn}"))
    places = [len(data) * part // 12 for part in range(1, 12)]
    logs = []
    for number, part in enumerate(split(data, *places), 1):
        path = tmp_path / "logs" / NAME.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
        logs.append(path)
    assert len(logs) == 12
    expected: Any = exported(logs, tmp_path / "out")
    assert expected["requests.jsonl"].count(b"\n") == 12
    for seed in range(2):
        shuffled = random.Random(seed).sample(logs, len(logs))
        assert exported(shuffled, tmp_path / f"out-{seed}") == expected
