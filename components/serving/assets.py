r"""What a served model says of its own answers: its heads, the groups' boundaries, the separator.

Enters: a SavedModel's folder, whose `assets/heads.json`, written by `export`, is
`{"separator": "\\x1e", "heads": [...]}`: a head as it is declared in `components.heads`, with
`boundaries` where its groups were cut from an amount, `temperature` or `interval` where it was
calibrated. A pushed version also says how good it measured, in `assets.extra/quality.json`:
`{"age": {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}, ...}`, and beside `value`
those of `linear_baseline` and `constant_baseline` where they are known; it becomes the head's
`quality`. Leaves: for each head an object of the class that its kind names as `served`, which looks
for every key that an answer needs, so that none is missed by a request. Knows nothing of TFX or
TensorFlow.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from components.field_errors import describe_first
from components.heads.declared import HEADS
from components.heads.served import ServedHead, Text

HEADS_FILE = "assets/heads.json"
QUALITY_FILE = "assets.extra/quality.json"


class ServedHeads(NamedTuple):
    """The answers a model gives and how its input is joined."""

    heads: tuple[ServedHead, ...]
    separator: str


# What pydantic reads by the key `kind`: the kinds' classes, each with its kind as a literal.
if TYPE_CHECKING:
    _Head = ServedHead
else:
    _Head = Annotated[
        typing.Union[  # noqa: UP007
            tuple(
                create_model(kind, __base__=head.served, kind=(Literal[kind], ...))
                for kind, head in HEADS.items()
            )
        ],
        Field(discriminator="kind"),
    ]


class _Asset(BaseModel):
    """The file. As written, so no type is taken for another; more may be said."""

    model_config = ConfigDict(extra="allow", strict=True)

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
    linear_baseline: float | None = None
    constant_baseline: float | None = None


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
            f"{rule}; it cannot be used ({describe_first(error, _Asset)}). {_way_out(error)}"
        ) from None
    quality = _read_quality(model)
    return ServedHeads(
        tuple(
            HEADS[entry["kind"]].served.model_validate({**entry, **quality.get(entry["name"], {})})
            for entry in asset["heads"]
        ),
        asset["separator"],
    )


def _way_out(error: Exception) -> str:
    """What to do about a description that cannot be used."""
    wrong = error.errors() if isinstance(error, ValidationError) else []
    if any(one["type"] == "union_tag_invalid" for one in wrong):
        return "Export the model again, or install the package that adds this kind of head."
    return "Export the model again."


def _read_quality(model: Path) -> dict[str, dict[str, Any]]:
    """What each head's entry says more: how good it measured; empty where nobody said."""
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
    return {
        name: {"quality": quality.model_dump(exclude_none=True)}
        for name, quality in qualities.items()
    }
