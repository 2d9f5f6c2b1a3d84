"""The commands that take the pipeline to Kubeflow or Vertex AI; `pipeline.cli` adds them.

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
from pipeline.deploy.settings import TARGETS, Target
from pipeline.options import read_config, source_options

if TYPE_CHECKING:
    from pipeline.config import Config

SUFFIXES: dict[Target, str] = {"kubeflow": ".yaml", "vertex": ".json"}


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
    type=click.Path(dir_okay=False, path_type=Path),
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
        from pipeline.deploy.compiler import compile_pipeline, render

        contents = {path: render(compile_pipeline(config, target), target)}
    if target == "kubeflow":
        from pipeline.deploy.manifest import render_manifest

        contents[path.with_name("kserve.yaml")] = render_manifest(config)
    return contents


@contextmanager
def usage_errors() -> Iterator[None]:
    """A wrong configuration ends the command with code 2 and its own words."""
    from pipeline.config import ConfigError

    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
