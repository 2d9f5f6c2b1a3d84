"""The textbook network: its table, a numpy forward pass, and an answer of the author alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.dataset import bucket_bounds
from components.training.model import build_model
from components.training.settings import ReferenceSettings

HEADS = parse_heads(DEFAULT_HEADS)
WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
# DESIGN's table: output of one author of 1,500 tokens, parameters.
LAYERS = {
    "tokens": ((1, 1500), 0),
    "embedding": ((1, 1500, 256), 12_800_000),
    "conv_1": ((1, 1496, 128), 163_968),
    "pool_1": ((1, 299, 128), 0),
    "conv_2": ((1, 295, 256), 164_096),
    "conv_3": ((1, 291, 256), 327_936),
    "pool_2": ((1, 58, 256), 0),
    "conv_4": ((1, 54, 256), 327_936),
    "conv_5": ((1, 50, 256), 327_936),
    "global_pool": ((1, 256), 0),
    "shared": ((1, 128), 32_896),
    "age.answer": ((1, 1), 129),
    "income.answer": ((1, 10), 1_290),
    "gender.answer": ((1, 1), 129),
}
# Layers without a parameter, which DESIGN's text names or which do nothing unless set.
UNCOUNTED = {"first_tokens", "padded", "pool_dropout", "shared_dropout"}


def build(heads=HEADS, vocabulary=50, **settings):
    return build_model(heads, vocabulary, ReferenceSettings(**settings), links={}, seed=3)


@pytest.fixture(scope="module")
def textbook() -> keras.Model:
    return build(vocabulary=50_000)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    model = build(**WIDTHS)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return model


def test_the_reference_network_is_the_documented_table(textbook):
    assert textbook.count_params() == 14_146_316
    assert {layer.name for layer in textbook.layers} == LAYERS.keys() | UNCOUNTED
    # The embedding's output is its distinct rows, and the place of each token among them.
    names = [name for name in LAYERS if name != "embedding"]
    outputs = {name: textbook.get_layer(name).output for name in names}
    rows, places = textbook.get_layer("embedding").output
    outputs |= {"rows": rows, "places": places}
    ids = np.random.default_rng(0).integers(1, 50_000, (1, 1500)).astype("int32")
    found = keras.Model(textbook.input, outputs)({"tokens": ids})
    for name, (shape, parameters) in LAYERS.items():
        layer = textbook.get_layer(name)
        assert layer.count_params() == parameters, name
        if name != "embedding":
            assert found[name].shape == shape, name
    assert found["places"].shape == (1, 1500)
    assert found["rows"].shape[1] == 256
    for name, unused in (("pool_dropout", 0.0), ("shared_dropout", 0.0)):
        assert textbook.get_layer(name).rate == unused
    assert list(textbook.input) == ["tokens"], "no offset enters it"
    assert set(textbook.output) == {"age", "income", "gender"}, "a number is no steps"


def test_activations_and_widths_are_the_documented_ones(textbook):
    kernels = {name: textbook.get_layer(name) for name in LAYERS if name.startswith("conv_")}
    assert {layer.kernel_size for layer in kernels.values()} == {(5,)}
    named = {**kernels, **{name: textbook.get_layer(name) for name in LAYERS if "answer" in name}}
    activations = {name: layer.activation.__name__ for name, layer in named.items()}
    assert activations == {
        **dict.fromkeys(kernels, "relu"),
        "age.answer": "linear",
        "income.answer": "softmax",
        "gender.answer": "sigmoid",
    }
    assert textbook.get_layer("shared").activation.__name__ == "relu"


def test_windows_and_dropout_of_tokens_and_channels_stand_where_they_are_set():
    set_ones = {"window_tokens": 300, "token_dropout": 0.1, "spatial_dropout": 0.2}
    model = build(**WIDTHS, **set_ones)
    added = {layer.name for layer in model.layers} - LAYERS.keys() - UNCOUNTED
    assert added == {"windows", "window_ids", "mean_of_windows", "token_dropout", "spatial_dropout"}
    assert model.count_params() == build(**WIDTHS).count_params()


def test_tokens_after_the_bound_are_not_read(textbook):
    assert textbook.get_layer("first_tokens").most == 1500
    model = build(**WIDTHS, maximum_tokens=294)
    random = np.random.default_rng(1)
    first = random.integers(1, 50, (1, 294)).astype("int32")
    longer = np.concatenate([first, random.integers(1, 50, (1, 700))], axis=1).astype("int32")
    # 294 tokens leave two positions before the pool, of which the second reads the last 25 too.
    other = first.copy()
    other[0, 269:] = random.integers(1, 50, 25)
    pooled = keras.Model(model.input, model.get_layer("global_pool").output)
    answers, same, different = (np.asarray(pooled({"tokens": i})) for i in (first, longer, other))
    np.testing.assert_array_equal(answers, same)
    assert (answers != different).any()


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


@pytest.mark.parametrize("tokens", [1, 268, 269, 270, 294, 700])
def test_the_network_agrees_with_numpy(small, tokens):
    ids = np.random.default_rng(tokens).integers(1, 50, tokens)
    answers = small({"tokens": ids[None].astype("int32")}, training=False)
    for name, expected in numpy_forward(small, ids).items():
        np.testing.assert_allclose(answers[name][0], expected, atol=1e-5, err_msg=name)


def test_an_author_is_answered_alike_in_every_bucket(small):
    random = np.random.default_rng(1)
    for tokens in (0, 1, 30, 269, 293, 363, 500):
        ids = random.integers(1, 50, tokens)
        alone = small({"tokens": ids[None].astype("int32")}, training=False)
        for bound in [bound for bound in bucket_bounds(1500) if bound >= tokens]:
            batch = random.integers(1, 50, (3, bound)).astype("int32")
            batch[1] = np.pad(ids, (0, bound - tokens))
            together = small({"tokens": batch}, training=False)
            for name in alone:
                np.testing.assert_allclose(together[name][1], alone[name][0], atol=1e-5)
