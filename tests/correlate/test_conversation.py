from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_audit.correlate.conversation import PromptTree, identity, said
from lms_audit.correlate.hints import hints
from lms_audit.correlate.words import alike, cut_ends, one_line, person_text, without_reminders
from lms_audit.model import Json
from lms_audit.read.messages import message
from lms_audit.read.payload import compact, item_key
from tests.support import MARK, assistant, call, cut, result, system, user

prompts = st.lists(st.lists(st.sampled_from("abc"), max_size=40), min_size=1, max_size=12)


@given(prompts)
def test_a_path_gives_back_the_keys_that_were_added(paths: list[list[str]]) -> None:
    tree = PromptTree()
    nodes = [tree.add_all(path) for path in paths]
    for node, path in zip(nodes, paths, strict=True):
        assert tree.path(node) == path
        assert tree.depth(node) == len(path)
        assert tree.key(node) == (path[-1] if path else "")
        assert tree.path(tree.parent(node)) == path[:-1]


@given(prompts)
def test_equal_prompts_are_one_node_and_others_are_not(paths: list[list[str]]) -> None:
    tree = PromptTree()
    nodes = [tree.add_all(path) for path in paths]
    assert len({*nodes, 0}) == len({tuple(path) for path in paths} | {()})
    prefixes = {tuple(path[:end]) for path in paths for end in range(len(path) + 1)}
    assert len(tree) == len(prefixes | {()})


@given(prompts)
def test_common_counts_the_messages_shared_from_the_start(paths: list[list[str]]) -> None:
    tree = PromptTree()
    nodes = [tree.add_all(path) for path in paths]
    for a, path in zip(nodes, paths, strict=True):
        for b, other in zip(nodes, paths, strict=True):
            shared = 0
            while shared < min(len(path), len(other)) and path[shared] == other[shared]:
                shared += 1
            assert tree.common(a, b) == tree.common(b, a) == shared
            assert tree.path(tree.meet(a, b)) == path[:shared]


@given(st.lists(st.sampled_from("ab"), max_size=60), st.integers(0, 70))
def test_an_ancestor_is_the_prompt_cut_at_a_depth(path: list[str], depth: int) -> None:
    tree = PromptTree()
    assert tree.path(tree.ancestor(tree.add_all(path), depth)) == path[:depth]


def test_ancestors_of_a_deep_prompt_are_found_in_few_steps() -> None:
    class Counting(PromptTree):
        steps = 0

        def ancestor(self, node: int, depth: int) -> int:
            while self.depth(node) > depth:
                self.steps += 1
                jump = self._jump[node]
                node = jump if self.depth(jump) >= depth else self.parent(node)
            return node

    tree = Counting()
    leaf = tree.add_all(str(each) for each in range(100_000))
    assert tree.path(tree.ancestor(leaf, 3)) == ["0", "1", "2"]
    assert tree.steps < 100


# --- identity --------------------------------------------------------------------------------------------------------


def key_of(value: Json) -> str | None:
    return identity(message(item_key(value), compact(value)))


SAME = {
    "a cache mark": (
        user([{"type": "text", "text": "Fix the parser", "cache_control": {"type": "ephemeral"}}]),
        user([{"type": "text", "text": "Fix the parser"}]),
    ),
    "a string and one block": (user("Fix the parser"), user([{"type": "text", "text": "Fix the parser"}])),
    "null and missing content": (
        {"role": "assistant", "content": None, "tool_calls": [call("c1", "bash", command="ls")]},
        {"role": "assistant", "tool_calls": [call("c1", "bash", command="ls")]},
    ),
    "reasoning dropped": (assistant("Done.", reasoning_content="Hm, is it?"), assistant("Done.")),
    "thinking block dropped": (
        assistant([{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Done."}]),
        assistant("Done."),
    ),
    "think tags dropped": (assistant("<think>Hm\nhm</think>\n\nDone."), assistant("Done.")),
    "another tool call id": (
        assistant("", call("call_1", "bash", command="ls")),
        assistant("", call("call_2", "bash", command="ls")),
    ),
    "a reminder": (user("Go on\n<system-reminder>\nBe brief.\n</system-reminder>"), user("Go on")),
    "a reminder beside a result": (
        user(
            [
                {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                {"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"},
            ]
        ),
        user([{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_message_sent_in_another_shape_is_the_same(name: str) -> None:
    a, b = SAME[name]
    assert key_of(a) == key_of(b) is not None


DIFFERENT = {
    "text": (user("Fix the parser"), user("Fix the lexer")),
    "speaker": (user("Done."), assistant("Done.")),
    "arguments": (assistant("", call("c", "bash", command="ls")), assistant("", call("c", "bash", command="rm"))),
    "tool": (assistant("", call("c", "bash", x="1")), assistant("", call("c", "edit", x="1"))),
    "result": (result("c", "ok"), result("c", "failed")),
    "result and text": (result("c", "ok"), user("ok")),
    "two texts and one": (
        user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        user([{"type": "text", "text": "ab"}]),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_messages_that_say_different_things_differ(name: str) -> None:
    a, b = DIFFERENT[name]
    assert key_of(a) != key_of(b)


@pytest.mark.parametrize(
    "value",
    [
        system("You are an agent."),
        {"role": "developer", "content": "Be brief."},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        user("<system-reminder>Be brief.</system-reminder>"),
        assistant(None),
    ],
)
def test_what_nobody_said_has_no_identity(value: Json) -> None:
    assert key_of(value) is None


names = st.sampled_from(["role", "content", "type", "text", "tool_calls"])
items = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner),
)


@given(items)
def test_any_item_has_an_identity_or_none(value: Json) -> None:
    what = said(message("k", compact(value)))
    assert what.key is None or set(what.key) <= set(string.hexdigits)


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fix the parser", "Fix the parser"),
        ('"Fix the parser"\n', "Fix the parser"),
        ("<task>\nFix the parser\n</task>", "Fix the parser"),
        ('<user_input mode="act">Fix the parser</user_input>', "Fix the parser"),
        ("<system-reminder>\nToday is Monday\n</system-reminder>\nFix the parser", "Fix the parser"),
        ("Fix the parser\n<environment_details>\nMode: act\n</environment_details>", "Fix the parser"),
        ("<environment_context>\n  <cwd>/w</cwd>\n</environment_context>", ""),
        ("# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>", ""),
        ("# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>\nFix it", "Fix it"),
        ("<env>\nWorking directory: /w\n</env>", ""),
        ("What does <env> mean in this file?", "What does <env> mean in this file?"),
        ("<command-message>init is running</command-message>\n<command-name>/init</command-name>", "/init"),
    ],
)
def test_the_words_of_a_person_are_told_from_what_clients_put_around_them(text: str, words: str) -> None:
    assert person_text(text) == words


def test_of_a_cut_context_block_nothing_is_left_to_be_taken_for_words() -> None:
    assert person_text(f"<environment_context>\n  <cwd>/home/me{MARK}d>\n</environment_context>") == ""
    assert person_text(f"# AGENTS.md instructions for /home/me{MARK}tabs.\n</INSTRUCTIONS>") == ""
    assert person_text(f"# AGENTS.md instructions for /home/me{MARK} tabs, never blanks.") == ""


@pytest.mark.parametrize("tag", ["<system-reminder>", "<env>\n", "<task>"])
def test_blocks_that_never_end_cost_no_more_than_their_length(tag: str) -> None:
    text = tag * 100_000
    assert isinstance(without_reminders(text), str)
    assert isinstance(person_text(text), str)


def test_a_title_is_one_line_cut_at_a_word() -> None:
    title = one_line("Please make\nthe  parser " + "very " * 40 + "fast")
    assert title.startswith("Please make the parser very")
    assert title.endswith("very…")
    assert len(title) <= 80
    assert one_line("word " * 3) == "word word word"
    assert len(one_line("x" * 300)) == 80


def test_a_title_of_a_cut_text_is_its_head() -> None:
    assert one_line(cut("Read the whole repository and then write a report about " + "it " * 40)) == (
        "Read the whole repository and then write a report…"
    )


@given(st.text(max_size=400))
def test_a_text_is_like_its_own_cut_form(text: str) -> None:
    if len("".join(text.split())) >= 40:
        assert alike(text, cut_ends(text))


def test_a_short_text_is_not_taken_for_a_cut_one() -> None:
    long = "Find all the places where the parser reads a number and list them " * 3
    assert alike(cut(long), long)
    assert not alike(cut(long), long[:50])
    assert not alike("fix it", "please fix it now")


# --- hints -----------------------------------------------------------------------------------------------------------

UUID = "0199a3c4-1111-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    "params",
    [
        {"prompt_cache_key": UUID},
        {"metadata": {"user_id": f"user_{'a' * 64}_account__session_{UUID}"}},
        {"metadata": {"user_id": cut(f"user_{'a' * 64}_account_{'b' * 36}_session_{UUID}")}},
        {"metadata": {"user_id": compact({"device_id": "d" * 64, "account_uuid": "", "session_id": UUID}).decode()}},
        {
            "metadata": {
                "user_id": cut(compact({"device_id": "d" * 64, "account_uuid": "", "session_id": UUID}).decode())
            }
        },
    ],
)
def test_a_session_id_is_found_where_clients_put_it_also_when_cut(params: Json) -> None:
    assert hints(compact(params)).session == UUID


@pytest.mark.parametrize(
    "params",
    [{}, [], {"prompt_cache_key": "my-app"}, {"metadata": {"user_id": "me"}}, {"metadata": "x"}, {"session_id": 7}],
)
def test_what_is_no_session_id_is_not_taken_for_one(params: Json) -> None:
    assert hints(compact(params)).session is None


def test_params_that_are_no_json_say_nothing() -> None:
    assert hints(b'{"prompt_cache_key": "').session is None
    assert hints(b"\xff").previous_response is None
