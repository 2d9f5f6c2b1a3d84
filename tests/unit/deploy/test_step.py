"""How a step starts on Kubeflow, with what its launcher leaves out."""

from __future__ import annotations

import json

import pytest

from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads
from pipeline.deploy import step

SCHEMA = {"instanceSchema": "title: tfx.Schema\ntype: object\n"}
EXAMPLES = {"instanceSchema": "title: tfx.Examples\ntype: object\n"}


def artifact(uri, kind=SCHEMA):
    return {"artifacts": [{"name": "1", "uri": uri, "type": kind}]}


def test_an_input_gets_the_type_that_the_component_declares():
    invocation = {
        "inputs": {"artifacts": {"examples": artifact("gs://b/1", {"instanceSchema": ""})}}
    }
    step.add_types(invocation, {"artifacts": {"examples": {"artifactType": EXAMPLES}}})
    (found,) = invocation["inputs"]["artifacts"]["examples"]["artifacts"]
    assert found["type"] == EXAMPLES


def test_artifacts_that_tensorflow_cannot_reach_are_read_and_written_as_copies():
    invocation = {
        "inputs": {"artifacts": {"a": artifact("s3://b/a"), "here": artifact("gs://b/x")}},
        "outputs": {"artifacts": {"out": artifact("minio://mlpipeline/v2/out")}},
    }
    assert step.use_copies(invocation) == {
        "/s3/b/a": "s3://b/a",
        "/minio/mlpipeline/v2/out": "minio://mlpipeline/v2/out",
    }
    inputs = invocation["inputs"]["artifacts"]
    assert inputs["a"]["artifacts"][0]["uri"] == "/s3/b/a"
    assert inputs["here"]["artifacts"][0]["uri"] == "gs://b/x"


def test_an_outputs_folder_is_made_and_of_a_value_what_is_above_it(tmp_path):
    outputs = {name: artifact(f"{tmp_path}/{name}/it") for name in ("model", "plan")}
    invocation = {"outputs": {"artifacts": outputs, "parameters": {"plan": {"outputFile": "/x"}}}}
    (tmp_path / "plan").mkdir()
    step.make_folders(invocation)
    assert (tmp_path / "model/it").is_dir()
    assert not (tmp_path / "plan/it").exists()


def test_what_a_step_reports_names_buckets_again(tmp_path):
    file = tmp_path / "output.json"
    file.write_text(
        json.dumps({"uri": "/minio/b/model", "about": "/minio/b/model/1, /minio/b/model-2"})
    )
    copies = {"/minio/b/model": "minio://b/model", "/minio/b/model-2": "minio://b/model-2"}
    step.name_buckets(file, copies)
    assert json.loads(file.read_text()) == {
        "uri": "minio://b/model",
        "about": "minio://b/model/1, minio://b/model-2",
    }


@pytest.fixture(name="words")
def command_line(tmp_path, monkeypatch):
    """A step that writes the schema to MinIO, whose copies lie below `tmp_path`."""
    monkeypatch.setattr(step, "COPIED", {"minio://": f"{tmp_path}/minio/"})
    monkeypatch.setattr("sys.argv", ["step"])
    invocation = {
        "inputs": {
            "parameterValues": {
                "heads": heads_to_json(parse_heads(DEFAULT_HEADS)),
                "validation": "{}",
            }
        },
        "outputs": {
            "artifacts": {"schema": artifact("minio://mlpipeline/HeadsSchema/schema")},
            "outputFile": str(tmp_path / "task/output_metadata.json"),
        },
    }
    declaration = {
        "parameters": {name: {"parameterType": "STRING"} for name in ("heads", "validation")}
    }
    return [
        "--executor_class_path",
        "components.features.schema.HeadsSchema_Executor",
        step.INVOCATION,
        json.dumps(invocation),
        step.DECLARATION,
        json.dumps(declaration),
    ]


def test_a_step_of_an_install_with_minio_runs(words, tmp_path):
    step.main(words)
    text = (tmp_path / "minio/mlpipeline/HeadsSchema/schema/schema.pbtxt").read_text()
    assert 'name: "gender"' in text
    report = json.loads((tmp_path / "task/output_metadata.json").read_text())
    (found,) = report["artifacts"]["schema"]["artifacts"]
    assert found["uri"] == "minio://mlpipeline/HeadsSchema/schema"


def test_a_step_that_fails_ends_so(words):
    broken = [word.replace('"validation": "{}"', '"validation": "no"') for word in words]
    with pytest.raises(ValueError, match="ValidationSettings"):
        step.main(broken)
