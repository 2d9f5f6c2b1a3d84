"""The default network once more, by its formulas in loops of float64: what the fast one is held to.

Knows nothing of TensorFlow; weights are given by `<layer>/<weight>`.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.heads.links import Link
from components.linear.artifact import LinearModel
from components.training.pairs import FIRST_PLACE

UNKNOWN = 1


@dataclass(frozen=True)
class PlainNetwork:
    """(an author's tokens, offsets) -> answers.

    Attributes:
        idf, pair_keys: of the table.
        links: of each head.
        weights: of the network.
        linear: the linear baseline, whose logits are the offsets where none are given.
        shares: of each head's correction that is kept.
        whole: positions of the convolution in a crop.
    """

    idf: np.ndarray
    pair_keys: np.ndarray
    links: Mapping[str, Link]
    weights: Mapping[str, np.ndarray]
    linear: LinearModel | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    whole: int = 38

    def answers(
        self, tokens: Sequence[int], offsets: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """By head `[width]`."""
        answers = {}
        for name, link in self.links.items():
            offset = self.offset(name, tokens) if offsets is None else offsets[name]
            logits = self.logits(name, tokens, offset)
            kept = offset + self.shares.get(name, 1.0) * (logits - offset)
            answers[name] = link.answers(kept[None])[0]
        return answers

    def logits(
        self,
        name: str,
        tokens: Sequence[int],
        offset: np.ndarray,
        fixed: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """A head's logits before they are shrunk; `fixed` features of a path are for all."""
        correction = self.shared(tokens, fixed or {}) @ self._of(name, "correction/kernel")
        correction = correction + self._of(name, "correction/bias")
        return np.asarray(self._of(name, "logits/scale") * offset + correction)

    def baseline(self, tokens: Sequence[int]) -> dict[str, np.ndarray]:
        """Answers of the linear baseline alone."""
        return {n: link.answers(self.offset(n, tokens)[None])[0] for n, link in self.links.items()}

    def offset(self, name: str, tokens: Sequence[int]) -> np.ndarray:
        """The linear baseline's logits of a head."""
        assert self.linear is not None
        head = self.linear[name]
        scores = np.zeros(head.weights.shape[1])
        for term, weight in self.terms(tokens).items():
            scores = scores + weight * head.weights[term].astype("float64")
        return np.asarray(scores @ head.mixing.astype("float64") + head.bias)

    def shared(
        self, tokens: Sequence[int], fixed: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        """What all heads read."""
        own = {}
        if "pool_norm/gamma" in self.weights:
            own["pool"] = self.pooled_features(tokens)
        if "convolution/kernel" in self.weights:
            own["convolution"] = self.convolved_features(tokens)
        paths = list((own | dict(fixed or {})).values())
        features = np.concatenate(paths) @ self._of("shared", "kernel", "/")
        return gelu(features + self._of("shared", "bias", "/"))

    def pooled_features(self, tokens: Sequence[int]) -> np.ndarray:
        """What the shared layer reads of the pool."""
        return self._normalised(self.pooled(tokens), "pool_norm")

    def convolved_features(self, tokens: Sequence[int]) -> np.ndarray:
        """What the shared layer reads of the convolution."""
        positions = len(tokens) - len(self._of("convolution", "kernel", "/")) + 1
        share = min(max(positions / self.whole, 0), 1)
        loudness = math.sqrt(share / float(self._of("standardise", "share", "/")))
        return loudness * self._standardised(self.convolved(tokens))

    def pooled(self, tokens: Sequence[int]) -> np.ndarray:
        """The weighed sum of the author's rows."""
        table = self._of("table", "table", "/")
        total = np.zeros(table.shape[1])
        for term, weight in self.terms(tokens).items():
            total = total + weight * table[term]
        return total

    def convolved(self, tokens: Sequence[int]) -> np.ndarray:
        """The mean of the positions that have a token in each place."""
        kernel, bias = (self._of("convolution", name, "/") for name in ("kernel", "bias"))
        table = self._of("table", "table", "/")
        rows = table / np.sqrt((table**2).mean(axis=1, keepdims=True) + 1e-6)
        total, positions = np.zeros(len(bias)), len(tokens) - len(kernel) + 1
        for position in range(positions):
            heard = bias
            for place, slice_of_kernel in enumerate(kernel):
                heard = heard + rows[tokens[position + place]] @ slice_of_kernel
            total = total + gelu(heard)
        return total / max(positions, 1)

    def terms(self, tokens: Sequence[int]) -> dict[int, float]:
        """TF-IDF of words and pairs, of a Euclidean norm of 1; empty where nothing is known."""
        words = len(self.idf) - len(self.pair_keys)
        numbers = {int(key): words + place for place, key in enumerate(self.pair_keys)}
        counts = Counter(int(token) for token in tokens if token > UNKNOWN)
        for first, second in itertools.pairwise(tokens):
            key = int(first) * FIRST_PLACE + int(second)
            if key in numbers:
                counts[numbers[key]] += 1
        weights = {term: (1 + math.log(n)) * float(self.idf[term]) for term, n in counts.items()}
        norm = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {term: weight / norm for term, weight in weights.items()} if norm else {}

    def _normalised(self, values: np.ndarray, layer: str) -> np.ndarray:
        spread = math.sqrt(values.var() + 1e-3)
        scaled = (values - values.mean()) / spread
        return np.asarray(scaled * self._of(layer, "gamma", "/") + self._of(layer, "beta", "/"))

    def _standardised(self, values: np.ndarray) -> np.ndarray:
        share, *sums = (
            self._of("standardise", name, "/") for name in ("share", "total", "squares")
        )
        mean, square = (one / share for one in sums)
        return np.asarray((values - mean) / np.sqrt(square - mean**2 + 1e-3))

    def _of(self, owner: str, weight: str, between: str = ".") -> np.ndarray:
        return self.weights[owner + between + weight].astype("float64")


def gelu(values: np.ndarray) -> np.ndarray:
    """x * P(a standard normal number < x)."""
    return np.array([x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in values])
