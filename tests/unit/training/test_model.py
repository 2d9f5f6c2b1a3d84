"""The network against an independent NumPy forward pass, and its independence of the batch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.dataset import bucket_bounds
from components.training.layers import TokenDropout
from components.training.model import build_model, choose_precision, compile_model
from components.training.settings import NetworkSettings

HEADS = parse_heads(DEFAULT_HEADS)
SMALL = NetworkSettings(
    kind="reference",
    window_tokens=700,
    embedding_width=6,
    first_filters=5,
    filters=7,
    dense_width=4,
)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    model = build_model(HEADS, 50, SMALL, seed=3)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return model


def convolve(x, kernel, bias):
    windows = np.stack([x[i : i + 5] for i in range(len(x) - 4)])
    return np.maximum(np.einsum("pwc,wcf->pf", windows, kernel) + bias, 0)


def pool(x):
    whole = len(x) // 5
    return x[: whole * 5].reshape(whole, 5, -1).max(axis=1)


def numpy_forward(model, ids):
    """DESIGN's table, layer by layer, for one author."""
    w = {weight.path: weight.numpy() for weight in model.weights}
    x = w["embedding/embeddings"][np.pad(ids, (0, max(269 - len(ids), 0)))]
    x = pool(convolve(x, w["conv_1/kernel"], w["conv_1/bias"]))
    for number in (2, 3):
        x = convolve(x, w[f"conv_{number}/kernel"], w[f"conv_{number}/bias"])
    x = pool(x)
    for number in (4, 5):
        x = convolve(x, w[f"conv_{number}/kernel"], w[f"conv_{number}/bias"])
    x = np.maximum(x.max(axis=0) @ w["shared/kernel"] + w["shared/bias"], 0)
    age, income, gender = (
        x @ w[f"{name}.answer/kernel"] + w[f"{name}.answer/bias"]
        for name in ("age", "income", "gender")
    )
    income = np.exp(income - income.max())
    return {"age": age, "income": income / income.sum(), "gender": 1 / (1 + np.exp(-gender))}


@pytest.mark.parametrize("spatial_dropout", [0.0, 0.2])
def test_the_reference_network_has_the_documented_parameters(spatial_dropout):
    network = NetworkSettings(kind="reference")
    model = build_model(HEADS, 50_000, network, spatial_dropout=spatial_dropout)
    assert model.count_params() == 14_146_316
    assert {layer.name: layer.count_params() for layer in model.layers if layer.weights} == {
        "embedding": 12_800_000,
        "conv_1": 163_968,
        "conv_2": 164_096,
        "conv_3": 327_936,
        "conv_4": 327_936,
        "conv_5": 327_936,
        "shared": 32_896,
        "age.answer": 129,
        "income.answer": 1_290,
        "gender.answer": 129,
    }


@pytest.mark.parametrize("tokens", [1, 268, 269, 270, 294, 700])
def test_the_network_agrees_with_numpy(small, tokens):
    ids = np.random.default_rng(tokens).integers(1, 50, tokens)
    answers = small(ids[None].astype("int32"), training=False)
    for name, expected in numpy_forward(small, ids).items():
        np.testing.assert_allclose(answers[name][0], expected, atol=1e-5, err_msg=name)


def test_an_author_is_answered_alike_in_every_bucket(small):
    random = np.random.default_rng(1)
    for tokens in (0, 1, 30, 269, 293, 363, 500):
        ids = random.integers(1, 50, tokens)
        alone = small(ids[None].astype("int32"), training=False)
        for bound in [bound for bound in bucket_bounds(1500) if bound >= tokens]:
            batch = random.integers(1, 50, (3, bound)).astype("int32")
            batch[1] = np.pad(ids, (0, bound - tokens))
            together = small(batch, training=False)
            for name in alone:
                np.testing.assert_allclose(together[name][1], alone[name][0], atol=1e-5)


def gradients(weights):
    """Gradients of the compiled loss by variable, where each head's labels weigh as given."""
    model = build_model(HEADS, 50, SMALL, seed=3)
    compile_model(model, HEADS, {}, 1e-3)
    ids = np.random.default_rng(2).integers(1, 50, (4, 300)).astype("int32")
    targets = {
        "age": tf.constant([[1.0], [-2.0], [0.5], [9.0]]),
        "income": tf.one_hot([0, 3, 9, 1], 10),
        "gender": tf.constant([[1.0], [0.0], [1.0], [1.0]]),
    }
    with tf.GradientTape() as tape:
        loss = model.compute_loss(
            ids,
            targets,
            model(ids, training=False),
            {k: tf.constant(v) for k, v in weights.items()},
        )
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
            every[f"{name}.answer/kernel"], masked[f"{name}.answer/kernel"]
        )
    assert np.abs(every["age.answer/kernel"]).max() > 0
    np.testing.assert_array_equal(masked["age.answer/kernel"], 0)


def test_what_masked_labels_take_from_the_trunk_is_their_own_head_s_part_alone():
    none = {"age": [0.0] * 4, "income": [0.0] * 4, "gender": [0.0] * 4}
    known = {name: [1.0] * 4 for name in none}
    every, masked = gradients(known), gradients({**known, "age": [0.0] * 4})
    of_age = gradients({**none, "age": [1.0] * 4})
    for path, gradient in every.items():
        np.testing.assert_allclose(gradient, masked[path] + of_age[path], atol=1e-6, err_msg=path)
    for trunk in ("embedding/embeddings", "conv_1/kernel", "shared/kernel"):
        assert np.abs(of_age[trunk]).max() > 1e-4, trunk


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
    narrow = build_model(HEADS, 50, SMALL, seed=3, precision="bfloat16")
    full = build_model(HEADS, 50, SMALL, seed=3)
    ids = np.random.default_rng(4).integers(1, 50, (2, 300)).astype("int32")
    for name, value in full(ids).items():
        np.testing.assert_allclose(narrow(ids)[name], value, atol=2e-2)
