"""What only the metadata store knows: how long the stages of this run took, and the run before it.

Enters: the run's id. Leaves: JSON in the execution property `history`. A driver, since an executor
may run where the store cannot be reached; where a runner has no drivers, the property stays empty
and the report says that it is not known.

    {"run": "2026-11-24T01:44:01+00:00",
     "stages": [{"stage": "Trainer", "seconds": 98.5, "reused": false}],
     "previous": {"run": "...", "ModelBlessing": "/.../blessing/4", "ModelRun": "...",
                  "components.JoinAudit": "..."}}
"""

from __future__ import annotations

import json
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

HISTORY = "history"
READ_OF_PREVIOUS = ("ModelBlessing", "ModelRun", "components.JoinAudit")
_Execution = metadata_store_pb2.Execution


class HistoryDriver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Fills the execution property `history`."""

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """See the module."""
        with self._mlmd_connection as handle:
            run = execution_info.pipeline_run_id
            history = read_history(handle.store, execution_info.pipeline_info.id, run)
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[HISTORY].string_value = json.dumps(history)
        return output


def read_history(store: Any, pipeline: str, run: str) -> dict[str, Any]:
    """The module's JSON for one run of a pipeline."""
    current = store.get_context_by_type_and_name("pipeline_run", run)
    earlier = [one for one in runs_of(store, pipeline) if current and one.id < current.id]
    return {
        "run": run,
        "stages": _stages(store, current) if current else [],
        "previous": _last_judged(store, earlier),
    }


def runs_of(store: Any, pipeline: str) -> list[Any]:
    """The contexts of a pipeline's runs, latest first."""
    parent = store.get_context_by_type_and_name("pipeline", pipeline)
    children = store.get_children_contexts_by_context(parent.id) if parent else []
    runs = [context for context in children if context.type == "pipeline_run"]
    return sorted(runs, key=lambda context: context.id, reverse=True)


def _stages(store: Any, run: Any) -> list[dict[str, Any]]:
    ended = (_Execution.COMPLETE, _Execution.CACHED)
    executions = sorted(store.get_executions_by_context(run.id), key=lambda one: one.id)
    return [
        {
            "stage": node_of(store, execution),
            "seconds": _seconds(execution),
            "reused": execution.last_known_state == _Execution.CACHED,
        }
        for execution in executions
        if execution.last_known_state in ended
    ]


def _seconds(execution: Any) -> float:
    milliseconds = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    return round(float(milliseconds) / 1000, 1)


def node_of(store: Any, execution: Any) -> str:
    """Id of the node that was executed."""
    for context in store.get_contexts_by_execution(execution.id):
        if context.type == "node":
            return str(context.name).rpartition(".")[2]
    return str(execution.type).rpartition(".")[2]


def _last_judged(store: Any, runs: list[Any]) -> dict[str, str]:
    """Folders of what is read of the first run that judged a model; empty where none did."""
    for run in runs:
        executions = store.get_executions_by_context(run.id)
        events = store.get_events_by_execution_ids([one.id for one in executions])
        outputs = [
            event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        found = {
            artifact.type: artifact.uri
            for artifact in store.get_artifacts_by_id(outputs)
            if artifact.type in READ_OF_PREVIOUS
        }
        if "ModelBlessing" in found:
            return {"run": run.name, **found}
    return {}
