"""What is predicted, declared once, as data; everything that depends on a head derives from it.

Enters: the `heads` section of the configuration, a mapping name -> declaration. Leaves: head
objects that parse a label field, name the output's shape, activation and loss, and travel between
processes as JSON. Read by every stage. Knows nothing of TFX, Beam or TensorFlow.

| kind | label field | target | output | loss |
|---|---|---|---|---|
| regression | a number | float32 `[batch, 1]`, standardised | linear | mean squared error |
| classes | a group 0..n-1 or an amount | one-hot float32 `[batch, n]` | softmax | cross-entropy |
| binary | one of two values | float32 `[batch, 1]` | sigmoid | cross-entropy |
"""

from __future__ import annotations

import ctypes
import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from components.label_values import (
    NOTHING,
    Compared,
    compare_as,
    fold_text,
    is_blank,
    is_code,
    is_unknown,
    spell,
    spellings_of,
)

LabelValue = float | int | str
_WITH_COMMA = re.compile(r"[+-]?[0-9][0-9. ]*,[0-9., ]*")

SEPARATOR = "."
"""Between a head's name and a part of it; no head's name has it (see `head_names`)."""
KNOWN_LOSS = "known.loss"
"""Keras's metric of a head's loss over known labels; Keras puts it behind the head's name and _."""
EARLIER_KNOWN_LOSS = "known_loss"
"""What an earlier release called it, in what its trainings left."""


def internal_name(head_name: str, part: str) -> str:
    """Name of a column, an output or a layer that belongs to a head, and can be no other head's.

    >>> internal_name("age", "known")
    'age.known'
    """
    return f"{head_name}{SEPARATOR}{part}"


class LabelError(ValueError):
    """A label field holds something its head cannot read; the message holds the rule."""


def as_stored(number: float) -> float:
    """The number as examples hold it, in float32: what every stage behind the join reads.

    >>> as_stored(0.1)
    0.10000000149011612
    """
    return ctypes.c_float(number).value


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", description="name of the head: the output's name in the served model")
    field: str = Field("", description="field of the label record; by default the head's name")

    @model_validator(mode="before")
    @classmethod
    def _field_follows_name(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("field"):
            return {**values, "field": values.get("name", "")}
        return values

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Smallest and largest valid label; None where labels are no numbers."""
        return None

    @property
    def range_rule(self) -> str:
        """What the bounds are and which settings they are, for people to read."""
        return ""

    @property
    def range_remedy(self) -> str:
        """What can be set where labels outside of the bounds are right."""
        return ""

    def side_of_range(self, value: LabelValue) -> Literal["below", "above"] | None:
        """Where a parsed label lies outside of the bounds; None where it is valid.

        Compared as the schema's own bounds are, in float32.
        """
        if self.bounds is None or isinstance(value, str):
            return None
        low, high = self.bounds
        if as_stored(value) < as_stored(low):
            return "below"
        return "above" if as_stored(value) > as_stored(high) else None

    def internal(self, part: str) -> str:
        """Name of what belongs to this head and is nobody's to read; see `internal_name`."""
        return internal_name(self.name, part)

    @property
    def known_name(self) -> str:
        """Name of the mask in the transformed examples: 1 where the label is known, else 0."""
        return self.internal("known")

    @property
    def slice_name(self) -> str:
        """Name of the head's value or band among what a model's `transform_features` answers."""
        return self.internal("slice")


def _number(value: Any, name: str, unknown: frozenset[Compared]) -> float | None:
    """Reads a number as JSON, CSV or Parquet give it; None where it is not given or unknown."""
    if is_blank(value) or is_unknown(value, unknown):
        return None
    # Python alone reads 4_1 as 41.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in fold_text(value)):
        raise LabelError(f"{name} is not a number")
    try:
        number = float(fold_text(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        raise LabelError(f"{name} is not a number{_why_not(value)}") from None
    if not math.isfinite(number):
        raise LabelError(f"{name} is not a finite number")
    return number


def _why_not(value: Any) -> str:
    if isinstance(value, str) and _WITH_COMMA.fullmatch(fold_text(value)):
        return ": it has a comma; write decimals with a point, thousands without a mark"
    return ""


class RegressionHead(_Head):
    """A number, standardised for training and answered in its own unit."""

    kind: Literal["regression"] = Field(
        "regression", description="a number; other kinds: classes, binary"
    )
    unit: str = Field("years", description="unit of the number, for people to read")
    minimum: float = Field(0.0, description="smallest sound label; a smaller one is an anomaly")
    maximum: float = Field(120.0, description="largest sound label; a larger one is an anomaly")

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> RegressionHead:
        if not self.minimum < self.maximum:
            raise ValueError(f"minimum {self.minimum} must be below maximum {self.maximum}")
        return self

    @property
    def units(self) -> int:
        """Width of the network's output."""
        return 1

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest valid label."""
        return self.minimum, self.maximum

    @property
    def range_rule(self) -> str:
        """See the base class."""
        return (
            f"labels must lie between heads.{self.name}.minimum, {self.minimum:g}, and "
            f"heads.{self.name}.maximum, {self.maximum:g}"
        )

    @property
    def range_remedy(self) -> str:
        """See the base class."""
        return f"set heads.{self.name}.minimum and heads.{self.name}.maximum"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> float | None:
        """The label as a float, None where it is unknown. Raises LabelError.

        Args:
            value: as the file gives it.
            unknown: how an unknown value is given, as `label_values.compare_as` gives it.
        """
        return _number(value, self.field, unknown)


class ClassesHead(_Head):
    """One of several ordered groups, given as such or cut from an amount at the quantiles."""

    kind: Literal["classes"] = Field(
        "classes", description="one of several ordered groups; other kinds: regression, binary"
    )
    classes: int = Field(10, ge=2, le=1000, description="number of groups")
    given_as: Literal["amount", "group"] = Field(
        "amount",
        description="'amount': cut at the training split's quantiles; 'group': 0..classes-1",
    )
    unit: str = Field("dollars a year", description="unit of the amount, for people to read")

    @property
    def units(self) -> int:
        """Width of the network's output."""
        return self.classes

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest valid label; an amount has no largest."""
        return (0.0, self.classes - 1.0) if self.given_as == "group" else (0.0, math.inf)

    @property
    def range_rule(self) -> str:
        """See the base class."""
        if self.given_as == "amount":
            return "amounts must be 0 or more"
        return (
            f"groups must be numbered from 0 to {self.classes - 1}, since "
            f"heads.{self.name}.classes is {self.classes}"
        )

    @property
    def range_remedy(self) -> str:
        """See the base class."""
        if self.given_as == "amount":
            return (
                f"declare a number in place of groups: heads.{self.name}.kind: regression, with "
                "its minimum and maximum"
            )
        return f"number the groups from 0, or raise heads.{self.name}.classes"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> float | int | None:
        """The amount as a float or the group as an int, None where unknown. Raises LabelError."""
        number = _number(value, self.field, unknown)
        if number is None or self.given_as == "amount":
            return number
        if number != int(number):
            raise LabelError(f"{self.field} is not a whole group number")
        return int(number)


class BinaryHead(_Head):
    """One of two values; any other value is unknown."""

    kind: Literal["binary"] = Field(
        "binary", description="one of two values; other kinds: regression, classes"
    )
    positive: str = Field(
        "female",
        description="label value whose probability is answered: text, a number, true or false",
    )
    negative: str = Field("male", description="the other label value; any third one is unknown")
    exact: bool = Field(
        False,
        description="compare label values as written; by default case, width, spaces around and "
        "characters that nobody sees do not matter, and 1.0 is 1",
    )

    @model_validator(mode="before")
    @classmethod
    def _codes_are_text(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        codes = {
            key: spell(values[key])
            for key in ("positive", "negative")
            if isinstance(values.get(key), bool | int | float) and math.isfinite(values[key])
        }
        return {**values, **codes}

    @model_validator(mode="after")
    def _values_differ(self) -> BinaryHead:
        for key in ("positive", "negative"):
            if is_blank(getattr(self, key)):
                raise ValueError(f"{key} must not be blank: a blank label is unknown")
        if self._compare_as(self.positive) == self._compare_as(self.negative):
            way_out = "" if self.positive == self.negative else "; or set exact: true"
            raise ValueError(
                "positive and negative must differ, and not in case, width, spaces or number "
                f"format alone; they are {self.positive!r} and {self.negative!r}{way_out}"
            )
        return self

    @property
    def units(self) -> int:
        """Width of the network's output."""
        return 1

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> str | None:
        """The positive or the negative value as declared, None for any other. Raises LabelError.

        A value that is declared wins over a spelling of unknown.
        """
        del unknown
        if is_blank(value):
            return None
        if not is_code(value):
            raise LabelError(f"{self.field} is neither text, a number nor a boolean")
        return self._declared.get(self._compare_as(value))

    def _compare_as(self, value: Any) -> Compared:
        return spell(value) if self.exact else compare_as(value)

    @cached_property
    def _declared(self) -> dict[Compared, str]:
        """The declared value for each that compares as it."""
        positive, negative = (self._compare_as(value) for value in (self.positive, self.negative))
        if self.exact:
            return {positive: self.positive, negative: self.negative}
        ones, others = spellings_of(positive, negative)
        return dict.fromkeys(ones, self.positive) | dict.fromkeys(others, self.negative)


Head = Annotated[RegressionHead | ClassesHead | BinaryHead, Field(discriminator="kind")]
_HEAD: TypeAdapter[RegressionHead | ClassesHead | BinaryHead] = TypeAdapter(Head)

DEFAULT_HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression"},
    "income": {"kind": "classes"},
    "gender": {"kind": "binary"},
}


def parse_heads(declarations: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Head objects from a mapping name -> declaration, in its order.

    Raises:
        pydantic.ValidationError: a declaration is wrong.
    """
    return tuple(
        _HEAD.validate_python({**declaration, "name": name})
        for name, declaration in declarations.items()
    )


def heads_to_json(heads: tuple[Any, ...]) -> str:
    """The heads as JSON text, to travel in an execution property.

    The separator is in it: what an earlier release named otherwise must not come from the cache.
    """
    declared = [head.model_dump() for head in heads]
    return json.dumps({"heads": declared, "separator": SEPARATOR}, sort_keys=True)


def heads_from_json(text: str) -> tuple[Any, ...]:
    """The inverse of `heads_to_json`."""
    return tuple(_HEAD.validate_python(declaration) for declaration in json.loads(text)["heads"])
