"""A configuration of before, with settings that are no more."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.config import ConfigError, load_config
from pipeline.old_settings import REMOVED, without_removed

GIVEN = {"posts": ["p"], "labels": ["l"]}


def test_a_removed_setting_at_its_old_default_is_ignored_with_one_notice():
    told = []
    config = load_config(
        None, ["text={max_tokens: 1500, pairs: 7}", "cache=false"], tell=told.append, **GIVEN
    )
    assert (config.text.pairs, config.cache) == (7, False)
    assert told == ["text.max_tokens is no setting any more, and its old default is ignored"]


def test_a_removed_setting_of_another_value_names_what_replaces_it():
    with pytest.raises(ConfigError, match=r"text\.max_tokens .* got 800: .*text\.maximum_bytes"):
        load_config(None, ["text.max_tokens=800"], **GIVEN)


def test_what_is_set_is_told_nothing_of_where_no_setting_is_removed():
    values = {"text": {"pairs": 7}, "posts": ["p"], "network": None}
    assert without_removed(values) == (values, [])


@pytest.mark.parametrize("old", REMOVED, ids=lambda old: old.key)
def test_a_removed_setting_is_none_of_those_that_are(old):
    place = load_config(None, (), **GIVEN).model_dump()
    *sections, name = old.key.split(".")
    for section in sections:
        place = place[section]
    assert name not in place


def test_the_command_line_shows_the_notice_once(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("posts: [none*]\nlabels: [none*]\ntext: {max_tokens: 1500}\n")
    told = CliRunner().invoke(cli, ["audit", str(path)]).output
    assert told.count("text.max_tokens is no setting any more") == 1


OLD_RUN = """
text: {max_tokens: 1500, vocabulary_size: 8000, pairs: 50000}
network: {window_tokens: null, windows: 2, ridges: {}, steps: 6, embedding_width: 256,
  first_filters: 128, filters: 256, dense_width: 128}
training: {epochs: 30, patience: null, batch_size: 32, learning_rate: 0.001, dropout: 0.3,
  token_dropout: 0.1, weight_decay: 0.0, label_smoothing: 0.0, loss_weights: {}}
tuner: {algorithm: bayesian, trials: 2, epochs: 4, space: {
  loss_weight: {minimum: 0.1, maximum: 10.0}, learning_rate: {minimum: 0.0003, maximum: 0.003},
  dropout: [0.2, 0.3, 0.4], weight_decay: [], label_smoothing: []}}
"""
"""Of the `config.yaml` that a run of before the kind `conv` left, what has changed since."""


def load_old(tmp_path, assignments=()):
    path = tmp_path / "config.yaml"
    path.write_text(f"posts: [p]\nlabels: [l]\n{OLD_RUN}")
    told = []
    return load_config(path, assignments, tell=told.append), told


def test_the_configuration_that_an_old_run_left_trains_the_default_network(tmp_path):
    config, told = load_old(tmp_path)
    assert config.network == load_config(None, (), **GIVEN).network
    # What was set stays; what was not is today's, and the search is free as it was.
    today = load_config(None, ["training.epochs=30", "tuner={trials: 2, epochs: 4}"], **GIVEN)
    assert (config.training, config.tuner) == (today.training, today.tuner)
    assert config.set_by_hand == ()
    names = [line.partition(" ")[0] for line in told if "takes today's" not in line]
    assert len(told) - len(names) == 10
    of_network = "window_tokens windows ridges steps embedding_width first_filters filters"
    assert sorted(names) == sorted(
        ["text.max_tokens", "training.token_dropout", "network.dense_width"]
        + [f"network.{name}" for name in of_network.split()]
    )
    assert (
        "network.windows is no setting of network.kind=conv, and its old default is ignored"
    ) in told


def test_what_is_set_beside_an_old_file_stays_though_it_was_a_default_once(tmp_path):
    given = ["training.dropout=0.3", "tuner.space.dropout=[]", "training.batch_size=16"]
    config, told = load_old(tmp_path, given)
    assert (config.training.dropout, config.training.batch_size) == (0.3, 16)
    assert config.set_by_hand == ("dropout",)
    assert not [line for line in told if line.startswith(("training.dropout", "training.batch"))]


def test_a_kind_of_before_becomes_the_default_one_with_one_notice(tmp_path):
    for kind in ("words", "wide"):
        config, told = load_old(tmp_path, [f"network.kind={kind}", "network.ridge=0.1"])
        assert config.network == load_config(None, (), **GIVEN).network
        assert [line for line in told if "network.kind=wide" in line or "=words" in line] == [
            f"network.kind={kind} is no kind any more, and conv takes its place, whose first "
            "training starts anew"
        ]


def test_the_textbook_network_of_an_old_run_keeps_its_widths(tmp_path):
    given = ["network.kind=reference", "network.dense_width=64", "tuner.space.network=[]"]
    config, told = load_old(tmp_path, given)
    assert (config.network.kind, config.network.dense_width) == ("reference", 64)
    assert config.network.windows == 2
    assert sorted(line.partition(" ")[0] for line in told if "takes today's" not in line) == [
        "network.ridges",
        "network.steps",
        "text.max_tokens",
        "training.token_dropout",
        "tuner.space.network",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("network={kind: words, ridge: 3}", r"network\.ridge .* got 3: the linear baseline finds"),
        ("network.ridges={age: 1}", r'network\.ridges .* got \{"age": 1\}: the linear baseline'),
        ("network.steps=0", r"network\.steps .* got 0: the thresholds"),
        ("network.window_tokens=300", r"network\.window_tokens .* 300: .*network\.crop_tokens"),
        ("network.windows=4", r"network\.windows .* got 4: .*network\.crop_tokens"),
        ("network.embedding_width=8", r"kind=conv; got 8: set network\.table_width in its place"),
        ("network.first_filters=8", r"kind=conv; got 8: set network\.filters in its place"),
        ("network.dense_width=8", r"kind=conv; got 8: set network\.shared_width in its place"),
        ("network={kind: wide, filters: 8}", r"network\.filters .* got 8: .*kind=reference"),
        ("training.token_dropout=0.2", r"got 0\.2: set network\.term_dropout in its place, or"),
        ("training.spatial_dropout=0.2", r"got 0\.2: set network\.spatial_dropout with"),
        ("tuner.space.network=[reference]", r'got \["reference"\]: .*set network\.kind to conv'),
        ("tuner.space.ridge={minimum: 1, maximum: 3}", r"tuner\.space\.ridge .*linear baseline"),
        ("tuner.space.spatial_dropout=[0.1]", r"tuner\.space\.spatial_dropout .*not searched"),
    ],
)
def test_what_was_set_of_the_old_kinds_names_what_replaces_it(given, told):
    with pytest.raises(ConfigError, match=told):
        load_config(None, [given], **GIVEN)


def test_filters_without_a_key_of_before_are_those_of_the_one_convolution():
    config = load_config(None, ["network.filters=256"], **GIVEN)
    assert (config.network.kind, config.network.filters) == ("conv", 256)
