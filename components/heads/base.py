"""What every kind of head has: the class that `regression`, `classes` and `binary` derive from.

A head is declared in the configuration's section `heads` and travels between processes as JSON.
All that depends on its kind is asked of it: how a label is read and checked, what the network is
trained towards, how an answer is scored, calibrated and shrunk, and, of a served model, what people
read (`served`). Its TensorFlow part is in `components.training.heads`, its figures and words in
`components.report.heads`; both are found by the kind's name.

A target is a label as the network is trained towards it, an output what the network gives on that
scale, an answer an output in the unit of the label. Plain Python and numpy; all four of some
authors are float64 `[authors, width]`.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.heads.arrays import Array
from components.heads.calibration import Calibration, least
from components.heads.links import Link
from components.heads.metrics import Metric
from components.heads.names import internal_name
from components.heads.served import ServedHead
from components.label_values import NOTHING, Compared

LabelValue = float | int | str
Stored = Literal["number", "whole number", "text"]
"""How examples hold a label: float32, int64 or bytes."""


class LabelError(ValueError):
    """A label field holds something its head cannot read; the message holds the rule."""


class LabelsSeen(NamedTuple):
    """What an audit counted of a head's numeric labels, over all splits.

    Attributes:
        known: labels that could be read.
        smallest, largest: of them.
        above: how many of them lie above the head's range.
    """

    known: int
    smallest: float
    largest: float
    above: int


def as_stored(number: float) -> float:
    """The number as examples hold it, in float32: what every stage behind the join reads.

    >>> as_stored(0.1)
    0.10000000149011612
    """
    return ctypes.c_float(number).value


class Head(BaseModel, ABC):
    """One attribute that is predicted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: ClassVar[tuple[Metric, ...]]
    """What it is scored by beside skill; the first is the one that people know best."""
    slice_metric: ClassVar[str]
    """Key of the metric that the report shows of each slice."""
    sliced: ClassVar[bool] = True
    """Whether authors who share its value (or band of values) are judged on their own."""
    served: ClassVar[type[ServedHead]]
    """How a served model describes its answers."""
    link_class: ClassVar[type[Link]]
    """How a linear model's scores become its logits and answers."""
    facts: ClassVar[tuple[str, ...]] = ()
    """What `scale_and_offset` needs of the labels of `train`, one number each."""
    scale_facts: ClassVar[tuple[str, ...]] = ()
    """What `natural` needs beside them, where the head is learned on another scale; an earlier
    release left none."""

    name: str = Field("", description="name of the head: the output's name in the served model")
    field: str = Field("", description="field of the label record; by default the head's name")
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _field_follows_name(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("field"):
            return {**values, "field": values.get("name", "")}
        return values

    # Names

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

    @property
    def columns(self) -> list[str]:
        """Columns of its answers in a table of predictions.

        Raises ValueError where the classes of the kind disagree over the numbers of an answer.
        """
        entry = self.served.model_validate(self.model_dump(exclude_none=True))
        if entry.width != self.width:
            raise ValueError(
                f"heads.{self.name}: the width of {type(self).__name__} and of its served class "
                f"{type(entry).__name__} must be the same; they are {self.width} and {entry.width}"
            )
        return entry.columns

    # Labels, as files give them

    @property
    @abstractmethod
    def stored_as(self) -> Stored:
        """How examples hold a label."""

    @abstractmethod
    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> LabelValue | None:
        """The label, None where it is unknown.

        Args:
            value: as the file gives it.
            unknown: how an unknown value is given, as `label_values.compare_as` gives it.

        Raises:
            LabelError: it is neither a label nor unknown.
        """

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

    def range_hint(self, seen: LabelsSeen) -> str:
        """What numbers outside of the bounds seem to be, as a sentence; empty if that is open."""
        del seen
        return ""

    @property
    def label_values(self) -> tuple[str, ...]:
        """All values that a label stored as text may have; empty: any."""
        return ()

    @property
    def value_rule(self) -> str:
        """Which settings say what values a label may have, for people; empty: any number is."""
        return ""

    def counted_as(self, value: LabelValue) -> str | None:
        """The name under which an audit counts a valid label; None where labels are too many."""
        return str(value) if self.label_groups or isinstance(value, str) else None

    @property
    def cut_into(self) -> int | None:
        """Into how many groups amounts are cut, at the quantiles of `train`; None: not at all."""
        return None

    @property
    def label_groups(self) -> int | None:
        """How many groups, numbered from 0, labels are given as; None where they are no groups."""
        return None

    def cut_remedy(self, fitting: int, *, are_groups: bool) -> str:
        """What can be set where too few amounts differ to fill all groups that they are cut into.

        Args:
            fitting: the most groups that would all be filled; 0 where no number of groups would.
            are_groups: whether the amounts look as if they were groups already.
        """
        del fitting, are_groups
        return f"heads.{self.name}.kind: regression for the number itself"

    def missing_remedy(self, occurring: Collection[int]) -> str:
        """What can be done where some group has no label in `train`; of `label_groups`.

        Args:
            occurring: groups of labels in any split.
        """
        del occurring
        return "add authors of the others"

    # The target and the answer

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers in one author's target and in the answer."""

    @abstractmethod
    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """What the network is trained towards: `[labels, width]`.

        The transform graph computes the same (`components.training.heads`), over unknown labels
        too.

        Args:
            labels: parsed and known.
            facts: what the training split says of the labels, such as `age.mean`.
        """

    def facts_of(self, labels: Array) -> dict[str, Array]:
        """`facts` and `scale_facts` of known labels, numbers `[labels]`, as the graph learns them.

        By their names within the head.
        """
        del labels
        return {}

    def found(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What of the facts `assets/heads.json` says beside the declaration; JSON."""
        del facts
        return {}

    def judged_by(self, entry: Mapping[str, Any]) -> Self:
        """The head as it is judged: on the scale that a model's entry in `heads.json` names."""
        del entry
        return self

    def scale_note(self, entry: Mapping[str, Any]) -> str:
        """On which scale it is learned and judged and why, for people; empty: on its own."""
        del entry
        return ""

    def moved_scale(self, older: Mapping[str, Any], newer: Mapping[str, Any]) -> str:
        """Why outputs under older facts are no outputs under newer ones; empty where they are.

        But for `scale_and_offset`, that is.
        """
        del older, newer
        return ""

    def scale_and_offset(self, facts: Mapping[str, Any]) -> tuple[Any, Any]:
        """(scale, offset) of targets and outputs: scale * output + offset is the answer.

        A warm start moves the last layer by them, so a kind that has `facts` answers linearly, or
        linearly on the scale of its `scale_facts`.
        """
        del facts
        return 1.0, 0.0

    def natural(self, outputs: Any, facts: Mapping[str, Any]) -> Any:
        """Targets or outputs in the units of the answer, `[authors, width]`; arrays or tensors."""
        scale, offset = self.scale_and_offset(facts)
        return outputs * scale + offset

    # The score of training and of the search, on targets and outputs

    @abstractmethod
    def losses(self, outputs: Array, targets: Array) -> Array:
        """Proper score of each author, `[authors]`: 0 is the best that there is.

        Args:
            outputs: of the network, `[authors, width]`.
            targets: the same shape.
        """

    def moments(self, targets: Array) -> Array:
        """Terms of each author, `[authors, terms]`, whose sums `constant_loss` takes.

        The first `width` are the target itself: its mean is the best constant answer.
        """
        return targets

    @abstractmethod
    def constant_loss(self, known: float, sums: Array) -> float:
        """Mean loss of the best constant answer.

        Args:
            known: labels, more than 0.
            sums: of `moments` over them.
        """

    # The linear model's link

    def link(self, targets: Array) -> Link:
        """The link of its linear model; `targets` are known ones of `train`, `[n, width]`."""
        return self.link_class.of(targets)

    def read_link(self, content: Mapping[str, Any]) -> Link:
        """The inverse of `Link.to_json`."""
        return self.link_class.from_json(content)

    # Calibration and shrinkage, fitted on held-out authors

    def calibrate(
        self, outputs: Array, targets: Array, *, coverage: float, lowest: float, scale: float
    ) -> Calibration:
        """How sure its answers may be; see `components.training.calibration`.

        Args:
            outputs: `[authors, width]`.
            targets: the same shape.
            coverage: share of the labels that an interval is to hold.
            lowest: temperature that may not be gone below.
            scale: what 1 of an output is in the unit of the answer, or on the head's scale.
        """
        del outputs, coverage, lowest, scale
        return Calibration(labels=len(targets))

    def best_share(self, outputs: Array, targets: Array, constant: Array) -> float:
        """The share of the way from the constant to the outputs at which the loss is least."""

        def loss(share: float) -> float:
            return float(self.losses(constant + share * (outputs - constant), targets).mean())

        return least(loss, 0.0, 1.0)

    @abstractmethod
    def first_gains(self, outputs: Array, targets: Array, constant: Array) -> Array:
        """What each author's loss falls by with the first step from the constant to the output.

        Minus the derivative of the loss by the share, at a share of 0: `[authors]`.
        """

    # The scores of judging, in natural units, from sums over authors in any order

    @property
    @abstractmethod
    def term_count(self) -> int:
        """Terms of one author."""

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """Of what `deposit` adds up."""
        return (0,)

    @abstractmethod
    def terms(self, label: Array, answer: Array) -> Array:
        """One author's terms, `[term_count]`; label and answer are `[width]`."""

    def deposit(self, histogram: Array, label: Array, answer: Array) -> None:
        """Adds one author to the histogram, in place; nothing where a head keeps none."""

    def labels_of(self, sums: Array) -> Array:
        """Weighted number of known labels; `sums` end in the axis of the terms."""
        return sums[..., 0]

    @abstractmethod
    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        """Scores by metric and `skill`, NaN where undefined.

        Skill is 1 - loss / loss of the constant that is best in hindsight on these authors. That
        constant is fitted once, on all of them, and held in every replicate: fitting it anew would
        count its overfit a second time (on 50 authors and ten groups the interval then held the
        truth in 77 % of simulated splits, and in 91 % with the constant held).

        Args:
            sums: of terms, `[..., term_count]`; any axes before the last are kept.
            whole: the terms summed over all authors.
        """

    def author_counts(self, histogram: Array) -> Array:
        """The rows of the histogram that count authors, which `ranked_scores` takes."""
        return histogram

    def ranked_scores(self, histogram: Array) -> dict[str, Array]:
        """Scores that need an order of the authors; the last two axes are those of their counts."""
        del histogram
        return {}

    @abstractmethod
    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """The constant predictor's own scores, by the same names."""

    def comparison_note(self, older: Mapping[str, Any], newer: Mapping[str, Any]) -> str:
        """What to mind where two models are compared, by their entries in `assets/heads.json`."""
        del older, newer
        return ""

    @property
    def metric_unit(self) -> str:
        """Unit of those metrics that have one."""
        return ""
