"""A fit: resumed as if never killed, repeatable, and judged by what loss weights cannot move."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.dataset import (
    BATCH_TOKENS,
    bucket_bounds,
    make_batches,
    read_examples,
    summarise,
    to_row,
    training_batches,
)
from components.training.fitting import MeanSkill, TrainingData, fit, load_data
from components.training.model import build_model, compile_model
from components.training.settings import NetworkSettings

HEADS = parse_heads(DEFAULT_HEADS)
SMALL = NetworkSettings(kind="wide", embedding_width=6, first_filters=5, filters=7, dense_width=4)
STEPS = 40
LOGGER = logging.getLogger("authorprofile.test")
SPEC = {
    "tokens": tf.io.VarLenFeature(tf.int64),
    **{head.name: tf.io.FixedLenFeature([head.width], tf.float32) for head in HEADS},
    **{head.known_name: tf.io.FixedLenFeature([1], tf.float32) for head in HEADS},
}


def example(random, age_known):
    group = int(random.integers(10))
    values = {
        "age": [random.normal() if age_known else 0.0],
        "age.known": [float(age_known)],
        "income": np.eye(10)[group].tolist(),
        "income.known": [1.0],
        "gender": [float(random.integers(2))],
        "gender.known": [1.0],
    }
    features = {
        name: tf.train.Feature(float_list=tf.train.FloatList(value=value))
        for name, value in values.items()
    }
    tokens = random.integers(1, 50, random.integers(0, 500))
    features["tokens"] = tf.train.Feature(int64_list=tf.train.Int64List(value=tokens))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> TrainingData:
    random = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("examples")
    for split, authors in (("train", 40), ("eval", 20)):
        path = str(folder / f"{split}.gz")
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as out:
            for number in range(authors):
                out.write(example(random, age_known=number % 4 != 0))
    patterns = [[str(folder / f"{split}.gz")] for split in ("train", "eval")]
    return load_data(*patterns, SPEC, HEADS, 50, 8)


def new_model(data, weights=None):
    model = build_model(
        HEADS,
        50,
        SMALL,
        words=data.words,
        loss_weights=weights,
        seed=3,
        dropout=0.3,
        token_dropout=0.2,
        spatial_dropout=0.2,
    )
    recipe = {"weight_decay": 0.1, "label_smoothing": 0.1}
    compile_model(model, HEADS, weights or {}, 1e-2, STEPS, **recipe)
    return model


def run_fit(model, data, folder, epochs):
    return fit(model, data, epochs=epochs, patience=9, seed=1, folder=folder, logger=LOGGER)


def test_a_split_is_counted_exactly(data):
    assert data.train.authors == 40
    assert data.train.known == {"age": 30, "income": 40, "gender": 40}
    assert data.eval.known == {"age": 15, "income": 20, "gender": 20}
    rows = read_rows(data)
    ages = [float(t["age"][0]) for _, t, w in rows if w["age"] == 1]
    assert data.train.constant_losses["age"] == pytest.approx(np.var(ages), rel=1e-5)


def test_a_step_is_traced_once(data, tmp_path, monkeypatch):
    model = new_model(data)
    traced = []
    step = model.train_step
    monkeypatch.setattr(model, "train_step", lambda batch: traced.append(1) or step(batch))
    run_fit(model, data, tmp_path, 1)
    assert len(traced) == 1


def read_rows(data):
    return list(data.train_rows.as_numpy_iterator())


def test_batches_hold_every_author_once_padded_to_a_bound(data):
    seen = 0
    for tokens, targets, weights in make_batches(data.train_rows, 8, data.train.longest, 7):
        assert tokens.shape[1] in bucket_bounds(data.train.longest)
        assert len(tokens) == len(targets["age"]) == len(weights["age"]) <= 8
        seen += len(tokens)
    assert seen == 40


def test_a_batch_of_long_authors_is_bounded_by_its_tokens(data):
    lengths = [30_000, 20, 5_000, 70_000, 4_000, 300_000] * 9
    rows = tf.data.Dataset.from_generator(
        lambda: ((np.ones(n, "int32"), {"age": [0.0]}, {"age": 1.0}) for n in lengths),
        output_signature=(
            tf.TensorSpec([None], tf.int32),
            {"age": tf.TensorSpec([1], tf.float32)},
            {"age": tf.TensorSpec([], tf.float32)},
        ),
    )
    shapes = [tokens.shape for tokens, _, _ in make_batches(rows, 32, max(lengths))]
    assert sum(authors for authors, _ in shapes) == len(lengths)
    assert max(authors for authors, _ in shapes) == 18
    assert all(authors * width <= BATCH_TOKENS or authors == 1 for authors, width in shapes)
    heads = parse_heads({"age": DEFAULT_HEADS["age"]})
    counted = summarise(rows, heads, 2, 32)
    assert (counted.authors, counted.longest, counted.steps) == (54, 300_000, len(shapes))
    assert counted.document_frequencies.tolist() == [0, 54]


def test_epochs_differ_in_order_and_repeat_with_the_seed(data):
    def first_tokens(seed, epoch):
        batches = training_batches(data.train_rows, 8, data.train.longest, seed, epoch)
        return np.concatenate([b[0].numpy()[:, 0] for b in batches.take(data.train.steps)])

    np.testing.assert_array_equal(first_tokens(1, 0), first_tokens(1, 0))
    assert (first_tokens(1, 0) != first_tokens(1, 1)).any()
    np.testing.assert_array_equal(first_tokens(1, 1), first_tokens(1, 1))


def test_a_fit_that_stopped_half_way_ends_like_an_uninterrupted_one(data, tmp_path):
    whole = new_model(data)
    expected = run_fit(whole, data, tmp_path / "whole", 4)
    run_fit(new_model(data), data, tmp_path / "killed", 2)
    resumed = new_model(data)
    state = run_fit(resumed, data, tmp_path / "killed", 4)
    assert state.next_epoch == expected.next_epoch == 4
    np.testing.assert_allclose(
        [epoch["val_skill"] for epoch in state.history],
        [epoch["val_skill"] for epoch in expected.history],
        atol=1e-5,
    )
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_last_whole_epoch(data, tmp_path):
    run_fit(new_model(data), data, tmp_path, 2)
    (tmp_path / "state.json.partial").write_text('{"next_ep')
    (tmp_path / "epoch-0002.weights.h5").write_bytes(b"half")
    state = run_fit(new_model(data), data, tmp_path, 3)
    assert state.next_epoch == 3


def test_the_objective_does_not_move_with_the_loss_weights(data):
    skills, losses = [], []
    for scale in (1.0, 100.0):
        model = new_model(data, {"age": scale, "income": 2 * scale, "gender": scale})
        batches = make_batches(data.eval_rows, 8, data.eval.longest)
        logs = model.evaluate(batches, verbose=0, return_dict=True)
        logs = {f"val_{name}": value for name, value in logs.items()}
        MeanSkill(data.eval.constant_losses).on_epoch_end(0, logs)
        skills.append(logs["val_skill"])
        losses.append(logs["val_loss"])
    assert skills[0] == pytest.approx(skills[1], abs=1e-6)
    assert losses[1] == pytest.approx(100 * losses[0], rel=1e-4)


def test_one_head_alone_can_be_fitted(data, tmp_path):
    heads = parse_heads({"gender": DEFAULT_HEADS["gender"]})
    examples = (data.train_rows, data.eval_rows)
    rows = [
        r.map(lambda t, y, w: (t, {"gender": y["gender"]}, {"gender": w["gender"]}))
        for r in examples
    ]
    summaries = [summarise(r, heads, 50, 8) for r in rows]
    alone = TrainingData(heads, rows[0], rows[1], summaries[0], summaries[1], 8)
    model = build_model(heads, 50, SMALL, words=alone.words, seed=3)
    compile_model(model, heads, {}, 1e-2)
    state = run_fit(model, alone, tmp_path, 1)
    assert np.isfinite(state.best_skill)


def test_a_loss_that_is_not_finite_ends_with_what_to_do(data, tmp_path):
    model = new_model(data)
    compile_model(model, HEADS, {}, 1e20)
    with pytest.raises(ValueError, match="learning_rate"):
        run_fit(model, data, tmp_path, 2)


def test_rows_carry_mask_and_target(data):
    record = example(np.random.default_rng(0), age_known=False)
    tokens, targets, weights = to_row(tf.io.parse_single_example(record, SPEC), HEADS)
    assert float(weights["age"]) == 0.0
    assert float(weights["gender"]) == 1.0
    assert targets["income"].shape == (10,)
    assert tokens.dtype == tf.int32


def test_files_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a"):
        path = str(tmp_path / f"{name}.gz")
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as out:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()]))
            features = tf.train.Features(feature={"n": feature})
            out.write(tf.train.Example(features=features).SerializeToString())
    spec = {"n": tf.io.FixedLenFeature([], tf.string)}
    names = [row["n"].numpy() for row in read_examples([str(tmp_path / "*.gz")], spec)]
    assert names == [b"a", b"b"]
