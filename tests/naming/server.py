"""A server on this machine that answers as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


def says(text: Any) -> Answer:
    """A chat completion."""
    body = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


@dataclass
class Mock:
    """What it was asked, and what it answers."""

    answer: Callable[[dict[str, Any]], Answer]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of requests."""
    heads: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of requests."""
    done: threading.Event = field(default_factory=threading.Event)
    """Set at the end of the test: whoever keeps a client waiting may stop."""

    @property
    def users(self) -> list[str]:
        """What was asked about each session."""
        return [body["messages"][1]["content"] for body in self.asked]


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[Mock]:
    mock = Mock(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            mock.heads.append((self.command, self.path, dict(self.headers)))
            mock.asked.append(body)
            status, headers, data = mock.answer(body)
            with suppress(ConnectionError):  # a client may have hung up
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        def do_GET(self) -> None:
            mock.heads.append((self.command, self.path, dict(self.headers)))
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mock.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield mock
        finally:
            mock.done.set()
            server.shutdown()
            thread.join()
