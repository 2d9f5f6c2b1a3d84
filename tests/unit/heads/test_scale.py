"""The scale that a number is learned on: which one, there and back, and judged on it."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.heads.declared import heads_from_json, heads_to_json
from components.heads.regression import RegressionHead
from components.heads.scale import (
    KNOTS,
    LEVELS,
    LINEAR,
    NumberScale,
    choose_scale,
    fit_scale,
    log_offset,
)
from components.heads.served import ServedNumber
from components.judging.bootstrap import ranked_scores

DRAW = np.random.default_rng(8)
FOLLOWERS = np.floor(np.exp(DRAW.normal(5.5, 2.5, 2000)))
INCOMES = np.where(DRAW.random(2000) < 0.05, 0, np.exp(DRAW.normal(10.5, 0.8, 2000)))
AGES = np.clip(DRAW.normal(33, 12, 2000), 13, 90).round()
STUDENTS = np.where(DRAW.random(2000) < 0.93, DRAW.integers(17, 23, 2000), 23 + DRAW.exponential(9))
BALANCES = np.concatenate([-np.exp(DRAW.normal(3, 2, 900)), np.exp(DRAW.normal(4, 2, 1100))])
RATED = 100 - np.exp(DRAW.normal(0, 2, 2000)).clip(0, 99)
CORPORA = {
    "followers": (FOLLOWERS, "log"),
    "incomes with zeros": (INCOMES, "log"),
    "counts, most of them 0": (np.where(DRAW.random(2000) < 0.6, 0, FOLLOWERS), "log"),
    "ages": (AGES, "linear"),
    "ages of students": (STUDENTS, "linear"),
    "one normal distribution": (DRAW.normal(0, 1, 2000), "linear"),
    "grades": (DRAW.uniform(0, 100, 2000), "linear"),
    "balances": (BALANCES, "quantile"),
    "Cauchy's": (DRAW.standard_cauchy(2000), "quantile"),
    "bounded above, some far below": (RATED, "quantile"),
    "one value": (np.full(50, 7.0), "linear"),
}
SCALES = {
    "linear": LINEAR,
    "log": NumberScale(name="log", offset=10.0),
    "quantile": NumberScale(name="quantile", knots=[-5.0, 0.0, 900.0], scores=[-3.0, 0.0, 3.0]),
}
HEAD = RegressionHead(name="followers", unit="followers", maximum=1e9)


def levels_of(labels):
    return np.quantile(labels, np.arange(LEVELS + 1) / LEVELS, method="inverted_cdf")


@pytest.mark.parametrize(("labels", "name"), CORPORA.values(), ids=CORPORA)
def test_the_scale_follows_from_the_labels(labels, name):
    assert choose_scale(levels_of(labels)) == name
    assert fit_scale(levels_of(labels)).scale.name == name


def test_one_slip_of_the_pen_does_not_change_the_scale():
    assert choose_scale(levels_of([*AGES, 10_000.0])) == "linear"


def test_the_offset_is_a_power_of_ten_below_the_labels_above_0():
    found = [
        log_offset(levels_of(np.array(labels))) for labels in ([1000, 5000], [0, 0, 7], [0, 0])
    ]
    assert found == [1000.0, 1.0, 1.0]


@pytest.mark.parametrize("setting", ["linear", "log", "quantile"])
@pytest.mark.parametrize("corpus", ["followers", "incomes with zeros", "counts, most of them 0"])
def test_labels_are_standardised_on_the_scale_and_come_back(corpus, setting):
    labels = CORPORA[corpus][0]
    scale, mean, deviation = fit_scale(levels_of(labels), setting)
    placed = (scale.onto(labels) - mean) / deviation
    assert (abs(placed.mean()) < 0.02 and 0.9 < placed.std() < 1.1) or setting == "linear"
    np.testing.assert_allclose(scale.back(scale.onto(labels)), labels, atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@given(st.floats(0, 1e6), st.floats(0.01, 1e3))
def test_a_scale_rises_everywhere_beyond_its_ends_too(scale, label, more):
    assert scale.onto(label + more) > scale.onto(label)
    assert scale.back(scale.onto(label)) == pytest.approx(label, rel=1e-6, abs=1e-6)


def test_a_quantile_scale_goes_on_as_straight_as_it_ends():
    scale = SCALES["quantile"]
    assert scale.onto(np.array([-10.0, 0.0, 1800.0])).tolist() == [-6.0, 0.0, 6.0]
    assert scale.back(np.array([-6.0, 1.5, 6.0])).tolist() == [-10.0, 450.0, 1800.0]


def test_equal_labels_lie_in_the_middle_of_their_ranks():
    labels = np.where(np.arange(1000) < 500, 0.0, np.arange(1000))
    scale = fit_scale(levels_of(labels), "quantile").scale
    # Half of the labels: the scores from -3 to 0.
    assert scale.onto(np.array([0.0]))[0] == pytest.approx(-1.5, abs=0.1)
    assert scale.onto(np.array([999.0]))[0] == 3.0


@pytest.mark.parametrize("setting", ["linear", "log", "quantile"])
def test_facts_say_the_scale_and_none_are_linear(setting):
    scale = fit_scale(levels_of(FOLLOWERS), setting).scale
    facts = scale.facts()
    assert [facts[name].shape for name in facts] == [(1,), (1,), (KNOTS,), (KNOTS,)]
    assert NumberScale.of_facts(facts) == scale
    assert NumberScale.of_facts({}) == LINEAR


def judged(scale):
    return HEAD.judged_by(json.loads(json.dumps({"learned_on": scale.model_dump()})))


def scored(head, labels, answers):
    whole, histogram = np.zeros(head.term_count), np.zeros(head.histogram_shape)
    for label, answer in zip(labels, answers, strict=True):
        pair = np.array([float(label)]), np.array([float(answer)])
        whole += head.terms(*pair)
        head.deposit(histogram, *pair)
    # As the benchmark does, by a head that knows of no scale.
    scores = {**HEAD.scores(whole, whole), **ranked_scores(head, histogram)}
    return scores, head.constants(whole, histogram)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_skill_is_on_the_scale_and_errors_are_in_the_unit(scale):
    labels = FOLLOWERS[:500]
    answers = (labels * np.exp(DRAW.normal(0, 1, 500)) + 3).round()
    found, constant = scored(judged(scale), labels, answers)
    placed, answered = scale.onto(labels), scale.onto(answers)
    errors = np.abs(answers - labels)
    assert found["skill"] == pytest.approx(1 - np.mean((placed - answered) ** 2) / placed.var())
    assert found["mae"] == pytest.approx(errors.mean())
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert found["median_error"][0] == pytest.approx(np.median(errors), rel=0.02)
    low, high = np.quantile(found["median_error"][1:], [0.025, 0.975])
    assert low < np.median(errors) < high
    middle = np.median(labels)
    assert constant["rmse"] == pytest.approx(labels.std())
    if scale.name == "log":
        # The bins of the linear one are 250,000 followers wide.
        assert constant["mae"] == pytest.approx(np.abs(labels - middle).mean(), rel=0.01)
        median = np.median(np.abs(labels - middle))
        assert constant["median_error"] == pytest.approx(median, rel=0.05)


def test_the_scale_goes_with_the_head_to_workers():
    head = judged(SCALES["log"])
    assert pickle.loads(pickle.dumps(head)).term_count == head.term_count == 8
    assert heads_from_json(heads_to_json((head,))) == (HEAD,)
    assert HEAD.term_count == 5


def test_median_errors_of_nobody_are_unknown_and_of_right_answers_0():
    _, constant = scored(HEAD, [], [])
    assert math.isnan(constant["median_error"])
    found, _ = scored(HEAD, [5, 6, 7], [5, 6, 9])
    assert found["median_error"][0] == 0.0


def entry(scale, half):
    return ServedNumber.model_validate(
        {
            **HEAD.model_dump(),
            "interval": {"coverage": 0.8, "half_width": half},
            "learned_on": scale.model_dump(),
        }
    )


def test_an_interval_is_even_on_the_scale_and_not_in_the_unit():
    interval = entry(SCALES["log"], math.log(2)).described([90.0])["interval"]
    assert interval == {"coverage": 0.8, "lower": 40.0, "upper": 190.0}
    interval = entry(SCALES["quantile"], 1.0).described([450.0])["interval"]
    assert (interval["lower"], interval["upper"]) == (150.0, 750.0)


def test_a_served_head_of_an_earlier_release_is_linear():
    earlier = {
        "name": "age",
        "kind": "regression",
        "interval": {"coverage": 0.8, "half_width": 6.0},
    }
    interval = ServedNumber.model_validate(earlier).described([30.0])["interval"]
    assert (interval["lower"], interval["upper"]) == (24.0, 36.0)


def test_nothing_beyond_the_declared_range_is_answered_from_a_log_scale():
    facts = {HEAD.internal(name): fact for name, fact in HEAD.facts_of(FOLLOWERS).items()}
    answers = HEAD.natural(np.array([[-50.0], [0.0], [50.0]]), facts)[:, 0]
    assert answers[0] == 0.0 and answers[2] == 1e9
    assert 50 < answers[1] < 1000


def test_targets_and_natural_are_inverses_on_every_scale():
    for setting in ("auto", "linear", "log", "quantile"):
        head = HEAD.model_copy(update={"scale": setting})
        facts = {head.internal(name): fact for name, fact in head.facts_of(FOLLOWERS).items()}
        targets = head.targets(FOLLOWERS.tolist(), facts)
        np.testing.assert_allclose(head.natural(targets, facts)[:, 0], FOLLOWERS, atol=1e-5)


def test_the_scale_is_told_with_who_chose_it():
    facts = {HEAD.internal(name): fact for name, fact in HEAD.facts_of(FOLLOWERS).items()}
    found = HEAD.found(facts)
    assert found == {
        "scale": "log",
        "learned_on": {"name": "log", "offset": 10.0, "knots": [], "scores": []},
    }
    assert HEAD.scale_note(found) == "followers: log scale, chosen from the training labels"
    assert HEAD.model_copy(update={"scale": "log"}).scale_note(found) == "followers: log scale"
    assert HEAD.found({}) == {"scale": "linear"} and HEAD.scale_note({"scale": "linear"}) == ""


def test_a_log_scale_takes_no_labels_below_0():
    with pytest.raises(pydantic.ValidationError, match="scale: log takes labels of 0 or more"):
        RegressionHead(name="balance", minimum=-5, scale="log")
    head = RegressionHead(name="balance", scale="log")
    assert head.range_rule.endswith("120; scale: log takes none below 0")
    assert head.range_remedy.endswith("heads.balance.scale: quantile for labels below 0")


def test_a_model_on_another_scale_is_compared_on_the_newer_one():
    log = {"learned_on": SCALES["log"].model_dump()}
    assert "judged on the log scale" in HEAD.comparison_note({}, log)
    assert HEAD.comparison_note(log, log) == HEAD.comparison_note({}, {}) == ""
