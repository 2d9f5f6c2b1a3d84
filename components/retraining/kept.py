"""What runs leave for later ones where no metadata store can be asked: a folder, or a bucket.

    HISTORY/runs/1795648342/run.json            what was trained on, when, which version it became
                            FeatureStats.pb     labels of its training split
                            audit.json          counts of its join
                            training.json
                            best_hyperparameters.txt    where it searched
                            network/            what a warm start takes, where it was pushed
    HISTORY/looks/20417-0a1b2c3d4e5f6a7b/       what was seen of a span (`look`)

Enters: the folder. Leaves: the `History` that `planning` decides by, which holds what the metadata
store tells on this machine. `keeper` writes a run, `run.json` last: without it a folder is no run,
so that one which was cut off is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import apache_beam as beam
from pydantic import Field
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.ingest.rolling import Span
from components.retraining.drift import Facts, load_facts
from components.retraining.look import LOOK_FILE, SpanView, look_at_span, span_fingerprint
from components.retraining.planning import History, Setup, choose_runs
from components.serving.bucket import numbered
from components.serving.versions import next_version
from components.strict import Strict
from components.training.warm_start import FOLDER, WEIGHTS_FILE

RUN_FILE, TRAINING_FILE, CHOICE_FILE = "run.json", "training.json", "best_hyperparameters.txt"


class RunRecord(Strict):
    """What is known of a run that ended."""

    spans: list[int] = Field(description="that it was trained on, ascending")
    fingerprint: str = Field(description="of its files")
    trained: datetime = Field(description="when it ended")
    version: int = Field(description="that it pushed; 0: none")


class KeptRun:
    """A run that ended, as a `planning.PastRun`.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: str):
        self.folder = folder
        record = RunRecord.model_validate_json(_read(folder, RUN_FILE))
        self.spans = tuple(record.spans)
        self.fingerprint = record.fingerprint
        self.trained = record.trained
        self.version = record.version

    @property
    def facts(self) -> Facts:
        return load_facts(self.folder, self.folder)

    @property
    def training(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(_read(self.folder, TRAINING_FILE))
        return content

    @property
    def network(self) -> str:
        return self.folder if fileio.exists(f"{self.folder}/{FOLDER}/{WEIGHTS_FILE}") else ""

    @property
    def choice(self) -> str:
        path = os.path.join(self.folder, CHOICE_FILE)
        return path if fileio.exists(path) else ""


def read_kept(history: str, served: int | None) -> History:
    """Reads the runs, latest first, until all three are found.

    Args:
        history: folder of the history.
        served: version whose model serves; None: none does.
    """
    folder = os.path.join(history, "runs")
    numbers = reversed(numbered(folder, RUN_FILE))
    return choose_runs((KeptRun(os.path.join(folder, str(n))) for n in numbers), served)


def keep_run(history: str, record: RunRecord, files: Mapping[str, str], network: str) -> str:
    """Adds a run.

    Args:
        history: folder of the history; made here.
        record: what is known of it.
        files: path of each of its files by name.
        network: folder that `warm_start.save_network` left; empty: none is kept.

    Returns:
        Its folder.
    """
    runs = os.path.join(history, "runs")
    folder = os.path.join(runs, str(next_version(numbered(runs, ""))))
    fileio.makedirs(folder)
    for name, path in files.items():
        io_utils.copy_file(path, os.path.join(folder, name), overwrite=True)
    if network:
        io_utils.copy_dir(network, os.path.join(folder, FOLDER))
    io_utils.write_string_file(os.path.join(folder, RUN_FILE), record.model_dump_json())
    return folder


class KeptLooker:
    """Looks at spans, and keeps what it saw in the history.

    Args:
        setup: of the run.
        history: folder of the history.
        make_pipeline: of Beam.
    """

    def __init__(self, setup: Setup, history: str, make_pipeline: Callable[[], beam.Pipeline]):
        self.setup = setup
        self.history = history
        self.make_pipeline = make_pipeline

    def look(self, spans: Sequence[Span]) -> dict[int, SpanView]:
        """Looks at each span; one whose files did not change since is not read again."""
        return {span.number: self._look(span) for span in spans}

    def _look(self, span: Span) -> SpanView:
        setup = self.setup
        fingerprint = span_fingerprint(setup.patterns, span)
        parts = (fingerprint, setup.heads, setup.join.model_dump_json())
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        folder = os.path.join(self.history, "looks", f"{span.number}-{digest}")
        if not fileio.exists(os.path.join(folder, LOOK_FILE)):
            look_at_span(
                span, setup.patterns, setup.head_list, setup.join, folder, self.make_pipeline
            )
        return SpanView(folder)


def _read(folder: str, name: str) -> str:
    with fileio.open(os.path.join(folder, name), "rb") as file:
        return bytes(file.read()).decode("utf-8")
