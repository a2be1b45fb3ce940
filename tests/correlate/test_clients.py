"""Telling clients apart: properties over any body, texts that were cut, what a request costs, side requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms_audit.correlate.client_facts import Block, ClientFacts, Params, ToolNames, kept_ends
from lms_audit.correlate.client_match import Matcher, quoted, text_test
from lms_audit.correlate.client_rules import TextTest
from lms_audit.correlate.clients import Clients, Identity, Recognition, Recognizer
from lms_audit.model import Api, Kind, Prompt, Role
from tests.correlate.bodies import FILLER, MARK, Shelf, chat_tools, cut

CLIENTS = Clients.load()
OPENCODE = ["bash", "edit", "glob", "grep", "read", "task", "todowrite", "webfetch", "write"]


def _recognised(body: dict[str, Any], api: Api | None = None) -> Recognition:
    shelf = Shelf()
    return Recognizer(CLIENTS, shelf, shelf.tree).recognise(shelf.prompt(body), api)


# --- any body -------------------------------------------------------------------------------------------------------

_words = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "You are opencode, an interactive CLI tool that helps",
            "You are Claude Code, Anthropic's official CLI for Claude.",
            "<environment_context>\n  <cwd>/srv/x</cwd>",
            "### Task:\nGenerate a concise title",
            "Current working directory: /srv/x",
            "/srv/x/y.py",
            "C:\\Users\\x",
            "user",
            "system",
            "developer",
            f"You are Kilo, {'a' * 38}{MARK}{'b' * 50}",
            '{"device_id":"x","session_id":"3f1c2b4a-1d2e-4f60-8a9b-0c1d2e3f4a5b"}',
        ]
    ),
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)
_message = st.fixed_dictionaries({"role": _words, "content": _values}) | _values
_body = st.dictionaries(
    st.sampled_from(
        [
            "messages",
            "input",
            "prompt",
            "system",
            "instructions",
            "tools",
            "metadata",
            "client_metadata",
            "user",
            "stop",
        ]
    ),
    st.lists(_message, max_size=5) | _values,
)


@settings(max_examples=300, deadline=None)
@given(_body)
def test_any_body_is_answered_the_same_twice(body: dict[str, Any]) -> None:
    first, second = _recognised(body), _recognised(body)
    assert first == second
    assert 0 <= first.identity.confidence < 1
    assert (first.identity.client == "unknown") == (first.identity.confidence == 0)
    assert first.identity.evidence
    # what goes into exports and pages is text that can be written
    json.dumps([first.identity.evidence, first.identity.kind_reason]).encode()
    for line in first.identity.evidence:
        assert line.isprintable()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(max_size=200), max_size=4),
    st.lists(st.text(max_size=20), max_size=6),
    st.dictionaries(_words, _values),
)
def test_any_facts_are_answered(texts: list[str], tools: list[str], params: dict[str, Any]) -> None:
    system = tuple(Block.of(role, text) for text in texts for role in (Role.SYSTEM, Role.DEVELOPER))
    user = tuple(Block.of(Role.USER, text) for text in texts)
    facts = ClientFacts(system, user, user[-1:], ToolNames(tuple(tools)), Params(params, tuple(params)))
    assert CLIENTS.identify(facts) == CLIENTS.identify(facts)


def test_deep_and_huge_values_do_no_harm() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = {"metadata": [deep]}
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "a" * 2_000_000}, {"role": "user", "content": "b" * 2_000_000}],
        "metadata": deep,
        "top_k": 10**400,
    }
    assert _recognised(body).identity.client == "unknown"


# --- texts that LM Studio cut ---------------------------------------------------------------------------------------


def _cut_block(head: str, tail: str = "x" * 50) -> Block:
    return Block.of(Role.SYSTEM, f"{head}{MARK}{tail}")


def _holds(test: TextTest, block: Block) -> bool:
    return text_test(test, "system prompt")(block) is not None


def test_a_cut_text_is_compared_by_its_first_50_units() -> None:
    start = TextTest(starts="You are a helpful assistant that can interact with a computer.")
    assert _holds(start, _cut_block("You are a helpful assistant that can interact with"))
    assert not _holds(start, _cut_block("You are a helpful assistant that can interact well"))


def test_a_character_cut_in_half_does_not_count() -> None:
    value = "You mend the bicycles of the whole village by day"
    assert len(value) == 49
    start = TextTest(starts=value + "\U0001f6b2 and by night")
    assert _holds(start, _cut_block(value + "\ud83d"))
    assert _holds(start, _cut_block(value + "\ufffd"))


def test_units_are_counted_not_characters() -> None:
    assert kept_ends("\U0001f6b2" * 25 + MARK + "x" * 50) is not None
    assert kept_ends("\U0001f6b2" * 50 + MARK + "x" * 50) is None


def test_the_mark_alone_cuts_nothing() -> None:
    assert kept_ends("a short text" + MARK + "and its end") is None
    assert kept_ends("x" * 50 + MARK + "x" * 500) is None


@pytest.mark.parametrize(
    ("test", "head", "tail", "holds"),
    [
        (TextTest(has="in the middle"), "the words in the middle are at the start of this t", "x" * 50, True),
        (TextTest(has="in the middle"), "x" * 50, "y" * 37 + "in the middle", True),
        (TextTest(has="in the middle"), "x" * 43 + "in the ", "middle" + "y" * 44, False),
        (TextTest(finds=r"\d{4}"), "x" * 48 + "12", "34" + "y" * 48, False),
        (TextTest(matches="abc"), "x" * 50, "abc" + "y" * 47, False),
        (TextTest(ends="the very end"), "the very end" + "x" * 38, "y" * 50, False),
        (TextTest(ends="the very end"), "x" * 50, "y" * 37 + "the very end\n", True),
        (
            TextTest(ends="a rather long piece of text whose end is known: the very end"),
            "x" * 50,
            "iece of text whose end is known: the very end"[-50:].rjust(50, "z"),
            False,
        ),
        (
            TextTest(ends="a rather long piece of text whose end is known: the very end"),
            "x" * 50,
            "a rather long piece of text whose end is known: the very end"[-50:],
            True,
        ),
        (TextTest(ends_matches=r"Provider: \w+"), "x" * 50, "y" * 30 + "\nProvider: lmstudio\n", True),
        (TextTest(ends_matches=r"x+"), "x" * 50, "y" * 50, False),
        (TextTest(is_="x" * 50), "x" * 50, "x" * 50, False),
    ],
)
def test_nothing_is_found_across_a_cut(test: TextTest, head: str, tail: str, holds: bool) -> None:
    block = _cut_block(head, tail)
    assert block.cut
    assert _holds(test, block) is holds


def test_a_first_line_ends_where_it_ends() -> None:
    line = TextTest(line="You are Claude Code.")
    assert _holds(line, Block.of(Role.SYSTEM, "You are Claude Code."))
    assert _holds(line, Block.of(Role.SYSTEM, "You are Claude Code.  \nMore."))
    assert not _holds(line, Block.of(Role.SYSTEM, "You are Claude Code. And more."))


def test_a_user_block_is_not_tried_on_rules_for_system_texts() -> None:
    matcher = Matcher(CLIENTS.rules)
    text = "You are Kilo, a highly skilled software engineer"
    assert matcher.block_hits(Block.of(Role.SYSTEM, text))
    assert not matcher.block_hits(Block.of(Role.USER, text))
    assert not matcher.block_hits(Block.of(Role.ASSISTANT, text))


def test_quotes_are_short_and_on_one_line() -> None:
    assert quoted("a\nb\x1b[31m\u202ec") == '"a b [31m c"'
    assert quoted("x" * 500) == f'"{"x" * 50}…"'


# --- what a request costs -------------------------------------------------------------------------------------------


def _session(requests: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are opencode, an interactive CLI tool that helps users. " + FILLER},
        {"role": "user", "content": "Mend the basket."},
    ]
    bodies = []
    for turn in range(requests):
        bodies.append({"model": "m", "messages": list(messages), "tools": chat_tools(OPENCODE), "max_tokens": 32000})
        call = {"id": f"c{turn}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": f"Step {turn}.", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{turn}", "content": f"Result {turn}."})
    return bodies


def test_each_message_of_a_long_session_is_looked_up_a_fixed_number_of_times() -> None:
    shelf = Shelf()
    prompts = [shelf.prompt(body) for body in _session(120)]
    recognizer = Recognizer(CLIENTS, shelf, shelf.tree)
    found = {recognizer.recognise(prompt).identity.client for prompt in prompts}
    assert found == {"opencode"}
    # all once for their roles; once more the system prompt and the first words of the user
    assert len(shelf.read_messages) == 2 + 2 * 119 + 2


def test_a_request_met_before_costs_no_look_at_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    prompts = [shelf.prompt(body) for body in _session(50)]
    recognizer = Recognizer(CLIENTS, shelf, shelf.tree)
    asked: list[ClientFacts] = []

    def identify(facts: ClientFacts) -> Identity:
        asked.append(facts)
        return Identity(client="opencode")

    monkeypatch.setattr(CLIENTS, "identify", identify)
    for prompt in prompts:
        recognizer.recognise(prompt)
    # the first request asks for what the user wrote, the others go on after a tool's answer
    assert len(asked) == 2


def test_edits_of_history_cost_only_what_is_new() -> None:
    shelf = Shelf()
    steady = _session(60)[-1]["messages"]
    prompts: list[Prompt] = []
    for turn in range(60):
        reminder = {"role": "user", "content": f"<environment_details>\nIt is {turn} o'clock."}
        prompts.append(shelf.prompt({"model": "m", "messages": [*steady[: 2 * turn + 2], reminder]}))
    recognizer = Recognizer(CLIENTS, shelf, shelf.tree)
    for prompt in prompts:
        recognizer.recognise(prompt)
    assert len(shelf.read_messages) <= 2 * len(set(shelf.read_messages))


def test_a_message_that_is_not_in_the_store_is_no_obstacle() -> None:
    shelf = Shelf()
    body = {"model": "m", "system": "x", "messages": [{"role": "user", "content": "Hello"}], "tools": chat_tools(["a"])}
    prompt = shelf.prompt(body)
    shelf.items.clear()
    assert Recognizer(CLIENTS, shelf, shelf.tree).recognise(prompt).identity.client == "unknown"


# --- what for -------------------------------------------------------------------------------------------------------


def test_embeddings_are_told_by_their_endpoint() -> None:
    found = _recognised({"model": "m", "input": "a text"}, Api.EMBEDDINGS)
    assert found.identity.kind is Kind.EMBEDDING
    assert found.identity.kind_reason


TITLE = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You are a title generator. You output ONLY a thread title. " + FILLER},
        {"role": "user", "content": "Mend the basket."},
    ],
}


def test_a_side_request_in_shared_words_takes_the_client_of_its_conversation() -> None:
    side = _recognised(TITLE).identity
    main = Identity(client="kilo-code", confidence=0.95)
    settled = CLIENTS.settle(side, main)
    assert side.client == "opencode"
    assert settled.client == "kilo-code"
    assert settled.kind is Kind.TITLE
    assert settled.evidence[-1] == "belongs to a conversation of Kilo Code"


def test_a_side_request_with_words_of_its_own_keeps_its_client() -> None:
    side = _recognised(cut(TITLE)).identity
    assert CLIENTS.settle(side, Identity(client="aider", confidence=0.9)) == side
    assert CLIENTS.settle(side, Identity()) == side


def test_an_unknown_side_request_takes_the_client_of_its_conversation() -> None:
    assert CLIENTS.settle(Identity(evidence=("no tools",)), Identity(client="zed", confidence=0.8)).client == "zed"
