"""Settings that are no more: a configuration of before may hold them at what was their default.

A run's `config.yaml` holds every setting, so a removed one at its default is left out, with a
notice. One that was set to something else is an error, which names what takes its place. In a file
with such settings a key that there still is, at what was its default, takes today's: it was found
for another kind of network. At any other value it was set, and stays.
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
        "a token (of network.kind=reference network.maximum_tokens), or leave both out",
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

_OLD_DEFAULTS: dict[str, Any] = {
    "ingest.maximum_posts": 10_000,
    "training.batch_size": 32,
    "training.learning_rate": 0.001,
    "training.dropout": 0.3,
    "training.weight_decay": 0.0,
    "training.label_smoothing": 0.0,
    "tuner.space.loss_weight": {"minimum": 0.1, "maximum": 10.0},
    "tuner.space.learning_rate": {"minimum": 0.0003, "maximum": 0.003},
    "tuner.space.dropout": [0.2, 0.3, 0.4],
    "tuner.space.weight_decay": [],
    "tuner.space.label_smoothing": [],
}
"""Of keys that there still are; those of a search are among them since a file holds every setting,
and what is set there would not be searched."""


def without_removed(
    values: Mapping[str, Any], assigned: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The settings without those that are no more, and a notice of each that was there.

    Args:
        values: as YAML has them, sections in sections.
        assigned: those among them that were given beside the file, which stay where they can.

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
    if notices:
        for key, default in _OLD_DEFAULTS.items():
            section, name = _section_of(assigned or {}, key)
            if name in section:
                continue
            notices += _renew(left, key, default)
    return left, notices


def _renew(values: dict[str, Any], key: str, default: Any) -> list[str]:
    """Takes one key that there still is out where it is at its old default; a notice if it was."""
    section, name = _section_of(values, key)
    if name not in section or section[name] != default:
        return []
    del section[name]
    return [f"{key} is at what was its default, and takes today's"]


def _section_of(values: Mapping[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The section that a key stands in, empty where there is none, and its name there."""
    *sections, name = key.split(".")
    section: Any = values
    for part in sections:
        section = section.get(part) if isinstance(section, Mapping) else None
    return (section if isinstance(section, dict) else {}), name


def _take_out(values: dict[str, Any], old: OldSetting) -> list[str]:
    """Takes one key out, in place; a notice where it was there. Raises as `without_removed`."""
    section, name = _section_of(values, old.key)
    if name not in section:
        return []
    value = section.pop(name)
    lost = f"is no setting of network.kind={NEW_KIND}" if old.kept_by else "is no setting any more"
    if value not in (old.default, *old.also):
        raise ValueError(f"{old.key} {lost}; got {json.dumps(value, default=str)}: {old.instead}")
    return [f"{old.key} {lost}, and its old default is ignored"]
