"""The file of a compiled specification: written, and read again by the version that made it.

For Vertex AI it is the PipelineJob as JSON, for Kubeflow the PipelineSpec as YAML, which its own
client uploads. Imports neither TFX nor a client library.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.settings import Target


def render(job: dict[str, Any], target: Target) -> bytes:
    """The compiled job in the form that the target's own client takes."""
    if target == "vertex":
        return (json.dumps(job, indent=1, sort_keys=True) + "\n").encode()
    documents = [job["pipelineSpec"]]
    if job["platforms"]:
        documents.append({"platforms": job["platforms"]})
    return yaml.safe_dump_all(documents, sort_keys=True, width=100).encode()


def installed() -> str:
    """What makes specifications here: `authorprofile 1.0 with TFX 1.21.0`."""
    versions = [importlib.metadata.version(name) for name in ("authorprofile", "tfx")]
    return "authorprofile {} with TFX {}".format(*versions)


def made_by() -> str:
    """The sentence by which a specification names its maker, its description."""
    return f"Made by {installed()}."


def maker_of(pipeline: Mapping[str, Any]) -> str:
    """What made a PipelineSpec, as `installed` has it; `something else` where it does not say."""
    description = pipeline.get("pipelineInfo", {}).get("description", "")
    match = re.fullmatch(r"Made by (authorprofile \S+ with TFX \S+)\.", description)
    return match[1] if match else "something else"


def parse(content: bytes) -> dict[str, Any]:
    """The job of a file that `render` made; Kubeflow's lacks `displayName` and `runtimeConfig`.

    Raises:
        SpecificationError: it is no compiled specification, or another version made it.
    """
    try:
        documents = [one for one in yaml.safe_load_all(content) if one]
    except yaml.YAMLError:
        documents = []
    if not documents or not all(isinstance(one, dict) for one in documents):
        raise SpecificationError("A compiled specification is YAML or JSON; this file is neither.")
    first = documents[0]
    job: dict[str, Any] = first
    if "pipelineSpec" not in first:
        platforms = documents[1].get("platforms", {}) if len(documents) > 1 else {}
        job = {"pipelineSpec": first, "platforms": platforms}
    maker = maker_of(job["pipelineSpec"])
    if maker != installed():
        raise SpecificationError(
            f"A specification must be made by this version: {made_by()} This one is made by "
            f"{maker}. Compile it anew."
        )
    return job
