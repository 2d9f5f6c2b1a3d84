"""A fit: resumed as if never killed, repeatable, and judged by what loss weights cannot move."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import parse_heads
from components.training.dataset import (
    TRAINING_TOKENS,
    bucket_bounds,
    make_batches,
    read_examples,
    to_row,
    training_batches,
)
from components.training.fitting import MeanSkill, TrainingData, fit, make_data
from components.training.loading import load_data
from components.training.model import compile_model, for_model
from tests.unit.training.small_network import (
    HEADS,
    SPEC,
    VOCABULARY,
    build_small,
    links_of,
    write_files,
)

STEPS = 40
LOGGER = logging.getLogger("authorprofile.test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def data(folder) -> TrainingData:
    beside = write_files(folder)
    patterns = [[str(folder / "examples" / split / "*")] for split in ("train", "eval")]
    return load_data(*patterns, SPEC, HEADS, VOCABULARY, 8, **beside)


def new_model(data, weights=None, pull=5.0):
    model = build_small()
    recipe = {"weight_decay": 0.1, "label_smoothing": 0.1, "pull": pull}
    compile_model(model, HEADS, weights or {}, 1e-2, STEPS, **recipe)
    return model


def run_fit(model, data, folder, epochs):
    return fit(model, data, epochs=epochs, patience=9, seed=1, folder=folder, logger=LOGGER)


def test_a_split_is_counted_exactly(data):
    assert data.train.authors == 40
    assert data.train.known == {"age": 30, "income": 40, "gender": 40}
    assert data.eval.known == {"age": 15, "income": 20, "gender": 20}
    rows = list(data.train_rows.as_numpy_iterator())
    ages = [float(t["age"][0]) for _, t, w in rows if w["age"] == 1]
    assert data.train.constant_losses["age"] == pytest.approx(np.var(ages), rel=1e-5)


def test_a_step_is_traced_once(data, tmp_path, monkeypatch):
    model = new_model(data)
    traced = []
    step = model.train_step
    monkeypatch.setattr(model, "train_step", lambda batch: traced.append(1) or step(batch))
    run_fit(model, data, tmp_path, 1)
    assert len(traced) == 1


def test_batches_hold_every_author_once_padded_to_a_bound(data):
    seen, logits = 0, {name: link.logits for name, link in links_of().items()}
    for inputs, targets, weights in make_batches(data.train_rows, 8, 500, 7):
        tokens = inputs["tokens"]
        assert tokens.shape[1] in bucket_bounds(500)
        assert len(tokens) == len(targets["age"]) == len(weights["age"]) <= 8
        for name, count in logits.items():
            assert inputs[f"{name}.offset"].shape == (len(tokens), count)
        seen += len(tokens)
    assert seen == 40


def test_long_authors_share_a_batch_with_few(data):
    batches = list(make_batches(data.train_rows, 8, 500, batch_tokens=1000))
    for inputs, _, _ in batches:
        authors, width = inputs["tokens"].shape
        assert authors == 1 or authors * width <= 1000
    assert sum(len(inputs["tokens"]) for inputs, _, _ in batches) == 40


def test_an_offset_stays_beside_its_author(data):
    def pairs(rows):
        return sorted(
            (inputs["tokens"][inputs["tokens"] > 0].tolist(), inputs["age.offset"].tolist())
            for inputs in rows
        )

    rows = [inputs for inputs, *_ in data.train_rows.as_numpy_iterator()]
    of_batches = [
        {name: values.numpy()[place] for name, values in inputs.items()}
        for inputs, *_ in make_batches(data.train_rows, 8, 500, 7)
        for place in range(len(inputs["tokens"]))
    ]
    assert pairs(of_batches) == pairs(rows)


def test_epochs_differ_in_order_and_repeat_with_the_seed(data):
    def order(seed, epoch):
        batches = training_batches(data.train_rows, 8, 500, seed, epoch)
        taken = batches.take(data.train.steps)
        return np.concatenate([b[0]["gender.offset"].numpy()[:, 0] for b in taken])

    np.testing.assert_array_equal(order(1, 0), order(1, 0))
    assert (order(1, 0) != order(1, 1)).any()
    np.testing.assert_array_equal(order(1, 1), order(1, 1))
    assert sorted(order(1, 0)) == sorted(order(1, 1)), "an epoch is a pass over all authors"
    assert TRAINING_TOKENS > 8 * 500


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
        batches = for_model(make_batches(data.eval_rows, 8, data.eval.longest), model)
        logs = model.evaluate(batches, verbose=0, return_dict=True)
        logs = {f"val_{name}": value for name, value in logs.items()}
        MeanSkill(data.eval.constant_losses).on_epoch_end(0, logs)
        skills.append(logs["val_skill"])
        losses.append(logs["val_loss"])
    assert skills[0] == pytest.approx(skills[1], abs=1e-6)
    assert losses[1] == pytest.approx(100 * losses[0], rel=1e-4)


def test_one_head_alone_can_be_fitted(data, tmp_path):
    heads = parse_heads({"gender": {"kind": "binary"}})

    def only(inputs, targets, weights):
        kept = {name: inputs[name] for name in ("tokens", "gender.offset")}
        return kept, {"gender": targets["gender"]}, {"gender": weights["gender"]}

    rows = [rows.map(only) for rows in (data.train_rows, data.eval_rows)]
    alone = make_data(heads, *rows, 8, VOCABULARY, links=data.links, table=data.table)
    model = build_small(heads)
    compile_model(model, heads, {}, 1e-2)
    state = run_fit(model, alone, tmp_path, 1)
    assert np.isfinite(state.best_skill)


def test_a_loss_that_is_not_finite_ends_with_what_to_do(data, tmp_path):
    model = new_model(data)
    compile_model(model, HEADS, {}, 1e20)
    with pytest.raises(ValueError, match="learning_rate"):
        run_fit(model, data, tmp_path, 2)


def test_rows_carry_mask_target_and_offset(folder, data):
    (record,) = read_examples([str(folder / "examples" / "train" / "*")], SPEC).take(1)
    inputs, targets, weights = to_row(record, HEADS)
    assert list(inputs) == ["tokens"], "examples of themselves have no offset"
    assert float(weights["age"]) == 0.0
    assert float(weights["gender"]) == 1.0
    assert targets["income"].shape == (3,)
    assert inputs["tokens"].dtype == tf.int32
    (joined,) = data.train_rows.take(1)
    assert set(joined[0]) == {"tokens", "age.offset", "income.offset", "gender.offset"}


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
