"""The door to a network: who may be asked, and that nothing an answer does gets further than a line of text."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lms_audit.errors import FAILURE, MISUSE, AuditError
from lms_audit.naming import endpoint as door
from lms_audit.naming.endpoint import Endpoint, chat, endpoint
from tests.naming.server import Answer, Mock, says, serving


def ask(mock: Mock, *, timeout: float = 20) -> str:
    return chat(endpoint(mock.url), "m", "Name it.", "First words: lid", timeout=timeout)


def failure(answer: Answer, *, timeout: float = 20) -> str:
    """The line with which an answer is turned down."""
    with serving(lambda _: answer) as mock, pytest.raises(AuditError) as caught:
        ask(mock, timeout=timeout)
    assert caught.value.exit_code == FAILURE
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 400
    return line.replace(mock.url, "URL")


# --- who may be asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1"),
        ("http://127.0.0.1:1234/v1/", "http://127.0.0.1:1234/v1"),
        ("http://127.200.3.4:1", "http://127.200.3.4:1"),
        ("http://localhost/v1", "http://localhost:80/v1"),
        ("HTTPS://LOCALHOST/v1", "https://localhost:443/v1"),
        ("http://[::1]:1234/v1", "http://[::1]:1234/v1"),
    ],
)
def test_this_machine_may_be_asked(url: str, name: str) -> None:
    server = endpoint(url)
    assert (server.local, server.name) == (True, name)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.20:1234/v1",
        "http://10.0.0.1/v1",
        "https://api.example.com/v1",
        "http://0.0.0.0:1234/v1",
        "http://[::]:1234/v1",
        "http://[2001:db8::1]/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com/v1",
        "http://example.com:127/v1",
        "http://2130706433/v1",
        "http://127.1/v1",
        "http://0x7f.0.0.1/v1",
        "http://0177.0.0.1/v1",
    ],
)
def test_others_are_asked_only_when_that_is_allowed(url: str) -> None:
    with pytest.raises(AuditError, match="is not this machine; --allow-remote") as caught:
        endpoint(url)
    assert caught.value.exit_code == MISUSE
    assert not endpoint(url, allow_remote=True).local


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:1234",
        "localhost",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://",
        "http://:1234/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:x/v1",
        "http://127.0.0.1@example.com/v1",
        "http://me:secret@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=secret",
        "http://127.0.0.1/v1#x",
        "http://127.0.0.1/v 1",
        "http://127.0.0.1/v1\r\nHost: example.com",
        "http://127.0.0.1/\x1b[2J",
        "http://ⅼocalhost/v1",
        "http://[::1/v1",
        "",
    ],
)
@pytest.mark.parametrize("allow_remote", [False, True])
def test_what_is_no_plain_address_is_misuse(url: str, allow_remote: bool) -> None:
    with pytest.raises(AuditError) as caught:
        endpoint(url, allow_remote=allow_remote)
    assert caught.value.exit_code == MISUSE
    assert str(caught.value).isprintable()


def test_a_name_for_this_machine_that_leads_elsewhere_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: says("Lid")) as mock:
        port = int(mock.url.rpartition(":")[2].removesuffix("/v1"))
        assert chat(endpoint(f"http://localhost:{port}"), "m", "s", "u", timeout=20) == "Lid"
        monkeypatch.setattr(door, "_is_loopback", lambda address: False)
        with pytest.raises(AuditError, match="is not this machine, whatever its name says"):
            chat(Endpoint(False, "localhost", port, "/v1", local=True), "m", "s", "u", timeout=20)
        assert len(mock.asked) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: says("Lid")) as mock, serving(lambda _: says("from the proxy")) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert ask(mock) == "Lid"
        assert not proxy.heads


# --- the question ----------------------------------------------------------------------------------------------------


def test_a_question_is_one_plain_chat_completion() -> None:
    with serving(lambda _: says("Lid")) as mock:
        assert ask(mock) == "Lid"
    method, path, headers = mock.heads[0]
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert {name.lower() for name in headers} == {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
    }
    assert mock.asked == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Name it."}, {"role": "user", "content": "First words: lid"}],
            "temperature": 0,
            "max_tokens": 2048,
            "stream": False,
        }
    ]


# --- the answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving(lambda _: says("elsewhere")) as other:
        line = failure((status, {"Location": f"{other.url}/chat/completions"}, b""))
        assert line == f"URL sends elsewhere, to {other.url}/chat/completions; nobody else is asked"
        assert not other.heads


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ((200, {}, b""), "URL answers, but not as a chat completion: Input data was truncated"),
        ((200, {}, b"<html>\x1b[31m"), "URL answers, but not as a chat completion: JSON is malformed"),
        ((200, {}, b"\xff\xfe"), "URL answers, but not as a chat completion: "),
        ((200, {}, b'"\xff"'), "URL answers, but not as a chat completion: "),
        ((200, {}, b"[" * 100_000), "URL answers, but not as a chat completion: "),
        ((200, {}, b'{"choices": 1}'), "URL answers, but not as a chat completion: Expected `array`, got `int`"),
        ((200, {}, b'{"choices": [{"text": "Lid"}]}'), "URL answers, but not as a chat completion: Object missing"),
        (says(5), "URL answers, but not as a chat completion: Expected `str | null`, got `int`"),
        (
            (200, {}, b'{"error":"Unexpected endpoint or method. (POST /chat/completions)"}'),
            "URL answers, but not as a chat completion: Unexpected endpoint or method.",
        ),
        ((404, {}, b'{"error": {"message": "no model\\u001b[2J \\u202e m"}}'), "URL refuses: 404 no model[2J m"),
        ((500, {}, b'{"error": 5}'), "URL refuses: 500 Internal Server Error"),
        ((401, {}, b"x" * 100), "URL refuses: 401 Unauthorized"),
        ((503, {}, b'{"error": "' + b"long " * 1000 + b'"}'), "URL refuses: 503 long long"),
        ((200, {}, b'{"choices": [], "x": "' + b"x" * 1024 * 1024 + b'"}'), "URL answers with more than 1 MB"),
        ((200, {"Content-Length": "99"}, b"{}"), "URL answers, but not as a chat completion: Object missing"),
        ((200, {"Transfer-Encoding": "chunked"}, b"zz\r\n"), "URL cannot be asked: "),
        ((204, {}, b""), "URL refuses: 204 No Content"),
    ],
)
def test_an_answer_that_is_none_is_one_line(answer: Answer, line: str) -> None:
    assert failure(answer).startswith(line)


@pytest.mark.parametrize("content", [None, ""])
def test_an_answer_without_words_is_empty(content: Any) -> None:
    with serving(lambda _: says(content)) as mock:
        assert ask(mock) == ""
    with serving(lambda _: (200, {}, b'{"choices": []}')) as mock:
        assert ask(mock) == ""


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with pytest.raises(AuditError) as caught:
            chat(endpoint(url), "m", "s", "u", timeout=20)
    assert str(caught.value) == f"{url} cannot be asked: Connection refused"


# --- the time --------------------------------------------------------------------------------------------------------


@contextmanager
def dribbling(first: bytes) -> Iterator[str]:
    """A server that never comes to an end: after its first bytes one more every few milliseconds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            line, _ = listening.accept()
            with line:
                line.sendall(first)
                while not over.wait(0.02):
                    try:
                        line.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n{",
    ],
)
def test_an_answer_that_trickles_in_is_not_waited_for(first: bytes) -> None:
    with dribbling(first) as url, pytest.raises(AuditError) as caught:
        chat(endpoint(url), "m", "s", "u", timeout=0.3)
    assert str(caught.value) == f"{url} has not answered within 0.3 s"


def test_silence_is_not_waited_for() -> None:
    with serving(lambda _: (mock.done.wait(20), says("late"))[1]) as mock, pytest.raises(AuditError) as caught:
        ask(mock, timeout=0.3)
    assert str(caught.value) == f"{mock.url} has not answered within 0.3 s"
