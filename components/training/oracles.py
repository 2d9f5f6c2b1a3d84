"""Which settings a search tries next, and which of its trials it prefers.

Enters: the trials so far, with the skill of each head on `eval` and its standard error. Leaves: the
settings of the next trial, and the order of the trials. Three things are added to Keras Tuner's
oracles:

- The first trial is what is configured.
- The last trial joins what earlier ones have found: of the best trial's settings, each head's
  penalty gives way to that of the trial that this head did best in. The heads of the linear model
  share nothing that a penalty would change, so none need pay for what another gains.
- What is configured is preferred unless another trial is surely better. The best of several is in
  part the luckiest, so it counts as better by more than one standard error alone, and never where
  that is no number, as of a head without labels in `eval`: the rule of
  Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3. The same holds of each
  head's penalty in the last trial.

Called by `tuner`.
"""

from __future__ import annotations

from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from components.training.searched import RIDGE_PREFIX
from components.training.skill_error import SKILL_ERROR, error_name


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
        if len(self.trials) == self.max_trials - 1 and (joined := self._join()):
            return {"status": TrialStatus.RUNNING, "values": joined}
        further: dict[str, Any] = super().populate_space(trial_id)
        return further

    def _configured(self) -> Trial | None:
        """The first trial, if it has ended well."""
        first = self.trials[self.start_order[0]] if self.start_order else None
        return first if first and first.status == TrialStatus.COMPLETED else None

    def _ended(self) -> list[Trial]:
        """The trials that have ended well; where machines share a search, others are running."""
        return [trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED]

    def _join(self) -> dict[str, Any] | None:
        """The settings of the last trial; None: they were tried, or no trial has ended yet."""
        if not self._ended():
            return None
        values = dict(self.get_best_trials()[0].hyperparameters.values)
        for name in values:
            if name.startswith(RIDGE_PREFIX):
                trial = self._best_of_head(name.removeprefix(RIDGE_PREFIX))
                values[name] = trial.hyperparameters.values[name]
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        return None if values in tried else values

    def _best_of_head(self, head: str) -> Trial:
        """The trial that a head did best in; the configured one unless that is surely better."""

        def skill(trial: Trial) -> float:
            return float(trial.metrics.get_last_value(f"val_{head}_skill"))

        best, first = max(self._ended(), key=skill), self._configured()
        if first and not skill(best) - skill(first) > best.metrics.get_last_value(error_name(head)):
            return first
        return best


class RandomOracle(ConfiguredFirst, keras_tuner.oracles.RandomSearchOracle):
    """Draws the further trials at random."""


class BayesianOracle(ConfiguredFirst, keras_tuner.oracles.BayesianOptimizationOracle):
    """Draws some, then follows a Gaussian process."""
