"""One of several ordered groups, given as such or cut from an amount at the quantiles of `train`.

Trained by cross-entropy, which the groups' shares minimise; answered by each group's probability.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from components.heads.arrays import Array, np
from components.heads.base import LabelError, LabelsSeen, LabelValue, Stored
from components.heads.links import SoftmaxLink
from components.heads.metrics import Metric
from components.heads.numbers import read_number
from components.heads.probabilities import ProbabilitiesHead, surprisal
from components.heads.scoring import ratio, skill
from components.heads.served import (
    NEVER,
    ROUNDING,
    Abstention,
    Number,
    ServedProbabilities,
)
from components.label_values import NOTHING, Compared


class ServedClasses(ServedProbabilities):
    """A probability of each group, and the groups' boundaries where they were cut."""

    classes: int = Field(ge=2)
    unit: str | None = None
    boundaries: list[Number] | None = None

    @model_validator(mode="after")
    def _boundaries_part_the_groups(self) -> ServedClasses:
        if self.boundaries and len(self.boundaries) != self.classes - 1:
            raise ValueError(
                f"{self.classes} classes have {self.classes - 1} boundaries between them; it gives "
                f"{len(self.boundaries)}"
            )
        return self

    @property
    def width(self) -> int:
        return self.classes

    @property
    def columns(self) -> list[str]:
        """The most probable group, and the probability of each."""
        return [f"{self.name}_group", *(f"{self.name}_p{k}" for k in range(self.classes))]

    @property
    def column_types(self) -> list[str]:
        return ["int64", *["float64"] * self.classes]

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        """Group k holds boundaries[k-1] <= amount < boundaries[k]."""
        group = max(range(len(numbers)), key=numbers.__getitem__)
        answer: dict[str, Any] = {"group": group, "probabilities": numbers}
        if self.boundaries:
            answer["boundaries"] = self.boundaries
        return answer

    def row(self, answer: Any) -> list[Any]:
        return [answer["group"], *answer["probabilities"]]

    def described(self, numbers: Sequence[float], abstention: Abstention = NEVER) -> dict[str, Any]:
        """`group`, `probabilities`, where cut from an amount `boundaries`, `confidence`."""
        return {**self.answer(numbers), **self.sureness(numbers, abstention)}

    def fault(self, numbers: Sequence[float]) -> str:
        if fault := super().fault(numbers):
            return fault
        total = sum(numbers)
        off = not abs(total - 1) <= ROUNDING
        return f"probabilities whose sum is {total:.6g}, not 1" if off else ""

    def explained_column(self, answer: Array) -> int:
        """The group that was answered."""
        return int(answer.argmax())

    def explained_as(self, column: int) -> str:
        return f"probability of group {column}"


class ClassesHead(ProbabilitiesHead):
    """One of several ordered groups."""

    metrics = (
        Metric("accuracy", "accuracy", "accuracy"),
        Metric("within_one_group", "within one group", "within one group"),
        Metric("cross_entropy", "cross-entropy, nats", "cross-entropy"),
    )
    slice_metric = "within_one_group"
    sliced = False
    served = ServedClasses
    link_class = SoftmaxLink

    kind: Literal["classes"] = Field(
        "classes", description="one of several ordered groups; other kinds: regression, binary"
    )
    classes: int = Field(10, ge=2, le=1000, description="number of groups")
    given_as: Literal["amount", "group"] = Field(
        "amount",
        description="'amount': cut at the training split's quantiles; 'group': 0..classes-1",
    )
    unit: str = Field("dollars a year", description="unit of the amount, for people to read")

    # Labels

    @property
    def stored_as(self) -> Stored:
        return "number" if self.given_as == "amount" else "whole number"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> float | int | None:
        """The amount as a float or the group as an int; see the base class."""
        number = read_number(value, self.field, unknown)
        if number is None or self.given_as == "amount":
            return number
        if number != int(number):
            raise LabelError(f"{self.field} is not a whole group number")
        return int(number)

    @property
    def bounds(self) -> tuple[float, float]:
        """See the base class; an amount has no largest."""
        return (0.0, self.classes - 1.0) if self.given_as == "group" else (0.0, math.inf)

    @property
    def range_rule(self) -> str:
        if self.given_as == "amount":
            return "amounts must be 0 or more"
        return (
            f"groups must be numbered from 0 to {self.classes - 1}, since "
            f"heads.{self.name}.classes is {self.classes}"
        )

    @property
    def range_remedy(self) -> str:
        if self.given_as == "amount":
            return (
                f"declare a number in place of groups: heads.{self.name}.kind: regression, with "
                "its minimum and maximum"
            )
        return f"number the groups from 0, or raise heads.{self.name}.classes"

    def range_hint(self, seen: LabelsSeen) -> str:
        if seen.above and seen.smallest >= 1 and seen.largest == self.classes:
            return "They seem to be numbered from 1: number them from 0."
        return ""

    @property
    def cut_into(self) -> int | None:
        return self.classes if self.given_as == "amount" else None

    @property
    def label_groups(self) -> int | None:
        return self.classes if self.given_as == "group" else None

    def cut_remedy(self, fitting: int, *, are_groups: bool) -> str:
        as_groups = f"heads.{self.name}.given_as: group"
        if not fitting:
            number = super().cut_remedy(fitting, are_groups=are_groups)
            return f"{number}, or {as_groups} for groups of your own"
        remedy = f"heads.{self.name}.classes: {fitting}, which fills every group"
        if are_groups:
            remedy += (
                f"; or, where the numbers are groups already, {as_groups}, and number them from 0"
            )
        return remedy

    def missing_remedy(self, occurring: Collection[int]) -> str:
        if len(occurring) == self.classes:
            return super().missing_remedy(occurring)
        remedy = f"if there are no others, set heads.{self.name}.classes: {len(occurring)}"
        if set(occurring) != set(range(len(occurring))):
            remedy += " and number them from 0"
        return remedy

    # Target and answer

    @property
    def width(self) -> int:
        return self.classes

    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """One-hot; amounts are cut at `boundaries`, in float32 as they are stored."""
        groups = np.asarray(labels)
        if self.given_as == "amount":
            boundaries = np.asarray(facts[self.internal("boundaries")], np.float32)
            groups = np.searchsorted(boundaries, groups.astype(np.float32), side="right")
        return np.asarray(np.eye(self.classes)[groups.astype(int)])

    # Scores of judging

    @property
    def term_count(self) -> int:
        """A count of each group, cross-entropy, hits, hits within one group."""
        return self.classes + 3

    def terms(self, label: Array, answer: Array) -> Array:
        group, guess = int(np.argmax(label)), int(np.argmax(answer))
        terms = np.zeros(self.term_count)
        terms[group] = 1.0
        terms[-3] = surprisal(answer[group])
        terms[-2:] = guess == group, abs(guess - group) <= 1
        return terms

    def labels_of(self, sums: Array) -> Array:
        return np.asarray(sums[..., : self.classes].sum(axis=-1))

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count = self.labels_of(sums)
        groups, loss = sums[..., : self.classes], sums[..., -3]
        surprisals = surprisal(ratio(whole[: self.classes], self.labels_of(whole)))
        return {
            "accuracy": ratio(sums[..., -2], count),
            "within_one_group": ratio(sums[..., -1], count),
            "cross_entropy": ratio(loss, count),
            "skill": skill(loss, groups @ surprisals, count),
        }

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """The commonest group, the best placed group, the groups' shares."""
        shares = ratio(whole[: self.classes], self.labels_of(whole))
        return {
            "accuracy": float(shares.max()),
            "within_one_group": float(np.convolve(shares, np.ones(3), mode="same").max()),
            "cross_entropy": float(shares @ surprisal(shares)),
        }

    def comparison_note(self, older: Mapping[str, Any], newer: Mapping[str, Any]) -> str:
        if older.get("boundaries") == newer.get("boundaries"):
            return ""
        return "each model is judged on its own groups, cut at other amounts"
