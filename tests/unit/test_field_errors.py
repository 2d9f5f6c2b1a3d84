"""A wrong setting is told in plain words, by its key, with what came and what is allowed."""

from __future__ import annotations

import json
import re

import pytest

from components.field_errors import PATTERNS
from components.serving.server.settings import ServerSettings
from pipeline.config import Config, ConfigError, load_config
from pipeline.serve import read_settings

GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}
# Words of pydantic's that nobody should have to read.
FOREIGN = re.compile(
    r"Input (should|tag)|input_value|found using|discriminator|pydantic|Value error|valid (integer"
    r"|number|string|boolean|list|dictionary)|permitted|\bloc\b|NoneType|\bdict\b|\bstr\b|\bint\b"
)


def told(*assignments):
    with pytest.raises(ConfigError) as error:
        load_config(None, assignments, **GIVEN)
    assert not FOREIGN.search(str(error.value)), str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("training.epochs=x", 'training.epochs: must be a whole number, at least 1; got "x"'),
        ("training.epochs=1.5", "training.epochs: must be a whole number, at least 1; got 1.5"),
        ("training.epochs=[1]", "training.epochs: must be a whole number, at least 1; got [1]"),
        ("training.epochs=1e400", "training.epochs: must be a whole number, at least 1; got "),
        ("training.epochs=0", "training.epochs: must be at least 1; got 0"),
        (
            "training.dropout=x",
            "training.dropout: must be a number, at least 0 and below 1; got",
        ),
        (
            "training.dropout={}",
            "training.dropout: must be a number, at least 0 and below 1",
        ),
        ("training.dropout=1", "training.dropout: must be below 1; got 1"),
        ("ingest.splits.train=0", "ingest.splits.train: must be above 0; got 0"),
        ("ingest.maximum_set_aside_share=2", "must be at most 1; got 2"),
        ("tune=perhaps", 'tune: must be true or false; got "perhaps"'),
        ("tune=[]", "tune: must be true or false; got []"),
        ("name=1", "name: must be text, in quotes where it looks like something else; got 1"),
        ("name=my run", "name: must be a letter, then letters, digits, _ and - (a to z alone)"),
        ("deploy.kubeflow.volume.path=data", "must be an absolute path, such as /data"),
        ("deploy.kubeflow.serving.service=My_Model", "must be 1 to 50 lower-case letters"),
        ("posts=a.jsonl", 'posts: must be a list in square brackets, such as ["a.jsonl"]'),
        ("posts=[1]", "posts.0: must be text"),
        ("judging.age_bands=[a]", 'judging.age_bands.0: must be a number; got "a"'),
        ("tuner.space.dropout=[0.2, x]", "tuner.space.dropout.1: must be a number, at least 0 and"),
        ("tuner.space.dropout=[0.2, 1]", "tuner.space.dropout.1: must be below 1; got 1"),
        (
            "tuner.space.loss_weight.minimum=x",
            "tuner.space.loss_weight.minimum: must be a number, above 0",
        ),
        ("network.kind=deep", "network.kind: must be one of 'conv', 'reference'; got \"deep\""),
        ("network.kind=[]", "network.kind: must be one of 'conv', 'reference'; got []"),
        ("network.pull=-1", "network.pull: must be at least 0; got -1"),
        ("network.table_widht=64", "network.table_widht: unknown key; allowed here: "),
        ("training.loss_weights={age: x}", "training.loss_weights.age: must be a number"),
        (
            "training.loss_weights=1",
            "training.loss_weights: must be names with values, as in {name: value}",
        ),
        ("training=5", "training: must be keys with values, as in {batch_size: "),
        ("training.epoch=3", "training.epoch: unknown key; allowed here: batch_size, "),
        ("deploy.machines.Trainer.cores=3", "deploy.machines.Trainer.cores: unknown key; allowed"),
        ("deploy.vertex.labels={team: 1}", "deploy.vertex.labels.team: must be text, in quotes"),
        ("ingest.window.since=x", 'must be a whole number or a day, such as 2024-03-01; got "x"'),
        ("ingest.window.last=0", "ingest.window.last: must be at least 1; got 0"),
        ("metadata={kind: mysql, port: 70000}", "metadata.port: must be at most 65535; got 70000"),
        ("metadata={kind: mysql, database: a-b}", "metadata.database: must be a letter or _, then"),
        (
            "metadata={kind: mysql, hosts: a}",
            "allowed here: database, host, kind, password",
        ),
        (
            "metadata.kind=oracle",
            "metadata.kind: must be one of 'sqlite', 'mysql', ",
        ),
        (
            "metadata=mysql",
            "metadata: must be keys with values, as in {database: ",
        ),
        (
            "heads.age.kind=number",
            "heads.age.kind: must be one of 'regression', 'classes', ",
        ),
        (
            "heads.mood={unit: x}",
            "heads.mood.kind: must be given, one of 'regression', ",
        ),
        (
            "heads.age=regression",
            "heads.age: must be keys with values, as in {classes: ",
        ),
        (
            "heads.age.classes=5",
            "heads.age.classes: unknown key; allowed here: field, kind, ",
        ),
        ("heads.income.classes=1", "heads.income.classes: must be at least 2; got 1"),
        ("heads.income.given_as=range", "heads.income.given_as: must be 'amount' or 'group'; got"),
        ("heads=[]", "heads: must be "),
        ("nonsense=1", "nonsense: unknown key; allowed here: baseline, beam, cache, "),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words(assignment, said):
    assert said in told(assignment)


@pytest.mark.parametrize(
    ("assignment", "came"),
    [
        ("heads.gender={positive: a, negative: A}", 'got {"kind": "binary", "positive": "a", '),
        ("heads.age={minimum: 9, maximum: 3}", 'got {"kind": "regression", "minimum": 9, "max'),
        ("heads.smoker={kind: binary, positive: x, negative: x}", 'got {"kind": "binary", "pos'),
        (
            "heads.age=5",
            "the keys are classes, exact, field, given_as, kind, maximum, minimum, neg",
        ),
        ("heads.age.size=5", "allowed here: field, kind, maximum, minimum, scale, unit (of kind"),
    ],
)
def test_a_head_s_name_is_no_setting_of_it(assignment, came):
    said = told(assignment)
    assert came in said
    assert "name" not in said.partition("; ")[2]


@pytest.mark.parametrize("name", ["years", "", 7])
def test_a_head_is_named_by_its_key_alone(name):
    assert "heads.age: a head is named by its key" in told(f"heads.age.name={name!r}")
    assert load_config(None, ["heads.age.name=age"], posts=["p"], labels=["l"]).heads["age"]


def test_a_missing_setting_is_told_with_what_it_is():
    with pytest.raises(ConfigError, match=r"^posts: must be given: files of posts, "):
        load_config(None, labels=["labels.csv"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1: 2", "1: a key must be text; got 1"),
        ("training: null", "training: must be keys with values, as in {batch_size: "),
        ("tune: null", "tune: must be true or false; got null"),
        ("out: null", "out: must be text; got null"),
        ("heads: {age: {kind: null}}", "heads.age.kind: must be one of 'regression', 'classes', "),
        ("judging: {accept: {a: 1}}", "judging.accept: must be a list in square brackets, such as"),
        (
            "ingest: {window: {since: 2024-13-01}}",
            "config.yaml is not YAML: month must be in 1",
        ),
        ("name: {a", "config.yaml is not YAML: while parsing a flow mapping"),
        ("- a", "config.yaml must hold `key: value` lines; it holds a list"),
    ],
)
def test_a_wrong_file_is_told_in_plain_words(tmp_path, text, said):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(file, **GIVEN)
    assert said in str(error.value)
    assert not FOREIGN.search(str(error.value))


def test_a_day_that_is_none_is_told():
    assert 'got "2024-13-01"' in told("ingest.window.since=2024-13-01")


def test_each_wrong_key_has_its_line():
    lines = told("training.epochs=x", "tune=perhaps", "heads.age.kind=number").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "heads.age.kind",
        "training.epochs",
        "tune",
    ]


def test_a_long_value_is_cut_short():
    assert len(told(f"training.epochs={'x' * 1000}")) < 200


@pytest.mark.parametrize(
    ("assignments", "head"),
    [
        (["heads.age={kind: classes, classes: 5}"], {"kind": "classes", "classes": 5}),
        (["heads.age.kind=classes", "heads.age.classes=5"], {"kind": "classes", "classes": 5}),
        (["heads.age={kind: binary, positive: old, negative: young}"], {"positive": "old"}),
        (["heads.age.kind=binary"], {"kind": "binary", "positive": "female"}),
    ],
)
def test_a_head_may_become_one_of_another_kind(tmp_path, assignments, head):
    file = tmp_path / "config.yaml"
    file.write_text(
        "posts: [a.jsonl]\nlabels: [b.csv]\n"
        "heads: {age: {kind: regression, minimum: 10, maximum: 90, field: Age}}\n"
    )
    declared = load_config(file, assignments).heads["age"].model_dump()
    assert {key: declared[key] for key in head} == head
    # What both kinds have stays.
    assert declared["field"] == "Age"
    assert "minimum" not in declared


@pytest.mark.parametrize("kind", ["regression", "classes", "binary"])
@pytest.mark.parametrize("name", ["age", "income", "gender"])
def test_every_head_may_become_of_every_kind(name, kind):
    config = load_config(None, [f"heads.{name}={{kind: {kind}}}"], **GIVEN)
    assert config.heads[name].kind == kind
    assert config.heads[name].field == name


def test_a_kind_beside_a_key_of_another_is_refused_in_words():
    said = told("heads.age.minimum=5", "heads.age.kind=classes")
    assert said.startswith("heads.age.minimum: unknown key; allowed here: classes, field, ")
    assert said.endswith("(of kind classes)")


@pytest.mark.parametrize(
    ("file", "assignment", "kind", "host"),
    [
        ("{kind: mysql, host: db}", "metadata={kind: sqlite}", "sqlite", None),
        ("{kind: mysql, host: db}", "metadata.kind=sqlite", "sqlite", None),
        ("{kind: mysql, host: db}", "metadata.kind=postgresql", "postgresql", "db"),
        ("{kind: sqlite}", "metadata={kind: mysql, host: db}", "mysql", "db"),
    ],
)
def test_the_metadata_may_become_of_another_kind(tmp_path, file, assignment, kind, host):
    path = tmp_path / "config.yaml"
    path.write_text(f"posts: [a.jsonl]\nlabels: [b.csv]\nmetadata: {file}\n")
    metadata = load_config(path, [assignment]).metadata
    assert (metadata.kind, getattr(metadata, "host", None)) == (kind, host)


def test_another_kind_of_network_keeps_what_was_set_and_no_default_of_the_kind_before(tmp_path):
    path, given = tmp_path / "config.yaml", "posts: [a.jsonl]\nlabels: [b.csv]\nnetwork: "
    for filters, left in ((48, 48), (64, 256)):
        path.write_text(f"{given}{{kind: conv, filters: {filters}, pull: 1}}\n")
        network = load_config(path, ["network.kind=reference"]).network
        assert (network.kind, network.filters) == ("reference", left)


def patterns_of(model):
    """Every regular expression of a class of settings and of those within."""
    schema = json.dumps(model.model_json_schema())
    return {json.loads(text) for text in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schema)}


@pytest.mark.parametrize("model", [Config, ServerSettings])
def test_every_regular_expression_of_a_setting_has_words(model):
    assert patterns_of(model)
    assert patterns_of(model) <= set(PATTERNS)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("port=0", "port: must be at least 1; got 0"),
        ("port=x", 'port: must be a whole number, at least 1 and at most 65535; got "x"'),
        ("abstain_below={age: 2}", "abstain_below.age: must be at most 1; got 2"),
        ("bound=1", "bound: unknown key; allowed here: abstain_below, "),
    ],
)
def test_a_servers_setting_is_told_alike(tmp_path, assignment, said):
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_settings(tmp_path, [assignment], {})
    assert not FOREIGN.search(str(error.value))


@pytest.mark.parametrize(
    "key", ["heads", "heads.age.minimum", "ingest.unknown", "posts", "metadata.kind", "tuner.space"]
)
@pytest.mark.parametrize("value", ["&a [*a]", "&a {b: *a}"])
def test_a_value_that_holds_itself_is_told_and_not_written_out(key, value):
    assert f"{key}" in told(f"{key}={value}")


@pytest.mark.parametrize("bracket", ["[", "{a: "])
def test_settings_that_are_nested_too_deep_are_told(tmp_path, bracket):
    assert told(f"training.epochs={bracket * 5000}").startswith("training.epochs: must be a whole")
    path = tmp_path / "config.yaml"
    path.write_text(bracket * 5000)
    with pytest.raises(ConfigError, match="is not read: its brackets"):
        load_config(path)


def test_heads_to_keep_are_told_whatever_is_declared():
    with pytest.raises(ConfigError, match=r"declared heads .*age, income, gender, None\)"):
        load_config(None, ["heads={null: 1}"], ["x"], **GIVEN)
