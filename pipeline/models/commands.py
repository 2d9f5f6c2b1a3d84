"""`authorprofile models`: which versions there are, how good each measured, and the way back.

Enters: a folder of versions, here or in a bucket. Leaves: a table; after a rollback a new version
with an earlier model. Exit codes: 0 done, 1 the folder cannot be read or written, 2 wrong usage, or
nothing to roll back to. TensorFlow is imported for a bucket alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from pipeline.options import GivenText

if TYPE_CHECKING:
    from pipeline.models.places import Place

# Versions are seconds since 1970; a smaller number was given by hand.
FIRST_TIME = 1_000_000_000


@click.group()
def models() -> None:
    """Show the versions of a serving folder, or make an earlier one serve again."""


model_option = click.option(
    "--model",
    required=True,
    type=GivenText(),
    help="Folder of served versions; a bucket's as gs://...",
)


@models.command(name="list")
@model_option
def list_versions(model: str) -> None:
    """Show each version: when it was pushed, how good its heads measured, which one serves."""
    from components.serving.versions import serving_order
    from pipeline.terminal import Terminal, plain_table

    with one_line_errors(model):
        place = check_place(model)
        versions = place.versions()
        told = {n: describe_version(place, n, n in versions) for n in place.numbers()}
        # The damaged ones too: the newest tells what serves in its place.
        order = serving_order(versions, place.origin)
        served = next((version for version in order if not told[version].fault), None)
        rows = plain_table("version", "since", "quality on test", "state")
        for version, row in told.items():
            state = ["in service"] if version == served else []
            state += [part for part in (row.fault, row.rollback) if part]
            rows.add_row(str(version), pushed_at(version), row.quality, ", ".join(state))
    Terminal().print(rows)


class VersionRow(NamedTuple):
    """What is told of a version.

    Attributes:
        quality: of its heads, as `describe_quality` has it.
        rollback: to which version it is one, if any.
        fault: why it cannot serve; empty where it can.
    """

    quality: str = ""
    rollback: str = ""
    fault: str = ""


def describe_version(place: Place, version: int, is_whole: bool) -> VersionRow:
    """What is told of a version; a fault of it is its own, and ends nothing."""
    damage = place.damage(version)
    if damage:
        return VersionRow(fault=f"damaged: {damage}")
    if not is_whole:
        return VersionRow(fault="not whole")
    try:
        own = place.origin(version)
        rollback = f"rollback to {own}" if own != version else ""
    except ValueError:
        rollback = "rollback, its record is damaged"
    try:
        with place.described(version) as folder:
            return VersionRow(describe_quality(folder), rollback)
    except ValueError as error:
        return VersionRow(fault=f"damaged: {error}", rollback=rollback)


@models.command()
@model_option
@click.option("--to", type=int, help="Version to serve again; by default the one before.")
def rollback(model: str, to: int | None) -> None:
    """Make an earlier version serve again, as the newest version.

    `authorprofile serve`, `predict` and TensorFlow Serving follow it; the next training starts
    from it and is compared with it. In a bucket nothing else may push meanwhile.
    """
    from components.serving.rollback import RollbackError

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
    if not place.versions():
        raise click.UsageError(f"--model must be a folder with a version in it; got {model}")
    return place


def pushed_at(version: int) -> str:
    """When a version was made, from its number."""
    if version < FIRST_TIME:
        return ""
    return datetime.fromtimestamp(version, UTC).isoformat(sep=" ", timespec="minutes")


def describe_quality(version: Path) -> str:
    """Each head's metric with its interval, such as `age mae 4.10 [3.80, 4.50]`, on a line; below
    it that of the linear and of the constant baseline, where the version has been told them.

    Raises:
        ValueError: the version does not describe its heads.
    """
    from components.heads.metrics import format_estimate, format_number
    from components.report.contenders import CONSTANT, LINEAR
    from components.serving.assets import read_served_heads

    told = []
    for head in read_served_heads(version).heads:
        quality = head.quality
        measured = f"{quality['metric']} {format_estimate(quality)}" if quality else "not measured"
        told.append(f"{head.name} {measured}")
        for title in (LINEAR, CONSTANT):
            value = (quality or {}).get(title.replace(" ", "_"))
            told += [f"  {title} {format_number(value)}"] if value is not None else []
    return "\n".join(told)


@contextmanager
def one_line_errors(model: str) -> Iterator[None]:
    """Ends the command with one line and code 1 where the folder or bucket cannot be used."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise click.ClickException(told) from None
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
