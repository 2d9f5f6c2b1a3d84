"""The default network against its formulas in plain numpy; an answer is of the author alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.heads.declared import parse_heads
from components.training.conv import linear_model, shrunk_model
from components.training.held_out import answer_held_out
from components.training.model import build_model, compile_model, for_model
from tests.unit.training.plain_network import PlainNetwork
from tests.unit.training.small_network import (
    SMALL,
    VOCABULARY,
    batch_of,
    build_small,
    draw_linear,
    draw_offsets,
    draw_table,
    draw_targets,
    draw_weights,
    inputs_of,
    links_of,
    make_rows,
    weights_of,
)

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 3},
        "gender": {"kind": "binary"},
        "visits": {"kind": "count"},
    }
)
TABLE, LINKS = draw_table(), links_of(HEADS)
LINEAR = draw_linear(TABLE, LINKS)
SHARES = {"age": 0.3, "income": 0.0, "gender": 1.0, "visits": 0.6}
LENGTHS = [0, 1, 2, 3, 5, 39, 40, 41, 300, 3000]


def author(tokens, seed=None):
    random = np.random.default_rng(tokens if seed is None else seed)
    return random.integers(1, VOCABULARY, tokens).tolist()


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Of random weights, with offsets as inputs."""
    return draw_weights(build_small(HEADS))


@pytest.fixture(scope="module")
def served(network) -> keras.Model:
    """The same as it serves: tokens alone."""
    return shrunk_model(network, HEADS, LINKS, SHARES, LINEAR)


def plain(network, **changes) -> PlainNetwork:
    return PlainNetwork(TABLE.idf, TABLE.pair_keys, LINKS, weights_of(network), **changes)


def assert_answers(found, expected, place=0, tolerance=2e-5):
    for name, values in expected.items():
        np.testing.assert_allclose(
            np.asarray(found[name])[place], values, atol=tolerance, rtol=1e-4, err_msg=name
        )


@pytest.mark.parametrize("tokens", LENGTHS)
def test_the_network_of_training_is_its_formula(network, tokens):
    offsets = draw_offsets(LINKS, 1, seed=tokens)
    found = network(inputs_of([author(tokens)], offsets), training=False)
    expected = plain(network).answers(author(tokens), {n: o[0] for n, o in offsets.items()})
    assert_answers(found, expected)


@pytest.mark.parametrize("tokens", LENGTHS)
def test_the_network_that_serves_is_its_formula_and_so_is_the_baseline_inside(
    network, served, tokens
):
    by_formula = plain(network, linear=LINEAR, shares=SHARES)
    assert_answers(served(batch_of([author(tokens)])), by_formula.answers(author(tokens)))
    baseline = linear_model(network, HEADS, LINKS, LINEAR)
    assert_answers(baseline(batch_of([author(tokens)])), by_formula.baseline(author(tokens)))


def test_either_path_alone_is_its_formula():
    for change in ({"pool": False}, {"filters": 0}):
        network = draw_weights(build_small(HEADS, SMALL.model_copy(update=change)))
        found = shrunk_model(network, HEADS, LINKS, {}, LINEAR)(batch_of([author(60)]))
        assert_answers(found, plain(network, linear=LINEAR).answers(author(60)))


def test_terms_without_pairs_are_words_alone():
    table = draw_table(pairs=0)
    linear = draw_linear(table, LINKS)
    network = build_model(HEADS, VOCABULARY, SMALL, links=LINKS, table=table, seed=3)
    draw_weights(network)
    found = shrunk_model(network, HEADS, LINKS, {}, linear)(batch_of([author(60)]))
    by_formula = PlainNetwork(table.idf, table.pair_keys, LINKS, weights_of(network), linear)
    assert_answers(found, by_formula.answers(author(60)))


def test_what_training_judges_by_is_what_serves(network, served):
    """Held-out authors get the offsets from files; a caller's text gets them in the graph."""
    authors = [author(tokens) for tokens in LENGTHS[:9]]
    by_formula = plain(network, linear=LINEAR)
    offsets = {n: np.array([by_formula.offset(n, one) for one in authors]) for n in LINKS}
    targets = draw_targets(HEADS, len(authors))
    rows = make_rows(authors, targets, offsets)
    summary = type("Counted", (), {"longest": 300})()
    held_out = answer_held_out(network, HEADS, rows, summary, batch_size=4)
    answers = served(batch_of(authors))
    for name, share in SHARES.items():
        found = held_out[name]
        # Batches are by length, so the authors come in another order.
        order = [int(np.abs(offsets[name] - one).sum(axis=1).argmin()) for one in found.offsets]
        assert sorted(order) == list(range(len(authors)))
        kept = found.kept(LINKS[name], share)
        np.testing.assert_allclose(kept, np.asarray(answers[name])[order], atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose(found.kept(LINKS[name], 1.0), found.answers, atol=2e-5)


def test_with_matrix_products_of_bfloat16_a_step_is_taken_and_the_pool_stays_exact():
    built = {
        precision: draw_weights(
            build_model(
                HEADS, VOCABULARY, SMALL, links=LINKS, table=TABLE, seed=3, precision=precision
            )
        )
        for precision in ("float32", "bfloat16")
    }
    inputs = inputs_of([author(60), author(5)], draw_offsets(LINKS, 2))
    pooled = [
        keras.Model(model.input, model.get_layer("table").output[0])(inputs)
        for model in built.values()
    ]
    np.testing.assert_array_equal(*pooled)
    model = built["bfloat16"]
    compile_model(model, HEADS, {}, 1e-3)
    targets = draw_targets(HEADS, 2)
    rows = make_rows([author(60), author(5)], targets, draw_offsets(LINKS, 2))
    batches = for_model(rows.padded_batch(2), model)
    before = model.get_layer("table").table.numpy()
    model.fit(batches, verbose=0)
    assert np.abs(model.get_layer("table").table.numpy() - before).max() > 1e-4


def test_a_network_without_a_path_reads_what_the_path_says_on_average(network):
    """By the same formula: the mean over authors in the place of each one's own features."""
    authors = [author(tokens) for tokens in LENGTHS[1:9]]
    offsets, targets = draw_offsets(LINKS, len(authors)), draw_targets(HEADS, len(authors))
    rows = make_rows(authors, targets, offsets)
    summary = type("Counted", (), {"longest": 300})()
    held_out = answer_held_out(network, HEADS, rows, summary, batch_size=4, paths=True)
    said = plain(network)
    both = {"pool": said.pooled_features, "convolution": said.convolved_features}
    means = {path: np.mean([read(one) for one in authors], axis=0) for path, read in both.items()}
    for name in LINKS:
        order = [
            int(np.abs(offsets[name] - o).sum(axis=1).argmin()) for o in held_out[name].offsets
        ]
        assert set(held_out[name].without) == set(both)
        for path, logits in held_out[name].without.items():
            for place, number in enumerate(order):
                fixed = {path: means[path]}
                expected = said.logits(name, authors[number], offsets[name][number], fixed)
                np.testing.assert_allclose(logits[place], expected, atol=1e-4, rtol=1e-4)


def test_an_author_of_30_000_tokens_is_answered_alone_and_beside_one_of_30_alike(network, served):
    long, short = author(30_000), author(30)
    together = served(batch_of([short, long]))
    for place, one in enumerate((short, long)):
        alone = {name: values[0] for name, values in served(batch_of([one])).items()}
        assert_answers(together, alone, place)
    assert_answers(together, plain(network, linear=LINEAR, shares=SHARES).answers(long), 1, 1e-4)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), min_size=1, max_size=5),
    own=st.integers(0, 90),
    padding=st.integers(0, 60),
    data=st.data(),
)
def test_an_answer_depends_on_the_author_alone(served, lengths, own, padding, data):
    authors = [author(length, seed=place) for place, length in enumerate(lengths)]
    place = data.draw(st.integers(0, len(authors)))
    authors.insert(place, author(own, seed=99))
    width = max(map(len, authors)) + padding
    alone = served(batch_of([authors[place]]))
    assert_answers(served(batch_of(authors, width)), {n: v[0] for n, v in alone.items()}, place)


def test_an_author_without_a_known_word_is_answered_like_one_without_any_by_the_baseline(network):
    baseline = linear_model(network, HEADS, LINKS, LINEAR)
    nothing, unknown = (baseline(batch_of([one])) for one in ([], [1] * 20))
    for name, link in LINKS.items():
        expected = link.answers(LINEAR[name].bias[None].astype("float64"))[0]
        assert_answers(nothing, {name: expected})
        assert_answers(unknown, {name: expected})


def test_fewer_tokens_than_the_convolution_reads_leave_its_path_at_0(network):
    mean = keras.Model(network.input, network.get_layer("mean_of_positions").output)
    for tokens, is_zero in ((0, True), (2, True), (3, False)):
        inputs = inputs_of([author(tokens), author(50)], draw_offsets(LINKS, 2))
        values = np.asarray(mean(inputs))
        assert (values[0] == 0).all() == is_zero
        assert values[1].any()


def test_a_network_starts_as_the_linear_baseline():
    network = build_small(HEADS, dropout=0.0)
    offsets = draw_offsets(LINKS, 3)
    answers = network(inputs_of([author(30), author(3), []], offsets), training=False)
    for name, link in LINKS.items():
        expected = link.answers(offsets[name].astype("float64"))
        np.testing.assert_allclose(answers[name], expected, atol=1e-6)
    inside = shrunk_model(network, HEADS, LINKS, {}, LINEAR)(batch_of([author(30)]))
    alone = linear_model(network, HEADS, LINKS, LINEAR)(batch_of([author(30)]))
    assert_answers(inside, {n: v[0] for n, v in alone.items()})


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_a_head_reads_the_shared_layer_and_its_offset_and_nothing_else(network, head):
    """Keras refuses a model whose outputs follow from more than its inputs."""
    shared = network.get_layer("shared_dropout").output
    own = network.input[f"{head.name}.offset"]
    alone = keras.Model([shared, own], network.output[head.name])
    assert alone([np.ones((2, 7)), np.ones(own.shape[1:])[None].repeat(2, 0)]).shape[0] == 2
    for missing in ([own], [shared]):
        with pytest.raises(ValueError, match=r"disconnected|cannot be computed|not connected"):
            keras.Model(missing, network.output[head.name])


def test_all_of_the_text_goes_through_the_shared_layer():
    network = draw_weights(build_small(HEADS))
    network.get_layer("shared").kernel.assign(np.zeros((11, 7)))
    offsets = {name: values.repeat(2, 0) for name, values in draw_offsets(LINKS, 1).items()}
    answers = network(inputs_of([author(30), author(31)], offsets), training=False)
    for values in answers.values():
        np.testing.assert_allclose(values[0], values[1], atol=1e-6)


def test_every_head_teaches_the_table_the_convolution_and_the_shared_layer(network):
    inputs = inputs_of([author(60), author(31)], draw_offsets(LINKS, 2))
    for head in HEADS:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(network(inputs, training=False)[head.name][:, 0])
        names = ("table/table", "convolution/kernel", "shared/kernel")
        layers = [network.get_layer(name.partition("/")[0]) for name in names]
        weights = [layer.table if layer.name == "table" else layer.kernel for layer in layers]
        for name, gradient in zip(names, tape.gradient(total, weights), strict=True):
            assert np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 1e-5, (head.name, name)


def test_a_table_of_another_vocabulary_is_refused():
    for table, told in ((None, "none"), (draw_table(vocabulary=49), "49")):
        with pytest.raises(ValueError, match=f"Received: {told} for a vocabulary of 50"):
            build_model(HEADS, VOCABULARY, SMALL, links=LINKS, table=table)
