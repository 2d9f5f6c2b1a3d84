"""What a network is compiled with: masks, loss weights, the pull, the precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import parse_heads
from components.training.conv import table_of
from components.training.layers import TokenDropout
from components.training.model import build_model, choose_precision, compile_model, for_model
from components.training.settings import ConvSettings
from tests.unit.training.small_network import (
    HEADS,
    VOCABULARY,
    build_small,
    draw_offsets,
    draw_table,
    draw_targets,
    draw_weights,
    inputs_of,
    links_of,
    make_rows,
    weights_of,
)

LINKS = links_of()
AUTHORS = [np.random.default_rng(n).integers(1, VOCABULARY, 30 + n).tolist() for n in range(8)]
ROWS = make_rows(AUTHORS, draw_targets(HEADS, 8), draw_offsets(LINKS, 8))
TRUNK = ("table/table", "convolution/kernel", "shared/kernel", "pool_norm/gamma")


def batches(model, rows=ROWS, size=8):
    return for_model(rows.padded_batch(size), model)


def gradients(weights):
    """Gradients of the compiled loss by variable, where each head's labels weigh as given."""
    model = draw_weights(build_small())
    compile_model(model, HEADS, {}, 1e-3)
    inputs, targets, _ = next(iter(batches(model, ROWS.take(4), 4)))
    weights = {name: tf.constant(values) for name, values in weights.items()}
    weights["age.steps"] = weights["age"]
    with tf.GradientTape() as tape:
        answers = model(inputs, training=False)
        loss = model.compute_loss(inputs, targets, answers, weights)
    found = tape.gradient(loss, model.trainable_variables)
    return {
        variable.path: (np.zeros(variable.shape) if g is None else tf.convert_to_tensor(g).numpy())
        for variable, g in zip(model.trainable_variables, found, strict=True)
    }


def test_a_masked_label_leaves_its_own_head_still_and_the_others_as_they_were():
    known = {"age": [1.0] * 4, "income": [1.0] * 4, "gender": [1.0] * 4}
    every, masked = gradients(known), gradients({**known, "age": [0.0] * 4})
    for name in ("income", "gender"):
        np.testing.assert_array_equal(
            every[f"{name}.correction/kernel"], masked[f"{name}.correction/kernel"]
        )
    for weight in ("age.correction/kernel", "age.logits/scale"):
        assert np.abs(every[weight]).max() > 0
        np.testing.assert_array_equal(masked[weight], 0)


def test_what_masked_labels_take_from_the_trunk_is_their_own_head_s_part_alone():
    none = {"age": [0.0] * 4, "income": [0.0] * 4, "gender": [0.0] * 4}
    known = {name: [1.0] * 4 for name in none}
    every, masked = gradients(known), gradients({**known, "age": [0.0] * 4})
    of_age = gradients({**none, "age": [1.0] * 4})
    for path, gradient in every.items():
        np.testing.assert_allclose(gradient, masked[path] + of_age[path], atol=1e-6, err_msg=path)
    for trunk in TRUNK:
        assert np.abs(of_age[trunk]).max() > 1e-4, trunk


def test_a_number_is_trained_above_each_threshold_and_judged_by_its_answer():
    model = draw_weights(build_small())
    steps = LINKS["age"].steps
    inputs, targets, weights = next(iter(batches(model)))
    age = targets["age"].numpy()
    np.testing.assert_array_equal(targets["age.steps"], age > np.array(steps.thresholds))
    np.testing.assert_array_equal(weights["age.steps"], weights["age"])
    compile_model(model, HEADS, {"age": 2.0}, 1e-3)
    logs = model.evaluate(batches(model), verbose=0, return_dict=True)
    answers = model(inputs, training=False)
    error = np.asarray(answers["age"]) - age
    assert logs["age_known.loss"] == pytest.approx((error**2).mean(), rel=1e-4)
    right = np.where(targets["age.steps"] > 0, answers["age.steps"], 1 - answers["age.steps"])
    assert logs["age.steps_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    heads = {name: logs[f"{name}_loss"] for name in ("age.steps", "income", "gender")}
    assert logs["loss"] == pytest.approx(sum(heads.values()) + heads["age.steps"], rel=1e-5)


# Words 2 and 3 tell the first head's label, 4 and 5 the second's.
PAIR = parse_heads({"one": {"kind": "binary"}, "two": {"kind": "binary"}})


def trained_by(weights, steps=60):
    """A network whose heads compete for one unit, and each head's loss after training."""
    sides = np.array([[a, b] for a in (0, 1) for b in (0, 1)] * 4)
    authors = [[2 + a, 2 + a, 4 + b, 4 + b] for a, b in sides]
    targets = {h.name: sides[:, [n]].astype("float32") for n, h in enumerate(PAIR)}
    rows = make_rows(authors, targets, {h.name: np.zeros((16, 1)) for h in PAIR})
    table = draw_table(vocabulary=8, pairs=0)
    network = ConvSettings(filters=0, shared_width=1, term_dropout=0.0)
    links = {head.name: head.link(targets[head.name]) for head in PAIR}
    model = build_model(PAIR, 8, network, links=links, table=table, seed=1)
    compile_model(model, PAIR, weights, 0.03)
    model.fit(batches(model, rows, 16).repeat(steps), verbose=0)
    logs = model.evaluate(batches(model, rows, 16), verbose=0, return_dict=True)
    return weights_of(model), [logs[f"{head.name}_known.loss"] for head in PAIR]


def test_loss_weights_decide_what_the_shared_layer_learns():
    (first, (of_one, other)), (second, (another, of_two)) = (
        trained_by(weights) for weights in ({"one": 10.0, "two": 1.0}, {"one": 1.0, "two": 10.0})
    )
    assert of_one < other - 0.05 and of_two < another - 0.05
    assert of_one < another - 0.05 and of_two < other - 0.05
    for trunk in ("table/table", "shared/kernel"):
        assert np.abs(first[trunk] - second[trunk]).max() > 0.1, trunk


def moved(pull, weights=None, steps=20):
    """How far the table is from its start at the end of a training."""
    model = build_small(dropout=0.0)
    start = table_of(model).numpy()
    compile_model(model, HEADS, weights or {}, 0.01, steps, pull=pull)
    model.fit(batches(model).repeat(steps), verbose=0)
    return np.abs(table_of(model).numpy() - start).max()


def test_the_table_stays_at_its_start_by_an_enormous_pull():
    # The last step alone is left, and its size has fallen to 0.
    assert moved(pull=1e9) < 1e-3
    assert moved(pull=0.0) > 0.05


def test_a_step_takes_the_pull_s_share_of_what_the_table_has_moved_whatever_the_weights():
    for weights in ({}, {"age": 100.0, "income": 300.0, "gender": 100.0}):
        model = build_small()
        table = table_of(model)
        start = table.numpy()
        compile_model(model, HEADS, weights, 0.01, weight_decay=0.1, pull=5.0)
        table.assign(start + 2.0)
        still = [tf.zeros(weight.shape) for weight in model.trainable_variables]
        model.optimizer.apply_gradients(zip(still, model.trainable_variables, strict=True))
        # 2 * (1 - 0.01 * 5), and no decay towards 0.
        np.testing.assert_allclose(table.numpy(), start + 1.9, atol=1e-5)


def test_the_pull_does_not_change_with_the_scale_of_the_losses():
    small, large = (
        moved(30.0, dict.fromkeys(("age", "income", "gender"), scale)) for scale in (1.0, 100.0)
    )
    assert large == pytest.approx(small, rel=0.02)


def test_the_row_of_a_token_that_nobody_uses_is_drawn_back_too():
    """The pull is on the whole table, as the dense step is."""
    model = build_small()
    table = table_of(model)
    compile_model(model, HEADS, {}, 0.01, pull=50.0)
    table.assign_add(np.ones(table.shape, "float32"))
    start = table.numpy() - 1
    model.fit(batches(model), verbose=0)
    # Nobody weighs padding, but the crop's end reads it, so Adam moves it by a step of 0.01.
    np.testing.assert_allclose(table.numpy()[0] - start[0], 0.5, atol=0.011)


def test_token_dropout_replaces_tokens_and_keeps_padding():
    layer = TokenDropout(0.5, seed=1)
    ids = np.array([[7] * 400 + [0] * 100], dtype="int32")
    dropped = np.array(layer(ids, training=True))[0]
    assert set(dropped[:400]) == {1, 7}
    assert 150 < (dropped[:400] == 1).sum() < 250
    assert (dropped[400:] == 0).all()
    np.testing.assert_array_equal(layer(ids, training=False), ids)


def test_bfloat16_is_chosen_where_the_processor_multiplies_it(tmp_path):
    information = tmp_path / "cpuinfo"
    information.write_text("flags : fpu avx2 amx_bf16")
    assert choose_precision("auto", information) == "bfloat16"
    information.write_text("flags : fpu avx2")
    assert choose_precision("auto", information) == "float32"
    assert choose_precision("bfloat16", information) == "bfloat16"


def test_bfloat16_answers_near_float32():
    links, table = LINKS, draw_table()
    narrow, full = (
        draw_weights(
            build_model(
                HEADS, VOCABULARY, ConvSettings(), links=links, table=table, precision=precision
            )
        )
        for precision in ("bfloat16", "float32")
    )
    inputs = inputs_of(AUTHORS, draw_offsets(LINKS, 8))
    assert isinstance(narrow, keras.Model)
    for name, value in full(inputs).items():
        assert narrow(inputs)[name].dtype == "float32"
        np.testing.assert_allclose(narrow(inputs)[name], value, atol=0.2)
