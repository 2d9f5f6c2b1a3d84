"""Counts over a split as Beam transforms: one element leaves, of fixed size.

Enters: serialized raw or transformed examples, a SavedModel. Leaves: one `Sums`. No element holds
more than one batch of authors, whatever the size of the corpus.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.utils import shared

from components.judging.signatures import LABEL_SIGNATURE, PREDICTION_SIGNATURE, GuardedModel
from components.report.answer_sums import add_sums, count_answers
from components.report.answers import Sums
from components.report.heads import HeadReport
from components.report.scales import Array

# A batch is padded to its longest author: many authors in one would take gigabytes.
AUTHORS_A_BATCH = 64


class AddSums(beam.CombineFn):
    """Adds `count(element)` over all elements; `{}` where there are none."""

    def __init__(self, count: Callable[[Any], Sums] = lambda sums: sums) -> None:
        self._count = count

    def create_accumulator(self) -> Sums:
        return {}

    def add_input(self, accumulator: Sums, element: Any) -> Sums:
        return add_sums(accumulator, self._count(element))

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:
        return functools.reduce(add_sums, accumulators, {})

    def extract_output(self, accumulator: Sums) -> Sums:
        return accumulator


class CountExamples(beam.PTransform):
    """Files of gzipped tf.Examples to the sum of `count(example)`."""

    def __init__(self, pattern: str, count: Callable[[Any], Sums]) -> None:
        super().__init__()
        self._pattern = pattern
        self._count = count

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | beam.io.ReadFromTFRecord(self._pattern)
            | beam.Map(tf.train.Example.FromString)
            | beam.CombineGlobally(AddSums(self._count))
        )


class CountAnswers(beam.PTransform):
    """Files of gzipped raw examples to the sums of a model's answers."""

    def __init__(self, pattern: str, model_path: str, reports: Mapping[str, HeadReport]) -> None:
        super().__init__()
        self._pattern = pattern
        self._asked = AskModel(model_path, reports)

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | beam.io.ReadFromTFRecord(self._pattern)
            | beam.BatchElements(AUTHORS_A_BATCH, AUTHORS_A_BATCH)
            | beam.ParDo(self._asked)
            | beam.CombineGlobally(AddSums())
        )


class AskModel(beam.DoFn):
    """A batch of serialized raw examples to the sums of the model's answers about it."""

    def __init__(self, model_path: str, reports: Mapping[str, HeadReport]) -> None:
        self._model_path = model_path
        self._reports = dict(reports)
        self._shared = shared.Shared()
        self._model: GuardedModel | None = None

    def setup(self) -> None:
        self._model = self._shared.acquire(
            lambda: GuardedModel(self._model_path), tag=self._model_path
        )

    def process(self, batch: Sequence[bytes]) -> Iterator[Sums]:
        assert self._model is not None
        reports = self._reports
        examples = tf.constant(list(batch))
        labels = self._model.signatures[LABEL_SIGNATURE](examples=examples)
        answers = self._model.signatures[PREDICTION_SIGNATURE](examples=examples)
        yield count_answers(
            reports,
            {name: _array(labels[name]) for name in reports},
            {
                name: _array(labels[report.head.known_name])[:, 0] > 0
                for name, report in reports.items()
            },
            {name: _array(answers[name]) for name in reports},
        )


def _array(tensor: Any) -> Array:
    values = np.asarray(tensor, dtype=np.float64)
    return values.reshape(len(values), -1)
