"""How a linear score becomes a head's answer: its link, one class a kind of head.

A linear model gives each author `columns` scores. Its weights are fitted by a convex loss of those
scores; then `fit` turns scores of authors that the weights did not see into `logits`, the numbers
before a network's last activation, in which the network corrects the linear model. Plain numpy;
all arrays are float64 `[authors, ...]` of authors whose label is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from components.heads.arrays import Array, np
from components.heads.ordinal import StepFacts, steps_in_reach

SMALLEST_SHARE = 1e-4
"""Of a value, where a logit is made of it."""
_ROUNDS = 50
_SLIGHT = 1e-3
_LEAST_SPREAD = 0.01
"""Scores that differ by less are taken for noise, and not stretched."""
_PRIOR = 0.3
"""Penalty on a standardised slope beside a sum of losses: what keeps it finite where scores part
the labels, and says little beside some dozens of them."""


class Link(ABC):
    """From scores to logits to answers.

    Attributes:
        columns: weight vectors of the head's linear model, scores of an author.
        logits: numbers of an offset, outputs of the network's last layer before its activation.
        curvature: second derivative of the loss of scores by a score, about, at the best constant;
            a penalty in proportion to it weighs the same against each kind of loss.
    """

    columns: int
    logits: int
    curvature: float

    @classmethod
    @abstractmethod
    def of(cls, targets: Array) -> Self:
        """The link of a head.

        Args:
            targets: known targets of `train` or a sample of them, `[n, width]`, n > 0.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What `from_json` makes the same link of."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""

    @abstractmethod
    def start(self, targets: Array) -> Array:
        """Intercepts `[columns]` of the best constant: what a fit of weights starts from."""

    @abstractmethod
    def score_loss(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """What weights are fitted by: losses `[n]`, convex in the scores, and their gradient.

        Args:
            scores: `[n, columns]`; the gradient has their shape.
            targets: `[n, width]`.
        """

    @abstractmethod
    def fit(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """The best (mixing `[columns, logits]`, bias `[logits]`): logits = scores @ mixing + bias.

        Args:
            scores: of weights that did not see these authors.
            targets: theirs; n may be 0.
        """

    @abstractmethod
    def losses(self, logits: Array, targets: Array) -> Array:
        """What a network trains its logits by, `[n]`."""

    @abstractmethod
    def answers(self, logits: Array) -> Array:
        """The output in the space of targets, `[n, width]`."""


class StepsLink(Link):
    """A number: ridge regression, then the likelihood of being above each of several thresholds.

    answer = level_0 + sum over thresholds j of (level_j - level_j-1) * P(label > threshold_j)

    the mean of the predicted distribution. A slope for each threshold lets it bend where the
    relation does; the outermost levels are the least and the greatest label of `train`.
    """

    columns = 1
    curvature = 1.0

    def __init__(self, steps: StepFacts) -> None:
        self.steps = steps
        self.logits = len(steps.thresholds)

    @classmethod
    def of(cls, targets: Array) -> Self:
        """Where all labels are one, its neighbourhood is cut: the answer stays that label."""
        labels = np.asarray(targets, np.float64)[:, 0]
        steps = steps_in_reach(labels)
        return cls(steps or StepFacts((float(labels[0]),), (float(labels[0]),) * 2, (0.5,)))

    def to_json(self) -> dict[str, Any]:
        steps = self.steps
        return {
            "thresholds": list(steps.thresholds),
            "levels": list(steps.levels),
            "shares": list(steps.shares),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        parts = (content[name] for name in ("thresholds", "levels", "shares"))
        return cls(StepFacts(*(tuple(map(float, part)) for part in parts)))

    def start(self, targets: Array) -> Array:
        return np.asarray(targets.mean(axis=0))

    def score_loss(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        errors = scores - targets
        return np.asarray((errors**2)[:, 0] / 2), errors

    def fit(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """A slope and an intercept for each threshold."""
        is_above = self._is_above(targets)
        fitted = [
            fit_logistic(scores[:, 0], is_above[:, j], share)
            for j, share in enumerate(self.steps.shares)
        ]
        slopes, intercepts = np.array(fitted).T
        return slopes[None, :], intercepts

    def losses(self, logits: Array, targets: Array) -> Array:
        """The mean cross-entropy over thresholds."""
        return np.asarray(binary_losses(logits, self._is_above(targets)).mean(axis=1))

    def answers(self, logits: Array) -> Array:
        levels = np.array(self.steps.levels)
        return np.asarray(levels[0] + sigmoid(logits) @ np.diff(levels)[:, None])

    def _is_above(self, targets: Array) -> Array:
        return np.asarray(targets > np.array(self.steps.thresholds), np.float64)


class LogitLink(Link):
    """One of two values: logistic regression."""

    columns = logits = 1
    curvature = 0.25

    @classmethod
    def of(cls, targets: Array) -> Self:
        del targets
        return cls()

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        del content
        return cls()

    def start(self, targets: Array) -> Array:
        return np.array([logit(float(targets.mean()))])

    def score_loss(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        return binary_losses(scores, targets)[:, 0], sigmoid(scores) - targets

    def fit(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        slope, intercept = fit_logistic(scores[:, 0], targets[:, 0])
        return np.array([[slope]]), np.array([intercept])

    def losses(self, logits: Array, targets: Array) -> Array:
        return np.asarray(binary_losses(logits, targets)[:, 0])

    def answers(self, logits: Array) -> Array:
        return sigmoid(logits)


class SoftmaxLink(Link):
    """One of several groups: multinomial logistic regression.

    Where words tell of one number that K groups are cut from, what they explain of its variance is
    spread over K - 1 dimensions of the groups' shares, and the best penalty is in proportion to
    what is not explained over what is: so the curvature counts K - 1 times.
    """

    def __init__(self, classes: int) -> None:
        self.columns = self.logits = classes
        self.curvature = (classes - 1) / classes

    @classmethod
    def of(cls, targets: Array) -> Self:
        return cls(targets.shape[1])

    def to_json(self) -> dict[str, Any]:
        return {"classes": self.logits}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(int(content["classes"]))

    def start(self, targets: Array) -> Array:
        return np.asarray(np.log(np.maximum(targets.mean(axis=0), SMALLEST_SHARE)))

    def score_loss(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        return self.losses(scores, targets), softmax(scores) - targets

    def fit(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """One slope for all groups, and an intercept for each."""
        slope, biases = 1.0, np.zeros(self.logits)
        if not len(targets):
            return 0.0 * np.eye(self.logits), biases
        # One author more, an equal share of each group.
        logs = np.log((targets.sum(axis=0) + 1 / self.logits) / (len(targets) + 1))
        for _ in range(_ROUNDS):
            told = softmax(slope * scores + biases)
            step = logs - np.log(np.maximum(told.mean(axis=0), 1e-12))
            biases = biases + step
            told = softmax(slope * scores + biases)
            means = (told * scores).sum(axis=1, keepdims=True)
            pull = ((told - targets) * scores).sum() + _SLIGHT * (slope - 1)
            bend = (told * (scores - means) ** 2).sum() + _SLIGHT
            change = float(np.clip(pull / bend, -0.5, 0.5))
            slope = max(slope - change, 0.0)
            if abs(change) < 1e-9 and np.abs(step).max() < 1e-9:
                break
        return slope * np.eye(self.logits), biases

    def losses(self, logits: Array, targets: Array) -> Array:
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.asarray(-(targets * logs).sum(axis=1))

    def answers(self, logits: Array) -> Array:
        return softmax(logits)


def fit_logistic(scores: Array, labels: Array, share: float = 0.5) -> tuple[float, float]:
    """Slope, 0 or more, and intercept of the logistic regression of labels 0 or 1 on one score.

    Newton's method, halving a step that does not lower the loss. A small penalty on the slope, in
    standardised scores, bounds it where a score parts the labels, and one author more, of the mean
    score and half of either label, bounds the intercept where all labels are one.

    Args:
        scores: `[n]`.
        labels: `[n]`.
        share: of ones, where n is 0.
    """
    if not len(scores):
        return 0.0, logit(share)
    centre, spread = float(scores.mean()), max(float(scores.std()), _LEAST_SPREAD)
    standard = np.append((scores - centre) / spread, 0.0)
    labels = np.append(labels, 0.5)
    design = np.stack([standard, np.ones_like(standard)], axis=1)
    penalty = np.array([_PRIOR, 0.0])

    def loss(at: Array) -> float:
        return float(binary_losses(design @ at, labels).sum() + (penalty * at**2).sum() / 2)

    at = np.array([0.0, logit(float(labels.mean()))])
    lowest = loss(at)
    for _ in range(_ROUNDS):
        told = sigmoid(design @ at)
        pull = design.T @ (told - labels) + penalty * at
        bend = (design * (told * (1 - told))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, pull)
        while (found := loss(at - step)) > lowest and np.abs(step).max() > 1e-9:
            step = step / 2
        if np.abs(step).max() <= 1e-9:
            break
        at, lowest = at - step, found
    if at[0] < 0:
        return 0.0, logit(float(labels.mean()))
    return float(at[0] / spread), float(at[1] - at[0] * centre / spread)


def binary_losses(logits: Array, labels: Array) -> Array:
    """Cross-entropy of labels 0 or 1, elementwise."""
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits)


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-logits)), without overflow."""
    return np.asarray((1 + np.tanh(logits / 2)) / 2)


def softmax(logits: Array) -> Array:
    """Of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def logit(share: float) -> float:
    """Of a probability that is kept away from 0 and 1."""
    share = min(max(share, SMALLEST_SHARE), 1 - SMALLEST_SHARE)
    return float(np.log(share / (1 - share)))
