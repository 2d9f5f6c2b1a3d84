"""Ludwig's `stacked_cnn` with the reference network's sizes, from raw text, as its API has it.

    python -m benchmarks.networks.ludwig CORPUS

Ludwig cuts, counts and pads the texts itself: every author to the longest, which is its only way.
Training is its trainer's own loop (`train_online`), inference its own `predict` of a table of texts
and, of texts already cut, its own batch prediction. Runs in an environment of its own, which
`requirements/ludwig.txt` pins.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ludwig.api import LudwigModel
from ludwig.data.dataset.pandas import PandasDataset
from ludwig.features.feature_registries import update_config_with_metadata

from benchmarks.networks.arrays import (
    BATCH,
    EVAL_SHARE,
    UNITS,
    VOCABULARY,
    Arrays,
    mean_skill,
    read_arrays,
    read_posts,
)
from benchmarks.networks.contenders import serve

SPECIAL_SYMBOLS = 4
"""Unknown, padding, start and stop, which Ludwig adds to a vocabulary."""
LONG_TEXT = 400
"""Posts that are enough for 2,000 tokens."""
_WORD = re.compile(r"\w+|[^\w\s]")


def make_settings(vocabulary: Path, longest: int) -> dict[str, Any]:
    """The reference network in Ludwig's terms, without the clipping of gradients it adds."""
    cut = {
        "tokenizer": "space_punct",
        "vocab_file": str(vocabulary),
        "sequence_length": longest,
        "max_sequence_length": longest,
    }
    encoder = {
        "type": "stacked_cnn",
        "embedding_size": 256,
        "filter_size": 5,
        "padding": "valid",
        "pool_padding": "valid",
        "conv_layers": [
            {"num_filters": filters, "pool_size": pool}
            for filters, pool in ((128, 5), (256, None), (256, 5), (256, None), (256, None))
        ],
        "reduce_output": "max",
        "fc_layers": [{"output_size": 128}],
    }
    trainer = {
        "batch_size": BATCH,
        "optimizer": {"type": "adam"},
        "learning_rate": 1e-3,
        "gradient_clipping": {"clipglobalnorm": None},
    }
    return {
        "input_features": [
            {"name": "text", "type": "text", "preprocessing": cut, "encoder": encoder}
        ],
        "output_features": [
            {"name": "age", "type": "number", "preprocessing": {"normalization": None}},
            {"name": "income", "type": "category"},
            {"name": "gender", "type": "binary"},
        ],
        "trainer": trainer,
    }


def write_vocabulary(path: Path, texts: list[str]) -> None:
    """The most frequent words, and made-up ones up to the reference network's 50,000 rows."""
    counts = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    room = VOCABULARY - SPECIAL_SYMBOLS
    words = [word for word, _ in counts.most_common(room)]
    unused = [f"unused{number}" for number in range(room - len(words))]
    path.write_text("\n".join(words + unused), encoding="utf-8")


def make_table(texts: list[str], arrays: Arrays) -> pd.DataFrame:
    """Rows of Ludwig's input: a text and its labels."""
    return pd.DataFrame(
        {
            "text": texts,
            "age": arrays.targets["age"][:, 0],
            "income": [str(group) for group in arrays.targets["income"].argmax(axis=1)],
            "gender": arrays.targets["gender"][:, 0] > 0,
        }
    )


class Ludwig:
    """Answers of the benchmark's requests; figures are those of `plain_keras`."""

    def __init__(self, path: str):
        folder = Path(path).parent
        self.train_arrays, self.eval_arrays = read_arrays(path)
        texts = ["\n".join(posts) for posts in read_posts(path)]
        eval_texts = texts[::EVAL_SHARE]
        self.texts = [text for number, text in enumerate(texts) if number % EVAL_SHARE]
        write_vocabulary(folder / "ludwig-words.txt", self.texts)
        longest = self.train_arrays.tokens.shape[1]
        settings = make_settings(folder / "ludwig-words.txt", longest)
        self.ludwig = LudwigModel(settings, logging_level=logging.ERROR, backend="local")
        prepared = self.ludwig.preprocess(
            training_set=make_table(self.texts, self.train_arrays),
            validation_set=make_table(eval_texts, self.eval_arrays),
        )
        self.train_set, self.eval_set = prepared.training_set, prepared.validation_set
        self.ludwig.training_set_metadata = prepared.training_set_metadata
        update_config_with_metadata(self.ludwig.config_obj, prepared.training_set_metadata)
        network = LudwigModel.create_model(self.ludwig.config_obj, random_seed=1)
        self.ludwig.model = network
        self.start = copy.deepcopy(network.state_dict())
        self.place = 0
        self.restart()

    def parameters(self) -> int:
        """Trained parameters."""
        return sum(weight.numel() for weight in self.ludwig.model.parameters())

    def restart(self) -> None:
        """Sets the network back to its start."""
        self.ludwig.model.load_state_dict(self.start)
        self.trainer = self.ludwig.backend.create_trainer(
            model=self.ludwig.model, config=self.ludwig.config_obj.trainer
        )

    def train(self, steps: int) -> dict[str, float]:
        """Seconds of Ludwig's own loop on that many batches of texts already cut."""
        count = len(self.train_arrays.lengths)
        authors = np.arange(self.place, self.place + steps * BATCH) % count
        self.place += steps * BATCH
        batches = self._select(authors)
        started = time.perf_counter()
        self.trainer.train_online(batches)
        seconds = time.perf_counter() - started
        return {"tokens": int(self.train_arrays.lengths[authors].sum()), "seconds": seconds}

    def skill(self) -> float:
        """Mean skill on `eval`."""
        told = self._predict(self.eval_set)
        income = np.zeros((len(told), UNITS["income"]), "float32")
        groups = self.ludwig.training_set_metadata["income"]["idx2str"]
        income[:, list(map(int, groups))] = np.stack(told["income_probabilities"].to_list())
        answers = {
            "age": told["age_predictions"].to_numpy("float32")[:, None],
            "income": income,
            "gender": told["gender_probabilities"].to_numpy("float32")[:, None],
        }
        return mean_skill(answers, self.eval_arrays.targets)

    def answer(self, authors: int) -> float:
        """Seconds for authors' texts already cut: Ludwig's batch prediction alone."""
        return self._time(self._select(np.arange(authors)), 1)

    def answer_texts(self, authors: int) -> float:
        """Seconds for authors' raw texts: Ludwig's `predict` of a table."""
        return self._time_texts(self.texts[:authors], 1)

    def answer_one(self, tokens: int, times: int) -> float:
        """Mean seconds for one author's text of so many tokens, already cut."""
        # Every author is padded to the longest, so that any one costs the same.
        return self._time(self._select(np.arange(1)), times) / times

    def answer_one_text(self, tokens: int, times: int) -> float:
        """Mean seconds for one author's raw text of so many tokens."""
        return self._time_texts([self._one_text(tokens)], times) / times

    def _time(self, batches: PandasDataset, times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            self._predict(batches)
        return time.perf_counter() - started

    def _time_texts(self, texts: list[str], times: int) -> float:
        table = pd.DataFrame({"text": texts})
        started = time.perf_counter()
        for _ in range(times):
            self.ludwig.predict(table, batch_size=BATCH)
        return time.perf_counter() - started

    def _one_text(self, tokens: int) -> str:
        return " ".join(" ".join(self.texts[:LONG_TEXT]).split()[:tokens])

    def _select(self, authors: np.ndarray) -> PandasDataset:
        columns = {name: values[authors] for name, values in self.train_set.dataset.items()}
        return PandasDataset(columns, self.train_set.features, None)

    def _predict(self, batches: PandasDataset) -> pd.DataFrame:
        with self.ludwig.backend.create_predictor(self.ludwig.model, batch_size=BATCH) as predictor:
            return predictor.batch_predict(batches)


def main(path: str) -> None:
    """Serves the benchmark's requests."""
    ludwig = Ludwig(path)
    names = ["parameters", "restart", "train", "skill"]
    names += ["answer", "answer_texts", "answer_one", "answer_one_text"]
    serve({name: getattr(ludwig, name) for name in names})


if __name__ == "__main__":
    main(*sys.argv[1:])
