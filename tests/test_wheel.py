"""The wheel holds all that an installed package needs, and works away from the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSIDE = ("-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [*INSIDE, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    install = [*INSIDE, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    return folder


def lms_audit(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "lms_audit", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_the_wheel_holds_templates_rules_prices_and_schemas_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "site_templates").rglob("*"):
        if path.is_file() and path.name != ".gitkeep":
            assert f"lms_audit/site_templates/{path.relative_to(ROOT / 'site_templates').as_posix()}" in names
    wanted = {"py.typed", "correlate/clients.yml", "analyse/prices.yml", "schemas/requests.schema.json"}
    assert {f"lms_audit/{name}" for name in wanted} <= names
    assert not [name for name in names if name.startswith(("tests/", "synthetic/", "benchmarks/", "logs_sample/"))]


def test_an_installed_package_exports_the_sample_from_any_folder(installed: Path, tmp_path: Path) -> None:
    done = lms_audit(installed, tmp_path, "export", str(ROOT / "logs_sample"), "-o", "out", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out" / "requests.jsonl").read_text().splitlines()
    assert {json.loads(line)["client"] for line in lines} >= {"opencode", "claude-code", "codex", "unknown"}


def test_an_installed_package_builds_the_sample_site_from_any_folder(installed: Path, tmp_path: Path) -> None:
    done = lms_audit(installed, tmp_path, "build", str(ROOT / "logs_sample"), "-o", "site", "--no-store", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "site" / "index.html").read_text()
