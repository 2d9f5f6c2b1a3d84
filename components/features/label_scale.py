"""The scale of a number's labels, found in one pass over them: an analyzer of tf.Transform.

Enters: a batch's labels, float32. Leaves: what `components.heads.scale.fit_scale` says of the
quantiles of all of them, as constants of the graph. The sketch is tf.Transform's own, with the
error that groups of amounts are cut with.
"""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from apache_beam.pvalue import PCollection
from numpy.typing import NDArray
from tfx_bsl.sketches import QuantilesSketch

from components.heads.scale import KNOTS, LEVELS, ScaleSetting, fit_scale
from components.ingest.amounts import QUANTILE_ERROR

_MOST_LABELS = 1 << 32
"""The error of the sketch holds up to that many."""
_SIZES = {"scale": 1, "offset": 1, "knots": KNOTS, "scores": KNOTS, "mean": 1, "deviation": 1}


def find_scale(labels: tf.Tensor, setting: ScaleSetting) -> dict[str, tf.Tensor]:
    """`FACTS` of all labels of the analyzed data, and their mean and deviation on that scale.

    Args:
        labels: float32 `[labels]`, finite.
        setting: of the head.

    Returns:
        float32 `[1]` or `[KNOTS]` each.
    """
    found = tft.experimental.ptransform_analyzer(
        inputs=[labels],
        ptransform=_Scale(setting),
        output_dtypes=[tf.float32] * len(_SIZES),
        output_shapes=[[size] for size in _SIZES.values()],
        name="scale",
    )
    return dict(zip(_SIZES, found, strict=True))


class _Levels(beam.CombineFn):
    """In: float32 `[labels]` in a tuple. Out: the quantiles; zeros of no labels."""

    def create_accumulator(self) -> QuantilesSketch:
        return QuantilesSketch(QUANTILE_ERROR, _MOST_LABELS, 1)

    def add_input(
        self, sketch: QuantilesSketch, batch: tuple[NDArray[np.float32]]
    ) -> QuantilesSketch:
        sketch.AddValues(pa.array(np.asarray(batch[0], np.float32)))
        return sketch

    def merge_accumulators(self, several: Iterable[QuantilesSketch]) -> QuantilesSketch:
        first, *others = several
        for other in others:
            first.Merge(other)
        return first

    def extract_output(self, sketch: QuantilesSketch) -> NDArray[np.float64]:
        found = sketch.GetQuantiles(LEVELS).to_pylist()
        return np.asarray(found[0] if found else np.zeros(LEVELS + 1), np.float64)


class _Scale(beam.PTransform):
    """In: float32 `[labels]` in tuples. Out: one array for each of `_SIZES`."""

    def __init__(self, setting: ScaleSetting) -> None:
        super().__init__()
        self._setting = setting

    def expand(self, batches: PCollection) -> tuple[PCollection, ...]:
        levels = batches | "Levels" >> beam.CombineGlobally(_Levels())
        return tuple(
            levels | f"Scale {name}" >> beam.Map(_fact, setting=self._setting, name=name)
            for name in _SIZES
        )


def _fact(levels: NDArray[np.float64], setting: ScaleSetting, name: str) -> NDArray[np.float32]:
    return fit_scale(levels, setting).facts()[name].astype(np.float32)
