"""An earlier network's weights in a new one: the same answers where nothing stands against it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.heads.ordinal import find_steps
from components.training.linear import LabelFacts
from components.training.model import build_model
from components.training.pairs import pair_keys
from components.training.settings import NetworkSettings
from components.training.warm_start import WarmStartError, save_network, start_from
from components.training.words import WordFacts

HEADS = parse_heads(DEFAULT_HEADS)
WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
BEFORE = ["the", "cat", "sat", "mat"]
NOW = ["mat", "dog", "the", "cat", "ran"]
FACTS_BEFORE = {"age.mean": 40.0, "age.deviation": 10.0}
FACTS_NOW = {"age.mean": 43.0, "age.deviation": 8.0}
TEXT = ["the", "mat", "cat", "unknown"]


def network(kind, tokens, seed, **widths):
    vocabulary = len(tokens) + 2 if kind == "wide" else 12
    return build_model(
        HEADS,
        vocabulary,
        NetworkSettings(kind=kind, **{**WIDTHS, **widths}),
        words=WordFacts(20, np.arange(vocabulary) + 1),
        seed=seed,
    )


def trained(kind, seed=1):
    """A network whose weights are all different from any start."""
    model = network(kind, BEFORE, seed)
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.4, weight.shape))
    return model


def answers(model, tokens, facts):
    """Answers in natural units of an author who wrote TEXT."""
    ids = [tokens.index(word) + 2 if word in tokens else 1 for word in TEXT]
    outputs = model(tf.constant([ids], tf.int32), training=False)
    values = {name: output.numpy()[0] for name, output in outputs.items()}
    values["age"] = values["age"] * facts["age.deviation"] + facts["age.mean"]
    return values


@pytest.fixture
def earlier(tmp_path):
    def save(kind):
        model = trained(kind)
        save_network(model, BEFORE, FACTS_BEFORE, str(tmp_path / kind))
        return model, str(tmp_path / kind)

    return save


def assert_equal(one, other):
    for head in HEADS:
        np.testing.assert_allclose(one[head.name], other[head.name], rtol=2e-5, atol=1e-6)


def test_a_new_vocabulary_and_new_label_facts_leave_the_answers_as_they_were(earlier):
    before, folder = earlier("reference")
    model = network("reference", NOW, seed=9)
    fresh = model.get_layer("embedding").embeddings.numpy()
    start = start_from(model, folder, NOW, FACTS_NOW, HEADS)
    assert_equal(answers(model, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))
    rows, old = (m.get_layer("embedding").embeddings.numpy() for m in (model, before))
    # mat, the, cat by token; padding and the unknown as they are; dog and ran as any start.
    for new_id, old_id in ((0, 0), (1, 1), (2, 5), (4, 2), (5, 3)):
        np.testing.assert_array_equal(rows[new_id], old[old_id])
    for new_id in (3, 6):
        np.testing.assert_array_equal(rows[new_id], fresh[new_id])
    assert start.tokens == {"kept": 3, "new": 2, "gone": 1}
    assert start.anew == {}
    assert len(start.carried) == len(model.trainable_weights)


@pytest.mark.parametrize("kind", ["reference", "wide"])
def test_a_network_that_an_earlier_release_left_is_started_from(earlier, kind):
    before, folder = earlier(kind)
    with np.load(f"{folder}/weights.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    renamed = {
        name.replace(".answer/", "/").replace(".", "_"): array for name, array in arrays.items()
    }
    assert set(renamed) != set(arrays)
    np.savez(f"{folder}/weights.npz", **renamed)
    facts = Path(folder, "facts.json")
    facts.write_text(facts.read_text().replace("age.", "age_"))
    model = network(kind, NOW, seed=9)
    start = start_from(model, folder, NOW, FACTS_NOW, HEADS)
    assert start.anew == {} and start.lost == []
    if kind == "reference":
        assert_equal(answers(model, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))


def test_a_wide_network_keeps_its_words_by_token_and_counts_rarities_anew(earlier):
    before, folder = earlier("wide")
    model = network("wide", NOW, seed=9)
    rarities = model.get_layer("word_weights").rarities.numpy()
    start = start_from(model, folder, NOW, FACTS_NOW, HEADS)
    table, old = (m.get_layer("gender.words").table.numpy() for m in (model, before))
    np.testing.assert_array_equal(table[[2, 4, 5]], old[[5, 2, 3]])
    np.testing.assert_array_equal(table[[3, 6]], 0)
    ages, before_ages = (m.get_layer("age.words").table.numpy() for m in (model, before))
    np.testing.assert_allclose(ages[2], before_ages[5] * 10 / 8, rtol=1e-6)
    np.testing.assert_array_equal(model.get_layer("word_weights").rarities.numpy(), rarities)
    assert start.anew == {}


def test_a_network_that_becomes_wide_answers_as_before_and_one_that_narrows_says_what_is_lost(
    earlier,
):
    before, folder = earlier("reference")
    wide = network("wide", NOW, seed=9)
    start = start_from(wide, folder, NOW, FACTS_NOW, HEADS)
    assert_equal(answers(wide, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))
    assert set(start.anew) == {f"{head.name}.words/table" for head in HEADS}
    assert "anew: age.words/table (not in the earlier network)" in start.describe()
    _, folder = earlier("wide")
    narrow = network("reference", NOW, seed=9)
    start = start_from(narrow, folder, NOW, FACTS_NOW, HEADS)
    assert start.anew == {}
    assert start.describe().endswith(
        "lost: age.words/table, gender.words/table, income.words/table"
    )


def of_words(tokens, steps, pairs):
    """A network of words and pairs over these tokens, age in so many steps."""
    ids = {token: place + 2 for place, token in enumerate(tokens)}
    keys = pair_keys(pairs, ids)
    labels = LabelFacts({}, {"age": find_steps(np.arange(40.0), steps)} if steps else {})
    words = WordFacts(20, np.full(len(ids) + 2 + len(keys), 3), pair_keys=keys)
    kind = NetworkSettings(kind="words")
    return build_model(HEADS, len(ids) + 2, kind, words=words, labels=labels, seed=1)


def test_a_network_of_words_keeps_its_words_and_the_pairs_whose_words_are_kept(tmp_path):
    before = of_words(BEFORE, 4, ["the cat", "cat sat", "the mat", "mat the"])
    random = np.random.default_rng(2)
    for weight in before.trainable_weights:
        weight.assign(random.normal(0, 0.4, weight.shape))
    save_network(before, BEFORE, FACTS_BEFORE, str(tmp_path))
    model = of_words(NOW, 4, ["the cat", "mat the", "dog ran"])
    start = start_from(model, str(tmp_path), NOW, FACTS_NOW, HEADS)
    assert start.anew == {} and start.lost == []
    for head in HEADS:
        table, old = (m.get_layer(f"{head.name}.words").table.numpy() for m in (model, before))
        # Rows after the words are pairs by the ids of their words, in ascending order.
        # Before: the cat, the mat, cat sat, mat the. Now: mat the, dog ran, the cat.
        np.testing.assert_array_equal(table[[2, 4, 5, 7, 9]], old[[5, 2, 3, 9, 6]])
        np.testing.assert_array_equal(table[[3, 6, 8]], 0)
        biases = [m.get_layer(f"{head.name}.words").bias.numpy() for m in (model, before)]
        np.testing.assert_array_equal(*biases)


def test_a_number_in_other_steps_starts_anew_and_says_so(tmp_path):
    save_network(of_words(BEFORE, 4, []), BEFORE, FACTS_BEFORE, str(tmp_path))
    start = start_from(of_words(NOW, 3, []), str(tmp_path), NOW, FACTS_NOW, HEADS)
    assert start.anew == {"age.words/table": "was 3, is 2", "age.words/bias": "was 3, is 2"}
    start = start_from(of_words(NOW, 0, []), str(tmp_path), NOW, FACTS_NOW, HEADS)
    assert start.anew["age.words/table"] == "was 3, is 1"
    save_network(of_words(BEFORE, 2, []), BEFORE, FACTS_BEFORE, str(tmp_path))
    start = start_from(of_words(NOW, 0, []), str(tmp_path), NOW, FACTS_NOW, HEADS)
    assert start.anew["age.words/bias"] == "was 1 steps, is a number"


def test_other_widths_are_named_and_the_rest_is_carried_over(earlier):
    before, folder = earlier("reference")
    model = network("reference", NOW, seed=9, dense_width=5)
    start = start_from(model, folder, NOW, FACTS_NOW, HEADS)
    assert start.anew["shared/kernel"] == "was 7 x 4, is 7 x 5"
    assert "embedding/embeddings" in start.carried
    np.testing.assert_array_equal(
        model.get_layer("conv_3").kernel.numpy(), before.get_layer("conv_3").kernel.numpy()
    )


def test_where_nothing_fits_or_nothing_is_there_it_is_refused_in_one_line(earlier, tmp_path):
    with pytest.raises(WarmStartError, match=r"earlier run in .*nowhere"):
        start_from(network("reference", NOW, 9), f"{tmp_path}/nowhere", NOW, FACTS_NOW, HEADS)
    _, folder = earlier("reference")
    (tmp_path / "reference/weights.npz").write_bytes(b"not arrays")
    with pytest.raises(WarmStartError, match="needs the network of an earlier run"):
        start_from(network("reference", NOW, 9), folder, NOW, FACTS_NOW, HEADS)
    strange = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="strange")])
    save_network(strange, BEFORE, {}, str(tmp_path / "strange"))
    with pytest.raises(WarmStartError, match="no weight fits"):
        start_from(network("reference", NOW, 9), f"{tmp_path}/strange", NOW, FACTS_NOW, HEADS)


def test_pickled_arrays_are_not_loaded(tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    np.savez(folder / "weights.npz", **{"embedding/embeddings": np.array([{}], dtype=object)})
    (folder / "tokens.txt").write_text("a")
    (folder / "facts.json").write_text("{}")
    with pytest.raises(WarmStartError):
        start_from(network("reference", NOW, 9), str(folder), NOW, FACTS_NOW, HEADS)


LOG = {"age.scale": 1.0, "age.offset": 10.0, "age.knots": [0.0] * 33, "age.scores": [0.0] * 33}


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ({}, LOG, "was on a linear scale, is on a log one"),
        (LOG, {**LOG, "age.offset": 1.0}, "is on another log scale"),
        (LOG, LOG, ""),
    ],
)
@pytest.mark.parametrize("kind", ["reference", "wide"])
def test_the_last_layer_of_a_head_on_another_scale_starts_anew(tmp_path, kind, before, now, why):
    folder = str(tmp_path / kind)
    save_network(trained(kind), BEFORE, FACTS_BEFORE | before, folder)
    start = start_from(network(kind, NOW, seed=9), folder, NOW, FACTS_NOW | now, HEADS)
    own = {name for name in [*start.carried, *start.anew] if name.startswith("age.")}
    assert own and {name: start.anew.get(name, "") for name in own} == dict.fromkeys(own, why)
    assert not any(name.startswith("gender.") for name in start.anew)
