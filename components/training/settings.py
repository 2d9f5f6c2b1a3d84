"""What the Tuner and the Trainer can be told. Read by `pipeline.config` and the hooks."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from components.strict import Strict

MINIMUM_TOKENS = 269
"""The least that the reference network can read; shorter authors are padded to it."""


class ConvSettings(Strict):
    """The default network: a convolution and a pool over one table, a shared layer, offsets."""

    kind: Literal["conv"] = Field(
        "conv",
        description="'conv': one table, a pool of the whole author and a Conv1D over it, a layer "
        "that all heads share, on top of the linear baseline; 'reference': the textbook network",
    )
    table_width: int = Field(
        128, ge=2, description="numbers of a term in the table, fewer where authors are few"
    )
    pull: float = Field(
        1.0,
        ge=0,
        description="how strongly the table is drawn to where it started: each step takes back "
        "this times the step size of how far it has moved",
    )
    pool: bool = Field(True, description="whether the pool of the whole author is read")
    filters: int = Field(64, ge=0, description="filters of the convolution; 0: none")
    kernel_width: int = Field(3, ge=2, description="neighbouring tokens that a filter reads")
    crop_tokens: int = Field(
        300, ge=1, description="tokens that the convolution reads of an author in a training step"
    )
    term_dropout: float = Field(
        0.4, ge=0, lt=1, description="share of an author's terms left out of the pool in training"
    )
    shared_width: int = Field(256, ge=1, description="width of the layer that all heads share")

    @model_validator(mode="after")
    def _reads_something(self) -> ConvSettings:
        if not self.pool and not self.filters:
            raise ValueError("a network must read something; pool is false and filters is 0")
        if self.filters and self.crop_tokens < self.kernel_width:
            raise ValueError(
                "crop_tokens must be at least kernel_width, the tokens that a filter reads; they "
                f"are {self.crop_tokens} and {self.kernel_width}"
            )
        return self


class ReferenceSettings(Strict):
    """The textbook network; at these widths it has exactly 14,146,316 parameters."""

    kind: Literal["reference"] = Field("reference", description="the textbook network")
    maximum_tokens: int = Field(
        1500, ge=MINIMUM_TOKENS, description="tokens that are read of an author"
    )
    window_tokens: int | None = Field(
        None,
        ge=MINIMUM_TOKENS,
        description="tokens read at once; the answer for a longer author is made of the mean over "
        "windows; null: an author is read whole",
    )
    windows: int = Field(
        2, ge=1, description="windows cut anew from each longer author in an epoch of training"
    )
    token_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of tokens replaced by the unknown token in training"
    )
    spatial_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of channels dropped from a whole window in training"
    )
    embedding_width: int = Field(256, ge=1, description="width of the embedding")
    first_filters: int = Field(128, ge=1, description="filters of the first convolution")
    filters: int = Field(256, ge=1, description="filters of the four other convolutions")
    dense_width: int = Field(128, ge=1, description="width of the layer under the heads")

    @property
    def pull(self) -> float:
        """There is no table to draw."""
        return 0.0

    @property
    def table_width(self) -> int:
        """Of the table that the linear baseline takes its rarities from: nothing else is read."""
        return 1


OLD_KINDS = ("words", "wide")
"""Kinds of networks of earlier releases, which `conv` takes the place of."""

NetworkSettings = Annotated[ConvSettings | ReferenceSettings, Field(discriminator="kind")]
NETWORK: TypeAdapter[ConvSettings | ReferenceSettings] = TypeAdapter(NetworkSettings)

PASSES, WANTED_STEPS = 7, 500


class TrainingSettings(Strict):
    """One training."""

    epochs: int | None = Field(
        None,
        ge=1,
        description="passes over the training authors, at the most; null: 7; from some 1,000 "
        "authors on enough for 500 steps, at the most 16",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs without a better mean skill on `eval` before it stops; the step size "
        "falls to 0 over `epochs`, and skill often gains most at the end; null: never",
    )
    refit: bool = Field(
        True,
        description="when `eval` has chosen the epoch, train anew on the authors of `train` and "
        "`eval`; that network serves",
    )
    batch_size: int = Field(64, ge=1, description="authors a step")
    learning_rate: float = Field(2e-3, gt=0, description="Adam's peak step size")
    dropout: float = Field(
        0.4, ge=0, lt=1, description="share dropped before and after the layer under the heads"
    )
    weight_decay: float = Field(
        0.05,
        ge=0,
        description="what a step takes off each weight of an embedding or a kernel: this times the "
        "step size times the weight (AdamW); the table has `network.pull` in its place",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a class's or binary label spread over all its values in the loss of "
        "training alone; numbers and what `eval` or judging measure have none",
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
        patience = self.patience or epochs
        return self.model_copy(update={"epochs": epochs, "patience": patience})


def passes_of(steps: int) -> int:
    """Epochs of a training whose epoch has so many steps, where none are configured.

    Word order takes some 500 steps to be found, but few authors are soon known by heart: no more
    passes than half the steps of one.

    >>> [passes_of(steps) for steps in (100, 72, 40, 32, 20, 14, 1)]
    [7, 7, 13, 16, 10, 7, 7]
    """
    return max(PASSES, min(math.ceil(WANTED_STEPS / steps), steps // 2))


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
        FloatRange(minimum=1e-3, maximum=4e-3),
        description="Adam's peak step size; null: not searched",
    )
    dropout: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [0.3, 0.4, 0.5], description="values tried; empty: not searched"
    )
    weight_decay: list[Annotated[float, Field(ge=0)]] = Field(
        [], description="values tried; empty: not searched"
    )
    label_smoothing: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        [], description="values tried; empty: not searched"
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
        description="passes over the training authors a trial; null: 7",
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
