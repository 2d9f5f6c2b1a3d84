"""Configurations that would fail on a platform, named before anything is made."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigError
from pipeline.deploy.checks import VERTEX_ACCELERATORS, find_faults, require_deployable
from pipeline.deploy.settings import TARGETS


def changed(deployable, **deploy):
    return deployable(deploy=deployable().deploy.model_dump() | deploy)


@pytest.mark.parametrize("target", TARGETS)
def test_a_complete_configuration_has_no_fault(deployable, target):
    assert [*find_faults(deployable(), target)] == []


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "image",
    ["", "registry.example.org/Team/x:1", "registry/x:1 ", "docker://x:1", "x@sha256:12", "team/x"],
)
def test_an_image_must_be_a_whole_reference(deployable, target, image):
    with pytest.raises(ConfigError, match=r"^deploy\.image: must .*; got "):
        require_deployable(changed(deployable, image=image), target)


@pytest.mark.parametrize(
    "image",
    ["authorprofile:1", "localhost:5000/a/b:latest", f"gcr.io/p/x@sha256:{'0' * 64}", "a/b_c:v1.2"],
)
def test_usual_references_are_taken(deployable, image):
    require_deployable(changed(deployable, image=image), "vertex")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("key", ["posts", "labels", "hyperparameters_from", "warm_start_from"])
def test_a_path_of_this_machine_is_not_taken_for_a_bucket(deployable, target, key):
    path = "data/file.csv"
    config = deployable(**{key: [path] if key in ("posts", "labels") else path})
    with pytest.raises(ConfigError, match=rf"^{key}: must be where the steps can reach it: gs://"):
        require_deployable(config, target)


def test_on_kubeflow_a_path_must_be_on_the_volume(deployable):
    volume = {"volume": {"claim": "posts", "path": "/data"}}
    config = changed(deployable, push="/elsewhere/serving", kubeflow=volume)
    with pytest.raises(ConfigError, match=r"deploy\.push: .*below /data on the volume posts"):
        require_deployable(config, "kubeflow")
    require_deployable(changed(deployable, push="/data/serving", kubeflow=volume), "kubeflow")


@pytest.mark.parametrize("root", ["", "/data/root", "s3://bucket/root"])
def test_vertex_ai_needs_a_bucket_of_google(deployable, root):
    with pytest.raises(ConfigError, match=r"deploy\.root: must be a bucket folder, gs://"):
        require_deployable(changed(deployable, root=root, push="gs://models/x"), "vertex")


def test_kubeflow_takes_the_clusters_own_root(deployable):
    require_deployable(changed(deployable, root="", push="gs://models/serving"), "kubeflow")
    require_deployable(
        changed(deployable, root="minio://mlpipeline/v2", push="gs://models/serving"), "kubeflow"
    )


def test_an_accelerator_must_be_one_of_the_platforms(deployable):
    job = {"machine": "n1-standard-8", "accelerator": "NVIDIA_TESLA_T5"}
    vertex = {"project": "a", "region": "b", "training": job}
    with pytest.raises(ConfigError, match=r"deploy\.vertex\.training\.accelerator: .*T4.*T5"):
        require_deployable(changed(deployable, vertex=vertex), "vertex")
    machines = {"Trainer": {"accelerator": "NVIDIA_TESLA_T4"}}
    with pytest.raises(ConfigError, match=r"deploy\.machines\.Trainer\.accelerator: .*nvidia\.com"):
        require_deployable(changed(deployable, machines=machines), "kubeflow")


def test_the_accelerators_are_those_that_vertex_ais_client_knows():
    from google.cloud.aiplatform_v1.types import AcceleratorType

    known = {kind.name for kind in AcceleratorType} - {"ACCELERATOR_TYPE_UNSPECIFIED"}
    assert set(VERTEX_ACCELERATORS) == known


def test_every_fault_is_named_at_once(deployable):
    config = deployable(name="My_Pipeline", deploy={})
    found = [fault.rule.partition(":")[0] for fault in find_faults(config, "vertex")]
    assert found == [
        "name",
        "deploy.image",
        "deploy.root",
        "deploy.push",
        "deploy.history",
        "deploy.vertex.project",
        "deploy.vertex.region",
    ]


def test_dataflow_needs_project_region_and_bucket(deployable):
    config = changed(
        deployable,
        vertex={},
        root="minio://mlpipeline/v2",
        push="gs://models/serving",
        beam={"runner": "dataflow"},
    )
    found = [fault.rule.partition(":")[0] for fault in find_faults(config, "kubeflow")]
    assert found == ["deploy.vertex.project", "deploy.vertex.region", "deploy.beam.temp"]
