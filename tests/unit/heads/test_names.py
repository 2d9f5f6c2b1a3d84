"""Names of heads: which are accepted and refused, and that nothing is taken for another head's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
import yaml

from components.heads.declared import parse_heads
from components.serving.assets import ServedHeads
from components.serving.bulk.tables import columns
from components.training.model import build_model, compile_model, for_model
from components.training.settings import ConvSettings, ReferenceSettings
from pipeline.config import ConfigError, load_config
from tests.unit.training.small_network import VOCABULARY, draw_table, links_of

GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}
NUMBER, CLASSES = {"kind": "regression"}, {"kind": "classes", "classes": 3}


def read_config(heads, folder):
    """The configuration whose file declares these heads alone."""
    left_out = dict.fromkeys(("age", "income", "gender"))
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({"heads": left_out | heads, **GIVEN}), encoding="utf-8")
    return load_config(file)


@pytest.mark.parametrize(
    "name", ["a", "Age", "x_1", "a" * 64, "class", "None_", "lambda", "candidate", "loss", "known"]
)
def test_a_name_of_letters_digits_and_underscores_is_accepted(name, tmp_path):
    assert list(read_config({name: NUMBER}, tmp_path).heads) == [name]


@pytest.mark.parametrize(
    ("name", "shown", "instead"),
    [
        ("größe", "größe", "heads.groesse: {field: größe}"),
        ("возраст", "возраст", "heads.head: {field: возраст}"),
        ("年齢", "年齢", "heads.head: {field: 年齢}"),
        ("_x", "'_x'", "heads.x: {field: '_x'}"),
        ("2nd", "2nd", "heads.head_2nd: {field: 2nd}"),
        ("a.b", "'a.b'", "heads.a_b: {field: 'a.b'}"),
        ("a/b", "'a/b'", "heads.a_b: {field: 'a/b'}"),
        ("two words", "'two words'", "heads.two_words: {field: 'two words'}"),
        ("age\n", "'age?'", "heads.age: {field: ...}"),
        ("a\x1b[31mb", "'a?[31mb'", "heads.a_31mb: {field: ...}"),
        ("a" * 65, f"{'a' * 65}", "heads.head: {field: ...}"),
        ("a" * 5000, f"'{'a' * 80}...'", "heads.head: {field: ...}"),
        ("", "''", "heads.head: {field: ...}"),
    ],
)
def test_another_name_is_refused_at_once_with_the_way_out(name, shown, instead, tmp_path):
    with pytest.raises(ConfigError) as refused:
        read_config({name: NUMBER}, tmp_path)
    said = str(refused.value)
    assert "heads: a name has 1 to 64 letters a to z, digits and _" in said
    assert f"got {shown}" in said and said.endswith(f"write {instead}")
    assert said.isprintable() and len(said) < 400


@pytest.mark.parametrize(
    "name", ["author_id", "posts", "tokens", "val", "Posts", "AUTHOR_ID", "answers", "Answers"]
)
def test_a_reserved_name_is_refused_with_the_reason(name, tmp_path):
    with pytest.raises(ConfigError, match=rf"the name {name} is reserved: .*_label: \{{field: "):
        read_config({name: NUMBER}, tmp_path)


@pytest.mark.parametrize(
    ("name", "field", "instead"),
    [
        ("author_id", "score", "heads.author_id_label: {field: score}"),
        ("author_id", "", "heads.author_id_label: {field: ...}"),
        ("posts", "", "heads.posts_label: {field: posts}"),
        ("Tokens", "größe", "heads.Tokens_label: {field: größe}"),
        ("größe", "height", "heads.groesse: {field: height}"),
        ("a b", "x" * 70, "heads.a_b: {field: ...}"),
    ],
)
def test_a_name_that_is_refused_leaves_the_field_that_was_given(name, field, instead, tmp_path):
    with pytest.raises(ConfigError) as refused:
        read_config({name: NUMBER | {"field": field}}, tmp_path)
    assert str(refused.value).endswith(f"write {instead}")


@pytest.mark.parametrize("positive", ["id", "ID"])
def test_a_head_has_no_column_of_the_id_s_name(positive, tmp_path):
    head = {"kind": "binary", "positive": positive, "negative": "none"}
    with pytest.raises(ConfigError, match=rf"author would have .* column author_{positive}, .*res"):
        read_config({"author": head}, tmp_path)


@pytest.mark.parametrize("name", ["yes", "no", "12", "null_not"])
def test_a_name_that_yaml_reads_as_something_else_says_so(name):
    text = f"heads={{age: null, income: null, gender: null, {name}: {{kind: regression}}}}"
    if name == "null_not":
        assert list(load_config(None, [text], **GIVEN).heads) == [name]
        return
    with pytest.raises(ConfigError, match=r"heads: a name is text; got .* Put the name in quotes"):
        load_config(None, [text], **GIVEN)


def binary(positive, negative, **more):
    return {"kind": "binary", "positive": positive, "negative": negative, **more}


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        ({"age": NUMBER, "Age": NUMBER}, "age and Age differ by case alone"),
        ({"income": CLASSES, "income_group": NUMBER}, "the column income_group"),
        ({"INCOME_P2": NUMBER, "income": CLASSES}, "the column INCOME_P2"),
        ({"a": binary("b_c", "d"), "a_b": binary("c", "e")}, "the column a_b_c"),
        ({"gender": binary("f", "m"), "gender_F": NUMBER}, "the column gender_F"),
        ({"age": NUMBER, "val_age": NUMBER}, "both be measured as val_age"),
    ],
)
def test_heads_that_would_share_a_name_that_people_read_are_refused(heads, said, tmp_path):
    with pytest.raises(ConfigError) as refused:
        read_config(heads, tmp_path)
    assert said in str(refused.value) and str(refused.value).endswith("rename one of them")


def test_names_that_only_look_like_parts_of_another_head_are_accepted(tmp_path):
    parts = ("known", "boundaries", "mean", "deviation", "slice", "steps", "words", "trunk")
    heads = {"age": NUMBER, **{f"age_{part}": NUMBER for part in parts}, "income": CLASSES}
    heads["income_p3"] = NUMBER
    assert set(read_config(heads, tmp_path).heads) == set(heads)


def test_columns_of_all_heads_are_those_of_a_table_of_predictions():
    heads = parse_heads({"age": NUMBER, "income": CLASSES, "sex": binary("f", "m")})
    served = ServedHeads(
        tuple(head.served.model_validate(head.model_dump()) for head in heads), " "
    )
    of_heads = [head.columns for head in heads]
    assert columns(served) == ["author_id", *itertools.chain(*of_heads)]
    assert len(set(columns(served))) == 8


# What the network, its training and Keras call parts of theirs.
TAKEN = (
    *("age", "age_known", "age_steps", "age_offset", "age_logits", "age_answer", "age_correction"),
    *("age_shrunk", "age_loss", "shared", "embedding", "padded", "table", "crop", "convolution"),
    *("paths", "pairs", "word_weights", "conv_1", "authorprofile", "loss", "known", "pool_norm"),
)


@pytest.mark.parametrize(
    "network",
    [
        ConvSettings(table_width=6, filters=4, shared_width=4),
        ReferenceSettings(embedding_width=4, first_filters=4, filters=4, dense_width=4),
    ],
    ids=lambda network: network.kind,
)
def test_a_head_of_any_name_has_its_own_layers_outputs_and_measures(network):
    heads = parse_heads({name: {"kind": "binary"} if "_" in name else NUMBER for name in TAKEN})
    links = links_of(heads)
    model = build_model(heads, VOCABULARY, network, links=links, table=draw_table(), seed=3)
    compile_model(model, heads, {}, 1e-3)
    # One batch does not repay the graph of so many heads.
    model.run_eagerly = True
    names = [layer.name for layer in model.layers]
    assert len(names) == len(set(names))
    offsets = {
        f"{name}.offset": np.zeros((1, link.logits), "float32") for name, link in links.items()
    }
    author = (
        {"tokens": np.array([[2, 3]], dtype="int32"), **offsets},
        {head.name: np.float32([[1]]) for head in heads},
        {head.name: np.ones(1, "float32") for head in heads},
    )
    batches = for_model(tf.data.Dataset.from_tensors(author), model)
    logs = model.evaluate(batches, verbose=0, return_dict=True)
    assert {f"{name}_known.loss" for name in TAKEN} <= set(logs)
    assert len(logs) == 1 + 2 * len(TAKEN)
