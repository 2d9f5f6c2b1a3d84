"""A platform's refusal is one line, and says whether the request or the platform is at fault."""

from __future__ import annotations

import pytest

from pipeline.cloud.faults import Advice, reason_of
from pipeline.cloud.target import NoAnswerError, PlatformError
from pipeline.config import ConfigError

ADVICE = Advice("Vertex AI", "Log in", "Ask for a role", "Check the region", "https://api")


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, ConfigError, "Vertex AI refused the request as wrong: no\tsuch image"),
        (
            401,
            PlatformError,
            "credentials, or they expired: no\tsuch image. Log",
        ),
        (403, PlatformError, "permission denied: no\tsuch image. Ask for a role"),
        (404, ConfigError, "not found: no\tsuch image. Check the region"),
        (409, PlatformError, "it is there already: no\tsuch image"),
        (429, NoAnswerError, "quota or rate exhausted: no\tsuch image. Wait"),
        (503, NoAnswerError, "answered 503 and did not recover: no\tsuch image. Try"),
    ],
)
def test_a_refusal_says_the_rule_what_came_and_what_to_do(status, kind, said):
    error = ADVICE.refusal(status, "no\n  such image.")
    assert type(error) is kind
    assert said.replace("\t", " ") in str(error)
    assert "\n" not in str(error)


def test_a_long_message_is_cut():
    assert len(str(ADVICE.refusal(400, "word " * 1000))) < 460


def test_the_innermost_reason_is_told():
    nested = "Pool(host='a', port=9): Failed (Caused by E('<o>: Failed: [Errno 111] Refused'))"
    assert reason_of(nested) == "[Errno 111] Refused"
    aborted = "('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"
    assert reason_of(aborted) == "Remote end closed connection"
    tls = "Pool(host='a'): Failed (Caused by SSLError('[SSL: WRONG] wrong version (_ssl.c:1)'))"
    assert reason_of(tls) == "[SSL: WRONG] wrong version (_ssl.c:1)"
    assert reason_of("") == ""


def test_an_unreachable_platform_is_told_with_its_address():
    assert str(ADVICE.unreachable("connection refused")) == (
        "Vertex AI cannot be reached at https://api: connection refused. Check address and network"
    )
