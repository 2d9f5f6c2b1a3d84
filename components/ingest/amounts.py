"""Where the amounts of `train` will be cut into groups, known before anything is trained.

Enters: the joined authors of `train`. Leaves: `Cuts` of each head that is cut from an amount. The
sketch is the one that tf.Transform itself uses, with its error and over the same float32 numbers,
so the boundaries are those of the transform graph. Imports Beam and tfx_bsl's sketches, not TFX.

    0, 0, 0, 0, 7, 9 in 3 groups -> boundaries 0, 7: nobody is in the group below 0
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection
from tfx_bsl.sketches import QuantilesSketch

from components.heads.declared import Heads
from components.ingest.label_counts import Cuts
from components.ingest.matching import Values

QUANTILE_ERROR = 1e-4
# As tf.Transform has it: the error holds up to that many amounts.
_MOST_AMOUNTS = 1 << 32
_AMOUNTS_A_BATCH = 4096


class CutAmounts(beam.PTransform):
    """In: (author_id, texts, values) of `train`. Out: (head's name, `Cuts` as a dict).

    Args:
        heads: all heads, in the order of the values; one of them at least is cut from an amount.
    """

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self._heads = heads

    def expand(self, authors: PCollection) -> PCollection:
        cuts = [
            authors
            | f"Amounts {head.name}" >> beam.FlatMap(_amount_of, place=place)
            | f"Cut {head.name}" >> beam.CombineGlobally(_FindCuts(groups))
            | f"Name {head.name}" >> beam.Map(_named, name=head.name)
            for place, head in enumerate(self._heads)
            if (groups := head.cut_into)
        ]
        return cuts | "AllCuts" >> beam.Flatten()


def _amount_of(author: tuple[str, Any, Values], place: int) -> Iterator[Any]:
    value = author[2][place]
    if value is not None:
        yield value


def _named(cuts: Cuts, name: str) -> tuple[str, dict[str, Any]]:
    return name, cuts.model_dump()


class _Amounts(NamedTuple):
    """What a worker has met: a sketch, and amounts that it does not hold yet."""

    sketch: QuantilesSketch
    waiting: list[float]


class _FindCuts(beam.CombineFn):
    def __init__(self, classes: int) -> None:
        self._classes = classes

    def create_accumulator(self) -> _Amounts:
        return _Amounts(QuantilesSketch(QUANTILE_ERROR, _MOST_AMOUNTS, 1), [])

    def add_input(self, amounts: _Amounts, amount: float) -> _Amounts:
        amounts.waiting.append(amount)
        # A call of the sketch costs as much as a thousand amounts in it.
        return self.compact(amounts) if len(amounts.waiting) >= _AMOUNTS_A_BATCH else amounts

    def merge_accumulators(self, parts: Iterable[_Amounts]) -> _Amounts:
        first, *others = map(self.compact, parts)
        for other in others:
            first.sketch.Merge(other.sketch)
        return first

    def compact(self, amounts: _Amounts) -> _Amounts:
        amounts.sketch.AddValues(pa.array(amounts.waiting, pa.float32()))
        amounts.waiting.clear()
        return amounts

    def extract_output(self, amounts: _Amounts) -> Cuts:
        return find_cuts(self.compact(amounts).sketch, self._classes)


def find_cuts(sketch: QuantilesSketch, classes: int) -> Cuts:
    """The boundaries of `classes` groups, and how many groups the amounts would fill.

    Args:
        sketch: of float32 amounts; it takes no further ones then.
        classes: groups wanted.
    """
    quantiles = _quantiles(sketch, classes)
    if not quantiles:
        return Cuts(boundaries=[0.0] * (classes - 1), filled=0, fitting_classes=0)
    fitting = (
        fewer for fewer in range(classes, 1, -1) if count_filled(_quantiles(sketch, fewer)) == fewer
    )
    return Cuts(
        boundaries=quantiles[1:-1],
        filled=count_filled(quantiles),
        fitting_classes=next(fitting, 0),
    )


def count_filled(quantiles: list[float]) -> int:
    """Groups that hold an amount.

    A boundary is an amount itself and belongs to the group above it.

    Args:
        quantiles: smallest amount, the boundaries, largest amount.
    """
    smallest, *boundaries, _ = quantiles
    return len({smallest, *boundaries})


def _quantiles(sketch: QuantilesSketch, groups: int) -> list[float]:
    found = sketch.GetQuantiles(groups).to_pylist()
    return list(found[0]) if found else []
