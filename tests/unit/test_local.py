"""What the local runner makes of a stage that only its record in the store knows to have failed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from components.heads.kinds import Kinds, UnknownKindError
from components.report.heads import HeadReport
from pipeline.config import load_config
from pipeline.local import how_it_ended, run_folder
from pipeline.pipeline import create_pipeline
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
        how_it_ended(handle, put_execution(handle, Execution.FAILED))


def test_nothing_starts_where_a_kind_of_head_has_no_class_for_a_late_stage(tmp_path, monkeypatch):
    laughs = "heads={age: null, income: null, gender: null, laughs: {kind: count}}"
    config = load_config(None, [laughs], posts=["posts.jsonl"], labels=["labels.csv"])
    monkeypatch.setattr("components.report.heads.REPORTS", Kinds("authorprofile.none", HeadReport))
    with pytest.raises(UnknownKindError, match="'count' has none"):
        create_pipeline(config, str(tmp_path))


@pytest.mark.parametrize(
    ("state", "how"), [(Execution.COMPLETE, "done"), (Execution.CACHED, "cached")]
)
def test_a_stage_that_is_done_or_reused_does_not_and_says_which(handle, state, how):
    assert how_it_ended(handle, put_execution(handle, state)) == how


@pytest.mark.parametrize("done", [None, SimpleNamespace(execution_id=None)])
def test_a_stage_that_had_nothing_to_do_was_skipped(handle, done):
    assert how_it_ended(handle, done) == "skipped"


def test_what_a_killed_run_left_on_the_disk_is_deleted_by_the_next(tmp_path):
    left = [
        tmp_path / "artifacts" / "PostsExampleGen" / "audit" / "2" / ".shuffle-abc" / "7",
        tmp_path / "artifacts" / "Transform" / "transform_graph" / "5" / ".temp_path" / "parts",
    ]
    kept = [folder.parent.with_name("audit.json") for folder in left]
    for folder, file in zip(left, kept, strict=True):
        folder.mkdir(parents=True)
        (folder / "rows").write_text("text")
        file.write_text("{}")
    config = load_config(None, [f"out={tmp_path}"], posts=["p"], labels=["l"])
    with run_folder(config):
        assert not any(folder.parent.exists() for folder in left)
        assert all(file.exists() for file in kept)
