"""Stops a trial that the earlier ones show to be hopeless, by the median stopping rule.

Enters: the folder of all fits of a search, of which each leaves `state.json` with the skill of
every epoch. Leaves: after an epoch, `model.stop_training` where the trial's best skill so far is
below the median of what the others' best was at that epoch. A search that was killed finds their
states again. Called by `tuner`.

Source: Golovin et al., "Google Vizier: A Service for Black-Box Optimization", 2017, section 3.2.
"""

from __future__ import annotations

import json
import logging
import statistics
from pathlib import Path

import keras

from components.training.fitting import OBJECTIVE

LOGGER = logging.getLogger("authorprofile.tuner")
FEWEST_TRIALS = 2


class MedianStopping(keras.callbacks.Callback):
    """See the module. Stands after `BestWeights`, so that the epoch it stops after is kept.

    Args:
        folder: of all fits.
        own: of this fit.
    """

    def __init__(self, folder: Path, own: Path):
        super().__init__()
        self.others = [
            skills
            for path in sorted(folder.glob("*/state.json"))
            if path.parent != own and (skills := best_so_far(path))
        ]
        self.best = -float("inf")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.best = max(self.best, float((logs or {})[OBJECTIVE]))
        if is_hopeless(self.best, epoch, self.others):
            LOGGER.debug("pruned after epoch %d", epoch + 1)
            self.model.stop_training = True


def is_hopeless(best: float, epoch: int, others: list[list[float]]) -> bool:
    """Whether a trial's best skill is below the median of the others that came so far.

    >>> is_hopeless(0.1, 1, [[0.0, 0.2], [0.1, 0.3]])
    True
    >>> is_hopeless(0.1, 0, [[0.0, 0.2], [0.1, 0.3]])
    False
    """
    reached = [skills[epoch] for skills in others if len(skills) > epoch]
    return len(reached) >= FEWEST_TRIALS and best < statistics.median(reached)


def best_so_far(path: Path) -> list[float]:
    """The best skill up to each epoch, from a fit's `state.json`."""
    history = json.loads(path.read_text(encoding="utf-8"))["history"]
    found: list[float] = []
    for epoch in history:
        found.append(max([*found[-1:], epoch[OBJECTIVE]]))
    return found
