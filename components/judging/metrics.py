"""The one TFMA metric of this pipeline: a head's scores with intervals, in one pass over authors.

Enters: TFMA's extracts of one author (label, prediction and mask of a head by every model, and
`author_id`). Leaves: per model, TFMA metric keys under the head's output name:

| key | value |
|---|---|
| `mae`, `accuracy`, ..., `skill` (see `Head.scores`) | `BoundedValue`: score, lower and upper end |
| `constant_mae`, `constant_accuracy`, ... | the constant baseline's own |
| `labels` | authors whose label is known |
| `skill`, marked as a difference | candidate minus deployed model, paired, `BoundedValue` |
| `added_skill`, of the candidate | candidate minus linear baseline, the same |

Loaded by TFMA by module and class. One accumulator holds 1 + REPLICATES rows of sums, whatever the
number of authors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tfx  # noqa: F401  TFMA imports half of itself only, unless tfx came first

# isort: split
import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from components.heads.base import Head
from components.heads.declared import heads_from_json
from components.heads.metrics import SKILL
from components.judging.bootstrap import (
    REPLICATES,
    Array,
    author_weights,
    interval,
    ranked_scores,
)
from components.judging.signatures import LINEAR_SIGNATURE

AUTHOR_ID = "author_id"
LABELS = "labels"
CONSTANT_PREFIX = "constant_"
ADDED_SKILL = "added_skill"

CANDIDATE, BASELINE = constants.CANDIDATE_KEY, constants.BASELINE_KEY
LINEAR = LINEAR_SIGNATURE
"""TFMA's names of the models: what is judged, the deployed model, the linear baseline."""

Sums = tuple[Array, Array]


class AuthorScores(tfma.metrics.Metric):
    """A head's scores, of every model in `MetricsSpec.model_names`."""

    def __init__(
        self, head: str, confidence: float, entry: str = "{}", name: str = "author_scores"
    ) -> None:
        """A head's metric.

        Args:
            head: as `heads_to_json` of it alone.
            confidence: level of the intervals.
            entry: what the candidate's `assets/heads.json` says of it, as JSON.
            name: as TFMA asks for it.
        """
        super().__init__(_computations, head=head, confidence=confidence, entry=entry, name=name)


def _computations(
    head: str,
    confidence: float,
    entry: str,
    name: str,
    eval_config: Any,
    model_names: list[str],
    output_names: list[str],
    example_weighted: bool,
) -> list[metric_types.MetricComputation]:
    """One computation for all models, so that they share each author's weights."""
    del name
    (declared,) = heads_from_json(head)
    (output_name,) = output_names
    judged = declared.judged_by(json.loads(entry))
    combiner = AuthorScoresCombiner(
        judged, confidence, output_name, model_names, eval_config, example_weighted
    )
    return [
        metric_types.MetricComputation(
            keys=[combiner.key(LABELS, model_name) for model_name in model_names],
            preprocessors=[metric_types.FeaturePreprocessor(feature_keys=[AUTHOR_ID])],
            combiner=combiner,
        )
    ]


@dataclass(eq=False)
class AuthorScoresCombiner(beam.CombineFn):
    """Sums of one head, by model: `[1 + REPLICATES, terms]`, and a histogram of the split."""

    head: Head
    confidence: float
    output_name: str
    model_names: list[str]
    eval_config: Any
    example_weighted: bool

    def key(self, name: str, model_name: str, is_diff: bool = False) -> metric_types.MetricKey:
        """TFMA's key of a score of this head."""
        return metric_types.MetricKey(
            name=name,
            model_name=model_name,
            output_name=self.output_name,
            example_weighted=self.example_weighted,
            is_diff=is_diff,
        )

    def create_accumulator(self) -> list[Sums]:
        return [
            (
                np.zeros((1 + REPLICATES, self.head.term_count)),
                np.zeros(self.head.histogram_shape),
            )
            for _ in self.model_names
        ]

    def add_input(
        self, accumulator: list[Sums], element: metric_types.StandardMetricInputs
    ) -> list[Sums]:
        author_id = np.asarray(element.features[AUTHOR_ID]).ravel()[0]
        for model_name, (sums, histogram) in zip(self.model_names, accumulator, strict=True):
            for label, prediction, weight in metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self.eval_config,
                model_name=model_name,
                output_name=self.output_name,
                example_weighted=self.example_weighted,
                flatten=False,
                squeeze=False,
            ):
                if not np.any(weight):
                    continue
                label = np.asarray(label, dtype=np.float64).ravel()
                prediction = np.asarray(prediction, dtype=np.float64).ravel()
                terms = self.head.terms(label, prediction)
                sums += author_weights(author_id)[:, np.newaxis] * terms
                self.head.deposit(histogram, label, prediction)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[Sums]]) -> list[Sums]:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            for total, part in zip(merged, accumulator, strict=True):
                for mine, other in zip(total, part, strict=True):
                    mine += other
        return merged

    def extract_output(self, accumulator: list[Sums]) -> dict[metric_types.MetricKey, Any]:
        output: dict[metric_types.MetricKey, Any] = {}
        skills: dict[str, tuple[int, Array]] = {}
        for model_name, (sums, histogram) in zip(self.model_names, accumulator, strict=True):
            whole = sums[0]
            labels = int(self.head.labels_of(whole))
            scores = {
                **ranked_scores(self.head, histogram),
                **self.head.scores(sums, whole),
            }
            for name, values in scores.items():
                output[self.key(name, model_name)] = self._bounded(values, labels)
            for name, value in self.head.constants(whole, histogram).items():
                output[self.key(CONSTANT_PREFIX + name, model_name)] = value
            output[self.key(LABELS, model_name)] = labels
            skills[model_name] = labels, scores[SKILL]
        if BASELINE in skills:
            key = self.key(SKILL, CANDIDATE, is_diff=True)
            output[key] = self._difference(skills, BASELINE)
        if LINEAR in skills:
            output[self.key(ADDED_SKILL, CANDIDATE)] = self._difference(skills, LINEAR)
        return output

    def _difference(
        self, skills: Mapping[str, tuple[int, Array]], other: str
    ) -> metrics_for_slice_pb2.BoundedValue:
        """The candidate's skill minus another model's, in the same replicates."""
        (labels, candidate), (other_labels, compared) = skills[CANDIDATE], skills[other]
        return self._bounded(candidate - compared, min(labels, other_labels))

    def _bounded(self, values: Array, labels: int) -> metrics_for_slice_pb2.BoundedValue:
        value = float(values[0])
        lower, upper = interval(values[1:], labels, self.confidence)
        bounded = metrics_for_slice_pb2.BoundedValue()
        bounded.value.value = value
        # Where all replicates agree, their rounding must not leave the score outside.
        bounded.lower_bound.value = min(lower, value)
        bounded.upper_bound.value = max(upper, value)
        return bounded
