"""The TFX component `Baseline`: a linear model per head, cross-fitted.

Memory beside what the solver takes: per fitted author 22 scores a column and 2 offsets, in float32.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.heads.declared import Heads, heads_from_json
from components.linear.artifact import (
    FINAL,
    LEARNED,
    PART,
    PARTS,
    SELECTION,
    offset_name,
    write_facts,
    write_model,
)
from components.linear.crossfit import Authors, CrossFitted, cross_fit
from components.linear.reading import (
    Batch,
    count_authors,
    draw,
    list_shards,
    parts_of,
    read_batches,
)
from components.linear.settings import BaselineSettings
from components.linear.solver import Directions
from components.linear.terms import TermMatrix, count_terms, weigh_terms
from components.table.artifact import Table, read_table
from components.table.component import TermsTable
from components.wiring import Artifacts, WiredComponent

LOGGER = logging.getLogger("authorprofile.baseline")
OFFSETS_A_BATCH = 4096


class LinearBaseline(Artifact):
    """Linear models and offsets, see `artifact`."""

    TYPE_NAME = "components.LinearBaseline"


class BaselineSpec(ComponentSpec):
    """Inputs, outputs and properties of `Baseline`."""

    PARAMETERS = {
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        "settings": ExecutionParameter(type=str),  # JSON of `BaselineSettings`
    }
    INPUTS = {
        "transformed_examples": ChannelParameter(type=standard_artifacts.Examples),
        "table": ChannelParameter(type=TermsTable),
    }
    OUTPUTS = {"baseline": ChannelParameter(type=LinearBaseline)}


class BaselineExecutor(base_executor.BaseExecutor):
    """Fits and writes."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes what `artifact` reads."""
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = input_dict["transformed_examples"]
        fit_baseline(
            {split: artifact_utils.get_split_uri(examples, split) for split in LEARNED},
            read_table(artifact_utils.get_single_uri(input_dict["table"])),
            heads_from_json(exec_properties["heads"]),
            BaselineSettings.model_validate_json(exec_properties["settings"]),
            artifact_utils.get_single_uri(output_dict["baseline"]),
        )


class Baseline(WiredComponent):
    """Fits the linear baseline; output `baseline`."""

    SPEC_CLASS = BaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(BaselineExecutor)


def fit_baseline(
    splits: Mapping[str, str],
    table: Table,
    heads: Heads,
    settings: BaselineSettings,
    folder: str,
) -> None:
    """Fits every head and writes models, offsets and facts.

    Args:
        splits: folders of transformed examples of `train` and `eval`.
        table: of the same examples.
        heads: what is predicted.
        settings: of the baseline.
        folder: where to; it may be in a bucket.
    """
    started = time.monotonic()
    shards = {split: list_shards(uri) for split, uri in splits.items()}
    counts = {split: count_authors(paths) for split, paths in shards.items()}
    with tempfile.TemporaryDirectory(prefix="authorprofile-baseline-") as place:
        corpus = Corpus(shards, table, settings.authors, sum(counts.values()))
        authors = corpus.read(Path(place), heads)
        fitted = {}
        for head in heads:
            fitted[head.name] = cross_fit(head, authors)
            seconds = fitted[head.name].facts["seconds"]
            LOGGER.debug("%s cross-fitted in %.1f s", head.name, seconds)
        for name in (SELECTION, FINAL):
            models = {head: found.models[name] for head, found in fitted.items()}
            write_model(folder, name, models, heads)
        write_offsets(corpus, shards, fitted, heads, os.path.join(folder, "offsets"))
    seconds = round(time.monotonic() - started, 1)
    write_facts(
        folder,
        {
            "authors": counts,
            "fitted": len(authors.part),
            "parts": PARTS,
            "folds": PARTS if authors.are_few else 0,
            "seconds": seconds,
            "heads": {name: dict(found.facts) for name, found in fitted.items()},
        },
    )
    chosen = ", ".join(f"{name} {found.facts['strength']:.2g}" for name, found in fitted.items())
    LOGGER.info("%s authors, strength of the penalty: %s", f"{len(authors.part):,}", chosen)


def write_offsets(
    corpus: Corpus,
    shards: Mapping[str, list[str]],
    fitted: Mapping[str, CrossFitted],
    heads: Heads,
    folder: str,
) -> None:
    """Writes every set's offsets, a file of the same name for each shard of the examples."""
    first = 0
    gzip = tf.io.TFRecordOptions(compression_type="GZIP")
    names = list(next(iter(fitted.values())).offsets)
    for split, paths in shards.items():
        for name in names:
            tf.io.gfile.makedirs(os.path.join(folder, name, split))
        for path in paths:
            with contextlib.ExitStack() as stack:
                writers = {
                    name: stack.enter_context(
                        tf.io.TFRecordWriter(
                            os.path.join(folder, name, split, os.path.basename(path)), gzip
                        )
                    )
                    for name in names
                }
                for ids, offsets in corpus.offsets(path, fitted, first):
                    first += int(corpus.drawn(ids).sum())
                    for name, by_head in offsets.items():
                        parts = parts_of(ids, PARTS)
                        for row, author in enumerate(ids):
                            numbers = {offset_name(h.name): by_head[h.name][row] for h in heads}
                            writers[name].write(_example(author, int(parts[row]), numbers))


def _example(author: bytes, part: int, offsets: Mapping[str, np.ndarray]) -> bytes:
    features = {
        name: tf.train.Feature(float_list=tf.train.FloatList(value=numbers))
        for name, numbers in offsets.items()
    }
    features[PART] = tf.train.Feature(int64_list=tf.train.Int64List(value=[part]))
    features["author_id"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[author]))
    content = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(content.SerializeToString())


class Corpus:
    """The authors of both splits, in the order of their shards.

    Args:
        shards: paths by split.
        table: of the same examples.
        most: authors that are fitted.
        authors: in all.
    """

    def __init__(
        self, shards: Mapping[str, list[str]], table: Table, most: int, authors: int
    ) -> None:
        self._shards, self._table, self._most, self._authors = shards, table, most, authors

    def read(self, place: Path, heads: Heads) -> Authors:
        """Those that are fitted; their rows go to an empty folder."""
        matrix = TermMatrix(place, self._table.terms)
        part, is_train = [], []
        targets: dict[str, list[np.ndarray]] = {head.name: [] for head in heads}
        known: dict[str, list[np.ndarray]] = {head.name: [] for head in heads}
        for split, paths in self._shards.items():
            for path in paths:
                for batch in read_batches(path, heads):
                    own = batch.take(self.drawn(batch.ids))
                    matrix.add(self._rows(own))
                    part.append(parts_of(own.ids, PARTS))
                    is_train.append(np.full(len(own.ids), split == "train"))
                    for head in heads:
                        targets[head.name].append(own.targets[head.name])
                        known[head.name].append(own.known[head.name])
        matrix.finish()
        return Authors(
            matrix,
            np.concatenate(part),
            np.concatenate(is_train),
            {name: np.concatenate(found) for name, found in targets.items()},
            {name: np.concatenate(found) for name, found in known.items()},
            Directions.of(matrix, self._table.table),
            self._authors,
        )

    def offsets(
        self, path: str, fitted: Mapping[str, CrossFitted], first: int
    ) -> Iterator[tuple[list[bytes], dict[str, dict[str, np.ndarray]]]]:
        """Ids of a shard's authors and their offsets by set and head, batch by batch.

        Args:
            path: of the shard.
            fitted: by head.
            first: fitted authors of the shards before.
        """
        for batch in read_batches(path, tokens=self._most < self._authors):
            own = self.drawn(batch.ids)
            places = slice(first, first + int(own.sum()))
            first = places.stop
            others = None if own.all() else self._rows(batch.take(~own))
            told: dict[str, dict[str, np.ndarray]] = {}
            for head, found in fitted.items():
                for name, offsets in found.offsets.items():
                    its = np.zeros((len(own), offsets.shape[1]), "float32")
                    its[own] = offsets[places]
                    if others is not None:
                        # No model saw them; there are no folds then.
                        its[~own] = found.models[name].logits(others)
                    told.setdefault(name, {})[head] = its
            yield batch.ids, told

    def drawn(self, ids: list[bytes]) -> np.ndarray:
        """Which of some authors are fitted, bool `[ids]`."""
        return draw(ids, self._most, self._authors)

    def _rows(self, batch: Batch) -> sparse.csr_matrix:
        table = self._table
        counted = count_terms(batch.tokens, batch.starts, table.vocabulary_size, table.pair_keys)
        return weigh_terms(counted, table.idf)
