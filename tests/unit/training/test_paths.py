"""What a path adds: the loss without it less the loss with it, paired by author."""

from __future__ import annotations

import numpy as np
import pytest

from components.heads.binary import BinaryHead
from components.heads.links import LogitLink
from components.training.held_out import HeldOut
from components.training.paths import path_gains

HEAD, LINK = BinaryHead(), LogitLink()
AUTHORS = 400
LABELS = np.tile([1.0, 0.0], AUTHORS // 2)[:, None]
NOISE = np.random.default_rng(0).normal(0, 1, (AUTHORS, 1))
RIGHT = 4 * (LABELS - 0.5)


def gains(logits, without, share=1.0, offsets=None):
    offsets = np.zeros_like(LABELS) if offsets is None else offsets
    found = HeldOut(LABELS, LINK.answers(logits), logits, offsets, without)
    return path_gains(HEAD, LINK, found, found.kept(LINK, share), np.array([0.5]))


def test_a_path_that_tells_all_adds_all_and_one_that_tells_nothing_adds_nothing():
    found = gains(RIGHT, {"convolution": 0 * RIGHT, "pool": RIGHT})
    # Logits of +-2 for labels of one half each: loss log(1 + exp(-2)) beside log 2.
    skill = 1 - np.log1p(np.exp(-2)) / np.log(2)
    assert found["convolution"] == pytest.approx({"value": skill, "lower": skill, "upper": skill})
    assert found["pool"]["value"] == pytest.approx(0, abs=0.01)


def test_what_a_path_takes_away_is_not_held_against_the_rest():
    """The rest is shrunk for itself: of mere noise nothing is kept, and no skill is lost by it."""
    found = gains(RIGHT, {"convolution": 5 * NOISE})["convolution"]
    assert found["value"] == pytest.approx(1 - np.log1p(np.exp(-2)) / np.log(2), abs=0.02)


def test_the_interval_is_that_of_the_mean_over_authors():
    half = np.where(np.arange(AUTHORS)[:, None] < AUTHORS // 2, RIGHT, 0)
    found = gains(RIGHT, {"pool": half})["pool"]
    each = np.log(2) - np.log1p(np.exp(-2))
    # Half of the authors lose `each`, the others nothing: the deviation is half of it.
    error = 1.96 * each / 2 / np.sqrt(AUTHORS) / np.log(2)
    assert found["upper"] - found["value"] == pytest.approx(error, rel=0.05)
    assert found["value"] == pytest.approx(each / 2 / np.log(2), rel=0.05)


def test_a_head_that_keeps_nothing_of_the_network_owes_no_path_anything():
    assert gains(NOISE, {"pool": NOISE}, share=0.0)["pool"]["value"] == pytest.approx(0, abs=0.01)


def test_fewer_than_two_labels_tell_of_no_path():
    found = HeldOut(LABELS[:1], LABELS[:1], RIGHT[:1], RIGHT[:1], {"pool": RIGHT[:1]})
    assert path_gains(HEAD, LINK, found, found.answers, np.array([0.5])) == {}
