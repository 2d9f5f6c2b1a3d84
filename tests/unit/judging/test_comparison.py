"""What of an older model can be compared, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.judging.comparison import InService, compare_with
from components.judging.signatures import UnfitModelError, unanswered_heads

HEADS = parse_heads(DEFAULT_HEADS)
WriteModel = Callable[..., Path]


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory, write_model: WriteModel) -> Path:
    """A model that answers every head."""
    return write_model(tmp_path_factory.mktemp("candidate"))


def compare(older: Path, candidate: Path) -> InService:
    """The older model beside the candidate."""
    serving = str(older / "Format-Serving"), str(candidate / "Format-Serving")
    return compare_with(str(older), 7, *serving, HEADS)


def test_a_model_of_the_same_heads_is_compared_in_all(
    candidate: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    found = compare(write_model(tmp_path), candidate)
    assert found.heads == ("age", "income", "gender")
    assert (found.record.left_out, found.notes) == ("", {})


def test_a_head_that_the_older_model_has_not_is_judged_alone(
    candidate: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    found = compare(write_model(tmp_path, head_names=["age", "gender"]), candidate)
    assert found.heads == ("age", "gender")
    assert found.notes["income"] == (
        "judged against the constant baseline alone: the deployed model differs; "
        "serving_default has no output income"
    )
    assert found.record.left_out == ""


def test_groups_cut_at_other_amounts_are_compared_with_a_note(
    candidate: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    found = compare(write_model(tmp_path, boundary_shift=500.0), candidate)
    assert found.heads == ("age", "income", "gender")
    assert list(found.notes) == ["income"]


def test_another_number_of_groups_is_judged_alone(
    candidate: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    found = compare(write_model(tmp_path, classes=4), candidate)
    assert found.heads == ("age", "gender")
    assert "answers income as (4,) values, not (10,)" in found.notes["income"]


def test_a_model_without_the_signatures_is_left_out(
    candidate: Path, tmp_path: Path, write_model: WriteModel
) -> None:
    found = compare(write_model(tmp_path, signatures=["serving_default", "posts"]), candidate)
    assert found.heads == ()
    assert "'transform_features' is missing" in found.record.left_out
    assert set(found.notes) == {"age", "income", "gender"}


def test_a_folder_without_a_model_is_left_out(candidate: Path, tmp_path: Path) -> None:
    found = compare(tmp_path / "nothing", candidate)
    assert found.heads == ()
    assert "a model must load and answer one author" in found.record.left_out


def test_a_candidate_without_a_signature_is_an_error(
    tmp_path: Path, write_model: WriteModel
) -> None:
    model = write_model(tmp_path, signatures=["posts"])
    with pytest.raises(UnfitModelError, match="serving_default"):
        unanswered_heads(str(model / "Format-Serving"), HEADS)
