"""Values of label fields, as each head reads them."""

import pickle
import re
from decimal import Decimal

import numpy
import pytest
import yaml

from components.heads.base import LabelError
from components.heads.declared import heads_from_json, heads_to_json, parse_heads
from pipeline.config import ConfigError, load_config


def binary(positive, negative, **more):
    declaration = {"kind": "binary", "positive": positive, "negative": negative, **more}
    return parse_heads({"head": declaration})[0]


ONES = [1, 1.0, "1", "1.0", " 1.00", "01", "+1", "1.000000000000000000e+00", "１", Decimal("1.0")]
YES = [True, "true", "True", "TRUE", "yes", "Yes", "on"]
NO = [0, 0.0, "0", "0.0", "-0", False, "false", "FALSE", "no", "off"]


@pytest.mark.parametrize("given", [*ONES, numpy.float16(1)])
@pytest.mark.parametrize("declared", [1, 1.0, "1", "1.0"])
def test_codes_compare_as_the_numbers_they_are(declared, given):
    assert binary(declared, 2).parse(given) == str(declared)
    assert binary(2, declared).parse(given) == str(declared)


@pytest.mark.parametrize(
    ("yes", "no"), [(1, 0), (True, False), ("yes", "no"), ("on", "off"), ("True", "0")]
)
def test_where_the_values_are_a_yes_and_a_no_every_yes_is_the_one(yes, no):
    spelt = {True: "true", False: "false"}
    positive, negative = (spelt[v] if isinstance(v, bool) else str(v) for v in (yes, no))
    for head in (binary(yes, no), binary(no, yes)):
        assert {head.parse(given) for given in (*ONES, *YES)} == {positive}
        assert {head.parse(given) for given in NO} == {negative}
        assert head.parse("2") is head.parse("f") is head.parse("n") is head.parse(0.5) is None


@pytest.mark.parametrize("given", [*YES, False, "no"])
def test_a_boolean_is_no_code_of_other_values(given):
    assert binary(1, 2).parse(given) is None


def test_yaml_without_quotes_declares_booleans():
    declared = yaml.safe_load("{positive: yes, negative: no}")
    head = binary(**declared)
    assert (head.positive, head.negative) == ("true", "false")
    assert (head.parse("yes"), head.parse(" No"), head.parse(True)) == ("true", "false", "true")


@pytest.mark.parametrize(
    "given",
    [
        "male",
        "Male",
        "MALE ",
        "\tmale\r",
        "\xa0male",
        "ma\u200ble",
        "\ufeffmale",
        "ｍａｌｅ",
        "male\u2060",
    ],
)
def test_text_compares_without_case_width_and_what_is_unseen(given):
    assert binary("female", "male").parse(given) == "male"


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("Straße", "STRASSE"),
        ("non binary", "Non\xa0\xa0Binary"),
        ("é", "e\u0301"),
        (" Male", "male"),
    ],
)
def test_declared_text_is_answered_as_it_is_declared(declared, given):
    assert binary(declared, "other").parse(given) == declared


@pytest.mark.parametrize("given", ["mal", "malé", "m", "fe male", 0, 1.5, True, "unstated"])
def test_any_other_value_is_unknown(given):
    assert binary("female", "male").parse(given) is None


@pytest.mark.parametrize("given", [None, "", " ", "\u200b", "\xa0"])
def test_a_blank_value_is_unknown(given):
    assert binary("female", "male").parse(given) is None
    assert binary("female", "male", exact=True).parse(given) is None


@pytest.mark.parametrize("given", [["male"], {"male": 1}, b"male"])
def test_a_value_of_another_type_is_a_fault(given):
    with pytest.raises(LabelError, match=r"^head is neither text, a number nor a boolean$"):
        binary("female", "male").parse(given)


@pytest.mark.parametrize(
    ("given", "parsed"),
    [("M", "M"), ("m", "m"), (" m", None), ("Ｍ", None), (1, None)],
)
def test_exact_values_compare_as_written(given, parsed):
    assert binary("M", "m", exact=True).parse(given) == parsed


@pytest.mark.parametrize(
    ("given", "parsed"),
    [(1, "1"), ("1", "1"), (1.0, None), ("1.0", None), (True, None), ("01", None)],
)
def test_exact_codes_compare_as_written(given, parsed):
    assert binary(1, 0, exact=True).parse(given) == parsed


@pytest.mark.parametrize(
    ("positive", "negative", "exact"),
    [
        ("male", "Male", False),
        ("male", "ma\u200ble", False),
        (1, "1.0", False),
        (True, "TRUE", False),
        ("a", "a", False),
        ("a", "a", True),
    ],
)
def test_values_that_coincide_are_refused(positive, negative, exact):
    with pytest.raises(ValueError, match="positive and negative must differ"):
        binary(positive, negative, exact=exact)


@pytest.mark.parametrize("blank", ["", " ", "\u200b"])
def test_a_blank_value_cannot_be_declared(blank):
    with pytest.raises(ValueError, match="negative must not be blank"):
        binary("a", blank)


@pytest.mark.parametrize("declared", [None, ["a"], float("nan")])
def test_a_declared_value_is_text_a_number_or_a_boolean(declared):
    with pytest.raises(ValueError, match="valid string"):
        binary("a", declared)


def test_a_configuration_that_declares_one_value_twice_says_what_to_do():
    with pytest.raises(ConfigError) as raised:
        load_config(None, ["heads.gender.positive=MALE"], posts=["p"], labels=["l"])
    assert "they are 'MALE' and 'male'; or set exact: true" in str(raised.value)


@pytest.mark.parametrize("declared", [(1, 0), (True, False), ("Ja", "Nein"), (1.5, "x")])
def test_heads_travel_with_their_values_as_declared(declared):
    head = binary(*declared)
    assert heads_from_json(heads_to_json((head,))) == (head,)
    assert pickle.loads(pickle.dumps(head)).parse(declared[0]) == head.positive


@pytest.mark.parametrize(
    "given", ["41", " 41.0 ", "４１", "\u200b41\xa0", 41, 41.0, Decimal("41.00")]
)
def test_a_number_is_read_however_it_is_written(given):
    heads = parse_heads(
        {
            "age": {"kind": "regression"},
            "band": {"kind": "classes", "classes": 50, "given_as": "group"},
        }
    )
    assert [head.parse(given) for head in heads] == [41.0, 41]


AGE = {"kind": "regression"}
GROUP = {"kind": "classes", "classes": 5, "given_as": "group"}
AMOUNT = {"kind": "classes"}


@pytest.mark.parametrize(
    ("declaration", "label", "side"),
    [
        (AGE, 0.0, None),
        (AGE, 120.0, None),
        (AGE, -1.0, "below"),
        (AGE, 999.0, "above"),
        # The same float32 as 120, which is what examples hold; then the next one.
        (AGE, 120.0000001, None),
        (AGE, 120.00001, "above"),
        (AGE | {"minimum": 0.1}, 0.1, None),
        (AGE | {"minimum": -5, "maximum": 1e300}, 3e38, None),
        (GROUP, 0, None),
        (GROUP, 4, None),
        (GROUP, 5, "above"),
        (GROUP, -1, "below"),
        (AMOUNT, 0.0, None),
        (AMOUNT, -0.0, None),
        (AMOUNT, 3e38, None),
        (AMOUNT, -0.5, "below"),
        ({"kind": "binary"}, "female", None),
    ],
)
def test_a_label_is_in_its_heads_range_or_on_a_side_of_it(declaration, label, side):
    (head,) = parse_heads({"one": declaration})
    assert head.side_of_range(label) == side


@pytest.mark.parametrize(
    ("declaration", "settings"),
    [
        (AGE, ["minimum", "maximum"]),
        (GROUP, ["classes"]),
        (AMOUNT, ["kind"]),
    ],
)
def test_what_is_advised_names_settings_that_the_head_has(declaration, settings):
    (head,) = parse_heads({"one": declaration})
    named = re.findall(r"heads\.one\.(\w+)", head.range_remedy)
    assert named == settings
    assert set(named) <= set(type(head).model_fields)
