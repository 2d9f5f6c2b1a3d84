"""What earlier runs left that a retraining needs: spans, statistics, searches, what serves.

Enters: the metadata store's connection, the configuration. Leaves: a `History`. Runs count once
their push stage has ended, pushed or not: what was trained and found wanting was trained all the
same, and is no reason to be trained again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tfx.components.example_gen import utils

from components.digests import is_as_made
from components.ingest.example_gen import SPANS
from components.retraining.drift import MEASURED_SPLIT, Facts, load_facts
from components.retraining.planning import History, choose_runs
from components.serving.bucket import served_version
from components.training.warm_start import FOLDER, WEIGHTS_FILE
from pipeline.config import Config
from pipeline.lineage import RunArtifacts, read_runs

_log = logging.getLogger("authorprofile.retraining")


@dataclass(frozen=True)
class TrainingRun:
    """A run that ended, as a `planning.PastRun`."""

    artifacts: RunArtifacts

    @property
    def spans(self) -> tuple[int, ...]:
        examples = self.artifacts.artifact("PostsExampleGen", "examples")
        text = examples.get_string_custom_property(SPANS)
        return tuple(json.loads(text)) if text else (examples.span,)

    @property
    def fingerprint(self) -> str:
        examples = self.artifacts.artifact("PostsExampleGen", "examples")
        return str(examples.get_string_custom_property(utils.FINGERPRINT_PROPERTY_NAME))

    @property
    def facts(self) -> Facts:
        statistics = self.artifacts.path("StatisticsGen", "statistics") / f"Split-{MEASURED_SPLIT}"
        audit = self.artifacts.path("PostsExampleGen", "audit")
        return load_facts(str(statistics), str(audit))

    @property
    def training(self) -> dict[str, Any]:
        path = self.artifacts.path("Trainer", "model_run") / "training.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    @property
    def trained(self) -> datetime:
        model = self.artifacts.artifact("Trainer", "model").mlmd_artifact
        return datetime.fromtimestamp(model.create_time_since_epoch / 1000, UTC)

    @cached_property
    def network(self) -> str:
        """Folder that a warm start takes; empty where the run left none, or it is damaged."""
        is_sound = self._is_sound("Trainer", "model_run", f"{FOLDER}/{WEIGHTS_FILE}")
        return str(self.artifacts.path("Trainer", "model_run")) if is_sound else ""

    @cached_property
    def choice(self) -> str:
        """File of the hyperparameters that its search chose; empty: not there, or damaged."""
        node, key, file = "Tuner", "best_hyperparameters", "best_hyperparameters.txt"
        has_searched = self.artifacts.has(node, key) and self._is_sound(node, key, file)
        return str(self.artifacts.path(node, key) / file) if has_searched else ""

    def _is_sound(self, node: str, key: str, file: str) -> bool:
        """Whether an output has the file, and is what its stage made; warns where it is not."""
        artifact = self.artifacts.artifact(node, key)
        if not Path(artifact.uri, file).is_file():
            return False
        if is_as_made(artifact):
            return True
        _log.warning("not started from, since its files are damaged: %s", artifact.uri)
        return False

    @property
    def version(self) -> int:
        pushed = self.artifacts.artifact("VersionedPusher", "pushed_model")
        if not pushed.get_int_custom_property("pushed"):
            return 0
        return int(pushed.get_string_custom_property("pushed_version"))


def read_history(connection: Any, config: Config) -> History:
    """Reads the store, latest run first, until all three are found."""
    ended = (
        TrainingRun(artifacts)
        for artifacts in read_runs(connection, config.name)
        if artifacts.has("VersionedPusher", "pushed_model")
    )
    return choose_runs(ended, served_version(config.serving_folder))
