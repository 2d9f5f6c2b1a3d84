"""What a retraining can be told."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from components.strict import Strict

Train = Literal["anew", "when_due", "forced", "search"]
TRAINS: tuple[Train, ...] = get_args(Train)
TRAIN_ANEW: Train = "anew"
TRAIN_WHEN_DUE: Train = "when_due"


class RetrainingSettings(Strict):
    """When `authorprofile retrain` trains, and with what."""

    minimum_new_spans: int = Field(
        1, ge=1, description="sound spans not yet trained on that are a reason to train"
    )
    maximum_label_drift: float | None = Field(
        0.1,
        gt=0,
        le=1,
        description="distance of a head's labels in the newest span from those last trained on "
        "that is a reason (as validation.maximum_label_drift, which stops a run); null: none is",
    )
    maximum_coverage_change: float | None = Field(
        0.1,
        gt=0,
        le=1,
        description="change of the share of authors whose label is known that is a reason; null: "
        "none is",
    )
    minimum_labels: int = Field(
        100, ge=1, description="known labels of a head on both sides, below which none is compared"
    )
    maximum_model_age_days: float | None = Field(
        None, gt=0, description="age of the model in service that is a reason, with any new data"
    )
    warm_start: bool = Field(
        True, description="start from the network in service, by token where vocabularies differ"
    )
    search: Literal["when_moved", "always", "never"] = Field(
        "when_moved",
        description="when loss weights and settings are searched anew: with every training, only "
        "the first time, or once labels or losses moved beyond the bounds below",
    )
    search_label_drift: float = Field(
        0.2, gt=0, le=1, description="distance of a head's labels from those of the last search"
    )
    search_coverage_change: float = Field(
        0.2, gt=0, le=1, description="change of the share of known labels since the last search"
    )
    search_loss_ratio: float = Field(
        1.5, gt=1, description="factor by which a head's loss beside the first head's has moved"
    )
