"""How the model server behaves: where it listens and what it takes before it says no.

Enters: the command line's options. Leaves: `ServerSettings`, which every module of the server
reads. Knows nothing of KServe or TensorFlow.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from components.heads.served import Abstention
from components.strict import Strict

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class ServerSettings(Strict):
    """Settings of one server; a wrong value is an error that names it."""

    model: Path = Field(description="folder of served versions, which is watched, or one version")
    name: str = Field(
        "authorprofile",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="name of the model in addresses",
    )
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 is every network")
    port: int = Field(8501, ge=1, le=65535, description="port of HTTP; TensorFlow Serving's")
    grpc_port: int = Field(8500, ge=1, le=65535, description="port of gRPC; TensorFlow Serving's")
    max_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="largest request, in bytes; a larger one gets 413"
    )
    max_bytes_under_way: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="bytes of all requests under way at once; one more gets 503 and Retry-After",
    )
    max_instances: int = Field(128, ge=1, description="most authors in a request")
    max_posts: int = Field(5000, ge=1, description="most posts of an author")
    max_requests: int = Field(
        64, ge=1, description="requests under way at once; one more gets 503 and Retry-After"
    )
    max_connections: int = Field(
        256,
        ge=1,
        description="open connections of HTTP, and of gRPC; beyond, the one of HTTP that has "
        "waited longest for a request is closed",
    )
    idle_seconds: float = Field(
        15.0,
        gt=0,
        description="time of a connection until the headers of its first, or next, request have "
        "come; then it is closed",
    )
    connection_seconds: float = Field(
        600.0, gt=0, description="longest life of a connection of gRPC; clients open the next one"
    )
    max_waiting_authors: int = Field(
        1024, ge=1, description="authors waiting for the model; one more gets 503 and Retry-After"
    )
    timeout_seconds: float = Field(
        30.0, gt=0, description="time of a request, its arrival included; then 408 or 504"
    )
    retry_after_seconds: int = Field(1, ge=1, description="when to come back after 503")
    batch_authors: int = Field(32, ge=1, description="most authors that the model answers at once")
    batch_bytes: int = Field(
        8 * 1024 * 1024, ge=1, description="most text in a batch, padding counted, in bytes"
    )
    batch_wait_milliseconds: float = Field(
        2.0, ge=0, le=1000, description="how long a batch waits for company"
    )
    parallel_batches: int = Field(2, ge=1, le=64, description="batches under way at once")
    poll_seconds: float = Field(2.0, gt=0, description="how often the folder is looked at")
    abstain_below: dict[str, Share] = Field(
        default_factory=dict,
        description="by head: the confidence below which the answer says `abstain`; of a number it "
        "is the coverage of its interval",
    )
    abstain_wider: dict[str, Positive] = Field(
        default_factory=dict,
        description="by number: the width of its interval, in its unit, above which it abstains",
    )
    explain_words: int = Field(
        200, ge=1, le=5000, description="most words tried for an explanation"
    )
    explain_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="most text read for an explanation, in bytes"
    )
    grace_seconds: int = Field(30, ge=0, description="time to finish requests at the end")

    @model_validator(mode="after")
    def _one_request_fits(self) -> ServerSettings:
        largest = max(self.max_instances, self.explain_words + 1)
        if self.max_waiting_authors < largest:
            raise ValueError(
                f"max_waiting_authors must be at least {largest}, as one request may bring so "
                f"many (max_instances, explain_words); it is {self.max_waiting_authors}"
            )
        if self.max_bytes_under_way < self.max_body_bytes:
            raise ValueError(
                "max_bytes_under_way must be at least max_body_bytes, as one request may bring so "
                f"many; they are {self.max_bytes_under_way} and {self.max_body_bytes}. Set both"
            )
        if self.port == self.grpc_port:
            raise ValueError(f"port and grpc_port must differ; both are {self.port}")
        return self

    def abstention(self, head: str) -> Abstention:
        """When an answer of this head says that it is none."""
        return Abstention(self.abstain_below.get(head, 0.0), self.abstain_wider.get(head, math.inf))
