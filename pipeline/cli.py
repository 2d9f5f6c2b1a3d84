"""The command `authorprofile`. Imports neither TensorFlow nor TFX until a command needs them.

Exit codes: 0 done (a run: and pushed), 1 failed, 2 wrong usage or configuration, 3 trained but not
blessed, 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from components.heads.kinds import KindError
from pipeline.cloud.commands import submit
from pipeline.deploy.commands import compile_for, examine_for, rehearse_for
from pipeline.full_disk import FullDiskError, describe_unforeseen, is_full
from pipeline.guarded import guard_output
from pipeline.imports import uncollected
from pipeline.models.commands import models
from pipeline.observed import FAILED, INTERRUPTED, NOT_BLESSED, leave, observed
from pipeline.options import (
    GivenPath,
    GivenText,
    beam_option,
    check_before,
    check_out,
    check_runner,
    check_sources,
    config_options,
    read_config,
    read_prediction,
)
from pipeline.output import OutputError, ReaderGoneError, watch_output
from pipeline.retraining.commands import retrain
from pipeline.schedule.commands import schedule


class _Commands(click.Group):
    """Tells, of errors that no command foresees, those of the machine and of its packages."""

    def invoke(self, context: click.Context) -> Any:
        """Raises ClickException.

        Where a file cannot grow, another process went away, or a kind of head cannot be loaded.
        """
        try:
            return super().invoke(context)
        except BrokenPipeError as error:
            # click would take it for the reader of standard output, and end without a word.
            raise click.ClickException(
                "Another process, or a server, must read what it is sent to the end; one closed "
                "the connection before. See whether it still runs, and call the same command again."
            ) from error
        except KindError as error:
            raise click.ClickException(str(error)) from error
        except Exception as error:
            if isinstance(error, OutputError) or not is_full(error):
                raise
            told = str(error) if isinstance(error, FullDiskError) else describe_unforeseen(error)
            raise click.ClickException(told) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Trains one network that predicts all of an author's attributes, and serves it."""


@cli.command()
@click.option(
    "--compare",
    is_flag=True,
    help="Also train equal, hand-set and learned loss weights and one network a head, for the "
    "report; takes about twenty trainings.",
)
@config_options
def run(**options: Any) -> None:
    """Train on posts and labels, judge, and push the model if every head is good enough.

    CONFIG is a YAML file of settings; `authorprofile settings` prints them all.
    """
    settings = read_config(**options)
    from pipeline.console import show_outcome

    reachable = check_before(settings)
    with observed(settings, "run") as console:
        with uncollected():
            from pipeline.local import run_local

        outcome = run_local(settings, console)
        show_outcome(console.console, outcome, reachable)
    if not outcome.pushed:
        leave(NOT_BLESSED if not outcome.verdict["blessed"] else FAILED)


@cli.command()
@config_options
def audit(**options: Any) -> None:
    """Join posts and labels and say what was read, used and set aside. Trains nothing."""
    settings = read_config(**options)
    check_runner(settings)
    check_sources(settings)
    check_out(settings.out)
    from pipeline.audit import audit_command

    sys.exit(audit_command(settings))


@cli.command()
@click.option(
    "--model",
    required=True,
    type=GivenPath(),
    help="Folder of served versions, or one version.",
)
@click.option(
    "--output",
    type=GivenPath(dir_okay=False),
    help="File of answers: .jsonl, .csv or .parquet. Appears when it is whole.",
)
@click.option("--force", is_flag=True, help="Replace the output, or work left by another call.")
@click.option(
    "assignments",
    "--set",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of Beam or of reading, such as beam.parallelism=8 or "
    "ingest.encoding=windows-1252. Repeatable.",
)
@beam_option
@click.argument("files", nargs=-1, type=GivenText(), metavar="[FILE]...")
def predict(
    model: Path,
    output: Path | None,
    force: bool,
    assignments: tuple[str, ...],
    beam_runner: str | None,
    files: tuple[str, ...],
) -> None:
    """Predict every author of FILEs: posts as JSON Lines, CSV or Parquet, plain or compressed.

    FILE is a path or a glob. One FILE of JSON Lines, or of raw text of one author, is answered at
    once, as is standard input without FILE. With --output, several FILEs or a table it goes
    through Beam, shard by shard; killed and called again, it goes on where it was. The workers of
    --beam-runner flink or spark must see these folders. What cannot be read is counted, and listed
    without its text in OUTPUT.set_aside.jsonl.

    Answers are in the order in which authors are first met: one JSON line an author, or a row with
    author_id and, for the usual heads, age; income_group (0 is the lowest), income_p0, income_p1,
    ... (each group's probability); gender_female, gender_male (probabilities). The groups'
    boundaries are in JSON Lines alone.

    Exit codes: 0 answered, 1 failed, 2 wrong usage, or the output exists.
    """
    if output is not None and not files:
        raise click.UsageError("--output needs FILEs; standard input is answered on the terminal.")
    if force and output is None:
        raise click.UsageError("--force replaces an --output; none is given.")
    from pipeline.bulk import bulk_command, is_bulk

    beam_arguments, reading = read_prediction(assignments, beam_runner)
    if is_bulk(files, output):
        sys.exit(bulk_command(model, files, output, force, beam_arguments, reading))
    if beam_arguments:
        raise click.UsageError("A Beam runner is for what goes through Beam; give an --output.")
    from pipeline.predict import predict_command

    sys.exit(predict_command(model, Path(files[0]) if files else None, reading))


@cli.command()
@click.argument("run", type=GivenPath())
@click.option("--rebuild", is_flag=True, help="Draw it anew from report.json in the folder.")
@click.option("--open", "open_browser", is_flag=True, help="Show it in the browser.")
def report(run: Path, rebuild: bool, open_browser: bool) -> None:
    """Print where the report of a run is, drawn anew where that is asked for or needed.

    RUN is the folder of a run that has ended, the --out of `authorprofile run`.
    """
    from pipeline.report import report_command

    sys.exit(report_command(run, rebuild, open_browser))


@cli.command()
@click.option(
    "--model",
    required=True,
    type=GivenPath(),
    help="Folder of served versions, which is watched, or one version.",
)
@click.option("--host", help="Address to listen on; 127.0.0.1 unless given.")
@click.option("--port", type=int, help="Port of HTTP and the page; 8501 unless given.")
@click.option("--grpc-port", type=int, help="Port of gRPC; 8500 unless given.")
@click.option(
    "assignments",
    "--set",
    multiple=True,
    metavar="KEY=VALUE",
    help="A bound, such as max_body_bytes=1000000. Repeatable; a wrong key lists them all.",
)
def serve(model: Path, assignments: tuple[str, ...], **options: Any) -> None:
    """Answer over the network: a page, REST and gRPC, until a signal ends it.

    Speaks TensorFlow Serving's protocol and the Open Inference Protocol v2. A newer version that
    is pushed to the folder takes over without a failed request.
    """
    from pipeline.serve import serve_command

    sys.exit(serve_command(model, assignments, **options))


@cli.command()
@click.argument("folder", type=GivenPath(file_okay=False))
@click.option(
    "--authors",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many authors.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Another seed, other people.")
def sample(folder: Path, authors: int, seed: int | None) -> None:
    """Write made-up posts and labels whose best reachable scores are known."""
    from pipeline.sample import write_sample

    try:
        summary = write_sample(folder, authors, **({} if seed is None else {"seed": seed}))
    except FileExistsError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{summary.authors:,} authors, {summary.post_records:,} posts, "
        f"{summary.faulty_records:,} faulty records in {folder}"
    )
    config = shlex.quote(str(folder / "config.yaml"))
    click.echo(f"Train on them: authorprofile run {config} --out runs/sample")


@cli.command()
def settings() -> None:
    """Print every setting with its default, unit and meaning, as a YAML file to start from."""
    from pipeline.config import settings_as_yaml

    click.echo(settings_as_yaml(), nl=False)


for command in (compile_for, examine_for, models, rehearse_for, retrain, schedule, submit):
    cli.add_command(command)


def main() -> None:
    """The console command; an interrupt ends it with code 130 wherever it comes."""
    guard_output()
    watch_output()
    try:
        code = _invoke()
        if sys.stdout is not None:
            sys.stdout.flush()
    except ReaderGoneError:
        code = FAILED
    except OutputError as error:
        click.echo(str(error), err=True)
        code = FAILED
    sys.exit(code)


def _invoke() -> Any:
    """The exit code of the command."""
    try:
        return cli.main(prog_name="authorprofile", standalone_mode=False)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        return end.code
