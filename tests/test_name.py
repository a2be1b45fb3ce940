"""``lms-audit name`` from end to end, against a server on this machine that answers as it is told to."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lms_audit import cli
from lms_audit.naming import endpoint as door
from lms_audit.naming.questions import SYSTEM
from tests.chatlog import ask, turns
from tests.naming.server import Answer, Mock, says, serving

Name = Callable[..., tuple[int, str, str]]


def by_topic(body: dict[str, Any]) -> Answer:
    """A title with the last word of the question's first sentence."""
    words = body["messages"][1]["content"].partition(":")[2].partition(":")[0].split()
    return says(f"Mending the {words[-1]}")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three sessions: boat, kite, lamp."""
    path = tmp_path / "logs/2026-11-03.1.log"
    path.parent.mkdir()
    parts = (turns(2), turns(2, topic="kite", start=100_000), turns(1, topic="lamp", start=200_000))
    path.write_bytes(b"".join(parts))
    return tmp_path / "logs"


@pytest.fixture
def server() -> Iterator[Mock]:
    with serving(by_topic) as mock:
        yield mock


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return tmp_path / "names.yml"


@pytest.fixture
def name(capsys: pytest.CaptureFixture[str], logs: Path, names: Path, server: Mock) -> Name:
    def call(*options: object, url: str = server.url) -> tuple[int, str, str]:
        common = ["name", logs, "--names", names, "--endpoint", url, "--model", "m"]
        code = cli.run([str(option) for option in (*common, *options)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def held(names: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(names.read_text())["sessions"]
    return found


def exported(logs: Path, out: Path, *options: object) -> list[dict[str, Any]]:
    assert cli.run([str(option) for option in ("export", logs, "-o", out, "-q", *options)]) == 0
    return [json.loads(line) for line in (out / "sessions.jsonl").read_text().splitlines()]


def test_sessions_get_the_names_a_model_gives_them(
    name: Name, logs: Path, names: Path, server: Mock, tmp_path: Path
) -> None:
    code, out, err = name()
    assert (code, err) == (0, "")
    ids = [session["id"] for session in exported(logs, tmp_path / "plain")]
    titles = ["Mending the boat", "Mending the kite", "Mending the lamp"]
    assert held(names) == dict(zip(ids, titles, strict=True))
    assert list(held(names)) == sorted(ids)
    lines = [f"{session}  {title}" for session, title in zip(ids, titles, strict=True)]
    assert out.splitlines() == [*reversed(lines), f"3 sessions named in {names}"]
    assert [body["messages"][0]["content"] for body in server.asked] == [SYSTEM] * 3
    assert server.users[0].startswith("First words: Step 0 of the lamp: look closely.")
    assert {body["model"] for body in server.asked} == {"m"}
    named = exported(logs, tmp_path / "named", "--names", names)
    assert [session["title"] for session in named] == titles


def test_a_second_run_sends_nothing_and_changes_nothing(name: Name, names: Path, server: Mock) -> None:
    assert name()[0] == 0
    before = names.read_bytes()
    server.asked.clear()
    assert name() == (0, "no session to ask about\n", "")
    assert name("-q") == (0, "", "")
    assert server.heads[3:] == []
    assert names.read_bytes() == before


def test_new_sessions_are_asked_about_and_names_of_people_stay(
    name: Name, logs: Path, names: Path, server: Mock, tmp_path: Path
) -> None:
    boat = exported(logs, tmp_path / "plain")[0]["id"]
    names.write_text(f"# mine\nsessions:\n  {boat}: My boat  # not yours\nprojects:\n  shed: The shed\n")
    code, _, err = name()
    assert code == 0
    assert "names 1 project that these logs do not hold: shed" in err
    assert len(server.asked) == 2
    assert held(names)[boat] == "My boat"
    assert f"  {boat}: My boat  # not yours\n" in names.read_text()
    assert names.read_text().startswith("# mine\n")
    (logs / "2026-11-09.1.log").write_bytes(turns(1, topic="oar", start=600_000))
    assert "Mending the oar" in name()[1]
    assert len(server.asked) == 3


def test_force_asks_again_and_replaces(name: Name, names: Path, server: Mock) -> None:
    name()
    server.answer = lambda _: says("Another name")
    code, out, _ = name("--force")
    assert code == 0
    assert out.count("Another name") == 3
    assert set(held(names).values()) == {"Another name"}
    assert len(server.asked) == 6


def test_a_limit_takes_the_latest_and_the_next_run_goes_on(name: Name, names: Path, server: Mock) -> None:
    assert name("--limit", 1)[0] == 0
    assert set(held(names).values()) == {"Mending the lamp"}
    assert name("--limit", 1)[0] == 0
    assert set(held(names).values()) == {"Mending the lamp", "Mending the kite"}
    assert len(server.asked) == 2


def test_filters_choose_who_is_asked_about(name: Name, names: Path) -> None:
    assert name("--until", "2026-11-03")[0] == 0
    assert set(held(names).values()) == {"Mending the boat"}


def test_a_hostile_title_is_one_line_of_text_everywhere(
    name: Name, logs: Path, names: Path, server: Mock, tmp_path: Path
) -> None:
    evil = (
        "</script><script>alert(1)</script>\u202e \x1b]0;x\x07{{ 7*7 }} ](http://x) &amp; 'q' \"w\" - [x]: !!python/x"
    )
    server.answer = lambda _: says(evil + "\nsessions: {}\n" + "x" * 1000)
    code, out, err = name("--limit", 1)
    assert (code, err) == (0, "")
    title = next(iter(held(names).values()))
    assert title.startswith("</script><script>alert(1)</script> ]0;x{{ 7*7 }} ](http://x) &amp; 'q' \"w\"")
    assert len(title) <= 80
    assert title.isprintable()
    assert out.splitlines()[0].endswith(title)
    assert exported(logs, tmp_path / "out", "--names", names)[-1]["title"] == title


def test_an_answer_without_a_title_is_told_and_the_rest_goes_on(name: Name, names: Path, server: Mock) -> None:
    server.answer = lambda body: says("") if "kite" in body["messages"][1]["content"] else by_topic(body)
    code, out, err = name()
    assert code == 0
    assert err.count("there is no title in the answer\n") == err.count("\n") == 1
    assert f"2 sessions named in {names}" in out
    assert set(held(names).values()) == {"Mending the boat", "Mending the lamp"}


def test_what_was_named_before_a_failure_is_kept(name: Name, names: Path, server: Mock) -> None:
    server.answer = lambda body: (500, {}, b"") if "kite" in body["messages"][1]["content"] else by_topic(body)
    code, out, err = name()
    assert code == 1
    assert err == f"lms-audit: {server.url} refuses: 500 Internal Server Error\n"
    assert out.endswith("Mending the lamp\n")
    assert set(held(names).values()) == {"Mending the lamp"}


def test_a_silent_server_is_given_up(name: Name, names: Path, server: Mock) -> None:
    server.answer = lambda _: (server.done.wait(20), says("late"))[1]
    code, out, err = name("--timeout", "0.2")
    assert (code, out, err) == (1, "", f"lms-audit: {server.url} has not answered within 0.2 s\n")
    assert not names.exists()


def test_names_survive_what_a_person_does_to_the_file_meanwhile(name: Name, names: Path, server: Mock) -> None:
    def interfering(body: dict[str, Any]) -> Answer:
        if names.exists() and "mine" not in names.read_text():
            names.write_text(f"# mine\n{names.read_text()}projects:\n  shed: The shed\n")
        return by_topic(body)

    server.answer = interfering
    assert name()[0] == 0
    assert names.read_text().startswith("# mine\n")
    assert yaml.safe_load(names.read_text())["projects"] == {"shed": "The shed"}
    assert len(held(names)) == 3


# --- who is asked ----------------------------------------------------------------------------------------------------


def test_another_machine_is_refused_before_anything_is_read(name: Name, names: Path) -> None:
    code, out, err = name(url="https://api.example.com/v1")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "api.example.com is not this machine; --allow-remote" in err
    assert not names.exists()


def test_what_leaves_the_machine_is_told_first(
    name: Name, server: Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def listening(body: dict[str, Any]) -> Answer:
        told.append(capsys.readouterr().err)
        return by_topic(body)

    server.answer = listening
    monkeypatch.setattr(door, "_is_loopback", lambda address: False)
    assert name()[0] == 2
    assert not server.asked
    assert name("--allow-remote", "--limit", 2, "-q")[0] == 0
    size = sum(len(text) for text in server.users)
    assert told[0] == (
        f"lms-audit: sending to {server.url}, which is not this machine: first words and names of tools and files of"
        f" 2 sessions, {size:,} characters\n"
    )
    assert told[1] == ""


def test_a_redirect_ends_it(name: Name, names: Path, server: Mock) -> None:
    with serving(lambda _: says("elsewhere")) as other:
        server.answer = lambda _: (307, {"Location": other.url}, b"")
        code, out, err = name()
        assert (code, out) == (1, "")
        assert err == f"lms-audit: {server.url} sends elsewhere, to {other.url}; nobody else is asked\n"
        assert not other.heads
    assert not names.exists()


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"choices": "x"}', b'{"choices": [{"message": 1}]}'])
def test_bad_json_ends_it(name: Name, names: Path, server: Mock, answer: bytes) -> None:
    server.answer = lambda _: (200, {}, answer)
    code, out, err = name()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "answers, but not as a chat completion" in err
    assert not names.exists()


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--endpoint", "URL", "--model", "m"], "--names FILE"),
        (["--endpoint", "URL", "--names", "n.yml"], "--model"),
        (["--model", "m", "--names", "n.yml"], "--endpoint"),
        (["--endpoint", "ftp://x", "--model", "m", "--names", "n.yml"], "not the address of a server"),
        (["--endpoint", "URL", "--model", "m", "--names", "n.yml", "--limit", "0"], "--limit"),
        (["--endpoint", "URL", "--model", "m", "--names", "n.yml", "--timeout", "0"], "--timeout"),
        (["--endpoint", "URL", "--model", "m", "--names", "none/n.yml"], "there is no folder"),
        (["--endpoint", "URL", "--model", "m", "--names", "."], "is not a file"),
        (["--endpoint", "URL", "--model", "m", "--names", "bad.yml"], "bad.yml, line 2: "),
    ],
)
def test_misuse_is_one_clear_line_and_nobody_is_asked(
    logs: Path,
    server: Mock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yml").write_text("sessions:\n  s1: [a]\n")
    before = sorted(tmp_path.rglob("*"))
    code = cli.run(["name", str(logs), *(server.url if each == "URL" else each for each in arguments)])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert not server.heads
    assert sorted(tmp_path.rglob("*")) == before


def test_a_settings_file_can_name_the_names_file(
    logs: Path, server: Mock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("names: my-names.yml\nlogs: [logs]\n")
    common = ["name", "--config", str(settings), "--endpoint", server.url, "--model", "m", "-q"]
    assert cli.run(common) == 0
    assert capsys.readouterr() == ("", "")
    assert len(held(tmp_path / "my-names.yml")) == 3


# --- what names do ---------------------------------------------------------------------------------------------------


@pytest.fixture
def project_logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs/2026-11-03.1.log"
    path.parent.mkdir()
    where = "Here is the task.\n<cwd>/home/ada/kettle</cwd>"
    messages = [{"role": "system", "content": where}, {"role": "user", "content": "Mend the spout"}]
    path.write_bytes(ask(0, messages) + turns(1, start=100_000))
    return path.parent


def test_names_show_on_pages_and_survive_new_builds(
    project_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kettle, boat = exported(project_logs, tmp_path / "plain")
    assert kettle["project"] == "/home/ada/kettle"
    names = tmp_path / "names.yml"
    site = tmp_path / "site"
    build = ["build", str(project_logs), "-o", str(site), "--names", str(names), "-q"]

    names.write_text(f"sessions:\n  {kettle['id']}: The <b>spout</b>\n  s0: Gone\nprojects:\n  kettle: Tea & shop\n")
    assert cli.run(build) == 0
    assert "names 1 session that these logs do not hold: s0\n" in capsys.readouterr().err
    page = (site / f"sessions/{kettle['id']}/index.html").read_text()
    assert html.escape("The <b>spout</b>") in page
    assert "<b>spout</b>" not in page
    assert "Mend the spout" in page
    assert html.escape("Tea & shop") in page
    listed = (site / "sessions/index.html").read_text()
    assert html.escape("The <b>spout</b>") in listed
    assert html.escape("Tea & shop") in listed
    assert html.escape("Tea & shop") in (site / "projects/index.html").read_text()

    (project_logs / "2026-11-09.1.log").write_bytes(turns(1, topic="oar", start=600_000))
    names.write_text(names.read_text().replace("  s0: Gone", f"  {boat['id']}: The boat"))
    assert cli.run(build) == 0
    assert capsys.readouterr().err == ""
    listed = (site / "sessions/index.html").read_text()
    assert html.escape("The <b>spout</b>") in listed
    assert "The boat" in listed

    names.write_text("sessions:\n")
    assert cli.run(build) == 0
    assert "spout&lt;/b&gt;" not in (site / "sessions/index.html").read_text()


def test_exports_and_archives_carry_names_and_keep_paths(project_logs: Path, tmp_path: Path) -> None:
    kettle = exported(project_logs, tmp_path / "plain")[0]
    names = tmp_path / "names.yml"
    names.write_text(f"sessions: {{{kettle['id']}: The spout}}\nprojects: {{kettle: Tea shop}}")
    named = exported(project_logs, tmp_path / "named", "--names", names, "--project", "tea shop")
    assert named == [{**kettle, "title": "The spout"}]
    assert cli.run(["pack", str(project_logs), "-o", str(tmp_path / "packed"), "--names", str(names), "-q"]) == 0
    titles = [
        json.loads(line)["title"]
        for path in (tmp_path / "packed").rglob("sessions.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert "The spout" in titles


@pytest.mark.parametrize("command", ["build", "export", "pack"])
def test_a_mistake_in_the_file_is_told_before_logs_are_read(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    names = tmp_path / "names.yml"
    names.write_text("sessions:\n  s1: a\n  s1: b\n")
    assert cli.run([command, str(logs), "-o", str(tmp_path / "out"), "--names", str(names)]) == 2
    assert capsys.readouterr().err == f'lms-audit: {names}, line 3: "s1" is there twice\n'
    assert not (tmp_path / "out").exists()
