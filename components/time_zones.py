"""The name of a time zone, as every setting and option that takes one reads it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

ZONE_RULE = "must be a name of the IANA database, such as UTC or Europe/Berlin"


def find_zone(name: str) -> ZoneInfo:
    """The time zone of a name such as Europe/Berlin.

    Raises:
        ValueError: there is none of that name; the message is ZONE_RULE.
    """
    try:
        return ZoneInfo(name)
    # KeyError: no such zone; ValueError: no name at all; OSError: a folder of zones.
    except (KeyError, ValueError, OSError):
        raise ValueError(ZONE_RULE) from None
