"""Whether to train, from facts alone: each reason, its bound, what is said where there is none."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from components.retraining.decision import Seen, decide, decide_search, loss_ratios
from components.retraining.settings import RetrainingSettings

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SETTINGS = RetrainingSettings(
    minimum_new_spans=3,
    maximum_label_drift=0.2,
    maximum_coverage_change=0.1,
    maximum_model_age_days=30,
    minimum_labels=50,
)


def change(distance=0.05, now=(800, 0.8), then=(800, 0.8)):
    """A head's change: labels and share known, now and then."""
    return SimpleNamespace(
        distance=distance,
        labels_now=now[0],
        coverage_now=now[1],
        labels_then=then[0],
        coverage_then=then[1],
        model_dump=dict,
    )


def decided(*, force=False, settings=SETTINGS, **seen):
    values = {"trained": (1, 2, 3), "spans": (2, 3, 4), **seen}
    return decide(Seen(**values), settings, NOW, force)


def kinds(decision):
    return [reason.kind for reason in decision.reasons]


def test_without_a_reason_it_says_what_is_new_and_what_would_be_one():
    decision = decided(changes={"age": change(0.05), "gender": change(0.07)})
    assert decision.state == "nothing"
    assert decision.summary == (
        "nothing to do: 1 new span since 3, drift of labels 0.070; 3 new spans, or a drift, are a "
        "reason"
    )
    assert decided(spans=(2, 3)).summary == "nothing to do: no new span since 3"
    assert decided(trained=(), spans=()).summary == (
        "nothing to do: the files are those of the last training"
    )


def test_nothing_trained_yet_is_a_reason():
    assert kinds(decided(trained=None, spans=(1,))) == ["first"]


def test_enough_new_spans_are_a_reason_one_less_is_none():
    assert kinds(decided(spans=(3, 4, 5))) == []
    decision = decided(spans=(3, 4, 5, 6))
    assert kinds(decision) == ["new_spans"]
    assert decision.summary == "training: 3 new spans (4, 5, 6)"
    assert decision.new_spans == [4, 5, 6]


def test_a_mended_older_span_counts_as_new():
    assert decided(trained=(1, 3), spans=(1, 2, 3, 4)).new_spans == [2, 4]


@pytest.mark.parametrize(("distance", "expected"), [(0.2, []), (0.21, ["label_drift"])])
def test_a_drift_beyond_the_bound_is_a_reason(distance, expected):
    decision = decided(changes={"age": change(distance)})
    assert kinds(decision) == expected
    if expected:
        assert "labels of age drifted by 0.210, above 0.2" in decision.summary
        assert decision.reasons[0].figures == {"distance": 0.21, "bound": 0.2}


def test_a_drift_that_could_not_be_measured_is_none():
    assert kinds(decided(changes={"age": change(None)})) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [((890, 0.89), []), ((950, 0.95), ["coverage"]), ((0, 0.0), ["coverage"]), ((20, 0.95), [])],
)
def test_a_change_of_coverage_is_a_reason_where_authors_are_many_enough(now, expected):
    assert kinds(decided(changes={"age": change(now=now)})) == expected


def test_drift_is_no_reason_where_nothing_is_new():
    assert kinds(decided(spans=(2, 3), changes={"age": change(0.9)})) == []


@pytest.mark.parametrize(
    ("days", "spans", "expected"),
    [
        (31, (2, 3, 4), ["model_age"]),
        (29, (2, 3, 4), []),
        # On the data it was trained on, a training ends in the very model.
        (31, (2, 3), []),
    ],
)
def test_an_old_model_is_a_reason_where_there_is_anything_new(days, spans, expected):
    decision = decided(spans=spans, model_born=NOW - timedelta(days=days))
    assert kinds(decision) == expected
    assert decision.model_age_days == days


def test_changed_files_without_spans_are_a_reason():
    assert kinds(decided(trained=(), spans=(), files_changed=True)) == ["new_files"]


def test_a_switched_off_bound_is_no_reason():
    off = RetrainingSettings(
        minimum_new_spans=9, maximum_label_drift=None, maximum_coverage_change=None
    )
    changes = {"age": change(0.9, now=(100, 0.1))}
    old = NOW - timedelta(days=999)
    assert kinds(decided(settings=off, changes=changes, model_born=old)) == []


def test_a_switch_forces_without_a_reason():
    decision = decided(force=True, spans=(2, 3))
    assert (decision.state, kinds(decision)) == ("running", ["forced"])


def test_a_newest_span_that_cannot_be_used_blocks_whatever_else_is_new():
    decision = decided(
        force=True, spans=(3, 4, 5, 6), newest_fault="span 7 cannot be used: all of it is broken"
    )
    assert decision.state == "blocked"
    assert decision.summary == "blocked: span 7 cannot be used: all of it is broken"


def test_a_broken_older_span_is_left_out_and_kept_in_the_record():
    decision = decided(spans=(3, 4, 6, 7), left_out={5: "broken"})
    assert decision.state == "running"
    assert decision.left_out == {5: "broken"}
    assert decision.new_spans == [4, 6, 7]


LAST = "runs/x/best_hyperparameters.txt"
SAME = ({"gender": 0.5}, {"gender": 0.5})


def searched(changes=None, ratios=SAME, settings=SETTINGS, last=LAST, asked=False):
    return decide_search(changes, ratios, settings, last, asked)


def test_the_last_search_s_settings_are_used_while_nothing_moved():
    search = searched({"age": change(0.19, now=(800, 0.9))})
    assert not search.again
    assert search.hyperparameters_from == LAST
    assert search.figures == {
        "age_coverage_change": pytest.approx(0.1),
        "age_label_drift": 0.19,
        "gender_loss_ratio": pytest.approx(1.0),
    }


@pytest.mark.parametrize(
    ("changes", "ratios", "said"),
    [
        ({"age": change(0.21)}, SAME, "labels of age moved by 0.210"),
        ({"age": change(0, now=(990, 0.99), then=(700, 0.7))}, SAME, "share of known age"),
        ({}, ({"gender": 0.8}, {"gender": 0.5}), "loss of gender beside the first head's"),
        ({}, ({"gender": 0.3}, {"gender": 0.5}), "changed by 1.67"),
    ],
)
def test_it_is_searched_anew_once_labels_or_losses_moved(changes, ratios, said):
    search = searched(changes, ratios)
    assert search.again
    assert said in search.why
    assert search.hyperparameters_from == ""


def test_a_search_is_made_the_first_time_on_request_and_as_the_settings_say():
    assert searched(last="").again
    assert searched(asked=True).why == "asked for"
    always = RetrainingSettings(search="always")
    never = RetrainingSettings(search="never")
    moved = {"age": change(0.9)}
    assert searched(settings=always).again
    assert not searched(moved, settings=never).again
    assert searched(last="", settings=never).again


@pytest.mark.parametrize("loss", ["known.loss", "known_loss"], ids=["", "of an earlier release"])
def test_loss_ratios_are_those_of_the_best_epoch_over_the_first_head(loss):
    training = {
        "best_epoch": 2,
        "epochs": [
            {f"val_age_{loss}": 2.0, f"val_gender_{loss}": 9.0},
            {f"val_age_{loss}": 0.5, f"val_gender_{loss}": 0.25},
        ],
    }
    assert loss_ratios(training, ["age", "gender"]) == {"gender": 0.5}
    assert loss_ratios({}, ["age", "gender"]) == {}
    assert loss_ratios(training, ["age"]) == {}
