"""The form that a platform's published rules give to names, labels and addresses.

What only the platform knows, such as whether a project is there, is not asked here, and nothing is
said of an empty value. Imports neither TFX nor a client library.

| value | source |
|---|---|
| project | Resource Manager, Creating projects: Project ID |
| region, zone | Compute Engine, Regions and zones |
| labels | Resource Manager, Requirements for labels; Vertex AI, PipelineJob.labels |
| bucket | Cloud Storage, Bucket naming guidelines; Amazon S3, Bucket naming rules |
| service account | IAM, Service account email; Kubernetes, Object names and IDs |
| network, key | Vertex AI, PipelineJob.network and EncryptionSpec.kmsKeyName |
| job, schedule | Vertex AI, pipelineJobs.create and PipelineJob.displayName |
| namespace, claim, memory | Kubernetes, Object names and IDs; Quantity |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from components.time_zones import find_zone
from pipeline.config import Config
from pipeline.deploy.faults import Fault
from pipeline.deploy.settings import Target, VertexSettings

_PROJECT = r"(?:[a-z0-9.-]+\.[a-z]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_REGION = r"[a-z]+-[a-z]+[0-9]+"
_DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_BUCKET_PART = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_BUCKET = re.compile(rf"(?=.{{3,222}}$)(?!goog){_BUCKET_PART}(?:\.{_BUCKET_PART})*")
_SCHEMES = ("gs", "s3", "minio")
# Keys that Vertex AI and this package's schedules set themselves.
RESERVED_LABELS = (
    "vertex-ai-pipelines-run-billing-id",
    "authorprofile_definition",
    "authorprofile_meant",
)
MOST_LABELS = 64 - len(RESERVED_LABELS)


class _Form(NamedTuple):
    """What a value must be, in words and as a regular expression, and an example."""

    words: str
    pattern: str
    example: str


PROJECT = _Form(
    "the id of a Google Cloud project: 6 to 30 lower-case letters, digits and hyphens, a letter "
    "first and no hyphen last",
    _PROJECT,
    "my-project",
)
PROJECT_OR_NUMBER = PROJECT._replace(
    words=f"{PROJECT.words}, or its number", pattern=rf"{_PROJECT}|[1-9][0-9]{{5,}}"
)
REGION = _Form("one region of Google Cloud", _REGION, "europe-west4")
GOOGLE_ACCOUNT = _Form(
    "the e-mail address of a Google service account",
    r"[a-z0-9-]+@(?:[a-z0-9.-]+\.)?gserviceaccount\.com",
    "steps@my-project.iam.gserviceaccount.com",
)
NETWORK = _Form(
    "the full name of a VPC network, with the project's number",
    r"projects/[0-9]+/global/networks/[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?",
    "projects/12345/global/networks/my-network",
)
KEY = _Form(
    "the full name of a key of Cloud KMS",
    rf"projects/(?:{_PROJECT}|[0-9]+)/locations/[a-z0-9-]+/keyRings/[\w-]{{1,63}}/cryptoKeys/[\w-]{{1,63}}",
    "projects/my-project/locations/europe-west4/keyRings/ring/cryptoKeys/key",
)
MACHINE = _Form(
    "a machine type of Compute Engine", r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+", "n1-standard-8"
)
NAMESPACE = _Form(
    "a name of Kubernetes: at most 63 lower-case letters, digits and hyphens, a letter or digit "
    "first and last",
    _DNS_LABEL,
    "team-a",
)
OBJECT = _Form(
    "a name of Kubernetes: at most 253 lower-case letters, digits, hyphens and dots, a letter or "
    "digit first and last",
    rf"(?=.{{1,253}}$){_DNS_LABEL}(?:\.{_DNS_LABEL})*",
    "trainer",
)
QUANTITY = _Form(
    "a quantity of Kubernetes",
    r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:m|k|[MGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?",
    "2Gi, 500m or 1.5",
)
VARIABLE = _Form("the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*", "KUBEFLOW_TOKEN")


def form_faults(config: Config, target: Target) -> Iterator[Fault]:
    """A fault for each value of the section `deploy` that the target would refuse."""
    for key, value, form in _values(config, target):
        if value and not re.fullmatch(form.pattern, value):
            yield _fault(key, value, form)
    if target == "vertex":
        yield from _label_faults(config.deploy.vertex.labels)
        yield from _vertex_faults(config.deploy.vertex)
    else:
        yield from _kubeflow_faults(config)


def bucket_faults(key: str, place: str) -> Iterator[Fault]:
    """A fault where an address names no possible bucket; none for other addresses."""
    scheme, separator, rest = place.partition("://")
    bucket = rest.partition("/")[0]
    if not separator or scheme not in _SCHEMES or _BUCKET.fullmatch(bucket):
        return
    yield Fault(
        f"{key}: a bucket's name has 3 to 63 lower-case letters, digits, hyphens, underscores and "
        "dots, a letter or digit first and last",
        f"{bucket or 'no bucket'} in {place}",
        f"Write it as {scheme}://BUCKET/FOLDER.",
    )


def _values(config: Config, target: Target) -> Iterator[tuple[str, str, _Form]]:
    deploy, vertex, kubeflow = config.deploy, config.deploy.vertex, config.deploy.kubeflow
    on_dataflow = config.deployed_beam.runner == "dataflow"
    if target == "vertex" or on_dataflow:
        # Dataflow takes no project's number.
        yield "deploy.vertex.project", vertex.project, PROJECT if on_dataflow else PROJECT_OR_NUMBER
        yield "deploy.vertex.region", vertex.region, REGION
    if target == "vertex":
        yield "deploy.service_account", deploy.service_account, GOOGLE_ACCOUNT
        yield "deploy.vertex.network", vertex.network, NETWORK
        yield "deploy.vertex.encryption_key", vertex.encryption_key, KEY
        yield "deploy.vertex.training.machine", vertex.training.machine, MACHINE
        yield "deploy.vertex.search.machine", vertex.search.machine, MACHINE
        if vertex.endpoint.display_name:
            yield "deploy.vertex.endpoint.machine", vertex.endpoint.machine, MACHINE
        return
    yield "deploy.service_account", deploy.service_account, OBJECT
    yield "deploy.kubeflow.namespace", kubeflow.namespace, NAMESPACE
    yield "deploy.kubeflow.token_variable", kubeflow.token_variable, VARIABLE
    yield "deploy.kubeflow.volume.claim", kubeflow.volume.claim, OBJECT
    yield "deploy.kubeflow.serving.service_account", kubeflow.serving.service_account, OBJECT
    yield "deploy.kubeflow.serving.cpu", kubeflow.serving.cpu, QUANTITY
    yield "deploy.kubeflow.serving.memory", kubeflow.serving.memory, QUANTITY


def _fault(key: str, value: str, form: _Form) -> Fault:
    remedy = f"Write it like {form.example}."
    if form is REGION and re.fullmatch(rf"{_REGION}-[a-z]", value):
        remedy = f"{value} is a zone; its region is {value[:-2]}."
    return Fault(f"{key}: must be {form.words}, such as {form.example}", value, remedy)


def _vertex_faults(vertex: VertexSettings) -> Iterator[Fault]:
    if vertex.address:
        # The client adds the scheme itself.
        address = vertex.address if "://" in vertex.address else f"https://{vertex.address}"
        yield from _address_faults("deploy.vertex.address", address)
    location = vertex.encryption_key.partition("/locations/")[2].partition("/")[0]
    if location and vertex.region and location != vertex.region:
        yield Fault(
            "deploy.vertex.encryption_key: must be a key of the region in which it encrypts",
            f"one of {location}; the region is {vertex.region}",
            "Name a key of that region.",
        )
    if len(vertex.endpoint.display_name) > 128:
        yield Fault(
            "deploy.vertex.endpoint.display_name: may have 128 characters",
            str(len(vertex.endpoint.display_name)),
            "Shorten it.",
        )
    if vertex.endpoint.minimum_replicas > vertex.endpoint.maximum_replicas:
        yield Fault(
            "deploy.vertex.endpoint: minimum_replicas must not be above maximum_replicas",
            f"{vertex.endpoint.minimum_replicas} and {vertex.endpoint.maximum_replicas}",
            "Set both.",
        )


def _kubeflow_faults(config: Config) -> Iterator[Fault]:
    kubeflow = config.deploy.kubeflow
    if kubeflow.host:
        yield from _address_faults("deploy.kubeflow.host", kubeflow.host)
    try:
        find_zone(kubeflow.timezone)
    except ValueError as error:
        yield Fault(
            f"deploy.kubeflow.timezone: {error}",
            kubeflow.timezone or "nothing",
            "Name the install's CRON_SCHEDULE_TIMEZONE.",
        )


def _address_faults(key: str, address: str) -> Iterator[Fault]:
    try:
        parts = urlsplit(address)
        is_sound = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # a port that is none, or brackets
        is_sound = False
    if not is_sound or not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", parts.hostname or ""):
        yield Fault(
            f"{key}: must be an address of http or https, such as https://example.org:443",
            address,
            "Write it as https://HOST or https://HOST:PORT.",
        )


def _label_faults(labels: dict[str, str]) -> Iterator[Fault]:
    if len(labels) > MOST_LABELS:
        yield Fault(
            f"deploy.vertex.labels: a run may have {MOST_LABELS} labels beside those that Vertex "
            "AI and schedules set",
            f"{len(labels)}",
            "Leave some out.",
        )
    for name, value in labels.items():
        if not name or not _is_label(name) or name[0] in "_-" or name[0].isnumeric():
            yield Fault(
                "deploy.vertex.labels: a label's key has 1 to 63 lower-case letters, digits, _ and "
                "-, a letter first",
                repr(name),
                f"Write it as {_as_label(name).lstrip('_-0123456789') or 'team'}.",
            )
        elif name in RESERVED_LABELS:
            yield Fault(
                "deploy.vertex.labels: some keys are set by Vertex AI and by schedules: "
                f"{', '.join(RESERVED_LABELS)}",
                repr(name),
                "Choose another key.",
            )
        if not _is_label(value):
            yield Fault(
                f"deploy.vertex.labels.{name}: a label's value has at most 63 lower-case letters, "
                "digits, _ and -",
                repr(value),
                f"Write it as {_as_label(value)}.",
            )


def _is_label(text: str) -> bool:
    """Letters of every script count, but for capital ones."""
    return len(text) <= 63 and all(map(_in_label, text))


def _in_label(letter: str) -> bool:
    return letter in "_-" or unicodedata.category(letter) in ("Ll", "Lo", "Nd", "Nl", "No")


def _as_label(text: str) -> str:
    plain = "".join(letter if _in_label(letter) else "-" for letter in text.lower())
    return plain[:63].strip("-")
