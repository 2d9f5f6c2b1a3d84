"""`authorprofile schedule`: the commands that create, show and run schedules.

Enters: the command line. Leaves: text on the console, an exit code: 0 done, 1 failed, 2 wrong
usage; of `run-now` the run's own. `pipeline.cli` adds the group; each command imports what it
needs when it runs.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from pipeline.cloud.commands import find_spec, parameter_option, read_place, spec_option
from pipeline.deploy.settings import TARGETS, Target
from pipeline.options import GivenPath, check_out, check_sources, config_options, read_config

if TYPE_CHECKING:
    from pipeline.cloud.scheduling import PlatformCommands
    from pipeline.config import Config
    from pipeline.schedule.jobs import JobFolder

FAILED = 1
DEFAULT_FOLDER = "runs/schedules"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def schedule() -> None:
    """Retrain by the clock: on this machine, on Kubeflow or on Vertex AI."""


def _check_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not NAME.fullmatch(name):
        raise click.BadParameter(
            f"must begin with a letter; letters, digits, - and _, at most 63; got {name!r}"
        )
    return name


name_argument = click.argument("name", callback=_check_name)


def target_options(command: Command) -> Command:
    """Where a schedule is, which every command takes."""
    for option in (
        click.option(
            "--folder",
            type=GivenPath(file_okay=False),
            default=DEFAULT_FOLDER,
            show_default=True,
            envvar="AUTHORPROFILE_SCHEDULES",
            help="Folder of this machine's schedules and their logs; of no use elsewhere.",
        ),
        click.option(
            "--target",
            type=click.Choice(["local", *TARGETS]),
            default="local",
            show_default=True,
            help="What runs it: this machine, or the platform that CONFIG's section deploy names.",
        ),
    ):
        command = option(command)
    return command


def place_options(command: Command) -> Command:
    """By which commands on a platform find it."""
    command = click.option(
        "assignments", "--set", multiple=True, metavar="KEY=VALUE", help="Override a setting."
    )(command)
    path = GivenPath(dir_okay=False)
    return click.argument("config", required=False, type=path)(command)


@schedule.command()
@name_argument
@config_options
@spec_option
@parameter_option
@click.option(
    "--cron", required=True, help="When: minute hour day month weekday, such as '0 3 * * *'."
)
@click.option(
    "--timezone", default="UTC", show_default=True, help="Whose clock, such as Europe/Berlin."
)
@target_options
def create(
    name: str,
    cron: str,
    timezone: str,
    target: str,
    folder: Path,
    spec: Path | None,
    assignments_of_run: tuple[str, ...],
    **options: Any,
) -> None:
    """Create the schedule NAME, or make it what is asked for.

    Each run trains where there is a reason. On this machine it is `authorprofile retrain` with the
    CONFIG and options given here; on a platform the compiled specification with --parameter and,
    unless that says otherwise, train=when_due. Called again, it changes what differs and never adds
    a second schedule; one that was paused stays paused.
    """
    from pipeline.schedule.jobs import Definition
    from pipeline.schedule.local import create as create_local

    if target != "local":
        settings = read_place(**options) if spec else read_config(**options)
        platform = on_platform(target, settings)
        platform.check_times(cron, timezone)
        path, parameters = find_spec(settings, cast(Target, target), spec, assignments_of_run)
        platform.create(name, path, cron, timezone, parameters)
        return
    if spec or assignments_of_run:
        raise click.UsageError("--spec and --parameter are of a platform; --target is local")
    settings = read_config(**options)
    with one_line_errors():
        parse_before_writing(cron, timezone)
    check_sources(settings)
    check_out(settings.out)
    definition = Definition(
        name=name,
        cron=" ".join(cron.split()),
        timezone=timezone,
        command=["retrain", *words_of(options)],
        directory=os.getcwd(),
        out=str(Path(settings.out).resolve()),
    )
    with one_line_errors():
        click.echo(create_local(_open(folder), definition))
    click.echo(f"It runs while `authorprofile schedule serve --folder {folder}` does.")


def parse_before_writing(cron: str, timezone: str) -> None:
    """Raises CronError before anything is made."""
    from pipeline.schedule.cron import parse_cron

    parse_cron(cron, timezone)


def words_of(options: dict[str, Any]) -> list[str]:
    """The words that give a command the configuration which these options gave this one.

    >>> words_of({"config": Path("c.yaml"), "posts": ("a",), "labels": (), "out": "o",
    ...           "heads": None, "assignments": ("tune=false",)})
    ['c.yaml', '--posts', 'a', '--out', 'o', '--set', 'tune=false']
    """
    words = [str(options["config"])] if options["config"] else []
    for flag, values in (
        ("--posts", options["posts"]),
        ("--labels", options["labels"]),
        ("--out", [options["out"]] if options["out"] else []),
        ("--beam-runner", [options["beam_runner"]] if options.get("beam_runner") else []),
        ("--heads", [options["heads"]] if options["heads"] is not None else []),
        ("--set", options["assignments"]),
    ):
        for value in values:
            words += [flag, value]
    return words


@schedule.command(name="list")
@place_options
@target_options
def list_schedules(target: str, folder: Path, **place: Any) -> None:
    """Show all schedules: when they run next, how they last went."""
    if target != "local":
        on_platform(target, read_place(**place)).list()
        return
    from pipeline.schedule.local import table
    from pipeline.terminal import Terminal

    with one_line_errors():
        jobs = _open(folder)
        if not jobs.names():
            click.echo(f"No schedule in {folder}.")
            return
        Terminal().print(table(jobs))


@schedule.command()
@name_argument
@place_options
@target_options
def pause(name: str, target: str, folder: Path, **place: Any) -> None:
    """Stop NAME from running until it is resumed; a run under way goes on."""
    if target != "local":
        on_platform(target, read_place(**place)).pause(name)
        return
    from pipeline.schedule.local import pause as pause_local

    with one_line_errors():
        click.echo(pause_local(_open(folder), name))


@schedule.command()
@name_argument
@place_options
@target_options
def resume(name: str, target: str, folder: Path, **place: Any) -> None:
    """Let a paused NAME run again; what was due meanwhile is not made up."""
    if target != "local":
        on_platform(target, read_place(**place)).resume(name)
        return
    from pipeline.schedule.local import resume as resume_local

    with one_line_errors():
        click.echo(resume_local(_open(folder), name))


@schedule.command()
@name_argument
@place_options
@target_options
def delete(name: str, target: str, folder: Path, **place: Any) -> None:
    """Delete NAME; a run under way goes on, its log stays."""
    if target != "local":
        on_platform(target, read_place(**place)).delete(name)
        return
    from pipeline.schedule.local import delete as delete_local

    with one_line_errors():
        click.echo(delete_local(_open(folder), name))


@schedule.command(name="run-now")
@name_argument
@place_options
@target_options
def run_now(name: str, target: str, folder: Path, **place: Any) -> None:
    """Run NAME at once; on this machine it ends with the run's exit code."""
    import signal

    from pipeline.schedule.execution import INTERRUPTED
    from pipeline.schedule.local import run_now as run_local_now

    if target != "local":
        on_platform(target, read_place(**place)).run_now(name)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with one_line_errors():
        jobs = _open(folder)
        log_to_console(jobs)
        run = run_local_now(jobs, name, stop)
    sys.exit(INTERRUPTED if run.code is None or run.code < 0 else run.code)


@schedule.command()
@click.option(
    "--folder",
    type=GivenPath(file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    envvar="AUTHORPROFILE_SCHEDULES",
    help="Folder of this machine's schedules and their logs.",
)
def serve(folder: Path) -> None:
    """Run this machine's schedules when they are due, until SIGTERM or Ctrl-C.

    A run under way is then interrupted and goes on at the next start; so does one that a crash cut
    off. What was due meanwhile is made up once.
    """
    from pipeline.schedule.server import Server, stop_at_signals

    with one_line_errors():
        jobs = _open(folder)
        jobs.path.mkdir(parents=True, exist_ok=True)
        log_to_console(jobs)
        server = Server(jobs)
        stop_at_signals(server)
        server.serve()


def on_platform(target: str, config: Config) -> PlatformCommands:
    """The commands on Kubeflow or Vertex AI."""
    from pipeline.cloud.scheduling import PlatformCommands

    return PlatformCommands(cast(Target, target), config)


def _open(folder: Path) -> JobFolder:
    from pipeline.schedule.jobs import JobFolder

    return JobFolder(folder)


def log_to_console(jobs: JobFolder) -> None:
    """What ran and why, on the console and in `schedule.log`."""
    import logging
    from logging.handlers import RotatingFileHandler

    jobs.path.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("authorprofile.schedule")
    logger.setLevel(logging.INFO)
    file = RotatingFileHandler(jobs.path / "schedule.log", maxBytes=1 << 20, backupCount=5)
    for handler in (logging.StreamHandler(), file):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the command with one line and its code where something is wrong."""
    from pipeline.schedule.cron import CronError
    from pipeline.schedule.execution import FolderBusyError
    from pipeline.schedule.jobs import JobError
    from pipeline.schedule.local import UnknownScheduleError
    from pipeline.schedule.server import AlreadyServedError, SchedulerDiedError

    try:
        yield
    except (CronError, UnknownScheduleError) as error:
        raise click.UsageError(str(error)) from None
    except (FolderBusyError, JobError, AlreadyServedError, SchedulerDiedError) as error:
        raise click.ClickException(str(error)) from None
    except ImportError as error:
        raise click.ClickException(
            f"Local schedules need APScheduler: pip install 'apscheduler>=3.11,<4' ({error})"
        ) from None
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or folder_of(error)}: {error.strerror}"
        ) from None


def folder_of(error: OSError) -> str:
    """What an error without a file's name was about."""
    return type(error).__name__
