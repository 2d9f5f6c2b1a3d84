"""Bounds on a join, and what is said where they do not hold."""

import pytest

from components.heads.declared import parse_heads
from components.ingest.checks import JoinError, check_join, list_notes
from components.ingest.label_counts import Cuts
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile
from components.ingest.summary import JoinSummary

HEADS = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})
SOURCES = (SourceFile("posts", "/d/posts.jsonl", 1), SourceFile("labels", "/d/labels.csv", 1))


def tally(**changes) -> dict:
    """1,000 posts and 100 label records, all used, by 80, 10 and 10 authors."""
    counts = {("read", 0): (1000, None, None), ("used", 0): (1000, None, None)}
    counts |= {("read", 1): (100, None, None), ("used", 1): (100, None, None)}
    for split, authors in (("train", 80), ("eval", 10), ("test", 10)):
        counts[("authors", split)] = (authors, None, None)
        counts[("known", split, "age")] = (authors, 20.0, 60.0)
        counts[("known", split, "gender")] = (authors, None, None)
        counts[("value", split, "gender", "female")] = (authors - 1, None, None)
        counts[("value", split, "gender", "male")] = (1, None, None)
    return counts


def summarise(counts: dict) -> JoinSummary:
    return JoinSummary.from_tally(counts, SOURCES, HEADS)


def set_aside(counts: dict, source: int, cause: str, records: int, first_line: int) -> dict:
    used = counts[("used", source)][0] - records
    counts[("used", source)] = (used, None, None)
    counts[("set aside", source, cause)] = (records, first_line, 999)
    return counts


def error_of(counts: dict, **settings) -> str:
    with pytest.raises(JoinError) as raised:
        check_join(summarise(counts), HEADS, IngestSettings(**settings))
    return str(raised.value)


def test_a_sound_join_passes():
    check_join(summarise(tally()), HEADS, IngestSettings())


def test_faults_up_to_the_bound_pass():
    counts = set_aside(tally(), 0, "empty text", 50, 3)
    check_join(summarise(counts), HEADS, IngestSettings())


def test_faults_above_the_bound_are_told_with_their_first_places():
    counts = set_aside(set_aside(tally(), 0, "empty text", 50, 3), 0, "text missing", 1, 7)
    assert error_of(counts) == (
        "At most 5 % of the posts may be set aside for a fault. Received: 5.1 % of 1,000 posts "
        "read:\n"
        "  empty text: 50, first at /d/posts.jsonl:3\n"
        "  text missing: 1, first at /d/posts.jsonl:7\n"
        "Correct these records (`authorprofile audit` lists every one, with file and line), or "
        "raise ingest.maximum_set_aside_share."
    )
    check_join(summarise(counts), HEADS, IngestSettings(maximum_set_aside_share=0.051))


def test_labels_have_a_bound_of_their_own():
    counts = set_aside(tally(), 1, "conflicting labels", 6, 2)
    assert "Received: 6 % of 100 labels read" in error_of(counts)


def test_records_without_a_counterpart_are_no_fault():
    counts = set_aside(tally(), 0, "no label record", 900, 1)
    counts = set_aside(counts, 1, "no posts", 40, 1)
    counts = set_aside(counts, 1, "no known label", 40, 1)
    check_join(summarise(counts), HEADS, IngestSettings())


def test_records_that_are_lost_are_an_error():
    counts = tally() | {("used", 0): (999, None, None)}
    assert "/d/posts.jsonl: 1000 read, 999 used, 0 set aside" in error_of(counts)


def test_no_author_at_all_is_told_with_the_causes():
    counts = {("read", 0): (2, None, None), ("set aside", 0, "no label record"): (2, 1, 2)}
    message = error_of(counts)
    assert "posts: 2 read\n  no label record: 2, first at /d/posts.jsonl:1" in message
    assert "author_id is written alike" in message


def unmatched(posts: dict[str, int], labels: dict[str, int]) -> dict:
    counts = {("read", 0): (2, None, None), ("set aside", 0, "no label record"): (2, 1, 2)}
    counts |= {("read", 1): (1, None, None), ("set aside", 1, "no posts"): (1, 2, 2)}
    for kind, shapes in (("posts", posts), ("labels", labels)):
        counts |= {("id shape", kind, shape): (n, None, None) for shape, n in shapes.items()}
    return counts


def test_ids_that_match_nowhere_are_told_by_what_they_look_like():
    counts = unmatched({"digits (5)": 1, "digits (4)": 9}, {"hex with dashes (36)": 1})
    assert error_of(counts).endswith(
        "\nCheck that author_id is written alike in posts and labels: in posts most look like "
        "digits (4), in labels like hex with dashes (36)."
    )


def test_ids_that_look_alike_and_match_nowhere_are_told_so():
    assert error_of(unmatched({"digits (5)": 2}, {"digits (5)": 1})).endswith(
        "both look like digits (5), yet no id stands in both. Are they of the same authors?"
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, "no label is known: their fields are empty or absent. Check"),
        (
            {("other values", "gender"): (2, None, None, 7)},
            "no label is known: gender: 2 label records have neither of its two values "
            "(1 distinct). Check",
        ),
        (
            {("note", 1, "spelt as unknown", "age"): (1, 2, 2)},
            "no label is known: age: 1 label record has it spelt as unknown. Check",
        ),
    ],
)
def test_authors_that_match_without_a_known_label_are_not_told_to_look_at_ids(found, told):
    counts = {("read", 0): (2, None, None), ("set aside", 0, "no known label"): (2, 1, 2)}
    counts |= {("read", 1): (2, None, None), ("set aside", 1, "no known label"): (2, 2, 3)}
    message = error_of(counts | found)
    assert "Posts and labels match by author_id, but " + told in message
    assert "author_id is written alike" not in message


def test_a_head_whose_labels_are_other_values_says_so():
    counts = tally()
    del counts[("known", "train", "gender")]
    counts[("other values", "gender")] = (80, None, None, *range(101))
    counts[("note", 1, "spelt as unknown", "gender")] = (12, 2, 99)
    assert (
        "has no known label among 80 train authors (80 label records have neither of its two "
        "values (more than 100 distinct), 12 have it spelt as unknown; heads.gender.positive and "
        "heads.gender.negative say which two). Add the labels"
    ) in error_of(counts)


def test_notes_are_told_and_set_nothing_aside():
    counts = tally()
    counts[("note", 0, "timestamp not readable", "")] = (900, 3, 999)
    counts[("note", 1, "author_id normalised", "")] = (100, 2, 101)
    counts[("note", 1, "spelt as unknown", "gender")] = (12, 2, 99)
    check_join(summarise(counts), HEADS, IngestSettings())
    assert summarise(counts).lines()[2:] == [
        "posts with a note: 900 timestamp not readable",
        "labels with a note: 100 author_id normalised",
        "gender: 12 label records have it spelt as unknown",
    ]


def test_a_summary_of_an_earlier_version_is_read():
    stored = summarise(tally()).model_dump()
    for key in ("unknown_values", "id_shapes"):
        del stored[key]
    for file in stored["files"]:
        del file["notes"]
    check_join(JoinSummary.model_validate(stored), HEADS, IngestSettings())


def test_a_split_without_an_author_is_named():
    counts = tally()
    del counts[("authors", "test")]
    assert "'test' has none of the 90 authors (its share is 0.1)" in error_of(counts)


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_a_head_without_a_known_label_is_named_with_the_switch(split):
    counts = tally()
    del counts[("known", split, "age")]
    authors = {"train": 80, "eval": 10, "test": 10}[split]
    assert (
        f"head 'age' (field 'age') has no known label among {authors} {split} authors. "
        "Add the labels, or leave it out: --heads gender."
    ) in error_of(counts)


def test_a_head_without_any_known_label_is_told_that_its_field_may_have_another_name():
    counts = tally()
    for split in ("train", "eval", "test"):
        del counts[("known", split, "age")]
    assert (
        "has no known label among 80 train authors (if the files name that field otherwise, "
        "capitals count, set heads.age.field). Add the labels"
    ) in error_of(counts)


def test_a_head_with_one_value_is_named():
    counts = tally() | {("known", "train", "age"): (80, 30.0, 30.0)}
    del counts[("value", "train", "gender", "male")]
    assert (
        "head 'age' (field 'age') has one value only, 30, in 'train'; "
        "head 'gender' (field 'gender') has one value only, female, in 'train'. "
        "Add the labels, or declare other heads."
    ) in error_of(counts)


def test_one_value_in_eval_is_named_since_no_skill_can_be_measured_there():
    counts = tally()
    del counts[("value", "eval", "gender", "male")]
    assert "head 'gender' (field 'gender') has one value only, female, in 'eval'" in error_of(
        counts
    )


def test_a_value_that_only_a_few_have_is_not_quoted():
    counts = tally()
    counts[("known", "eval", "age")] = (3, 30.0, 30.0)
    message = error_of(counts)
    assert "head 'age' (field 'age') has one value only in 'eval'" in message
    assert "30" not in message


def test_one_value_in_test_passes():
    counts = tally()
    del counts[("value", "test", "gender", "male")]
    check_join(summarise(counts), HEADS, IngestSettings())


def one_head(**declaration) -> tuple:
    return parse_heads({"one": declaration})


def of_one_head(numbers: dict, **extra) -> dict:
    """Records of 100 authors: `numbers` holds the smallest and largest label of each split."""
    counts = {key: count for key, count in tally().items() if key[0] not in ("known", "value")}
    for split, authors in (("train", 80), ("eval", 10), ("test", 10)):
        counts[("known", split, "one")] = (authors, *numbers[split])
    return counts | extra.get("counts", {})


def out_of_range(split: str, side: str, labels: int, line: int, code: int | None = None) -> dict:
    found = {("out of range", split, "one", side, 1): (labels, line, 900)}
    return found | ({("code", split, "one", code): (labels, None, None)} if code else {})


AGE = {"kind": "regression"}
GROUP = {"kind": "classes", "classes": 5, "given_as": "group"}
AMOUNT = {"kind": "classes", "classes": 5}
AGE_RULE = "labels must lie between heads.one.minimum, 0, and heads.one.maximum, 120"
GROUP_RULE = "groups must be numbered from 0 to 4, since heads.one.classes is 5"


@pytest.mark.parametrize(
    ("head", "largest", "smallest", "found", "said"),
    [
        pytest.param(
            AGE,
            999.0,
            18.0,
            out_of_range("train", "above", 1, 17, 999),
            f"{AGE_RULE}; 1 of 100 labels is above, first at /d/labels.csv:17. "
            "If they are right, set heads.one.minimum and heads.one.maximum.",
            id="one wrong age",
        ),
        pytest.param(
            AGE,
            70.0,
            -1.0,
            out_of_range("train", "below", 12, 3, -1) | out_of_range("eval", "below", 2, 2, -1),
            f"{AGE_RULE}; 14 of 100 labels are below, first at /d/labels.csv:2. "
            "The value -1 occurs 14 times: if it means unknown, add -1 to ingest.unknown. "
            "If they are right,",
            id="a code for unknown",
        ),
        pytest.param(
            AGE,
            840.0,
            216.0,
            out_of_range("train", "above", 80, 2) | out_of_range("test", "above", 10, 9),
            "If they are months, write years instead, or set heads.one.unit and heads.one.maximum.",
            id="months",
        ),
        pytest.param(
            AGE,
            2001.0,
            1950.0,
            out_of_range("train", "above", 80, 2),
            "If they are years of birth, write ages instead.",
            id="years of birth",
        ),
        pytest.param(
            {**AGE, "unit": "kilograms"},
            840.0,
            216.0,
            out_of_range("train", "above", 80, 2),
            "If they are right, set heads.one.minimum and heads.one.maximum.",
            id="another unit is not months",
        ),
        pytest.param(
            GROUP,
            5.0,
            1.0,
            out_of_range("train", "above", 16, 4),
            f"{GROUP_RULE}; 16 of 100 labels are above, first at /d/labels.csv:4. "
            "They seem to be numbered from 1: number them from 0.",
            id="groups from 1",
        ),
        pytest.param(
            GROUP,
            7.0,
            0.0,
            out_of_range("train", "above", 16, 4),
            "If they are right, number the groups from 0, or raise heads.one.classes.",
            id="too many groups",
        ),
        pytest.param(
            AMOUNT,
            7e4,
            -5.0,
            out_of_range("test", "below", 1, 4),
            "amounts must be 0 or more; 1 of 100 labels is below, first at /d/labels.csv:4. "
            "If they are right, declare a number in place of groups: heads.one.kind: regression",
            id="negative amounts",
        ),
    ],
)
def test_labels_out_of_range_are_told_with_number_place_and_what_to_set(
    head, largest, smallest, found, said
):
    heads = one_head(**head)
    counts = of_one_head(dict.fromkeys(("train", "eval", "test"), (smallest, largest))) | found
    with pytest.raises(JoinError) as raised:
        check_join(JoinSummary.from_tally(counts, SOURCES, heads), heads, IngestSettings())
    message = str(raised.value)
    assert message.startswith(
        "Each known label must be in the range of its head. Received:\n  head 'one' (field 'one'): "
    )
    assert said in message
    assert message.endswith("\nCorrect these labels; leave empty what is not known.")


def test_the_first_place_is_that_of_the_first_file():
    heads = one_head(**AGE)
    sources = (*SOURCES, SourceFile("labels", "/d/more.csv", 1))
    counts = of_one_head(dict.fromkeys(("train", "eval", "test"), (0.0, 200.0)))
    counts[("out of range", "train", "one", "above", 2)] = (1, 2, 2)
    counts[("out of range", "train", "one", "above", 1)] = (3, 40, 90)
    (found,) = (
        JoinSummary.from_tally(counts, sources, heads)
        .splits["train"]
        .heads["one"]
        .out_of_range.values()
    )
    assert (found.labels, found.first) == (4, "/d/labels.csv:40")


@pytest.mark.parametrize(
    ("in_eval", "cuts", "said"),
    [
        pytest.param(
            (0.0, 900.0),
            Cuts(boundaries=[0.0, 0.0, 0.0, 0.0], filled=1, fitting_classes=0),
            "has all 80 known amounts of 'train' in one of its 5 groups, which are cut at the "
            "quantiles of 'train'; only 1 of 5 groups holds an author of 'train', since too few "
            "amounts differ: set heads.one.kind: regression for the number itself, or "
            "heads.one.given_as: group for groups of your own. Add the labels",
            id="nearly all amounts are one",
        ),
        pytest.param(
            (1.0, 6.0),
            Cuts(boundaries=[0.0, 0.0, 7.0, 9.0], filled=3, fitting_classes=2),
            "has all 10 known amounts of 'eval' in one of its 5 groups, which are cut at the "
            "quantiles of 'train'; only 3 of 5 groups hold an author of 'train', since too few "
            "amounts differ: set heads.one.classes: 2, which fills every group. Add the labels",
            id="fewer groups are filled",
        ),
        pytest.param(
            (8.0, 8.5),
            Cuts(boundaries=[1.0, 3.0, 7.0, 9.0], filled=5, fitting_classes=5),
            "has all 10 known amounts of 'eval' in one of its 5 groups, which are cut at the "
            "quantiles of 'train'. Add the labels",
            id="few authors",
        ),
        pytest.param(
            (0.0, 7.0),
            Cuts(boundaries=[0.0, 0.0, 0.0, 7.0], filled=2, fitting_classes=0),
            None,
            id="two groups are enough",
        ),
    ],
)
def test_amounts_of_one_group_are_told_with_what_helps(in_eval, cuts, said):
    heads = one_head(**AMOUNT)
    counts = of_one_head({"train": (0.0, 10.0), "eval": in_eval, "test": (0.0, 0.0)})
    summary = JoinSummary.from_tally(counts, SOURCES, heads, {"one": cuts})
    if said is None:
        check_join(summary, heads, IngestSettings())
        return
    with pytest.raises(JoinError) as raised:
        check_join(summary, heads, IngestSettings())
    assert said in str(raised.value)


ALREADY_GROUPS = (
    "; or, where the numbers are groups already, heads.one.given_as: group, and number them from 0"
)


@pytest.mark.parametrize(
    ("amounts", "boundaries", "is_told"),
    [
        ((1.0, 5.0), [1.0, 2.0, 2.0, 4.0], True),
        ((0.0, 6.0), [0.0, 0.0, 1.0, 2.0], True),
        ((1.0, 5.0), [1.0, 2.5, 2.5, 4.0], False),
        ((0.5, 5.0), [1.0, 2.0, 2.0, 4.0], False),
        ((0.0, 90_000.0), [0.0, 0.0, 1000.0, 2000.0], False),
    ],
)
def test_amounts_that_look_like_groups_are_told_how_groups_are_given(amounts, boundaries, is_told):
    heads = one_head(**AMOUNT)
    cuts = Cuts(boundaries=boundaries, filled=3, fitting_classes=3)
    counts = of_one_head(dict.fromkeys(("train", "eval", "test"), amounts))
    (note,) = list_notes(JoinSummary.from_tally(counts, SOURCES, heads, {"one": cuts}), heads)
    assert note == (
        "head 'one' (field 'one'): only 3 of 5 groups hold an author of 'train', since too few "
        "amounts differ: set heads.one.classes: 3, which fills every group"
        + ALREADY_GROUPS
        * is_told
    )


@pytest.mark.parametrize(
    ("in_train", "in_test", "said"),
    [
        (
            (0, 1, 2),
            (0, 1),
            "only 3 of 5 groups hold an author of 'train'; if there are no others, "
            "set heads.one.classes: 3",
        ),
        (
            (1, 2, 3),
            (),
            "only 3 of 5 groups hold an author of 'train'; if there are no others, set "
            "heads.one.classes: 3 and number them from 0",
        ),
        (
            (0, 1),
            (4,),
            "only 2 of 5 groups hold an author of 'train'; if there are no others, set "
            "heads.one.classes: 3 and number them from 0",
        ),
        (
            (0, 1, 2, 3),
            (4,),
            "only 4 of 5 groups hold an author of 'train'; add authors of the others",
        ),
        ((0, 1, 2, 3, 4), (), None),
    ],
)
def test_groups_that_do_not_occur_are_noted_however_they_are_given(in_train, in_test, said):
    heads = one_head(**GROUP)
    counts = of_one_head(dict.fromkeys(("train", "eval", "test"), (0.0, 4.0)))
    for split, groups in (("train", in_train), ("eval", in_train[:2]), ("test", in_test)):
        counts |= {("value", split, "one", str(group)): (1, None, None) for group in groups}
    summary = JoinSummary.from_tally(counts, SOURCES, heads)
    check_join(summary, heads, IngestSettings())
    noted = [f"head 'one' (field 'one'): {said}"] if said else []
    assert list_notes(summary, heads) == noted


def test_the_console_lines_hold_counts():
    counts = set_aside(set_aside(tally(), 0, "empty text", 3, 3), 0, "no label record", 997, 1)
    assert summarise(counts).lines() == [
        "1,000 posts read, 1,000 set aside; 100 authors: 80 train, 10 eval, 10 test",
        "100 labels read, 0 set aside",
        "posts set aside: 997 no label record, 3 empty text",
    ]


def test_files_are_told_apart_on_the_console_where_there_are_several():
    names = [*(f"/d/posts-{number}.jsonl" for number in range(12)), "/d/posts-12.jsonl"]
    sources = (*(SourceFile("posts", name, 1) for name in names), SOURCES[1])
    counts = {("read", 13): (100, None, None), ("used", 13): (100, None, None)}
    for place in range(12):
        counts |= {("read", place): (1000, None, None), ("used", place): (999, None, None)}
        counts[("set aside", place, "empty text")] = (1, 3, 3)
    counts |= {("read", 12): (40, None, None), ("used", 12): (37, None, None)}
    counts[("set aside", 12, "no label record")] = (2, 4, 9)
    counts[("set aside", 12, "not valid JSON")] = (1, 8, 8)
    lines = JoinSummary.from_tally(counts, sources, HEADS).lines()
    assert lines[3:5] == [
        "posts-12.jsonl: 40 read, 3 set aside: 2 no label record, 1 not valid JSON",
        "posts-0.jsonl: 1,000 read, 1 set aside: 1 empty text",
    ]
    assert len(lines) == 3 + 10 + 1
    assert lines[-1] == "and 3 more files of posts"


def test_a_file_that_breaks_off_is_a_warning():
    counts = set_aside(tally(), 0, "compressed data ends early or is damaged", 1, 501)
    assert summarise(counts).warnings() == [
        "/d/posts.jsonl:501: compressed data ends early or is damaged; nothing after it was read"
    ]
