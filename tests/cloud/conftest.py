"""The platforms on loopback; a request that breaks their schema fails its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.kubeflow_server import KubeflowServer


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No credentials and no settings of the person who runs the tests."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(home / "context.json"))
    for name in (
        "KUBEFLOW_TOKEN",
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "KF_PIPELINES_ENDPOINT",
        "KF_PIPELINES_UI_ENDPOINT",
        "KF_PIPELINES_SA_TOKEN_PATH",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def kubeflow() -> Iterator[KubeflowServer]:
    """Kubeflow Pipelines, empty."""
    server = KubeflowServer()
    yield server
    server.close()
    assert server.broken == []
