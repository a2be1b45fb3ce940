"""Request bodies give the same messages whether read alone, after others, cut or printed some other way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_audit.model import Json, Key
from lms_audit.read.bodies import BodyReader
from lms_audit.read.events import Body, Work
from lms_audit.read.payload import MARK_TEXT, decode, item_key

CUT = f"first words of it ... {MARK_TEXT} ... last words of it"
TEXTS = st.one_of(
    st.sampled_from(
        (
            "",
            "plain",
            '}\n  ]\n}\n"messages": [',
            "\n    },\n    {",
            'a "quoted" \\ back\\\\slash\\"',
            "Grüße, 水, 🫖🏽, \u2028 and \u0000",
            CUT,
            "a much longer text " * 20,
        )
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXTS,
)
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3), max_leaves=6
)
BLOCKS = st.lists(st.fixed_dictionaries({"type": st.sampled_from(("text", "image")), "text": TEXTS}), max_size=2)
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(("system", "user", "assistant")), "content": TEXTS | BLOCKS}),
    st.fixed_dictionaries({"content": TEXTS, "tool_calls": st.lists(VALUES, max_size=2), "role": st.just("assistant")}),
    VALUES,
)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "model": TEXTS,
        "stream": st.booleans(),
        "temperature": st.floats(0, 2),
        "tools": st.lists(st.fixed_dictionaries({"type": st.just("function"), "name": TEXTS}), max_size=2),
        "system": TEXTS | BLOCKS,
        "stream_options": st.dictionaries(TEXTS, st.booleans(), max_size=2),
        "empty": st.sampled_from(({}, [])),
    },
)


def printed(body: Json, *, crlf: bool = False, ascii_only: bool = False, indent: int | None = 2) -> bytes:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    return (text.replace("\n", "\r\n") if crlf else text).encode("utf-8", "surrogatepass")


PRINTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"crlf": st.booleans(), "ascii_only": st.booleans(), "indent": st.sampled_from((2, 2, 2, 4, None))}
)


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[dict[str, Any], bytes]]:
    """Bodies as clients send them: each says all of the one before, mostly; and how it stands in the log."""
    frame = draw(FRAMES)
    history: list[Json] = draw(st.lists(MESSAGES, max_size=4))
    how = draw(PRINTS)
    bodies = []
    for _ in range(draw(st.integers(1, 6))):
        change = draw(st.sampled_from(("append", "append", "append", "edit", "shorten", "new frame", "print", "again")))
        if change == "append":
            history = [*history, *draw(st.lists(MESSAGES, min_size=1, max_size=2))]
        elif change == "edit" and history:
            at = draw(st.integers(0, len(history) - 1))
            history = [*history[:at], draw(MESSAGES), *history[at + 1 :]]
        elif change == "shorten":
            history = history[: draw(st.integers(0, len(history)))]
        elif change == "new frame":
            frame = draw(FRAMES)
        elif change == "print":
            how = draw(PRINTS)
        members = [*frame.items(), ("messages", history)]
        if draw(st.booleans()):
            members = draw(st.permutations(members))
        body = dict(members)
        bodies.append((body, printed(body, **how)))
    return bodies


class Bodies:
    """Reads bodies and tells what each says, whatever earlier ones it refers to."""

    def __init__(self) -> None:
        self.items: dict[Key, bytes] = {}
        self.work = Work()
        self.reader = BodyReader(self.items, self.work)
        self.keys: list[tuple[Key, ...]] = []

    def read(self, data: bytes) -> tuple[Body, tuple[Key, ...]]:
        body, _ = self.reader.read(data)
        kept = self.keys[body.base][: body.keep] if body.base is not None else ()
        assert len(kept) == body.keep
        keys = (*kept, *body.fresh)
        self.keys.append(keys)
        assert all(key in self.items for key in keys)
        return body, keys

    def said(self, data: bytes) -> tuple[object, ...]:
        body, keys = self.read(data)
        return (
            keys,
            body.model,
            body.stream,
            body.list_name,
            body.system,
            body.tools,
            body.params,
            body.order,
            body.complete,
            body.truncated,
            body.media,
            body.size,
        )


def alone(data: bytes) -> tuple[object, ...]:
    return Bodies().said(data)


def body_count(said: tuple[object, ...]) -> int:
    keys = said[0]
    assert isinstance(keys, tuple)
    return len(keys)


def keys_of(messages: list[Json]) -> tuple[Key, ...]:
    return tuple(item_key(message) for message in messages)


def talk(turns: int, *, words: int = 40) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": "Be brief."}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Question {turn}: " + "why so " * words})
        messages.append({"role": "assistant", "content": f"Answer {turn}: " + "because " * words})
    return messages


# --- whole bodies


@settings(deadline=None, max_examples=80)
@given(bodies=conversations())
def test_a_body_read_after_others_says_what_it_says_alone(bodies: list[tuple[dict[str, Any], bytes]]) -> None:
    together = Bodies()
    for body, data in bodies:
        said = together.said(data)
        assert said == alone(data)
        assert said[0] == keys_of(body["messages"])
        assert said[7] == tuple(body)
        assert said[8] is True
        assert said[9] is (MARK_TEXT in json.dumps(body, ensure_ascii=False))


@settings(deadline=None, max_examples=25)
@given(bodies=conversations())
def test_every_item_kept_is_the_value_that_was_sent(bodies: list[tuple[dict[str, Any], bytes]]) -> None:
    reader = Bodies()
    for body, data in bodies:
        read, keys = reader.read(data)
        for key, message in zip(keys, body["messages"], strict=True):
            assert item_key(json.loads(reader.items[key])) == item_key(message)
        rest = {name: value for name, value in body.items() if name not in ("messages", "system", "tools")}
        assert read.params == (item_key(rest) if rest else None)
        for found, name in ((read.system, "system"), (read.tools, "tools")):
            assert found == (item_key(body[name]) if name in body else None)


@settings(deadline=None, max_examples=25)
@given(bodies=conversations(), behind=st.sampled_from((b"\n", b"\r\n", b"\n}\n", b"\n\0\0\0", b"\n[noise] {\n}\n")))
def test_what_stands_behind_a_body_is_not_read(bodies: list[tuple[dict[str, Any], bytes]], behind: bytes) -> None:
    together = Bodies()
    for body, data in bodies:
        if b"\n}" not in data:  # on one line nothing tells where it ends
            continue
        end = together.reader.read(data + behind)[1]
        together.keys.append(())
        assert end == len(data)
        assert len(body) > 0


@settings(deadline=None, max_examples=25)
@given(value=VALUES, data=st.data())
def test_a_key_does_not_depend_on_the_order_of_members(value: Json, data: st.DataObject) -> None:
    def shuffled(part: Json) -> Json:
        if isinstance(part, dict):
            names = data.draw(st.permutations(sorted(part)))
            return {name: shuffled(part[name]) for name in names}
        return [shuffled(each) for each in part] if isinstance(part, list) else part

    assert item_key(shuffled(value)) == item_key(value)


@settings(deadline=None, max_examples=25)
@given(value=VALUES)
def test_a_key_does_not_depend_on_spacing_and_escapes(value: Json) -> None:
    spellings = {json.dumps(value), json.dumps(value, indent=3), json.dumps(value, ensure_ascii=False)}
    assert {item_key(decode(text.encode())) for text in spellings} == {item_key(value)}


def test_different_values_have_different_keys() -> None:
    values: list[Json] = [None, False, 0, "", [], {}, "0", "null", [[]], [None], {"": None}, 1, True, "a", ["a"]]
    assert len({item_key(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("one", "other"), [("12", "123"), ("1", "1.5"), ("1", "1e3"), ('"a"', '"ab"'), ("true", "null")]
)
def test_the_last_element_of_a_body_may_go_on_in_the_next(one: str, other: str) -> None:
    reader = Bodies()
    for last in (one, other, one, f"{other},\n    7"):
        data = f'{{\n  "messages": [\n    0,\n    {last}\n  ]\n}}'
        _, keys = reader.read(data.encode())
        assert keys == keys_of(json.loads(data)["messages"])


# --- cut bodies


BODY: dict[str, Any] = {
    "model": "tea/pot",
    "system": [{"type": "text", "text": "Be a teapot."}],
    "messages": [
        {"role": "user", "content": "How full? 🫖 }\n]"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "look"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "half"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}],
    "temperature": 0.25,
    "stream": True,
}


@pytest.mark.parametrize("how", [{}, {"crlf": True}, {"indent": None}, {"indent": 4}, {"ascii_only": True}])
@pytest.mark.parametrize("warm", [False, True])
def test_a_body_cut_at_any_byte_keeps_the_messages_before_the_cut(how: dict[str, Any], warm: bool) -> None:
    data = printed(BODY, **how)
    full = keys_of(BODY["messages"])
    ends = [data.index(mark) + len(mark) for mark in (b']"', b'"look"', b'"half"')]
    reader = Bodies()
    if warm:
        reader.read(data)
    for cut in range(1, len(data)):
        said = reader.said(data[:cut])
        assert said == alone(data[:cut]), cut
        keys: Any = said[0]
        assert said[8] is False, cut
        assert len(keys) <= len(full)
        assert keys[:-1] == full[: len(keys) - 1 if keys else 0], cut
        # Some bytes behind a message's last word its brackets are closed.
        assert sum(end + 60 < cut for end in ends) <= len(keys), cut
        for known, value in ((said[1], "tea/pot"), (said[2], True)):
            assert known in (None, value), cut


@settings(deadline=None, max_examples=25)
@given(bodies=conversations(), cuts=st.lists(st.integers(0, 4000), min_size=1, max_size=4))
def test_a_cut_body_leaves_nothing_behind_in_those_after_it(
    bodies: list[tuple[dict[str, Any], bytes]], cuts: list[int]
) -> None:
    reader = Bodies()
    for body, data in bodies:
        for cut in cuts:
            part = data[: cut % len(data)]
            warm, cold = reader.said(part), alone(part)
            if part.endswith(b'"') and warm != cold:  # a string met before is known to end with its last quote
                assert warm[0] == keys_of(body["messages"][: body_count(warm)])
                assert warm[1:] == cold[1:]
            else:
                assert warm == cold
        said = reader.said(data)
        assert said == alone(data)
        assert said[0] == keys_of(body["messages"])


@settings(deadline=None, max_examples=40)
@given(bodies=conversations(), at=st.integers(0, 4000), byte=st.binary(min_size=1, max_size=1))
def test_a_body_with_a_byte_changed_leaves_nothing_behind_in_those_after_it(
    bodies: list[tuple[dict[str, Any], bytes]], at: int, byte: bytes
) -> None:
    reader = Bodies()
    for body, data in bodies:
        place = at % len(data)
        broken = data[:place] + byte + data[place + 1 :]
        reader.read(broken)
        said = reader.said(data)
        assert said == alone(data)
        assert said[0] == keys_of(body["messages"])


@settings(deadline=None, max_examples=40)
@given(junk=st.lists(st.binary(max_size=30), max_size=4))
def test_any_bytes_are_read_without_an_exception(junk: list[bytes]) -> None:
    reader = Bodies()
    for data in junk:
        reader.read(b"{" + data)
        reader.read(b'{\n  "messages": [\n    ' + data)
    assert reader.said(printed(BODY)) == alone(printed(BODY))


# --- hazards


@pytest.mark.parametrize("name", [b"a\\qb", b"tab\there", b"\xff\xfe"])
def test_what_looks_like_a_name_behind_damage_and_is_none_is_passed_over(name: bytes) -> None:
    reader = BodyReader({}, Work())
    body, _ = reader.read(b'{\n  "model": "teapot"\n!!\n  "' + name + b'": {\n    "x": 1')
    assert (body.model, body.complete) == ("teapot", False)


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "1e400", "-0.0", "1E5"]
)
@pytest.mark.parametrize("layout", ['{{\n  "seed": {0},\n  "messages": []\n}}', '{{"seed":{0},"messages":[]}}'])
def test_numbers_beyond_64_bits_are_kept(number: str, layout: str) -> None:
    reader = Bodies()
    body, _ = reader.read(layout.format(number).encode())
    assert body.complete
    assert body.params is not None
    kept = reader.items[body.params]
    assert float(json.loads(kept)["seed"]) == float(number)
    if number.lstrip("-").isdigit():
        assert number.encode() in kept


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83d\\ud83d", "\\ude00\\ud83d"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(half: str) -> None:
    text = f'{{\n  "messages": [\n    {{\n      "role": "user",\n      "content": "cup {half}"\n    }}\n  ]\n}}'
    reader = Bodies()
    for _ in range(2):
        body, (key,) = reader.read(text.encode())
        assert body.complete
        content = json.loads(reader.items[key])["content"]
        assert content.startswith("cup \ufffd")
        content.encode()


def test_a_whole_surrogate_pair_is_its_character() -> None:
    text = b'{\n  "messages": [\n    "\\ud83e\\uded6 \\\\ud83d"\n  ]\n}'
    reader = Bodies()
    _, (key,) = reader.read(text)
    assert json.loads(reader.items[key]) == "🫖 \\ud83d"


def test_of_a_member_given_twice_one_list_of_messages_is_read() -> None:
    text = b'{\n  "model": "a",\n  "messages": [\n    "one"\n  ],\n  "model": "b",\n  "messages": [\n    "two"\n  ]\n}'
    reader = Bodies()
    first = reader.said(text)
    assert first == reader.said(text) == alone(text)
    assert first[0] in (keys_of(["one"]), keys_of(["two"]))
    assert first[1] in ("a", "b")


@pytest.mark.parametrize("layout", [b'{"messages":[%b,"last"]}', b'{\n  "messages": [\n    %b,\n    "last"\n  ]\n}'])
def test_nesting_ten_thousand_deep_is_read(layout: bytes) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        deep = layout % (opening * 10_000 + b"1" + closing * 10_000)
        reader = Bodies()
        for _ in range(2):
            body, keys = reader.read(deep)
            assert len(keys) == 2
            assert keys[1] == item_key("last")
            assert body.complete
        cut, _ = reader.read(deep[: len(deep) // 2])
        assert not cut.complete


def test_deep_nesting_in_the_printed_form_is_read() -> None:
    depth = 800
    lines = [b" " * (4 + 2 * level) + b"[" for level in range(depth)]
    lines += [b" " * (4 + 2 * level) + b"]" for level in reversed(range(depth))]
    text = b'{\n  "messages": [\n' + b"\n".join(lines) + b',\n    "last"\n  ]\n}'
    reader = Bodies()
    for _ in range(2):
        _, keys = reader.read(text)
        assert keys[1:] == keys_of(["last"])


def test_a_string_of_two_megabytes_is_kept_whole_and_read_once() -> None:
    long = "0123456789abcde\n" * (1 << 17)
    messages: list[Json] = [{"role": "user", "content": long}]
    reader = Bodies()
    _, keys = reader.read(printed({"messages": messages}))
    parsed = reader.work.parsed
    _, more = reader.read(printed({"messages": [*messages, {"role": "assistant", "content": "ok"}]}))
    assert json.loads(reader.items[keys[0]])["content"] == long
    assert more[0] == keys[0]
    assert reader.work.parsed - parsed < 1000


def test_bytes_that_are_not_utf_8_are_replaced_and_reported() -> None:
    reader = Bodies()
    data = printed({"messages": [{"role": "user", "content": "Gr\u00fc\u00dfe"}]}).replace("ß".encode(), b"\xdf")
    body, (key,) = reader.read(data)
    assert reader.reader.mended
    assert body.list_name == "messages"
    assert json.loads(reader.items[key])["content"] == "Grü\ufffde"


@pytest.mark.parametrize(("length", "full"), [(120, False), (121, True)])
def test_a_string_longer_than_lm_studio_leaves_whole_shows_full_bodies(length: int, full: bool) -> None:
    reader = Bodies()
    reader.read(printed({"messages": [{"role": "user", "content": "x" * length}]}))
    assert reader.reader.long_strings is full


# --- cost


def work_of(turns: int) -> Work:
    reader = Bodies()
    messages = talk(turns)
    for end in range(2, len(messages) + 1, 2):
        reader.read(printed({"model": "tea/pot", "messages": messages[:end], "stream": True}))
    return reader.work


def test_twice_the_turns_cost_twice_the_work() -> None:
    one, two = work_of(60), work_of(120)
    assert two.parsed <= 2.2 * one.parsed
    assert two.hashed <= 2.2 * one.hashed


def test_each_turn_costs_its_own_text_only() -> None:
    reader = Bodies()
    messages = talk(50)
    new = len(json.dumps(messages, indent=2))
    for end in range(2, len(messages) + 1, 2):
        reader.read(printed({"messages": messages[:end]}))
    assert reader.work.parsed <= 1.5 * new
    assert reader.work.hashed <= 1.5 * new


def test_conversations_that_alternate_are_read_like_each_alone() -> None:
    reader = Bodies()
    threads = [talk(20, words=10 + number) for number in range(3)]
    for thread in threads:
        thread[0] = {"role": "system", "content": f"You are number {thread[1]['content']}"}
    for end in range(2, 40, 2):
        for thread in threads:
            body, keys = reader.read(printed({"messages": thread[:end]}))
            assert keys == keys_of(list(thread[:end]))
            if end > 2:
                assert body.keep >= end - 3
    assert reader.work.parsed <= 1.5 * sum(len(json.dumps(thread, indent=2)) for thread in threads)


def test_a_conversation_that_comes_back_after_many_others_is_not_parsed_again() -> None:
    reader = Bodies()
    data = printed({"messages": talk(20)})
    _, first = reader.read(data)
    for number in range(2 * BodyReader.KEEP):
        reader.read(printed({"prompt": [f"something else {number}"]}))
    parsed = reader.work.parsed
    _, again = reader.read(data)
    assert again == first
    assert reader.work.parsed == parsed
