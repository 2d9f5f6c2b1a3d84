"""What a target needs of the configuration, checked before anything is made.

Imports neither TFX nor a client library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.config import Config, ConfigError
from pipeline.deploy.faults import Fault
from pipeline.deploy.forms import bucket_faults, form_faults
from pipeline.deploy.settings import Target

# Of the distribution project's reference grammar: host[:port]/path[:tag][@digest].
_IMAGE = re.compile(
    r"(?P<name>(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)(?P<tag>:[\w][\w.-]{0,127})?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)
# Both platforms name a run's objects after the pipeline.
_PIPELINE = re.compile(r"[a-z][a-z0-9-]{0,127}")
# Of google.cloud.aiplatform_v1.types.AcceleratorType; a test compares them.
VERTEX_ACCELERATORS = (
    "NVIDIA_TESLA_K80",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_L4",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
    "NVIDIA_GB200",
    "NVIDIA_RTX_PRO_6000",
    "TPU_V2",
    "TPU_V3",
    "TPU_V4_POD",
    "TPU_V5_LITEPOD",
)
_KUBERNETES_RESOURCE = re.compile(r"[a-z0-9.-]+\.[a-z]+/[\w.-]+")
# What a run reads of an earlier one, where that is asked for.
OPTIONAL_INPUTS = ("hyperparameters_from", "warm_start_from")
# TFX and TensorFlow 2.21 read and write these; others need libraries that they no longer have.
_BUCKET = "gs://"
# The root on Kubeflow is read and written by its launcher, which knows these.
_KUBEFLOW_ROOTS = ("gs://", "minio://", "s3://")


def require_deployable(config: Config, target: Target) -> None:
    """Refuses a configuration with which a run on the target must fail.

    Raises:
        ConfigError: names every fault, one a line.
    """
    faults = [*find_faults(config, target)]
    if faults:
        raise ConfigError("\n".join(map(str, faults)))


def find_faults(config: Config, target: Target) -> Iterator[Fault]:
    """The faults of a configuration, in the order of its keys."""
    if not _PIPELINE.fullmatch(config.name):
        yield Fault(
            "name: on Kubeflow and Vertex AI it has at most 128 lower-case letters, digits and -, "
            "a letter first",
            config.name,
            "Set name.",
        )
    yield from _image_faults(config.deploy.image)
    yield from _place_faults(config, target)
    yield from _machine_faults(config, target)
    if target == "vertex":
        yield from _region_faults(config, "must be known")
    yield from form_faults(config, target)
    if config.deployed_beam.runner == "dataflow":
        yield from _dataflow_faults(config)


def _image_faults(image: str) -> Iterator[Fault]:
    rule = "deploy.image: must be the reference of a pushed image of this package"
    if not image:
        yield Fault(rule, "nothing", "Build and push it, and set deploy.image.")
        return
    match = _IMAGE.fullmatch(image)
    if match is None:
        yield Fault(rule, image, "Write it as registry/name:tag or registry/name@sha256:digest.")
    elif not match["tag"] and not match["digest"]:
        yield Fault(
            "deploy.image: must name a tag or a digest, so that it is known what runs",
            image,
            f"Write it as {image}:TAG.",
        )


def _place_faults(config: Config, target: Target) -> Iterator[Fault]:
    deploy = config.deploy
    yield from _root_faults(deploy.root, target)
    places = [(key, pattern) for key in ("posts", "labels") for pattern in getattr(config, key)]
    given = {"deploy.push": deploy.push, "deploy.history": deploy.history}
    places += [("deploy.push", deploy.push_folder), ("deploy.history", deploy.history_folder)]
    places += [(key, path) for key in OPTIONAL_INPUTS if (path := getattr(config, key))]
    for key, place in places:
        if not place:
            yield Fault(
                f"{key}: must be known", "nothing", f"Set {key}, or deploy.root for a default."
            )
        elif not _reachable(place, config, target):
            yield Fault(
                f"{key}: must be where the steps can reach it: {_where(config, target)}",
                place,
                f"Copy it there and set {key}.",
            )
        else:
            # One that follows from another has that one's fault.
            yield from bucket_faults(key, given.get(key, place))


def _root_faults(root: str, target: Target) -> Iterator[Fault]:
    if target == "vertex" and not root.startswith(_BUCKET):
        yield Fault(
            "deploy.root: must be a bucket folder, gs://...",
            root or "nothing",
            "Set deploy.root to a bucket of the project.",
        )
    elif target == "kubeflow" and root and not root.startswith(_KUBEFLOW_ROOTS):
        yield Fault(
            f"deploy.root: must start with {', '.join(_KUBEFLOW_ROOTS)} or be empty, which takes "
            "the cluster's own",
            root,
            "Set deploy.root to a bucket folder.",
        )
    else:
        yield from bucket_faults("deploy.root", root)


def _reachable(place: str, config: Config, target: Target) -> bool:
    volume = config.deploy.kubeflow.volume
    if place.startswith(_BUCKET):
        return len(place) > len(_BUCKET)
    on_volume = place.startswith(volume.path.rstrip("/") + "/")
    return target == "kubeflow" and bool(volume.claim) and on_volume


def _where(config: Config, target: Target) -> str:
    volume = config.deploy.kubeflow.volume
    if target == "vertex":
        return "gs://..."
    if volume.claim:
        return f"gs://..., or below {volume.path} on the volume {volume.claim}"
    return "gs://..., or on a volume, deploy.kubeflow.volume.claim"


def _machine_faults(config: Config, target: Target) -> Iterator[Fault]:
    machines: dict[str, str] = {
        f"deploy.machines.{step}.accelerator": machine.accelerator
        for step, machine in config.deploy.machines.items()
    }
    if target == "vertex":
        vertex = config.deploy.vertex
        machines["deploy.vertex.training.accelerator"] = vertex.training.accelerator
        machines["deploy.vertex.search.accelerator"] = vertex.search.accelerator
    for key, accelerator in machines.items():
        if not accelerator:
            continue
        if target == "vertex" and accelerator not in VERTEX_ACCELERATORS:
            yield Fault(
                f"{key}: must be an accelerator of Vertex AI: {', '.join(VERTEX_ACCELERATORS)}",
                accelerator,
                "Name one of these.",
            )
        if target == "kubeflow" and not _KUBERNETES_RESOURCE.fullmatch(accelerator):
            yield Fault(
                f"{key}: must be a resource of the cluster's nodes, such as nvidia.com/gpu",
                accelerator,
                "`kubectl describe nodes` lists them.",
            )


def _region_faults(config: Config, rule: str) -> Iterator[Fault]:
    for key in ("project", "region"):
        if not getattr(config.deploy.vertex, key):
            yield Fault(f"deploy.vertex.{key}: {rule}", "nothing", "Set it.")


def _dataflow_faults(config: Config) -> Iterator[Fault]:
    yield from _region_faults(config, "Dataflow needs it")
    if not config.deploy.beam_temp.startswith(_BUCKET):
        yield Fault(
            "deploy.beam.temp: Dataflow keeps its files in a bucket, gs://...",
            config.deploy.beam_temp or "nothing",
            "Set deploy.beam.temp.",
        )
    elif config.deploy.beam.temp:
        yield from bucket_faults("deploy.beam.temp", config.deploy.beam.temp)
