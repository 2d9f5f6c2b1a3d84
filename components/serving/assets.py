r"""What a served model says of its own answers: its heads, the groups' boundaries, the separator.

Enters: a SavedModel's folder, whose `assets/heads.json`, written by `export`, is
`{"separator": "\\x1e", "heads": [...]}`: a head as it is declared in `components.heads`, with
`boundaries` where its groups were cut from an amount, `temperature` or `interval` where it was
calibrated. A pushed version also says how good it measured, in `assets.extra/quality.json`:
`{"age": {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}, ...}`; it becomes the head's
`quality`. Every key that an answer needs is looked for here, so that none is missed by a request.
Knows nothing of TFX or TensorFlow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from components.field_errors import describe_first

HEADS_FILE = "assets/heads.json"
QUALITY_FILE = "assets.extra/quality.json"

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ServedHeads(NamedTuple):
    """The answers a model gives and how its input is joined."""

    heads: tuple[dict[str, Any], ...]
    separator: str


class _Told(BaseModel):
    """A part of the file. As written, so no type is taken for another; more may be said."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Interval(_Told):
    coverage: float = Field(gt=0, lt=1)
    half_width: float = Field(ge=0, allow_inf_nan=False)


class _Regression(_Told):
    name: Text
    kind: Literal["regression"]
    unit: str | None = None
    minimum: float = -math.inf
    maximum: float = math.inf
    interval: _Interval | None = None


class _Classes(_Told):
    name: Text
    kind: Literal["classes"]
    classes: int = Field(ge=2)
    unit: str | None = None
    boundaries: list[Number] | None = None
    temperature: Positive = 1.0

    @model_validator(mode="after")
    def _boundaries_part_the_groups(self) -> _Classes:
        if self.boundaries and len(self.boundaries) != self.classes - 1:
            raise ValueError(
                f"{self.classes} classes have {self.classes - 1} boundaries between them; it gives "
                f"{len(self.boundaries)}"
            )
        return self


class _Binary(_Told):
    name: Text
    kind: Literal["binary"]
    positive: Text
    negative: Text
    temperature: Positive = 1.0


_Head = Annotated[_Regression | _Classes | _Binary, Field(discriminator="kind")]


class _Asset(_Told):
    separator: Text
    heads: list[_Head] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> _Asset:
        names = [head.name for head in self.heads]
        if len(set(names)) != len(names):
            raise ValueError(f"each head must have a name of its own; they are {names}")
        return self


class _Quality(BaseModel):
    metric: str
    value: float
    lower: float
    upper: float


_QUALITY_OF_HEADS = dict[str, _Quality]
_QUALITIES = TypeAdapter(_QUALITY_OF_HEADS)


def read_served_heads(model: Path) -> ServedHeads:
    """Reads what the model says of its answers.

    Raises:
        ValueError: the asset is missing, or it or the quality is not what it should be.
    """
    rule = f"a served model must describe its answers in {HEADS_FILE}"
    try:
        content = (model / HEADS_FILE).read_bytes()
        _Asset.model_validate_json(content)
        # As it was written, with what only its readers know of.
        asset = json.loads(content)
    except FileNotFoundError:
        raise ValueError(f"{rule}; the file is missing. Export the model again.") from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{rule}; it cannot be used ({describe_first(error, _Asset)}). Export the model again."
        ) from None
    quality = _read_quality(model)
    measured = [
        {**head, "quality": quality[head["name"]]} if head["name"] in quality else head
        for head in asset["heads"]
    ]
    return ServedHeads(tuple(measured), asset["separator"])


def _read_quality(model: Path) -> dict[str, dict[str, Any]]:
    """How good each head measured; empty where nobody said."""
    try:
        content = (model / QUALITY_FILE).read_bytes()
        qualities = _QUALITIES.validate_json(content)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{QUALITY_FILE} must give each head's metric, value, lower and upper; it cannot be "
            f"used ({describe_first(error, _QUALITY_OF_HEADS)}). Push the model again."
        ) from None
    return {name: quality.model_dump() for name, quality in qualities.items()}


def head_units(head: Mapping[str, Any]) -> int:
    """Numbers in one author's answer of this head."""
    return int(head["classes"]) if head["kind"] == "classes" else 1
