"""Bins that are cut before an author is counted."""

from __future__ import annotations

import numpy as np
import pytest

from components.report.scales import make_scale, nice_step, places


def test_bins_cover_the_labels_in_round_steps() -> None:
    scale = make_scale([13, 22, 27, 31, 35, 39, 43, 47, 52, 60, 83])
    assert scale.edges[:3] == (12.0, 14.0, 16.0)
    assert scale.edges[-1] == 84.0
    assert not scale.logarithmic


def test_bands_hold_about_equal_shares_of_the_labels() -> None:
    scale = make_scale([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    assert scale.bands == (20.0, 40.0, 60.0, 80.0)
    assert scale.band_names() == ["below 20", "20-40", "40-60", "60-80", "80 and above"]
    assert scale.band_places(np.array([19.9, 20.0, 99.0])).tolist() == [0, 1, 4]


def test_a_value_beyond_an_end_counts_in_the_last_bin_there() -> None:
    assert places([0.0, 1.0, 2.0], np.array([-7.0, 0.0, 1.0, 2.0, 99.0])).tolist() == [
        0,
        0,
        1,
        1,
        1,
    ]


def test_bins_of_followers_grow_geometrically() -> None:
    scale = make_scale([0, 3, 10, 20, 35, 60, 100, 200, 400, 1000, 1e8])
    assert scale.logarithmic
    assert scale.edges[0] == 0.0
    assert scale.edges[-1] == 1e8
    assert list(scale.edges) == sorted(set(scale.edges))


def test_labels_that_are_all_the_same_have_one_band() -> None:
    scale = make_scale([5.0] * 11)
    assert scale.bands == ()
    assert scale.places(np.array([5.0])).tolist() == [0]


@pytest.mark.parametrize("deciles", [[1, 2, 3], [float("nan")] * 11, list(range(11, 0, -1))])
def test_anything_but_eleven_rising_numbers_is_refused(deciles: list[float]) -> None:
    with pytest.raises(ValueError, match="eleven finite, rising deciles"):
        make_scale(deciles)


@pytest.mark.parametrize("width, step", [(0.7, 1.0), (2.0, 2.0), (2.1, 5.0), (51, 100.0)])
def test_steps_are_round(width: float, step: float) -> None:
    assert nice_step(width) == step
