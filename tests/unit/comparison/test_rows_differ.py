"""Each way to weigh the heads trains another network: what the compared skills stand for."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from components.comparison.networks import comparison_rows, train_row
from components.features.settings import TextSettings
from components.heads.declared import parse_heads
from components.judging.settings import JudgingSettings
from components.training.fitting import TrainingData, make_data
from components.training.hooks import HookSettings
from components.training.settings import ConvSettings, TrainingSettings, TunerSettings
from tests.unit.training.small_network import draw_table, make_rows

HEADS = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})
VOCABULARY, AUTHORS = 12, 64
CHOSEN = {"age": 1.0, "gender": 3.0}
WORDS = np.arange(AUTHORS) % 4
TARGETS = {"age": (WORDS // 2)[:, None] * 2.0 - 1, "gender": (WORDS % 2)[:, None] * 1.0}
LINKS = {head.name: head.link(TARGETS[head.name]) for head in HEADS}


def data_of(heads) -> TrainingData:
    """Authors whose first word tells each label; a linear baseline that knows nothing."""
    tokens = [[2 + word, 6 + place % 4, 2 + word] for place, word in enumerate(WORDS)]
    targets = {head.name: TARGETS[head.name].astype("float32") for head in heads}
    offsets = {head.name: np.zeros((AUTHORS, LINKS[head.name].logits)) for head in heads}
    rows = make_rows(tokens, targets, offsets)
    return make_data(heads, rows, rows, 8, VOCABULARY, links=LINKS, table=draw_table(VOCABULARY, 2))


def test_no_two_rows_answer_alike_and_all_have_learned(tmp_path: Path) -> None:
    training = TrainingSettings(
        epochs=3, batch_size=8, learning_rate=0.01, loss_weights=CHOSEN, refit=False
    )
    network = ConvSettings(filters=4, crop_tokens=8, shared_width=8)
    settings = HookSettings(
        HEADS, TextSettings(), network, training, TunerSettings(), JudgingSettings()
    )
    groups = [HEADS, *((head,) for head in HEADS)]
    data = {tuple(head.name for head in heads): data_of(heads) for heads in groups}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for row in comparison_rows(settings):
        for _, learned in train_row(row, data, 1, tmp_path):
            for head in learned.heads:
                assert learned.shares[head.name].network > 0.5
                kept = learned.held_out_answers(head.name)[1]
                answers.setdefault(row.name, {})[head.name] = kept
    assert len(answers) == 5
    for one, other in combinations(answers.values(), 2):
        for head in HEADS:
            assert np.abs(one[head.name] - other[head.name]).max() > 1e-4
