"""The weights of an earlier network as the start of a new one, whose vocabulary is another.

Enters: the folder that an earlier training left (`save_network`), the new network, its tokens.
Leaves: the new network with what could be carried over, and a record of what could not. Called by
`trainer`.

| layer | carried over |
|---|---|
| embedding, words of a head | by token: rows of kept tokens, of padding and of unknown ones |
| pairs of words of a head | by pair, where both words and the pair are kept |
| rarities of words | no: they are counted anew |
| a number's last layer | so that it answers the same years, though their mean and deviation moved |
| a number's in steps | as it is, where there are as many steps; their thresholds are set anew |
| a number's on another scale | no: it starts anew |
| every other one | where it has the same shape |

The linear part of a wide network starts at 0 where the earlier one had none, so a network may grow
from reference to wide and first answers as before; the other way its words are lost, which the
record tells. Files: `weights.npz` (arrays by layer and name, no pickle), `tokens.txt`,
`facts.json`.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.features.transform import RESERVED_IDS
from components.heads.base import Head
from components.training.dataset import NO_PAIRS
from components.training.earlier_names import EarlierNetwork, with_separators
from components.training.linear import ANSWER, head_of
from components.training.pairs import FIRST_PLACE, NeighbourPairs
from components.training.steps import MeanOfSteps, steps_name

FOLDER = "network"
WEIGHTS_FILE, TOKENS_FILE, FACTS_FILE = "weights.npz", "tokens.txt", "facts.json"
COUNTED_ANEW = "word_weights"
PAIRS = "pairs/keys"


class WarmStartError(ValueError):
    """There is no earlier network to start from; the message says where and what to do."""


@dataclass
class WarmStart:
    """What was carried over; the record that `training.json` keeps.

    Attributes:
        source: folder of the earlier network.
        carried: names of weights.
        anew: names of weights that start as in any training, and why.
        lost: names of earlier weights that the new network has no place for.
        tokens: kept, new and gone ones of the vocabulary.
    """

    source: str
    carried: list[str] = field(default_factory=list)
    anew: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """One line for the console."""
        tokens = ", ".join(f"{count:,} {state}" for state, count in self.tokens.items())
        line = f"warm start: {len(self.carried)} weights carried over; tokens: {tokens}"
        if self.anew:
            line += "; anew: " + ", ".join(f"{name} ({why})" for name, why in self.anew.items())
        if self.lost:
            line += f"; lost: {', '.join(self.lost)}"
        return line

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def save_network(
    model: keras.Model, tokens: Sequence[str], facts: Mapping[str, float], folder: str
) -> None:
    """Writes what a later training may start from.

    Args:
        model: trained.
        tokens: of its vocabulary, in the order of their ids.
        facts: of `ServedModel.label_facts`.
        folder: a path or an address; made here.
    """
    tf.io.gfile.makedirs(folder)
    arrays = {name: variable.numpy() for name, variable in _weights(model)}
    arrays[PAIRS] = _pair_keys(model)
    facts = {**facts, **_step_counts(model)}
    # An archive is written by going back in the file, which an object store cannot.
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    for name, content in (
        (WEIGHTS_FILE, archive.getvalue()),
        (TOKENS_FILE, "\n".join(tokens).encode()),
        (FACTS_FILE, json.dumps(dict(facts)).encode()),
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


def start_from(
    model: keras.Model,
    folder: str,
    tokens: Sequence[str],
    facts: Mapping[str, float],
    heads: Sequence[Head],
) -> WarmStart:
    """Carries an earlier network's weights over into a new one, in place.

    Args:
        model: built for the new vocabulary, not trained.
        folder: of `save_network`.
        tokens: of the new vocabulary.
        facts: of the new training split.
        heads: what is predicted.

    Raises:
        WarmStartError: there is no earlier network, or nothing of it fits.
    """
    earlier = with_separators(read_network(folder), heads)
    kept = _kept_ids(earlier.tokens, tokens)
    kept_pairs = _kept_pairs(
        earlier.arrays.get(PAIRS, NO_PAIRS),
        _pair_keys(model),
        kept,
        (len(earlier.tokens) + RESERVED_IDS, len(tokens) + RESERVED_IDS),
    )
    start = WarmStart(folder, tokens=_count_tokens(earlier.tokens, tokens))
    steps = _step_counts(model)
    arrays = _natural(earlier, facts, heads)
    arrays.pop(PAIRS, None)
    present = {_shared_name(name, heads) for name, _ in _weights(model)}
    start.lost = sorted(set(arrays) - present)
    for name, variable in _weights(model):
        old = arrays.get(_shared_name(name, heads))
        fault = (
            _misfit(name, old, variable, heads)
            or _other_steps(name, earlier.facts, steps, heads)
            or _other_scale(name, earlier.facts, facts, heads)
        )
        if old is None or fault:
            start.anew[name] = fault
            continue
        if _is_of_tokens(name, heads):
            rows = kept if name.startswith("embedding/") else kept + kept_pairs
            old = _by_token(old, variable, rows)
        variable.assign(old)
        start.carried.append(name)
    if not start.carried:
        raise WarmStartError(
            f"A warm start needs a network of the same widths. Received: {folder}, of which no "
            "weight fits. Set the network's widths as they were, or train without warm_start_from."
        )
    return start


def _weights(model: keras.Model) -> list[tuple[str, Any]]:
    """The weights that training changes, by `<layer>/<weight>`."""
    return [
        (f"{layer.name}/{variable.name}", variable)
        for layer in model.layers
        if layer.name != COUNTED_ANEW
        for variable in layer.trainable_weights
    ]


def _shared_name(name: str, heads: Sequence[Head]) -> str:
    """One name for a head's layer over the trunk, which a wide network calls `<head>.trunk`."""
    layer, _, weight = name.partition("/")
    for head in heads:
        if layer == head.internal("trunk"):
            return f"{head.internal(ANSWER)}/{weight}"
    return name


def _is_of_tokens(name: str, heads: Sequence[Head]) -> bool:
    return name == "embedding/embeddings" or name in {f"{h.internal('words')}/table" for h in heads}


def _misfit(name: str, old: np.ndarray | None, variable: Any, heads: Sequence[Head]) -> str:
    """Why a weight cannot be carried over; empty where it can."""
    if old is None:
        return "not in the earlier network"
    of_tokens = _is_of_tokens(name, heads)
    before, now = (tuple(array.shape)[1 if of_tokens else 0 :] for array in (old, variable))
    return "" if before == now else f"was {_by(before)}, is {_by(now)}"


def _other_steps(
    name: str, before: Mapping[str, float], now: Mapping[str, float], heads: Sequence[Head]
) -> str:
    """Why a number's layer cannot be carried over, though its shape is the same."""
    for head in heads:
        key = steps_name(head.name)
        if _is_last(name, head) and before.get(key) != now.get(key):
            was, is_now = (
                f"{found[key]:g} steps" if key in found else "a number" for found in (before, now)
            )
            return f"was {was}, is {is_now}"
    return ""


def _other_scale(
    name: str, before: Mapping[str, Any], now: Mapping[str, Any], heads: Sequence[Head]
) -> str:
    """Why a number's layer tells what is none of the new scale; empty where it does not."""
    for head in heads:
        if _is_last(name, head) and (fault := head.moved_scale(before, now)):
            return fault
    return ""


def _is_last(name: str, head: Head) -> bool:
    own = {head.internal(part) for part in (ANSWER, "trunk", "words")}
    return name.partition("/")[0] in own


def _step_counts(model: keras.Model) -> dict[str, float]:
    """{`<head>.steps`: thresholds} of numbers that are answered in steps."""
    return {
        steps_name(head_of(layer.name)): float(len(layer.thresholds))
        for layer in model.layers
        if isinstance(layer, MeanOfSteps)
    }


def _pair_keys(model: keras.Model) -> np.ndarray:
    found = [layer.keys.numpy() for layer in model.layers if isinstance(layer, NeighbourPairs)]
    return np.asarray(found[0]) if found else NO_PAIRS


def _kept_pairs(
    before: np.ndarray, now: np.ndarray, kept: list[tuple[int, int]], first: tuple[int, int]
) -> list[tuple[int, int]]:
    """(new row, old row) of each pair in both lists; `first` are the first pairs' rows."""
    new_of = {old: new for new, old in kept}
    place_of = {int(key): place for place, key in enumerate(now)}
    rows = []
    for place, key in enumerate(before):
        one, two = (new_of.get(int(part)) for part in divmod(key, FIRST_PLACE))
        if one is None or two is None:
            continue
        found = place_of.get(one * FIRST_PLACE + two)
        if found is not None:
            rows.append((first[1] + found, first[0] + place))
    return rows


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _kept_ids(before: Sequence[str], now: Sequence[str]) -> list[tuple[int, int]]:
    """(new id, old id) of each token in both vocabularies, and of padding and the unknown."""
    old = {token: place + RESERVED_IDS for place, token in enumerate(before)}
    kept = [(place + RESERVED_IDS, old[token]) for place, token in enumerate(now) if token in old]
    return [(reserved, reserved) for reserved in range(RESERVED_IDS)] + kept


def _count_tokens(before: Sequence[str], now: Sequence[str]) -> dict[str, int]:
    kept = len(set(before) & set(now))
    return {"kept": kept, "new": len(now) - kept, "gone": len(before) - kept}


def _by_token(old: np.ndarray, variable: Any, kept: list[tuple[int, int]]) -> np.ndarray:
    rows = variable.numpy()
    new_ids, old_ids = np.array(kept).T
    fits = (new_ids < len(rows)) & (old_ids < len(old))
    rows[new_ids[fits]] = old[old_ids[fits]]
    return np.asarray(rows)


def _natural(
    earlier: EarlierNetwork, facts: Mapping[str, float], heads: Sequence[Head]
) -> dict[str, np.ndarray]:
    """The earlier arrays by shared names, last layers so that answers stay under the new facts.

    scale * y + offset stays where a linear layer's weights are multiplied by the old scale over the
    new one, and the fall of the offset over the new scale is added to its bias.
    """
    arrays = {_shared_name(name, heads): array for name, array in earlier.arrays.items()}
    for head in heads:
        names = {head.internal(fact) for fact in head.facts}
        if steps_name(head.name) in earlier.facts or not names <= earlier.facts.keys():
            continue
        (earlier_scale, earlier_offset), (scale, offset) = map(
            head.scale_and_offset, (earlier.facts, facts)
        )
        ratio, rise = earlier_scale / scale, (earlier_offset - offset) / scale
        for part in (f"{ANSWER}/kernel", f"{ANSWER}/bias", "words/table", "words/bias"):
            name = head.internal(part)
            if name in arrays:
                arrays[name] = arrays[name] * ratio + (rise if part.endswith("/bias") else 0.0)
    return arrays


def _read(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())
