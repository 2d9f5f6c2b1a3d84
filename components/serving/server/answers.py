"""What the server says of heads and of their bounds of abstention; an answer itself is the head's.

Enters: the heads of a served model (`components.heads.served`). Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.heads.served import ServedHead
from components.serving.server.settings import ServerSettings


def short_numbers(values: np.ndarray) -> list[float]:
    """Numbers as short as float32 allows: 31.2, not 31.200000763."""
    return [float(str(value)) for value in values]


def describe_head(head: ServedHead) -> dict[str, Any]:
    """What the metadata says of a head: its declaration, boundaries and measured quality."""
    return {
        key: value for key, value in head.written.items() if key != "field" and value is not None
    }


def bound_faults(heads: Sequence[ServedHead], settings: ServerSettings) -> list[str]:
    """Bounds of abstention that this model cannot keep, each as one sentence."""
    below, wider = settings.abstain_below, settings.abstain_wider
    names = [head.name for head in heads]
    numbers = [head.name for head in heads if head.may_have_interval]
    calibrated = [head.name for head in heads if head.is_calibrated]
    faults = [
        f"abstain_below must name heads of the model, {names}; {name} is none"
        for name in below
        if name not in names
    ]
    faults += [
        f"abstain_wider must name numbers of the model, {numbers}; {name} is none"
        for name in wider
        if name not in numbers
    ]
    faults += [
        f"to abstain, a head needs a calibrated confidence; the model has none for {name}. Train "
        "it again, or leave the bound out"
        for name in dict.fromkeys((*below, *(n for n in wider if n in numbers)))
        if name in names and name not in calibrated
    ]
    return faults
