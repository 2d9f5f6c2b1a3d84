"""Has the metadata store know which model serves, where the serving folder says otherwise.

Enters: the connection, the configuration. Leaves: where the model that serves is not the one judged
last, an execution that returns to its blessing, so that the next candidate is compared with it.
That is so after a rollback, and where a blessed model never came into service. A model that no run
of this store pushed, and a bucket, are left alone.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.judging.baseline import last_judgements
from components.serving.versions import served_version
from pipeline.config import Config
from pipeline.store import Handle

RETURN = "components.ReturnToModel"
_log = logging.getLogger("authorprofile.judging")


def follow_service(connection: Any, config: Config) -> None:
    """Records a return to the model that serves, where another one was judged last."""
    if "://" in config.serving_folder:
        return
    version = served_version(Path(config.serving_folder))
    if version is None:
        return
    with Handle(connection) as handle:
        store = handle.store
        pipeline = store.get_context_by_type_and_name("pipeline", config.name)
        if pipeline is None:
            return
        blessed = _blessed(_artifacts(store, pipeline.id, "ModelBlessing"))
        judged = last_judgements(store, list(blessed))
        latest = max(blessed, key=lambda blessing: judged[blessing], default=None)
        pushed = _artifacts(store, pipeline.id, "PushedModel")
        model = _pushed_model(store, pushed, version)
        own = [blessing for blessing, of in blessed.items() if of == model]
        if latest is None or not own or blessed[latest] == model:
            return
        _record_return(store, max(own, key=lambda blessing: judged[blessing]), version)
        _log.info("version %d serves, and is what the next model is compared with", version)


def _artifacts(store: Any, context_id: int, type_name: str) -> list[Any]:
    return [
        artifact
        for artifact in store.get_artifacts_by_context(context_id)
        if artifact.type == type_name
    ]


def _blessed(blessings: list[Any]) -> dict[int, int]:
    """Blessings that bless, by id; the model of each."""
    return {
        blessing.id: blessing.custom_properties["current_model_id"].int_value
        for blessing in blessings
        if blessing.custom_properties["blessed"].int_value == 1
    }


def _pushed_model(store: Any, pushed: list[Any], version: int) -> int:
    """The model of which a version was made; 0 where no run of this store pushed it."""
    found = [
        artifact.id
        for artifact in pushed
        if artifact.custom_properties["pushed_version"].string_value == str(version)
    ]
    if not found:
        return 0
    executions = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([max(found)])
        if event.type == metadata_store_pb2.Event.OUTPUT
    }
    inputs = store.get_events_by_execution_ids(sorted(executions))
    models = [
        event.artifact_id
        for event in inputs
        if event.type == metadata_store_pb2.Event.INPUT and event.path.steps[0].key == "model"
    ]
    return max(models, default=0)


def _record_return(store: Any, blessing: int, version: int) -> None:
    kind = metadata_store_pb2.ExecutionType(name=RETURN)
    kind.properties["version"] = metadata_store_pb2.INT
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(kind),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    execution.properties["version"].int_value = version
    (made,) = store.put_executions([execution])
    event = metadata_store_pb2.Event(
        artifact_id=blessing, execution_id=made, type=metadata_store_pb2.Event.OUTPUT
    )
    event.path.steps.add().key = "blessing"
    store.put_events([event])
