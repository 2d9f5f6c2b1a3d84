"""The weights of an earlier network as the start of a new one, whose vocabulary is another.

Enters: the folder that an earlier training left (`save_network`), today's tokens and table. Leaves:
the table to build the new network with, then the network with what else could be carried over, and
a record of what could not.

| layer | carried over |
|---|---|
| the table | by token and by pair; rows of new ones are folded into the earlier basis (`fold_in`) |
| embedding (reference) | by token: rows of kept tokens, of padding and of unknown ones |
| a number's last layer (reference) | so that it answers the same, though mean and deviation moved |
| the same on another scale | no: it starts anew |
| a head's correction | where it has as many logits, on any scale: thresholds are quantiles |
| every other one | where it has the same shape, and what it reads was carried over |

The table comes first, since a training pulls it to where it starts: to the earlier rows. It keeps
the earlier width. Rarities of terms and the linear baseline are those of today's authors.

What a training chooses (epoch, shares, temperatures) it must choose on authors that the earlier
network never saw. An author's split follows from the id, and the network that is left has learned
from `train` alone; so authors of `eval` are such authors, unless the share of `train` was larger
then: the new network starts from nothing. It does so too where the earlier one is of another kind.
Files: `weights.npz` (arrays by layer and name, no pickle), `tokens.txt`, `facts.json`.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.features.transform import RESERVED_IDS
from components.heads.base import Head
from components.heads.names import ANSWER
from components.table.artifact import Table
from components.training.conv import CORRECTION, LOGITS
from components.training.earlier_names import (
    EMBEDDED,
    TABLE_ROWS,
    EarlierNetwork,
    with_separators,
)
from components.training.fold_in import Places, are_enough, fold_in, kept_pairs, kept_tokens
from components.training.pairs import NeighbourPairs
from components.training.standardise import Standardise

FOLDER = "network"
WEIGHTS_FILE, TOKENS_FILE, FACTS_FILE = "weights.npz", "tokens.txt", "facts.json"
PAIRS = "pairs/keys"
TRAIN_SHARE = "train_share"
"""Fact of a network: the share of authors, by the hash of their ids, that it may have seen."""
NO_PAIRS = np.zeros(0, dtype="int64")
READS = {"standardise": ("convolution",), "shared": ("convolution", "standardise", "pool_norm")}
"""Layers below a layer that means nothing where one of them starts anew."""


class WarmStartError(ValueError):
    """There is no earlier network to start from; the message says where and what to do."""


@dataclass
class WarmStart:
    """What was carried over; the record that `training.json` keeps.

    Attributes:
        source: folder of the earlier network.
        cold: why nothing of it is used; empty where it is.
        carried: names of weights.
        anew: names of weights that start as in any training, and why.
        lost: names of earlier weights that the new network has no place for.
        tokens: kept, new and gone ones of the vocabulary.
        pairs: the same of pairs, where the network has a row for each.
        columns: of the earlier table, which stay.
    """

    source: str
    cold: str = ""
    carried: list[str] = field(default_factory=list)
    anew: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)
    columns: int | None = None

    def describe(self) -> str:
        """One line for the console."""
        if self.cold:
            return f"warm start: nothing is carried over, since {self.cold}; training starts anew"
        line = f"warm start: {len(self.carried)} weights carried over"
        for name, counts in (("tokens", self.tokens), ("pairs", self.pairs)):
            if counts:
                told = ", ".join(f"{count:,} {state}" for state, count in counts.items())
                line += f"; {name}: {told}"
        if self.columns:
            line += f"; the table keeps its {self.columns} columns"
        if self.anew:
            line += "; anew: " + ", ".join(f"{name} ({why})" for name, why in self.anew.items())
        if self.lost:
            line += f"; lost: {', '.join(self.lost)}"
        return line

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def save_network(
    model: keras.Model,
    tokens: Sequence[str],
    facts: Mapping[str, Any],
    folder: str,
    train_share: float | None = None,
) -> None:
    """Writes what a later training may start from.

    Args:
        model: trained.
        tokens: of its vocabulary, in the order of their ids.
        facts: of `ServedModel.label_facts`.
        folder: a path or an address; made here.
        train_share: of `ingest.splits`.
    """
    tf.io.gfile.makedirs(folder)
    arrays = {name: variable.numpy() for name, variable in _weights(model)}
    arrays[PAIRS] = _pair_keys(model)
    facts = dict(facts) if train_share is None else {**facts, TRAIN_SHARE: train_share}
    # An archive is written by going back in the file, which an object store cannot.
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    for name, content in (
        (WEIGHTS_FILE, archive.getvalue()),
        (TOKENS_FILE, "\n".join(tokens).encode()),
        (FACTS_FILE, json.dumps(facts).encode()),
    ):
        with tf.io.gfile.GFile(os.path.join(folder, name), "wb") as file:
            file.write(content)


def read_network(folder: str) -> EarlierNetwork:
    """Reads what `save_network` wrote.

    Raises:
        WarmStartError: it is not there, or is something else.
    """
    try:
        archive, tokens, facts = (
            _read(os.path.join(folder, name)) for name in (WEIGHTS_FILE, TOKENS_FILE, FACTS_FILE)
        )
        with np.load(io.BytesIO(archive), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return EarlierNetwork(arrays, tokens.decode("utf-8").split("\n"), json.loads(facts))
    except (tf.errors.OpError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WarmStartError(
            f"A warm start needs the network of an earlier run in {folder}. Received: "
            f"{type(error).__name__}. Train without warm_start_from, or name an artifact "
            "Trainer/model_run of a run that left one."
        ) from None


@dataclass(frozen=True)
class Start:
    """An earlier network beside what a new one will be trained on.

    Attributes:
        earlier: as it was left, its parts named as today.
        heads, tokens, facts: of the new training.
        kept: rows of tokens in both vocabularies, (new, earlier).
        table: to build the new network with; None: its own, or it has none.
        record: filled by `carry_over`.
    """

    earlier: EarlierNetwork
    heads: Sequence[Head]
    tokens: Sequence[str]
    facts: Mapping[str, Any]
    kept: Places
    table: Table | None
    record: WarmStart

    @property
    def is_cold(self) -> bool:
        """Whether nothing is carried over."""
        return bool(self.record.cold)

    def carry_over(self, model: keras.Model) -> WarmStart:
        """Carries the weights over in place, into a network built with `table`.

        Raises:
            WarmStartError: no weight fits.
        """
        arrays = _natural(self.earlier, self.facts, self.heads)
        if self.table is not None:
            arrays[TABLE_ROWS] = self.table.table
        reads = _reads(self.heads)
        record = replace(self.record, carried=[], anew={})
        record.lost = sorted(set(arrays) - {name for name, _ in _weights(model)} - {PAIRS})
        anew: set[str] = set()
        for name, variable in _weights(model):
            layer, old = name.partition("/")[0], arrays.get(name)
            below = [one for one in reads.get(layer, ()) if one in anew]
            fault = f"{below[0]} starts anew" if below else _misfit(name, old, variable)
            fault = fault or self._other_scale(layer)
            if old is None or fault:
                anew.add(layer)
                record.anew[name] = fault
                continue
            if name == EMBEDDED:
                old = _by_token(old, variable, self.kept)
            variable.assign(old)
            record.carried.append(name)
        if not record.carried:
            raise WarmStartError(
                f"A warm start needs a network of the same widths. Received: {record.source}, of "
                "which no weight fits. Set the network's widths as they were, or train without "
                "warm_start_from."
            )
        return record

    def _other_scale(self, layer: str) -> str:
        """Why a number's last layer tells what is none of today's scale; empty elsewhere."""
        for head in self.heads:
            if layer == head.internal(ANSWER):
                return head.moved_scale(self.earlier.facts, self.facts)
        return ""


def open_start(
    folder: str,
    kind: str,
    tokens: Sequence[str],
    facts: Mapping[str, Any],
    heads: Sequence[Head],
    table: Table | None = None,
    train_share: float | None = None,
) -> Start:
    """Reads an earlier network and says what of it a new one starts from.

    Args:
        folder: of `save_network`.
        kind: of the new network.
        tokens: of the new vocabulary.
        facts: of the new training split.
        heads: what is predicted.
        table: of the new training split, for `conv`.
        train_share: of `ingest.splits`.

    Raises:
        WarmStartError: there is no earlier network, or it is none of ours.
    """
    earlier = with_separators(read_network(folder), heads)
    kept = kept_tokens(earlier.tokens, tokens)
    record = WarmStart(folder, tokens=_count_tokens(earlier.tokens, tokens))
    before = earlier.facts.get(TRAIN_SHARE)
    if earlier.kind and earlier.kind != kind:
        record.cold = f"the earlier network is of the kind {earlier.kind}, and this one is {kind}"
    elif train_share is not None and before is not None and before > train_share:
        record.cold = (
            f"the earlier network has seen authors that choose now: ingest.splits.train was "
            f"{before:g}, and is {train_share:g}"
        )
    elif kind == "conv" and table is not None and TABLE_ROWS in earlier.arrays:
        keys = earlier.arrays.get(PAIRS, NO_PAIRS), table.pair_keys
        first = len(tokens) + RESERVED_IDS, len(earlier.tokens) + RESERVED_IDS
        pairs = kept_pairs(*keys, kept, first)
        record.pairs = _counts(len(pairs), len(keys[1]), len(keys[0]))
        columns = earlier.arrays[TABLE_ROWS].shape[1], table.table.shape[1]
        if columns[1] >= 2 * columns[0]:
            record.cold = (
                f"the earlier table has {columns[0]} columns, and today's authors are enough for "
                f"{columns[1]}"
            )
            return Start(earlier, heads, tokens, facts, kept, None, record)
        if are_enough(kept + pairs, table.table):
            if columns[0] != columns[1]:
                record.columns = columns[0]
            rows = fold_in(table.table, earlier.arrays[TABLE_ROWS], kept + pairs)
            table = replace(table, table=rows)
            return Start(earlier, heads, tokens, facts, kept, table, record)
        record.cold = "too few words and pairs are the same"
    return Start(earlier, heads, tokens, facts, kept, None, record)


def _weights(model: keras.Model) -> list[tuple[str, Any]]:
    """What training changes, by `<layer>/<weight>`; a layer after those it reads."""
    return [
        (f"{layer.name}/{variable.name}", variable)
        for layer in model.layers
        for variable in (
            layer.weights if isinstance(layer, Standardise) else layer.trainable_weights
        )
    ]


def _reads(heads: Sequence[Head]) -> dict[str, tuple[str, ...]]:
    """`READS` with the heads' layers. A correction of other features would add mere noise."""
    corrections = {head.internal(CORRECTION): ("shared",) for head in heads}
    scales = {head.internal(LOGITS): (head.internal(CORRECTION),) for head in heads}
    return {**READS, **corrections, **scales}


def _misfit(name: str, old: np.ndarray | None, variable: Any) -> str:
    """Why a weight cannot be carried over; empty where it can."""
    if old is None:
        return "not in the earlier network"
    before, now = (tuple(array.shape)[name == EMBEDDED :] for array in (old, variable))
    return "" if before == now else f"was {_by(before)}, is {_by(now)}"


def _pair_keys(model: keras.Model) -> np.ndarray:
    found = [layer.keys.numpy() for layer in model.layers if isinstance(layer, NeighbourPairs)]
    return np.asarray(found[0]) if found else NO_PAIRS


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _count_tokens(before: Sequence[str], now: Sequence[str]) -> dict[str, int]:
    return _counts(len(set(before) & set(now)), len(now), len(before))


def _counts(kept: int, now: int, before: int) -> dict[str, int]:
    return {"kept": kept, "new": now - kept, "gone": before - kept}


def _by_token(old: np.ndarray, variable: Any, kept: Places) -> np.ndarray:
    rows = variable.numpy()
    new_ids, old_ids = np.array(kept).T
    fits = (new_ids < len(rows)) & (old_ids < len(old))
    rows[new_ids[fits]] = old[old_ids[fits]]
    return np.asarray(rows)


def _natural(
    earlier: EarlierNetwork, facts: Mapping[str, Any], heads: Sequence[Head]
) -> dict[str, np.ndarray]:
    """The earlier arrays, last layers so that their answers stay under the new facts.

    scale * y + offset stays where a linear layer's weights are multiplied by the old scale over the
    new one, and the fall of the offset over the new scale is added to its bias.
    """
    arrays = dict(earlier.arrays)
    for head in heads:
        names = {head.internal(fact) for fact in head.facts}
        if not names <= earlier.facts.keys():
            continue
        (earlier_scale, earlier_offset), (scale, offset) = map(
            head.scale_and_offset, (earlier.facts, facts)
        )
        ratio, rise = earlier_scale / scale, (earlier_offset - offset) / scale
        for part in (f"{ANSWER}/kernel", f"{ANSWER}/bias"):
            name = head.internal(part)
            if name in arrays:
                arrays[name] = arrays[name] * ratio + (rise if part.endswith("/bias") else 0.0)
    return arrays


def _read(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())
