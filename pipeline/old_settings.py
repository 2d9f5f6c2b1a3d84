"""Settings that are no more: a configuration of before may hold them at what was their default.

A run's `config.yaml` holds every setting, so a removed one at its default is left out, with a
notice. One that was set to something else is an error, which names what takes its place. Keys that
there still are keep their value, though their default may have changed: they were written.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.training.settings import OLD_KINDS


@dataclass(frozen=True)
class OldSetting:
    """A removed key.

    Attributes:
        key: with dots.
        default: what it was where nobody set it.
        instead: what to do about another value, in a sentence without its full stop.
        also: further values that say the same as the default.
        kept_by: the kind of network that still has it.
    """

    key: str
    default: Any
    instead: str
    also: tuple[Any, ...] = ()
    kept_by: str = ""


NEW_KIND, REFERENCE = "conv", "reference"
_TEXTBOOK = "or set network.kind=reference, which has it; or leave it out"
_STRENGTH = (
    "the linear baseline finds the strength of each head's penalty on held-out authors; leave it "
    "out"
)
REMOVED = (
    OldSetting(
        "text.max_tokens",
        1500,
        "an author is read whole, up to text.maximum_bytes; set that in its place, at some 5 bytes "
        "a token, or leave both out",
    ),
    OldSetting("network.ridge", 0.1, _STRENGTH),
    OldSetting("network.ridges", {}, _STRENGTH),
    OldSetting(
        "network.steps",
        6,
        "the thresholds of a number follow from its labels in the kind conv, and reference answers "
        "the number itself; leave it out",
    ),
    OldSetting(
        "network.window_tokens",
        None,
        f"set network.crop_tokens, which a training step reads of an author, {_TEXTBOOK}",
        kept_by=REFERENCE,
    ),
    OldSetting(
        "network.windows",
        2,
        f"one crop of network.crop_tokens is read in a training step, {_TEXTBOOK}",
        kept_by=REFERENCE,
    ),
    OldSetting(
        "network.embedding_width",
        256,
        f"set network.table_width in its place, {_TEXTBOOK}",
        kept_by=REFERENCE,
    ),
    OldSetting(
        "network.first_filters",
        128,
        f"set network.filters in its place, {_TEXTBOOK}",
        kept_by=REFERENCE,
    ),
    OldSetting(
        "network.dense_width",
        128,
        f"set network.shared_width in its place, {_TEXTBOOK}",
        kept_by=REFERENCE,
    ),
    OldSetting(
        "training.token_dropout",
        0.1,
        "set network.term_dropout in its place, or network.token_dropout with "
        "network.kind=reference",
    ),
    OldSetting(
        "training.spatial_dropout",
        0.0,
        "set network.spatial_dropout with network.kind=reference, or leave it out",
    ),
    OldSetting(
        "tuner.space.network",
        ["words"],
        "the kind that is trained is set and not searched: set network.kind to conv or reference, "
        "and leave this out",
        also=([], ["wide"], ["words", "wide"], ["wide", "words"]),
    ),
    OldSetting("tuner.space.ridge", {"minimum": 0.01, "maximum": 3.0}, _STRENGTH, also=(None, {})),
    OldSetting(
        "tuner.space.spatial_dropout",
        [],
        "it is not searched: set network.spatial_dropout with network.kind=reference, or leave it "
        "out",
    ),
)
_OLD_FILTERS = OldSetting(
    "network.filters",
    256,
    "it was of the four later convolutions of a network that there is no more; leave out "
    "network.embedding_width, first_filters, dense_width, ridge, ridges and steps, and it is of "
    f"the one convolution of the kind conv, {_TEXTBOOK}",
    kept_by=REFERENCE,
)
_OLD_SECTION = ("embedding_width", "first_filters", "dense_width", "ridge", "ridges", "steps")
"""Keys that tell a section `network` of before by: its `filters` are of other convolutions."""


def without_removed(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings without those that are no more, and a notice of each that was there.

    Args:
        values: as YAML has them, sections in sections.

    Raises:
        ValueError: one is set to something else than its default was.
    """
    left, notices = copy.deepcopy(dict(values)), []
    given = left.get("network")
    network: dict[str, Any] = given if isinstance(given, dict) else {}
    kind = network.get("kind", NEW_KIND)
    is_old = kind in OLD_KINDS or any(key in network for key in _OLD_SECTION)
    if kind in OLD_KINDS:
        network["kind"] = NEW_KIND
        notices.append(
            f"network.kind={kind} is no kind any more, and {NEW_KIND} takes its place, whose first "
            "training starts anew"
        )
    for old in (*REMOVED, *([_OLD_FILTERS] if is_old else [])):
        if old.kept_by != kind:
            notices += _take_out(left, old)
    return left, notices


def _take_out(values: dict[str, Any], old: OldSetting) -> list[str]:
    """Takes one key out, in place; a notice where it was there. Raises as `without_removed`."""
    *sections, name = old.key.split(".")
    section: Any = values
    for part in sections:
        section = section.get(part) if isinstance(section, Mapping) else None
    if not isinstance(section, dict) or name not in section:
        return []
    value = section.pop(name)
    lost = f"is no setting of network.kind={NEW_KIND}" if old.kept_by else "is no setting any more"
    if value not in (old.default, *old.also):
        raise ValueError(f"{old.key} {lost}; got {json.dumps(value, default=str)}: {old.instead}")
    return [f"{old.key} {lost}, and its old default is ignored"]
