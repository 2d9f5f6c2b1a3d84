"""A whole training: what `eval` may teach, and which network it may not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.dataset import summarise
from components.training.fitting import TrainingData, join_splits
from components.training.learning import learn
from components.training.linear import LabelFacts
from components.training.model import build_model, compile_model
from components.training.settings import NetworkSettings, TrainingSettings

HEADS = parse_heads({name: DEFAULT_HEADS[name] for name in ("age", "gender")})
TRAINING = TrainingSettings(epochs=3, batch_size=8, learning_rate=3e-3, seed=1)
LOGGER = logging.getLogger("authorprofile.test")
VOCABULARY = 12


def rows_of(words, genders, first):
    """Authors who use two words each: one of two, and one of four that start at `first`."""
    count = len(words)
    words = np.stack([2 + words, first + np.arange(count) % 4], axis=1).astype("int32")
    column = genders.astype("float32")[:, None]
    known = np.ones(count, dtype="float32")
    return tf.data.Dataset.from_tensor_slices(
        (words, {"age": column * 2 - 1, "gender": column}, {"age": known, "gender": known})
    )


def data_of(genders_of_eval):
    rows = rows_of(WORDS, WORDS, 4), rows_of(WORDS[:16], genders_of_eval, 8)
    summaries = [summarise(split, HEADS, VOCABULARY, 8) for split in rows]
    return TrainingData(HEADS, *rows, *summaries, 8)


# In `train`, the first word tells the gender; in `eval` too, or the opposite.
WORDS = np.arange(64) % 2
DATA, OPPOSITE = data_of(WORDS[:16]), data_of(1 - WORDS[:16])


def build(data, epochs):
    """A linear network of words for these authors."""
    model = build_model(
        HEADS,
        VOCABULARY,
        NetworkSettings(),
        words=data.words,
        labels=LabelFacts(data.train.constants),
        seed=1,
    )
    compile_model(model, HEADS, {}, TRAINING.learning_rate, data.train.steps * epochs)
    return model


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    return learn(build, DATA, TRAINING, folder, logger=LOGGER), folder


def test_joined_splits_hold_every_author_once_mixed_and_in_the_same_order_again():
    joined = join_splits(DATA)
    seen = [[int(row[0][1]) for row in joined.train_rows.as_numpy_iterator()] for _ in range(2)]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == sorted(
        [4 + n % 4 for n in range(64)] + [8 + n % 4 for n in range(16)]
    )
    of_eval = [place for place, word in enumerate(seen[0]) if word >= 8]
    assert min(of_eval) < 20 and np.mean(of_eval) < 60
    assert joined.train.authors == 80
    assert joined.train.document_frequencies[2:4].tolist() == [40, 40]
    assert joined.eval is DATA.eval


def test_the_final_network_knows_the_words_that_eval_alone_uses(learned):
    def used(model):
        table = model.get_layer("gender.words").table.numpy()
        return np.flatnonzero(np.abs(table).sum(axis=1)).tolist()

    found, _ = learned
    assert found.authors == 80
    assert used(found.selected) == list(range(2, 8))
    assert used(found.final) == list(range(2, 12))
    assert found.shares["gender"] > 0.9
    for model in (found.selected, found.final):
        assert model.get_layer("gender.shrunk").share == found.shares["gender"]


def test_what_selects_teaches_no_weight_of_the_selected_network(tmp_path):
    alone = TRAINING.model_copy(update={"refit": False, "epochs": 1})
    same, opposite = (
        learn(build, data, alone, tmp_path / str(place), logger=LOGGER)
        for place, data in enumerate((DATA, OPPOSITE))
    )
    for ours, theirs in zip(
        same.selected.get_weights(), opposite.selected.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    assert (same.shares["gender"] > 0, opposite.shares["gender"]) == (True, 0)
    assert same.final is same.selected
    assert same.authors == 64


def test_a_training_called_again_after_its_end_gives_the_same_networks(learned):
    found, folder = learned
    again = learn(build, DATA, TRAINING, folder, logger=LOGGER)
    assert again.state == found.state
    assert again.shares == pytest.approx(found.shares)
    for name in ("selected", "final"):
        weights = [getattr(which, name).get_weights() for which in (found, again)]
        for ours, theirs in zip(*weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_no_skill_is_told_of_authors_that_were_trained_on(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        found = learn(build, DATA, TRAINING, tmp_path, logger=LOGGER)
    told = caplog.messages[-found.state.best_epoch - 1 :]
    assert told[0] == f"train and eval together: epoch 1 of {len(told)}"
    assert not any("skill" in line for line in told)
    assert sum("skill on eval" in line for line in caplog.messages) == TRAINING.epochs
