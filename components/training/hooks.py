"""What the hooks of Tuner and Trainer are told, as it travels in a component's custom config."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.features.settings import TextSettings
from components.features.transform import RESERVED_IDS, VOCABULARY
from components.heads.declared import Heads, heads_from_json, heads_to_json
from components.judging.settings import JudgingSettings
from components.linear.artifact import FINAL, SELECTION, LinearModel, read_models
from components.training.fitting import TrainingData
from components.training.loading import load_data
from components.training.settings import (
    NETWORK,
    ConvSettings,
    ReferenceSettings,
    TrainingSettings,
    TunerSettings,
)

TABLE, BASELINE = "table", "baseline"
"""Names of the artifacts, as the components of training take them."""


@dataclass(frozen=True)
class HookSettings:
    """Settings of a hook.

    Attributes:
        heads: what is predicted.
        text: bytes that are read, vocabulary size.
        network: kind and widths.
        training: one training.
        tuner: one search.
        judging: bounds of the bands that the exported model slices labels by.
        state: folder where work in progress outlives a kill; empty: the component's own.
        table, baseline: folders of these components' artifacts; empty where nothing reads them.
        warm_start: model run of an earlier training, whose network this one starts from; or empty.
        by_hand: of `searched.set_by_hand`: what no search's choice takes the place of.
        train_share: share of the authors in `train`; None: not known.
    """

    heads: Heads
    text: TextSettings
    network: ConvSettings | ReferenceSettings
    training: TrainingSettings
    tuner: TunerSettings
    judging: JudgingSettings
    state: str = ""
    warm_start: str = ""
    table: str = ""
    baseline: str = ""
    by_hand: tuple[str, ...] = ()
    train_share: float | None = None

    def to_custom_config(self) -> dict[str, str]:
        """As JSON texts, for `custom_config`."""
        return {
            "heads": heads_to_json(self.heads),
            "text": self.text.model_dump_json(),
            "network": self.network.model_dump_json(),
            "training": self.training.model_dump_json(),
            "tuner": self.tuner.model_dump_json(),
            "judging": self.judging.model_dump_json(),
            "state": self.state,
            "warm_start": self.warm_start,
            TABLE: self.table,
            BASELINE: self.baseline,
            "by_hand": json.dumps(self.by_hand),
            "train_share": json.dumps(self.train_share),
        }

    @classmethod
    def from_custom_config(cls, config: dict[str, str]) -> HookSettings:
        """The inverse of `to_custom_config`."""
        return cls(
            heads=heads_from_json(config["heads"]),
            text=TextSettings.model_validate_json(config["text"]),
            network=NETWORK.validate_json(config["network"]),
            training=TrainingSettings.model_validate_json(config["training"]),
            tuner=TunerSettings.model_validate_json(config["tuner"]),
            judging=JudgingSettings.model_validate_json(config["judging"]),
            state=config["state"],
            warm_start=config["warm_start"],
            table=config.get(TABLE, ""),
            baseline=config.get(BASELINE, ""),
            by_hand=tuple(json.loads(config["by_hand"])),
            train_share=json.loads(config.get("train_share", "null")),
        )

    def open_data(
        self, fn_args: FnArgs, transform: tft.TFTransformOutput, batch_size: int
    ) -> TrainingData:
        """The splits of a hook's arguments with their offsets, counted."""
        return load_data(
            fn_args.train_files,
            fn_args.eval_files,
            transform.transformed_feature_spec(),
            self.heads,
            len(read_tokens(transform)) + RESERVED_IDS,
            batch_size,
            self.table,
            self.baseline,
        )

    def linear_models(self) -> dict[str, LinearModel | None]:
        """The linear models `selection` and `final`; None of each where the network reads none."""
        if self.network.kind == "reference":
            return {SELECTION: None, FINAL: None}
        return dict(read_models(self.baseline, self.heads))

    def state_folder(self, work: str, fn_args: Any, otherwise: str) -> Path:
        """Folder of this very work: the same inputs and settings find it again after a kill.

        Args:
            work: 'search' or 'fit'.
            fn_args: of the hook; its inputs' addresses and hyperparameters are part of the name.
            otherwise: folder to use where no lasting one is configured; not if it is a bucket.
        """
        if not self.state:
            # A bucket cannot hold work in progress; nothing of it is asked for after the step.
            lasting = "://" not in otherwise
            return Path(otherwise if lasting else tempfile.mkdtemp(prefix=f"{work}-")) / work
        parts = (
            fn_args.transform_graph_path,
            fn_args.train_files,
            fn_args.eval_files,
            fn_args.hyperparameters,
            self.to_custom_config(),
        )
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
        return Path(self.state) / f"{work}-{digest}"


def read_tokens(transform: tft.TFTransformOutput) -> list[str]:
    """The tokens of the vocabulary in the order of their ids, of which the first is 2."""
    return [name.decode("utf-8") for name in transform.vocabulary_by_name(VOCABULARY)]
