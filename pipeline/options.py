"""What commands that read a configuration share: its options, and checks before anything starts.

Enters: the command line. Leaves: a `Config`, or a usage error of one line, which ends the command
with code 2. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.beam import RUNNERS, beam_arguments, dataflow_elsewhere

if TYPE_CHECKING:
    from components.ingest.settings import IngestSettings
    from pipeline.config import Config

READING_KEYS = ("ingest.encoding", "ingest.delimiter", "ingest.timezone", "ingest.unknown")
"""Settings of ingest by which `authorprofile predict` reads and orders posts as a run does."""

Command = TypeVar("Command", bound=Callable[..., Any])


class GivenPath(click.Path):
    """A path of the command line; an empty one, which Python takes for this folder, is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """The path. Raises BadParameter."""
        GivenText().convert(os.fspath(value), parameter, context)
        return super().convert(value, parameter, context)


class GivenText(click.types.StringParamType):
    """A pattern, or an address, of the command line, which is not empty."""

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> str:
        """The text. Raises BadParameter."""
        if not str(value).strip():
            self.fail("must name a file or a folder; it is empty.", parameter, context)
        return str(value)


beam_option = click.option(
    "--beam-runner",
    type=click.Choice(RUNNERS),
    help="Who runs the data stages; the section beam of the settings says where it is.",
)


def runner_assignment(runner: str | None) -> tuple[str, ...]:
    """What --beam-runner sets; it comes last, so that it wins."""
    return () if runner is None else (f"beam.runner={runner}",)


def source_options(command: Command) -> Command:
    """The arguments by which every command that reads a configuration takes it."""
    for option in (
        click.option(
            "assignments",
            "--set",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a setting, such as training.epochs=5. Repeatable.",
        ),
        beam_option,
        click.option("--heads", help="Heads to predict, by name: age,gender."),
        click.option(
            "--labels",
            multiple=True,
            type=GivenText(),
            metavar="GLOB",
            help="Files of label records. Repeatable.",
        ),
        click.option(
            "--posts",
            multiple=True,
            type=GivenText(),
            metavar="GLOB",
            help="Files of posts. Repeatable.",
        ),
        click.argument("config", required=False, type=GivenPath(dir_okay=False)),
    ):
        command = option(command)
    return command


def config_options(command: Command) -> Command:
    """The same, with the folder of runs."""
    out = click.option("--out", type=GivenText(), help="Folder of runs, metadata and logs.")
    return source_options(out(command))


def read_config(
    config: Path | None,
    posts: tuple[str, ...],
    labels: tuple[str, ...],
    heads: str | None,
    assignments: tuple[str, ...],
    out: str | None = None,
    compare: bool | None = None,
    beam_runner: str | None = None,
) -> Config:
    """The configuration of the command line; a wrong one ends the command with code 2."""
    from pipeline.config import ConfigError, load_config

    try:
        return load_config(
            config,
            (*assignments, *runner_assignment(beam_runner)),
            [name.strip() for name in heads.split(",")] if heads is not None else None,
            lambda notice: click.echo(f"Notice: {notice}.", err=True),
            posts=list(posts) or None,
            labels=list(labels) or None,
            out=out,
            compare=compare or None,
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def read_prediction(
    assignments: tuple[str, ...], runner: str | None
) -> tuple[tuple[str, ...], IngestSettings]:
    """Beam's arguments, none where nothing of them is given, and how posts are read.

    Args:
        assignments: `beam.key=value` and `ingest.key=value`, as a run takes them.
        runner: that of --beam-runner, which wins.
    """
    from pipeline.config import ConfigError, load_config

    given = (*assignments, *runner_assignment(runner))
    for assignment in given:
        if not assignment.startswith(("beam.", *(f"{key}=" for key in READING_KEYS))):
            raise click.UsageError(
                f"--set takes keys of the section beam, and {', '.join(READING_KEYS)}, here; got "
                f"{assignment}"
            )
    try:
        settings = load_config(None, given, posts=["unread"], labels=["unread"])
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    check_runner(settings)
    is_beam = any(assignment.startswith("beam.") for assignment in given)
    return tuple(beam_arguments(settings.beam)) if is_beam else (), settings.ingest


def check_before(config: Config) -> dict[str, Any]:
    """All checks before a run; ends the command with code 2 at the first that fails.

    Returns:
        The best reachable scores, by head and metric, empty where none are given.
    """
    from pipeline.console import read_reachable

    try:
        reachable = read_reachable(config.reachable)
    except (OSError, ValueError, KeyError) as error:
        raise click.UsageError(f"reachable: {config.reachable} cannot be read: {error}") from None
    check_runner(config)
    check_sources(config)
    check_hyperparameters(config.hyperparameters_from)
    check_warm_start(config.warm_start_from)
    check_out(config.out)
    return reachable


def check_runner(config: Config) -> None:
    """Ends the command with code 2 where its folders are nowhere that the runner sees."""
    if config.beam.runner == "dataflow":
        raise click.UsageError(dataflow_elsewhere())


def check_sources(config: Config) -> None:
    """Ends the command with code 2 where local files are missing or cannot be sources."""
    from components.ingest.readers import check_files
    from components.ingest.rolling import moves, open_pattern
    from components.ingest.sources import KINDS, find_sources, list_files, no_file
    from components.ingest.unreadable import SourceError

    patterns = [(kind, pattern) for kind in KINDS for pattern in getattr(config, kind)]
    try:
        if not any(moves(pattern) or "://" in pattern for _, pattern in patterns):
            check_files(find_sources(config.posts, config.labels), config.ingest)
            return
        # Which files a placeholder or a bucket names is known once the run looks.
        for kind, pattern in patterns:
            if "://" not in pattern and not list_files(open_pattern(pattern)):
                raise no_file(kind, pattern)
    except SourceError as error:
        raise click.UsageError(str(error)) from None


def check_hyperparameters(path: str) -> None:
    """Ends the command with code 2 where no earlier run's choice is there to be taken."""
    name = "best_hyperparameters.txt"
    if path and "://" not in path and not (Path(path).name == name and Path(path).is_file()):
        raise click.UsageError(
            f"hyperparameters_from: must be the file {name} of an earlier run's "
            f"artifacts/Tuner/best_hyperparameters; got {path}"
        )


def check_warm_start(path: str) -> None:
    """Ends the command with code 2 where no earlier run's network is there to start from."""
    if path and "://" not in path and not Path(path, "network", "weights.npz").is_file():
        raise click.UsageError(
            "warm_start_from: must be a folder of an earlier run's artifacts/Trainer/model_run, "
            f"with network/weights.npz in it; got {path}"
        )


def check_out(out: str) -> None:
    """Ends the command with code 2 where the run's folder cannot be written."""
    from components.paths import fault_of_run_folder

    fault, logs = fault_of_run_folder(out), Path(out, "logs")
    try:
        if not fault:
            logs.mkdir(parents=True, exist_ok=True)
            fault = "" if os.access(logs, os.W_OK) else "no right to write there"
    except OSError as error:
        fault = str(error.strerror)
    if fault:
        raise click.UsageError(f"out: must be a folder that can be written; got {out}: {fault}")
