"""The KServe InferenceService that serves what a run on Kubeflow pushes.

This package's own server runs in this package's image, since that is where the model was checked.
From a bucket KServe copies the versions once, when a server starts; on a mounted volume the server
sees a new version at once.
"""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.config import Config

MODELS, PORT = "/mnt/models", 8080


def inference_service(config: Config) -> dict[str, Any]:
    """The manifest as Kubernetes takes it."""
    serving = config.deploy.kubeflow.serving
    namespace = config.deploy.kubeflow.namespace
    predictor: dict[str, Any] = {
        "containers": [_container(config)],
        "minReplicas": serving.minimum_replicas,
        "maxReplicas": serving.maximum_replicas,
    }
    if serving.service_account:
        predictor["serviceAccountName"] = serving.service_account
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": serving.service} | ({"namespace": namespace} if namespace else {}),
        "spec": {"predictor": predictor},
    }


def render_manifest(config: Config) -> bytes:
    """The manifest as a file that `kubectl apply -f` takes."""
    return yaml.safe_dump(inference_service(config), sort_keys=True, width=100).encode()


def storage_uri(config: Config) -> str:
    """The folder of versions as KServe names it.

    gs://models/serving                                     -> the same
    /data/serving on the claim `models`, mounted at /data   -> pvc://models/serving
    """
    push, volume = config.deploy.push_folder, config.deploy.kubeflow.volume
    if "://" in push:
        return push
    return f"pvc://{volume.claim}/{push.removeprefix(volume.path.rstrip('/')).lstrip('/')}"


def _container(config: Config) -> dict[str, Any]:
    serving = config.deploy.kubeflow.serving
    resources = {"cpu": serving.cpu, "memory": serving.memory}
    return {
        "name": "kserve-container",
        "image": config.deploy.image,
        "command": ["authorprofile", "serve", "--model", MODELS],
        "args": ["--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104 - in its own pod
        "env": [{"name": "STORAGE_URI", "value": storage_uri(config)}],
        "ports": [{"containerPort": PORT, "name": "http1", "protocol": "TCP"}],
        # Where the watch of the folder has ended, nothing new would ever serve.
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": PORT},
            # It listens once the model is loaded.
            "initialDelaySeconds": 120,
            "failureThreshold": 6,
            "timeoutSeconds": 10,
        },
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": PORT}},
        "resources": {"limits": resources, "requests": dict(resources)},
    }
