"""What the local runner makes of a stage that only its record in the store knows to have failed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from pipeline.local import raise_where_failed
from pipeline.store import Handle

Execution = metadata_store_pb2.Execution


@pytest.fixture
def handle(tmp_path):
    return Handle(metadata.sqlite_metadata_connection_config(str(tmp_path / "store.sqlite")))


def put_execution(handle, state):
    with handle:
        type_id = handle.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Trainer"))
        execution = Execution(type_id=type_id, last_known_state=state)
        (number,) = handle.store.put_executions([execution])
    return SimpleNamespace(execution_id=number)


def test_a_stage_without_its_inputs_ends_the_run(handle):
    with pytest.raises(RuntimeError, match="--set cache=false"):
        raise_where_failed(handle, put_execution(handle, Execution.FAILED))


@pytest.mark.parametrize("state", [Execution.COMPLETE, Execution.CACHED])
def test_a_stage_that_is_done_or_reused_does_not(handle, state):
    raise_where_failed(handle, put_execution(handle, state))


def test_a_resolver_that_had_nothing_to_do_does_not(handle):
    raise_where_failed(handle, None)
