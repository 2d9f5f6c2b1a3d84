"""Reads from MLMD which artifacts the runs of a pipeline made or reused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.types import artifact_utils

from components.report.history import node_of, runs_of
from pipeline.store import Handle

CACHED = metadata_store_pb2.Execution.CACHED


@dataclass(frozen=True)
class RunArtifacts:
    """Output artifacts of one run.

    Attributes:
        artifacts: by (node id, output key).
        reused: nodes whose work was found in the cache.
    """

    artifacts: dict[tuple[str, str], Any]
    reused: list[str]

    def has(self, node: str, key: str) -> bool:
        """Whether the node left this output."""
        return (node, key) in self.artifacts

    def artifact(self, node: str, key: str) -> Any:
        """The TFX artifact of an output.

        Raises:
            KeyError: the node left no such output in this run.
        """
        return self.artifacts[node, key]

    def path(self, node: str, key: str) -> Path:
        """Folder of an output."""
        return Path(self.artifact(node, key).uri)


def read_last_run(connection: Any, pipeline_name: str) -> RunArtifacts:
    """The artifacts of the latest run of `pipeline_name`.

    Raises:
        LookupError: the store knows no run of it.
    """
    for run in read_runs(connection, pipeline_name):
        return run
    raise LookupError(f"The metadata store knows no run of pipeline {pipeline_name!r}.")


def read_runs(connection: Any, pipeline_name: str) -> Iterator[RunArtifacts]:
    """The artifacts of each run of `pipeline_name`, latest first; read as they are asked for."""
    with Handle(connection) as handle:
        for run in runs_of(handle.store, pipeline_name):
            yield _collect(handle.store, handle.store.get_executions_by_context(run.id))


def _collect(store: Any, executions: list[Any]) -> RunArtifacts:
    artifacts: dict[tuple[str, str], Any] = {}
    reused = []
    types = {kind.id: kind for kind in store.get_artifact_types()}
    for execution in executions:
        node = node_of(store, execution)
        if execution.last_known_state == CACHED:
            reused.append(node)
        for event in store.get_events_by_execution_ids([execution.id]):
            if event.type != metadata_store_pb2.Event.OUTPUT:
                continue
            (found,) = store.get_artifacts_by_id([event.artifact_id])
            artifacts[node, event.path.steps[0].key] = artifact_utils.deserialize_artifact(
                types[found.type_id], found
            )
    return RunArtifacts(artifacts, reused)
