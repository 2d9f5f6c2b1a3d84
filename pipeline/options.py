"""How the commands take a configuration. Imports neither TensorFlow nor TFX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pipeline.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])


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
        click.option("--heads", help="Heads to predict, by name: age,gender."),
        click.option(
            "--labels", multiple=True, metavar="GLOB", help="Files of label records. Repeatable."
        ),
        click.option("--posts", multiple=True, metavar="GLOB", help="Files of posts. Repeatable."),
        click.argument("config", required=False, type=click.Path(dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


def config_options(command: Command) -> Command:
    """The same, with the folder of runs."""
    return source_options(click.option("--out", help="Folder of runs, metadata and logs.")(command))


def read_config(
    config: Path | None,
    posts: tuple[str, ...],
    labels: tuple[str, ...],
    heads: str | None,
    assignments: tuple[str, ...],
    out: str | None = None,
    compare: bool | None = None,
) -> Config:
    """The configuration of the command line; a wrong one ends the command with code 2."""
    from pipeline.config import ConfigError, load_config

    try:
        return load_config(
            config,
            assignments,
            [name.strip() for name in heads.split(",")] if heads is not None else None,
            posts=list(posts) or None,
            labels=list(labels) or None,
            out=out,
            compare=compare or None,
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
