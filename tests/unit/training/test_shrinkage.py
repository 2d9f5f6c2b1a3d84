"""Answers are drawn towards the constant exactly as far as `eval` does not support them."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from components.heads.binary import BinaryHead
from components.heads.declared import parse_heads
from components.heads.links import LogitLink
from components.heads.regression import RegressionHead
from components.training.held_out import HeldOut
from components.training.learning import Shares, find_shares
from components.training.shrinkage import fit_correction, fit_share, shrink_answers

RANDOM = np.random.default_rng(0)
NUMBER, BINARY = RegressionHead(), BinaryHead()


def share_of(answers, labels, constant, head=NUMBER):
    columns = (np.asarray(values, float).reshape(-1, 1) for values in (answers, labels))
    return fit_share(head, *columns, np.array([constant]))


def test_answers_that_tell_nothing_become_the_constant():
    labels = RANDOM.normal(0, 1, 400)
    # By chance, 400 labels may agree with noise by more than 1.4 errors.
    assert share_of(RANDOM.normal(0, 1, 400), labels, 0.0) < 0.05
    assert share_of(-labels, labels, 0.0) == 0
    assert share_of(1 - (labels > 0) * 0.8, labels > 0, 0.5, BINARY) == 0


def test_good_answers_stay():
    labels = RANDOM.normal(0, 1, 4000)
    assert share_of(labels + RANDOM.normal(0, 0.1, 4000), labels, 0.0) > 0.97
    assert share_of(0.1 + 0.8 * (labels > 0), labels > 0, 0.5, BINARY) > 0.99


def test_answers_too_far_out_are_drawn_back_to_their_best_share():
    labels = RANDOM.normal(0, 1, 4000)
    assert share_of(4 * labels, labels, 0.0) == pytest.approx(0.25, rel=0.01)
    # Answered 0.99 where 0.75 is true: 0.5 + share * 0.49 = 0.75.
    side = RANDOM.integers(0, 2, 4000)
    label = np.where(RANDOM.random(4000) < 0.75, side, 1 - side)
    found = share_of(np.where(side, 0.99, 0.01), label, 0.5, BINARY)
    assert found == pytest.approx(0.25 / 0.49, rel=0.05)


def test_the_same_evidence_of_fewer_authors_is_trusted_less():
    answers, labels = np.array([1.0, -1, 1, -1] * 250), np.array([1.0, -1, -0.6, 0.9] * 250)
    # Gains 2, 2, -1.2, -1.8: mean 0.25, deviation 1.77; 1.4 errors from some 100 authors on.
    shares = [share_of(answers[:n], labels[:n], 0.0) for n in (24, 80, 120, 300, 1000)]
    assert shares[:2] == [0, 0]
    assert 0 < shares[2] < shares[3] < shares[4] < 0.125


def test_the_share_by_hand():
    # Gains 2 * 1 * (1.5, 1.5, 0.5, 0.5): mean 2, deviation 2 / sqrt(3), error 1 / sqrt(3).
    assert share_of([1, 1, 1, 1], [1.5, 1.5, 0.5, 0.5], 0.0) == pytest.approx(1 - 2 / 12)


def test_fewer_than_two_labels_support_nothing():
    assert share_of([], [], 0.0) == 0
    assert share_of([1.0], [1.0], 0.0) == 0


LINK = LogitLink()


def correction_of(offsets, logits, labels):
    columns = (np.asarray(values, float).reshape(-1, 1) for values in (offsets, logits, labels))
    return fit_correction(BINARY, LINK, *columns)


def test_a_correction_that_is_noise_is_left_out():
    labels = RANDOM.integers(0, 2, 400)
    offsets = (labels - 0.5) * 2 + RANDOM.normal(0, 1, 400)
    assert correction_of(offsets, offsets + RANDOM.normal(0, 2, 400), labels) < 0.05
    assert correction_of(offsets, offsets - (labels - 0.5), labels) == 0
    assert correction_of(offsets, offsets, labels) == 0


def test_a_correction_that_is_right_stays():
    labels = RANDOM.integers(0, 2, 4000)
    right = np.where(RANDOM.random(4000) < 0.8, labels, 1 - labels) - 0.5
    # Eight of ten are as stated: the right logit is ln 4 on either side.
    assert correction_of(np.zeros(4000), 2 * np.log(4) * right, labels) > 0.9


def test_a_correction_that_goes_too_far_is_kept_in_part():
    side = np.tile([1, 1, 1, 0], 1000)
    # Three of four: the right logit is ln 3, and it says twice as much.
    found = correction_of(np.zeros(4000), np.full(4000, 2 * np.log(3)), side)
    assert found == pytest.approx(0.5, abs=0.01)


def test_the_share_of_a_correction_by_hand():
    # The derivative at no share is (label - 1/2) * correction: .5, .5, .5, -.1, mean .35,
    # deviation .3, error .15; the loss falls over the whole way.
    labels, corrections = [1, 1, 1, 0], np.array([1.0, 1.0, 1.0, 0.2])
    found = correction_of(np.zeros(4), corrections, labels)
    assert found == pytest.approx(1 - 2 * (0.15 / 0.35) ** 2, abs=1e-3)


def test_a_correction_is_judged_by_the_head_s_answer_not_by_its_logits():
    """A number's logits are many; its loss is the squared error of the one answer they make."""
    link = NUMBER.link(RANDOM.normal(0, 1, (500, 1)))
    labels = link.answers(RANDOM.normal(0, 1, (300, link.logits)))
    offsets = np.zeros((300, link.logits))
    assert fit_correction(NUMBER, link, offsets, offsets, labels) == 0
    logits = RANDOM.normal(0, 1, (300, link.logits))
    assert fit_correction(NUMBER, link, offsets, logits, link.answers(logits)) > 0.9


def test_fewer_than_two_labels_support_no_correction():
    assert correction_of([], [], []) == 0
    assert correction_of([0.0], [3.0], [1.0]) == 0


def chain_of(offsets, logits, labels):
    """Shares of a chain constant <- linear <- network, of one binary head."""
    heads = parse_heads({"gender": {"kind": "binary"}})
    columns = [np.asarray(values, float).reshape(-1, 1) for values in (labels, logits, offsets)]
    found = HeldOut(columns[0], LINK.answers(columns[1]), *columns[1:])
    train = SimpleNamespace(constants={"gender": [0.5]})
    data = SimpleNamespace(heads=heads, links={"gender": LINK}, train=train)
    return find_shares(data, {"gender": found})["gender"]


def test_each_step_of_the_chain_is_kept_for_itself():
    labels = np.tile([1, 0], 200)
    side, noise = 4 * (labels - 0.5), RANDOM.normal(0, 2, 400)
    right_at_last = chain_of(noise, side, labels)
    assert right_at_last.network > 0.9 and right_at_last.answer > 0.9
    assert right_at_last.baseline < 0.1
    right_at_first = chain_of(side, side + noise, labels)
    assert right_at_first.network < 0.1
    assert right_at_first.answer > 0.95 and right_at_first.baseline > 0.95
    never = chain_of(noise, noise - side, labels)
    assert never == Shares(0.0, never.answer, never.baseline)
    assert never.answer == never.baseline < 0.1


def test_a_network_without_offsets_is_shrunk_to_the_constant_alone():
    labels = np.tile([1.0, 0.0], 200)[:, None]
    heads = parse_heads({"gender": {"kind": "binary"}})
    none = np.zeros((400, 0))
    train = SimpleNamespace(constants={"gender": [0.5]})
    data = SimpleNamespace(heads=heads, links={}, train=train)
    for answers, expected in ((0.1 + 0.8 * labels, 1.0), (0.9 - 0.8 * labels, 0.0)):
        shares = find_shares(data, {"gender": HeldOut(labels, answers, none, none)})["gender"]
        assert (shares.network, shares.baseline) == (1.0, 1.0)
        assert shares.answer == pytest.approx(expected, abs=0.02)


def test_the_network_that_leaves_answers_shrunk_and_has_no_further_weights():
    tokens = keras.Input((None,), dtype="int32")
    number = keras.layers.Reshape((1,))(keras.ops.cast(tokens[:, 0], "float32"))
    age = keras.layers.Dense(1, name="age")(number)
    gender = keras.layers.Dense(1, "sigmoid", name="gender")(number)
    model = keras.Model(tokens, {"age": age, "gender": gender, "age.steps": age})
    shares = {"age": 0.25, "gender": 0.0}
    shrunk = shrink_answers(model, {"age": [1.0], "gender": [0.5]}, shares)
    ids = RANDOM.integers(0, 3, (30, 2)).astype("int32")
    answers, before = shrunk(ids), model(ids)
    assert set(answers) == {"age", "gender"}
    np.testing.assert_allclose(answers["age"], 1 + 0.25 * (np.array(before["age"]) - 1), rtol=1e-5)
    np.testing.assert_array_equal(answers["gender"], np.full((30, 1), 0.5))
    assert shrunk.count_params() == model.count_params()
