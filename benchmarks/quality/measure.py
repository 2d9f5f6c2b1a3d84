"""Measures how well the network learns, fold by fold, row by row; see `__main__` for the command.

Enters: a configuration, rows, folds, seeds. Leaves: `<out>/<row>-fold<k>-seed<s>.json`, written
when it is known; one that is there is not measured again, so a measurement that was stopped goes
on where it was. `rows` says what each row is, `table`
reads the results.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.quality.certainty import Counts, certainty_counts
from benchmarks.quality.clock import now
from benchmarks.quality.corpus import (
    Corpus,
    Fold,
    beyond,
    make_fold,
    place_of,
    read_corpus,
    without_authors,
    without_labels,
)
from benchmarks.quality.judge import Terms, author_terms, constant_answers
from benchmarks.quality.networks import (
    Outcome,
    by_baseline,
    by_fit,
    by_search,
    by_uncertainty,
)
from benchmarks.quality.plain import by_plain_keras
from benchmarks.quality.rows import PLAIN, Row, read_row
from benchmarks.quality.shallow import shallow_answers
from benchmarks.quality.training_files import open_training
from components.comparison.networks import HAND_SET
from components.training.hooks import HookSettings
from components.training.settings import ConvSettings, ReferenceSettings

LEARNERS = {
    "tuner": by_search,
    "uncertainty": by_uncertainty,
    "baseline": by_baseline,
    PLAIN: by_plain_keras,
}
LOGGER = logging.getLogger("authorprofile.quality")


@dataclass(frozen=True)
class Measurement:
    """What is measured.

    Attributes:
        posts, labels: patterns.
        settings: heads, network, training, search.
        folds: parts that the authors are cut into.
        out: folder of the results.
    """

    posts: Sequence[str]
    labels: Sequence[str]
    settings: HookSettings
    folds: int
    out: Path


def check_folder(measurement: Measurement) -> None:
    """Keeps the results of one corpus and one configuration in a folder.

    Raises:
        ValueError: the folder holds results of another.
    """
    told = {
        "posts": list(measurement.posts),
        "labels": list(measurement.labels),
        "folds": measurement.folds,
        "settings": measurement.settings.to_custom_config(),
    }
    path = measurement.out / "measured.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, told)
        return
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if differing := [name for name in told if told[name] != earlier.get(name)]:
        raise ValueError(
            "A folder holds the results of one corpus, one number of folds and one configuration. "
            f"{measurement.out} has those of other {' and '.join(differing)}: name another folder "
            "(--out, QUALITY=)."
        )


def measure(
    measurement: Measurement, rows: Sequence[str], judged: Sequence[int], seeds: Sequence[int]
) -> None:
    """Measures every row on the folds `judged`, seed after seed; cheap rows come first."""
    measurement.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        corpus = read_corpus(
            measurement.posts,
            measurement.labels,
            measurement.settings.heads,
            measurement.settings.text.maximum_bytes,
            Path(work),
        )
    for place, seed in enumerate(seeds):
        for row in rows:
            for number in judged:
                path = measurement.out / f"{row.replace(':', '-')}-fold{number}-seed{seed}.json"
                if path.exists() or (place and not read_row(row).has_seed):
                    continue
                result = measure_row(measurement, corpus, row, number, seed)
                _write(path, result)
                LOGGER.info("%s, fold %d, seed %d: %.0f s", row, number, seed, result["seconds"])


def measure_row(
    measurement: Measurement, corpus: Corpus, name: str, number: int, seed: int
) -> dict[str, Any]:
    """One result: terms of each author, seconds, what was chosen."""
    settings = measurement.settings
    training = settings.training.model_copy(update={"seed": seed, "loss_weights": {}})
    settings = replace(settings, training=training)
    row = read_row(name)
    corpus = _change(corpus, row, number, measurement.folds, seed)
    started = now()
    fold = _fold(corpus, settings, number, measurement.folds)
    if row.has_seed:
        outcomes = list(_networks(corpus, fold, settings, row, number, measurement.folds))
    else:
        if row.shallow:
            answers = shallow_answers(corpus, settings.heads, fold, row.shallow)
        else:
            answers = constant_answers(corpus, settings.heads, fold)
        outcomes = [(settings.heads, fold, Outcome(answers, now().since(started), {}, [], 0))]
    terms: Terms = {}
    certainty: dict[str, Counts] = {}
    for heads, its_fold, outcome in outcomes:
        terms |= author_terms(corpus, heads, its_fold, outcome.answers)
        for network, answers in (("selected", outcome.selected), ("served", outcome.answers)):
            if outcome.calibrations:
                counts = certainty_counts(corpus, heads, its_fold, answers, outcome.calibrations)
                certainty.setdefault(network, {}).update(counts)
    return {
        "row": name,
        "fold": number,
        "seed": seed,
        "seconds": sum(outcome.spent.seconds for *_, outcome in outcomes),
        "cpu_seconds": sum(outcome.spent.cpu_seconds for *_, outcome in outcomes),
        "parameters": sum(outcome.parameters for *_, outcome in outcomes),
        "chosen": [outcome.chosen for *_, outcome in outcomes],
        "shares": [outcome.shares for *_, outcome in outcomes],
        "skills": [outcome.skills for *_, outcome in outcomes],
        "certainty": certainty,
        "terms": terms,
    }


def _networks(
    corpus: Corpus, fold: Fold, settings: HookSettings, row: Row, number: int, folds: int
) -> Any:
    learn = LEARNERS.get(row.learner, by_fit)
    settings = replace(settings, network=_network(settings.network, row.learner))
    if row.learner == "hand":
        weights = {head.name: HAND_SET.get(head.name, 1.0) for head in settings.heads}
        training = settings.training.model_copy(update={"loss_weights": weights})
        settings = replace(settings, training=training)
    groups = [(head,) for head in settings.heads] if row.learner == "single" else [settings.heads]
    for heads in groups:
        its_settings = replace(settings, heads=heads)
        its_fold = _fold(corpus, its_settings, number, folds) if row.learner == "single" else fold
        keras.backend.clear_session()
        with tempfile.TemporaryDirectory() as work:
            started = now()
            data, its_settings = open_training(Path(work), corpus, its_fold, its_settings)
            opened = now().since(started)
            outcome = learn(its_fold, data, its_settings, Path(work))
            # A plain script makes no table and no baseline.
            spent = outcome.spent if row.learner == PLAIN else outcome.spent.plus(opened)
            yield heads, its_fold, replace(outcome, spent=spent)


def _network(
    network: ConvSettings | ReferenceSettings, learner: str
) -> ConvSettings | ReferenceSettings:
    changes: dict[str, dict[str, Any]] = {
        "no-convolution": {"filters": 0},
        "no-pool": {"pool": False},
    }
    if learner == "reference":
        return ReferenceSettings()
    return network.model_copy(update=changes.get(learner, {}))


def _fold(corpus: Corpus, settings: HookSettings, number: int, folds: int) -> Fold:
    return make_fold(corpus, settings.heads, settings.text, number, folds)


def _change(corpus: Corpus, row: Row, number: int, folds: int, seed: int) -> Corpus:
    if not row.change:
        return corpus
    if row.kept:
        return without_authors(corpus, beyond(corpus, int(row.kept), number, folds), number, folds)
    half = np.array(
        [
            i
            for i, author in enumerate(corpus.authors)
            if place_of(author, f"half{seed}", 2) and place_of(author, "fold", folds) != number
        ]
    )
    if row.change == "hidden":
        return without_labels(corpus, row.what, half)
    return without_authors(corpus, half, number, folds)


def _write(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(content), encoding="utf-8")
    os.replace(beside, path)
