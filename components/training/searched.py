"""Which settings a search chooses, and which it leaves: a value that is set is not searched.

Enters: the sections `training` and `tuner.space`, which know what of them was set.
Leaves: the space without what is set, or a `ValueError` where it names other values for that.

| in the search | set by | in `tuner.space` |
|---|---|---|
| `loss_weight/<head>` | `training.loss_weights`, for the heads named | `loss_weight` |
| the others | the setting of that name in `training` | the same |
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.training.settings import (
    FloatRange,
    SearchSpace,
    TrainingSettings,
)

LOSS_WEIGHT = "loss_weight"
WEIGHT_PREFIX = f"{LOSS_WEIGHT}/"
CHOICES = ("dropout", "weight_decay", "label_smoothing")
"""Settings of a training of which a search tries listed values."""
OLD_KIND, OLD_STRENGTH = "network", "ridge"
"""What earlier releases searched: the kind of network, and what `OLD_KINDS` alone had."""
SETTINGS = {name: ("training", name) for name in ("learning_rate", *CHOICES)}
"""By name in the search, the section and the field that set it for all heads."""


def set_by_hand(training: TrainingSettings) -> tuple[str, ...]:
    """Names of the searched settings that were set, one for each head as the search has it."""
    names = [name for name, (_, field) in SETTINGS.items() if field in _set(training)]
    return tuple(sorted([*names, *(WEIGHT_PREFIX + head for head in training.loss_weights)]))


def is_set(name: str, by_hand: Collection[str]) -> bool:
    """Whether a setting of the search is among those of `set_by_hand`.

    >>> is_set("dropout", ["dropout"]), is_set("loss_weight/age", ["dropout"])
    (True, False)
    """
    return name in by_hand or name.partition("/")[0] in by_hand


def is_of_another_kind(values: Mapping[str, Any], kind: str) -> bool:
    """Whether a search of an earlier release, which also chose the kind, found another than this.

    >>> is_of_another_kind({"network": "words", "dropout": 0.3}, "conv")
    True
    >>> is_of_another_kind({"network": "reference", "dropout": 0.3}, "reference")
    False
    >>> is_of_another_kind({"dropout": 0.3}, "conv")
    False
    """
    if any(name.partition("/")[0] == OLD_STRENGTH for name in values):
        return True
    return bool(values.get(OLD_KIND, kind) != kind)


def without_set(
    space: SearchSpace, training: TrainingSettings, heads: Sequence[str]
) -> SearchSpace:
    """The space without what is set; what it knows of as set in the space itself stays."""
    by_hand = set_by_hand(training)
    left: dict[str, Any] = {
        name: [] if isinstance(getattr(space, name), list) else None
        for name in SETTINGS
        if name in by_hand
    }
    # The first head's weight is fixed: beside the learning rate only ratios matter.
    if heads[1:] and all(is_set(WEIGHT_PREFIX + head, by_hand) for head in heads[1:]):
        left[LOSS_WEIGHT] = None
    # A copy's update would count as set, and be written as such into the file that repeats a run.
    return SearchSpace.model_construct(space.model_fields_set, **{**dict(space), **left})


def check_space(space: SearchSpace, training: TrainingSettings, heads: Sequence[str]) -> None:
    """Checks that nothing is both set and searched, and that something is left to search.

    Raises:
        ValueError: the space, as it was given, names other values for a setting that is set; or
            every setting has one value alone.
    """
    left = without_set(space, training, heads)
    for name in _set(space):
        given = getattr(space, name)
        if given == getattr(left, name):
            continue
        section, field = SETTINGS.get(name, ("training", "loss_weights"))
        value = getattr(training, field)
        if not _is_only(value, given):
            raise ValueError(
                f"{section}.{field} and tuner.space.{name} are both set, and what is set is not "
                f"searched; got {value} and {_shown(given)}. Leave one of them out, as with "
                f"tuner.space.{name}={'[]' if isinstance(given, list) else 'null'}"
            )
    if not any(_tries_several(getattr(left, name)) for name in _tried(heads)):
        raise ValueError(
            "tune is true, and nothing is left to search: each setting of tuner.space is set or "
            "has one value. Set tune: false, or leave a setting out"
        )


def _tried(heads: Sequence[str]) -> list[str]:
    return list(SETTINGS) + ([LOSS_WEIGHT] if len(heads) > 1 else [])


def _tries_several(given: Any) -> bool:
    if isinstance(given, FloatRange):
        return given.minimum < given.maximum
    return bool(given) and len(set(given)) > 1


def _is_only(value: Any, given: Any) -> bool:
    """Whether the space names this value and no other."""
    if isinstance(given, FloatRange):
        return bool(given.minimum == given.maximum == value)
    return not given or set(given) == {value}


def _shown(given: Any) -> Any:
    if isinstance(given, FloatRange):
        return f"{given.minimum:g} to {given.maximum:g}"
    return given


def _set(section: Any) -> set[str]:
    return set(section.model_fields_set)
