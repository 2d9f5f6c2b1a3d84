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
