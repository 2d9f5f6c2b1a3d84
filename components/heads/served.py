"""What a served model says of a head in `assets/heads.json`, and how its numbers become answers.

An entry holds the head as it was declared and what training found out of it: `boundaries` where
groups were cut from an amount, `temperature` or `interval` where it was calibrated, and `quality`
once the model was pushed. Every key that an answer needs is checked when the file is read. A kind
whose answer is one number in a unit needs no class of its own: `ServedNumber`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from components.heads.arrays import Array
from components.heads.scale import NumberScale

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

ROUNDING = 1e-3
"""How far a probability may be off for want of digits."""


class Interval(BaseModel):
    """Of a number: the answer ± `half_width` holds the label of a share `coverage` of authors.

    On the scale that it was learned on, so that in its unit the upper part may be the longer one.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    coverage: float = Field(gt=0, lt=1)
    half_width: float = Field(ge=0, allow_inf_nan=False)


class Abstention(NamedTuple):
    """When an answer says that it is none.

    Attributes:
        below: the least confidence.
        wider: the greatest width of an interval, in the head's unit.
    """

    below: float = 0.0
    wider: float = math.inf


NEVER = Abstention()


class ServedHead(BaseModel):
    """One head's entry, and how its answers read. Values are as written; more may be said."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    may_have_interval: ClassVar[bool] = False
    """Whether an answer can be a number with an interval."""

    name: Text
    kind: str
    quality: dict[str, Any] | None = None
    """How good a pushed version measured: `metric`, `value`, `lower`, `upper`."""
    _written: Mapping[str, Any] = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _as_written(cls, entry: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        head = read(entry)
        head._written = entry
        return head

    @property
    def written(self) -> Mapping[str, Any]:
        """The entry as it came: keys in their order, with what only its readers know of."""
        return self._written

    @property
    def width(self) -> int:
        """Numbers in one author's answer."""
        return 1

    @property
    def is_calibrated(self) -> bool:
        """Whether its answers say how sure they are."""
        return False

    @property
    def columns(self) -> list[str]:
        """Columns of its answers in a table."""
        return [self.name]

    @property
    def column_types(self) -> list[str]:
        """Arrow's types of these columns."""
        return ["float64"] * len(self.columns)

    def answer(self, numbers: Sequence[float]) -> Any:
        """What an author's line of answers holds; `numbers` are `[width]`."""
        return numbers[0]

    def row(self, answer: Any) -> list[Any]:
        """The values of `columns`, of what `answer` gave."""
        return [answer]

    def described(self, numbers: Sequence[float], abstention: Abstention = NEVER) -> dict[str, Any]:
        """An author's answer as a JSON object that a person can read."""
        del abstention
        return {"value": numbers[0]}

    def fault(self, numbers: Sequence[float]) -> str:
        """What no answer may be, such as `a number that is not finite`; empty where it is sound."""
        return "" if all(map(math.isfinite, numbers)) else "a number that is not finite"

    def explained_column(self, answer: Array) -> int:
        """Which number of an answer, `[width]`, a word's effect is measured on."""
        del answer
        return 0

    def explained_as(self, column: int) -> str:
        """What that number is."""
        del column
        return "value"


class ServedNumber(ServedHead):
    """A number in a unit, with an interval where it was calibrated."""

    may_have_interval = True

    unit: str | None = None
    minimum: float = -math.inf
    maximum: float = math.inf
    interval: Interval | None = None
    learned_on: NumberScale | None = None
    """The scale, where it is not the linear one."""

    def ends(self, answers: Any) -> tuple[Any, Any]:
        """Lower and upper end of the interval about answers, numbers or arrays."""
        half = self.interval.half_width if self.interval else 0.0
        if not self.learned_on:
            return answers - half, answers + half
        placed = self.learned_on.onto(answers)
        return self.learned_on.back(placed - half), self.learned_on.back(placed + half)

    @property
    def is_calibrated(self) -> bool:
        return self.interval is not None

    def described(self, numbers: Sequence[float], abstention: Abstention = NEVER) -> dict[str, Any]:
        """`value`, `unit`, `interval` {`coverage`, `lower`, `upper`}, `confidence`."""
        value = numbers[0]
        answer: dict[str, Any] = {"value": value}
        if self.unit:
            answer["unit"] = self.unit
        if self.interval:
            # No label lies outside the head's range: cutting the interval there costs no coverage.
            lower, upper = self.ends(value)
            lower, upper = max(lower, self.minimum), min(upper, self.maximum)
            answer["interval"] = {
                "coverage": self.interval.coverage,
                "lower": round(float(lower), 6),
                "upper": round(float(upper), 6),
            }
            is_wide = upper - lower > abstention.wider
            answer |= stated(self.interval.coverage, abstention, abstains=is_wide)
        return answer

    def explained_as(self, column: int) -> str:
        del column
        return self.unit or "value"


class ServedProbabilities(ServedHead):
    """Probabilities that sum to 1, calibrated by a temperature."""

    temperature: Positive = 1.0

    @property
    def is_calibrated(self) -> bool:
        return "temperature" in self.model_fields_set

    def sureness(self, probabilities: Sequence[float], abstention: Abstention) -> dict[str, Any]:
        """`confidence`, the greatest probability, where the head was calibrated."""
        return stated(max(probabilities), abstention) if self.is_calibrated else {}

    def fault(self, numbers: Sequence[float]) -> str:
        if fault := super().fault(numbers):
            return fault
        sound = all(-ROUNDING <= value <= 1 + ROUNDING for value in numbers)
        return "" if sound else "a probability outside 0 to 1"


def stated(confidence: float, abstention: Abstention, *, abstains: bool = False) -> dict[str, Any]:
    """`confidence`, and `abstain` where it is too low or the interval too wide."""
    if abstains or confidence < abstention.below:
        return {"confidence": confidence, "abstain": True}
    return {"confidence": confidence}
