"""A compiled spec is checked before a platform sees it: form, schema, maker, parameters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.cloud.spec import parse_parameters, read_spec
from pipeline.cloud.target import connect
from pipeline.config import ConfigError, load_config
from tests.cloud.specs import VERSIONS, pipeline_spec, write_kubeflow, write_vertex


@pytest.mark.parametrize(
    ("write", "target"), [(write_kubeflow, "kubeflow"), (write_vertex, "vertex")]
)
def test_both_forms_are_read(tmp_path, write, target):
    spec = read_spec(write(tmp_path), target)
    assert spec.name == "authorprofile"
    assert spec.tasks == ["PostsExampleGen", "Trainer"]
    assert list(spec.declared) == ["pattern", "span", "train"]
    assert spec.typed({"pattern": "a", "span": "7"}) == {"pattern": "a", "span": 7}


def test_a_document_for_kubernetes_may_follow(tmp_path):
    path = write_kubeflow(tmp_path)
    path.write_text(path.read_text() + "---\nplatforms: {kubernetes: {}}\n")
    assert read_spec(path, "kubeflow").name == "authorprofile"


@pytest.mark.parametrize(
    ("target", "change", "said"),
    [
        ("vertex", None, "must be made by the installed authorprofile"),
        ("kubeflow", "gone", "cannot be read: No such file"),
        ("kubeflow", "folder.yaml", "cannot be read: Is a directory"),
        ("kubeflow", "spec.json", r"kubeflow takes a file \*.yaml; got"),
        ("vertex", "spec.yaml", r"vertex takes a file \*.json; got"),
        ("kubeflow", b"a: [", "is not YAML: while parsing"),
        ("vertex", b"{", "is not JSON: Expecting property name"),
        ("vertex", b"[]", r"vertex takes a PipelineJob \(JSON\)"),
        ("kubeflow", b"pipelineSpec: {}", r"kubeflow takes a PipelineSpec \(YAML\)"),
        ("kubeflow", b"", r"kubeflow takes a PipelineSpec \(YAML\)"),
    ],
)
def test_what_is_no_spec_of_the_target_is_told_in_a_line(tmp_path, target, change, said):
    (tmp_path / "folder.yaml").mkdir()
    write_kubeflow(tmp_path)
    write_vertex(tmp_path, versions=("0.0.9", VERSIONS[1]))
    path = tmp_path / ("spec.json" if target == "vertex" else "spec.yaml")
    if isinstance(change, bytes):
        path.write_bytes(change)
    elif change:
        path = tmp_path / change
    with pytest.raises(ConfigError, match=said) as caught:
        read_spec(path, target)
    assert str(caught.value).startswith("spec: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("versions", [("0.0.9", VERSIONS[1]), (VERSIONS[0], "1.20.0")])
def test_a_spec_made_by_another_version_is_refused(tmp_path, versions):
    path = write_kubeflow(tmp_path, versions=versions)
    made_by = f"was made by authorprofile {versions[0]} with TFX {versions[1]}; run authorprofile"
    with pytest.raises(ConfigError, match=made_by):
        read_spec(path, "kubeflow")


def test_a_bucket_in_place_of_a_file_is_refused():
    with pytest.raises(
        ConfigError, match=r"must be a file of this machine; got gs:/bucket/spec.yaml"
    ):
        read_spec(Path("gs://bucket/spec.yaml"), "kubeflow")


def test_a_spec_of_nobody_is_refused(tmp_path):
    spec = pipeline_spec()
    del spec["pipelineInfo"]["description"]
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(ConfigError, match="was made by something else"):
        read_spec(tmp_path / "spec.yaml", "kubeflow")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"komponents": {}}, "breaks the PipelineSpec schema: .*komponents"),
        ({"schemaVersion": "2.0.0"}, "schema version 2.1.0; .* has 2 steps and version '2.0.0'"),
        ({"root": {"dag": {"tasks": {}}}}, "has 0 steps"),
    ],
)
def test_a_spec_that_breaks_the_published_schema_is_refused(tmp_path, change, said):
    path = write_vertex(tmp_path)
    job = json.loads(path.read_text())
    job["pipelineSpec"] |= change
    path.write_text(json.dumps(job))
    with pytest.raises(ConfigError, match=said):
        read_spec(path, "vertex")


def test_a_parameter_without_a_default_must_be_given_or_stand_in_the_job(tmp_path):
    path = write_vertex(tmp_path)
    with pytest.raises(ConfigError, match="pattern must be given: the spec has no default"):
        read_spec(path, "vertex").typed({})
    job = json.loads(path.read_text())
    job["runtimeConfig"]["parameterValues"] = {"pattern": "gs://bucket/a"}
    path.write_text(json.dumps(job))
    assert read_spec(path, "vertex").typed({}) == {}


@pytest.mark.parametrize("assignment", ["span", "=7", ""])
def test_a_parameter_is_given_as_name_and_value(assignment):
    with pytest.raises(ConfigError, match="takes name=value, such as span=7; got"):
        parse_parameters([assignment])


@pytest.mark.parametrize(
    ("target", "library"),
    [("kubeflow", "kfp_server_api"), ("vertex", "google.cloud.aiplatform_v1")],
)
def test_a_library_that_is_not_installed_is_told_with_how_to_install_it(
    monkeypatch, target, library
):
    for module in [name for name in sys.modules if name.startswith(f"pipeline.cloud.{target}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    config = load_config(None, posts=["a"], labels=["b"])
    with pytest.raises(
        ConfigError, match=rf"no {library}; run pip install 'authorprofile\[{target}"
    ):
        connect(target, config)
