"""Builds a site from synthetic logs and prints what it cost: ``python -m benchmarks.run``.

Every stage cold, with nothing changed, and with one request appended; memory of the whole process tree; sizes of store
and site; lnav and ``wc -l`` on the same files in the same run; and how cost grows when the log does. Needs an installed
``lms-audit`` (or the repository's own, from its environment); lnav is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.generate import PROFILES, generate
from benchmarks.measure import Run, run

REQUEST = re.compile(rb"^\[[^\]]+\]\[DEBUG\] Received request: POST to /v1/(?:chat|messages|responses)", re.MULTILINE)
FIRST = ("read", "correlate", "analyse")
GOALS = {
    "read and store, cold": ("s", 5.0),
    "site, cold": ("s", 15.0),
    "site, nothing changed": ("s", 1.0),
    "site, one request appended": ("s", 3.0),
    "peak memory of the process tree": ("MB", 300.0),
    "store": ("MB", 30.0),
    "site": ("MB", 40.0),
    "largest page": ("MB", 2.0),
}
"""What issue and product ask for on the article's month."""

LNAV_FORMAT = {
    "$schema": "https://lnav.org/schemas/format-v1.schema.json",
    "lmstudio_log": {
        "title": "LM Studio server log",
        "description": "Prefix line and continuation lines",
        "regex": {
            "file": {"pattern": r"^\[(?<timestamp>[\d-]{10} [\d:]{8})\]\[(?<level>DEBUG|INFO|WARN|ERROR)\](?<body>.*)$"}
        },
        "timestamp-format": ["%Y-%m-%d %H:%M:%S"],
        "level-field": "level",
        "level": {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR"},
        "sample": [{"line": "[2026-10-01 09:00:00][INFO][LM STUDIO SERVER] Server started."}],
    },
}


@dataclass(slots=True)
class Build:
    """One build of a site."""

    seconds: float
    peak_bytes: int | None
    stages: dict[str, float] = field(default_factory=dict)


class Bench:
    """A log, a store and a site in a folder of their own."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder, self.logs = folder, logs
        self.site, self.store = folder / "site", folder / "store.db"
        folder.mkdir(parents=True, exist_ok=True)

    def build(self, *, watched: bool = False) -> Build:
        """Build the site; to be ``watched`` tells its memory, and takes longer for it."""
        timings = self.folder / "timings.json"
        timings.unlink(missing_ok=True)
        where = ["-o", str(self.site), "--store", str(self.store), "--timings", str(timings)]
        done = run([*program(), "build", str(self.logs), *where, "--quiet"], watched=watched)
        if done.code != 0:
            raise SystemExit(f"lms-audit build failed ({done.code}):\n{done.output}")
        stages = json.loads(timings.read_text()) if timings.exists() else {}
        stages.pop("total", None)
        return Build(done.seconds, done.peak_bytes, stages)

    def cold(self, *, watched: bool = False) -> Build:
        """Build with nothing there."""
        self.clear()
        return self.build(watched=watched)

    def appended(self, *, watched: bool = False) -> Build:
        """Build when the last request has come since the last build."""
        held = held_back(self.logs)
        self.build()
        for path, data in held:
            with path.open("ab") as file:
                file.write(data)
        return self.build(watched=watched)

    def clear(self) -> None:
        for folder in (self.site, self.site.with_name(f".{self.site.name}.lms-audit")):
            shutil.rmtree(folder, ignore_errors=True)
        for path in self.folder.glob("store.db*"):
            path.unlink()

    def sizes(self) -> dict[str, int]:
        pages = [path.stat().st_size for path in self.site.rglob("*.html")]
        return {
            "store": sum(path.stat().st_size for path in self.folder.glob("store.db*")),
            "site": sum(path.stat().st_size for path in self.site.rglob("*") if path.is_file()),
            "largest page": max(pages, default=0),
            "pages": len(pages),
        }


def program() -> list[str]:
    """The command line of the environment this script runs in."""
    return [sys.executable, "-m", "lms_audit"]


def held_back(logs: Path) -> list[tuple[Path, bytes]]:
    """Cuts the last request off the newest files; appending it again is what a working day does to a log."""
    held: list[tuple[Path, bytes]] = []
    for path in sorted(logs.rglob("*.log"), key=_age, reverse=True):
        data = path.read_bytes()
        starts = [match.start() for match in REQUEST.finditer(data)]
        cut = starts[-1] if starts else 0
        held.insert(0, (path, data[cut:]))
        if starts:
            path.write_bytes(data[:cut])
            return held
        path.unlink()
    raise SystemExit(f"no request in {logs}")


def _age(path: Path) -> tuple[str, str, int]:
    """Month, day and number of a log: later ones are newer."""
    return path.parent.name, path.name[:10], int(path.name.split(".")[1])


def lnav(logs: Path, folder: Path) -> Run | None:
    """Indexes the files without a terminal, with a format of our own and a home of its own."""
    if shutil.which("lnav") is None:
        return None
    formats = folder / "lnav" / ".lnav" / "formats" / "lmstudio"
    formats.mkdir(parents=True, exist_ok=True)
    (formats / "format.json").write_text(json.dumps(LNAV_FORMAT))
    env = {**os.environ, "HOME": str(folder / "lnav"), "XDG_CONFIG_HOME": str(folder / "lnav" / "none")}
    files = sorted(map(str, logs.rglob("*.log")))
    done = run(["lnav", "-n", "-N", "-c", ";SELECT count(*) AS records FROM lmstudio_log", *files], env)
    return done if done.code == 0 and re.search(r"\d{2,}", done.output) else None


def best(build: Callable[..., Build], rounds: int) -> Build:
    """The quickest of several builds, with the memory of one more."""
    quickest = min((build() for _ in range(rounds)), key=lambda each: each.seconds)
    return replace(quickest, peak_bytes=build(watched=True).peak_bytes)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default="article")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer sessions (default 1)")
    parser.add_argument("--rounds", type=int, default=1, help="builds of each kind; the quickest counts (default 1)")
    parser.add_argument("--growth", type=float, default=0.25, metavar="SCALE", help="1× of the growth curve; 0: none")
    parser.add_argument("--folder", type=Path, help="where logs and sites go (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lms-audit-bench-") as temporary:
        folder = options.folder or Path(temporary)
        figures = measure_all(options, folder)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure_all(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Everything, printed as it comes."""
    console = Console(width=110)
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    written, ledger = generate(PROFILES[options.profile], logs, scale=options.scale)
    requests = sum(1 for _ in ledger.generating())
    console.print(
        f"[bold]{options.profile}[/] × {options.scale:g}: {written.bytes / 1e6:.1f} MB, {len(written.files)} files, "
        f"{requests} requests; {os.cpu_count()} processors"
    )
    bench = Bench(folder / "bench", logs)
    builds = {
        "cold": best(bench.cold, options.rounds),
        "nothing changed": best(bench.build, options.rounds),
        "one request appended": best(bench.appended, options.rounds),
    }
    sizes = bench.sizes()
    console.print(stage_table(builds, written.bytes))
    console.print(peer_table(logs, folder, builds["cold"], written.bytes))
    console.print(goal_table(builds, sizes))
    figures: dict[str, object] = {
        "profile": options.profile,
        "log_bytes": written.bytes,
        "requests": requests,
        "builds": {name: asdict(build) for name, build in builds.items()},
        "sizes": sizes,
    }
    if options.growth:
        figures["growth"] = growth(options, folder, console)
    return figures


def stage_table(builds: dict[str, Build], size: int) -> Table:
    """Seconds of each stage in each situation."""
    table = Table(title="Seconds by stage", title_justify="left")
    table.add_column("stage")
    for name in builds:
        table.add_column(name, justify="right")
    table.add_column("MB/s, cold", justify="right")
    names = [*FIRST, *dict.fromkeys(stage for build in builds.values() for stage in build.stages if stage not in FIRST)]
    for name in names:
        seconds = [build.stages.get(name) for build in builds.values()]
        first = seconds[0]
        rate = f"{size / 1e6 / first:.0f}" if name == "read" and first else ""
        table.add_row(name, *("" if each is None else f"{each:.2f}" for each in seconds), rate)
    table.add_section()
    table.add_row(
        "start and end of the program", *(f"{b.seconds - sum(b.stages.values()):.2f}" for b in builds.values()), ""
    )
    cold = next(iter(builds.values()))
    table.add_row("[bold]all", *(f"[bold]{b.seconds:.2f}" for b in builds.values()), f"{size / 1e6 / cold.seconds:.0f}")
    table.add_row("peak memory, MB", *(megabytes(b.peak_bytes) for b in builds.values()), "")
    return table


def peer_table(logs: Path, folder: Path, cold: Build, size: int) -> Table:
    """Others on the same files, now."""
    table = Table("on the same files", title="Beside others", title_justify="left")
    for name in ("seconds", "MB/s", "peak memory, MB"):
        table.add_column(name, justify="right")
    read = cold.stages.get("read")
    if read:
        table.add_row("lms-audit: read and store", f"{read:.2f}", f"{size / 1e6 / read:.0f}", "")
    indexed = lnav(logs, folder)
    if indexed is not None:
        table.add_row("lnav: index", *cells(indexed, size))
    else:
        table.add_row("lnav", "not installed", "", "")
    files = sorted(map(str, logs.rglob("*.log")))
    table.add_row("wc -l", *cells(run(["wc", "-l", *files]), size))
    return table


def goal_table(builds: dict[str, Build], sizes: dict[str, int]) -> Table:
    """What is asked for, and what came out."""
    peaks = [build.peak_bytes for build in builds.values() if build.peak_bytes is not None]
    reached = {
        "read and store, cold": builds["cold"].stages.get("read"),
        "site, cold": builds["cold"].seconds,
        "site, nothing changed": builds["nothing changed"].seconds,
        "site, one request appended": builds["one request appended"].seconds,
        "peak memory of the process tree": max(peaks) / 1e6 if peaks else None,
        "store": sizes["store"] / 1e6,
        "site": sizes["site"] / 1e6,
        "largest page": sizes["largest page"] / 1e6,
    }
    table = Table("", title="Goals (set for the article's month on two processors)", title_justify="left")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    for name, (unit, goal) in GOALS.items():
        value = reached[name]
        met = value is not None and value <= goal
        shown = "not measured" if value is None else f"{value:.2f} {unit}"
        table.add_row(name, shown, f"≤ {goal:g} {unit}", "[green]yes" if met else "[red]no")
    table.add_row("pages", str(sizes["pages"]), "", "")
    return table


def growth(options: argparse.Namespace, folder: Path, console: Console) -> list[dict[str, float]]:
    """The same profile at 1×, 2× and 4×."""
    table = Table("log", title=f"Growth: {options.profile}, 1× = scale {options.growth:g}", title_justify="left")
    for name in ("MB", "× of 1×", "read, s", "× of 1×", "all, s", "× of 1×", "peak memory, MB"):
        table.add_column(name, justify="right")
    rows: list[dict[str, float]] = []
    for factor in (1, 2, 4):
        logs = folder / "growing"
        shutil.rmtree(logs, ignore_errors=True)
        written, _ = generate(PROFILES[options.profile], logs, scale=options.growth * factor)
        build = best(Bench(folder / "growth", logs).cold, options.rounds)
        read = build.stages.get("read", 0.0)
        rows.append({"factor": factor, "bytes": written.bytes, "read_s": read, "all_s": build.seconds})
        table.add_row(
            f"{factor}×",
            f"{written.bytes / 1e6:.0f}",
            f"{written.bytes / rows[0]['bytes']:.2f}",
            f"{read:.2f}",
            f"{read / rows[0]['read_s']:.2f}" if rows[0]["read_s"] else "",
            f"{build.seconds:.2f}",
            f"{build.seconds / rows[0]['all_s']:.2f}",
            megabytes(build.peak_bytes),
        )
    console.print(table)
    return rows


def cells(done: Run, size: int) -> tuple[str, str, str]:
    """Cells of a peer."""
    return f"{done.seconds:.2f}", f"{size / 1e6 / done.seconds:.0f}", megabytes(done.peak_bytes)


def megabytes(size: int | None) -> str:
    """Bytes for a table."""
    return "not measured" if size is None else f"{size / 1e6:.0f}"


if __name__ == "__main__":
    main()
