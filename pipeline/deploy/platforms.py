"""The section `deploy` as choices of `create_pipeline`: parameters, Beam's arguments, jobs."""

from __future__ import annotations

from typing import Any

from tfx.extensions.google_cloud_ai_platform import constants
from tfx.extensions.google_cloud_ai_platform.trainer.executor import TRAINING_ARGS_KEY
from tfx.extensions.google_cloud_ai_platform.tuner.executor import TUNING_ARGS_KEY
from tfx.orchestration.data_types import RuntimeParameter

from components.ingest.spans import format_patterns
from pipeline.beam import beam_arguments
from pipeline.config import Config
from pipeline.deploy.settings import JobSettings, Target
from pipeline.platform import Platform

DESCRIPTIONS = {
    "posts": "files of posts: a path or glob, or a JSON list of them; {SPAN} is filled in",
    "labels": "files of labels, likewise",
    "span": "the span to read; -1: the newest",
    "train": "anew: all of it; when_due: only where there is a reason, from the model in service; "
    "forced, search: likewise without a reason, and with a search",
    "trials": "trained candidates of the search, at the most",
    "push": "folder of served versions",
}


def parameter_defaults(config: Config) -> dict[str, str | int]:
    """The runtime parameters of the pipeline with what they are where a submission says nothing."""
    defaults: dict[str, str | int] = {
        "posts": format_patterns(config.posts),
        "labels": format_patterns(config.labels),
        "span": config.deploy.span,
        "push": config.deploy.push_folder,
        "train": config.deploy.train,
    }
    if config.tune and not config.hyperparameters_from:
        defaults["trials"] = config.tuner.trials
    return defaults


def make_platform(config: Config, target: Target) -> Platform:
    """The choices of a run on the target."""
    parameters = {
        name: RuntimeParameter(name=name, ptype=type(value), default=value)
        for name, value in parameter_defaults(config).items()
    }
    common: dict[str, Any] = {
        "parameters": parameters,
        "history": config.deploy.history_folder,
        "beam_arguments": [
            *beam_arguments(config.deployed_beam, config.deploy),
            *config.deploy.beam.arguments,
        ],
    }
    if target == "kubeflow":
        return Platform(**common)
    vertex = config.deploy.vertex
    return Platform(
        **common,
        training_job=_job(config, vertex.training, TRAINING_ARGS_KEY, vertex.training.machines),
        search_job=_job(config, vertex.search, TUNING_ARGS_KEY, vertex.search.parallel_trials),
        endpoint=_endpoint(config),
    )


def _job(config: Config, job: JobSettings, key: str, machines: int) -> dict[str, Any]:
    """TFX's custom config of a Vertex AI custom job; empty where no machine is asked for."""
    if not job.machine:
        return {}
    machine: dict[str, Any] = {"machine_type": job.machine}
    if job.accelerator:
        machine |= {"accelerator_type": job.accelerator, "accelerator_count": job.accelerators}
    pools = [
        {
            "machine_spec": machine,
            "replica_count": replicas,
            "container_spec": {"image_uri": config.deploy.image},
        }
        for replicas in (1, machines - 1)
        if replicas
    ]
    vertex = config.deploy.vertex
    specification: dict[str, Any] = {"worker_pool_specs": pools}
    if config.deploy.service_account:
        specification["service_account"] = config.deploy.service_account
    if vertex.network:
        specification["network"] = vertex.network
    arguments: dict[str, Any] = {
        "project": vertex.project,
        "job_spec": specification,
        "labels": vertex.labels,
    }
    if vertex.encryption_key:
        arguments["encryption_spec"] = {"kms_key_name": vertex.encryption_key}
    return _on_vertex(config) | {key: arguments}


def _endpoint(config: Config) -> dict[str, Any]:
    endpoint = config.deploy.vertex.endpoint
    if not endpoint.display_name:
        return {}
    return _on_vertex(config) | {
        constants.VERTEX_CONTAINER_IMAGE_URI_KEY: endpoint.image,
        constants.SERVING_ARGS_KEY: {
            "project_id": config.deploy.vertex.project,
            "endpoint_name": endpoint.display_name,
            "machine_type": endpoint.machine,
            "min_replica_count": endpoint.minimum_replicas,
            "max_replica_count": endpoint.maximum_replicas,
        },
    }


def _on_vertex(config: Config) -> dict[str, Any]:
    return {
        constants.ENABLE_VERTEX_KEY: True,
        constants.VERTEX_REGION_KEY: config.deploy.vertex.region,
    }
