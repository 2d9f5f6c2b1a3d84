"""`authorprofile models`: which versions there are, how good each measured, and the way back.

Enters: a folder of versions, here or in a bucket. Leaves: a table; after a rollback a new version
with an earlier model. Exit codes: 0 done, 1 the folder cannot be read or written, 2 wrong usage, or
nothing to roll back to. `pipeline.cli` adds the group. TensorFlow is imported for a bucket alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.options import GivenText

if TYPE_CHECKING:
    from pipeline.models.places import Place

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
        type=GivenText(),
        help="Folder of served versions; a bucket's as gs://...",
    )(command)


@models.command(name="list")
@model_option
def list_versions(model: str) -> None:
    """Show each version: when it was pushed, how good its heads measured, which one serves."""
    from pipeline.terminal import Terminal, plain_table

    with one_line_errors(model):
        place = check_place(model)
        whole = place.whole()
        rows = plain_table("version", "since", "quality on test", "state")
        for version in place.numbers():
            if version not in whole:
                rows.add_row(str(version), "", "", "not whole")
                continue
            own = place.origin(version)
            state = ["in service"] if version == whole[-1] else []
            state += [f"rollback to {own}"] if own != version else []
            with place.described(version) as folder:
                quality = describe_quality(folder)
            rows.add_row(str(version), pushed_at(version), quality, ", ".join(state))
    Terminal().print(rows)


@models.command()
@model_option
@click.option("--to", type=int, help="Version to serve again; by default the one before.")
def rollback(model: str, to: int | None) -> None:
    """Make an earlier version serve again, as the newest version.

    `authorprofile serve`, `predict` and TensorFlow Serving follow it; the next training starts
    from it and is compared with it. In a bucket nothing else may push meanwhile.
    """
    from components.serving.versions import RollbackError

    with one_line_errors(model):
        place = check_place(model)
        try:
            done = place.roll_back(to)
        except RollbackError as error:
            raise click.UsageError(str(error)) from None
        path = f"{model.rstrip('/')}/{done.version}"
        click.echo(f"In service: {path}, the model of version {done.model}")


def check_place(model: str) -> Place:
    """Where the versions are; ends the command with code 2 where there are none to be seen."""
    from pipeline.models.places import find_place

    place = find_place(model)
    if place.is_one_version():
        raise click.UsageError(f"--model must be the folder of versions, not one; got {model}")
    if not place.whole():
        raise click.UsageError(f"--model must be a folder with a version in it; got {model}")
    return place


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
def one_line_errors(model: str) -> Iterator[None]:
    """Ends the command with one line and code 1 where the folder or bucket cannot be used."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except Exception as error:
        # TensorFlow's own, of which that of a scheme without a file system is the likeliest.
        if not type(error).__module__.startswith("tensorflow."):
            raise
        fault = str(error).splitlines()[0]
        raise click.ClickException(
            f"{model}: {fault}. Buckets are read through TensorFlow, which knows gs://."
        ) from None
