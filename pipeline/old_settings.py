"""Settings that are no more: a configuration of before may hold them at what was their default.

A run's `config.yaml` holds every setting, so a removed one at its default is left out, with a
notice. One that was set to something else is an error, which names what takes its place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OldSetting:
    """A removed key.

    Attributes:
        key: with dots.
        default: what it was where nobody set it.
        instead: what to do about another value, in a sentence without its full stop.
    """

    key: str
    default: Any
    instead: str


REMOVED = (
    OldSetting(
        "text.max_tokens",
        1500,
        "an author is read whole, up to text.maximum_bytes; set that in its place, at some 5 bytes "
        "a token, or leave both out",
    ),
)


def without_removed(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings without those that are no more, and a notice of each that was there.

    Args:
        values: as YAML has them, sections in sections.

    Raises:
        ValueError: one is set to something else than its default was.
    """
    left, notices = copy.deepcopy(dict(values)), []
    for old in REMOVED:
        *sections, name = old.key.split(".")
        section: Any = left
        for part in sections:
            section = section.get(part) if isinstance(section, Mapping) else None
        if not isinstance(section, dict) or name not in section:
            continue
        value = section.pop(name)
        if value != old.default:
            raise ValueError(
                f"{old.key} is no setting any more; got {json.dumps(value, default=str)}: "
                f"{old.instead}"
            )
        notices.append(f"{old.key} is no setting any more, and its old default is ignored")
    return left, notices
