"""The configuration's section `deploy`: where a run on Kubeflow or Vertex AI lives, and on what.

Imports neither TFX nor a client library. Empty settings are no fault here: a run on this machine
needs none of them; `pipeline.deploy.checks` says what a target needs.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.retraining.settings import TRAIN_ANEW, Train
from components.strict import Strict

Target = Literal["kubeflow", "vertex"]
TARGETS: tuple[Target, ...] = ("kubeflow", "vertex")
SUFFIXES: dict[Target, str] = {"kubeflow": ".yaml", "vertex": ".json"}  # of a specification's file
NEWEST_SPAN = -1


class MachineSettings(Strict):
    """What one step's container may use."""

    cpu: float = Field(0, ge=0, description="cores at the most; 0: the platform's default")
    memory_gb: float = Field(0, ge=0, description="gigabytes at the most; 0: the default")
    accelerator: str = Field(
        "",
        description="kind of accelerator: on Vertex AI such as NVIDIA_TESLA_T4, on Kubeflow the "
        "cluster's resource, such as nvidia.com/gpu; empty: none",
    )
    accelerators: int = Field(1, ge=1, description="how many, where a kind is named")


class CloudBeamSettings(Strict):
    """How the data stages run in the cloud."""

    runner: Literal["direct", "dataflow"] = Field(
        "direct", description="in the step's own container, or Google Dataflow"
    )
    setup_file: str = Field(
        "/opt/authorprofile/setup.py",
        description="this package's setup.py in the image, which Dataflow's workers install",
    )
    temp: str = Field("", description="bucket folder of Dataflow's files; by default <root>/beam")
    arguments: list[str] = Field(
        [], description="further pipeline arguments of Apache Beam, which win over the others"
    )


class VolumeSettings(Strict):
    """A volume claim that every step on Kubeflow and the model server mount."""

    claim: str = Field("", description="name of the PersistentVolumeClaim; empty: none")
    path: str = Field("/data", pattern=r"^/.+", description="where it is mounted")


class ServingSettings(Strict):
    """The KServe InferenceService that reads what is pushed."""

    service: str = Field(
        "authorprofile",
        pattern=r"^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$",
        description="name of the InferenceService",
    )
    service_account: str = Field("", description="Kubernetes account that may read the bucket")
    minimum_replicas: int = Field(1, ge=0, description="servers at the least")
    maximum_replicas: int = Field(1, ge=1, description="servers at the most")
    cpu: str = Field("1", description="cores of a server, as Kubernetes writes them")
    memory: str = Field("2Gi", description="memory of a server, as Kubernetes writes it")

    @model_validator(mode="after")
    def _replicas_are_ordered(self) -> ServingSettings:
        if self.minimum_replicas > self.maximum_replicas:
            raise ValueError(
                f"minimum_replicas {self.minimum_replicas} is above maximum_replicas "
                f"{self.maximum_replicas}"
            )
        return self


class KubeflowSettings(Strict):
    """Kubeflow Pipelines: where its API is, and what is particular to a cluster."""

    host: str = Field("", description="address of the API, such as https://kubeflow.example.org")
    namespace: str = Field("", description="the user's namespace; empty: a single-user install")
    experiment: str = Field("authorprofile", description="experiment that holds the runs")
    token_variable: str = Field(
        "KUBEFLOW_TOKEN", description="environment variable of a bearer token; unset: none is sent"
    )
    timezone: str = Field(
        "UTC",
        description="zone in which the install reads cron, its CRON_SCHEDULE_TIMEZONE",
    )
    volume: VolumeSettings = Field(
        default_factory=VolumeSettings, description="volume with input or served versions"
    )
    serving: ServingSettings = Field(
        default_factory=ServingSettings, description="the model server's manifest"
    )


class JobSettings(Strict):
    """A Vertex AI custom job that does a step's work in place of the step's container."""

    machine: str = Field("", description="machine type, such as n1-standard-8; empty: no job")
    accelerator: str = Field("", description="such as NVIDIA_TESLA_T4; empty: none")
    accelerators: int = Field(1, ge=1, description="how many a machine, where a kind is named")

    @model_validator(mode="after")
    def _accelerators_need_a_machine(self) -> JobSettings:
        if self.accelerator and not self.machine:
            raise ValueError(f"accelerator {self.accelerator} needs a machine type beside it")
        return self


class TrainingJobSettings(JobSettings):
    """The custom job of the fit."""

    machines: int = Field(
        1, ge=1, description="machines that share each batch; the result is that of one"
    )


class SearchJobSettings(JobSettings):
    """The custom job of the search."""

    parallel_trials: int = Field(1, ge=1, description="machines that try candidates side by side")


class EndpointSettings(Strict):
    """A Vertex AI endpoint that answers with each pushed model, beside the bucket of versions."""

    display_name: str = Field("", description="the endpoint's; empty: none, the bucket alone")
    image: str = Field(
        "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
        description="container that serves the SavedModel",
    )
    machine: str = Field("n1-standard-2", description="machine type of a server")
    minimum_replicas: int = Field(1, ge=1, description="servers at the least")
    maximum_replicas: int = Field(1, ge=1, description="servers at the most")


class VertexSettings(Strict):
    """Vertex AI Pipelines."""

    project: str = Field("", description="Google Cloud project")
    region: str = Field("", description="such as europe-west4")
    address: str = Field("", description="address of the API; empty: the region's own")
    network: str = Field("", description="VPC network to peer with; empty: none")
    encryption_key: str = Field("", description="customer-managed key; empty: Google's own")
    labels: dict[str, str] = Field({}, description="labels of the runs")
    training: TrainingJobSettings = Field(
        default_factory=TrainingJobSettings, description="job of the fit"
    )
    search: SearchJobSettings = Field(
        default_factory=SearchJobSettings, description="job of the search"
    )
    endpoint: EndpointSettings = Field(
        default_factory=EndpointSettings, description="endpoint that each pushed model goes to"
    )


class DeploySettings(Strict):
    """Where and how the pipeline runs on Kubeflow or Vertex AI."""

    image: str = Field(
        "", description="container image of this package, such as registry/authorprofile:tag"
    )
    root: str = Field(
        "", description="bucket folder of the artifacts; empty on Kubeflow: the cluster's own"
    )
    push: str = Field(
        "",
        description="bucket or mounted folder of served versions; by default <root>/serving; "
        "runtime parameter `push`",
    )
    history: str = Field(
        "",
        description="bucket or mounted folder of what later runs compare with; by default beside "
        "`push`",
    )
    service_account: str = Field("", description="account that the steps run as")
    cache: bool = Field(True, description="reuse steps whose inputs and settings did not change")
    span: int = Field(
        NEWEST_SPAN, ge=NEWEST_SPAN, description="span to read, -1: newest; runtime parameter"
    )
    train: Train = Field(
        TRAIN_ANEW,
        description="what a run does: anew: all of it; when_due: looks first and ends where there "
        "is no reason to train, as `authorprofile retrain`; forced, search: as its --force and "
        "--search; runtime parameter, `when_due` in a schedule",
    )
    machines: dict[str, MachineSettings] = Field(
        {}, description="what a step may use, by the step's name, such as Transform"
    )
    beam: CloudBeamSettings = Field(
        default_factory=CloudBeamSettings, description="Beam runner of the data stages"
    )
    kubeflow: KubeflowSettings = Field(
        default_factory=KubeflowSettings, description="Kubeflow Pipelines"
    )
    vertex: VertexSettings = Field(default_factory=VertexSettings, description="Vertex AI")

    @property
    def push_folder(self) -> str:
        """Folder of served versions; empty where neither it nor the root is known."""
        return self.push or (f"{self.root.rstrip('/')}/serving" if self.root else "")

    @property
    def history_folder(self) -> str:
        """Folder of what later runs compare with."""
        return self.history or (
            f"{self.push_folder.rstrip('/')}-history" if self.push_folder else ""
        )

    @property
    def beam_temp(self) -> str:
        """Folder of Dataflow's files."""
        return self.beam.temp or (f"{self.root.rstrip('/')}/beam" if self.root else "")
