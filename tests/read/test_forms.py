"""One log, written in every form and with every setting LM Studio has, says the same as far as it says anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lms_audit.read.payload import MARK_TEXT
from tests import logtext
from tests.logtext import Facts, Records, facts

FEW = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
HEAD = re.compile(rb"\[(?P<at>[^\]]+)\]\[(?P<level>[A-Z]+)\] ?")


def ui_next_line(part: bytes) -> bytes:
    """The Developer Logs panel since mid 2025: the text stands on the next line, indented by one."""
    head = HEAD.match(part)
    assert head is not None
    blanks = b"  " if head["level"] in (b"INFO", b"WARN") else b" "
    text = part[head.end() :].replace(b"with body {", b"with body  {").replace(b"prediction: {", b"prediction:  {")
    return head["at"] + blanks + b"[" + head["level"] + b"]\n " + text.replace(b"calls: []", b"calls:  []")


def ui_one_line(part: bytes) -> bytes:
    head = HEAD.match(part)
    assert head is not None
    return head["at"] + b"  [" + head["level"] + b"] " + part[head.end() :]


def v02(part: bytes) -> bytes:
    return HEAD.sub(lambda head: b"[" + head["at"] + b".000] [" + head["level"] + b"] ", part, count=1)


def daemon(part: bytes) -> bytes:
    """A daemon's stdout: two blanks before a payload."""
    return part.replace(b"with body {", b"with body  {").replace(b"prediction: {", b"prediction:  {")


def windows(part: bytes) -> bytes:
    return part.replace(b"\n", b"\r\n")


def coloured(part: bytes) -> bytes:
    return HEAD.sub(lambda head: b"\x1b[90m" + head[0].rstrip() + b"\x1b[39m" + b" " * head[0].endswith(b" "), part, 1)


def log_stream(part: bytes) -> bytes:
    """A line of ``lms log stream -s server --json``, two hours west of Greenwich."""
    head = HEAD.match(part)
    assert head is not None
    clock = sum(int(digits) * unit for digits, unit in zip(head["at"][11:].split(b":"), (3600, 60, 1), strict=True))
    data = {"type": "server.log", "content": part.decode(), "level": head["level"].decode().lower()}
    stamp = (logtext.EPOCH - 36_000 + 7200 + clock) * 1000
    return json.dumps({"timestamp": stamp, "data": data}, separators=(",", ":")).encode() + b"\n"


def comparable(found: list[Facts], *without: str) -> list[Facts]:
    kept = [{name: value for name, value in one.items() if name not in without} for one in found]
    for one in kept:
        if one.get("prompt") is not None:
            one["prompt"] = {**one["prompt"], "size": None}
    return kept


def read(log: Records) -> list[Facts]:
    return facts(logtext.read(b"".join(log)))


@pytest.mark.parametrize(
    ("write", "without"),
    [
        (ui_next_line, ()),
        (ui_one_line, ()),
        (v02, ("precise",)),
        (daemon, ()),
        (windows, ()),
        (coloured, ()),
        (log_stream, ("precise",)),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
@FEW
@given(log=logtext.logs())
def test_every_form_says_the_same(write: Callable[[bytes], bytes], without: tuple[str, ...], log: Records) -> None:
    other = read([write(part) for part in log])
    assert comparable(other, *without) == comparable(read(log), *without)


@FEW
@given(log=logtext.logs())
def test_every_form_is_accounted_for_alike(log: Records) -> None:
    (plain,) = logtext.read(b"".join(log)).files
    for write in (ui_next_line, ui_one_line, v02, daemon, windows, coloured, log_stream):
        (other,) = logtext.read(b"".join(write(part) for part in log)).files
        assert {name: tally.records for name, tally in other.kinds.items()} == {
            name: tally.records for name, tally in plain.kinds.items()
        }, write.__name__
        assert other.first_at == plain.first_at
        assert other.last_at == plain.last_at


# --- settings: less in the log is less known, never something else

PAYLOAD = re.compile(rb"(with body |prediction: |tool calls: |packet: )[{\[].*", re.DOTALL)


def redacted(part: bytes) -> bytes:
    return PAYLOAD.sub(rb"\1[Sensitive]\n", part)


@FEW
@given(log=logtext.logs())
def test_redaction_takes_values_away_and_changes_none(log: Records) -> None:
    plain, other = read(log), read([redacted(part) for part in log])
    assert [one["status"] for one in other] == [one["status"] for one in plain]
    for before, after in zip(plain, other, strict=True):
        assert_only_less(
            before, after, ("redacted", "provenance", "evidence", "tool_calls", "response_source", "stream")
        )
        assert after["prompt"] is None
        assert after["response_text"] is None


def assert_only_less(before: Facts, after: Facts, without: tuple[str, ...]) -> None:
    for name, value in after.items():
        if name not in without and value not in (None, (), [], False):
            assert value == before[name], name


def shortened(part: bytes) -> bytes:
    """Strings longer than 120 as the default setting writes them, in request bodies."""
    if b"with body {" not in part:
        return part
    head, _, body = part.partition(b"with body ")

    def short(value: Any) -> Any:
        if isinstance(value, str):
            return value if len(value) <= 120 else f"{value[:50]}... {MARK_TEXT} ...{value[-50:]}"
        if isinstance(value, list):
            return [short(each) for each in value]
        return {name: short(each) for name, each in value.items()} if isinstance(value, dict) else value

    return head + b"with body " + logtext.printed(short(json.loads(body))).encode() + b"\n"


@FEW
@given(log=logtext.logs())
def test_shortened_bodies_change_nothing_but_the_prompt(log: Records) -> None:
    long = [part.replace(b"You know all about", b"You know " + b"nearly " * 30 + b"all about") for part in log]
    before, after = read(long), read([shortened(part) for part in long])
    assert comparable(after, "prompt", "truncated_by_log") == comparable(before, "prompt", "truncated_by_log")
    for one in after:
        if one["prompt"] is not None and one["api"] == "openai.chat":
            assert one["truncated_by_log"] is True


@FEW
@given(log=logtext.logs())
def test_without_verbose_logging_the_requests_are_the_same_and_less_is_known(log: Records) -> None:
    quiet = [part for part in log if b"][DEBUG]" not in part[:40]]
    plain = [one for one in read(log) if one["api"] != "other"]
    other = read(quiet) if quiet else []
    assert [one["status"] for one in other] == [one["status"] for one in plain]
    for before, after in zip(plain, other, strict=True):
        loose = ("provenance", "evidence", "received_at", "elapsed_ms", "ttft_ms", "tokens_per_second", "prompt_ms")
        assert_only_less(before, after, (*loose, "generation_ms", "queue_ms"))
        assert after["requested_model"] is None
        assert after["endpoint"] is None


@FEW
@given(log=logtext.logs())
def test_without_packets_a_streamed_answer_is_unknown_and_its_end_is_not(log: Records) -> None:
    silent = [part for part in log if b"Generated packet" not in part]
    before, after = read(log), read(silent)
    assert [one["status"] for one in after] == [one["status"] for one in before]
    for one in after:
        if one["stream"]:
            assert one["response_text"] is None
            assert one["finish_reason"] is None
            assert one["tool_calls_known"] is False
