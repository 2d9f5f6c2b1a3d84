"""The whole component's work: offsets that no own label has a share in, aligned to the examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.linear import component, crossfit
from components.linear.artifact import (
    FINAL,
    SELECTION,
    fold_set,
    has_offsets,
    offset_name,
    offset_patterns,
    read_facts,
    read_models,
    with_offsets,
)
from components.linear.component import fit_baseline
from components.linear.reading import list_shards, parts_of, read_batches
from components.linear.settings import BaselineSettings
from components.linear.terms import count_terms, weigh_terms
from components.table.component import make_table
from components.training.dataset import read_examples

NO_PAIRS = np.zeros(0, "int64")
VOCABULARY = 30
FEW, MANY = (60, 30), (200, 40)
SETS = [SELECTION, FINAL, *map(fold_set, range(5))]
CHANGED = b"author-8"
"""An author of `train` whose labels are known, its number beside no threshold."""
SETTINGS = BaselineSettings()


def fit(splits, heads, folder, settings=SETTINGS) -> str:
    table = make_table(splits["train"], VOCABULARY, NO_PAIRS, 8, seed=0)
    fit_baseline(splits, table, heads, settings, str(folder))
    return str(folder)


def offsets_of(folder, name, split, heads) -> dict[bytes, np.ndarray]:
    """All heads' offsets in one row an author, in the files' order."""
    found = {}
    for path in tf.io.gfile.glob(offset_patterns(folder, name, split)):
        for record in tf.data.TFRecordDataset([path], compression_type="GZIP"):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            numbers = [features[offset_name(head.name)].float_list.value for head in heads]
            found[features["author_id"].bytes_list.value[0]] = np.concatenate(numbers)
    return found


@pytest.fixture(scope="module")
def few(tmp_path_factory, write_corpus, heads):
    folder = tmp_path_factory.mktemp("few")
    splits = write_corpus(folder / "examples", FEW, shards=3)
    return splits, fit(splits, heads, folder / "baseline")


@pytest.fixture(scope="module")
def few_changed(tmp_path_factory, write_corpus, heads):
    """The same corpus but for the labels of one author, whose number stays in its group."""

    def change(author) -> None:
        if author["author_id"] == CHANGED:
            author["gender"] = [1 - author["gender"][0]]
            author["income"] = np.roll(author["income"], 1)
            author["age"] = [author["age"][0] + 1e-3]
            assert all(author[head.known_name] == [1.0] for head in heads)

    folder = tmp_path_factory.mktemp("changed")
    splits = write_corpus(folder / "examples", FEW, shards=3, change=change)
    return fit(splits, heads, folder / "baseline")


@pytest.mark.parametrize("name", SETS)
def test_an_authors_own_label_has_no_share_in_its_offset_to_the_last_digit(
    few, few_changed, heads, name
):
    before = offsets_of(few[1], name, "train", heads)
    after = offsets_of(few_changed, name, "train", heads)
    np.testing.assert_array_equal(before[CHANGED], after[CHANGED])
    own = parts_of([CHANGED], 5)[0]
    same = [
        author for author in before if parts_of([author], 5)[0] == own or name == fold_set(int(own))
    ]
    for author in same:
        np.testing.assert_array_equal(before[author], after[author])
    # It does have one in the others'.
    others = [author for author in before if author not in same]
    assert all((before[author] != after[author]).any() for author in others)
    assert others or name == fold_set(int(own))


def test_no_label_of_eval_has_a_share_in_what_selection_reads(tmp_path, few, heads, write_corpus):
    def change(author) -> None:
        if int(author["author_id"][7:]) >= FEW[0]:
            author["gender"] = [1 - author["gender"][0]]
            author["age"] = [author["age"][0] + 10]

    splits = write_corpus(tmp_path / "examples", FEW, shards=3, change=change)
    folder = fit(splits, heads, tmp_path / "baseline")
    for split in ("train", "eval"):
        before = offsets_of(few[1], SELECTION, split, heads)
        after = offsets_of(folder, SELECTION, split, heads)
        np.testing.assert_array_equal(list(before.values()), list(after.values()))
    assert before.keys() == after.keys() and len(after) == FEW[1]


def test_models_answer_as_their_offsets_for_authors_that_they_did_not_see(few, heads):
    splits, folder = few
    table = make_table(splits["train"], VOCABULARY, NO_PAIRS, 8, seed=0)
    models = read_models(folder, heads)
    offsets = offsets_of(folder, SELECTION, "eval", heads)
    for path in list_shards(splits["eval"]):
        for batch in read_batches(path):
            rows = weigh_terms(
                count_terms(batch.tokens, batch.starts, VOCABULARY, NO_PAIRS), table.idf
            )
            logits = [models[SELECTION][head.name].logits(rows) for head in heads]
            written = [offsets[author] for author in batch.ids]
            np.testing.assert_allclose(np.concatenate(logits, axis=1), written, atol=1e-4)
    weights = models[FINAL]["gender"].weights
    assert weights.dtype == "float32" and weights.shape == (VOCABULARY, 1)
    assert (weights != models[SELECTION]["gender"].weights).any()


@pytest.mark.parametrize("name", SETS)
def test_offsets_predict_labels_that_they_did_not_see(few, heads, name):
    splits, folder = few
    models = read_models(folder, heads)[FINAL]
    offsets = {split: offsets_of(folder, name, split, heads) for split in ("train", "eval")}
    start = 0
    for head in heads:
        link = models[head.name].link
        logits, targets = [], []
        for split, uri in splits.items():
            for path in list_shards(uri):
                for batch in read_batches(path, heads):
                    known = batch.known[head.name]
                    logits += [offsets[split][author] for author in np.array(batch.ids)[known]]
                    targets.append(batch.targets[head.name][known])
        answers = link.answers(np.array(logits, "float64")[:, start : start + link.logits])
        labels = np.concatenate(targets).astype("float64")
        start += link.logits
        loss = head.losses(answers, labels).mean()
        constant = head.constant_loss(len(labels), head.moments(labels).sum(axis=0))
        assert loss < 0.75 * constant


def test_offsets_join_the_examples_shard_by_shard(few, heads):
    splits, folder = few
    facts = read_facts(folder)
    spec = {
        "author_id": tf.io.FixedLenFeature([1], tf.string),
        "age": tf.io.FixedLenFeature([1], tf.float32),
    }
    logits = {offset_name(h.name): facts["heads"][h.name]["logits"] for h in heads}
    for split, uri in splits.items():
        names = [Path(path).name for path in list_shards(uri)]
        assert sorted(path.name for path in Path(folder, "offsets", FINAL, split).iterdir()) == (
            names
        )
        joined = with_offsets(
            read_examples([f"{uri}/*"], spec), offset_patterns(folder, FINAL, split), logits
        )
        told = offsets_of(folder, FINAL, split, heads)
        rows = list(joined.as_numpy_iterator())
        assert len(rows) == {"train": FEW[0], "eval": FEW[1]}[split]
        for row in rows:
            own = np.concatenate([row[offset_name(head.name)] for head in heads])
            np.testing.assert_array_equal(own, told[row["author_id"][0]])


def test_offsets_of_other_authors_are_refused_without_an_id(few, heads):
    splits, folder = few
    spec = {"author_id": tf.io.FixedLenFeature([1], tf.string)}
    wrong = with_offsets(
        read_examples([f"{splits['train']}/*"], spec).skip(1),
        offset_patterns(folder, FINAL, "train"),
        {"gender.offset": 1},
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        list(wrong.as_numpy_iterator())
    assert "the same authors as the examples" in str(refused.value)
    assert "author-" not in str(refused.value)


def test_many_authors_have_no_folds_and_own_labels_stay_out(
    tmp_path, heads, write_corpus, monkeypatch
):
    monkeypatch.setattr(crossfit, "FEW_AUTHORS", 100)

    def change(author) -> None:
        if author["author_id"] == CHANGED:
            author["gender"], author["gender.known"] = [1 - author["gender"][0]], [1.0]

    folders = []
    for number, its in enumerate((lambda author: None, change)):
        splits = write_corpus(tmp_path / f"{number}", MANY, change=its)
        folders.append(fit(splits, heads, tmp_path / f"baseline{number}"))
    assert has_offsets(folders[0], FINAL) and not has_offsets(folders[0], fold_set(0))
    assert read_facts(folders[0])["folds"] == 0
    for name in (SELECTION, FINAL):
        before, after = (offsets_of(folder, name, "train", heads) for folder in folders)
        np.testing.assert_array_equal(before[CHANGED], after[CHANGED])
        assert any((before[author] != after[author]).any() for author in before)


def test_many_authors_have_no_folds_however_few_are_fitted(
    tmp_path, heads, write_corpus, monkeypatch
):
    monkeypatch.setattr(crossfit, "FEW_AUTHORS", 150)
    splits = write_corpus(tmp_path / "examples", MANY)
    folder = fit(splits, heads, tmp_path / "baseline", BaselineSettings(authors=80))
    assert read_facts(folder)["fitted"] < 150 < sum(MANY)
    assert read_facts(folder)["folds"] == 0


def test_few_authors_have_no_folds_where_some_are_not_fitted(tmp_path, heads, write_corpus):
    """What answers these has seen the labels of every part."""
    splits = write_corpus(tmp_path / "examples", MANY)
    folder = fit(splits, heads, tmp_path / "baseline", BaselineSettings(authors=120))
    assert read_facts(folder)["fitted"] < sum(MANY) < crossfit.FEW_AUTHORS
    assert read_facts(folder)["folds"] == 0 and not has_offsets(folder, fold_set(0))


def test_authors_beyond_the_bound_are_answered_by_the_whole_model(tmp_path, heads, write_corpus):
    splits = write_corpus(tmp_path / "examples", MANY, shards=2)
    table = make_table(splits["train"], VOCABULARY, NO_PAIRS, 8, seed=0)
    folder = fit(splits, heads, tmp_path / "baseline", BaselineSettings(authors=120))
    facts = read_facts(folder)
    assert facts["authors"] == {"train": MANY[0], "eval": MANY[1]}
    assert 90 < facts["fitted"] < 150
    models = read_models(folder, heads)
    by_model = other = 0
    for name in (SELECTION, FINAL):
        offsets = offsets_of(folder, name, "train", heads)
        assert len(offsets) == MANY[0]
        for path in list_shards(splits["train"]):
            for batch in read_batches(path):
                counted = count_terms(batch.tokens, batch.starts, VOCABULARY, NO_PAIRS)
                rows = weigh_terms(counted, table.idf)
                logits = np.concatenate(
                    [models[name][head.name].logits(rows) for head in heads], axis=1
                )
                for author, its in zip(batch.ids, logits, strict=True):
                    same = np.allclose(offsets[author], its, atol=1e-5)
                    by_model, other = by_model + same, other + (not same)
    assert other < facts["fitted"] * 2 and by_model > MANY[0]


def test_four_authors_are_enough_for_a_baseline(tmp_path, heads, write_corpus):
    def change(author) -> None:
        for head in heads:
            author[head.known_name] = [1.0]

    splits = write_corpus(tmp_path / "examples", (3, 1), change=change)
    folder = fit(splits, heads, tmp_path / "baseline")
    for name in SETS:
        for split in ("train", "eval"):
            assert np.isfinite(list(offsets_of(folder, name, split, heads).values())).all()


def test_a_head_of_few_labels_is_near_its_constant(tmp_path, heads, write_corpus):
    def change(author) -> None:
        if int(author["author_id"][7:]) > 3:
            author["gender.known"] = [0.0]

    splits = write_corpus(tmp_path / "examples", FEW, change=change)
    folder = fit(splits, heads, tmp_path / "baseline")
    answers = [
        1 / (1 + np.exp(-offset[-1]))
        for offset in offsets_of(folder, FINAL, "eval", heads).values()
    ]
    assert np.isfinite(answers).all() and 0.05 < min(answers) < max(answers) < 0.95


def test_a_head_without_a_label_is_named(tmp_path, heads, write_corpus):
    def change(author) -> None:
        author["income.known"] = [0.0]

    splits = write_corpus(tmp_path / "examples", FEW, change=change)
    with pytest.raises(ValueError, match=r"labels in `train`; heads\.income has none"):
        fit(splits, heads, tmp_path / "baseline")


def test_facts_say_what_was_chosen_and_nothing_of_an_author(few, heads):
    facts = read_facts(few[1])
    assert facts["parts"] == facts["folds"] == 5
    for head in heads:
        told = facts["heads"][head.name]
        assert told["strength"] == told["strengths"][int(np.argmin(told["losses"]))]
        assert told["labels"]["both"] > told["labels"]["train"] > 40
    assert "author-" not in json.dumps(facts)


def test_the_log_tells_no_author(tmp_path, heads, write_corpus, caplog):
    caplog.set_level("DEBUG", component.LOGGER.name)
    splits = write_corpus(tmp_path / "examples", FEW)
    fit(splits, heads, tmp_path / "baseline")
    assert "90 authors, strength of the penalty" in caplog.text
    assert "author-" not in caplog.text
