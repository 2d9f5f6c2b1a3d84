"""The clients of Vertex AI, made patient with a busy API and brief about its refusals.

Calls of `google-cloud-aiplatform`'s pipeline and schedule services are repeated by google-api-core
for a bounded time; their errors come as one-line `ConfigError` or `PlatformError`.

The services are taken in place of `aiplatform.PipelineJob`, which makes a missing bucket, swallows
the fault if it cannot, keeps one project a process and has no retries. REST in place of gRPC: it
passes proxies, and it is what the tests speak.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import google.auth
import requests
import urllib3
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.aiplatform_v1 import PipelineServiceClient, ScheduleServiceClient

from pipeline.cloud import retries
from pipeline.cloud.faults import Advice, one_line
from pipeline.cloud.retries import LostAnswer
from pipeline.cloud.target import PlatformError
from pipeline.config import ConfigError
from pipeline.deploy.settings import DeploySettings, VertexSettings

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN_ADDRESS, STORAGE_ADDRESS = "oauth2.googleapis.com", "storage.googleapis.com"
TIMEOUT_SECONDS = 60
LOGIN = "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"
Answer = TypeVar("Answer")


class StillThereError(Exception):
    """What was deleted is found."""


def address_of(vertex: VertexSettings) -> str:
    """Where the API is."""
    return vertex.address or f"{vertex.region}-aiplatform.googleapis.com"


def advice_of(deploy: DeploySettings) -> Advice:
    """What to do about Vertex AI's refusals."""
    return Advice(
        "Vertex AI",
        LOGIN,
        "It takes roles/aiplatform.user in the project, and iam.serviceAccountUser on "
        f"{deploy.service_account or 'the account of the steps'}",
        "Check deploy.vertex.project and region, and that the API is enabled",
        address_of(deploy.vertex),
    )


@dataclasses.dataclass(frozen=True)
class Services:
    """Connected services.

    Args:
        parent: `projects/<project>/locations/<region>`.
    """

    project: str
    parent: str
    credentials: Any
    jobs: PipelineServiceClient
    schedules: ScheduleServiceClient


def connect_services(deploy: DeploySettings) -> Services:
    """The services of a region; none is asked yet.

    Raises:
        ConfigError: credentials, project or region are missing.
    """
    vertex = deploy.vertex
    if not vertex.region:
        raise ConfigError("deploy.vertex.region: must be given, such as europe-west4; it is empty")
    with asking(advice_of(deploy)):
        credentials, own_project = google.auth.default(scopes=[SCOPE])
        project = vertex.project or own_project
        if not project:
            raise ConfigError(
                "deploy.vertex.project: must be given: the credentials belong to none; it is empty"
            )
        words: dict[str, Any] = {
            "credentials": credentials,
            "transport": "rest",
            "client_options": ClientOptions(api_endpoint=address_of(vertex)),
        }
        jobs, schedules = PipelineServiceClient(**words), ScheduleServiceClient(**words)
    parent = f"projects/{project}/locations/{vertex.region}"
    return Services(project, parent, credentials, jobs, schedules)


def storage_advice(deploy: DeploySettings) -> Advice:
    """What to do where it is the bucket's platform that refuses."""
    address = os.environ.get("STORAGE_EMULATOR_HOST") or STORAGE_ADDRESS
    return dataclasses.replace(advice_of(deploy), platform="Cloud Storage", address=address)


def check_bucket(services: Services, root: str, deploy: DeploySettings) -> None:
    """Raises ConfigError where the root is in no bucket that is there."""
    scheme, _, path = root.partition("://")
    bucket = path.split("/")[0]
    if scheme != "gs" or not bucket:
        raise ConfigError(f"deploy.root: must be a bucket folder, gs://bucket/folder; got {root!r}")
    client = storage.Client(project=services.project, credentials=services.credentials)
    with asking(storage_advice(deploy)):
        try:
            there = client.bucket(bucket).exists(timeout=TIMEOUT_SECONDS, retry=patiently())
        except exceptions.Forbidden:
            # Who may write to a bucket need not be allowed to look at the bucket itself.
            return
    if not there:
        raise ConfigError(
            f"deploy.root: must be in a bucket that is there; there is no gs://{bucket}; make it "
            f"with gcloud storage buckets create gs://{bucket} --location={deploy.vertex.region}"
        )


@contextlib.contextmanager
def asking(advice: Advice) -> Iterator[None]:
    """Turns the libraries' errors into a line each."""
    try:
        yield
    except exceptions.RetryError as error:
        raise _told(advice, error.cause) from None
    except (
        exceptions.GoogleAPICallError,
        auth.GoogleAuthError,
        requests.RequestException,
        LostAnswer,
    ) as error:
        raise _told(advice, error) from None


def _told(advice: Advice, error: BaseException | None) -> Exception:
    reason = one_line(str(error.args[0] if error and error.args else error))
    if isinstance(error, auth.DefaultCredentialsError):
        return ConfigError(f"Vertex AI needs credentials of Google Cloud: {reason}. {LOGIN}")
    if isinstance(error, auth.RefreshError):
        return PlatformError(
            f"Vertex AI: the credentials expired or were withdrawn: {reason}. {LOGIN}"
        )
    if isinstance(error, auth.TransportError):
        advice = dataclasses.replace(advice, platform="Google's login", address=LOGIN_ADDRESS)
    if isinstance(error, exceptions.GoogleAPICallError) and error.code:
        # Over REST the message begins with the call, whose address is no help to a person.
        said = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(error.message))
        return advice.refusal(int(error.code), said)
    return advice.unreachable(error)


def patiently(*, lost: bool = True) -> Retry:
    """Repeats what was refused for the moment; with `lost` also what got no answer."""

    def transient(error: BaseException) -> bool:
        if isinstance(error, exceptions.GoogleAPICallError):
            return error.code in retries.STATUSES
        return lost and is_lost(error)

    return Retry(
        predicate=transient,
        initial=retries.PAUSE_SECONDS,
        maximum=retries.LONGEST_PAUSE_SECONDS,
        # About as long as the doubling pauses of all attempts take.
        timeout=retries.PAUSE_SECONDS * 2**retries.ATTEMPTS,
    )


def is_lost(error: BaseException) -> bool:
    """Whether a request was sent and its connection broke, rather than never came about."""
    if isinstance(error, requests.ReadTimeout):
        return True
    if not isinstance(error, requests.ConnectionError):
        return False
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return not isinstance(cause, urllib3.exceptions.NewConnectionError)


def creating(create: Callable[..., Answer], **words: Any) -> Answer:
    """A creation that is not repeated by itself where its answer was lost.

    Raises:
        LostAnswer: it may have got through.
    """
    try:
        return create(**words, retry=patiently(lost=False), timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        if is_lost(error):
            raise LostAnswer(str(error)) from None
        raise


def patient(call: Callable[..., Answer], **words: Any) -> Answer:
    """A call that may be repeated."""
    return call(**words, retry=patiently(), timeout=TIMEOUT_SECONDS)


def until_gone(get: Callable[..., Any], **words: Any) -> None:
    """Returns once a deleted thing is not found any more.

    Raises:
        PlatformError: it is there still, after a minute.
    """

    def look() -> None:
        with contextlib.suppress(exceptions.NotFound):
            patient(get, **words)
            raise StillThereError

    try:
        Retry(
            predicate=lambda error: isinstance(error, StillThereError),
            initial=retries.PAUSE_SECONDS,
            maximum=retries.LONGEST_PAUSE_SECONDS,
            timeout=TIMEOUT_SECONDS,
        )(look)()
    except exceptions.RetryError as error:
        if not isinstance(error.cause, StillThereError):
            raise
        raise PlatformError(
            f"Vertex AI has not removed {words['name']} within {TIMEOUT_SECONDS} s, as it said it "
            "would; look later"
        ) from None
