"""A small compiled spec in both forms, as the runner of TFX writes them: two steps, parameters."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

VERSIONS = (version("authorprofile"), version("tfx"))


def pipeline_spec(
    image: str = "registry.example/authorprofile:1", versions: tuple[str, str] = VERSIONS
) -> dict[str, Any]:
    """A PipelineSpec."""
    parameters = {"span": {"parameterType": "NUMBER_INTEGER"}}

    def executor(step: str) -> dict[str, Any]:
        command = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
        args = ["--executor_class_path", step, "--json_serialized_invocation_args", "{{$}}"]
        return {"container": {"image": image, "command": ["python", "-m", command], "args": args}}

    def task(step: str, **more: Any) -> dict[str, Any]:
        return {"taskInfo": {"name": step}, "componentRef": {"name": step}, **more}

    span = {"parameters": {"span": {"componentInputParameter": "span"}}}
    return {
        "pipelineInfo": {
            "name": "authorprofile",
            "description": "Made by authorprofile {} with TFX {}.".format(*versions),
        },
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.21.0",
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "pattern": {"parameterType": "STRING"},
                    "span": {"parameterType": "NUMBER_INTEGER", "defaultValue": -1.0},
                    "train": {"parameterType": "STRING", "defaultValue": "anew"},
                }
            },
            "dag": {
                "tasks": {
                    "PostsExampleGen": task("PostsExampleGen", inputs=span),
                    "Trainer": task("Trainer", dependentTasks=["PostsExampleGen"]),
                }
            },
        },
        "components": {
            "PostsExampleGen": {
                "executorLabel": "PostsExampleGen_executor",
                "inputDefinitions": {"parameters": parameters},
            },
            "Trainer": {"executorLabel": "Trainer_executor"},
        },
        "deploymentSpec": {
            "executors": {
                f"{step}_executor": executor(step) for step in ("PostsExampleGen", "Trainer")
            }
        },
    }


def write_kubeflow(folder: Path, name: str = "spec.yaml", **words: Any) -> Path:
    """The PipelineSpec YAML."""
    path = folder / name
    path.write_text(yaml.safe_dump(pipeline_spec(**words)))
    return path


def write_vertex(folder: Path, name: str = "spec.json", **words: Any) -> Path:
    """The PipelineJob JSON."""
    job = {
        "displayName": "authorprofile",
        "labels": {"tfx_version": "1-21-0", "tfx_runner": "kubeflow_v2"},
        "pipelineSpec": pipeline_spec(**words),
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/root", "parameterValues": {}},
    }
    path = folder / name
    path.write_text(json.dumps(job))
    return path
