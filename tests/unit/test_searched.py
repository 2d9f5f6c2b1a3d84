"""What is set is not searched: the configuration, the search, and the file that repeats a run."""

from __future__ import annotations

import keras_tuner
import pytest
import yaml

from components.training.searched import SETTINGS
from components.training.settings import ReferenceSettings
from components.training.tuner import declare_space
from pipeline.config import ConfigError, load_config, settings_as_yaml
from pipeline.report import write_config

GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}
WEIGHTS = {"loss_weight/income", "loss_weight/gender"}
BY_DEFAULT = {*WEIGHTS, "learning_rate", "dropout"}
# Each with values that a space could name beside the one that is set.
SET = [
    (
        "training.learning_rate",
        "0.002",
        "learning_rate",
        "{minimum: 0.001, maximum: 0.01}",
        {"learning_rate"},
    ),
    ("training.dropout", "0.3", "dropout", "[0.2, 0.3]", {"dropout"}),
    ("training.weight_decay", "0.01", "weight_decay", "[0, 0.01]", set()),
    ("training.label_smoothing", "0.05", "label_smoothing", "[0, 0.05]", set()),
    (
        "training.loss_weights",
        "{income: 2, gender: 3}",
        "loss_weight",
        "{minimum: 0.1, maximum: 1}",
        WEIGHTS,
    ),
]


def searched(config):
    """Names of what the search of a configuration chooses."""
    hp = keras_tuner.HyperParameters()
    declare_space(hp, config.head_list, config.tuner.space, config.training)
    return set(hp.values)


def load(*assignments):
    return load_config(None, assignments, **GIVEN)


def test_by_default_the_search_has_the_whole_space():
    assert searched(load()) == BY_DEFAULT
    assert load().set_by_hand == ()


@pytest.mark.parametrize(("key", "value", "name", "others", "leaves"), SET)
def test_a_value_that_is_set_leaves_the_search(key, value, name, others, leaves):
    config = load(f"{key}={value}")
    assert searched(config) == BY_DEFAULT - leaves
    section, field = key.split(".")
    assert getattr(getattr(config, section), field) == yaml.safe_load(value)


@pytest.mark.parametrize(("key", "value", "name", "others", "leaves"), SET)
@pytest.mark.parametrize("agrees", [False, True], ids=["other values", "none or the same"])
def test_set_in_both_places_it_is_an_error(key, value, name, others, leaves, agrees):
    is_list = others.startswith("[")
    space = "[]" if is_list else "null"
    assignments = [f"{key}={value}", f"tuner.space.{name}={space if agrees else others}"]
    if agrees:
        assert name not in searched(load(*assignments))
        return
    with pytest.raises(ConfigError) as refused:
        load(*assignments)
    said = str(refused.value)
    assert f"{key} and tuner.space.{name} are both set" in said
    way_out = f"tuner.space.{name}={'[]' if is_list else 'null'}"
    assert said.endswith(f"Leave one of them out, as with {way_out}")
    assert name not in searched(load(*assignments, way_out))
    assert load(*assignments, "tune=false").tune is False


@pytest.mark.parametrize(
    ("assignments", "left"),
    [
        (["training.loss_weights={gender: 3}"], BY_DEFAULT - {"loss_weight/gender"}),
        (
            ["training.loss_weights={gender: 3}", "tuner.space.dropout=[]"],
            {"loss_weight/income", "learning_rate"},
        ),
    ],
)
def test_what_is_set_for_a_head_is_searched_for_the_others(assignments, left):
    assert searched(load(*assignments)) == left


def test_a_search_of_nothing_is_refused():
    everything = [f"{key}={value}" for key, value, *_ in SET]
    with pytest.raises(ConfigError, match=r"nothing is left to search: .* Set tune: false"):
        load(*everything)
    assert load(*everything, "tune=false").training.dropout == 0.3


@pytest.mark.parametrize("kind", ["conv", "reference"])
def test_a_kind_that_is_set_is_the_kind_that_is_trained(kind):
    config = load(f"network.kind={kind}")
    assert config.network.kind == kind
    assert searched(config) == BY_DEFAULT, "no search tries another"


def test_of_the_textbook_kind_a_run_s_own_file_is_the_textbook_network(tmp_path):
    write_config(load(f"out={tmp_path}"), tmp_path / "config.yaml")
    again = load_config(tmp_path / "config.yaml", ["network.kind=reference"])
    assert again.network == ReferenceSettings()


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["network.kind=reference", "training.learning_rate=0.002"],
        ["tuner.space.dropout=[0.1, 0.2]", "training.loss_weights={gender: 3}"],
        [f"{key}={value}" for key, value, *_ in SET] + ["tune=false"],
    ],
)
def test_the_file_that_repeats_a_run_sets_and_searches_the_same(tmp_path, assignments):
    config = load(f"out={tmp_path}", *assignments)
    write_config(config, tmp_path / "config.yaml")
    again = load_config(tmp_path / "config.yaml")
    assert again.set_by_hand == config.set_by_hand
    assert searched(again) == searched(config)
    assert (again.network, again.training) == (config.network, config.training)
    assert again.tuner.space == config.tuner.space
    write_config(again, tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / "config.yaml").read_bytes()
    assert again.tuner.space.model_fields_set == config.tuner.space.model_fields_set
    assert again.head_list == config.head_list


@pytest.mark.parametrize("before", [[], ["training.dropout=0.4"], ["network.filters=7"]])
@pytest.mark.parametrize(("key", "value"), [one[:2] for one in SET])
def test_the_file_that_repeats_a_run_takes_each_value_that_is_searched(
    tmp_path, before, key, value
):
    write_config(load(f"out={tmp_path}", *before), tmp_path / "config.yaml")
    again = load_config(tmp_path / "config.yaml", [f"{key}={value}"])
    assert searched(again) == searched(load(*before, f"{key}={value}"))


def test_the_file_that_repeats_a_run_keeps_the_space_that_was_set(tmp_path):
    write_config(load("tuner.space.dropout=[0.1, 0.2]"), tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"training.dropout and tuner.space.dropout are both set"):
        load_config(tmp_path / "config.yaml", ["training.dropout=0.3"])


def test_the_settings_that_are_printed_to_start_from_search_what_a_run_without_them_does(tmp_path):
    (tmp_path / "config.yaml").write_text(settings_as_yaml(), encoding="utf-8")
    assert searched(load_config(tmp_path / "config.yaml")) == BY_DEFAULT
    for section, field in SETTINGS.values():
        assert f"  # {field}: " in settings_as_yaml().split(f"\n{section}:")[1]
