"""A session's data file holds each message once, and every payload can be put together from it."""

from __future__ import annotations

import json
from typing import Any

from lms_audit.present.views.blocks import Place
from lms_audit.present.views.data import SessionData
from lms_audit.present.views.ways import way_to
from tests.present.books import book, unpacked
from tests.support import World, assistant, call, result, system, user


def conversation(turns: int) -> World:
    world = World()
    messages: list[dict[str, Any]] = [system("x" * 500)]
    for turn in range(turns):
        messages = [*messages, user(f"question {turn}")]
        world.send(messages, params={"model": "qwen", "temperature": 1.0}, system_member=f"be {turn % 2}")
        messages = [*messages, assistant(f"answer {turn}")]
    return world


def payload(data: list[dict[str, Any]], request: str) -> list[Any]:
    """Messages of a request, as the page's script puts them together."""
    items = [item for part in data for item in part["items"]]
    requests = {name: value for part in data for name, value in part["requests"].items()}

    def numbers(name: str) -> list[int]:
        before, shared, new = requests[name][:3]
        return [*(numbers(before)[:shared] if before else []), *new]

    return [json.loads(items[number]) for number in numbers(request)]


def test_every_payload_can_be_put_together_over_all_parts() -> None:
    world = conversation(8)
    held = book(world)
    session = held.audit.sessions[0]
    data = SessionData(session.id, world.library)
    parts = []
    for part, half in enumerate((session.request_ids[:4], session.request_ids[4:]), 1):
        for name in half:
            data.request(held.requests[name])
        parts.append(unpacked(data.close(part)))
    assert [part["first"] for part in parts] == [0, len(parts[0]["items"])]
    for name in session.request_ids:
        prompt = held.requests[name].prompt
        assert prompt is not None
        sent = [json.loads(world.library.raw(key)) for key in world.library.path(prompt.node)]
        assert payload(parts, name) == sent


def test_the_data_grow_with_what_is_new_and_not_with_what_is_sent() -> None:
    sizes = []
    for turns in (20, 40):
        world = conversation(turns)
        data = SessionData("s", world.library)
        for request in world.requests:
            data.request(request)
        sizes.append(len(json.dumps(unpacked(data.close(1)))))
    assert sizes[1] < sizes[0] * 2.2


def test_other_members_keep_their_own_json() -> None:
    world = World()
    key = world.library.put({})
    world.library.items[key] = b'{"temperature":1.0,"seed":123456789012345678901234567890,"stop":["\\u0041"]}'
    world.send([user("hi")], params={})
    data = SessionData("s", world.library)
    data.request(world.requests[0])
    (request,) = unpacked(data.close(1))["requests"].values()
    assert request[5] == [
        ["temperature", "1.0"],
        ["seed", "123456789012345678901234567890"],
        ["stop", '["\\u0041"]'],
    ]


def test_the_place_of_a_text_leads_to_it_even_inside_arguments() -> None:
    world = World()
    long = "line\n" * 900
    message = assistant("words", call("c", "write", content=long))
    key = world.library.put(message)
    data = SessionData("s", world.library)
    place = data.place(key, long)
    assert json.loads(place.way) == ["tool_calls", 0, "function", "arguments", "!", "content"]
    value: Any = json.loads(unpacked(data.close(1))["items"][place.item])
    for step in json.loads(place.way):
        value = json.loads(value) if step == "!" else value[step]
    assert value == long


def test_a_text_made_of_several_blocks_is_kept_by_itself() -> None:
    world = World()
    key = world.library.put(
        result("c", "x") | {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    )
    data = SessionData("s", world.library)
    place = data.place(key, "a\nb")
    assert place == Place(0, "[]")
    assert json.loads(unpacked(data.close(1))["items"][0]) == "a\nb"


def test_there_is_no_way_to_what_a_message_does_not_say() -> None:
    assert way_to(b'{"content":"a"}', "b") is None
    assert way_to(b'{"content":"{broken"}', "b") is None
    assert way_to(b'{"content":["x",{"text":"b"}]}', "b") == ("content", 1, "text")
