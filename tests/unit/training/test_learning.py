"""A whole training: what `eval` may teach, which network it may not, and what is kept of each."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from components.features.settings import TextSettings
from components.heads.declared import parse_heads
from components.judging.settings import JudgingSettings
from components.table.artifact import Table
from components.training.fitting import TrainingData, join_splits, make_data
from components.training.hooks import HookSettings
from components.training.learning import learn
from components.training.settings import ConvSettings, TrainingSettings, TunerSettings
from components.training.tuner import build_candidate
from tests.unit.training.small_network import batch_of, draw_linear, make_rows

HEADS = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})
TRAINING = TrainingSettings(
    epochs=6, batch_size=8, learning_rate=0.02, dropout=0.0, seed=1, precision="float32"
)
NETWORK = ConvSettings(filters=4, shared_width=8, term_dropout=0.0, pull=0.0)
LOGGER = logging.getLogger("authorprofile.test")
VOCABULARY = 12
# In `train`, the first word tells the gender, and the linear baseline knows nothing.
WORDS = np.arange(64) % 2
KNOWN = np.array([0.5, 1.0, 1.5, -0.5])
LINKS = {head.name: head.link(np.linspace(-1, 1, 9)[:, None].clip(-1)) for head in HEADS}


def table_of_words() -> Table:
    random = np.random.default_rng(0)
    idf = np.ones(VOCABULARY, "float32")
    idf[:2] = 0
    table = random.normal(0, 1, (VOCABULARY, 8)).astype("float32")
    return Table(idf, np.zeros(0, "int64"), table, np.ones(8, "float32"), authors=64)


def rows_of(words, genders, first):
    """Authors who use two words each: one of two, and one of four that start at `first`."""
    count = len(words)
    authors = np.stack([2 + words, first + np.arange(count) % 4], axis=1).tolist()
    column = genders.astype("float32")[:, None]
    targets = {"age": column * 2 - 1, "gender": column}
    offsets = {name: np.zeros((count, link.logits)) for name, link in LINKS.items()}
    return make_rows(authors, targets, offsets)


def data_of(genders_of_eval, **further) -> TrainingData:
    rows = rows_of(WORDS, WORDS, 4), rows_of(WORDS[:16], genders_of_eval, 8)
    table = table_of_words()
    return make_data(HEADS, *rows, 8, VOCABULARY, links=LINKS, table=table, **further)


DATA, OPPOSITE = data_of(WORDS[:16]), data_of(1 - WORDS[:16])
SETTINGS = HookSettings(
    HEADS, TextSettings(), NETWORK, TRAINING, TunerSettings(), JudgingSettings()
)
build = partial(build_candidate, SETTINGS)


class Told(logging.Handler):
    """What was logged."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder, told = tmp_path_factory.mktemp("learned"), Told()
    LOGGER.addHandler(told)
    LOGGER.setLevel(logging.DEBUG)
    found = learn(build, DATA, TRAINING, folder, logger=LOGGER)
    LOGGER.removeHandler(told)
    LOGGER.setLevel(logging.NOTSET)
    return found, folder, told.messages


def second_words(rows):
    return [int(row[0]["tokens"][1]) for row in rows.as_numpy_iterator()]


def test_joined_splits_hold_every_author_once_mixed_and_in_the_same_order_again():
    joined = join_splits(DATA)
    seen = [second_words(joined.train_rows) for _ in range(2)]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == sorted(
        [4 + n % 4 for n in range(64)] + [8 + n % 4 for n in range(16)]
    )
    of_eval = [place for place, word in enumerate(seen[0]) if word >= 8]
    assert min(of_eval) < 20 and np.mean(of_eval) < 60
    assert joined.train.authors == 80
    assert joined.eval is DATA.eval


def test_joined_splits_have_the_offsets_of_the_last_fit():
    other = tuple(
        rows.map(lambda i, t, w: ({**i, "gender.offset": i["gender.offset"] + 7.0}, t, w))
        for rows in (DATA.train_rows, DATA.eval_rows)
    )
    joined = join_splits(replace(DATA, everyone=other))
    offsets = [row[0]["gender.offset"][0] for row in joined.train_rows.as_numpy_iterator()]
    assert offsets == [7.0] * 80


def test_the_final_network_learns_from_eval_and_the_selected_one_does_not(learned, tmp_path):
    found, *_ = learned
    assert found.authors == 80 and found.refitted
    starts = build(DATA, 1).get_layer("table").table.numpy()
    # Words that `eval` alone uses; without pull or decay, Adam leaves a row without gradient.
    moved = [
        np.abs(model.get_layer("table").table.numpy() - starts)[8:].max()
        for model in (found.selected, found.final)
    ]
    assert moved[0] == 0 and moved[1] > 1e-3


def test_what_was_learned_is_kept_and_serves(learned):
    found, *_ = learned
    assert 0.3 < found.shares["gender"].network <= 1
    # The baseline knows nothing, so that nothing of it is kept.
    assert found.shares["gender"].baseline == 0
    linear = draw_linear(DATA.table, LINKS)
    served = found.answering(linear)
    assert served.get_layer("gender.kept").share == found.shares["gender"].network
    assert served.get_layer("gender.shrunk").share == found.shares["gender"].answer
    labels, answers = found.held_out_answers("gender")
    assert ((answers > 0.5) == (labels > 0.5)).mean() > 0.6
    labels, alone = found.held_out_answers("gender", of_baseline=True)
    np.testing.assert_allclose(alone, 0.5)


def test_held_out_answers_are_those_that_the_selected_network_serves(learned):
    """Of a baseline whose answers are the offsets of the files: nothing."""
    found, *_ = learned
    linear = {
        name: replace(head, weights=head.weights * 0, bias=head.bias * 0)
        for name, head in draw_linear(DATA.table, LINKS).items()
    }
    authors = [row[0]["tokens"].tolist() for row in DATA.eval_rows.as_numpy_iterator()]
    served = found.answering_selected(linear)(batch_of(authors))
    alone = found.linear_answering(linear)(batch_of(authors))
    for head in HEADS:
        _, answers = found.held_out_answers(head.name)
        np.testing.assert_allclose(served[head.name], answers, atol=1e-5)
        _, answers = found.held_out_answers(head.name, of_baseline=True)
        # Both splits have as many of either label, so that the constants are the same.
        np.testing.assert_allclose(alone[head.name], answers, atol=1e-5)


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
    assert same.shares["gender"].network > 0
    # Wrong about `eval`, the network is left out, and what is left of the answer is the baseline's.
    assert opposite.shares["gender"].network == 0
    assert same.final is same.selected and not same.refitted
    assert same.authors == 64


def test_a_training_called_again_after_its_end_gives_the_same_networks(learned):
    found, folder, _ = learned
    again = learn(build, DATA, TRAINING, folder, logger=LOGGER)
    assert again.state == found.state
    assert again.shares == found.shares
    for name in ("selected", "final"):
        weights = [getattr(which, name).get_weights() for which in (found, again)]
        for ours, theirs in zip(*weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def folds_of(genders):
    """Five parts of the authors of both splits: who is learned from, and who is answered."""
    words, labels = np.concatenate([WORDS, WORDS[:16]]), np.concatenate([WORDS, genders])
    part = np.arange(80) // 2 % 5
    return tuple(
        tuple(rows_of(words[rows], labels[rows], 4) for rows in (part != fold, part == fold))
        for fold in range(5)
    )


def test_where_eval_is_small_every_author_is_answered_by_a_network_that_never_saw_him(
    tmp_path, caplog
):
    data = data_of(WORDS[:16], folds=folds_of(WORDS[:16]))
    seen = []

    def build_apart(its_data, epochs):
        seen.append((its_data.train.authors, its_data.eval.authors, epochs))
        return build(its_data, epochs)

    training = TRAINING.model_copy(update={"epochs": 3})
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        found = learn(build, data, training, tmp_path, logger=LOGGER, build_apart=build_apart)
    # One build serves all parts.
    assert seen == [(64, 16, 3)]
    # Some dozens of authors choose no epoch: the last is kept, and no skill of theirs is told.
    assert found.state.best_epoch == 2 and found.state.next_epoch == 3
    assert not any("skill" in line for line in caplog.messages)
    assert len(found.held_out["gender"].labels) == 80
    assert found.shares["gender"].network > 0.9
    assert found.authors == 80


def test_a_head_that_is_all_alike_in_a_part_does_not_stop_a_training(tmp_path):
    """Of some dozens of authors a rare label may miss a part."""
    (learned_from, answered), *_ = folds_of(WORDS[:16])
    alike = answered.filter(lambda i, targets, w: targets["gender"][0] > 0)
    data = data_of(WORDS[:16], folds=((learned_from, alike),))
    training = TRAINING.model_copy(update={"epochs": 1, "refit": False})
    found = learn(build, data, training, tmp_path, logger=LOGGER)
    assert found.held_out["gender"].labels.tolist() == [[1.0]] * 8


def test_a_part_without_authors_does_not_stop_a_training(tmp_path):
    """Of a dozen authors a part of the hash may be empty."""
    (learned_from, answered), *_ = folds_of(WORDS[:16])
    empty = (learned_from, answered.filter(lambda i, targets, w: False))
    data = data_of(WORDS[:16], folds=(empty, (learned_from, answered)))
    training = TRAINING.model_copy(update={"epochs": 1, "refit": False})
    found = learn(build, data, training, tmp_path, logger=LOGGER)
    assert len(found.held_out["gender"].labels) == 16


def test_no_skill_is_told_of_authors_that_were_trained_on(learned):
    found, _, messages = learned
    told = messages[-found.state.best_epoch - 1 :]
    assert told[0] == f"epoch 1 of {len(told)}; the last one is kept"
    assert not any("skill" in line for line in told)
    assert sum("skill on eval" in line for line in messages) == TRAINING.epochs
