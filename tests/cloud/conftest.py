"""The platforms on loopback; a request that breaks their schema fails its test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cloud.kubeflow_server import KubeflowServer
from tests.cloud.vertex_server import VertexServer


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
    # What is not on loopback is refused there: Google's library also asks in the background where
    # an account may be used from.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def kubeflow() -> Iterator[KubeflowServer]:
    """Kubeflow Pipelines, empty."""
    server = KubeflowServer()
    yield server
    server.close()
    assert server.broken == []


@pytest.fixture(scope="session")
def private_key() -> str:
    """A service account's key, made for these tests."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.fixture
def vertex(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_key: str
) -> Iterator[VertexServer]:
    """Vertex AI, empty, and the usual place of a service account's key."""
    server = VertexServer()
    account = {
        "type": "service_account",
        "project_id": "people",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "person@people.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{server.address}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
    yield server
    server.close()
    assert server.broken == []


def settings_of(server: KubeflowServer | VertexServer) -> list[str]:
    """The settings by which a command finds a server."""
    if isinstance(server, KubeflowServer):
        return [f"deploy.kubeflow.host={server.address}"]
    return [f"deploy.vertex.address={server.address}", "deploy.vertex.region=europe-west4"]
