"""Mean and variance of labels, the same to the last bit on every Beam runner.

Enters: a batch's labels, float32. Leaves: mean and variance over all batches, float64. An analyzer
of tf.Transform.

A sum of floats depends on the order of its terms, which no runner promises. Each float32 is a
whole multiple of 2^-149, and its square of 2^-298: sums of those multiples are whole numbers, exact
in any order, and one division at the end rounds each moment once. `tft.mean` and `tft.var` say
the same but for the last digits. An accumulator takes some hundred bytes.

    2, 4, 9  ->  3 labels, sum 15, squares 101  ->  mean 5, variance 101/3 - 25
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from apache_beam.pvalue import PCollection
from numpy.typing import NDArray

# float32's smallest number above 0 is 2^-149. Its largest number is below 2^128, so that a square
# in such units, below 2^554, is itself exact in float64.
UNIT_EXPONENT = -149

Sums = tuple[int, int, int]
"""Labels, their sum in units of 2^-149, the sum of their squares in units of 2^-298."""


def mean_and_variance(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of all labels of the analyzed data; both 0 where there are none.

    Args:
        labels: float32 `[labels]`, finite.

    Returns:
        Mean and population variance, float64 `[]` each, correctly rounded.
    """
    mean, variance = tft.experimental.ptransform_analyzer(
        inputs=[labels],
        ptransform=_Moments(),
        output_dtypes=[tf.float64, tf.float64],
        output_shapes=[[], []],
        name="moments",
    )
    return mean, variance


class ExactSums(beam.CombineFn):
    """In: float32 `[labels]` in a tuple. Out: `Sums`."""

    def create_accumulator(self) -> Sums:
        return 0, 0, 0

    def add_input(self, sums: Sums, batch: tuple[NDArray[np.float32]]) -> Sums:
        values = np.asarray(batch[0], np.float64)
        total = sum(map(int, np.ldexp(values, -UNIT_EXPONENT)))
        squares = sum(map(int, np.ldexp(np.square(values), -2 * UNIT_EXPONENT)))
        return self.merge_accumulators([sums, (len(values), total, squares)])

    def merge_accumulators(self, several: Iterable[Sums]) -> Sums:
        count, total, squares = map(sum, zip((0, 0, 0), *several, strict=True))
        return count, total, squares

    def extract_output(self, sums: Sums) -> Sums:
        return sums


class _Moments(beam.PTransform):
    """In: float32 `[labels]` in tuples. Out: mean, variance."""

    def expand(self, batches: PCollection) -> tuple[PCollection, PCollection]:
        sums = batches | "Sums" >> beam.CombineGlobally(ExactSums())
        return sums | "Mean" >> beam.Map(mean_of), sums | "Variance" >> beam.Map(variance_of)


def mean_of(sums: Sums) -> NDArray[np.float64]:
    """Mean, `[]`; 0 of no labels."""
    count, total, _ = sums
    return np.array(float(Fraction(total, count << -UNIT_EXPONENT)) if count else 0.0)


def variance_of(sums: Sums) -> NDArray[np.float64]:
    """Population variance, `[]`; 0 of no labels."""
    count, total, squares = sums
    if not count:
        return np.array(0.0)
    unit = 1 << -2 * UNIT_EXPONENT
    return np.array(float(Fraction(count * squares - total * total, count * count * unit)))
