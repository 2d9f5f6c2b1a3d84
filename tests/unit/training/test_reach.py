"""No ceiling: a number's whole range is within reach of what is trained, served and shown."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import parse_heads
from components.heads.links import StepsLink
from components.heads.ordinal import steps_in_reach
from components.training.conv import shrunk_model
from components.training.model import build_model, compile_model, for_model
from components.training.settings import ConvSettings
from tests.unit.training.small_network import batch_of, draw_linear, draw_table, make_rows

HEADS = parse_heads({"age": {"kind": "regression"}})
RANDOM = np.random.default_rng(0)
LABELS = np.concatenate([RANDOM.normal(0, 1, 2000), [-9.0, 14.0]])[:, None]


@pytest.mark.parametrize(
    "labels",
    [LABELS, np.exp(3 * LABELS.clip(-2, 3)), LABELS[:40], LABELS[:7], [[0.0], [0.0], [5.0]]],
    ids=["normal", "heavy tail", "forty", "seven", "two values"],
)
def test_every_label_of_the_training_split_is_within_reach(labels):
    labels = np.asarray(labels)
    link = StepsLink.of(labels)
    lowest, highest = (link.answers(np.full((1, link.logits), far))[0, 0] for far in (-50, 50))
    assert (lowest, highest) == (pytest.approx(labels.min()), pytest.approx(labels.max()))
    levels = steps_in_reach(labels[:, 0]).levels
    assert list(levels) == sorted(levels)


def test_the_network_answers_the_ends_where_its_logits_are_sure():
    links = {"age": HEADS[0].link(LABELS)}
    table = draw_table()
    model = build_model(HEADS, 50, ConvSettings(filters=0), links=links, table=table, seed=1)
    linear = draw_linear(table, links)
    for far, expected in ((-80.0, -9.0), (80.0, 14.0)):
        linear["age"].weights[:] = 0
        linear["age"].bias[:] = far
        served = shrunk_model(model, HEADS, links, {}, linear)
        assert float(served(batch_of([[2, 3]]))["age"][0, 0]) == pytest.approx(expected, rel=1e-5)


def test_the_outer_tenths_are_answered_as_far_out_as_by_ridge_where_there_is_no_noise():
    """A word count tells the label exactly; the network starts from a baseline that knows none."""
    random = np.random.default_rng(1)
    share = random.uniform(0, 1, 600)
    counts = np.round(share * 40).astype(int)
    authors = [[2] * (n + 1) + [3] * (41 - n) for n in counts]
    design = np.array([[1 + np.log(n + 1), 1 + np.log(41 - n)] for n in counts])
    design /= np.linalg.norm(design, axis=1, keepdims=True)
    # Linear in what ridge regression reads.
    labels = (design[:, 0] - design[:, 0].mean()) / design[:, 0].std()
    centred = design - design.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + 0.3 * np.eye(2), centred.T @ labels)
    ridge = centred @ weights
    links = {"age": HEADS[0].link(labels[:, None])}
    table = draw_table(vocabulary=6, pairs=0)
    table.idf[2:] = 1
    # The offsets of a linear baseline of one slope a threshold, fitted on these scores.
    mixing, bias = links["age"].fit(ridge[:, None], labels[:, None])
    rows = make_rows(
        authors, {"age": np.float32(labels[:, None])}, {"age": ridge[:, None] @ mixing + bias}
    )
    settings = ConvSettings(filters=0, shared_width=16, term_dropout=0.0)
    model = build_model(HEADS, 6, settings, links=links, table=table, seed=1)
    compile_model(model, HEADS, {}, 1e-2, 300)
    batches = for_model(rows.padded_batch(100).cache().repeat(), model)
    model.fit(batches, steps_per_epoch=300, verbose=0)
    inputs = next(iter(for_model(rows.padded_batch(600), model)))[0]
    answers = np.asarray(model(inputs, training=False)["age"])[:, 0]
    assert isinstance(inputs["tokens"], tf.Tensor)
    order = np.argsort(labels)
    for outer, side in ((order[:60], -1), (order[-60:], 1)):
        # In deviations; the groups' own means would be off by .3 at the upper end.
        assert side * answers[outer].mean() >= side * ridge[outer].mean() - 0.1
    assert np.corrcoef(answers, labels)[0, 1] > 0.99
