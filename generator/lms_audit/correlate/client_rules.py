"""The rules by which clients are told apart: their types, and reading them from files.

In: the package's ``clients.yml`` and, if given, a file of the user's in the same form. Out: one ``RuleSet``. A mistake
in a file is an ``AuditError`` of one line that names the file, the client, the rule and what is wrong. Read once a run.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct, field

from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Json, Kind

BUILT_IN = "clients.yml"

_S = TypeVar("_S", bound=Struct)

UNKNOWN = "unknown"
"""The id of no client: nothing in the body says who sent it."""
OURS = "lms-audit"
"""The client that asks for names of sessions: it speaks about them long after, and they have not caused it."""


class Purpose(StrEnum):
    """What a request beside the conversation is for, finer than ``model.Kind``."""

    TITLE = "title"
    SUMMARY = "summary"
    COMPACTION = "compaction"
    SUBAGENT = "subagent"
    MEMORY = "memory"
    COMMIT = "commit"
    TAGS = "tags"
    FOLLOW_UP = "follow-up"
    QUERY = "query"
    EDIT = "edit"
    COMPLETION = "completion"
    HELPER = "helper"

    @property
    def kind(self) -> Kind:
        """The kind of request this counts as."""
        return Kind(self.value) if self.value in set(Kind) else Kind.OTHER


Weight = Annotated[float, Meta(ge=0, lt=1)]
Name = Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Filled = Annotated[str, Meta(min_length=1)]
Names = Annotated[tuple[Filled, ...], Meta(min_length=1)]


class TextTest(Struct, frozen=True, forbid_unknown_fields=True):
    """A test of one block of text: exactly one member is set. Leading blanks of a block never count."""

    is_: Filled | None = field(default=None, name="is")
    """The whole block."""
    line: Filled | None = None
    """The first line of the block."""
    starts: Filled | None = None
    ends: Filled | None = None
    has: Filled | None = None
    matches: Filled | None = None
    """A pattern, from the start of the block."""
    ends_matches: Filled | None = None
    """A pattern that reaches the end of the block, blanks aside."""
    finds: Filled | None = None
    """A pattern, anywhere."""


class ToolTest(Struct, frozen=True, forbid_unknown_fields=True):
    """A test of the set of tool names: all members that are set must hold."""

    exactly: Names | None = None
    all: Names | None = None
    any: Names | None = None
    two: Names | None = None
    """At least two of these."""
    two_match: Filled | None = None
    """At least two names in which the pattern is found."""


class ParamTest(Struct, frozen=True, forbid_unknown_fields=True):
    """A test of the other members of the body: all members that are set must hold. A path is ``a.b.0``."""

    exists: Filled | None = None
    keys: Names | None = None
    """Members of the body, the list of messages included."""
    equals: dict[Filled, str | int | float | bool] | None = None
    matches: dict[Filled, Filled] | None = None


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of evidence for a client: exactly one test is set."""

    id: Name
    weight: Weight
    system: TextTest | None = None
    """Each block of system text, wherever the protocol puts it, developer messages included."""
    developer: TextTest | None = None
    user: TextTest | None = None
    tools: ToolTest | None = None
    params: ParamTest | None = None
    kind: Purpose | None = None
    shared: tuple[Name, ...] = ()
    note: str | None = None
    """Shown behind the evidence."""


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a body names its project (group ``path``) or its client's session (group ``id``)."""

    in_: str | None = field(default=None, name="in")
    """``system``, ``user`` or ``any``."""
    param: Filled | None = None
    finds: Filled | None = None
    keys_of: Filled | None = None
    """The parameter is JSON text; the first name in this object of it is meant."""


class Client(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program that sends requests, and how it is recognised."""

    id: Name
    name: Filled
    icon: Name = "client"
    beats: tuple[Name, ...] = ()
    """Clients this one was forked from: they lose once a rule of its own matches."""
    drives: tuple[Name, ...] = ()
    """Clients it runs inside of itself: then they are the engine, and this one speaks to the user."""
    copied: bool = False
    """Other programs send its identity; offered tools that are another client's tell the truth."""
    rules: tuple[Rule, ...] = ()
    projects: tuple[Place, ...] = ()
    sessions: tuple[Place, ...] = ()


class RuleSet(Struct, frozen=True):
    """All clients by id, in the order of the files, and the places tried for every client."""

    clients: dict[str, Client]
    projects: tuple[Place, ...]


def load(extra: Path | None = None) -> RuleSet:
    """The built-in rules, with the user's file laid over them. Raises ``AuditError``."""
    if extra is None:
        return _built_in()
    rules = _merged(_built_in(), extra.name, _document(extra.name, _text(extra)))
    _check_references(rules, extra.name)
    return rules


@cache
def _built_in() -> RuleSet:
    text = files(__package__).joinpath(BUILT_IN).read_text(encoding="utf-8")
    rules = _merged(RuleSet({}, ()), BUILT_IN, _document(BUILT_IN, text, _FAST))
    _check_references(rules, BUILT_IN)
    return rules


# --- the file -------------------------------------------------------------------------------------------------------


_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""For the built-in rules: five times as quick, but less exact about where a mistake is."""


class _Loader(yaml.SafeLoader):
    """YAML in which a name given twice is a mistake instead of a silent loss."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if isinstance(key, Hashable) and key in seen:
            raise yaml.constructor.ConstructorError(None, None, f'"{key}" is given twice', key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _wrong(path.name, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _wrong(path.name, "is not UTF-8 text") from None


def _document(file: str, text: str, loader: Any = None) -> Mapping[str, Json]:
    try:
        document = yaml.load(text, loader or _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise _wrong(file, f"{where}{error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise _wrong(file, " ".join(str(error).split()) or "is nested too deep") from None
    if not isinstance(document, dict):
        raise _wrong(file, "expected a mapping with `clients`")
    for name in document:
        if name not in ("version", "clients", "projects"):
            raise _wrong(file, f"unknown member `{name}`; known are clients, projects, version")
    if document.get("version", 1) != 1:
        raise _wrong(file, f"version {document['version']} is not known; this reads version 1")
    return document


def _wrong(file: str, what: str, client: object = None, rule: str | None = None) -> AuditError:
    where = ", ".join(part for part in (client is not None and f'client "{client}"', rule) if part)
    return AuditError(": ".join(part for part in (file, where, what) if part), MISUSE)


# --- the rules in it ------------------------------------------------------------------------------------------------


def _merged(base: RuleSet, file: str, document: Mapping[str, Json]) -> RuleSet:
    """``base`` with a document laid over it: new clients, more rules, rules of the same id replaced."""
    clients = dict(base.clients)
    members = document.get("clients") or {}
    if not isinstance(members, dict):
        raise _wrong(file, "`clients` must be a mapping from client id to its rules")
    for name, value in members.items():
        if not isinstance(value, dict):
            raise _wrong(file, "expected a mapping with `name` and `rules`", name)
        clients[str(name)] = _client(file, name, value, clients.get(str(name)))
    places = tuple(_places(file, None, "projects", document.get("projects"), "path"))
    return RuleSet(clients, places + base.projects)


def _client(file: str, name: object, value: Mapping[str, Json], known: Client | None) -> Client:
    rules = {rule.id: rule for rule in known.rules} if known else {}
    given: set[str] = set()
    for rule in _rules(file, name, value.get("rules")):
        if rule.id in given:
            raise _wrong(file, "its id is given twice", name, f'rule "{rule.id}"')
        given.add(rule.id)
        rules[rule.id] = rule
    projects = tuple(_places(file, name, "projects", value.get("projects"), "path"))
    sessions = tuple(_places(file, name, "sessions", value.get("sessions"), "id"))
    plain = {key: item for key, item in value.items() if key not in ("rules", "projects", "sessions")}
    if known is None and "name" not in plain:
        raise _wrong(file, "a new client needs a `name`", name)
    if name == UNKNOWN:
        raise _wrong(file, "this id is kept for requests nothing identifies", name)
    old = {field: getattr(known, field) for field in ("name", "icon", "beats", "drives", "copied")} if known else {}
    client = _convert({**old, **plain, "id": name}, Client, file, name)
    return msgspec.structs.replace(
        client,
        rules=tuple(rules.values()),
        projects=projects + (known.projects if known else ()),
        sessions=sessions + (known.sessions if known else ()),
    )


def _rules(file: str, client: object, value: Json) -> Iterator[Rule]:
    for where, item in _list(file, client, "rules", "rule", value):
        rule = _convert(item, Rule, file, client, where)
        tests = _set(rule, "system", "developer", "user", "tools", "params")
        if len(tests) != 1:
            raise _wrong(file, "give exactly one of system, developer, user, tools, params", client, where)
        (part, test) = tests[0]
        members = _set(test, *test.__struct_fields__)
        if isinstance(test, TextTest) and len(members) != 1:
            known = ", ".join(test.__struct_encode_fields__)
            raise _wrong(file, f"{part}: give exactly one of {known}", client, where)
        if not members:
            raise _wrong(file, f"{part}: is empty", client, where)
        for name, pattern in _patterns(members):
            _check_pattern(pattern, f"{part}.{name}", None, file, client, where)
        yield rule


def _places(file: str, client: object, member: str, value: Json, group: str) -> Iterator[Place]:
    for where, item in _list(file, client, member, member.removesuffix("s"), value):
        place = _convert(item, Place, file, client, where)
        if (place.in_ is None) == (place.param is None):
            raise _wrong(file, "give exactly one of in, param", client, where)
        if place.in_ not in (None, "system", "user", "any"):
            raise _wrong(file, f"in: expected system, user or any, got `{place.in_}`", client, where)
        if place.in_ is not None and place.finds is None:
            raise _wrong(file, "give `finds`", client, where)
        if place.finds is not None:
            _check_pattern(place.finds, "finds", group, file, client, where)
        yield place


def _list(file: str, client: object, member: str, noun: str, value: Json) -> Iterator[tuple[str, Json]]:
    """The elements of a list with how each is called in a message."""
    if value is None:
        return
    if not isinstance(value, list):
        raise _wrong(file, f"`{member}` must be a list", client)
    for number, item in enumerate(value, 1):
        name = item.get("id") if isinstance(item, dict) else None
        yield f'{noun} "{name}"' if name else f"{noun} {number}", item


def _set(struct: Any, *names: str) -> list[tuple[str, Any]]:
    return [(name.rstrip("_"), getattr(struct, name)) for name in names if getattr(struct, name) is not None]


def _patterns(members: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in members:
        if name in ("matches", "ends_matches", "finds", "two_match"):
            for pattern in value.values() if isinstance(value, dict) else (value,):
                yield name, pattern


def _check_pattern(pattern: str, member: str, group: str | None, file: str, client: object, where: str) -> None:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(file, f"{member}: not a regular expression: {error}", client, where) from None
    if group is not None and group not in compiled.groupindex:
        raise _wrong(file, f"{member}: has no group (?P<{group}>…)", client, where)


def _convert(value: Json, type_: type[_S], file: str, client: object, where: str | None = None) -> _S:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        path = path.strip("`.")
        raise _wrong(file, f"{path}: {text}" if path else text, client, where) from None


def _check_references(rules: RuleSet, file: str) -> None:
    """Every client named in a rule is known, and no client beats itself by way of others."""
    for client in rules.clients.values():
        for rule in client.rules:
            for other in rule.shared:
                if other not in rules.clients:
                    raise _wrong(file, f"shared: no client `{other}`", client.id, f'rule "{rule.id}"')
        for member in ("beats", "drives"):
            for other in getattr(client, member):
                if other not in rules.clients:
                    raise _wrong(file, f"{member}: no client `{other}`", client.id)
        if client.id in ancestors(rules, client.id):
            raise _wrong(file, "beats itself, by way of the clients it beats", client.id)


def ancestors(rules: RuleSet, client: str) -> set[str]:
    """All clients that ``client`` was forked from, at any remove."""
    found: set[str] = set()
    open_ = list(rules.clients[client].beats)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_.extend(rules.clients[name].beats)
    return found
