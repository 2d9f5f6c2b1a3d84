"""What a platform's refusal means to a person: the rule, what came, what to do, in one line."""

from __future__ import annotations

import dataclasses
import re

from pipeline.cloud.target import NoAnswerError, PlatformError
from pipeline.config import ConfigError

LONGEST_MESSAGE = 400


@dataclasses.dataclass(frozen=True)
class Advice:
    """What to do about a fault on one platform.

    Args:
        platform: its name.
        login: about credentials that are missing, expired or refused.
        permission: about a right that is missing.
        place: about what was not found: the settings that name the place.
        address: where the platform was looked for.
    """

    platform: str
    login: str
    permission: str
    place: str
    address: str

    def refusal(self, status: int, message: str) -> Exception:
        """The error for an answer with a status that is not success."""
        said = one_line(message) or "no reason given"
        rules = {
            400: ConfigError(f"{self.platform} refused the request as wrong: {said}"),
            401: PlatformError(
                f"{self.platform} did not accept the credentials, or they expired: {said}. "
                f"{self.login}"
            ),
            403: PlatformError(f"{self.platform}: permission denied: {said}. {self.permission}"),
            404: ConfigError(f"{self.platform}: not found: {said}. {self.place}"),
            409: PlatformError(f"{self.platform}: it is there already: {said}"),
            429: NoAnswerError(
                f"{self.platform}: quota or rate exhausted: {said}. Wait, or ask for more quota"
            ),
        }
        if status in rules:
            return rules[status]
        return NoAnswerError(
            f"{self.platform} answered {status} and did not recover: {said}. Try again later"
        )

    def unreachable(self, error: object) -> NoAnswerError:
        """The error where no answer came."""
        return NoAnswerError(
            f"{self.platform} cannot be reached at {self.address}: {reason_of(error)}. Check "
            "address and network"
        )


def reason_of(error: object) -> str:
    """The innermost of the nested errors that a broken connection comes in.

    >>> reason_of("Pool(host='a', port=9): Failed (Caused by E('<o>: [Errno 111] Refused'))")
    '[Errno 111] Refused'
    >>> reason_of("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))")
    'Remote end closed connection'
    """
    # Not at the colon of [SSL: ...].
    last = re.split(r": (?![^\[]*\])", str(error))[-1]
    quoted = re.findall(r"'([^']+)'", last)
    return one_line(quoted[-1] if quoted else last.strip("')\" "))


def one_line(message: str) -> str:
    """A platform's words without breaks, cut to what a person reads."""
    text = " ".join(message.split()).rstrip(". ")
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."
