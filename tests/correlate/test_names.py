"""Names of sessions and projects: the file, its mistakes, and what an audit looks like with them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lms_audit.config import Filters
from lms_audit.correlate.names import NO_NAMES, Names, apply, clean, parse, strangers
from lms_audit.correlate.selection import select
from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Audit, Kind
from tests.support import World, assistant, system, user


@pytest.fixture
def audit() -> Audit:
    """A session in a project, with a title request under it; another one elsewhere."""
    world = World()
    first = [system("You mend things."), user("Please mend the spout of the kettle")]
    world.send(first, project="/home/ada/kettle")
    title = [system("You are a title generator."), user("Please mend the spout of the kettle")]
    world.send(title, kind=Kind.TITLE, tools=None, project="/home/ada/kettle")
    world.send([*first, assistant("Done."), user("And the lid")], project="/home/ada/kettle")
    world.send([system("You mend things."), user("Paint the boat")], project="C:\\work\\Boat\\", after=10**9)
    made = world.sessions()
    by_id = {request.id: request for request in made.requests}
    sessions = tuple(replace(s, project=by_id[s.request_ids[0]].project) for s in made.sessions)
    return Audit(requests=made.requests, sessions=sessions, conversations={}, files=())


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", NO_NAMES),
        ("# nobody has a name yet\n", NO_NAMES),
        ("sessions:\nprojects:\n", NO_NAMES),
        (
            "sessions:\n  s1: Mend it\nprojects:\n  kettle: Kettle shop\n",
            Names({"s1": "Mend it"}, {"kettle": "Kettle shop"}),
        ),
        ("sessions: {s1: 2048, s2: yes, s3: 2026-11-03}", Names({"s1": "2048", "s2": "yes", "s3": "2026-11-03"})),
        ("projects: {2048: The game}", Names(projects={"2048": "The game"})),
        ("sessions:\n  s1: |\n    two\n    lines\n", Names({"s1": "two lines"})),
        ("sessions: {s1: !!python/object/apply:os.getcwd []}", None),
        ("sessions: {s1: !!python/name:os.system x}", Names({"s1": "x"})),
        ('sessions: {s1: "a\\e[2J\\u202Eb\\0\\u200B"}', Names({"s1": "a[2Jb"})),
    ],
)
def test_a_names_file_is_text_only(text: str, names: Names | None) -> None:
    if names is None:
        with pytest.raises(AuditError, match="is not text"):
            parse(text, "names.yml")
    else:
        assert parse(text, "names.yml") == names


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("just words", "names.yml, line 1: expected `sessions:` and `projects:`"),
        ("# a list\n- s1\n", "names.yml, line 2: expected `sessions:` and `projects:`"),
        (
            "session: {s1: a}",
            "names.yml: Object contains unknown field `session`; it can have `sessions` and `projects`",
        ),
        ("sessions:\n  s1: a\n  s1: b\n", 'names.yml, line 3: "s1" is there twice'),
        ("sessions: {s1: a}\nsessions: {s2: b}", 'names.yml, line 2: "sessions" is there twice'),
        ("sessions: [s1]", 'names.yml, line 1: expected names under "sessions", one on each line as `what: name`'),
        ("sessions:\n  s1: [a, b]\n", 'names.yml, line 2: the name of "s1" is not text'),
        ("sessions:\n  s1:\n", 'names.yml, line 2: the name of "s1" is empty'),
        ('sessions:\n  s1: " \\u202e "\n', 'names.yml, line 2: the name of "s1" is empty'),
        (f"sessions:\n  s1: {'x' * 201}\n", 'names.yml, line 2: the name of "s1" is longer than 200 characters'),
        ("sessions:\n  ? [s1]\n  : a\n", "names.yml, line 2: a name is given to something that is not text"),
        ("sessions: {<<: {s1: a}}", 'names.yml, line 1: the name of "<<" is not text'),
        ("projects: {/a/B: x, '\\A\\b\\': y}", 'names.yml: "/a/B" and "\\A\\b\\" are the same project'),
        ("sessions:\n\ts1: a\n", "names.yml, line 2: not YAML: found character '\\t' that cannot start any token"),
        ("sessions: {s1: a", "names.yml, line 1: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("sessions:\n---\nsessions:\n", "names.yml, line 2: not YAML: found another document"),
        ("sessions: {s1: \0}", "names.yml: not YAML: unacceptable character"),
        ("[" * 9999, "names.yml: nested too deeply for a file of names"),
    ],
)
def test_each_mistake_is_one_line_that_says_where(text: str, line: str) -> None:
    with pytest.raises(AuditError) as caught:
        parse(text, "names.yml")
    assert str(caught.value).startswith(line)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == MISUSE


def test_a_name_keeps_its_letters_and_loses_what_acts() -> None:
    assert clean("  Mend\tthe \r\n lid ") == "Mend the lid"
    assert clean("\x1b]0;owned\x07Lid\x9b31m") == "]0;ownedLid31m"
    assert clean("a\u202egnp.exe\u2069\u200b\ufeff\u2028b\ud800") == "agnp.exe b"
    assert clean("tag\U000e0041\U000e0042s") == "tags"
    for kept in ("Der größte Deckel – №5", "修理茶壶盖", "می‌خواهم", "👩‍🔧 mends", "<b>&amp;</b> {{ lid }}"):
        assert clean(kept) == kept


# --- the audit -------------------------------------------------------------------------------------------------------


def test_a_named_session_has_its_name_and_keeps_its_words(audit: Audit) -> None:
    named = apply(audit, Names({audit.sessions[0].id: "The spout"}))
    assert [session.title for session in audit.sessions] == [
        "Please mend the spout of the kettle",
        "Title: Please mend the spout of the kettle",
        "Paint the boat",
    ]
    assert [(session.title, session.words) for session in named.sessions] == [
        ("The spout", "Please mend the spout of the kettle"),
        ("Title: The spout", "Title: Please mend the spout of the kettle"),
        ("Paint the boat", None),
    ]
    assert [replace(session, title="", words=None) for session in named.sessions] == [
        replace(session, title="") for session in audit.sessions
    ]
    assert named.requests == audit.requests


def test_a_side_request_can_have_a_name_of_its_own(audit: Audit) -> None:
    main, title, _ = audit.sessions
    named = apply(audit, Names({main.id: "The spout", title.id: "How it was named"}))
    assert [session.title for session in named.sessions][:2] == ["The spout", "How it was named"]


@pytest.mark.parametrize("key", ["/home/ada/kettle", "/home/ada/kettle/", "kettle", "KETTLE"])
def test_a_project_is_named_by_path_or_last_part(audit: Audit, key: str) -> None:
    named = apply(audit, Names(projects={key: "Kettle shop"}))
    assert named.project_names == {"/home/ada/kettle": "Kettle shop"}
    assert [request.project for request in named.requests] == [request.project for request in audit.requests]


@pytest.mark.parametrize("key", ["C:\\work\\Boat", "c:/work/boat", "boat"])
def test_a_project_of_windows_is_named_too(audit: Audit, key: str) -> None:
    assert apply(audit, Names(projects={key: "Boat"})).project_names == {"C:\\work\\Boat\\": "Boat"}


def test_a_path_names_more_closely_than_its_last_part(audit: Audit) -> None:
    names = Names(projects={"kettle": "Some kettle", "/home/ada/kettle": "Ada's kettle"})
    assert apply(audit, names).project_names == {"/home/ada/kettle": "Ada's kettle"}
    assert not strangers(audit, names, "names.yml")


def test_a_project_can_be_asked_for_by_its_name(audit: Audit) -> None:
    named = apply(audit, Names(projects={"kettle": "Tea shop"}))
    tree = World().library.tree
    for asked, count in (("tea shop", 3), ("Tea*", 3), ("kettle", 3), ("boat", 1), ("coffee", 0)):
        kept = select(named, tree, Filters(project=asked))
        assert len(kept.requests) == count
        assert kept.project_names == named.project_names


def test_no_names_leave_the_audit_as_it_is(audit: Audit) -> None:
    assert apply(audit, NO_NAMES) is audit


def test_what_the_logs_do_not_hold_is_a_note(audit: Audit) -> None:
    names = Names({audit.sessions[0].id: "Here", "s1": "Gone", "s2": "Gone"}, {"kettle": "Here", "/else/where": "Gone"})
    assert strangers(audit, names, "names.yml") == (
        "names.yml names 2 sessions that these logs do not hold: s1, s2",
        "names.yml names 1 project that these logs do not hold: /else/where",
    )
    many = Names({f"s{number}": "Gone" for number in range(5)})
    assert strangers(audit, many, "n") == ("n names 5 sessions that these logs do not hold: s0, s1, s2 and 2 more",)
    assert apply(audit, names).sessions[0].title == "Here"
