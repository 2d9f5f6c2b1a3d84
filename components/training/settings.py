"""What the Tuner and the Trainer can be told. Read by `pipeline.config` and the hooks."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.strict import Strict

MINIMUM_TOKENS, WINDOW_TOKENS, TRUNK_TOKENS = 269, 300, 1500
"""The least that the trunk can read, what it reads at once of longer authors, and the most."""
NetworkKind = Literal["words", "wide", "reference"]


class NetworkSettings(Strict):
    """The network; `kind: reference` at these widths has exactly 14,146,316 parameters."""

    kind: NetworkKind = Field(
        "words",
        description="'words': a linear model of the author's distinct words and pairs of words; "
        "'reference': the convolutional trunk, which reads an author's first 1,500 tokens; 'wide': "
        "both, their answers added",
    )
    window_tokens: int | None = Field(
        None,
        ge=MINIMUM_TOKENS,
        description="tokens the trunk reads at once; the answer for a longer author is made of "
        "the mean over windows; null: 300, and of shorter authors no more than the longest has",
    )
    windows: int = Field(
        2, ge=1, description="windows cut anew from each longer author in an epoch of training"
    )
    ridge: float = Field(
        0.1, gt=0, description="strength of the penalty on the linear model's weights"
    )
    ridges: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="the same for a head that needs its own, by name"
    )
    steps: int = Field(
        6,
        ge=0,
        description="groups of like size that a number's labels are cut into, whose likelihoods "
        "the linear model learns and the answer is the mean of; below 2: it learns the number",
    )

    embedding_width: int = Field(256, ge=1, description="width of the embedding")
    first_filters: int = Field(128, ge=1, description="filters of the first convolution")
    filters: int = Field(256, ge=1, description="filters of the four other convolutions")
    dense_width: int = Field(128, ge=1, description="width of the layer under the heads")

    def for_authors(self, longest: int) -> NetworkSettings:
        """With `window_tokens` as it follows from the data, where it is not given.

        Args:
            longest: tokens of the longest author.

        >>> NetworkSettings().for_authors(280).window_tokens
        280
        """
        following = min(max(longest, MINIMUM_TOKENS), WINDOW_TOKENS)
        return self.model_copy(update={"window_tokens": self.window_tokens or following})


PASSES, PATIENCE = 10, 6
FEWEST_STEPS = 400
"""A step moves a word's weight by 0.1 at the most (`words.STEP_SCALE` times the learning rate), by
half of that on average over a training; a penalty of 0.1 leaves weights of some 10."""


class TrainingSettings(Strict):
    """One training."""

    epochs: int | None = Field(
        None,
        ge=1,
        description="passes over the training authors, at the most; null: 10, and of few authors "
        "as many as 400 steps take",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs without a better mean skill on `eval` before it stops; the step size "
        "falls to 0 over `epochs`, and skill often gains most at the end; null: 6, and three "
        "fifths of more than 10 epochs",
    )
    refit: bool = Field(
        True,
        description="when `eval` has chosen the epoch, train anew on the authors of `train` and "
        "`eval`; that network serves",
    )
    batch_size: int = Field(
        32, ge=1, description="authors a step; of authors of more than 4,096 tokens fewer"
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam's peak step size")
    dropout: float = Field(0.3, ge=0, lt=1, description="share dropped before the heads")
    token_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of tokens replaced by the unknown token in training"
    )
    spatial_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the trunk's channels dropped from a whole window in training",
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="what a step takes off each weight of the trunk's embedding and kernels: this "
        "times the step size times the weight (AdamW); the linear model has `ridge`",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a class's or binary label spread over all its values in the loss of "
        "training alone; numbers, in steps too, and what `eval` or judging measure have none",
    )
    loss_weights: dict[str, float] = Field(
        default_factory=dict,
        description="weight of a head's loss; of a head not named it is searched, or 1",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="'auto': bfloat16 where the processor multiplies it, else float32"
    )
    devices: Literal["auto", "one"] = Field(
        "auto",
        description="what the fit shares its batches over: 'auto': every GPU of the machine, or "
        "the processor; 'one': the first of them; several workers are named by TF_CONFIG",
    )
    interval_coverage: float = Field(
        0.8, gt=0, lt=1, description="share of authors that a number's interval is to hold"
    )
    seed: int = Field(20_231, ge=0, description="seed of initial weights, order and dropout")

    @model_validator(mode="after")
    def _weights_are_positive(self) -> TrainingSettings:
        for head, weight in self.loss_weights.items():
            if not 0 < weight < math.inf:
                raise ValueError(
                    f"loss weight of {head} must be above 0 and finite; it is {weight:g}"
                )
        return self

    def for_steps(self, steps: int) -> TrainingSettings:
        """With `epochs` and `patience` as they follow from the data, where they are not given.

        Args:
            steps: batches of an epoch.
        """
        epochs = self.epochs or passes_of(steps)
        patience = self.patience or max(PATIENCE, round(PATIENCE / PASSES * epochs))
        return self.model_copy(update={"epochs": epochs, "patience": patience})


def passes_of(steps: int) -> int:
    """Epochs of a training whose epoch has so many steps, where none are configured.

    >>> passes_of(100), passes_of(12)
    (10, 34)
    """
    return max(PASSES, math.ceil(FEWEST_STEPS / steps))


class FloatRange(Strict):
    """A searched number, sampled on a log scale."""

    minimum: float = Field(gt=0, description="smallest value tried")
    maximum: float = Field(gt=0, description="largest value tried")

    @model_validator(mode="after")
    def _range_is_ordered(self) -> FloatRange:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is above maximum {self.maximum:g}")
        return self


class SearchSpace(Strict):
    """What the Tuner may choose; a setting that is set itself is not searched (`searched`)."""

    loss_weight: FloatRange | None = Field(
        FloatRange(minimum=0.1, maximum=10.0),
        description="weight of each head's loss beside the first head, which is fixed at 1, but of "
        "heads that training.loss_weights names; null: not searched",
    )
    learning_rate: FloatRange | None = Field(
        FloatRange(minimum=3e-4, maximum=3e-3),
        description="Adam's peak step size; null: not searched",
    )
    dropout: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [0.2, 0.3, 0.4],
        description="values tried, where a network with a trunk is; empty: not searched",
    )
    spatial_dropout: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [], description="values tried; empty: not searched"
    )
    weight_decay: list[Annotated[float, Field(ge=0)]] = Field(
        [], description="values tried; empty: not searched"
    )
    label_smoothing: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [], description="values tried; empty: not searched"
    )
    network: list[NetworkKind] = Field(["words"], description="kinds tried; empty: not searched")
    ridge: FloatRange | None = Field(
        FloatRange(minimum=0.01, maximum=3.0),
        description="penalty of each head's linear model; null: not searched",
    )


class TunerSettings(Strict):
    """One search."""

    algorithm: Literal["random", "bayesian", "hyperband"] = Field(
        "bayesian", description="how the next trial is chosen"
    )
    trials: int = Field(8, ge=1, description="trained candidates, at the most")
    epochs: int | None = Field(
        None,
        ge=1,
        description="passes over the training authors a trial; null: as in a training",
    )
    fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of the training authors that a trial sees, 2,000 of them at least",
    )
    prune: bool = Field(
        True,
        description="stop a trial whose best skill falls below the median of the earlier ones at "
        "the same epoch (not for hyperband, which stops trials itself)",
    )
    space: SearchSpace = Field(default_factory=SearchSpace, description="what is searched")
