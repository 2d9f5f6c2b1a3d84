"""The commands that take the pipeline to Kubeflow or Vertex AI.

Exit codes: 0 done, 1 failed or a fault found, 2 wrong usage or configuration. Imports neither
TensorFlow nor TFX nor a client library until a command needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.deploy.files import write_together
from pipeline.deploy.settings import SUFFIXES, TARGETS, Target
from pipeline.imports import uncollected
from pipeline.observed import NOT_BLESSED
from pipeline.options import GivenPath, check_out, config_options, read_config, source_options

if TYPE_CHECKING:
    from pipeline.config import Config

target_option = click.option(
    "--target", type=click.Choice(TARGETS), required=True, help="Which platform."
)


def specification_path(config: Config, target: Target) -> Path:
    """Where `compile` writes, and the commands that submit look, unless told otherwise."""
    return Path(config.out) / "deploy" / f"{target}{SUFFIXES[target]}"


@click.command("compile")
@target_option
@click.option(
    "--out",
    "file",
    type=GivenPath(dir_okay=False),
    help="File to write; by default <out>/deploy/<target>.",
)
@source_options
def compile_for(target: Target, file: Path | None, **options: Any) -> None:
    """Compile the pipeline for Kubeflow Pipelines or Vertex AI; run nothing.

    For Vertex AI a PipelineJob as JSON, for Kubeflow a PipelineSpec as YAML and beside it
    kserve.yaml, the InferenceService that serves what is pushed. CONFIG's section `deploy` says
    where it will run. The same configuration gives the same bytes.
    """
    config = read_config(**options)
    path = file or specification_path(config, target)
    if path.suffix != SUFFIXES[target]:
        raise click.UsageError(f"--out: {target} takes a file *{SUFFIXES[target]}; got {path}")
    with usage_errors():
        contents = compile_files(config, target, path)
    try:
        write_together(contents)
    except OSError as error:
        raise click.UsageError(f"--out: {path} cannot be written: {error.strerror}") from None
    for written in contents:
        click.echo(written)


def compile_files(config: Config, target: Target, path: Path) -> dict[Path, bytes]:
    """The files of a compilation.

    Raises:
        ConfigError: the configuration lacks what the target needs.
    """
    from pipeline.chatter import divert_output
    from pipeline.deploy.checks import require_deployable

    require_deployable(config, target)
    with divert_output(Path(config.out) / "logs"):
        with uncollected():
            from pipeline.deploy.compiler import compile_pipeline
            from pipeline.deploy.specification import render

        contents = {path: render(compile_pipeline(config, target), target)}
    if target == "kubeflow":
        from pipeline.deploy.manifest import render_manifest

        contents[path.with_name("kserve.yaml")] = render_manifest(config)
    return contents


def print_fingerprint(context: click.Context) -> None:
    """Prints the fingerprint and ends the command."""
    from pipeline.deploy.fingerprint import fingerprint, source_folder

    click.echo(fingerprint(source_folder()))
    context.exit()


@click.command("doctor")
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    help="Which platform; without it, what concerns every one is checked alone.",
)
@click.option(
    "--spec",
    type=GivenPath(dir_okay=False),
    help="A compiled file to check, in place of what CONFIG compiles to.",
)
@click.option(
    "--fingerprint",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, asked: print_fingerprint(context) if asked else None,
    help="Print the number of this package and its locked versions, the tag of their image.",
)
@source_options
def examine_for(target: Target | None, spec: Path | None, **options: Any) -> None:
    """Look for what would fail after a submission, before it. Submits and changes nothing.

    Exit codes: 0 no fault, 1 faults, 2 wrong usage or configuration.
    """
    if spec and not target:
        raise click.UsageError("--spec needs --target: the platforms' files differ.")
    config = read_config(**options)
    from pipeline.chatter import divert_output
    from pipeline.deploy.findings import show
    from pipeline.terminal import Terminal

    with usage_errors(), divert_output(Path(config.out) / "logs") as (terminal, _):
        from pipeline.deploy.doctor import examine

        findings = [*examine(config, target, spec)]
        show(findings, Terminal(file=terminal), f"{config.name} on {target or 'any platform'}")
    faults = sum(finding.verdict == "fault" for finding in findings)
    if faults:
        raise click.ClickException(f"{faults} faults; nothing was submitted.")


@click.command("rehearse")
@target_option
@click.option(
    "parameters",
    "--parameter",
    multiple=True,
    metavar="NAME=VALUE",
    help="A runtime parameter as a submission gives it: posts, labels, span, trials, push, train.",
)
@click.option(
    "--side-by-side",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Steps at once, at the most.",
)
@config_options
def rehearse_for(
    target: Target, parameters: tuple[str, ...], side_by_side: int, **options: Any
) -> None:
    """Execute the compiled pipeline on this machine, step by step, as the platform would.

    Every step runs by its own container command in a fresh process; folders below
    <out>/rehearsal/<target> stand in for buckets. Data of this machine will do. Settings that the
    platform needs and CONFIG lacks are stood in for, and named.

    Exit codes: 0 pushed, or nothing to do; 1 a step failed, 2 wrong usage or configuration, 3 not
    blessed.
    """
    config = read_config(**options)
    check_out(config.out)
    submitted = dict(_parse_parameter(text) for text in parameters)
    from pipeline.chatter import divert_output
    from pipeline.deploy.rehearsal.console import RehearsalConsole
    from pipeline.deploy.rehearsal.container import StepError
    from pipeline.lock import InUseError, only_one

    folder = Path(config.out) / "rehearsal"
    with usage_errors(), divert_output(Path(config.out) / "logs") as (terminal, _):
        console = RehearsalConsole(terminal)
        try:
            with only_one(folder.with_name(f"rehearsal-{target}.lock"), "rehearsal"):
                with uncollected():
                    from pipeline.deploy.rehearsal.run import rehearse

                done = rehearse(config, target, folder, console, submitted, side_by_side)
        except (StepError, InUseError) as error:
            raise click.ClickException(str(error)) from None
        console.show_outcome(done)
    if done.trained and not done.pushed:
        raise SystemExit(NOT_BLESSED)


def _parse_parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--parameter takes NAME=VALUE, such as trials=2; got {text!r}")
    if name not in ("span", "trials"):
        return name, value
    try:
        return name, int(value)
    except ValueError:
        raise click.UsageError(f"--parameter: {name} is a whole number; got {value!r}") from None


@contextmanager
def usage_errors() -> Iterator[None]:
    """A wrong configuration or specification ends the command with code 2 and its own words."""
    from pipeline.config import ConfigError

    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
