"""`authorprofile models`: which versions there are, how good each measured, and the way back.

Enters: a folder of versions. Leaves: a table; after a rollback a new version with an earlier model.
Exit codes: 0 done, 1 the folder cannot be read or written, 2 wrong usage, or nothing to roll back
to. `pipeline.cli` adds the group. Needs neither TensorFlow nor TFX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
# Versions are seconds since 1970; a smaller number was given by hand.
FIRST_TIME = 1_000_000_000


@click.group()
def models() -> None:
    """Show the versions of a serving folder, or make an earlier one serve again."""


def model_option(command: Command) -> Command:
    """The folder, which both commands take."""
    return click.option(
        "--model",
        required=True,
        type=click.Path(path_type=Path),
        help="Folder of served versions.",
    )(command)


@models.command(name="list")
@model_option
def list_versions(model: Path) -> None:
    """Show each version: when it was pushed, how good its heads measured, which one serves."""
    from rich.console import Console
    from rich.table import Table

    from components.serving.versions import newest_version, origin, version_numbers

    with one_line_errors():
        check_folder(model)
        newest = newest_version(model)
        rows = Table()
        for title in ("version", "since", "quality on test", "state"):
            rows.add_column(title, overflow="fold")
        for version in version_numbers(path.name for path in model.iterdir()):
            if not (model / str(version) / "saved_model.pb").is_file():
                rows.add_row(str(version), "", "", "not whole")
                continue
            own = origin(model, version)
            state = ["in service"] if version == newest else []
            state += [f"rollback to {own}"] if own != version else []
            quality = describe_quality(model / str(version))
            rows.add_row(str(version), pushed_at(version), quality, ", ".join(state))
        Console().print(rows)


@models.command()
@model_option
@click.option("--to", type=int, help="Version to serve again; by default the one before.")
def rollback(model: Path, to: int | None) -> None:
    """Make an earlier version serve again, as the newest version.

    `authorprofile serve`, `predict` and TensorFlow Serving follow it; the next training starts
    from it and is compared with it.
    """
    from components.serving.versions import RollbackError, roll_back

    with one_line_errors():
        check_folder(model)
        try:
            done = roll_back(model, to)
        except RollbackError as error:
            raise click.UsageError(str(error)) from None
        click.echo(f"In service: {model / str(done.version)}, the model of version {done.model}")


def check_folder(model: Path) -> None:
    """Ends the command with code 2 where there are no versions to be seen."""
    from components.serving.versions import newest_version

    if ":/" in str(model):
        raise click.UsageError(
            f"--model must be a folder of this machine; got {model}. In a bucket, copy the earlier "
            "version's folder to a higher number, its saved_model.pb last."
        )
    if (model / "saved_model.pb").is_file():
        raise click.UsageError(f"--model must be the folder of versions, not one; got {model}")
    if not model.is_dir() or newest_version(model) is None:
        raise click.UsageError(f"--model must be a folder with a version in it; got {model}")


def pushed_at(version: int) -> str:
    """When a version was made, from its number."""
    if version < FIRST_TIME:
        return ""
    return datetime.fromtimestamp(version, UTC).isoformat(sep=" ", timespec="minutes")


def describe_quality(version: Path) -> str:
    """Each head's metric with its interval, such as `age mae 4.1 [3.8, 4.5]`.

    Raises:
        ValueError: the version does not describe its heads.
    """
    from components.serving.assets import read_served_heads

    told = []
    for head in read_served_heads(version).heads:
        quality = head.get("quality")
        figures = (
            f"{quality['metric']} {quality['value']:.3g} "
            f"[{quality['lower']:.3g}, {quality['upper']:.3g}]"
            if quality
            else "not measured"
        )
        told.append(f"{head['name']} {figures}")
    return "\n".join(told)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the command with one line and code 1 where the folder cannot be used."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
