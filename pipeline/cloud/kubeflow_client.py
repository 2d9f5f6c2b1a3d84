"""The client of Kubeflow Pipelines, made patient with a busy API and brief about its refusals.

Its calls have timeouts, and refused ones are repeated by urllib3 for a bounded time; its errors
come as one-line `ConfigError` or `PlatformError`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3

from pipeline.cloud import retries
from pipeline.cloud.faults import Advice
from pipeline.cloud.retries import LostAnswer
from pipeline.config import ConfigError
from pipeline.deploy.settings import DeploySettings

TIMEOUT_SECONDS = (10, 60)  # to connect, to answer


class Retries(urllib3.Retry):
    """Repeats what was refused for the moment, but no creation that may have got through."""

    def increment(self, method: Any = None, url: Any = None, *args: Any, **words: Any) -> Any:
        error = words.get("error")
        creates = method == "POST" and not str(url).endswith((":enable", ":disable"))
        if creates and error is not None and self._is_read_error(error):
            raise LostAnswer(str(error)) from None
        return super().increment(method, url, *args, **words)


class Client(kfp.Client):
    """`kfp.Client` with retries, timeouts and no waits of its own."""

    def _load_config(self, *args: Any, **words: Any) -> Any:
        config = super()._load_config(*args, **words)
        config.retries = Retries(
            total=retries.ATTEMPTS,
            connect=2,
            backoff_factor=retries.PAUSE_SECONDS,
            backoff_max=retries.LONGEST_PAUSE_SECONDS,
            retry_after_max=retries.LONGEST_PAUSE_SECONDS,
            status_forcelist=retries.STATUSES,
            allowed_methods=None,
            raise_on_status=False,
        )
        return config

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        """Asks once: the library's own way waits 25 s before it tells a missing right."""
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=TIMEOUT_SECONDS)

    def limit_time(self) -> None:
        """Gives every call a timeout, for which the library's own methods have no argument."""
        rest = self._healthz_api.api_client.rest_client
        request = rest.request

        def limited(*args: Any, _request_timeout: Any = None, **words: Any) -> Any:
            return request(*args, _request_timeout=_request_timeout or TIMEOUT_SECONDS, **words)

        rest.request = limited


def advice_of(deploy: DeploySettings) -> Advice:
    """What to do about Kubeflow's refusals."""
    kubeflow = deploy.kubeflow
    return Advice(
        "Kubeflow",
        f"Set {kubeflow.token_variable} to a fresh token",
        "Ask for the right to run pipelines in namespace "
        f"{kubeflow.namespace or '(single-user)'}, or set deploy.kubeflow.namespace",
        "Check deploy.kubeflow.host, namespace and experiment",
        kubeflow.host or os.environ.get("KF_PIPELINES_ENDPOINT") or "the cluster's own address",
    )


def open_client(deploy: DeploySettings) -> Client:
    """A client that was answered once.

    Raises:
        ConfigError: no address is known, or what is given is none.
        PlatformError: the API refused or cannot be reached.
    """
    kubeflow = deploy.kubeflow
    if kubeflow.host and not kubeflow.host.startswith(("http://", "https://")):
        raise ConfigError(
            "deploy.kubeflow.host: must be an address, such as https://kubeflow.example.org; got "
            f"{kubeflow.host!r}"
        )
    if not (kubeflow.host or os.environ.get("KF_PIPELINES_ENDPOINT") or _in_or_near_a_cluster()):
        raise ConfigError(
            "deploy.kubeflow.host: must be the address of Kubeflow Pipelines, such as "
            "https://kubeflow.example.org; it is empty, and so are KF_PIPELINES_ENDPOINT and "
            "kubectl's configuration"
        )
    credentials = None
    if os.environ.get("KF_PIPELINES_SA_TOKEN_PATH"):
        credentials = kfp.client.ServiceAccountTokenVolumeCredentials()
    with asking(advice_of(deploy)):
        client = Client(
            host=kubeflow.host or None,
            existing_token=os.environ.get(kubeflow.token_variable) or None,
            credentials=credentials,
        )
        client.limit_time()
        shared = client.get_kfp_healthz().multi_user
    if shared and not (kubeflow.namespace or client.get_user_namespace()):
        raise ConfigError(
            "deploy.kubeflow.namespace: must be given: this Kubeflow is one of several users, each "
            "with a namespace; it is empty"
        )
    return client


def _in_or_near_a_cluster() -> bool:
    paths = os.environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    return inside or any(Path(path).expanduser().is_file() for path in paths)


@contextlib.contextmanager
def asking(advice: Advice) -> Iterator[None]:
    """Turns the library's errors into a line each, and keeps its prints off the terminal."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except kfp_server_api.ApiException as error:
        if not error.status:
            raise advice.unreachable(error.reason) from None
        raise advice.refusal(error.status, said_in(error.body)) from None
    except (LostAnswer, urllib3.exceptions.HTTPError, OSError) as error:
        raise advice.unreachable(error) from None


def where(key: str, value: str) -> str:
    """A filter of the API: one field equals one value."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})


def said_in(body: str | bytes | None) -> str:
    """The message in an answer that refuses; Kubeflow's is JSON, a proxy's may be anything."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    try:
        answer = json.loads(text)
        return str(answer.get("message") or answer.get("error") or text)
    except (ValueError, AttributeError):
        return text
