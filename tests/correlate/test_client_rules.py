"""The rule files: what is built in is sound, and mistakes of a user's file are told in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lms_audit.correlate import client_rules
from lms_audit.correlate.client_rules import Rule, TextTest
from lms_audit.correlate.clients import Clients, Recognizer
from lms_audit.correlate.identities import Identities
from lms_audit.correlate.sessions import sessions
from lms_audit.correlate.threads import threads
from lms_audit.errors import MISUSE, AuditError
from tests.correlate.bodies import Shelf, chat_tools
from tests.support import World, assistant, system, user

RULES = client_rules.load()
EVERY = [(client, rule) for client in RULES.clients.values() for rule in client.rules]


def _text(rule: Rule) -> TextTest | None:
    return rule.system or rule.developer or rule.user


def test_all_clients_and_rules_are_there() -> None:
    assert len(RULES.clients) == 37
    assert len(EVERY) > 230


def test_weights_leave_doubt_and_mean_something() -> None:
    assert all(0 < rule.weight < 1 for _, rule in EVERY)


def test_words_that_several_clients_send_are_marked_as_shared_on_all_sides() -> None:
    sent: dict[tuple[str, str], list[tuple[str, Rule]]] = {}
    for client, rule in EVERY:
        text = _text(rule)
        words = text and (text.starts or text.is_ or text.line)
        if words:
            sent.setdefault(("user" if rule.user else "system", words), []).append((client.id, rule))
    for several in sent.values():
        names = {name for name, _ in several}
        for name, rule in several:
            assert names - {name} <= set(rule.shared), (name, rule.id)


def test_a_shared_rule_alone_names_nobody_for_certain() -> None:
    assert all(rule.weight <= 0.8 for _, rule in EVERY if rule.shared)


def test_no_rule_needs_more_of_a_start_than_a_default_log_keeps() -> None:
    too_long = {
        f"{client.id}/{rule.id}"
        for client, rule in EVERY
        if (text := _text(rule)) and len(text.starts or text.ends or "") > 50
    }
    # of these the rest tells two clients apart in a whole text
    assert too_long == {"mini-swe-agent/identity", "mini-swe-agent/last-lines"}


def test_names_of_tools_and_members_are_in_order() -> None:
    for client, rule in EVERY:
        for names in (rule.tools.exactly, rule.tools.all, rule.tools.any, rule.tools.two) if rule.tools else ():
            assert names is None or list(names) == sorted(set(names)), (client.id, rule.id)


def test_no_pattern_of_a_place_can_cost_the_square_of_a_text() -> None:
    places = [place for client in RULES.clients.values() for place in (*client.projects, *client.sessions)]
    for place in (*places, *RULES.projects):
        assert not re.search(r"[+*]\?", place.finds or ""), place.finds


def test_every_client_has_a_name_and_an_icon_of_its_own() -> None:
    names = [client.name for client in RULES.clients.values()]
    assert len(set(names)) == len(names)
    assert all(client.icon != "client" for client in RULES.clients.values())
    clients = Clients(RULES)
    assert (clients.name("zed"), clients.icon("zed")) == ("Zed Agent", "zed")
    assert (clients.name("unknown"), clients.icon("unknown")) == ("Unknown client", "client")
    assert clients.name("gone-since") == "gone-since"


# --- a file of the user's -------------------------------------------------------------------------------------------

OWN = """
clients:
  ledger-bot:
    name: Ledger Bot
    beats: [opencode]
    rules:
      - {id: identity, system: {starts: You keep the ledger}, weight: 0.9}
      - {id: nightly, user: {starts: Nightly summary}, weight: 0.6, kind: summary}
    projects:
      - {in: system, finds: 'Books: (?P<path>[^\\n]+)'}
    sessions:
      - {param: metadata.run}
  opencode:
    rules:
      - {id: house-prompt, system: {has: our house rules}, weight: 0.7}
      - {id: tools-some, tools: {all: [bash]}, weight: 0}
"""


def _write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "my.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_users_file_adds_clients_and_rules(tmp_path: Path) -> None:
    clients = Clients.load(_write(tmp_path, OWN))
    shelf = Shelf()
    found = Recognizer(clients, shelf, shelf.tree).recognise(
        shelf.prompt(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "You keep the ledger.\nBooks: /srv/books\nGo."},
                    {"role": "user", "content": "Nightly summary, please."},
                ],
                "tools": chat_tools(["bash", "edit", "glob", "grep", "read", "task", "todowrite", "webfetch", "write"]),
                "metadata": {"run": "r-77"},
            }
        )
    )
    assert found.identity.client == "ledger-bot"
    assert found.identity.kind == "summary"
    assert found.identity.session_hint == "r-77"
    assert found.project is not None
    assert found.project.path == "/srv/books"
    assert clients.name("ledger-bot") == "Ledger Bot"
    assert clients.icon("ledger-bot") == "client"


def test_the_session_id_that_a_users_rule_finds_keeps_sessions_apart_and_holds_side_requests(tmp_path: Path) -> None:
    world = World()
    start = [system("You keep the ledger."), user("Close the month")]
    for run in ("7", "8"):
        world.send(start, params={"metadata": {"run": run}})
    for run in ("7", "8"):
        world.send([*start, assistant("Closed."), user("And the year")], params={"metadata": {"run": run}})
        world.send([start[0], user("Nightly summary")], params={"metadata": {"run": run}})
    library = world.library
    identities = Identities(Clients.load(_write(tmp_path, OWN)), library, library.tree)
    requests = identities.recognise(world.requests)
    found = sessions(requests, threads(requests, library.tree, library, identities.session_ids()), library).sessions
    assert [session.request_ids for session in found] == [("r0", "r2"), ("r1", "r4"), ("r3",), ("r5",)]
    assert [session.parent_session_id for session in found] == [None, None, found[0].id, found[1].id]


def test_a_users_rule_takes_the_place_of_one_with_its_id_and_weight_0_turns_it_off(tmp_path: Path) -> None:
    rules = client_rules.load(_write(tmp_path, OWN)).clients["opencode"].rules
    built_in = RULES.clients["opencode"].rules
    assert len(rules) == len(built_in) + 1
    assert next(rule for rule in rules if rule.id == "tools-some").weight == 0
    assert rules[-1].id == "house-prompt"
    shelf = Shelf()
    clients = Clients.load(_write(tmp_path, OWN))
    body = {"model": "m", "messages": [], "tools": chat_tools(["bash", "grep", "read", "todowrite", "webfetch"])}
    assert Recognizer(clients, shelf, shelf.tree).recognise(shelf.prompt(body)).identity.client == "unknown"


MISTAKES = {
    "clients: [": "my.yml: line 1: ",
    "- a list": "my.yml: expected a mapping with `clients`",
    "client: {}": "my.yml: unknown member `client`; known are clients, projects, version",
    "version: 2": "my.yml: version 2 is not known; this reads version 1",
    "clients: [zed]": "my.yml: `clients` must be a mapping from client id to its rules",
    "clients: {zed: yes}": 'my.yml: client "zed": expected a mapping with `name` and `rules`',
    "clients: {a: {name: A}, a: {name: B}}": 'my.yml: line 1: "a" is given twice',
    "clients: {mine: {rules: []}}": 'my.yml: client "mine": a new client needs a `name`',
    "clients: {My Own: {name: A}}": 'my.yml: client "My Own": id: Expected `str` matching regex',
    "clients: {unknown: {name: A}}": 'my.yml: client "unknown": this id is kept for requests nothing identifies',
    "clients: {mine: {name: A, colour: red}}": 'my.yml: client "mine": Object contains unknown field `colour`',
    "clients: {mine: {name: A, beats: [nobody]}}": 'my.yml: client "mine": beats: no client `nobody`',
    "clients: {mine: {name: A, drives: [nobody]}}": 'my.yml: client "mine": drives: no client `nobody`',
    "clients: {cline: {beats: [roo-code]}}": "beats itself, by way of the clients it beats",
    "clients: {mine: {name: A, rules: {}}}": 'my.yml: client "mine": `rules` must be a list',
    "clients: {mine: {name: A, rules: [x]}}": 'my.yml: client "mine", rule 1: Expected `object`, got `str`',
    "clients: {mine: {name: A, rules: [{id: a, system: {is: x}}]}}": (
        'my.yml: client "mine", rule "a": Object missing required field `weight`'
    ),
    "clients: {mine: {name: A, rules: [{id: a, system: {is: x}, weight: 1.5}]}}": (
        'my.yml: client "mine", rule "a": weight: Expected `float` < 1.0'
    ),
    "clients: {mine: {name: A, rules: [{id: a, system: {is: x}, weight: high}]}}": (
        'my.yml: client "mine", rule "a": weight: Expected `float`, got `str`'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5}]}}": (
        'my.yml: client "mine", rule "a": give exactly one of system, developer, user, tools, params'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, system: {is: x}, user: {is: y}}]}}": (
        'rule "a": give exactly one of system, developer, user, tools, params'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, system: {is: x, has: y}}]}}": (
        'rule "a": system: give exactly one of is, line, starts, ends, has, matches, ends_matches, finds'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, tools: {}}]}}": 'rule "a": tools: is empty',
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, tools: {all: []}}]}}": (
        'rule "a": tools.all: Expected `array` of length >= 1'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, system: {starts: 7}}]}}": (
        'rule "a": system.starts: Expected `str | null`, got `int`'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, user: {finds: '(x'}}]}}": (
        'my.yml: client "mine", rule "a": user.finds: not a regular expression: missing ), unterminated subpattern'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, params: {matches: {user: '[a'}}}]}}": (
        'rule "a": params.matches: not a regular expression'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, user: {is: x}, kind: lunch}]}}": (
        "rule \"a\": kind: Invalid enum value 'lunch'"
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, user: {is: x}, shared: [nobody]}]}}": (
        'rule "a": shared: no client `nobody`'
    ),
    "clients: {mine: {name: A, rules: [{id: a, weight: 0.5, user: {is: x}}, {id: a, weight: 0.5, user: {is: y}}]}}": (
        'rule "a": its id is given twice'
    ),
    "clients: {mine: {name: A, projects: [{finds: x}]}}": (
        'my.yml: client "mine", project 1: give exactly one of in, param'
    ),
    "clients: {mine: {name: A, projects: [{in: hat, finds: '(?P<path>x)'}]}}": (
        "project 1: in: expected system, user or any, got `hat`"
    ),
    "clients: {mine: {name: A, projects: [{in: user}]}}": "project 1: give `finds`",
    "clients: {mine: {name: A, sessions: [{in: user, finds: x}]}}": "session 1: finds: has no group (?P<id>…)",
    "projects: [{in: user, finds: x}]": "my.yml: project 1: finds: has no group (?P<path>…)",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_that_says_where_and_what(text: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        client_rules.load(_write(tmp_path, text))
    message = str(caught.value)
    assert message.startswith("my.yml: ")
    assert MISTAKES[text] in message
    assert "\n" not in message
    assert caught.value.exit_code == MISUSE


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(AuditError, match=r"nowhere\.yml: cannot be read: No such file or directory"):
        client_rules.load(Path("nowhere.yml"))


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "my.yml"
    file.write_bytes(b"clients: \xff\xfe")
    with pytest.raises(AuditError, match=r"my\.yml: is not UTF-8 text"):
        client_rules.load(file)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"my\.yml: expected a mapping with `clients`"):
        client_rules.load(_write(tmp_path, ""))


def test_the_file_shown_in_the_docs_is_a_good_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    shown = client_rules.load(_write(tmp_path, example)).clients
    assert [rule.id for rule in shown["ledger-bot"].rules] == ["identity", "tools", "nightly"]
    assert shown["opencode"].rules[-1].id == "our-agent"
    with pytest.raises(AuditError) as caught:
        client_rules.load(_write(tmp_path, example.replace("weight: 0.8", "weight: 1")))
    assert str(caught.value) in page


def test_the_docs_name_every_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
    assert all(f"`{purpose.value}`" in page for purpose in client_rules.Purpose)
