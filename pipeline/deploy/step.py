"""How a step starts on Kubeflow: what its launcher leaves out is put in, then TFX's own entry runs.

A container runs it as `python -m pipeline.deploy.step`, with the command line of TFX's entry, whose
`ExecutorInput` Kubeflow's launcher has filled in.

TFX's entry was made for Vertex AI. Kubeflow differs, as its source says (backend/src/v2):

- `metadata/client.go` hands on input artifacts without their type, by which TFX finds the class.
  The component's declaration of its inputs, on the same command line, has it.
- The launcher copies artifacts of `minio://` and `s3://`, which TensorFlow no longer knows, to
  `/minio/...` and `/s3/...` before a step and back behind it. There the step reads and writes; what
  it reports names the bucket again. Artifacts of `gs://` are read and written where they are.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.guarded import guard_output
from pipeline.imports import uncollected

ENTRY = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
INVOCATION, DECLARATION = "--json_serialized_invocation_args", "--json_serialized_inputs_spec_args"
COPIED = {"minio://": "/minio/", "s3://": "/s3/"}


def main(arguments: Sequence[str]) -> None:
    """Runs the step; ends the process as TFX's entry does."""
    guard_output()
    words = list(arguments)
    place = words.index(INVOCATION) + 1
    invocation = json.loads(words[place])
    declaration = json.loads(words[words.index(DECLARATION) + 1])
    add_types(invocation, declaration)
    copies = use_copies(invocation)
    make_folders(invocation)
    words[place] = json.dumps(invocation)
    sys.argv = [ENTRY, *words]
    with uncollected():
        importlib.import_module("tfx.v1")
    try:
        runpy.run_module(ENTRY, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
    name_buckets(Path(invocation["outputs"]["outputFile"]), copies)


def add_types(invocation: dict[str, Any], declaration: Mapping[str, Any]) -> None:
    """Gives each input artifact the type that the component declares, in place."""
    declared = declaration.get("artifacts", {})
    for name, held in invocation.get("inputs", {}).get("artifacts", {}).items():
        for artifact in held.get("artifacts", []):
            artifact["type"] = declared[name]["artifactType"]


def use_copies(invocation: dict[str, Any]) -> dict[str, str]:
    """Points artifacts at their copies on this machine, in place.

    Returns:
        The bucket's address of each copy: {"/minio/mlpipeline/v2/a": "minio://mlpipeline/v2/a"}.
    """
    copies = {}
    for side in ("inputs", "outputs"):
        for held in invocation.get(side, {}).get("artifacts", {}).values():
            for artifact in held.get("artifacts", []):
                address = artifact.get("uri", "")
                for scheme, folder in COPIED.items():
                    if address.startswith(scheme):
                        artifact["uri"] = folder + address.removeprefix(scheme)
                        copies[artifact["uri"]] = address
    return copies


def make_folders(invocation: Mapping[str, Any]) -> None:
    """Makes the folders of outputs, of which the launcher makes the parents alone.

    The artifact of an output parameter is a file.
    """
    parameters = invocation["outputs"].get("parameters", {})
    for name, held in invocation["outputs"].get("artifacts", {}).items():
        for artifact in held["artifacts"]:
            if "://" not in artifact["uri"] and name not in parameters:
                Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)


def name_buckets(output_file: Path, copies: Mapping[str, str]) -> None:
    """Names the buckets in what the step reported, in place."""
    text = output_file.read_text(encoding="utf-8")
    for copy, address in copies.items():
        text = text.replace(json.dumps(copy)[1:-1], json.dumps(address)[1:-1])
    output_file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
