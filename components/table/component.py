"""The TFX component `Table`: document frequencies and a truncated SVD of `train`'s TF-IDF.

Labels have no part in it. Memory: that of `svd`, and one block of terms; on the disk 8 bytes a
term of each decomposed author.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_transform as tft
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.features.transform import PAIRS, RESERVED_IDS, VOCABULARY
from components.linear.reading import count_authors, draw, list_shards, read_batches
from components.linear.terms import TermMatrix, count_terms, inverse_document_frequencies
from components.table.artifact import Table, write_table
from components.table.svd import start_of_table, truncated_svd
from components.training.pairs import pair_keys
from components.wiring import Artifacts, WiredComponent

LOGGER = logging.getLogger("authorprofile.table")
DECOMPOSED_AUTHORS = 200_000
"""Further ones move the strongest directions little."""
AUTHORS_A_DIRECTION = 4
FEWEST_DIRECTIONS = 2


class TermsTable(Artifact):
    """Where a network's table of terms starts, see `artifact`."""

    TYPE_NAME = "components.TermsTable"


class TableMakerSpec(ComponentSpec):
    """Inputs, outputs and properties of `TableMaker`."""

    PARAMETERS = {
        "width": ExecutionParameter(type=int),  # columns, at the most
        "seed": ExecutionParameter(type=int),  # of the decomposition's random start
    }
    INPUTS = {
        "transformed_examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {"table": ChannelParameter(type=TermsTable)}


class TableExecutor(base_executor.BaseExecutor):
    """Counts, decomposes, writes."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `table.npz`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        size, pairs = read_terms(tft.TFTransformOutput(graph))
        table = make_table(
            artifact_utils.get_split_uri(input_dict["transformed_examples"], "train"),
            size,
            pairs,
            exec_properties["width"],
            exec_properties["seed"],
        )
        write_table(table, artifact_utils.get_single_uri(output_dict["table"]))
        terms, width = f"{table.terms:,}", table.table.shape[1]
        LOGGER.info("%s words and pairs in %d dimensions", terms, width)


class TableMaker(WiredComponent):
    """Makes the table; output `table`."""

    SPEC_CLASS = TableMakerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TableExecutor)


def read_terms(transform: tft.TFTransformOutput) -> tuple[int, np.ndarray]:
    """Ids in all and `pair_keys` of a transform graph's vocabularies."""
    tokens = [name.decode("utf-8") for name in transform.vocabulary_by_name(VOCABULARY)]
    ids = {token: place + RESERVED_IDS for place, token in enumerate(tokens)}
    # Where none are asked for the graph counts none.
    counted = transform.vocabulary_file_by_name(PAIRS) is not None
    lines = transform.vocabulary_by_name(PAIRS) if counted else []
    keys = pair_keys((line.decode("utf-8") for line in lines), ids)
    return len(tokens) + RESERVED_IDS, keys


def make_table(folder: str, vocabulary_size: int, keys: np.ndarray, width: int, seed: int) -> Table:
    """The table of the transformed examples of `train`.

    Args:
        folder: of the examples.
        vocabulary_size: ids in all.
        keys: of pairs.
        width: columns, at the most; a quarter of the authors' number where that is less.
        seed: of the decomposition.
    """
    shards = list_shards(folder)
    authors = count_authors(shards)
    terms = vocabulary_size + len(keys)
    users = np.zeros(terms, "int64")
    with tempfile.TemporaryDirectory(prefix="authorprofile-table-") as place:
        matrix = TermMatrix(Path(place), terms)
        for path in shards:
            for batch in read_batches(path):
                counted = count_terms(batch.tokens, batch.starts, vocabulary_size, keys)
                users += np.bincount(counted.indices, minlength=terms)
                matrix.add(counted[draw(batch.ids, DECOMPOSED_AUTHORS, authors)])
        matrix.finish()
        idf = inverse_document_frequencies(authors, users)
        matrix.weigh(idf)
        columns = min(width, max(FEWEST_DIRECTIONS, authors // AUTHORS_A_DIRECTION))
        vectors, singular = truncated_svd(matrix, columns, seed)
        start = start_of_table(vectors, singular)
    if not len(singular):
        # No author has a word: one direction in which all are alike.
        start, singular = np.zeros((terms, 1), "float32"), np.zeros(1, "float32")
    return Table(idf, keys, start, singular, authors)
