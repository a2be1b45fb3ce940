"""The site on this machine: pages reload when the logs change, and nobody else can read them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from lms_audit.errors import AuditError
from lms_audit.serve import Watch, server
from tests.chatlog import turns


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs/2026-11/2026-11-03.1.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(turns(1))
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "sessions").mkdir(parents=True)
    (folder / "index.html").write_text("<body><p>Overview</p></body></html>")
    (folder / "plain.css").write_text("p {}")
    (tmp_path / "secret.html").write_text("secret")
    return folder


@pytest.fixture
def watch(log: Path) -> Watch:
    return Watch((log.parents[1],), lambda: None)


@pytest.fixture
def port(site: Path, watch: Watch) -> Iterator[int]:
    with server(site, 0, watch) as address:
        assert address.startswith("http://127.0.0.1:")
        yield int(address.rstrip("/").rpartition(":")[2])


def get(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_site_is_made_anew_when_a_log_grows_comes_or_goes(log: Path) -> None:
    made: list[int] = []
    watch = Watch((log.parents[1],), lambda: made.append(1))
    assert not watch.poll()
    with log.open("ab") as file:
        file.write(turns(2, first=1))
    assert watch.poll()
    assert not watch.poll()
    log.with_name("2026-11-04.1.log").write_bytes(turns(1))
    assert watch.poll()
    log.unlink()
    assert watch.poll()
    assert (len(made), watch.version) == (3, 4)


def test_the_site_is_made_anew_when_a_names_file_changes(log: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.yml"
    watch = Watch((log.parents[1],), lambda: None, (names, None))
    assert not watch.poll()
    names.write_text("sessions: {}\n")
    assert watch.poll()
    names.write_text("sessions: {s1: Lid}\n")
    assert watch.poll()
    assert not watch.poll()


def test_watching_outlives_logs_that_are_gone_and_ends_when_told(log: Path) -> None:
    watch = Watch((log,), lambda: None)
    log.unlink()
    assert watch.poll()
    log.write_bytes(turns(1))
    assert watch.poll()
    watch.stop()
    watch.run()


def test_pages_get_the_reloading_script_and_files_stay_as_they_are(port: int, site: Path) -> None:
    for path in ("/", "/index.html", "/index.html?x=1"):
        status, page = get(port, path)
        assert status == 200
        assert page == b'<body><p>Overview</p><script src="/_lms_audit/reload.js"></script></body></html>'
    assert get(port, "/plain.css") == (200, b"p {}")
    assert (site / "index.html").read_text() == "<body><p>Overview</p></body></html>"


def test_the_version_counts_the_sites_made(port: int, watch: Watch, log: Path) -> None:
    assert get(port, "/_lms_audit/version.js") == (200, b"lmsAuditVersion(1);")
    log.write_bytes(turns(2))
    watch.poll()
    assert get(port, "/_lms_audit/version.js?17") == (200, b"lmsAuditVersion(2);")
    assert b"location.reload()" in get(port, "/_lms_audit/reload.js")[1]


def test_another_name_of_this_machine_is_refused(port: int) -> None:
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        assert get(port, "/", host)[0] == 403 or host == ""
        assert get(port, "/", host or "x", method="HEAD")[0] == 403
    assert get(port, "/", f"localhost:{port}")[0] == 200


def test_only_the_site_is_served(port: int) -> None:
    for path in ("/../secret.html", "/%2e%2e/secret.html", "/sessions/", "/nothing.html"):
        assert get(port, path)[0] == 404


def test_a_port_in_use_is_one_clear_line(port: int, site: Path, watch: Watch) -> None:
    with pytest.raises(AuditError, match="--port"), server(site, port, watch):
        pass
