"""What would fail after a submission, looked for before it; changes and submits nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.heads.declared import Heads
from components.heads.kinds import KindError
from components.paths import fault_of_run_folder
from pipeline.config import Config, ConfigError
from pipeline.deploy.checks import find_faults
from pipeline.deploy.data_checks import check_input, check_records
from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.findings import Finding, judged
from pipeline.deploy.fingerprint import DIGITS, fingerprint, source_folder
from pipeline.deploy.installed import check_package, check_versions, dotted_paths
from pipeline.deploy.settings import Target
from pipeline.deploy.specification import parse
from pipeline.kinds import load_kinds

TIMEOUT_SECONDS = 10
LABEL = "authorprofile.fingerprint"
_FORMAT = f'{{{{ index .Config.Labels "{LABEL}" }}}}'
_TOOLS = {
    "skopeo": ["inspect", "--config", "--format", _FORMAT],
    "docker": ["image", "inspect", "--format", _FORMAT],
    "podman": ["image", "inspect", "--format", _FORMAT],
}
# What `pipeline` wires of TFX's own; a failed import leaves None in their place.
TFX_COMPONENTS = ("StatisticsGen", "Transform", "Tuner", "Trainer", "Pusher")


def examine(config: Config, target: Target | None, specification: Path | None) -> Iterator[Finding]:
    """Every check, in the order in which faults would bite.

    Args:
        config: to be compiled.
        target: the platform; None: what concerns every one is checked alone.
        specification: a file that `compile` made, checked in place of a fresh compilation.

    Raises:
        SpecificationError: another version made the file, or it is no specification.
    """
    compiled = None if specification is None else _read(specification)
    folder = source_folder()
    if target:
        faults = [*find_faults(config, target)]
        for fault in faults:
            found = f"{fault.rule}; got {fault.found}"
            yield Finding("configuration", "fault", found, fault.remedy)
        if not faults:
            yield Finding("configuration", "ok", f"complete for {target}")
        if not faults and compiled is None:
            from pipeline.deploy.compiler import compile_pipeline

            try:
                compiled = compile_pipeline(config, target)
            except ConfigError as error:
                yield Finding("the pipeline compiles", "fault", str(error), "Correct it.")
        if compiled is not None:
            yield from check_specification(compiled, target)
    yield check_kinds(config.head_list)
    yield from check_components()
    yield from check_package(dotted_paths(compiled["pipelineSpec"]) if compiled else [], folder)
    yield from check_versions(folder)
    yield from check_image(config.deploy.image, folder)
    yield from check_input(config, target)
    yield from check_records(config)
    if target:
        yield from check_credentials(config, target)
    else:
        yield check_out(config.out)


def check_kinds(heads: Heads) -> Finding:
    """Every class of the heads' kinds can be used."""
    kinds = ", ".join(dict.fromkeys(head.kind for head in heads))
    try:
        load_kinds(heads)
    except KindError as error:
        return Finding("kinds of heads", "fault", str(error), "Repair that package.")
    return Finding("kinds of heads", "ok", kinds)


def check_components() -> Iterator[Finding]:
    """TFX's components are there."""
    from tfx import v1 as tfx

    gone = [name for name in TFX_COMPONENTS if getattr(tfx.components, name, None) is None]
    yield judged(
        "every component is there",
        f"TFX could not import {', '.join(gone)}" if gone else "",
        f"{', '.join(TFX_COMPONENTS)}, and this package's own",
        "Install anew: `make clean environment`.",
    )


def check_specification(job: dict[str, Any], target: Target) -> Iterator[Finding]:
    """The compiled specification is of the published schema, and its parts fit together."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    from pipeline.deploy.rehearsal.graph import read_tasks

    check = "the specification is of the published schema"
    try:
        inner = job["pipelineSpec"]
        json_format.ParseDict(inner, pipeline_spec_pb2.PipelineSpec())
        deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
        json_format.ParseDict(inner["deploymentSpec"], deployment)
        json_format.ParseDict(
            {"platforms": job.get("platforms", {})}, pipeline_spec_pb2.PlatformSpec()
        )
        tasks = read_tasks(inner)
    except (json_format.ParseError, SpecificationError) as error:
        yield Finding(check, "fault", str(error), "Compile it anew with `authorprofile compile`.")
        return
    yield Finding(check, "ok", f"{len(tasks)} steps")
    yield _client_reads(job, target)


def _client_reads(job: dict[str, Any], target: Target) -> Finding:
    """The target's own client reads it."""
    import yaml

    check = f"{target}'s own client reads it"
    try:
        if target == "kubeflow":
            from kfp import components

            components.load_component_from_text(yaml.safe_dump(job["pipelineSpec"]))
        else:
            from google.cloud.aiplatform_v1.types import PipelineJob

            PipelineJob(pipeline_spec=job["pipelineSpec"], display_name=job["displayName"])
    except (ValueError, TypeError, KeyError) as error:
        return Finding(check, "fault", f"{type(error).__name__}: {error}", "Compile it anew.")
    return Finding(check, "ok", "yes")


def check_image(image: str, folder: Path) -> Iterator[Finding]:
    """The image holds this package and these locked versions.

    Its tag may be the fingerprint; else its label is read by a tool that is there.
    """
    check = "the image is made of this package and lock"
    wanted = fingerprint(folder)
    if not image:
        return
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    remedy = (
        f"Build and push it anew, tagged :{wanted} or with --label {LABEL}={wanted}, and set "
        "deploy.image."
    )
    if re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", tag):
        kind, number = "tag", tag
    else:
        kind, number = "label", _label(image)
    if not number:
        found = f"its tag is no fingerprint, and {' and '.join(_TOOLS)} know no label of it"
        yield Finding(check, "not checked", found, remedy)
    elif number == wanted:
        yield Finding(check, "ok", f"{kind} {number}")
    else:
        found = f"{kind} {number}; the package and lock here are {wanted}"
        yield Finding(check, "fault", found, remedy)


def _label(image: str) -> str:
    """The image's fingerprint label, by a tool that is there and knows it; else empty."""
    for tool, words in _TOOLS.items():
        path = shutil.which(tool)
        if path is None:
            continue
        reference = f"docker://{image}" if tool == "skopeo" else image
        try:
            done = subprocess.run(
                [path, *words, reference],
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            continue
        label = done.stdout.strip()
        if done.returncode == 0 and re.fullmatch(r"[0-9a-f]+", label):
            return label
    return ""


def check_out(out: str) -> Finding:
    """Runs on this machine can write to their folder."""
    check = "the folder of runs can be used on this machine"
    fault = fault_of_run_folder(out)
    if not fault:
        return Finding(check, "ok", out)
    found, _, remedy = fault.rpartition(". ")
    return Finding(check, "fault", found, f"{remedy}: set out.")


def check_credentials(config: Config, target: Target) -> Iterator[Finding]:
    """There are credentials in the platform's usual places; their rights only it knows."""
    yield _google_credentials() if target == "vertex" else _kubeflow_access(config)


def _google_credentials() -> Finding:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    check = "Google credentials are there"
    try:
        credentials, project = google.auth.default()
    except DefaultCredentialsError as error:
        remedy = "`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."
        return Finding(check, "fault", str(error).partition(". ")[0], remedy)
    account = getattr(credentials, "service_account_email", "") or type(credentials).__name__
    return Finding(check, "ok", f"{account}, project {project or 'unknown'}")


def _kubeflow_access(config: Config) -> Finding:
    """Connects as a submission does: from the settings, the environment, or kubectl's."""
    from pipeline.cloud.kubeflow import KubeflowTarget
    from pipeline.cloud.target import PlatformError

    check = "Kubeflow's API answers"
    try:
        target = KubeflowTarget(config.deploy)
    except (ConfigError, PlatformError) as error:
        remedy = "Correct it, or forward the port: `kubectl port-forward`."
        return Finding(check, "fault", str(error), remedy)
    return Finding(check, "ok", f"{target.address} does, and takes these credentials")


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise SpecificationError(f"{path} cannot be read: {error.strerror}") from None
