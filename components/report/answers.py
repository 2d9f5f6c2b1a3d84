"""What a model's answers on a split add up to: counts and sums of fixed size, never an author.

Enters: a head's labels and answers for some authors, as arrays. Leaves: `{name: array}`, which adds
up over any parts of the split by plain addition. Called by `answer_sums`; `figures_quality` and
`figures_calibration` draw it. Knows nothing of TFX, Beam and TensorFlow.

| kind | array | what it counts |
|---|---|---|
| regression | `joint` `[bins, bins]` | authors by label and prediction |
| | `errors` `[bands, error bins]` | authors by band of the label, and by prediction minus label |
| | `moments` `[bands, 4]` | count, sums of error, absolute error, squared error |
| | `calibration` `[bins, 3]` | by prediction: count, sums of predictions and of labels |
| | `coverage` `[2]` | authors with an interval, labels inside it |
| classes | `confusion` `[groups, groups]` | authors by group and most probable group |
| classes, binary | `reliability` `[20, 3]` | by stated probability: count, its sum, times true |
| | `reliability_before` | the same of the answer before calibration, where there is one |
| binary | `scores` `[2, 1000]` | authors by value (negative first) and by answered probability |
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.regression import RegressionHead
from components.report.scales import Array, Scale, places

Sums = dict[str, NDArray[np.float64]]

PROBABILITY_EDGES = tuple(k / 20 for k in range(21))
SCORE_EDGES = tuple(k / 1000 for k in range(1001))
CONFIDENCE_EDGES = tuple(k / 100 for k in range(101))
LARGEST_MATRIX = 50
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Answers:
    """One head's answers for some authors; what the model does not answer is None.

    Attributes:
        prediction: `[authors, units]` in natural units.
        before: probabilities before calibration, the same shape.
        lower: `[authors]`, lower end of the interval of a number.
        upper: its upper end.
    """

    prediction: Array
    before: Array | None = None
    lower: Array | None = None
    upper: Array | None = None

    def of(self, rows: NDArray[np.bool_]) -> Answers:
        """Those of some authors."""

        def cut(values: Array | None) -> Array | None:
            return None if values is None else values[rows]

        return Answers(self.prediction[rows], cut(self.before), cut(self.lower), cut(self.upper))


def read_answers(served: Mapping[str, Any], prediction: Array) -> Answers:
    """A head's answers with what its entry in `assets/heads.json` says of their certainty.

    Args:
        served: that entry: of a calibrated classifier it holds `temperature`, by which the
            network's logits were divided; of a number `interval`, `{half_width, coverage}`.
        prediction: `[authors, units]`, as answered.
    """
    temperature, interval = served.get("temperature"), served.get("interval")
    if temperature and served.get("kind") != "regression":
        return Answers(prediction, before=undo_temperature(prediction, float(temperature)))
    if interval:
        value, half = prediction[:, 0], float(interval["half_width"])
        return Answers(prediction, lower=value - half, upper=value + half)
    return Answers(prediction)


def undo_temperature(prediction: Array, temperature: float) -> Array:
    """Probabilities as they were before logits were divided by a temperature.

    One column holds the probability of one of two values, several those of all groups.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    if prediction.shape[1] == 1:
        both = np.concatenate([1.0 - prediction, prediction], axis=1)
        return undo_temperature(both, temperature)[:, 1:]
    powers = np.clip(prediction, SMALLEST_PROBABILITY, 1.0) ** temperature
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


class HeadCounts(ABC):
    """Counts of one kind of head. Labels are `[authors, units]`, all known."""

    def __init__(self, head: Any) -> None:
        self.head = head

    @abstractmethod
    def sums(self, label: Array, answers: Answers) -> Sums:
        """The arrays of the module's table."""

    @abstractmethod
    def errors(self, label: Array, answers: Answers) -> tuple[Array, Array]:
        """Error and signed error of each author (0 where an error has no sign)."""

    @abstractmethod
    def groups(self, label: Array) -> NDArray[np.int64]:
        """Group of each author by label, for the errors of other heads."""

    @abstractmethod
    def group_names(self) -> list[str]:
        """Names of these groups."""

    def confidence(self, answers: Answers) -> Array | None:
        """How sure the model is of each author, 0..1; None where it does not say."""
        return None

    def describe(self) -> dict[str, Any]:
        """What a reader of the arrays needs beside them."""
        return {**self.head.model_dump(), "group_names": self.group_names()}


class RegressionCounts(HeadCounts):
    """Of a number."""

    def __init__(self, head: RegressionHead, scale: Scale) -> None:
        super().__init__(head)
        self.scale = scale

    def sums(self, label: Array, answers: Answers) -> Sums:
        true, answer = label[:, 0], answers.prediction[:, 0]
        error = answer - true
        bins, bands = len(self.scale.edges) - 1, len(self.scale.bands) + 1
        row, column = self.scale.places(true), self.scale.places(answer)
        band = self.scale.band_places(true)
        error_bin = places(self.scale.error_edges, error)
        terms = np.stack([np.ones_like(error), error, np.abs(error), error**2], axis=1)
        return {
            "joint": count_in((row, column), (bins, bins)),
            "errors": count_in((band, error_bin), (bands, len(self.scale.error_edges) - 1)),
            "moments": add_in(band, terms, bands),
            "calibration": add_in(
                column, np.stack([np.ones_like(error), answer, true], axis=1), bins
            ),
            "coverage": _covered(true, answers),
        }

    def errors(self, label: Array, answers: Answers) -> tuple[Array, Array]:
        error = answers.prediction[:, 0] - label[:, 0]
        return np.abs(error), error

    def groups(self, label: Array) -> NDArray[np.int64]:
        return self.scale.band_places(label[:, 0])

    def group_names(self) -> list[str]:
        return self.scale.band_names()

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "scale": self.scale.to_json()}


class ClassesCounts(HeadCounts):
    """Of ordered groups; more than `LARGEST_MATRIX` are counted several to a row."""

    def __init__(self, head: ClassesHead, boundaries: Sequence[float] = ()) -> None:
        super().__init__(head)
        self.boundaries = list(boundaries)
        self.block = math.ceil(head.classes / LARGEST_MATRIX)

    def sums(self, label: Array, answers: Answers) -> Sums:
        guess = answers.prediction.argmax(axis=1)
        size = math.ceil(self.head.classes / self.block)
        sums = {
            "confusion": count_in((self.groups(label), guess // self.block), (size, size)),
            "reliability": _reliability(label, answers.prediction),
        }
        if answers.before is not None:
            sums["reliability_before"] = _reliability(label, answers.before)
        return sums

    def errors(self, label: Array, answers: Answers) -> tuple[Array, Array]:
        gap = answers.prediction.argmax(axis=1) - label.argmax(axis=1)
        return (gap != 0).astype(float), np.zeros(len(gap))

    def groups(self, label: Array) -> NDArray[np.int64]:
        return np.asarray(label.argmax(axis=1) // self.block)

    def group_names(self) -> list[str]:
        names = [
            group_name(number, self.head.classes, self.boundaries)
            for number in range(self.head.classes)
        ]
        if len(set(names)) < len(names):
            names = [f"{number}: {name}" for number, name in enumerate(names)]
        return names[:: self.block]

    def confidence(self, answers: Answers) -> Array | None:
        return np.asarray(answers.prediction.max(axis=1))


class BinaryCounts(HeadCounts):
    """Of one of two values."""

    def sums(self, label: Array, answers: Answers) -> Sums:
        score = answers.prediction[:, 0]
        value = (label[:, 0] > 0.5).astype(np.int64)
        bins = len(SCORE_EDGES) - 1
        sums = {
            "scores": count_in((value, places(SCORE_EDGES, score)), (2, bins)),
            "reliability": _binary_reliability(value, score),
        }
        if answers.before is not None:
            sums["reliability_before"] = _binary_reliability(value, answers.before[:, 0])
        return sums

    def errors(self, label: Array, answers: Answers) -> tuple[Array, Array]:
        missed = (answers.prediction[:, 0] > 0.5) != (label[:, 0] > 0.5)
        return missed.astype(float), np.zeros(len(missed))

    def groups(self, label: Array) -> NDArray[np.int64]:
        return (label[:, 0] > 0.5).astype(np.int64)

    def group_names(self) -> list[str]:
        return [self.head.negative, self.head.positive]

    def confidence(self, answers: Answers) -> Array | None:
        score = answers.prediction[:, 0]
        return np.maximum(score, 1 - score)


def head_counts(head: Any, scale: Scale | None, boundaries: Sequence[float] = ()) -> HeadCounts:
    """The counts of a declared head; a regression head needs its scale."""
    if isinstance(head, RegressionHead):
        assert scale is not None
        return RegressionCounts(head, scale)
    if isinstance(head, ClassesHead):
        return ClassesCounts(head, boundaries)
    assert isinstance(head, BinaryHead)
    return BinaryCounts(head)


def group_name(number: int, classes: int, boundaries: Sequence[float]) -> str:
    """Name of a group: its range where it was cut from an amount, else its number.

    >>> [group_name(number, 3, [20e3, 1.5e6]) for number in range(3)]
    ['below 20k', '20k-1.5M', '1.5M and above']
    """
    if len(boundaries) != classes - 1:
        return str(number)
    if number == 0:
        return f"below {short(boundaries[0])}"
    if number == classes - 1:
        return f"{short(boundaries[-1])} and above"
    return f"{short(boundaries[number - 1])}-{short(boundaries[number])}"


def short(amount: float) -> str:
    """An amount in few characters: 950, 20k, 1.5M, 2B."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            return f"{amount / size:.3g}{unit}"
    return f"{amount:.3g}"


def count_in(index: tuple[NDArray[np.int64], ...], shape: tuple[int, ...]) -> Array:
    """How often each cell is named, `shape`."""
    counts = np.zeros(shape)
    np.add.at(counts, index, 1.0)
    return counts


def add_in(index: NDArray[np.int64], terms: Array, size: int) -> Array:
    """Sums of the terms of each row's place: `[size, terms]`."""
    sums = np.zeros((size, terms.shape[1]))
    np.add.at(sums, index, terms)
    return sums


def _covered(true: Array, answers: Answers) -> Array:
    if answers.lower is None or answers.upper is None:
        return np.zeros(2)
    inside = (answers.lower <= true) & (true <= answers.upper)
    return np.array([float(len(true)), float(inside.sum())])


def _reliability(label: Array, prediction: Array) -> Array:
    """By the probability of the most probable group: count, its sum, hits."""
    stated = prediction.max(axis=1)
    hits = prediction.argmax(axis=1) == label.argmax(axis=1)
    return _reliability_of(stated, hits.astype(float))


def _binary_reliability(value: NDArray[np.int64], score: Array) -> Array:
    """By the probability of the positive value: count, its sum, how often it was the value."""
    return _reliability_of(score, value.astype(float))


def _reliability_of(stated: Array, came_true: Array) -> Array:
    terms = np.stack([np.ones_like(stated), stated, came_true], axis=1)
    return add_in(places(PROBABILITY_EDGES, stated), terms, len(PROBABILITY_EDGES) - 1)
