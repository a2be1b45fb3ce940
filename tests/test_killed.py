"""Killed at any moment, the previous site stays whole, and the next build leaves what an undisturbed one leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lms_audit import cli, outdir
from tests.chatlog import turns

# Runs the command line in a process that kills itself at the n-th step that touches the disk. The pages are a stand-in:
# what is under test is everything around them.
DRIVER = """
import contextlib, os, pathlib, signal, sys, types

left = int(sys.argv[1])
steps = 0

def step():
    global steps
    steps += 1
    if steps == left:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect", "ctypes.call_function"):
        step()
    elif event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1]):
        step()

class SiteMaker(contextlib.nullcontext):
    def __init__(self, work, maker):
        super().__init__(self)

    def make(self, report, library, site, **_):
        for request in report.audit.requests:
            page = site / "requests" / f"{request.id}.html"
            page.parent.mkdir(exist_ok=True)
            page.write_text(f"{request.received_at} {request.input_tokens} {request.response_text}")
        (site / "index.html").write_text(f"{len(report.audit.requests)} requests")

module = types.ModuleType("lms_audit.present.site")
module.SiteMaker = SiteMaker
sys.modules["lms_audit.present.site"] = module

from lms_audit import cli, pipeline, store
from lms_audit.analyse import analyse
from lms_audit.correlate import correlate

pipeline._program = lambda: "fixed"
insert = store.Store._insert

def stepping(self, items):
    step()
    insert(self, items)
    step()

store.Store._insert = stepping
sys.addaudithook(watch)
code = cli.run(sys.argv[2:])
print(steps)
sys.exit(code)
"""


def run(kill_at: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    source = Path(cli.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-B", "-c", DRIVER, str(kill_at), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source), "LMS_AUDIT_DEBUG": "1"},
        check=False,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(logs: Path, days: int, count: int) -> None:
    for day in range(days):
        path = logs / f"2026-11/2026-11-{day + 3:02}.1.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(turns(count, topic=f"boat {day}", start=86_400 * day))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_build_killed_at_any_step_harms_nothing(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(old / "logs", 2, 2)
    assert run(0, "build", old / "logs", "-o", old / "site").returncode == 0
    before = content(old / "site")
    (old / "site/CNAME").write_text("docs.example")
    write(new / "logs", 3, 3)
    total = int(run(0, "build", new / "logs", "-o", new / "site").stdout.split()[-1])
    after = content(new / "site")
    seen = []
    for at in range(1, total + 12, 3):
        world = tmp_path / f"killed-at-{at}"
        shutil.copytree(old, world)
        write(world / "logs", 3, 3)
        done = run(at, "build", world / "logs", "-o", world / "site")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        there = content(world / "site")
        there.pop("CNAME", None)
        assert there in (before, after), f"killed at step {at}, the site is neither the old one nor the new one"
        seen.append(there == after)
        assert run(0, "build", world / "logs", "-o", world / "site").returncode == 0
        assert content(world / "site") == {**after, "CNAME": b"docs.example"}, f"killed at step {at}"
        assert {path.name for path in world.iterdir()} == {"logs", "site", "site.lms-audit.db", ".site.lms-audit"}
    assert set(seen) == {False, True}, "no kill before, or none after the exchange of the sites"
    assert len(seen) > total / 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_an_export_killed_at_any_step_leaves_each_file_whole(tmp_path: Path) -> None:
    logs, out, store = tmp_path / "logs", tmp_path / "out", tmp_path / "store"
    write(logs, 2, 2)
    assert run(0, "export", logs, "-o", out, "--store", store).returncode == 0
    before = content(out)
    write(logs, 2, 3)
    total = int(run(0, "export", logs, "-o", tmp_path / "fresh").stdout.split()[-1])
    after = content(tmp_path / "fresh")
    for at in range(1, total + 4, 3):
        run(at, "export", logs, "-o", out, "--store", store)
        there = content(out)
        assert set(before) <= set(there)
        for name, data in before.items():
            assert there[name] in (data, after[name]), f"killed at step {at}, {name} is cut"
    assert run(0, "export", logs, "-o", out, "--store", store).returncode == 0
    assert {name: content(out)[name] for name in after} == after
    assert set(content(out)) == outdir.ours(out) == frozenset(after)
