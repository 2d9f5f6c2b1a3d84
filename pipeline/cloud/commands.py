"""The command that submits the pipeline to Kubeflow or Vertex AI.

Imports neither TensorFlow nor TFX nor a client library until the command needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.deploy.commands import compile_files, specification_path, target_option, usage_errors
from pipeline.deploy.files import write_together
from pipeline.deploy.settings import Target
from pipeline.options import GivenPath, config_options, read_config

if TYPE_CHECKING:
    from pipeline.config import Config


spec_option = click.option(
    "--spec",
    type=GivenPath(dir_okay=False),
    help="Compiled specification to run; without it CONFIG is compiled anew.",
)
parameter_option = click.option(
    "assignments_of_run",
    "--parameter",
    multiple=True,
    metavar="NAME=VALUE",
    help="Runtime parameter, such as span=7. Repeatable; a wrong name lists them all.",
)


@click.command()
@target_option
@spec_option
@parameter_option
@click.option("--wait", is_flag=True, help="Follow the run and end with its outcome.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.05),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How often --wait asks.",
)
@click.option("--no-cache", is_flag=True, help="Run every step anew.")
@config_options
def submit(
    target: Target,
    spec: Path | None,
    assignments_of_run: tuple[str, ...],
    wait: bool,
    every: float,
    no_cache: bool,
    **options: Any,
) -> None:
    """Run the pipeline on Kubeflow Pipelines or Vertex AI, and print the link to the run.

    CONFIG's section `deploy` says where. Credentials come from the usual places: Google's
    application default credentials; for Kubeflow the variable that deploy.kubeflow.token_variable
    names, KF_PIPELINES_SA_TOKEN_PATH, the cluster this runs in, or kubectl's configuration.

    Exit codes: 0 begun, with --wait succeeded; 1 failed; 2 wrong usage or configuration; 130
    interrupted, which leaves the run going.
    """
    config = read_place(**options) if spec else read_config(**options)
    path, parameters = find_spec(config, target, spec, assignments_of_run)
    from pipeline.cloud.submit import submit as begin

    sys.exit(
        begin(config, target, path, parameters, cache=not no_cache, wait=wait, every_seconds=every)
    )


def read_place(**options: Any) -> Config:
    """A configuration of which the section `deploy` alone is used; it may be all that there is."""
    if options["config"] is None:
        for key in ("posts", "labels"):
            options[key] = options.get(key) or ("named by the specification",)
    return read_config(**{"posts": (), "labels": (), "heads": None, **options})


def find_spec(
    config: Config, target: Target, spec: Path | None, assignments: tuple[str, ...]
) -> tuple[Path, dict[str, str]]:
    """The specification to run, compiled where none is given, and its parameters."""
    with usage_errors():
        from pipeline.cloud.spec import parse_parameters

        parameters = parse_parameters(assignments)
        return spec or compiled(config, target), parameters


def compiled(config: Config, target: Target) -> Path:
    """The specification of the configuration, compiled to where `compile` writes it."""
    path = specification_path(config, target)
    click.echo(f"Compiling {path}")
    contents = compile_files(config, target, path)
    try:
        write_together(contents)
    except OSError as error:
        raise click.UsageError(f"out: {path} cannot be written: {error.strerror}") from None
    return path
