"""Runs the pipeline on this machine with LocalDagRunner and says how it ended.

Enters: a `Config`, an observer of stages. Leaves: an `Outcome`; under `config.out`:

| path | what |
|---|---|
| `artifacts/` | every artifact of every run |
| `metadata.sqlite` | MLMD, where it is not on a server |
| `serving/` | the pushed versions |
| `state/` | work in progress; deleted when a run ends well |
| `report.html` | the last run explained, failed or not; `report.json`, from which it is drawn |
| `model_card.md` | the card of the last model that was judged |
| `config.yaml` | the whole configuration of the last run, which repeats it |
| `summary.json` | what the last run that came to its end made |
| `retraining.json` | the last decision of `authorprofile retrain`, and its figures |
"""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx import v1 as tfx
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable.runtime_parameter_utils import substitute_runtime_parameter

from components.disk_shuffle import SHUFFLE_PREFIX
from components.report.run_report import FAILURE
from pipeline.causes import StageFailed, describe_cause
from pipeline.config import Config
from pipeline.console import TITLES
from pipeline.deploy.files import write_together
from pipeline.lineage import RunArtifacts, read_last_run
from pipeline.lock import RUN_LOCK, only_one
from pipeline.pipeline import create_pipeline
from pipeline.report import place_report, settings_path, write_config
from pipeline.reuse import DigestingLauncher
from pipeline.service import follow_service
from pipeline.store import Handle, connect_metadata

# What is in service may have been taken away since; pushing the same model again adds nothing. A
# report tells of its own run.
REPORT = "RunReport"
NEVER_REUSED = ("VersionedPusher", REPORT)
# TFX's own, in the folder of the transform graph; it is left where a stage does not end.
TRANSFORM_TEMPORARY = ".temp_path"

_log = logging.getLogger(__name__)


class StageObserver(Protocol):
    """Is told as stages start and end."""

    def stage_started(self, stage: str) -> None:
        """A stage starts."""

    def stage_finished(self, stage: str, how: str) -> None:
        """A stage has ended well: `done`, `cached` (its earlier work is used) or `skipped`."""


class ObservedDagRunner(tfx.orchestration.LocalDagRunner):
    """LocalDagRunner, telling an observer of each stage.

    The stock loop says it in its log alone, which libraries that it runs turn off.
    """

    def __init__(self, observer: StageObserver):
        super().__init__()
        self.observer = observer

    def run_with_ir(self, pipeline: Any, run_options: Any = None) -> None:
        """Launches each node in order; see the base class.

        Raises:
            StageFailed: from what the stage raised; the report's node has explained it.
            ValueError: partial runs are asked for, which this runner does not have.
        """
        if run_options is not None:
            raise ValueError("This runner runs whole pipelines; it received run options.")
        substitute_runtime_parameter(
            pipeline, {PIPELINE_RUN_ID_PARAMETER_NAME: datetime.now(UTC).isoformat()}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        store = deployment.metadata_connection_config
        connection = getattr(store, store.WhichOneof("connection_config"))
        launch = functools.partial(_launch, pipeline, deployment, connection)
        nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in pipeline.nodes}
        for stage, node in nodes.items():
            node.execution_options.caching_options.enable_cache &= stage not in NEVER_REUSED
            self.observer.stage_started(stage)
            try:
                how = launch(node)
            except Exception as error:
                if REPORT in nodes and stage != REPORT:
                    _explain(launch, nodes[REPORT], stage, error)
                raise StageFailed(stage) from error
            self.observer.stage_finished(stage, how)


def _launch(pipeline: Any, deployment: Any, connection: Any, node: Any) -> str:
    """Runs one node; how it ended, as `StageObserver.stage_finished` has it."""
    stage = node.node_info.id
    handle = Handle(connection)
    done = DigestingLauncher(
        pipeline_node=node,
        mlmd_connection=handle,
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, stage),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, stage),
    ).launch()
    return how_it_ended(handle, done)


def _explain(launch: Callable[[Any], str], report: Any, stage: str, error: Exception) -> None:
    """Has the report drawn of what there is. Where that fails too, the run's error is the first."""
    failure = {"stage": TITLES.get(stage, stage), "cause": describe_cause(error)}
    report.parameters.parameters[FAILURE].field_value.string_value = json.dumps(failure)
    for channel in report.inputs.inputs.values():
        channel.min_count = 0
    try:
        launch(report)
    except Exception:
        _log.exception("the failed run has no report")


def how_it_ended(handle: Handle, done: Any) -> str:
    """`done`, `cached` or `skipped`; ends a run whose stage found its inputs missing.

    The launcher notes either in the store alone.

    Raises:
        RuntimeError: the execution is marked failed.
    """
    if done is None or done.execution_id is None:
        return "skipped"
    with handle:
        found = handle.store.get_executions_by_id([done.execution_id])
    states = {execution.last_known_state for execution in found}
    if Execution.FAILED in states:
        raise RuntimeError(
            "The stage's inputs must be in the metadata store; some are not there. The log names "
            "them. Run again with --set cache=false to make them anew."
        )
    return "cached" if Execution.CACHED in states else "done"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        pushed: whether the model of this run is in service.
        serving_path: its folder, empty where it is not.
        verdict: content of the Evaluator's `verdict.json`.
        check: content of the serving check's `check.json`.
        hyperparameters: those the Tuner chose, empty without a search.
        training: content of the Trainer's `training.json`.
        reused: stages whose work was found in the cache.
        report: path of `report.html`.
    """

    pushed: bool
    serving_path: str
    verdict: dict[str, Any]
    check: dict[str, Any]
    hyperparameters: dict[str, Any]
    training: dict[str, Any]
    reused: list[str]
    report: str


def run_local(config: Config, observer: StageObserver) -> Outcome:
    """Runs the pipeline to its end; the same call after a kill goes on where it stopped.

    Raises:
        InUseError: another run is at work in `config.out`.
        ConfigError: the metadata server cannot be used.
        StageFailed: from what the stage raised; the report tells of it.
    """
    with run_folder(config) as (out, connection):
        return run_in(out, connection, config, observer)


@contextmanager
def run_folder(config: Config) -> Iterator[tuple[Path, Any]]:
    """The run's folder, for this run alone, and the connection to its metadata store.

    Raises:
        InUseError: another run is at work in `config.out`.
        ConfigError: the metadata server cannot be used.
    """
    out = Path(config.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    connection = connect_metadata(config, out)
    with only_one(out / RUN_LOCK, "run"):
        _delete_left(out / "artifacts")
        yield out, connection


def run_in(
    out: Path, connection: Any, config: Config, observer: StageObserver, decision: str = ""
) -> Outcome:
    """Runs the pipeline in a folder of `run_folder`.

    Args:
        out: the folder.
        connection: of the metadata store.
        config: of the run.
        observer: is told of stages.
        decision: why the model is trained anew, as JSON, for the report; empty: it was asked for.

    Raises:
        StageFailed: from what the stage raised; the report tells of it.
    """
    settings = settings_path(out)
    follow_service(connection, config)
    pipeline = create_pipeline(
        config,
        str(out / "artifacts"),
        str(out / "state"),
        str(settings),
        connection,
        decision=decision,
    )
    try:
        ObservedDagRunner(observer).run(pipeline)
    except StageFailed as failed:
        write_config(config, settings)
        failed.report = place_last_report(read_last_run(connection, config.name), out)
        raise
    run = read_last_run(connection, config.name)
    write_config(config, settings)
    outcome = read_outcome(run, place_last_report(run, out))
    write_together({out / "summary.json": json.dumps(asdict(outcome), indent=1).encode()})
    shutil.rmtree(out / "state", ignore_errors=True)
    return outcome


def place_last_report(run: RunArtifacts, out: Path) -> str:
    """Places the run's report in its folder; returns its path, empty where there is none."""
    return str(place_report(run.path(REPORT, "report"), out)) if run.has(REPORT, "report") else ""


def read_outcome(run: RunArtifacts, report: str) -> Outcome:
    """What the artifacts of a run say of its end, whose report was placed at `report`."""
    pushed = run.artifact("VersionedPusher", "pushed_model")
    is_pushed = bool(pushed.get_int_custom_property("pushed"))
    hyperparameters = {}
    if run.has("Tuner", "best_hyperparameters"):
        path = run.path("Tuner", "best_hyperparameters") / "best_hyperparameters.txt"
        hyperparameters = _read_json(path)["values"]
    return Outcome(
        pushed=is_pushed,
        serving_path=pushed.get_string_custom_property("pushed_destination") if is_pushed else "",
        verdict=_read_json(run.path("HeadEvaluator", "blessing") / "verdict.json"),
        check=_read_json(run.path("ServingCheck", "infra_blessing") / "check.json"),
        hyperparameters=hyperparameters,
        training=_read_json(run.path("Trainer", "model_run") / "training.json"),
        reused=run.reused,
        report=report,
    )


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _delete_left(artifacts: Path) -> None:
    """Deletes the rows and counts that stages of a killed run have left on the disk."""
    for name in (f"{SHUFFLE_PREFIX}*", TRANSFORM_TEMPORARY):
        for left in artifacts.glob(f"*/*/*/{name}"):
            shutil.rmtree(left)
