"""An earlier network's weights in a new one: the same answers where nothing stands against it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.table.artifact import Table
from components.training.model import build_model, compile_model
from components.training.pairs import pair_keys
from components.training.settings import ConvSettings, ReferenceSettings
from components.training.warm_start import WarmStartError, open_start, save_network

HEADS = parse_heads(DEFAULT_HEADS)
WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
BEFORE = ["the", "cat", "sat", "mat", "a", "b", "c", "d", "e", "f"]
NOW = ["mat", "dog", "the", "cat", "ran", "b", "a", "d", "c", "f"]
PAIRS_BEFORE = ["the cat", "cat sat", "the mat", "mat the", "a b"]
PAIRS_NOW = ["the cat", "mat the", "dog ran", "a b"]
FACTS_BEFORE = {"age.mean": 40.0, "age.deviation": 10.0}
FACTS_NOW = {"age.mean": 43.0, "age.deviation": 8.0}
TEXT = ["the", "cat", "unknown", "mat", "the", "a", "b"]
WIDTH = 3
STATISTICS = 4
"""Of the layer `standardise`."""


def ids_of(tokens):
    return {token: place + 2 for place, token in enumerate(tokens)}


def table_of(tokens, pairs, rows=None, width=WIDTH):
    """A table whose rarities are all the same, so that weights follow from counts alone."""
    keys = pair_keys(pairs, ids_of(tokens))
    terms = len(tokens) + 2 + len(keys)
    idf = np.ones(terms, "float32")
    idf[:2] = 0
    if rows is None:
        rows = np.random.default_rng(3).normal(size=(terms, width)).astype("float32")
        rows[:2] = 0
    return Table(idf, keys, rows, np.ones(width, "float32"), 50)


def links(thresholds=16):
    random = np.random.default_rng(0)
    groups = np.eye(10)[random.integers(0, 10, 300)]
    targets = {
        "age": random.normal(size=(300 if thresholds > 9 else thresholds, 1)),
        "income": groups,
        "gender": random.integers(0, 2, (300, 1)).astype(float),
    }
    return {head.name: head.link(targets[head.name]) for head in HEADS}


def conv(tokens, table, seed=9, thresholds=16, heads=HEADS, **widths):
    settings = ConvSettings(**{"filters": 4, "shared_width": 5, **widths})
    return build_model(
        heads, len(tokens) + 2, settings, links=links(thresholds), table=table, seed=seed
    )


def reference(seed, **widths):
    return build_model(
        HEADS, 20, ReferenceSettings(**{**WIDTHS, **widths}), links={}, table=None, seed=seed
    )


def shaken(model, seed=1):
    """The model with weights that are all different from any start."""
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.4, weight.shape))
    return model


@pytest.fixture
def earlier(tmp_path):
    """Saves a trained network of a kind; returns it and the folder."""

    def save(kind, train_share=None):
        table = table_of(BEFORE, PAIRS_BEFORE)
        model = shaken(reference(1) if kind == "reference" else conv(BEFORE, table))
        save_network(model, BEFORE, FACTS_BEFORE, str(tmp_path / kind), train_share)
        return model, str(tmp_path / kind)

    return save


def start_from(model, folder, facts=FACTS_NOW):
    return open_start(folder, "reference", NOW, facts, HEADS).carry_over(model)


def started(folder, table, **widths):
    """A `conv` network of today that starts from a folder, and the record."""
    start = open_start(folder, "conv", NOW, FACTS_NOW, HEADS, table)
    model = conv(NOW, start.table or table, **widths)
    return model, start.carry_over(model)


def answers(model, tokens, facts):
    """Answers in natural units of an author who wrote TEXT; of `conv` in those of targets."""
    ids = tf.constant([[ids_of(tokens).get(word, 1) for word in TEXT]], tf.int32)
    inputs = {name: tf.ones((1, one.shape[1])) for name, one in model.input.items() if "." in name}
    outputs = model({**inputs, "tokens": ids}, training=False)
    values = {head.name: outputs[head.name].numpy()[0] for head in HEADS}
    if not inputs:
        values["age"] = values["age"] * facts["age.deviation"] + facts["age.mean"]
    return values


def assert_equal(one, other):
    for head in HEADS:
        np.testing.assert_allclose(one[head.name], other[head.name], rtol=2e-5, atol=1e-5)


def test_a_reference_network_answers_as_before_with_a_new_vocabulary_and_new_label_facts(earlier):
    before, folder = earlier("reference")
    model = reference(seed=9)
    fresh = model.get_layer("embedding").embeddings.numpy()
    start = start_from(model, folder)
    assert_equal(answers(model, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))
    rows, old = (m.get_layer("embedding").embeddings.numpy() for m in (model, before))
    # mat, the, cat by token; padding and the unknown as they are; dog and ran as any start.
    for new_id, old_id in ((0, 0), (1, 1), (2, 5), (4, 2), (5, 3)):
        np.testing.assert_array_equal(rows[new_id], old[old_id])
    for new_id in (3, 6):
        np.testing.assert_array_equal(rows[new_id], fresh[new_id])
    assert start.tokens == {"kept": 8, "new": 2, "gone": 2}
    assert start.anew == {} and start.lost == [] and start.pairs == {}
    assert len(start.carried) == len(model.trainable_weights)


def test_a_reference_network_that_an_earlier_release_left_is_started_from(earlier):
    before, folder = earlier("reference")
    with np.load(f"{folder}/weights.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    renamed = {
        name.replace(".answer/", "/").replace(".", "_"): array for name, array in arrays.items()
    }
    assert set(renamed) != set(arrays)
    np.savez(f"{folder}/weights.npz", **renamed)
    facts = Path(folder, "facts.json")
    facts.write_text(facts.read_text().replace("age.", "age_"))
    model = reference(seed=9)
    start = start_from(model, folder)
    assert start.anew == {} and start.lost == []
    assert_equal(answers(model, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))


def test_a_conv_network_answers_about_kept_terms_as_before(earlier):
    before, folder = earlier("conv")
    model, start = started(folder, table_of(NOW, PAIRS_NOW, width=2))
    assert start.anew == {} and start.lost == []
    assert start.tokens == {"kept": 8, "new": 2, "gone": 2}
    assert start.pairs == {"kept": 3, "new": 1, "gone": 2}
    assert len(start.carried) == len(model.trainable_weights) + STATISTICS
    rows, old = (m.get_layer("table").table.numpy() for m in (model, before))
    assert rows.shape == (len(NOW) + 2 + 4, WIDTH)
    np.testing.assert_array_equal(rows[[0, 1, 2, 4, 5]], old[[0, 1, 5, 2, 3]])
    # Pairs follow the words, by the ids of theirs. Before: the cat, the mat, cat sat, mat the, a b;
    # now: mat the, dog ran, the cat, a b.
    first, first_before = len(NOW) + 2, len(BEFORE) + 2
    np.testing.assert_array_equal(rows[[first, first + 2]], old[[first_before + 3, first_before]])
    assert_equal(answers(model, NOW, FACTS_NOW), answers(before, BEFORE, FACTS_BEFORE))


def test_new_terms_are_folded_into_the_earlier_basis(tmp_path):
    """Today's decomposition is the earlier one in a rotated basis: the map takes it back."""
    truth = np.random.default_rng(5).normal(size=(17, WIDTH)).astype("float32")
    truth[:2] = 0
    now = table_of(NOW, PAIRS_NOW)
    of_now = np.array([0, 1, 5, 12, 2, 3, 13, 7, 6, 9, 8, 11, 15, 14, 16, 10])
    rotation, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(WIDTH, WIDTH)))
    now = replace(now, table=(truth[of_now] @ rotation * 1.7).astype("float32"))
    before = conv(BEFORE, table_of(BEFORE, PAIRS_BEFORE))
    rows = before.get_layer("table").table
    earlier = rows.numpy()
    for new, old in ((2, 5), (4, 2), (5, 3), (7, 7), (8, 6), (9, 9), (10, 8), (11, 11)):
        earlier[old] = truth[of_now[new]]
    for new, old in ((12, 15), (14, 12), (15, 16)):
        earlier[old] = truth[of_now[new]]
    rows.assign(earlier)
    save_network(before, BEFORE, FACTS_BEFORE, str(tmp_path))
    start = open_start(str(tmp_path), "conv", NOW, FACTS_NOW, HEADS, now)
    # dog, ran and "dog ran" are where their truth was before the rotation.
    np.testing.assert_allclose(start.table.table[[3, 6, 13]], truth[of_now[[3, 6, 13]]], atol=1e-4)


def test_the_table_is_pulled_to_the_earlier_rows(earlier):
    before, folder = earlier("conv")
    start = open_start(folder, "conv", NOW, FACTS_NOW, HEADS, table_of(NOW, PAIRS_NOW))
    model = conv(NOW, start.table)
    compile_model(model, HEADS, {}, 1e-3, pull=1.0)
    start.carry_over(model)
    ((pulled_to, _),) = model.optimizer._pulled.values()
    np.testing.assert_array_equal(pulled_to[4], before.get_layer("table").table.numpy()[2])
    np.testing.assert_array_equal(pulled_to, model.get_layer("table").table.numpy())


def test_a_number_of_other_thresholds_is_corrected_anew_and_the_others_as_before(earlier):
    before, folder = earlier("conv")
    model, start = started(folder, table_of(NOW, PAIRS_NOW), thresholds=8)
    was, now = (m.get_layer("age.correction").kernel.shape[1] for m in (before, model))
    assert was != now
    assert start.anew == {
        "age.correction/kernel": f"was 5 x {was}, is 5 x {now}",
        "age.correction/bias": f"was {was}, is {now}",
        "age.logits/scale": "age.correction starts anew",
    }
    assert f"anew: age.correction/kernel (was 5 x {was}, is 5 x {now})" in start.describe()
    scales = [model.get_layer(f"{name}.logits").scale.numpy() for name in ("age", "gender")]
    np.testing.assert_allclose(scales, [1, before.get_layer("gender.logits").scale.numpy()])


def test_a_head_that_is_new_is_corrected_anew_on_the_earlier_trunk(tmp_path):
    before = shaken(conv(BEFORE, table_of(BEFORE, PAIRS_BEFORE), heads=HEADS[:2]))
    save_network(before, BEFORE, FACTS_BEFORE, str(tmp_path))
    model, start = started(str(tmp_path), table_of(NOW, PAIRS_NOW))
    parts = ("correction/kernel", "correction/bias", "logits/scale")
    assert list(start.anew) == [f"gender.{part}" for part in parts] and start.lost == []
    np.testing.assert_array_equal(
        model.get_layer("shared").kernel.numpy(), before.get_layer("shared").kernel.numpy()
    )
    fewer = conv(NOW, table_of(NOW, PAIRS_NOW), heads=HEADS[:1])
    start = open_start(str(tmp_path), "conv", NOW, FACTS_NOW, HEADS[:1], table_of(NOW, PAIRS_NOW))
    assert start.carry_over(fewer).lost == [f"income.{part}" for part in sorted(parts)]


@pytest.mark.parametrize("widths", [{"shared_width": 6}, {"filters": 3}, {"kernel_width": 4}])
def test_what_reads_a_layer_that_starts_anew_starts_anew_too(earlier, widths):
    """Corrections of features that mean something else would be noise on the baseline."""
    _, folder = earlier("conv")
    model, start = started(folder, table_of(NOW, PAIRS_NOW), **widths)
    assert {"table/table", "pool_norm/gamma"} <= set(start.carried)
    for head in HEADS:
        assert start.anew[f"{head.name}.correction/kernel"] == "shared starts anew"
        np.testing.assert_array_equal(model.get_layer(f"{head.name}.correction").kernel, 0)


def test_a_network_of_another_kind_is_not_started_from_and_says_so(earlier, tmp_path):
    _, of_conv = earlier("conv")
    _, of_reference = earlier("reference")
    np.savez(tmp_path / "weights.npz", **{"gender_words/table": np.ones((12, 1), "float32")})
    (tmp_path / "tokens.txt").write_text("\n".join(BEFORE))
    (tmp_path / "facts.json").write_text(json.dumps({"age_mean": 40.0, "age.steps": 5.0}))
    table = table_of(NOW, PAIRS_NOW)
    for folder, kind, said in (
        (of_conv, "reference", "of the kind conv, and this one is reference"),
        (of_reference, "conv", "of the kind reference, and this one is conv"),
        (str(tmp_path), "conv", "of the kind words or wide, and this one is conv"),
        (str(tmp_path), "reference", "of the kind words or wide, and this one is reference"),
    ):
        start = open_start(folder, kind, NOW, FACTS_NOW, HEADS, table)
        assert start.is_cold and start.table is None
        assert start.record.describe() == (
            f"warm start: nothing is carried over, since the earlier network is {said}; training "
            "starts anew"
        )


def test_a_network_that_has_seen_authors_who_choose_now_is_not_started_from(earlier):
    _, folder = earlier("conv", train_share=0.8)
    table = table_of(NOW, PAIRS_NOW)
    for share, is_cold in ((0.8, False), (0.85, False), (0.7, True)):
        start = open_start(folder, "conv", NOW, FACTS_NOW, HEADS, table, share)
        assert start.is_cold == is_cold
    assert "ingest.splits.train was 0.8, and is 0.7" in start.record.describe()


def test_a_table_with_too_few_of_the_same_terms_is_not_started_from(earlier):
    _, folder = earlier("conv")
    tokens = [*"ghijklmn", "the", "cat"]
    start = open_start(folder, "conv", tokens, FACTS_NOW, HEADS, table_of(tokens, ["the cat"]))
    assert start.record.cold == "too few words and pairs are the same"


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (1.0, "pairs: 3 kept"),
        (1.5, "the table keeps its {columns} columns"),
        (0.5, "the table keeps its {columns} columns"),
        (2.0, "the earlier table has {columns} columns, and today's authors are enough for"),
    ],
)
def test_a_table_of_another_width_is_told_or_not_started_from(earlier, width, told):
    _, folder = earlier("conv")
    table = table_of(NOW, PAIRS_NOW)
    columns = table.table.shape[1]
    random = np.random.default_rng(3)
    rows = random.normal(size=(table.terms, round(columns * width))).astype("float32")
    start = open_start(folder, "conv", NOW, FACTS_NOW, HEADS, replace(table, table=rows))
    assert start.is_cold == (width == 2)
    said = start.record.describe()
    assert told.format(columns=columns) in said
    assert ("keeps its" in said) == (width in (0.5, 1.5))


def test_other_widths_are_named_and_the_rest_is_carried_over(earlier):
    before, folder = earlier("reference")
    model = reference(9, dense_width=5)
    start = start_from(model, folder)
    assert start.anew["shared/kernel"] == "was 7 x 4, is 7 x 5"
    assert "embedding/embeddings" in start.carried
    np.testing.assert_array_equal(
        model.get_layer("conv_3").kernel.numpy(), before.get_layer("conv_3").kernel.numpy()
    )


def test_where_nothing_fits_or_nothing_is_there_it_is_refused_in_one_line(earlier, tmp_path):
    with pytest.raises(WarmStartError, match=r"earlier run in .*nowhere"):
        start_from(reference(9), f"{tmp_path}/nowhere")
    _, folder = earlier("reference")
    (tmp_path / "reference/weights.npz").write_bytes(b"not arrays")
    with pytest.raises(WarmStartError, match="needs the network of an earlier run"):
        start_from(reference(9), folder)
    strange = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="strange")])
    save_network(strange, BEFORE, {}, str(tmp_path / "strange"))
    with pytest.raises(WarmStartError, match="no weight fits"):
        start_from(reference(9), f"{tmp_path}/strange")


def test_pickled_arrays_are_not_loaded(tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    np.savez(folder / "weights.npz", **{"embedding/embeddings": np.array([{}], dtype=object)})
    (folder / "tokens.txt").write_text("a")
    (folder / "facts.json").write_text("{}")
    with pytest.raises(WarmStartError):
        start_from(reference(9), str(folder))


LOG = {"age.scale": 1.0, "age.offset": 10.0, "age.knots": [0.0] * 33, "age.scores": [0.0] * 33}


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ({}, LOG, "was on a linear scale, is on a log one"),
        (LOG, {**LOG, "age.offset": 1.0}, "is on another log scale"),
        (LOG, LOG, ""),
    ],
)
def test_the_last_layer_of_a_reference_head_on_another_scale_starts_anew(
    tmp_path, before, now, why
):
    save_network(shaken(reference(1)), BEFORE, FACTS_BEFORE | before, str(tmp_path))
    start = start_from(reference(9), str(tmp_path), FACTS_NOW | now)
    own = {name for name in [*start.carried, *start.anew] if name.startswith("age.")}
    assert own and {name: start.anew.get(name, "") for name in own} == dict.fromkeys(own, why)
    assert not any(name.startswith("gender.") for name in start.anew)


def test_a_correction_is_carried_over_on_another_scale(tmp_path):
    """Its logits are of thresholds, which are quantiles of the labels on any scale."""
    table = table_of(BEFORE, PAIRS_BEFORE)
    save_network(shaken(conv(BEFORE, table)), BEFORE, FACTS_BEFORE, str(tmp_path))
    now = table_of(NOW, PAIRS_NOW)
    start = open_start(str(tmp_path), "conv", NOW, FACTS_NOW | LOG, HEADS, now)
    assert start.carry_over(conv(NOW, start.table)).anew == {}
