"""Which settings a search tries next, and which of its trials it prefers.

Enters: the trials so far, with the skill of each head on `eval` and its standard error. Leaves: the
settings of the next trial, and the order of the trials. Two things are added to Keras Tuner's
oracles:

- The first trial is what is configured.
- What is configured is preferred unless another trial is surely better. The best of several is in
  part the luckiest, so it counts as better by more than one standard error alone, and never where
  that is no number, as of a head without labels in `eval`: the rule of
  Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3.
"""

from __future__ import annotations

from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from components.training.skill_error import SKILL_ERROR


class ConfiguredFirst(keras_tuner.Oracle):
    """See the module."""

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        best: list[Trial] = super().get_best_trials(len(self.trials))
        first = self._configured()
        if first:
            lead = best[0].score - first.score
            if not lead > best[0].metrics.get_last_value(SKILL_ERROR):
                best.remove(first)
                best.insert(0, first)
        return best[:num_trials]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.trials:
            values = {parameter.name: parameter.default for parameter in self.hyperparameters.space}
            return {"status": TrialStatus.RUNNING, "values": values}
        further: dict[str, Any] = super().populate_space(trial_id)
        return further

    def _configured(self) -> Trial | None:
        """The first trial, if it has ended well."""
        first = self.trials[self.start_order[0]] if self.start_order else None
        return first if first and first.status == TrialStatus.COMPLETED else None


class RandomOracle(ConfiguredFirst, keras_tuner.oracles.RandomSearchOracle):
    """Draws the further trials at random."""


class BayesianOracle(ConfiguredFirst, keras_tuner.oracles.BayesianOptimizationOracle):
    """Draws some, then follows a Gaussian process."""
