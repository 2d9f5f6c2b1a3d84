"""The InferenceService, against KServe's own models."""

from __future__ import annotations

import json
from types import SimpleNamespace

import kserve
import kubernetes.client
import pytest
import yaml

from pipeline.deploy.manifest import render_manifest


def read_with_kserve(content, monkeypatch):
    """The manifest as KServe's own models; a key that they do not know would be lost on the way."""
    for name in dir(kserve.models):
        if name.startswith(("V1", "Knative")) and not hasattr(kubernetes.client.models, name):
            monkeypatch.setattr(
                kubernetes.client.models, name, getattr(kserve.models, name), raising=False
            )
    manifest = yaml.safe_load(content)
    client = kubernetes.client.ApiClient()
    service = client.deserialize(
        SimpleNamespace(data=json.dumps(manifest)), kserve.V1beta1InferenceService
    )
    assert client.sanitize_for_serialization(service) == manifest
    return service


@pytest.fixture(name="service")
def give_service(deployable, monkeypatch):
    deploy = deployable().deploy.model_dump()
    deploy["kubeflow"] |= {
        "namespace": "profiles",
        "serving": {"service": "who", "service_account": "reader", "maximum_replicas": 3},
    }
    return read_with_kserve(render_manifest(deployable(deploy=deploy)), monkeypatch)


def test_kserve_reads_the_manifest(service):
    assert service.kind == "InferenceService"
    assert service.api_version == "serving.kserve.io/v1beta1"
    assert (service.metadata.name, service.metadata.namespace) == ("who", "profiles")
    predictor = service.spec.predictor
    assert (predictor.min_replicas, predictor.max_replicas) == (1, 3)
    assert predictor.service_account_name == "reader"
    (container,) = predictor.containers
    assert container.name == "kserve-container"
    assert container.readiness_probe.http_get.path == "/v2/health/ready"
    assert container.liveness_probe.http_get.path == "/v2/health/live"
    assert {variable.name: variable.value for variable in container.env} == {
        "STORAGE_URI": "gs://models/authorprofile/serving"
    }


def test_a_volume_is_read_where_the_pipeline_pushes(deployable, monkeypatch):
    deploy = deployable().deploy.model_dump() | {"push": "/data/models/serving"}
    deploy["kubeflow"]["volume"] = {"claim": "shared", "path": "/data/"}
    service = read_with_kserve(render_manifest(deployable(deploy=deploy)), monkeypatch)
    (container,) = service.spec.predictor.containers
    assert container.env[0].value == "pvc://shared/models/serving"
