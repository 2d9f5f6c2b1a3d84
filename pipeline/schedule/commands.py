"""`authorprofile schedule`: the commands that create, show and run schedules.

Exit codes: 0 done, 1 failed, 2 wrong usage; of `run-now` the run's own. Each command imports what
it needs when it runs.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from pipeline.cloud.commands import find_spec, parameter_option, read_place, spec_option
from pipeline.deploy.commands import usage_errors
from pipeline.deploy.settings import TARGETS, Target
from pipeline.observed import INTERRUPTED
from pipeline.options import GivenPath, check_out, check_sources, config_options, read_config

if TYPE_CHECKING:
    from pipeline.cloud.scheduling import PlatformCommands
    from pipeline.config import Config
    from pipeline.schedule.jobs import JobFolder
    from pipeline.schedule.local import LocalCommands

DEFAULT_FOLDER = "runs/schedules"
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def schedule() -> None:
    """Retrain by the clock: on this machine, on Kubeflow or on Vertex AI."""


def _check_name(_: click.Context, __: click.Parameter, name: str) -> str:
    from pipeline.schedule.jobs import NAME

    if not re.fullmatch(NAME, name):
        raise click.BadParameter(
            f"must begin with a letter; letters, digits, - and _, at most 63; got {name!r}"
        )
    return name


name_argument = click.argument("name", callback=_check_name)


def folder_option(more: str = "") -> Callable[[Command], Command]:
    """Where the schedules of this machine are."""
    return click.option(
        "--folder",
        type=GivenPath(file_okay=False),
        default=DEFAULT_FOLDER,
        show_default=True,
        envvar="AUTHORPROFILE_SCHEDULES",
        help=f"Folder of this machine's schedules and their logs{more}.",
    )


def target_options(command: Command) -> Command:
    """Where a schedule is, which every command takes."""
    for option in (
        folder_option("; of no use elsewhere"),
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
    if target != "local":
        from pipeline.cloud.cron import parse_cron as parse_platform_cron

        settings = read_place(**options) if spec else read_config(**options)
        with on_platform(target, settings) as platform:
            # Told before anything is compiled.
            parse_platform_cron(cron, timezone)
            path, parameters = find_spec(settings, cast(Target, target), spec, assignments_of_run)
            click.echo(platform.create(name, path, cron, timezone, parameters))
        return
    from pipeline.schedule.cron import parse_cron
    from pipeline.schedule.jobs import Definition

    if spec or assignments_of_run:
        raise click.UsageError("--spec and --parameter are of a platform; --target is local")
    settings = read_config(**options)
    with on_this_machine(folder):
        parse_cron(cron, timezone)
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
    with on_this_machine(folder) as local:
        click.echo(local.create(definition))
    click.echo(f"It runs while `authorprofile schedule serve --folder {folder}` does.")


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
    from pipeline.terminal import Terminal

    with schedules_of(target, folder, place) as schedules:
        table = schedules.list()
        if table is None:
            where = f"in {folder}" if target == "local" else f"of this package on {target}"
            click.echo(f"No schedule {where}.")
        else:
            Terminal().print(table)


@schedule.command()
@name_argument
@place_options
@target_options
def pause(name: str, target: str, folder: Path, **place: Any) -> None:
    """Stop NAME from running until it is resumed; a run under way goes on."""
    with schedules_of(target, folder, place) as schedules:
        click.echo(schedules.pause(name))


@schedule.command()
@name_argument
@place_options
@target_options
def resume(name: str, target: str, folder: Path, **place: Any) -> None:
    """Let a paused NAME run again; what was due meanwhile is not made up."""
    with schedules_of(target, folder, place) as schedules:
        click.echo(schedules.resume(name))


@schedule.command()
@name_argument
@place_options
@target_options
def delete(name: str, target: str, folder: Path, **place: Any) -> None:
    """Delete NAME; a run under way goes on, its log stays."""
    with schedules_of(target, folder, place) as schedules:
        click.echo(schedules.delete(name))


@schedule.command(name="run-now")
@name_argument
@place_options
@target_options
def run_now(name: str, target: str, folder: Path, **place: Any) -> None:
    """Run NAME at once; on this machine it ends with the run's exit code."""
    if target != "local":
        with on_platform(target, read_place(**place)) as platform:
            click.echo(platform.run_now(name))
        return
    from pipeline.schedule.server import stop_at_signals

    stop = threading.Event()
    stop_at_signals(stop)
    with on_this_machine(folder) as local:
        log_to_console(local.folder)
        run = local.run_now(name, stop)
    sys.exit(INTERRUPTED if run.code is None or run.code < 0 else run.code)


@schedule.command()
@folder_option()
def serve(folder: Path) -> None:
    """Run this machine's schedules when they are due, until SIGTERM or Ctrl-C.

    A run under way is then interrupted and goes on at the next start; so does one that a crash cut
    off. What was due meanwhile is made up once.
    """
    from pipeline.schedule.server import Server, stop_at_signals

    with on_this_machine(folder) as local:
        log_to_console(local.folder)
        server = Server(local.folder)
        stop_at_signals(server.stop)
        server.serve()


def schedules_of(
    target: str, folder: Path, place: dict[str, Any]
) -> AbstractContextManager[PlatformCommands | LocalCommands]:
    """The commands where `target` says; what is wrong ends the command with one line."""
    if target == "local":
        return on_this_machine(folder)
    return on_platform(target, read_place(**place))


@contextmanager
def on_platform(target: str, config: Config) -> Iterator[PlatformCommands]:
    """The commands on Kubeflow or Vertex AI; what is wrong ends the command with one line."""
    from pipeline.cloud.scheduling import PlatformCommands
    from pipeline.cloud.target import PlatformError

    with usage_errors():
        try:
            yield PlatformCommands(cast(Target, target), config)
        except PlatformError as error:
            raise click.ClickException(str(error)) from None


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
def on_this_machine(folder: Path) -> Iterator[LocalCommands]:
    """The commands on a folder's schedules; what is wrong ends the command with one line."""
    from pipeline.schedule.execution import FolderBusyError
    from pipeline.schedule.jobs import JobError, JobFolder
    from pipeline.schedule.local import LocalCommands
    from pipeline.schedule.server import AlreadyServedError, SchedulerDiedError

    with usage_errors():
        try:
            yield LocalCommands(JobFolder(folder))
        except (FolderBusyError, JobError, AlreadyServedError, SchedulerDiedError) as error:
            raise click.ClickException(str(error)) from None
        except ImportError as error:
            raise click.ClickException(
                f"Local schedules need APScheduler: pip install 'apscheduler>=3.11,<4' ({error})"
            ) from None
        except OSError as error:
            raise click.ClickException(
                f"{error.filename or type(error).__name__}: {error.strerror}"
            ) from None
