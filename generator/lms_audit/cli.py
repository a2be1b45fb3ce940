"""The shell: options, progress, messages, exit codes. Everything else is in ``pipeline``.

Exit codes: 0 done, 1 failed (or, for ``check``, damage found), 2 misuse, 130 interrupted. Errors are one line on
stderr.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from lms_audit.config import Config
from lms_audit.drawing import shown
from lms_audit.errors import FAILURE, MISUSE, AuditError
from lms_audit.options import Settings, config

if TYPE_CHECKING:
    from lms_audit.model import FileHealth
    from lms_audit.read.discover import LogFile

INTERRUPTED = 130

OBJECTS_PER_SEARCH = 100_000
"""A build makes millions of objects and hardly a cycle. To look for one after every 700 objects, as Python does by
itself, takes an eighth of its time."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(OBJECTS_PER_SEARCH)
    code = run(arguments)
    gc.freeze()  # the process ends: nothing is gained by looking once more
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Never a traceback, except for bugs when ``LMS_AUDIT_DEBUG`` is set."""
    try:
        result = commands.main(
            None if arguments is None else list(arguments), prog_name="lms-audit", standalone_mode=False
        )
        sys.stdout.flush()
    except AuditError as error:
        return _complain(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        return _complain(f"{error.format_message().rstrip('.')}{hint}", MISUSE)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted; what was read is kept", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        full = " (the disk is full)" if error.errno == errno.ENOSPC else ""
        return _complain(f"{error.strerror or error}{place}{full}", FAILURE)
    except Exception as error:
        if os.environ.get("LMS_AUDIT_DEBUG"):
            raise
        return _complain(
            f"a bug in lms-audit: {type(error).__name__}: {error} (set LMS_AUDIT_DEBUG=1 to see where)", FAILURE
        )
    return result if isinstance(result, int) else 0


def _complain(message: str, code: int) -> int:
    click.echo(f"lms-audit: {one_line(message)}", err=True)
    return code


def one_line(text: str) -> str:
    """Text for a terminal: file names and log lines may hold anything, control codes included."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


# --- commands -------------------------------------------------------------------------------------------------------


def _tell_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"lms-audit, version {version('lms-audit')}")
        except PackageNotFoundError:
            click.echo("lms-audit, not installed")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """Turn LM Studio server logs into an audit site that opens from disk.

    LOGS are log files or folders of any depth; without any, LM Studio's own folders are read.
    """


def _options(
    *, out: str | None = None, default_out: str | None = None, keeps: bool = False, names: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options all commands share; the command gets a ``Config`` and whether to be quiet.

    ``out``: what the command writes to a folder, if it does; the rest as in ``options.config``. A command that writes
    ``names`` has another ``--model``: the one it asks.
    """
    several: list[Callable[[Any], Any]] = [
        click.argument("logs", nargs=-1, type=click.Path(path_type=str)),
        *([click.option("-o", "--out", metavar="DIR", help=out)] if out is not None else []),
        click.option(
            "--since", metavar="DATE", help="Only requests from this day or time on (2026-11-03, 2026-11-03T10:00)."
        ),
        click.option("--until", metavar="DATE", help="Only requests up to the end of this day, or before this time."),
        click.option(
            "--project", metavar="NAME", help="Only requests of this project: path, last part, name or pattern."
        ),
        click.option("--client", metavar="ID", help="Only requests of this client (opencode, claude-code ...)."),
        *([] if names else [click.option("--model", metavar="NAME", help="Only requests of this model.")]),
        click.option("--clients", metavar="FILE", help="Client rules of your own (YAML)."),
        click.option("--prices", metavar="FILE", help="A price list of your own (YAML)."),
        click.option("--names", metavar="FILE", help="Your names for sessions and projects (YAML)."),
        click.option("--store", metavar="FILE", help="Where what was read is kept between runs."),
        click.option("--no-store", is_flag=True, default=None, help="Keep nothing between runs."),
        click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings file (YAML)."),
        click.option("--workers", type=int, metavar="N", help="Processes that read logs (default: one per core)."),
        click.option("--scheduler", metavar="ADDRESS", help="Read on the Dask cluster at this address."),
        click.option("-q", "--quiet", is_flag=True, default=None, help="No progress, no summary."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def wrapped(config_file: Path | None, **options: Any) -> Any:
            shared = {name: options.pop(name) for name in Settings.__struct_fields__ if name in options}
            asked, quiet = config(Settings(**shared), config_file, out=default_out, keeps=keeps, names=names)
            return command(asked, quiet=quiet, **options)

        for option in reversed(several):
            wrapped = option(wrapped)
        return wrapped

    return decorate


@commands.command()
@_options(out="Folder of the site (default: site).", default_out="site", keeps=True)
@click.option(
    "--timings", type=click.Path(path_type=Path), metavar="FILE", help="Write the seconds of each stage (JSON)."
)
def build(asked: Config, *, quiet: bool, timings: Path | None) -> None:
    """Make the site."""
    from lms_audit.pipeline import build as make

    with shown(quiet) as progress:
        result = make(asked, progress)
    if timings is not None:
        timings.write_bytes(msgspec.json.format(msgspec.json.encode(result.seconds), indent=1) + b"\n")
    _tell(result.notes, result.files)
    if quiet:
        return
    if result.audit is None:
        click.echo("nothing has changed")
    else:
        audit = result.audit
        files = sum(file.refused is None for file in result.files)
        click.echo(
            f"{_count(len(audit.requests), 'request')} in {_count(len(audit.sessions), 'session')} "
            f"from {_count(files, 'log')}, {result.seconds['total']:.1f} s"
        )
        if not audit.requests:
            click.echo("the logs hold no request yet; the site says so")
    click.echo(str(asked.out / "index.html"))


@commands.command()
@_options(out="Folder of the site (default: site).", default_out="site", keeps=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port on this machine.")
def serve(asked: Config, *, quiet: bool, port: int) -> None:
    """Make the site, show it on this machine, and make it anew whenever the logs change."""
    from lms_audit.pipeline import build as make
    from lms_audit.serve import Watch, server

    with shown(quiet) as progress:
        result = make(asked, progress)
    _tell(result.notes, result.files)

    def rebuild() -> None:
        try:
            _tell(make(asked).notes, ())
        except (AuditError, OSError) as error:  # the next change of a log may well mend it
            click.echo(f"lms-audit: {one_line(str(error))}", err=True)

    watch = Watch(asked.logs, rebuild, (asked.names, asked.clients, asked.prices))
    with server(asked.out, port, watch) as address:
        if not quiet:
            click.echo(f"{address}  (Ctrl-C ends it)")
        watch.run()


@commands.command()
@_options(out="Folder of the files.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "csv", "parquet", "sqlite"]),
    default="jsonl",
    show_default=True,
    help="What to write.",
)
def export(asked: Config, *, quiet: bool, format_: str) -> None:
    """Write requests, sessions, tool calls and health as data."""
    from lms_audit.pipeline import export as make
    from lms_audit.share.export import Format

    with shown(quiet) as progress:
        files, ingested = make(asked, Format(format_), progress)
    _tell(ingested.notes, ingested.files)
    if not quiet:
        for file in files:
            click.echo(str(file))


@commands.command()
@_options(default_out="site")
def check(asked: Config, *, quiet: bool) -> int:
    """Tell what was understood and what was not, per file; exit code 1 if something is damaged."""
    from lms_audit.pipeline import check as look

    with shown(quiet) as progress:
        accounts = look(asked, progress)
    if not quiet:
        for line in _account_lines(accounts):
            click.echo(line)
    return FAILURE if any(_is_damaged(account) for account in accounts) else 0


@commands.command()
@_options(out="Folder of the archives.")
@click.option("--zip", "zipped", is_flag=True, help="One zip per project instead of a folder.")
def pack(asked: Config, *, quiet: bool, zipped: bool) -> None:
    """Archive what is known, one folder or zip per project, each with a manifest.

    The digest printed for each archive is that of its manifest: noted somewhere else, it proves the whole archive.
    """
    from lms_audit.pipeline import pack as make

    with shown(quiet) as progress:
        archives, ingested = make(asked, progress, zipped=zipped)
    _tell(ingested.notes, ingested.files)
    if not quiet:
        for archive in archives:
            click.echo(f"{archive.path}  {archive.digest}  {one_line(archive.project or 'no project')}")


@commands.command()
@_options(default_out="site", names=True)
@click.option("--endpoint", "url", required=True, metavar="URL", help="An OpenAI-compatible server on this machine.")
@click.option("--model", "asks", required=True, metavar="NAME", help="The model to ask.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Ask about so many sessions at most.")
@click.option("--force", is_flag=True, help="Ask about sessions that have a name too, and replace it.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=120, show_default=True, help="Seconds per answer.")
@click.option("--allow-remote", is_flag=True, help="Let the server be another machine. First words leave this one.")
def name(
    asked: Config,
    *,
    quiet: bool,
    url: str,
    asks: str,
    limit: int | None,
    force: bool,
    timeout: float,
    allow_remote: bool,
) -> None:
    """Ask a model for names of sessions that have none, and add them to the names file.

    The model is told the first words of a session, and the tools and files it used most.
    """
    from lms_audit.naming import name as ask
    from lms_audit.naming.endpoint import endpoint
    from lms_audit.naming.names_file import check_writable
    from lms_audit.pipeline import questions

    assert asked.names is not None
    server = endpoint(url, allow_remote=allow_remote)
    check_writable(asked.names)
    with shown(quiet) as progress:
        unnamed, ingested = questions(asked, progress, limit=limit, again=force)
    _tell(ingested.notes, ingested.files)
    if unnamed and not server.local:
        size = _count(sum(len(question.text) for question in unnamed), "character")
        what = f"first words and names of tools and files of {_count(len(unnamed), 'session')}, {size}"
        _tell([f"sending to {server.name}, which is not this machine: {what}"], ())
    named = 0
    for question, title in ask(unnamed, server, asks, asked.names, replace=force, timeout=timeout):
        named += title is not None
        if title is None:
            _tell([f"{question.session_id}: there is no title in the answer"], ())
        elif not quiet:
            click.echo(f"{question.session_id}  {title}")
    if not quiet:
        click.echo(f"{_count(named, 'session')} named in {asked.names}" if unnamed else "no session to ask about")


@commands.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code.")
def verify(archives: Sequence[Path], *, quiet: bool) -> int:
    """Check archives against their manifests; exit code 1 if anything is missing or was changed."""
    from lms_audit.share.pack import verify as look

    verdicts = [verdict for path in archives for verdict in look(path)]
    for verdict in verdicts:
        if quiet:
            continue
        state = "as written" if not verdict.problems else _count(len(verdict.problems), "problem")
        click.echo(
            f"{one_line(str(verdict.path))}: {state}, {_count(verdict.files, 'file')}, {verdict.digest or 'no digest'}"
        )
        for problem in verdict.problems:
            click.echo(f"  {one_line(problem)}")
    return FAILURE if any(verdict.problems for verdict in verdicts) else 0


# --- what is said ---------------------------------------------------------------------------------------------------


def _tell(notes: Sequence[str], files: Sequence[LogFile]) -> None:
    """Notes and refused files: one line each on stderr, also when quiet, for the result is not the whole."""
    for note in notes:
        click.echo(f"lms-audit: {one_line(note)}", err=True)
    for file in files:
        if file.refused is not None:
            click.echo(f"lms-audit: left out {one_line(f'{file.name}: {file.refused}')}", err=True)


def _is_damaged(account: FileHealth) -> bool:
    from lms_audit.model import Class

    damaged = account.classes.get(Class.DAMAGED)
    unreadable = account.refused is not None and not account.refused.startswith("not a server log")
    return unreadable or (damaged is not None and damaged.records > 0)


def _account_lines(accounts: Sequence[FileHealth]) -> Iterator[str]:
    from lms_audit.model import Class, Tally

    total: dict[Class, Tally] = {}
    for account in accounts:
        name = one_line(account.file)
        if account.refused is not None:
            yield f"{name}: refused: {one_line(account.refused)}"
            continue
        gone = "" if account.on_disk else ", no longer on disk"
        yield f"{name}: {_bytes(account.size)}, {_count(account.lines, 'line')}{gone}: {_classes(account.classes)}"
        for problem in (*account.problems, *account.unknown_examples):
            where = f"{problem.where.first_line}"
            if problem.where.last_line > problem.where.first_line:
                where += f"-{problem.where.last_line}"
            yield f"  {one_line(problem.where.file)}:{where}: {problem.kind}: {one_line(problem.message)[:160]}"
        for kind, tally in account.classes.items():
            total[kind] = total.get(kind, Tally()) + tally
    if len(accounts) > 1:
        yield f"{_count(len(accounts), 'file')}: {_classes(total)}"


def _classes(classes: Any) -> str:
    from lms_audit.model import Class

    parts = [
        f"{name.value} {_count(classes[name].records, 'record')} ({_bytes(classes[name].bytes)})"
        for name in Class
        if name in classes
    ]
    return ", ".join(parts) or "empty"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
