"""The one door to a network: a question to an OpenAI-compatible server that the user named, and its answer.

In: the server's address as typed, a model, a question. Out: the text of the answer. Only this machine is spoken to
unless the user allows more; that is checked by what is written and again by who answers the call. Redirects and proxies
are not followed, an answer may be neither late as a whole nor large, and whatever it says is text and nothing else.

Cost: one connection per question.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from threading import Event, Timer
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from lms_audit.correlate.names import clean
from lms_audit.errors import MISUSE, AuditError

MOST_BYTES = 1024 * 1024
"""Of an answer. A title has a hundred; what a model thinks before it can be long."""

MOST_TOKENS = 2048
"""That a model may write for a title, what it thinks included."""

_QUOTED = 200
"""Characters of a server's complaint that are shown."""


class Endpoint(Struct, frozen=True):
    """A server that may be asked."""

    secure: bool
    host: str
    port: int
    path: str
    local: bool
    """It is on this machine."""

    @property
    def name(self) -> str:
        """The server as a person would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.path}"


def endpoint(url: str, *, allow_remote: bool = False) -> Endpoint:
    """The server at a URL such as ``http://127.0.0.1:1234/v1``."""
    shown = f"--endpoint {clean(url)}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AuditError(f"{shown}: {error}", MISUSE) from None
    if parts.scheme not in ("http", "https") or not host:
        raise AuditError(f"{shown}: not the address of a server; write http://127.0.0.1:1234/v1", MISUSE)
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise AuditError(f"{shown}: an address has neither blanks nor special characters", MISUSE)
    if parts.username is not None or parts.query or parts.fragment:
        raise AuditError(f"{shown}: an address without user, ? and # is needed", MISUSE)
    local = host == "localhost" or _is_loopback(host)
    if not local and not allow_remote:
        raise AuditError(
            f"{shown}: {host} is not this machine; --allow-remote sends it the first words of your sessions", MISUSE
        )
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port or (443 if secure else 80), parts.path.rstrip("/"), local)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


# --- a question ------------------------------------------------------------------------------------------------------


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    message: _Message


class _Answer(Struct):
    choices: tuple[_Choice, ...]


class _Complaint(Struct):
    message: str


class _Refusal(Struct):
    error: str | _Complaint


def chat(server: Endpoint, model: str, system: str, user: str, *, timeout: float) -> str:
    """What a model answers to one question. ``timeout``: seconds for all of it."""
    body = {
        "model": model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
        "stream": False,
    }
    data = _posted(server, f"{server.path}/chat/completions", json.dumps(body).encode(), timeout)
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        said = _complaint(data) or clean(str(error))[:_QUOTED]
        raise AuditError(f"{server.name} answers, but not as a chat completion: {said}") from None
    return next((choice.message.content for choice in answer.choices if choice.message.content), "")


def _posted(server: Endpoint, path: str, body: bytes, timeout: float) -> bytes:
    make = HTTPSConnection if server.secure else HTTPConnection
    connection = make(server.host, server.port, timeout=timeout)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
    too_late = AuditError(f"{server.name} has not answered within {timeout:g} s")
    late = Event()
    try:
        connection.connect()
        _check_who_answers(server, connection.sock)
        with _hanging_up(connection.sock, timeout, late):
            connection.request("POST", path, body, headers)
            with connection.getresponse() as response:
                data = _content(server, response)
    except (OSError, HTTPException, UnicodeError) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            raise too_late from None
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AuditError(f"{server.name} cannot be asked: {clean(said)[:_QUOTED]}") from None
    finally:
        connection.close()
    if late.is_set():
        raise too_late
    if 300 <= response.status < 400:
        target = clean(response.getheader("Location") or "nowhere")[:_QUOTED]
        raise AuditError(f"{server.name} sends elsewhere, to {target}; nobody else is asked")
    if response.status != 200:
        said = _complaint(data) or clean(response.reason)[:_QUOTED]
        raise AuditError(f"{server.name} refuses: {response.status} {said}".rstrip())
    return data


@contextmanager
def _hanging_up(line: socket.socket, seconds: float, late: Event) -> Iterator[None]:
    """Hang up when the time is over: a socket's own timeout starts anew with every byte that trickles in."""

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _check_who_answers(server: Endpoint, line: socket.socket) -> None:
    """A name such as ``localhost`` means what the machine's tables say; the address at the other end cannot lie."""
    if server.local and not _is_loopback(str(line.getpeername()[0])):
        raise AuditError(f"{server.name} is not this machine, whatever its name says")


def _content(server: Endpoint, response: HTTPResponse) -> bytes:
    data = response.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise AuditError(f"{server.name} answers with more than {MOST_BYTES // 1024 // 1024} MB")
    return data


def _complaint(data: bytes) -> str:
    """What an error's body says, if it is one."""
    try:
        error = msgspec.json.decode(data, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return clean(error if isinstance(error, str) else error.message)[:_QUOTED]
