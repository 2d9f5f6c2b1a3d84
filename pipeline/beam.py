"""Which engine runs the data stages, and how: one section of the settings, one list of arguments.

Enters: the section `beam` of the configuration, and for Dataflow the section `deploy`. Leaves: the
arguments of Apache Beam's pipelines. Imports no Beam. docs/scale.md shows each runner at work.

| runner | where the work is done | its workers |
|---|---|---|
| direct | this process; with `parallelism`, processes of this machine | see this machine's files |
| flink, spark | a cluster, or one that Beam starts here, by Beam's job server (Java) | `workers` |
| dataflow | Google Cloud; compiled pipelines alone | install this package, see buckets |
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from components.strict import Strict

if TYPE_CHECKING:
    from pipeline.deploy.settings import DeploySettings

Runner = Literal["direct", "flink", "spark", "dataflow"]
Workers = Literal["loopback", "process", "external", "docker"]
RUNNERS: tuple[Runner, ...] = get_args(Runner)

_EMBEDDED = re.compile(r"\[(local|auto)\]|local(\[(\d+|\*)\])?")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_WORKERS_AT = {
    "process": "the command that starts Beam's worker on a machine of the cluster",
    "external": "host:port of Beam's worker pools",
    "docker": "an image of Beam's SDK with this package in it",
}
# Where no argument says how workers come by TFX, each stage makes a package of it for them, and
# leaves 50 MB in the temporary folder. These workers have it.
_INSTALLED = "--sdk_container_image=installed"
# A worker that is a process of its own guards its log as this one does.
_GUARDED = "--beam_plugin=pipeline.guarded_worker"
# Flink's serializers look into the JDK, which since Java 17 lets them only when told so.
_OPENED = (
    *("java.lang", "java.lang.invoke", "java.net", "java.nio", "java.text", "java.time"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch"),
)


class FlinkSettings(Strict):
    """Where Flink is."""

    master: str = Field(
        "[local]",
        description="Flink's REST address, host:port; [local]: one that Beam starts, or with "
        "job_server the one that it was started with",
    )
    version: str = Field(
        "",
        description="the cluster's version in quotes, such as '2.1'; empty: Beam's newest (2.2)",
    )


class SparkSettings(Strict):
    """Where Spark is."""

    master: str = Field(
        "local[2]",
        description="Spark's master, spark://host:port; local[2]: one that Beam starts, or with "
        "job_server the one that it was started with",
    )


class DataflowSettings(Strict):
    """How large Dataflow may grow; project, region, buckets and package are in `deploy`."""

    maximum_workers: int = Field(0, ge=0, description="machines at the most; 0: Dataflow's limit")
    machine: str = Field("", description="kind of machine; empty: Dataflow's choice")
    disk_gb: int = Field(0, ge=0, description="disk of each machine; 0: Dataflow's choice")


class BeamSettings(Strict):
    """How the data stages run."""

    runner: Runner = Field(
        "direct",
        description="who runs the data stages: direct, on this machine and its disk, or flink, "
        "spark or dataflow (docs/scale.md)",
    )
    parallelism: int = Field(
        0, ge=0, description="tasks side by side; 0: one with direct, else as the cluster is set"
    )
    job_server: str = Field(
        "", description="host:port of a running job server of Flink or Spark; empty: Beam's own jar"
    )
    workers: Workers = Field(
        "loopback",
        description="Python workers of Flink and Spark: loopback (in this process, for a cluster "
        "on this machine), process, external or docker",
    )
    workers_at: str = Field(
        "", description="what those are: command of process, host:port of external, docker's image"
    )
    worker_processes: int = Field(
        1, ge=1, description="Python processes beside each task manager or executor"
    )
    flink: FlinkSettings = Field(default_factory=FlinkSettings, description="Flink")
    spark: SparkSettings = Field(default_factory=SparkSettings, description="Spark")
    dataflow: DataflowSettings = Field(default_factory=DataflowSettings, description="Dataflow")
    arguments: list[str] = Field(
        [], description="further pipeline arguments of Apache Beam, which win over all of these"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> BeamSettings:
        if self.runner not in ("flink", "spark"):
            return self
        needed = _WORKERS_AT.get(self.workers)
        if needed and not self.workers_at:
            raise ValueError(f"workers {self.workers} needs workers_at, {needed}; it is empty")
        elsewhere = [at for at in (self.master, self.job_server) if at and not is_here(at)]
        if self.workers == "loopback" and elsewhere:
            raise ValueError(
                "workers loopback are in this process, which a cluster elsewhere does not reach; "
                f"{self.runner} is at {elsewhere[0]}. Set workers to process, external or docker"
            )
        return self

    @property
    def master(self) -> str:
        """The address of the cluster, as Flink or Spark names it."""
        return self.flink.master if self.runner == "flink" else self.spark.master


def is_here(master: str) -> bool:
    """Whether a cluster's address is on this machine, or stands for a cluster that Beam starts.

    >>> is_here("[local]"), is_here("local[*]"), is_here("localhost:8081"), is_here("flink:8081")
    (True, True, True, False)
    """
    if _EMBEDDED.fullmatch(master):
        return True
    return urlsplit(master if "://" in master else f"//{master}").hostname in _HERE


def beam_arguments(beam: BeamSettings, deploy: DeploySettings | None = None) -> list[str]:
    """The arguments of a Beam pipeline; where one is given twice, Beam takes the last.

    Args:
        beam: the section of the settings.
        deploy: where a compiled pipeline runs, which Dataflow needs.

    Example:
        BeamSettings(runner="flink", parallelism=2, flink={"master": "localhost:8081"})
        -> ["--runner=pipeline.workers.FlinkWithWorkersHere", "--flink_master=localhost:8081",
            "--parallelism=2", "--environment_type=LOOPBACK", ...]

    Raises:
        ValueError: Dataflow is asked for on this machine.
    """
    if beam.runner == "dataflow":
        if deploy is None:
            raise ValueError(dataflow_elsewhere())
        own = _dataflow(beam.dataflow, deploy)
    elif beam.runner == "direct":
        own = _direct(beam.parallelism)
        if not any(argument.startswith("--runner=") for argument in beam.arguments):
            own.append(_INSTALLED)
    else:
        own = [*(_flink(beam) if beam.runner == "flink" else _spark(beam)), *_portable(beam)]
    return [*own, *beam.arguments]


def dataflow_elsewhere() -> str:
    """Why a command that works in a folder of this machine cannot take Dataflow."""
    return (
        "beam.runner: Dataflow's workers see buckets alone, and this command works in a folder of "
        "this machine. Compile or submit the pipeline with it, or take direct, flink or spark."
    )


def _direct(parallelism: int) -> list[str]:
    multi = ["--direct_running_mode=multi_processing", _GUARDED]
    mode = multi if parallelism > 1 else ["--direct_running_mode=in_memory"]
    runner = "--runner=components.local_runner.LocalRunner"
    return [runner, *mode, f"--direct_num_workers={max(1, parallelism)}"]


def _flink(beam: BeamSettings) -> list[str]:
    arguments = [_runner("Flink", beam), *_master("flink_master", beam)]
    if beam.flink.version:
        arguments.append(f"--flink_version={beam.flink.version}")
    if beam.parallelism:
        arguments.append(f"--parallelism={beam.parallelism}")
    if not beam.job_server:
        arguments += [
            f"--job_server_jvm_properties=--add-opens=java.base/{package}=ALL-UNNAMED"
            for package in _OPENED
        ]
    return arguments


def _spark(beam: BeamSettings) -> list[str]:
    # Beam opens the JDK's packages for Spark by itself.
    return [_runner("Spark", beam), *_master("spark_master_url", beam)]


def _runner(engine: str, beam: BeamSettings) -> str:
    # Beam's own stops the workers of one task manager for another: see `workers`.
    if beam.workers == "loopback":
        return f"--runner=pipeline.workers.{engine}WithWorkersHere"
    return f"--runner={engine}Runner"


def _master(name: str, beam: BeamSettings) -> list[str]:
    # A job server's own master gives way to any that a pipeline names, and one that the pipeline
    # has Beam start would then be started in the job server, and the cluster never asked.
    if beam.job_server and _EMBEDDED.fullmatch(beam.master):
        return []
    return [f"--{name}={beam.master}"]


def _portable(beam: BeamSettings) -> list[str]:
    """What Flink and Spark share: job server, and Python workers."""
    arguments = [f"--job_endpoint={beam.job_server}"] if beam.job_server else []
    arguments.append(f"--environment_type={beam.workers.upper()}")
    if beam.workers_at:
        command = json.dumps({"command": beam.workers_at})
        at = command if beam.workers == "process" else beam.workers_at
        arguments.append(f"--environment_config={at}")
    image = f"--sdk_container_image={beam.workers_at}" if beam.workers == "docker" else _INSTALLED
    return [*arguments, f"--sdk_worker_parallelism={beam.worker_processes}", image, _GUARDED]


def _dataflow(dataflow: DataflowSettings, deploy: DeploySettings) -> Sequence[str]:
    arguments = [
        "--runner=DataflowRunner",
        f"--project={deploy.vertex.project}",
        f"--region={deploy.vertex.region}",
        f"--temp_location={deploy.beam_temp}",
        f"--setup_file={deploy.beam.setup_file}",
        _GUARDED,
    ]
    for name, value in (
        ("service_account_email", deploy.service_account),
        ("max_num_workers", dataflow.maximum_workers),
        ("worker_machine_type", dataflow.machine),
        ("disk_size_gb", dataflow.disk_gb),
    ):
        if value:
            arguments.append(f"--{name}={value}")
    return arguments
