"""The site over HTTP on this machine, made anew whenever the logs change.

In: the folder of the site and the logs to watch. The pages get one more script on their way out, which reloads them
when the site was made anew; nothing on disk has it. Only loopback addresses are served, and only under loopback names,
so that no page of the internet can read the logs through a name of its own.

Cost: one look at the sizes and times of the logs per second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lms_audit.errors import AuditError
from lms_audit.read.discover import discover

HOST = "127.0.0.1"
OURS = "/_lms_audit/"

# A script tag, not fetch(): the pages' policy allows no connections, only scripts of their own origin.
_RELOAD = b"""\
"use strict";
(() => {
  let seen = null;
  window.lmsAuditVersion = (version) => {
    if (seen === null) seen = version;
    else if (version !== seen) location.reload();
  };
  const ask = () => {
    const script = document.createElement("script");
    script.src = "/_lms_audit/version.js?" + Date.now();
    script.onload = script.onerror = () => { script.remove(); setTimeout(ask, 1000); };
    document.head.append(script);
  };
  ask();
})();
"""
_TAG = b'<script src="/_lms_audit/reload.js"></script>'


class Watch:
    """Looks at the logs, and has the site made anew when one of them changed, came or went.

    ``files``: others that matter as much, such as the names file.
    """

    def __init__(
        self, logs: Sequence[Path | str], rebuild: Callable[[], None], files: Sequence[Path | None] = ()
    ) -> None:
        self._logs = logs
        self._files = [file for file in files if file is not None]
        self._rebuild = rebuild
        self._seen = self._look()
        self._stop = threading.Event()
        self.version = 1
        """Counts the sites made."""

    def poll(self) -> bool:
        """Look once; whether the site was made anew."""
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        self._rebuild()
        self.version += 1
        return True

    def run(self, seconds: float = 1.0) -> None:
        """Look again and again until ``stop``."""
        while not self._stop.wait(seconds):
            self.poll()

    def stop(self) -> None:
        self._stop.set()

    def _look(self) -> frozenset[tuple[str, int, int]]:
        try:
            found = discover(self._logs, unchanged=lambda _file: True, remembered=lambda _path: True)
        except AuditError:  # the logs are gone for now; the site stays
            return frozenset()
        seen = {(str(file.path), file.size, file.mtime_ns) for file in found.files}
        for file in self._files:
            with suppress(OSError):
                state = file.stat()
                seen.add((str(file), state.st_size, state.st_mtime_ns))
        return frozenset(seen)


@contextmanager
def server(site: Path, port: int, watch: Watch) -> Iterator[str]:
    """Serve a folder on this machine while the block runs; gives the address."""
    handler = partial(_Handler, watch=watch, directory=str(site.resolve()))
    try:
        listening = ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise AuditError(f"cannot listen on port {port}: {error.strerror}; choose another with --port") from None
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listening.server_port}/"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Handler(SimpleHTTPRequestHandler):
    """Files of the site, pages with the script that reloads them."""

    def __init__(self, *arguments: Any, watch: Watch, **options: Any) -> None:
        self._watch = watch
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not self._is_local():
            self.send_error(403, "only for this machine")
        elif path == f"{OURS}reload.js":
            self._answer(_RELOAD, "text/javascript")
        elif path == f"{OURS}version.js":
            self._answer(b"lmsAuditVersion(%d);" % self._watch.version, "text/javascript")
        elif (page := self._page()) is not None:
            head, body_end, tail = page.rpartition(b"</body>")
            self._answer(head + _TAG + body_end + tail if body_end else page, "text/html; charset=utf-8")
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_local():
            super().do_HEAD()
        else:
            self.send_error(403, "only for this machine")

    def list_directory(self, _path: Any) -> None:
        self.send_error(404, "no such page")

    def log_message(self, *_arguments: Any) -> None:
        """Not for the terminal."""

    def _is_local(self) -> bool:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        return host in ("127.0.0.1", "localhost")

    def _page(self) -> bytes | None:
        place = Path(self.translate_path(self.path))
        if place.is_dir() and self.path.partition("?")[0].endswith("/"):
            place /= "index.html"
        return place.read_bytes() if place.suffix == ".html" and place.is_file() else None

    def _answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)
