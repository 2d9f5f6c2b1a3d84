"""The standard error of a skill, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.regression import RegressionHead
from components.training.skill_error import gain_error

NUMBER, GROUPS, BINARY = RegressionHead(), ClassesHead(classes=2), BinaryHead()


def test_a_number_gains_by_squared_errors():
    labels = np.array([[0.0], [2.0], [4.0]])
    answers = np.array([[0.0], [2.0], [3.0]])
    # The constant 2 loses 4, 0, 4; the answers lose 0, 0, 1; the gains are 4, 0, 3.
    expected = math.sqrt(((5 / 3) ** 2 + (7 / 3) ** 2 + (2 / 3) ** 2) / 2 / 3)
    assert gain_error(NUMBER, answers, labels) == pytest.approx(expected)


def test_one_of_two_values_gains_by_cross_entropy():
    labels = np.array([[1.0], [0.0]])
    answers = np.array([[0.8], [0.6]])
    gains = math.log(0.8 / 0.5), math.log(0.4 / 0.5)
    expected = abs(gains[0] - gains[1]) / 2
    assert gain_error(BINARY, answers, labels) == pytest.approx(expected)


def test_groups_gain_by_the_probability_of_the_right_one():
    labels = np.eye(2)[[0, 1, 1, 0]]
    answers = np.array([[0.8, 0.2], [0.6, 0.4], [0.6, 0.4], [0.8, 0.2]])
    binary = gain_error(BINARY, answers[:, :1], labels[:, :1])
    assert gain_error(GROUPS, answers, labels) == pytest.approx(binary)


def test_one_label_tells_no_error():
    assert gain_error(NUMBER, np.ones((1, 1)), np.ones((1, 1))) == math.inf
