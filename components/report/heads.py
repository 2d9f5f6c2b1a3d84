"""What the report counts, draws and says of a head: a class per kind, found by `REPORTS`.

Beam's workers count a model's answers by it, as arrays that add up over any parts of a split by
plain addition. The page is drawn by it of what was `counted`: the head's entry in `answers.json`,
which holds its declaration, the names of its groups and the arrays.

| kind | array | what it counts |
|---|---|---|
| a number | `joint` `[bins, bins]` | authors by label and prediction |
| | `errors` `[bands, error bins]` | authors by band of the label, and by prediction minus label |
| | `moments` `[bands, 4]` | count, sums of error, absolute error, squared error |
| | `calibration` `[bins, 3]` | by prediction: count, sums of predictions and of labels |
| | `coverage` `[2]` | authors with an interval, labels inside it |
| classes | `confusion` `[groups, groups]` | authors by group and most probable group |
| binary | `scores` `[2, 1000]` | authors by value (negative first) and by answered probability |
| probabilities | `reliability` `[20, 3]` | by stated probability: count, its sum, times true |
| | `reliability_before` | the same of the answer before calibration, where there is one |
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.calibration import all_groups
from components.heads.classes import ClassesHead
from components.heads.declared import HEADS
from components.heads.kinds import Kinds
from components.heads.served import ServedNumber
from components.report.answers import (
    SCORE_EDGES,
    Sums,
    add_in,
    count_in,
    reliability,
    short,
    undo_temperature,
)
from components.report.drawing import share_interval, with_unit
from components.report.figures_calibration import (
    calibration_figure,
    expected_calibration_error,
    reliability_figure,
)
from components.report.figures_quality import (
    MEAN_ERROR,
    SHARE_WRONG,
    Measure,
    confusion_figure,
    error_figure,
    joint_figure,
    roc_figure,
)
from components.report.markup import Html, paragraph, plot
from components.report.record import Json
from components.report.scales import Array, Scale, places

LARGEST_MATRIX = 50


class HeadReport(ABC):
    """One head in the report. Labels and predictions are `[authors, width]`, labels all known.

    Args:
        head: as declared.
        scale: of its labels, where they are numbers and are counted.
        served: its entry in the model's `assets/heads.json`, where answers are counted.
    """

    loss_note: ClassVar[str]
    """What the network's loss is."""
    loss_unit: ClassVar[str]

    def __init__(self, head: Head, scale: Scale | None = None, served: Json | None = None) -> None:
        self.head, self.scale, self.served = head, scale, served or {}

    # Words

    @property
    @abstractmethod
    def answered(self) -> str:
        """The head and what is answered of it."""

    @property
    def unit(self) -> str:
        """Unit of the labels; empty where they have none."""
        return self.head.metric_unit

    @property
    def axis(self) -> str:
        """The head with its unit."""
        return with_unit(self.head.name, self.unit)

    # What is counted

    @property
    def has_scale(self) -> bool:
        """Whether labels are numbers, so that they are counted in bins of a `Scale`."""
        return False

    @property
    def on_log_axes(self) -> bool:
        """Whether those bins grow geometrically, whatever the labels look like."""
        return False

    @abstractmethod
    def sums(self, label: Array, prediction: Array) -> Sums:
        """The arrays of the module's table."""

    @abstractmethod
    def errors(self, label: Array, prediction: Array) -> tuple[Array, Array]:
        """Error and signed error of each author (0 where an error has no sign)."""

    @abstractmethod
    def groups(self, label: Array) -> NDArray[np.int64]:
        """Group of each author by label, for the errors of other heads."""

    @abstractmethod
    def group_names(self) -> list[str]:
        """Names of these groups."""

    def confidence(self, prediction: Array) -> Array | None:
        """How sure the model is of each author, 0..1; None where it does not say."""
        del prediction
        return None

    def describe(self) -> Json:
        """What a reader of the arrays needs beside them."""
        return {**self.head.model_dump(), "group_names": self.group_names()}

    # What is drawn

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """How errors are drawn by the labels of other heads."""

    @abstractmethod
    def figures(self, counted: Json, level: float) -> list[Html]:
        """Answers against labels, and the calibration; `level` is of intervals."""

    def certainty(self, counted: Json, level: float) -> list[Html]:
        """What is said of how far its certainty holds, beside the figures."""
        del counted, level
        return []


class NumberReport(HeadReport):
    """Of a kind whose labels and answers are one number. Complete, but for words of its loss."""

    loss_note = (
        "squared error, SD being the standard deviation of the training labels (on the scale that "
        "they are learned on)"
    )
    loss_unit = "squared SD"
    has_scale = True
    scale: Scale

    @property
    def answered(self) -> str:
        return f"{self.head.name}, a number" + (f" in {self.unit}" if self.unit else "")

    def sums(self, label: Array, prediction: Array) -> Sums:
        true, answer = label[:, 0], prediction[:, 0]
        error, scale = answer - true, self.scale
        bins, bands = len(scale.edges) - 1, len(scale.bands) + 1
        row, column, band = scale.places(true), scale.places(answer), scale.band_places(true)
        error_bin, one = places(scale.error_edges, error), np.ones_like(error)
        return {
            "joint": count_in((row, column), (bins, bins)),
            "errors": count_in((band, error_bin), (bands, len(scale.error_edges) - 1)),
            "moments": add_in(band, (one, error, np.abs(error), error**2), bands),
            "calibration": add_in(column, (one, answer, true), bins),
            "coverage": self._covered(true, answer),
        }

    def _covered(self, true: Array, answer: Array) -> Array:
        interval = self.served.get("interval")
        if not interval:
            return np.zeros(2)
        lower, upper = ServedNumber.model_validate({**self.head.model_dump(), **self.served}).ends(
            answer
        )
        inside = (lower <= true) & (true <= upper)
        return np.array([float(len(true)), float(inside.sum())])

    def errors(self, label: Array, prediction: Array) -> tuple[Array, Array]:
        error = prediction[:, 0] - label[:, 0]
        return np.abs(error), error

    def groups(self, label: Array) -> NDArray[np.int64]:
        return self.scale.band_places(label[:, 0])

    def group_names(self) -> list[str]:
        return self.scale.band_names()

    def describe(self) -> Json:
        learned_on = self.served.get("learned_on")
        found = {"learned_on": learned_on} if learned_on else {}
        return {**super().describe(), **found, "bins": self.scale.to_json()}

    @property
    def on_log_axes(self) -> bool:
        return bool(self.served.get("learned_on", {}).get("name") == "log")

    @property
    def measure(self) -> Measure:
        return MEAN_ERROR._replace(title=with_unit(MEAN_ERROR.title, self.unit))

    def figures(self, counted: Json, level: float) -> list[Html]:
        name = self.head.name
        # As an earlier release called them.
        counted = {"bins": counted.get("scale"), **counted}
        return [
            plot(
                f"joint {name}",
                joint_figure(counted, self.axis),
                f"Authors by true and predicted {name}; on the dashed line both agree.",
            ),
            plot(
                f"errors {name}",
                error_figure(counted, self.axis, self.unit),
                f"Error by band of the true {name}: line the median, box the middle half, "
                "whiskers the middle 90 %; MAE is the mean absolute error.",
            ),
            plot(
                f"calibration {name}",
                calibration_figure(counted, self.axis),
                f"Mean true {name} of the authors of whom a like {name} is predicted.",
            ),
        ]

    def certainty(self, counted: Json, level: float) -> list[Html]:
        """On which scale it is learned, and how many labels lie inside the interval."""
        note = self.head.scale_note(counted)
        said = (
            [paragraph(f"Learned and judged on another scale ({note}); errors are in its unit.")]
            if note
            else []
        )
        count, inside = counted["arrays"].get("coverage", (0, 0))
        interval = counted.get("interval")
        if not (count and interval):
            return said
        low, high = share_interval(inside, count, level)
        unit = "on that scale" if note else self.unit
        half_width = f"{interval['half_width']:.3g} {unit}".rstrip()
        return [
            *said,
            paragraph(
                f"The interval of {self.head.name}, the answer ± {half_width}, is meant to hold "
                f"{interval['coverage']:.0%} of the true labels; it held {inside / count:.1%} "
                f"[{low:.1%}, {high:.1%}]."
            ),
        ]


class ProbabilitiesReport(HeadReport):
    """Of a kind that answers probabilities."""

    loss_note = "cross-entropy"
    loss_unit = "nats"
    measure = SHARE_WRONG

    @property
    @abstractmethod
    def event(self) -> str:
        """What a probability is of."""

    @abstractmethod
    def chosen(self, values: Array) -> NDArray[np.int64]:
        """The value or group that a label is, or the one that an answer makes most probable."""

    @abstractmethod
    def stated(self, label: Array, prediction: Array) -> tuple[Array, NDArray[Any]]:
        """The probability of the event, and whether it came true."""

    def sums(self, label: Array, prediction: Array) -> Sums:
        sums = {"reliability": reliability(*self.stated(label, prediction))}
        if temperature := self.served.get("temperature"):
            before = undo_temperature(prediction, float(temperature))
            sums["reliability_before"] = reliability(*self.stated(label, before))
        return sums

    def errors(self, label: Array, prediction: Array) -> tuple[Array, Array]:
        wrong = self.chosen(prediction) != self.chosen(label)
        return wrong.astype(float), np.zeros(len(wrong))

    def groups(self, label: Array) -> NDArray[np.int64]:
        return self.chosen(label)

    def confidence(self, prediction: Array) -> Array:
        return np.asarray(all_groups(prediction).max(axis=1))

    def figures(self, counted: Json, level: float) -> list[Html]:
        return [
            plot(
                f"calibration {self.head.name}",
                reliability_figure(counted, self.event, level),
                f"How often a stated probability of {self.head.name} came true. "
                f"{_calibration_error(counted)}",
            ),
        ]


class ClassesReport(ProbabilitiesReport):
    """Of ordered groups; more than `LARGEST_MATRIX` are counted several to a row."""

    head: ClassesHead
    event = "the most probable group"

    @property
    def block(self) -> int:
        """Groups that are counted in one row."""
        return math.ceil(self.head.classes / LARGEST_MATRIX)

    @property
    def answered(self) -> str:
        return f"{self.head.name}, probabilities of {self.head.classes} ordered groups"

    @property
    def unit(self) -> str:
        """Of the amount that groups were cut from."""
        return self.head.unit if self.has_scale else ""

    @property
    def has_scale(self) -> bool:
        return self.head.cut_into is not None

    def chosen(self, values: Array) -> NDArray[np.int64]:
        return np.asarray(values.argmax(axis=1))

    def stated(self, label: Array, prediction: Array) -> tuple[Array, NDArray[Any]]:
        return prediction.max(axis=1), self.chosen(prediction) == self.chosen(label)

    def sums(self, label: Array, prediction: Array) -> Sums:
        size = math.ceil(self.head.classes / self.block)
        cells = self.groups(label), self.groups(prediction)
        return {"confusion": count_in(cells, (size, size)), **super().sums(label, prediction)}

    def groups(self, label: Array) -> NDArray[np.int64]:
        return np.asarray(self.chosen(label) // self.block)

    def group_names(self) -> list[str]:
        count, boundaries = self.head.classes, self.served.get("boundaries") or ()
        names = [group_name(number, count, boundaries) for number in range(count)]
        if len(set(names)) < len(names):
            names = [f"{number}: {name}" for number, name in enumerate(names)]
        return names[:: self.block]

    def figures(self, counted: Json, level: float) -> list[Html]:
        name = self.head.name
        confusion = plot(
            f"confusion {name}",
            confusion_figure(counted, self.unit),
            f"Authors by true {name} group (rows) and most probable group (columns).",
        )
        return [confusion, *super().figures(counted, level)]


class BinaryReport(ProbabilitiesReport):
    """Of one of two values."""

    head: BinaryHead

    @property
    def event(self) -> str:
        return self.head.positive

    @property
    def answered(self) -> str:
        head = self.head
        return f"{head.name}, the probability of {head.positive} (else {head.negative})"

    def chosen(self, values: Array) -> NDArray[np.int64]:
        return (values[:, 0] > 0.5).astype(np.int64)

    def stated(self, label: Array, prediction: Array) -> tuple[Array, NDArray[Any]]:
        return prediction[:, 0], self.chosen(label)

    def sums(self, label: Array, prediction: Array) -> Sums:
        bins = places(SCORE_EDGES, prediction[:, 0])
        scores = count_in((self.chosen(label), bins), (2, len(SCORE_EDGES) - 1))
        return {"scores": scores, **super().sums(label, prediction)}

    def group_names(self) -> list[str]:
        return [self.head.negative, self.head.positive]

    def figures(self, counted: Json, level: float) -> list[Html]:
        positive = self.head.positive
        roc = plot(
            f"roc {self.head.name}",
            roc_figure(counted),
            f"Share of {positive} found against share of {self.head.negative} taken for "
            f"{positive}, over all bounds of the probability.",
        )
        return [roc, *super().figures(counted, level)]


REPORTS: Kinds[HeadReport] = Kinds(
    "authorprofile.reports",
    HeadReport,  # type: ignore[type-abstract]
    regression=NumberReport,
    classes=ClassesReport,
    binary=BinaryReport,
)


def report_of(declared: Json) -> HeadReport:
    """What the page says of a head, from its declaration or its entry in `answers.json`.

    Not validated: a run of an earlier release is drawn as it was.
    """
    kind = declared["kind"]
    return REPORTS[kind](HEADS[kind].model_construct(**declared))


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


def _calibration_error(counted: Json) -> str:
    now = expected_calibration_error(counted["arrays"]["reliability"])
    before = expected_calibration_error(counted["arrays"].get("reliability_before", []))
    if now is None:
        return ""
    if before is None:
        return f"Expected calibration error {now:.3f}; the model answers nothing uncalibrated."
    return f"Expected calibration error {before:.3f} before calibration, {now:.3f} after."
