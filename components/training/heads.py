"""The TensorFlow part of each kind of head: its target, its output and how it is trained.

`network_of` finds a head's class by its kind, one of this module's or one that another package
brings (`components.heads.kinds`). Transform's workers import this too. Knows nothing of TFX.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.features.label_scale import find_scale
from components.features.labels import dense, in_every_row, known
from components.features.moments import mean_and_variance
from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.calibration import SMALLEST_PROBABILITY
from components.heads.classes import ClassesHead
from components.heads.kinds import Kinds
from components.heads.links import Link, StepsLink
from components.heads.names import ANSWER, KNOWN_LOSS
from components.heads.regression import RegressionHead
from components.heads.scale import NAMES
from components.ingest.amounts import QUANTILE_ERROR
from components.training.label_scale import back_from_scale, onto_scale
from components.training.steps import STEPS, MeanOfSteps, steps_name


class HeadNetwork(ABC):
    """What belongs to a kind of head in the transform graph, the network and the served model.

    Targets and outputs are float32 `[batch, head.width]`.
    """

    activation: ClassVar[str] = "linear"
    """Of the last layer, as Keras names it."""
    variance_share: ClassVar[float] = 1.0
    """What stands before exp(-s) loss where the loss's own variance exp(s) is learned."""

    def __init__(self, head: Head) -> None:
        self.head = head

    # In the transform graph

    @abstractmethod
    def features(self, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
        """The transformed features of raw labels.

        Args:
            labels: `[batch, 0 or 1]` float32, int64 or string, as `head.stored_as` says.

        Returns:
            `<head>`, the target, finite where the label is unknown; `<head>.known` `[batch, 1]`;
            and what the training split says of labels, such as `<head>.<fact>` of `head.facts`,
            the same in every row.
        """

    # In training

    @abstractmethod
    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """The proper loss that `head.losses` computes; its `call` gives one number an author."""

    def known_loss(self) -> keras.metrics.Metric:
        """The mean loss over known labels, which skill is made of."""
        return keras.metrics.MeanMetricWrapper(self.loss().call, name=KNOWN_LOSS)

    def outputs(self, link: Link, logits: Any, part: str = ANSWER) -> dict[str, Any]:
        """What leaves the network for the head, from logits `[batch, link.logits]`.

        Args:
            link: of the head.
            logits: symbolic.
            part: of the last layer's name, for another answer of the same head.
        """
        del link
        layer = keras.layers.Activation(
            self.activation, dtype="float32", name=self.head.internal(part)
        )
        return {self.head.name: layer(logits)}

    def steps_loss(self, link: Link) -> float:
        """Where it has thresholds, the loss of the best constant probabilities."""
        raise NotImplementedError(f"{self.head.kind} is not answered by thresholds; got {link}")

    # In the served model

    def natural(self, outputs: tf.Tensor, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Targets or outputs in the units of the answer, as `head.natural` computes them."""
        return self.head.natural(outputs, features)

    def calibrated(self, answers: tf.Tensor, certainty: Mapping[str, Any]) -> tf.Tensor:
        """Natural answers as they are served; `certainty` is of `Calibration.description`."""
        del certainty
        return answers

    def slices(self, labels: tf.Tensor, bounds: list[float]) -> tf.Tensor:
        """Names of the slices that authors are judged in where `head.sliced`, `[batch, 1]`.

        Those of natural labels: the bands between `bounds`.
        """
        names = band_names(bounds)
        return tf.gather(names, tf.searchsorted(bounds, labels[:, 0], side="right"))[:, tf.newaxis]

    def description(self, features: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        """What `assets/heads.json` says of the head beside its declaration."""
        facts = {name: features[name].numpy()[0] for name in self.fact_names & features.keys()}
        return self.head.found(facts)

    @property
    def fact_names(self) -> set[str]:
        """Features that hold what the training split says of labels."""
        return {self.head.internal(fact) for fact in (*self.head.facts, *self.head.scale_facts)}


class RegressionNetwork(HeadNetwork):
    """A number, standardised on its scale, under squared error."""

    head: RegressionHead
    # Of the likelihood of a normal distribution.
    variance_share = 0.5

    def features(self, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
        is_known = known(labels)
        mean, variance = mean_and_variance(labels.values)
        mean = tf.cast(mean, tf.float32)
        deviation = tf.maximum(tf.cast(tf.sqrt(variance), tf.float32), 1e-6)
        facts = {"mean": tf.reshape(mean, [1]), "deviation": tf.reshape(deviation, [1])}
        if self.head.scale != "linear":
            found = find_scale(labels.values, self.head.scale)
            is_linear = tf.equal(found["scale"], float(NAMES.index("linear")))
            # Those of labels themselves are exact; of others quantiles tell enough.
            facts = found | {name: tf.where(is_linear, facts[name], found[name]) for name in facts}
        rows = {name: in_every_row(fact, is_known) for name, fact in facts.items()}
        placed = dense(labels, 0.0)
        if self.head.scale != "linear":
            placed = onto_scale(placed, rows)
        return {
            self.head.name: (placed - rows["mean"]) / rows["deviation"] * is_known,
            self.head.known_name: is_known,
            **{self.head.internal(name): fact for name, fact in rows.items()},
        }

    def natural(self, outputs: tf.Tensor, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        deviation, mean = self.head.scale_and_offset(features)
        placed = outputs * deviation + mean
        if self.head.scale == "linear":
            return placed
        facts = {name: features[self.head.internal(name)] for name in self.head.scale_facts}
        return back_from_scale(placed, facts, self.head.bounds)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """A number has no smoothing."""
        return keras.losses.MeanSquaredError()

    def outputs(self, link: Link, logits: Any, part: str = ANSWER) -> dict[str, Any]:
        """The probabilities of the thresholds, which are trained, and the number they make."""
        assert isinstance(link, StepsLink)
        of_steps = STEPS if part == ANSWER else f"{part}_{STEPS}"
        above = keras.layers.Activation(
            "sigmoid", dtype="float32", name=self.head.internal(of_steps)
        )(logits)
        mean = MeanOfSteps(
            link.steps.thresholds,
            link.steps.levels,
            dtype="float32",
            name=self.head.internal(part),
        )
        return {self.head.name: mean(above), steps_name(self.head.name): above}

    def steps_loss(self, link: Link) -> float:
        assert isinstance(link, StepsLink)
        shares = np.array(link.steps.shares)
        return float(-(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean())


class ProbabilityNetwork(HeadNetwork):
    """Probabilities under cross-entropy, calibrated by a temperature."""

    def calibrated(self, answers: tf.Tensor, certainty: Mapping[str, Any]) -> tf.Tensor:
        return divide_logits(answers, certainty.get("temperature", 1.0))


class ClassesNetwork(ProbabilityNetwork):
    """One-hot groups, cut in the graph where amounts are given."""

    head: ClassesHead
    activation = "softmax"

    def features(self, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
        head, is_known = self.head, known(labels)
        outputs = {head.known_name: is_known}
        if head.given_as == "amount":
            boundaries = tft.quantiles(labels.values, head.classes, QUANTILE_ERROR)
            boundaries = tf.reshape(tf.cast(boundaries, tf.float32), [head.classes - 1])
            groups = tf.searchsorted(boundaries, dense(labels, 0.0)[:, 0], side="right")
            outputs[head.internal("boundaries")] = in_every_row(boundaries, is_known)
        else:
            groups = tf.cast(dense(labels, 0)[:, 0], tf.int32)
        outputs[head.name] = tf.one_hot(groups, head.classes, dtype=tf.float32) * is_known
        return outputs

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)

    def description(self, features: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        """`boundaries`, where the groups were cut from an amount."""
        name = self.head.internal("boundaries")
        return {"boundaries": features[name].numpy()[0].tolist()} if name in features else {}


class BinaryNetwork(ProbabilityNetwork):
    """The probability of the positive value."""

    head: BinaryHead
    activation = "sigmoid"

    def features(self, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
        value = dense(labels, b"")
        positive = tf.cast(tf.equal(value, self.head.positive), tf.float32)
        negative = tf.cast(tf.equal(value, self.head.negative), tf.float32)
        return {self.head.name: positive, self.head.known_name: positive + negative}

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)

    def slices(self, labels: tf.Tensor, bounds: list[float]) -> tf.Tensor:
        return tf.where(labels > 0, self.head.positive, self.head.negative)


NETWORKS: Kinds[HeadNetwork] = Kinds(
    "authorprofile.networks",
    HeadNetwork,  # type: ignore[type-abstract]
    regression=RegressionNetwork,
    classes=ClassesNetwork,
    binary=BinaryNetwork,
)


def network_of(head: Head) -> HeadNetwork:
    """The TensorFlow part of a head."""
    return NETWORKS[head.kind](head)


def divide_logits(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    """Probabilities with their logits divided by a temperature; one column is that of two values.

    p ** (1 / T), scaled to a sum of 1: float32 `[batch, width]` -> the same. A temperature of 1
    leaves them untouched.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    if temperature == 1.0:
        return probabilities
    if probabilities.shape[1] == 1:
        both = tf.concat([1.0 - probabilities, probabilities], axis=1)
        return divide_logits(both, temperature)[:, 1:]
    logits = tf.math.log(tf.clip_by_value(probabilities, SMALLEST_PROBABILITY, 1.0))
    return tf.nn.softmax(logits / temperature)


def band_names(bounds: list[float]) -> list[str]:
    """Names of the bands that bounds cut.

    >>> band_names([25.0, 35.0])
    ['below 25', '25-35', '35 and above']
    """
    if not bounds:
        return ["all"]
    inner = [f"{low:g}-{high:g}" for low, high in itertools.pairwise(bounds)]
    return [f"below {bounds[0]:g}", *inner, f"{bounds[-1]:g} and above"]
