"""One of two values; any other value is unknown.

Trained by cross-entropy, which the share of the positive value minimises; answered by its
probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from components.heads.arrays import Array, np
from components.heads.base import LabelError, LabelValue, Stored
from components.heads.links import LogitLink
from components.heads.metrics import Metric
from components.heads.probabilities import ProbabilitiesHead, surprisal
from components.heads.scoring import BINS, ratio, skill
from components.heads.served import NEVER, Abstention, ServedProbabilities, Text
from components.label_values import (
    NOTHING,
    Compared,
    compare_as,
    is_blank,
    is_code,
    spell,
    spellings_of,
)


class ServedBinary(ServedProbabilities):
    """The probability of the positive value; the rest is the negative one's."""

    positive: Text
    negative: Text

    @property
    def columns(self) -> list[str]:
        """The probability of each value."""
        return [f"{self.name}_{self.positive}", f"{self.name}_{self.negative}"]

    def answer(self, numbers: Sequence[float]) -> dict[str, float]:
        """Each value's probability."""
        return {self.positive: numbers[0], self.negative: round(1 - numbers[0], 9)}

    def row(self, answer: Any) -> list[Any]:
        return [answer[self.positive], answer[self.negative]]

    def described(self, numbers: Sequence[float], abstention: Abstention = NEVER) -> dict[str, Any]:
        """`probabilities` by value, `confidence`.

        >>> ServedBinary(name="g", kind="binary", positive="f", negative="m").described([0.75])
        {'probabilities': {'f': 0.75, 'm': 0.25}}
        """
        by_value = self.answer(numbers)
        sureness = self.sureness(list(by_value.values()), abstention)
        return {"probabilities": by_value, **sureness}

    def explained_as(self, column: int) -> str:
        del column
        return f"probability of {self.positive}"


class BinaryHead(ProbabilitiesHead):
    """One of two values."""

    metrics = (
        Metric("auc", "AUC", "AUC"),
        Metric("accuracy", "accuracy", "accuracy"),
        Metric("cross_entropy", "cross-entropy, nats", "cross-entropy", on_console=False),
    )
    slice_metric = "accuracy"
    served = ServedBinary
    link_class = LogitLink

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

    # Labels

    @property
    def stored_as(self) -> Stored:
        return "text"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> str | None:
        """The positive or the negative value as declared, None for any other.

        A value that is declared wins over a spelling of unknown. See the base class.
        """
        del unknown
        if is_blank(value):
            return None
        if not is_code(value):
            raise LabelError(f"{self.field} is neither text, a number nor a boolean")
        return self._declared.get(self._compare_as(value))

    @property
    def label_values(self) -> tuple[str, str]:
        return self.positive, self.negative

    @property
    def value_rule(self) -> str:
        return f"heads.{self.name}.positive and heads.{self.name}.negative say which two"

    # Target and answer

    @property
    def width(self) -> int:
        return 1

    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """1 for the positive value, 0 for the negative one."""
        del facts
        return np.array([[float(label == self.positive)] for label in labels])

    # Scores of judging

    @property
    def term_count(self) -> int:
        """Count, positive ones, cross-entropy, hits at 0.5."""
        return 4

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """Counts of both values by answer, the negative one first."""
        return 2, BINS

    def terms(self, label: Array, answer: Array) -> Array:
        positive, share = float(label[0]) > 0.5, float(answer[0])
        loss = float(surprisal(share if positive else 1.0 - share))
        return np.array([1.0, positive, loss, positive == (share > 0.5)])

    def deposit(self, histogram: Array, label: Array, answer: Array) -> None:
        place = int(np.clip(float(answer[0]) * BINS, 0, BINS - 1))
        histogram[int(label[0] > 0.5), place] += 1.0

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count, positives, loss, hits = np.moveaxis(sums, -1, 0)
        share = ratio(whole[1], whole[0])
        constant_loss = positives * surprisal(share) + (count - positives) * surprisal(1 - share)
        return {
            "accuracy": ratio(hits, count),
            "cross_entropy": ratio(loss, count),
            "skill": skill(loss, constant_loss, count),
        }

    def ranked_scores(self, histogram: Array) -> dict[str, Array]:
        """AUC: share of (negative, positive) pairs in the right order, a tie counting half."""
        negatives, positives = histogram[..., 0, :], histogram[..., 1, :]
        below = np.cumsum(negatives, axis=-1) - negatives / 2
        pairs = negatives.sum(axis=-1) * positives.sum(axis=-1)
        return {"auc": ratio((positives * below).sum(axis=-1), pairs)}

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """AUC of chance, the commoner value, the values' shares."""
        share = ratio(whole[1], whole[0])
        entropy = share * surprisal(share) + (1 - share) * surprisal(1 - share)
        return {
            "auc": 0.5,
            "accuracy": float(np.maximum(share, 1 - share)),
            "cross_entropy": float(entropy),
        }

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
